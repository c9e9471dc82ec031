//! Reports as their readers get them, and that no input makes an ill-formed one.

use std::time::Duration;

use mail::{Notify, OriginalRecipient, Ret, ReversePath, Stream};
use proptest::prelude::*;

use super::*;
use crate::HeaderSection;

const RECEIVED: Timestamp = Timestamp::from_millis(1_795_456_934_000);
const NOW: Timestamp = Timestamp::from_millis(1_795_889_000_000);

const CONTENT: &str = "Received: from laptop.example.org ([192.0.2.1])\r\n by mx.example.org; Mon, 23 Nov 2026 18:02:14 +0000\r\n\
    Message-ID: <1@example.org>\r\nFrom: Anna <anna@example.org>\r\nTo: bob@example.net\r\nSubject: Hello\r\n\r\n\
    Hello Bob\r\n.\r\nAnna\r\n";

fn id(last: u8) -> QueueId {
    QueueId::from_bytes([1, 0x9a, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, last])
}

fn envelope(recipients: Vec<Recipient>) -> Envelope {
    Envelope {
        client: Client { hello: Some("laptop.example.org".into()), ..Client::default() },
        reverse_path: ReversePath::Address("anna@example.org".parse().unwrap()),
        ..Envelope::new(id(1), RECEIVED, "submission", recipients)
    }
}

fn recipient(address: &str) -> Recipient {
    Recipient::new(address.parse().unwrap(), RECEIVED)
}

fn refused<'a>(recipient: &'a Recipient, reply: &'a Reply) -> ReportedRecipient<'a> {
    ReportedRecipient {
        recipient,
        action: Action::Failed(Cause::Bounced),
        status: reply.enhanced().unwrap_or(EnhancedStatus::new(5, 0, 0)),
        remote_mta: Some("mx1.example.net"),
        reply: Some(reply),
        last_attempt: Some(RECEIVED),
    }
}

fn report<'a>(
    envelope: &'a Envelope,
    recipients: &'a [ReportedRecipient<'a>],
    content: &'a [u8],
) -> Report<'a> {
    Report {
        reporting_mta: "mx.example.org",
        id: id(2),
        at: NOW,
        envelope,
        recipients,
        content,
        content_octets: content.len() as u64,
        for_postmaster: false,
    }
}

/// What it says, with LF, after a check of its form.
fn shown(report: &Report<'_>) -> String {
    let dsn = report.build().unwrap();
    parts(&dsn, report.recipients.len());
    String::from_utf8(dsn.content).unwrap().replace("\r\n", "\n")
}

/// The header section and the three parts of a well-formed report; panics on another one.
fn parts(dsn: &Dsn, recipients: usize) -> (String, Vec<Vec<u8>>) {
    let content = &dsn.content;
    assert!(content.ends_with(b"\r\n"));
    for line in content.split(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(line.len() <= 998, "a line of {} octets", line.len());
        assert!(!line.contains(&b'\r') && !line.contains(&0));
    }
    assert_eq!(memchr::memchr_iter(b'\n', content).count(), memmem::find_iter(content, b"\r\n").count());
    assert_eq!(dsn.body == Body::SevenBit, content.is_ascii());

    let header = HeaderSection::read(content);
    assert!(header.is_complete());
    for name in
        ["From", "To", "Date", "Subject", "Message-ID", "MIME-Version", "Content-Type", "Auto-Submitted"]
    {
        assert_eq!(header.count(name), 1, "{name}");
    }
    assert_eq!(dsn.smtputf8, !header.octets().is_ascii());
    let kind = header.find("Content-Type").unwrap().text(1000);
    let boundary = kind.split('"').nth(1).unwrap();

    let delimiter = format!("\r\n--{boundary}");
    let pieces: Vec<_> = split(&content[header.end()..], delimiter.as_bytes());
    assert_eq!(pieces.len(), 5, "a preamble, three parts and the end");
    assert_eq!(pieces[4], b"--\r\n");
    let parts: Vec<_> =
        pieces[1..4].iter().map(|part| part.strip_prefix(b"\r\n").unwrap().to_vec()).collect();
    check_encodings(&parts, &header);
    check_status(&parts[1], recipients);
    (String::from_utf8_lossy(header.octets()).into_owned(), parts)
}

