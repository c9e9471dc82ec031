//! What a seed draws before anything happens: how large the world is, and how bad.

use std::time::Duration;

use testkit::disk::SeededRandom;

/// The shape of one simulation.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is drawn by itself")]
pub(crate) struct Plan {
    /// How often the server is started before the faults cease.
    pub(crate) lives: usize,
    /// Sessions of clients in each life.
    pub(crate) sessions: u64,
    /// Whether fresh mail is kept in memory for its first delivery.
    pub(crate) cache: bool,
    /// Chances of faults, each out of a thousand.
    pub(crate) peer: u64,
    pub(crate) client: u64,
    /// Faults of disk and clock in each life.
    pub(crate) faults: u64,
    /// Whether an operator gives orders.
    pub(crate) operator: bool,
    /// Spells of trouble in each life: a host that is down, a name that does not resolve.
    pub(crate) spells: u64,
    /// How many changes the disk bears before its power goes, at most; none if it never does.
    pub(crate) power: Option<u64>,
    /// The slowest answer of the disk.
    pub(crate) latency_max: Duration,
    /// Another program keeps the mailboxes, and takes mail by LMTP.
    pub(crate) store: bool,
    /// Whether the operator changes the settings.
    pub(crate) changes: bool,
    /// Chances that a task of the server panics where it waits for others, out of a thousand.
    pub(crate) slips: u64,
    /// Whether the disk may say that it has synced what it has not.
    pub(crate) lies: bool,
}

impl Plan {
    pub(crate) fn new(random: &SeededRandom) -> Self {
        let pick = |choices: &[u64]| choices[usize::try_from(random.below(choices.len() as u64)).unwrap()];
        Self {
            lives: usize::try_from(1 + random.below(4)).unwrap(),
            sessions: 1 + random.below(12),
            cache: !random.one_in(3),
            peer: pick(&[0, 20, 80, 250]),
            client: pick(&[0, 50, 200]),
            faults: pick(&[0, 0, 1, 3]),
            operator: random.one_in(3),
            spells: pick(&[0, 1, 4]),
            power: random.one_in(2).then(|| pick(&[20, 100, 400])),
            latency_max: Duration::from_millis(pick(&[1, 5, 50, 2_000])),
            store: random.one_in(4),
            changes: random.one_in(3),
            slips: pick(&[0, 0, 0, 2, 20]),
            lies: random.one_in(6),
        }
    }
}

/// A part of a time.
pub(crate) fn fraction(random: &SeededRandom, of: Duration) -> Duration {
    of * u32::try_from(random.below(1000)).unwrap() / 1000
}

/// A duration between two, so that each order of magnitude is as likely.
pub(crate) fn spread(random: &SeededRandom, least: Duration, most: Duration) -> Duration {
    let (least, most) = (least.as_millis().max(1), most.as_millis().max(1));
    let doublings = (most / least).checked_ilog2().unwrap_or(0);
    let low = least << random.below(u64::from(doublings) + 1);
    let low = u64::try_from(low.min(most)).unwrap();
    Duration::from_millis(low + random.below(low))
}
