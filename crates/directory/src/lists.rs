//! Mailing lists: who is on them, who may write to them, and by which addresses they are reached.

use std::collections::HashSet;

use mail::{Address, ReversePath};

use crate::{
    Directory, Entry, LIST_MEMBERS_MAX, ListConfig, Problem,
    aliases::{Alias, Targets},
    builder::Builder,
    in_ascii,
    index::{Found, Place},
};

/// The longest title of a list in octets.
const TITLE_OCTETS_MAX: usize = 200;
/// What an address of a list ends in beside the list's own, and so what its owners are reached by: reports of what could not be
/// delivered (RFC 3461 §5.2.7.1 (a)), requests (RFC 2142 §6), and the rest.
pub(crate) const TO_OWNERS: [&str; 3] = ["-bounces", "-request", "-owner"];

/// Who may write to a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Posters {
    /// Its members and owners.
    #[default]
    Members,
    /// Its owners: it is for announcements.
    Owners,
    /// Everybody.
    Anyone,
}

impl Posters {
    /// All.
    pub const ALL: [Self; 3] = [Self::Members, Self::Owners, Self::Anyone];

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::Owners => "owners",
            Self::Anyone => "anyone",
        }
    }

    /// What a word means.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|posters| posters.name() == word)
    }
}

/// A mailing list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    address: Address,
    bounces: Address,
    request: Address,
    owner: Address,
    title: Option<Box<str>>,
    members: Vec<Address>,
    posters: Posters,
    /// By which senders are known: addresses as they are compared, logins for those of ours.
    may_post: HashSet<Address>,
}

impl List {
    /// Where one writes to it; the domain in ASCII.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The reverse-path of what it sends: what cannot be delivered goes to its owners (RFC 5321 §3.9.2).
    pub fn bounces(&self) -> &Address {
        &self.bounces
    }

    /// Where one asks to be put on it or taken off it (RFC 2142 §6).
    pub fn request(&self) -> &Address {
        &self.request
    }

    /// Where its owners are reached.
    pub fn owner(&self) -> &Address {
        &self.owner
    }

    /// What it is called, if anything.
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// Who gets what is written to it, each once.
    pub fn members(&self) -> &[Address] {
        &self.members
    }

    /// Who may write to it.
    pub fn posters(&self) -> Posters {
        self.posters
    }

    /// Its identifier (RFC 2919 §2): `announce.example.org`.
    pub fn id(&self) -> String {
        format!("{}.{}", self.address.local_part(), self.address.domain()).to_ascii_lowercase()
    }

    fn is_its_own(&self, address: &Address) -> bool {
        let own = [&self.address, &self.bounces, &self.request, &self.owner];
        own.into_iter().any(|own| own.to_string().eq_ignore_ascii_case(&address.to_string()))
    }
}

/// A list whose texts have been parsed.
pub(crate) struct Draft {
    address: Address,
    to_owners: [Address; TO_OWNERS.len()],
    title: Option<Box<str>>,
    owners: Vec<Address>,
    members: Vec<Address>,
    posters: Posters,
}

impl Draft {
    /// The addresses by which the owners of a list are reached, as aliases; without owners of its own the postmaster is its owner.
    pub(crate) fn to_owners(
        draft: Option<&Self>,
        place: usize,
        postmaster: Option<&Address>,
    ) -> [Option<Alias>; TO_OWNERS.len()] {
        let targets = (Entry::List(place), "owners");
        let to = |draft: &Self| {
            let postmaster = || postmaster.cloned().into_iter().collect();
            if draft.owners.is_empty() { postmaster() } else { draft.owners.clone() }
        };
        let Some((draft, to)) = draft.map(|draft| (draft, to(draft))).filter(|(_, to)| !to.is_empty()) else {
            return [const { None }; TO_OWNERS.len()];
        };
        draft.to_owners.clone().map(|address| Some(Alias { targets, address, to: to.clone() }))
    }
}

impl Builder {
    /// Reads what is declared of a list, and takes its addresses.
    pub(crate) fn draft_list(&mut self, place: usize, config: &ListConfig) -> Option<Draft> {
        let entry = Entry::List(place);
        let address = self.list_address(entry, &config.address);
        let to_owners = address.as_ref().and_then(|address| self.owners_addresses(entry, address));
        if let (Some(address), Some(to_owners)) = (&address, &to_owners) {
            self.add(entry, "address", address, Place::List(place));
            for (which, address) in to_owners.iter().enumerate() {
                self.add(entry, "address", address, self.to_owners_place(place, which));
            }
        }
        let title = config.title.as_deref().filter(|title| !title.is_empty());
        if title.is_some_and(|title| title.len() > TITLE_OCTETS_MAX || title.contains(char::is_control)) {
            self.error(entry, "title", Problem::BadTitle);
        }
        let word = config.post.as_deref();
        let posters = word.map_or(Some(Posters::default()), Posters::parse);
        if let (Some(word), None) = (word, posters) {
            self.error(entry, "post", Problem::UnknownPosters(word.to_owned()));
        }
        let (mut owners, mut members) = (Vec::new(), Vec::with_capacity(config.members.len()));
        for text in &config.owners {
            owners.extend(self.address(entry, "owners", text));
        }
        for text in &config.members {
            members.extend(self.address(entry, "members", text));
        }
        if config.members.len() > LIST_MEMBERS_MAX {
            self.error(entry, "members", Problem::TooManyMembers);
        }
        let title = title.map(Into::into);
        Some(Draft {
            address: address?,
            to_owners: to_owners?,
            title,
            owners,
            members,
            posters: posters.unwrap_or_default(),
        })
    }

