//! `bench auth`: what it costs that mail is believed: to sign what our people send, and to check what strangers bring, beside Postfix with
//! `OpenDKIM` and with rspamd.

mod material;
mod milter;
mod report;

use crate::args::{AuthOptions, Generator};
use crate::dns::Dns;
use crate::machine::Machine;
use crate::results::Cell;
use crate::scenario::{Bench, Figures, Snapshot, Work, figures};
use crate::secure::{Dialer, Keys, Tls};
use crate::servers::{Access, Candidate, Kind, Server, Setting};
use crate::sink::{Manner, Sink};
use crate::source::{self, Entry, Load, Plan};
use crate::{Failure, stats};
use material::{DOMAIN, Material, SELECTOR};
use milter::{Milter, Program};
use report::{Report, Row};
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Who sends all mail of the bench, and the line that logs in as him.
const LOGIN: (&str, &str) = ("source@source.test", "hush-hush-hush");
const LOGIN_LINE: &str = "AUTH PLAIN AHNvdXJjZUBzb3VyY2UudGVzdABodXNoLWh1c2gtaHVzaA==\r\n";
/// Octets of a message.
const SIZE: usize = 10 << 10;
const ROUND_MAX: Duration = Duration::from_secs(20);
const MAILBOXES: u64 = 10;
const WARM_UP: u64 = 1000;

/// Which way mail goes, and what is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Ours, to the sink, under TLS and by a login (Postfix: by its address).
    Out { signed: bool },
    /// A stranger's, signed, into Maildirs.
    In { checked: bool },
}

impl Form {
    const ALL: [Self; 4] = [
        Self::Out { signed: false },
        Self::Out { signed: true },
        Self::In { checked: false },
        Self::In { checked: true },
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Out { signed: false } => "out, as it is",
            Self::Out { signed: true } => "out, signed",
            Self::In { checked: false } => "in, as it is",
            Self::In { checked: true } => "in, checked",
        }
    }

    fn work(self) -> Work {
        if matches!(self, Self::Out { .. }) { Work::Relay } else { Work::Local }
    }

    /// What stands beside Postfix, and what the row is called.
    fn beside(self) -> &'static [(Option<Program>, &'static str)] {
        match self {
            Self::Out { signed: true } => &[(Some(Program::Signer), "Postfix + OpenDKIM")],
            Self::In { checked: true } => &[
                (Some(Program::Verifier), "Postfix + OpenDKIM"),
                (Some(Program::Rspamd), "Postfix + rspamd"),
            ],
            _ => &[(None, "Postfix")],
        }
    }
}

/// One who is measured in a form.
#[derive(Debug)]
struct Entrant {
    kind: Kind,
    name: &'static str,
    beside: Option<Program>,
}

