//! The next hop, which is not there until the server has restarted: takes all mail and keeps it.

use super::client::token;
use crate::Failure;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What came, by its token.
type Arrived = BTreeMap<String, Vec<String>>;

#[derive(Default)]
struct Shared {
    arrived: Mutex<Arrived>,
    more: Condvar,
    stop: AtomicBool,
}

pub(super) struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Sink {
    pub(super) fn start(address: SocketAddr) -> Result<Self, Failure> {
        let listener = TcpListener::bind(address)?;
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if theirs.stop.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&theirs);
                // How a session ends is the server's affair.
                std::thread::spawn(move || drop(serve(stream, &shared)));
            }
        });
        Ok(Self { address, shared })
    }

    /// Waits until all of them are there, or nothing has come for so long.
    pub(super) fn wait_for(&self, wanted: &BTreeSet<String>, silence: Duration) {
        let mut arrived = self.lock();
        while !wanted.iter().all(|token| arrived.contains_key(token)) {
            let before = arrived.len();
            let waits = |arrived: &mut Arrived| arrived.len() == before;
            let waited = self.shared.more.wait_timeout_while(arrived, silence, waits);
            let (now, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() {
                return;
            }
            arrived = now;
        }
    }

    pub(super) fn arrived(&self) -> Arrived {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Arrived> {
        self.shared.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.get_mut().write_all(b"220 sink.bench.test\r\n")?;
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let reply = match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "DATA" => {
                reader.get_mut().write_all(b"354 Go on\r\n")?;
                let content = data(&mut reader)?;
                shared.keep(content);
                "250 Taken"
            }
            "QUIT" => return reader.get_mut().write_all(b"221 Bye\r\n"),
            _ => "250 Ok",
        };
        reader.get_mut().write_all(format!("{reply}\r\n").as_bytes())?;
    }
}

fn data(reader: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut content = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(content);
        }
        content.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

impl Shared {
    fn keep(&self, content: String) {
        // What was torn and passed on nevertheless has no token, or not that of a message that was taken.
        let token = token(&content).unwrap_or_default().to_owned();
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).entry(token).or_default().push(content);
        self.more.notify_all();
    }
}
