//! What becomes of a recipient, case by case.

use mail::ReversePath;

use super::*;
use crate::{config::Config, fixtures};

const NO_JITTER: u64 = 100;
/// The fixture was received then, in seconds.
const RECEIVED: u64 = 1000;
const EXPIRES: u64 = RECEIVED + 5 * 86_400;

fn at(secs: u64) -> Timestamp {
    Timestamp::from_millis(secs * 1000)
}

fn finding(fate: Fate) -> Finding {
    Finding::own(0, fate, Reply::fixed(450, (4, 2, 0), "words"))
}

fn judge(finding: &Finding, attempts: u32, now: u64) -> Verdict {
    let mut envelope = fixtures::envelope(&["anna@example.org"]);
    envelope.recipients[0].attempts = attempts;
    judge_in(&envelope, finding, now)
}

fn judge_in(envelope: &Envelope, finding: &Finding, now: u64) -> Verdict {
    let retry = RetryPolicy::new(&Config::default());
    let circumstances =
        Circumstances { envelope, station: "deliver/remote", now: at(now), may_expire: true, retry: &retry };
    circumstances.judge(finding, NO_JITTER).unwrap()
}

fn deferred(until: u64) -> Disposition {
    Disposition::Deferred { until: at(until) }
}

#[test]
fn each_finding_has_its_outcome() {
    for (fate, attempts, now, disposition) in [
        (Fate::Delivered, 0, 2000, Disposition::Delivered),
        (Fate::Delivered, 9, EXPIRES + 1, Disposition::Delivered),
        (Fate::Bounced, 0, 2000, Disposition::Bounced),
        (Fate::Bounced, 0, EXPIRES + 1, Disposition::Bounced),
        (Fate::Deferred, 0, 2000, deferred(2060)),
        (Fate::Deferred, 1, 2000, deferred(2300)),
        (Fate::Deferred, 20, 20_000, deferred(20_000 + 4 * 3600)),
        (Fate::Deferred, 20, EXPIRES - 1, deferred(EXPIRES)),
        (Fate::Deferred, 0, EXPIRES, Disposition::Expired),
    ] {
        let verdict = judge(&finding(fate), attempts, now);
        assert_eq!(verdict.outcome.disposition, disposition, "{fate:?} {attempts} {now}");
        assert!(verdict.outcome.attempted);
        assert_eq!(verdict.event.attempt, Some(attempts + 1));
    }
}

#[test]
fn who_waits_for_a_site_at_rest_is_due_at_its_end_and_has_made_no_attempt() {
    let rest = Rest { failed_at: at(2000), until: at(2100) };
    let verdict = judge(&Finding { rested: Some(rest), ..finding(Fate::Deferred) }, 3, 2050);
    assert_eq!(verdict.outcome.disposition, deferred(2100));
    assert!(!verdict.outcome.attempted);
    assert_eq!(verdict.event.attempt, None);
    assert!(verdict.event.reason.is_some());
}

#[test]
fn a_message_at_a_site_at_rest_expires_only_if_the_vain_attempt_came_after_its_time() {
    let judged = |failed_at| {
        let rest = Rest { failed_at: at(failed_at), until: at(EXPIRES + 600) };
        judge(&Finding { rested: Some(rest), ..finding(Fate::Deferred) }, 3, EXPIRES + 10).outcome.disposition
    };
    assert_eq!(judged(EXPIRES - 1), deferred(EXPIRES + 600));
    assert_eq!(judged(EXPIRES), Disposition::Expired);
}

#[test]
fn nothing_expires_before_it_was_tried_where_it_falls_back_to() {
    let elsewhere = Finding { at_once: true, not_before: Some(at(EXPIRES + 600)), ..finding(Fate::Deferred) };
    assert_eq!(judge(&elsewhere, 3, EXPIRES + 10).outcome.disposition, deferred(EXPIRES + 10));
}

#[test]
fn a_rest_that_begins_with_this_attempt_outranks_the_retry_list() {
    let later = Finding { not_before: Some(at(2500)), ..finding(Fate::Deferred) };
    assert_eq!(judge(&later, 0, 2000).outcome.disposition, deferred(2500));
    let sooner = Finding { not_before: Some(at(2010)), ..finding(Fate::Deferred) };
    assert_eq!(judge(&sooner, 0, 2000).outcome.disposition, deferred(2060));
}

