//! Secrets: written in the file, or kept out of it in a file of their own or in the environment.

use std::{fmt, io, path::Path};

use directory::Secret;
use toml_span::{Span, Value};

use super::{is_public, value::Wrong, walk::Section};

/// A secret is a line, not a book.
const SECRET_OCTETS_MAX: u64 = 65_536;

/// `key = "plain"`, `key = { file = "path" }` or `key = { env = "NAME" }`. A relative path starts at `dir`.
pub(super) fn read(section: &Section<'_>, key: &'static str, dir: &Path) -> Option<Secret> {
    of_value(section, key, section.get(key)?, dir)
}

/// A list of them.
pub(super) fn read_several(section: &Section<'_>, key: &'static str, dir: &Path) -> Vec<Secret> {
    let Some(value) = section.get(key) else { return Vec::new() };
    let Some(values) = value.as_array() else {
        section.wrong(value.span, Wrong::new(format!("`{key}` wants a list of secrets")));
        return Vec::new();
    };
    values.iter().filter_map(|value| of_value(section, key, value, dir)).collect()
}

fn of_value(section: &Section<'_>, key: &'static str, value: &Value<'_>, dir: &Path) -> Option<Secret> {
    if let Some(text) = value.as_str() {
        let found = checked(text, "").and_then(|text| unexposed(text, section.findings.public, "this file"));
        return section.report(value.span, found).map(Secret::new);
    }
    let hint = "write it as \"text\", { file = \"path\" } or { env = \"NAME\" }";
    let Some(table) = value.as_table() else {
        section.wrong(value.span, Wrong::new(format!("`{key}` wants a secret")).hint(hint));
        return None;
    };
    let mut entries = table.iter();
    let (Some((from, place)), None) = (entries.next(), entries.next()) else {
        section
            .wrong(value.span, Wrong::new(format!("`{key}` wants one place to find the secret")).hint(hint));
        return None;
    };
    let found = match (from.name.as_ref(), place.as_str()) {
        ("file", Some(path)) => {
            section.findings.add_secret_file(dir.join(path));
            from_file(&dir.join(path))
        }
        ("env", Some(name)) => from_env(name),
        _ => Err(Wrong::new(format!("`{key}` wants a secret")).hint(hint)),
    };
    let span: Span = place.span;
    section.report(span, found).map(Secret::new)
}

fn from_file(path: &Path) -> Result<String, Wrong> {
    let shown = path.display();
    let unreadable = |error: &dyn fmt::Display| {
        Wrong::new(format!("cannot read the secret in {shown}: {error}"))
            .hint("the path is relative to the configuration file; the server's user must be able to read it")
    };
    let text = super::read(path, SECRET_OCTETS_MAX).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => Wrong::new(format!("what is in {shown} is too large for a secret"))
            .hint(format!("a secret is one line of at most {SECRET_OCTETS_MAX} octets")),
        _ => unreadable(&words(&error)),
    })?;
    let text = checked(text.strip_suffix('\n').unwrap_or(&text).trim_end_matches('\r'), &shown.to_string())?;
    let public = is_public(path).map_err(|error| unreadable(&words(&error)))?;
    unexposed(text, public, &shown.to_string())
}

/// A hash may be read by others, if it has to be; what lets somebody in may not.
fn unexposed(text: String, public: bool, place: &str) -> Result<String, Wrong> {
    let wrong = || Wrong::new(format!("all users of this machine can read the secret in {place}"));
    match Secret::new(text.as_str()).is_password() {
        Ok(true) if public => Err(wrong()
            .hint("chmod 600, with the server's user as owner; or keep a hash instead of the password")),
        // What is no hash after all is told by whoever wants one.
        Ok(_) | Err(_) => Ok(text),
    }
}

fn from_env(name: &str) -> Result<String, Wrong> {
    // An empty name or one with `=` or NUL would make the standard library panic on some systems.
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(Wrong::new(format!("`{name}` is not the name of an environment variable")));
    }
    let text = std::env::var(name).map_err(|error| {
        let why = match error {
            std::env::VarError::NotPresent => "is not set",
            std::env::VarError::NotUnicode(_) => "is not UTF-8",
        };
        Wrong::new(format!("the environment variable {name} {why}"))
            .hint("set it where the server is started")
    })?;
    checked(&text, name)
}

fn checked(text: &str, place: &str) -> Result<String, Wrong> {
    let place = if place.is_empty() { String::new() } else { format!(" in {place}") };
    if text.is_empty() {
        return Err(Wrong::new(format!("the secret{place} is empty")));
    }
    if text.contains(['\n', '\r', '\0']) {
        return Err(Wrong::new(format!("the secret{place} has more than one line")));
    }
    Ok(text.to_owned())
}

/// What the system said, without its number.
pub(crate) fn words(error: &io::Error) -> String {
    use io::ErrorKind::{FileTooLarge, InvalidData, IsADirectory, NotFound, PermissionDenied};
    match error.kind() {
        NotFound => "no such file".to_owned(),
        PermissionDenied => "permission denied".to_owned(),
        IsADirectory => "it is a directory".to_owned(),
        InvalidData => "it is not UTF-8 text".to_owned(),
        FileTooLarge => "it is too large".to_owned(),
        _ => error.to_string(),
    }
}
