//! `postrider domain`, `account` and `alias`: who exists. The server judges and keeps; here it is asked, and shown.

use std::path::PathBuf;

use admin::api::{
    Account, AccountChange, Accounts, Alias, Aliases, AppPassword, Domain, Domains, Done, MadeAppPassword,
    NewAccount, NewAlias, NewAppPassword, NewDomain, NewPassword, Source,
};
use serde::Serialize;
use serde_json::json;

use super::password::{self, Given};
use crate::{
    cli::{
        self, AccountAdd, AccountCommand, AliasCommand, AppPasswordAdd, AppPasswordCommand, DomainCommand,
        Place,
    },
    client::{delete, encoded, get, post},
    config,
    failure::Failure,
    place,
    terminal::{self, clean, count},
};

pub(crate) fn domain(command: &DomainCommand, json: bool) -> Result<(), Failure> {
    match command {
        DomainCommand::Add(cli::DomainAdd { name, catch_all, subaddress, place }) => {
            let new = NewDomain {
                name: name.clone(),
                catch_all: catch_all.clone(),
                subaddress: subaddress.clone(),
            };
            let done: Done = at(place, async |socket| Ok(post(&socket, "/v1/domains", &new).await?))?;
            told(&done, &format!("domain {} added", clean(name)), json)
        }
        DomainCommand::List(listing) => {
            let all: Domains = at(&listing.place, async |socket| Ok(get(&socket, "/v1/domains").await?))?;
            if json { terminal::print_json(&all) } else { terminal::print(&domains_text(&all.domains)) }
        }
        DomainCommand::Remove(cli::DomainRemove { name, place }) => {
            let path = format!("/v1/domains/{}", encoded(name));
            let done: Done = at(place, async |socket| Ok(delete(&socket, &path).await?))?;
            told(&done, &format!("domain {} removed", clean(name)), json)
        }
    }
}

pub(crate) fn account(command: &AccountCommand, json: bool) -> Result<(), Failure> {
    match command {
        AccountCommand::Add(add) => add_account(add, json),
        AccountCommand::List(listing) => {
            let all: Accounts = at(&listing.place, async |socket| Ok(get(&socket, "/v1/accounts").await?))?;
            if json { terminal::print_json(&all) } else { terminal::print(&accounts_text(&all.accounts)) }
        }
        AccountCommand::Show(named) => {
            let path = account_path(&named.login, "");
            let account: Account = at(&named.place, async |socket| Ok(get(&socket, &path).await?))?;
            if json { terminal::print_json(&account) } else { terminal::print(&account_text(&account)) }
        }
        AccountCommand::Password(cli::AccountPassword { login, source, place }) => {
            let Given { password, hash } = password::read(source, login)?;
            let (path, new) = (account_path(login, "/password"), NewPassword { password, hash });
            let account: Account = at(place, async |socket| Ok(post(&socket, &path, &new).await?))?;
            told(&account, &format!("password of {} changed", clean(login)), json)
        }
        AccountCommand::Change(wanted) => change_account(wanted, json),
        AccountCommand::Disable(named) => {
            let path = account_path(&named.login, "/disable");
            let account: Account =
                at(&named.place, async |socket| Ok(post(&socket, &path, &json!({})).await?))?;
            told(&account, &format!("account {} disabled", clean(&named.login)), json)
        }
        AccountCommand::Enable(named) => {
            let path = account_path(&named.login, "/enable");
            let account: Account =
                at(&named.place, async |socket| Ok(post(&socket, &path, &json!({})).await?))?;
            told(&account, &format!("account {} enabled", clean(&named.login)), json)
        }
        AccountCommand::Remove(named) => {
            let path = account_path(&named.login, "");
            let done: Done = at(&named.place, async |socket| Ok(delete(&socket, &path).await?))?;
            let login = clean(&named.login);
            let kept = format!("its mail stays, and `postrider mailbox remove {login}` removes that too");
            told(&done, &format!("account {login} removed; {kept}"), json)
        }
        AccountCommand::AppPassword(command) => app_password(command, json),
        AccountCommand::Settings(wanted) => super::settings::print(wanted, json),
    }
}

