//! The mechanisms there are, and sets of them.

use std::fmt;

/// A SASL mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// SCRAM-SHA-256-PLUS: as SCRAM-SHA-256, and bound to the TLS session (RFC 7677, RFC 9266).
    ScramSha256Plus,
    /// SCRAM-SHA-256: the password never leaves the client (RFC 5802, RFC 7677).
    ScramSha256,
    /// OAUTHBEARER: a token of an authorization server (RFC 7628).
    OAuthBearer,
    /// XOAUTH2: the same in the older form that Google and Microsoft made.
    XOAuth2,
    /// PLAIN: login and password in one message (RFC 4616).
    Plain,
    /// LOGIN: the same in two messages. Not a standard; old clients know nothing else.
    Login,
    /// EXTERNAL: who the client is was shown before, as by a certificate (RFC 4422 appendix A).
    External,
}

impl Mechanism {
    /// All, the strongest first: the order in which they are announced.
    pub const ALL: [Self; 7] = [
        Self::ScramSha256Plus,
        Self::ScramSha256,
        Self::OAuthBearer,
        Self::XOAuth2,
        Self::External,
        Self::Plain,
        Self::Login,
    ];

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::External => "EXTERNAL",
        }
    }

    /// The mechanism of a name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of mechanisms. Shown as it is announced: names with spaces between, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mechanisms(u8);

impl Mechanisms {
    /// Whether it has this one.
    pub fn has(self, mechanism: Mechanism) -> bool {
        self.0 & mechanism.bit() != 0
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// All that are in it, the strongest first.
    pub fn iter(self) -> impl Iterator<Item = Mechanism> {
        Mechanism::ALL.into_iter().filter(move |mechanism| self.has(*mechanism))
    }
}

impl FromIterator<Mechanism> for Mechanisms {
    fn from_iter<I: IntoIterator<Item = Mechanism>>(mechanisms: I) -> Self {
        Self(mechanisms.into_iter().fold(0, |set, mechanism| set | mechanism.bit()))
    }
}

impl fmt::Display for Mechanisms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for mechanism in self.iter() {
            write!(f, "{separator}{mechanism}")?;
            separator = " ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_in_any_case() {
        for mechanism in Mechanism::ALL {
            assert_eq!(Mechanism::parse(mechanism.name()), Some(mechanism));
            assert_eq!(Mechanism::parse(&mechanism.name().to_lowercase()), Some(mechanism));
        }
        for name in ["", "PLAIN ", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256-"] {
            assert_eq!(Mechanism::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_set_is_announced_with_the_strongest_first() {
        let set = Mechanisms::from_iter([Mechanism::Login, Mechanism::Plain, Mechanism::ScramSha256]);
        assert_eq!(set.to_string(), "SCRAM-SHA-256 PLAIN LOGIN");
        assert!(set.has(Mechanism::Plain) && !set.has(Mechanism::External) && !set.is_empty());
        assert!(Mechanisms::default().is_empty());
        assert_eq!(Mechanisms::from_iter(Mechanism::ALL).iter().count(), Mechanism::ALL.len());
    }
}
