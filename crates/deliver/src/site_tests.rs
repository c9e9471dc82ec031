//! The ready queue: bounds, hand-over, turns, growth and rest.

use mail::{QueueId, Reply};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn site(start: usize, max: usize, ready_max: usize) -> Site {
    let key = SiteKey { site: "example.org".into(), source: None, stream: Stream::default() };
    Site::new(key, start, max, ready_max)
}

fn lane(name: &str) -> Arc<str> {
    name.into()
}

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn jobs(count: u64) -> Vec<Job> {
    let work = |n| Work { id: QueueId::new(NOW, 0, n), recipients: vec![0] };
    (0..count).map(|n| Job { work: work(n), hop: None }).collect()
}

fn failure() -> (Reply, Option<Arc<str>>) {
    (Reply::fixed(451, (4, 4, 1), "refused"), Some("mx".into()))
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
    assert_eq!(freed(site.next(&lane, 1, false)), (1, 0));
    assert_eq!(freed(site.next(&lane, 1, false)), (1, 1));
    assert_eq!(freed(site.next(&lane, 8, false)), (2, 0));
}

#[test]
fn a_job_goes_to_an_idle_worker_and_not_to_a_new_one() {
    let (site, lane) = (site(5, 5, 100), lane("mx"));
    assert_eq!(site.push(&lane, jobs(1)), 1);
    assert!(matches!(site.next(&lane, 1, false), Next::Jobs(..)));
    let Next::Idle(mut receiver) = site.next(&lane, 1, true) else { panic!() };
    assert_eq!(site.push(&lane, jobs(1)), 0);
    assert!(receiver.try_recv().is_ok());
}

#[test]
fn a_job_for_a_worker_that_just_left_is_not_lost() {
    let (site, lane) = (site(5, 5, 100), lane("mx"));
    site.push(&lane, jobs(1));
    assert!(matches!(site.next(&lane, 1, false), Next::Jobs(..)));
    let Next::Idle(receiver) = site.next(&lane, 1, true) else { panic!() };
    drop(receiver);
    assert_eq!(site.push(&lane, jobs(1)), 1);
    assert_eq!(site.leave(&lane), Some(lane.clone()));
    assert!(matches!(site.next(&lane, 1, false), Next::Jobs(..)));
    assert_eq!(site.leave(&lane), None);
}

#[test]
fn connections_grow_with_success_while_work_waits_and_never_beyond_the_limit() {
    let (site, lane) = (site(2, 4, 100), lane("mx"));
    assert_eq!(site.push(&lane, jobs(10)), 2);
    assert_eq!(site.push(&lane, jobs(10)), 0);
    let started: Vec<_> = (0..5).map(|_| site.succeeded(&lane)).collect();
    assert_eq!(started, [1, 1, 0, 0, 0]);
}

#[test]
fn a_site_that_has_enough_of_us_gets_half() {
    let (site, lane) = (site(4, 4, 100), lane("mx"));
    assert_eq!(site.push(&lane, jobs(10)), 4);
    site.slowed();
    assert!(matches!(site.next(&lane, 1, true), Next::Leave));
    assert_eq!(site.leave(&lane), None);
    assert_eq!(site.leave(&lane), None);
    assert!(matches!(site.next(&lane, 1, true), Next::Jobs(..)));
    site.slowed();
    site.slowed();
    assert_eq!(site.leave(&lane), None);
    assert!(matches!(site.next(&lane, 1, true), Next::Jobs(..)), "one connection always remains");
}

#[test]
fn lanes_take_turns_when_the_site_bears_no_more_workers() {
    let (site, one, two) = (site(1, 1, 100), lane("one"), lane("two"));
    assert_eq!(site.push(&one, jobs(1)), 1);
    assert_eq!(site.push(&two, jobs(1)), 0);
    assert!(matches!(site.next(&one, 1, true), Next::Jobs(..)));
    assert!(matches!(site.next(&one, 1, true), Next::Leave), "it would idle while another lane waits");
    assert_eq!(site.leave(&one), Some(two.clone()));
    assert_eq!(site.push(&one, jobs(5)), 0);
    assert!(matches!(site.next(&two, 1, true), Next::Jobs(..)));
    assert_eq!(site.leave(&two), Some(one));
}

#[test]
fn a_lane_at_rest_hands_out_what_waited_and_takes_nothing() {
    let (site, other, lane) = (site(2, 2, 4), lane("other"), lane("mx"));
    site.push(&lane, jobs(4));
    assert_eq!(site.room_or_park(&lane, &domain("a.example"), NOW), Room::Parked);
    let (suspension, cleared) = site.suspend(&lane, NOW, failure(), minutes);
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
    let until = |at| site.suspend(&lane, at, failure(), minutes).0.until;
    let first = until(NOW);
    assert_eq!(until(NOW), first, "workers that fail together are one round");
    assert_eq!(until(first), first.after(Duration::from_mins(2)));
    site.succeeded(&lane);
    assert_eq!(until(first), first.after(Duration::from_mins(1)));
}

#[test]
fn hosts_that_failed_are_probed_by_one_worker() {
    let (site, lane) = (site(4, 4, 100), lane("mx"));
    site.suspend(&lane, NOW, failure(), minutes);
    assert_eq!(site.push(&lane, jobs(10)), 1);
    assert_eq!(site.push(&lane, jobs(10)), 0);
    assert_eq!(site.succeeded(&lane), 3);
}

#[test]
fn a_closed_site_gives_all_back_and_ends_its_idle_workers() {
    let (site, lane) = (site(1, 1, 4), lane("mx"));
    site.push(&lane, jobs(1));
    assert!(matches!(site.next(&lane, 1, false), Next::Jobs(..)));
    let Next::Idle(mut receiver) = site.next(&lane, 1, true) else { panic!() };
    site.close();
    assert!(receiver.try_recv().is_err());
    assert!(matches!(site.next(&lane, 1, true), Next::Leave));
    assert_eq!(site.leave(&lane), None);
    assert!(site.prune(NOW));
}

#[test]
fn a_shunned_address_is_forgiven_after_a_while() {
    let (site, place) = (site(1, 1, 4), Place::Tcp("192.0.2.1:25".parse().unwrap()));
    site.shun(place.clone(), NOW);
    assert!(site.is_shunned(&place, NOW));
    assert!(!site.is_shunned(&place, NOW.after(SHUN)));
}

#[test]
fn what_a_site_learned_is_kept_for_a_while() {
    let (site, lane) = (site(1, 1, 4), lane("mx"));
    let (suspension, _) = site.suspend(&lane, NOW, failure(), minutes);
    assert!(!site.prune(NOW));
    assert!(!site.prune(suspension.until));
    assert!(site.prune(suspension.until.after(MEMORY)));
}
