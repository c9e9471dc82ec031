//! A client connects: sockets bound before anything else happens, and an accept loop that nothing can stop but us.

use std::{
    future::Future,
    io,
    mem::MaybeUninit,
    net::{IpAddr, SocketAddr, TcpListener as StdListener},
    time::Duration,
};

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

use crate::{Admission, Permit, Refused, Shutdown};

const BACKLOG: i32 = 1024;
/// The first pause after the process ran out of descriptors; doubled up to the last.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_LAST: Duration = Duration::from_secs(1);

/// Why a port could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another program, or another of our listeners, has it.
    #[error("cannot listen on {address}: address in use")]
    InUse {
        /// Where.
        address: SocketAddr,
    },
    /// The system does not let this user.
    #[error("cannot listen on {address}: permission denied")]
    Denied {
        /// Where.
        address: SocketAddr,
    },
    /// No interface has the address.
    #[error("cannot listen on {address}: no interface of this machine has that address")]
    NotOurs {
        /// Where.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl ListenError {
    fn new(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address },
            io::ErrorKind::PermissionDenied => Self::Denied { address },
            io::ErrorKind::AddrNotAvailable => Self::NotOurs { address },
            _ => Self::Other { address, source },
        }
    }

    /// What the operator can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::InUse { .. } => {
                Some("stop the program that listens there (`ss -ltnp` names it), or choose another port")
            }
            Self::Denied { .. } => Some("grant CAP_NET_BIND_SERVICE, or choose a port above 1023"),
            Self::NotOurs { .. } => {
                Some("use an address that `ip address` lists, or 0.0.0.0 or [::] for all")
            }
            Self::Other { .. } => None,
        }
    }
}

/// The address as IPv4 if it is an IPv4 address mapped into IPv6 (RFC 4291 §2.5.5.2).
pub fn unmapped(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// A bound socket that does not accept yet.
#[derive(Debug)]
pub struct Bound {
    listener: StdListener,
    address: SocketAddr,
}

/// A connection that was admitted.
#[derive(Debug)]
pub struct Accepted {
    /// The socket, without Nagle's delay.
    pub stream: TcpStream,
    /// The client, v4-mapped addresses unmapped.
    pub client: SocketAddr,
    /// Whether it has sent something already: where the server speaks first, only a broken or a foreign client does.
    pub early: bool,
    /// Its place among the sessions: keep it as long as the session lasts.
    pub permit: Permit,
}

/// Binds them all before any of them accepts. An IPv6 address takes IPv6 only, so that `0.0.0.0` and `[::]` go together.
pub fn bind(addresses: &[SocketAddr]) -> Result<Vec<Bound>, ListenError> {
    let bind = |address: &SocketAddr| bind_one(*address).map_err(|source| ListenError::new(*address, source));
    addresses.iter().map(bind).collect()
}

fn bind_one(address: SocketAddr) -> io::Result<Bound> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart must not wait for connections of the last run in TIME_WAIT.
    socket.set_reuse_address(true)?;
    // What is accepted inherits it: replies leave in whole writes, so Nagle's delay could only harm.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = StdListener::from(socket);
    let address = listener.local_addr()?;
    Ok(Bound { listener, address })
}

impl Bound {
    /// A socket that somebody else has bound and listens on, as a service manager does.
    ///
    /// # Errors
    /// It is no such socket.
    pub fn inherited(listener: StdListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        SockRef::from(&listener).set_tcp_nodelay(true)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, address })
    }

    /// Where it listens: the real port, if port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until `shutdown`, then waits for the sessions up to `drain` and ends those that are left.
    ///
    /// `session` runs as one task per connection. `refuse` gives the octets sent to a client over a limit: one attempt to send
    /// them is made, and the connection closed.
    ///
    /// # Errors
    /// The socket cannot be used by the runtime. Failures of single connections are not errors.
    pub async fn serve<F>(
        self,
        admission: Admission,
        mut shutdown: Shutdown,
        drain: Duration,
        session: impl Fn(Accepted) -> F,
        refuse: impl Fn(Refused) -> Vec<u8>,
    ) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::from_std(self.listener)?;
        let mut sessions = JoinSet::new();
        let mut pause = PAUSE_FIRST;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.requested() => break,
            };
            // Reaped here and not by waiting for them: an ending session wakes nobody.
            while sessions.try_join_next().is_some() {}
            match accepted {
                Ok((stream, client)) => {
                    pause = PAUSE_FIRST;
                    if let Some(accepted) = admit(stream, client, &admission, &refuse) {
                        sessions.spawn(session(accepted));
                    }
                }
                Err(error) if exhausted(&error) => {
                    tracing::warn!(listener = %self.address, %error, "cannot accept; pausing");
                    tokio::select! { () = sleep(pause) => {}, () = shutdown.requested() => break }
                    pause = (pause * 2).min(PAUSE_LAST);
                }
                // The client went away before we came: accept(2) says so in many ways.
                Err(error) => tracing::debug!(listener = %self.address, %error, "accept failed"),
            }
        }
        drop(listener);
        let left = async { while sessions.join_next().await.is_some() {} };
        if tokio::time::timeout(drain, left).await.is_err() {
            tracing::warn!(listener = %self.address, sessions = sessions.len(), "sessions ended at the drain deadline");
            sessions.shutdown().await;
        }
        Ok(())
    }
}

fn admit(
    stream: TcpStream,
    client: SocketAddr,
    admission: &Admission,
    refuse: impl Fn(Refused) -> Vec<u8>,
) -> Option<Accepted> {
    let client = SocketAddr::new(unmapped(client.ip()), client.port());
    match admission.admit(client.ip()) {
        Ok(permit) => {
            let early =
                SockRef::from(&stream).peek(&mut [MaybeUninit::uninit()]).is_ok_and(|octets| octets > 0);
            Some(Accepted { stream, client, early, permit })
        }
        Err(refused) => {
            tracing::info!(client = %client.ip(), limit = ?refused, "over the session limit");
            // A new socket's send buffer is empty, so this neither blocks nor splits.
            let stream = stream.into_std().ok()?;
            let _ = io::Write::write(&mut &stream, &refuse(refused));
            None
        }
    }
}

/// Whether accepting again at once would fail the same way, and spin.
fn exhausted(error: &io::Error) -> bool {
    const OUT: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    OUT.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any_port() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    #[test]
    fn a_port_in_use_is_named_with_a_hint() {
        let first = bind(&[any_port()]).unwrap().remove(0);
        let error = bind(&[any_port(), first.address()]).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot listen on {}: address in use", first.address()));
        assert!(error.hint().unwrap().contains("another port"));
    }

    #[test]
    fn an_address_of_another_machine_is_named_with_a_hint() {
        let error = bind(&["192.0.2.1:0".parse().unwrap()]).unwrap_err();
        assert!(matches!(error, ListenError::NotOurs { .. }), "{error}");
        let denied = ListenError::new(any_port(), io::ErrorKind::PermissionDenied.into());
        assert_eq!(denied.hint(), Some("grant CAP_NET_BIND_SERVICE, or choose a port above 1023"));
    }

    #[test]
    fn running_out_of_descriptors_pauses_and_a_lost_client_does_not() {
        assert!(exhausted(&io::Error::from_raw_os_error(Errno::MFILE.raw_os_error())));
        assert!(exhausted(&io::Error::from_raw_os_error(Errno::NFILE.raw_os_error())));
        assert!(!exhausted(&io::Error::from_raw_os_error(Errno::CONNABORTED.raw_os_error())));
    }
}
