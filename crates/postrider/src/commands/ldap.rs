//! `postrider ldap check`: what directories elsewhere say.

use admin::api::Secret;
use directory::Directory;
use ldap::{Checked, Config, check};
use mail::Address;
use serde_json::{Value, json};

use super::password;
use crate::{
    cli::{LdapCheck, LdapCommand, PasswordSource},
    config,
    failure::Failure,
    place,
    terminal::{self, clean},
};

pub(crate) fn run(command: &LdapCommand, json: bool) -> Result<(), Failure> {
    let LdapCommand::Check(wanted) = command;
    let config = place::load(&wanted.file.config)?;
    let asked = Asked::of(wanted, &config)?;
    let mut all = Vec::new();
    for settings in &asked.settings {
        let checked = super::run(async {
            Ok(check(settings, asked.address.as_ref(), asked.password.as_ref().map(Secret::expose)).await)
        })?;
        all.push(checked.map_err(|error| {
            Failure::new(format!("LDAP: {error}"))
                .hint("name the authority of the server's certificate by `ca_file`")
        })?);
    }
    if json {
        terminal::print_json(&all.iter().map(|checked| asked.json(checked)).collect::<Vec<_>>())?;
    } else {
        let texts: Vec<String> = all.iter().map(|checked| asked.text(checked)).collect();
        terminal::print(&texts.join("\n\n"))?;
    }
    all.iter().find_map(|checked| asked.trouble(checked)).map_or(Ok(()), Err)
}

/// What is asked, and of which directories.
struct Asked {
    address: Option<Address>,
    password: Option<Secret>,
    settings: Vec<Config>,
    /// The address is declared in the configuration file.
    own: bool,
}

impl Asked {
    fn of(wanted: &LdapCheck, config: &config::Config) -> Result<Self, Failure> {
        let mut settings: Vec<Config> = config.ldap.iter().map(|ldap| ldap.settings.clone()).collect();
        if settings.is_empty() {
            let failure = Failure::usage("there is no [[ldap]] in the configuration file");
            return Err(failure.hint("docs/reference/ldap.md has examples"));
        }
        let Some(text) = &wanted.address else {
            return Ok(Self { address: None, password: None, settings, own: false });
        };
        let address = spelled(text).ok_or_else(|| {
            Failure::usage(format!("`{}` is not an address", clean(text)))
                .hint("write one such as anna@example.org")
        })?;
        settings.retain(|settings| settings.domains.contains(address.domain()));
        if settings.is_empty() {
            let failure = Failure::usage(format!("no directory serves the domain of {address}"));
            return Err(failure.hint("`domains` of an [[ldap]] has to name it"));
        }
        let password = wanted.password_file.as_ref().map(|file| {
            let source = PasswordSource { password_file: Some(file.clone()), hash: false };
            password::read(&source, text)
        });
        let password = password.transpose()?.and_then(|given| given.password);
        let own = Directory::new(config.directory.clone()).is_ok_and(|directory| directory.is_own(&address));
        Ok(Self { address: Some(address), password, settings, own })
    }

    fn text(&self, checked: &Checked) -> String {
        let mut lines = Vec::new();
        let mut line = |name: &str, text: &str| lines.push(format!("{name:<10} {}", clean(text)));
        if let Some(server) = &checked.server {
            line("directory", server);
        }
        if let Some(people) = checked.people {
            line("people", &format!("{people} with a mailbox"));
        }
        for address in &checked.doubled {
            line("twice", &format!("{address}: the first entry keeps it"));
        }
        for entry in &checked.entries {
            line("entry", &entry.dn);
            match &entry.login {
                Ok(login) => line("login", login),
                Err(why) => line("nobody", why),
            }
            for address in &entry.addresses {
                line("address", address);
            }
            for role in &entry.roles {
                line("role", role);
            }
            if entry.disabled {
                line("disabled", "nobody logs in to it");
            }
        }
        if let Some((answer, _)) = self.answer(checked) {
            line("answer", &answer);
        }
        match &checked.login {
            Some(Ok(())) => line("password", "right"),
            Some(Err(why)) => line("password", &format!("not let in: {why}")),
            None => {}
        }
        if self.own {
            line("note", "the address is declared in the configuration file, which comes first");
        }
        lines.join("\n")
    }

    /// What a client is told who has mail for the address, and whether that is good.
    fn answer(&self, checked: &Checked) -> Option<(String, bool)> {
        let address = self.address.as_ref()?;
        let known = checked.entries.iter().any(|entry| {
            let mut all = entry.login.iter().chain(&entry.addresses);
            all.any(|other| spelled(other).as_ref() == Some(address))
        });
        let (reply, good) = match &checked.failure {
            _ if self.own || known => ("250 2.1.5", true),
            Some(_) => ("451 4.3.0, unless it is known from before", false),
            None if address.is_postmaster() => ("250 2.1.5", true),
            None => ("550 5.1.1, unless it is known by another name or the domain has a catch-all", false),
        };
        Some((format!("RCPT TO:<{address}> gets {reply}"), good))
    }

    fn json(&self, checked: &Checked) -> Value {
        let entries: Vec<Value> = checked
            .entries
            .iter()
            .map(|entry| {
                json!({
                    "dn": entry.dn, "login": entry.login.as_ref().ok(), "why_nobody": entry.login.as_ref().err(),
                    "addresses": entry.addresses, "roles": entry.roles, "disabled": entry.disabled,
                })
            })
            .collect();
        json!({
            "server": checked.server, "people": checked.people, "doubled": checked.doubled, "entries": entries,
            "answer": self.answer(checked).map(|(answer, _)| answer),
            "password_right": checked.login.as_ref().map(Result::is_ok),
            "password_why": checked.login.as_ref().and_then(|login| login.as_ref().err()),
            "declared": self.own,
            "error": checked.failure.as_ref().map(|(error, _)| error),
        })
    }

    fn trouble(&self, checked: &Checked) -> Option<Failure> {
        if let Some((error, hint)) = &checked.failure {
            return Some(Failure::new(clean(error)).hint(*hint));
        }
        if let Some(Err(why)) = &checked.login {
            return Some(Failure::new(format!("the password does not let in: {}", clean(why))));
        }
        let bad = self.answer(checked).filter(|(_, good)| !good);
        bad.map(|_| {
            Failure::new("nobody in the directory has this address")
                .hint("see `base`, `filter`, `address_attributes` and the rights of `bind_dn`")
        })
    }
}

/// In the spelling by which addresses are compared.
fn spelled(text: &str) -> Option<Address> {
    directory::spelling(text).parse().ok()
}
