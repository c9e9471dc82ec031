//! One SMTP session over one connection: joins the client's state machine to a stream and a clock.

use std::{mem, sync::Arc, time::Duration};

use mail::{Address, Domain, Envelope, Timestamp};
use net::{Connector, HandshakeError, Unproven};
use smtp::{
    ForwardPath, RcptTo,
    client::{Capabilities, Failure, FailureKind, Login, Outcome, Phase, Session, Step, Transaction},
};
use spool::SpoolError;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    config::Timeouts,
    connect::Stream,
    content::Outgoing,
    next_hop::PoolKey,
    outcome::Endpoint,
    places,
    tls_policy::{Protection, Under, Verdict},
    transaction::{in_ascii, recipient},
    used::Used,
};

/// Octets that leave in one write.
const WRITE_OCTETS: usize = 64 * 1024;
/// Octets read at a time: replies are short.
const READ_OCTETS: usize = 4 * 1024;
/// How long a peer that no longer takes octets may need for its last words.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// An open session.
pub(crate) struct Connection {
    session: Session,
    stream: Box<dyn Stream>,
    pub(crate) endpoint: Arc<Endpoint>,
    /// What it may be used for.
    pub(crate) key: PoolKey,
    /// Transactions ended over it.
    pub(crate) transactions: u32,
    used: Used,
    buffer: Box<[u8]>,
    /// When the reply that is awaited must be whole: its phase, and how many came before it.
    deadline: Option<((Phase, u64), Instant)>,
    /// How the handshake failed.
    handshake: Option<HandshakeError>,
    /// Why the host is not who it has to be.
    unproven: Option<Unproven>,
    room: places::Place,
}

/// How a transaction ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// All recipients have their reply.
    Done(Box<Outcome>),
    /// The session is over.
    Failed(Box<Failure>),
    /// We could not read our own copy. The session is over, and the peer did not see the end of the content.
    Unreadable(SpoolError),
}

impl Connection {
    /// Over a fresh connection.
    pub(crate) fn new(
        stream: Box<dyn Stream>,
        endpoint: Arc<Endpoint>,
        key: PoolKey,
        room: places::Place,
    ) -> Self {
        Self {
            session: Session::new(key.terms.protocol, (*key.terms.hello).to_owned()),
            stream,
            endpoint,
            key,
            transactions: 0,
            used: Used::default(),
            buffer: vec![0; READ_OCTETS].into(),
            deadline: None,
            handshake: None,
            unproven: None,
            room,
        }
    }

    /// Greets, says EHLO, puts the session under TLS by `tls` if that is offered, and logs in. At a relay that begins with TLS hands are
    /// shaken before. The host is judged as of `now`.
    pub(crate) async fn open(
        &mut self,
        tls: Option<&Connector>,
        login: Option<Login>,
        timeouts: &Timeouts,
        now: Timestamp,
    ) -> Result<(), Box<Failure>> {
        let terms = &self.key.terms;
        let mut session = Session::new(terms.protocol, (*terms.hello).to_owned());
        if terms.relay().is_some_and(|relay| relay.implicit_tls) {
            session = session.under_tls(self.shake_hands(tls, timeouts, now).await?);
        } else if tls.is_some() {
            session = session.with_tls_where_offered();
        }
        self.session = match login {
            Some(login) => session.with_login(login),
            None => session,
        };
        loop {
            match self.next_step(timeouts).await {
                Step::Ready => return Ok(()),
                Step::Secure => self.secure(tls, timeouts, now).await?,
                Step::Failed(failure) => return Err(failure),
                _ => return Err(Box::new(closed(Phase::Greeting))),
            }
        }
    }

    /// Shakes hands. What the host said in clear is forgotten by the session, and what it still says so is no handshake. A host that is not
    /// who it has to be hears nothing more.
    async fn secure(
        &mut self,
        tls: Option<&Connector>,
        timeouts: &Timeouts,
        now: Timestamp,
    ) -> Result<(), Box<Failure>> {
        let binding = self.shake_hands(tls, timeouts, now).await?;
        self.session.secured_with(binding);
        Ok(())
    }

    /// Gives what a login can be bound to.
    async fn shake_hands(
        &mut self,
        tls: Option<&Connector>,
        timeouts: &Timeouts,
        now: Timestamp,
    ) -> Result<Option<Box<[u8]>>, Box<Failure>> {
        let failed = || Box::new(closed(Phase::StartTls));
        let Some(tls) = tls else { return Err(failed()) };
        let stream = mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        match tls.meet(self.key.tls.asks_for(&self.key.host), stream, timeouts.tls).await {
            Ok((channel, facts, shown)) => {
                let under = Under::new(&self.key.tls, facts, &shown);
                match self.key.tls.judge(&shown, now) {
                    Ok(Verdict::Proven) => self.protected(Protection::Verified(under)),
                    Ok(Verdict::Anybody) => self.protected(Protection::Unverified(under)),
                    Ok(Verdict::Doubtful(doubt)) => {
                        self.protected(Protection::Unverified(Under { doubt: Some(doubt), ..under }));
                    }
                    Err(unproven) => {
                        let (policy, why) = (under.policy, unproven.to_string().into());
                        self.protected(Protection::Failed { policy, why, met: Some(under) });
                        self.unproven = Some(unproven);
                        return Err(failed());
                    }
                }
                let binding = channel.exporter();
                self.stream = Box::new(channel);
                Ok(binding)
            }
            Err(error) => {
                self.handshake = Some(error);
                Err(failed())
            }
        }
    }

