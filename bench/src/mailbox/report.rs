//! What came of it, as tables and as files.

use super::idle::{News, Waiting};
use super::reads::Figure;
use super::writes::Rate;
use crate::Failure;
use crate::machine::Machine;
use crate::results::{self, figure};
use crate::secure::CIPHER;
use crate::source::latency_json;
use crate::stats;
use crate::table::Table;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// One server, read in one way.
#[derive(Debug)]
pub(super) struct ReadRow {
    pub(super) messages: u64,
    pub(super) work: &'static str,
    pub(super) server: String,
    pub(super) warm: Vec<Figure>,
    pub(super) cold: Vec<Figure>,
}

/// One server, written to in one way.
#[derive(Debug)]
pub(super) struct WriteRow {
    pub(super) work: &'static str,
    pub(super) server: String,
    pub(super) rounds: Vec<Rate>,
}

/// One server with sessions that wait.
#[derive(Debug)]
pub(super) struct IdleRow {
    pub(super) server: String,
    pub(super) waiting: Option<Waiting>,
    pub(super) news: Option<News>,
    pub(super) failure: Option<String>,
}

/// Everything that was measured.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) load: String,
    pub(super) reads: Vec<ReadRow>,
    pub(super) writes: Vec<WriteRow>,
    pub(super) idle: Vec<IdleRow>,
}

const READS: &str = "\
Medians of the rounds, for all messages of the mailbox: from the first octet of the command to the last one of its answer, as the client has it. CPU: all processes of the server, user and system. cold: \
after a restart, with an empty page cache, the first such command once the client has logged in (and selected, where the command is not SELECT). x: how many times better Postrider is than the \
better Dovecot under TLS; clear: than the better one in clear, while Postrider encrypts, for it lets nobody log in otherwise. Of a search, found: messages that it found.";
const WRITES: &str = "\
Medians of the rounds. Each message is on the disk before it is answered for, as all servers ship. disk alone: what is left of the rate without any server, if each message is written and synced before the next: nobody who takes one at a time is faster. LMTP: from the first message to the moment when all are in their ten mailboxes. x as above.";
const IDLE: &str = "\
KiB: anonymous memory of all the server's processes for each session that stands in IDLE with the large mailbox selected. from dot, from 250: from the end of a message by LMTP, and from its 250, to the EXISTS that \
a client in IDLE is told; 0 where it is told before the 250.";

/// Ours, in the tables.
const OURS: &str = "Postrider";

impl Report {
    pub(super) fn text(&self) -> String {
        format!(
            "{}\n{READS}\n\n{}\n{WRITES}\n\n{}\n{IDLE}",
            self.read_table(),
            self.write_table(),
            self.idle_table()
        )
    }

    fn read_table(&self) -> String {
        let head = [
            "messages", "work", "server", "warm ms", "CPU ms", "cold ms", "found", "x", "CPU x", "cold x",
            "clear x",
        ];
        let mut table = Table::new(3, &head);
        for row in &self.reads {
            let beside = |clear: bool, of: fn(&ReadRow) -> Option<f64>| {
                let ours = of(row).filter(|ours| row.server == OURS && *ours > 0.0)?;
                let peers = self.reads.iter().filter(|peer| {
                    (peer.messages, peer.work) == (row.messages, row.work)
                        && peer.server != OURS
                        && peer.server.ends_with(CLEAR) == clear
                });
                peers.filter_map(of).min_by(f64::total_cmp).map(|peer| peer / ours)
            };
            let found = row.warm.first().filter(|first| first.found > 0).map(|first| first.found.to_string());
            table.row(vec![
                row.messages.to_string(),
                row.work.to_owned(),
                row.server.clone(),
                figure(row.warm_ms(), 2),
                figure(row.cpu_ms(), 2),
                figure(row.cold_ms(), 2),
                found.unwrap_or_default(),
                figure(beside(false, ReadRow::warm_ms), 2),
                figure(beside(false, ReadRow::cpu_ms), 2),
                figure(beside(false, ReadRow::cold_ms), 2),
                figure(beside(true, ReadRow::warm_ms), 2),
            ]);
        }
        table.render()
    }

    fn write_table(&self) -> String {
        let head = ["work", "server", "msgs/s", "CPU us/msg", "rate x", "CPU x"];
        let mut table = Table::new(2, &head);
        for row in &self.writes {
            let peers = || {
                self.writes
                    .iter()
                    .filter(|peer| peer.work == row.work && peer.server != OURS && row.server == OURS)
            };
            let rate = peers().filter_map(WriteRow::per_second).max_by(f64::total_cmp);
            let cpu = peers().filter_map(WriteRow::cpu_us).min_by(f64::total_cmp);
            table.row(vec![
                row.work.to_owned(),
                row.server.clone(),
                figure(row.per_second(), 0),
                figure(row.cpu_us(), 0),
                figure(row.per_second().zip(rate).map(|(ours, peer)| ours / peer), 2),
                figure(row.cpu_us().zip(cpu).map(|(ours, peer)| peer / ours), 2),
            ]);
        }
        table.render()
    }

