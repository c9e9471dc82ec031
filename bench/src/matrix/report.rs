//! The figures of `bench all` as tables and files.

use super::plan::octets;
use super::plots;
use super::{Cell, Measured};
use crate::Failure;
use crate::idle::Idle;
use crate::machine::Machine;
use crate::plot;
use crate::queue::Opening;
use crate::results::{OTHERS_MAX, SYNC, figure, round_json};
use crate::scenario::{Figures, Work};
use crate::stats;
use crate::table::Table;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Everything that was measured so far.
#[derive(Debug)]
pub(super) struct Report {
    machine: Machine,
    /// Names, in the order of the columns; the last one is compared with the others.
    pub(super) servers: Vec<String>,
    pub(super) measured: Vec<Measured>,
    pub(super) idle: Vec<Idle>,
    pub(super) opening: Option<Opening>,
}

const WORKS: [(Work, &str); 3] = [
    (Work::Accept, "Accept into the queue"),
    (Work::Relay, "Relay: accept and send on"),
    (Work::Local, "Local: accept and deliver into Maildirs"),
];

const LEGEND: &str = "\
Each cell: all servers in turns on the same disk, medians of the rounds. msgs/s: accept until the last 250, relay and local until the last message \
is out. CPU us: user and system time of all processes of the server, for each message. x: how many times better the last server is, above 1 is \
better. All sessions stand before the clock starts and stay until it stops; where there are fewer messages in a round than sessions, the others \
are idle.";

const DETAILS: &str = "\
p50, p99: from the final dot to the 250, in ms; sessions that send as fast as they can wait in line, so with many of them it is the length of the \
line. peak MiB: anonymous memory of all processes. bench us: CPU of source, sink and DNS server for each message. messages: of the median round. \
other CPU: used by neither the server nor the bench, such as kernel threads; (!) marks a row that was disturbed.";

impl Report {
    pub(super) fn new(machine: Machine, servers: Vec<String>) -> Self {
        Self { machine, servers, measured: Vec::new(), idle: Vec::new(), opening: None }
    }

