//! Prints whole envelopes as lines for `corpus/record.txt`: what a fuzzer would take long to put together from nothing.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "run by hand")]

use std::time::Duration;

use mail::{
    Body, Client, DeliverBy, EnhancedStatus, Envelope, OriginalRecipient, QueueId, Recipient, Reply, Ret,
    ReversePath, Stream, Timestamp, TlsFacts, Via,
};

#[path = "../src/seeds.rs"]
mod seeds;

fn main() {
    let at = Timestamp::from_millis(1_795_953_600_000);
    let plain = Recipient::new("bert@example.org".parse().unwrap(), at);
    let mut rich = Recipient::new("δοκιμή@[192.0.2.1]".parse().unwrap(), at);
    rich.orcpt = Some(OriginalRecipient::of("bert@example.org"));
    (rich.held, rich.held_at, rich.paused) = (true, Some(at), Duration::from_secs(9));
    (rich.attempts, rich.bounce, rich.delay_told) = (3, Some("by order".into()), true);
    rich.last_reply = Some(Reply::new(451, EnhancedStatus::new(4, 7, 1), "Not now\nagain"));
    (rich.last_mx, rich.last_site) = (Some("mx.example.org".into()), Some("example.org".into()));
    for (full, recipients) in [(false, vec![plain.clone()]), (true, vec![plain, rich])] {
        let envelope = envelope(full, at, recipients);
        println!("{}", seeds::line(&[&[0], &spool::parts::envelope(&envelope)[..]].concat()));
    }
}

/// With all that an envelope may have, or with nothing.
fn envelope(full: bool, at: Timestamp, recipients: Vec<Recipient>) -> Envelope {
    let text = |text: &str| full.then(|| text.into());
    Envelope {
        id: QueueId::from_bytes([3; 16]),
        received: at,
        client: Client {
            address: full.then(|| [192, 0, 2, 25].into()),
            name: text("mail.example.com"),
            hello: text("mail.example.com"),
            via: if full { Via::Lmtp } else { Via::Esmtp },
            tls: full
                .then(|| TlsFacts { version: "TLSv1.3".into(), cipher: "TLS_AES_128_GCM_SHA256".into() }),
        },
        listener: "smtp".into(),
        account: text("anna"),
        stream: if full { Stream::Bulk } else { Stream::Transactional },
        priority: if full { -4 } else { 0 },
        deliver_by: full.then_some(DeliverBy { deadline: at, return_then: true, trace: true }),
        hold_until: full.then_some(at),
        reverse_path: if full {
            ReversePath::Address("\"anna b\"@example.com".parse().unwrap())
        } else {
            ReversePath::Null
        },
        ret: full.then_some(Ret::Headers),
        envid: text("QQ314159"),
        body: if full { Body::BinaryMime } else { Body::SevenBit },
        smtputf8: full,
        require_tls: full,
        may_bounce: true,
        recipients,
    }
}
