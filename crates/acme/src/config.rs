//! What the operator decides.

use std::{fmt, net::SocketAddr, path::PathBuf};

use dns_update::is_host;
use net::{Anchors, HttpsTarget};

/// The production service of Let's Encrypt.
pub(crate) const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// The service of Let's Encrypt to try things out; nobody trusts its certificates.
pub(crate) const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// Settings. Whoever makes them has checked them: see each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where account and certificates are kept; nobody else writes there.
    pub dir: PathBuf,
    /// The authority's directory (RFC 8555 §7.1.1): an `https` URL, see [`Config::directory_url`].
    pub directory: String,
    /// Whom to believe that it is this authority.
    pub anchors: Anchors,
    /// Mail addresses by which the authority can reach the operator.
    pub contact: Vec<String>,
    /// The names to certify, lower case, at least one; those that begin with `*.` need [`Method::Dns`].
    pub names: Vec<String>,
    /// How we prove that the names are ours.
    pub method: Method,
    /// Where challenges are answered. Without meaning for [`Method::Dns`].
    pub bind: Vec<SocketAddr>,
    /// What binds the account to one that the authority knows already.
    pub external_account: Option<ExternalAccount>,
    /// Which of the authority's kinds of certificates; its usual one if none is named.
    pub profile: Option<String>,
    /// Whether all certificates are for one key, which is kept in `key.pem` of the directory, and not each for a new one.
    pub reuse_key: bool,
}

/// How we prove that a name is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// By a web server on port 80 of the name (HTTP-01, RFC 8555 §8.3).
    Http,
    /// By a handshake on port 443 of the name (TLS-ALPN-01, RFC 8737).
    Tls,
    /// By a record of the name (DNS-01, RFC 8555 §8.4).
    Dns(dns_update::Config),
}

impl Method {
    /// As the standards call it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Http => "http-01",
            Self::Tls => "tls-alpn-01",
            Self::Dns(_) => "dns-01",
        }
    }
}

/// An account that the authority knows from elsewhere (RFC 8555 §7.3.4).
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalAccount {
    /// The key's name, given by the authority.
    pub id: String,
    /// The key for HMAC-SHA256, given by the authority.
    pub key: Vec<u8>,
}

impl Config {
    /// The URL that a word or a URL stands for; none if it is neither.
    pub fn directory_url(text: &str) -> Option<String> {
        match text {
            "letsencrypt" => Some(LETS_ENCRYPT.to_owned()),
            "letsencrypt-staging" => Some(LETS_ENCRYPT_STAGING.to_owned()),
            _ => HttpsTarget::is_url(text).then(|| text.to_owned()),
        }
    }

    /// The word or URL that stands for this directory.
    pub fn directory_word(&self) -> &str {
        match self.directory.as_str() {
            LETS_ENCRYPT => "letsencrypt",
            LETS_ENCRYPT_STAGING => "letsencrypt-staging",
            url => url,
        }
    }

    /// Whether a name can go into a DNS update and a certificate: host names, and with `*.` before them.
    pub fn is_name(name: &str) -> bool {
        is_host(name.strip_prefix("*.").unwrap_or(name))
    }
}

impl fmt::Debug for ExternalAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalAccount").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_a_word_or_an_https_url() {
        for (text, url) in [
            ("letsencrypt", Some(LETS_ENCRYPT)),
            ("letsencrypt-staging", Some(LETS_ENCRYPT_STAGING)),
            ("https://ca.example:14000/dir", Some("https://ca.example:14000/dir")),
            ("https://[::1]/dir", Some("https://[::1]/dir")),
            ("http://ca.example/dir", None),
            ("ca.example/dir", None),
            ("/dir", None),
            ("https://", None),
            ("https://ca.example/a b", None),
            ("", None),
        ] {
            assert_eq!(Config::directory_url(text).as_deref(), url, "{text}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let account = ExternalAccount { id: "kid".into(), key: b"hush".to_vec() };
        let shown = format!("{account:?}");
        assert!(!shown.contains("104") && shown.contains("kid"), "{shown}");
    }
}
