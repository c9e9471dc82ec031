//! Envelopes as octets: numbered fields, of which unknown ones are kept when a record is written again.

use std::{net::IpAddr, time::Duration};

use mail::{
    Address, Body, Client, DeliverBy, EnhancedStatus, Envelope, Notify, OriginalRecipient, QueueId,
    Recipient, Reply, Ret, ReversePath, Stream, Timestamp, TlsFacts, Via,
};

use crate::octets::{Octets, number, put_field, put_number, text};

/// An envelope as it is stored: with what a later version put in, and which recipients are done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) envelope: Envelope,
    /// Whether each recipient is done; as many as the envelope has recipients.
    pub(crate) done: Vec<bool>,
    /// Fields not known here.
    pub(crate) unknown: Vec<u8>,
    /// The same for each recipient.
    pub(crate) recipients_unknown: Vec<Vec<u8>>,
}

impl Stored {
    pub(crate) fn new(envelope: Envelope) -> Self {
        let count = envelope.recipients.len();
        Self { envelope, done: vec![false; count], unknown: Vec::new(), recipients_unknown: Vec::new() }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let none = Vec::new();
        encode_envelope(&self.envelope, out);
        let mut octets = Vec::with_capacity(128);
        for (place, recipient) in self.envelope.recipients.iter().enumerate() {
            octets.clear();
            encode_recipient(recipient, &mut octets);
            if self.done.get(place).copied().unwrap_or(false) {
                put_number(&mut octets, 12, 1);
            }
            octets.extend_from_slice(self.recipients_unknown.get(place).unwrap_or(&none));
            put_field(out, 20, &octets);
        }
        out.extend_from_slice(&self.unknown);
    }

    pub(crate) fn decode(id: QueueId, octets: &[u8]) -> Option<Self> {
        let mut stored = Self::new(blank(id));
        let mut cursor = Octets(octets);
        while !cursor.is_empty() {
            let (field, value) = cursor.field()?;
            if field == 20 {
                let (recipient, done, unknown) = decode_recipient(value)?;
                stored.envelope.recipients.push(recipient);
                stored.done.push(done);
                stored.recipients_unknown.push(unknown);
            } else if !decode_envelope_field(&mut stored.envelope, field, value)? {
                put_field(&mut stored.unknown, field, value);
            }
        }
        Some(stored)
    }
}

/// Encodes a fresh envelope without a detour over [`Stored`].
pub(crate) fn encode_fresh(envelope: &Envelope, out: &mut Vec<u8>) {
    encode_envelope(envelope, out);
    let mut octets = Vec::with_capacity(128);
    for recipient in &envelope.recipients {
        octets.clear();
        encode_recipient(recipient, &mut octets);
        put_field(out, 20, &octets);
    }
}

fn blank(id: QueueId) -> Envelope {
    Envelope {
        client: Client { via: Via::Local, ..Client::default() },
        may_bounce: false,
        ..Envelope::new(id, Timestamp::default(), "", Vec::new())
    }
}

fn put_text(out: &mut Vec<u8>, field: u64, text: Option<&str>) {
    if let Some(text) = text {
        put_field(out, field, text.as_bytes());
    }
}

fn encode_envelope(envelope: &Envelope, out: &mut Vec<u8>) {
    put_number(out, 1, envelope.received.as_millis());
    encode_client(&envelope.client, out);
    put_text(out, 7, Some(&envelope.listener));
    put_text(out, 8, envelope.account.as_deref());
    if envelope.stream == Stream::Bulk {
        put_number(out, 9, 1);
    }
    if envelope.priority != 0 {
        put_field(out, 10, &envelope.priority.to_le_bytes());
    }
    if let Some(by) = envelope.deliver_by {
        let mut octets = by.deadline.as_millis().to_le_bytes().to_vec();
        octets.push(u8::from(by.return_then) | u8::from(by.trace) << 1);
        put_field(out, 11, &octets);
    }
    if let Some(until) = envelope.hold_until {
        put_number(out, 12, until.as_millis());
    }
    if let Some(address) = envelope.reverse_path.address() {
        put_address(out, 13, address);
    }
    if let Some(ret) = envelope.ret {
        put_number(out, 14, u64::from(ret == Ret::Headers));
    }
    put_text(out, 15, envelope.envid.as_deref());
    match envelope.body {
        Body::SevenBit => {}
        Body::EightBitMime => put_number(out, 16, 1),
        Body::BinaryMime => put_number(out, 16, 2),
    }
    let flags = u64::from(envelope.smtputf8)
        | u64::from(envelope.require_tls) << 1
        | u64::from(envelope.may_bounce) << 2;
    put_number(out, 17, flags);
}