    /// All tables, in Markdown.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (work, title) in WORKS {
            if self.measured.iter().any(|it| it.cell.work == work) {
                let _infallible = write!(text, "## {title}\n\n{}\n", self.side_by_side(work));
            }
        }
        let _infallible = write!(text, "{LEGEND}\n\n");
        if self.measured.iter().any(|it| it.cell.work == Work::Latency) {
            let _infallible =
                write!(text, "## Latency at half of the peak\n\n{}\n{LATENCY}\n\n", self.latency());
        }
        if !self.idle.is_empty() {
            let _infallible = write!(text, "## Memory of an idle session\n\n{}\n{IDLE}\n\n", self.idle());
        }
        if let Some(opening) = &self.opening {
            let _infallible =
                write!(text, "## Opening a long queue\n\nPostrider, {}.\n\n{OPEN}\n\n", opening.line());
        }
        let _infallible = write!(text, "## Details\n\n{}\n{DETAILS}\n", self.details());
        self.say_failures(&mut text);
        text
    }

    /// Rates and costs of one work: a row for each load, a column for each server.
    fn side_by_side(&self, work: Work) -> String {
        let rivals = || self.servers.iter().take(self.servers.len().saturating_sub(1));
        let mut head = vec!["size".to_owned(), "sessions".to_owned()];
        for unit in ["msgs/s", "CPU us"] {
            head.extend(self.servers.iter().map(|name| format!("{name} {unit}")));
            head.extend(rivals().map(|name| format!("x {name}")));
        }
        let mut table = Table::new(1, &head.iter().map(String::as_str).collect::<Vec<_>>());
        for cell in self.cells(work) {
            let mut row = vec![octets(cell.size), cell.sessions.to_string()];
            let rate = |name: &String| self.per_second(cell, name);
            let cpu = |name: &String| self.cpu_us(cell, name);
            row.extend(self.servers.iter().map(|name| figure(rate(name), rate_decimals(rate(name)))));
            let ours = self.servers.last();
            row.extend(rivals().map(|name| figure(ratio(ours.and_then(rate), rate(name)), 1)));
            row.extend(self.servers.iter().map(|name| figure(cpu(name), 0)));
            row.extend(rivals().map(|name| figure(ratio(cpu(name), ours.and_then(cpu)), 1)));
            table.row(row);
        }
        table.render()
    }

    fn latency(&self) -> String {
        let mut table = Table::new(1, &["server", "sessions", "offered/s", "p50 ms", "p99 ms", "CPU us"]);
        for it in self.measured.iter().filter(|it| it.cell.work == Work::Latency && !it.rounds.is_empty()) {
            let due = |part: fn(&stats::Latency) -> u64| {
                median(&it.rounds, |round| {
                    round.due_to_reply.as_ref().map(|latency| stats::ms(part(latency)))
                })
            };
            table.row(vec![
                it.server.clone(),
                it.cell.sessions.to_string(),
                figure(median(&it.rounds, |round| Some(round.per_second)), 0),
                figure(due(|it| it.p50), 2),
                figure(due(|it| it.p99), 2),
                figure(median(&it.rounds, |round| Some(round.cpu_us)), 0),
            ]);
        }
        table.render()
    }

    fn idle(&self) -> String {
        let mut table = Table::new(1, &["server", "sessions", "KiB each", "x", "MiB at 10,000"]);
        let ours = self.idle.last().and_then(Idle::per_session);
        for idle in &self.idle {
            let each = idle.per_session();
            table.row(vec![
                idle.server.clone(),
                idle.sessions.to_string(),
                figure(each.map(|octets| octets / 1024.0), 1),
                figure(ratio(each, ours), 1),
                figure(each.map(|octets| octets * 10_000.0 / MIB), 0),
            ]);
        }
        table.render()
    }

    fn details(&self) -> String {
        let head = [
            "work",
            "server",
            "size",
            "sessions",
            "p50 ms",
            "p99 ms",
            "peak MiB",
            "bench us",
            "messages",
            "rounds",
            "other CPU",
        ];
        let mut table = Table::new(2, &head);
        for it in self.measured.iter().filter(|it| it.cell.work != Work::Latency && !it.rounds.is_empty()) {
            let dot = |part: fn(&stats::Latency) -> u64| {
                median(&it.rounds, |round| {
                    round.dot_to_reply.as_ref().map(|latency| stats::ms(part(latency)))
                })
            };
            let others = median(&it.rounds, |round| Some(round.others)).unwrap_or(0.0);
            let mark = if others > OTHERS_MAX { " (!)" } else { "" };
            table.row(vec![
                it.cell.work.name().to_owned(),
                it.server.clone(),
                octets(it.cell.size),
                it.cell.sessions.to_string(),
                figure(dot(|it| it.p50), 2),
                figure(dot(|it| it.p99), 2),
                figure(median(&it.rounds, peak_mib), 0),
                figure(median(&it.rounds, |round| Some(round.bench_cpu_us)), 0),
                figure(median(&it.rounds, |round| Some(messages(round))), 0),
                it.rounds.len().to_string(),
                format!("{:.0} %{mark}", others * 100.0),
            ]);
        }
        table.render()
    }

    fn say_failures(&self, text: &mut String) {
        let cells = self
            .measured
            .iter()
            .filter_map(|it| Some((format!("{}, {}", it.server, it.cell), it.failure.as_ref()?)));
        let idle =
            self.idle.iter().filter_map(|it| Some((format!("{}, idle", it.server), it.failure.as_ref()?)));
        let mut failures: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (what, words) in cells.chain(idle) {
            failures.entry(words.lines().next().unwrap_or_default()).or_default().push(what);
        }
        if failures.is_empty() {
            return;
        }
        *text += "\n## Not measured, or not to the end\n\n";
        for (words, what) in failures {
            let _infallible = writeln!(text, "- {words}: {}", what.join("; "));
        }
    }

    /// The loads of one work, in rising order.
    pub(super) fn cells(&self, work: Work) -> Vec<Cell> {
        let mut cells: Vec<Cell> = self
            .measured
            .iter()
            .filter(|it| it.cell.work == work && !it.rounds.is_empty())
            .map(|it| it.cell)
            .collect();
        cells.sort_by_key(|cell| (cell.size, cell.sessions));
        cells.dedup();
        cells
    }

    pub(super) fn per_second(&self, cell: Cell, server: &str) -> Option<f64> {
        self.median(cell, server, |round| Some(round.per_second))
    }

    pub(super) fn cpu_us(&self, cell: Cell, server: &str) -> Option<f64> {
        self.median(cell, server, |round| Some(round.cpu_us))
    }

    fn median(&self, cell: Cell, server: &str, figure: impl Fn(&Figures) -> Option<f64>) -> Option<f64> {
        let measured = self.measured.iter().find(|it| it.cell == cell && it.server == server)?;
        median(&measured.rounds, figure)
    }

    fn json(&self) -> Value {
        let cells: Vec<Value> = self.measured.iter().map(cell_json).collect();
        let idle: Vec<Value> = self
            .idle
            .iter()
            .map(|it| {
                json!({
                    "server": it.server, "sessions": it.sessions, "octets_per_session": it.per_session(),
                    "not_measured": it.failure,
                })
            })
            .collect();
        let opening = self.opening.as_ref().map(Opening::json);
        json!({ "machine": self.machine.json(), "sync": SYNC, "results": cells, "idle": idle, "open": opening })
    }

    /// Writes all files, in place of those of the last run.
    pub(super) fn write(&self, dir: &Path) -> Result<(), Failure> {
        fs::create_dir_all(dir)?;
        let markdown = format!(
            "# All, measured on {}, commit {}\n\n{}.\n\nSync: {SYNC}.\n\n{}",
            self.machine.date,
            self.machine.commit,
            self.machine.line(),
            self.text(),
        );
        fs::write(dir.join("all.md"), markdown)?;
        fs::write(dir.join("all.json"), format!("{:#}\n", self.json()))?;
        self.draw(dir)
    }

    /// Over sessions at the size that was measured first, and over sizes at 20 sessions, where they were measured.
    fn draw(&self, dir: &Path) -> Result<(), Failure> {
        let Some(first) = self.measured.iter().find(|it| it.cell.work != Work::Latency) else {
            return Ok(());
        };
        let size = first.cell.size;
        let plot = plots::over_sessions(self, size, &octets(size));
        fs::write(dir.join("sessions.svg"), plot::svg(&plot))?;
        let sessions =
            if self.measured.iter().any(|it| it.cell.sessions == 20) { 20 } else { first.cell.sessions };
        let plot = plots::over_sizes(self, sessions);
        fs::write(dir.join("sizes.svg"), plot::svg(&plot))?;
        Ok(())
    }
}

