//! Weeks of renewals and failures, in a moment.

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_795_456_934_000);
const NINETY: Duration = DAY.saturating_mul(90);
const HALF: u64 = u64::MAX / 2;

fn holds() -> Holds {
    Holds { from: NOW, until: NOW.after(NINETY) }
}

fn plan() -> Plan {
    let mut plan = Plan::new(None, Progress::default(), 0);
    plan.obtained(NOW, holds(), 0);
    plan.not_windowed(NOW);
    plan
}

fn days(days: u32) -> Duration {
    DAY * days
}

#[test]
fn without_a_certificate_one_is_obtained_at_once() {
    assert_eq!(Plan::new(None, Progress::default(), 5).next(NOW), Next::Obtain);
}

#[test]
fn without_a_word_of_the_authority_it_is_renewed_at_two_thirds() {
    for (chance, at) in [(0, days(60)), (u64::MAX, days(57)), (HALF, days(58) + DAY / 2)] {
        let plan = Plan::new(Some(holds()), Progress::default(), chance);
        let off = plan.obtain_at().since(NOW).abs_diff(at);
        assert!(off < Duration::from_secs(1), "{off:?}");
        assert_eq!(plan.next(NOW.after(at + MINUTE)), Next::Obtain);
    }
    // A restart chooses nothing anew.
    let plan = plan();
    let again = Plan::new(Some(holds()), plan.progress().clone(), u64::MAX);
    assert_eq!(again.obtain_at(), plan.obtain_at());
}

#[test]
fn the_authority_is_asked_and_its_window_held_to() {
    let mut plan = Plan::new(None, Progress::default(), 0);
    plan.obtained(NOW, holds(), 0);
    assert_eq!(plan.next(NOW), Next::Ask);
    let window = Window { start: NOW.after(days(30)), end: NOW.after(days(32)) };
    assert!(plan.windowed(NOW, window, HOUR, HALF));
    assert_eq!(plan.next(NOW), Next::Wait(NOW.after(HOUR)));
    let chosen = plan.obtain_at();
    assert!(chosen.since(NOW).abs_diff(days(31)) < Duration::from_secs(1));
    // The same window again is no new choice, another one is.
    assert!(plan.windowed(NOW, window, HOUR, 0));
    assert_eq!(plan.obtain_at(), chosen);
    let other = Window { start: NOW.after(days(10)), ..window };
    assert!(plan.windowed(NOW, other, HOUR, 0));
    assert_eq!(plan.obtain_at(), NOW.after(days(10)));
    // A window that is over means now.
    let over = Window { start: NOW.before(days(2)), end: NOW.before(days(1)) };
    let later = NOW.after(days(1));
    assert!(plan.windowed(later, over, HOUR, HALF));
    assert_eq!(plan.next(later), Next::Obtain);
}

#[test]
fn how_often_it_is_asked_has_bounds() {
    let mut plan = plan();
    let window = Window { start: NOW.after(days(30)), end: NOW.after(days(32)) };
    for (wanted, kept) in [(Duration::ZERO, MINUTE), (HOUR, HOUR), (Duration::MAX, DAY)] {
        assert!(plan.windowed(NOW, window, wanted, 0));
        assert_eq!(plan.next(NOW), Next::Wait(NOW.after(kept)));
    }
}

#[test]
fn a_window_of_no_sense_changes_nothing() {
    let mut plan = plan();
    let before = plan.obtain_at();
    for window in [
        Window { start: NOW.after(days(30)), end: NOW.after(days(30)) },
        Window { start: NOW.after(days(31)), end: NOW.after(days(30)) },
    ] {
        assert!(!plan.windowed(NOW, window, HOUR, HALF));
        assert_eq!(plan.obtain_at(), before);
    }
    // One behind the end would be too late for anybody to help.
    let late = Window { start: NOW.after(days(400)), end: NOW.after(days(500)) };
    assert!(plan.windowed(NOW, late, HOUR, HALF));
    assert_eq!(plan.obtain_at(), NOW.after(days(75)));
    assert!(!Plan::new(None, Progress::default(), 0).windowed(NOW, late, HOUR, 0));
}

#[test]
fn an_authority_that_always_says_now_is_not_asked_for_certificates_without_end() {
    let mut plan = plan();
    let over = Window { start: Timestamp::default(), end: NOW };
    assert!(plan.windowed(NOW, over, HOUR, 0));
    assert_eq!(plan.obtain_at(), NOW.after(REST));
    let short = Holds { from: NOW, until: NOW.after(MINUTE) };
    plan.obtained(NOW, short, 0);
    assert!(plan.windowed(NOW, over, HOUR, 0));
    assert_eq!(plan.obtain_at(), NOW.after(MINUTE / 8));
}

