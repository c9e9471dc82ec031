//! Rights to mailboxes (RFC 4314): who may do what, and the commands that tell and change it.

use imap::{
    command::{RightsChange, SetAcl},
    response::{Code, Response, RightsEntry, Status},
};
use mail::Address;
use mailstore::{ANYONE, AclChange, Rights};

use super::{
    blocking::{read, refusal},
    namespace::{Found, Place},
    policy::{Done, Handled, Policy},
};

impl Policy {
    /// The mailbox of a name, whatever the client may do with it.
    pub(super) async fn find(&self, name: &imap::Mailbox) -> Result<Option<Found>, Status> {
        let (client, name) = (self.account()?, name.as_str().to_owned());
        read(&self.shared.mailstore, move |mailstore| {
            let place = Place::of(mailstore, client, &name)?;
            place.map_or(Ok(None), |place| place.find(mailstore, client))
        })
        .await
    }

    /// Where a mailbox of this name can be made. The error is the same whether there is one or not (RFC 4314 §4, §6).
    pub(super) async fn room_for(&self, name: &str) -> Result<Place, Status> {
        let (client, name) = (self.account()?, name.to_owned());
        let place = read(&self.shared.mailstore, move |mailstore| {
            let Some(place) = Place::of(mailstore, client, &name)? else { return Ok(None) };
            let above = mailstore.nearest_above(place.account, &place.name)?;
            let rights = above.map(|above| mailstore.rights(above.id, client)).transpose()?;
            let may = rights.map_or(place.is_own(), |rights| rights.contains(Rights::CREATE));
            Ok(may.then_some(place))
        });
        place.await?.ok_or_else(no_permission)
    }

    /// A mailbox to put messages into.
    pub(super) async fn target(&self, name: &imap::Mailbox) -> Result<Found, Status> {
        match found(self.find(name).await?, Rights::INSERT) {
            // RFC 9051 §6.3.12: where there could be one.
            Err(status) if status.code == Some(Code::NonExistent) => {
                let can_be_made = self.room_for(name.as_str()).await.is_ok();
                let code = if can_be_made { Code::TryCreate } else { Code::NonExistent };
                Err(status.with(code))
            }
            found => found,
        }
    }

    pub(super) async fn get_acl(&self, name: imap::Mailbox) -> Handled {
        let id = found(self.find(&name).await?, Rights::ADMINISTER)?.mailbox.id;
        let list = read(&self.shared.mailstore, move |mailstore| mailstore.acl(id)).await?;
        let entries = list.into_iter().map(|entry| RightsEntry {
            identifier: entry.identifier.into(),
            rights: entry.rights.told().into(),
        });
        Ok(Done::telling(vec![Response::Acl { mailbox: name, entries: entries.collect() }], "Done"))
    }

    pub(super) async fn my_rights(&self, name: imap::Mailbox) -> Handled {
        let rights = self.find(&name).await?.map_or(Rights::none(), |found| found.rights);
        // RFC 4314 §4: one of these is enough.
        if !Rights::parse("lrikxa").is_some_and(|enough| rights.has_any(enough)) {
            return Err(no_such_mailbox());
        }
        Ok(Done::telling(vec![Response::MyRights { mailbox: name, rights: rights.told().into() }], "Done"))
    }

    /// RFC 4314 §3.4: nothing is tied to anything but in the rights of RFC 2086, and to the owner some are always granted.
    pub(super) async fn list_rights(&self, name: imap::Mailbox, identifier: Box<str>) -> Handled {
        let known = self.identifier(&identifier)?;
        let found = found(self.find(&name).await?, Rights::ADMINISTER)?;
        let id = found.mailbox.id;
        let list = read(&self.shared.mailstore, move |mailstore| mailstore.acl(id)).await?;
        let owner = list.first().map(|entry| entry.identifier.clone());
        let is_owner = |name: &str| owner.as_deref() == Some(name);
        let always = if is_owner(&known) || known.strip_prefix('-').is_some_and(is_owner) {
            Rights::of_owner()
        } else {
            Rights::none()
        };
        let optional = Rights::all().without(always).to_string();
        let required = if is_owner(&known) { always } else { Rights::none() };
        let told = Response::ListRights {
            mailbox: name,
            identifier,
            required: required.to_string().into(),
            optional: optional.chars().chain(['c', 'd']).map(|letter| letter.to_string().into()).collect(),
        };
        Ok(Done::telling(vec![told], "Done"))
    }

