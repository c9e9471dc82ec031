//! APPEND and REPLACE (RFC 9051 §6.3.12, RFC 3502, RFC 8508): what stands before, between and behind the messages, which are
//! handed on as they come.

use super::{CommandError, Grammar, Rejected, Tag, parse};
use crate::{
    Flag,
    date::DateTime,
    mailbox::Mailbox,
    scan::{Literal, Scan, Scanned},
};

/// A command that brings a message, up to the announcement of its first one.
#[derive(Debug, Clone, PartialEq)]
pub struct Upload {
    /// The command's tag.
    pub tag: Tag,
    /// What is done with the message.
    pub target: Target,
    /// What is told about the first message.
    pub message: MessageHead,
}

/// What becomes of a message that a client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `APPEND`: it, and all that follow in the same command, are put there (RFC 3502: all or none).
    Append(Mailbox),
    /// `REPLACE`: it takes the place of another one (RFC 8508).
    Replace {
        /// The number is a UID.
        uid: bool,
        /// The message that goes; `None` is `*`.
        number: Option<u32>,
        /// Where the new one is put.
        mailbox: Mailbox,
    },
}

/// What a client tells about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageHead {
    /// Its flags.
    pub flags: Vec<Flag>,
    /// Its internal date, if not now.
    pub date: Option<DateTime>,
    /// Its octets.
    pub literal: Literal,
    /// `UTF8`: its header section may hold UTF-8 (RFC 6855).
    pub utf8: bool,
}

/// What a literal is that was announced at the end of a line.
#[derive(Debug, PartialEq)]
pub enum Announcement {
    /// A part of a command.
    Part,
    /// A message.
    Message(Box<Upload>),
    /// A message, but something before it is wrong.
    Wrong(Rejected),
}

/// What follows a message.
#[derive(Debug, PartialEq)]
pub enum Behind {
    /// The command is complete.
    End,
    /// Another message.
    Next(MessageHead),
}

/// What is announced at the end of `text`, a command up to and with the announcement of a literal.
pub fn announcement(text: &[u8], grammar: Grammar) -> Announcement {
    let mut scan = Scan::new(text, grammar.utf8, grammar.limits);
    // Without a tag or a verb that is known, what follows does not matter.
    let Ok(tag) = parse::tag(&mut scan) else { return Announcement::Part };
    let Some(verb) = verb(&mut scan) else { return Announcement::Part };
    let parsed = target(&mut scan, verb).and_then(|target| Ok((target, head(&mut scan)?)));
    match parsed {
        Ok((target, message)) => Announcement::Message(Box::new(Upload { tag, target, message })),
        // The name of the mailbox is what is announced.
        Err(CommandError::Incomplete) => Announcement::Part,
        Err(error) => Announcement::Wrong(Rejected { tag: Some(tag), error }),
    }
}

/// What `text` says, which stands behind a message, up to the end of the line. `utf8`: the message was one with `UTF8 (`.
///
/// # Errors
/// It is neither nothing nor what may stand before another message.
pub fn behind(text: &[u8], utf8: bool, grammar: Grammar) -> Result<Behind, CommandError> {
    let mut scan = Scan::new(text, grammar.utf8, grammar.limits);
    if utf8 {
        scan.expect(b')')?;
    }
    if scan.rest().is_empty() { Ok(Behind::End) } else { head(&mut scan).map(Behind::Next) }
}

#[derive(Clone, Copy)]
enum Verb {
    Append,
    Replace { uid: bool },
}

fn verb(scan: &mut Scan<'_>) -> Option<Verb> {
    let uid = scan.eat_word("UID");
    if uid {
        scan.sp().ok()?;
    }
    match (uid, scan.keyword().ok()?.as_str()) {
        (false, "APPEND") => Some(Verb::Append),
        (uid, "REPLACE") => Some(Verb::Replace { uid }),
        _ => None,
    }
}

