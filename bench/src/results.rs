//! The figures of a run as a table and as files.

use crate::Failure;
use crate::machine::Machine;
use crate::scenario::{Figures, Work};
use crate::source::latency_json;
use crate::stats::{self, Latency};
use crate::table::Table;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// All rounds of one server under one load.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    pub(crate) work: Work,
    pub(crate) sessions: u64,
    pub(crate) server: String,
    pub(crate) rounds: Vec<Figures>,
}

impl Cell {
    /// The median over the rounds, each figure by itself.
    pub(crate) fn median(&self, figure: impl Fn(&Figures) -> Option<f64>) -> Option<f64> {
        stats::median(&self.rounds.iter().filter_map(figure).collect::<Vec<_>>())
    }

    pub(crate) fn per_second(&self) -> Option<f64> {
        self.median(|round| Some(round.per_second))
    }

    pub(crate) fn cpu_us(&self) -> Option<f64> {
        self.median(|round| Some(round.cpu_us))
    }

    pub(crate) fn latency_ms(&self, part: impl Fn(&Latency) -> u64) -> Option<f64> {
        self.median(|round| {
            round.due_to_reply.or(round.dot_to_reply).map(|latency| stats::ms(part(&latency)))
        })
    }

    pub(crate) fn json(&self) -> Value {
        let rounds: Vec<Value> = self.rounds.iter().map(round_json).collect();
        json!({
            "work": self.work.name(), "sessions": self.sessions, "server": self.server,
            "messages_per_second": self.per_second(), "cpu_us_per_message": self.cpu_us(),
            "p50_ms": self.latency_ms(|it| it.p50), "p99_ms": self.latency_ms(|it| it.p99), "rounds": rounds,
        })
    }
}

pub(crate) fn round_json(round: &Figures) -> Value {
    json!({
        "messages": round.messages, "messages_per_second": round.per_second, "cpu_us_per_message": round.cpu_us,
        "dot_to_reply_ns": latency_json(round.dot_to_reply), "due_to_reply_ns": latency_json(round.due_to_reply),
        "bench_cpu_us_per_message": round.bench_cpu_us, "peak_memory_octets": round.peak_memory, "other_cpu_share": round.others,
        "handshakes_full": round.handshakes.full, "handshakes_resumed": round.handshakes.resumed,
        "handshakes_out_full": round.handshakes_out.full, "handshakes_out_resumed": round.handshakes_out.resumed,
    })
}

/// Everything a run has to tell.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    /// Size, generator, pipelining and so on, in words.
    pub(crate) load: String,
    /// The server that the others are compared with.
    pub(crate) base: String,
    pub(crate) cells: Vec<Cell>,
}

/// A share of the machine used by others above which a row is marked.
pub(crate) const OTHERS_MAX: f64 = 0.10;

impl Results {
    pub(crate) fn table(&self) -> String {
        let head = [
            "work",
            "server",
            "sessions",
            "msgs/s",
            "CPU us/msg",
            "p50 ms",
            "p99 ms",
            "rate x",
            "CPU x",
            "other CPU",
        ];
        let mut table = Table::new(2, &head);
        for cell in &self.cells {
            let others = cell.median(|round| Some(round.others)).unwrap_or(0.0);
            let mark = if others > OTHERS_MAX { " (!)" } else { "" };
            table.row(vec![
                cell.work.name().to_owned(),
                cell.server.clone(),
                cell.sessions.to_string(),
                figure(cell.per_second(), 0),
                figure(cell.cpu_us(), 0),
                figure(cell.latency_ms(|it| it.p50), 2),
                figure(cell.latency_ms(|it| it.p99), 2),
                figure(self.ratio(cell, Cell::per_second).filter(|_| cell.work != Work::Latency), 2),
                // Turned over: above 1 is better in both columns.
                figure(self.ratio(cell, Cell::cpu_us).map(|ratio| 1.0 / ratio), 2),
                format!("{:.0} %{mark}", others * 100.0),
            ]);
        }
        table.render()
    }

    /// How many times the figure of the server to compare with, under the same load.
    fn ratio(&self, cell: &Cell, of: impl Fn(&Cell) -> Option<f64>) -> Option<f64> {
        let base = self.cells.iter().find(|other| {
            other.server == self.base && other.work == cell.work && other.sessions == cell.sessions
        })?;
        (cell.server != self.base).then_some(of(cell)? / of(base)?)
    }

    pub(crate) fn json(&self) -> Value {
        let cells: Vec<Value> = self.cells.iter().map(Cell::json).collect();
        json!({ "machine": self.machine.json(), "load": self.load, "sync": SYNC, "results": cells })
    }

