//! Counts the messages in Maildirs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Messages delivered into these Maildirs: the files in their `new` directories.
pub(crate) fn count(maildirs: &[PathBuf]) -> u64 {
    maildirs
        .iter()
        .filter_map(|maildir| fs::read_dir(maildir.join("new")).ok())
        .map(|entries| u64::try_from(entries.count()).unwrap_or(u64::MAX))
        .sum()
}

/// Makes an empty Maildir that belongs to `owner` (user and group), so that counting can begin before the first delivery.
pub(crate) fn create(maildir: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    for part in ["tmp", "new", "cur"] {
        fs::create_dir_all(maildir.join(part))?;
    }
    let Some((user, group)) = owner else { return Ok(()) };
    for part in ["", "tmp", "new", "cur"] {
        std::os::unix::fs::chown(maildir.join(part), Some(user), Some(group))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_delivered_messages_count() {
        let dir = tempfile::tempdir().unwrap();
        let maildirs = [dir.path().join("a"), dir.path().join("b")];
        for maildir in &maildirs {
            create(maildir, None).unwrap();
        }
        fs::write(maildirs[0].join("tmp/1"), b"x").unwrap();
        assert_eq!(count(&maildirs), 0);
        fs::write(maildirs[0].join("new/1"), b"x").unwrap();
        fs::write(maildirs[1].join("new/2"), b"x").unwrap();
        assert_eq!(count(&maildirs), 2);
    }
}
