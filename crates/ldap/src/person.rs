//! What an entry says of a person.

use directory::{Person, Role, in_ascii};
use mail::{Address, Domain};

use crate::{config::Config, message::Entry};

/// More addresses than this has nobody, but an entry that went wrong.
const ADDRESSES_MAX: usize = 1000;
/// `ACCOUNTDISABLE` in `userAccountControl` of Active Directory.
const ACCOUNT_DISABLED: u32 = 2;

/// Why an entry is nobody here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPerson {
    #[error("it has no login")]
    NoLogin,
    #[error("its login is no address of the domains that the directory serves")]
    OtherDomain,
}

/// The person of an entry.
///
/// # Errors
/// It is nobody who could get mail here.
pub(crate) fn person(config: &Config, entry: &Entry) -> Result<Person, NoPerson> {
    let attributes = &config.attributes;
    let mut values = entry.values(&attributes.login).peekable();
    values.peek().ok_or(NoPerson::NoLogin)?;
    // Values are in no order (RFC 4511 §4.1.7). The mailbox hangs on the login, so the same one has to be chosen each time.
    let logins = values.filter_map(|value| login(config, value)).filter(|login| is_served(config, login));
    let login = logins.min_by_key(ToString::to_string).ok_or(NoPerson::OtherDomain)?;
    let all = [&attributes.login].into_iter().chain(&attributes.addresses);
    let mut addresses: Vec<Address> = all
        .flat_map(|name| entry.values(name))
        .take(ADDRESSES_MAX)
        .filter_map(address)
        .filter(|address| is_served(config, address) && *address != login)
        .collect();
    addresses.sort_by_key(ToString::to_string);
    addresses.dedup();
    let words = attributes.roles.iter().flat_map(|name| entry.values(name));
    let mut roles: Vec<Role> =
        words.filter_map(|word| Role::parse(std::str::from_utf8(word).ok()?)).collect();
    roles.dedup();
    let disabled = attributes.disabled.as_deref();
    let disabled = disabled.is_some_and(|name| entry.values(name).any(|value| is_yes(name, value)));
    Ok(Person { login, addresses, roles, disabled })
}

/// An address in one of its forms, or a name at the first domain.
fn login(config: &Config, value: &[u8]) -> Option<Address> {
    let text = std::str::from_utf8(value).ok()?;
    if text.contains(['@', ':']) {
        return address(value);
    }
    lowered(&Address::new(text, config.domains.first()?.clone()).ok()?)
}

/// `anna@example.org`, or `smtp:anna@example.org` as Active Directory has it. What is of another kind is no address.
fn address(value: &[u8]) -> Option<Address> {
    let text = std::str::from_utf8(value).ok()?;
    let text = match text.split_once(':') {
        Some((kind, text)) if kind.eq_ignore_ascii_case("smtp") => text,
        Some((kind, _)) if kind.bytes().all(|octet| octet.is_ascii_alphanumeric()) => return None,
        _ => text,
    };
    lowered(&Address::parse(text).ok()?)
}

/// In the one spelling, for a directory of mailboxes is named after it.
fn lowered(address: &Address) -> Option<Address> {
    Address::new(&address.local_part().to_ascii_lowercase(), in_ascii(address.domain().clone())?).ok()
}

fn is_served(config: &Config, address: &Address) -> bool {
    let is = |domain: &Domain| domain == address.domain();
    config.domains.iter().any(is)
}

