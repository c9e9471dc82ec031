//! Whose settings are asked for.

use axum::http::{HeaderMap, header};
use mail::{Address, Domain};
use serde::Deserialize;

/// The query of those that ask by GET.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    emailaddress: Option<String>,
}

/// Before the domain in the name of the host that clients ask first.
const PREFIX: &str = "autoconfig.";

impl Asked {
    /// The address, if it is one.
    pub(super) fn address(&self) -> Option<Address> {
        let text = self.emailaddress.as_deref()?;
        // In a query a plus means a space, which many who write one forget; no address that anybody has contains a space.
        Address::parse(&text.trim().replace(' ', "+")).ok()
    }

    /// The domain of the address, or where none was given that of the host. The query of a client that was told to keep the address to itself
    /// may also have a placeholder in its place.
    pub(super) fn domains(&self, fields: &HeaderMap) -> Vec<Domain> {
        match self.emailaddress.as_deref().map(str::trim) {
            Some(text) if !text.is_empty() && !text.starts_with('%') => {
                self.address().map(|address| address.domain().clone()).into_iter().collect()
            }
            _ => of_host(fields),
        }
    }
}

/// The domains that a host may stand for, nearest first.
fn of_host(fields: &HeaderMap) -> Vec<Domain> {
    let host = fields.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let names = [Some(name.as_str()), name.strip_prefix(PREFIX)];
    names.into_iter().flatten().filter_map(|name| Domain::parse(name).ok()).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn domains(address: Option<&str>, host: &'static str) -> Vec<String> {
        let mut fields = HeaderMap::new();
        fields.insert(header::HOST, HeaderValue::from_static(host));
        let asked = Asked { emailaddress: address.map(str::to_owned) };
        asked.domains(&fields).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_address_says_it_or_else_the_host() {
        for (address, host, expected) in [
            (Some("anna@Example.org"), "autoconfig.example.net", &["example.org"][..]),
            (Some(" anna tag@example.org"), "h", &["example.org"]),
            (Some("anna"), "autoconfig.example.net", &[]),
            (Some("anna@exa mple.org"), "autoconfig.example.net", &[]),
            (Some("%EMAILADDRESS%"), "autoconfig.example.net", &["autoconfig.example.net", "example.net"]),
            (None, "Autoconfig.Example.net:8443", &["autoconfig.example.net", "example.net"]),
            (None, "example.net.", &["example.net"]),
            (Some(""), "example.net", &["example.net"]),
            (None, "../../etc", &[]),
            (None, "", &[]),
        ] {
            assert_eq!(domains(address, host), expected, "{address:?} {host}");
        }
    }
}
