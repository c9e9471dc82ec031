//! Thousands of wrong logins from everywhere, and somebody who has logged in and sends mail.

use super::client::Client;
use super::report::Flood;
use crate::args::LoginsOptions;
use crate::peak::Peak;
use crate::scenario::Work;
use crate::servers::Server;
use crate::sink::Sink;
use crate::source::{Amount, Entry, Load, Plan, Report, Standing};
use crate::stats::Latency;
use crate::{Failure, stats};
use sasl::Mechanism;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Scope;
use std::time::{Duration, Instant};

/// Sessions in which the mail comes.
const SESSIONS: usize = 8;
const SIZE: usize = 10 << 10;
const OPEN_MAX: Duration = Duration::from_secs(30);
/// How long mail may take to come out.
const ARRIVAL_MAX: Duration = Duration::from_mins(1);
/// Between two logins of who may log in.
const LOGIN_EVERY: Duration = Duration::from_millis(200);
/// How long one of the flood waits after it was turned away unheard.
const TURNED_AWAY: Duration = Duration::from_millis(500);
/// The flood comes from other machines: its part of the work must not take processors from the server and from who is measured.
const NICE: i32 = 15;

/// What became of the wrong logins.
#[derive(Debug, Default)]
struct Counts {
    number: AtomicU64,
    /// The password was looked at, and was wrong.
    wrong: AtomicU64,
    /// Told to come later.
    turned_away: AtomicU64,
    broken: AtomicU64,
}

/// Mail first while nothing else happens, and then beside the flood.
pub(super) fn measure(
    options: &LoginsOptions,
    server: &Server,
    client: &Client<'_>,
    sink: &Sink,
) -> Result<Vec<Flood>, Failure> {
    let mut mail = Standing::open(&plan(client)?, OPEN_MAX)?;
    let mut floods = Vec::new();
    for sessions in [0, options.flood_sessions] {
        floods.push(beside(sessions, options, server, client, &mut mail)?);
    }
    mail.close()?;
    let sent: u64 = floods.iter().map(|flood| flood.messages).sum();
    let started = Instant::now();
    while sink.tally.messages() < sent {
        if started.elapsed() > ARRIVAL_MAX {
            return Err(format!("{} of {sent} messages came out", sink.tally.messages()).into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(floods)
}

fn plan(client: &Client<'_>) -> Result<Plan, Failure> {
    let (_, login) = client.first_line(Mechanism::Plain, 0)?;
    Ok(Plan {
        server: client.server,
        entry: Entry { tls: Some(client.dialer.clone()), login: Some(login.into()), signature: None },
        sessions: SESSIONS,
        messages: 0,
        size: SIZE,
        load: Load::Closed,
        pipelining: true,
        per_session: None,
        recipients: Work::Relay.recipients(10),
        time_limit: Duration::ZERO,
    })
}

/// One case: mail at an even rate, a login now and then, and a flood over so many sessions.
fn beside(
    sessions: u64,
    options: &LoginsOptions,
    server: &Server,
    client: &Client<'_>,
    mail: &mut Standing,
) -> Result<Flood, Failure> {
    let (stop, counts) = (AtomicBool::new(false), Counts::default());
    let (cpu, started) = (server.cpu_ns(), Instant::now());
    let peak = Peak::watch(server.group());
    let (report, logins) = std::thread::scope(|scope| {
        for _ in 0..sessions {
            wrong_logins(scope, client, &stop, &counts);
        }
        let logins = scope.spawn(|| right_logins(client, &stop));
        let report = send(mail, options);
        stop.store(true, Ordering::Relaxed);
        Ok::<_, Failure>((report?, logins.join().map_err(|_| "a client panicked")?))
    })?;
    let (mut times, refused) = logins;
    let elapsed = started.elapsed();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    Ok(Flood {
        sessions,
        messages: report.accepted,
        rate: options.rate,
        mail: report.due_to_reply(),
        logins: times.len() as u64,
        login: Latency::of(&mut times),
        refused,
        wrong: count(&counts.wrong),
        turned_away: count(&counts.turned_away),
        broken: count(&counts.broken),
        seconds: elapsed.as_secs_f64(),
        processors: stats::seconds(server.cpu_ns().saturating_sub(cpu)) / elapsed.as_secs_f64(),
        peak_memory: peak.end(),
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousands")]
fn send(mail: &mut Standing, options: &LoginsOptions) -> Result<Report, Failure> {
    let load = Load::Open { per_second: options.rate };
    let messages = (options.rate * options.flood.as_secs_f64()) as u64;
    let report = mail.send(Amount { messages, size: SIZE }, load, options.flood * 2)?;
    if report.failed == 0 && report.accepted == messages {
        return Ok(report);
    }
    let words = report.failures.join("\n  ");
    Err(format!("{} of {messages} messages were accepted:\n  {words}", report.accepted).into())
}

/// Somebody who knows the password logs in now and then. How long each took, and how many were not let in.
fn right_logins(client: &Client<'_>, stop: &AtomicBool) -> (Vec<u64>, u64) {
    let (mut times, mut refused) = (Vec::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(LOGIN_EVERY);
        match client.come_in(Mechanism::Plain, 0) {
            Ok(time) => times.push(time),
            Err(_) => refused += 1,
        }
    }
    (times, refused)
}

/// One of the flood: another login from another address each time.
fn wrong_logins<'scope>(
    scope: &'scope Scope<'scope, '_>,
    client: &'scope Client<'_>,
    stop: &'scope AtomicBool,
    counts: &'scope Counts,
) {
    scope.spawn(move || {
        // On Linux this is the thread's own.
        let _else_slower = rustix::process::setpriority_process(None, NICE);
        while !stop.load(Ordering::Relaxed) {
            let number = counts.number.fetch_add(1, Ordering::Relaxed);
            let login = format!("user{number}@source.test");
            let from = Some(address(number));
            let wrong = Client { from, login: &login, password: "123456", ..*client };
            let reply = wrong.try_to(Mechanism::Plain, 0);
            let heard = matches!(&reply, Ok((reply, _)) if reply.code == 535);
            let counter = if heard {
                &counts.wrong
            } else if reply.is_ok() {
                &counts.turned_away
            } else {
                &counts.broken
            };
            counter.fetch_add(1, Ordering::Relaxed);
            if !heard {
                std::thread::sleep(TURNED_AWAY);
            }
        }
    });
}

/// An address on loopback, one after the other through 127.1.0.0 to 127.250.255.255.
fn address(number: u64) -> IpAddr {
    let [.., b, c, d] = number.to_be_bytes();
    Ipv4Addr::new(127, b % 250 + 1, c, d).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flood_comes_from_everywhere() {
        let all: std::collections::BTreeSet<IpAddr> = (0..100_000).map(address).collect();
        assert_eq!(all.len(), 100_000);
        assert!(all.iter().all(|address| address.is_loopback() && *address != Ipv4Addr::LOCALHOST));
    }
}