    fn protected(&mut self, protection: Protection) {
        self.endpoint = Arc::new(Endpoint { protection, ..(*self.endpoint).clone() });
    }

    /// Why the host is not who it has to be, if that is known.
    pub(crate) fn unproven(&self) -> Option<&Unproven> {
        self.unproven.as_ref()
    }

    /// How TLS is why the session failed, if it is. With TLS 1.3 a host that does not want us after all says so only when the handshake
    /// is over for us; then it closes before it answers EHLO.
    pub(crate) fn trouble_with_tls(&self, failure: &Failure) -> Option<String> {
        if let Some(error) = &self.handshake {
            return Some(error.to_string());
        }
        let under_tls = self.endpoint.protection.is_tls();
        match (failure.phase, &failure.kind) {
            (Phase::StartTls, FailureKind::Garbled(what)) => {
                Some(format!("garbled answer to STARTTLS: {what}"))
            }
            (Phase::StartTls, FailureKind::Closed) => Some("the host closed at STARTTLS".into()),
            (Phase::StartTls, FailureKind::TimedOut) => Some("no answer to STARTTLS in time".into()),
            (Phase::Hello, FailureKind::Closed) if under_tls => {
                Some("the host closed when TLS was up".into())
            }
            // With a reply the host has something against us, in clear too.
            _ => None,
        }
    }

    /// What the peer offers.
    pub(crate) fn capabilities(&self) -> &Capabilities {
        self.session.capabilities()
    }

    /// Divides recipients into those of the next transaction and those that have to wait, as the peer's limits and ours
    /// (`most`) ask; see [`Used::divide`].
    pub(crate) fn divide(
        &self,
        envelope: &Envelope,
        recipients: &[u32],
        most: usize,
    ) -> (Vec<u32>, Vec<u32>) {
        let Capabilities { smtputf8, limits, .. } = self.capabilities();
        let recipient = |number: &u32| Some((*number, &recipient(envelope, *number)?.forward_path));
        let fits = |(_, path): &(u32, &Address)| *smtputf8 || !path.is_utf8() || in_ascii(path).is_some();
        let (fit, misfit): (Vec<_>, Vec<_>) = recipients.iter().filter_map(recipient).partition(fits);
        // Those who need SMTPUTF8 where it is not offered come last, so that they are no obstacle to the others.
        let (first, mut last) = if fit.is_empty() { (misfit, fit) } else { (fit, misfit) };
        // What is junk to some goes to them with fields that say so.
        let (first, otherwise) = alike(envelope, first);
        last.extend(otherwise);
        let domains = first.into_iter().map(|(number, path)| (number, path.domain()));
        let (now, mut later) = self.used.divide(*limits, most, domains);
        later.extend(last.into_iter().map(|(number, _)| number));
        (now, later)
    }

    /// Whether the peer takes no other transaction in this session.
    pub(crate) fn is_used_up(&self) -> bool {
        self.used.is_up(self.capabilities().limits)
    }

    /// The peer announced DSN, but refuses its parameters.
    pub(crate) fn forgo_dsn(&mut self) {
        self.session.forgo_dsn();
    }

    /// The peer announced CHUNKING, but does not know BDAT.
    pub(crate) fn forgo_chunking(&mut self) {
        self.session.forgo_chunking();
    }

    /// Hands a message over. After anything but [`Ended::Done`] the connection is of no use any more.
    pub(crate) async fn transact(
        &mut self,
        transaction: Transaction,
        content: &mut Outgoing,
        timeouts: &Timeouts,
    ) -> Ended {
        let limits = self.capabilities().limits;
        self.used.begin(limits, transaction.recipients.iter().filter_map(domain));
        self.session.begin(transaction);
        loop {
            match self.next_step(timeouts).await {
                Step::SendContent => {
                    if let Err(error) = self.send(content, timeouts).await {
                        return Ended::Unreadable(error);
                    }
                }
                Step::Done(outcome) => {
                    self.transactions += 1;
                    self.room.prove();
                    return Ended::Done(outcome);
                }
                Step::Failed(failure) => return Ended::Failed(failure),
                // Not after `begin`; if it were so, nothing may be concluded but that the session is lost.
                Step::Ready | Step::Secure | Step::Closed | Step::Read(_) => {
                    return Ended::Failed(Box::new(closed(Phase::Mail)));
                }
            }
        }
    }