fn encode_client(client: &Client, out: &mut Vec<u8>) {
    match client.address {
        Some(IpAddr::V4(address)) => put_field(out, 2, &address.octets()),
        Some(IpAddr::V6(address)) => put_field(out, 2, &address.octets()),
        None => {}
    }
    put_text(out, 3, client.name.as_deref());
    put_text(out, 4, client.hello.as_deref());
    let via = match client.via {
        Via::Local => 0,
        Via::Smtp => 1,
        Via::Esmtp => 2,
        Via::Lmtp => 3,
        Via::Http => 4,
    };
    put_number(out, 5, via);
    if let Some(tls) = &client.tls {
        put_field(out, 6, format!("{} {}", tls.version, tls.cipher).as_bytes());
    }
}

/// Takes a field into the envelope; `Some(false)` if it is not known, none if it is wrong.
fn decode_envelope_field(envelope: &mut Envelope, field: u64, value: &[u8]) -> Option<bool> {
    match field {
        1 => envelope.received = Timestamp::from_millis(number(value)?),
        2..=6 => decode_client_field(&mut envelope.client, field, value)?,
        7 => envelope.listener = text(value)?.into(),
        8 => envelope.account = Some(text(value)?.into()),
        9 => envelope.stream = if number(value)? == 1 { Stream::Bulk } else { Stream::Transactional },
        10 => envelope.priority = i8::from_le_bytes(Octets(value).array()?),
        11 => {
            let mut cursor = Octets(value);
            let (deadline, flags) = (Timestamp::from_millis(cursor.u64()?), cursor.u8()?);
            envelope.deliver_by =
                Some(DeliverBy { deadline, return_then: flags & 1 != 0, trace: flags & 2 != 0 });
        }
        12 => envelope.hold_until = Some(Timestamp::from_millis(number(value)?)),
        13 => envelope.reverse_path = ReversePath::Address(address(value)?),
        14 => envelope.ret = Some(if number(value)? == 1 { Ret::Headers } else { Ret::Full }),
        15 => envelope.envid = Some(text(value)?.into()),
        16 => {
            envelope.body = match number(value)? {
                1 => Body::EightBitMime,
                2 => Body::BinaryMime,
                _ => Body::SevenBit,
            }
        }
        17 => {
            let flags = number(value)?;
            envelope.smtputf8 = flags & 1 != 0;
            envelope.require_tls = flags & 2 != 0;
            envelope.may_bounce = flags & 4 != 0;
        }
        _ => return Some(false),
    }
    Some(true)
}

fn decode_client_field(client: &mut Client, field: u64, value: &[u8]) -> Option<()> {
    match field {
        2 => {
            client.address = match value.len() {
                4 => Some(IpAddr::from(Octets(value).array::<4>()?)),
                _ => Some(IpAddr::from(Octets(value).array::<16>()?)),
            }
        }
        3 => client.name = Some(text(value)?.into()),
        4 => client.hello = Some(text(value)?.into()),
        5 => {
            client.via = match number(value)? {
                1 => Via::Smtp,
                2 => Via::Esmtp,
                3 => Via::Lmtp,
                4 => Via::Http,
                _ => Via::Local,
            }
        }
        _ => {
            let (version, cipher) = text(value)?.split_once(' ')?;
            client.tls = Some(TlsFacts { version: version.into(), cipher: cipher.into() });
        }
    }
    Some(())
}

/// Local part and domain apart: the local part needs no quotes so, and none are taken off.
fn put_address(out: &mut Vec<u8>, field: u64, address: &Address) {
    let mut octets = address.local_part().as_bytes().to_vec();
    octets.push(0);
    // Writing to a Vec cannot fail.
    let _ = std::io::Write::write_fmt(&mut octets, format_args!("{}", address.domain()));
    put_field(out, field, &octets);
}

fn address(octets: &[u8]) -> Option<Address> {
    let (local, domain) = text(octets)?.split_once('\0')?;
    Address::new(local, mail::Domain::parse(domain).ok()?).ok()
}