#[test]
fn the_event_has_the_words_the_host_and_the_next_time() {
    let endpoint = Endpoint {
        protection: Protection::default(),
        host: "mx.example.org".into(),
        address: Some("192.0.2.1:25".parse().unwrap()),
        site: "example.org".into(),
    };
    let finding = Finding { peer_words: true, endpoint: Some(Arc::new(endpoint)), ..finding(Fate::Deferred) };
    let Verdict { event, outcome, .. } = judge(&finding, 0, 2000);
    assert_eq!(event.kind, Kind::Deferred);
    assert_eq!(event.reply.as_deref(), Some("450 4.2.0 words"));
    let mx = event.mx.unwrap();
    assert_eq!((&*mx.host, mx.address.as_deref()), ("mx.example.org", Some("192.0.2.1:25")));
    assert_eq!(event.site.as_deref(), Some("example.org"));
    assert_eq!(event.next_due, Some(at(2060)));
    assert_eq!(event.recipient.as_deref(), Some("anna@example.org"));
    assert_eq!(event.reverse_path.as_deref(), Some("otto@example.net"));
    assert_eq!(outcome.mx.as_deref(), Some("mx.example.org"));
}

#[test]
fn a_recipient_that_is_not_there_has_no_outcome() {
    let envelope = fixtures::envelope(&[]);
    let retry = RetryPolicy::new(&Config::default());
    let circumstances = Circumstances {
        envelope: &envelope,
        station: "deliver/remote",
        now: at(0),
        may_expire: true,
        retry: &retry,
    };
    assert_eq!(circumstances.judge(&finding(Fate::Delivered), 0), None);
}

#[test]
fn the_null_reverse_path_has_a_day() {
    let mut envelope = fixtures::envelope(&["anna@example.org"]);
    envelope.reverse_path = ReversePath::Null;
    let retry = RetryPolicy::new(&Config::default());
    let disposition = |now| {
        let circumstances = Circumstances {
            envelope: &envelope,
            station: "deliver/remote",
            now: at(now),
            may_expire: true,
            retry: &retry,
        };
        circumstances.judge(&finding(Fate::Deferred), NO_JITTER).unwrap().outcome.disposition
    };
    assert_eq!(disposition(RECEIVED + 86_399), deferred(RECEIVED + 86_400));
    assert_eq!(disposition(RECEIVED + 86_400), Disposition::Expired);
}

#[test]
fn a_report_has_a_status_of_the_class_of_its_action() {
    let (bounced, expired) = (Action::Failed(Cause::Bounced), Action::Failed(Cause::Expired));
    let delayed = Action::Delayed { until: at(EXPIRES) };
    for (action, reply, expected) in [
        (bounced, Reply::fixed(550, (5, 1, 1), ""), "5.1.1"),
        (bounced, Reply::plain(550, "no"), "5.0.0"),
        (bounced, Reply::fixed(550, (4, 2, 2), ""), "5.0.0"),
        (expired, Reply::fixed(450, (4, 2, 2), ""), "4.4.7"),
        (delayed, Reply::fixed(450, (4, 2, 2), ""), "4.2.2"),
        (delayed, Reply::fixed(554, (5, 7, 1), ""), "4.0.0"),
        (Action::Relayed, Reply::fixed(250, (2, 1, 5), ""), "2.1.5"),
        (Action::Delivered, Reply::plain(250, "ok"), "2.0.0"),
    ] {
        assert_eq!(status(action, &reply).to_string(), expected, "{action:?}");
    }
}

#[test]
fn a_delay_is_told_of_once_after_an_attempt_when_it_is_due() {
    const LATE: u64 = RECEIVED + 4 * 3600;
    let mut envelope = fixtures::envelope(&["anna@example.org"]);
    envelope.recipients[0].attempts = 7;
    let judged = |envelope: &Envelope, now| judge_in(envelope, &finding(Fate::Deferred), now);
    let early = judged(&envelope, LATE - 1000);
    assert_eq!(early.outcome.disposition, deferred(LATE), "it is tried then, though the list says later");
    assert_eq!((early.late_until, early.outcome.delay_told), (None, false));
    let late = judged(&envelope, LATE);
    assert_eq!((late.late_until, late.outcome.delay_told), (Some(at(EXPIRES)), true));
    assert_eq!(late.outcome.disposition, deferred(LATE + 4 * 3600));
    let bounced = judge_in(&envelope, &finding(Fate::Bounced), LATE);
    assert_eq!((bounced.late_until, bounced.outcome.delay_told), (None, false));
    envelope.recipients[0].delay_told = true;
    assert_eq!(judged(&envelope, LATE + 9).late_until, None, "once");
    assert_eq!(judged(&envelope, LATE - 1000).outcome.disposition, deferred(LATE - 1000 + 4 * 3600));
    envelope.recipients[0].delay_told = false;
    envelope.recipients[0].notify.delay = false;
    assert_eq!(judged(&envelope, LATE).late_until, None, "not where NOTIFY leaves it out");
}
