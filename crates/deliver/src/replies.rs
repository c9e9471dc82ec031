//! What we say ourselves where no peer spoke, in the form of replies (RFC 3463).

use std::fmt::Display;

use mail::{EnhancedStatus, QueueId, Reply};
use message::convert::{Needs, Refusal};

use crate::{relay::NoToken, tls_policy::DANE_UNKNOWN};

/// Our own copy cannot be read.
pub(crate) fn unreadable() -> Reply {
    Reply::fixed(451, (4, 3, 0), "the message cannot be read from the spool")
}

/// Our own key does not sign it.
pub(crate) fn unsignable() -> Reply {
    Reply::fixed(451, (4, 7, 0), "the message cannot be signed")
}

/// Our own keys, or what publishes them, are not as they should be.
pub(crate) fn held(domain: &impl Display, why: &str) -> Reply {
    Reply::new(451, EnhancedStatus::new(4, 7, 0), format!("{}: {why}", held_words(domain)))
}

/// How such a reply begins.
pub(crate) fn held_words(domain: &impl Display) -> String {
    format!("held: mail of {domain} cannot be signed")
}

/// A fault of ours (RFC 3463 §3.4).
pub(crate) fn broke_off() -> Reply {
    Reply::fixed(451, (4, 3, 0), "the delivery broke off by an internal fault")
}

/// No connection (RFC 3463 §3.5: no answer from host).
pub(crate) fn unreachable(host: &str, problem: &impl Display) -> Reply {
    Reply::new(451, EnhancedStatus::new(4, 4, 1), format!("connecting to {host} failed: {problem}"))
}

/// No connection could be begun, for want of something that this machine ought to have (RFC 3463 §3.4). Says nothing of the host.
pub(crate) fn no_socket(problem: &impl Display) -> Reply {
    Reply::new(451, EnhancedStatus::new(4, 3, 0), format!("no connection can be opened here: {problem}"))
}

/// The search for a route ended without an answer.
pub(crate) fn route_lost() -> Reply {
    Reply::fixed(451, (4, 3, 0), "the route could not be worked out")
}

/// There is no token to log in with at a relay (RFC 4954 §6: a temporary authentication failure, or credentials invalid).
pub(crate) fn no_token(relay: &str, why: &NoToken) -> Reply {
    let text = format!("there is no login at the relay {relay}: {why}");
    match why {
        NoToken::Unavailable(_) => Reply::new(454, EnhancedStatus::new(4, 7, 0), text),
        NoToken::Revoked(_) => Reply::new(535, EnhancedStatus::new(5, 7, 8), text),
    }
}

/// A relay's budget is used up (RFC 3463 §3.5: mail system congestion).
pub(crate) fn budget_spent(relay: &str, most: u32) -> Reply {
    let text = format!("the budget of the relay {relay} is used up: {most} recipients within a day");
    Reply::new(450, EnhancedStatus::new(4, 4, 5), text)
}

/// A host lacks what a session with it has to have (RFC 3463 §3.4: system not capable of selected features).
pub(crate) fn lacking(host: &str, what: &str) -> Reply {
    Reply::new(451, EnhancedStatus::new(4, 3, 3), format!("{host} is of no use: {what}"))
}

/// The sender's deadline is over (RFC 2852 §4; RFC 3463 §3.5: delivery time expired).
pub(crate) fn too_late() -> Reply {
    Reply::fixed(451, (4, 4, 7), "the time that the sender gave for delivery is over")
}

/// There is no host to try (any more).
pub(crate) fn no_host() -> Reply {
    Reply::fixed(451, (4, 4, 1), "no host of the domain is left to try")
}

/// The session with a host broke off (RFC 3463 §3.5: bad connection).
pub(crate) fn broken_off(host: &str, problem: &str) -> Reply {
    Reply::new(451, EnhancedStatus::new(4, 4, 2), format!("the session with {host} broke off: {problem}"))
}

/// There is no TLS with a host that must not be spoken to in clear (RFC 5248 §4: 4.7.4 as Postfix says it, security features not supported).
pub(crate) fn no_tls(host: &str, policy: &str, why: &str) -> Reply {
    let text = format!("{host} must not be sent to in clear (policy: {policy}): {why}");
    Reply::new(451, EnhancedStatus::new(4, 7, 4), text)
}

/// Nothing may be sent to a host: how it must be protected cannot be found out (RFC 3463 §3.5: directory server failure), or it is not a host of
/// the domain (§3.8: security).
pub(crate) fn forbidden(why: &str, policy: &str) -> Reply {
    let (subject, detail) = if policy == DANE_UNKNOWN { (4, 3) } else { (7, 5) };
    Reply::new(
        451,
        EnhancedStatus::new(4, subject, detail),
        format!("nothing is sent there (policy: {policy}): {why}"),
    )
}

/// A host that is not who it has to be (RFC 3463 §3.8: cryptographic failure).
pub(crate) fn unproven(host: &str, policy: &str, why: &impl Display) -> Reply {
    let text = format!("{host} is not believed to be that host (policy: {policy}): {why}");
    Reply::new(451, EnhancedStatus::new(4, 7, 5), text)
}

/// The session broke off after the end of data (RFC 1047).
pub(crate) fn in_doubt(host: &str, problem: &str) -> Reply {
    let text = format!(
        "{host} did not answer the end of data: {problem}; it may have the message, and gets it again"
    );
    Reply::new(451, EnhancedStatus::new(4, 4, 2), text)
}

