//! The service behind its own listeners: limits, early talkers, a stop.

use std::{net::SocketAddr, sync::Arc};

use directory::{AccountConfig, Directory, DomainConfig, Secret};
use net::{Bound, Shutdown, ShutdownSwitch};
use receive::{Config, Receiver, Service};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::stage::{Machine, logins};

pub(crate) fn receiver(config: Config) -> (Receiver, Machine) {
    receiver_on(Machine::new(), config)
}

fn receiver_on(machine: Machine, config: Config) -> (Receiver, Machine) {
    let directory = Directory::new(directory::Config {
        domains: vec![DomainConfig { name: "example.org".into(), catch_all: None, subaddress: None }],
        accounts: vec![AccountConfig {
            login: "anna@example.org".into(),
            password: Some(Secret::new("tiger")),
            ..AccountConfig::default()
        }],
        ..directory::Config::default()
    })
    .unwrap();
    let config = Config { hostname: "mx.example.org".into(), ..config };
    let directory = Arc::new(directory);
    let logins = logins(&directory);
    let receiver = Receiver::new(config, machine.spool.clone(), directory, logins, machine.clock.clone());
    (receiver, machine)
}

pub(crate) fn bind() -> (Bound, SocketAddr) {
    let bound = net::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap().remove(0);
    let address = bound.address();
    (bound, address)
}

async fn connect(address: SocketAddr) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let said = line(&mut stream).await;
    (stream, said)
}

async fn line(stream: &mut TcpStream) -> String {
    let mut line = String::new();
    while !line.ends_with('\n') {
        line.push(char::from(stream.read_u8().await.unwrap()));
    }
    line
}

const GREETING: &str = "220 mx.example.org ESMTP Postrider\r\n";

#[tokio::test]
async fn one_client_cannot_take_all_sessions() {
    let (receiver, _machine) = receiver(Config { sessions_per_address_max: 2, ..Config::default() });
    let (bound, address) = bind();
    let (_switch, shutdown) = ShutdownSwitch::new();
    let serving = receiver.clone();
    tokio::spawn(async move { serving.serve(Service::Smtp, bound, shutdown).await });
    let (mut first, said) = connect(address).await;
    assert_eq!(said, GREETING);
    let (_second, said) = connect(address).await;
    assert_eq!(said, GREETING);
    let (mut third, said) = connect(address).await;
    assert_eq!(said, "421 4.7.0 mx.example.org Too many sessions from your address\r\n");
    assert_eq!(third.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(receiver.sessions(), 2);
    first.write_all(b"QUIT\r\n").await.unwrap();
    assert_eq!(line(&mut first).await, "221 2.0.0 Bye\r\n");
    drop(first);
    while receiver.sessions() == 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(connect(address).await.1, GREETING);
}

#[tokio::test]
async fn all_sessions_taken_is_told_to_the_next_client() {
    let (receiver, _machine) = receiver(Config { sessions_max: 1, ..Config::default() });
    let (bound, address) = bind();
    tokio::spawn(async move { receiver.serve(Service::Smtp, bound, Shutdown::never()).await });
    let (_first, said) = connect(address).await;
    assert_eq!(said, GREETING);
    assert_eq!(connect(address).await.1, "421 4.3.2 mx.example.org Too many sessions; try again later\r\n");
}

#[tokio::test]
async fn a_client_that_spoke_before_it_was_accepted_is_sent_away() {
    let (receiver, _machine) = receiver(Config::default());
    let (bound, address) = bind();
    // The listener's queue holds the connection, and what was sent on it, until it is accepted.
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"EHLO client.example.net\r\n").await.unwrap();
    tokio::spawn(async move { receiver.serve(Service::Smtp, bound, Shutdown::never()).await });
    assert_eq!(line(&mut stream).await, "554 5.5.1 Client sent before it was its turn\r\n");
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_stop_tells_idle_clients_and_waits_for_them() {
    let (receiver, _machine) = receiver(Config::default());
    let (bound, address) = bind();
    let (switch, shutdown) = ShutdownSwitch::new();
    let serving = tokio::spawn(async move { receiver.serve(Service::Smtp, bound, shutdown).await });
    let (mut stream, said) = connect(address).await;
    assert_eq!(said, GREETING);
    switch.press();
    assert_eq!(line(&mut stream).await, "421 4.3.2 Service is shutting down\r\n");
    drop(stream);
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_idle_session_is_small() {
    let (receiver, _machine) = receiver(Config::default());
    let (_ours, stream) = tokio::io::duplex(1);
    let mut shutdown = Shutdown::never();
    let session = receiver.session(Service::Smtp, [192, 0, 2, 1].into(), stream, &mut shutdown);
    let size = size_of_val(&session);
    assert!(size < 3 * 1024, "the future of a session has {size} octets");
}

/// The spool refuses at MAIL what it has no room for in its queue or in memory, and takes it again by itself.
#[tokio::test]
async fn a_full_queue_refuses_mail_for_now() {
    let (receiver, machine) = receiver_on(Machine::with(|spool| spool.recipients_max = 1), Config::default());
    let (bound, address) = bind();
    tokio::spawn(async move { receiver.serve(Service::Smtp, bound, Shutdown::never()).await });
    let (mut client, _) = connect(address).await;
    let mut dialogue = async |said: &str, heard: &[&str]| {
        client.write_all(said.as_bytes()).await.unwrap();
        for expected in heard {
            let line = line(&mut client).await;
            assert!(line.starts_with(expected), "{line}");
        }
    };
    let mail = "RSET\r\nMAIL FROM:<>\r\n";
    dialogue("HELO client.example.net\r\n", &["250"]).await;
    dialogue(mail, &["250", "250"]).await;
    dialogue("RCPT TO:<anna@example.org>\r\nDATA\r\n", &["250", "354"]).await;
    dialogue("x\r\n.\r\n", &["250 2.0.0 Queued"]).await;
    dialogue(mail, &["250", "452 4.3.1 Insufficient system storage"]).await;
    machine.deliver("example.org").await;
    dialogue(mail, &["250", "250"]).await;
}
