//! STORE, COPY, MOVE and EXPUNGE (RFC 9051 §6.4.3, §6.4.6 to §6.4.9, RFC 7162 §3.1.3).

use imap::{
    Sequence, SequenceSet,
    command::{Copy, Store, StoreChange},
    response::{Code, FetchValue, Fetched, Response, Status},
};
use mailstore::{Copied, FlagAction, FlagChange, Flags, FlagsAllowed, Rights, Stored, UidSet};

use super::{
    acl::no_permission,
    blocking::refusal,
    flags,
    namespace::Found,
    numbers::Picked,
    policy::{Done, Handled, Policy},
    selected::set_of,
};

/// What it takes that messages go from a mailbox: to mark them and to expunge them (RFC 6851 §4.2, RFC 8508 §4.1).
pub(super) const REMOVING: Rights = Rights::DELETE_MESSAGES.with(Rights::EXPUNGE);

impl Policy {
    pub(super) async fn store(&mut self, store: Store) -> Handled {
        let Store { uid, set, unchanged_since, change, silent, flags: wanted } = store;
        let mut told = if unchanged_since.is_some() { self.knows_condstore() } else { Vec::new() };
        let selected = self.writable(Rights::none())?;
        let picked = selected.pick(&set, uid)?;
        let wanted = flags::wanted(&wanted)?;
        let (action, (flags, keywords)) = allowed(change, wanted, selected.rights.flags())?;
        let id = selected.id;
        if picked.is_empty() {
            return Ok(Done::telling(told, "Nothing to change"));
        }
        let change = FlagChange { action, flags, keywords, unchanged_since };
        let stored = self.shared.mailstore.store_flags(id, picked.uids(), change).await;
        let stored = stored.map_err(|error| refusal(&error))?;
        let manner = self.manner;
        let selected = self.selected()?;
        told.extend(selected.learn(stored.keywords.clone()));
        for (state, before) in stored.messages.iter().zip(&stored.before) {
            let Some(number) = selected.numbers.number(state.uid) else { continue };
            // RFC 9051 §6.4.6: silent is what the client did itself, not what somebody else did before.
            if !silent || !selected.knows(*before) {
                told.push(selected.state_told(number, *state, manner));
            } else if manner.condstore {
                // RFC 7162 §3.1.3: the new mod-sequence also then.
                let values = vec![FetchValue::Uid(state.uid), FetchValue::ModSeq(state.modseq)];
                told.push(Response::Fetch(Box::new(Fetched { number, values })));
            }
        }
        selected.note_own(&stored);
        Ok(Done { responses: told, status: stored_status(&picked, &stored, uid) })
    }

    pub(super) async fn copy(&mut self, copy: Copy) -> Handled {
        let Copy { uid, set, mailbox } = copy;
        let Found { mailbox: to, rights, .. } = self.target(&mailbox).await?;
        let selected = self.selected()?;
        let (id, uids) = (selected.id, selected.pick(&set, uid)?.uids());
        if uids.is_empty() {
            return Ok(Done::ok("Nothing to copy"));
        }
        let copied = self.shared.mailstore.copy_with(id, uids, to.id, rights.flags(), self.now()).await;
        let copied = copied.map_err(|error| refusal(&error))?;
        self.put_by_itself(to.id, copied.pairs.iter().map(|(_, uid)| *uid));
        self.messages_are_known(to.id).await;
        let code = copied_code(&copied);
        Ok(Done { responses: Vec::new(), status: Status::ok("Copied").with(code) })
    }

    /// RFC 6851. Where the messages are is told before they are gone (RFC 6851 §4.3).
    pub(super) async fn move_to(&mut self, copy: Copy) -> Handled {
        let Copy { uid, set, mailbox } = copy;
        let Found { mailbox: to, rights, .. } = self.target(&mailbox).await?;
        let selected = self.writable(REMOVING)?;
        let (id, uids) = (selected.id, selected.pick(&set, uid)?.uids());
        if uids.is_empty() {
            return Ok(Done::ok("Nothing to move"));
        }
        let moved = self.shared.mailstore.move_with(id, uids, to.id, rights.flags(), self.now()).await;
        let moved = moved.map_err(|error| refusal(&error))?;
        self.put_by_itself(to.id, moved.pairs.iter().map(|(_, uid)| *uid));
        self.messages_are_known(to.id).await;
        let status = Status::ok("Moved").with(copied_code(&moved));
        self.note_change();
        let mut responses = vec![Response::Status(status)];
        responses.extend(self.tell_changes().await?);
        Ok(Done { responses, status: self.with_highest(Status::ok("Done")) })
    }