fn target(scan: &mut Scan<'_>, verb: Verb) -> Scanned<Target> {
    match verb {
        Verb::Append => parse::mailbox(scan).map(Target::Append),
        Verb::Replace { uid } => {
            scan.sp()?;
            let number = if scan.eat(b'*') { None } else { Some(scan.nz_number()?) };
            Ok(Target::Replace { uid, number, mailbox: parse::mailbox(scan)? })
        }
    }
}

/// `[SP flag-list] [SP date-time] SP append-data`, with nothing behind the announcement.
fn head(scan: &mut Scan<'_>) -> Scanned<MessageHead> {
    scan.sp()?;
    let mut flags = Vec::new();
    if scan.peek() == Some(b'(') {
        flags = scan.list_or_empty(Flag::scan)?;
        scan.sp()?;
    }
    let mut date = None;
    if scan.peek() == Some(b'"') {
        date = Some(DateTime::scan(scan)?);
        scan.sp()?;
    }
    let utf8 = scan.eat_word("UTF8");
    if utf8 {
        scan.sp()?;
        scan.expect(b'(')?;
    }
    let literal = scan.announcement().ok_or(CommandError::Syntax)?;
    scan.end()?;
    // RFC 6855 §4: `utf8-literal = "UTF8" SP "(" literal8 ")"`.
    if utf8 && !literal.binary {
        Err(CommandError::Syntax)
    } else {
        Ok(MessageHead { flags, date, literal, utf8 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Announcement {
        announcement(text.as_bytes(), Grammar::default())
    }

    #[test]
    fn a_message_is_told_from_a_part() {
        for part in
            ["a LOGIN {3}", "a APPEND {5}", "a REPLACE 1 {5+}", "+ APPEND x {3}", "a UID FETCH {3}", "{3}"]
        {
            assert_eq!(told(part), Announcement::Part, "{part}");
        }
        let Announcement::Message(upload) =
            told("a append {5}\r\nDra;s (\\Seen $x) \" 1-Feb-2024 10:00:00 +0100\" ~{12+}")
        else {
            panic!()
        };
        assert_eq!(upload.target, Target::Append(Mailbox::new("Dra;s").unwrap()));
        assert_eq!(upload.message.flags, [Flag::Seen, Flag::Keyword("$X".into())]);
        assert_eq!(upload.message.date.unwrap().seconds(), 1_706_778_000);
        let literal = Literal { octets: 12, synchronising: false, binary: true };
        assert_eq!((upload.message.literal, upload.message.utf8), (literal, false));
        let Announcement::Message(upload) = told("a UID REPLACE * inbox UTF8 (~{3}") else { panic!() };
        assert_eq!(upload.target, Target::Replace { uid: true, number: None, mailbox: Mailbox::inbox() });
        assert!(upload.message.utf8);
    }

    #[test]
    fn what_is_wrong_before_a_message_is_found() {
        for wrong in [
            "a APPEND x (\\Seen {3}",
            "a APPEND x \"1-Feb-2024 10:00:00 +0100\" {3}",
            "a APPEND x UTF8 ({3}",
            "a APPEND x y {3}",
            "a APPEND x  {3}",
            "a APPEND a&b {3}",
            "a REPLACE 0 x {3}",
            "a REPLACE 1:2 x {3}",
        ] {
            assert!(matches!(told(wrong), Announcement::Wrong(_)), "{wrong}");
        }
    }

    #[test]
    fn behind_a_message_is_the_end_or_another() {
        let grammar = Grammar::default();
        assert_eq!(behind(b"", false, grammar), Ok(Behind::End));
        assert_eq!(behind(b")", true, grammar), Ok(Behind::End));
        assert!(matches!(behind(b" (\\Seen) {5}", false, grammar), Ok(Behind::Next(_))));
        assert!(matches!(behind(b") {5}", true, grammar), Ok(Behind::Next(_))));
        for (wrong, utf8) in [(" ", false), ("x", false), (")", false), ("", true), ("{5}", false)] {
            assert_eq!(behind(wrong.as_bytes(), utf8, grammar), Err(CommandError::Syntax), "{wrong}");
        }
    }
}
