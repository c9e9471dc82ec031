//! The SMTP sink: accepts every message, keeps none, counts them all.

mod dialogue;
pub(crate) mod external;
mod slow;
mod tally;

pub(crate) use tally::Tally;

use crate::args::SinkOptions;
use crate::clock::{monotonic_ns, thread_cpu_ns};
use crate::poller::{Interest, Poller, Ready};
use crate::secure;
use crate::wire::Wire;
use crate::{Failure, stats};
use dialogue::Dialogue;
use rustls::{ServerConfig, ServerConnection};
use serde_json::json;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ExitCode};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

const LISTENER: u64 = u64::MAX;
const READ_OCTETS: usize = 128 * 1024;
/// How often the sink looks whether it is to stop.
const STOP_CHECK: Duration = Duration::from_millis(100);

/// How the sink treats its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Takes every message.
    Accepting,
    /// Takes every message, and writes down when the one for `m<number>@…` came.
    Recording,
    /// Takes the connection and never says a word: mail for it stays in the sender's queue.
    Silent,
    /// Takes every message, and this long for each answer.
    Slow(Duration),
    /// Takes every message, 1 KiB of it a second.
    Trickle,
}

/// What a sink does for its clients.
#[derive(Debug)]
struct Service {
    manner: Manner,
    /// It offers STARTTLS.
    tls: Option<Arc<ServerConfig>>,
}

/// A sink on a thread of its own, stopped when dropped.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    pub(crate) tally: Arc<Tally>,
    thread: Option<JoinHandle<()>>,
    /// smtp-sink, where it serves in our place.
    child: Option<Child>,
}

impl Sink {
    /// Listens on a loopback port that the kernel chooses.
    pub(crate) fn start(manner: Manner) -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), manner)
    }

    /// Listens on this address.
    pub(crate) fn start_at(address: SocketAddr, manner: Manner) -> io::Result<Self> {
        Self::start_with(address, Service { manner, tls: None })
    }

    /// Listens as [`Sink::start`] does, and offers STARTTLS.
    pub(crate) fn securing(manner: Manner) -> Result<Self, Failure> {
        let tls = Some(secure::acceptor()?);
        Ok(Self::start_with((Ipv4Addr::LOCALHOST, 0).into(), Service { manner, tls })?)
    }

    fn start_with(address: SocketAddr, service: Service) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let tally = Arc::new(Tally::default());
        let shared = Arc::clone(&tally);
        let thread = std::thread::Builder::new().name("sink".to_owned()).spawn(move || {
            let served = match service.manner {
                Manner::Slow(pause) => slow::serve(&listener, slow::Pace::answers(pause), &shared),
                Manner::Trickle => slow::serve(&listener, slow::Pace::TRICKLE, &shared),
                _ => serve(&listener, &service, &shared),
            };
            if let Err(error) = served {
                eprintln!("the sink failed: {error}");
            }
        })?;
        Ok(Self { address, tally, thread: Some(thread), child: None })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.tally.stop();
        if let Some(child) = &mut self.child {
            external::end(child);
        }
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Serves until `tally` says stop.
fn serve(listener: &TcpListener, service: &Service, tally: &Tally) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut poller = Poller::new()?;
    poller.add(listener, LISTENER, Interest::Read)?;
    let mut clients: Vec<Option<Client>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut ready: Vec<Ready> = Vec::new();
    let mut buffer = vec![0; READ_OCTETS];
    while !tally.stopped() {
        poller.wait(STOP_CHECK, &mut ready)?;
        for event in &ready {
            if event.token == LISTENER {
                accept(listener, service, &poller, &mut clients, &mut free)?;
                continue;
            }
            let Ok(slot) = usize::try_from(event.token) else { continue };
            let Some(place) = clients.get_mut(slot) else { continue };
            if place.as_mut().is_some_and(|client| !client.go_on(&mut buffer, service, tally)) {
                *place = None;
                free.push(slot);
            }
        }
        tally.set_cpu(thread_cpu_ns());
    }
    Ok(())
}

fn accept(
    listener: &TcpListener,
    service: &Service,
    poller: &Poller,
    clients: &mut Vec<Option<Client>>,
    free: &mut Vec<usize>,
) -> io::Result<()> {
    loop {
        let socket = match listener.accept() {
            Ok((socket, _)) => socket,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => return Err(error),
        };
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let slot = free.pop().unwrap_or(clients.len());
        poller.add(&socket, u64::try_from(slot).unwrap_or(LISTENER - 1), Interest::Read)?;
        let client = Client::greet(socket, service);
        match clients.get_mut(slot) {
            Some(place) => *place = client,
            None => clients.push(client),
        }
    }
}

