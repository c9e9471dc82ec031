//! Why an attempt came to nothing, and what the authority says about the next one.

use std::{error::Error as StdError, time::Duration};

use instant_acme::{Error, Problem};

/// What is told of a failure at most, in characters: the authority writes some of it.
const TEXT_MAX: usize = 1000;
/// The error types that the plan knows (RFC 8555 §6.7, RFC 9773 §7.4).
const PREFIX: &str = "urn:ietf:params:acme:error:";

/// An attempt that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What went wrong, in one line.
    pub(crate) text: String,
    /// The authority's word for it, without its prefix.
    pub(crate) kind: Option<String>,
    /// How long the authority wants us to wait.
    pub(crate) retry_after: Option<Duration>,
}

impl Failure {
    pub(crate) fn new(text: impl AsRef<str>) -> Self {
        Self { text: line(text.as_ref()), kind: None, retry_after: None }
    }

    /// What we were about, in front.
    pub(crate) fn when(mut self, doing: &str) -> Self {
        self.text = line(&format!("{doing}: {}", self.text));
        self
    }

    /// RFC 8555 §6.6: too many requests, by the authority's count.
    pub(crate) fn is_limited(&self) -> bool {
        self.kind.as_deref() == Some("rateLimited")
    }

    pub(crate) fn is(&self, kind: &str) -> bool {
        self.kind.as_deref() == Some(kind)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Api(problem) => Self::from(&problem),
            Error::Timeout(_) => Self::new("the authority took too long"),
            Error::Json(error) => Self::new(format!("the authority's answer makes no sense: {error}")),
            Error::Other(error) => Self::new(with_causes(error.as_ref())),
            error => Self::new(error.to_string()),
        }
    }
}

impl From<&Problem> for Failure {
    fn from(problem: &Problem) -> Self {
        let kind = problem.r#type.as_deref().map(|kind| line(kind.strip_prefix(PREFIX).unwrap_or(kind)));
        let mut text = match (&problem.detail, &kind) {
            (Some(detail), Some(kind)) => format!("{detail} ({kind})"),
            (Some(text), None) | (None, Some(text)) => text.clone(),
            (None, None) => "the authority does not say why".to_owned(),
        };
        for part in &problem.subproblems {
            text.extend(["; ", &part.to_string()]);
        }
        Self { kind, ..Self::new(text) }
    }
}

fn with_causes(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.extend([": ", &error.to_string()]);
        cause = error.source();
    }
    text
}

/// One line of bounded length without anything that a terminal would obey.
pub(crate) fn line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty());
    let mut line = words.collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = line.char_indices().nth(TEXT_MAX) {
        line.truncate(at);
        line.push_str("...");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_authority_writes_is_one_line() {
        let text = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too\u001b[31m\n many","subproblems":[{"detail":"of a.example"}]}"#;
        let failure = Failure::from(&serde_json::from_str::<Problem>(text).unwrap());
        assert_eq!(failure.text, "too [31m many (rateLimited); : of a.example");
        assert!(failure.is_limited());
        let failure = Failure::from(&serde_json::from_str::<Problem>("{}").unwrap());
        assert_eq!(failure.text, "the authority does not say why");
        let long = Failure::new("é".repeat(5000)).when("obtaining");
        assert_eq!(long.text.chars().count(), TEXT_MAX + 3);
    }
}
