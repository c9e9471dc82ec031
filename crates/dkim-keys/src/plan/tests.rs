//! The plan: each step by hand, and all orders of what may happen.

use proptest::prelude::*;

use super::*;

const RSA: Algorithm = Algorithm::RsaSha256;
const ED: Algorithm = Algorithm::Ed25519Sha256;
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

fn at(hours: u32) -> Timestamp {
    Timestamp::from_millis(1_795_000_000_000).after(HOUR * hours)
}

fn rules(algorithms: &[Algorithm]) -> Rules {
    Rules {
        algorithms: algorithms.to_vec(),
        rotate: Some(DAY * 180),
        publish_wait: HOUR,
        retire_wait: DAY * 8,
    }
}

/// Does what the plan wants, without a disk.
fn carry_out(plan: &mut Plan, rules: &Rules, now: Timestamp) {
    let deeds = plan.step(rules, now);
    carry(plan, deeds, now);
    plan.step(rules, now);
}

fn carry(plan: &mut Plan, deeds: Vec<Deed>, now: Timestamp) {
    for deed in deeds {
        if let Deed::Make(algorithm) = deed {
            let taken = plan.keys.clone();
            let name = selector(algorithm, now, |name| taken.iter().any(|key| key.selector == name));
            plan.made(name, algorithm, "v=DKIM1".to_owned(), now);
        }
    }
}

fn states(plan: &Plan) -> Vec<&'static str> {
    plan.keys.iter().map(|key| key.state.word()).collect()
}

fn signing(plan: &Plan) -> Vec<&str> {
    plan.signing(&rules(&[RSA, ED])).iter().map(|key| key.selector.as_str()).collect()
}

/// A domain whose first key of RSA signs from the first hour on.
fn begun() -> (Plan, Rules, String) {
    let (mut plan, rules) = (Plan::default(), rules(&[RSA]));
    carry_out(&mut plan, &rules, at(0));
    let first = plan.keys[0].selector.clone();
    plan.observed(&first, &Seen::Right);
    carry_out(&mut plan, &rules, at(1));
    assert_eq!((states(&plan), signing(&plan)), (vec!["signing"], vec![first.as_str()]));
    (plan, rules, first)
}

#[test]
fn the_first_keys_sign_as_soon_as_their_records_are_seen() {
    let (mut plan, rules) = (Plan::default(), rules(&[RSA, ED]));
    carry_out(&mut plan, &rules, at(0));
    assert_eq!((states(&plan), signing(&plan)), (vec!["made", "made"], vec![]));
    for answer in [Seen::NoAnswer, Seen::Missing, Seen::Wrong("other".into()), Seen::NoAnswer] {
        plan.keys.clone().iter().for_each(|key| plan.observed(&key.selector, &answer));
        carry_out(&mut plan, &rules, at(50));
        assert_eq!((states(&plan), signing(&plan)), (vec!["made", "made"], vec![]), "{answer:?}");
    }
    plan.observed("r20261118", &Seen::Right);
    carry_out(&mut plan, &rules, at(51));
    assert_eq!(states(&plan), ["signing", "made"]);
    assert_eq!(signing(&plan), ["r20261118"]);
}

#[test]
fn a_rotation_publishes_waits_switches_and_retires() {
    let (mut plan, rules, first) = begun();
    carry_out(&mut plan, &rules, at(1 + 180 * 24 - 1));
    assert_eq!(states(&plan), ["signing"]);
    let start = 1 + 180 * 24;
    carry_out(&mut plan, &rules, at(start));
    assert_eq!(states(&plan), ["signing", "made"]);
    // However long nobody publishes it.
    carry_out(&mut plan, &rules, at(start + 5000));
    assert_eq!((states(&plan), signing(&plan)), (vec!["signing", "made"], vec![first.as_str()]));
    let second = plan.keys[1].selector.clone();
    plan.observed(&second, &Seen::Right);
    carry_out(&mut plan, &rules, at(start + 5000));
    assert_eq!((states(&plan), signing(&plan)), (vec!["signing", "published"], vec![first.as_str()]));
    carry_out(&mut plan, &rules, at(start + 5001));
    assert_eq!((states(&plan), signing(&plan)), (vec!["retired", "signing"], vec![second.as_str()]));
    carry_out(&mut plan, &rules, at(start + 5001 + 8 * 24));
    assert_eq!(states(&plan), ["removing", "signing"]);
    // It is known to the end, so that its record can be named.
    carry_out(&mut plan, &rules, at(start + 9000));
    assert_eq!(states(&plan), ["removing", "signing"]);
    plan.observed(&first, &Seen::NoAnswer);
    assert_eq!(plan.step(&rules, at(start + 9000)), []);
    plan.observed(&first, &Seen::Missing);
    assert_eq!(plan.step(&rules, at(start + 9000)), [Deed::Forget(first)]);
    assert_eq!(states(&plan), ["signing"]);
}