fn split<'a>(text: &'a [u8], delimiter: &[u8]) -> Vec<&'a [u8]> {
    let mut at = 0;
    let mut pieces = Vec::new();
    for found in memmem::find_iter(text, delimiter) {
        pieces.push(&text[at..found]);
        at = found + delimiter.len();
    }
    pieces.push(&text[at..]);
    pieces
}

fn check_encodings(parts: &[Vec<u8>], top: &HeaderSection<'_>) {
    let whole_8bit = top.find("Content-Transfer-Encoding").is_some_and(|f| f.text(99) == "8bit");
    for part in parts {
        let header = HeaderSection::read(part);
        assert!(header.is_complete() && header.octets().is_ascii());
        let encoding = header.find("Content-Transfer-Encoding").unwrap().text(99);
        assert!(encoding == "8bit" || part.is_ascii());
        assert!(encoding != "8bit" || whole_8bit);
    }
}

/// RFC 3464 §2.1: one group of fields for the message, and one per recipient.
fn check_status(part: &[u8], recipients: usize) {
    let body = &part[HeaderSection::read(part).end()..];
    let groups: Vec<_> = split(body, b"\r\n\r\n");
    assert_eq!(groups.len(), 1 + recipients);
    assert_eq!(HeaderSection::read(groups[0]).count("Reporting-MTA"), 1);
    for group in &groups {
        assert_eq!(HeaderSection::read(group).octets().len(), group.len(), "only fields");
    }
    for group in &groups[1..] {
        for name in ["Final-Recipient", "Action", "Status"] {
            assert_eq!(HeaderSection::read(group).count(name), 1, "{name}");
        }
    }
}

#[test]
fn one_recipient_was_refused() {
    let reply = Reply::new(
        550,
        EnhancedStatus::new(5, 1, 1),
        "<bob@example.net>: Recipient address rejected: User unknown",
    );
    let envelope = envelope(vec![recipient("bob@example.net")]);
    let failed = [refused(&envelope.recipients[0], &reply)];
    insta::assert_snapshot!(shown(&report(&envelope, &failed, CONTENT.as_bytes())));
}

#[test]
fn several_recipients_failed_in_their_own_ways() {
    let mut envelope = envelope(vec![
        recipient("bob@example.net"),
        recipient("carol@slow.example"),
        recipient("dan@nullmx.example"),
        recipient("erin@example.com"),
    ]);
    envelope.envid = Some("order 4711".into());
    envelope.ret = Some(Ret::Headers);
    envelope.recipients[0].orcpt =
        Some(OriginalRecipient { kind: "rfc822".into(), address: "sales@example.net".into() });
    envelope.recipients[0].notify = Notify { success: false, failure: true, delay: false, given: true };
    let policy = Reply::new(
        554,
        EnhancedStatus::new(5, 7, 1),
        "Our policy, of which there is a great deal to say, does not allow this message to be taken\nSee https://example.net/policy",
    );
    let busy = Reply::plain(451, "try later");
    let none = Reply::fixed(556, (5, 1, 10), "Domain takes no mail");
    let failed = [
        refused(&envelope.recipients[0], &policy),
        ReportedRecipient {
            action: Action::Failed(Cause::Expired),
            status: EnhancedStatus::new(4, 4, 7),
            remote_mta: Some("mx.slow.example"),
            last_attempt: Some(NOW),
            ..refused(&envelope.recipients[1], &busy)
        },
        ReportedRecipient { remote_mta: None, ..refused(&envelope.recipients[2], &none) },
    ];
    insta::assert_snapshot!(shown(&report(&envelope, &failed, CONTENT.as_bytes())));
}

#[test]
fn addresses_and_words_beyond_ascii_are_shown_in_their_own_letters() {
    let reply = Reply::new(550, EnhancedStatus::new(5, 1, 1), "Empfänger unbekannt");
    let mut envelope = envelope(vec![recipient("δοκιμή@bücher.example")]);
    envelope.smtputf8 = true;
    envelope.reverse_path = ReversePath::Address("jürgen@example.org".parse().unwrap());
    let failed = [refused(&envelope.recipients[0], &reply)];
    let content = "From: Jürgen <jürgen@example.org>\r\nSubject: Grüße\r\n\r\nHallo\r\n";
    insta::assert_snapshot!(shown(&report(&envelope, &failed, content.as_bytes())));
}

