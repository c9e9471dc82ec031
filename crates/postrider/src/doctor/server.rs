//! The running server: whether there is one, of this version, and how its queue fares.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use admin::api;
use disk::OsDisk;
use events::{Kind, Order, Query, Reader};
use mail::Timestamp;

use super::{
    finding::{Finding, counted},
    zone::for_people,
};
use crate::{
    client::{ClientError, get},
    config,
};

const CHECK: &str = "server";
const QUEUE: &str = "queue";
/// Events that are looked through for the last delivery.
const EVENTS_MAX: usize = 2000;
/// From here on somebody should look at what waits: most trouble is over by then.
const OLD: Duration = Duration::from_hours(24);
/// Mail that waits for its first attempt so long, while none is delivered, is stuck.
const STUCK: Duration = Duration::from_hours(1);

/// What is known of it.
#[derive(Debug)]
pub(super) struct Facts {
    /// Where it is, or would be.
    pub data_dir: PathBuf,
    /// What it says of itself.
    pub status: Result<api::Status, NoStatus>,
    /// When mail was last delivered, and when anything was written down; none: never, or nobody may look.
    pub delivered: Option<Timestamp>,
    /// The last thing that was written down.
    pub newest: Option<Timestamp>,
    /// When damage was last found in the spool, as far as the log was looked through.
    pub damaged: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}

/// Why it does not say anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoStatus {
    /// It does not run.
    NotRunning,
    /// It cannot be asked: why, and what to do.
    Failed(String, Option<String>),
}

/// Asks it, and looks into its log of events.
pub(super) async fn gather(data_dir: &Path, now: Timestamp) -> Facts {
    let socket = config::control_socket(data_dir);
    let status = get::<api::Status>(&socket, "/v1/status").await.map_err(|error| match error {
        ClientError::NotRunning(_) => NoStatus::NotRunning,
        ClientError::Failed(failure) => {
            NoStatus::Failed(failure.message().to_owned(), failure.advice().map(str::to_owned))
        }
    });
    let reader = Reader::new(config::events_dir(data_dir), Arc::new(OsDisk));
    let events = reader.search(&Query::All, Order::NewestFirst, EVENTS_MAX).unwrap_or_default();
    let delivered = events.iter().find(|event| event.kind == Kind::Delivered).map(|event| event.at);
    let newest = events.first().map(|event| event.at);
    let damaged = events.iter().find(|event| event.kind == Kind::Damaged).map(|event| event.at);
    Facts { data_dir: data_dir.to_owned(), status, delivered, newest, damaged, now }
}

/// Judges.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = running(facts);
    findings.extend(facts.damaged.map(|at| {
        let day: String = at.to_string().chars().take(10).collect();
        let text = format!("on {day} octets of mail in the spool were found damaged");
        Finding::warning("spool", text).todo("look at the disk, then at all of the spool, with the server stopped:\nsystemctl stop postrider\npostrider spool verify")
    }));
    findings
}

fn running(facts: &Facts) -> Vec<Finding> {
    let status = match &facts.status {
        Ok(status) => status,
        Err(NoStatus::NotRunning) => {
            let text = format!("no server runs on {}", facts.data_dir.display());
            return vec![Finding::error(CHECK, text).todo("start it:\nsystemctl start postrider")];
        }
        Err(NoStatus::Failed(why, hint)) => {
            let finding = Finding::unknown(CHECK, why.clone());
            return vec![match hint {
                Some(hint) => finding.todo(hint.clone()),
                None => finding,
            }];
        }
    };
    let mut findings = vec![version(status)];
    findings.extend(queue(facts, status));
    findings.extend(status.unsigned.iter().map(unsigned));
    if status.maildrop.aside > 0 {
        let count = counted(usize::try_from(status.maildrop.aside).unwrap_or(usize::MAX), "file");
        let text = format!("{count} that programs of this machine left as mail cannot be read as mail");
        let place = facts.data_dir.join("maildrop-bad");
        findings.push(
            Finding::warning(QUEUE, text)
                .todo(format!("look at them, then delete them:\nls -l {}", place.display())),
        );
    }
    findings
}

/// A domain whose mail cannot be signed as it should be.
fn unsigned(api::Unsigned { domain, why, held }: &api::Unsigned) -> Finding {
    let mail = if *held { "waits" } else { "goes without a good signature" };
    let text = format!("mail of {domain} {mail}: {why}");
    Finding::error("signatures", text)
        .todo("do what this says; the server looks again every minute:\npostrider dkim status")
}

fn version(status: &api::Status) -> Finding {
    let ours = env!("CARGO_PKG_VERSION");
    if status.version == ours {
        return Finding::ok(CHECK, format!("the server runs, version {ours}"));
    }
    let text = format!("the server that runs is of version {}, and this program of {ours}", status.version);
    Finding::warning(CHECK, text).todo("start the new one:\nsystemctl restart postrider")
}

