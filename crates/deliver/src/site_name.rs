//! Which site a host belongs to (mail-rules 9).

use std::sync::Arc;

/// Hosts under these names belong to that site: providers that spread their MXs over several domains.
const SITES: &[(&str, &str)] = &[
    ("googlemail.com", "google.com"),
    ("psmtp.com", "google.com"),
    ("mx.microsoft", "outlook.com"),
    ("eo.outlook.com", "outlook.com"),
    ("hotmail.com", "outlook.com"),
];

/// The site of a host: by the table, else its registrable domain, else its name.
pub(crate) fn of(host: &str) -> Arc<str> {
    let under =
        |name: &str| host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if let Some((_, site)) = SITES.iter().find(|(name, _)| under(name)) {
        return (*site).into();
    }
    let literal = host.starts_with('[');
    if literal { host.into() } else { registrable(host).into() }
}

/// The part of a name that somebody registered, else all of it.
pub(crate) fn registrable(name: &str) -> &str {
    psl::domain_str(name).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_one_provider_are_one_site() {
        for (host, site) in [
            ("aspmx.l.google.com", "google.com"),
            ("aspmx2.googlemail.com", "google.com"),
            ("notgooglemail.com", "notgooglemail.com"),
            ("example-org.mail.protection.outlook.com", "outlook.com"),
            ("example-org.a-v1.mx.microsoft", "outlook.com"),
            ("mx1.mail.example.co.uk", "example.co.uk"),
            ("mx", "mx"),
            ("[192.0.2.1]", "[192.0.2.1]"),
        ] {
            assert_eq!(&*of(host), site, "{host}");
        }
    }
}
