//! App passwords: random words for one program each, so that the password itself is in none of them.

use std::fmt;

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
};

use sasl::{ScramKeys, base64};

use crate::{Secret, keys_text, password::same};

/// Before each, so that people and scanners of secrets know one when they see it.
const PREFIX: &str = "pr-";
const ID_CHARACTERS: usize = 6;
/// 120 bits: so much chance needs no slow hash.
const SECRET_CHARACTERS: usize = 24;
/// As few as RFC 7677 §4 allows: no number of rounds is needed against guesses of 120 bits.
const SCRAM_ITERATIONS: u32 = 4096;
const SALT_OCTETS: usize = 16;
const NAME_CHARACTERS_MAX: usize = 100;
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
    /// When it was made, in milliseconds since 1970. None: it is declared in the configuration file.
    pub created: Option<i64>,
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
        let made = Self {
            id: id.into(),
            name: name.into(),
            scopes,
            digest,
            scram: None,
            created: Some(created),
            last_used: None,
        };
        Some((made, words))
    }

    /// A new one for the configuration file: what [`declared`](Self::declared) reads again, and the words of it. `None`: the system has no
    /// randomness.
    pub fn to_declare(login: &str) -> Option<(String, String)> {
        let (app, words) = Self::new("", Vec::new(), 0)?;
        let keys = ScramKeys::derive(&words, &salt_for(login), SCRAM_ITERATIONS);
        let (id, digest, keys) = (&app.id, base64::encode(&app.digest), keys_text::write(&keys));
        Some((format!("{PREFIX}{id}:{digest}:{keys}"), words))
    }

    /// One that the configuration file declares for the account of a login: by its words, or by what
    /// [`to_declare`](Self::to_declare) made of them.
    ///
    /// # Errors
    /// It is neither.
    pub fn declared(
        login: &str,
        name: &str,
        scopes: Vec<Scope>,
        text: &Secret,
    ) -> Result<Self, BadAppPassword> {
        let text = text.expose();
        let (id, digest, keys) = if let Some(id) = id_of(text) {
            (id, digest_of(text), ScramKeys::derive(text, &salt_for(login), SCRAM_ITERATIONS))
        } else {
            let (id, kept) = kept_of(text).ok_or(BadAppPassword::NotOne)?;
            let (digest, keys) = kept.split_once(':').ok_or(BadAppPassword::Malformed)?;
            let digest = base64::decode(digest.as_bytes()).and_then(|digest| digest.try_into().ok());
            let keys = keys_text::read(keys);
            let (digest, keys) = digest.zip(keys).ok_or(BadAppPassword::Malformed)?;
            // Else SCRAM would be lost for everybody, and nobody would know why.
            if *keys.salt != salt_for(login) || keys.iterations != SCRAM_ITERATIONS {
                return Err(BadAppPassword::OfAnother);
            }
            (id, digest, keys)
        };
        let (id, name) = (id.into(), name.into());
        Ok(Self { id, name, scopes, digest, scram: Some(keys), created: None, last_used: None })
    }

    /// Whether these are its words, and it is good for that.
    pub(crate) fn is(&self, words: &str, scope: Scope) -> bool {
        same(&self.digest, &digest_of(words)) && self.scopes.contains(&scope)
    }
}

/// Why a text declares no app password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadAppPassword {
    /// It does not look like one.
    NotOne,
    /// What is kept of it is cut short or changed.
    Malformed,
    /// What is kept of it was made for another login.
    OfAnother,
}

impl fmt::Display for BadAppPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOne => "not an app password",
            Self::Malformed => "what is kept of this app password is cut short or changed",
            Self::OfAnother => "this app password was made for another login",
        })
    }
}

impl std::error::Error for BadAppPassword {}

/// Whether an app password may be called so: by 1 to 100 characters, none of them for control.
pub fn is_app_password_name(name: &str) -> bool {
    (1..=NAME_CHARACTERS_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control)
}

/// The id of what looks like one.
pub(crate) fn id_of(words: &str) -> Option<&str> {
    let (id, secret) = words.strip_prefix(PREFIX)?.split_once('-')?;
    (id.len() == ID_CHARACTERS && secret.len() == SECRET_CHARACTERS).then_some(id)
}

/// The id and the rest of what looks like something kept of one, which is no secret.
pub(crate) fn kept_of(text: &str) -> Option<(&str, &str)> {
    let (id, kept) = text.strip_prefix(PREFIX)?.split_once(':')?;
    (id.len() == ID_CHARACTERS).then_some((id, kept))
}

/// All declared app passwords of an account have one salt, without which SCRAM could not take each of them: the server shows it before it
/// learns which is meant. Such a secret needs no salt that others cannot know.
fn salt_for(login: &str) -> [u8; SALT_OCTETS] {
    let digest = digest_of(&["app passwords of ", &login.to_lowercase()].concat());
    let mut salt = [0; SALT_OCTETS];
    salt.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    salt
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
    fn what_is_declared_is_the_words_or_what_is_kept_of_them() {
        let (kept, words) = AppPassword::to_declare("anna@example.org").unwrap();
        let declared = |login: &str, text: &str| {
            AppPassword::declared(login, "phone", vec![Scope::Smtp], &Secret::new(text))
        };
        let by_words = declared("Anna@example.org", &words).unwrap();
        assert_eq!(declared("anna@example.org", &kept).unwrap(), by_words);
        assert!(by_words.is(&words, Scope::Smtp) && !by_words.is(&words, Scope::Imap));
        assert_eq!(by_words.scram.unwrap().salt.len(), SALT_OCTETS);
        assert!(!kept.contains(id_of(&words).map(|id| &words[PREFIX.len() + id.len() + 1..]).unwrap()));
        assert_eq!(Secret::new(&*kept).is_password(), Ok(false));
        assert_eq!(Secret::new(&*words).is_password(), Ok(true));
        for (login, text, why) in [
            ("bob@example.org", &*kept, BadAppPassword::OfAnother),
            ("anna@example.org", &kept[..kept.len() - 8], BadAppPassword::Malformed),
            ("anna@example.org", &kept[..20], BadAppPassword::Malformed),
            ("anna@example.org", &words[..20], BadAppPassword::NotOne),
            ("anna@example.org", "tiger", BadAppPassword::NotOne),
        ] {
            assert_eq!(declared(login, text), Err(why), "{text}");
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
