//! What comes to reverse-paths that we made: reports of mail that was sent on, for who wrote it, and reports of our own mail; and forged ones, which come to
//! addresses that nobody made.
//!
//! All that is refused gets the same words: nobody learns whether an address was one of ours once.

use directory::{Directory, Resolution, ReturnPaths, Unrestored};
use events::{Event, Kind};
use mail::{Address, EnhancedStatus, Envelope, Reply, ReversePath, Timestamp};
use message_auth::srs::is_rewritten;
use smtp::ForwardPath;

use crate::{
    policy::{Decision, Origin, UNSURE, addressee},
    reception::STATION,
};

/// RFC 3463 §3.8: X.7.1, delivery not authorized.
const NO_REPORT: Reply = Reply::fixed(550, (5, 7, 1), "No report is awaited at this address");
/// Somebody's mail that we did not send is no business of ours.
const UNSIGNED: Reply =
    Reply::fixed(550, (5, 7, 1), "This address takes reports of mail that it has sent from here only");

/// What becomes of a recipient if its address is a reverse-path of ours, or reports come to signed ones alone; none if it is like any other.
pub(crate) fn returned(
    paths: &ReturnPaths,
    origin: Origin,
    directory: &Directory,
    path: &ForwardPath,
    sender: &ReversePath,
    now: Timestamp,
) -> Option<Decision<Vec<Address>>> {
    let address = addressee(directory, path);
    if !directory.is_ours(address) {
        return None;
    }
    // Whoever is called so is that.
    if directory.is_own(address) {
        return (sender.is_null() && demands_signature(paths, origin, directory, address, now))
            .then_some(Decision::Reject(UNSIGNED));
    }
    if is_rewritten(address.local_part()) {
        return Some(sent_on(paths, directory, address, sender, now));
    }
    match paths.signed(address, now) {
        Some(Ok(signed)) => Some(origin.recipient(directory, &ForwardPath::Address(signed), sender)),
        Some(Err(_)) => Some(Decision::Reject(NO_REPORT)),
        None => (sender.is_null() && demands_signature(paths, origin, directory, address, now))
            .then_some(Decision::Reject(UNSIGNED)),
    }
}

/// To the sender of mail that was sent on. It takes reports alone: anybody could write to whom he likes otherwise, with what he has seen of one.
fn sent_on(
    paths: &ReturnPaths,
    directory: &Directory,
    address: &Address,
    sender: &ReversePath,
    now: Timestamp,
) -> Decision<Vec<Address>> {
    if !sender.is_null() {
        return Decision::Reject(NO_REPORT);
    }
    match paths.restore(address, now) {
        Some(Ok(to)) => match directory.resolve(&to) {
            Resolution::NotLocal => Decision::Accept(vec![to]),
            Resolution::Mailboxes(mailboxes) => Decision::Accept(mailboxes),
            Resolution::Unsure => Decision::Defer(UNSURE),
            Resolution::Forwarded(_) | Resolution::List(_) | Resolution::Unknown => {
                Decision::Reject(NO_REPORT)
            }
        },
        Some(Err(Unrestored::Unsure)) => Decision::Defer(UNSURE),
        Some(Err(Unrestored::Untrue(_))) | None => Decision::Reject(NO_REPORT),
    }
}

/// Whether a report to this address has to come to the signed one: it is an account's, whose mail leaves with such, and a stranger brings it. Somebody has to
/// read what comes to postmaster (RFC 5321 §4.5.1).
fn demands_signature(
    paths: &ReturnPaths,
    origin: Origin,
    directory: &Directory,
    address: &Address,
    now: Timestamp,
) -> bool {
    origin.is_verified()
        && !address.is_postmaster()
        && directory.is_of_account(address)
        && paths.sign(address, now).is_some()
}

/// Puts recipients on hold that lead elsewhere, and mailing lists, where the message was judged to be unwanted, also if it is a rule alone that says so:
/// whoever gets it takes us for who sends such mail. Somebody can release it, and then it goes. The event that tells it.
pub(crate) fn hold_back(directory: &Directory, envelope: &mut Envelope) -> Option<Event> {
    if !directory.leads_elsewhere() && directory.lists().next().is_none() {
        return None;
    }
    let mut recipients = Vec::new();
    for recipient in envelope.recipients.iter_mut().filter(|recipient| recipient.junk && !recipient.held) {
        let to = directory.resolve(&recipient.forward_path);
        if let Resolution::Forwarded(_) | Resolution::List(_) = to {
            recipient.held = true;
            recipient.last_reply = Some(held());
            recipients.push(recipient.forward_path.to_string());
        }
    }
    if recipients.is_empty() {
        return None;
    }
    let recipient = if recipients.len() == 1 { recipients.pop() } else { None };
    Some(Event {
        recipient,
        recipients,
        reason: Some(HELD.to_owned()),
        ..Event::new(envelope.received, envelope.id, Kind::Held, STATION)
    })
}

const HELD: &str = "not sent on: it is junk";

/// Stands as last reply, so that `queue show` tells it and `--reason` finds it.
fn held() -> Reply {
    Reply::new(451, EnhancedStatus::new(4, 7, 1), format!("Held, {HELD}"))
}

#[cfg(test)]
#[path = "returned_tests.rs"]
mod tests;
