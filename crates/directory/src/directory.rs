//! The directory: checked once when it is made, then only asked.

use std::sync::Arc;

use mail::{Address, ClientCertificate, Domain};

use crate::{
    Account, Config, DirectoryError, External, List, Login, Role,
    aliases::Targets,
    builder::Builder,
    index::{Found, Index, Place, with_detail},
};

/// Who exists here.
#[derive(Debug, Clone)]
pub struct Directory {
    pub(crate) index: Index,
    pub(crate) accounts: Vec<Account>,
    /// What each alias stands for; behind those of the aliases, those of the addresses by which owners of lists are reached.
    pub(crate) aliases: Vec<Targets>,
    pub(crate) lists: Vec<Arc<List>>,
    pub(crate) postmaster: Address,
    /// Some alias or catch-all leads to a domain that is not ours.
    pub(crate) leads_elsewhere: bool,
    /// The place of the account that catches everything.
    pub(crate) catch_everything: Option<usize>,
    /// Who is kept elsewhere. Whoever is declared here comes first.
    pub(crate) external: Arc<External>,
}

/// What an address stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// Its domain is not ours: relay it, or refuse to.
    NotLocal,
    /// Its domain is ours, and nobody there has it: `550 5.1.1`.
    Unknown,
    /// A directory elsewhere knows, and did not say: `451 4.3.0`, and mail waits.
    Unsure,
    /// The addresses of accounts that it stands for, never none, each mailbox once. Details (`anna+news`) are kept.
    Mailboxes(Vec<Address>),
    /// An alias, or a domain's catch-all, that leads elsewhere too.
    Forwarded(Forwarded),
    /// A mailing list: what is written to it goes to its members as another message. See [`Directory::may_post`].
    List(Arc<List>),
}

/// Mail for an address of ours that is sent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarded {
    /// Who sends it on: the alias, or the address that a catch-all took. [`Directory::resolve`] says the same of it.
    pub by: Address,
    /// The mailboxes here that get a copy, perhaps none.
    pub mailboxes: Vec<Address>,
    /// To whom it is sent on, never none: addresses at domains that are not ours, as the operator named them.
    pub elsewhere: Vec<Address>,
}

impl Directory {
    /// Checks what is declared. All mistakes are returned, not only the first.
    pub fn new(config: Config) -> Result<Self, Vec<DirectoryError>> {
        Builder::build(config)
    }

    /// Whether mail to this domain ends here.
    pub fn is_local(&self, domain: &Domain) -> bool {
        self.catch_everything.is_some() || self.index.rules(domain).is_some()
    }

    /// The domains that are declared, in no order.
    pub fn domains(&self) -> impl Iterator<Item = &Domain> {
        self.index.domains()
    }

    /// What an address stands for. In order: the address itself, the address without its detail, `postmaster`, the
    /// domain's catch-all.
    pub fn resolve(&self, address: &Address) -> Resolution {
        let rules = self.index.rules(address.domain());
        if rules.is_none() && self.catch_everything.is_none() {
            return Resolution::NotLocal;
        }
        match self.index.find(address) {
            // A list has no details.
            Some(Found { place: Place::List(place), detail }) => {
                let list = self.lists.get(place).filter(|_| detail.is_none());
                return list.map_or(Resolution::Unknown, |list| Resolution::List(Arc::clone(list)));
            }
            Some(found) => return self.stands_for(found, address),
            None => {}
        }
        if self.external_account(address).is_some() {
            return Resolution::Mailboxes(vec![address.clone()]);
        }
        let fallback = if self.catch_everything.is_some() {
            Some(address)
        } else if address.is_postmaster() {
            Some(&self.postmaster)
        } else if self.is_unsure(address) {
            return Resolution::Unsure;
        } else {
            rules.and_then(|rules| rules.catch_all.as_ref())
        };
        match fallback {
            None => Resolution::Unknown,
            Some(fallback) => match self.index.find(fallback) {
                Some(found) => self.stands_for(found, fallback),
                None if self.is_local(fallback.domain()) => self.sure(vec![fallback.clone()]),
                None => Resolution::Forwarded(Forwarded {
                    by: address.clone(),
                    mailboxes: Vec::new(),
                    elsewhere: vec![fallback.clone()],
                }),
            },
        }
    }

