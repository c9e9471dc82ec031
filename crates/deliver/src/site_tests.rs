//! The ready queue: bounds, hand-over, turns, growth and rest.

use mail::{QueueId, Reply};

use super::{shunned::SHUN, *};
use crate::retry::REST_MAX;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn site(start: usize, max: usize, ready_max: usize) -> Site {
    let key = SiteKey { site: "example.org".into(), source: None, stream: Stream::default() };
    let limits = Limits { workers_start: start, workers_max: max, ready_max };
    Site::new(key, limits, Arc::default())
}

fn lane(name: &str) -> Arc<str> {
    name.into()
}

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn jobs(count: u64) -> Vec<Job> {
    let work = |n| Work { id: QueueId::new(NOW, 0, n), priority: 0, recipients: vec![0] };
    (0..count).map(|n| Job { work: work(n), hop: None }).collect()
}

fn refusal(at: Timestamp) -> Refusal {
    Refusal { at, reply: Reply::fixed(451, (4, 4, 1), "refused"), host: Some("mx".into()) }
}

fn minutes(failures: u32) -> Duration {
    Duration::from_mins(u64::from(failures))
}

#[test]
fn a_full_lane_parks_the_domain_until_half_of_it_is_gone() {
    let (site, lane) = (site(1, 1, 4), lane("mx"));
    assert_eq!(site.room_or_park(&lane, &domain("a.example"), NOW), Room::Jobs(4));
    assert_eq!(site.push(&lane, jobs(4)), 1);
    assert_eq!(site.room_or_park(&lane, &domain("a.example"), NOW), Room::Parked);
    let freed = |next| match next {
        Next::Jobs(jobs, freed) => (jobs.len(), freed.len()),
        other => panic!("{other:?}"),
    };
    assert_eq!(freed(site.next(&lane, 0, 1, false)), (1, 0));
    assert_eq!(freed(site.next(&lane, 0, 1, false)), (1, 1));
    assert_eq!(freed(site.next(&lane, 0, 8, false)), (2, 0));
}

#[test]
fn a_job_goes_to_an_idle_worker_and_not_to_a_new_one() {
    let (site, lane) = (site(5, 5, 100), lane("mx"));
    assert_eq!(site.push(&lane, jobs(1)), 1);
    assert!(matches!(site.next(&lane, 0, 1, false), Next::Jobs(..)));
    let Next::Idle(mut receiver) = site.next(&lane, 0, 1, true) else { panic!() };
    assert_eq!(site.push(&lane, jobs(1)), 0);
    assert!(receiver.try_recv().is_ok());
}

#[test]
fn a_job_for_a_worker_that_just_left_is_not_lost() {
    let (site, lane) = (site(5, 5, 100), lane("mx"));
    site.push(&lane, jobs(1));
    assert!(matches!(site.next(&lane, 0, 1, false), Next::Jobs(..)));
    let Next::Idle(receiver) = site.next(&lane, 0, 1, true) else { panic!() };
    drop(receiver);
    assert_eq!(site.push(&lane, jobs(1)), 1);
    assert_eq!(site.leave(&lane), Some(lane.clone()));
    assert!(matches!(site.next(&lane, 0, 1, false), Next::Jobs(..)));
    assert_eq!(site.leave(&lane), None);
}

#[test]
fn connections_grow_with_success_while_work_waits_and_never_beyond_the_limit() {
    let (site, lane) = (site(2, 4, 100), lane("mx"));
    assert_eq!(site.push(&lane, jobs(10)), 2);
    assert_eq!(site.push(&lane, jobs(10)), 0);
    let started: Vec<_> = (0..5).map(|_| site.succeeded(&lane, NOW).len()).collect();
    assert_eq!(started, [1, 1, 0, 0, 0]);
}

#[test]
fn a_site_that_has_enough_of_us_gets_half() {
    let (site, lane) = (site(4, 4, 100), lane("mx"));
    assert_eq!(site.push(&lane, jobs(10)), 4);
    site.slowed(site.round(), refusal(NOW));
    assert!(matches!(site.next(&lane, 0, 1, true), Next::Leave));
    assert_eq!(site.leave(&lane), None);
    assert_eq!(site.leave(&lane), None);
    assert!(matches!(site.next(&lane, 0, 1, true), Next::Jobs(..)));
    site.slowed(site.round(), refusal(NOW));
    site.slowed(site.round(), refusal(NOW));
    assert_eq!(site.leave(&lane), None);
    assert!(matches!(site.next(&lane, 0, 1, true), Next::Jobs(..)), "one connection always remains");
}

