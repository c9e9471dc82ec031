//! What the operator decides about a provider.

use std::fmt;

use net::Anchors;

use crate::Algorithm;

/// A provider whose tokens count. Whoever makes one has checked it: see each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its name for itself, which its tokens bear as `iss` (RFC 7519 §4.1.1).
    pub issuer: Box<str>,
    /// Whom a token has to be for (`aud`, RFC 7519 §4.1.3): one of these. Empty only where the provider is asked about each token:
    /// then it is not looked at.
    pub audience: Vec<Box<str>>,
    /// What a token has to allow (`scope`, RFC 8693 §4.2; `scp` elsewhere): all of these.
    pub scopes: Vec<Box<str>>,
    /// The claim that names the login.
    pub login_claim: Box<str>,
    /// By what its word is had.
    pub source: Source,
    /// Whom to believe that it is this provider.
    pub anchors: Anchors,
}

/// By what a provider's word about a token is had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Its signature, by the keys that it publishes (RFC 7517 §5).
    Keys {
        /// The `https` URL of the keys.
        url: Box<str>,
        /// How it signs: nothing else is believed.
        algorithms: Vec<Algorithm>,
    },
    /// Its answer about each token (RFC 7662).
    Introspection {
        /// The `https` URL that is asked.
        url: Box<str>,
        /// As whom we ask.
        client_id: Box<str>,
        /// What proves that it is us.
        client_secret: ClientSecret,
    },
}

/// A secret that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret(Box<str>);

impl ClientSecret {
    /// Wraps a text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}
