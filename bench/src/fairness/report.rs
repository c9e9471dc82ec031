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

/// What came of one case in one round.
#[derive(Debug)]
pub(super) struct Run {
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

/// One case over all its rounds: medians, but the longest delay of all, and the most that waited and was late.
#[derive(Debug)]
pub(super) struct Row {
    trouble: Option<Trouble>,
    server: String,
    waiting: u64,
    per_second: f64,
    delays: Option<Delays>,
    late: u64,
    cpu_us: Option<f64>,
}

/// Delays in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Delays {
    p50: f64,
    p99: f64,
    /// The p99 of the best and of the worst round.
    p99_range: (f64, f64),
    max: f64,
}

/// A row for each case of each server, in the order in which they were measured first.
pub(super) fn rows(runs: &[Run]) -> Vec<Row> {
    let mut cases: Vec<(Option<Trouble>, &str)> = Vec::new();
    for run in runs {
        let case = (run.trouble, &*run.server);
        if !cases.contains(&case) {
            cases.push(case);
        }
    }
    let of =
        |(trouble, server)| runs.iter().filter(move |run| run.trouble == trouble && run.server == server);
    cases.into_iter().filter_map(|case| Row::of(&of(case).collect::<Vec<_>>())).collect()
}

impl Row {
    /// Of the rounds of one case; `None` without any.
    fn of(rounds: &[&Run]) -> Option<Self> {
        let first = rounds.first()?;
        let cpu: Vec<f64> = rounds.iter().filter_map(|run| run.cpu_us).collect();
        Some(Self {
            trouble: first.trouble,
            server: first.server.clone(),
            waiting: rounds.iter().map(|run| run.waiting).max()?,
            per_second: stats::median(&rounds.iter().map(|run| run.per_second).collect::<Vec<_>>())?,
            delays: Delays::of(&rounds.iter().filter_map(|run| run.due_to_sink).collect::<Vec<_>>()),
            late: rounds.iter().map(|run| run.late).max()?,
            cpu_us: stats::median(&cpu),
        })
    }
}

impl Delays {
    fn of(rounds: &[Latency]) -> Option<Self> {
        let all = |part: fn(&Latency) -> u64| rounds.iter().map(|it| stats::ms(part(it))).collect::<Vec<_>>();
        let (p50, p99, max) = (all(|it| it.p50), all(|it| it.p99), all(|it| it.max));
        let most = |of: &[f64]| of.iter().copied().reduce(f64::max);
        let p99_range = (p99.iter().copied().reduce(f64::min)?, most(&p99)?);
        Some(Self { p50: stats::median(&p50)?, p99: stats::median(&p99)?, p99_range, max: most(&max)? })
    }
}

pub(super) const LEGEND: &str = "\
Mail for others is offered evenly at the same rate in all cases of a server: half of what it relays at its peak. p50, p99, max: \
from the time a message was due at the source to its end of data at the sink; p50 and p99 are medians of the rounds, p99 of beside it \
the best and the worst round's, max the longest of all rounds. x: how many times the p99 without trouble (`one`: that of `many`). CPU us: user and system time of the \
server for each message for others, all that it did meanwhile. waiting: \
messages that still wait for the destination in trouble when the last of the others has arrived. late: messages for others that had \
not arrived a minute after the last was offered; their delays are what they had waited by then. disk alone: no server, but octets as of \
these messages written to a file at that rate and synced as fast as syncs return, from the time that each was due; what this row shows is the disk's.";

pub(super) fn table(rows: &[Row]) -> String {
    let head = [
        "trouble",
        "server",
        "offered/s",
        "p50 ms",
        "p99 ms",
        "p99 of",
        "max ms",
        "x",
        "CPU us",
        "waiting",
        "late",
    ];
    let mut table = Table::new(2, &head);
    for row in rows {
        let shown = |text: fn(&Delays) -> String| row.delays.as_ref().map_or("-".to_owned(), text);
        table.row(vec![
            row.trouble.map_or("-", Trouble::name).to_owned(),
            row.server.clone(),
            format!("{:.0}", row.per_second),
            shown(|it| format!("{:.1}", it.p50)),
            shown(|it| format!("{:.1}", it.p99)),
            shown(|it| format!("{:.1}-{:.1}", it.p99_range.0, it.p99_range.1)),
            shown(|it| format!("{:.1}", it.max)),
            times_worse(rows, row).map_or("-".to_owned(), |times| format!("{times:.1}")),
            row.cpu_us.map_or("-".to_owned(), |us| format!("{us:.0}")),
            row.waiting.to_string(),
            row.late.to_string(),
        ]);
    }
    table.render()
}

