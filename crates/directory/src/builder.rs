//! Makes a directory of what is declared, or a list of every mistake in it.

use std::sync::Arc;

use mail::{Address, Domain, DomainError};
use sasl::ScramKeys;

use crate::{
    Account, AccountConfig, AliasConfig, AppPassword, Config, Directory, DirectoryError, DomainConfig, Entry,
    External, List, Problem, Role, Secret,
    account::Credentials,
    aliases::{self, Alias, Targets},
    index::{Found, Index, Place, Rules},
    lists::{Draft, TO_OWNERS},
    password::Verifier,
};

const SEPARATOR: &str = "+";
const SEPARATOR_OCTETS_MAX: usize = 8;

/// What an account logs in with, as declared.
struct Declared<'a> {
    password: Option<&'a Secret>,
    scram: Option<ScramKeys>,
    app_passwords: Vec<AppPassword>,
    certificates: &'a [String],
    roles: &'a [String],
    disabled: bool,
    stored: bool,
}

pub(crate) struct Builder {
    pub(crate) index: Index,
    pub(crate) accounts: Vec<Account>,
    catch_everything: Option<usize>,
    /// In development every domain is ours, declared or not.
    pub(crate) any_domain: bool,
    /// How many of the aliases are declared as such.
    aliases: usize,
    /// Some domain's catch-all is at a domain that is not ours.
    catches_elsewhere: bool,
    errors: Vec<DirectoryError>,
}

impl Builder {
    pub(crate) fn build(config: Config) -> Result<Directory, Vec<DirectoryError>> {
        let mut builder = Self {
            index: Index::new(config.own_addresses),
            accounts: Vec::new(),
            catch_everything: None,
            any_domain: config.catch_everything.is_some(),
            aliases: config.aliases.len(),
            catches_elsewhere: false,
            errors: Vec::new(),
        };
        for (place, domain) in config.domains.iter().enumerate() {
            builder.add_domain(place, domain);
        }
        for name in config.external.iter().flatten() {
            let rules = Rules { separator: SEPARATOR.into(), ..Rules::default() };
            if let Ok(domain) = Domain::parse(name) {
                builder.index.add_external(&domain, rules);
            }
        }
        let external = External::new(&config.external);
        for (place, account) in config.accounts.into_iter().enumerate() {
            builder.add_account(place, account);
        }
        builder.set_catch_everything(config.catch_everything.as_deref());
        let mut aliases: Vec<_> =
            config.aliases.iter().enumerate().map(|(place, alias)| builder.add_alias(place, alias)).collect();
        let drafts: Vec<Option<Draft>> =
            config.lists.iter().enumerate().map(|(place, list)| builder.draft_list(place, list)).collect();
        let postmaster = builder.postmaster(config.postmaster.as_deref());
        for (place, draft) in drafts.iter().enumerate() {
            aliases.extend(Draft::to_owners(draft.as_ref(), place, postmaster.as_ref()));
        }
        let aliases = aliases::expand(&aliases, &builder.index, builder.any_domain, &mut builder.errors);
        for (place, domain) in config.domains.iter().enumerate() {
            builder.set_catch_all(place, domain);
        }
        for (place, draft) in drafts.iter().enumerate() {
            if let Some(draft) = draft {
                builder.check_members(place, draft);
            }
        }
        let drafts = drafts.into_iter().enumerate();
        let lists = drafts.filter_map(|(place, draft)| Some(Arc::new(builder.list(place, draft?, &aliases))));
        let lists = lists.collect();
        builder.finish(aliases, lists, postmaster, external)
    }

    fn finish(
        mut self,
        aliases: Vec<Targets>,
        lists: Vec<Arc<List>>,
        postmaster: Option<Address>,
        external: External,
    ) -> Result<Directory, Vec<DirectoryError>> {
        match postmaster {
            Some(postmaster) if self.errors.is_empty() => Ok(Directory {
                leads_elsewhere: self.catches_elsewhere
                    || aliases.iter().any(|targets| !targets.elsewhere.is_empty()),
                index: self.index,
                accounts: self.accounts,
                aliases,
                lists,
                postmaster,
                catch_everything: self.catch_everything,
                external: Arc::new(external),
            }),
            _ => {
                self.errors.sort_by_key(|error| error.entry);
                // Several aliases of a list lead to the same owners.
                self.errors.dedup();
                Err(self.errors)
            }
        }
    }

    pub(crate) fn error(&mut self, entry: Entry, key: &'static str, problem: Problem) {
        self.errors.push(DirectoryError { entry, key, problem });
    }

