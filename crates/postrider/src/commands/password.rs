//! Where a password comes from: a file, standard input, or somebody at a terminal. Never an argument: all users can see those.

use std::{
    fs::File,
    io::{self, IsTerminal, Read, Stdin, Write},
    path::Path,
};

use admin::api::Secret;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::{cli::PasswordSource, config, failure::Failure, terminal::clean};

/// A password is a line, not a book.
const OCTETS_MAX: u64 = 4096;

/// One of the two, or neither.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) password: Option<Secret>,
    pub(crate) hash: Option<Secret>,
}

/// Reads it from where the command line says, else asks on a terminal, else takes the line of standard input.
pub(crate) fn read(source: &PasswordSource, login: &str) -> Result<Given, Failure> {
    let what = if source.hash { "hash" } else { "password" };
    let text = match source.password_file.as_deref() {
        Some(path) if path != Path::new("-") => text_of(path, what)?,
        None if io::stdin().is_terminal() => ask(login, what, !source.hash)?,
        _ => line(io::stdin().lock(), what, "standard input")?,
    };
    let secret = Some(Secret::new(text));
    Ok(if source.hash {
        Given { hash: secret, password: None }
    } else {
        Given { password: secret, hash: None }
    })
}

/// The password that another server wants: from a file, the environment, a terminal, or the line of standard input.
pub(super) fn of_another(file: Option<&Path>, env: Option<&str>, user: &str) -> Result<Secret, Failure> {
    const WHAT: &str = "password";
    let text = match (file, env) {
        (Some(path), _) if path != Path::new("-") => text_of(path, WHAT)?,
        (None, Some(name)) => from_env(name)?,
        (None, None) if io::stdin().is_terminal() => ask(user, WHAT, false)?,
        _ => line(io::stdin().lock(), WHAT, "standard input")?,
    };
    Ok(Secret::new(text))
}

fn from_env(name: &str) -> Result<String, Failure> {
    // With `=` or NUL in it the standard library would panic on some systems.
    let text = if name.is_empty() || name.contains(['=', '\0']) { None } else { std::env::var(name).ok() };
    let text =
        text.ok_or_else(|| Failure::usage(format!("the environment variable {} is not set", clean(name))))?;
    line(text.as_bytes(), "password", &format!("the environment variable {name}"))
}

/// A secret in a file of its own, which only its owner can read.
pub(super) fn from_file(path: &Path, what: &str) -> Result<Secret, Failure> {
    text_of(path, what).map(Secret::new)
}

fn text_of(path: &Path, what: &str) -> Result<String, Failure> {
    let shown = path.display();
    let unreadable = |error: &io::Error| {
        Failure::usage(format!("cannot read the {what} in {shown}: {}", config::words(error)))
    };
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    if what != "hash" && config::is_public(path).map_err(|error| unreadable(&error))? {
        return Err(Failure::usage(format!("all users of this machine can read the {what} in {shown}"))
            .hint(format!("chmod 600 it, and choose another {what} if it was in use")));
    }
    line(file, what, &shown.to_string())
}

/// All of it, which is one line.
fn line(from: impl Read, what: &str, place: &str) -> Result<String, Failure> {
    let mut text = String::new();
    from.take(OCTETS_MAX + 1).read_to_string(&mut text).map_err(|error| {
        Failure::usage(format!("cannot read the {what} from {place}: {}", config::words(&error)))
    })?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    let wrong = if line.is_empty() {
        "there is none"
    } else if text.len() as u64 > OCTETS_MAX {
        "it is too long"
    } else if line.contains(['\n', '\r', '\0']) {
        "it has more than one line"
    } else {
        return Ok(line.to_owned());
    };
    Err(Failure::usage(format!("cannot use the {what} from {place}: {wrong}")).hint(format!(
        "give one line, such as `postrider ... < FILE` or --password-file FILE; at most {OCTETS_MAX} octets"
    )))
}

/// Asks somebody, twice where a slip of the finger could not be seen.
fn ask(login: &str, what: &str, twice: bool) -> Result<String, Failure> {
    let first = prompt(&format!("{what} for {}: ", clean(login)))?;
    if first.is_empty() {
        return Err(Failure::usage(format!("no {what} was given")));
    }
    if twice && prompt("the same again: ")? != first {
        return Err(Failure::usage("the two differ").hint("nothing was changed; try again"));
    }
    Ok(first)
}

/// Asks somebody at a terminal for a new password. None: they would rather have one made.
pub(crate) fn offer(login: &str) -> Result<Option<String>, Failure> {
    let first = prompt(&format!("password for {} (empty: one is made): ", clean(login)))?;
    if first.is_empty() {
        return Ok(None);
    }
    if prompt("the same again: ")? != first {
        return Err(Failure::usage("the two differ").hint("nothing was written; try again"));
    }
    Ok(Some(first))
}

fn prompt(text: &str) -> Result<String, Failure> {
    let failed = |error: io::Error| Failure::new(format!("cannot ask on this terminal: {error}"));
    let mut err = io::stderr();
    write!(err, "{text}").and_then(|()| err.flush()).map_err(failed)?;
    let stdin = io::stdin();
    let silence = Silence::begin(&stdin).map_err(failed)?;
    let mut line = String::new();
    let read = stdin.read_line(&mut line);
    drop(silence);
    // The end of the line was not shown either.
    let _ = writeln!(err);
    read.map_err(failed)?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silence<'a> {
    terminal: &'a Stdin,
    before: Termios,
}

impl<'a> Silence<'a> {
    fn begin(terminal: &'a Stdin) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        // Nobody is left to tell, and shells set it right again.
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_one_line() {
        for (text, expected) in [
            ("tiger", Some("tiger")),
            ("tiger\n", Some("tiger")),
            (" ti ger \r\n", Some(" ti ger ")),
            ("", None),
            ("\n", None),
            ("tiger\nlion\n", None),
            ("ti\0ger\n", None),
        ] {
            assert_eq!(line(text.as_bytes(), "password", "a test").ok().as_deref(), expected, "{text:?}");
        }
        let long = "x".repeat(5000);
        assert!(line(long.as_bytes(), "password", "a test").is_err());
        assert!(line(&b"\xff\n"[..], "password", "a test").is_err());
    }
}
