//! A connection in memory that goes dead with the server's machine.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};

use crate::{
    slips::Slips,
    world::{Power, World},
};

/// What a connection holds in each direction.
const HOLDS: usize = 16 * 1024;

/// The server's end of a connection.
pub(crate) struct Wire {
    stream: DuplexStream,
    power: Power,
    slips: Slips,
}

/// The server's end, and the other.
pub(crate) fn wire(world: &Arc<World>) -> (Wire, DuplexStream) {
    let (stream, theirs) = duplex(HOLDS);
    (Wire { stream, power: world.power.clone(), slips: Slips::new(world) }, theirs)
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.power.is_off() {
            return Poll::Pending;
        }
        self.slips.pass();
        Pin::new(&mut self.stream).poll_read(cx, to)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        if self.power.is_off() {
            return Poll::Pending;
        }
        self.slips.pass();
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.power.is_off() { Poll::Pending } else { Pin::new(&mut self.stream).poll_shutdown(cx) }
    }
}
