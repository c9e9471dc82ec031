//! Joins a protocol machine, a stream and a policy; decides nothing.

use std::{
    future::{Future, poll_fn},
    io,
    mem::MaybeUninit,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use mail::TlsSession;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use crate::{Channel, Pace, Shutdown, patience::Patience};

/// One read takes at most this much: from the stack, so that an idle session holds no buffer.
const READ_OCTETS_MAX: usize = 16 * 1024;
/// Replies over this size are written before anything else is done, so that they cannot pile up.
const OUTPUT_OCTETS_MAX: usize = 16 * 1024;
/// An output buffer that grew over this size is given back once it is empty.
const OUTPUT_KEPT_MAX: usize = 1024;
/// How long a refused peer may still talk, so that our last words reach it before a reset does.
const LINGER: Duration = Duration::from_secs(2);
/// And how much, in octets.
const LINGER_OCTETS_MAX: usize = 1024 * 1024;

/// A protocol without I/O: octets in, octets and questions out.
pub trait Protocol {
    /// What only a policy can know.
    type Question;
    /// What a policy says.
    type Answer;

    /// Takes octets from the peer; at most [`wants`](Self::wants) of them.
    fn receive(&mut self, octets: &[u8]);
    /// How many more octets it will hold.
    fn wants(&self) -> usize;
    /// The peer will send no more. From here on `step` may still ask, but not wait for input.
    fn end_of_input(&mut self);
    /// The pace given with the last [`Step::Read`] was missed.
    fn timed_out(&mut self);
    /// The server stops: say so at the next boundary.
    fn shut_down(&mut self);
    /// TLS is up from here on, as [`Step::Secure`] asked or because the connection begins with it: then this comes first of all.
    fn secured(&mut self, session: TlsSession);
    /// What to do next.
    fn step(&mut self) -> Step<Self::Question>;
    /// The answer to the question last asked: exactly one per [`Step::Ask`].
    fn answer(&mut self, answer: Self::Answer);
    /// Whether it can be [told](Self::tell) of something that it did not ask for. Looked at with each [`Step::Read`].
    fn listens(&self) -> bool {
        false
    }
    /// What the policy tells unasked, only while the protocol [listens](Self::listens).
    fn tell(&mut self, news: Self::Answer) {
        let _ = news;
    }
    /// Compression is up from here on, as [`Step::Compress`] asked.
    fn compressed(&mut self) {}
    /// What is to be sent. The driver takes octets off its front as they leave.
    fn output(&mut self) -> &mut Vec<u8>;

    /// How long the peer may take to accept what is in `output`, all of it.
    fn write_deadline(&self) -> Duration {
        Duration::from_mins(5)
    }
    /// Whether, at [`Step::Close`], the peer may still be sending: then its octets are read and forgotten for a moment,
    /// because closing on unread octets sends a reset that can overtake our last reply.
    fn lingers(&self) -> bool {
        true
    }
}

/// What a protocol needs to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<Q> {
    /// More input, within this time.
    Read(Pace),
    /// An answer.
    Ask(Q),
    /// TLS: send what is in `output`, and then nothing is read or written before the handshake.
    Secure,
    /// Compression both ways (RFC 4978): send what is in `output`, and nothing is read before it is up.
    Compress,
    /// Nothing: send what is in `output` and close.
    Close,
}

/// Answers the questions of a protocol.
pub trait Policy<Q, A> {
    /// The answer. It may take its time; the peer waits.
    fn answer(&mut self, question: Q) -> impl Future<Output = A> + Send;

    /// Whether the answer to this question may be given up, its future dropped, when the peer is gone.
    /// Never for what changes something: a commit in flight must be seen to its end.
    fn may_abandon(&self, question: &Q) -> bool {
        let _ = question;
        false
    }

    /// Whether this question is not asked any more once the peer's connection is known to be broken. A peer that sends one request behind
    /// the other and dies would else have all carried out that came so far, while it is perhaps back already and looks what was done.
    fn needs_peer(&self, question: &Q) -> bool {
        let _ = question;
        false
    }

