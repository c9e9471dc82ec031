//! Flags as IMAP writes them, and as the mailstore keeps them.

use imap::{
    Flag,
    response::{Code, Status},
};
use mailstore::{Flags, Keywords};

const SYSTEM: [(Flags, Flag); 5] = [
    (Flags::ANSWERED, Flag::Answered),
    (Flags::FLAGGED, Flag::Flagged),
    (Flags::DELETED, Flag::Deleted),
    (Flags::SEEN, Flag::Seen),
    (Flags::DRAFT, Flag::Draft),
];

/// Those that a mailbox has.
pub(super) fn all(keywords: &Keywords) -> Vec<Flag> {
    let system = SYSTEM.into_iter().map(|(_, flag)| flag);
    system.chain(keywords.all().map(|name| Flag::Keyword(name.into()))).collect()
}

/// Those of a message.
pub(super) fn of<'a>(flags: Flags, keywords: impl Iterator<Item = &'a str>, recent: bool) -> Vec<Flag> {
    let system = SYSTEM.into_iter().filter(|(bit, _)| flags.contains(*bit)).map(|(_, flag)| flag);
    let keywords = keywords.map(|name| Flag::Keyword(name.into()));
    system.chain(keywords).chain(recent.then_some(Flag::Recent)).collect()
}

/// The bit of a system flag. None: it has none here.
pub(super) fn bit(flag: &Flag) -> Option<Flags> {
    SYSTEM.into_iter().find(|(_, known)| known == flag).map(|(bit, _)| bit)
}

/// What a client wants set. `\Recent` is not its to set, and left out (RFC 3501 §2.3.2).
///
/// # Errors
/// A system flag that there is not.
pub(super) fn wanted(flags: &[Flag]) -> Result<(Flags, Vec<String>), Status> {
    let (mut bits, mut keywords) = (Flags::none(), Vec::new());
    for flag in flags {
        match (bit(flag), flag) {
            (Some(bit), _) => bits = bits.with(bit),
            (None, Flag::Keyword(name)) => keywords.push(name.to_string()),
            (None, Flag::Recent) => {}
            _ => return Err(Status::no("There is no such flag").with(Code::Cannot)),
        }
    }
    Ok((bits, keywords))
}