#[test]
fn a_record_that_goes_stops_its_key_and_no_failure_of_the_dns_does() {
    let (mut plan, rules, first) = begun();
    plan.observed(&first, &Seen::NoAnswer);
    carry_out(&mut plan, &rules, at(2));
    assert_eq!(signing(&plan), [first.as_str()]);
    for wrong in [Seen::Missing, Seen::Wrong("p= is empty".into())] {
        plan.observed(&first, &wrong);
        carry_out(&mut plan, &rules, at(3));
        assert_eq!((states(&plan), signing(&plan)), (vec!["signing"], vec![]));
    }
    plan.observed(&first, &Seen::NoAnswer);
    assert_eq!(signing(&plan), Vec::<&str>::new(), "it is not known to be back");
    plan.observed(&first, &Seen::Right);
    assert_eq!(signing(&plan), [first.as_str()]);
}

#[test]
fn a_successor_takes_over_at_once_from_a_key_that_has_no_record() {
    let (mut plan, rules, first) = begun();
    let deeds = plan.rotate(&rules);
    assert_eq!(deeds, [Deed::Make(RSA)]);
    carry(&mut plan, deeds, at(2));
    assert_eq!(plan.rotate(&rules), [], "there is a successor");
    let second = plan.keys[1].selector.clone();
    plan.observed(&second, &Seen::Right);
    carry_out(&mut plan, &rules, at(2));
    assert_eq!((states(&plan), signing(&plan)), (vec!["signing", "published"], vec![first.as_str()]));
    plan.observed(&first, &Seen::Missing);
    carry_out(&mut plan, &rules, at(2));
    assert_eq!((states(&plan), signing(&plan)), (vec!["retired", "signing"], vec![second.as_str()]));
    // And back, as long as the old record is there.
    plan.observed(&first, &Seen::Right);
    plan.observed(&second, &Seen::Missing);
    carry_out(&mut plan, &rules, at(3));
    assert_eq!(signing(&plan), [first.as_str()]);
    // Nothing is let go while nothing works.
    carry_out(&mut plan, &rules, at(5000));
    assert!(plan.keys.iter().any(|key| key.selector == first && key.state == State::Retired));
}

#[test]
fn a_kind_that_is_not_wanted_any_more_signs_until_another_does() {
    let (mut plan, _, first) = begun();
    let rules = rules(&[ED]);
    carry_out(&mut plan, &rules, at(2));
    assert_eq!((states(&plan), signing(&plan)), (vec!["signing", "made"], vec![first.as_str()]));
    let second = plan.keys[1].selector.clone();
    plan.observed(&second, &Seen::Right);
    carry_out(&mut plan, &rules, at(3));
    carry_out(&mut plan, &rules, at(3));
    assert_eq!(states(&plan), ["retired", "signing"]);
}

#[test]
fn a_key_that_cannot_be_read_gets_a_successor() {
    let (mut plan, rules, first) = begun();
    plan.keys[0].broken = Some("no such file".into());
    carry_out(&mut plan, &rules, at(2));
    assert_eq!((states(&plan), signing(&plan)), (vec!["signing", "made"], vec![]));
    let second = plan.keys[1].selector.clone();
    plan.observed(&second, &Seen::Right);
    carry_out(&mut plan, &rules, at(3));
    assert_eq!(signing(&plan), [second.as_str()]);
    let old = plan.keys.iter().find(|key| key.selector == first).unwrap();
    assert_eq!(old.state, State::Retired, "signatures by it are on their way");
}

#[test]
fn names_are_by_date_and_none_comes_twice() {
    let name = |taken: &[&str]| selector(RSA, at(0), |name| taken.contains(&name));
    assert_eq!(name(&[]), "r20261118");
    assert_eq!(name(&["r20261118"]), "r20261118-2");
    assert_eq!(name(&["r20261118", "r20261118-2"]), "r20261118-3");
    assert_eq!(selector(ED, at(0), |_| false), "e20261118");
}

#[test]
fn what_is_kept_is_read_again() {
    let (mut plan, ..) = begun();
    plan.keys[0].seen = Seen::Wrong("why".into());
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
}

