//! What a session costs in memory that does nothing.

use crate::Failure;
use crate::dns::Dns;
use crate::scenario::Work;
use crate::secure::{Dialer, Keys, Tls};
use crate::servers::{Access, Candidate, Kind, Server, Setting};
use crate::sink::{Manner, Sink};
use crate::source::{Entry, Load, Plan, Standing};
use std::path::Path;
use std::time::Duration;

const OPEN_MAX: Duration = Duration::from_mins(1);
/// Postfix has a process for each session, and of more than a mebibyte: so many are enough to see it.
const POSTFIX_MAX: u64 = 500;

/// What came of one server.
#[derive(Debug)]
pub(crate) struct Idle {
    pub(crate) server: String,
    /// Sessions that stood idle after EHLO.
    pub(crate) sessions: u64,
    /// Octets of anonymous memory before the first of them, and with all.
    pub(crate) memory: Option<(u64, u64)>,
    pub(crate) failure: Option<String>,
}

impl Idle {
    /// Octets for each session.
    #[expect(clippy::cast_precision_loss, reason = "memory of one machine")]
    pub(crate) fn per_session(&self) -> Option<f64> {
        let (before, with_all) = self.memory?;
        (self.sessions > 0).then(|| with_all.saturating_sub(before) as f64 / self.sessions as f64)
    }
}

/// Opens so many sessions to each server, one server after the other.
pub(crate) fn measure(
    candidates: &[Candidate],
    sessions: u64,
    tls: Option<Tls>,
    dir: &Path,
) -> Result<Vec<Idle>, Failure> {
    let mut all = Vec::new();
    for who in candidates {
        let sessions = if who.kind == Kind::Postfix { sessions.min(POSTFIX_MAX) } else { sessions };
        let place = dir.join(format!("idle-{}", who.name));
        std::fs::create_dir(&place)?;
        let (memory, failure) = match memory(who, sessions, tls, &place) {
            Ok(memory) => (memory, None),
            Err(failure) => (None, Some(failure.to_string())),
        };
        // What is left goes with the whole directory.
        drop(std::fs::remove_dir_all(&place));
        eprintln!("idle {}: {memory:?}", who.name);
        all.push(Idle { server: who.name.clone(), sessions, memory, failure });
    }
    Ok(all)
}

fn memory(
    who: &Candidate,
    sessions: u64,
    tls: Option<Tls>,
    place: &Path,
) -> Result<Option<(u64, u64)>, Failure> {
    let (sink, dns) = (Sink::start(Manner::Silent)?, Dns::start()?);
    let keys = Keys::make(place)?;
    let setting = Setting {
        work: Work::Accept,
        dir: place,
        next_hop: sink.address,
        dns: dns.address,
        sessions,
        mailboxes: 0,
        access: Access { tls: tls.map(|tls| (tls, &keys)), login: None },
    };
    let server = Server::start(who, &setting)?;
    let Some(group) = server.group().and_then(crate::group::Group::memory) else {
        return Err("memory cannot be told without a control group for it".into());
    };
    let plan = Plan {
        server: server.address,
        entry: Entry::by(tls.map(|tls| Dialer::new(tls, false)).transpose()?),
        sessions: usize::try_from(sessions)?,
        messages: 0,
        size: 1024,
        load: Load::Closed,
        pipelining: true,
        per_session: None,
        recipients: Work::Accept.recipients(1),
        time_limit: Duration::ZERO,
    };
    // What the first session makes once and for all is not the other sessions'.
    Standing::open(&Plan { sessions: 1, ..plan.clone() }, OPEN_MAX)?.close()?;
    let before = group.octets();
    let standing = Standing::open(&plan, OPEN_MAX)?;
    let with_all = group.octets();
    standing.close()?;
    Ok(before.zip(with_all))
}
