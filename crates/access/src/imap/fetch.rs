//! FETCH (RFC 9051 §6.4.5): in parts of some messages each, so that a whole mailbox is never held.

use imap::{
    DateTime, Sequence,
    command::{Fetch, FetchItem, Section, SectionText, Slice},
    response::{Code, Content, ContentName, FetchValue, Fetched, Response, Status, Stream},
    server::Answer,
};
use mailstore::{
    Facts, FlagAction, FlagChange, Flags, MailboxId, Mailstore, MailstoreError, Rights, Stored, Uid, UidSet,
};
use message::mime::{Envelope, Message, Part, Preview, Span, TransferEncoding};

use super::{
    blocking::{Begun, begin, ended, read, refusal},
    mailboxes::object_id,
    numbers::Picked,
    policy::{Done, Handled, Policy},
    search::STRUCTURES_OCTETS,
    section::{self, Fields, PIECE_OCTETS, Place},
    select::intersection,
    selected::{Selected, set_of},
    streams::{self, Source},
    structure,
};

/// Messages of which facts are told at once.
const FACTS_AT_ONCE: u32 = 1000;
/// Messages of which the structure is told at once.
const STRUCTURES_AT_ONCE: u32 = 250;
/// Messages that are read at once, as long as their octets are not more than `HELD_OCTETS`.
const CONTENTS_AT_ONCE: u32 = 50;
const HELD_OCTETS: usize = 256 << 10;
/// A content of more octets is sent as it is read.
const HELD_CONTENT_OCTETS: u64 = 64 << 10;

/// A FETCH under way.
#[expect(clippy::struct_excessive_bools, reason = "each is told by itself")]
pub(super) struct Fetching {
    picked: Picked,
    items: Vec<FetchItem>,
    needs: Needs,
    /// Messages are marked as seen by it.
    sees: bool,
    /// The encoding of a part is unknown.
    unknown_encoding: bool,
    missing: bool,
    damaged: bool,
}

/// A part that was read.
pub(super) struct ReadPart {
    chunk: Chunk,
    /// The messages that it was to tell of.
    picked: Picked,
    /// How many of them it has come to.
    done: u32,
}

/// A part that is read while the one before it is sent.
pub(super) type Ahead = Begun<ReadPart>;

/// What has to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Needs {
    Facts,
    /// All octets: where they are needs no structure.
    Octets,
    Envelope,
    Structure,
    Content,
}

/// What is told of a message, before flags are known for good.
struct Told {
    number: u32,
    facts: Facts,
    values: Vec<FetchValue>,
    /// The encoding of a part is unknown.
    unknown_encoding: bool,
    /// Some of what was asked for cannot be read, and is left out.
    damaged: bool,
}

/// A part of the answer.
#[derive(Default)]
struct Chunk {
    told: Vec<Told>,
    sources: Vec<Source>,
    held: usize,
}

impl Policy {
    pub(super) async fn fetch(&mut self, fetch: Fetch) -> Handled {
        let Fetch { uid, set, mut items, changed_since, vanished, page } = fetch;
        let mut told = Vec::new();
        if changed_since.is_some() || items.contains(&FetchItem::ModSeq) {
            told.extend(self.knows_condstore());
        }
        let selected = self.selected()?;
        let mut picked = selected.pick(&set, uid)?;
        if let Some(page) = page {
            picked = picked.page(page.from, page.to, page.backwards);
        }
        // RFC 4314 §4: what is read is marked by who may.
        let (id, marks) = (selected.id, !selected.is_read_only() && selected.rights.contains(Rights::SEEN));
        if let Some(since) = changed_since {
            add(&mut items, FetchItem::ModSeq);
            let changes = read(&self.shared.mailstore, move |mailstore| mailstore.changes(id, since)).await?;
            let changed: UidSet = changes.changed.iter().map(|state| state.uid).collect();
            let selected = self.selected()?;
            if vanished {
                told.extend(vanished_told(selected, &set, &changes.vanished));
            }
            picked = selected.numbers.by_uids(intersection(&picked.uids(), &changed).ranges());
        }
        if uid && !items.contains(&FetchItem::Uid) {
            // In front: small clients look for it in what stands before the first literal.
            items.insert(0, FetchItem::Uid);
        }
        let sees = marks && items.iter().any(sees);
        self.fetching = Some(Box::new(Fetching::new(picked, items, sees)));
        self.ahead = None;
        self.streams.clear();
        Ok(Done::telling(told, ""))
    }