pub(crate) fn alias(command: &AliasCommand, json: bool) -> Result<(), Failure> {
    match command {
        AliasCommand::Add(cli::AliasAdd { address, to, place }) => {
            let new = NewAlias { address: address.clone(), to: to.clone() };
            let done: Done = at(place, async |socket| Ok(post(&socket, "/v1/aliases", &new).await?))?;
            told(&done, &format!("alias {} added", clean(address)), json)
        }
        AliasCommand::List(listing) => {
            let all: Aliases = at(&listing.place, async |socket| Ok(get(&socket, "/v1/aliases").await?))?;
            if json { terminal::print_json(&all) } else { terminal::print(&aliases_text(&all.aliases)) }
        }
        AliasCommand::Remove(cli::AliasRemove { address, place }) => {
            let path = format!("/v1/aliases/{}", encoded(address));
            let done: Done = at(place, async |socket| Ok(delete(&socket, &path).await?))?;
            told(&done, &format!("alias {} removed", clean(address)), json)
        }
    }
}

fn add_account(add: &AccountAdd, json: bool) -> Result<(), Failure> {
    let AccountAdd { login, address, role, no_password, source, place } = add;
    let given = if *no_password { Given::default() } else { password::read(source, login)? };
    let new = NewAccount {
        login: login.clone(),
        addresses: address.clone(),
        roles: role.clone(),
        password: given.password,
        hash: given.hash,
    };
    let account: Account = at(place, async |socket| Ok(post(&socket, "/v1/accounts", &new).await?))?;
    told(&account, &format!("account {} added", clean(login)), json)
}

fn change_account(wanted: &cli::AccountChange, json: bool) -> Result<(), Failure> {
    let cli::AccountChange { login, add_address, remove_address, add_role, remove_role, place } = wanted;
    let change = AccountChange {
        add_addresses: add_address.clone(),
        remove_addresses: remove_address.clone(),
        add_roles: add_role.clone(),
        remove_roles: remove_role.clone(),
    };
    if change == AccountChange::default() {
        return Err(Failure::usage("nothing to change").hint("say what, such as --add-address ADDRESS"));
    }
    let path = account_path(login, "/change");
    let account: Account = at(place, async |socket| Ok(post(&socket, &path, &change).await?))?;
    if json { terminal::print_json(&account) } else { terminal::print(&account_text(&account)) }
}

fn app_password(command: &AppPasswordCommand, json: bool) -> Result<(), Failure> {
    match command {
        AppPasswordCommand::Add(add) if add.print => print_app_password(add, json),
        AppPasswordCommand::Add(AppPasswordAdd { login, name, scope, place, .. }) => {
            let path = account_path(login, "/app-passwords");
            let new = NewAppPassword { name: name.clone(), scopes: scope.clone() };
            let made: MadeAppPassword = at(place, async |socket| Ok(post(&socket, &path, &new).await?))?;
            if json {
                return terminal::print_json(&made);
            }
            let (scopes, id) = (made.app_password.scopes.join(", "), &made.app_password.id);
            let (name, login) = (clean(name), clean(login));
            terminal::say(&format!(
                "app password {id} ({name}) for {login}, good for {scopes}; shown this once:"
            ));
            terminal::print(made.password.expose())
        }
        AppPasswordCommand::List(named) => {
            let path = account_path(&named.login, "/app-passwords");
            let all: Vec<AppPassword> = at(&named.place, async |socket| Ok(get(&socket, &path).await?))?;
            if json { terminal::print_json(&all) } else { terminal::print(&app_passwords_text(&all)) }
        }
        AppPasswordCommand::Revoke(cli::AppPasswordRevoke { login, id, place }) => {
            let path = account_path(login, &format!("/app-passwords/{}", encoded(id)));
            let done: Done = at(place, async |socket| Ok(delete(&socket, &path).await?))?;
            told(&done, &format!("app password {} of {} revoked", clean(id), clean(login)), json)
        }
    }
}

/// Makes one for an account in the configuration file: the section for it goes to standard output, the words to standard error.
fn print_app_password(add: &AppPasswordAdd, json: bool) -> Result<(), Failure> {
    let AppPasswordAdd { login, name, scope, .. } = add;
    if !directory::is_app_password_name(name) {
        return Err(Failure::usage(
            "an app password is called by 1 to 100 characters, none of them for control",
        ));
    }
    let (kept, words) = directory::AppPassword::to_declare(login)
        .ok_or_else(|| Failure::new("the system gives no random numbers"))?;
    if json {
        return terminal::print_json(
            &json!({ "name": name, "scopes": scope, "kept": kept, "password": words }),
        );
    }
    let scopes = scope.join(", ");
    terminal::say(&format!(
        "app password ({}) for {}, good for {scopes}; shown this once:",
        clean(name),
        clean(login)
    ));
    terminal::say(&words);
    terminal::say("below the account in the configuration file:");
    // JSON's strings and lists of strings are TOML's.
    terminal::print(&format!(
        "[[account.app_password]]\nname = {}\npassword = {}\nscopes = {}",
        json!(name),
        json!(kept),
        json!(scope)
    ))
}

