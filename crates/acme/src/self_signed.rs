//! What we show until an authority has certified us: most peers do not look (RFC 7435), and TLS is better than none.

use std::time::Duration;

use mail::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, Error, KeyPair};

/// Longer than any authority needs.
const HOLDS: Duration = Duration::from_hours(90 * 24);
/// The clocks of others.
const BEFORE: Duration = Duration::from_hours(24);

/// A certificate of our own for these names, and its key behind it.
pub(crate) fn pem(names: &[String], now: Timestamp, key: &KeyPair) -> Result<String, Error> {
    let mut params = CertificateParams::new(names.to_vec())?;
    // Its default has a name of its own.
    params.distinguished_name = DistinguishedName::new();
    let (year, month, day) = day(now.before(BEFORE));
    params.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = self::day(now.after(HOLDS));
    params.not_after = rcgen::date_time_ymd(year, month, day);
    Ok(params.self_signed(key)?.pem() + &key.serialize_pem())
}

/// The hour does not matter.
fn day(at: Timestamp) -> (i32, u8, u8) {
    let (year, month, day, ..) = at.civil();
    let small = |number: u64| u8::try_from(number).unwrap_or(1);
    (i32::try_from(year).unwrap_or(9999), small(month), small(day))
}
