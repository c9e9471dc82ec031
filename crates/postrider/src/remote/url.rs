//! Where a server is and who logs in there: `imaps://user@host/`, as RFC 5092 writes it.

use std::fmt;

/// A server, and a login there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// A name, or an address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// TLS comes by STARTTLS, and not before the first word.
    pub(crate) starttls: bool,
    pub(crate) user: String,
}

/// What the command line shows when it is written wrongly.
const FORM: &str = "write it as imaps://USER@HOST/ for TLS, or as imap://USER@HOST/ for STARTTLS";

impl Url {
    /// Whether a text is meant to be one.
    pub(crate) fn is_meant(text: &str) -> bool {
        ["imaps://", "imap://"]
            .iter()
            .any(|scheme| text.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)))
    }

    /// Reads one.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or(FORM)?;
        let starttls = match scheme.to_ascii_lowercase().as_str() {
            "imaps" => false,
            "imap" => true,
            _ => return Err(FORM.to_owned()),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !path.is_empty() {
            return Err("nothing may stand behind the host: mailboxes are named by --only".to_owned());
        }
        let (user, place) =
            authority.rsplit_once('@').ok_or_else(|| format!("it does not say who logs in: {FORM}"))?;
        if user.contains(':') {
            return Err(
                "a password does not belong there, where all users of this machine can see it: use --password-file"
                    .to_owned(),
            );
        }
        let user = decoded(user).filter(|user| !user.is_empty() && !user.contains(char::is_control));
        let user = user.ok_or_else(|| format!("the user is not written as it has to be: {FORM}"))?;
        let (host, port) =
            place_of(place).ok_or_else(|| format!("the host is not written as it has to be: {FORM}"))?;
        let port = port.unwrap_or(if starttls { 143 } else { 993 });
        Ok(Self { host: host.to_owned(), port, starttls, user })
    }
}

fn place_of(place: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (host, behind) = rest.split_once(']')?;
        (host, if behind.is_empty() { None } else { Some(behind.strip_prefix(':')?) })
    } else {
        place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)))
    };
    let port = match port {
        None => None,
        Some(port) => Some(port.parse().ok().filter(|port| *port != 0)?),
    };
    (!host.is_empty()).then_some((host, port))
}

/// Without percent-encoding (RFC 3986 §2.1).
fn decoded(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((octet, after)) = rest.split_first() {
        rest = after;
        if *octet != b'%' {
            octets.push(*octet);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>()?;
        rest = after;
        octets.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
    }
    String::from_utf8(octets).ok()
}

/// As messages name it: without the login.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_who() {
        let url = |host: &str, port, starttls, user: &str| {
            Ok(Url { host: host.to_owned(), port, starttls, user: user.to_owned() })
        };
        for (text, read) in [
            ("imaps://anna@mail.example/", url("mail.example", 993, false, "anna")),
            ("imap://anna@mail.example", url("mail.example", 143, true, "anna")),
            (
                "IMAPS://anna@example.org@mail.example:1993",
                url("mail.example", 1993, false, "anna@example.org"),
            ),
            (
                "imaps://anna%40example.org@[2001:db8::1]:993/",
                url("2001:db8::1", 993, false, "anna@example.org"),
            ),
        ] {
            assert!(Url::is_meant(text));
            assert_eq!(Url::parse(text), read, "{text}");
        }
        for (text, why) in [
            ("imaps://mail.example/", "who logs in"),
            ("imaps://anna:tiger@mail.example/", "--password-file"),
            ("imaps://anna@mail.example/INBOX", "--only"),
            ("imaps://anna@:993", "host"),
            ("imaps://anna@mail.example:0", "host"),
            ("imaps://anna@[::1", "host"),
            ("imaps://an%zzna@mail.example", "user"),
            ("imaps://a%0Ab@mail.example", "user"),
        ] {
            let wrong = Url::parse(text).unwrap_err();
            assert!(wrong.contains(why), "{text}: {wrong}");
        }
        assert!(!Url::is_meant("old/imap://x") && !Url::is_meant("imap") && !Url::is_meant("ïmap://"));
    }
}
