//! Accounts, and what their directories are called.

use std::fmt::Write;

use mail::Address;

use crate::{DIRECTORY_NAME_OCTETS_MAX, Secret};

/// Somebody with a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    login: Address,
    addresses: Vec<Address>,
    password: Option<Secret>,
    directory_name: Box<str>,
}

impl Account {
    /// `None`: the login is too long to name a directory.
    pub(crate) fn new(login: Address, addresses: Vec<Address>, password: Option<Secret>) -> Option<Self> {
        let directory_name = directory_name(&login);
        (directory_name.len() <= DIRECTORY_NAME_OCTETS_MAX).then(|| Self {
            login,
            addresses,
            password,
            directory_name: directory_name.into(),
        })
    }

    /// The address by which it logs in and gets mail.
    pub fn login(&self) -> &Address {
        &self.login
    }

    /// Its further addresses.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The password, plain or as a PHC string, if it has one.
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// What its directory is called: the login in lower case, with everything but letters, digits and `@ - _ + = .`
    /// percent-encoded (a dot too where it comes first). Different logins have different names; none is empty, `.`,
    /// `..`, hidden, or holds `/` or NUL.
    pub fn directory_name(&self) -> &str {
        &self.directory_name
    }
}

fn directory_name(login: &Address) -> String {
    let text = login.to_string().to_ascii_lowercase();
    let mut name = String::with_capacity(text.len());
    for (place, octet) in text.bytes().enumerate() {
        match octet {
            b'a'..=b'z' | b'0'..=b'9' | b'@' | b'-' | b'_' | b'+' | b'=' => name.push(char::from(octet)),
            b'.' if place > 0 => name.push('.'),
            // Writing to a String cannot fail.
            _ => drop(write!(name, "%{octet:02X}")),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use mail::Domain;
    use proptest::prelude::*;

    use super::*;

    fn name(local: &str, domain: &str) -> String {
        directory_name(&Address::new(local, Domain::parse(domain).unwrap()).unwrap())
    }

    #[test]
    fn a_directory_name_is_no_path_trick() {
        for (local, shown) in [
            ("Anna", "anna@example.org"),
            ("anna.b+c", "anna.b+c@example.org"),
            ("..", "%22..%22@example.org"),
            ("../../etc", "%22..%2F..%2Fetc%22@example.org"),
            (".anna", "%22.anna%22@example.org"),
            ("a b", "%22a%20b%22@example.org"),
            ("a%2Fb", "a%252fb@example.org"),
            ("é", "%C3%A9@example.org"),
            ("", "%22%22@example.org"),
        ] {
            assert_eq!(name(local, "example.org"), shown, "{local}");
        }
    }

    #[test]
    fn a_login_that_cannot_name_a_directory_is_refused() {
        let login = Address::new(&"\u{e9}".repeat(32), Domain::parse("example.org").unwrap()).unwrap();
        assert!(Account::new(login, Vec::new(), None).is_some());
        let long = format!("{}.example", ["abcdefghi"; 20].join("."));
        let login = Address::new(&"/".repeat(64), Domain::parse(&long).unwrap()).unwrap();
        assert!(Account::new(login, Vec::new(), None).is_none());
    }

    #[test]
    fn a_password_is_not_shown() {
        let account = Account::new("a@b".parse().unwrap(), Vec::new(), Some(Secret::new("tiger"))).unwrap();
        assert!(!format!("{account:?}").contains("tiger"));
        assert_eq!(account.password().map(Secret::expose), Some("tiger"));
    }

    proptest! {
        #[test]
        fn every_login_names_one_plain_directory(local in "\\PC{0,16}", other in "\\PC{0,16}") {
            let one = name(&local, "example.org");
            prop_assert!(!one.is_empty() && !one.starts_with('.') && !one.contains(['/', '\0', '\\']));
            prop_assert!(one.is_ascii());
            let same = local.eq_ignore_ascii_case(&other);
            prop_assert_eq!(one == name(&other, "example.org"), same);
        }
    }
}