#[test]
fn failures_are_tried_again_ever_later() {
    let mut plan = Plan::new(None, Progress::default(), 0);
    let mut now = NOW;
    let mut pauses = Vec::new();
    for _ in 0..8 {
        plan.failed(now, &Failure::new("no"), 0);
        let Next::Wait(until) = plan.next(now) else { panic!("no pause") };
        pauses.push(until.since(now));
        now = until;
        assert_eq!(plan.next(now), Next::Obtain);
    }
    let last = HOUR * 12;
    assert_eq!(pauses, [MINUTE, MINUTE * 5, MINUTE * 20, HOUR, HOUR * 4, last, last, last]);
    assert!(pauses.iter().take(5).sum::<Duration>() > HOUR, "five failures take more than an hour");
    plan.failed(now, &Failure::new("no"), u64::MAX);
    assert_eq!(plan.obtain_at().since(now), last * 5 / 4);
    // A restart forgets nothing.
    let kept: Progress = serde_json::from_str(&serde_json::to_string(plan.progress()).unwrap()).unwrap();
    assert_eq!(Plan::new(None, kept, 0).next(now), plan.next(now));
}

#[test]
fn what_the_authority_says_about_the_next_attempt_is_held_to() {
    let limited = |retry_after| {
        let kind = Some("rateLimited".to_owned());
        Failure { kind, retry_after, ..Failure::new("too many") }
    };
    for (failure, pause) in [
        (limited(None), HOUR),
        (limited(Some(HOUR * 30)), HOUR * 30),
        (limited(Some(Duration::from_secs(1))), MINUTE),
        (limited(Some(Duration::MAX)), DAY * 7),
        (Failure { retry_after: Some(HOUR * 2), ..Failure::new("busy") }, HOUR * 2),
    ] {
        let mut plan = Plan::new(None, Progress::default(), 0);
        plan.failed(NOW, &failure, 0);
        assert_eq!(plan.next(NOW), Next::Wait(NOW.after(pause)));
        assert_eq!(plan.nudge(), pause == MINUTE, "{pause:?}");
        assert_eq!(plan.next(NOW) == Next::Obtain, pause == MINUTE);
    }
}

#[test]
fn a_nudge_makes_no_good_certificate_new() {
    let mut plan = plan();
    assert!(plan.nudge());
    assert_ne!(plan.next(NOW), Next::Obtain);
}

#[test]
fn what_lives_for_days_is_tried_again_within_hours() {
    let mut plan = Plan::new(None, Progress::default(), 0);
    plan.obtained(NOW, Holds { from: NOW, until: NOW.after(days(6)) }, 0);
    let now = NOW.after(days(5));
    for _ in 0..9 {
        plan.failed(now, &Failure::new("no"), 0);
    }
    assert_eq!(plan.obtain_at(), now.after(HOUR * 3));
}

#[test]
fn the_alarm_is_louder_the_less_time_there_is() {
    let mut plan = plan();
    assert_eq!(plan.alarm(NOW.after(days(89))), None, "nothing has failed");
    assert_eq!(plan.alarm(NOW.after(days(90))), Some(Alarm::Urgent), "it has expired");
    let at = |plan: &Plan, day| plan.alarm(NOW.after(days(day)));
    plan.failed(NOW.after(days(60)), &Failure::new("no"), 0);
    assert_eq!(
        [60, 69, 70, 82, 83, 95].map(|day| at(&plan, day)),
        [Alarm::Warning, Alarm::Warning, Alarm::Error, Alarm::Error, Alarm::Urgent, Alarm::Urgent].map(Some)
    );
    for _ in 0..2 {
        plan.failed(NOW.after(days(60)), &Failure::new("no"), 0);
    }
    assert_eq!(at(&plan, 60), Some(Alarm::Error), "a month before it expires");
    plan.obtained(NOW.after(days(83)), Holds { from: NOW.after(days(83)), until: NOW.after(days(173)) }, 0);
    assert_eq!(at(&plan, 84), None);
    let mut first = Plan::new(None, Progress::default(), 0);
    assert_eq!(first.alarm(NOW), None);
    first.failed(NOW, &Failure::new("no"), 0);
    assert_eq!(first.alarm(NOW), Some(Alarm::Error));
}
