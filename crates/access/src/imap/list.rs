//! LIST and LSUB (RFC 9051 §6.3.9, RFC 5258, RFC 3501 §6.3.9): names that match, and what they are.

use std::collections::{BTreeMap, BTreeSet};

use imap::{
    command::List,
    response::{Attribute, ListEntry, Response, Status},
};
use mailstore::Rights;

use super::{
    blocking::read,
    mailboxes::SEPARATOR,
    namespace::{Found, of_another},
    policy::{Done, Handled, Policy},
    selected::special_use,
};

/// What there is, and what is subscribed to.
pub(super) struct Names {
    pub(super) mailboxes: Vec<Found>,
    pub(super) subscribed: BTreeSet<String>,
}

impl Policy {
    pub(super) async fn names(&self) -> Result<Names, Status> {
        let account = self.account()?;
        read(&self.shared.mailstore, move |mailstore| {
            let mailboxes = mailstore.visible(account)?.into_iter().map(Found::from).collect();
            let subscribed = mailstore.subscriptions(account)?.into_iter().collect();
            Ok(Names { mailboxes, subscribed })
        })
        .await
    }

    pub(super) async fn list(&mut self, list: List) -> Handled {
        // RFC 9051 §6.3.9: an empty pattern asks for the separator.
        if !list.extended && list.patterns.iter().all(|pattern| pattern.is_empty()) {
            let mut root = entry("");
            root.attributes = vec![Attribute::NoSelect];
            return Ok(Done::telling(vec![Response::List(Box::new(root))], "Done"));
        }
        let names = self.names().await?;
        let mut told = Vec::new();
        for (entry, mailbox) in names.listed(&list) {
            let name = entry.mailbox.clone();
            told.push(Response::List(Box::new(entry)));
            let Some((name, mailbox)) = name.zip(mailbox) else { continue };
            if list.returns.my_rights {
                let rights = mailbox.rights.told().into();
                told.push(Response::MyRights { mailbox: name.clone(), rights });
            }
            // RFC 5819 §2: not of one that cannot be selected.
            let items = list.returns.status.as_ref().filter(|_| mailbox.rights.contains(Rights::READ));
            if let Some(items) = items {
                told.push(self.status_of(name, &mailbox.mailbox, items).await?);
            }
        }
        Ok(Done::telling(told, "Done"))
    }

    pub(super) async fn lsub(&mut self, reference: &str, pattern: &str) -> Handled {
        let names = self.names().await?;
        let told = names.lsub(&format!("{reference}{pattern}"));
        Ok(Done::telling(told.into_iter().map(|entry| Response::Lsub(Box::new(entry))).collect(), "Done"))
    }
}

/// An entry of which only the name is known.
pub(super) fn entry(name: &str) -> ListEntry {
    ListEntry {
        attributes: Vec::new(),
        separator: Some(SEPARATOR),
        mailbox: imap::Mailbox::new(name),
        child_info: false,
        old_name: None,
    }
}

/// The names above a name.
fn above(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices(SEPARATOR).filter_map(|(at, _)| name.get(..at)).filter(|name| !name.is_empty())
}

/// Names that are looked up one after the other: there may be some ten thousand.
pub(super) struct Indexed<'a> {
    names: &'a Names,
    existing: BTreeMap<&'a str, &'a Found>,
    /// Names that have others below them.
    parents: BTreeSet<&'a str>,
}

impl Indexed<'_> {
    pub(super) fn has(&self, name: &str) -> bool {
        self.existing.contains_key(name)
    }

    /// One name, whatever it is, with all that can be said of it.
    pub(super) fn entry_of(&self, name: &str) -> ListEntry {
        let mut told = entry(name);
        let (mailbox, has_children) = (self.existing.get(name).copied(), self.parents.contains(name));
        told.attributes = self.names.attributes(name, mailbox, has_children, true);
        told
    }
}