/// Whether a value says that an account is disabled. `userAccountControl` has a bit for it; `nsAccountLock` of FreeIPA and 389 is TRUE
/// or FALSE; `pwdAccountLockedTime` of the policy of passwords, and others of its kind, are there or not.
fn is_yes(attribute: &str, value: &[u8]) -> bool {
    let text = String::from_utf8_lossy(value).trim().to_ascii_lowercase();
    if attribute.eq_ignore_ascii_case("userAccountControl") {
        return text.parse::<u32>().is_ok_and(|bits| bits & ACCOUNT_DISABLED != 0);
    }
    !matches!(text.as_str(), "" | "false" | "no" | "0" | "active" | "enabled")
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use net::Anchors;

    use super::*;
    use crate::{Attributes, Filter, Scope};

    pub(crate) fn config() -> Config {
        Config {
            servers: Vec::new(),
            anchors: Anchors::System,
            bind: None,
            base: "dc=example,dc=org".into(),
            scope: Scope::Subtree,
            domains: ["example.org", "example.net"].map(|name| Domain::parse(name).unwrap()).into(),
            filter: Filter::parse("(objectClass=*)").unwrap(),
            login_filter: None,
            address_filter: None,
            user_dn: None,
            attributes: Attributes {
                login: "mail".into(),
                addresses: vec!["mail".into(), "proxyAddresses".into()],
                disabled: Some("userAccountControl".into()),
                roles: Some("employeeType".into()),
            },
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            refresh: Duration::from_mins(10),
            outage_max: Duration::from_hours(24),
            connections_max: 4,
        }
    }

    fn entry(attributes: &[(&str, &[&str])]) -> Entry {
        let values = |values: &[&str]| values.iter().map(|value| value.as_bytes().to_vec()).collect();
        let attributes = attributes.iter().map(|(name, all)| ((*name).to_owned(), values(all))).collect();
        Entry { dn: "uid=anna".into(), attributes }
    }

    fn texts(addresses: &[Address]) -> Vec<String> {
        addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_entry_is_a_person() {
        let found = person(
            &config(),
            &entry(&[
                ("Mail;x-work", &["Anna@EXAMPLE.org"]),
                (
                    "proxyAddresses",
                    &[
                        "SMTP:anna@example.org",
                        "smtp:a@example.net",
                        "sip:anna@example.org",
                        "X500:/o=x",
                        "smtp:a@other.example",
                    ],
                ),
                ("userAccountControl", &["514"]),
                ("employeeType", &["bulk", "whatever"]),
            ]),
        )
        .unwrap();
        assert_eq!(found.login.to_string(), "anna@example.org");
        assert_eq!(texts(&found.addresses), ["a@example.net"]);
        assert!(found.disabled);
        assert_eq!(found.roles, [Role::Bulk]);
    }

    #[test]
    fn a_name_without_a_domain_is_at_the_first() {
        let mut config = config();
        config.attributes.login = "uid".into();
        let found =
            person(&config, &entry(&[("uid", &["anna"]), ("mail", &["anna.berg@example.net"])])).unwrap();
        assert_eq!(found.login.to_string(), "anna@example.org");
        assert_eq!(texts(&found.addresses), ["anna.berg@example.net"]);
        let odd = person(&config, &entry(&[("uid", &["anna berg"])])).unwrap();
        assert_eq!(odd.login.to_string(), "\"anna berg\"@example.org");
    }

    #[test]
    fn of_several_logins_it_is_always_the_same() {
        let one = person(&config(), &entry(&[("mail", &["b@example.org", "a@example.org"])])).unwrap();
        let other = person(&config(), &entry(&[("mail", &["a@example.org", "b@example.org"])])).unwrap();
        assert_eq!(one, other);
        assert_eq!(one.login.to_string(), "a@example.org");
    }

    #[test]
    fn who_is_nobody_here_is_told_why() {
        assert_eq!(person(&config(), &entry(&[("cn", &["anna"])])), Err(NoPerson::NoLogin));
        for wrong in ["anna@other.example", "no address@", "@example.org", "smtp:"] {
            let found = person(&config(), &entry(&[("mail", &[wrong])]));
            assert_eq!(found, Err(NoPerson::OtherDomain), "{wrong}");
        }
        let binary = Entry { dn: String::new(), attributes: vec![("mail".into(), vec![vec![0xFF, 0xFE]])] };
        assert_eq!(person(&config(), &binary), Err(NoPerson::OtherDomain));
    }

    #[test]
    fn an_entry_that_went_wrong_has_an_end() {
        let all: Vec<String> = (0..5000).map(|number| format!("a{number}@example.org")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let found =
            person(&config(), &entry(&[("mail", &["anna@example.org"]), ("proxyAddresses", &all)])).unwrap();
        assert!(found.addresses.len() < ADDRESSES_MAX);
    }

    #[test]
    fn what_says_that_an_account_is_disabled() {
        for (name, value, disabled) in [
            ("userAccountControl", "512", false),
            ("userAccountControl", "66050", true),
            ("userAccountControl", "many", false),
            ("nsAccountLock", "TRUE", true),
            ("nsAccountLock", "FALSE", false),
            ("pwdAccountLockedTime", "000001010000Z", true),
            ("accountStatus", "active", false),
        ] {
            assert_eq!(is_yes(name, value.as_bytes()), disabled, "{name} {value}");
        }
    }
}
