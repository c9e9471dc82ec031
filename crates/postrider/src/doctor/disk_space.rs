//! Whether there is room for mail where the server keeps it.

use std::path::Path;

use spool::Reserve;

use super::finding::Finding;
use crate::terminal::size_text;

const CHECK: &str = "disk";

/// What is known of the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    /// Its octets.
    pub total: u64,
    /// Octets that the server may still use.
    pub free: u64,
    /// Files that can still be made; none: it does not count them.
    pub files_free: Option<u64>,
}

/// Looks.
///
/// # Errors
/// In words.
pub(super) fn look(dir: &Path) -> Result<Facts, String> {
    let found = rustix::fs::statvfs(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let octets = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Ok(Facts {
        total: octets(found.f_blocks),
        free: octets(found.f_bavail),
        files_free: (found.f_files > 0).then_some(found.f_favail),
    })
}

/// Judges.
pub(super) fn judge(dir: &Path, facts: &Result<Facts, String>) -> Finding {
    let shown = dir.display();
    let facts = match facts {
        Ok(facts) => facts,
        Err(why) => {
            return Finding::unknown(CHECK, format!("how much room is left could not be seen: {why}"));
        }
    };
    let reserve = Reserve::default().octets(facts.total);
    let (free, kept) = (size_text(facts.free), size_text(reserve));
    let action =
        format!("make room on the file system of {shown}:\ndu -xh --max-depth=2 {shown} | sort -h | tail");
    if facts.free < reserve {
        let text = format!(
            "{free} are left for {shown}, less than the {kept} that are kept in reserve: no mail is taken"
        );
        return Finding::error(CHECK, text).todo(action);
    }
    if facts.files_free.is_some_and(|files| files < 1000) {
        return Finding::error(
            CHECK,
            format!("the file system of {shown} takes hardly any more files (inodes)"),
        )
        .todo(action);
    }
    if facts.free < reserve.saturating_add(reserve / 4) {
        let text = format!("{free} are left for {shown}; below {kept} no mail is taken");
        return Finding::warning(CHECK, text).todo(action);
    }
    Finding::ok(CHECK, format!("{free} are left for {shown}; {kept} are kept in reserve"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Level, finding::tests::says};

    #[test]
    fn room_is_compared_with_the_reserve() {
        let dir = Path::new("/var/lib/postrider");
        let with = |free: u64, files_free: Option<u64>| Ok(Facts { total: 1 << 50, free, files_free });
        for (facts, level, words) in [
            (with(10 << 30, None), Level::Ok, "10.0 GiB are left for /var/lib/postrider; 2.0 GiB are kept"),
            (with(9 << 28, None), Level::Warning, "below 2.0 GiB no mail is taken"),
            (with(1 << 20, None), Level::Error, "1.0 MiB are left"),
            (with(10 << 30, Some(3)), Level::Error, "inodes"),
            (Err("x: permission denied".to_owned()), Level::Unknown, "could not be seen: x"),
        ] {
            says(&[judge(dir, &facts)], level, &[words]);
        }
        assert!(look(&std::env::temp_dir()).unwrap().total > 0);
    }
}
