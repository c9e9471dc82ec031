//! What went wrong, for the operator: one line that says it, one that says what next, and an exit code.

use std::fmt;

/// The exit code of a command that failed.
const FAILED: u8 = 1;
/// The exit code of wrong usage or wrong configuration.
const USAGE: u8 = 2;
/// The exit code of a command that was interrupted, as a shell tells it: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

/// Why the program ends without success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    /// Whether `message` is a whole report that needs no `error:` before it.
    report: bool,
    code: u8,
}

impl Failure {
    /// Something failed.
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), hint: None, report: false, code: FAILED }
    }

    /// Something was asked for that cannot be.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { code: USAGE, ..Self::new(message) }
    }

    /// It was interrupted by the operator.
    pub(crate) fn interrupted(message: impl fmt::Display) -> Self {
        Self { code: INTERRUPTED, ..Self::new(message) }
    }

    /// A report over several lines.
    pub(crate) fn report(text: String, wrong_usage: bool) -> Self {
        Self { message: text, hint: None, report: true, code: if wrong_usage { USAGE } else { FAILED } }
    }

    /// What to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What went wrong, alone.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it, if anybody knows.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// The text for standard error.
    pub(crate) fn text(&self, colours: bool) -> String {
        if self.report {
            return self.message.clone();
        }
        let (red, cyan, plain) = if colours { ("\x1b[1;31m", "\x1b[1;36m", "\x1b[0m") } else { ("", "", "") };
        let hint = self.hint.as_ref().map(|hint| format!("\n{cyan}hint{plain}: {hint}")).unwrap_or_default();
        format!("{red}error{plain}: {}{hint}", self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_its_hint_on_a_line_of_its_own() {
        let failure =
            Failure::new("cannot listen on 0.0.0.0:25: permission denied").hint("choose a port above 1023");
        let text = "error: cannot listen on 0.0.0.0:25: permission denied\nhint: choose a port above 1023";
        assert_eq!((failure.text(false).as_str(), failure.code()), (text, 1));
        assert!(failure.text(true).starts_with("\x1b[1;31merror\x1b[0m: "));
    }
}