    /// The next part of what is fetched.
    pub(super) async fn next(&mut self, before: Vec<Response>) -> Answer {
        let Some(mut fetching) = self.fetching.take() else {
            return self.end(Err(Status::no("Nothing more")), false).await;
        };
        if fetching.picked.is_empty() && self.ahead.is_none() {
            let done = Done { responses: before, status: fetching.status() };
            return self.end(Ok(done), false).await;
        }
        match self.chunk(&mut fetching).await {
            Ok(responses) if fetching.picked.is_empty() && self.streams.is_empty() => {
                let responses = before.into_iter().chain(responses).collect();
                self.end(Ok(Done { responses, status: fetching.status() }), false).await
            }
            Ok(responses) => {
                if self.streams.is_empty() {
                    self.ahead = self.begin_part(&mut fetching).ok();
                }
                self.fetching = Some(fetching);
                Answer::More(before.into_iter().chain(responses).collect())
            }
            Err(status) => self.end(Ok(Done { responses: before, status }), false).await,
        }
    }

    /// Begins to read of the messages that come next.
    fn begin_part(&mut self, fetching: &mut Fetching) -> Result<Ahead, Status> {
        let id = self.selected()?.id;
        let (needs, items) = (fetching.needs, fetching.items.clone());
        let picked = fetching.picked.take_first(match needs {
            Needs::Facts => FACTS_AT_ONCE,
            Needs::Octets | Needs::Envelope | Needs::Structure => STRUCTURES_AT_ONCE,
            Needs::Content => CONTENTS_AT_ONCE,
        });
        Ok(begin(&self.shared.mailstore, move |mailstore| {
            let (chunk, done) = read_chunk(mailstore, id, &picked, needs, &items)?;
            Ok(ReadPart { chunk, picked, done })
        }))
    }

    async fn chunk(&mut self, fetching: &mut Fetching) -> Result<Vec<Response>, Status> {
        let ahead = match self.ahead.take() {
            Some(ahead) => ahead,
            None => self.begin_part(fetching)?,
        };
        let ReadPart { chunk, picked: mut rest, done } = ended(ahead).await?;
        rest.take_first(done);
        fetching.picked.put_back(rest);
        fetching.missing |= u32::try_from(chunk.told.len()).unwrap_or(u32::MAX) < done;
        fetching.unknown_encoding |= chunk.told.iter().any(|told| told.unknown_encoding);
        fetching.damaged |= chunk.told.iter().any(|told| told.damaged);
        let Chunk { mut told, sources, .. } = chunk;
        let is_asked = fetching.items.contains(&FetchItem::Flags);
        let mut responses = if is_asked { self.learn_keywords(&told).await? } else { Vec::new() };
        let (seen, learned) =
            if fetching.sees { self.see(&mut told).await? } else { (UidSet::default(), Vec::new()) };
        responses.extend(learned);
        self.streams = sources;
        let manner = self.manner;
        let selected = self.selected()?;
        responses.extend(told.into_iter().filter_map(|Told { number, facts, mut values, .. }| {
            if is_asked || seen.contains(facts.uid) {
                let flags = selected.flags(facts.uid, facts.flags, facts.keywords, manner);
                values.insert(0, FetchValue::Flags(flags));
                let has_modseq = values.iter().any(|value| matches!(value, FetchValue::ModSeq(_)));
                if seen.contains(facts.uid) && manner.condstore && !has_modseq {
                    values.push(FetchValue::ModSeq(facts.modseq));
                }
            }
            // Of what could not be decoded nothing may be left; an empty list is no answer.
            (!values.is_empty()).then(|| Response::Fetch(Box::new(Fetched { number, values })))
        }));
        Ok(responses)
    }

    /// Some of these messages, as FETCH tells them, but none is marked as seen; and those that are left.
    pub(super) async fn fetch_some(
        &mut self,
        uids: &UidSet,
        items: Vec<FetchItem>,
    ) -> Result<(Vec<Response>, UidSet), Status> {
        let picked = self.selected()?.numbers.by_uids(uids.ranges());
        let mut fetching = Fetching::new(picked, items, false);
        let told = self.chunk(&mut fetching).await?;
        Ok((told, fetching.picked.uids()))
    }

