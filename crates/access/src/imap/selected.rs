//! The selected mailbox as this client knows it.

use imap::{
    Flag, Sequence,
    command::SpecialUse,
    response::{Code, FetchValue, Fetched, Response, Status},
};
use mailstore::{
    Changes, Flags, Keywords, MailboxId, MessageState, ModSeq, Rights, Stored, Uid, UidSet, Watch,
};

use super::{
    flags,
    numbers::{Numbers, Picked},
};

/// What a client has selected, and what it was told of it. Small: flags are not held, but asked for.
pub(super) struct Selected {
    pub(super) id: MailboxId,
    /// By EXAMINE.
    pub(super) examined: bool,
    /// What the client may do here.
    pub(super) rights: Rights,
    /// What it was told of that.
    pub(super) rights_told: Rights,
    pub(super) numbers: Numbers,
    /// What is expunged and was not told yet.
    pub(super) gone: UidSet,
    /// Up to here all is told, but what is in `gone`.
    pub(super) modseq: ModSeq,
    pub(super) keywords: Keywords,
    /// From here on messages are `\Recent` for this client (RFC 3501 §2.3.2).
    pub(super) recent_from: Uid,
    /// Changes of its own that it knows already, ascending.
    pub(super) own: Vec<ModSeq>,
    pub(super) watch: Watch,
    /// Something has changed that was not looked at yet.
    pub(super) dirty: bool,
    /// `$` (RFC 5182).
    pub(super) saved: UidSet,
}

/// How a client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is wanted by itself")]
pub(super) struct Manner {
    /// It speaks IMAP4rev2, and knows no `\Recent`.
    pub(super) rev2: bool,
    /// It wants mod-sequences.
    pub(super) condstore: bool,
    /// It wants VANISHED instead of EXPUNGE.
    pub(super) qresync: bool,
    /// EXPUNGE may be told.
    pub(super) expunges: bool,
}

/// One of these makes a mailbox one that can be changed (RFC 4314 §5.2): flags are the same for all who have rights to it.
const CHANGING: [Rights; 5] =
    [Rights::INSERT, Rights::EXPUNGE, Rights::SEEN, Rights::WRITE, Rights::DELETE_MESSAGES];

impl Selected {
    /// Whether nothing can be changed here.
    pub(super) fn is_read_only(&self) -> bool {
        self.examined || !CHANGING.into_iter().any(|right| self.rights.contains(right))
    }

    /// What is told where rights have changed (RFC 4314 §5.1.1).
    pub(super) fn rights_changed(&mut self) -> Vec<Response> {
        if self.rights == self.rights_told {
            return Vec::new();
        }
        self.rights_told = self.rights;
        let (code, text) = access_told(self.is_read_only());
        let mut told = vec![Response::Status(Status::ok(text).with(code))];
        told.extend(self.flags_told());
        told
    }

    /// The messages of a set.
    ///
    /// # Errors
    /// A number that no message has (RFC 9051 §2.3.1.2).
    pub(super) fn pick(&self, sequence: &Sequence, uid: bool) -> Result<Picked, Status> {
        let count = self.numbers.count();
        if let Sequence::Set(set) = sequence
            && !uid
            // What `*` makes of a set is never wrong.
            && set.ranges(0).last().is_some_and(|range| *range.end() > count)
        {
            return Err(Status::bad("No message has that number"));
        }
        Ok(self.pick_known(sequence, uid))
    }

    /// Those messages of a set that there are: for SEARCH, to which a set is a condition that a message meets or not.
    pub(super) fn pick_known(&self, sequence: &Sequence, uid: bool) -> Picked {
        match sequence {
            Sequence::Saved => self.numbers.by_uids(self.saved.ranges()),
            Sequence::Set(set) if uid => self.numbers.by_uids(set.ranges(self.numbers.last_uid())),
            Sequence::Set(set) => self.numbers.by_numbers(set.ranges(self.numbers.count())),
        }
    }

    /// Takes up what became different; what is told of it.
    pub(super) fn apply(&mut self, changes: Changes, manner: Manner) -> Vec<Response> {
        let Changes { mailbox, keywords, changed, vanished } = changes;
        let mut told = Vec::new();
        let known = self.numbers.by_uids(vanished.ranges()).uids();
        self.gone = self.gone.ranges().chain(known.ranges()).collect();
        if manner.expunges {
            self.tell_gone(manner, &mut told);
        }
        told.extend(self.learn(keywords));
        let before = self.numbers.count();
        for state in &changed {
            if state.uid <= self.numbers.last_uid() {
                let is_own = self.is_own(state.modseq);
                if let Some(number) = self.numbers.number(state.uid).filter(|_| !is_own) {
                    told.push(self.state_told(number, *state, manner));
                }
            } else {
                self.numbers.push(state.uid);
            }
        }
        if self.numbers.count() > before {
            told.push(Response::Exists(self.numbers.count()));
            if !manner.rev2 {
                told.push(Response::Recent(self.recent()));
            }
        }
        self.modseq = mailbox.highest_modseq;
        self.own.clear();
        told
    }