    pub(super) async fn set_acl(&mut self, set: SetAcl) -> Handled {
        let SetAcl { mailbox, identifier, change, rights } = set;
        // RFC 4314 §3.1: one that is none is never left out silently.
        let rights = Rights::parse(&rights).ok_or_else(|| Status::bad("There is no such right"))?;
        let identifier = self.identifier(&identifier)?;
        let id = found(self.find(&mailbox).await?, Rights::ADMINISTER)?.mailbox.id;
        let change = match change {
            RightsChange::Replace => AclChange::Replace(rights),
            RightsChange::Add => AclChange::Add(rights),
            RightsChange::Remove => AclChange::Remove(rights),
        };
        let changed = self.shared.mailstore.change_acl(id, &identifier, change).await;
        changed.map_err(|error| refusal(&error))?;
        Ok(Done::ok("Changed"))
    }

    pub(super) async fn delete_acl(&mut self, mailbox: &imap::Mailbox, identifier: &str) -> Handled {
        // An entry of who is gone can be removed too.
        let identifier = match self.identifier(identifier) {
            Err(status) if status.code.is_some() => prepared(identifier)?.to_ascii_lowercase(),
            known => known?,
        };
        let id = found(self.find(mailbox).await?, Rights::ADMINISTER)?.mailbox.id;
        let deleted = self.shared.mailstore.delete_acl(id, &identifier).await;
        deleted.map_err(|error| refusal(&error))?;
        Ok(Done::ok("Deleted"))
    }

    /// Whom an identifier means, in the one spelling by which lists are compared: the name of an account of whatever address of its,
    /// or anyone. With a dash before it, it is an entry that takes away.
    fn identifier(&self, given: &str) -> Result<String, Status> {
        let given = prepared(given)?;
        let (dash, name) = given.strip_prefix('-').map_or(("", &*given), |name| ("-", name));
        if let Some(anyone) = ANYONE.into_iter().find(|anyone| anyone.eq_ignore_ascii_case(name)) {
            return Ok(format!("{dash}{anyone}"));
        }
        let directory = self.shared.authenticator.directory();
        let address = Address::parse(name).ok().filter(|address| directory.detail(address).is_none());
        // Where one account gets the mail of all addresses, not all of them mean it.
        let account = address.as_ref().and_then(|address| {
            let account = directory.account(address)?;
            let mut own = account.addresses().iter().chain([account.login()]);
            let is_its = |own: &Address| own.to_string().eq_ignore_ascii_case(name);
            (directory.is_own(address) || own.any(is_its)).then_some(account)
        });
        match account {
            Some(account) => Ok(format!("{dash}{}", account.directory_name())),
            None => Err(Status::no("Nobody here has that name").with(Code::NonExistent)),
        }
    }
}

/// RFC 4314 §3: by SASLprep; what cannot be prepared, or is nothing then, is BAD.
fn prepared(identifier: &str) -> Result<String, Status> {
    match sasl::saslprep(identifier) {
        Ok(prepared) if !matches!(&*prepared, "" | "-") => Ok(prepared.into_owned()),
        _ => Err(Status::bad("Not an identifier")),
    }
}

/// The mailbox, if the client may do that with it. Who may not even see it is told that there is none (RFC 4314 §6).
pub(super) fn found(mailbox: Option<Found>, needed: Rights) -> Result<Found, Status> {
    match mailbox {
        Some(found) if found.rights.contains(needed) => Ok(found),
        Some(found) if found.rights.contains(Rights::LOOKUP) => Err(no_permission()),
        _ => Err(no_such_mailbox()),
    }
}

fn no_such_mailbox() -> Status {
    Status::no("No such mailbox").with(Code::NonExistent)
}

pub(super) fn no_permission() -> Status {
    Status::no("You have no right to do that").with(Code::NoPerm)
}
