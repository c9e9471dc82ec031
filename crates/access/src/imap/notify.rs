//! NOTIFY (RFC 5465): what a client hears without asking.

use std::{collections::BTreeSet, future::poll_fn, pin::Pin, task::Poll};

use imap::{
    command::{Event, EventGroup, FetchItem, Mailboxes, Notify},
    response::{Code, Response, Status},
};
use mailstore::{AccountId, AnnotationChanges, MailboxId, UidSet, Watch, spelling};

use super::{
    blocking::read,
    list::Names,
    namespace::{OTHERS, of_another},
    policy::{Done, Handled, Policy},
    watched::{Listener, Watched},
};

/// Others whose mailboxes one client hears of.
const OWNERS_MAX: usize = 32;
/// Names in one command: for more there are `PERSONAL` and `SUBTREE`.
const NAMED_MAX: usize = 256;
/// All that can be told of, for BADEVENT.
const EVENTS: [&str; 7] = [
    "MessageNew",
    "MessageExpunge",
    "FlagChange",
    "MailboxName",
    "SubscriptionChange",
    "MailboxMetadataChange",
    "ServerMetadataChange",
];
/// Behind every change of annotations there can be.
const NEVER: u64 = u64::MAX;

/// What a client wants to hear, and what it was told.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is wanted by itself")]
pub(super) struct Notifying {
    /// New and expunged messages of the selected mailbox.
    messages: bool,
    /// Changed flags there.
    flags: bool,
    /// What is told of each new message there.
    fetch: Vec<FetchItem>,
    /// Expunged ones only when a command allows it.
    delayed: bool,
    /// Of mailboxes that are not selected.
    groups: Vec<EventGroup>,
    watched: Watched,
    /// Up to which change annotations are told.
    annotations: u64,
    watches: Vec<Watch>,
    /// Whose mailboxes the watches are of, beside the client's own.
    owners: BTreeSet<AccountId>,
    /// Something has happened that was not looked at yet.
    dirty: bool,
    /// New messages of the selected mailbox that are still to be told of.
    due: UidSet,
    /// Those that the client put there itself.
    own: UidSet,
}

impl Notifying {
    /// What is expunged from the selected mailbox is told at once.
    pub(super) fn is_at_once(&self) -> bool {
        self.messages && !self.delayed
    }

    /// Whether any of the watches wakes.
    fn note(&mut self) {
        for watch in &mut self.watches {
            self.dirty |= watch.has_changed();
        }
    }

    /// Something has happened, and could not be looked at.
    pub(super) fn is_behind(&self) -> bool {
        self.dirty
    }

    /// Waits until something happens that is not in the selected mailbox. May be broken off.
    pub(super) async fn changed(&mut self) {
        if self.dirty {
            return;
        }
        let mut all: Vec<Pin<Box<dyn Future<Output = ()> + Send + '_>>> = Vec::new();
        for watch in &mut self.watches {
            all.push(Box::pin(watch.changed()));
        }
        poll_fn(|context| {
            for watch in &mut all {
                if watch.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
            }
            Poll::Pending
        })
        .await;
        drop(all);
        self.dirty = true;
    }

    /// Whether mailboxes of others may be meant.
    fn looks_at_others(&self) -> bool {
        let of_others = |name: &imap::Mailbox| {
            of_another(name.as_str()).is_some() || OTHERS.strip_suffix('/') == Some(name.as_str())
        };
        self.groups.iter().any(|group| match &group.mailboxes {
            Mailboxes::Subscribed => true,
            Mailboxes::Subtree(names) | Mailboxes::Named(names) => names.iter().any(of_others),
            _ => false,
        })
    }
}

impl Policy {
    pub(super) async fn notify(&mut self, notify: Notify) -> Handled {
        let Notify::Set { status, groups } = notify else {
            self.notifying = Some(Box::default());
            return Ok(Done::ok("Nothing is told"));
        };
        let unknown = |event: &Event| !EVENTS.contains(&name_of(event));
        if groups.iter().flat_map(|group| &group.events).any(unknown) {
            let known = EVENTS.into_iter().map(Into::into).collect();
            return Err(Status::no("Of that nothing can be told").with(Code::BadEvent(known)));
        }
        let mut notifying = Notifying::default();
        for group in groups {
            notifying.add(group);
        }
        if notifying.is_too_much() {
            return Err(overflow());
        }
        let told = if notifying.groups.is_empty() {
            Vec::new()
        } else {
            self.begin_watching(&mut notifying, status).await?
        };
        self.notifying = Some(Box::new(notifying));
        // RFC 5465 §3.1: as with NOOP, the selected mailbox is looked at.
        self.note_change();
        Ok(Done::telling(told, "Told from here on"))
    }

