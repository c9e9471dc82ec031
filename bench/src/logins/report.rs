//! What came of it, as tables and as files.

use crate::Failure;
use crate::machine::Machine;
use crate::results::{self, figure};
use crate::secure::CIPHER;
use crate::source::latency_json;
use crate::stats::{self, Latency};
use crate::table::Table;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Logins of one kind.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) mechanism: &'static str,
    pub(super) sessions: u64,
    pub(super) per_second: f64,
    /// Of the server, for each login with its session.
    pub(super) cpu_us: f64,
    /// Of the clients.
    pub(super) client_cpu_us: f64,
    /// From AUTH to its last reply.
    pub(super) time: Option<Latency>,
}

/// Mail and logins beside a flood, or without one.
#[derive(Debug, Default)]
pub(super) struct Flood {
    /// Sessions of the flood at a time.
    pub(super) sessions: u64,
    pub(super) messages: u64,
    pub(super) rate: f64,
    /// From the time that a message was due to its 250.
    pub(super) mail: Option<Latency>,
    /// Right logins that succeeded, and how long each took.
    pub(super) logins: u64,
    pub(super) login: Option<Latency>,
    /// Right logins that were not let in.
    pub(super) refused: u64,
    pub(super) wrong: u64,
    pub(super) turned_away: u64,
    pub(super) broken: u64,
    pub(super) seconds: f64,
    /// Processors that the server kept busy.
    pub(super) processors: f64,
    pub(super) peak_memory: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) hash_ms: f64,
    pub(super) rows: Vec<Row>,
    pub(super) floods: Vec<Flood>,
}

const LEGEND: &str = "\
Each login in a session of its own: connection, full handshake, EHLO, AUTH, QUIT. CPU: user and system time of the server for all of that. p50, p99: from AUTH to its last reply. client us: what the clients \
took on the same machine; with SCRAM most of it is the derivation of the keys, which they do at each login.";

const FLOOD_LEGEND: &str = "\
Somebody who has logged in sends mail evenly, and logs in anew every 200 ms; beside that so many sessions log in with wrong passwords, each time under another login and from another address. mail: from the time \
that a message was due to its 250; x: how many times the p99 without the flood. login: from AUTH to its last reply, of those right logins that succeeded; refused: of those that did not. wrong/s: wrong \
logins that were looked at; away/s: those told to come later, unheard. CPUs: processors that the server kept busy. peak MiB: anonymous memory of the server.";

impl Report {
    pub(super) fn text(&self) -> String {
        let hash =
            format!("One Argon2id hash (19 MiB, 2 passes, 1 lane) on one thread: {:.1} ms.", self.hash_ms);
        format!("{hash}\n\n{}\n{LEGEND}\n\n{}\n{FLOOD_LEGEND}", self.table(), self.flood_table())
    }

    fn table(&self) -> String {
        let head = ["mechanism", "sessions", "logins/s", "CPU us/login", "p50 ms", "p99 ms", "client us"];
        let mut table = Table::new(1, &head);
        for row in &self.rows {
            table.row(vec![
                row.mechanism.to_owned(),
                row.sessions.to_string(),
                figure(Some(row.per_second), 0),
                figure(Some(row.cpu_us), 0),
                ms(row.time, |it| it.p50),
                ms(row.time, |it| it.p99),
                figure(Some(row.client_cpu_us), 0),
            ]);
        }
        table.render()
    }

