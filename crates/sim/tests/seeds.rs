//! The same seed is the same simulation, and seeds that found something stay found.

use sim::simulate;

#[test]
fn a_seed_replays_exactly() {
    for seed in 0..5 {
        let (first, second) = (simulate(seed), simulate(seed));
        assert_eq!(first.digest, second.digest, "seed {seed}");
        assert_eq!(first.summary, second.summary, "seed {seed}");
    }
    assert_ne!(simulate(0).digest, simulate(1).digest);
}
