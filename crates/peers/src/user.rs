//! Users by name: these servers give up root, and must own what they write to.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::Path;

/// User and group number, by the password file.
///
/// # Errors
/// There is no such user, or the file cannot be read.
pub fn ids(name: &str) -> io::Result<(u32, u32)> {
    let found = find(&fs::read_to_string("/etc/passwd")?, name);
    found.ok_or_else(|| {
        io::Error::other(format!("there is no user {name}: run `scripts/test packages` as root"))
    })
}

/// Gives a directory to a user.
///
/// # Errors
/// There is no such user, or only root may do so.
pub fn give(dir: &Path, name: &str) -> io::Result<()> {
    let (user, group) = ids(name)?;
    chown(dir, Some(user), Some(group))
}

/// The numbers in a file as passwd(5) has it.
fn find(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let fields = lines.find(|fields| fields.first() == Some(&name))?;
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_the_whole_name() {
        let passwd =
            "root:x:0:0:root:/:/bin/sh\npostfixer:x:7:8::/:\npostfix:x:101:102::/var/spool/postfix:\nodd\n";
        assert_eq!(find(passwd, "postfix"), Some((101, 102)));
        assert_eq!((find(passwd, "post"), find(passwd, "odd")), (None, None));
    }
}