    fn idle_table(&self) -> String {
        let head = [
            "server",
            "sessions",
            "KiB each",
            "from dot p50 ms",
            "p99 ms",
            "from 250 p50 ms",
            "p99 ms",
            "note",
        ];
        let mut table = Table::new(1, &head);
        for row in &self.idle {
            let news = |of: fn(&News) -> u64| figure(row.news.as_ref().map(|news| stats::ms(of(news))), 2);
            table.row(vec![
                row.server.clone(),
                row.waiting.map_or_else(String::new, |waiting| waiting.sessions.to_string()),
                figure(row.waiting.map(|waiting| waiting.octets / 1024.0), 1),
                news(|news| news.from_dot.p50),
                news(|news| news.from_dot.p99),
                news(|news| news.from_reply.p50),
                news(|news| news.from_reply.p99),
                row.failure.clone().unwrap_or_default(),
            ]);
        }
        table.render()
    }

    pub(super) fn write(&self, dir: &Path) -> Result<PathBuf, Failure> {
        let Machine { date, commit, .. } = &self.machine;
        let (machine, load) = (self.machine.line(), &self.load);
        let head = format!(
            "# Mailboxes, measured on {date}, commit {commit}\n\n{machine}.\n\nLoad: {load}; {CIPHER}, but for `{CLEAR}`.\n"
        );
        let markdown = format!("{head}\n{}\n", self.text());
        results::write_files(dir, &format!("mailbox-{date}-{commit}"), &markdown, &self.json())
    }

    fn json(&self) -> Value {
        let figures = |all: &[Figure]| -> Vec<Value> {
            all.iter()
                .map(|it| json!({ "wall_ns": it.wall_ns, "cpu_ns": it.cpu_ns, "found": it.found }))
                .collect()
        };
        let reads = self.reads.iter().map(|row| {
            json!({
                "messages": row.messages, "work": row.work, "server": row.server, "warm_ms": row.warm_ms(),
                "cold_ms": row.cold_ms(), "warm": figures(&row.warm), "cold": figures(&row.cold),
            })
        });
        let writes = self.writes.iter().map(|row| {
            let rounds = row.rounds.iter();
            let rounds: Vec<Value> = rounds
                .map(|it| json!({ "messages_per_second": it.per_second, "cpu_us_per_message": it.cpu_us }))
                .collect();
            json!({ "work": row.work, "server": row.server, "rounds": rounds })
        });
        let idle = self.idle.iter().map(|row| {
            json!({
                "server": row.server, "sessions": row.waiting.map(|waiting| waiting.sessions),
                "octets_per_session": row.waiting.map(|waiting| waiting.octets),
                "from_dot_ns": latency_json(row.news.map(|news| news.from_dot)),
                "from_reply_ns": latency_json(row.news.map(|news| news.from_reply)), "failure": row.failure,
            })
        });
        json!({
            "machine": self.machine.json(), "load": self.load, "tls": CIPHER, "reads": reads.collect::<Vec<_>>(),
            "writes": writes.collect::<Vec<_>>(), "idle": idle.collect::<Vec<_>>(),
        })
    }
}

/// No server at all.
pub(super) const DISK_ALONE: &str = "disk alone";
/// What the name of a server ends with where its sessions are in clear.
pub(super) const CLEAR: &str = ", clear";

impl ReadRow {
    fn warm_ms(&self) -> Option<f64> {
        median(&self.warm, |it| it.wall_ns)
    }

    fn cpu_ms(&self) -> Option<f64> {
        median(&self.warm, |it| it.cpu_ns)
    }

    fn cold_ms(&self) -> Option<f64> {
        median(&self.cold, |it| it.wall_ns)
    }
}

fn median(all: &[Figure], of: fn(&Figure) -> u64) -> Option<f64> {
    stats::median(&all.iter().map(|it| stats::ms(of(it))).collect::<Vec<_>>())
}

impl WriteRow {
    fn per_second(&self) -> Option<f64> {
        stats::median(&self.rounds.iter().map(|it| it.per_second).collect::<Vec<_>>())
    }

    fn cpu_us(&self) -> Option<f64> {
        stats::median(&self.rounds.iter().map(|it| it.cpu_us).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_stands_beside_the_better_dovecot_under_tls_and_in_clear() {
        let row = |server: &str, wall_ms: u64| ReadRow {
            messages: 10,
            work: "SELECT",
            server: server.to_owned(),
            warm: vec![Figure { wall_ns: wall_ms * 1_000_000, cpu_ns: 500_000, found: 0 }],
            cold: Vec::new(),
        };
        let write = |server: &str, per_second: f64| WriteRow {
            work: "APPEND",
            server: server.to_owned(),
            rounds: vec![Rate { per_second, cpu_us: 100.0 }],
        };
        let report = Report {
            machine: Machine::example(),
            load: String::new(),
            reads: vec![
                row("Postrider", 4),
                row("Dovecot maildir", 12),
                row("Dovecot sdbox", 10),
                row("Dovecot maildir, clear", 8),
            ],
            writes: vec![write("Postrider", 1500.0), write("Dovecot maildir", 300.0)],
            idle: Vec::new(),
        };
        let cells = |text: &str| -> Vec<String> {
            let line = text.lines().find(|line| line.contains("Postrider")).unwrap();
            line.split('|').map(|cell| cell.trim().to_owned()).collect()
        };
        assert_eq!(
            cells(&report.read_table())[4..12],
            ["4.00", "0.50", "-", "", "2.50", "1.00", "-", "2.00"]
        );
        assert_eq!(cells(&report.write_table())[3..7], ["1500", "100", "5.00", "1.00"]);
        let dir = tempfile::tempdir().unwrap();
        let path = report.write(dir.path()).unwrap();
        assert!(path.ends_with("mailbox-2026-11-23-abc123.md"));
    }
}