    pub(crate) fn markdown(&self) -> String {
        format!(
            "# Measured on {}, commit {}\n\n{}.\n\nLoad: {}.\n\nSync: {SYNC}.\n\n{}\n{LEGEND}\n",
            self.machine.date,
            self.machine.commit,
            self.machine.line(),
            self.load,
            self.table(),
        )
    }

    /// Writes both files into `dir`, beside those of earlier runs.
    pub(crate) fn write(&self, dir: &Path) -> Result<PathBuf, Failure> {
        let name = format!("{}-{}", self.machine.date, self.machine.commit);
        write_files(dir, &name, &self.markdown(), &self.json())
    }
}

/// Writes a result as text and as JSON, beside those of earlier runs of the same name.
pub(crate) fn write_files(dir: &Path, name: &str, markdown: &str, json: &Value) -> Result<PathBuf, Failure> {
    fs::create_dir_all(dir)
        .map_err(|error| format!("no results can be kept in {}: {error}", dir.display()))?;
    let path = (1..1000)
        .map(|number| if number == 1 { name.to_owned() } else { format!("{name}-{number}") })
        .map(|name| dir.join(format!("{name}.md")))
        .find(|path| !path.exists())
        .ok_or("there are a thousand results of this day and commit already")?;
    fs::write(&path, markdown)?;
    fs::write(path.with_extension("json"), format!("{json:#}\n"))?;
    Ok(path)
}

/// Both servers as they ship: nothing about syncing is switched off.
pub(crate) const SYNC: &str = "every server syncs a message to the disk before its 250 (as they ship)";

/// How to read the table.
pub(crate) const LEGEND: &str = "\
Medians of the rounds. CPU: all processes of the server, user and system. p50, p99: from the final dot to the 250; \
for `latency`, which offers each server half of its own peak rate, from the time the message was due. \
rate x, CPU x: how many times better than the peer. other CPU: used by neither the server nor the bench, such as \
kernel threads; (!) marks a row that was disturbed.";

pub(crate) fn figure(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(server: &str, rates: &[f64], cpu_us: f64) -> Cell {
        let latency = Latency { p50: 1_000_000, p99: 2_000_000, max: 3_000_000 };
        let rounds = rates.iter().map(|per_second| Figures {
            messages: 10,
            per_second: *per_second,
            cpu_us,
            dot_to_reply: Some(latency),
            due_to_reply: None,
            bench_cpu_us: 30.0,
            peak_memory: None,
            others: 0.5,
            ..Figures::default()
        });
        Cell { work: Work::Accept, sessions: 20, server: server.to_owned(), rounds: rounds.collect() }
    }

    fn results() -> Results {
        Results {
            machine: Machine::example(),
            load: "10240 octets".to_owned(),
            base: "Postfix".to_owned(),
            cells: vec![cell("Postfix", &[1000.0, 900.0, 9999.0], 800.0), cell("Postrider", &[8000.0], 80.0)],
        }
    }

    #[test]
    fn the_table_shows_medians_and_how_many_times_better_than_the_peer() {
        let text = results().table();
        let rows: Vec<Vec<&str>> =
            text.lines().skip(2).map(|line| line.split('|').map(str::trim).collect()).collect();
        assert_eq!(
            rows[0][1..11],
            ["accept", "Postfix", "20", "1000", "800", "1.00", "2.00", "-", "-", "50 % (!)"]
        );
        assert_eq!(
            rows[1][1..11],
            ["accept", "Postrider", "20", "8000", "80", "1.00", "2.00", "8.00", "10.00", "50 % (!)"]
        );
    }

    #[test]
    fn files_of_the_same_day_and_commit_stand_side_by_side() {
        let dir = tempfile::tempdir().unwrap();
        let first = results().write(dir.path()).unwrap();
        let second = results().write(dir.path()).unwrap();
        assert!(first.ends_with("2026-11-23-abc123.md") && second.ends_with("2026-11-23-abc123-2.md"));
        let json: Value =
            serde_json::from_str(&fs::read_to_string(first.with_extension("json")).unwrap()).unwrap();
        assert_eq!(json["results"][0]["messages_per_second"], 1000.0);
        assert_eq!(json["machine"]["cpu"], "Abacus");
        let text = fs::read_to_string(second).unwrap();
        assert!(text.contains("2 x Abacus, Linux 6.1, ext4 (rw), fdatasync of 4 KiB 300 us"));
    }
}
