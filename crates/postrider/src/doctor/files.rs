//! Whether the files of the server are for the server alone, and for it indeed.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use nix::unistd::User;

use super::finding::{Finding, counted};

const CHECK: &str = "files";
/// All users of the machine, who read or write. To pass through the data directory is theirs: the maildrop is there.
const OTHERS: u32 = 0o006;

/// What is known of a file or a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    /// Where it is.
    pub path: PathBuf,
    /// Its permissions and its owner, or why they cannot be seen.
    pub found: Result<(u32, u32), String>,
    /// Whether it has to belong to the server's user.
    pub owned: bool,
}

/// What is known of all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// They.
    pub files: Vec<File>,
    /// The server's user, and its number; none: whoever starts it.
    pub user: Option<(String, Option<u32>)>,
}

/// Looks. `secrets` are files that nobody else may read.
pub(super) fn look(data_dir: &Path, secrets: &[PathBuf], user: Option<&str>) -> Facts {
    let file = |path: &Path, owned| {
        let found = fs::metadata(path).map_err(|error| error.to_string());
        let found = found.map(|found| (found.permissions().mode(), found.uid()));
        File { path: path.to_owned(), found, owned }
    };
    let mut files = vec![file(data_dir, true)];
    files.extend(secrets.iter().map(|path| file(path, false)));
    let user = user.map(|name| {
        let found = User::from_name(name).ok().flatten();
        (name.to_owned(), found.map(|user| user.uid.as_raw()))
    });
    Facts { files, user }
}

/// Judges.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some((name, None)) = &facts.user {
        let text = format!("there is no user `{name}`, as whom the server is to run");
        findings.push(
            Finding::error(CHECK, text).todo(format!("make it:\nuseradd --system --no-create-home {name}")),
        );
    }
    findings.extend(facts.files.iter().filter_map(|file| one(facts, file)));
    if findings.is_empty() {
        let count = counted(facts.files.len(), "place");
        findings
            .push(Finding::ok(CHECK, format!("nobody else can read what is the server's alone, in {count}")));
    }
    findings
}

fn one(facts: &Facts, File { path, found, owned }: &File) -> Option<Finding> {
    let shown = path.display();
    let (mode, owner) = match found {
        Ok(found) => *found,
        Err(why) => return Some(Finding::unknown(CHECK, format!("{shown} could not be looked at: {why}"))),
    };
    if mode & OTHERS != 0 {
        let text = format!("all users of this machine can look into {shown} (mode {:o})", mode & 0o7777);
        return Some(Finding::error(CHECK, text).todo(format!("chmod o-rw {shown}")));
    }
    match &facts.user {
        Some((name, Some(number))) if *owned && owner != *number => {
            let text =
                format!("{shown} does not belong to {name}, as whom the server runs: it cannot write there");
            Some(Finding::error(CHECK, text).todo(format!("chown -R {name}: {shown}")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Level, finding::tests::says};

    #[test]
    fn files_are_the_servers_alone() {
        let with = |mode: u32, owner: u32, user: Option<(&str, Option<u32>)>| Facts {
            files: vec![File { path: "/var/lib/postrider".into(), found: Ok((mode, owner)), owned: true }],
            user: user.map(|(name, number)| (name.to_owned(), number)),
        };
        for (facts, level, words) in [
            (with(0o40_711, 0, None), Level::Ok, &["in 1 place"][..]),
            (with(0o40_700, 7, Some(("postrider", Some(7)))), Level::Ok, &["nobody else"]),
            (with(0o40_755, 0, None), Level::Error, &["(mode 755)", "chmod o-rw /var/lib/postrider"]),
            (
                with(0o40_700, 0, Some(("postrider", Some(7)))),
                Level::Error,
                &["does not belong to postrider", "chown -R postrider: /var/lib/postrider"],
            ),
            (with(0o40_700, 0, Some(("postrider", None))), Level::Error, &["no user `postrider`", "useradd"]),
        ] {
            says(&judge(&facts), level, words);
        }
        let mut hidden = with(0o40_700, 0, None);
        hidden.files[0].found = Err("Permission denied".to_owned());
        says(&judge(&hidden), Level::Unknown, &["could not be looked at: Permission denied"]);
    }

    #[test]
    fn modes_are_read() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let facts = look(dir.path(), &[], None);
        let mode = facts.files[0].found.clone().unwrap().0;
        assert_eq!(mode & 0o777, 0o700);
    }
}
