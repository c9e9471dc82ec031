//! Message-IDs in fields (RFC 5322 §3.6.4).
//!
//! ```text
//! msg-id = [CFWS] "<" id-left "@" id-right ">" [CFWS]
//! ```
//! Neither side is held to `dot-atom-text`: many programs write other signs there, and no reader minds.

use super::scanner::Scanner;

/// The id of a Message-ID field, without its brackets.
pub(super) fn message_id(text: &str) -> Option<&str> {
    let mut scanner = Scanner(text);
    scanner.skip()?;
    if !scanner.takes('<') {
        return None;
    }
    let id = scanner.run(|c| !matches!(c, '<' | '>' | ' ' | '\t'));
    let (left, right) = id.split_once('@')?;
    let is_side = |side: &str| !side.is_empty() && !side.contains(['@', '(', ')', '"', '\\', ',', ';']);
    if !scanner.takes('>') || !is_side(left) || !is_side(right) || id.contains("=?") {
        return None;
    }
    scanner.skip()?;
    scanner.is_empty().then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_from_what_is_none() {
        for text in ["<1@x>", " <a.b$c=d:1@[IPv6:::1]> (c)", "(c)<1@\u{fc}.example>"] {
            assert!(message_id(text).is_some(), "{text}");
        }
        for text in [
            "",
            "1@x",
            "<1@x",
            "<1>",
            "<@x>",
            "<1@>",
            "<1@x@y>",
            "<1 @x>",
            "<1@x> <2@x>",
            "<1@x> x",
            "<a,b@x>",
            "<=?utf-8?q?1?=@x>",
        ] {
            assert!(message_id(text).is_none(), "{text}");
        }
    }
}
