//! NOTIFY (RFC 5465): of which mailboxes and events a client wants to hear unasked.

use super::{Command, CommandError, fetch};
use crate::{
    command::FetchItem,
    mailbox::Mailbox,
    scan::{Scan, Scanned},
};

/// The arguments of NOTIFY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notify {
    /// `NONE`: of nothing, not even of the selected mailbox.
    None,
    /// `SET`, instead of what was set before.
    Set {
        /// The state of each mailbox is told at once.
        status: bool,
        /// What; at least one.
        groups: Vec<EventGroup>,
    },
}

/// Some mailboxes and the events there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventGroup {
    /// Where.
    pub mailboxes: Mailboxes,
    /// What; empty is `NONE`.
    pub events: Vec<Event>,
}

/// Of which mailboxes (RFC 5465 §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mailboxes {
    /// The selected one, as soon as something happens.
    Selected,
    /// The selected one, but what is expunged is told only when a command allows it.
    SelectedDelayed,
    /// Those in which mail is delivered.
    Inboxes,
    /// Those of the user.
    Personal,
    /// Those that the user has subscribed to.
    Subscribed,
    /// These and all below them.
    Subtree(Vec<Mailbox>),
    /// These.
    Named(Vec<Mailbox>),
}

/// What may happen (RFC 5465 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// `MessageNew`, and what is fetched of it; only for the selected mailbox.
    MessageNew(Vec<FetchItem>),
    /// `MessageExpunge`
    MessageExpunge,
    /// `FlagChange`
    FlagChange,
    /// `AnnotationChange`
    AnnotationChange,
    /// `MailboxName`
    MailboxName,
    /// `SubscriptionChange`
    SubscriptionChange,
    /// `MailboxMetadataChange`
    MailboxMetadataChange,
    /// `ServerMetadataChange`
    ServerMetadataChange,
    /// One that we do not know: to be answered with BADEVENT.
    Unknown(Box<str>),
}

impl Mailboxes {
    fn are_selected(&self) -> bool {
        matches!(self, Self::Selected | Self::SelectedDelayed)
    }
}

pub(super) fn notify(scan: &mut Scan<'_>) -> Scanned<Command> {
    scan.sp()?;
    match scan.keyword()?.as_str() {
        "NONE" => return Ok(Command::Notify(Notify::None)),
        "SET" => {}
        _ => return Err(CommandError::Syntax),
    }
    let status = scan.eat_sp_word("STATUS");
    let mut groups = Vec::new();
    scan.sp()?;
    loop {
        groups.push(group(scan)?);
        if groups.len() > scan.limits.list_items_max {
            return Err(CommandError::TooComplex);
        }
        if !scan.eat(b' ') {
            break;
        }
    }
    // RFC 5465 §8: only one of them can be specified.
    if groups.iter().filter(|group| group.mailboxes.are_selected()).count() > 1 {
        return Err(CommandError::Syntax);
    }
    Ok(Command::Notify(Notify::Set { status, groups }))
}

/// `"(" filter-mailboxes SP events ")"`
fn group(scan: &mut Scan<'_>) -> Scanned<EventGroup> {
    scan.expect(b'(')?;
    let mailboxes = match scan.keyword()?.as_str() {
        "SELECTED" => Mailboxes::Selected,
        "SELECTED-DELAYED" => Mailboxes::SelectedDelayed,
        "INBOXES" => Mailboxes::Inboxes,
        "PERSONAL" => Mailboxes::Personal,
        "SUBSCRIBED" => Mailboxes::Subscribed,
        "SUBTREE" => Mailboxes::Subtree(names(scan)?),
        "MAILBOXES" => Mailboxes::Named(names(scan)?),
        _ => return Err(CommandError::Syntax),
    };
    scan.sp()?;
    let events = if scan.eat_word("NONE") { Vec::new() } else { scan.list(event)? };
    scan.expect(b')')?;
    let group = EventGroup { mailboxes, events };
    if fits(&group) { Ok(group) } else { Err(CommandError::Syntax) }
}

/// The rules of RFC 5465 §8 on what goes together: for the selected mailbox only what happens to messages; new and expunged ones
/// together, and with flags both; what to fetch only for the selected mailbox.
fn fits(group: &EventGroup) -> bool {
    let has = |wanted: fn(&Event) -> bool| group.events.iter().any(wanted);
    let new = has(|event| matches!(event, Event::MessageNew(_)));
    let gone = has(|event| *event == Event::MessageExpunge);
    let flags = has(|event| matches!(event, Event::FlagChange | Event::AnnotationChange));
    let fetched = has(|event| matches!(event, Event::MessageNew(items) if !items.is_empty()));
    let of_mailboxes = has(|event| {
        matches!(
            event,
            Event::MailboxName
                | Event::SubscriptionChange
                | Event::MailboxMetadataChange
                | Event::ServerMetadataChange
        )
    });
    let selected = group.mailboxes.are_selected();
    new == gone && (new || !flags) && (selected || !fetched) && !(selected && of_mailboxes)
}

/// `SP one-or-more-mailbox`
fn names(scan: &mut Scan<'_>) -> Scanned<Vec<Mailbox>> {
    scan.sp()?;
    if scan.peek() == Some(b'(') { scan.list(Mailbox::scan) } else { Ok(vec![Mailbox::scan(scan)?]) }
}

fn event(scan: &mut Scan<'_>) -> Scanned<Event> {
    let word = scan.atom()?;
    Ok(match word.to_ascii_uppercase().as_str() {
        "MESSAGENEW" if scan.rest().starts_with(b" (") => {
            scan.sp()?;
            Event::MessageNew(fetch::item_list(scan)?)
        }
        "MESSAGENEW" => Event::MessageNew(Vec::new()),
        "MESSAGEEXPUNGE" => Event::MessageExpunge,
        "FLAGCHANGE" => Event::FlagChange,
        "ANNOTATIONCHANGE" => Event::AnnotationChange,
        "MAILBOXNAME" => Event::MailboxName,
        "SUBSCRIPTIONCHANGE" => Event::SubscriptionChange,
        "MAILBOXMETADATACHANGE" => Event::MailboxMetadataChange,
        "SERVERMETADATACHANGE" => Event::ServerMetadataChange,
        _ => Event::Unknown(word.into()),
    })
}
