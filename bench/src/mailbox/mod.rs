//! `bench mailbox`: what people do with mailboxes, and mail that comes into them, beside Dovecot.

mod client;
mod content;
mod fill;
mod idle;
mod lmtp;
mod reads;
mod report;
mod scan;
mod server;
mod writes;

use crate::Failure;
use crate::args::MailboxOptions;
use crate::dns::Dns;
use crate::machine::Machine;
use crate::secure::Keys;
use client::Door;
use fill::Known;
use reads::{READS, Read, Reader};
use report::{CLEAR, DISK_ALONE, IdleRow, ReadRow, Report, WriteRow};
use server::{House, Kind, Running};
use std::path::Path;
use std::process::ExitCode;
use writes::{APPENDS, DELIVERIES, Write};

/// Dovecot has a process for each session, and of half a mebibyte: so many are enough to see it.
const DOVECOT_SESSIONS_MAX: u64 = 400;

pub(crate) fn command(options: &MailboxOptions) -> Result<ExitCode, Failure> {
    let dir = options.place.disk.work_dir()?;
    let machine = Machine::look(dir.path())?;
    say!("{}\n", machine.line());
    let (dns, keys) = (Dns::start()?, Keys::make(dir.path())?);
    let mut kinds = vec![Kind::Postrider(options.place.program.find()?)];
    if !options.no_peer {
        kinds.extend(options.formats.iter().map(|format| Kind::Dovecot(format.name())));
    }
    let mut bench = Bench { options, dir: dir.path(), kinds, keys: &keys, dns: &dns, reads: Vec::new() };
    let (mut writes, mut idle) = (Vec::new(), Vec::new());
    for messages in &options.messages {
        let houses = bench.houses(&format!("{messages}"))?;
        let known = bench.fill(&houses, *messages)?;
        bench.read_warm(&houses, &known, *messages)?;
        if !options.warm {
            bench.read_cold(&houses, *messages)?;
        }
        // These do not depend on how many there are.
        if writes.is_empty() && idle.is_empty() {
            if options.wants(Part::Write) {
                writes = bench.write(&houses)?;
            }
            if options.wants(Part::Idle) {
                idle = bench.idle(&houses)?;
            }
        }
    }
    let load = format!(
        "messages of about {} octets, {} rounds, appended and delivered {} a round",
        options.size, options.rounds, options.writes
    );
    let report = Report { machine, load, reads: bench.reads, writes, idle };
    say!("{}", report.text());
    if let Some(results) = options.place.results.get() {
        say!("\nwritten to {}", report.write(results)?.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// A part of the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// SELECT, FETCH and SEARCH
    Read,
    /// APPEND and LMTP
    Write,
    /// Memory of sessions in IDLE, and how soon they hear of mail
    Idle,
}

/// How Dovecot keeps its mailboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Maildir,
    Sdbox,
    Mdbox,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Maildir => "maildir",
            Self::Sdbox => "sdbox",
            Self::Mdbox => "mdbox",
        }
    }
}

/// A server, and how it is come by.
struct Lane<'a> {
    /// Which of the servers it is.
    place: usize,
    name: String,
    server: &'a Running,
    door: Door,
}

struct Bench<'a> {
    options: &'a MailboxOptions,
    dir: &'a Path,
    kinds: Vec<Kind>,
    keys: &'a Keys,
    dns: &'a Dns,
    reads: Vec<ReadRow>,
}

