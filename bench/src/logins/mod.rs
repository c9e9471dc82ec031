//! `bench logins`: how many a second, and what a flood of wrong ones costs those who have logged in.

mod client;
mod flood;
mod report;

use crate::args::LoginsOptions;
use crate::dns::Dns;
use crate::machine::Machine;
use crate::scenario::Work;
use crate::secure::{Dialer, Keys, Tls};
use crate::servers::{Access, Candidate, Server, Setting};
use crate::sink::{Manner, Sink};
use crate::stats::{self, Latency};
use crate::{Failure, clock};
use argon2::{Algorithm, Argon2, Params, Version};
use client::Client;
use report::{Report, Row};
use sasl::Mechanism;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Who logs in: the sender of all mail of the bench.
const LOGIN: &str = "source@source.test";
const PASSWORD: &str = "correct horse battery staple";
/// What Postrider keeps of a password (`docs/design/accounts.md`): KiB, passes, lanes.
const ARGON2: (u32, u32, u32) = (19_456, 2, 1);
const HASHES: usize = 20;

pub(crate) fn command(options: &LoginsOptions) -> Result<ExitCode, Failure> {
    let who = Candidate::postrider("Postrider", options.place.program.find()?);
    let dir = options.place.disk.work_dir()?;
    let machine = Machine::look(dir.path())?;
    say!("{}\n", machine.line());
    let hash_ms = hash_ms()?;
    eprintln!("one Argon2id hash: {hash_ms:.1} ms");
    let (sink, dns, keys) = (Sink::start(Manner::Accepting)?, Dns::start()?, Keys::make(dir.path())?);
    let most = options.sessions.iter().copied().max().unwrap_or_default();
    let setting = Setting {
        work: Work::Relay,
        dir: dir.path(),
        next_hop: sink.address,
        dns: dns.address,
        sessions: 2 * most + options.flood_sessions,
        mailboxes: 0,
        access: Access { tls: Some((Tls::Implicit, &keys)), login: Some((LOGIN, PASSWORD)) },
    };
    let server = Server::start(&who, &setting)?;
    let dialer = Dialer::new(Tls::Implicit, false)?;
    let client =
        Client { server: server.address, from: None, dialer: &dialer, login: LOGIN, password: PASSWORD };
    let mut rows = Vec::new();
    for mechanism in [Mechanism::Plain, Mechanism::ScramSha256] {
        for sessions in &options.sessions {
            let row = logins(&server, &client, mechanism, *sessions, options.time)
                .map_err(|failure| format!("{failure}\n{}", server.log_end()))?;
            eprintln!("{} over {sessions}: {:.0} logins/s", row.mechanism, row.per_second);
            rows.push(row);
        }
    }
    let floods = flood::measure(options, &server, &client, &sink)
        .map_err(|failure| format!("{failure}\n{}", server.log_end()))?;
    let report = Report { machine, hash_ms, rows, floods };
    say!("{}", report.text());
    if let Some(results) = options.place.results.get() {
        say!("\nwritten to {}", report.write(results)?.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// How long one hash takes on one thread, the median of some.
fn hash_ms() -> Result<f64, Failure> {
    let (memory, passes, lanes) = ARGON2;
    let params = Params::new(memory, passes, lanes, None).map_err(|error| format!("Argon2id: {error}"))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut times = Vec::with_capacity(HASHES);
    for _ in 0..HASHES {
        let started = Instant::now();
        let hashed = argon2.hash_password_into(PASSWORD.as_bytes(), b"salt of sixteen.", &mut [0; 32]);
        hashed.map_err(|error| format!("Argon2id: {error}"))?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(stats::median(&times).unwrap_or_default())
}

/// Logs in over so many sessions at a time, each time in a new one, for as long as `time`.
fn logins(
    server: &Server,
    client: &Client<'_>,
    mechanism: Mechanism,
    sessions: u64,
    time: Duration,
) -> Result<Row, Failure> {
    let nonces = AtomicU64::new(0);
    let (cpu, bench_cpu, started) = (server.cpu_ns(), clock::process_cpu_ns(), Instant::now());
    let lane = || -> std::io::Result<Vec<u64>> {
        let mut times = Vec::new();
        while started.elapsed() < time {
            times.push(client.come_in(mechanism, nonces.fetch_add(1, Ordering::Relaxed))?);
        }
        Ok(times)
    };
    let mut times = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..sessions).map(|_| scope.spawn(lane)).collect();
        let mut all = Vec::new();
        for lane in lanes {
            all.extend(lane.join().map_err(|_| "a client panicked")??);
        }
        Ok::<_, Failure>(all)
    })?;
    let (count, elapsed) = (times.len() as u64, started.elapsed().as_secs_f64());
    let bench_cpu = clock::process_cpu_ns().saturating_sub(bench_cpu);
    Ok(Row {
        mechanism: mechanism.name(),
        sessions,
        per_second: f64::from(u32::try_from(count)?) / elapsed,
        cpu_us: stats::us_each(server.cpu_ns().saturating_sub(cpu), count),
        client_cpu_us: stats::us_each(bench_cpu, count),
        time: Latency::of(&mut times),
    })
}
