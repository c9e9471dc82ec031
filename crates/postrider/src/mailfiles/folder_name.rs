//! Names of mailboxes as names of files: nothing in one can leave the directory, and no two are the same file.
//!
//! In Maildir++ levels are divided by dots, and names are in modified UTF-7, as Dovecot and Courier have them. A dot within a level is
//! written `\2e` and a backslash `\5c`, as Dovecot does where `mailbox_list_storage_escape_char` is a backslash.

use std::path::{Path, PathBuf};

use imap::utf7;

/// What ends the name of an mbox file.
const MBOX: &str = ".mbox";
/// What stands for what would mean something else in a name of a file.
const ESCAPES: [(&str, &str); 2] = [("\\", "\\5c"), (".", "\\2e")];

/// The directory of a mailbox within its Maildir. INBOX is the Maildir itself.
pub(crate) fn maildir(root: &Path, mailbox: &str) -> PathBuf {
    if mailbox == "INBOX" {
        return root.to_owned();
    }
    let level = |level: &str| {
        let mut text = utf7::encode(level);
        for (plain, escaped) in ESCAPES {
            text = text.replace(plain, escaped);
        }
        format!(".{text}")
    };
    root.join(mailbox.split('/').map(level).collect::<String>())
}

/// The mailbox of a directory `.A.B` of a Maildir.
pub(crate) fn of_maildir(directory: &str) -> Option<String> {
    let levels = directory.strip_prefix('.')?.split('.').map(|level| {
        let text = unescaped(level);
        utf7::decode(text.as_bytes()).unwrap_or(text)
    });
    usable(levels)
}

/// The mbox file of a mailbox: a directory for each level but the last.
pub(crate) fn mbox(root: &Path, mailbox: &str) -> PathBuf {
    let mut path = root.to_owned();
    path.extend(mailbox.split('/').map(|level| {
        let text = level.replace('\\', "\\5c");
        let text = text.strip_prefix('.').map_or_else(|| text.clone(), |rest| format!("\\2e{rest}"));
        text.strip_suffix(MBOX).map_or_else(|| text.clone(), |stem| format!("{stem}\\2embox"))
    }));
    path.as_mut_os_string().push(MBOX);
    path
}

/// The mailbox of an mbox file, by its path below the directory of all.
pub(crate) fn of_mbox(below: &Path) -> Option<String> {
    let text = below.to_string_lossy().into_owned();
    usable(text.strip_suffix(MBOX).unwrap_or(&text).split('/').map(unescaped))
}

/// In one pass: what comes of an escape begins none.
fn unescaped(level: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(level.len()), level);
    while let Some(place) = rest.find('\\') {
        let (before, escape) = rest.split_at(place);
        out.push_str(before);
        let found = ESCAPES.iter().find_map(|(plain, escaped)| Some((*plain, escape.strip_prefix(escaped)?)));
        let (plain, behind) = found.unwrap_or(("\\", escape.get(1..).unwrap_or_default()));
        out.push_str(plain);
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// A name that a mailbox can have: other programs have others.
fn usable(levels: impl Iterator<Item = String>) -> Option<String> {
    let stands_in = |c: char| if c.is_control() || matches!(c, '*' | '%' | '/') { '_' } else { c };
    let levels: Vec<String> = levels.map(|level| level.chars().map(stands_in).collect()).collect();
    levels.iter().all(|level| !level.is_empty()).then(|| levels.join("/"))
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_those_that_other_programs_use() {
        let root = Path::new("/x");
        for (mailbox, maildir_name, mbox_name) in [
            ("INBOX", "/x", "/x/INBOX.mbox"),
            ("INBOX/a", "/x/.INBOX.a", "/x/INBOX/a.mbox"),
            ("Work/2024", "/x/.Work.2024", "/x/Work/2024.mbox"),
            ("Entwürfe", "/x/.Entw&APw-rfe", "/x/Entwürfe.mbox"),
            ("a.b", "/x/.a\\2eb", "/x/a.b.mbox"),
            ("../..", "/x/.\\2e\\2e.\\2e\\2e", "/x/\\2e./\\2e..mbox"),
            ("a.mbox/b", "/x/.a\\2embox.b", "/x/a\\2embox/b.mbox"),
            ("a\\2eb", "/x/.a\\5c2eb", "/x/a\\5c2eb.mbox"),
        ] {
            assert_eq!(maildir(root, mailbox), Path::new(maildir_name));
            assert_eq!(mbox(root, mailbox), Path::new(mbox_name));
        }
        assert_eq!(of_maildir(".Sent &- Co").as_deref(), Some("Sent & Co"));
        // No canonical form of modified UTF-7: taken for what it looks like.
        assert_eq!(of_maildir(".R&D").as_deref(), Some("R&D"));
        assert_eq!(of_maildir(".a*b%").as_deref(), Some("a_b_"));
        assert_eq!((of_maildir("."), of_maildir(".a..b"), of_maildir("cur")), (None, None, None));
        assert_eq!(of_mbox(Path::new("mail/old")).as_deref(), Some("mail/old"));
    }

    proptest! {
        #[test]
        fn no_name_leaves_its_place_or_is_another(mailbox in "[a-c.\\\\2e5mbox&é/ -]{1,24}") {
            prop_assume!(mailbox.split('/').all(|level| !level.is_empty()));
            let root = Path::new("/x");
            let directory = maildir(root, &mailbox);
            let name = directory.strip_prefix(root).unwrap();
            prop_assert_eq!(name.components().count(), 1);
            prop_assert_eq!(of_maildir(&name.to_string_lossy()), Some(mailbox.clone()));
            let file = mbox(root, &mailbox);
            let below = file.strip_prefix(root).unwrap();
            prop_assert!(below.components().all(|part| matches!(part, Component::Normal(_))));
            prop_assert_eq!(of_mbox(below), Some(mailbox));
        }
    }
}
