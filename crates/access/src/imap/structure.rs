//! ENVELOPE and BODYSTRUCTURE from what `message::mime` knows.

use imap::response::{self, BodyStructure, Media};
use message::mime::{Address, Content, Disposition, Envelope, Message, Part, Rare};

/// ENVELOPE (RFC 9051 §7.5.2).
pub(super) fn envelope(envelope: &Envelope) -> response::Envelope {
    response::Envelope {
        date: envelope.date.clone(),
        subject: envelope.subject.clone(),
        from: addresses(&envelope.from),
        sender: addresses(envelope.sender_or_from()),
        reply_to: addresses(envelope.reply_to_or_from()),
        to: addresses(&envelope.to),
        cc: addresses(&envelope.cc),
        bcc: addresses(&envelope.bcc),
        in_reply_to: envelope.in_reply_to.clone(),
        message_id: envelope.message_id.clone(),
    }
}

fn addresses(addresses: &[Address]) -> Vec<response::Address> {
    let address = |address: &Address| response::Address {
        name: address.name.clone(),
        route: address.route.clone(),
        mailbox: address.mailbox.clone(),
        host: address.host.clone(),
    };
    addresses.iter().map(address).collect()
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
            envelope: Box::new(envelope(&message.envelope)),
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
