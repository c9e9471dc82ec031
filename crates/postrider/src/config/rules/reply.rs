//! The reply of a rule that refuses: it must say what the rule does, on one line that no client can misread.

use mail::{EnhancedStatus, Reply};

use crate::config::value::Wrong;

pub(super) const REJECTED: Reply = Reply::fixed(550, (5, 7, 1), "Refused by the rules of this server");
pub(super) const DEFERRED: Reply =
    Reply::fixed(451, (4, 7, 1), "Not taken now by the rules of this server; try again later");
/// RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets, CRLF included.
const LINE_OCTETS_MAX: usize = 510;

/// Reads `550 5.7.1 Not from here`; the enhanced status code may be left out. `class`: 5 for a rule that rejects, 4 for
/// one that defers. `at_rcpt`: that is where it is said.
pub(super) fn parse(text: &str, class: u8, at_rcpt: bool) -> Result<Reply, Wrong> {
    let example = if class == 5 { "\"550 5.7.1 Not from here\"" } else { "\"451 4.7.1 Not now\"" };
    let wrong = |message: String| Wrong::new(message).hint(format!("write it as in {example}"));
    if !text.bytes().all(|octet| octet == b' ' || octet.is_ascii_graphic()) {
        return Err(wrong("`reply` holds what no reply line may: it is one line of printable ASCII".into()));
    }
    let (digits, rest) = text.split_once(' ').unwrap_or((text, ""));
    let code = code(digits).ok_or_else(|| wrong(format!("`{text}` does not begin with a reply code")))?;
    fits(code, class, at_rcpt)?;
    let (enhanced, said) = enhanced(rest, class)?;
    if said.trim().is_empty() {
        return Err(wrong(format!("`{text}` says nothing behind its codes")));
    }
    let reply = Reply::new(code, enhanced, said.trim().to_owned());
    if reply.to_string().len() > LINE_OCTETS_MAX {
        return Err(wrong(format!("`reply` is longer than the {LINE_OCTETS_MAX} octets of a reply line")));
    }
    Ok(reply)
}

fn code(digits: &str) -> Option<u16> {
    (digits.len() == 3 && digits.bytes().all(|octet| octet.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// RFC 5321 §4.2.1: the first digit says whether the client may try again, the second what it is about; 5 is mail.
fn fits(code: u16, class: u8, at_rcpt: bool) -> Result<(), Wrong> {
    let (word, range, other) = match class {
        5 => ("rejects", "550 to 559", "a rule that defers says 4yz"),
        _ => ("defers", "450 to 459", "a rule that rejects says 5yz"),
    };
    if code / 100 != u16::from(class) {
        return Err(Wrong::new(format!("{code} is no reply of a rule that {word}"))
            .hint(format!("it says {range}; {other}")));
    }
    if matches!(code, 421 | 521) {
        return Err(Wrong::new(format!("{code} says that the session ends, and it does not"))
            .hint(format!("a rule that {word} says {range}")));
    }
    if code / 10 % 10 != 5 {
        return Err(Wrong::new(format!("{code} says something else than that the mail is not taken"))
            .hint(format!("a rule that {word} says {range}")));
    }
    // RFC 5321 §4.5.3.1.10.
    if code == 552 && at_rcpt {
        return Err(Wrong::new("552 to a recipient is read as 452: that client would try again")
            .hint("write 550, or 554"));
    }
    Ok(())
}

/// RFC 3463 §2; its class is that of the reply code.
fn enhanced(rest: &str, class: u8) -> Result<(EnhancedStatus, &str), Wrong> {
    let (word, behind) = rest.split_once(' ').unwrap_or((rest, ""));
    let looks_like_one = word.contains('.') && word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match word.parse::<EnhancedStatus>() {
        Ok(enhanced) if enhanced.class == class => Ok((enhanced, behind)),
        Err(()) if !looks_like_one => Ok((EnhancedStatus::new(class, 7, 1), rest)),
        _ => Err(Wrong::new(format!("`{word}` does not fit the reply code in front of it"))
            .hint(format!("write {class}.7.1, which says that a policy refuses, or leave it out"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_read_with_or_without_its_enhanced_code() {
        for (text, class, reply) in [
            ("550 5.7.1 Not from here", 5, "550 5.7.1 Not from here"),
            ("554 No thanks", 5, "554 5.7.1 No thanks"),
            ("451 4.7.0 3.5 tons are too much", 4, "451 4.7.0 3.5 tons are too much"),
            ("552 5.3.4 Too large", 5, "552 5.3.4 Too large"),
        ] {
            assert_eq!(parse(text, class, false).map(|reply| reply.to_string()).as_deref(), Ok(reply));
        }
    }

    #[test]
    fn what_would_be_misread_is_no_reply() {
        for (text, class) in [
            ("", 5),
            ("Go away", 5),
            ("550", 5),
            ("550 ", 5),
            ("550 5.7.1", 5),
            ("550 5.7.1 ", 5),
            ("250 2.0.0 Ok", 5),
            ("450 4.7.1 Later", 5),
            ("550 5.7.1 Never", 4),
            ("421 4.7.0 Bye", 4),
            ("521 5.7.0 Bye", 5),
            ("503 5.5.1 Bad sequence", 5),
            ("550 4.7.1 Mixed", 5),
            ("550 2.0.0 Mixed", 5),
            ("550 5.7 Short", 5),
            ("550-5.7.1 Line", 5),
            ("0550 5.7.1 Long", 5),
            ("550 5.7.1 no\r\n250 2.0.0 Ok", 5),
            ("550 5.7.1 n\u{f6}", 5),
            ("550 5.7.1 tab\there", 5),
        ] {
            assert!(parse(text, class, false).is_err(), "{text}");
        }
        assert!(parse(&format!("550 5.7.1 {}", "x".repeat(500)), 5, false).is_ok());
        assert!(parse(&format!("550 5.7.1 {}", "x".repeat(501)), 5, false).is_err());
        assert!(parse("552 5.3.4 Full", 5, true).is_err());
    }
}
