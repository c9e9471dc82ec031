//! The table of all cases, and its files.

use super::Trouble;
use crate::Failure;
use crate::machine::Machine;
use crate::results::{self, SYNC};
use crate::source::latency_json;
use crate::stats::{self, Latency};
use crate::table::Table;
use serde_json::json;
use std::path::{Path, PathBuf};

/// What came of one case.
#[derive(Debug)]
pub(super) struct Case {
    /// None: the disk alone.
    pub(super) trouble: Option<Trouble>,
    pub(super) server: String,
    pub(super) waiting: u64,
    pub(super) per_second: f64,
    /// From the time that a message was due at the source until its end of data was at the sink, or until the wait for
    /// it was over.
    pub(super) due_to_sink: Option<Latency>,
    /// Messages for others that had not come out by then.
    pub(super) late: u64,
    /// CPU of the server for each message of the others, in microseconds; what it did for the one in trouble is in it.
    pub(super) cpu_us: Option<f64>,
}

pub(super) const LEGEND: &str = "\
Mail for others is offered evenly at the same rate in all cases of a server: half of what it relays at its peak. p50, p99, max: \
from the time a message was due at the source to its end of data at the sink. x: how many times the p99 without trouble (`one`: that of `many`). CPU us: user and system time of the \
server for each message for others, all that it did meanwhile. waiting: \
messages that still wait for the destination in trouble when the last of the others has arrived. late: messages for others that had \
not arrived a minute after the last was offered; their delays are what they had waited by then. disk alone: no server, but octets as of \
these messages written to a file at that rate and synced as fast as syncs return, from the time that each was due; what this row shows is the disk's.";

pub(super) fn table(cases: &[Case]) -> String {
    let head =
        ["trouble", "server", "offered/s", "p50 ms", "p99 ms", "max ms", "x", "CPU us", "waiting", "late"];
    let mut table = Table::new(2, &head);
    for case in cases {
        let ms = |part: fn(&Latency) -> u64| {
            case.due_to_sink.as_ref().map_or("-".to_owned(), |it| format!("{:.1}", stats::ms(part(it))))
        };
        table.row(vec![
            case.trouble.map_or("-", Trouble::name).to_owned(),
            case.server.clone(),
            format!("{:.0}", case.per_second),
            ms(|it| it.p50),
            ms(|it| it.p99),
            ms(|it| it.max),
            times_worse(cases, case).map_or("-".to_owned(), |times| format!("{times:.1}")),
            case.cpu_us.map_or("-".to_owned(), |us| format!("{us:.0}")),
            case.waiting.to_string(),
            case.late.to_string(),
        ]);
    }
    table.render()
}

fn times_worse(cases: &[Case], case: &Case) -> Option<f64> {
    let baseline = case.trouble?.baseline();
    let alone = cases.iter().find(|other| other.server == case.server && other.trouble == Some(baseline))?;
    (case.trouble != Some(baseline))
        .then_some(stats::ms(case.due_to_sink?.p99) / stats::ms(alone.due_to_sink?.p99))
}

pub(super) fn write(dir: &Path, machine: &Machine, cases: &[Case]) -> Result<PathBuf, Failure> {
    let rows: Vec<_> = cases
        .iter()
        .map(|case| {
            json!({
                "trouble": case.trouble.map(Trouble::name), "server": case.server, "offered_per_second": case.per_second,
                "due_to_sink_ns": latency_json(case.due_to_sink), "waiting": case.waiting,
                "late": case.late, "cpu_us": case.cpu_us,
            })
        })
        .collect();
    let json = json!({ "machine": machine.json(), "sync": SYNC, "fairness": rows });
    let markdown = format!(
        "# Fairness, measured on {}, commit {}\n\n{}.\n\nSync: {SYNC}.\n\n{}\n{LEGEND}\n",
        machine.date,
        machine.commit,
        machine.line(),
        table(cases)
    );
    results::write_files(dir, &format!("fairness-{}-{}", machine.date, machine.commit), &markdown, &json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(trouble: Trouble, p99_ms: u64) -> Case {
        let due_to_sink = Some(Latency { p50: 1_000_000, p99: p99_ms * 1_000_000, max: 90_000_000 });
        Case {
            trouble: Some(trouble),
            server: "Postrider".to_owned(),
            waiting: 7,
            per_second: 1500.0,
            due_to_sink,
            late: 2,
            cpu_us: Some(90.4),
        }
    }

    #[test]
    fn each_case_is_compared_with_the_one_without_trouble() {
        let text = table(&[case(Trouble::None, 4), case(Trouble::Dead, 6)]);
        let rows: Vec<Vec<&str>> =
            text.lines().skip(2).map(|line| line.split('|').map(str::trim).collect()).collect();
        assert_eq!(rows[0][1..11], ["none", "Postrider", "1500", "1.0", "4.0", "90.0", "-", "90", "7", "2"]);
        assert_eq!(
            rows[1][1..11],
            ["dead", "Postrider", "1500", "1.0", "6.0", "90.0", "1.5", "90", "7", "2"]
        );
    }

    #[test]
    fn mail_for_many_domains_is_compared_with_mail_for_many_domains() {
        let cases = [case(Trouble::None, 4), case(Trouble::Many, 10), case(Trouble::One, 15)];
        assert_eq!(times_worse(&cases, &cases[1]), None);
        assert_eq!(times_worse(&cases, &cases[2]), Some(1.5));
    }
}
