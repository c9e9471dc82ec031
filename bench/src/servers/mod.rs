//! Starts and stops the servers that are measured, each with its own configuration and spool.

mod exim;
mod postfix;
mod postrider;

use crate::group::Group;
use crate::memory::Memory;
use crate::scenario::Work;
use crate::secure::{Dialer, Keys, Tls};
use crate::talk::Talk;
use crate::{Failure, cpu};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

pub(crate) use postrider::program;

/// The domain of the local mailboxes.
pub(crate) const LOCAL_DOMAIN: &str = "local.bench.test";
const START_MAX: Duration = Duration::from_secs(30);
const STOP_MAX: Duration = Duration::from_secs(15);

/// A server that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Postfix,
    /// Postfix that puts on hold what stays in its queue, which spares it its queue manager.
    PostfixHold,
    /// Postfix that keeps its sessions under TLS (`smtp_tls_connection_reuse`), in a process of their own.
    PostfixReuse,
    Exim,
    Postrider,
}

/// Who takes part in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) kind: Kind,
    /// What it is called in tables and in the names of directories.
    pub(crate) name: String,
    /// The program of Postrider; the others are where their packages put them.
    program: PathBuf,
    /// What its configuration has beside.
    more: String,
    /// Whether whoever comes from this machine may send anywhere.
    trusts: bool,
}

impl Candidate {
    /// Postrider as this program, under this name.
    pub(crate) fn postrider(name: &str, program: PathBuf) -> Self {
        Self { kind: Kind::Postrider, name: name.to_owned(), program, more: String::new(), trusts: true }
    }

    /// Another server.
    pub(crate) fn peer(kind: Kind) -> Self {
        let name = match kind {
            Kind::Postfix | Kind::PostfixHold => "Postfix",
            Kind::PostfixReuse => "Postfix-reuse",
            Kind::Exim => "Exim",
            Kind::Postrider => "Postrider",
        };
        Self { kind, name: name.to_owned(), program: PathBuf::new(), more: String::new(), trusts: true }
    }

    /// With more in its configuration; `trusts`: whether whoever comes from this machine may send anywhere.
    pub(crate) fn with(self, more: String, trusts: bool) -> Self {
        Self { more, trusts, ..self }
    }
}

/// What a server needs to know of the bench.
#[derive(Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) work: Work,
    /// An empty directory of its own.
    pub(crate) dir: &'a Path,
    /// Where mail for other domains goes.
    pub(crate) next_hop: SocketAddr,
    /// The DNS server that leads there.
    pub(crate) dns: SocketAddr,
    /// Sessions it must be able to hold.
    pub(crate) sessions: u64,
    /// Local mailboxes: `user0` to `user{n-1}` at `LOCAL_DOMAIN`.
    pub(crate) mailboxes: u64,
    pub(crate) access: Access<'a>,
}

/// How a server is come by.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Access<'a> {
    /// Under TLS, and with these keys; mail goes out under TLS as well where that is offered.
    pub(crate) tls: Option<(Tls, &'a Keys)>,
    /// By submission alone, with this login and its password (Postrider).
    pub(crate) login: Option<(&'a str, &'a str)>,
}

#[cfg(test)]
impl Setting<'static> {
    /// One for tests of what is made of it.
    fn example(work: Work) -> Self {
        Self {
            work,
            dir: Path::new("/dir"),
            next_hop: SocketAddr::from(([127, 0, 0, 1], 4025)),
            dns: SocketAddr::from(([127, 0, 0, 1], 4053)),
            sessions: 20,
            mailboxes: 2,
            access: Access::default(),
        }
    }
}

impl Setting<'_> {
    fn mailbox_names(&self) -> impl Iterator<Item = String> {
        (0..self.mailboxes).map(|number| format!("user{number}"))
    }
}

/// A running server; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it takes mail.
    pub(crate) address: SocketAddr,
    /// The Maildirs it delivers into (`Work::Local`).
    pub(crate) maildirs: Vec<PathBuf>,
    /// The guard, above all processes of the server.
    child: Child,
    /// All its processes, where there can be a group of them.
    group: Option<Group>,
    log: PathBuf,
}

impl Server {
    /// Starts a server and waits for its greeting.
    pub(crate) fn start(who: &Candidate, setting: &Setting<'_>) -> Result<Self, Failure> {
        match who.kind {
            Kind::Postfix | Kind::PostfixHold | Kind::PostfixReuse => postfix::start(setting, who),
            Kind::Exim => exim::start(setting),
            Kind::Postrider => postrider::start(setting, who),
        }
    }

    /// CPU nanoseconds of all its processes so far, those that ended included.
    pub(crate) fn cpu_ns(&self) -> u64 {
        self.group.as_ref().map_or_else(|| cpu::tree_ns(self.child.id()), Group::cpu_ns)
    }

    /// The group of all its processes.
    pub(crate) fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// Memory of the server's own process.
    pub(crate) fn memory(&self) -> Result<Memory, Failure> {
        Memory::of_child(self.child.id())
    }

    /// Is the process above all others still there?
    fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for a 220 greeting, or tells what the server's log ends with.
    fn wait_for_greeting(&mut self, access: Access<'_>) -> Result<(), Failure> {
        let dialer = access.tls.map(|(tls, _)| Dialer::new(tls, false)).transpose()?;
        let started = Instant::now();
        while started.elapsed() < START_MAX {
            if greets(self.address, dialer.as_ref()) {
                return Ok(());
            }
            if !self.alive() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!("the server did not come up; its log ends with:\n{}", self.log_end()).into())
    }

    /// The last lines of what it wrote.
    pub(crate) fn log_end(&self) -> String {
        log_end(&self.log)
    }
}

/// The last lines of a log.
pub(crate) fn log_end(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(10)..).unwrap_or_default().join("\n")
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let started = Instant::now();
        while self.alive() && started.elapsed() < STOP_MAX {
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A loopback port that is free now.
pub(crate) fn free_port() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn greets(address: SocketAddr, dialer: Option<&Dialer>) -> bool {
    Talk::open(address, None, dialer).is_ok_and(|mut talk| talk.ask(b"QUIT\r\n").is_ok())
}
