//! The accept loop over real sockets on loopback.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{net::SocketAddr, time::Duration};

use net::{Accepted, Admission, ClientLimits, Refused, Shutdown, ShutdownSwitch, bind};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

/// Greets, waits for one octet or the end, and says goodbye.
async fn session(mut accepted: Accepted) {
    assert!(accepted.stream.nodelay().unwrap(), "inherited from the listener");
    assert!(accepted.client.ip().is_loopback() && !accepted.early);
    accepted.stream.write_all(b"hello\n").await.unwrap();
    let _ = accepted.stream.read(&mut [0]).await;
    let _ = accepted.stream.write_all(b"bye\n").await;
}

fn refuse(refused: Refused) -> Vec<u8> {
    format!("421 {refused:?}\r\n").into_bytes()
}

fn serve(admission: &Admission, shutdown: Shutdown, drain: Duration) -> (SocketAddr, JoinHandle<()>) {
    let bound = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap().remove(0);
    let address = bound.address();
    let serving = bound.serve(admission.clone(), shutdown, drain, session, refuse);
    (address, tokio::spawn(async { serving.await.unwrap() }))
}

async fn line(stream: &mut TcpStream) -> String {
    let mut line = String::new();
    while !line.ends_with('\n') {
        line.push(char::from(stream.read_u8().await.unwrap()));
    }
    line
}

#[tokio::test]
async fn a_client_over_the_limit_hears_why_and_a_place_becomes_free() {
    let (_switch, shutdown) = ShutdownSwitch::new();
    let admission = Admission::new(9, ClientLimits::of_sessions(1));
    let (address, _) = serve(&admission, shutdown, Duration::ZERO);
    let mut first = TcpStream::connect(address).await.unwrap();
    assert_eq!(line(&mut first).await, "hello\n");
    let mut second = TcpStream::connect(address).await.unwrap();
    assert_eq!(line(&mut second).await, "421 Client\r\n");
    first.write_all(b"x").await.unwrap();
    assert_eq!(line(&mut first).await, "bye\n");
    assert_eq!(first.read(&mut [0]).await.unwrap(), 0, "closed, so its place is free");
    let mut third = TcpStream::connect(address).await.unwrap();
    // The socket closes within the session's future and the permit right after it: ask until it has happened.
    while line(&mut third).await != "hello\n" {
        third = TcpStream::connect(address).await.unwrap();
    }
    assert_eq!(admission.sessions(), 1);
}

#[tokio::test]
async fn a_stop_closes_the_port_and_waits_for_sessions() {
    let (switch, shutdown) = ShutdownSwitch::new();
    let (address, serving) =
        serve(&Admission::new(9, ClientLimits::of_sessions(9)), shutdown, Duration::from_mins(1));
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert_eq!(line(&mut stream).await, "hello\n");
    switch.press();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!serving.is_finished(), "a session is still open");
    stream.write_all(b"x").await.unwrap();
    assert_eq!(line(&mut stream).await, "bye\n");
    serving.await.unwrap();
}

#[tokio::test]
async fn a_session_that_does_not_end_is_ended_at_the_deadline() {
    let (switch, shutdown) = ShutdownSwitch::new();
    let admission = Admission::new(9, ClientLimits::of_sessions(9));
    let (address, serving) = serve(&admission, shutdown, Duration::ZERO);
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert_eq!(line(&mut stream).await, "hello\n");
    switch.press();
    serving.await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    assert_eq!(admission.sessions(), 0);
}

/// rfcs §5.4 no. 40. A process of its own in nextest; elsewhere other tests would miss the descriptors, so the limit is given back at once.
#[tokio::test]
async fn the_accept_loop_outlives_emfile() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let (_switch, shutdown) = ShutdownSwitch::new();
    let (address, serving) =
        serve(&Admission::new(9, ClientLimits::of_sessions(9)), shutdown, Duration::ZERO);
    // Made before there are none left, and connected by the kernel alone.
    let (mut first, mut second) =
        (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
    assert_eq!((line(&mut first).await, line(&mut second).await), ("hello\n".into(), "hello\n".into()));
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    let usual = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(3), maximum: usual.maximum }).unwrap();
    let mut third = socket.connect(address).await.unwrap();
    let waits = tokio::time::timeout(Duration::from_millis(20), third.read_u8()).await;
    assert!(waits.is_err(), "there is no descriptor for it");
    assert!(!serving.is_finished(), "the loop goes on");
    setrlimit(Resource::Nofile, usual).unwrap();
    assert_eq!(line(&mut third).await, "hello\n");
}