    /// Says goodbye and waits a little for the answer, on which nothing depends.
    pub(crate) async fn quit(mut self, timeouts: &Timeouts) {
        self.session.quit();
        let goodbye = async {
            while let Step::Read(phase) = self.session.step() {
                self.exchange(phase, timeouts).await;
            }
            self.flush(timeouts.quit).await
        };
        let _ = timeout(timeouts.quit, goodbye).await;
    }

    /// Returns when the peer speaks or closes though nothing was asked: an idle connection is over then.
    pub(crate) async fn disturbed(&mut self) {
        // Whatever it says (421 above all), there is no use in the connection.
        let _ = self.stream.read(&mut self.buffer).await;
    }

    async fn next_step(&mut self, timeouts: &Timeouts) -> Step {
        self.deadline = None;
        loop {
            match self.session.step() {
                Step::Read(phase) => self.exchange(phase, timeouts).await,
                step => return step,
            }
        }
    }

    /// Sends what is to be sent and reads what has come.
    async fn exchange(&mut self, phase: Phase, timeouts: &Timeouts) {
        if !self.flush(timeouts.data_block).await {
            return self.hear_last_words().await;
        }
        let awaited = (phase, self.session.replies());
        let deadline = match self.deadline {
            Some((of, deadline)) if of == awaited => deadline,
            _ => Instant::now() + timeouts.of(phase),
        };
        self.deadline = Some((awaited, deadline));
        match timeout_at(deadline, self.stream.read(&mut self.buffer)).await {
            Err(_) => self.session.timed_out(),
            Ok(Ok(0) | Err(_)) => self.session.end_of_input(),
            Ok(Ok(read)) => {
                self.session.receive(self.buffer.get(..read).unwrap_or_default());
            }
        }
    }

    /// Content and its end. What fits leaves in one write together with the end of data.
    async fn send(&mut self, content: &mut Outgoing, timeouts: &Timeouts) -> Result<(), SpoolError> {
        while let Some(piece) = content.next().await? {
            if self.session.output().len() + piece.len() / 2 > WRITE_OCTETS
                && !self.flush(timeouts.data_block).await
            {
                self.hear_last_words().await;
                return Ok(());
            }
            self.session.content(&piece);
        }
        self.session.end_content();
        Ok(())
    }

    /// Whether all output is on its way.
    async fn flush(&mut self, patience: Duration) -> bool {
        let output = self.session.output();
        if output.is_empty() {
            return true;
        }
        let send = async {
            self.stream.write_all(output).await?;
            // Under TLS, what is written is not yet sent.
            self.stream.flush().await
        };
        let sent = matches!(timeout(patience, send).await, Ok(Ok(())));
        output.clear();
        sent
    }

    /// A peer that closes while we send has often said why.
    async fn hear_last_words(&mut self) {
        let deadline = Instant::now() + LAST_WORDS;
        while let Ok(Ok(read @ 1..)) = timeout_at(deadline, self.stream.read(&mut self.buffer)).await {
            self.session.receive(self.buffer.get(..read).unwrap_or_default());
        }
        self.session.end_of_input();
    }
}

impl Timeouts {
    fn of(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Greeting => self.greeting,
            Phase::Hello => self.hello,
            Phase::StartTls => self.tls,
            Phase::Auth => self.auth,
            Phase::Mail => self.mail,
            Phase::Rcpt => self.rcpt,
            Phase::DataInit => self.data_init,
            Phase::DataBlock => self.data_block,
            Phase::DataFinal => self.data_final,
            Phase::Quit => self.quit,
        }
    }
}

/// A recipient's number and address.
type Numbered<'a> = (u32, &'a Address);

/// Those to whom the message is junk if it is to the first of them, or is not if it is not; and the others.
fn alike<'a>(envelope: &Envelope, recipients: Vec<Numbered<'a>>) -> (Vec<Numbered<'a>>, Vec<Numbered<'a>>) {
    let junk = |number: u32| recipient(envelope, number).is_some_and(|recipient| recipient.junk);
    let first = recipients.first().is_some_and(|(number, _)| junk(*number));
    if recipients.iter().all(|(number, _)| junk(*number) == first) {
        return (recipients, Vec::new());
    }
    recipients.into_iter().partition(|(number, _)| junk(*number) == first)
}

fn domain(rcpt: &RcptTo) -> Option<&Domain> {
    match &rcpt.forward_path {
        ForwardPath::Address(address) => Some(address.domain()),
        ForwardPath::Postmaster => None,
    }
}

fn closed(phase: Phase) -> Failure {
    Failure { phase, kind: FailureKind::Closed, decided: Vec::new() }
}