fn encode_recipient(recipient: &Recipient, out: &mut Vec<u8>) {
    put_address(out, 1, &recipient.forward_path);
    if recipient.notify != Notify::default() {
        let Notify { success, failure, delay, given } = recipient.notify;
        put_number(
            out,
            2,
            u64::from(success) | u64::from(failure) << 1 | u64::from(delay) << 2 | u64::from(given) << 3,
        );
    }
    if let Some(orcpt) = &recipient.orcpt {
        put_field(out, 3, format!("{};{}", orcpt.kind, orcpt.address).as_bytes());
    }
    put_text(out, 4, recipient.route.as_deref());
    put_text(out, 5, recipient.source.as_deref());
    put_text(out, 6, recipient.verp.as_deref());
    put_number(out, 7, recipient.due.as_millis());
    if recipient.attempts != 0 {
        put_number(out, 8, recipient.attempts.into());
    }
    if let Some(reply) = &recipient.last_reply {
        put_reply(out, 9, reply);
    }
    put_text(out, 10, recipient.last_mx.as_deref());
    put_text(out, 11, recipient.policy.as_deref());
    if recipient.held {
        put_number(out, 13, 1);
    }
    if let Some(at) = recipient.held_at {
        put_number(out, 14, at.as_millis());
    }
    if !recipient.paused.is_zero() {
        put_number(out, 15, millis(recipient.paused));
    }
    put_text(out, 16, recipient.last_site.as_deref());
    put_text(out, 17, recipient.bounce.as_deref());
    if recipient.delay_told {
        put_number(out, 18, 1);
    }
    if recipient.junk {
        put_number(out, 19, 1);
    }
}