    fn stands_for(&self, found: Found<'_>, address: &Address) -> Resolution {
        let Place::Alias(place) = found.place else { return Resolution::Mailboxes(vec![address.clone()]) };
        let Some(targets) = self.aliases.get(place) else { return Resolution::Unknown };
        let mailboxes = match found.detail {
            None => targets.mailboxes.clone(),
            // `sales+fair` is `anna+fair` if `sales` is `anna`: who sorts by detail can do so behind an alias too.
            Some(detail) => targets.mailboxes.iter().map(|to| self.detailed(to, detail)).collect(),
        };
        match self.sure(mailboxes) {
            Resolution::Mailboxes(mailboxes) if !targets.elsewhere.is_empty() => {
                let elsewhere = targets.elsewhere.clone();
                Resolution::Forwarded(Forwarded { by: address.clone(), mailboxes, elsewhere })
            }
            resolution => resolution,
        }
    }

    /// Whether any address of ours leads elsewhere.
    pub fn leads_elsewhere(&self) -> bool {
        self.leads_elsewhere
    }

    /// Whether an address is an account's own, with or without a detail: reports of its mail come there.
    pub fn is_of_account(&self, address: &Address) -> bool {
        match self.index.find(address) {
            Some(Found { place, .. }) => matches!(place, Place::Account(_)),
            None => self.external_account(address).is_some(),
        }
    }

    /// The account that an address from [`Directory::resolve`] belongs to, for final delivery.
    pub fn account(&self, address: &Address) -> Option<&Account> {
        let place = match self.index.find(address) {
            Some(Found { place: Place::Account(place), .. }) => Some(place),
            None if self.catch_everything.is_none() => return self.external_account(address),
            _ => self.catch_everything,
        };
        self.accounts.get(place?)
    }