#[test]
fn where_utf8_cannot_go_it_is_told_in_ascii() {
    let reply = Reply::new(550, EnhancedStatus::new(5, 1, 1), "Empfänger unbekannt");
    let mut envelope = envelope(vec![recipient("δοκιμή@bücher.example")]);
    envelope.smtputf8 = true;
    envelope.recipients[0].orcpt = OriginalRecipient::from_parameter(r"utf-8;info\x{2B}\x{E9}@example.net");
    let failed = [refused(&envelope.recipients[0], &reply)];
    let content = "From: Jürgen <juergen@example.org>\r\nSubject: Grüße\r\n\r\nHallo\r\n";
    let dsn = report(&envelope, &failed, content.as_bytes()).build().unwrap();
    assert_eq!((dsn.body, dsn.smtputf8), (Body::SevenBit, false));
    insta::assert_snapshot!(shown(&report(&envelope, &failed, content.as_bytes())));
}

#[test]
fn returned_header_sections_keep_their_letters() {
    let reply = Reply::plain(550, "no");
    let good = "Subject: Grüße\r\n\r\nHallo\r\n".as_bytes();
    let broken = b"Subject: Gr\xfc\xdfe\r\n\r\nHallo\r\n".as_slice();
    for (content, to, ret, kind, encoding) in [
        (good, "jürgen@example.org", None, "message/global", "8bit"),
        (good, "anna@example.org", None, "message/global", "quoted-printable"),
        (good, "jürgen@example.org", Some(Ret::Headers), "message/global-headers", "8bit"),
        (good, "anna@example.org", Some(Ret::Headers), "message/global-headers", "quoted-printable"),
        (broken, "jürgen@example.org", None, "text/rfc822-headers", "quoted-printable"),
        (broken, "anna@example.org", Some(Ret::Headers), "text/rfc822-headers", "quoted-printable"),
    ] {
        let mut envelope = envelope(vec![recipient("bob@example.net")]);
        envelope.reverse_path = ReversePath::Address(to.parse().unwrap());
        envelope.ret = ret;
        let failed = [refused(&envelope.recipients[0], &reply)];
        let (_, parts) = parts(&report(&envelope, &failed, content).build().unwrap(), 1);
        let header = HeaderSection::read(&parts[2]);
        let field = |name: &str| header.find(name).unwrap().text(99);
        assert_eq!(
            (field("Content-Type").as_str(), field("Content-Transfer-Encoding").as_str()),
            (kind, encoding)
        );
    }
}

#[test]
fn some_recipients_have_to_wait() {
    let mut envelope = envelope(vec![
        recipient("bob@example.net"),
        recipient("carol@slow.example"),
        recipient("dan@example.com"),
    ]);
    envelope.recipients[1].orcpt = Some(OriginalRecipient::of("sales@slow.example"));
    let busy = Reply::new(451, EnhancedStatus::new(4, 3, 2), "System not accepting messages");
    let none = Reply::fixed(450, (4, 4, 1), "No answer from any server");
    let waits = |recipient, reply| ReportedRecipient {
        action: Action::Delayed { until: RECEIVED.after(Duration::from_hours(120)) },
        ..refused(recipient, reply)
    };
    let delayed = [
        waits(&envelope.recipients[1], &busy),
        ReportedRecipient { remote_mta: None, ..waits(&envelope.recipients[2], &none) },
    ];
    let report = Report {
        at: RECEIVED.after(Duration::from_hours(4)),
        ..report(&envelope, &delayed, CONTENT.as_bytes())
    };
    insta::assert_snapshot!(shown(&report));
}

fn arrived(recipient: &Recipient, action: Action) -> ReportedRecipient<'_> {
    ReportedRecipient {
        recipient,
        action,
        status: EnhancedStatus::new(2, 0, 0),
        remote_mta: None,
        reply: None,
        last_attempt: None,
    }
}

#[test]
fn recipients_that_were_reached_are_told_of_when_asked() {
    let mut envelope = envelope(vec![recipient("bob@example.net"), recipient("carol@example.com")]);
    envelope.envid = Some("QQ314159".into());
    let taken = Reply::new(250, EnhancedStatus::new(2, 0, 0), "Queued as 4711");
    let success = [
        arrived(&envelope.recipients[0], Action::Delivered),
        ReportedRecipient {
            remote_mta: Some("mx.example.com"),
            reply: Some(&taken),
            ..arrived(&envelope.recipients[1], Action::Relayed)
        },
    ];
    insta::assert_snapshot!(shown(&report(&envelope, &success, CONTENT.as_bytes())));
}