    pub(super) async fn expunge(&mut self, uids: Option<&Sequence>) -> Handled {
        let selected = self.writable(Rights::EXPUNGE)?;
        let id = selected.id;
        let uids = uids.map(|set| selected.pick(set, true).map(|picked| picked.uids())).transpose()?;
        if uids.as_ref().is_some_and(UidSet::is_empty) {
            return Ok(Done::ok("Nothing to expunge"));
        }
        let expunged = self.shared.mailstore.expunge(id, uids, self.now()).await;
        expunged.map_err(|error| refusal(&error))?;
        self.note_change();
        let responses = self.tell_changes().await?;
        Ok(Done { responses, status: self.with_highest(Status::ok("Expunged")) })
    }

    /// Something of ours has changed the selected mailbox: it is looked at without waiting for the word of it.
    pub(super) fn note_change(&mut self) {
        if let Some(selected) = &mut self.selected {
            selected.dirty = true;
        }
    }

    /// RFC 7162 §3.2.7: with QRESYNC the client hears up to where it knows all; not where something could not be told.
    fn with_highest(&self, status: Status) -> Status {
        let known = self.selected.as_ref().filter(|selected| !selected.dirty && selected.gone.is_empty());
        match known.filter(|_| self.manner.qresync) {
            Some(selected) => status.with(Code::HighestModSeq(selected.modseq)),
            None => status,
        }
    }
}

/// What is left of a change for who may set some flags only. RFC 4314 §4: it fails where nothing is.
fn allowed(
    change: StoreChange,
    (flags, mut keywords): (Flags, Vec<String>),
    allowed: FlagsAllowed,
) -> Result<(FlagAction, (Flags, Vec<String>)), Status> {
    let kept = allowed.kept(flags);
    let asked = !flags.is_empty() || !keywords.is_empty();
    if !allowed.keywords {
        keywords.clear();
    }
    let left = !kept.is_empty() || !keywords.is_empty();
    let action = match change {
        StoreChange::Replace if allowed == FlagsAllowed::all() => FlagAction::Replace,
        StoreChange::Replace => FlagAction::ReplaceAmong(allowed),
        StoreChange::Add => FlagAction::Add,
        StoreChange::Remove => FlagAction::Remove,
    };
    if allowed.is_empty() || change != StoreChange::Replace && asked && !left {
        return Err(no_permission());
    }
    Ok((action, (kept, keywords)))
}

/// RFC 7162 §3.1.3: those that had changed are told in the numbers that the client used; those that are gone in no way.
fn stored_status(picked: &Picked, stored: &Stored, uid: bool) -> Status {
    if stored.modified.is_empty() {
        let known = u64::try_from(stored.messages.len()).unwrap_or(u64::MAX);
        let gone = known < picked.count().into();
        let status = Status::ok("Stored");
        return if gone { status.with(Code::ExpungeIssued) } else { status };
    }
    let modified = if uid {
        set_of(&stored.modified)
    } else {
        let numbers = picked.iter().filter(|(_, uid)| stored.modified.contains(*uid));
        SequenceSet::of(numbers.map(|(number, _)| number))
    };
    Status::ok("Some had changed").with(Code::Modified(modified))
}

/// RFC 4315 §3. Both sets have the same order only if both ascend: the mailstore copies in the order of UIDs.
fn copied_code(copied: &Copied) -> Code {
    let from: UidSet = copied.pairs.iter().map(|(from, _)| *from).collect();
    let to: UidSet = copied.pairs.iter().map(|(_, to)| *to).collect();
    Code::CopyUid { validity: copied.uid_validity, from: set_of(&from), to: set_of(&to) }
}
