//! `[[domain]]`, `[[account]]`, `[[alias]]` and `[[list]]`: who exists. The crate `directory` judges; here its judgement gets a place in the file.

use std::{collections::HashMap, path::Path};

use directory::{
    AccountConfig, AliasConfig, AppPassword, BadAppPassword, Config, Directory, DirectoryError, DomainConfig,
    Entry, ListConfig, Problem as Mistake, Scope, is_app_password_name,
};
use toml_span::Span;

use super::{problem::Problem, secret, value::Wrong, walk::Section};

/// Where each entry stands, and each of its texts.
#[derive(Default)]
struct Places {
    entries: HashMap<Entry, Span>,
    texts: HashMap<(Entry, &'static str), Vec<(String, Span)>>,
}

/// Reads all of it, and tells what `directory` thinks of it.
///
/// Without any account, and without a word who is postmaster, there is one for `postmaster` at our own name: somebody must get that mail
/// (RFC 5321 §4.5.1).
pub(super) fn read(
    root: &Section<'_>,
    dir: &Path,
    hostname: Option<&str>,
    external: Vec<Vec<String>>,
) -> Config {
    let mut places = Places::default();
    let postmaster = text(root, "postmaster", Entry::Postmaster, &mut places);
    let mut config = Config { postmaster, external, ..Config::default() };
    for (number, section) in root.sections("domain").into_iter().enumerate() {
        config.domains.extend(domain(section, Entry::Domain(number), &mut places));
    }
    for (number, section) in root.sections("account").into_iter().enumerate() {
        config.accounts.extend(account(section, dir, Entry::Account(number), &mut places));
    }
    for (number, section) in root.sections("alias").into_iter().enumerate() {
        config.aliases.extend(alias(section, Entry::Alias(number), &mut places));
    }
    for (number, section) in root.sections("list").into_iter().enumerate() {
        config.lists.extend(list(section, Entry::List(number), &mut places));
    }
    if let (Some(hostname), true) = (hostname, config.accounts.is_empty()) {
        add_postmaster(&mut config, hostname);
    }
    // Places of entries hold only if none was left out, and one that was left out has been reported.
    if let Err(errors) = Directory::new(config.clone())
        && hostname.is_some()
        && places.complete(&config)
    {
        for error in errors.iter().filter(|error| !may_be_stored(error)) {
            root.findings.add(places.problem(error));
        }
    }
    config
}

/// Who is named as postmaster may be in the store: that is seen when the server starts.
fn may_be_stored(error: &DirectoryError) -> bool {
    error.entry == Entry::Postmaster && matches!(error.problem, Mistake::UnknownTarget(_))
}

/// An account of that name, or where the file names somebody else as postmaster the domain alone.
fn add_postmaster(config: &mut Config, hostname: &str) {
    if !config.domains.iter().any(|domain| domain.name.eq_ignore_ascii_case(hostname)) {
        config.domains.push(DomainConfig { name: hostname.to_owned(), ..DomainConfig::default() });
    }
    let login = format!("postmaster@{hostname}");
    config.implied = Some(login.clone());
    if config.postmaster.is_some() {
        return;
    }
    config.accounts.push(AccountConfig { login, ..AccountConfig::default() });
}

fn domain(section: Section<'_>, entry: Entry, places: &mut Places) -> Option<DomainConfig> {
    places.entries.insert(entry, section.span());
    let name = needed(&section, "name", "name the domain: name = \"example.org\"", entry, places);
    let catch_all = text(&section, "catch_all", entry, places);
    let subaddress = text(&section, "subaddress", entry, places);
    section.finish();
    Some(DomainConfig { name: name?, catch_all, subaddress })
}

fn account(section: Section<'_>, dir: &Path, entry: Entry, places: &mut Places) -> Option<AccountConfig> {
    places.entries.insert(entry, section.span());
    let hint = "name the account by its address: login = \"anna@example.org\"";
    let login = needed(&section, "login", hint, entry, places);
    let password = secret::read(&section, "password", dir);
    if let Some(value) = section.get("password") {
        places.texts.insert((entry, "password"), vec![(String::new(), value.span)]);
    }
    let roles = texts(&section, "roles", entry, places).unwrap_or_default();
    let addresses = texts(&section, "addresses", entry, places).unwrap_or_default();
    let certificates = texts(&section, "certificates", entry, places).unwrap_or_default();
    let app_passwords = app_passwords(&section, login.as_deref().unwrap_or_default(), dir);
    section.finish();
    Some(AccountConfig {
        login: login?,
        addresses,
        password,
        app_passwords,
        certificates,
        roles,
        ..AccountConfig::default()
    })
}

/// `[[account.app_password]]`
fn app_passwords(account: &Section<'_>, login: &str, dir: &Path) -> Vec<AppPassword> {
    let mut all: Vec<AppPassword> = Vec::new();
    for section in account.sections("app_password") {
        let span = section.get("password").map_or(section.span(), |value| value.span);
        let Some(app) = app_password(section, login, dir) else { continue };
        if all.iter().any(|other| other.id == app.id) {
            account.wrong(span, Wrong::new("this app password is declared twice").hint(MAKE_ONE));
        } else {
            all.push(app);
        }
    }
    all
}

const MAKE_ONE: &str =
    "`postrider account app-password add LOGIN --name NAME --scope SCOPE --print` makes one";

fn app_password(section: Section<'_>, login: &str, dir: &Path) -> Option<AppPassword> {
    for (key, hint) in [
        ("name", "say what it is for: name = \"phone\""),
        ("password", MAKE_ONE),
        ("scopes", "say what it is good for: scopes = [\"smtp\"]"),
    ] {
        if section.get(key).is_none() {
            section.missing(key, hint);
        }
    }
    let name = section.string("name").and_then(|(name, span)| {
        let wrong =
            || Wrong::new("an app password is called by 1 to 100 characters, none of them for control");
        section.report(span, is_app_password_name(name).then_some(name).ok_or_else(wrong))
    });
    let scopes = section.parsed_list("scopes", |word| {
        let known = "it is good for `smtp`, `imap`, `pop3` or `api`";
        Scope::parse(word).ok_or_else(|| Wrong::new(format!("there is no scope `{word}`")).hint(known))
    });
    if scopes.as_ref().is_some_and(Vec::is_empty) {
        let wrong = Wrong::new("an app password needs something that it is good for");
        section.wrong(section.span(), wrong.hint("name `smtp`, `imap`, `pop3` or `api`"));
    }
    let text = secret::read(&section, "password", dir);
    let declared = name.zip(scopes).zip(text).and_then(|((name, scopes), text)| {
        let scopes = scopes.into_iter().map(|(scope, _)| scope).collect();
        let span = section.get("password").map_or(section.span(), |value| value.span);
        let declared = AppPassword::declared(login, name, scopes, &text);
        section.report(span, declared.map_err(bad_app_password))
    });
    section.finish();
    declared
}

fn bad_app_password(why: BadAppPassword) -> Wrong {
    Wrong::new(why.to_string()).hint(match why {
        BadAppPassword::NotOne | BadAppPassword::Malformed => MAKE_ONE,
        BadAppPassword::OfAnother => "make it for the login of this account, as it is written here",
    })
}

fn alias(section: Section<'_>, entry: Entry, places: &mut Places) -> Option<AliasConfig> {
    places.entries.insert(entry, section.span());
    let hint = "name the address that stands for others: address = \"info@example.org\"";
    let address = needed(&section, "address", hint, entry, places);
    let to = texts(&section, "to", entry, places);
    if section.get("to").is_none() {
        section.missing("to", "say who gets the mail: to = [\"anna@example.org\"]");
    }
    section.finish();
    Some(AliasConfig { address: address?, to: to? })
}

fn list(section: Section<'_>, entry: Entry, places: &mut Places) -> Option<ListConfig> {
    places.entries.insert(entry, section.span());
    let hint = "name the address to which one writes: address = \"talk@example.org\"";
    let address = needed(&section, "address", hint, entry, places);
    let title = text(&section, "title", entry, places);
    let post = text(&section, "post", entry, places);
    let owners = texts(&section, "owners", entry, places).unwrap_or_default();
    let members = texts(&section, "members", entry, places);
    if section.get("members").is_none() {
        section.missing("members", "say who gets the mail: members = [\"anna@example.org\"]");
    }
    section.finish();
    Some(ListConfig { address: address?, title, owners, members: members?, post })
}

fn needed(
    section: &Section<'_>,
    key: &'static str,
    hint: &str,
    entry: Entry,
    places: &mut Places,
) -> Option<String> {
    if section.get(key).is_none() {
        section.missing(key, hint);
    }
    text(section, key, entry, places)
}

fn text(section: &Section<'_>, key: &'static str, entry: Entry, places: &mut Places) -> Option<String> {
    let (text, span) = section.string(key)?;
    places.texts.insert((entry, key), vec![(text.to_owned(), span)]);
    Some(text.to_owned())
}

fn texts(section: &Section<'_>, key: &'static str, entry: Entry, places: &mut Places) -> Option<Vec<String>> {
    let all = section.parsed_list(key, |text| Ok(text.to_owned()))?;
    let texts = all.iter().map(|(text, _)| text.clone()).collect();
    // The list itself comes last: an empty one has no other place.
    let list = section.get(key).map(|value| (String::new(), value.span));
    places.texts.insert((entry, key), all.into_iter().chain(list).collect());
    Some(texts)
}

impl Places {
    /// Whether every entry of the file made it into the configuration.
    fn complete(&self, config: &Config) -> bool {
        let last = [
            config.domains.len().checked_sub(1).map(Entry::Domain),
            config.accounts.len().checked_sub(1).map(Entry::Account),
            config.aliases.len().checked_sub(1).map(Entry::Alias),
            config.lists.len().checked_sub(1).map(Entry::List),
        ];
        let kept = last.into_iter().flatten().map(|entry| match entry {
            Entry::Domain(n) | Entry::Account(n) | Entry::Alias(n) | Entry::List(n) => n + 1,
            Entry::Postmaster | Entry::CatchEverything => 0,
        });
        kept.sum::<usize>() >= self.entries.len()
    }