#[test]
fn an_alias_of_several_is_told_of_as_one() {
    let envelope = envelope(vec![recipient("anna@example.org"), recipient("bob@example.org")]);
    let team = recipient("team@example.org");
    let expanded = [arrived(&team, Action::Expanded)];
    insta::assert_snapshot!(shown(&report(&envelope, &expanded, CONTENT.as_bytes())));
}

#[test]
fn the_postmaster_gets_what_reached_nobody() {
    let envelope = envelope(vec![recipient("bob@example.net")]);
    let reply = Reply::new(550, EnhancedStatus::new(5, 1, 1), "User unknown");
    let failed = [refused(&envelope.recipients[0], &reply)];
    let report = Report { for_postmaster: true, ..report(&envelope, &failed, CONTENT.as_bytes()) };
    let said = shown(&report);
    let text = &said[said.find("Subject: ").unwrap()..said.find("Content-Type: message/delivery").unwrap()];
    insta::assert_snapshot!(text);
}

#[test]
fn a_report_of_what_needs_tls_needs_it_too_and_returns_no_body() {
    let mut envelope = envelope(vec![recipient("bob@example.net")]);
    (envelope.require_tls, envelope.ret) = (true, Some(Ret::Full));
    let reply = Reply::plain(550, "no");
    let failed = [refused(&envelope.recipients[0], &reply)];
    let dsn = report(&envelope, &failed, CONTENT.as_bytes()).build().unwrap();
    assert!(dsn.envelope(id(2), NOW, Stream::Transactional).require_tls);
    assert!(!String::from_utf8(dsn.content).unwrap().contains("Hello Bob"));
}

#[test]
fn a_report_goes_from_the_null_reverse_path_and_asks_for_none_itself() {
    let envelope = envelope(vec![recipient("bob@example.net")]);
    let delivered = [arrived(&envelope.recipients[0], Action::Delivered)];
    let dsn = report(&envelope, &delivered, CONTENT.as_bytes()).build().unwrap();
    let sent = dsn.envelope(id(2), NOW, Stream::Bulk);
    assert_eq!((sent.id, sent.received, sent.stream), (id(2), NOW, Stream::Bulk));
    assert_eq!(
        (&sent.reverse_path, &*sent.listener, sent.may_bounce),
        (&ReversePath::Null, DSN_LISTENER, false)
    );
    assert_eq!(sent.recipients, [Recipient::new("anna@example.org".parse().unwrap(), NOW)]);
}

#[test]
fn eight_bit_content_makes_an_eight_bit_report() {
    let reply = Reply::new(552, EnhancedStatus::new(5, 2, 2), "Mailbox full");
    let mut envelope = envelope(vec![recipient("bob@example.net")]);
    envelope.body = Body::EightBitMime;
    let failed = [refused(&envelope.recipients[0], &reply)];
    let content = "Subject: x\r\nMIME-Version: 1.0\r\n\r\nGrüße\r\n";
    let dsn = report(&envelope, &failed, content.as_bytes()).build().unwrap();
    assert_eq!((dsn.body, dsn.smtputf8), (Body::EightBitMime, false));
    let (header, parts) = parts(&dsn, 1);
    assert!(header.contains("Content-Transfer-Encoding: 8bit"));
    assert!(parts[2].ends_with(content.as_bytes()));
    let header = String::from_utf8_lossy(HeaderSection::read(&parts[2]).octets()).into_owned();
    assert!(header.contains("message/rfc822") && header.contains("Content-Transfer-Encoding: 8bit"));
}