    /// The detail of an address from [`Directory::resolve`], if it took leaving that out to find its account: `news` of
    /// `anna+news` (RFC 5233 §4).
    pub fn detail<'a>(&self, address: &'a Address) -> Option<&'a str> {
        self.index.find(address)?.detail
    }

    /// The same with these people elsewhere.
    #[must_use]
    pub fn with_external(&self, external: Arc<External>) -> Self {
        Self { external, ..self.clone() }
    }

    /// Who is kept elsewhere, as far as that is known.
    pub fn external(&self) -> &Arc<External> {
        &self.external
    }

    /// Whether an address, without a look at details, is declared here: then no directory elsewhere is asked about it.
    pub fn is_own(&self, address: &Address) -> bool {
        self.index.find(address).is_some_and(|found| found.detail.is_none())
    }

    /// The addresses to ask a directory elsewhere for, because nobody here is known to have this one; none if it need not be asked.
    pub fn to_ask(&self, address: &Address) -> Vec<Address> {
        let known = || self.index.find(address).is_some() || self.external_account(address).is_some();
        if !self.index.is_external(address.domain()) || address.is_postmaster() || known() {
            return Vec::new();
        }
        self.index.keys(address)
    }

    pub(crate) fn external_account(&self, address: &Address) -> Option<&Account> {
        if !self.index.is_external(address.domain()) {
            return None;
        }
        self.index.keys(address).iter().find_map(|key| self.external.find(key))
    }

    fn is_unsure(&self, address: &Address) -> bool {
        let key = || self.index.keys(address).into_iter().next();
        self.index.is_external(address.domain())
            && key().is_some_and(|key| self.external.is_unsure(key.domain()))
    }

    /// An alias may lead to people elsewhere.
    fn sure(&self, mailboxes: Vec<Address>) -> Resolution {
        let is_unsure = |mailbox: &Address| {
            self.is_unsure(mailbox)
                && self.index.find(mailbox).is_none()
                && self.external_account(mailbox).is_none()
        };
        if mailboxes.iter().any(is_unsure) { Resolution::Unsure } else { Resolution::Mailboxes(mailboxes) }
    }

    /// The account of a login; only its login counts, not its further addresses.
    pub(crate) fn by_login(&self, login: &str) -> Option<&Account> {
        let address = Address::parse(login).ok()?;
        let Some(found) = self.index.find(&address) else {
            let account = self.external_account(&address)?;
            return self.index.is_same(account.login(), &address).then_some(account);
        };
        match found {
            Found { place: Place::Account(place), detail: None } => {
                let account = self.accounts.get(place)?;
                self.index.is_same(account.login(), &address).then_some(account)
            }
            _ => None,
        }
    }

    /// The account that has an address: its login or a further one, without a detail and not by an alias.
    pub(crate) fn by_own_address(&self, address: &str) -> Option<&Account> {
        match self.index.find(&Address::parse(address).ok()?)? {
            Found { place: Place::Account(place), detail: None } => self.accounts.get(place),
            _ => None,
        }
    }

    /// The accounts that a certificate is for: those that name it, and those whose addresses it names.
    pub(crate) fn holders(&self, shown: &ClientCertificate) -> Vec<&Account> {
        let by_address = shown.addresses.iter().filter_map(|address| self.by_own_address(address));
        let mut holders: Vec<&Account> =
            self.accounts.iter().filter(|account| account.has_certificate(&shown.fingerprint)).collect();
        holders.extend(by_address);
        // As many as a certificate has names: some.
        let mut known: Vec<&Account> = Vec::new();
        for holder in holders {
            if !known.iter().any(|other| other.login() == holder.login()) {
                known.push(holder);
            }
        }
        known
    }

    /// Whether a certificate is for anybody who may log in.
    pub(crate) fn knows(&self, shown: &ClientCertificate) -> bool {
        self.holders(shown).iter().any(|account| !account.is_disabled())
    }

    /// Whether a login still holds: its account is there and not disabled, and so is the app password that it came by.
    pub fn holds(&self, login: &Login) -> bool {
        let Some(own) = &login.account else { return true };
        let Some(account) = self.by_login(&own.to_string()) else { return false };
        let app = login.app.as_deref();
        !account.is_disabled() && app.is_none_or(|id| account.app_password(id).is_some())
    }

    /// The account whose mail somebody who has logged in reads. None: it is gone or disabled meanwhile. In development all read the mail of the
    /// account that gets all.
    pub fn account_of(&self, login: &Login) -> Option<&Account> {
        match &login.account {
            Some(own) => self.by_login(&own.to_string()).filter(|account| !account.is_disabled()),
            None => self.by_login(login.name()).or_else(|| self.accounts.get(self.catch_everything?)),
        }
    }

    /// Whether somebody who has logged in may send mail with this address as its reverse-path or author: one of its own, with or
    /// without a detail; an alias that stands for it alone; or by its role any of its domain.
    pub fn may_send_as(&self, login: &Login, address: &Address) -> bool {
        let Some(own) = &login.account else { return true };
        // Its account may be gone meanwhile.
        let Some(account) = self.by_login(&own.to_string()) else { return false };
        let is_its = |address: &Address| {
            let found = match self.index.find(address) {
                Some(Found { place: Place::Account(place), .. }) => self.accounts.get(place),
                Some(_) => None,
                None => self.external_account(address),
            };
            found.is_some_and(|found| found.login() == account.login())
        };
        let owned = match self.index.find(address) {
            Some(Found { place: Place::Alias(alias), .. }) => {
                self.aliases.get(alias).and_then(Targets::sole).is_some_and(is_its)
            }
            _ => is_its(address),
        };
        owned || account.may(Role::SendAsDomain) && self.index.is_same_domain(own.domain(), address.domain())
    }

    /// Whether somebody who has logged in may send mail that goes before that of others.
    pub fn may_hurry(&self, login: &Login) -> bool {
        let Some(own) = &login.account else { return true };
        self.by_login(&own.to_string()).is_some_and(|account| account.may(Role::Priority))
    }

    /// Whether somebody who has logged in may send any amount of mail at once.
    pub fn may_send_much(&self, login: &Login) -> bool {
        let Some(own) = &login.account else { return true };
        self.by_login(&own.to_string()).is_some_and(|account| account.may(Role::Bulk))
    }

    /// Whether anybody could log in.
    pub(crate) fn has_logins(&self) -> bool {
        self.external.is_used() || self.accounts.iter().any(Account::may_log_in)
    }

    /// Whether SCRAM works for all who can log in at all: not for those whose passwords a directory elsewhere checks.
    pub(crate) fn knows_scram(&self) -> bool {
        if self.external.is_used() {
            return false;
        }
        let mut who = self.accounts.iter().filter(|account| account.may_log_in()).peekable();
        who.peek().is_some() && who.all(Account::knows_scram)
    }

    /// Where mail to `postmaster` goes that no account or alias of that name gets, and mail to `postmaster` without
    /// a domain (RFC 5321 §4.5.1). Resolve it like any other address.
    pub fn postmaster(&self) -> &Address {
        &self.postmaster
    }

    /// All accounts, in the order in which they were declared.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    fn detailed(&self, target: &Address, detail: &str) -> Address {
        let separator = self.index.rules(target.domain()).map_or("", |rules| &rules.separator);
        with_detail(target, detail, separator)
    }
}
