//! Commands about mailboxes as such (RFC 9051 §6.3.4 to §6.3.8, §6.3.11).

use std::fmt::Display;

use imap::{
    ObjectId,
    command::{Create, StatusItem},
    response::{Code, NamespaceEntry, Response, Status, StatusValue},
};
use mailstore::{Mailbox, Rights};

use super::{
    acl::found,
    blocking::{read, refusal},
    namespace::{Found, OTHERS, of_another},
    policy::{Done, Handled, Policy},
};

/// What separates levels in names.
pub(super) const SEPARATOR: char = '/';

impl Policy {
    pub(super) async fn create(&mut self, create: Create) -> Handled {
        let special = match &*create.special_use {
            [] => None,
            // RFC 6154 §3: those that a mailbox can have here.
            [one] => Some(mailstore::SpecialUse::parse(&one.to_string()).ok_or_else(no_such_use)?),
            _ => return Err(no_such_use()),
        };
        // RFC 9051 §6.3.4: a separator at the end only says that there will be more below.
        let name = create.mailbox.as_str();
        let name = name.strip_suffix(SEPARATOR).unwrap_or(name);
        let place = self.room_for(name).await?;
        // To another client it would be told of its owner's mailboxes.
        if special.is_some() && !place.is_own() {
            return Err(no_such_use());
        }
        let created = self.shared.mailstore.create(place.account, &place.name, special, self.now()).await;
        let mailbox = created.map_err(|error| refusal(&error))?;
        let status = Status::ok("Created");
        Ok(Done {
            responses: Vec::new(),
            status: match object_id(&mailbox.id) {
                Some(id) => status.with(Code::MailboxId(id)),
                None => status,
            },
        })
    }

    pub(super) async fn delete(&mut self, mailbox: &imap::Mailbox) -> Handled {
        let found = found(self.find(mailbox).await?, Rights::DELETE)?.mailbox;
        if self.selected.as_ref().is_some_and(|selected| selected.id == found.id) {
            // RFC 9051 §6.3.5 lets us; its numbers would mean nothing.
            return Err(Status::no("It is selected: unselect it first").with(Code::InUse));
        }
        let deleted = self.shared.mailstore.delete(found.account, &found.name, self.now()).await;
        deleted.map_err(|error| refusal(&error))?;
        Ok(Done::ok("Deleted"))
    }

    pub(super) async fn rename(&mut self, from: &imap::Mailbox, to: &imap::Mailbox) -> Handled {
        let mailbox = self.find(from).await?;
        // Of one's own there may be a level without a mailbox, and mailboxes below it.
        let (account, name) = if mailbox.is_none() && of_another(from.as_str()).is_none() {
            (self.account()?, from.as_str().to_owned())
        } else {
            let Found { mailbox, is_own, .. } = found(mailbox, Rights::DELETE)?;
            if !is_own && mailbox.name == imap::Mailbox::inbox().as_str() {
                return Err(Status::no("INBOX stays").with(Code::Cannot));
            }
            (mailbox.account, mailbox.name)
        };
        let place = self.room_for(to.as_str()).await?;
        if place.account != account {
            return Err(Status::no("A mailbox stays with its owner").with(Code::Cannot));
        }
        let renamed = self.shared.mailstore.rename(account, &name, &place.name, self.now()).await;
        renamed.map_err(|error| refusal(&error))?;
        Ok(Done::ok("Renamed"))
    }

    pub(super) async fn subscribe(&mut self, mailbox: &imap::Mailbox, subscribed: bool) -> Handled {
        let account = self.account()?;
        // RFC 9051 §6.3.7: a name that there is no mailbox of is no subscription that anybody meant.
        let name = if subscribed {
            found(self.find(mailbox).await?, Rights::LOOKUP)?.name
        } else {
            mailbox.as_str().to_owned()
        };
        let changed = self.shared.mailstore.subscribe(account, &name, subscribed).await;
        changed.map_err(|error| refusal(&error))?;
        Ok(Done::ok(if subscribed { "Subscribed" } else { "Unsubscribed" }))
    }

    /// RFC 9051 §6.3.10.
    pub(super) fn namespace() -> Done {
        let personal = vec![NamespaceEntry { prefix: "".into(), separator: Some(SEPARATOR) }];
        let others = vec![NamespaceEntry { prefix: OTHERS.into(), separator: Some(SEPARATOR) }];
        let told = Response::Namespace { personal, others, shared: Vec::new() };
        Done::telling(vec![told], "Done")
    }

    pub(super) async fn status(&mut self, name: imap::Mailbox, items: &[StatusItem]) -> Handled {
        let mailbox = found(self.find(&name).await?, Rights::READ)?.mailbox;
        let mut responses = Vec::new();
        if items.contains(&StatusItem::HighestModSeq) {
            responses = self.knows_condstore();
        }
        responses.push(self.status_of(name, &mailbox, items).await?);
        Ok(Done::telling(responses, "Done"))
    }

    /// STATUS of a mailbox, also for LIST.
    pub(super) async fn status_of(
        &self,
        name: imap::Mailbox,
        mailbox: &Mailbox,
        items: &[StatusItem],
    ) -> Result<Response, Status> {
        let recent = if items.contains(&StatusItem::Recent) { self.recent_of(mailbox).await? } else { 0 };
        let limit = u32::try_from(self.shared.config.message_octets_max).ok();
        let value = |item: &StatusItem| {
            Some(match item {
                StatusItem::Messages => StatusValue::Number(*item, mailbox.messages),
                StatusItem::Recent => StatusValue::Number(*item, recent),
                StatusItem::UidNext => StatusValue::Number(*item, mailbox.uid_next.into()),
                StatusItem::UidValidity => StatusValue::Number(*item, mailbox.uid_validity.into()),
                StatusItem::Unseen => StatusValue::Number(*item, mailbox.unseen),
                StatusItem::Size => StatusValue::Number(*item, mailbox.octets),
                StatusItem::Deleted => StatusValue::Number(*item, mailbox.deleted),
                StatusItem::DeletedStorage => StatusValue::Number(*item, mailbox.deleted_octets),
                StatusItem::HighestModSeq => StatusValue::Number(*item, mailbox.highest_modseq),
                StatusItem::MailboxId => StatusValue::MailboxId(object_id(&mailbox.id)?),
                StatusItem::AppendLimit => StatusValue::AppendLimit(limit),
            })
        };
        Ok(Response::StatusOf { mailbox: name, values: items.iter().filter_map(value).collect() })
    }

    /// Messages that no session has seen.
    async fn recent_of(&self, mailbox: &Mailbox) -> Result<u64, Status> {
        let (id, from) = (mailbox.id, self.shared.mailstore.recent_from(mailbox));
        if from >= mailbox.uid_next {
            return Ok(0);
        }
        let view = read(&self.shared.mailstore, move |mailstore| mailstore.view(id)).await?;
        let recent = view.messages.iter().filter(|state| state.uid >= from).count();
        Ok(u64::try_from(recent).unwrap_or(u64::MAX))
    }
}

/// An identity as RFC 8474 writes it.
pub(super) fn object_id(id: &impl Display) -> Option<ObjectId> {
    ObjectId::new(&id.to_string())
}

fn no_such_use() -> Status {
    Status::no("No mailbox can have that use here").with(Code::UseAttr)
}
