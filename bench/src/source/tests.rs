//! The source against the sink, and against servers that refuse.

use super::*;
use crate::secure::Tls;
use crate::sink::{Manner, Sink};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

fn plan(server: SocketAddr) -> Plan {
    Plan {
        server,
        entry: Entry::default(),
        sessions: 5,
        messages: 200,
        size: 2000,
        load: Load::Closed,
        pipelining: true,
        per_session: None,
        recipients: Recipients::new("user{}@sink.test", 7),
        time_limit: Duration::from_secs(20),
    }
}

#[test]
fn every_message_of_the_source_reaches_the_sink() {
    let variants: [fn(&mut Plan); 6] = [
        |_| {},
        |plan| plan.pipelining = false,
        |plan| plan.per_session = Some(1),
        |plan| plan.per_session = Some(3),
        |plan| plan.size = 400_000,
        |plan| plan.load = Load::Open { per_second: 2000.0 },
    ];
    for (number, vary) in variants.into_iter().enumerate() {
        let sink = Sink::start(Manner::Accepting).unwrap();
        let mut plan = plan(sink.address);
        vary(&mut plan);
        let report = run(&plan).unwrap();
        assert_eq!((report.accepted, report.failed), (200, 0), "variant {number}: {:?}", report.failures);
        assert_eq!(sink.tally.messages(), 200, "variant {number}");
        assert_eq!(report.dot_to_reply.len(), 200);
    }
}

#[test]
fn every_message_reaches_a_sink_under_tls_and_new_sessions_resume() {
    let variants: [fn(&mut Plan); 4] = [
        |_| {},
        |plan| plan.size = 400_000,
        |plan| plan.pipelining = false,
        |plan| (plan.per_session, plan.sessions) = (Some(1), 1),
    ];
    for (number, vary) in variants.into_iter().enumerate() {
        let sink = Sink::securing(Manner::Accepting).unwrap();
        let mut plan = plan(sink.address);
        plan.entry = Entry::by(Some(Dialer::new(Tls::Starttls, true).unwrap()));
        vary(&mut plan);
        let report = run(&plan).unwrap();
        assert_eq!((report.accepted, report.failed), (200, 0), "variant {number}: {:?}", report.failures);
        assert_eq!(sink.tally.messages(), 200, "variant {number}");
        assert_eq!(sink.tally.handshakes(), report.handshakes, "variant {number}");
        let Handshakes { full, resumed } = report.handshakes;
        // Of sessions that begin together some may find the ticket of one that was quicker.
        assert_eq!(full + resumed, if number == 3 { 200 } else { 5 }, "variant {number}");
        assert!(if number == 3 { full == 1 } else { full > 0 }, "variant {number}: {full} in full");
    }
}

#[test]
fn sessions_that_stand_send_as_often_as_asked_and_stay_when_they_have_nothing_to_send() {
    let sink = Sink::start(Manner::Accepting).unwrap();
    let mut sessions = Standing::open(&plan(sink.address), Duration::from_secs(20)).unwrap();
    assert_eq!(sink.tally.messages(), 0);
    let limit = Duration::from_secs(20);
    let loads =
        [(3, 2000, Load::Closed), (70, 400_000, Load::Closed), (20, 900, Load::Open { per_second: 2000.0 })];
    for (messages, size, load) in loads {
        let report = sessions.send(Amount { messages, size }, load, limit).unwrap();
        assert_eq!((report.accepted, report.failed), (messages, 0), "{:?}", report.failures);
    }
    assert_eq!(sink.tally.messages(), 93);
    sessions.close().unwrap();
}

#[test]
fn sessions_that_cannot_be_opened_are_told_with_the_servers_words() {
    let server = scripted(&["421 4.3.2 Too many\r\n"]);
    let failure = Standing::open(&plan(server), Duration::from_secs(20)).unwrap_err().to_string();
    assert!(failure.starts_with("0 of 5 sessions were opened: 421 4.3.2 Too many"), "{failure}");
}

#[test]
fn an_open_loop_keeps_its_rate_and_counts_from_the_due_time() {
    let sink = Sink::start(Manner::Accepting).unwrap();
    let mut plan = plan(sink.address);
    plan.load = Load::Open { per_second: 1000.0 };
    let report = run(&plan).unwrap();
    // 200 messages at 1000/s: the last one is due after 199 ms, never earlier.
    assert!(report.elapsed_ns() >= 199_000_000, "{}", report.elapsed_ns());
    assert_eq!(report.due_to_reply.len(), 200);
    for (due, dot) in report.due_to_reply.iter().zip(&report.dot_to_reply) {
        assert!(due >= dot);
    }
}

/// A server that answers with these lines, one for each line that it reads, the first one unasked.
fn scripted(replies: &'static [&'static str]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut lines = BufReader::new(socket.try_clone().unwrap()).lines();
            for reply in replies {
                if socket.write_all(reply.as_bytes()).is_err() || lines.next().is_none() {
                    break;
                }
            }
        }
    });
    address
}

#[test]
fn a_refused_message_is_a_failure_and_is_told_in_the_servers_words() {
    let server = scripted(&["220 x\r\n", "250 x\r\n", "250 ok\r\n", "452 4.3.1 No room\r\n"]);
    let plan = Plan { sessions: 1, messages: 3, ..plan(server) };
    let report = run(&plan).unwrap();
    assert_eq!((report.accepted, report.failed), (0, 3));
    assert_eq!(report.failures, ["452 4.3.1 No room (reply to Recipient)"]);
}

#[test]
fn a_server_that_refuses_every_session_ends_the_run() {
    let server = scripted(&["554 Go away\r\n"]);
    let report = run(&plan(server)).unwrap();
    assert_eq!(report.accepted, 0);
    assert!(report.failed >= FAILURES_MAX);
}

#[test]
fn a_port_where_nobody_listens_ends_the_run() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    drop(listener);
    let report = run(&plan(server)).unwrap();
    assert_eq!(report.accepted, 0);
    assert!(report.failed > 0 && report.failures[0].starts_with("cannot connect"), "{report:?}");
}
