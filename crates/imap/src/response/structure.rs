//! ENVELOPE and BODYSTRUCTURE (RFC 9051 §7.5.2): what a message looks like.

use crate::text::Text;

/// A string of a message as it stands there, or NIL.
pub type NString = Option<Box<[u8]>>;

/// Parameters of a MIME field: names and values, decoded.
pub type Parameters = Vec<(Box<[u8]>, Box<[u8]>)>;

/// The envelope of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Envelope {
    /// The Date field.
    pub date: NString,
    /// The Subject field.
    pub subject: NString,
    /// The addresses of From.
    pub from: Vec<Address>,
    /// The addresses of Sender; if there are none, those of From.
    pub sender: Vec<Address>,
    /// The addresses of Reply-To; if there are none, those of From.
    pub reply_to: Vec<Address>,
    /// The addresses of To.
    pub to: Vec<Address>,
    /// The addresses of Cc.
    pub cc: Vec<Address>,
    /// The addresses of Bcc.
    pub bcc: Vec<Address>,
    /// The In-Reply-To field.
    pub in_reply_to: NString,
    /// The Message-ID field.
    pub message_id: NString,
}

/// An address of an envelope. Without a host it begins a group of that mailbox' name, or, without either, ends it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// The display name.
    pub name: NString,
    /// The source route.
    pub route: NString,
    /// The local part.
    pub mailbox: NString,
    /// The domain.
    pub host: NString,
}

/// The structure of a body. Whoever makes one bounds its depth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyStructure {
    /// One part.
    Part(Box<Part>),
    /// Several; an empty one is written with an empty text in it, for the grammar has none without.
    Multipart {
        /// The parts.
        parts: Vec<Self>,
        /// As `MIXED`.
        subtype: Box<[u8]>,
        /// The parameters of Content-Type.
        parameters: Parameters,
        /// More.
        extension: Extension,
    },
}

/// A part that is no multipart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub media: Media,
    /// The parameters of Content-Type.
    pub parameters: Parameters,
    /// Content-ID.
    pub id: NString,
    /// Content-Description.
    pub description: NString,
    /// Content-Transfer-Encoding.
    pub encoding: Box<[u8]>,
    /// Octets, encoded.
    pub octets: u64,
    /// Content-MD5.
    pub md5: NString,
    /// More.
    pub extension: Extension,
}

/// What a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// Anything but the others.
    Basic {
        /// As `IMAGE`.
        kind: Box<[u8]>,
        /// As `PNG`.
        subtype: Box<[u8]>,
    },
    /// `TEXT`
    Text {
        /// As `PLAIN`.
        subtype: Box<[u8]>,
        /// Lines, encoded.
        lines: u64,
    },
    /// `MESSAGE/RFC822` or `MESSAGE/GLOBAL`.
    Message {
        /// `GLOBAL`
        global: bool,
        /// Its envelope.
        envelope: Box<Envelope>,
        /// Its body.
        body: BodyStructure,
        /// Lines, encoded.
        lines: u64,
    },
}

/// What BODYSTRUCTURE tells beyond BODY.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extension {
    /// Content-Disposition.
    pub disposition: Option<Disposition>,
    /// Content-Language.
    pub languages: Vec<Box<[u8]>>,
    /// Content-Location.
    pub location: NString,
}

/// How a part is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disposition {
    /// As `ATTACHMENT`.
    pub kind: Box<[u8]>,
    /// Its parameters.
    pub parameters: Parameters,
}

impl Envelope {
    pub(super) fn write(&self, out: &mut Text) {
        out.raw("(");
        out.nstring(self.date.as_deref());
        out.sp();
        out.nstring(self.subject.as_deref());
        for addresses in [&self.from, &self.sender, &self.reply_to, &self.to, &self.cc, &self.bcc] {
            out.sp();
            write_addresses(out, addresses);
        }
        out.sp();
        out.nstring(self.in_reply_to.as_deref());
        out.sp();
        out.nstring(self.message_id.as_deref());
        out.raw(")");
    }
}

/// `"(" 1*address ")" / nil`, without spaces between.
fn write_addresses(out: &mut Text, addresses: &[Address]) {
    if addresses.is_empty() {
        out.raw("NIL");
        return;
    }
    out.raw("(");
    for address in addresses {
        let parts = [&address.name, &address.route, &address.mailbox, &address.host];
        out.list(parts, |out, part| out.nstring(part.as_deref()));
    }
    out.raw(")");
}

impl BodyStructure {
    /// `extended`: as BODYSTRUCTURE, otherwise as BODY.
    pub(super) fn write(&self, out: &mut Text, extended: bool) {
        out.raw("(");
        match self {
            Self::Part(part) => part.write(out, extended),
            Self::Multipart { parts, subtype, parameters, extension } => {
                if parts.is_empty() {
                    out.raw("(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0)");
                }
                for part in parts {
                    part.write(out, extended);
                }
                out.sp();
                out.string(subtype);
                if extended {
                    out.sp();
                    write_parameters(out, parameters);
                    extension.write(out);
                }
            }
        }
        out.raw(")");
    }
}

impl Part {
    fn write(&self, out: &mut Text, extended: bool) {
        match &self.media {
            Media::Basic { kind, subtype } => {
                out.string(kind);
                out.sp();
                out.string(subtype);
            }
            Media::Text { subtype, .. } => {
                out.raw("\"TEXT\" ");
                out.string(subtype);
            }
            Media::Message { global: false, .. } => out.raw("\"MESSAGE\" \"RFC822\""),
            Media::Message { global: true, .. } => out.raw("\"MESSAGE\" \"GLOBAL\""),
        }
        out.sp();
        write_parameters(out, &self.parameters);
        out.sp();
        out.nstring(self.id.as_deref());
        out.sp();
        out.nstring(self.description.as_deref());
        out.sp();
        out.string(&self.encoding);
        // RFC 9051 §9: body-fld-octets has 32 bits.
        out.show(format_args!(" {}", self.octets.min(u32::MAX.into())));
        match &self.media {
            Media::Basic { .. } => {}
            Media::Text { lines, .. } => out.show(format_args!(" {lines}")),
            Media::Message { envelope, body, lines, .. } => {
                out.sp();
                envelope.write(out);
                out.sp();
                body.write(out, extended);
                out.show(format_args!(" {lines}"));
            }
        }
        if extended {
            out.sp();
            out.nstring(self.md5.as_deref());
            self.extension.write(out);
        }
    }
}

impl Extension {
    fn write(&self, out: &mut Text) {
        out.sp();
        match &self.disposition {
            None => out.raw("NIL"),
            Some(Disposition { kind, parameters }) => {
                out.raw("(");
                out.string(kind);
                out.sp();
                write_parameters(out, parameters);
                out.raw(")");
            }
        }
        out.sp();
        match &*self.languages {
            [] => out.raw("NIL"),
            // Of one, too: that is what others write.
            languages => out.list(languages, |out, language| out.string(language)),
        }
        out.sp();
        out.nstring(self.location.as_deref());
    }
}

/// `"(" string SP string *(SP string SP string) ")" / nil`
fn write_parameters(out: &mut Text, parameters: &Parameters) {
    if parameters.is_empty() {
        out.raw("NIL");
        return;
    }
    out.list(parameters, |out, (name, value)| {
        out.string(name);
        out.sp();
        out.string(value);
    });
}
