//! Accounts, and what their directories are called.

use std::fmt::Write;

use mail::Address;
use sasl::ScramKeys;

use crate::{AppPassword, DIRECTORY_NAME_OCTETS_MAX, password::Verifier};

/// What an account may do that others may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Send mail with any address of the domain of its login.
    SendAsDomain,
    /// Send mail that goes before that of others (MT-PRIORITY, RFC 6710).
    Priority,
    /// Send any amount of mail at once: no flood of it is held.
    Bulk,
}

impl Role {
    /// All.
    pub const ALL: [Self; 3] = [Self::SendAsDomain, Self::Priority, Self::Bulk];

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::SendAsDomain => "send-as-domain",
            Self::Priority => "priority",
            Self::Bulk => "bulk",
        }
    }

    /// The role of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == word)
    }
}

/// By what an account logs in, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Credentials {
    pub(crate) verifier: Option<Verifier>,
    pub(crate) scram: Option<ScramKeys>,
    pub(crate) app_passwords: Vec<AppPassword>,
    /// SHA-256 of certificates.
    pub(crate) certificates: Vec<[u8; 32]>,
    pub(crate) roles: Vec<Role>,
    pub(crate) disabled: bool,
    /// In the store, where it can be changed.
    pub(crate) stored: bool,
}

/// Somebody with a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    login: Address,
    addresses: Vec<Address>,
    credentials: Credentials,
    directory_name: Box<str>,
}

impl Account {
    /// `None`: the login is too long to name a directory.
    pub(crate) fn new(login: Address, addresses: Vec<Address>, credentials: Credentials) -> Option<Self> {
        let directory_name = directory_name(&login);
        (directory_name.len() <= DIRECTORY_NAME_OCTETS_MAX).then(|| Self {
            login,
            addresses,
            credentials,
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

    /// What its password is checked against, if it has one.
    pub(crate) fn verifier(&self) -> Option<&Verifier> {
        self.credentials.verifier.as_ref()
    }

    /// What is kept of its password for SCRAM.
    pub(crate) fn scram(&self) -> Option<&ScramKeys> {
        self.credentials.scram.as_ref()
    }

    /// The app password of an id.
    pub(crate) fn app_password(&self, id: &str) -> Option<&AppPassword> {
        self.credentials.app_passwords.iter().find(|app| *app.id == *id)
    }

    /// Whether it names this certificate by its fingerprint.
    pub(crate) fn has_certificate(&self, fingerprint: &[u8; 32]) -> bool {
        self.credentials.certificates.contains(fingerprint)
    }

    /// Whether it has a password of any kind to log in with, and may.
    pub(crate) fn may_log_in(&self) -> bool {
        let Credentials { verifier, app_passwords, disabled, .. } = &self.credentials;
        !disabled && (verifier.is_some() || !app_passwords.is_empty())
    }

    /// Whether nobody may log in to it.
    pub(crate) fn is_disabled(&self) -> bool {
        self.credentials.disabled
    }

    /// Whether something stronger can be kept of its password than there is, once that is at hand.
    pub(crate) fn is_worth_renewing(&self) -> bool {
        let Credentials { verifier, scram, stored, .. } = &self.credentials;
        *stored && verifier.as_ref().is_some_and(|verifier| verifier.is_weak() || scram.is_none())
    }

    /// Whether SCRAM works for it, whatever it logs in with: the server shows one salt before it learns which password is meant.
    pub(crate) fn knows_scram(&self) -> bool {
        let Credentials { verifier, scram, app_passwords, .. } = &self.credentials;
        // Keys of a password that is itself at hand are made for whatever salt the others have.
        let itself = verifier.as_ref().is_some_and(|verifier| verifier.password().is_some());
        let password = verifier.is_none() || scram.is_some() || itself;
        let salted = scram.as_ref().or_else(|| app_passwords.first()?.scram.as_ref());
        let alike = |app: &AppPassword| {
            let keys = app.scram.as_ref().zip(salted);
            keys.is_some_and(|(one, other)| (&one.salt, one.iterations) == (&other.salt, other.iterations))
        };
        password && app_passwords.iter().all(alike)
    }

    /// Its app passwords.
    pub(crate) fn app_passwords(&self) -> &[AppPassword] {
        &self.credentials.app_passwords
    }

    /// Whether it may do that.
    pub(crate) fn may(&self, role: Role) -> bool {
        self.credentials.roles.contains(&role)
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
        assert!(Account::new(login, Vec::new(), Credentials::default()).is_some());
        let long = format!("{}.example", ["abcdefghi"; 20].join("."));
        let login = Address::new(&"/".repeat(64), Domain::parse(&long).unwrap()).unwrap();
        assert!(Account::new(login, Vec::new(), Credentials::default()).is_none());
    }

    #[test]
    fn a_password_is_not_shown() {
        let credentials = Credentials { verifier: Verifier::parse("tiger").ok(), ..Credentials::default() };
        let account = Account::new("a@b".parse().unwrap(), Vec::new(), credentials).unwrap();
        assert!(!format!("{account:?}").contains("tiger"));
        assert_eq!(account.verifier().and_then(Verifier::password), Some("tiger"));
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
