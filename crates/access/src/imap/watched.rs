//! What NOTIFY says of mailboxes that are not selected (RFC 5465 §5): how they were told, how they are, and what is told of that.

use std::collections::{BTreeMap, BTreeSet};

use imap::{
    command::{Event, EventGroup, Mailboxes, StatusItem},
    response::{Attribute, ListEntry, Response, StatusValue},
};
use mailstore::{Annotated, AnnotationChanges, Mailbox, MailboxId, Rights};

use super::{
    list::{Indexed, Names},
    namespace::{Found, of_another},
};

/// Mailboxes that one client is told of.
pub(super) const WATCHED_MAX: usize = 1000;

/// A mailbox as the client knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    name: Box<str>,
    /// Messages are told of: it can be read.
    readable: bool,
    uid_validity: u32,
    uid_next: u32,
    messages: u64,
    unseen: u64,
    pub(super) modseq: u64,
}

/// What a client knows of the mailboxes that it wants to hear of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Watched {
    known: BTreeMap<MailboxId, Known>,
    /// Of the names that it is subscribed to those that it wants to hear of.
    subscribed: BTreeSet<String>,
}

/// What is wanted of a mailbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is wanted by itself")]
struct Wanted {
    messages: bool,
    flags: bool,
    names: bool,
    subscriptions: bool,
    annotations: bool,
}

/// Who is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listener<'a> {
    pub(super) groups: &'a [EventGroup],
    /// Of its messages others tell.
    pub(super) selected: Option<MailboxId>,
    /// It wants mod-sequences.
    pub(super) condstore: bool,
}

impl Known {
    fn of(found: &Found) -> Self {
        let Found { name, mailbox, rights, .. } = found;
        Self {
            name: name.as_str().into(),
            readable: rights.contains(Rights::READ),
            uid_validity: mailbox.uid_validity,
            uid_next: mailbox.uid_next,
            messages: mailbox.messages,
            unseen: mailbox.unseen,
            modseq: mailbox.highest_modseq,
        }
    }

    /// With the counts of another one.
    fn counting(self, other: &Self) -> Self {
        Self { name: self.name, readable: self.readable, ..other.clone() }
    }
}

