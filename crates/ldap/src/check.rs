//! Tries a directory as the server would use it, and tells what it found.

use mail::Address;
use net::AnchorsError;
use sasl::Password;

use crate::{
    Config, LdapError,
    source::{Login, Source},
};

/// What was found.
#[derive(Debug, Default)]
pub struct Checked {
    /// The server that answered, and how it is spoken to.
    pub server: Option<String>,
    /// How many people there are, if that was asked.
    pub people: Option<usize>,
    /// Addresses that two have.
    pub doubled: Vec<String>,
    /// The entries that an address leads to.
    pub entries: Vec<Found>,
    /// Whether a password is good; why not.
    pub login: Option<Result<(), String>>,
    /// What went wrong, and what to do.
    pub failure: Option<(String, &'static str)>,
}

/// An entry.
#[derive(Debug)]
pub struct Found {
    /// What it is called.
    pub dn: String,
    /// Its login, or why it is nobody.
    pub login: Result<String, String>,
    /// Its further addresses.
    pub addresses: Vec<String>,
    /// The words of its roles.
    pub roles: Vec<&'static str>,
    /// Nobody logs in to it.
    pub disabled: bool,
}

/// Tries a directory: whether it answers; with an address, who has it; without one, how many people there are; and with a password,
/// whether it is good.
///
/// # Errors
/// There is nobody to believe a certificate from.
pub async fn check(
    config: &Config,
    address: Option<&Address>,
    password: Option<&str>,
) -> Result<Checked, AnchorsError> {
    let source = Source::new(config.clone())?;
    let mut checked = Checked::default();
    let password = password.map(Password::new);
    if let Err(error) = fill(&source, address, password.as_ref(), &mut checked).await {
        checked.failure = Some((error.to_string(), error.hint()));
    }
    Ok(checked)
}

async fn fill(
    source: &Source,
    address: Option<&Address>,
    password: Option<&Password>,
    checked: &mut Checked,
) -> Result<(), LdapError> {
    let connection = source.open().await?;
    let bound = source.config().bind.as_ref().map_or("nobody", |(dn, _)| dn);
    let tls = connection.tls.as_deref().unwrap_or("in clear");
    checked.server = Some(format!("{}, {tls}, bound as {bound}", connection.server()));
    connection.close().await;
    let Some(address) = address else {
        let all = source.all().await?;
        checked.people = Some(all.len());
        checked.doubled = all.doubled.iter().map(ToString::to_string).collect();
        return Ok(());
    };
    for seen in source.seen_by_address(address).await? {
        let (login, person) = match seen.person {
            Ok(person) => (Ok(person.login.to_string()), Some(person)),
            Err(why) => (Err(why.to_string()), None),
        };
        checked.entries.push(Found {
            dn: seen.dn,
            login,
            addresses: person.iter().flat_map(|person| &person.addresses).map(ToString::to_string).collect(),
            roles: person.iter().flat_map(|person| &person.roles).map(|role| role.name()).collect(),
            disabled: person.is_some_and(|person| person.disabled),
        });
    }
    if let Some(password) = password.filter(|password| !password.expose().is_empty()) {
        checked.login = Some(match source.log_in(address, password).await? {
            Login::Right(_) => Ok(()),
            Login::Wrong(why) => Err(why),
        });
    }
    Ok(())
}