impl<'a> Bench<'a> {
    fn houses(&self, name: &str) -> Result<Vec<House<'a>>, Failure> {
        let parent = self.dir.join(name);
        std::fs::create_dir(&parent)?;
        let made = self.kinds.iter().map(|kind| {
            House::new(kind.clone(), &parent, self.keys, self.dns.address, self.options.sessions)
        });
        made.collect()
    }

    fn fill(&self, houses: &[House<'_>], messages: u64) -> Result<Vec<Known>, Failure> {
        let fill = |house: &House<'_>| {
            eprintln!("{}: {messages} messages", house.kind.name());
            let server = house.start(true)?;
            let door = server.door(true)?.ok_or("no IMAP")?;
            let known = fill::fill(&door, messages, self.options.size);
            server.rest();
            known.map_err(|failure| told(&failure, &server))
        };
        houses.iter().map(fill).collect()
    }

    fn read_warm(&mut self, houses: &[House<'_>], known: &[Known], messages: u64) -> Result<(), Failure> {
        let servers = start(houses)?;
        servers.iter().for_each(Running::rest);
        let mut readers = Vec::new();
        for lane in lanes(houses, &servers, true)? {
            let known = known.get(lane.place).copied().unwrap_or_default();
            readers.push((Reader::open(&lane.door, known, messages)?, lane));
        }
        for read in READS.iter().filter(|_| self.options.wants(Part::Read)) {
            let mut rows: Vec<ReadRow> = readers.iter().map(|(_, lane)| row(messages, read, lane)).collect();
            // The round before the first warms up.
            for round in 0..=self.options.rounds {
                for ((reader, lane), row) in readers.iter_mut().zip(&mut rows) {
                    let figure =
                        reader.measure(read, lane.server).map_err(|failure| told(&failure, lane.server))?;
                    if round > 0 {
                        row.warm.push(figure);
                    }
                }
            }
            agree(&rows)?;
            eprintln!("{messages} {}", read.name);
            self.reads.extend(rows);
        }
        Ok(())
    }

    fn read_cold(&mut self, houses: &[House<'_>], messages: u64) -> Result<(), Failure> {
        for read in READS.iter().filter(|read| read.cold && self.options.wants(Part::Read)) {
            for house in houses {
                // All files are closed, or they would stay.
                reads::drop_caches()?;
                let server = [house.start(false)?];
                for lane in lanes(std::slice::from_ref(house), &server, false)? {
                    let figure = reads::cold(&lane.door, read, lane.server, messages)?;
                    let same = |row: &&mut ReadRow| {
                        (row.messages, row.work, &row.server) == (messages, read.name, &lane.name)
                    };
                    self.reads.iter_mut().filter(same).for_each(|row| row.cold.push(figure));
                }
            }
            eprintln!("{messages} {}, cold", read.name);
        }
        Ok(())
    }

    fn write(&self, houses: &[House<'_>]) -> Result<Vec<WriteRow>, Failure> {
        let servers = start(houses)?;
        let lanes = lanes(houses, &servers, false)?;
        let (messages, octets) = (self.options.writes, self.options.size);
        let mut rows = Vec::new();
        for (place, write) in (0..).zip(APPENDS.into_iter().chain(DELIVERIES)) {
            let first = rows.len();
            rows.extend(lanes.iter().map(|lane| WriteRow {
                work: write.name(),
                server: lane.name.clone(),
                rounds: Vec::new(),
            }));
            for round in 0..=self.options.rounds {
                for (lane, row) in lanes.iter().zip(rows.iter_mut().skip(first)) {
                    let (Lane { server, door, .. }, round_of_all) = (lane, place * 1000 + round);
                    let rate = match write {
                        Write::Lmtp(sessions) => {
                            writes::deliver(sessions, server, door, round_of_all, messages, octets)
                        }
                        write => writes::append(write, server, door, round_of_all, messages, octets),
                    };
                    let rate = rate.map_err(|failure| told(&failure, server))?;
                    if round > 0 {
                        row.rounds.push(rate);
                    }
                }
            }
            eprintln!("{}", write.name());
        }
        let alone = (0..self.options.rounds).map(|_| writes::disk_alone(self.dir, messages, octets));
        let (work, server) = ("written, synced", DISK_ALONE.to_owned());
        rows.push(WriteRow { work, server, rounds: alone.collect::<Result<_, _>>()? });
        Ok(rows)
    }

    fn idle(&self, houses: &[House<'_>]) -> Result<Vec<IdleRow>, Failure> {
        let mut rows = Vec::new();
        for house in houses {
            let server = [house.start(false)?];
            for Lane { name, server, door, .. } in lanes(std::slice::from_ref(house), &server, false)? {
                let sessions = match house.kind {
                    Kind::Postrider(_) => self.options.sessions,
                    Kind::Dovecot(_) => self.options.sessions.min(DOVECOT_SESSIONS_MAX),
                };
                let waiting = idle::memory(server, &door, sessions);
                let news = idle::news(server, &door, self.options.news, self.options.size);
                let failure = [waiting.as_ref().err(), news.as_ref().err()].into_iter().flatten().next();
                let failure = failure.map(ToString::to_string);
                eprintln!("{name}, idle: {waiting:?} {news:?}");
                rows.push(IdleRow { server: name, failure, waiting: waiting.ok(), news: news.ok() });
            }
        }
        Ok(rows)
    }
}

fn start(houses: &[House<'_>]) -> Result<Vec<Running>, Failure> {
    houses.iter().map(|house| house.start(false)).collect()
}

/// Each server under TLS and, if asked for, where that is to be had, in clear.
fn lanes<'a>(houses: &[House<'_>], servers: &'a [Running], clear: bool) -> Result<Vec<Lane<'a>>, Failure> {
    let mut lanes = Vec::new();
    for (place, (house, server)) in houses.iter().zip(servers).enumerate() {
        for secure in [true, false].into_iter().filter(|secure| *secure || clear) {
            let Some(door) = server.door(secure)? else { continue };
            let name = house.kind.name() + if secure { "" } else { CLEAR };
            lanes.push(Lane { place, name, server, door });
        }
    }
    Ok(lanes)
}

fn row(messages: u64, read: &Read, lane: &Lane<'_>) -> ReadRow {
    ReadRow { messages, work: read.name, server: lane.name.clone(), warm: Vec::new(), cold: Vec::new() }
}

/// Searches that find different messages are no comparison.
fn agree(rows: &[ReadRow]) -> Result<(), Failure> {
    let found = |row: &ReadRow| row.warm.first().map(|figure| figure.found);
    let same = rows.windows(2).all(|pair| pair.first().map(found) == pair.last().map(found));
    if same {
        return Ok(());
    }
    let all: Vec<_> = rows.iter().map(|row| (&row.server, found(row))).collect();
    Err(format!("{}: the servers disagree: {all:?}", rows.first().map_or("", |row| row.work)).into())
}

fn told(failure: &Failure, server: &Running) -> Failure {
    format!("{failure}\n{}", server.log_end()).into()
}