    fn problem(&self, error: &DirectoryError) -> Problem {
        let problem = Problem::new(self.span(error).into(), error.problem.to_string()).hint(error.hint());
        match &error.problem {
            Mistake::Duplicate { text, first } => match self.declared(*first, text) {
                Some(span) => problem.other(span.into(), "first here"),
                None => problem,
            },
            _ => problem,
        }
    }

    /// The text that is meant, else the list or value it stands in, else the entry.
    fn span(&self, error: &DirectoryError) -> Span {
        let texts = self.texts.get(&(error.entry, error.key)).map(Vec::as_slice).unwrap_or_default();
        let named = text_of(&error.problem);
        let found = texts.iter().find(|(text, _)| Some(text.as_str()) == named).or(texts.last());
        let entry = || self.entries.get(&error.entry).copied().unwrap_or_default();
        found.map_or_else(entry, |(_, span)| *span)
    }

    fn declared(&self, entry: Entry, text: &str) -> Option<Span> {
        let keys = ["name", "login", "addresses", "address"].into_iter();
        let mut texts = keys.filter_map(|key| self.texts.get(&(entry, key))).flatten();
        let same = texts.find(|(other, _)| other.eq_ignore_ascii_case(text)).map(|(_, span)| *span);
        same.or_else(|| self.entries.get(&entry).copied())
    }
}

fn text_of(mistake: &Mistake) -> Option<&str> {
    match mistake {
        Mistake::BadDomain { text, .. }
        | Mistake::BadAddress { text, .. }
        | Mistake::Duplicate { text, .. }
        | Mistake::BadSeparator(text)
        | Mistake::UnknownDomain(text)
        | Mistake::Elsewhere(text)
        | Mistake::UnknownTarget(text)
        | Mistake::UnknownRole(text)
        | Mistake::LeadsToList(text)
        | Mistake::BadListName(text)
        | Mistake::UnknownPosters(text)
        | Mistake::BadFingerprint(text) => Some(text),
        _ => None,
    }
}