    /// Takes up the keywords as they are now: flags that were read since are named by these. What is told of it.
    pub(super) fn learn(&mut self, keywords: Keywords) -> Vec<Response> {
        if keywords.all().eq(self.keywords.all()) {
            return Vec::new();
        }
        self.keywords = keywords;
        self.flags_told().into()
    }

    /// Whether the client knows how a message was at this mod-sequence.
    pub(super) fn knows(&self, modseq: ModSeq) -> bool {
        modseq <= self.modseq || self.is_own(modseq)
    }

    /// Of a whole mailbox that is fetched for the first time there are some thousands.
    fn is_own(&self, modseq: ModSeq) -> bool {
        self.own.binary_search(&modseq).is_ok()
    }

    /// Notes a change of its own that is told with its answer. Where nothing became different there is none: the last mod-sequence is
    /// then that of somebody else, of whom the client has to hear.
    pub(super) fn note_own(&mut self, stored: &Stored) {
        self.own.extend(&stored.own);
    }

    /// Tells what is expunged: from here on numbers are others.
    fn tell_gone(&mut self, manner: Manner, told: &mut Vec<Response>) {
        if self.gone.is_empty() {
            return;
        }
        let gone = std::mem::take(&mut self.gone);
        if manner.qresync {
            told.push(Response::Vanished { earlier: false, uids: set_of(&gone) });
        } else {
            // From the last one, so that each number is still what it was.
            let mut numbers: Vec<u32> = gone.iter().filter_map(|uid| self.numbers.number(uid)).collect();
            numbers.reverse();
            told.extend(numbers.into_iter().map(Response::Expunge));
        }
        self.numbers.remove(&gone);
        self.saved = self.saved.iter().filter(|uid| !gone.contains(*uid)).collect();
    }

    /// How many messages are `\Recent` for this client.
    pub(super) fn recent(&self) -> u32 {
        self.numbers.by_uids([self.recent_from..=Uid::MAX]).count()
    }

    /// FLAGS and PERMANENTFLAGS (RFC 9051 §7.3.5).
    pub(super) fn flags_told(&self) -> [Response; 2] {
        let all = flags::all(&self.keywords);
        let allowed = self.rights.flags();
        let may_set = |flag: &&Flag| match flags::bit(flag) {
            Some(bit) => allowed.flags.contains(bit),
            None => allowed.keywords,
        };
        let permanent = all.iter().filter(|_| !self.is_read_only()).filter(may_set).cloned().collect();
        let new = !self.is_read_only() && allowed.keywords && !self.keywords.is_full();
        let code = Code::PermanentFlags { flags: permanent, new };
        let status = Status::ok("Flags that stay").with(code);
        [Response::Flags(all), Response::Status(status)]
    }

    /// The flags of a message.
    pub(super) fn flags(&self, uid: Uid, flags: Flags, keywords: u64, manner: Manner) -> Vec<Flag> {
        let recent = !manner.rev2 && uid >= self.recent_from;
        flags::of(flags, self.keywords.names(keywords), recent)
    }

    /// FETCH of what changed of a message. Always with the UID: RFC 7162 §3.2.4 wants it with QRESYNC, and it helps others too.
    pub(super) fn state_told(&self, number: u32, state: MessageState, manner: Manner) -> Response {
        let flags = self.flags(state.uid, state.flags, state.keywords, manner);
        let mut values = vec![FetchValue::Uid(state.uid), FetchValue::Flags(flags)];
        if manner.condstore {
            values.push(FetchValue::ModSeq(state.modseq));
        }
        Response::Fetch(Box::new(Fetched { number, values }))
    }
}

/// Whether a mailbox can be changed, as SELECT says it.
pub(super) fn access_told(read_only: bool) -> (Code, &'static str) {
    if read_only { (Code::ReadOnly, "Opened to read") } else { (Code::ReadWrite, "Selected") }
}

/// As IMAP writes it.
pub(super) fn set_of(uids: &UidSet) -> imap::SequenceSet {
    imap::SequenceSet::from_ranges(uids.ranges())
}

/// What a mailbox is for, as IMAP says it.
pub(super) fn special_use(special: mailstore::SpecialUse) -> SpecialUse {
    match special {
        mailstore::SpecialUse::All => SpecialUse::All,
        mailstore::SpecialUse::Archive => SpecialUse::Archive,
        mailstore::SpecialUse::Drafts => SpecialUse::Drafts,
        mailstore::SpecialUse::Flagged => SpecialUse::Flagged,
        mailstore::SpecialUse::Junk => SpecialUse::Junk,
        mailstore::SpecialUse::Sent => SpecialUse::Sent,
        mailstore::SpecialUse::Trash => SpecialUse::Trash,
    }
}