impl Names {
    /// What LIST tells, INBOX first.
    fn listed(&self, list: &List) -> Vec<(ListEntry, Option<&Found>)> {
        let existing: BTreeMap<&str, &Found> =
            self.mailboxes.iter().map(|mailbox| (&*mailbox.name, mailbox)).collect();
        let is_chosen = |name: &str| {
            let special = existing.get(name).is_some_and(|mailbox| mailbox.special_use().is_some());
            (!list.subscribed || self.subscribed.contains(name)) && (!list.special_use || special)
        };
        let candidates: BTreeSet<&str> = if list.subscribed {
            existing.keys().copied().chain(self.subscribed.iter().map(String::as_str)).collect()
        } else {
            existing.keys().copied().collect()
        };
        let chosen: BTreeSet<&str> = candidates.into_iter().filter(|name| is_chosen(name)).collect();
        let parents: BTreeSet<&str> = existing.keys().flat_map(|name| above(name)).collect();
        let above_chosen: BTreeSet<&str> = chosen.iter().flat_map(|name| above(name)).collect();
        let patterns: Vec<String> =
            list.patterns.iter().map(|pattern| format!("{}{pattern}", list.reference)).collect();
        let matches = |name: &str| patterns.iter().any(|pattern| matches(pattern, name));
        // Levels that are no mailboxes are told where they are all that can be seen of those below (RFC 9051 §6.3.9).
        let levels = above_chosen.iter().copied().filter(|name| {
            let hidden = !existing.contains_key(name) && !list.subscribed && !list.special_use;
            !chosen.contains(name) && (hidden || list.recursive)
        });
        let all: BTreeSet<&str> = chosen.iter().copied().chain(levels).filter(|name| matches(name)).collect();
        let subscriptions = list.subscribed || list.returns.subscribed;
        let described = |name: &str| {
            let mailbox = existing.get(name).copied();
            let mut listed = entry(name);
            listed.attributes = self.attributes(name, mailbox, parents.contains(name), subscriptions);
            listed.child_info = list.recursive && above_chosen.contains(name);
            (listed, mailbox)
        };
        let mut all: Vec<_> = all.into_iter().map(described).collect();
        all.sort_by_key(|(entry, _)| entry.mailbox != Some(imap::Mailbox::inbox()));
        all
    }

    /// Ready to look up one name after the other.
    pub(super) fn indexed(&self) -> Indexed<'_> {
        let existing = self.mailboxes.iter().map(|mailbox| (&*mailbox.name, mailbox)).collect();
        let parents = self.mailboxes.iter().flat_map(|mailbox| above(&mailbox.name)).collect();
        Indexed { names: self, existing, parents }
    }

    fn attributes(
        &self,
        name: &str,
        mailbox: Option<&Found>,
        has_children: bool,
        subscriptions: bool,
    ) -> Vec<Attribute> {
        let mut attributes = Vec::new();
        if mailbox.is_none() {
            attributes.push(Attribute::NonExistent);
            // Who does not know the other one (RFC 5258 §3).
            attributes.push(Attribute::NoSelect);
        } else if mailbox.is_some_and(|mailbox| !mailbox.rights.contains(Rights::READ)) {
            attributes.push(Attribute::NoSelect);
        }
        attributes.push(if has_children { Attribute::HasChildren } else { Attribute::HasNoChildren });
        if subscriptions && self.subscribed.contains(name) {
            attributes.push(Attribute::Subscribed);
        }
        let special = mailbox.and_then(Found::special_use);
        attributes.extend(special.map(|special| Attribute::Use(special_use(special))));
        attributes
    }

    /// RFC 3501 §6.3.9: with `%`, a level that is not subscribed to, but has one below it that is, is told as one that cannot be selected.
    fn lsub(&self, pattern: &str) -> Vec<ListEntry> {
        // RFC 4314 §4: of others' only those that can be seen.
        let seen: BTreeSet<&str> = self.mailboxes.iter().map(|mailbox| &*mailbox.name).collect();
        let is_told = |name: &&str| of_another(name).is_none() || seen.contains(name);
        let subscribed: Vec<&str> = self.subscribed.iter().map(String::as_str).filter(is_told).collect();
        let levels: BTreeSet<&str> = if pattern.ends_with('%') {
            subscribed.iter().flat_map(|name| above(name)).collect()
        } else {
            BTreeSet::new()
        };
        let all: BTreeSet<&str> = subscribed.iter().copied().chain(levels).collect();
        let listed = all.into_iter().filter(|name| matches(pattern, name)).map(|name| {
            let mut listed = entry(name);
            if !self.subscribed.contains(name) {
                listed.attributes.push(Attribute::NoSelect);
            }
            listed
        });
        let mut listed: Vec<_> = listed.collect();
        listed.sort_by_key(|entry| entry.mailbox != Some(imap::Mailbox::inbox()));
        listed
    }
}