    /// Messages that have changed since the client heard of them may have keywords that it was not told of yet.
    async fn learn_keywords(&mut self, told: &[Told]) -> Result<Vec<Response>, Status> {
        let selected = self.selected()?;
        let is_newer = |told: &Told| told.facts.keywords != 0 && !selected.knows(told.facts.modseq);
        if !told.iter().any(is_newer) {
            return Ok(Vec::new());
        }
        let id = selected.id;
        let keywords = read(&self.shared.mailstore, move |mailstore| mailstore.keywords(id)).await?;
        Ok(self.selected()?.learn(keywords))
    }

    /// Marks as seen what is not, and what could be told; which these are, and what is told beside them.
    async fn see(&mut self, told: &mut [Told]) -> Result<(UidSet, Vec<Response>), Status> {
        let unseen: UidSet = told
            .iter()
            .filter(|told| !told.unknown_encoding && !told.damaged)
            .filter(|told| !told.facts.flags.contains(Flags::SEEN))
            .map(|told| told.facts.uid)
            .collect();
        if unseen.is_empty() {
            return Ok((unseen, Vec::new()));
        }
        let change = FlagChange {
            action: FlagAction::Add,
            flags: Flags::SEEN,
            keywords: Vec::new(),
            unchanged_since: None,
        };
        let id = self.selected()?.id;
        let stored = self.shared.mailstore.store_flags(id, unseen.clone(), change).await;
        let stored = stored.map_err(|error| refusal(&error))?;
        let selected = self.selected()?;
        selected.note_own(&stored);
        let Stored { messages, keywords, .. } = stored;
        let learned = selected.learn(keywords);
        for state in messages {
            if let Some(told) = told.iter_mut().find(|told| told.facts.uid == state.uid) {
                (told.facts.flags, told.facts.keywords) = (state.flags, state.keywords);
                told.facts.modseq = state.modseq;
                for value in &mut told.values {
                    if let FetchValue::ModSeq(modseq) = value {
                        *modseq = state.modseq;
                    }
                }
            }
        }
        Ok((unseen, learned))
    }
}

impl Fetching {
    fn new(picked: Picked, items: Vec<FetchItem>, sees: bool) -> Self {
        let needs = items.iter().map(needs).max().unwrap_or(Needs::Facts);
        Self { picked, items, needs, sees, unknown_encoding: false, missing: false, damaged: false }
    }

    fn status(&self) -> Status {
        if self.damaged {
            Status::no("All is told but what is damaged").with(Code::Corruption)
        } else if self.unknown_encoding {
            Status::no("The encoding of a part is unknown").with(Code::UnknownCte)
        } else if self.missing {
            // RFC 5530 §3: somebody else has expunged some.
            Status::ok("Fetched; some messages are gone").with(Code::ExpungeIssued)
        } else {
            Status::ok("Fetched")
        }
    }
}

fn add(items: &mut Vec<FetchItem>, item: FetchItem) {
    if !items.contains(&item) {
        items.push(item);
    }
}

/// RFC 7162 §3.2.6: of what was asked for, what is gone since then.
fn vanished_told(selected: &Selected, set: &Sequence, vanished: &UidSet) -> Option<Response> {
    let asked: UidSet = match set {
        Sequence::Saved => selected.saved.clone(),
        // The last one may be among those that are gone: `*` means all that there ever were.
        Sequence::Set(set) => set.ranges(Uid::MAX).into_iter().collect(),
    };
    let gone = intersection(vanished, &asked);
    (!gone.is_empty()).then(|| Response::Vanished { earlier: true, uids: set_of(&gone) })
}

fn sees(item: &FetchItem) -> bool {
    match item {
        FetchItem::Rfc822 | FetchItem::Rfc822Text => true,
        FetchItem::Section { peek, .. } | FetchItem::Binary { peek, .. } => !peek,
        _ => false,
    }
}

fn needs(item: &FetchItem) -> Needs {
    match item {
        FetchItem::Envelope => Needs::Envelope,
        FetchItem::Body | FetchItem::BodyStructure => Needs::Structure,
        FetchItem::Rfc822 => Needs::Octets,
        FetchItem::Section { section, .. } if is_whole(section) => Needs::Octets,
        FetchItem::Rfc822Header
        | FetchItem::Rfc822Text
        | FetchItem::Section { .. }
        | FetchItem::Binary { .. }
        | FetchItem::BinarySize(_)
        | FetchItem::Preview { .. } => Needs::Content,
        _ => Needs::Facts,
    }
}

