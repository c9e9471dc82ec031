//! Names of mailboxes: in UTF-8, hierarchical by `/`.

use crate::MailstoreError;

/// The longest name in octets.
pub const NAME_OCTETS_MAX: usize = 1000;
/// The deepest hierarchy.
const DEPTH_MAX: usize = 32;
/// The one that every account has (RFC 9051 §5.1).
pub(crate) const INBOX: &str = "INBOX";

/// The spelling of a name by which mailboxes are compared: INBOX in upper case, also as the first part; without the `/` by which
/// CREATE may say that names below it are meant to come (RFC 9051 §6.3.4).
///
/// # Errors
/// It is too long or too deep, a part is empty, or it has control characters or the wildcards of LIST.
pub fn spelling(name: &str) -> Result<String, MailstoreError> {
    let name = name.strip_suffix('/').unwrap_or(name);
    let bad = |why| Err(MailstoreError::BadName(why));
    if name.len() > NAME_OCTETS_MAX {
        return bad("it is too long");
    }
    if name.split('/').count() > DEPTH_MAX {
        return bad("it is too deep");
    }
    if name.split('/').any(str::is_empty) {
        return bad("a part of it is empty");
    }
    // Nobody could ask LIST for them (RFC 9051 §6.3.9).
    if name.contains(['*', '%']) || name.chars().any(char::is_control) {
        return bad("it has control characters or wildcards");
    }
    let (first, rest) = name.split_at(name.find('/').unwrap_or(name.len()));
    Ok(if first.eq_ignore_ascii_case(INBOX) { format!("{INBOX}{rest}") } else { name.to_owned() })
}

/// Whether one name is below another.
pub(crate) fn is_below(name: &str, above: &str) -> bool {
    name.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

/// The names above a name, the nearest first.
pub(crate) fn above(name: &str) -> impl Iterator<Item = &str> {
    name.rmatch_indices('/').filter_map(|(at, _)| name.get(..at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_one_way() {
        for (name, spelled) in [
            ("inbox", "INBOX"),
            ("InBox/work", "INBOX/work"),
            ("Inboxes", "Inboxes"),
            ("work/inbox", "work/inbox"),
            ("a/b/", "a/b"),
            ("Entwürfe", "Entwürfe"),
        ] {
            assert_eq!(spelling(name).unwrap(), spelled);
        }
        let long = "x".repeat(NAME_OCTETS_MAX + 1);
        let deep = ["x"; DEPTH_MAX + 1].join("/");
        for name in ["", "/", "/a", "a//b", "a//", "a\r", "a*", "a/%", &long, &deep] {
            assert!(matches!(spelling(name), Err(MailstoreError::BadName(_))), "{name}");
        }
    }

    #[test]
    fn what_is_below_begins_with_the_name_and_a_delimiter() {
        assert!(is_below("a/b", "a") && is_below("a/b/c", "a"));
        assert!(!is_below("ab", "a") && !is_below("a", "a") && !is_below("a", "a/b"));
    }
}