/// RFC 9051 §6.3.9: `*` is anything, `%` anything without a separator. INBOX is INBOX in any case. In time that grows with the
/// square of the length of the name at the most.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern = match pattern.get(..5) {
        Some(inbox) if name == "INBOX" && inbox.eq_ignore_ascii_case("INBOX") => {
            format!("INBOX{}", pattern.get(5..).unwrap_or_default())
        }
        _ => pattern.to_owned(),
    };
    let name: Vec<char> = name.chars().collect();
    let pattern = compact(&pattern);
    if pattern.iter().filter(|wanted| !matches!(wanted, '*' | '%')).count() > name.len() {
        return false;
    }
    // The places of the name up to which what is read of the pattern matches.
    let mut reached = vec![false; name.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for wanted in pattern {
        let mut next = vec![false; name.len() + 1];
        let mut before = false;
        for (place, here) in reached.iter().enumerate() {
            let character = place.checked_sub(1).and_then(|place| name.get(place));
            let came = match wanted {
                '*' => *here || before,
                '%' => *here || before && character != Some(&SEPARATOR),
                wanted => {
                    let last = place.checked_sub(1).and_then(|place| reached.get(place));
                    character == Some(&wanted) && last == Some(&true)
                }
            };
            if let Some(next) = next.get_mut(place) {
                *next = came;
            }
            before = came;
        }
        reached = next;
    }
    reached.last() == Some(&true)
}

/// A pattern with one wildcard in the place of several that follow each other: what is left to compare is not longer than twice the name.
fn compact(pattern: &str) -> Vec<char> {
    let mut kept: Vec<char> = Vec::new();
    for wanted in pattern.chars() {
        match (kept.last_mut(), wanted) {
            (Some('*'), '*' | '%') | (Some('%'), '%') => {}
            (Some(last @ '%'), '*') => *last = '*',
            _ => kept.push(wanted),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names() {
        for (pattern, name, is_match) in [
            ("*", "a/b/c", true),
            ("%", "a", true),
            ("%", "a/b", false),
            ("a/%", "a/b", true),
            ("a/%", "a", false),
            ("%/b", "a/b", true),
            ("a*c", "a/b/c", true),
            ("a%c", "abbc", true),
            ("a%c", "a/c", false),
            ("inbox", "INBOX", true),
            ("iNbOx*", "INBOX", true),
            ("In%", "Inner", true),
            ("", "", true),
            ("", "a", false),
            ("%%%*%*", "a/ü/c", true),
            ("%%", "a/b", false),
            ("a%%/%*c", "ab/c", true),
            ("abc", "ab", false),
            ("ü", "ü", true),
        ] {
            assert_eq!(matches(pattern, name), is_match, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_of_stars_costs_little() {
        let (pattern, name) = ("*a".repeat(500), "a/".repeat(500));
        assert!(!matches(&pattern, &name));
        assert_eq!(compact(&"%*".repeat(30_000)), ['*']);
    }
}