/// `BODY[]`
fn is_whole(section: &Section) -> bool {
    section.part.is_empty() && section.text.is_none()
}

/// Reads what is told of some messages, until enough is held; and how many of those that were asked for that is.
fn read_chunk(
    mailstore: &Mailstore,
    mailbox: MailboxId,
    picked: &Picked,
    needs: Needs,
    items: &[FetchItem],
) -> Result<(Chunk, u32), MailstoreError> {
    let uids = picked.uids();
    let mut known: Vec<(Facts, Vec<u8>)> = Vec::new();
    let mut later = None;
    if needs <= Needs::Octets {
        known.extend(mailstore.facts(mailbox, &uids)?.into_iter().map(|facts| (facts, Vec::new())));
    } else {
        // Whoever sends a message chooses how large its structure is.
        let mut held = 0;
        mailstore.listing(mailbox, &uids, |facts, kept| {
            held += kept.len();
            if held <= STRUCTURES_OCTETS || known.is_empty() {
                known.push((facts, kept.to_vec()));
            } else {
                later.get_or_insert(facts.uid);
            }
        })?;
    }
    known.sort_by_key(|(facts, _)| facts.uid);
    let (mut chunk, mut done) = (Chunk::default(), 0);
    for (number, uid) in picked.iter() {
        if chunk.held >= HELD_OCTETS || later.is_some_and(|later| uid >= later) {
            break;
        }
        done += 1;
        // What is not there is gone.
        let Ok(at) = known.binary_search_by_key(&uid, |(facts, _)| facts.uid) else { continue };
        let Some((facts, kept)) = known.get(at) else { continue };
        match read_message(mailstore, number, facts, kept, needs, items, &mut chunk) {
            Ok(told) => chunk.told.push(told),
            Err(MailstoreError::Gone) => {}
            Err(error) => return Err(error),
        }
    }
    Ok((chunk, done))
}

fn read_message(
    mailstore: &Mailstore,
    number: u32,
    facts: &Facts,
    kept: &[u8],
    needs: Needs,
    items: &[FetchItem],
    chunk: &mut Chunk,
) -> Result<Told, MailstoreError> {
    let known = match understand(mailstore, facts, kept, needs) {
        Err(MailstoreError::Damaged(why)) => {
            section::note_damage(facts, &why);
            None
        }
        known => Some(known?),
    };
    let mut damaged = known.is_none();
    let (envelope, message) = known.unwrap_or_default();
    chunk.held += kept.len();
    let mut teller =
        Teller { mailstore, facts, envelope, message, chunk, values: Vec::new(), unknown_encoding: false };
    let is_known = !damaged;
    for item in items.iter().filter(|item| is_known || self::needs(item) <= Needs::Octets) {
        match teller.tell(item) {
            // The client is to learn the rest of it, and of the other messages.
            Err(MailstoreError::Damaged(why)) => {
                section::note_damage(facts, &why);
                damaged = true;
            }
            told => told?,
        }
    }
    let Teller { values, unknown_encoding, .. } = teller;
    Ok(Told { number, facts: *facts, values, unknown_encoding, damaged })
}

/// As much of a message's structure as is needed.
fn understand(
    mailstore: &Mailstore,
    facts: &Facts,
    kept: &[u8],
    needs: Needs,
) -> Result<(Option<Envelope>, Option<Message>), MailstoreError> {
    let all = || section::understood(mailstore, facts, kept);
    Ok(match needs {
        Needs::Facts | Needs::Octets => (None, None),
        Needs::Envelope => match Envelope::decode(kept) {
            Ok(envelope) => (Some(envelope), None),
            Err(_) => (Some(all()?.envelope), None),
        },
        Needs::Structure | Needs::Content => (None, Some(all()?)),
    })
}

/// Tells of one message.
struct Teller<'a> {
    mailstore: &'a Mailstore,
    facts: &'a Facts,
    envelope: Option<Envelope>,
    message: Option<Message>,
    chunk: &'a mut Chunk,
    values: Vec<FetchValue>,
    /// The encoding of a part is unknown.
    unknown_encoding: bool,
}