    fn flood_table(&self) -> String {
        let head = [
            "flood over",
            "mail/s",
            "p50 ms",
            "p99 ms",
            "max ms",
            "x",
            "logins",
            "p50 ms",
            "p99 ms",
            "refused",
            "wrong/s",
            "away/s",
            "broken",
            "CPUs",
            "peak MiB",
        ];
        let mut table = Table::new(0, &head);
        for flood in &self.floods {
            let quiet = self.floods.first().and_then(|quiet| quiet.mail);
            let times = quiet.zip(flood.mail).map(|(quiet, mail)| stats::ms(mail.p99) / stats::ms(quiet.p99));
            let each_second = |count: u64| {
                figure(u32::try_from(count).ok().map(|count| f64::from(count) / flood.seconds), 0)
            };
            table.row(vec![
                flood.sessions.to_string(),
                figure(Some(flood.rate), 0),
                ms(flood.mail, |it| it.p50),
                ms(flood.mail, |it| it.p99),
                ms(flood.mail, |it| it.max),
                figure(times.filter(|_| flood.sessions > 0), 1),
                flood.logins.to_string(),
                ms(flood.login, |it| it.p50),
                ms(flood.login, |it| it.p99),
                flood.refused.to_string(),
                each_second(flood.wrong),
                each_second(flood.turned_away),
                flood.broken.to_string(),
                figure(Some(flood.processors), 2),
                flood.peak_memory.map_or("-".to_owned(), |octets| (octets >> 20).to_string()),
            ]);
        }
        table.render()
    }

    pub(super) fn write(&self, dir: &Path) -> Result<PathBuf, Failure> {
        let Machine { date, commit, .. } = &self.machine;
        let markdown = format!(
            "# Logins, measured on {date}, commit {commit}\n\n{}.\n\n{CIPHER}.\n\n{}\n",
            self.machine.line(),
            self.text()
        );
        results::write_files(dir, &format!("logins-{date}-{commit}"), &markdown, &self.json())
    }

    fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            json!({
                "mechanism": row.mechanism, "sessions": row.sessions, "logins_per_second": row.per_second,
                "cpu_us_per_login": row.cpu_us, "client_cpu_us_per_login": row.client_cpu_us,
                "auth_ns": latency_json(row.time),
            })
        });
        let floods = self.floods.iter().map(|flood| {
            json!({
                "sessions": flood.sessions, "messages": flood.messages, "messages_per_second": flood.rate,
                "due_to_reply_ns": latency_json(flood.mail), "right_logins": flood.logins,
                "right_auth_ns": latency_json(flood.login), "right_refused": flood.refused, "wrong": flood.wrong,
                "turned_away": flood.turned_away, "broken": flood.broken, "seconds": flood.seconds,
                "processors": flood.processors, "peak_memory_octets": flood.peak_memory,
            })
        });
        json!({
            "machine": self.machine.json(), "tls": CIPHER, "argon2id_ms": self.hash_ms,
            "logins": rows.collect::<Vec<_>>(), "floods": floods.collect::<Vec<_>>(),
        })
    }
}

fn ms(latency: Option<Latency>, part: fn(&Latency) -> u64) -> String {
    figure(latency.map(|latency| stats::ms(part(&latency))), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_stands_beside_the_quiet() {
        let mail = |p99| Some(Latency { p50: 1_000_000, p99, max: 9_000_000 });
        let flood = |sessions, p99| Flood {
            sessions,
            mail: mail(p99),
            wrong: 300,
            seconds: 3.0,
            peak_memory: Some(64 << 20),
            ..Flood::default()
        };
        let floods = vec![flood(0, 2_000_000), flood(400, 5_000_000)];
        let report = Report { machine: Machine::example(), hash_ms: 25.04, rows: Vec::new(), floods };
        let text = report.flood_table();
        let rows: Vec<Vec<&str>> =
            text.lines().skip(2).map(|line| line.split('|').map(str::trim).collect()).collect();
        assert_eq!(rows[0][4..7], ["2.0", "9.0", "-"]);
        assert_eq!(rows[1][4..7], ["5.0", "9.0", "2.5"]);
        assert_eq!((rows[1][11], rows[1][15]), ("100", "64"));
        assert!(
            report.text().starts_with("One Argon2id hash (19 MiB, 2 passes, 1 lane) on one thread: 25.0 ms.")
        );
    }
}
