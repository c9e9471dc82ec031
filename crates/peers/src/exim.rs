//! Exim, as Debian builds it.

use std::path::Path;

/// Where `scripts/test packages` unpacks it, for Debian has one mail server at a time; then where the package puts it.
const PROGRAMS: [&str; 2] = ["/var/cache/postrider-tests/exim/usr/sbin/exim4", "/usr/sbin/exim4"];

/// The user that it becomes once it listens; the name is compiled in.
pub const USER: &str = "Debian-exim";

/// The program.
///
/// # Errors
/// There is none; the text says what to do.
pub fn program() -> Result<&'static str, String> {
    let found = PROGRAMS.into_iter().find(|path| Path::new(path).exists());
    found.ok_or_else(|| "there is no Exim: run `scripts/test packages` as root".to_owned())
}
