//! App passwords: random words for one program each, so that the password itself is in none of them.

use std::fmt;

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
};

use sasl::ScramKeys;

use crate::password::same;

/// Before each, so that people and scanners of secrets know one when they see it.
const PREFIX: &str = "pr-";
const ID_CHARACTERS: usize = 6;
/// 120 bits: so much chance needs no slow hash.
const SECRET_CHARACTERS: usize = 24;
/// Digits and letters that nobody takes for others.
const ALPHABET: [u8; 32] = *b"0123456789abcdefghjkmnpqrstvwxyz";

/// What a login may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Submitting mail.
    Smtp,
    /// Reading mail by IMAP.
    Imap,
    /// Reading mail by POP3.
    Pop3,
    /// The HTTP API.
    Api,
}

impl Scope {
    /// All.
    pub const ALL: [Self; 4] = [Self::Smtp, Self::Imap, Self::Pop3, Self::Api];

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Api => "api",
        }
    }

    /// The scope of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == word)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is kept of an app password.
#[derive(Clone, PartialEq, Eq)]
pub struct AppPassword {
    /// Which it is: the first part of it, and no secret.
    pub id: Box<str>,
    /// What its owner calls it.
    pub name: Box<str>,
    /// What it is good for.
    pub scopes: Vec<Scope>,
    /// SHA-256 of all of it.
    pub digest: [u8; 32],
    /// What SCRAM works with, with the salt of its account's other keys; older ones have none.
    pub scram: Option<ScramKeys>,
    /// When it was made, in milliseconds since 1970.
    pub created: i64,
    /// When it last let somebody in, to some minutes, in milliseconds since 1970.
    pub last_used: Option<i64>,
}

impl fmt::Debug for AppPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppPassword")
            .field("id", &self.id)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

impl AppPassword {
    /// A new one, and the words of it, which are told once and kept nowhere. `None`: the system has no randomness.
    pub fn new(name: &str, scopes: Vec<Scope>, created: i64) -> Option<(Self, String)> {
        let mut chance = [0; ID_CHARACTERS + SECRET_CHARACTERS];
        rand::fill(&mut chance).ok()?;
        let letters =
            chance.map(|octet| char::from(ALPHABET.get(usize::from(octet % 32)).copied().unwrap_or(b'0')));
        let (id, secret) = letters.split_at(ID_CHARACTERS);
        let (id, secret): (String, String) = (id.iter().collect(), secret.iter().collect());
        let words = format!("{PREFIX}{id}-{secret}");
        let digest = digest_of(&words);
        let made =
            Self { id: id.into(), name: name.into(), scopes, digest, scram: None, created, last_used: None };
        Some((made, words))
    }

    /// Whether these are its words, and it is good for that.
    pub(crate) fn is(&self, words: &str, scope: Scope) -> bool {
        same(&self.digest, &digest_of(words)) && self.scopes.contains(&scope)
    }
}

/// The id of what looks like one.
pub(crate) fn id_of(words: &str) -> Option<&str> {
    let (id, secret) = words.strip_prefix(PREFIX)?.split_once('-')?;
    (id.len() == ID_CHARACTERS && secret.len() == SECRET_CHARACTERS).then_some(id)
}

fn digest_of(words: &str) -> [u8; 32] {
    let mut octets = [0; 32];
    octets.iter_mut().zip(digest(&SHA256, words.as_bytes()).as_ref()).for_each(|(to, from)| *to = *from);
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_password_is_good_for_what_it_was_made_for() {
        let (kept, words) = AppPassword::new("phone", vec![Scope::Smtp, Scope::Imap], 0).unwrap();
        assert_eq!(words.len(), PREFIX.len() + ID_CHARACTERS + 1 + SECRET_CHARACTERS);
        assert_eq!(id_of(&words), Some(&*kept.id));
        assert!(kept.is(&words, Scope::Smtp) && kept.is(&words, Scope::Imap));
        assert!(!kept.is(&words, Scope::Pop3) && !kept.is(&words.to_uppercase(), Scope::Smtp));
        let (_, others) = AppPassword::new("phone", vec![Scope::Smtp], 0).unwrap();
        assert!(others != words && !kept.is(&others, Scope::Smtp));
        assert!(!format!("{kept:?}").contains("digest"));
        for other in ["", "pr-", "pr-abcdef-", "tiger", "pr-abcdef-012345678901234567890123x"] {
            assert_eq!(id_of(other), None, "{other}");
        }
    }

    #[test]
    fn every_scope_has_its_word() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.name()), Some(scope));
        }
        assert_eq!(Scope::parse("SMTP"), None);
    }
}
