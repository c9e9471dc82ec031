//! Reports about any message: another reader finds the three parts in them, and nothing in them that was smuggled in.

use mail::{
    Body, Client, EnhancedStatus, Envelope, Notify, OriginalRecipient, QueueId, Recipient, Reply, Ret,
    ReversePath,
};
use mail_parser::{MessageParser, MimeHeaders};
use message::{Action, Cause, HeaderSection, Report, ReportedRecipient};
use testkit::by_the_book::normalised;

use crate::source::Source;

/// RFC 5322 §2.1.1.
const LINE_OCTETS_MAX: usize = 998;

pub(crate) fn run(octets: &[u8]) {
    let mut source = Source(octets);
    let recipients: Vec<Recipient> = (0..=source.below(3)).map(|_| recipient(&mut source)).collect();
    let envelope = envelope(&mut source, recipients);
    let facts: Vec<_> = envelope.recipients.iter().map(|_| facts(&mut source)).collect();
    let topic = facts[0].0;
    let reported: Vec<ReportedRecipient<'_>> = envelope
        .recipients
        .iter()
        .zip(&facts)
        .map(|(recipient, (_, status, mta, reply))| ReportedRecipient {
            recipient,
            action: topic,
            status: *status,
            remote_mta: mta.as_deref(),
            reply: reply.as_ref(),
            last_attempt: Some(envelope.received),
        })
        .collect();
    let (at, for_postmaster) = (source.time(), source.flag());
    let content = source.0;
    let report = Report {
        reporting_mta: "mx.example.org",
        id: QueueId::from_bytes([7; 16]),
        at,
        envelope: &envelope,
        recipients: &reported,
        content,
        content_octets: content.len() as u64,
        for_postmaster,
    };
    let Some(dsn) = report.build() else {
        assert_eq!(
            envelope.reverse_path,
            ReversePath::Null,
            "RFC 5321 §6.1: only to nobody there is no report"
        );
        return;
    };
    is_well_formed(&dsn.content, dsn.body, reported.len());
}

fn is_well_formed(content: &[u8], body: Body, recipients: usize) {
    let shown = String::from_utf8_lossy(content);
    assert_eq!(normalised(content), content, "a bare CR or LF: {shown}");
    assert!(!content.contains(&0));
    assert!(content.split(|octet| *octet == b'\n').all(|line| line.len() <= LINE_OCTETS_MAX + 1), "{shown}");
    assert!(content.is_ascii() || body == Body::EightBitMime, "{shown}");
    let section = HeaderSection::read(content);
    assert!(section.is_complete());
    for (name, count) in
        [("From", 1), ("To", 1), ("Date", 1), ("Message-ID", 1), ("Subject", 1), ("Content-Type", 1)]
    {
        assert_eq!(section.count(name), count, "{name}: {shown}");
    }
    let message = MessageParser::default().parse(content).expect("a message");
    let root = message.root_part();
    assert!(root.is_content_type("multipart", "report"), "{shown}");
    let parts = root.sub_parts().expect("parts");
    assert_eq!(parts.len(), 3, "RFC 6522 §3: {shown}");
    let told = message.part(parts[1]).expect("the second part");
    let told = String::from_utf8_lossy(told.contents()).into_owned();
    let lines = |name: &str| told.lines().filter(|line| line.starts_with(name)).count();
    assert_eq!(lines("Reporting-MTA:"), 1, "{told}");
    assert_eq!(lines("Final-Recipient:"), recipients, "{told}");
    assert_eq!(lines("Action:"), recipients, "{told}");
    assert_eq!(lines("Status:"), recipients, "{told}");
}

fn facts(source: &mut Source<'_>) -> (Action, EnhancedStatus, Option<String>, Option<Reply>) {
    let action = match source.below(6) {
        0 => Action::Failed(Cause::Bounced),
        1 => Action::Failed(Cause::Expired),
        2 => Action::Delayed { until: source.time() },
        3 => Action::Delivered,
        4 => Action::Relayed,
        _ => Action::Expanded,
    };
    let class = match action {
        Action::Failed(Cause::Bounced) => 5,
        Action::Failed(Cause::Expired) | Action::Delayed { .. } => 4,
        _ => 2,
    };
    let status = EnhancedStatus::new(class, source.octet().into(), source.octet().into());
    let reply = |source: &mut Source<'_>| {
        let code = u16::from(class) * 100 + u16::from(source.octet() % 60);
        if source.flag() {
            Reply::new(code, status, source.text())
        } else {
            Reply::plain(code, source.text())
        }
    };
    (action, status, source.maybe(Source::text), source.maybe(reply))
}

fn recipient(source: &mut Source<'_>) -> Recipient {
    let (address, due) = (source.address(), source.time());
    let mut recipient = Recipient::new(address, due);
    recipient.notify =
        Notify { success: source.flag(), failure: true, delay: source.flag(), given: source.flag() };
    recipient.orcpt = source.maybe(|source| OriginalRecipient::of(&source.text()));
    recipient
}

fn envelope(source: &mut Source<'_>, recipients: Vec<Recipient>) -> Envelope {
    let path =
        if source.below(16) == 15 { ReversePath::Null } else { ReversePath::Address(source.address()) };
    let envelope = Envelope::new(QueueId::from_bytes([6; 16]), source.time(), "smtp", recipients);
    Envelope {
        client: Client { hello: source.maybe(|source| source.text().into()), ..Client::default() },
        reverse_path: path,
        ret: source.maybe(|source| if source.flag() { Ret::Full } else { Ret::Headers }),
        envid: source.maybe(|source| source.text().into()),
        body: if source.flag() { Body::EightBitMime } else { Body::SevenBit },
        smtputf8: source.flag(),
        require_tls: source.flag(),
        ..envelope
    }
}