pub(crate) fn command(options: &AuthOptions) -> Result<ExitCode, Failure> {
    let program = options.place.program.find()?;
    let dir = options.place.disk.work_dir()?;
    let machine = Machine::look(dir.path())?;
    say!("{}\n", machine.line());
    let material = Material::make(dir.path(), SIZE)?;
    let mut rows = Vec::new();
    for form in Form::ALL {
        let mut entrants = vec![Entrant { kind: Kind::Postrider, name: "Postrider", beside: None }];
        if !options.no_peer {
            let peer = |&(beside, name): &(Option<Program>, &'static str)| Entrant {
                kind: Kind::Postfix,
                name,
                beside,
            };
            entrants.extend(form.beside().iter().map(peer));
        }
        let mut cells: Vec<Cell> =
            entrants.iter().map(|entrant| cell(form, entrant, options.sessions)).collect();
        for round in 1..=options.rounds {
            for (number, (entrant, cell)) in entrants.iter().zip(&mut cells).enumerate() {
                let place = dir.path().join(format!("{}-{number}-{round}", form.work().name()));
                fs::create_dir(&place)?;
                let figures = measure(form, entrant, &program, &material, options, &place)?;
                fs::remove_dir_all(&place)?;
                let (rate, cpu) = (figures.per_second, figures.cpu_us);
                eprintln!(
                    "{}: {}, round {round}: {rate:.0}/s, {cpu:.0} us CPU a message",
                    form.name(),
                    entrant.name
                );
                cell.rounds.push(figures);
            }
        }
        rows.extend(cells.into_iter().map(|cell| Row { form: form.name(), cell }));
    }
    let (messages, rounds, sessions) = (options.messages, options.rounds, options.sessions);
    let load = format!(
        "own source, {sessions} sessions, {messages} messages of {SIZE} octets a round, {rounds} rounds"
    );
    let report = Report { machine, load, rows };
    say!("{}", report.text());
    if let Some(results) = options.place.results.get() {
        say!("\nwritten to {}", report.write(results)?.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn cell(form: Form, entrant: &Entrant, sessions: u64) -> Cell {
    Cell { work: form.work(), sessions, server: entrant.name.to_owned(), rounds: Vec::new() }
}

/// Starts a server and what stands beside it in `dir`, warms both up, measures them and stops them.
fn measure(
    form: Form,
    entrant: &Entrant,
    program: &Path,
    material: &Material,
    options: &AuthOptions,
    dir: &Path,
) -> Result<Figures, Failure> {
    let sink = Sink::start(if form.work() == Work::Relay { Manner::Accepting } else { Manner::Silent })?;
    let dns = Dns::with(&material.records())?;
    let keys = Keys::make(dir)?;
    let milter =
        entrant.beside.map(|beside| Milter::start(beside, dir, material, dns.address)).transpose()?;
    let ours = entrant.kind == Kind::Postrider;
    let out = form.work() == Work::Relay;
    let setting = Setting {
        work: form.work(),
        dir,
        next_hop: sink.address,
        dns: dns.address,
        sessions: options.sessions,
        mailboxes: MAILBOXES,
        access: Access { tls: out.then_some((Tls::Implicit, &keys)), login: (out && ours).then_some(LOGIN) },
    };
    let who = match entrant.kind {
        Kind::Postrider => Candidate::postrider(entrant.name, program.to_owned()),
        kind => Candidate::peer(kind),
    };
    let more = if ours {
        postrider(form, material)
    } else {
        milter.as_ref().map(Milter::setting).unwrap_or_default()
    };
    let server = Server::start(&who.with(more, out), &setting)?;
    let plan = Plan {
        server: server.address,
        entry: Entry {
            tls: out.then(|| Dialer::new(Tls::Implicit, true)).transpose()?,
            login: (out && ours).then(|| LOGIN_LINE.into()),
            signature: (!out).then(|| material.signature.as_str().into()),
        },
        sessions: usize::try_from(options.sessions)?,
        messages: WARM_UP.min(options.messages),
        size: SIZE,
        load: Load::Closed,
        pipelining: true,
        per_session: None,
        recipients: form.work().recipients(MAILBOXES),
        time_limit: ROUND_MAX,
    };
    let bench = Bench { work: form.work(), sink: &sink, server: &server };
    let warm = bench.all_accepted(source::run(&plan)?)?;
    bench.wait_for(warm.accepted)?;
    bench.settle();
    let beside = || milter.as_ref().map_or(0, Milter::cpu_ns);
    let (before, beside_before) = (Snapshot::take(&server, Generator::Own), beside());
    let report = bench.all_accepted(source::run(&Plan { messages: options.messages, ..plan })?)?;
    let last_out = bench.wait_for(warm.accepted + report.accepted)?;
    bench.settle();
    let (after, beside_after) = (Snapshot::take(&server, Generator::Own), beside());
    bench.came_out_once(warm.accepted + report.accepted)?;
    if form == (Form::In { checked: true }) {
        was_checked(&server)?;
    }
    let wall = last_out.unwrap_or(report.ended_ns).saturating_sub(report.started_ns);
    let mut figures = figures(&report, wall, &before, &after);
    figures.cpu_us += stats::us_each(beside_after.saturating_sub(beside_before), report.accepted);
    Ok(figures)
}

/// That a message says that its signature is good: else what is measured would be less than all checks.
fn was_checked(server: &Server) -> Result<(), Failure> {
    let files = server.maildirs.iter().filter_map(|maildir| fs::read_dir(maildir.join("new")).ok()).flatten();
    let first = files.flatten().next().ok_or("there is no message in any Maildir")?;
    let message = fs::read(first.path())?;
    if String::from_utf8_lossy(&message).contains("dkim=pass") {
        return Ok(());
    }
    let head = String::from_utf8_lossy(message.get(..2000).unwrap_or(&message)).into_owned();
    Err(format!("a message that was to be checked begins with:\n{head}").into())
}

/// What our configuration has beside.
fn postrider(form: Form, material: &Material) -> String {
    match form {
        Form::Out { signed: true } => format!(
            "[[dkim]]\ndomain = \"{DOMAIN}\"\nselector = \"{SELECTOR}\"\nkey = \"{}\"\n",
            material.key.display()
        ),
        Form::Out { signed: false } => String::new(),
        Form::In { checked } => format!("[verify]\nchecks = \"{}\"\n", if checked { "on" } else { "off" }),
    }
}
