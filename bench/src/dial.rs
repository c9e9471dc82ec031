//! Connections to a server, from an address of one's own choice if need be.

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, ipproto, socket_with, sockopt};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};

/// Starts to connect without waiting: the greeting says that it worked.
pub(crate) fn at_once(server: SocketAddr) -> io::Result<TcpStream> {
    dial(server, None, SocketFlags::NONBLOCK)
}

/// Connects, and waits until that is done.
pub(crate) fn and_wait(server: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream> {
    dial(server, from, SocketFlags::empty())
}

fn dial(server: SocketAddr, from: Option<IpAddr>, flags: SocketFlags) -> io::Result<TcpStream> {
    let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | flags, Some(ipproto::TCP))?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if let Some(from) = from {
        bind(&socket, &SocketAddr::new(from, 0))?;
    }
    match connect(&socket, &server) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(TcpStream::from(socket)),
        Err(error) => Err(error.into()),
    }
}