/// Asks the server that is meant.
pub(super) fn at<T, F>(place: &Place, ask: impl FnOnce(PathBuf) -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let socket = config::control_socket(&place::data_dir(place)?);
    super::run(ask(socket))
}

fn account_path(login: &str, more: &str) -> String {
    format!("/v1/accounts/{}{more}", encoded(login))
}

pub(super) fn told(document: &impl Serialize, text: &str, json: bool) -> Result<(), Failure> {
    if json { terminal::print_json(document) } else { terminal::print(text) }
}

fn domains_text(domains: &[Domain]) -> String {
    let mut table = terminal::table(&["DOMAIN", "CATCH-ALL", "KEPT IN"]);
    for domain in domains {
        let catch_all = domain.catch_all.as_deref().map(clean).unwrap_or_default();
        table.add_row([clean(&domain.name), catch_all, kept(domain.source, domain.left_out.as_deref())]);
    }
    format!("{}\n{}", terminal::table_text(&table), count(domains.len() as u64, "domain"))
}

fn accounts_text(accounts: &[Account]) -> String {
    let mut table = terminal::table(&["LOGIN", "ADDRESSES", "LOGS IN", "KEPT IN"]);
    for account in accounts {
        let (addresses, logs_in) = (clean(&account.addresses.join(", ")), logs_in(account));
        let kept = kept(account.source, account.left_out.as_deref());
        table.add_row([clean(&account.login), addresses, logs_in, kept]);
    }
    format!("{}\n{}", terminal::table_text(&table), count(accounts.len() as u64, "account"))
}

fn aliases_text(aliases: &[Alias]) -> String {
    let mut table = terminal::table(&["ALIAS", "TO", "KEPT IN"]);
    for alias in aliases {
        let kept = kept(alias.source, alias.left_out.as_deref());
        table.add_row([clean(&alias.address), clean(&alias.to.join(", ")), kept]);
    }
    let number = aliases.len();
    let counted = if number == 1 { "1 alias".to_owned() } else { format!("{number} aliases") };
    format!("{}\n{counted}", terminal::table_text(&table))
}

fn app_passwords_text(all: &[AppPassword]) -> String {
    if all.is_empty() {
        return "no app passwords".to_owned();
    }
    let mut table = terminal::table(&["ID", "NAME", "GOOD FOR", "MADE", "LAST USED"]);
    for app in all {
        let scopes = clean(&app.scopes.join(", "));
        // Of those in the file neither is written down.
        let (made, last_used) = match app.created_at.as_deref() {
            None => ("in the file".to_owned(), "-".to_owned()),
            Some(made) => {
                let used = app.last_used_at.as_deref();
                (terminal::time(made), used.map_or_else(|| "never".to_owned(), terminal::time))
            }
        };
        table.add_row([clean(&app.id), clean(&app.name), scopes, made, last_used]);
    }
    terminal::table_text(&table)
}

fn account_text(account: &Account) -> String {
    let list = |list: &[String]| if list.is_empty() { "none".to_owned() } else { clean(&list.join(", ")) };
    let mut lines = vec![
        format!("login          {}", clean(&account.login)),
        format!("addresses      {}", list(&account.addresses)),
        format!("roles          {}", list(&account.roles)),
        format!("logs in        {}", logs_in(account)),
        format!("kept in        {}", kept(account.source, account.left_out.as_deref())),
    ];
    lines.extend(account.created_at.as_deref().map(|at| format!("since          {}", terminal::time(at))));
    if !account.app_passwords.is_empty() {
        lines.push(format!("\n{}", app_passwords_text(&account.app_passwords)));
    }
    lines.join("\n")
}

/// By what somebody logs in.
fn logs_in(account: &Account) -> String {
    if account.disabled {
        return "disabled".to_owned();
    }
    let password = match (account.has_password, account.has_scram) {
        (true, true) => Some("password".to_owned()),
        (true, false) => Some("password, not by SCRAM".to_owned()),
        (false, _) => None,
    };
    let apps = match account.app_passwords.len() as u64 {
        0 => None,
        number => Some(count(number, "app password")),
    };
    let all: Vec<String> = password.into_iter().chain(apps).collect();
    if all.is_empty() { "nobody".to_owned() } else { all.join(", ") }
}

pub(super) fn kept(source: Source, left_out: Option<&str>) -> String {
    match left_out {
        Some(why) => format!("{}, but left out: {}", source.word(), clean(why)),
        None => source.word().to_owned(),
    }
}
