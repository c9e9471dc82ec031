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
    let circumstances =
        Circumstances { envelope, station: "deliver/remote", now: NOW, may_expire: true, retry: &retry };
    findings.iter().map(|finding| (finding, circumstances.judge(finding, 0).unwrap())).collect()
}

fn bounced(recipient: u32) -> Finding {
    let endpoint = Endpoint::unreached("mx.example.org".into(), None, "example.org".into());
    Finding {
        peer_words: true,
        endpoint: Some(endpoint.into()),
        ..Finding::own(recipient, Fate::Bounced, Reply::fixed(550, (5, 1, 1), "No such user"))
    }
}

fn reports(envelope: &Envelope, findings: &[Finding]) -> Vec<(Submission, Event)> {
    let verdicts = verdicts(envelope, findings);
    let postmaster = Address::parse("postmaster@example.net").unwrap();
    let reporter = Reporter { hostname: "mx.example.net", postmaster: &postmaster, now: NOW };
    let notices = Notice::gather(envelope, &verdicts, |_| true);
    let content = (b"Subject: x\r\n\r\nhello\r\n".as_slice(), 21);
    let report =
        |notice: &Notice<'_>| reporter.report(QueueId::new(NOW, 0, 99), envelope, notice, content).unwrap();
    notices.iter().map(report).collect()
}

/// The only report, if there is one.
fn report(envelope: &Envelope, findings: &[Finding]) -> Option<(Submission, Event)> {
    let mut reports = reports(envelope, findings);
    assert!(reports.len() < 2, "{reports:?}");
    reports.pop()
}

/// Each recipient of a report with what it says of it.
fn told(envelope: &Envelope, findings: &[Finding]) -> Vec<(String, &'static str)> {
    let verdicts = verdicts(envelope, findings);
    let notices = Notice::gather(envelope, &verdicts, |_| true);
    let all = notices.iter().flat_map(|notice| &notice.recipients);
    all.map(|reported| (reported.recipient.forward_path.to_string(), reported.action.word())).collect()
}

#[test]
fn who_hears_of_what() {
    use Topic::{Delay, Failure, Success};
    let envelope = fixtures::envelope(&["anna@example.org"]);
    let recipient = envelope.recipients[0].clone();
    let asked = |success, failure, delay| Recipient {
        notify: Notify { success, failure, delay, given: true },
        ..recipient.clone()
    };
    let (never, all, success) =
        (asked(false, false, false), asked(true, true, true), asked(true, false, false));
    let junk = Recipient { junk: true, ..all.clone() };
    let spam = Envelope { may_bounce: false, ..envelope.clone() };
    let null = Envelope { reverse_path: ReversePath::Null, ..envelope.clone() };
    let own = Envelope { listener: DSN_LISTENER.into(), ..null.clone() };
    let copy = Envelope { listener: POSTMASTER_LISTENER.into(), ..null.clone() };
    for (envelope, recipient, heard) in [
        (&envelope, &recipient, &[Failure, Delay][..]),
        (&envelope, &never, &[]),
        (&envelope, &all, &[Failure, Delay, Success]),
        (&envelope, &success, &[Success]),
        (&envelope, &junk, &[]),
        (&spam, &all, &[]),
        (&null, &all, &[]),
        (&own, &all, &[Failure]),
        (&copy, &all, &[]),
    ] {
        for topic in [Failure, Delay, Success] {
            let expected = heard.contains(&topic);
            assert_eq!(is_told(envelope, recipient, topic), expected, "{topic:?} {envelope:?}");
        }
    }
}

#[test]
fn success_is_told_to_whoever_asked_unless_the_next_hop_does() {
    let mut envelope = fixtures::envelope(&["anna@example.org", "bert@example.org", "carl@example.org"]);
    let delivered = |recipient, success| Finding {
        fate: Fate::Delivered,
        reply: Reply::fixed(250, (2, 0, 0), "ok"),
        success,
        ..bounced(recipient)
    };
    let filed = Finding::own(2, Fate::Delivered, Reply::fixed(250, (2, 0, 0), "filed"));
    let findings = [delivered(0, Success::Relayed), delivered(1, Success::PassedOn), filed];
    assert_eq!(told(&envelope, &findings), [], "nobody asked");
    for recipient in &mut envelope.recipients {
        recipient.notify = Notify { success: true, failure: false, delay: false, given: true };
    }
    let (anna, carl) = ("anna@example.org".to_owned(), "carl@example.org".to_owned());
    assert_eq!(told(&envelope, &findings), [(anna, "relayed"), (carl, "delivered")]);
    let (submission, event) = report(&envelope, &findings).unwrap();
    assert_eq!(event.actions, ["relayed", "delivered"]);
    assert_eq!(submission.envelope.recipients[0].forward_path.to_string(), "otto@example.net");
}

#[test]
fn what_failed_and_what_arrived_is_told_apart() {
    let mut envelope = fixtures::envelope(&["anna@example.org", "bert@example.org"]);
    envelope.recipients[1].notify.success = true;
    let filed = Finding::own(1, Fate::Delivered, Reply::fixed(250, (2, 0, 0), "filed"));
    let reports = reports(&envelope, &[bounced(0), filed]);
    let actions: Vec<_> = reports.iter().map(|(_, event)| event.actions.join(",")).collect();
    assert_eq!(actions, ["failed", "delivered"]);
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
    assert_eq!(Notice::gather(&envelope, &verdicts, |_| true)[0].recipients[0].remote_mta, None);
    let findings = [bounced(0)];
    let verdicts = self::verdicts(&envelope, &findings);
    let notices = Notice::gather(&envelope, &verdicts, |_| true);
    assert_eq!(notices[0].recipients[0].remote_mta, Some("mx.example.org"));
}
