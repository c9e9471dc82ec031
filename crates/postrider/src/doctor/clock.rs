//! Whether the clock is right: by whatever this machine can be asked that knows better, and nobody outside.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use super::finding::Finding;

const CHECK: &str = "clock";
/// From here on one-time passwords, signatures and certificates begin to fail.
const WRONG: i64 = 60;
/// The clock of the hardware has whole seconds, and is read at any moment of one.
const LOOSE: i64 = 5;
/// Time zones are apart by multiples of this.
const ZONE: i64 = 900;
const RTC: &str = "/sys/class/rtc/rtc0/since_epoch";
/// What systemd-timesyncd touches each time that it hears from a server.
const TIMESYNCD: &str = "/run/systemd/timesync/synchronized";

/// What is known of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// By how many seconds it is before the clock of the hardware, if there is one that can be read.
    pub rtc: Option<i64>,
    /// Whether the kernel holds it to be kept in time by a service.
    pub synchronised: Option<bool>,
    /// How many seconds after our time something was written that is on this disk: it went backwards.
    pub behind: Option<u64>,
}

/// Looks. May take a second: to be called where that is no harm. `now` is what the clock says, and `newest` when something was last written
/// down, in seconds since 1970.
pub(super) fn look(now: u64, newest: Option<u64>) -> Facts {
    let rtc = fs::read_to_string(RTC).ok().and_then(|text| text.trim().parse::<i64>().ok());
    let rtc = rtc.zip(i64::try_from(now).ok()).map(|(rtc, now)| now - rtc);
    let synchronised = if fs::exists(TIMESYNCD).unwrap_or(false) { Some(true) } else { timedatectl() };
    let behind = newest.map(|newest| newest.saturating_sub(now)).filter(|behind| *behind > 0);
    Facts { rtc, synchronised, behind }
}

/// What systemd says of the kernel's clock. None: there is no systemd, or it does not say.
fn timedatectl() -> Option<bool> {
    let mut command = Command::new("timedatectl");
    command.args(["show", "--property=NTPSynchronized", "--value"]);
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    match (output.status.success(), output.stdout.trim_ascii()) {
        (true, b"yes") => Some(true),
        (true, b"no") => Some(false),
        _ => None,
    }
}

/// Judges.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let set =
        "let a service keep it, and set it once:\napt install systemd-timesyncd && timedatectl set-ntp true";
    let off = |seconds: i64, than: &str| {
        let amount = super::zone::for_people(Duration::from_secs(seconds.unsigned_abs()));
        let way = if seconds > 0 { "ahead of" } else { "behind" };
        format!(
            "the clock of this machine is {amount} {way} {than}: signatures, certificates and logins fail by it"
        )
    };
    if let Some(behind) =
        facts.behind.and_then(|behind| i64::try_from(behind).ok()).filter(|behind| *behind > WRONG)
    {
        return vec![Finding::error(CHECK, off(-behind, "what this server wrote last")).todo(set)];
    }
    // A machine that keeps local time in its hardware is off by its time zone, which is no fault.
    let rtc = facts.rtc.map(|rtc| if zones_apart(rtc) { (0, true) } else { (rtc, false) });
    match (facts.synchronised, rtc) {
        (Some(true), _) => vec![Finding::ok(CHECK, "the clock is kept in time by a service")],
        (_, Some((seconds, _))) if seconds.abs() > WRONG => {
            vec![Finding::error(CHECK, off(seconds, "the clock of its hardware")).todo(set)]
        }
        (Some(false), _) => {
            let text = "no service keeps the clock of this machine in time: it will go wrong by and by";
            vec![Finding::advice(CHECK, text).todo(set)]
        }
        (None, Some((_, false))) => vec![Finding::ok(CHECK, "the clock agrees with that of the hardware")],
        (None, _) => {
            let text = "nothing on this machine tells whether its clock is right";
            vec![Finding::advice(CHECK, text).todo("compare it with another clock:\ndate -u")]
        }
    }
}

fn zones_apart(seconds: i64) -> bool {
    let rest = seconds.rem_euclid(ZONE);
    seconds.abs() > ZONE / 2 && (rest <= LOOSE || ZONE - rest <= LOOSE) && seconds.abs() <= 15 * 3600
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Level, finding::tests::says};

    #[test]
    fn a_clock_is_judged_by_who_knows_better() {
        for (rtc, synchronised, behind, level, words) in [
            (None, Some(true), None, Level::Ok, "kept in time"),
            (Some(9000), Some(true), None, Level::Ok, "kept in time"),
            (Some(1), None, None, Level::Ok, "agrees with that of the hardware"),
            (Some(-7200), None, None, Level::Advice, "nothing on this machine tells"),
            (Some(-7203), Some(false), None, Level::Advice, "no service keeps"),
            (Some(400), None, None, Level::Error, "7 minutes ahead of the clock of its hardware"),
            (Some(-1000), Some(false), None, Level::Error, "17 minutes behind the clock of its hardware"),
            (Some(0), Some(false), None, Level::Advice, "no service keeps"),
            (None, None, None, Level::Advice, "nothing on this machine tells"),
            (None, Some(true), Some(3600), Level::Error, "60 minutes behind what this server wrote last"),
            (None, Some(true), Some(2), Level::Ok, "kept in time"),
        ] {
            says(&judge(&Facts { rtc, synchronised, behind }), level, &[words]);
        }
    }
}
