//! Who hears of a failure, and what.

use mail::{Address, Notify};

use super::*;
use crate::{
    config::Config,
    fixtures,
    outcome::{Circumstances, Endpoint, Fate},
    retry::RetryPolicy,
};

const NOW: Timestamp = Timestamp::from_millis(2_000_000);

fn verdicts<'a>(envelope: &'a Envelope, findings: &'a [Finding]) -> Vec<(&'a Finding, Verdict)> {
    let retry = RetryPolicy::new(&Config::default());
    let circumstances = Circumstances { envelope, station: "deliver/remote", now: NOW, retry: &retry };
    findings.iter().map(|finding| (finding, circumstances.judge(finding, 0).unwrap())).collect()
}

fn bounced(recipient: u32) -> Finding {
    let endpoint = Endpoint { host: "mx.example.org".into(), address: None, site: "example.org".into() };
    Finding {
        peer_words: true,
        endpoint: Some(endpoint.into()),
        ..Finding::own(recipient, Fate::Bounced, Reply::fixed(550, (5, 1, 1), "No such user"))
    }
}

fn report(envelope: &Envelope, findings: &[Finding]) -> Option<(Submission, Event)> {
    let verdicts = verdicts(envelope, findings);
    let failures = Failures::gather(envelope, &verdicts, NOW)?;
    let postmaster = Address::parse("postmaster@example.net").unwrap();
    let reporter = Reporter { hostname: "mx.example.net", postmaster: &postmaster, now: NOW };
    reporter.report(QueueId::new(NOW, 0, 99), envelope, &failures, (b"Subject: x\r\n\r\nhello\r\n", 21))
}

#[test]
fn the_sender_hears_of_failures_unless_it_said_otherwise() {
    let envelope = fixtures::envelope(&["anna@example.org"]);
    let recipient = envelope.recipients[0].clone();
    let silent = Recipient {
        notify: Notify { success: true, failure: false, delay: true, given: true },
        ..recipient.clone()
    };
    let spam = Envelope { may_bounce: false, ..envelope.clone() };
    let null = Envelope { reverse_path: ReversePath::Null, ..envelope.clone() };
    let own = Envelope { listener: DSN_LISTENER.into(), ..null.clone() };
    let copy = Envelope { listener: POSTMASTER_LISTENER.into(), ..null.clone() };
    for (envelope, recipient, expected) in [
        (&envelope, &recipient, Audience::Sender),
        (&envelope, &silent, Audience::Nobody),
        (&spam, &recipient, Audience::Nobody),
        (&null, &recipient, Audience::Nobody),
        (&own, &recipient, Audience::Postmaster),
        (&copy, &recipient, Audience::Nobody),
    ] {
        assert_eq!(audience(envelope, recipient), expected, "{envelope:?}");
    }
}

#[test]
fn one_report_tells_of_all_recipients_that_failed_together() {
    let envelope = fixtures::envelope(&["anna@example.org", "bert@example.org", "carl@example.org"]);
    let carl = Finding::own(2, Fate::Deferred, Reply::fixed(450, (4, 2, 0), "later"));
    let (submission, event) = report(&envelope, &[bounced(0), bounced(1), carl]).unwrap();
    let sent = &submission.envelope;
    assert_eq!(sent.reverse_path, ReversePath::Null);
    assert_eq!(sent.recipients.len(), 1);
    assert_eq!(sent.recipients[0].forward_path.to_string(), "otto@example.net");
    assert_eq!(&*sent.listener, DSN_LISTENER);
    assert!(!sent.may_bounce);
    assert_eq!(submission.events.len(), 1);
    assert_eq!((event.kind, event.id, event.report), (Kind::Dsn, envelope.id, Some(sent.id)));
}

#[test]
fn nothing_is_reported_when_nothing_failed() {
    let envelope = fixtures::envelope(&["anna@example.org"]);
    for fate in [Fate::Delivered, Fate::Deferred] {
        let finding = Finding::own(0, fate, Reply::plain(250, "ok"));
        assert!(report(&envelope, &[finding]).is_none());
    }
}

#[test]
fn a_report_of_ours_that_fails_goes_to_the_postmaster_and_no_further() {
    let mut envelope = fixtures::envelope(&["otto@example.org"]);
    envelope.reverse_path = ReversePath::Null;
    envelope.listener = DSN_LISTENER.into();
    let (copy, event) = report(&envelope, &[bounced(0)]).unwrap();
    assert_eq!(copy.envelope.recipients[0].forward_path.to_string(), "postmaster@example.net");
    assert_eq!(copy.envelope.reverse_path, ReversePath::Null);
    assert!(event.reason.is_some());
    assert!(report(&copy.envelope, &[bounced(0)]).is_none());
}

#[test]
fn mail_from_the_null_reverse_path_that_fails_leaves_an_event() {
    let mut envelope = fixtures::envelope(&["anna@example.org"]);
    let findings = [bounced(0)];
    assert_eq!(discarded(&envelope, &verdicts(&envelope, &findings)[0].1, NOW), None);
    envelope.reverse_path = ReversePath::Null;
    let event = discarded(&envelope, &verdicts(&envelope, &findings)[0].1, NOW).unwrap();
    assert_eq!(event.kind, Kind::DiscardedReport);
    assert!(report(&envelope, &findings).is_none());
}

#[test]
fn our_own_words_are_not_put_into_the_mouth_of_a_host() {
    let envelope = fixtures::envelope(&["anna@example.org"]);
    let findings = [Finding { peer_words: false, ..bounced(0) }];
    let verdicts = verdicts(&envelope, &findings);
    let failures = Failures::gather(&envelope, &verdicts, NOW).unwrap();
    assert_eq!(failures.recipients[0].remote_mta, None);
    let findings = [bounced(0)];
    let verdicts = self::verdicts(&envelope, &findings);
    let failures = Failures::gather(&envelope, &verdicts, NOW).unwrap();
    assert_eq!(failures.recipients[0].remote_mta, Some("mx.example.org"));
}