#[test]
fn lanes_take_turns_when_the_site_bears_no_more_workers() {
    let (site, one, two) = (site(1, 1, 100), lane("one"), lane("two"));
    assert_eq!(site.push(&one, jobs(1)), 1);
    assert_eq!(site.push(&two, jobs(1)), 0);
    assert!(matches!(site.next(&one, 0, 1, true), Next::Jobs(..)));
    assert!(matches!(site.next(&one, 0, 1, true), Next::Leave), "it would idle while another lane waits");
    assert_eq!(site.leave(&one), Some(two.clone()));
    assert_eq!(site.push(&one, jobs(5)), 0);
    assert!(matches!(site.next(&two, 0, 1, true), Next::Jobs(..)));
    assert_eq!(site.leave(&two), Some(one));
}

#[test]
fn a_lane_at_rest_hands_out_what_waited_and_takes_nothing() {
    let (site, other, lane) = (site(2, 2, 4), lane("other"), lane("mx"));
    site.push(&lane, jobs(4));
    assert_eq!(site.room_or_park(&lane, &domain("a.example"), NOW), Room::Parked);
    let (suspension, cleared) = site.suspend(&lane, refusal(NOW), false, minutes);
    assert_eq!((cleared.jobs.len(), cleared.parked.len()), (4, 1));
    assert_eq!(suspension.until, NOW.after(Duration::from_mins(1)));
    let room = |now| site.room_or_park(&lane, &domain("a.example"), now);
    assert_eq!(room(NOW), Room::Suspended(suspension));
    assert_eq!(room(NOW.after(Duration::from_mins(1))), Room::Jobs(4));
    assert_eq!(
        site.room_or_park(&other, &domain("b.example"), NOW),
        Room::Jobs(4),
        "hosts of others are not to blame"
    );
}

#[test]
fn rests_grow_by_rounds_and_end_with_a_success() {
    let (site, lane) = (site(2, 2, 4), lane("mx"));
    let until = |at| site.suspend(&lane, refusal(at), false, minutes).0.until;
    let first = until(NOW);
    assert_eq!(until(NOW), first, "workers that fail together are one round");
    assert_eq!(until(first), first.after(Duration::from_mins(2)));
    site.succeeded(&lane, NOW);
    assert_eq!(until(first), first.after(Duration::from_mins(1)));
}

#[test]
fn hosts_that_failed_are_probed_by_one_worker() {
    let (site, lane) = (site(4, 4, 100), lane("mx"));
    site.suspend(&lane, refusal(NOW), false, minutes);
    assert_eq!(site.push(&lane, jobs(10)), 1);
    assert_eq!(site.push(&lane, jobs(10)), 0);
    assert_eq!(site.succeeded(&lane, NOW).len(), 3);
}

#[test]
fn a_closed_site_gives_all_back_and_ends_its_idle_workers() {
    let (site, lane) = (site(1, 1, 4), lane("mx"));
    site.push(&lane, jobs(1));
    assert!(matches!(site.next(&lane, 0, 1, false), Next::Jobs(..)));
    let Next::Idle(mut receiver) = site.next(&lane, 0, 1, true) else { panic!() };
    site.close();
    assert!(receiver.try_recv().is_err());
    assert!(matches!(site.next(&lane, 0, 1, true), Next::Leave));
    assert_eq!(site.leave(&lane), None);
    assert!(site.prune(NOW, forgotten_by(NOW)));
}

#[test]
fn a_shunned_address_is_forgiven_after_a_while() {
    let (site, place) = (site(1, 1, 4), Place::Tcp("192.0.2.1:25".parse().unwrap()));
    site.shun(place.clone(), NOW);
    assert!(site.is_shunned(&place, NOW));
    assert!(!site.is_shunned(&place, NOW.after(SHUN)));
    site.forgive(&place);
    assert!(!site.is_shunned(&place, NOW));
}

