//! The first account, and the aliases that every domain has.

use std::io::{self, IsTerminal as _};

use directory::{AliasConfig, NewAccount, NewPassword, People, PeopleError, Secret};
use disk::{Clock as _, Disk as _, Lock, OsDisk, OsRandom, Random as _, SystemClock};
use store::Store;

use super::Plan;
use crate::{
    cli::{PasswordSource, Quickstart},
    commands::{self, password},
    config::{self, Config, words},
    failure::Failure,
    schemas,
};

/// Without letters that are taken for each other.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Of 5 bits each: 100 bits in all.
const CHARACTERS: usize = 20;
/// RFC 2142 §3, §4: somebody reads what comes about abuse.
const ALIASES: [&str; 2] = ["postmaster", "abuse"];

/// How the account came to be.
pub(super) enum Made {
    /// It was there.
    There,
    /// With the password that somebody gave.
    Given,
    /// With this password.
    Random(String),
}

/// The password that somebody gives: in a file, or on a terminal. None: one is to be made.
pub(super) fn password(plan: &Plan, wanted: &Quickstart) -> Result<Option<Secret>, Failure> {
    let login = plan.login.to_string();
    if wanted.password_file.is_some() {
        let source = PasswordSource { password_file: wanted.password_file.clone(), hash: false };
        let given = password::read(&source, &login)?;
        return Ok(given.password.map(|secret| Secret::new(secret.expose())));
    }
    if wanted.yes || !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(None);
    }
    Ok(password::offer(&login)?.map(|text| Secret::new(text.as_str())))
}

/// Keeps others off the data directory, such as a server, as long as the claim lives.
pub(super) fn claim(plan: &Plan) -> Result<Box<dyn Lock>, Failure> {
    let dir = plan.data_dir.display();
    OsDisk.lock(&plan.data_dir).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Failure::new(format!("a server runs on {dir}"))
            .hint("give this one a data directory of its own: --data-dir DIR"),
        _ => Failure::new(format!("cannot use the data directory {dir}: {}", words(&error))),
    })
}

/// Makes account and aliases in the database, where commands can change them later. What is there stays as it is. To be called under a [`claim`].
pub(super) fn make(plan: &Plan, config: &Config, password: Option<Secret>) -> Result<Made, Failure> {
    let opened = Store::open(&config::store_file(&plan.data_dir), &schemas::ALL);
    let (store, _) = opened.map_err(|error| Failure::new(&error).hint(error.hint()))?;
    let made = fill(plan, config, store.clone(), password);
    store.close();
    made
}

fn fill(plan: &Plan, config: &Config, store: Store, password: Option<Secret>) -> Result<Made, Failure> {
    // The postmaster is the account that there is not yet.
    let declared = directory::Config { postmaster: None, ..config.directory.clone() };
    let declared = with_postmaster(declared);
    let (people, before) = People::load(store, declared).map_err(|error| wrong(&error))?;
    let login = plan.login.to_string();
    let is_there = |text: &str| {
        let address = mail::Address::parse(text);
        address.is_ok_and(|address| before.accounts().iter().any(|account| *account.login() == address))
    };
    if is_there(&login.to_ascii_lowercase()) {
        return Ok(Made::There);
    }
    let (password, made) = if let Some(password) = password {
        (password, Made::Given)
    } else {
        let text = random();
        (Secret::new(text.as_str()), Made::Random(text))
    };
    let account = NewAccount {
        login: login.clone(),
        password: Some(NewPassword::Plain(password)),
        ..NewAccount::default()
    };
    let now = i64::try_from(SystemClock.now().as_millis()).unwrap_or_default();
    commands::run(async {
        people.add_account(account, now).await.map_err(|error| wrong(&error))?;
        for name in ALIASES.iter().filter(|name| !plan.login.local_part().eq_ignore_ascii_case(name)) {
            let alias = AliasConfig { address: format!("{name}@{}", plan.domain), to: vec![login.clone()] };
            match people.add_alias(alias).await {
                // It is of an earlier run.
                Ok(()) | Err(PeopleError::Taken { .. }) => {}
                Err(error) => return Err(wrong(&error)),
            }
        }
        Ok(made)
    })
}

/// Somebody must get the postmaster's mail while the account is made.
fn with_postmaster(mut declared: directory::Config) -> directory::Config {
    if let Some(login) = declared.implied.clone().filter(|_| declared.accounts.is_empty()) {
        declared.accounts.push(directory::AccountConfig { login, ..Default::default() });
    }
    declared
}

fn wrong(error: &PeopleError) -> Failure {
    Failure::new(error).hint(error.hint())
}

/// Four times five characters.
fn random() -> String {
    let mut octets = [0; CHARACTERS];
    OsRandom.fill(&mut octets);
    let mut text = String::new();
    for (place, octet) in octets.iter().enumerate() {
        if place > 0 && place % 5 == 0 {
            text.push('-');
        }
        text.extend(ALPHABET.get(usize::from(octet & 31)).copied().map(char::from));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_password_is_long_and_another_each_time() {
        let (one, other) = (random(), random());
        assert_ne!(one, other);
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [5, 5, 5, 5]);
        assert!(one.bytes().all(|octet| octet == b'-' || ALPHABET.contains(&octet)), "{one}");
    }
}
