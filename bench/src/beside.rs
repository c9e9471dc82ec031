//! What else a server has to do while the load that counts goes on: sessions that hold a place, and large mail.

use crate::source::{self, Plan, Report};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a greeting may take.
const GREETING_MAX: Duration = Duration::from_secs(30);
/// Commands that are sent at once; their replies are five times as long.
const COMMANDS: usize = 10_000;

/// What goes on beside; ended by [`Beside::end`].
#[derive(Debug, Default)]
pub(crate) struct Beside {
    sessions: Vec<TcpStream>,
    mail: Option<JoinHandle<io::Result<Report>>>,
}

impl Beside {
    /// So many sessions that were greeted and say nothing.
    pub(crate) fn idle(server: SocketAddr, sessions: usize) -> io::Result<Self> {
        let sessions = (0..sessions).map(|_| greeted(server)).collect::<io::Result<_>>()?;
        Ok(Self { sessions, mail: None })
    }

    /// So many sessions that send as many commands as the server takes, and read no reply.
    pub(crate) fn deaf(server: SocketAddr, sessions: usize) -> io::Result<Self> {
        let commands = b"HELP\r\n".repeat(COMMANDS);
        let deaf = |_| {
            let mut session = greeted(server)?;
            session.set_nonblocking(true)?;
            match session.write(&commands) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
                _ => Ok(session),
            }
        };
        let sessions = (0..sessions).map(deaf).collect::<io::Result<_>>()?;
        Ok(Self { sessions, mail: None })
    }

    /// Other mail.
    pub(crate) fn mail(plan: Plan) -> io::Result<Self> {
        let thread = std::thread::Builder::new().name("beside".to_owned());
        Ok(Self { sessions: Vec::new(), mail: Some(thread.spawn(move || source::run(&plan))?) })
    }

    /// Ends the sessions and waits for the mail. How many messages were refused or lost.
    pub(crate) fn end(self) -> io::Result<u64> {
        drop(self.sessions);
        let Some(mail) = self.mail else { return Ok(0) };
        let report = mail.join().map_err(|_| io::Error::other("the source of other mail panicked"))??;
        Ok(report.failed)
    }
}

fn greeted(server: SocketAddr) -> io::Result<TcpStream> {
    let mut session = TcpStream::connect(server)?;
    session.set_read_timeout(Some(GREETING_MAX))?;
    let mut greeting = [0; 512];
    let octets = session.read(&mut greeting)?;
    if greeting.get(..octets).is_some_and(|greeting| greeting.starts_with(b"220")) {
        return Ok(session);
    }
    Err(io::Error::other("the server refuses a session"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::{Manner, Sink};

    #[test]
    fn sessions_are_greeted_and_held() {
        let sink = Sink::start(Manner::Accepting).unwrap();
        let beside = Beside::idle(sink.address, 3).unwrap();
        assert_eq!(beside.sessions.len(), 3);
        assert_eq!(beside.end().unwrap(), 0);
    }
}