    /// Watches what is not selected; what is told of it at once.
    async fn begin_watching(&self, notifying: &mut Notifying, status: bool) -> Result<Vec<Response>, Status> {
        // From before the first look, so that nothing falls between.
        let client = self.account()?;
        notifying.watches.push(self.shared.mailstore.watch_account(client));
        if notifying.looks_at_others() {
            notifying.watches.push(self.shared.mailstore.watch_sharing());
        }
        let (names, changes) = self.look(NEVER).await?;
        notifying.annotations = changes.last;
        let listener = notifying.listener(self.selected_id(), self.manner.condstore);
        let watched = Watched::of(&names, listener).ok_or_else(overflow)?;
        let told = listener.first(&names, status);
        notifying.watched = watched;
        self.watch_owners(notifying, &names)?;
        Ok(told)
    }

    /// What there is, and which annotations changed behind a change of theirs.
    async fn look(&self, since: u64) -> Result<(Names, AnnotationChanges), Status> {
        let client = self.account()?;
        let read = read(&self.shared.mailstore, move |mailstore| mailstore.annotation_changes(client, since));
        // In this order: of a mailbox that comes in between nobody waits for annotations.
        let changes = read.await?;
        Ok((self.names().await?, changes))
    }

    fn selected_id(&self) -> Option<MailboxId> {
        self.selected.as_ref().map(|selected| selected.id)
    }

    /// Those whose mailboxes are among the watched ones are watched too.
    fn watch_owners(&self, notifying: &mut Notifying, names: &Names) -> Result<(), Status> {
        if !notifying.looks_at_others() {
            return Ok(());
        }
        let others = names.mailboxes.iter().filter(|found| !found.is_own);
        let others = others.filter(|found| notifying.watched.has(found.mailbox.id));
        let owners: BTreeSet<AccountId> = others.map(|found| found.mailbox.account).collect();
        if owners.len() > OWNERS_MAX {
            return Err(overflow());
        }
        if owners != notifying.owners {
            // The first two are the client's own, and that of all access lists.
            notifying.watches.truncate(2);
            let watches = owners.iter().map(|owner| self.shared.mailstore.watch_account(*owner));
            notifying.watches.extend(watches);
            notifying.owners = owners;
            // What happened between the look and the watch.
            notifying.dirty = true;
        }
        Ok(())
    }

    /// What is to be told of mailboxes that are not selected, if something has happened.
    pub(super) async fn mailbox_news(&mut self) -> Vec<Response> {
        let Some(notifying) = &mut self.notifying else { return Vec::new() };
        notifying.note();
        if !notifying.dirty || notifying.groups.is_empty() {
            return Vec::new();
        }
        let since = notifying.annotations;
        // It is told later.
        let Ok((names, changes)) = self.look(since).await else { return Vec::new() };
        let (selected, condstore) = (self.selected_id(), self.manner.condstore);
        let Some(mut notifying) = self.notifying.take() else { return Vec::new() };
        notifying.dirty = false;
        let listener = notifying.listener(selected, condstore);
        let news = Watched::of(&names, listener).map(|new| {
            let mut news = notifying.watched.news(&new, &names, listener);
            news.extend(listener.annotation_news(&names, &changes));
            (new, news)
        });
        let news = match news {
            Some((new, news)) => {
                notifying.watched = new;
                notifying.annotations = changes.last;
                self.watch_owners(&mut notifying, &names).map(|()| news)
            }
            None => Err(overflow()),
        };
        match news {
            Ok(news) => {
                self.notifying = Some(notifying);
                news
            }
            // RFC 5465 §5.8: as behind NOTIFY NONE.
            Err(status) => {
                self.notifying = Some(Box::default());
                vec![Response::Status(Status { kind: imap::response::StatusKind::Ok, ..status })]
            }
        }
    }

    /// What the client itself has just done with names and subscriptions is not told to it (RFC 5465 §5).
    pub(super) async fn names_are_known(&mut self) {
        if self.notifying.as_ref().is_none_or(|notifying| notifying.groups.is_empty()) {
            return;
        }
        let Ok((names, changes)) = self.look(NEVER).await else { return };
        let (selected, condstore) = (self.selected_id(), self.manner.condstore);
        if let Some(notifying) = &mut self.notifying
            && let Some(new) = Watched::of(&names, notifying.listener(selected, condstore))
        {
            notifying.watched.names_known(new);
            notifying.annotations = changes.last;
        }
    }

    /// Nor what it has put into another mailbox.
    pub(super) async fn messages_are_known(&mut self, mailbox: MailboxId) {
        if self.notifying.is_some()
            && let Ok(Some(mailbox)) =
                read(&self.shared.mailstore, move |mailstore| mailstore.mailbox_by_id(mailbox)).await
            && let Some(notifying) = &mut self.notifying
        {
            notifying.watched.own_change(&mailbox);
        }
    }