fn decode_recipient(octets: &[u8]) -> Option<(Recipient, bool, Vec<u8>)> {
    let mut cursor = Octets(octets);
    let (mut found, mut done, mut unknown) = (None, false, Vec::new());
    while !cursor.is_empty() {
        let (field, value) = cursor.field()?;
        if field == 1 {
            found = Some(Recipient::new(address(value)?, Timestamp::default()));
            continue;
        }
        // The forward-path comes first.
        let recipient = found.as_mut()?;
        match field {
            2 => {
                let flags = number(value)?;
                let (success, failure, delay) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
                recipient.notify = Notify { success, failure, delay, given: flags & 8 != 0 };
            }
            3 => {
                let (kind, address) = text(value)?.split_once(';')?;
                recipient.orcpt = Some(OriginalRecipient { kind: kind.into(), address: address.into() });
            }
            4 => recipient.route = Some(text(value)?.into()),
            5 => recipient.source = Some(text(value)?.into()),
            6 => recipient.verp = Some(text(value)?.into()),
            7 => recipient.due = Timestamp::from_millis(number(value)?),
            8 => recipient.attempts = u32::try_from(number(value)?).ok()?,
            9 => recipient.last_reply = Some(reply(value)?),
            10 => recipient.last_mx = Some(text(value)?.into()),
            11 => recipient.policy = Some(text(value)?.into()),
            12 => done = number(value)? == 1,
            13 => recipient.held = number(value)? == 1,
            14 => recipient.held_at = Some(Timestamp::from_millis(number(value)?)),
            15 => recipient.paused = Duration::from_millis(number(value)?),
            16 => recipient.last_site = Some(text(value)?.into()),
            17 => recipient.bounce = Some(text(value)?.into()),
            18 => recipient.delay_told = number(value)? == 1,
            19 => recipient.junk = number(value)? == 1,
            _ => put_field(&mut unknown, field, value),
        }
    }
    Some((found?, done, unknown))
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn put_reply(out: &mut Vec<u8>, field: u64, reply: &Reply) {
    let mut octets = reply.code().to_le_bytes().to_vec();
    if let Some(status) = reply.enhanced() {
        octets.push(status.class);
        octets.extend_from_slice(&status.subject.to_le_bytes());
        octets.extend_from_slice(&status.detail.to_le_bytes());
    } else {
        octets.extend_from_slice(&[0; 5]);
    }
    octets.extend_from_slice(reply.text().as_bytes());
    put_field(out, field, &octets);
}

pub(crate) fn reply(octets: &[u8]) -> Option<Reply> {
    let mut cursor = Octets(octets);
    let code = cursor.u16()?;
    let status = EnhancedStatus::new(cursor.u8()?, cursor.u16()?, cursor.u16()?);
    let words = text(cursor.0)?.to_owned();
    Some(if status.class == 0 { Reply::plain(code, words) } else { Reply::new(code, status, words) })
}

#[cfg(test)]
mod tests {
    use mail::Domain;
    use proptest::{option, prelude::*};

    use super::*;

    prop_compose! {
        fn addresses()(local in "[ -~é]{1,20}", domain in "[a-z]{1,8}(\\.[a-z0-9]{1,8}){0,2}") -> Address {
            Address::new(&local, Domain::parse(&domain).unwrap()).unwrap()
        }
    }

    prop_compose! {
        fn replies()(code in 200..600_u16, class in 0..6_u8, a: u16, b: u16, text in "[ -~]{0,40}") -> Reply {
            if class < 2 { Reply::plain(code, text) } else { Reply::new(code, EnhancedStatus::new(class, a, b), text) }
        }
    }

    prop_compose! {
        fn recipients()(
            path in addresses(), bits: u8, texts in proptest::collection::vec(option::of("[a-z;]{0,9}"), 8),
            due: u64, held_at: Option<u64>, paused: u64, attempts: u32, last_reply in option::of(replies()),
        ) -> Recipient {
            let get = |n: usize| texts[n].clone().map(String::into_boxed_str);
            let orcpt = get(0).map(|address| OriginalRecipient { kind: "rfc822".into(), address });
            Recipient {
                notify: Notify { success: bits & 1 != 0, failure: bits & 2 != 0, delay: bits & 4 != 0, given: bits & 8 != 0 },
                delay_told: bits & 32 != 0, junk: bits & 64 != 0, held: bits & 16 != 0, held_at: held_at.map(Timestamp::from_millis), paused: Duration::from_millis(paused), last_site: get(6), bounce: get(7), orcpt, route: get(1), source: get(2), verp: get(3), attempts, last_reply, last_mx: get(4), policy: get(5),
                ..Recipient::new(path, Timestamp::from_millis(due))
            }
        }
    }

    prop_compose! {
        fn envelopes()(
            bits: u16, numbers: [u64; 4], texts in proptest::collection::vec(option::of("[a-z]{0,9}"), 5),
            priority: i8, reverse in option::of(addresses()), address: [u8; 16],
            recipients in proptest::collection::vec(recipients(), 0..4),
        ) -> Envelope {
            let bit = |n: u16| bits & 1 << n != 0;
            let get = |n: usize| texts[n].clone().map(String::into_boxed_str);
            let tls = bit(0).then(|| TlsFacts { version: "TLSv1.3".into(), cipher: "X Y".into() });
            Envelope {
                id: QueueId::from_bytes([7; 16]),
                received: Timestamp::from_millis(numbers[0]),
                client: Client {
                    address: bit(1).then(|| if bit(2) { IpAddr::from(address) } else { IpAddr::from([192, 0, 2, 1]) }),
                    name: get(0), hello: get(1), via: if bit(3) { Via::Smtp } else { Via::Esmtp }, tls,
                },
                listener: get(2).unwrap_or_default(), account: get(3),
                stream: if bit(4) { Stream::Bulk } else { Stream::Transactional }, priority,
                deliver_by: bit(5).then(|| DeliverBy {
                    deadline: Timestamp::from_millis(numbers[1]), return_then: bit(6), trace: bit(7),
                }),
                hold_until: bit(8).then(|| Timestamp::from_millis(numbers[2])),
                reverse_path: reverse.map_or(ReversePath::Null, ReversePath::Address),
                ret: bit(9).then(|| if bit(10) { Ret::Full } else { Ret::Headers }),
                envid: get(4),
                body: if bit(11) { Body::EightBitMime } else { Body::BinaryMime },
                smtputf8: bit(12), require_tls: bit(13), may_bounce: bit(14), recipients,
            }
        }
    }

    proptest! {
        #[test]
        fn envelopes_round_trip_with_what_is_unknown(envelope in envelopes(), unknown: Vec<u8>, done: bool) {
            let mut stored = Stored::new(envelope.clone());
            put_field(&mut stored.unknown, 4711, &unknown);
            for flag in &mut stored.done {
                *flag = done;
                let mut field = Vec::new();
                put_field(&mut field, 815, &unknown);
                stored.recipients_unknown.push(field);
            }
            let mut out = Vec::new();
            stored.encode(&mut out);
            prop_assert_eq!(Stored::decode(envelope.id, &out), Some(stored));
            let mut fresh = Vec::new();
            encode_fresh(&envelope, &mut fresh);
            prop_assert_eq!(Stored::decode(envelope.id, &fresh).unwrap().envelope, envelope);
        }

        #[test]
        fn memory_keeps_the_same_of_a_record_as_of_its_envelope(envelope in envelopes(), done: bool) {
            let mut stored = Stored::new(envelope.clone());
            stored.done.fill(done);
            let (mut out, mut index) = (Vec::new(), crate::index::Index::default());
            stored.encode(&mut out);
            let whole = index.message(&envelope, &stored.done, 0);
            let gist = crate::gist::message(&mut index.queue, envelope.id, &out, false).unwrap();
            prop_assert_eq!(format!("{whole:?}"), format!("{gist:?}"));
        }

        #[test]
        fn no_octets_panic(octets: Vec<u8>) {
            let id = QueueId::from_bytes([0; 16]);
            let _ = Stored::decode(id, &octets);
            let _ = crate::gist::message(&mut crate::queue::Queue::default(), id, &octets, true);
        }
    }
}
