//! The fields that an envelope and a structure are made of, gathered from a header section that comes in pieces.

use super::{
    Address, Envelope, NString, Rare, addresses,
    parameters::{self, Media},
    scan::unfolded,
};

/// No more of one field is kept.
const FIELD_OCTETS_MAX: usize = 1 << 18;
/// What keeping a parameter or an address costs beside its octets.
const ITEM_OCTETS: usize = 60;
/// So many addresses of a field are kept.
const ADDRESSES_MAX: usize = 20_000;

/// What may still be kept of a message.
#[derive(Debug)]
pub(super) struct Room {
    /// In octets.
    pub(super) octets: usize,
    /// Something was not kept.
    pub(super) cut: bool,
}

impl Room {
    fn charge_items(&mut self, items: usize) {
        self.octets = self.octets.saturating_sub(items.saturating_mul(ITEM_OCTETS));
    }
}

/// A field that says something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Date,
    Subject,
    From,
    Sender,
    ReplyTo,
    To,
    Cc,
    Bcc,
    InReplyTo,
    MessageId,
    References,
    Type,
    Encoding,
    Id,
    Description,
    Md5,
    Disposition,
    Language,
    Location,
    Other,
}

impl Name {
    /// `message`: the header section is that of a message.
    fn of(name: &[u8], message: bool) -> Self {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        match name.len() {
            2 if message && is("To") => Self::To,
            2 if message && is("Cc") => Self::Cc,
            3 if message && is("Bcc") => Self::Bcc,
            4 if message && is("From") => Self::From,
            4 if message && is("Date") => Self::Date,
            6 if message && is("Sender") => Self::Sender,
            7 if message && is("Subject") => Self::Subject,
            8 if message && is("Reply-To") => Self::ReplyTo,
            10 if message && is("Message-ID") => Self::MessageId,
            10 if message && is("References") => Self::References,
            11 if message && is("In-Reply-To") => Self::InReplyTo,
            10 if is("Content-ID") => Self::Id,
            11 if is("Content-MD5") => Self::Md5,
            12 if is("Content-Type") => Self::Type,
            16 if is("Content-Language") => Self::Language,
            16 if is("Content-Location") => Self::Location,
            19 if is("Content-Description") => Self::Description,
            19 if is("Content-Disposition") => Self::Disposition,
            25 if is("Content-Transfer-Encoding") => Self::Encoding,
            _ => Self::Other,
        }
    }
}

/// What the fields of a header section say.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) envelope: Envelope,
    pub(super) references: NString,
    pub(super) media: Option<Media>,
    pub(super) encoding: NString,
    pub(super) rare: Option<Box<Rare>>,
}

/// A header section as far as it has come.
#[derive(Debug)]
pub(super) struct Head {
    /// It is that of a message.
    message: bool,
    facts: Facts,
    field: Option<Name>,
    value: Vec<u8>,
}

impl Head {
    pub(super) fn new(message: bool) -> Self {
        Self { message, facts: Facts::default(), field: None, value: Vec::new() }
    }

    /// Whether a line that begins with white space goes on with a field.
    pub(super) fn in_field(&self) -> bool {
        self.field.is_some()
    }

    /// A field begins.
    pub(super) fn begin(&mut self, name: &[u8], room: &mut Room) {
        self.end_field(room);
        self.field = Some(Name::of(name, self.message));
    }

    /// Octets of its value.
    pub(super) fn push(&mut self, octets: &[u8], room: &mut Room) {
        if matches!(self.field, None | Some(Name::Other)) {
            return;
        }
        let len = octets.len().min(FIELD_OCTETS_MAX.saturating_sub(self.value.len())).min(room.octets);
        room.octets -= len;
        room.cut |= len < octets.len();
        self.value.extend_from_slice(octets.get(..len).unwrap_or_default());
    }

    /// What all fields said.
    pub(super) fn finish(mut self, room: &mut Room) -> Facts {
        self.end_field(room);
        self.facts
    }

    fn end_field(&mut self, room: &mut Room) {
        let Some(name) = self.field.filter(|name| *name != Name::Other) else { return };
        let value = unfolded(&self.value);
        self.value.clear();
        self.keep(name, value, room);
    }

    fn keep(&mut self, name: Name, value: Vec<u8>, room: &mut Room) {
        let envelope = &mut self.facts.envelope;
        match name {
            // Given twice, the last one counts: it is the one that a signature covers (RFC 6376 §5.4.2).
            Name::Date => envelope.date = Some(value.into()),
            Name::Subject => envelope.subject = Some(value.into()),
            Name::InReplyTo => envelope.in_reply_to = Some(value.into()),
            Name::MessageId => envelope.message_id = Some(value.into()),
            Name::References => self.facts.references = Some(value.into()),
            Name::From => add(&mut envelope.from, &value, room),
            Name::Sender => add(&mut envelope.sender, &value, room),
            Name::ReplyTo => add(&mut envelope.reply_to, &value, room),
            Name::To => add(&mut envelope.to, &value, room),
            Name::Cc => add(&mut envelope.cc, &value, room),
            Name::Bcc => add(&mut envelope.bcc, &value, room),
            Name::Type if self.facts.media.is_none() => {
                let media = Media::parse(&value);
                room.charge_items(media.parameters.len());
                self.facts.media = Some(media);
            }
            Name::Encoding if self.facts.encoding.is_none() => {
                self.facts.encoding =
                    Some(parameters::encoding(&value)).filter(|encoding| !encoding.is_empty());
            }
            Name::Type | Name::Encoding | Name::Other => {}
            _ => self.keep_rare(name, value, room),
        }
    }

    fn keep_rare(&mut self, name: Name, value: Vec<u8>, room: &mut Room) {
        let rare = self.facts.rare.get_or_insert_default();
        let place = match name {
            Name::Id => &mut rare.id,
            Name::Description => &mut rare.description,
            Name::Md5 => &mut rare.md5,
            Name::Location => &mut rare.location,
            Name::Disposition => {
                if rare.disposition.is_some() {
                    return;
                }
                let disposition = parameters::disposition(&value);
                room.charge_items(disposition.parameters.len());
                rare.disposition = Some(disposition);
                return;
            }
            _ => {
                if rare.languages.is_empty() {
                    rare.languages = parameters::languages(&value);
                    room.charge_items(rare.languages.len());
                }
                return;
            }
        };
        place.get_or_insert_with(|| value.into());
    }
}

/// Given twice, the fields count as one with all addresses: none is to be seen by some and not by others.
fn add(to: &mut Vec<Address>, value: &[u8], room: &mut Room) {
    let max = ADDRESSES_MAX.saturating_sub(to.len()).min(room.octets / ITEM_OCTETS);
    let (found, more) = addresses::list(value, max);
    room.cut |= more;
    room.charge_items(found.len());
    to.extend(found);
}