/// Whether a name is one of these (RFC 5465 §6). Mail is delivered into any mailbox by the detail of an address, so `inboxes` are all.
fn are(mailboxes: &Mailboxes, name: &str, subscribed: bool) -> bool {
    let under = |top: &imap::Mailbox| {
        name.strip_prefix(top.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match mailboxes {
        Mailboxes::Selected | Mailboxes::SelectedDelayed => false,
        Mailboxes::Inboxes | Mailboxes::Personal => of_another(name).is_none(),
        Mailboxes::Subscribed => subscribed,
        Mailboxes::Subtree(tops) => tops.iter().any(under),
        Mailboxes::Named(names) => names.iter().any(|known| known.as_str() == name),
    }
}

impl Listener<'_> {
    /// All groups that a mailbox is in count together (RFC 5465 §6).
    fn wanted(&self, name: &str, subscribed: bool) -> Wanted {
        let mut wanted = Wanted::default();
        for group in self.groups.iter().filter(|group| are(&group.mailboxes, name, subscribed)) {
            for event in &group.events {
                match event {
                    Event::MessageNew(_) | Event::MessageExpunge => wanted.messages = true,
                    Event::FlagChange => wanted.flags = true,
                    Event::MailboxName => wanted.names = true,
                    Event::SubscriptionChange => wanted.subscriptions = true,
                    Event::MailboxMetadataChange => wanted.annotations = true,
                    _ => {}
                }
            }
        }
        wanted
    }

    /// RFC 5465 §5.6, §5.7: names alone (RFC 5464 §4.4.2).
    pub(super) fn annotation_news(&self, names: &Names, changes: &AnnotationChanges) -> Vec<Response> {
        let of_server = self.groups.iter().any(|group| group.events.contains(&Event::ServerMetadataChange));
        let mut told: BTreeMap<Annotated, Vec<Box<str>>> = BTreeMap::new();
        for (of, entry) in &changes.entries {
            told.entry(*of).or_default().push(entry.as_str().into());
        }
        let response = |(of, entries): (Annotated, Vec<Box<str>>)| {
            let Some(id) = of else {
                return of_server.then_some(Response::MetadataChanged { mailbox: None, names: entries });
            };
            let found = names.mailboxes.iter().find(|found| found.mailbox.id == id)?;
            let subscribed = names.subscribed.contains(&found.name);
            let is_told =
                self.wanted(&found.name, subscribed).annotations && found.rights.contains(Rights::READ);
            let mailbox = imap::Mailbox::new(&found.name).filter(|_| is_told)?;
            Some(Response::MetadataChanged { mailbox: Some(mailbox), names: entries })
        };
        told.into_iter().filter_map(response).collect()
    }

    /// RFC 5465 §3.1: with STATUS in the command, what is told before its answer; and which mailboxes can be seen, but not read.
    pub(super) fn first(&self, names: &Names, counts: bool) -> Vec<Response> {
        let (mut told, indexed) = (Vec::new(), names.indexed());
        for found in &names.mailboxes {
            let wanted = self.wanted(&found.name, names.subscribed.contains(&found.name));
            if wanted == Wanted::default() {
                continue;
            }
            if !found.rights.contains(Rights::READ) {
                let mut entry = indexed.entry_of(&found.name);
                entry.attributes.push(Attribute::NoAccess);
                told.push(Response::List(Box::new(entry)));
            } else if counts && self.selected != Some(found.mailbox.id) {
                let mut items = Vec::new();
                if wanted.messages {
                    items.extend([StatusItem::Messages, StatusItem::UidNext, StatusItem::UidValidity]);
                }
                if wanted.flags {
                    items.extend([StatusItem::UidValidity, StatusItem::HighestModSeq]);
                }
                told.extend(status(&found.name, &found.mailbox, &ordered(&items)));
            }
        }
        told
    }
}

fn status(name: &str, mailbox: &Mailbox, items: &BTreeMap<u8, StatusItem>) -> Option<Response> {
    let value = |item: &StatusItem| {
        let number = match item {
            StatusItem::Messages => mailbox.messages,
            StatusItem::UidNext => mailbox.uid_next.into(),
            StatusItem::UidValidity => mailbox.uid_validity.into(),
            StatusItem::Unseen => mailbox.unseen,
            _ => mailbox.highest_modseq,
        };
        StatusValue::Number(*item, number)
    };
    let values: Vec<_> = items.values().map(value).collect();
    let mailbox = imap::Mailbox::new(name).filter(|_| !values.is_empty())?;
    Some(Response::StatusOf { mailbox, values })
}

/// Each once, in the order in which RFC 5465 shows them.
fn ordered(items: &[StatusItem]) -> BTreeMap<u8, StatusItem> {
    let place = |item: &StatusItem| match item {
        StatusItem::UidValidity => 0,
        StatusItem::UidNext => 1,
        StatusItem::Messages => 2,
        StatusItem::Unseen => 3,
        _ => 4,
    };
    items.iter().map(|item| (place(item), *item)).collect()
}

impl Watched {
    /// What is to be known for `listener`. `None`: that would be too many mailboxes.
    pub(super) fn of(names: &Names, listener: Listener<'_>) -> Option<Self> {
        let is_wanted = |found: &&Found| {
            let subscribed = names.subscribed.contains(&found.name);
            listener.wanted(&found.name, subscribed) != Wanted::default()
        };
        let known = names.mailboxes.iter().filter(is_wanted);
        let known: BTreeMap<_, _> = known.map(|found| (found.mailbox.id, Known::of(found))).collect();
        let is_told = |name: &&String| listener.wanted(name, true) != Wanted::default();
        let subscribed: BTreeSet<String> = names.subscribed.iter().filter(is_told).cloned().collect();
        let few = known.len() <= WATCHED_MAX && subscribed.len() <= WATCHED_MAX;
        few.then_some(Self { known, subscribed })
    }

    pub(super) fn has(&self, mailbox: MailboxId) -> bool {
        self.known.contains_key(&mailbox)
    }

    /// As the client has made names and subscriptions itself; what happened to messages it still has to hear.
    pub(super) fn names_known(&mut self, mut new: Self) {
        for (id, known) in &mut new.known {
            if let Some(old) = self.known.get(id) {
                *known = known.clone().counting(old);
            }
        }
        *self = new;
    }

    /// One change of the client's own, if nothing else happened there.
    pub(super) fn own_change(&mut self, mailbox: &Mailbox) {
        if let Some(known) =
            self.known.get_mut(&mailbox.id).filter(|known| known.modseq + 1 == mailbox.highest_modseq)
        {
            known.count(mailbox);
        }
    }

    /// A mailbox is as the client was told it is.
    pub(super) fn told(&mut self, mailbox: &Mailbox) {
        if let Some(known) = self.known.get_mut(&mailbox.id) {
            known.count(mailbox);
        }
    }

    /// What is told of the way from this to `new`.
    pub(super) fn news(&self, new: &Self, names: &Names, listener: Listener<'_>) -> Vec<Response> {
        let (mut told, indexed): (BTreeMap<String, ListEntry>, _) = (BTreeMap::new(), names.indexed());
        self.name_news(new, &indexed, listener, &mut told);
        for name in self.subscribed.symmetric_difference(&new.subscribed) {
            if listener.wanted(name, true).subscriptions {
                told.entry(name.clone()).or_insert_with(|| indexed.entry_of(name));
            }
        }
        let mut news: Vec<_> = told.into_values().map(|entry| Response::List(Box::new(entry))).collect();
        for found in names.mailboxes.iter().filter(|found| found.rights.contains(Rights::READ)) {
            if listener.selected != Some(found.mailbox.id)
                && let Some(before) = self.known.get(&found.mailbox.id)
            {
                news.extend(message_news(before, found, names, listener));
            }
        }
        news
    }

    /// RFC 5465 §5.4.
    fn name_news(
        &self,
        new: &Self,
        indexed: &Indexed<'_>,
        listener: Listener<'_>,
        told: &mut BTreeMap<String, ListEntry>,
    ) {
        let wants = |name: &str| {
            let subscribed = |all: &BTreeSet<String>| all.contains(name);
            listener.wanted(name, subscribed(&self.subscribed) || subscribed(&new.subscribed)).names
        };
        let mut affected: BTreeSet<&str> = BTreeSet::new();
        let moved: Vec<(&str, &str)> = self
            .known
            .iter()
            .filter_map(|(id, old)| Some((&*old.name, &*new.known.get(id)?.name)))
            .filter(|(old, new)| old != new)
            .collect();
        for (old, name) in moved.iter().filter(|(old, name)| !goes_along(old, name, &moved)) {
            if wants(name) || wants(old) {
                let mut entry = indexed.entry_of(name);
                entry.old_name = imap::Mailbox::new(old);
                told.insert((*name).to_owned(), entry);
            }
        }
        let gone = self.known.iter().filter(|(id, _)| !new.known.contains_key(id));
        let made = new.known.iter().filter(|(id, _)| !self.known.contains_key(id));
        for (_, known) in gone.chain(made) {
            // One that came into a group or left it by a subscription was neither made nor deleted.
            let by_subscription = self.subscribed.contains(&*known.name)
                != new.subscribed.contains(&*known.name)
                && indexed.has(&known.name);
            if !by_subscription {
                affected.insert(&known.name);
                affected.extend(known.name.rsplit_once('/').map(|(above, _)| above));
            }
        }
        for name in affected.into_iter().filter(|name| wants(name)) {
            told.entry(name.to_owned()).or_insert_with(|| indexed.entry_of(name));
        }
    }
}

impl Known {
    fn count(&mut self, mailbox: &Mailbox) {
        (self.uid_validity, self.uid_next) = (mailbox.uid_validity, mailbox.uid_next);
        (self.messages, self.unseen, self.modseq) =
            (mailbox.messages, mailbox.unseen, mailbox.highest_modseq);
    }
}

/// Whether a name is another one because one above it is (RFC 5465 §5.4: of those below nothing is told).
fn goes_along(old: &str, new: &str, moved: &[(&str, &str)]) -> bool {
    moved.iter().any(|(from, to)| {
        let rest = old.strip_prefix(from).filter(|rest| rest.starts_with('/'));
        rest.is_some_and(|rest| new.strip_prefix(to) == Some(rest))
    })
}

/// RFC 5465 §5.1 to §5.3.
fn message_news(before: &Known, found: &Found, names: &Names, listener: Listener<'_>) -> Option<Response> {
    let Found { name, mailbox, .. } = found;
    let wanted = listener.wanted(name, names.subscribed.contains(name));
    if before.modseq == mailbox.highest_modseq && before.uid_validity == mailbox.uid_validity
        || !before.readable
    {
        return None;
    }
    let came_or_went = (before.messages, before.uid_next) != (mailbox.messages, mailbox.uid_next);
    let mut items = Vec::new();
    if wanted.messages && came_or_went {
        items.extend([StatusItem::UidNext, StatusItem::Messages]);
    }
    if wanted.flags {
        items.extend((before.unseen != mailbox.unseen).then_some(StatusItem::Unseen));
        items.extend(listener.condstore.then_some(StatusItem::UidValidity));
        items.extend(listener.condstore.then_some(StatusItem::HighestModSeq));
    }
    let other_uids = before.uid_validity != mailbox.uid_validity;
    items.extend((other_uids && (wanted.messages || wanted.flags)).then_some(StatusItem::UidValidity));
    if !items.is_empty() && listener.condstore {
        items.push(StatusItem::HighestModSeq);
    }
    status(name, mailbox, &ordered(&items))
}
