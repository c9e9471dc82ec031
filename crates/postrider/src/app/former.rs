//! Mail that a former version filed where nobody looks any more.

use std::{fs, path::Path};

use deliver::LocalDelivery;
use directory::Directory;

use crate::config::Config;

/// Says once, at the start, that there is such mail: the Maildir that was the default has some that nobody has read, and nobody said that it
/// is not wanted any more.
pub(super) fn tell(config: &Config, directory: &Directory) {
    if !config.local_by_default || config.deliver.local != LocalDelivery::Mailstore {
        return;
    }
    let names = unread(&config.deliver.maildir_root);
    let Some(name) = names.first() else { return };
    let login = directory.accounts().iter().find(|account| account.directory_name() == name);
    let login = login.map_or_else(|| name.clone(), |account| account.login().to_string());
    let (maildir, dir) = (config.deliver.maildir_root.join(name), config.data_dir.display());
    let others = match names.len() - 1 {
        0 => String::new(),
        others => format!(" (and {others} more beside it)"),
    };
    let maildir = maildir.display();
    tracing::warn!(
        station = "deliver",
        "unread mail of a former version is in the Maildir {maildir}{others}, where IMAP and POP3 do not see it: bring it in with \
         `postrider mailbox import {login} --from {maildir} --dir {dir}` and remove the Maildir, or say local = \"maildir\" or \
         local = \"mailstore\" in [deliver]"
    );
}

/// The Maildirs with unread mail, by name. What cannot be read is not told of: nothing here needs it.
fn unread(root: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(root) else { return Vec::new() };
    let has_new =
        |maildir: &Path| fs::read_dir(maildir.join("new")).is_ok_and(|mut new| new.next().is_some());
    let unread = entries.filter_map(Result::ok).filter(|entry| has_new(&entry.path()));
    let mut names: Vec<String> = unread.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_maildirs_with_new_mail_are_found() {
        let root = tempfile::tempdir().unwrap();
        for name in ["ben@here.test", "anna@here.test", "read@here.test"] {
            for part in ["new", "cur"] {
                fs::create_dir_all(root.path().join(name).join(part)).unwrap();
            }
            let part = if name.starts_with("read") { "cur" } else { "new" };
            fs::write(root.path().join(name).join(part).join("1.M1.host"), "x").unwrap();
        }
        fs::write(root.path().join("file"), "").unwrap();
        assert_eq!(unread(root.path()), ["anna@here.test", "ben@here.test"]);
        assert_eq!(unread(&root.path().join("none")), [""; 0]);
    }
}
