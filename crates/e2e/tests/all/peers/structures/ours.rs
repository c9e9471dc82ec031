//! What we tell of a message: read by `message`, written by `imap`.

use imap::response::{
    self, BodyStructure, Dialect, Extension, FetchValue, Fetched, Media, Outgoing, Response,
};
use message::mime::{Address, Content, Disposition, Envelope, Message, Part};

use super::tree::{Tree, responses};

/// ENVELOPE and BODYSTRUCTURE.
pub(super) fn told(content: &[u8]) -> Tree {
    // As it is kept.
    let message = Message::decode(&Message::parse(content).encode()).unwrap();
    let values = vec![
        FetchValue::Envelope(Box::new(envelope(&message.envelope))),
        FetchValue::BodyStructure(Box::new(structure(&message.root))),
    ];
    let written = Response::Fetch(Box::new(Fetched { number: 1, values })).write(Dialect::default());
    let [Outgoing::Octets(octets)] = written.as_slice() else { panic!("no octets: {written:?}") };
    responses(octets).find_map(Tree::fetched).unwrap()
}

fn envelope(envelope: &Envelope) -> response::Envelope {
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

fn structure(part: &Part) -> BodyStructure {
    let media = match &part.content {
        Content::Multipart(parts) => {
            return BodyStructure::Multipart {
                parts: parts.iter().map(structure).collect(),
                subtype: part.subtype.clone(),
                parameters: part.parameters.clone(),
                extension: extension(part),
            };
        }
        Content::Message(message) => Media::Message {
            global: part.is("message", "global"),
            envelope: Box::new(envelope(&message.envelope)),
            body: structure(&message.root),
            lines: part.lines,
        },
        Content::Single if part.is_text() => Media::Text { subtype: part.subtype.clone(), lines: part.lines },
        Content::Single => Media::Basic { kind: part.kind.clone(), subtype: part.subtype.clone() },
    };
    let rare = part.rare.clone().unwrap_or_default();
    BodyStructure::Part(Box::new(response::Part {
        media,
        parameters: part.parameters.clone(),
        id: rare.id,
        description: rare.description,
        encoding: part.encoding.clone(),
        octets: part.body.octets,
        md5: rare.md5,
        extension: extension(part),
    }))
}

fn extension(part: &Part) -> Extension {
    let rare = part.rare.clone().unwrap_or_default();
    let disposition =
        |Disposition { kind, parameters }: Disposition| response::Disposition { kind, parameters };
    Extension {
        disposition: rare.disposition.map(disposition),
        languages: rare.languages,
        location: rare.location,
    }
}
