//! What came of it, as tables and as files.

use crate::Failure;
use crate::machine::Machine;
use crate::results::{self, Cell, OTHERS_MAX, SYNC, figure};
use crate::table::Table;
use serde_json::json;
use std::path::{Path, PathBuf};

/// One server in one form.
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
}

const LEGEND: &str = "\
Medians of the rounds. CPU: all processes of the server and of what stands beside it, user and system; neither source nor sink. adds us: CPU that signing or checking adds to a message, by the row before of the \
same server as it is; share: its part of the whole. out: RSA-2048, relaxed/relaxed, sessions under TLS that stand; Postrider's have logged in, Postfix takes the client's address for that. in: each message has a \
signature of RSA-2048 and a Received field less; Postrider and rspamd check SPF, DKIM, DMARC and ARC, OpenDKIM checks DKIM alone, with the key from a file. CPU x: how many times less than this peer. other CPU: used by \
neither the server nor the bench; (!) marks a row that was disturbed, and what stands beside Postfix is among it.";

impl Report {
    pub(super) fn text(&self) -> String {
        format!("{}\n{LEGEND}", self.table())
    }

    fn table(&self) -> String {
        let head = [
            "mail goes",
            "server",
            "msgs/s",
            "CPU us/msg",
            "p99 ms",
            "adds us",
            "share",
            "CPU x",
            "other CPU",
        ];
        let mut table = Table::new(2, &head);
        for row in &self.rows {
            let cell = &row.cell;
            let others = cell.median(|round| Some(round.others)).unwrap_or(0.0);
            let mark = if others > OTHERS_MAX { " (!)" } else { "" };
            let adds = self.adds(row);
            let share = adds.zip(cell.cpu_us()).map(|(adds, all)| adds / all * 100.0);
            table.row(vec![
                row.form.to_owned(),
                cell.server.clone(),
                figure(cell.per_second(), 0),
                figure(cell.cpu_us(), 0),
                figure(cell.latency_ms(|it| it.p99), 2),
                figure(adds, 0),
                share.map_or_else(|| "-".to_owned(), |share| format!("{share:.0} %")),
                figure(self.times_less(row), 2),
                format!("{:.0} %{mark}", others * 100.0),
            ]);
        }
        table.render()
    }

    /// What a message takes more than as it is.
    fn adds(&self, row: &Row) -> Option<f64> {
        let (way, what) = row.form.split_once(", ")?;
        let name = row.cell.server.split(" + ").next()?;
        let plain = self.rows.iter().find(|other| {
            other.form.starts_with(way) && other.form.ends_with("as it is") && other.cell.server == name
        })?;
        Some(row.cell.cpu_us()? - plain.cell.cpu_us()?).filter(|_| what != "as it is")
    }

    /// How many times less Postrider takes than this peer.
    fn times_less(&self, row: &Row) -> Option<f64> {
        let ours =
            self.rows.iter().find(|other| other.form == row.form && other.cell.server == "Postrider")?;
        Some(row.cell.cpu_us()? / ours.cell.cpu_us()?).filter(|_| row.cell.server != "Postrider")
    }

    pub(super) fn write(&self, dir: &Path) -> Result<PathBuf, Failure> {
        let Machine { date, commit, .. } = &self.machine;
        let (machine, load) = (self.machine.line(), &self.load);
        let markdown = format!(
            "# Signing and checking, measured on {date}, commit {commit}\n\n{machine}.\n\nLoad: {load}.\n\nSync: {SYNC}.\n\n{}\n",
            self.text()
        );
        let rows: Vec<_> =
            self.rows.iter().map(|row| json!({ "form": row.form, "cell": row.cell.json() })).collect();
        let json = json!({ "machine": self.machine.json(), "load": load, "sync": SYNC, "results": rows });
        results::write_files(dir, &format!("auth-{date}-{commit}"), &markdown, &json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Figures, Work};

    fn row(form: &'static str, server: &str, cpu_us: f64) -> Row {
        let rounds = vec![Figures { cpu_us, ..Figures::default() }];
        Row { form, cell: Cell { work: Work::Relay, sessions: 20, server: server.to_owned(), rounds } }
    }

    #[test]
    fn what_is_added_is_counted_from_the_same_server_as_it_is() {
        let rows = vec![
            row("out, as it is", "Postrider", 100.0),
            row("out, as it is", "Postfix", 1000.0),
            row("out, signed", "Postrider", 400.0),
            row("out, signed", "Postfix + OpenDKIM", 3000.0),
        ];
        let report = Report { machine: Machine::example(), load: String::new(), rows };
        let text = report.table();
        let cells = |line: usize| -> Vec<String> {
            let line = text.lines().nth(line + 2).unwrap();
            line.split('|').map(|cell| cell.trim().to_owned()).collect()
        };
        assert_eq!(cells(1)[6..9], ["-", "-", "10.00"]);
        assert_eq!(cells(2)[6..9], ["300", "75 %", "-"]);
        assert_eq!(cells(3)[6..9], ["2000", "67 %", "7.50"]);
    }
}