#[test]
fn after_a_rest_other_addresses_come_first() {
    let (site, place) = (site(1, 1, 4), Place::Tcp("192.0.2.1:25".parse().unwrap()));
    site.shun(place.clone(), NOW);
    let (suspension, _) = site.suspend(&lane("mx"), refusal(NOW), false, |_| 10 * SHUN);
    let next = suspension.until.after(10 * SHUN);
    assert!(site.is_shunned(&place, next), "however long the message itself waits");
    site.succeeded(&lane("mx"), next);
    assert!(site.is_shunned(&place, next));
    assert!(!site.is_shunned(&place, next.after(SHUN)), "the order of preference holds again");
}

#[test]
fn what_a_site_learned_is_kept_for_a_while() {
    let (site, lane) = (site(1, 1, 4), lane("mx"));
    let (suspension, _) = site.suspend(&lane, refusal(NOW), false, minutes);
    let prune = |now| site.prune(now, forgotten_by(now));
    assert!(!prune(NOW));
    assert!(!prune(suspension.until));
    assert!(prune(suspension.until.after(MEMORY)));
}

/// What a restart takes up is what the run before it had; the jobs are in the spool.
#[test]
fn what_a_site_learned_is_taken_up_again() {
    let (before, lane) = (site(5, 20, 100), lane("mx"));
    before.push(&lane, jobs(3));
    before.slowed(before.round(), refusal(NOW));
    let (suspension, _) = before.suspend(&lane, refusal(NOW), false, minutes);
    let after = site(5, 20, 100);
    after.restore(before.status(), NOW);
    assert_eq!(after.status().connections_allowed, 1);
    assert_eq!(after.status().last_refusal, Some(refusal(NOW)));
    let room = |now| after.room_or_park(&lane, &domain("a.example"), now);
    assert_eq!(room(NOW), Room::Suspended(suspension.clone()));
    assert_eq!(room(suspension.until), Room::Jobs(100));
    let (second, _) = after.suspend(&lane, refusal(suspension.until), false, minutes);
    assert_eq!(second.until, suspension.until.after(Duration::from_mins(2)), "failures go on being counted");
}

#[test]
fn a_lesson_that_is_old_is_not_taken_up_and_one_from_the_future_is_bounded() {
    let (before, lane) = (site(5, 20, 100), lane("mx"));
    let far = NOW.after(100 * MEMORY);
    before.slowed(before.round(), refusal(far));
    before.suspend(&lane, refusal(far), false, minutes);
    let status = before.status();
    let later = site(5, 20, 100);
    later.restore(status.clone(), far.after(2 * MEMORY));
    assert_eq!((later.status().connections_allowed, later.status().lanes), (5, Vec::new()));
    // The clock was far ahead when it was written.
    let earlier = site(5, 20, 100);
    earlier.restore(status, NOW);
    let suspension = earlier.status().lanes[0].suspension.clone().unwrap();
    assert!(suspension.until <= NOW.after(REST_MAX) && suspension.failed_at <= NOW);
    assert_eq!(earlier.status().allowed_since, NOW);
}

#[test]
fn whoever_writes_is_told_what_matters() {
    let (site, lane) = (site(5, 20, 100), lane("mx"));
    assert!(!site.changes.take());
    site.push(&lane, jobs(3));
    assert!(!site.changes.take(), "jobs are the business of the spool");
    site.suspend(&lane, refusal(NOW), false, minutes);
    assert!(site.changes.take());
    site.succeeded(&lane, NOW);
    assert!(site.changes.take());
    site.slowed(site.round(), refusal(NOW));
    assert!(site.changes.take());
    assert!(!site.changes.take());
}

/// The spool hands out the domain first whose mail has waited longest: that of the backlog, each time.
#[test]
fn a_backlog_does_not_keep_another_domain_of_its_lane_waiting() {
    let (site, lane) = (site(1, 1, 16), lane("mx"));
    let (backlog, other) = (domain("backlog.example"), domain("other.example"));
    let feed = |domain: &Domain| {
        let mut fed = 0;
        while let Room::Jobs(room) = site.room_or_park(&lane, domain, NOW) {
            site.push(&lane, jobs(room as u64));
            fed += room;
        }
        fed
    };
    assert_eq!(feed(&backlog), 16);
    assert_eq!(site.room_or_park(&lane, &other, NOW), Room::Parked);
    for done in 1.. {
        let Next::Jobs(_, mut freed) = site.next(&lane, 0, 1, false) else { panic!() };
        freed.sort_by_key(|domain| *domain == other);
        for domain in &freed {
            if *domain == other {
                assert!(matches!(site.room_or_park(&lane, &other, NOW), Room::Jobs(_)));
                assert!(done <= 12, "{done}");
                return;
            }
            feed(domain);
        }
        assert!(done < 100, "the other domain waits behind the backlog");
    }
}

