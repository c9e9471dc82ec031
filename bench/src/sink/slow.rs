//! A sink that takes its time: a thread for each client, which waits before each answer.

use super::dialogue::Dialogue;
use super::{READ_OCTETS, STOP_CHECK, Tally};
use crate::clock::monotonic_ns;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Serves until `tally` says stop.
pub(super) fn serve(listener: &TcpListener, pause: Duration, tally: &Tally) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    thread::scope(|scope| {
        while !tally.stopped() {
            match listener.accept() {
                Ok((socket, _)) => drop(scope.spawn(move || talk(socket, pause, tally))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(STOP_CHECK / 20),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })
}

/// One client; ends with its session, or when the sink stops.
fn talk(mut socket: TcpStream, pause: Duration, tally: &Tally) -> io::Result<()> {
    let (mut dialogue, mut replies, mut buffer) = (Dialogue::default(), Vec::new(), vec![0; READ_OCTETS]);
    socket.set_nonblocking(false)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(STOP_CHECK))?;
    thread::sleep(pause);
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
        replies.clear();
        let ended = dialogue.receive(buffer.get(..count).unwrap_or_default(), &mut replies);
        if replies.is_empty() {
            continue;
        }
        thread::sleep(pause);
        if ended > 0 {
            tally.add_from_many(ended, monotonic_ns());
        }
        socket.write_all(&replies)?;
    }
    Ok(())
}
