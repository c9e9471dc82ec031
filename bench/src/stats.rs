//! Medians, percentiles and rates.
#![expect(clippy::cast_precision_loss, reason = "counts and nanoseconds of a run are far below 2^52")]

/// How long something took, over many times: percentiles in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Latency {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) max: u64,
}

impl Latency {
    /// The percentiles of `samples`, which are put in order; `None` without samples.
    pub(crate) fn of(samples: &mut [u64]) -> Option<Self> {
        samples.sort_unstable();
        Some(Self {
            p50: percentile(samples, 50)?,
            p99: percentile(samples, 99)?,
            max: samples.last().copied()?,
        })
    }
}

/// The smallest sample that is not exceeded by `percent` of all (nearest rank); `ordered` is in rising order.
fn percentile(ordered: &[u64], percent: usize) -> Option<u64> {
    let rank = (ordered.len() * percent).div_ceil(100).max(1);
    ordered.get(rank - 1).copied()
}

/// The middle value, or the mean of the two middle ones; `None` without values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut ordered = values.to_vec();
    ordered.sort_by(f64::total_cmp);
    let upper = ordered.get(ordered.len() / 2).copied()?;
    if ordered.len() % 2 == 1 {
        return Some(upper);
    }
    ordered.get(ordered.len() / 2 - 1).map(|lower| f64::midpoint(*lower, upper))
}

/// How many a second; 0 when no time passed.
pub(crate) fn per_second(count: u64, elapsed_ns: u64) -> f64 {
    if elapsed_ns == 0 { 0.0 } else { count as f64 * 1e9 / elapsed_ns as f64 }
}

/// Microseconds for each of `count`; 0 when there were none.
pub(crate) fn us_each(total_ns: u64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { total_ns as f64 / 1e3 / count as f64 }
}

/// Nanoseconds as milliseconds.
pub(crate) fn ms(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

/// Nanoseconds as seconds.
pub(crate) fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the values are exact")]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_by_nearest_rank() {
        let mut samples: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(Latency::of(&mut samples), Some(Latency { p50: 50, p99: 99, max: 100 }));
        assert_eq!(Latency::of(&mut [7]), Some(Latency { p50: 7, p99: 7, max: 7 }));
        assert_eq!(Latency::of(&mut [9, 1, 5]), Some(Latency { p50: 5, p99: 9, max: 9 }));
        assert_eq!(Latency::of(&mut []), None);
    }

    #[test]
    fn the_median_ignores_one_bad_round() {
        assert_eq!(median(&[10.0, 900.0, 11.0]), Some(11.0));
        assert_eq!(median(&[1.0, 3.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn rates_and_costs_are_in_the_units_said() {
        assert_eq!(per_second(500, 250_000_000), 2000.0);
        assert_eq!(per_second(500, 0), 0.0);
        assert_eq!(us_each(1_000_000, 10), 100.0);
        assert_eq!(us_each(1, 0), 0.0);
        assert_eq!(ms(2_500_000), 2.5);
        assert_eq!(seconds(500_000_000), 0.5);
    }
}
