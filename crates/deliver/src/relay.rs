//! Relays: hosts that take our mail for other places, with an account there or without (RFC 6409, RFC 8314).

use std::{fmt, sync::Arc};

use dns::BoxFuture;
use mail::{Address, Domain, ReversePath};
use sasl::{Password, client::Credentials};
use smtp::client::Login;

use crate::{
    static_route::{Hosts, Pattern},
    tls_policy::TlsPolicy,
};

/// A relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// What it is called in the configuration, in events and on the command line.
    pub name: Box<str>,
    /// Where it is.
    pub hosts: Hosts,
    /// TLS comes before the first word (RFC 8314 §3.3).
    pub implicit_tls: bool,
    /// How sessions with it are protected; none: as with other hosts. With an account they are never in clear.
    pub tls: Option<TlsPolicy>,
    /// As whom we log in; none: it knows us by our address.
    pub account: Option<Account>,
    /// Whose mail it takes; none: everybody's.
    pub senders: Vec<SenderPattern>,
    /// For whom it takes mail; none: for all.
    pub recipients: Vec<Pattern>,
    /// How much it takes.
    pub limits: RelayLimits,
    /// Relays that get its mail while it takes none, by name and in this order.
    pub fallback: Vec<Box<str>>,
}

/// How much a relay takes of us; none: no limit is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RelayLimits {
    /// Recipients within any 24 hours. The rest waits, and its lifetime stands still (mail-rules 12).
    pub recipients_per_day: Option<u32>,
    /// Recipients of one message.
    pub recipients_per_message: Option<usize>,
}

/// Whose mail a relay takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SenderPattern {
    /// That of this address.
    Address(Address),
    /// That of these domains.
    Domain(Pattern),
    /// That of nobody: reports, whose reverse-path is null.
    Null,
}

/// As whom we log in at a relay.
#[derive(Clone)]
pub struct Account {
    /// The login.
    pub login: Box<str>,
    /// What shows that it is ours.
    pub proof: Proof,
}

/// What shows that an account is ours.
#[derive(Clone)]
pub enum Proof {
    /// Its password, or one made for programs.
    Password(Password),
    /// Tokens of an authorization server (RFC 6749).
    Tokens(Arc<dyn RelayTokens>),
}

/// Gives tokens for an account at a relay.
pub trait RelayTokens: Send + Sync {
    /// A token that is good now.
    fn token(&self) -> BoxFuture<'_, Result<Password, NoToken>>;

    /// Says which account it is for, and by whom: two with one identity are the same.
    fn identity(&self) -> &str;

    /// The relay did not take this token, however good it looked: another is to be had.
    fn refused(&self, token: &Password);
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoToken {
    /// The grant is over, or there never was one: somebody has to log in (RFC 6749 §5.2, `invalid_grant`).
    Revoked(String),
    /// It cannot be had at the moment.
    Unavailable(String),
}

impl fmt::Display for NoToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revoked(why) | Self::Unavailable(why) => f.write_str(why),
        }
    }
}

impl Relay {
    /// Hosts that know us by our address.
    pub fn of(name: &str, hosts: Hosts) -> Self {
        Self {
            name: name.into(),
            hosts,
            implicit_tls: false,
            tls: None,
            account: None,
            senders: Vec::new(),
            recipients: Vec::new(),
            limits: RelayLimits::default(),
            fallback: Vec::new(),
        }
    }

    /// Whether it takes mail for a domain, whoever wrote it.
    pub(crate) fn takes(&self, domain: &Domain) -> bool {
        self.recipients.is_empty() || self.recipients.iter().any(|pattern| pattern.takes(domain))
    }

    /// Whether it takes somebody's mail. Reports are taken by who takes everybody's.
    pub fn takes_from(&self, sender: &ReversePath) -> bool {
        self.senders.is_empty() || self.senders.iter().any(|pattern| pattern.takes(sender))
    }
}

impl SenderPattern {
    fn takes(&self, sender: &ReversePath) -> bool {
        match (self, sender) {
            (Self::Null, ReversePath::Null) => true,
            (Self::Address(own), ReversePath::Address(address)) => {
                own.domain() == address.domain()
                    && own.local_part().eq_ignore_ascii_case(address.local_part())
            }
            (Self::Domain(pattern), ReversePath::Address(address)) => {
                directory::in_ascii(address.domain().clone()).is_some_and(|domain| pattern.takes(&domain))
            }
            _ => false,
        }
    }
}

impl fmt::Display for SenderPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Domain(pattern) => pattern.fmt(f),
            Self::Null => f.write_str("<>"),
        }
    }
}

impl Account {
    /// What a session logs in by. `nonce`: new, and not to be guessed.
    ///
    /// # Errors
    /// There is no token.
    pub(crate) async fn login(&self, nonce: &str) -> Result<Login, NoToken> {
        let (password, by_token) = match &self.proof {
            Proof::Password(password) => (password.clone(), false),
            Proof::Tokens(tokens) => (tokens.token().await?, true),
        };
        let credentials = Credentials { login: self.login.clone(), password };
        Ok(Login { credentials, by_token, nonce: nonce.into() })
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("login", &self.login).finish_non_exhaustive()
    }
}

impl PartialEq for Account {
    fn eq(&self, other: &Self) -> bool {
        let proof = match (&self.proof, &other.proof) {
            (Proof::Password(one), Proof::Password(other)) => one == other,
            (Proof::Tokens(one), Proof::Tokens(other)) => one.identity() == other.identity(),
            _ => false,
        };
        proof && self.login == other.login
    }
}

impl Eq for Account {}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(text: &str) -> ReversePath {
        match text {
            "" => ReversePath::Null,
            text => ReversePath::Address(Address::parse(text).unwrap()),
        }
    }

    #[test]
    fn a_relay_takes_the_mail_of_whom_it_is_for() {
        let hosts = Hosts { protocol: smtp::Protocol::Smtp, hosts: Vec::new() };
        let mut relay = Relay::of("x", hosts);
        assert!(relay.takes_from(&sender("")) && relay.takes_from(&sender("a@b.example")));
        relay.senders = vec![
            SenderPattern::Address(Address::parse("Anna@example.org").unwrap()),
            SenderPattern::Domain(Pattern::parse(".example.net").unwrap()),
        ];
        for (who, taken) in [
            ("anna@example.org", true),
            ("ben@example.org", false),
            ("x@a.example.net", true),
            ("x@example.net", false),
            ("", false),
        ] {
            assert_eq!(relay.takes_from(&sender(who)), taken, "{who}");
        }
        relay.senders.push(SenderPattern::Null);
        assert!(relay.takes_from(&sender("")));
        relay.recipients = vec![Pattern::parse("example.com").unwrap()];
        let takes = |domain: &str| relay.takes(&Domain::parse(domain).unwrap());
        assert!(takes("example.com") && !takes("a.example.com"));
    }

    #[test]
    fn no_secret_shows() {
        let account = Account { login: "anna".into(), proof: Proof::Password(Password::new("tiger")) };
        assert!(!format!("{account:?}").contains("tiger"));
    }
}
