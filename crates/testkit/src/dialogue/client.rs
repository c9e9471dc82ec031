//! One client of a dialogue: what it sends, and what it hears.

use std::{
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
    task::yield_now,
};

use super::language::escape;

/// Real time, however the world's own clock stands: only a test that fails waits so long.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);
/// Turns given to other tasks before the server counts as silent.
const TURNS: usize = 200;

/// What came from the server.
pub(super) enum Heard {
    Line(String),
    Silence,
    Closed,
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => f.write_str(line),
            Self::Silence => f.write_str("(silent)"),
            Self::Closed => f.write_str("(closed)"),
        }
    }
}

pub(super) struct Client<S> {
    pub(super) stream: S,
    input: Vec<u8>,
    closed: bool,
    /// Heard, but for a later line of the dialogue.
    unheard: Option<Heard>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, input: Vec::new(), closed: false, unheard: None }
    }

    /// Sends, and reads meanwhile what comes, so that neither side waits for the other.
    pub(super) async fn send(&mut self, octets: &[u8]) -> Result<(), String> {
        let mut rest = octets;
        let sent = poll_fn(|cx| {
            while !rest.is_empty() {
                match Pin::new(&mut self.stream).poll_write(cx, rest) {
                    Poll::Ready(Ok(octets)) => rest = rest.get(octets..).unwrap_or_default(),
                    // The server has closed: what it said before tells why.
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending if self.closed => return Poll::Pending,
                    Poll::Pending => match poll_more(&mut self.stream, cx, &mut self.input) {
                        Poll::Ready(true) => {}
                        Poll::Ready(false) => self.closed = true,
                        Poll::Pending => return Poll::Pending,
                    },
                }
            }
            Pin::new(&mut self.stream).poll_flush(cx).map(drop)
        });
        within(PATIENCE, sent).await.ok_or_else(|| "the server takes no more".to_owned())
    }

    /// The next line within a real time.
    pub(super) async fn hears(&mut self, patience: Duration) -> Result<Heard, String> {
        let heard = poll_fn(|cx| {
            loop {
                if let Some(heard) = self.heard() {
                    return Poll::Ready(heard);
                }
                match poll_more(&mut self.stream, cx, &mut self.input) {
                    Poll::Ready(more) => self.closed = !more,
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        let heard = within(patience, heard).await;
        heard.ok_or_else(|| format!("the server said nothing more in {patience:?}, real time"))
    }

    /// What is there now, when all other tasks have had their turns.
    pub(super) async fn hears_now(&mut self) -> Heard {
        for _ in 0..TURNS {
            let more = poll_fn(|cx| Poll::Ready(poll_more(&mut self.stream, cx, &mut self.input))).await;
            self.closed |= more == Poll::Ready(false);
            if let Some(heard) = self.heard() {
                return heard;
            }
            yield_now().await;
        }
        Heard::Silence
    }

    /// Gives back what was heard, to be heard again.
    pub(super) fn unhear(&mut self, heard: Heard) {
        self.unheard = Some(heard);
    }

    fn heard(&mut self) -> Option<Heard> {
        if let Some(heard) = self.unheard.take() {
            return Some(heard);
        }
        if let Some(end) = self.input.windows(2).position(|pair| pair == b"\r\n") {
            let line: Vec<u8> = self.input.drain(..end + 2).collect();
            return Some(Heard::Line(escape(line.strip_suffix(b"\r\n").unwrap_or(&line))));
        }
        match (self.closed, self.input.is_empty()) {
            (false, _) => None,
            (true, true) => Some(Heard::Closed),
            (true, false) => {
                Some(Heard::Line(format!("{}(no CRLF)", escape(&std::mem::take(&mut self.input)))))
            }
        }
    }
}

/// Reads what is there; false when the server has closed, also by a reset.
fn poll_more<S: AsyncRead + Unpin>(stream: &mut S, cx: &mut Context<'_>, input: &mut Vec<u8>) -> Poll<bool> {
    let mut space = [0; 4096];
    let mut buffer = ReadBuf::new(&mut space);
    Pin::new(stream).poll_read(cx, &mut buffer).map(|read| {
        input.extend_from_slice(buffer.filled());
        read.is_ok() && !buffer.filled().is_empty()
    })
}

/// Waits in real time: under a paused clock the runtime's own timers stand still, or jump while a thread outside of it works.
async fn within<F: Future>(patience: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    // Nearly always ready within some turns: then no thread is needed.
    for _ in 0..TURNS {
        if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
            return Some(output);
        }
        yield_now().await;
    }
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let (ring, rung) = oneshot::channel();
    thread::spawn(move || {
        if wait.recv_timeout(patience) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = ring.send(());
        }
    });
    let output = tokio::select! { output = future => Some(output), Ok(()) = rung => None };
    drop(done);
    output
}

/// Lets all other tasks do what they can.
pub(super) async fn settle() {
    for _ in 0..TURNS {
        yield_now().await;
    }
}
