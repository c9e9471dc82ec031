//! Sockets that a service manager has bound for us: systemd's socket activation, as `sd_listen_fds(3)` has it.

use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;

use crate::failure::Failure;

/// A socket that was there before us.
#[derive(Debug)]
pub(super) struct Inherited {
    pub(super) listener: TcpListener,
    pub(super) address: SocketAddr,
    /// `FileDescriptorName=` of its unit, or nothing.
    pub(super) name: String,
}

/// Those that were handed to this process, in their order. With a single thread only: it changes the environment.
pub(super) fn inherited() -> Result<Vec<Inherited>, Failure> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut given = ListenFd::from_env();
    let mut all = Vec::new();
    for number in 0..given.len() {
        let failed = |error| {
            Failure::new(format!(
                "socket {number} of the service manager is no listening TCP socket: {error}"
            ))
            .hint("name addresses and ports in the socket unit, such as ListenStream=0.0.0.0:25")
        };
        let name = names.next().unwrap_or_default().to_owned();
        if let Some(listener) = given.take_tcp_listener(number).map_err(failed)? {
            let address = listener.local_addr().map_err(failed)?;
            all.push(Inherited { listener, address, name });
        }
    }
    Ok(all)
}
