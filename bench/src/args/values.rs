//! How values are written on the command line.

use std::time::Duration;

/// `10KiB`, `2MiB`, `1kB`, `500B` or `500`, in octets.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "k" | "kib" => 1024,
        "mb" => 1_000_000,
        "m" | "mib" => 1024 * 1024,
        _ => return Err(format!("unknown unit {unit:?}: use B, kB, KiB, MB or MiB")),
    };
    let number: usize = number.parse().map_err(|_| "a size is a number and a unit: 10KiB".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "too large".to_owned())
}

pub(super) fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err("a rate is a number above 0".to_owned()),
    }
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text);
    let seconds = number.parse::<f64>().map_err(|_| "seconds are a number: 10 or 0.5".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

pub(super) fn at_least_one(text: &str) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("a number from 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("10KiB"), Ok(10240));
        assert_eq!(size("1MiB"), Ok(1_048_576));
        assert_eq!(size("2 kB"), Ok(2000));
        assert_eq!(size("512"), Ok(512));
        for wrong in ["", "KiB", "-1", "10 GiB", "1.5KiB", "99999999999999999999"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_and_rates_are_checked() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds("3s"), Ok(Duration::from_secs(3)));
        assert!(seconds("-1").is_err() && seconds("soon").is_err());
        assert_eq!(rate("12.5"), Ok(12.5));
        assert!(rate("0").is_err() && rate("inf").is_err() && rate("NaN").is_err());
    }
}
