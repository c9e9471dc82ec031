//! The options of `sendmail`, as programs have passed them for decades: letters, some with a value behind them or in the next word.

use std::path::PathBuf;

use super::{Refused, exit};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// `-bm`, and without a word.
    Deliver,
    /// `-bs`.
    Smtp,
    /// `-bp`, `mailq`.
    ShowQueue,
    /// `-q`.
    RunQueue,
    /// `-bi`, `newaliases`.
    Aliases,
    /// `-bv`.
    Verify,
}

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) mode: Mode,
    /// `-f`, `-r`.
    pub(super) from: Option<String>,
    /// `-F`.
    pub(super) full_name: Option<String>,
    /// `-t`.
    pub(super) recipients_in_header: bool,
    /// `-i`, `-oi`: a line of one dot does not end the message.
    pub(super) dots_are_text: bool,
    /// `-N`.
    pub(super) notify: Option<String>,
    /// `-R`.
    pub(super) ret: Option<String>,
    /// `-V`.
    pub(super) envid: Option<String>,
    /// `-C`.
    pub(super) config: Option<PathBuf>,
    /// `-O QueueDirectory=`: the data directory of the server.
    pub(super) dir: Option<PathBuf>,
    pub(super) recipients: Vec<String>,
}

/// Options with a value.
const VALUED: &str = "ABCFLMNORVXbefhopr";
/// Options whose value may be left out; only directly behind them.
const PERHAPS_VALUED: &str = "dq";
/// Options that say nothing to us, or what we do anyway.
const PLAIN: &str = "GIUcimnstvx";

impl Options {
    /// Parses words. `mode` is what the program's name stands for.
    pub(super) fn parse(mode: Mode, words: &[String]) -> Result<Self, Refused> {
        let mut options = Self {
            mode,
            from: None,
            full_name: None,
            recipients_in_header: false,
            dots_are_text: false,
            notify: None,
            ret: None,
            envid: None,
            config: None,
            dir: None,
            recipients: Vec::new(),
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                options.recipients.extend(words.by_ref().cloned());
            } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
                options.letters(letters, &mut words)?;
            } else {
                options.recipients.push(word.clone());
            }
        }
        Ok(options)
    }

    fn letters<'a>(
        &mut self,
        letters: &str,
        words: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), Refused> {
        let mut rest = letters;
        while let Some(letter) = rest.chars().next() {
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
            if PLAIN.contains(letter) {
                self.plain(letter);
            } else if PERHAPS_VALUED.contains(letter) {
                return self.valued(letter, rest);
            } else if VALUED.contains(letter) {
                let value = if rest.is_empty() { words.next().map(String::as_str) } else { Some(rest) };
                let missing = || Refused(exit::USAGE, format!("option -{letter} needs a value"));
                return self.valued(letter, value.ok_or_else(missing)?);
            } else {
                return Err(Refused(exit::USAGE, format!("unknown option -{letter}")));
            }
        }
        Ok(())
    }

    fn plain(&mut self, letter: char) {
        match letter {
            't' => self.recipients_in_header = true,
            'i' => self.dots_are_text = true,
            _ => {}
        }
    }

    fn valued(&mut self, letter: char, value: &str) -> Result<(), Refused> {
        let text = || Some(value.to_owned());
        match letter {
            'f' | 'r' => self.from = text(),
            'F' => self.full_name = text(),
            'N' => self.notify = text(),
            'R' => self.ret = text(),
            'V' => self.envid = text(),
            'C' => self.config = Some(value.into()),
            'b' => self.mode = mode(value)?,
            'q' => self.mode = Mode::RunQueue,
            'o' if value == "i" => self.dots_are_text = true,
            'o' | 'O' => match value.split_once('=') {
                Some((name, dir)) if name.eq_ignore_ascii_case("QueueDirectory") => {
                    self.dir = Some(dir.into());
                }
                Some((name, "true" | "True" | "TRUE")) if name.eq_ignore_ascii_case("IgnoreDots") => {
                    self.dots_are_text = true;
                }
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }
}

fn mode(value: &str) -> Result<Mode, Refused> {
    Ok(match value {
        "m" => Mode::Deliver,
        "s" => Mode::Smtp,
        "p" => Mode::ShowQueue,
        "i" => Mode::Aliases,
        "v" => Mode::Verify,
        "d" | "D" => {
            let text = "the server is started by `postrider serve`".to_owned();
            return Err(Refused(exit::USAGE, text));
        }
        _ => return Err(Refused(exit::USAGE, format!("unknown mode -b{value}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Options, Refused> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        Options::parse(Mode::Deliver, &words)
    }

    #[test]
    fn what_programs_say_is_understood() {
        // cron, PHP, git send-email, s-nail, mutt, and the rest.
        for (words, from, in_header, dots, recipients) in [
            ("-FCronDaemon -i -B8BITMIME -oem root", None, false, true, "root"),
            ("-t -i", None, true, true, ""),
            ("-ti -fweb@example.org", Some("web@example.org"), true, true, ""),
            ("-i a@b c@d", None, false, true, "a@b c@d"),
            ("-oem -oi -f a@b -- c@d -e", Some("a@b"), false, true, "c@d -e"),
            (
                "-oi -odb -Am -G -U -v -X log -h 3 -p ESMTP:x -L tag -r a@b c@d",
                Some("a@b"),
                false,
                true,
                "c@d",
            ),
            ("-O IgnoreDots=true -N never x", None, false, true, "x"),
            ("- a", None, false, false, "- a"),
        ] {
            let options = parse(words).unwrap();
            assert_eq!(options.from.as_deref(), from, "{words}");
            assert_eq!((options.recipients_in_header, options.dots_are_text), (in_header, dots), "{words}");
            assert_eq!(options.recipients.join(" "), recipients, "{words}");
        }
    }

    #[test]
    fn modes_are_told_apart() {
        for (words, mode) in [
            ("-bs", Mode::Smtp),
            ("-bp", Mode::ShowQueue),
            ("-q", Mode::RunQueue),
            ("-q30m", Mode::RunQueue),
            ("-bi", Mode::Aliases),
            ("-b v x", Mode::Verify),
            ("-bm x", Mode::Deliver),
        ] {
            assert_eq!(parse(words).unwrap().mode, mode, "{words}");
        }
        for words in ["-bd", "-bz", "-f", "-Z", "-tZ"] {
            assert_eq!(parse(words).unwrap_err().0, exit::USAGE, "{words}");
        }
    }
}
