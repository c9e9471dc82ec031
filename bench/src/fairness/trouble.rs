//! What is the matter with one destination while mail for others goes on.

use super::{LOAD, SESSIONS};
use crate::args::FairnessOptions;
use crate::beside::Beside;
use crate::servers::{Candidate, Kind};
use crate::sink::Manner;
use crate::source::{Load, Plan, Recipients};
use clap::ValueEnum;
use std::io;
use std::time::Duration;

/// Octets of the mail for the destination in trouble: what matters is its number.
pub(super) const TROUBLE_OCTETS: usize = 1024;
/// Domains where there are many: `d0.test` and so on take mail, `x0.test` and so on are dead.
pub(crate) const DOMAINS: u64 = 10_000;
/// Idle sessions: with the others, as many as a process may have descriptors for on most machines.
const IDLE: usize = 10_000;
const DEAF: usize = 200;
const SLOW_SESSIONS: usize = 1000;
const HUGE_OCTETS: usize = 40 << 20;

/// What is the matter with the one destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Trouble {
    /// Nothing: no mail goes there
    None,
    /// Its host takes connections and never says a word
    Dead,
    /// Its host takes a second for each answer
    Slow,
    /// A hundred thousand messages wait for it, and it takes them all the time, 20 ms for each answer
    Backlog,
    /// A million messages wait for it, and it takes them all the time, 20 ms for each answer
    Million,
    /// Ten thousand domains with a host each are dead, a message waits for each
    Domains,
    /// Nothing, but mail for others goes to 10,000 domains with a host each
    Many,
    /// As `many`, and one more domain is dead, 10,000 messages wait for it
    One,
    /// Its host reads 1 KiB a second of messages of 100 KiB
    Trickle,
    /// Mail for others comes over 2,000 sessions
    Busy,
    /// 10,000 sessions beside it are idle
    Idle,
    /// 200 sessions beside it send commands and read no replies
    Deaf,
    /// 1,000 sessions beside it are slow: a command octet by octet, a message at the least rate
    Drip,
    /// As `drip`, and 10,000 sessions more are idle
    Crowd,
    /// Messages of 40 MiB for one domain come and go beside it, one every two seconds
    Huge,
}

impl Trouble {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Dead => "dead",
            Self::Slow => "slow",
            Self::Backlog => "backlog",
            Self::Million => "million",
            Self::Domains => "domains",
            Self::Many => "many",
            Self::One => "one",
            Self::Trickle => "trickle",
            Self::Busy => "busy",
            Self::Idle => "idle",
            Self::Deaf => "deaf",
            Self::Drip => "drip",
            Self::Crowd => "crowd",
            Self::Huge => "huge",
        }
    }

    /// The case without trouble that it is compared with.
    pub(super) fn baseline(self) -> Self {
        match self {
            Self::Many | Self::One => Self::Many,
            _ => Self::None,
        }
    }

    /// Messages that wait for it when the load begins, and have come by SMTP.
    pub(super) fn messages(self, options: &FairnessOptions) -> u64 {
        match self {
            Self::Dead | Self::Slow | Self::Domains | Self::One => options.messages / 10,
            Self::Trickle => options.messages / 100,
            Self::Backlog => options.messages,
            _ => 0,
        }
    }

    /// Messages that are in the queue before the server starts: a million by SMTP would be a measurement of its own.
    pub(super) fn filled(self, options: &FairnessOptions) -> u64 {
        if self == Self::Million { options.backlog } else { 0 }
    }

    pub(super) fn manner(self) -> Manner {
        match self {
            Self::None
            | Self::Dead
            | Self::Domains
            | Self::Many
            | Self::One
            | Self::Busy
            | Self::Idle
            | Self::Deaf
            | Self::Drip
            | Self::Crowd => Manner::Silent,
            Self::Trickle => Manner::Trickle,
            Self::Huge => Manner::Accepting,
            Self::Slow => Manner::Slow(Duration::from_secs(1)),
            Self::Backlog | Self::Million => Manner::Slow(Duration::from_millis(20)),
        }
    }

    /// Whom the mail for others is for: `m<number>@…`, by which the sink knows each message.
    pub(super) fn others(self, messages: u64) -> Recipients {
        match self.baseline() {
            Self::Many => Recipients::of("m{}@d{}.test", &[messages, DOMAINS]),
            _ => Recipients::new("m{}@others.bench.test", messages),
        }
    }

    /// The same for the warm-up, which the sink does not write down.
    pub(super) fn warm_up(self) -> Recipients {
        match self.baseline() {
            Self::Many => Recipients::new("warm@d{}.test", DOMAINS),
            _ => Recipients::new("warm@others.bench.test", 1),
        }
    }

    /// Sessions over which the mail for others comes.
    pub(super) fn sessions(self) -> usize {
        if self == Self::Busy { 2000 } else { SESSIONS }
    }

    /// Sessions that are there beside.
    pub(super) fn held(self) -> usize {
        match self {
            Self::Idle => IDLE,
            Self::Deaf => DEAF,
            Self::Drip => SLOW_SESSIONS,
            Self::Crowd => IDLE + SLOW_SESSIONS,
            _ => 0,
        }
    }

    /// Postfix has a process for each session: ten thousand do not fit. Its queue can only be filled by SMTP, and all of its mail for
    /// others goes to one relay, for it would ask the system's DNS.
    pub(super) fn is_for(self, who: &Candidate) -> bool {
        let for_all = !matches!(self, Self::Idle | Self::Crowd | Self::Million | Self::Many | Self::One);
        for_all || who.kind == Kind::Postrider
    }

    /// Who the waiting messages are for, and how large each is.
    pub(super) fn waiting(self) -> (Recipients, usize) {
        match self {
            Self::Domains => (Recipients::new("some@x{}.test", DOMAINS), TROUBLE_OCTETS),
            Self::Trickle => (Recipients::new("some{}@trouble.test", 1000), 100 << 10),
            _ => (Recipients::new("some{}@trouble.test", 1000), TROUBLE_OCTETS),
        }
    }

    /// What goes on beside the mail for others.
    pub(super) fn beside(self, plan: &Plan) -> io::Result<Beside> {
        match self {
            Self::Idle => Beside::idle(plan.server, IDLE),
            Self::Deaf => Beside::deaf(plan.server, DEAF),
            Self::Drip => Beside::default().and_slow(plan.server, SLOW_SESSIONS),
            Self::Crowd => Beside::idle(plan.server, IDLE)?.and_slow(plan.server, SLOW_SESSIONS),
            Self::Huge => Beside::mail(Plan {
                sessions: 2,
                messages: u64::MAX,
                size: HUGE_OCTETS,
                load: Load::Open { per_second: 0.5 },
                recipients: Recipients::new("huge@trouble.test", 1),
                time_limit: LOAD,
                ..plan.clone()
            }),
            _ => Ok(Beside::default()),
        }
    }
}