const LATENCY: &str = "\
10 KiB, offered evenly at half of each server's own peak, so only the times compare, and the rates say at which load. p50, p99: from the time the \
message was due to the 250.";

const IDLE: &str = "\
Anonymous memory of all processes of the server, after EHLO, beyond that with no session. Postfix has a process for each session: its figure at 10,000 is \
extrapolated from fewer.";

const OPEN: &str = "\
From the start of the program to its greeting, median of three; memory is what is resident then. One recipient a message, 1 KiB each, 1,000 domains.";

const MIB: f64 = 1024.0 * 1024.0;

fn cell_json(it: &Measured) -> Value {
    let rounds: Vec<Value> = it.rounds.iter().map(round_json).collect();
    json!({
        "work": it.cell.work.name(), "sessions": it.cell.sessions, "size": it.cell.size, "server": it.server,
        "messages_per_second": median(&it.rounds, |round| Some(round.per_second)),
        "cpu_us_per_message": median(&it.rounds, |round| Some(round.cpu_us)),
        "rounds": rounds, "not_measured": it.failure,
    })
}

fn median(rounds: &[Figures], figure: impl Fn(&Figures) -> Option<f64>) -> Option<f64> {
    stats::median(&rounds.iter().filter_map(figure).collect::<Vec<_>>())
}