    /// The next thing to tell unasked, whenever that is. Polled only while the protocol [listens](Protocol::listens) and the peer takes
    /// what it was told before; dropped, and begun anew, whenever the peer does something.
    fn news(&mut self) -> impl Future<Output = A> + Send {
        std::future::pending()
    }
}

/// Runs one session until either side closes it.
///
/// Full duplex: replies gather and leave in one write once the input is used up, so that a pipelining client
/// (RFC 2920 §3.2) gets them in few packets; while a write is stuck, input is still read as long as the protocol wants it.
///
/// # Errors
/// The stream failed, a handshake did (see [`HandshakeError::of`](crate::HandshakeError::of)), or the peer did not take our octets in
/// time. What was promised before stays promised.
pub async fn drive<P, S, O>(
    protocol: P,
    channel: Channel<S>,
    policy: &mut O,
    shutdown: &mut Shutdown,
) -> io::Result<()>
where
    P: Protocol,
    S: AsyncRead + AsyncWrite + Unpin,
    O: Policy<P::Question, P::Answer>,
{
    let mut requested = pin!(shutdown.requested());
    let mut stopping = false;
    let mut driver = Driver::new(protocol, channel);
    if driver.channel.begins_with_tls() && !driver.secure(requested.as_mut()).await? {
        return Ok(());
    }
    // What came before the first step is known to it: some protocols greet first and refuse who did not wait.
    driver.look().await?;
    loop {
        match driver.protocol.step() {
            Step::Ask(question) => {
                driver.patience.asked();
                // The first question after a read is about what came just now; what stands behind may be old.
                if !std::mem::take(&mut driver.fresh) && policy.needs_peer(&question) {
                    driver.look().await?;
                }
                let answer = driver.ask(policy, question).await?;
                driver.protocol.answer(answer);
                if driver.protocol.output().len() >= OUTPUT_OCTETS_MAX {
                    driver.flush().await?;
                }
            }
            Step::Read(_) if driver.end == End::Told => return driver.close().await,
            Step::Read(pace) => {
                let listens = driver.protocol.listens();
                let mut news = pin!(policy.news());
                let woken = poll_fn(|cx| match driver.poll_input(cx, pace) {
                    Poll::Pending if !stopping && requested.as_mut().poll(cx).is_ready() => {
                        Poll::Ready(Ok(Woken::ShutDown))
                    }
                    Poll::Pending if listens && driver.protocol.output().len() < OUTPUT_OCTETS_MAX => {
                        news.as_mut().poll(cx).map(|news| Ok(Woken::News(news)))
                    }
                    other => other,
                });
                match woken.await? {
                    Woken::Input => {}
                    Woken::News(news) => driver.protocol.tell(news),
                    Woken::Late => driver.protocol.timed_out(),
                    Woken::ShutDown => {
                        stopping = true;
                        driver.protocol.shut_down();
                    }
                }
            }
            Step::Secure if stopping => return driver.close().await,
            Step::Secure => {
                driver.send().await?;
                if !driver.secure(requested.as_mut()).await? {
                    return Ok(());
                }
            }
            Step::Compress => {
                driver.send().await?;
                driver.channel.compress();
                driver.protocol.compressed();
            }
            Step::Close => return driver.close().await,
        }
    }
}

/// Why a wait ended.
enum Woken<A> {
    Input,
    News(A),
    Late,
    ShutDown,
}

/// Whether the peer's side has ended.
#[derive(PartialEq, Eq)]
enum End {
    Open,
    Seen,
    Told,
}