/// No host of the domain takes SMTPUTF8 (RFC 6531 §3.2, RFC 3463 with RFC 6531 §3.5: 5.6.7).
pub(crate) fn no_smtputf8(host: &str) -> Reply {
    Reply::new(
        550,
        EnhancedStatus::new(5, 6, 7),
        format!("{host} does not support SMTPUTF8, which the message needs"),
    )
}

/// The host does not know the deadline after which the message is to be returned (RFC 2852 §4; RFC 3463 §3.4: system not capable
/// of selected features).
pub(crate) fn no_deliver_by(host: &str) -> Reply {
    let text = format!("{host} does not support DELIVERBY, and the message is to be returned after a time");
    Reply::new(550, EnhancedStatus::new(5, 3, 3), text)
}

/// The content is larger than a host takes (RFC 3463 §3.4: message too big for system).
pub(crate) fn too_large(host: &str, limit: Option<u64>) -> Reply {
    let limit = limit.unwrap_or_default();
    let text = format!("the message is larger than {host} takes, which is {limit} octets");
    Reply::new(552, EnhancedStatus::new(5, 3, 4), text)
}

/// Content that needs an extension where there is none, and must not be converted (RFC 3463 §3.7: media not supported;
/// conversion required but not supported).
pub(crate) fn unfit(needs: Needs, refusal: Refusal) -> Reply {
    let detail = if needs == Needs::Binary { 1 } else { 3 };
    Reply::fixed(550, (5, 6, detail), refusal.text())
}

/// The file is in the mailbox.
pub(crate) fn filed() -> Reply {
    Reply::fixed(250, (2, 0, 0), "filed into the mailbox")
}

/// Nobody has this address (any more).
pub(crate) fn no_mailbox() -> Reply {
    Reply::fixed(550, (5, 1, 1), "no such mailbox here")
}

/// A directory elsewhere knows whether somebody has this address, and does not say.
pub(crate) fn unsure() -> Reply {
    Reply::fixed(451, (4, 3, 0), "it cannot be said now whether this mailbox exists")
}

/// The message is on its way to a list's members.
pub(crate) fn sent_on(members: usize, id: QueueId) -> Reply {
    let members = if members == 1 { "the one member".to_owned() } else { format!("{members} members") };
    Reply::new(250, EnhancedStatus::new(2, 0, 0), format!("sent on to {members} of the list as {id}"))
}

/// A list for nobody (RFC 3463 §3.3: mailing list expansion problem).
pub(crate) fn no_members() -> Reply {
    Reply::fixed(550, (5, 2, 4), "the list has no members")
}

/// It was accepted by other rules than those of now.
pub(crate) fn no_poster() -> Reply {
    Reply::fixed(550, (5, 7, 1), "this sender may not write to this list")
}

/// What no list sends on; nobody is told.
pub(crate) fn not_for_a_list() -> Reply {
    Reply::fixed(550, (5, 7, 1), "not for a mailing list")
}

/// A header section that cannot be held.
pub(crate) fn header_too_large() -> Reply {
    Reply::fixed(552, (5, 3, 4), "the header section is too large for a mailing list")
}

/// There is no room for the copy that a list's members are to get.
pub(crate) fn not_stored(is_full: bool) -> Reply {
    if is_full {
        Reply::fixed(452, (4, 3, 1), "there is no room for what the list's members are to get")
    } else {
        Reply::fixed(451, (4, 3, 0), "what the list's members are to get cannot be stored")
    }
}

/// The DNS does not say whether a list may send in the author's name (RFC 3463 §3.8: a matter of policy).
pub(crate) fn author_unknown() -> Reply {
    Reply::fixed(451, (4, 7, 0), "the policy of the author's domain cannot be looked up")
}

/// The message is on its way to whom its address leads.
pub(crate) fn forwarded(recipients: usize, id: QueueId) -> Reply {
    let others = if recipients == 1 { "one address".to_owned() } else { format!("{recipients} addresses") };
    Reply::new(250, EnhancedStatus::new(2, 0, 0), format!("sent on to {others} as {id}"))
}

/// What was judged to be unwanted is passed on to nobody.
pub(crate) fn junk_stays() -> Reply {
    Reply::fixed(550, (5, 7, 1), "judged to be unwanted, and not sent on")
}

/// Without a reverse-path of ours it would be taken for a forgery.
pub(crate) fn no_return_path() -> Reply {
    Reply::fixed(451, (4, 3, 0), "no reverse-path can be made for what is to be sent on")
}

/// A header section that cannot be held.
pub(crate) fn header_too_large_to_forward() -> Reply {
    Reply::fixed(552, (5, 3, 4), "the header section is too large to be sent on")
}

/// There is no room for the copy that is to be sent on.
pub(crate) fn not_stored_to_forward(is_full: bool) -> Reply {
    if is_full {
        Reply::fixed(452, (4, 3, 1), "there is no room for what is to be sent on")
    } else {
        Reply::fixed(451, (4, 3, 0), "what is to be sent on cannot be stored")
    }
}

/// The domain was ours when the route was chosen, and is not any more.
pub(crate) fn not_local() -> Reply {
    Reply::fixed(451, (4, 3, 5), "the domain is not local any more")
}

/// The message was in this mailbox before (RFC 9228).
pub(crate) fn mail_loop(address: &impl Display) -> Reply {
    Reply::new(
        554,
        EnhancedStatus::new(5, 4, 6),
        format!("mail loop: the message was delivered to {address} before"),
    )
}