#[expect(clippy::cast_precision_loss, reason = "memory of one machine")]
fn peak_mib(round: &Figures) -> Option<f64> {
    round.peak_memory.map(|octets| octets as f64 / MIB)
}

#[expect(clippy::cast_precision_loss, reason = "messages of one round")]
fn messages(round: &Figures) -> f64 {
    round.messages as f64
}

fn ratio(better: Option<f64>, worse: Option<f64>) -> Option<f64> {
    Some(better? / worse?).filter(|ratio| ratio.is_finite())
}

/// Large messages come at a few a second.
fn rate_decimals(rate: Option<f64>) -> usize {
    usize::from(rate.is_some_and(|rate| rate < 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(server: &str, rates: &[f64], cpu_us: f64) -> Measured {
        let rounds = rates.iter().map(|per_second| Figures {
            messages: 500,
            per_second: *per_second,
            cpu_us,
            dot_to_reply: None,
            due_to_reply: None,
            bench_cpu_us: 20.0,
            peak_memory: Some(3 * 1024 * 1024),
            others: 0.01,
            ..Figures::default()
        });
        let cell = Cell { work: Work::Relay, sessions: 20, size: 10 * 1024 };
        let failure = rates.is_empty().then(|| "too many processes\nand more".to_owned());
        Measured { cell, server: server.to_owned(), rounds: rounds.collect(), failure }
    }

    fn report() -> Report {
        let mut report =
            Report::new(Machine::example(), ["Postfix", "Exim", "Postrider"].map(str::to_owned).to_vec());
        report.measured.push(measured("Postfix", &[900.0, 1000.0, 5000.0], 800.0));
        report.measured.push(measured("Exim", &[], 0.0));
        report.measured.push(measured("Postrider", &[8000.0], 80.0));
        report
    }

    #[test]
    fn servers_stand_side_by_side_and_the_last_is_compared_with_the_others() {
        let text = report().side_by_side(Work::Relay);
        let row: Vec<&str> = text.lines().nth(2).unwrap().split('|').map(str::trim).collect();
        let expected = ["10 KiB", "20", "1000", "-", "8000", "8.0", "-", "800", "-", "80", "10.0", "-"];
        assert_eq!(row[1..13], expected);
    }

    #[test]
    fn what_was_not_measured_is_told_with_the_reason() {
        let text = report().text();
        assert!(text.contains("\n- too many processes: Exim, relay, 20 sessions, 10 KiB\n"), "{text}");
    }

    #[test]
    fn the_opening_of_a_long_queue_is_told_when_it_was_measured() {
        let mut report = report();
        assert!(!report.text().contains("## Opening"));
        report.opening = Some(Opening { recipients: 7, ns: vec![2_000_000_000], ..Opening::default() });
        assert!(report.text().contains("Postrider, 7 recipients: open in 2.00 s"), "{}", report.text());
    }

    #[test]
    fn files_of_the_last_run_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let mut report = report();
        report.write(dir.path()).unwrap();
        report.idle.push(Idle {
            server: "Postrider".to_owned(),
            sessions: 1000,
            memory: Some((1024, 1024 + 4096 * 1000)),
            failure: None,
        });
        report.write(dir.path()).unwrap();
        let text = fs::read_to_string(dir.path().join("all.md")).unwrap();
        assert!(text.contains("| Postrider |     1000 |      4.0 |"), "{text}");
        let json: Value = serde_json::from_slice(&fs::read(dir.path().join("all.json")).unwrap()).unwrap();
        assert_eq!(json["results"][0]["messages_per_second"], 1000.0);
        let plot = fs::read_to_string(dir.path().join("sessions.svg")).unwrap();
        assert!(plot.contains("Rate and CPU over sessions, messages of 10 KiB"));
    }
}