fn times_worse(rows: &[Row], row: &Row) -> Option<f64> {
    let baseline = row.trouble?.baseline();
    let alone = rows.iter().find(|other| other.server == row.server && other.trouble == Some(baseline))?;
    (row.trouble != Some(baseline)).then_some(row.delays?.p99 / alone.delays?.p99)
}

pub(super) fn write(dir: &Path, machine: &Machine, rows: &[Row], runs: &[Run]) -> Result<PathBuf, Failure> {
    let runs: Vec<_> = runs
        .iter()
        .map(|run| {
            json!({
                "trouble": run.trouble.map(Trouble::name), "server": run.server, "offered_per_second": run.per_second,
                "due_to_sink_ns": latency_json(run.due_to_sink), "waiting": run.waiting,
                "late": run.late, "cpu_us": run.cpu_us,
            })
        })
        .collect();
    let json = json!({ "machine": machine.json(), "sync": SYNC, "fairness": runs });
    let markdown = format!(
        "# Fairness, measured on {}, commit {}\n\n{}.\n\nSync: {SYNC}.\n\n{}\n{LEGEND}\n",
        machine.date,
        machine.commit,
        machine.line(),
        table(rows)
    );
    results::write_files(dir, &format!("fairness-{}-{}", machine.date, machine.commit), &markdown, &json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(trouble: Trouble, p99_ms: u64) -> Run {
        let due_to_sink = Some(Latency { p50: 1_000_000, p99: p99_ms * 1_000_000, max: 90_000_000 + p99_ms });
        Run {
            trouble: Some(trouble),
            server: "Postrider".to_owned(),
            waiting: 7,
            per_second: 1500.0,
            due_to_sink,
            late: 2,
            cpu_us: Some(90.4),
        }
    }

    fn cells(text: &str) -> Vec<Vec<&str>> {
        text.lines().skip(2).map(|line| line.split('|').map(str::trim).collect()).collect()
    }

    #[test]
    fn each_case_is_compared_with_the_one_without_trouble() {
        let text = table(&rows(&[run(Trouble::None, 4), run(Trouble::Dead, 6)]));
        let cells = cells(&text);
        assert_eq!(
            cells[0][1..12],
            ["none", "Postrider", "1500", "1.0", "4.0", "4.0-4.0", "90.0", "-", "90", "7", "2"]
        );
        assert_eq!(
            cells[1][1..12],
            ["dead", "Postrider", "1500", "1.0", "6.0", "6.0-6.0", "90.0", "1.5", "90", "7", "2"]
        );
    }

    #[test]
    fn one_bad_round_does_not_decide() {
        let of = |trouble, all: [u64; 3]| all.map(|p99| run(trouble, p99));
        let runs: Vec<Run> =
            of(Trouble::None, [4, 30, 5]).into_iter().chain(of(Trouble::Dead, [6, 5, 50])).collect();
        let rows = rows(&runs);
        assert_eq!(rows.len(), 2);
        assert_eq!(times_worse(&rows, &rows[1]), Some(1.2));
        let text = table(&rows);
        assert_eq!(cells(&text)[1][5..7], ["6.0", "5.0-50.0"]);
    }

    #[test]
    fn mail_for_many_domains_is_compared_with_mail_for_many_domains() {
        let rows = rows(&[run(Trouble::None, 4), run(Trouble::Many, 10), run(Trouble::One, 15)]);
        assert_eq!(times_worse(&rows, &rows[1]), None);
        assert_eq!(times_worse(&rows, &rows[2]), Some(1.5));
    }
}