    pub(crate) fn address(&mut self, entry: Entry, key: &'static str, text: &str) -> Option<Address> {
        Address::parse(text)
            .map_err(|error| self.error(entry, key, Problem::BadAddress { text: text.to_owned(), error }))
            .ok()
    }

    /// An address at a domain of ours.
    pub(crate) fn local_address(&mut self, entry: Entry, key: &'static str, text: &str) -> Option<Address> {
        let address = self.address(entry, key, text)?;
        if !self.any_domain && self.index.rules(address.domain()).is_none() {
            self.error(entry, key, Problem::UnknownDomain(text.to_owned()));
            return None;
        }
        Some(address)
    }

    /// An address that is declared somewhere.
    fn known_address(&mut self, entry: Entry, key: &'static str, text: &str) -> Option<Address> {
        let address = self.address(entry, key, text)?;
        let found = self.index.find(&address);
        if let Some(Found { place: Place::List(_), .. }) = found {
            self.error(entry, key, Problem::LeadsToList(text.to_owned()));
            return None;
        }
        if self.any_domain || self.index.is_external(address.domain()) || found.is_some() {
            return Some(address);
        }
        let local = self.index.rules(address.domain()).is_some();
        let problem = if local { Problem::UnknownTarget } else { Problem::Elsewhere };
        self.error(entry, key, problem(text.to_owned()));
        None
    }

    fn add_domain(&mut self, place: usize, config: &DomainConfig) {
        let entry = Entry::Domain(place);
        let name = match Domain::parse(&config.name) {
            Ok(domain @ Domain::Name(_)) => domain,
            Ok(Domain::Literal(_)) => return self.bad_domain(entry, &config.name, DomainError::Literal),
            Err(error) => return self.bad_domain(entry, &config.name, error),
        };
        let mut separator = config.subaddress.as_deref().unwrap_or(SEPARATOR);
        if !can_separate(separator) {
            self.error(entry, "subaddress", Problem::BadSeparator(separator.to_owned()));
            // So that what stands on the separator is not reported as well.
            separator = SEPARATOR;
        }
        let rules = Rules { catch_all: None, separator: separator.into(), place };
        if let Err(first) = self.index.add_domain(&name, rules) {
            let problem = Problem::Duplicate { text: config.name.clone(), first: Entry::Domain(first) };
            self.error(entry, "name", problem);
        }
    }

    fn bad_domain(&mut self, entry: Entry, text: &str, error: DomainError) {
        self.error(entry, "name", Problem::BadDomain { text: text.to_owned(), error });
    }

    fn add_account(&mut self, place: usize, config: AccountConfig) {
        let entry = Entry::Account(place);
        let login = self.local_address(entry, "login", &config.login);
        if let Some(login) = &login {
            self.add(entry, "login", login, Place::Account(place));
        }
        let mut addresses = Vec::with_capacity(config.addresses.len());
        for text in &config.addresses {
            if let Some(address) = self.local_address(entry, "addresses", text) {
                self.add(entry, "addresses", &address, Place::Account(place));
                addresses.push(address);
            }
        }
        let credentials = self.credentials(
            entry,
            Declared {
                password: config.password.as_ref(),
                scram: config.scram,
                app_passwords: config.app_passwords,
                certificates: &config.certificates,
                roles: &config.roles,
                disabled: config.disabled,
                stored: config.stored,
            },
        );
        let Some(login) = login else { return };
        let Some(credentials) = credentials else { return };
        match Account::new(login, addresses, credentials) {
            Some(account) => self.accounts.push(account),
            None => self.error(entry, "login", Problem::LoginTooLong),
        }
    }

    fn credentials(&mut self, entry: Entry, declared: Declared<'_>) -> Option<Credentials> {
        let verifier = match declared.password.map(|password| Verifier::parse(password.expose())).transpose()
        {
            Ok(verifier) => verifier,
            Err(why) => {
                self.error(entry, "password", Problem::BadPassword(why));
                return None;
            }
        };
        let roles = declared.roles.iter().map(|word| {
            let role = Role::parse(word);
            if role.is_none() {
                self.error(entry, "roles", Problem::UnknownRole(word.clone()));
            }
            role
        });
        let roles: Vec<Option<Role>> = roles.collect();
        let roles = roles.into_iter().collect::<Option<_>>()?;
        let certificates = declared.certificates.iter().map(|text| {
            let certificate = fingerprint(text);
            if certificate.is_none() {
                self.error(entry, "certificates", Problem::BadFingerprint(text.clone()));
            }
            certificate
        });
        let certificates: Vec<Option<[u8; 32]>> = certificates.collect();
        let certificates = certificates.into_iter().collect::<Option<_>>()?;
        let Declared { scram, app_passwords, disabled, stored, .. } = declared;
        Some(Credentials { verifier, scram, app_passwords, certificates, roles, disabled, stored })
    }