/// What may happen to a domain.
#[derive(Debug, Clone)]
enum Happens {
    Time(u32),
    Rotate,
    Seen(usize, Seen),
    /// The file of a key is lost; it comes back with the next start.
    Broken(usize),
    Restart,
    Kinds(usize),
}

fn happens() -> impl Strategy<Value = Happens> {
    let seen = prop_oneof![
        4 => Just(Seen::Right),
        2 => Just(Seen::Missing),
        1 => Just(Seen::NoAnswer),
        1 => Just(Seen::Wrong("other".to_owned())),
    ];
    prop_oneof![
        3 => (0..3000_u32).prop_map(Happens::Time),
        1 => Just(Happens::Rotate),
        6 => (0..6_usize, seen).prop_map(|(key, seen)| Happens::Seen(key, seen)),
        1 => (0..6_usize).prop_map(Happens::Broken),
        1 => Just(Happens::Restart),
        1 => (0..3_usize).prop_map(Happens::Kinds),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_key_signs_without_its_record_and_one_signs_while_there_is_one(
        all in prop::collection::vec(happens(), 0..60)
    ) {
        let (mut plan, mut rules, mut hours) = (Plan::default(), rules(&[RSA, ED]), 0);
        // When a key last signed, and what was last seen of each record, beside what the plan believes.
        let mut last: std::collections::BTreeMap<String, Timestamp> = std::collections::BTreeMap::new();
        let mut truth: std::collections::BTreeMap<String, bool> = std::collections::BTreeMap::new();
        for one in all {
            match one {
                Happens::Time(more) => hours += more,
                Happens::Rotate => {
                    let deeds = plan.rotate(&rules);
                    carry(&mut plan, deeds, at(hours));
                }
                Happens::Seen(place, seen) => {
                    if let Some(key) = plan.keys.get(place).map(|key| key.selector.clone()) {
                        match &seen {
                            Seen::Right => drop(truth.insert(key.clone(), true)),
                            Seen::Missing | Seen::Wrong(_) => drop(truth.insert(key.clone(), false)),
                            Seen::Never | Seen::NoAnswer => {}
                        }
                        plan.observed(&key, &seen);
                    }
                }
                Happens::Broken(place) => {
                    if let Some(key) = plan.keys.get_mut(place) {
                        key.broken = Some("gone".to_owned());
                    }
                }
                Happens::Restart => {
                    let text = serde_json::to_string(&plan).unwrap();
                    plan = serde_json::from_str(&text).unwrap();
                }
                Happens::Kinds(which) => {
                    let kinds: [&[Algorithm]; 3] = [&[RSA], &[ED], &[RSA, ED]];
                    rules.algorithms = kinds[which].to_vec();
                }
            }
            let before = plan.clone();
            carry_out(&mut plan, &rules, at(hours));
            let is_right = |key: &Key| truth.get(&key.selector) == Some(&true) && key.broken.is_none();
            let signing: Vec<&Key> = plan.signing(&rules);
            for key in &signing {
                prop_assert!(is_right(key), "{key:?}");
                last.insert(key.selector.clone(), at(hours));
            }
            for algorithm in [RSA, ED] {
                let signs = signing.iter().filter(|key| key.algorithm == algorithm).count();
                let published = plan.of(algorithm).any(|key| is_right(key) && key.state != State::Made);
                if rules.algorithms.contains(&algorithm) {
                    prop_assert_eq!(signs, usize::from(published));
                }
                prop_assert!(!published || !signing.is_empty());
                let turns = plan.of(algorithm).filter(|key| key.is(State::Signing)).count();
                prop_assert!(turns < 2, "{:?}", plan);
                if rules.algorithms.contains(&algorithm) {
                    prop_assert!(turns + usize::from(plan.successor(algorithm).is_some()) > 0);
                }
            }
            let mut names: Vec<&str> = plan.keys.iter().map(|key| key.selector.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            prop_assert_eq!(names.len(), plan.keys.len());
            // Nobody is told to take out a record that signatures still need.
            for key in &plan.keys {
                let was = before.keys.iter().find(|old| old.selector == key.selector).map(|old| old.state);
                if key.state == State::Removing && was != Some(State::Removing) {
                    let signed = last.get(&key.selector).copied();
                    let fallback = signing.iter().any(|signing| signing.selector == key.selector);
                    prop_assert!(
                        fallback || signed.is_none_or(|signed| at(hours) >= signed.after(rules.retire_wait)),
                        "{key:?}"
                    );
                }
            }
        }
    }
}