    /// A mailbox is selected no more, and the client knows what was in it.
    pub(super) async fn left(&mut self, mailbox: MailboxId) {
        let Some(notifying) = &mut self.notifying else { return };
        (notifying.due, notifying.own) = (UidSet::default(), UidSet::default());
        if let Ok(Some(mailbox)) =
            read(&self.shared.mailstore, move |mailstore| mailstore.mailbox_by_id(mailbox)).await
        {
            notifying.watched.told(&mailbox);
        }
    }

    /// Messages that the client itself has put into the selected mailbox: nothing of them is fetched for it (RFC 5465 §5.2).
    pub(super) fn put_by_itself(&mut self, mailbox: MailboxId, uids: impl IntoIterator<Item = u32>) {
        let is_selected = self.selected_id() == Some(mailbox);
        if let Some(notifying) = self.notifying.as_mut().filter(|it| is_selected && !it.fetch.is_empty()) {
            uids.into_iter().for_each(|uid| notifying.own.insert(uid));
        }
    }

    /// Messages are new to the client in the selected mailbox.
    pub(super) fn note_new(&mut self, new: &UidSet) {
        if let Some(notifying) = self.notifying.as_mut().filter(|it| it.messages && !it.fetch.is_empty()) {
            let others = new.iter().filter(|uid| !notifying.own.contains(*uid)).collect::<Vec<_>>();
            for uid in others {
                notifying.due.insert(uid);
            }
            notifying.own = UidSet::default();
        }
    }

    /// Some of what is to be told of new messages in the selected mailbox. None: there is nothing left.
    pub(super) async fn new_messages(&mut self) -> Option<Vec<Response>> {
        let notifying = self.notifying.as_ref().filter(|notifying| !notifying.due.is_empty())?;
        let (due, items) = (notifying.due.clone(), notifying.fetch.clone());
        let fetched = self.fetch_some(&due, items).await;
        let notifying = self.notifying.as_mut()?;
        // What cannot be read now the client may fetch itself.
        let (told, left) = fetched.unwrap_or_default();
        notifying.due = left;
        Some(told)
    }

    /// What is told of the selected mailbox: new and expunged messages, and changed flags.
    pub(super) fn selected_events(&self) -> (bool, bool) {
        self.notifying.as_ref().map_or((true, true), |notifying| (notifying.messages, notifying.flags))
    }
}

impl Notifying {
    fn add(&mut self, group: EventGroup) {
        let EventGroup { mailboxes, events } = group;
        let delayed = mailboxes == Mailboxes::SelectedDelayed;
        if !delayed && mailboxes != Mailboxes::Selected {
            let mailboxes = match mailboxes {
                Mailboxes::Subtree(names) => Mailboxes::Subtree(names.iter().map(spelled).collect()),
                Mailboxes::Named(names) => Mailboxes::Named(names.iter().map(spelled).collect()),
                mailboxes => mailboxes,
            };
            self.groups.push(EventGroup { mailboxes, events });
            return;
        }
        self.delayed = delayed;
        for event in events {
            match event {
                Event::MessageNew(items) => (self.messages, self.fetch) = (true, items),
                Event::FlagChange => self.flags = true,
                _ => {}
            }
        }
    }

    /// Each mailbox is compared with all that is named, whenever something happens.
    fn is_too_much(&self) -> bool {
        let names = self.groups.iter().map(|group| match &group.mailboxes {
            Mailboxes::Subtree(names) | Mailboxes::Named(names) => names.len(),
            _ => 1,
        });
        names.sum::<usize>() > NAMED_MAX
    }

    fn listener(&self, selected: Option<MailboxId>, condstore: bool) -> Listener<'_> {
        Listener { groups: &self.groups, selected, condstore }
    }
}

/// As names are compared.
fn spelled(name: &imap::Mailbox) -> imap::Mailbox {
    let text = match of_another(name.as_str()) {
        Some((owner, rest)) => {
            let rest = rest.map_or_else(String::new, |rest| format!("/{rest}"));
            format!("{OTHERS}{}{rest}", owner.to_ascii_lowercase())
        }
        None => spelling(name.as_str()).unwrap_or_else(|_| name.as_str().to_owned()),
    };
    imap::Mailbox::new(&text).unwrap_or_else(|| name.clone())
}

fn name_of(event: &Event) -> &str {
    match event {
        Event::MessageNew(_) => "MessageNew",
        Event::MessageExpunge => "MessageExpunge",
        Event::FlagChange => "FlagChange",
        Event::AnnotationChange => "AnnotationChange",
        Event::MailboxName => "MailboxName",
        Event::SubscriptionChange => "SubscriptionChange",
        Event::MailboxMetadataChange => "MailboxMetadataChange",
        Event::ServerMetadataChange => "ServerMetadataChange",
        Event::Unknown(name) => name,
    }
}

/// RFC 5465 §3.1, §5.8.
fn overflow() -> Status {
    Status::no("Too many mailboxes to tell of").with(Code::NotificationOverflow)
}
