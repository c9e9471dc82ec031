//! The directory: checked once when it is made, then only asked.

use mail::{Address, ClientCertificate, Domain};

use crate::{
    Account, Config, DirectoryError, Login, Role,
    builder::Builder,
    index::{Found, Index, Place, with_detail},
};

/// Who exists here.
#[derive(Debug, Clone)]
pub struct Directory {
    pub(crate) index: Index,
    pub(crate) accounts: Vec<Account>,
    /// The mailboxes of each alias.
    pub(crate) aliases: Vec<Vec<Address>>,
    pub(crate) postmaster: Address,
    /// The place of the account that catches everything.
    pub(crate) catch_everything: Option<usize>,
}

/// What an address stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// Its domain is not ours: relay it, or refuse to.
    NotLocal,
    /// Its domain is ours, and nobody there has it: `550 5.1.1`.
    Unknown,
    /// The addresses of accounts that it stands for, never none, each mailbox once. Details (`anna+news`) are kept.
    Mailboxes(Vec<Address>),
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

    /// What an address stands for. In order: the address itself, the address without its detail, `postmaster`, the
    /// domain's catch-all.
    pub fn resolve(&self, address: &Address) -> Resolution {
        let rules = self.index.rules(address.domain());
        if rules.is_none() && self.catch_everything.is_none() {
            return Resolution::NotLocal;
        }
        if let Some(found) = self.index.find(address) {
            return Resolution::Mailboxes(self.mailboxes(found, address));
        }
        let fallback = if self.catch_everything.is_some() {
            Some(address)
        } else if address.is_postmaster() {
            Some(&self.postmaster)
        } else {
            rules.and_then(|rules| rules.catch_all.as_ref())
        };
        match fallback {
            None => Resolution::Unknown,
            Some(fallback) => Resolution::Mailboxes(match self.index.find(fallback) {
                Some(found) => self.mailboxes(found, fallback),
                None => vec![fallback.clone()],
            }),
        }
    }

    /// The account that an address from [`Directory::resolve`] belongs to, for final delivery.
    pub fn account(&self, address: &Address) -> Option<&Account> {
        let place = match self.index.find(address) {
            Some(Found { place: Place::Account(place), .. }) => Some(place),
            _ => self.catch_everything,
        };
        self.accounts.get(place?)
    }

    /// The account of a login; only its login counts, not its further addresses.
    pub(crate) fn by_login(&self, login: &str) -> Option<&Account> {
        let address = Address::parse(login).ok()?;
        match self.index.find(&address)? {
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

    /// Whether somebody who has logged in may send mail with this address as its reverse-path or author: one of its own, with or
    /// without a detail; an alias that stands for it alone; or by its role any of its domain.
    pub fn may_send_as(&self, login: &Login, address: &Address) -> bool {
        let Some(own) = &login.account else { return true };
        // Its account may be gone meanwhile.
        let Some(account) = self.by_login(&own.to_string()) else { return false };
        let is_its = |found: Option<Found<'_>>| match found {
            Some(Found { place: Place::Account(place), .. }) => {
                self.accounts.get(place).is_some_and(|found| found.login() == account.login())
            }
            _ => false,
        };
        let owned = match self.index.find(address) {
            Some(Found { place: Place::Alias(alias), .. }) => {
                match self.aliases.get(alias).map(Vec::as_slice) {
                    Some([sole]) => is_its(self.index.find(sole)),
                    _ => false,
                }
            }
            found => is_its(found),
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

    /// Whether SCRAM works for all who can log in at all.
    pub(crate) fn knows_scram(&self) -> bool {
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

    fn mailboxes(&self, found: Found<'_>, address: &Address) -> Vec<Address> {
        let Place::Alias(place) = found.place else { return vec![address.clone()] };
        let targets = self.aliases.get(place).cloned().unwrap_or_default();
        let Some(detail) = found.detail else { return targets };
        // `sales+fair` is `anna+fair` if `sales` is `anna`: who sorts by detail can do so behind an alias too.
        targets.iter().map(|target| self.detailed(target, detail)).collect()
    }

    fn detailed(&self, target: &Address, detail: &str) -> Address {
        let separator = self.index.rules(target.domain()).map_or("", |rules| &rules.separator);
        with_detail(target, detail, separator)
    }
}