#[test]
fn what_cannot_be_returned_whole_is_returned_as_its_header_section() {
    let reply = Reply::plain(550, "no");
    let large = format!("Subject: x\r\n\r\n{}", "0123456789\r\n".repeat(6000));
    let long_line = format!("Subject: x\r\n\r\n{}\r\n", "a".repeat(999));
    let long_field = format!("Subject: {}\r\n\r\nbody\r\n", "a".repeat(2000));
    for (content, body, ret, words) in [
        (CONTENT, Body::SevenBit, None, "The message is attached."),
        (CONTENT, Body::SevenBit, Some(Ret::Full), "The message is attached."),
        (CONTENT, Body::SevenBit, Some(Ret::Headers), "The header section of the message is attached."),
        (CONTENT, Body::BinaryMime, None, "because it is binary"),
        (&large, Body::SevenBit, Some(Ret::Full), "because it is large"),
        (&long_line, Body::SevenBit, None, "lines that no mail may have"),
        (&long_field, Body::SevenBit, None, "lines that no mail may have"),
        ("Subject: x\r\n\r\nbare\nLF\r\n", Body::SevenBit, None, "lines that no mail may have"),
        ("Subject: x\r\n\r\nNUL\0\r\n", Body::SevenBit, None, "lines that no mail may have"),
    ] {
        let mut envelope = envelope(vec![recipient("bob@example.net")]);
        (envelope.body, envelope.ret) = (body, ret);
        let failed = [refused(&envelope.recipients[0], &reply)];
        let mut report = report(&envelope, &failed, content.as_bytes());
        report.content = &report.content[..report.content.len().min(CONTENT_RETURNED_MAX)];
        let (_, parts) = parts(&report.build().unwrap(), 1);
        let text = String::from_utf8(parts[0].clone()).unwrap().replace("\r\n", " ");
        assert!(text.contains(words), "{words}: {text}");
        let kind = HeaderSection::read(&parts[2]).find("Content-Type").unwrap().text(99);
        assert_eq!(kind == "message/rfc822", words == "The message is attached.", "{kind}");
    }
}

#[test]
fn addresses_are_repeated_to_the_letter() {
    let reply = Reply::plain(550, "no");
    let mut envelope = envelope(vec![recipient("\"a   b\"@example.net")]);
    envelope.reverse_path = ReversePath::Address("\"c   d\"@example.org".parse().unwrap());
    envelope.envid = Some("two  spaces".into());
    let failed = [refused(&envelope.recipients[0], &reply)];
    let (header, parts) = parts(&report(&envelope, &failed, b"").build().unwrap(), 1);
    assert!(header.contains("To: <\"c   d\"@example.org>\r\n"));
    let status = String::from_utf8_lossy(&parts[1]).into_owned();
    assert!(status.contains("Final-Recipient: rfc822; \"a   b\"@example.net\r\n"));
    assert!(status.contains("Original-Envelope-Id: two  spaces\r\n"));
}

#[test]
fn a_report_never_causes_another_one() {
    let reply = Reply::plain(550, "no");
    let mut envelope = envelope(vec![recipient("bob@example.net")]);
    assert_eq!(report(&envelope, &[], b"").build(), None);
    envelope.reverse_path = ReversePath::Null;
    let failed = [refused(&envelope.recipients[0], &reply)];
    assert_eq!(report(&envelope, &failed, b"").build(), None);
}

#[test]
fn the_boundary_is_none_that_the_content_guessed() {
    let reply = Reply::plain(550, "no");
    let envelope = envelope(vec![recipient("bob@example.net")]);
    let failed = [refused(&envelope.recipients[0], &reply)];
    let (guess, next) = (format!("=_{}", id(2)), format!("=_{}.1.", id(2)));
    let content = format!("Subject: x\r\n\r\n--{guess}--\r\n--{next}\r\n");
    let (header, _) = parts(&report(&envelope, &failed, content.as_bytes()).build().unwrap(), 1);
    assert!(header.contains(&format!("boundary=\"{guess}.2.\"")), "{header}");
}

#[test]
fn a_hostile_server_cannot_write_into_the_report() {
    let reply = Reply::plain(550, format!("x\r\n\r\n--=_{}--\nSubject: forged\n{}", id(2), "y".repeat(5000)));
    let envelope = envelope(vec![recipient("bob@example.net")]);
    let failed = [ReportedRecipient {
        remote_mta: Some("evil)\r\nBcc: x"),
        ..refused(&envelope.recipients[0], &reply)
    }];
    let dsn = report(&envelope, &failed, CONTENT.as_bytes()).build().unwrap();
    let (header, parts) = parts(&dsn, 1);
    assert!(!header.contains("forged") && !header.contains("Bcc"));
    assert!(!String::from_utf8_lossy(&parts[1]).contains("\nBcc"));
    assert!(dsn.content.len() < 6000);
}