/// One client of the sink. Replies are far smaller than a socket's buffer, so a write that blocks ends the session.
#[derive(Debug)]
struct Client {
    wire: Wire,
    /// `None`: the silent manner.
    dialogue: Option<Dialogue>,
    replies: Vec<u8>,
    /// Its handshake was counted.
    counted: bool,
}

impl Client {
    fn greet(socket: TcpStream, service: &Service) -> Option<Self> {
        let mut client =
            Self { wire: Wire::new(socket), dialogue: None, replies: Vec::new(), counted: false };
        if service.manner != Manner::Silent {
            client.dialogue =
                Some(Dialogue::new(service.manner == Manner::Recording).offering(service.tls.is_some()));
            client.replies.extend_from_slice(Dialogue::GREETING);
            client.answer().then_some(())?;
        }
        Some(client)
    }

    /// Reads once and answers. `false`: the session is over.
    fn go_on(&mut self, buffer: &mut [u8], service: &Service, tally: &Tally) -> bool {
        self.replies.clear();
        let Self { wire, dialogue, replies, .. } = self;
        let mut ended = 0;
        let received = wire.receive(buffer, |octets| {
            if let Some(dialogue) = dialogue {
                ended += dialogue.receive(octets, replies);
            }
        });
        if ended > 0
            && let Some(dialogue) = dialogue
        {
            let now = monotonic_ns();
            dialogue.numbers().for_each(|number| tally.arrived(number, now));
            tally.add(ended, now);
        }
        if let Some(resumed) = wire.resumed().filter(|_| !self.counted) {
            self.counted = true;
            tally.shook_hands(resumed);
        }
        let open = matches!(received, Ok(true)) && self.answer();
        open && self.secure(service) && !self.dialogue.as_ref().is_some_and(Dialogue::quit)
    }

    /// Writes the replies. `false`: there is no room for them.
    fn answer(&mut self) -> bool {
        self.wire.write(&self.replies).is_ok_and(|written| written == self.replies.len())
            && !self.wire.waits()
    }

    /// Goes on under TLS if the client has asked for it. `false`: that cannot be done.
    fn secure(&mut self, service: &Service) -> bool {
        let asks = self.dialogue.as_mut().is_some_and(Dialogue::begins_tls);
        let Some(config) = service.tls.as_ref().filter(|_| asks) else { return true };
        let connection = ServerConnection::new(Arc::clone(config));
        connection.is_ok_and(|connection| self.wire.secure(connection).is_ok())
    }
}

/// `bench sink`.
pub(crate) fn command(options: &SinkOptions) -> Result<ExitCode, Failure> {
    let listener = TcpListener::bind(options.listen)?;
    eprintln!("listening on {}", listener.local_addr()?);
    let tally = Tally::until(options.count, options.time_limit);
    serve(&listener, &Service { manner: options.manner(), tls: options.acceptor()? }, &tally)?;
    let (messages, elapsed) = (tally.messages(), tally.last_ns().saturating_sub(tally.first_ns()));
    let cpu = stats::us_each(tally.cpu_ns(), messages);
    if options.json {
        let figures = json!({
            "messages": messages,
            "first_ns": tally.first_ns(),
            "last_ns": tally.last_ns(),
            "messages_per_second": stats::per_second(messages, elapsed),
            "sink_cpu_us_per_message": cpu,
        });
        say!("{figures}");
    } else {
        say!(
            "{messages} messages; {:.3} s from the first to the last: {:.0}/s; the sink itself used {cpu:.1} us CPU a message",
            stats::seconds(elapsed),
            stats::per_second(messages, elapsed),
        );
    }
    let complete = options.count.is_none_or(|count| messages >= count);
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::time::Instant;

    #[test]
    fn a_silent_sink_takes_the_connection_and_says_nothing() {
        let sink = Sink::start(Manner::Silent).unwrap();
        let mut client = TcpStream::connect(sink.address).unwrap();
        client.write_all(b"EHLO source.test\r\n").unwrap();
        client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert_eq!(client.read(&mut [0; 10]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_sink_stops_when_dropped() {
        let sink = Sink::start(Manner::Accepting).unwrap();
        let started = Instant::now();
        drop(sink);
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
