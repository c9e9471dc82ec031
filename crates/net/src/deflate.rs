//! DEFLATE over a stream, both ways (RFC 4978, RFC 1951).
//!
//! Nothing can swell: what is inflated goes into the room that the reader gives, and the rest stays compressed until there is room
//! again. Waiting costs the window of what the peer compresses, about 44 KiB; what compresses for it is made anew after each wait,
//! which the peer's side does not see but for a few octets.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Compressed octets read at once.
const READ_OCTETS: usize = 4 * 1024;
/// Compressed octets that may wait to be written.
const PENDING_OCTETS_MAX: usize = 16 * 1024;
/// Room for the compressor at once.
const ROOM_OCTETS: usize = 4 * 1024;

/// A stream whose octets are compressed.
#[derive(Debug)]
pub(crate) struct Deflated<S> {
    stream: S,
    inflater: Decompress,
    /// Compressed octets that were read, and how many of them are used.
    input: Vec<u8>,
    used: usize,
    /// The last room was filled, so the inflater may hold more.
    more: bool,
    ended: bool,
    /// None while nothing is being sent.
    deflater: Option<Box<Compress>>,
    /// Compressed octets to be written, and how many of them are.
    output: Vec<u8>,
    written: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Deflated<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            inflater: Decompress::new(false),
            input: Vec::new(),
            used: 0,
            more: false,
            ended: false,
            deflater: None,
            output: Vec::new(),
            written: 0,
        }
    }

    /// Inflates into `to` what there is; how much that was.
    fn inflate(&mut self, to: &mut ReadBuf<'_>) -> io::Result<usize> {
        let room = to.initialize_unfilled();
        let input = self.input.get(self.used..).unwrap_or_default();
        let (taken, given) = (self.inflater.total_in(), self.inflater.total_out());
        let status = self.inflater.decompress(input, room, FlushDecompress::None);
        let status = status.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.used += octets(self.inflater.total_in() - taken);
        let filled = octets(self.inflater.total_out() - given).min(room.len());
        self.more = filled == room.len();
        // A last block: the peer compresses no more, and cannot go on in clear.
        self.ended = status == Status::StreamEnd;
        to.advance(filled);
        Ok(filled)
    }

    /// Compresses, and how much of `plain` that took.
    fn deflate(&mut self, plain: &[u8], flush: FlushCompress) -> io::Result<usize> {
        let deflater =
            self.deflater.get_or_insert_with(|| Box::new(Compress::new(Compression::fast(), false)));
        self.output.reserve(ROOM_OCTETS);
        let before = deflater.total_in();
        let status = deflater.compress_vec(plain, &mut self.output, flush);
        status.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(octets(deflater.total_in() - before))
    }

    /// Ready when nothing compressed waits.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(left) = self.output.get(self.written..).filter(|left| !left.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, left))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                octets => self.written += octets,
            }
        }
        (self.output, self.written) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Deflated<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while to.remaining() > 0 && !this.ended {
            let used = this.used;
            if (this.more || used < this.input.len()) && this.inflate(to)? > 0 {
                return Poll::Ready(Ok(()));
            }
            if this.ended {
                break;
            }
            if this.used < this.input.len() {
                if this.used > used {
                    continue;
                }
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            let mut space = [0; READ_OCTETS];
            let mut read = ReadBuf::new(&mut space);
            (this.input, this.used) = (Vec::new(), 0);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.input = read.filled().to_vec();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Deflated<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, plain: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        loop {
            if this.output.len() >= PENDING_OCTETS_MAX {
                ready!(this.poll_drain(cx))?;
            }
            let taken = this.deflate(plain, FlushCompress::None)?;
            if taken > 0 || plain.is_empty() {
                return Poll::Ready(Ok(taken));
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.deflater.is_some() {
            if this.output.len() >= PENDING_OCTETS_MAX {
                ready!(this.poll_drain(cx))?;
            }
            this.deflate(&[], FlushCompress::Sync)?;
            // There was room left: all is out, and ends with an octet. What comes next may begin anew.
            if this.output.len() < this.output.capacity() {
                this.deflater = None;
            }
        }
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// No call moves more than memory holds.
fn octets(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
