//! ENVELOPE and BODYSTRUCTURE from what `message::mime` knows.

use imap::response::{self, BodyStructure, Media};
use message::mime::{Address, Content, Disposition, Envelope, Message, Part, Rare};

/// ENVELOPE (RFC 9051 §7.5.2).
pub(super) fn envelope(envelope: Envelope) -> response::Envelope {
    let (sender, reply_to) = (envelope.sender_or_from().to_vec(), envelope.reply_to_or_from().to_vec());
    let Envelope { date, subject, from, to, cc, bcc, in_reply_to, message_id, .. } = envelope;
    response::Envelope {
        date,
        subject,
        from: addresses(from),
        sender: addresses(sender),
        reply_to: addresses(reply_to),
        to: addresses(to),
        cc: addresses(cc),
        bcc: addresses(bcc),
        in_reply_to,
        message_id,
    }
}

fn addresses(addresses: Vec<Address>) -> Vec<response::Address> {
    let address = |Address { name, route, mailbox, host }| response::Address { name, route, mailbox, host };
    addresses.into_iter().map(address).collect()
}

/// BODYSTRUCTURE. The parser has bounded its depth.
pub(super) fn structure(part: &Part) -> BodyStructure {
    let media = match &part.content {
        Content::Multipart(parts) => {
            return BodyStructure::Multipart {
                parts: parts.iter().map(structure).collect(),
                subtype: part.subtype.clone(),
                parameters: part.parameters.clone(),
                extension: extension(part.rare.as_deref()),
            };
        }
        Content::Message(message) => Media::Message {
            global: part.subtype.eq_ignore_ascii_case(b"global"),
            envelope: Box::new(envelope(message.envelope.clone())),
            body: structure(&message.root),
            lines: part.lines,
        },
        Content::Single if part.kind.eq_ignore_ascii_case(b"text") => {
            Media::Text { subtype: part.subtype.clone(), lines: part.lines }
        }
        Content::Single => Media::Basic { kind: part.kind.clone(), subtype: part.subtype.clone() },
    };
    let rare = part.rare.as_deref();
    BodyStructure::Part(Box::new(response::Part {
        media,
        parameters: part.parameters.clone(),
        id: rare.and_then(|rare| rare.id.clone()),
        description: rare.and_then(|rare| rare.description.clone()),
        encoding: part.encoding.clone(),
        octets: part.body.octets,
        md5: rare.and_then(|rare| rare.md5.clone()),
        extension: extension(rare),
    }))
}

/// The structure of a message.
pub(super) fn of(message: &Message) -> BodyStructure {
    structure(&message.root)
}

fn extension(rare: Option<&Rare>) -> response::Extension {
    let Some(rare) = rare else { return response::Extension::default() };
    let disposition = |Disposition { kind, parameters }: &Disposition| response::Disposition {
        kind: kind.clone(),
        parameters: parameters.clone(),
    };
    response::Extension {
        disposition: rare.disposition.as_ref().map(disposition),
        languages: rare.languages.clone(),
        location: rare.location.clone(),
    }
}