#[test]
fn many_recipients_of_a_talkative_server_make_no_huge_report() {
    let envelope = envelope((0..1000).map(|n| recipient(&format!("r{n}@example.net"))).collect());
    let reply = Reply::plain(550, format!("first words {}", "and so on ".repeat(800)));
    let failed: Vec<_> = envelope.recipients.iter().map(|recipient| refused(recipient, &reply)).collect();
    let dsn = report(&envelope, &failed, CONTENT.as_bytes()).build().unwrap();
    let (_, parts) = parts(&dsn, 1000);
    assert_eq!(named(&parts[1]).len(), 1000);
    let told = |part: &[u8]| String::from_utf8(part.to_vec()).unwrap().matches("first words").count();
    assert_eq!((told(&parts[0]), told(&parts[1])), (1000, 1000));
    assert!(dsn.content.len() < 1_000_000, "{} octets", dsn.content.len());
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,60}", "[\r\n\0-~é]{0,200}", "[a-z]{900,1100}", "=_[0-9a-z.]{0,30}"]
}

fn any_content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        "([A-Za-z-]{1,9}: ?[ -~é]{0,40}\r\n){0,6}(\r\n([ -~é]{0,80}\r\n){0,5})?".prop_map(String::into_bytes),
        "[a-z: \t\r\n\0]{0,200}".prop_map(String::into_bytes),
        "Subject: [a-z]{990,1010}\r\n\r\nx".prop_map(String::into_bytes),
    ]
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Failed(Cause::Bounced)),
        Just(Action::Failed(Cause::Expired)),
        any::<u32>().prop_map(|until| Action::Delayed { until: Timestamp::from_millis(until.into()) }),
        Just(Action::Delivered),
        Just(Action::Relayed),
        Just(Action::Expanded),
    ]
}

/// Whom the status part names, decoded.
fn named(part: &[u8]) -> Vec<String> {
    let body = String::from_utf8(part[HeaderSection::read(part).end()..].to_vec()).unwrap();
    let address = |field: &str| {
        let (kind, address) = field.strip_prefix("Final-Recipient: ")?.split_once("; ")?;
        let encoded = kind == "utf-8" && address.is_ascii();
        Some(if encoded { mail::xtext::decode_unitext(address).unwrap() } else { address.to_owned() })
    };
    body.replace("\r\n ", " ").split("\r\n").filter_map(address).collect()
}

proptest! {
    #[test]
    fn no_input_makes_an_ill_formed_report(
        content in any_content(),
        words in any_text(),
        host in any_text(),
        hello in any_text(),
        envid in any_text(),
        (local, domain) in ("[ -~é]{1,30}", prop_oneof![Just("bücher.example"), Just("example.net")]),
        (body, ret, known, more) in (0..3_u8, 0..3_u8, any::<bool>(), 0..3_u64),
        action in any_action(),
    ) {
        let address = Address::new(&local, mail::Domain::parse(domain).unwrap()).unwrap();
        let mut envelope = envelope(vec![recipient("bob@example.net"), Recipient::new(address.clone(), RECEIVED)]);
        envelope.reverse_path = ReversePath::Address(address.clone());
        envelope.client.hello = Some(hello.as_str().into());
        envelope.envid = Some(envid.as_str().into());
        envelope.body = [Body::SevenBit, Body::EightBitMime, Body::BinaryMime][usize::from(body)];
        envelope.ret = [None, Some(Ret::Full), Some(Ret::Headers)][usize::from(ret)];
        envelope.recipients[0].orcpt =
            Some(OriginalRecipient { kind: host.as_str().into(), address: words.as_str().into() });
        let reply = Reply::plain(550, words);
        let [first, second] = &envelope.recipients[..] else { panic!() };
        let mut reported = [first, second].map(|one| ReportedRecipient { action, ..refused(one, &reply) });
        reported[0].remote_mta = Some(&host);
        if !known {
            reported[1] = ReportedRecipient { reply: None, last_attempt: None, ..reported[1] };
        }
        let content_octets = content.len() as u64 + more;
        let report = Report { reporting_mta: &host, content_octets, ..report(&envelope, &reported, &content) };
        let (_, parts) = parts(&report.build().unwrap(), 2);
        prop_assert_eq!(named(&parts[1]), ["bob@example.net".to_owned(), address.to_string()]);
        let status = HeaderSection::read(&parts[1]);
        let kind = status.find("Content-Type").unwrap().text(99);
        prop_assert_eq!(kind == "message/global-delivery-status", !parts[1].is_ascii());
    }
}
