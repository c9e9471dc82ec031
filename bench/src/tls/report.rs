//! What came of it, as tables and as files.

use crate::Failure;
use crate::idle::Idle;
use crate::machine::Machine;
use crate::results::{self, Cell, OTHERS_MAX, SYNC, figure};
use crate::secure::{CIPHER, Handshakes};
use crate::table::Table;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// One server, come by in one form.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) form: &'static str,
    pub(super) cell: Cell,
}

/// Everything that was measured.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) load: String,
    pub(super) rows: Vec<Row>,
    /// In clear or under TLS.
    pub(super) idle: Vec<(&'static str, Idle)>,
}

const LEGEND: &str = "\
Medians of the rounds. CPU: all processes of the server, user and system; neither source nor sink. p50, p99: from the final dot to the 250. rate x, CPU x: how many times better than \
Postfix, where it has two rows than the better one of them. TLS us: CPU that TLS adds to a message, by the row in clear of the same server and kind of sessions. in, out: handshakes with the source and \
with the sink in the last round, full + resumed; those of kept sessions are made in the warm-up for `out`. one each: a new connection for each message. Postfix-reuse: with smtp_tls_connection_reuse; \
otherwise it makes a connection for each message that goes out under TLS. other CPU: used by neither the server nor the bench; (!) marks a row that was disturbed.";

const IDLE_LEGEND: &str = "\
Anonymous memory of all the server's processes for each session that stands idle after EHLO, under TLS after a full handshake. The kernel's own memory for sockets is not in it.";

impl Report {
    pub(super) fn text(&self) -> String {
        format!("{}\n{LEGEND}\n\n{}\n{IDLE_LEGEND}", self.table(), self.idle_table())
    }

    fn table(&self) -> String {
        let head = [
            "work",
            "sessions are",
            "server",
            "msgs/s",
            "CPU us/msg",
            "p50 ms",
            "p99 ms",
            "rate x",
            "CPU x",
            "TLS us",
            "in",
            "out",
            "other CPU",
        ];
        let mut table = Table::new(3, &head);
        for row in &self.rows {
            let cell = &row.cell;
            let others = cell.median(|round| Some(round.others)).unwrap_or(0.0);
            let mark = if others > OTHERS_MAX { " (!)" } else { "" };
            let last = cell.rounds.last().copied().unwrap_or_default();
            table.row(vec![
                cell.work.name().to_owned(),
                row.form.to_owned(),
                cell.server.clone(),
                figure(cell.per_second(), 0),
                figure(cell.cpu_us(), 0),
                figure(cell.latency_ms(|it| it.p50), 2),
                figure(cell.latency_ms(|it| it.p99), 2),
                figure(self.times_better(row, Cell::per_second, |a, b| a / b), 2),
                figure(self.times_better(row, Cell::cpu_us, |a, b| b / a), 2),
                figure(self.tls_us(row), 0),
                count(last.handshakes),
                count(last.handshakes_out),
                format!("{:.0} %{mark}", others * 100.0),
            ]);
        }
        table.render()
    }

    /// How many times better a row is than the best of Postfix in the same circumstances.
    fn times_better(
        &self,
        row: &Row,
        of: impl Fn(&Cell) -> Option<f64>,
        better: impl Fn(f64, f64) -> f64,
    ) -> Option<f64> {
        let ours = of(&row.cell).filter(|_| row.cell.server == "Postrider")?;
        let peers = self.rows.iter().filter(|other| {
            (other.form, other.cell.work) == (row.form, row.cell.work) && other.cell.server != row.cell.server
        });
        peers.filter_map(|peer| of(&peer.cell)).map(|peer| better(ours, peer)).min_by(f64::total_cmp)
    }

    /// What a message takes more than in clear.
    fn tls_us(&self, row: &Row) -> Option<f64> {
        let one_each = |form: &str| form.contains("one each");
        let clear = self.rows.iter().find(|other| {
            other.form.starts_with("clear")
                && one_each(other.form) == one_each(row.form)
                && other.cell.work == row.cell.work
                && row.cell.server.starts_with(&other.cell.server)
        })?;
        Some(row.cell.cpu_us()? - clear.cell.cpu_us()?).filter(|_| !row.form.starts_with("clear"))
    }

    fn idle_table(&self) -> String {
        let mut table = Table::new(2, &["idle sessions", "server", "sessions", "KiB a session"]);
        for (form, idle) in &self.idle {
            table.row(vec![
                (*form).to_owned(),
                idle.server.clone(),
                idle.sessions.to_string(),
                idle.failure
                    .clone()
                    .unwrap_or_else(|| figure(idle.per_session().map(|octets| octets / 1024.0), 1)),
            ]);
        }
        table.render()
    }

    pub(super) fn write(&self, dir: &Path) -> Result<PathBuf, Failure> {
        let Machine { date, commit, .. } = &self.machine;
        let (machine, load) = (self.machine.line(), &self.load);
        let head = format!(
            "# TLS, measured on {date}, commit {commit}\n\n{machine}.\n\nLoad: {load}; {CIPHER}.\n\nSync: {SYNC}.\n"
        );
        let markdown = format!("{head}\n{}\n", self.text());
        results::write_files(dir, &format!("tls-{date}-{commit}"), &markdown, &self.json())
    }

    fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| json!({ "form": row.form, "cell": row.cell.json() }));
        let idle = self.idle.iter().map(|(form, idle)| {
            json!({
                "form": form, "server": idle.server, "sessions": idle.sessions,
                "octets_per_session": idle.per_session(), "failure": idle.failure,
            })
        });
        json!({
            "machine": self.machine.json(), "load": self.load, "tls": CIPHER, "sync": SYNC,
            "results": rows.collect::<Vec<_>>(), "idle": idle.collect::<Vec<_>>(),
        })
    }
}

fn count(handshakes: Handshakes) -> String {
    format!("{} + {}", handshakes.full, handshakes.resumed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Figures, Work};

    fn row(form: &'static str, server: &str, per_second: f64, cpu_us: f64) -> Row {
        let rounds = vec![Figures {
            per_second,
            cpu_us,
            handshakes: Handshakes { full: 2, resumed: 7 },
            ..Figures::default()
        }];
        Row { form, cell: Cell { work: Work::Relay, sessions: 20, server: server.to_owned(), rounds } }
    }

    #[test]
    fn a_row_stands_beside_the_better_postfix_and_beside_the_one_in_clear() {
        let rows = vec![
            row("clear, kept", "Postfix", 500.0, 1000.0),
            row("clear, kept", "Postrider", 8000.0, 100.0),
            row("STARTTLS", "Postfix", 400.0, 2000.0),
            row("STARTTLS", "Postfix-reuse", 200.0, 1500.0),
            row("STARTTLS", "Postrider", 4000.0, 150.0),
        ];
        let report = Report { machine: Machine::example(), load: String::new(), rows, idle: Vec::new() };
        let text = report.table();
        let cells = |line: usize| -> Vec<String> {
            let line = text.lines().nth(line + 2).unwrap();
            line.split('|').map(|cell| cell.trim().to_owned()).collect()
        };
        assert_eq!(cells(1)[8..11], ["16.00", "10.00", "-"]);
        assert_eq!(cells(3)[8..11], ["-", "-", "500"]);
        assert_eq!(cells(4)[8..12], ["10.00", "10.00", "50", "2 + 7"]);
    }
}