fn queue(facts: &Facts, status: &api::Status) -> Vec<Finding> {
    let queue = &status.queue;
    let count = |number: u64, thing: &str| crate::terminal::count(number, thing);
    if queue.poisoned {
        let text = "no mail is taken or sent: the disk failed";
        return vec![Finding::error(QUEUE, text).todo("look at the kernel's log, then start the server again:\ndmesg | tail -50\nsystemctl restart postrider")];
    }
    let mut findings = Vec::new();
    if queue.full {
        let text = "no new mail is taken: there is too little room on the disk";
        findings.push(Finding::error(QUEUE, text).todo("make room, see the finding on the disk"));
    }
    if queue.held_messages > 0 {
        let text = format!(
            "{} on hold, and will wait until somebody decides",
            count(queue.held_messages, "message")
        );
        findings.push(
            Finding::advice(QUEUE, text)
                .todo("look at them, then release or remove them:\npostrider queue list --state held"),
        );
    }
    let since = |at: Timestamp| Duration::from_millis(facts.now.as_millis().saturating_sub(at.as_millis()));
    let oldest = queue.oldest.as_deref().and_then(events::parse_time).map(since).unwrap_or_default();
    let last = facts.delivered.map(since);
    let last_text = match last {
        Some(last) => format!("the last was delivered {} ago", for_people(last)),
        None => "none was delivered in what the log shows".to_owned(),
    };
    let waiting = queue.recipients.saturating_sub(queue.active);
    if queue.queued > 0 && oldest > STUCK && last.is_none_or(|last| last > STUCK) {
        let text = format!(
            "{} waits to be tried for {}, and {last_text}: nothing leaves",
            count(queue.messages, "message"),
            for_people(oldest)
        );
        findings.push(
            Finding::error(QUEUE, text)
                .todo("look why:\npostrider queue stats --by reason\njournalctl -u postrider -n 100"),
        );
    } else if waiting > 0 && oldest > OLD {
        let text = format!(
            "the oldest of {} waits for {}; {last_text}",
            count(queue.messages, "message"),
            for_people(oldest)
        );
        findings.push(Finding::advice(QUEUE, text).todo("look why:\npostrider queue list --older-than 1d"));
    } else {
        findings.push(Finding::ok(
            QUEUE,
            format!("{} in the queue; {last_text}", count(queue.messages, "message")),
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Level, finding::tests::says};

    const NOW: &str = "2026-11-30T12:00:00.000Z";

    fn facts(totals: api::Totals, delivered: Option<&str>) -> Facts {
        let time = |text: &str| events::parse_time(text).unwrap();
        let status = api::Status {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: 7,
            hostname: "mx.example.org".into(),
            started_at: NOW.into(),
            listeners: Vec::new(),
            queue: totals,
            certificate: None,
            relays: Vec::new(),
            unsigned: Vec::new(),
            maildrop: api::Maildrop::default(),
        };
        Facts {
            data_dir: "/var/lib/postrider".into(),
            status: Ok(status),
            delivered: delivered.map(time),
            newest: None,
            damaged: None,
            now: time(NOW),
        }
    }

    #[test]
    fn the_queue_is_judged() {
        let empty = api::Totals::default();
        let some = |queued: u64, oldest: &str| api::Totals {
            messages: 2,
            recipients: 3,
            queued,
            deferred: 3 - queued,
            oldest: Some(oldest.into()),
            ..api::Totals::default()
        };
        let recent = Some("2026-11-30T11:59:00.000Z");
        for (totals, delivered, level, words) in [
            (
                empty.clone(),
                recent,
                Level::Ok,
                &["0 messages in the queue; the last was delivered 60 seconds ago"][..],
            ),
            (empty.clone(), None, Level::Ok, &["none was delivered"]),
            (some(0, "2026-11-30T09:00:00.000Z"), recent, Level::Ok, &["2 messages in the queue"]),
            (
                some(0, "2026-11-28T09:00:00.000Z"),
                recent,
                Level::Advice,
                &["the oldest of 2 messages waits for 3 days", "postrider queue list --older-than 1d"],
            ),
            (some(1, "2026-11-30T09:00:00.000Z"), None, Level::Error, &["nothing leaves"]),
            (some(1, "2026-11-30T09:00:00.000Z"), recent, Level::Ok, &["2 messages in the queue"]),
            (api::Totals { poisoned: true, ..empty.clone() }, None, Level::Error, &["the disk failed"]),
            (api::Totals { full: true, ..empty.clone() }, None, Level::Error, &["too little room"]),
            (api::Totals { held_messages: 1, ..empty }, recent, Level::Advice, &["1 message on hold"]),
        ] {
            says(&judge(&facts(totals, delivered)), level, words);
        }
    }

    #[test]
    fn the_server_runs_and_is_this_one() {
        let mut facts = facts(api::Totals::default(), None);
        says(&judge(&facts), Level::Ok, &["the server runs"]);
        if let Ok(status) = &mut facts.status {
            status.version = "0.0.9".into();
            status.maildrop.aside = 1;
        }
        says(&judge(&facts), Level::Warning, &["version 0.0.9", "systemctl restart postrider"]);
        says(&judge(&facts), Level::Warning, &["1 file that programs"]);
        if let Ok(status) = &mut facts.status {
            let (domain, why) = ("example.org".to_owned(), "there is no record".to_owned());
            status.unsigned.push(api::Unsigned { domain, why, held: true });
        }
        says(
            &judge(&facts),
            Level::Error,
            &["mail of example.org waits: there is no record", "postrider dkim status"],
        );
        if let Ok(status) = &mut facts.status {
            status.unsigned.clear();
        }
        facts.damaged = events::parse_time(NOW);
        says(
            &judge(&facts),
            Level::Warning,
            &["on 2026-11-30 octets of mail in the spool were found damaged", "postrider spool verify"],
        );
        facts.damaged = None;
        facts.status = Err(NoStatus::NotRunning);
        says(
            &judge(&facts),
            Level::Error,
            &["no server runs on /var/lib/postrider", "systemctl start postrider"],
        );
        facts.status = Err(NoStatus::Failed("permission denied".into(), Some("run this as root".into())));
        says(&judge(&facts), Level::Unknown, &["permission denied => run this as root"]);
    }
}