struct Driver<P, S> {
    protocol: P,
    channel: Channel<S>,
    end: End,
    /// Octets came since the protocol asked last.
    fresh: bool,
    patience: Patience,
    /// Since when the peer has been awaited, within one wait.
    waiting_since: Option<Instant>,
    /// Until when the output must be gone.
    write_until: Option<Instant>,
    /// Armed once and then only moved when it rings or must ring earlier: most waits touch no timer.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<P: Protocol, S: AsyncRead + AsyncWrite + Unpin> Driver<P, S> {
    fn new(protocol: P, channel: Channel<S>) -> Self {
        Self {
            protocol,
            channel,
            end: End::Open,
            fresh: false,
            patience: Patience::default(),
            waiting_since: None,
            write_until: None,
            timer: None,
        }
    }

    /// Takes what is there, without waiting for more; a connection that is broken is told.
    async fn look(&mut self) -> io::Result<()> {
        poll_fn(|cx| {
            loop {
                match self.poll_read(cx) {
                    Poll::Ready(Ok(1..)) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Ready(Ok(0)) | Poll::Pending => return Poll::Ready(Ok(())),
                }
            }
        })
        .await
    }

    /// Asks the policy. Where its answer may be given up, the stream is watched meanwhile.
    async fn ask<O: Policy<P::Question, P::Answer>>(
        &mut self,
        policy: &mut O,
        question: P::Question,
    ) -> io::Result<P::Answer> {
        let may_abandon = policy.may_abandon(&question);
        let mut answer = pin!(policy.answer(question));
        poll_fn(|cx| {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(Ok(answer));
            }
            // A closed direction is no sign that the peer is gone: it may wait for its replies. A reset is.
            while may_abandon && let Poll::Ready(result) = self.poll_read(cx) {
                if let Err(error) = result {
                    return Poll::Ready(Err(error));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Writes the output, reads input, watches the time; ready when there is something to tell the protocol.
    fn poll_input(&mut self, cx: &mut Context<'_>, pace: Pace) -> Poll<io::Result<Woken<P::Answer>>> {
        if self.waiting_since.is_none() && !self.protocol.output().is_empty() {
            self.patience.replied();
        }
        let written = self.poll_write(cx)?;
        let input = if self.protocol.output().len() < OUTPUT_OCTETS_MAX {
            self.poll_read(cx)?
        } else {
            Poll::Pending
        };
        if let Poll::Ready(octets) = input {
            let waited = self.waiting_since.take().map(|since| since.elapsed()).unwrap_or_default();
            self.patience.received(octets, waited);
            self.tell_end();
            return Poll::Ready(Ok(Woken::Input));
        }
        if self.end == End::Seen && written.is_ready() {
            self.tell_end();
            return Poll::Ready(Ok(Woken::Input));
        }
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let read_until = since + self.patience.left(pace).min(FOREVER);
        let until = self.write_until.map_or(read_until, |write_until| write_until.min(read_until));
        ready!(self.poll_time(cx, until));
        if self.write_until.is_some_and(|write_until| write_until <= until) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.waiting_since = None;
        Poll::Ready(Ok(Woken::Late))
    }

    /// Puts the connection under TLS. Whether that was done: a server that is asked to stop has nobody to say it to meanwhile.
    async fn secure(&mut self, requested: Pin<&mut impl Future<Output = ()>>) -> io::Result<bool> {
        tokio::select! {
            biased;
            () = requested => Ok(false),
            secured = self.channel.secure() => {
                self.protocol.secured(secured?);
                Ok(true)
            }
        }
    }

    /// Writes all output out and reads nothing meanwhile: what comes now is no longer in clear.
    async fn send(&mut self) -> io::Result<()> {
        poll_fn(|cx| {
            if self.poll_write(cx)?.is_ready() {
                return Poll::Ready(Ok(()));
            }
            let Some(until) = self.write_until else { return Poll::Pending };
            self.poll_time(cx, until).map(|()| Err(io::ErrorKind::TimedOut.into()))
        })
        .await
    }

    /// Writes all output out; reads on meanwhile, so that a peer that sends before it reads cannot block both sides.
    async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| {
            loop {
                if self.poll_write(cx)?.is_ready() {
                    return Poll::Ready(Ok(()));
                }
                if self.poll_read(cx)?.is_pending() {
                    break;
                }
            }
            if let Some(until) = self.write_until {
                ready!(self.poll_time(cx, until));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            Poll::Pending
        })
        .await
    }

    /// Sends the last words and closes.
    async fn close(&mut self) -> io::Result<()> {
        self.flush().await?;
        poll_fn(|cx| Pin::new(&mut self.channel).poll_shutdown(cx)).await?;
        if self.end != End::Open || !self.protocol.lingers() {
            return Ok(());
        }
        let mut left = LINGER_OCTETS_MAX;
        let until = Instant::now() + LINGER;
        poll_fn(|cx| {
            while left > 0 {
                match poll_read_with(&mut self.channel, cx, READ_OCTETS_MAX, |_| ()) {
                    Poll::Ready(Ok(1..)) => left = left.saturating_sub(READ_OCTETS_MAX),
                    Poll::Ready(_) => return Poll::Ready(Ok(())),
                    Poll::Pending => return self.poll_time(cx, until).map(Ok),
                }
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Ready with the octets read; pending too when the protocol wants none or the peer has ended.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let wanted = self.protocol.wants().min(READ_OCTETS_MAX);
        if wanted == 0 || self.end != End::Open {
            return Poll::Pending;
        }
        let octets =
            ready!(poll_read_with(&mut self.channel, cx, wanted, |octets| self.protocol.receive(octets)))?;
        self.fresh |= octets > 0;
        if octets == 0 {
            self.end = End::Seen;
        }
        Poll::Ready(Ok(octets))
    }

    /// Told only outside of questions: a protocol that waits for an answer has no use for it.
    fn tell_end(&mut self) {
        if self.end == End::Seen {
            self.end = End::Told;
            self.protocol.end_of_input();
        }
    }

    /// Ready when the output is empty and flushed.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let output = self.protocol.output();
        if output.is_empty() && self.write_until.is_none() {
            return Poll::Ready(Ok(()));
        }
        let mut sent = 0;
        let ended = loop {
            let rest = output.get(sent..).unwrap_or_default();
            if rest.is_empty() {
                break Poll::Ready(Ok(()));
            }
            match Pin::new(&mut self.channel).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(octets)) => sent += octets,
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        // Once, for what is left moves to the front by it.
        output.drain(..sent.min(output.len()));
        match ended {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return self.write_blocked(),
        }
        if output.capacity() > OUTPUT_KEPT_MAX {
            *output = Vec::new();
        }
        if Pin::new(&mut self.channel).poll_flush(cx)?.is_pending() {
            return self.write_blocked();
        }
        self.write_until = None;
        Poll::Ready(Ok(()))
    }

    fn write_blocked(&mut self) -> Poll<io::Result<()>> {
        let allowed = self.protocol.write_deadline().min(FOREVER);
        self.write_until.get_or_insert_with(|| Instant::now() + allowed);
        Poll::Pending
    }

    /// Ready once `until` has passed.
    fn poll_time(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if until < timer.deadline() {
            timer.as_mut().reset(until);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= until {
                return Poll::Ready(());
            }
            timer.as_mut().reset(until);
        }
        Poll::Pending
    }
}

/// Longer than any session; keeps `Instant` from overflowing.
const FOREVER: Duration = Duration::from_hours(24 * 365);

/// Reads into a buffer on the stack: it costs nothing to make, and nothing while the session sleeps.
fn poll_read_with<S: AsyncRead + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    octets_max: usize,
    receive: impl FnOnce(&[u8]),
) -> Poll<io::Result<usize>> {
    let mut space = [const { MaybeUninit::<u8>::uninit() }; READ_OCTETS_MAX];
    let space = space.get_mut(..octets_max).unwrap_or_default();
    let mut buffer = ReadBuf::uninit(space);
    ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
    receive(buffer.filled());
    Poll::Ready(Ok(buffer.filled().len()))
}