/// A domain that was let in and has nothing more must not keep a place.
#[test]
fn a_domain_that_does_not_come_again_stops_nobody() {
    let (site, lane) = (site(1, 1, 8), lane("mx"));
    site.push(&lane, jobs(8));
    for name in ["a.example", "b.example", "c.example"] {
        assert_eq!(site.room_or_park(&lane, &domain(name), NOW), Room::Parked);
    }
    let mut freed = 0;
    while let Next::Jobs(_, domains) = site.next(&lane, 0, 1, false) {
        freed += domains.len();
    }
    assert_eq!(freed, 3, "all were let in, though none came");
    assert_eq!(site.room_or_park(&lane, &domain("d.example"), NOW), Room::Jobs(8));
}

#[test]
fn a_lane_without_a_worker_gets_one_of_a_lane_that_has_several() {
    let (site, busy, new) = (site(3, 3, 100), lane("busy"), lane("new"));
    assert_eq!(site.push(&busy, jobs(100)), 3);
    assert_eq!(site.push(&new, jobs(2)), 0);
    assert!(matches!(site.next(&busy, 1, 1, true), Next::Leave));
    assert_eq!(site.leave(&busy), Some(new.clone()));
    assert!(matches!(site.next(&busy, 1, 1, true), Next::Jobs(..)), "nobody starves any more");
}

#[test]
fn an_only_worker_goes_to_a_lane_that_has_none_after_some_jobs() {
    let (site, busy, new) = (site(1, 1, 100), lane("busy"), lane("new"));
    site.push(&busy, jobs(50));
    site.push(&new, jobs(1));
    assert!(matches!(site.next(&busy, TURN - 1, 1, true), Next::Jobs(..)));
    assert!(matches!(site.next(&busy, TURN, 1, true), Next::Leave));
    assert_eq!(site.leave(&busy), Some(new.clone()));
    assert!(matches!(site.next(&new, 0, 1, true), Next::Jobs(..)));
    assert!(matches!(site.next(&new, 1, 1, true), Next::Leave));
    assert_eq!(site.leave(&new), Some(busy));
}

#[test]
fn lanes_get_their_turn_in_the_order_in_which_they_came() {
    let (site, first) = (site(1, 1, 100), lane("first"));
    site.push(&first, jobs(1));
    let names: Vec<Arc<str>> = (0..100).map(|n| lane(&format!("lane {n}"))).collect();
    for name in &names {
        assert_eq!(site.push(name, jobs(1)), 0);
    }
    let (mut at, mut order) = (first, Vec::new());
    loop {
        while let Next::Jobs(..) = site.next(&at, 0, 1, false) {}
        let Some(next) = site.leave(&at) else { break };
        order.push(next.clone());
        at = next;
    }
    assert_eq!(order, names);
}

#[test]
fn a_site_with_many_small_lanes_gets_more_connections_too() {
    let (site, one, two, three) = (site(1, 4, 100), lane("one"), lane("two"), lane("three"));
    site.push(&one, jobs(1));
    site.push(&two, jobs(1));
    site.push(&three, jobs(1));
    assert!(matches!(site.next(&one, 0, 1, true), Next::Jobs(..)));
    assert_eq!(site.succeeded(&one, NOW), std::slice::from_ref(&two));
    assert_eq!(site.succeeded(&one, NOW), std::slice::from_ref(&three));
    assert!(site.succeeded(&one, NOW).is_empty(), "nobody waits");
}

#[test]
fn an_idle_worker_gives_way_to_a_lane_that_has_none() {
    let (site, quiet, new) = (site(2, 2, 100), lane("quiet"), lane("new"));
    site.push(&quiet, jobs(2));
    for _ in 0..2 {
        assert!(matches!(site.next(&quiet, 0, 1, true), Next::Jobs(..)));
    }
    let idle = || {
        let Next::Idle(receiver) = site.next(&quiet, 1, 1, true) else { panic!() };
        receiver
    };
    let (mut longer, mut shorter) = (idle(), idle());
    assert_eq!(site.push(&new, jobs(1)), 0, "the site bears no more");
    assert!(matches!(longer.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
    assert!(matches!(shorter.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
    assert_eq!(site.leave(&quiet), Some(new));
}