impl Teller<'_> {
    fn tell(&mut self, item: &FetchItem) -> Result<(), MailstoreError> {
        let facts = self.facts;
        let value = match item {
            // They come last, for other items may change them.
            FetchItem::Flags => None,
            FetchItem::Uid => Some(FetchValue::Uid(facts.uid)),
            FetchItem::InternalDate => date(facts.internal_date).map(FetchValue::InternalDate),
            FetchItem::SaveDate => Some(FetchValue::SaveDate(date(facts.saved_date))),
            FetchItem::Size => Some(FetchValue::Size(facts.octets)),
            FetchItem::ModSeq => Some(FetchValue::ModSeq(facts.modseq)),
            FetchItem::EmailId => object_id(&facts.email).map(FetchValue::EmailId),
            FetchItem::ThreadId => {
                Some(FetchValue::ThreadId(facts.thread.and_then(|thread| object_id(&thread))))
            }
            FetchItem::Envelope => {
                let whole = || self.message.as_ref().map(|known| known.envelope.clone());
                let known = self.envelope.take().or_else(whole);
                known.map(|known| FetchValue::Envelope(Box::new(structure::envelope(known))))
            }
            FetchItem::Body => self.structure().map(FetchValue::Body),
            FetchItem::BodyStructure => self.structure().map(FetchValue::BodyStructure),
            FetchItem::Preview { .. } => Some(FetchValue::Preview(self.preview()?)),
            FetchItem::Binary { part, slice, .. } => self.binary(part, *slice)?,
            FetchItem::BinarySize(part) => self.binary_size(part)?,
            FetchItem::Rfc822 => Some(self.section(ContentName::Rfc822, None, None)?),
            FetchItem::Rfc822Header => {
                Some(self.section(ContentName::Rfc822Header, Some(SectionText::Header), None)?)
            }
            FetchItem::Rfc822Text => {
                Some(self.section(ContentName::Rfc822Text, Some(SectionText::Text), None)?)
            }
            FetchItem::Section { section, slice, .. } => {
                Some(self.section(ContentName::Section(section.clone()), None, *slice)?)
            }
        };
        self.values.extend(value);
        Ok(())
    }

    fn structure(&self) -> Option<Box<imap::response::BodyStructure>> {
        self.message.as_ref().map(|message| Box::new(structure::of(message)))
    }

    fn section(
        &mut self,
        name: ContentName,
        text: Option<SectionText>,
        slice: Option<Slice>,
    ) -> Result<FetchValue, MailstoreError> {
        let wanted = match &name {
            ContentName::Section(section) => section.clone(),
            _ => Section { part: Vec::new(), text },
        };
        let place = match &self.message {
            _ if is_whole(&wanted) => Place::Octets(Span { at: 0, octets: self.facts.octets }),
            Some(message) => section::locate(&wanted, self.facts, message),
            None => Place::Nowhere,
        };
        let origin = slice.map(|slice| slice.first);
        let content = match place {
            Place::Nowhere => Content::Nil,
            Place::Octets(span) => self.content(section::cut(span, slice))?,
            Place::Fields { header, not, names } => self.fields(Fields { header, not, names, slice })?,
        };
        Ok(FetchValue::Content { name, origin, content })
    }

    /// Whether a content of so many octets is held until it is sent. One message may be asked for much, and for the same again and again.
    fn is_held(&self, octets: u64) -> bool {
        octets <= HELD_CONTENT_OCTETS && self.chunk.held < HELD_OCTETS
    }

    fn fields(&mut self, fields: Fields) -> Result<Content, MailstoreError> {
        let octets = fields.read(self.mailstore, self.facts)?;
        let length = u64::try_from(octets.len()).unwrap_or(u64::MAX);
        if self.is_held(length) {
            self.chunk.held += octets.len();
            return Ok(Content::Here(octets.into()));
        }
        // They are chosen once more when they are sent.
        Ok(self.stream(Source::Fields(Box::new((*self.facts, fields))), length, false))
    }

    fn content(&mut self, span: Span) -> Result<Content, MailstoreError> {
        if self.is_held(span.octets) {
            let octets = section::octets(self.mailstore, self.facts, span)?;
            self.chunk.held += octets.len();
            return Ok(Content::Here(octets.into()));
        }
        Ok(self.stream(Source::Plain { email: self.facts.email, span }, span.octets, false))
    }

    fn stream(&mut self, source: Source, octets: u64, binary: bool) -> Content {
        let reference = u64::try_from(self.chunk.sources.len()).unwrap_or(u64::MAX);
        self.chunk.sources.push(source);
        // What is announced is sent before anything else is read.
        self.chunk.held = self.chunk.held.max(HELD_OCTETS);
        Content::Stream(Stream { reference, octets, binary })
    }

    /// The part of a number, for BINARY; the whole message has none.
    fn part(&self, part: &[u32]) -> Option<&Part> {
        let message = self.message.as_ref()?;
        if part.is_empty() { Some(&message.root) } else { message.part(part) }
    }

    /// Where the octets of a part are, and how they are encoded. RFC 3516 §4.2: the whole message is not decoded.
    fn encoded(&self, part: &[u32]) -> Option<(Span, TransferEncoding)> {
        if part.is_empty() {
            return Some((Span { at: 0, octets: self.facts.octets }, TransferEncoding::Identity));
        }
        let found = self.part(part)?;
        let at = found.body.at + u64::from(self.facts.head_octets);
        Some((Span { at, ..found.body }, found.transfer_encoding()))
    }

    /// RFC 3516 §4.2.
    fn binary(&mut self, part: &[u32], slice: Option<Slice>) -> Result<Option<FetchValue>, MailstoreError> {
        let origin = slice.map(|slice| slice.first);
        let name = ContentName::Binary(part.into());
        let Some((span, encoding)) = self.encoded(part) else {
            return Ok(Some(FetchValue::Content { name, origin, content: Content::Nil }));
        };
        let content = match encoding {
            TransferEncoding::Unknown => {
                self.unknown_encoding = true;
                return Ok(None);
            }
            TransferEncoding::Identity => {
                let span = section::cut(span, slice);
                if self.is_held(span.octets) {
                    self.content(span)?
                } else {
                    self.stream(Source::Plain { email: self.facts.email, span }, span.octets, true)
                }
            }
            encoding => {
                let octets = streams::decoded_octets(self.mailstore, self.facts.email, span, encoding)?;
                let wanted = section::cut(Span { at: 0, octets }, slice);
                let decoding = streams::Decoding::new(self.facts.email, span, encoding, wanted.at);
                self.decoded(decoding, wanted.octets)?
            }
        };
        Ok(Some(FetchValue::Content { name, origin, content }))
    }

    fn decoded(&mut self, mut decoding: streams::Decoding, octets: u64) -> Result<Content, MailstoreError> {
        if !self.is_held(octets) {
            return Ok(self.stream(Source::Decoded(Box::new(decoding)), octets, true));
        }
        let mut here = Vec::new();
        let wanted = usize::try_from(octets).unwrap_or(0);
        while here.len() < wanted {
            let piece = decoding.next(self.mailstore, wanted - here.len())?;
            if piece.is_empty() {
                return Err(MailstoreError::Gone);
            }
            here.extend_from_slice(&piece);
        }
        self.chunk.held += here.len();
        Ok(Content::Here(here.into()))
    }

    fn binary_size(&mut self, part: &[u32]) -> Result<Option<FetchValue>, MailstoreError> {
        let Some((span, encoding)) = self.encoded(part) else { return Ok(None) };
        let octets = match encoding {
            TransferEncoding::Unknown => {
                self.unknown_encoding = true;
                return Ok(None);
            }
            TransferEncoding::Identity => span.octets,
            encoding => streams::decoded_octets(self.mailstore, self.facts.email, span, encoding)?,
        };
        let octets = u32::try_from(octets).unwrap_or(u32::MAX);
        Ok(Some(FetchValue::BinarySize { part: part.into(), octets }))
    }

    /// RFC 8970.
    fn preview(&mut self) -> Result<Option<Box<str>>, MailstoreError> {
        let Some(part) = self.message.as_ref().and_then(Message::preview_part) else {
            return Ok(Some("".into()));
        };
        let mut preview = Preview::of(part);
        let (mut at, end) = (part.body.at, part.body.at + part.body.octets);
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(PIECE_OCTETS / 8);
            let offset = at + u64::from(self.facts.head_octets);
            let piece = self.mailstore.read(self.facts.email, offset, wanted)?;
            at += u64::try_from(piece.len()).unwrap_or(u64::MAX);
            if piece.is_empty() || !preview.push(&piece) {
                break;
            }
        }
        Ok(Some(preview.finish().into()))
    }
}

/// Milliseconds since 1970 as IMAP writes them.
pub(super) fn date(millis: i64) -> Option<DateTime> {
    DateTime::new(millis.div_euclid(1000), 0)
}