    pub(crate) fn add(&mut self, entry: Entry, key: &'static str, address: &Address, place: Place) {
        if let Err(first) = self.index.add(address, place) {
            let first = match first {
                Place::Account(place) => Entry::Account(place),
                Place::Alias(place) => self.alias_entry(place),
                Place::List(place) => Entry::List(place),
            };
            self.error(entry, key, Problem::Duplicate { text: address.to_string(), first });
        }
    }

    /// Behind the declared aliases come the addresses by which owners of lists are reached.
    fn alias_entry(&self, place: usize) -> Entry {
        place
            .checked_sub(self.aliases)
            .map_or(Entry::Alias(place), |of_list| Entry::List(of_list / TO_OWNERS.len()))
    }

    /// The place of one of the addresses by which the owners of a list are reached.
    pub(crate) fn to_owners_place(&self, list: usize, which: usize) -> Place {
        Place::Alias(self.aliases + list * TO_OWNERS.len() + which)
    }

    fn add_alias(&mut self, place: usize, config: &AliasConfig) -> Option<Alias> {
        let entry = Entry::Alias(place);
        let address = self.local_address(entry, "address", &config.address);
        if let Some(address) = &address {
            self.add(entry, "address", address, Place::Alias(place));
        }
        let to: Vec<_> = config.to.iter().map(|text| self.address(entry, "to", text)).collect();
        if to.is_empty() {
            self.error(entry, "to", Problem::NoTargets);
        }
        let to: Option<Vec<_>> = to.into_iter().collect();
        let to = to.filter(|to| !to.is_empty())?;
        Some(Alias { targets: (entry, "to"), address: address?, to })
    }

    fn set_catch_all(&mut self, place: usize, config: &DomainConfig) {
        let Some(text) = config.catch_all.as_deref() else { return };
        let entry = Entry::Domain(place);
        let leaves = Address::parse(text)
            .ok()
            .filter(|address| !self.any_domain && self.index.rules(address.domain()).is_none());
        self.catches_elsewhere |= leaves.is_some();
        let address = leaves.or_else(|| self.known_address(entry, "catch_all", text));
        if let (Some(address), Ok(domain)) = (address, Domain::parse(&config.name)) {
            self.index.set_catch_all(&domain, address);
        }
    }

    fn set_catch_everything(&mut self, login: Option<&str>) {
        let Some(login) = login else { return };
        let entry = Entry::CatchEverything;
        let Some(login) = self.address(entry, "catch_everything", login) else { return };
        // Aliases come later, so what is found is an account.
        if let Some(Found { place: Place::Account(place), .. }) = self.index.find(&login) {
            self.catch_everything = Some(place);
            return;
        }
        let place = self.accounts.len();
        self.add(entry, "catch_everything", &login, Place::Account(place));
        match Account::new(login, Vec::new(), Credentials::default()) {
            Some(account) => {
                self.accounts.push(account);
                self.catch_everything = Some(place);
            }
            None => self.error(entry, "catch_everything", Problem::LoginTooLong),
        }
    }

    fn postmaster(&mut self, configured: Option<&str>) -> Option<Address> {
        if let Some(text) = configured {
            return self.known_address(Entry::Postmaster, "postmaster", text);
        }
        let catching = self.catch_everything.and_then(|place| self.accounts.get(place));
        let account = catching.or(self.accounts.first()).map(|account| account.login().clone());
        // If there were accounts, but wrong ones, their own mistakes are enough to read.
        if account.is_none() && self.errors.is_empty() {
            self.error(Entry::Postmaster, "postmaster", Problem::NoPostmaster);
        }
        account
    }
}

/// `sha256:` and 64 hexadecimal digits, which may have colons between, as OpenSSL writes them.
fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.strip_prefix("sha256:")?.bytes().filter(|octet| *octet != b':').collect();
    let mut octets = [0; 32];
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    for (octet, pair) in octets.iter_mut().zip(digits.chunks(2)) {
        let [high, low] = pair else { return None };
        *octet = digit(*high)? << 4 | digit(*low)?;
    }
    (digits.len() == 64).then_some(octets)
}

/// Whether a text may stand in a dot-string without a change to its form; empty means none.
fn can_separate(separator: &str) -> bool {
    separator.len() <= SEPARATOR_OCTETS_MAX
        && separator.bytes().all(|b| b.is_ascii_punctuation() && !b"\"(),.:;<>@[\\]".contains(&b))
}
