//! SELECT, EXAMINE, CLOSE and UNSELECT (RFC 9051 §6.3.2, §6.4.1), with what a client knows from before (RFC 7162).

use imap::{
    command::{Qresync, Select},
    response::{Code, FetchValue, Response, Status},
};
use mailstore::{Changes, Flags, Mailbox, Rights, UidSet, View};

use super::{
    acl::{found, no_permission},
    blocking::{read, refusal},
    list::entry,
    mailboxes::object_id,
    namespace::Found,
    numbers::Numbers,
    policy::{Done, Handled, Policy},
    selected::{Selected, access_told, set_of},
};

impl Policy {
    pub(super) async fn select(&mut self, select: Select) -> Handled {
        // RFC 9051 §6.3.2: whatever comes of it, nothing is selected from here on.
        self.selected = None;
        let Select { mailbox: name, read_only, condstore, qresync } = select;
        self.manner.condstore |= condstore;
        let Found { mailbox, .. } = found(self.find(&name).await?, Rights::READ)?;
        let recent_from = self.recent_from(&mailbox, read_only).await?;
        let watch = self.shared.mailstore.watch(mailbox.id);
        let (id, client) = (mailbox.id, self.account()?);
        let (rights, view, changes) = read(&self.shared.mailstore, move |mailstore| {
            // What is taken away from here on, the watch tells.
            let (rights, view) = (mailstore.rights(id, client)?, mailstore.view(id)?);
            let since = qresync.as_ref().filter(|known| known.uid_validity == view.mailbox.uid_validity);
            let changes = since.map(|known| mailstore.changes(id, known.mod_seq)).transpose()?;
            Ok((rights, view, changes.zip(qresync)))
        })
        .await?;
        if !rights.contains(Rights::READ) {
            return Err(no_permission());
        }
        let View { mailbox, keywords, messages } = view;
        let first_unseen = (1..).zip(&messages).find(|(_, state)| !state.flags.contains(Flags::SEEN));
        let first_unseen = first_unseen.map(|(number, _)| number);
        let selected = Selected {
            id,
            examined: read_only,
            rights,
            rights_told: rights,
            numbers: Numbers::of(messages.iter().map(|state| state.uid)),
            gone: UidSet::default(),
            modseq: mailbox.highest_modseq,
            keywords,
            recent_from,
            own: Vec::new(),
            watch,
            // What changed between the watch and the view is in the view.
            dirty: false,
            saved: UidSet::default(),
        };
        let responses = self.selected_told(&selected, &name, &mailbox, first_unseen, changes);
        let (code, text) = access_told(selected.is_read_only());
        self.selected = Some(Box::new(selected));
        Ok(Done { responses, status: Status::ok(text).with(code) })
    }

    /// Only the first session that sees a message is told that it is recent; one that may change nothing changes not that either.
    async fn recent_from(&self, mailbox: &Mailbox, read_only: bool) -> Result<u32, Status> {
        let recent_from = self.shared.mailstore.recent_from(mailbox);
        if read_only || self.manner.rev2 || recent_from >= mailbox.uid_next {
            return Ok(recent_from);
        }
        self.shared.mailstore.take_recent(mailbox.id).await.map_err(|error| refusal(&error))
    }

    /// RFC 9051 §6.3.2, in the order of its examples.
    fn selected_told(
        &self,
        selected: &Selected,
        name: &imap::Mailbox,
        mailbox: &Mailbox,
        first_unseen: Option<u32>,
        changes: Option<(Changes, Qresync)>,
    ) -> Vec<Response> {
        let status = |text, code| Response::Status(Status::ok(text).with(code));
        let mut told = vec![Response::Exists(selected.numbers.count())];
        if !self.manner.rev2 {
            told.push(Response::Recent(selected.recent()));
            // RFC 3501 §6.3.1; IMAP4rev2 has done away with it.
            told.extend(first_unseen.map(|number| status("First unseen", Code::Unseen(number))));
        }
        told.push(status("UIDs are valid", Code::UidValidity(mailbox.uid_validity)));
        told.push(status("Next", Code::UidNext(mailbox.uid_next)));
        told.push(status("Highest", Code::HighestModSeq(mailbox.highest_modseq)));
        told.extend(object_id(&mailbox.id).map(|id| status("Its own", Code::MailboxId(id))));
        told.extend(selected.flags_told());
        if self.manner.rev2 {
            let mut listed = entry(&mailbox.name);
            listed.mailbox = Some(name.clone());
            told.push(Response::List(Box::new(listed)));
        }
        if let Some((changes, known)) = changes {
            self.resynchronise(selected, &changes, &known, &mut told);
        }
        told
    }

    /// RFC 7162 §3.2.5.1: what vanished and what changed since the client was here last.
    fn resynchronise(
        &self,
        selected: &Selected,
        changes: &Changes,
        known: &Qresync,
        told: &mut Vec<Response>,
    ) {
        let known_uids: UidSet = match &known.known_uids {
            Some(known) => known.ranges(0).into_iter().collect(),
            None => UidSet::all(),
        };
        // What went only since the mailbox was looked at still has its number, and is told as gone by its own.
        let vanished = selected.numbers.unknown_among(&intersection(&changes.vanished, &known_uids));
        if !vanished.is_empty() {
            told.push(Response::Vanished { earlier: true, uids: set_of(&vanished) });
        }
        for state in changes.changed.iter().filter(|state| known_uids.contains(state.uid)) {
            if let Some(number) = selected.numbers.number(state.uid) {
                let mut response = selected.state_told(number, *state, self.manner);
                if let Response::Fetch(fetched) = &mut response
                    && !self.manner.condstore
                {
                    fetched.values.push(FetchValue::ModSeq(state.modseq));
                }
                told.push(response);
            }
        }
    }

    /// RFC 9051 §6.4.1: what is marked as deleted goes, untold.
    pub(super) async fn close(&mut self) -> Handled {
        // RFC 4314 §4: who may not expunge closes it all the same.
        let expunges =
            |selected: &&Selected| !selected.is_read_only() && selected.rights.contains(Rights::EXPUNGE);
        if let Some(selected) = self.selected.as_deref().filter(expunges) {
            let (id, now) = (selected.id, self.now());
            let expunged = self.shared.mailstore.expunge(id, None, now).await;
            expunged.map_err(|error| refusal(&error))?;
        }
        self.selected = None;
        Ok(Done::ok("Closed"))
    }

    pub(super) fn unselect(&mut self) -> Done {
        self.selected = None;
        Done::ok("Unselected")
    }
}

/// What is in both.
pub(super) fn intersection(one: &UidSet, other: &UidSet) -> UidSet {
    let others: Vec<_> = other.ranges().collect();
    let mut both = Vec::new();
    for range in one.ranges() {
        let first = others.partition_point(|other| other.end() < range.start());
        let touching = others.iter().skip(first).take_while(|other| other.start() <= range.end());
        both.extend(touching.map(|other| *range.start().max(other.start())..=*range.end().min(other.end())));
    }
    both.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_in_both(
            one in prop::collection::btree_set(1_u32..40, 0..30),
            other in prop::collection::btree_set(1_u32..40, 0..30),
        ) {
            let both = intersection(&one.iter().copied().collect(), &other.iter().copied().collect());
            prop_assert!(both.iter().eq(one.intersection(&other).copied()));
        }
    }
}
