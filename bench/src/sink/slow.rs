//! A sink that takes its time: a thread for each client, which waits before each answer.

use super::dialogue::Dialogue;
use super::{READ_OCTETS, STOP_CHECK, Tally};
use crate::clock::monotonic_ns;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// How it takes its time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Before each answer.
    answer: Duration,
    /// After each read of so many octets.
    read: Duration,
    octets: usize,
}

impl Pace {
    /// 1 KiB a second.
    pub(super) const TRICKLE: Self =
        Self { answer: Duration::ZERO, read: Duration::from_secs(1), octets: 1024 };

    /// So long for each answer.
    pub(super) fn answers(answer: Duration) -> Self {
        Self { answer, read: Duration::ZERO, octets: READ_OCTETS }
    }
}

/// Serves until `tally` says stop.
pub(super) fn serve(listener: &TcpListener, pace: Pace, tally: &Tally) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    if pace.octets < READ_OCTETS {
        // Else the kernel reads for it: its buffers on loopback hold megabytes.
        rustix::net::sockopt::set_socket_recv_buffer_size(listener, 4096)?;
    }
    thread::scope(|scope| {
        while !tally.stopped() {
            match listener.accept() {
                Ok((socket, _)) => drop(scope.spawn(move || talk(socket, pace, tally))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(STOP_CHECK / 20),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })
}

/// One client; ends with its session, or when the sink stops.
fn talk(mut socket: TcpStream, pace: Pace, tally: &Tally) -> io::Result<()> {
    let (mut dialogue, mut replies, mut buffer) = (Dialogue::default(), Vec::new(), vec![0; pace.octets]);
    socket.set_nonblocking(false)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(STOP_CHECK))?;
    thread::sleep(pace.answer);
    socket.write_all(Dialogue::GREETING)?;
    while !tally.stopped() && !dialogue.quit() {
        let count = match socket.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                continue;
            }
            Err(error) => return Err(error),
        };
        thread::sleep(pace.read);
        replies.clear();
        let ended = dialogue.receive(buffer.get(..count).unwrap_or_default(), &mut replies);
        if replies.is_empty() {
            continue;
        }
        thread::sleep(pace.answer);
        if ended > 0 {
            tally.add_from_many(ended, monotonic_ns());
        }
        socket.write_all(&replies)?;
    }
    Ok(())
}
