//! What there is on the other server: mailboxes, and the messages in each without their octets.

use std::collections::HashSet;

use imap::client::{Code, Condition, Listed, Namespaces, Response, Status, Word};

use super::{Connection, Folder, RemoteError, connection::must_be_ok};
use crate::terminal::clean;

/// The most mailboxes that a server may have, in both lists together.
const FOLDERS_MAX: usize = 20_000;
/// The longest name of a mailbox; longer ones no mailbox here could have.
const NAME_OCTETS_MAX: usize = 4096;
/// The most messages of a mailbox.
const MESSAGES_MAX: usize = 20_000_000;

/// What a mailbox holds.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) uid_validity: u32,
    /// UIDs, ascending, and how many octets each is said to have.
    pub(crate) messages: Vec<(u32, u64)>,
}

/// All mailboxes of a server, and whose they are.
pub(crate) async fn folders(connection: &mut Connection) -> Result<(Vec<Listed>, Namespaces), RemoteError> {
    let (mut listed, mut namespaces) = (Vec::new(), Namespaces::default());
    if connection.can("NAMESPACE") || connection.can("IMAP4REV2") {
        let status = connection.command(&[Word::Raw("NAMESPACE")], |response| {
            if let Response::Namespace(found) = response {
                namespaces = found;
            }
            Ok(())
        });
        must_be_ok("NAMESPACE", &status.await?)?;
    }
    let extended =
        connection.can("IMAP4REV2") || connection.can("LIST-EXTENDED") && connection.can("SPECIAL-USE");
    let mut take = |response| match response {
        Response::Mailbox(one) if one.name.len() <= NAME_OCTETS_MAX => {
            listed.push(one);
            if listed.len() > FOLDERS_MAX {
                return Err(RemoteError::Wrong(format!("it has more than {FOLDERS_MAX} mailboxes")));
            }
            Ok(())
        }
        _ => Ok(()),
    };
    let list = if extended { "LIST \"\" \"*\" RETURN (SPECIAL-USE SUBSCRIBED)" } else { "LIST \"\" \"*\"" };
    let status = connection.command(&[Word::Raw(list)], &mut take).await?;
    must_be_ok("LIST", &status)?;
    if !extended {
        let status = connection.command(&[Word::Raw("LSUB \"\" \"*\"")], &mut take).await?;
        must_be_ok("LSUB", &status)?;
    }
    Ok((listed, namespaces))
}

/// What tells that two messages of two mailboxes are one, where the server can.
pub(crate) fn same_item(connection: &Connection) -> Option<&'static str> {
    if connection.can("X-GM-EXT-1") {
        Some("X-GM-MSGID")
    } else {
        connection.can("OBJECTID").then_some("EMAILID")
    }
}

/// Opens a mailbox for reading; its UIDVALIDITY.
pub(crate) async fn open(connection: &mut Connection, folder: &Folder) -> Result<u32, RemoteError> {
    let opened = examine(connection, folder).await?;
    opened.map(|(validity, _)| validity).map_err(RemoteError::Refused)
}

/// Opens a mailbox for reading; its UIDVALIDITY, and whether nothing is in it. `Err` within: why the server does not open it.
async fn examine(
    connection: &mut Connection,
    folder: &Folder,
) -> Result<Result<(u32, bool), String>, RemoteError> {
    let (mut validity, mut empty) = (None, true);
    let words = [Word::Raw("EXAMINE"), Word::String(&folder.raw)];
    let status = connection.command(&words, |response| {
        match response {
            Response::Told(Status { code: Some(Code::UidValidity(found)), .. }) => validity = Some(found),
            Response::Exists(messages) => empty = messages == 0,
            _ => {}
        }
        Ok(())
    });
    let status = status.await?;
    if status.condition != Condition::Ok {
        return Ok(Err(clean(&status.text)));
    }
    let validity = validity
        .ok_or_else(|| RemoteError::Wrong(format!("it tells no UIDVALIDITY of {}", clean(&folder.name))))?;
    Ok(Ok((validity, empty)))
}

/// What a mailbox holds. `others`: the messages of mailboxes before this one, which those of this one join; of one of which only the rest is wanted, those
/// are left out. `Err` within: the server does not let us open it.
pub(crate) async fn survey(
    connection: &mut Connection,
    folder: &Folder,
    others: &mut HashSet<Vec<u8>>,
) -> Result<Result<Held, String>, RemoteError> {
    let (uid_validity, empty) = match examine(connection, folder).await? {
        Ok(opened) => opened,
        Err(why) => return Ok(Err(why)),
    };
    let mut held = Held { uid_validity, messages: Vec::new() };
    if empty {
        return Ok(Ok(held));
    }
    let same = same_item(connection);
    let items =
        format!("UID FETCH 1:* (UID RFC822.SIZE{})", same.map(|item| format!(" {item}")).unwrap_or_default());
    let words = [Word::Raw(&items)];
    let status = connection.command(&words, |response| {
        let Response::Fetch(fetched) = response else { return Ok(()) };
        let Some(uid) = fetched.uid else { return Ok(()) };
        if let Some(email) = fetched.email {
            // Twice within one mailbox is twice.
            if folder.rest_only && others.contains(&email) {
                return Ok(());
            }
            if !folder.rest_only {
                others.insert(email);
            }
        }
        if held.messages.len() >= MESSAGES_MAX {
            let why = format!("{} has more than {MESSAGES_MAX} messages", clean(&folder.name));
            return Err(RemoteError::Wrong(why));
        }
        held.messages.push((uid, fetched.octets.unwrap_or_default()));
        Ok(())
    });
    must_be_ok("UID FETCH", &status.await?)?;
    held.messages.sort_unstable();
    held.messages.dedup_by_key(|(uid, _)| *uid);
    Ok(Ok(held))
}