    /// An address at a domain of ours of which an identifier can be made (RFC 2919 §2: `list-label = dot-atom-text`).
    fn list_address(&mut self, entry: Entry, text: &str) -> Option<Address> {
        let address = self.local_address(entry, "address", text)?;
        let domain = in_ascii(address.domain().clone()).unwrap_or_else(|| address.domain().clone());
        let is_atom = |atom: &str| {
            !atom.is_empty() && atom.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        if !address.local_part().split('.').all(is_atom) {
            self.error(entry, "address", Problem::BadListName(text.to_owned()));
            return None;
        }
        Address::new(address.local_part(), domain).ok()
    }

    fn owners_addresses(&mut self, entry: Entry, list: &Address) -> Option<[Address; TO_OWNERS.len()]> {
        let with = |end| Address::new(&format!("{}{end}", list.local_part()), list.domain().clone());
        let made = TO_OWNERS.map(with);
        if let Some(Err(error)) = made.iter().find(|made| made.is_err()) {
            let (text, error) = (format!("{list} with -bounces, -request and -owner"), *error);
            self.error(entry, "address", Problem::BadAddress { text, error });
            return None;
        }
        let [bounces, request, owner] = made.map(Result::ok);
        Some([bounces?, request?, owner?])
    }

    /// Who is on a list must be somebody, and no list: nobody would judge who may write to that one.
    pub(crate) fn check_members(&mut self, place: usize, draft: &Draft) {
        for member in &draft.members {
            let wrong = match self.index.find(member) {
                Some(Found { place: Place::List(_), .. }) => Problem::LeadsToList(member.to_string()),
                Some(_) => continue,
                None if self.any_domain || member.is_postmaster() => continue,
                None if self.index.is_external(member.domain()) => continue,
                None => match self.index.rules(member.domain()) {
                    // Elsewhere, or caught.
                    None => continue,
                    Some(rules) if rules.catch_all.is_some() => continue,
                    Some(_) => Problem::UnknownTarget(member.to_string()),
                },
            };
            self.error(Entry::List(place), "members", wrong);
        }
    }

    /// The list, once it is known what aliases stand for.
    pub(crate) fn list(&self, place: usize, draft: Draft, aliases: &[Targets]) -> List {
        let here = |alias: usize| aliases.get(alias).map(|targets| targets.mailboxes.as_slice());
        let Draft { address, to_owners: [bounces, request, owner], title, owners, members, posters } = draft;
        let mut seen = HashSet::new();
        let members: Vec<Address> =
            members.into_iter().filter(|member| seen.insert(self.index.key(member))).collect();
        let owned_by = match self.to_owners_place(place, 0) {
            Place::Alias(alias) => here(alias).unwrap_or_default(),
            Place::Account(_) | Place::List(_) => &[],
        };
        let owners = owners.iter().chain(owned_by);
        let writes: Vec<&Address> = match posters {
            Posters::Members => members.iter().chain(owners).collect(),
            Posters::Owners => owners.collect(),
            Posters::Anyone => Vec::new(),
        };
        let mut may_post = HashSet::new();
        for who in writes {
            may_post.insert(self.index.key(who));
            let mailboxes = match self.index.find(who) {
                Some(Found { place: Place::Alias(place), .. }) => here(place),
                _ => None,
            };
            for mailbox in mailboxes.unwrap_or(std::slice::from_ref(who)) {
                if let Some(Found { place: Place::Account(place), .. }) = self.index.find(mailbox) {
                    may_post.extend(self.accounts.get(place).map(|found| self.index.key(found.login())));
                }
            }
        }
        List { address, bounces, request, owner, title, members, posters, may_post }
    }
}

impl Directory {
    /// Whether mail with this reverse-path may go to a list. An account of ours is known by any of its addresses, with or without a detail. A report is for
    /// nobody on a list, and neither is what comes back from one (RFC 5321 §4.5.5).
    ///
    /// A reverse-path is what a client says: see [`is_ours`](Self::is_ours) for those that it has to prove.
    pub fn may_post(&self, list: &List, sender: &ReversePath) -> bool {
        let Some(sender) = sender.address().filter(|sender| !list.is_its_own(sender)) else { return false };
        list.posters == Posters::Anyone || self.known_as(sender).any(|known| list.may_post.contains(&known))
    }

    /// Whether an address is at a domain that is declared as ours: who has it can log in.
    pub fn is_ours(&self, address: &Address) -> bool {
        self.index.rules(address.domain()).is_some()
    }

    /// All lists, in the order in which they were declared.
    pub fn lists(&self) -> impl Iterator<Item = &List> {
        self.lists.iter().map(|list| &**list)
    }

    fn known_as(&self, sender: &Address) -> impl Iterator<Item = Address> {
        let account = match self.index.find(sender) {
            Some(Found { place: Place::Account(place), .. }) => self.accounts.get(place),
            Some(Found { place: Place::Alias(place), .. }) => {
                self.aliases.get(place).and_then(Targets::sole).and_then(|sole| self.account(sole))
            }
            Some(Found { place: Place::List(_), .. }) => None,
            None => self.external_account(sender),
        };
        let login = account.map(|account| self.index.key(account.login()));
        self.index.keys(sender).into_iter().chain(login)
    }
}
