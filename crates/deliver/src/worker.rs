//! The workers of a site: each keeps a connection and sends one job after the other over it.

use std::sync::Arc;

use mail::{Envelope, Reply};
use smtp::client::{Failure, FailureKind, Phase};
use spool::{ContentReader, Loaded, Work};
use tokio::{sync::oneshot, time::sleep};

use crate::{
    dial::{self, Tour, Trouble},
    next_hop::NextHop,
    open::Open,
    outcome::{Endpoint, Fate},
    pace::Round,
    remote::{Connection, Ended},
    replies,
    reply_table::{self, Action, What},
    retry::jittered,
    shared::Shared,
    site::{Job, Next, Site},
    transaction::{has_dsn_parameters, recipient, transaction},
};

/// The station of remote deliveries in events and logs.
pub(crate) const STATION: &str = "deliver/remote";
/// Sessions that may break off in one attempt before the message waits: a peer that cuts every session must not make
/// us send the content again and again.
const SESSIONS_MAX: usize = 2;

/// Serves a lane, then others of the site that wait, until there is nothing to do.
pub(crate) async fn run(shared: Arc<Shared>, site: Arc<Site>, mut lane: Arc<str>) {
    loop {
        let mut worker =
            Worker { shared: &shared, site: &site, lane: Arc::clone(&lane), connection: None, done: 0 };
        worker.serve().await;
        worker.hang_up().await;
        match site.leave(&lane) {
            Some(next) => lane = next,
            None => return,
        }
    }
}

struct Worker<'a> {
    shared: &'a Arc<Shared>,
    site: &'a Arc<Site>,
    lane: Arc<str>,
    connection: Option<Connection>,
    /// Jobs done for this lane.
    done: u32,
}

/// One attempt to deliver a message to some of its recipients.
struct Attempt {
    work: Work,
    envelope: Arc<Envelope>,
    hop: Arc<NextHop>,
    /// The content as it was loaded with the envelope; read anew after the first transaction.
    content: Option<ContentReader>,
    tour: Tour,
    open: Open,
}

impl Attempt {
    fn new(
        site: &Site,
        work: Work,
        envelope: Arc<Envelope>,
        hop: Arc<NextHop>,
        content: ContentReader,
    ) -> Self {
        let known = |number: &u32| recipient(&envelope, *number).is_some();
        let recipients = work.recipients.iter().copied().filter(known).collect();
        let open = Open::new(recipients, hop.chosen);
        Self { work, envelope, hop, content: Some(content), tour: Tour::new(site), open }
    }
}

impl Worker<'_> {
    async fn serve(&mut self) {
        while self.done < self.shared.config.transactions_per_connection {
            let job = match self.site.next(&self.lane, 1, self.connection.is_some()) {
                Next::Jobs(mut jobs, freed) => {
                    self.shared.release(&freed);
                    jobs.pop()
                }
                Next::Idle(receiver) => self.idle(receiver).await,
                Next::Leave => None,
            };
            let Some(job) = job else { return };
            if self.shared.is_halted() {
                self.shared.parts.spool.put_back(&job.work);
                return;
            }
            self.done += 1;
            self.attempt(job).await;
        }
    }

    /// Waits for a job as long as the connection lasts.
    async fn idle(&mut self, mut receiver: oneshot::Receiver<Job>) -> Option<Job> {
        let connection = self.connection.as_mut()?;
        tokio::select! {
            job = &mut receiver => return job.ok(),
            () = connection.disturbed() => self.connection = None,
            () = sleep(self.shared.config.timeouts.idle) => {}
        }
        // A job may have been handed over at the last moment.
        receiver.close();
        receiver.try_recv().ok()
    }

    async fn hang_up(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.quit(&self.shared.config.timeouts).await;
        }
    }

    /// One attempt for all recipients of a job, in as many transactions and sessions as the limits ask.
    async fn attempt(&mut self, Job { work, hop }: Job) {
        let Some(hop) = hop else { return };
        let Some(Loaded { envelope, content }) = self.shared.load(&work).await else { return };
        let mut attempt = Attempt::new(self.site, work, envelope, hop, content);
        self.deliver(&mut attempt).await;
        let Attempt { work, envelope, mut open, .. } = attempt;
        if let Some(trouble) = open.account.take() {
            self.rest(&trouble, &mut open);
        }
        let findings = std::mem::take(&mut open.findings);
        let untried = open.into_untried();
        if !untried.is_empty() {
            self.shared.parts.spool.put_back(&Work { id: work.id, recipients: untried });
        }
        if !findings.is_empty() {
            self.shared.settle(STATION, &envelope, &findings).await;
        }
        if self.connection.as_ref().is_some_and(Connection::is_used_up) {
            self.hang_up().await;
        }
    }

    /// Tries hosts until the fate of each recipient is known. Those left over were not tried, because the server stops.
    async fn deliver(&mut self, attempt: &mut Attempt) {
        while !attempt.open.is_empty() {
            let Some(mut connection) = self.ready(attempt).await else {
                if !attempt.tour.halted {
                    self.no_host_left(attempt);
                }
                return;
            };
            let Attempt { work, envelope, content, tour, open, .. } = attempt;
            let Some(mut reader) = read_again(self.shared, work, content.take()).await else {
                self.connection = Some(connection);
                return open.all(Fate::Deferred, &replies::unreadable(), false, None);
            };
            if open.without_dsn {
                connection.forgo_dsn();
            }
            let transaction = transaction(envelope, &open.recipients, reader.len());
            let dsn = connection.capabilities().dsn && has_dsn_parameters(&transaction);
            match connection.transact(transaction, &mut reader, &self.shared.config.timeouts).await {
                Ended::Done(outcome) => {
                    let slowed = open.done(&outcome, &connection, dsn);
                    self.fared(slowed, &connection.endpoint, tour.round);
                    self.connection = Some(connection);
                }
                Ended::Failed(failure) if connection.transactions > 0 && is_stale(&failure) => {
                    tour.begin_anew();
                }
                Ended::Failed(failure) => self.failed(open, &failure, &connection, tour),
                Ended::Unreadable(error) => {
                    tracing::error!(queue_id = %work.id, station = STATION, %error,
                        "content cannot be read; the connection is cut before the end of data");
                    open.all(Fate::Deferred, &replies::unreadable(), false, Some(&connection.endpoint));
                }
            }
        }
    }

    /// The kept connection, else one to the next host that can take the message, with recipients chosen that it takes
    /// in one transaction. None if there is no more host.
    async fn ready(&mut self, attempt: &mut Attempt) -> Option<Connection> {
        let most = self.shared.config.recipients_per_transaction;
        loop {
            let Attempt { envelope, hop, tour, open, .. } = attempt;
            let connection = match self.connection.take() {
                Some(connection) if hop.admits(&connection.key) => connection,
                other => {
                    self.connection = other;
                    self.hang_up().await;
                    tour.next(self.shared, self.site, hop).await?
                }
            };
            if envelope.smtputf8 && !connection.capabilities().smtputf8 {
                tour.no_smtputf8 = Some(Arc::clone(&connection.endpoint));
            } else if open.divide(|recipients| connection.divide(envelope, recipients, most)) {
                return Some(connection);
            } else {
                // RFC 9422: the session has had all that it may have; the host is asked for another.
                tour.begin_anew();
            }
            connection.quit(&self.shared.config.timeouts).await;
        }
    }

    /// The site bears less if a reply says so, and more if none does.
    fn fared(&self, slowed: Option<&Reply>, endpoint: &Arc<Endpoint>, round: Round) {
        match slowed {
            Some(reply) => self.site.slowed(round, dial::refusal(self.shared, reply, endpoint)),
            None => self.start(self.site.succeeded(&self.lane, self.shared.now())),
        }
    }

    /// Takes in how a session failed. Recipients that remain open are for the next host.
    fn failed(&self, open: &mut Open, failure: &Failure, connection: &Connection, tour: &mut Tour) {
        let endpoint = &connection.endpoint;
        let row = reply_table::decide(failure.phase, What::from(&failure.kind));
        let (reply, peer_words) = dial::words(failure, &endpoint.host);
        if row.slows_after(&reply) {
            self.site.slowed(tour.round, dial::refusal(self.shared, &reply, endpoint));
        }
        open.failed(failure, connection);
        tour.broken_off += 1;
        if row.action == Action::NextHost && tour.broken_off < SESSIONS_MAX {
            tour.trouble = Some(Trouble { reply, peer_words, endpoint: Arc::clone(endpoint) });
        } else {
            open.all(Fate::Deferred, &reply, peer_words, Some(endpoint));
        }
    }

    /// All hosts were tried. If none answered, the lane rests, and who waits in it is turned away.
    fn no_host_left(&self, Attempt { tour, open, .. }: &mut Attempt) {
        let no_smtputf8 = tour.no_smtputf8.as_ref();
        let Some(Trouble { reply, peer_words, endpoint }) = &tour.trouble else {
            if no_smtputf8.is_none() {
                return open.all(Fate::Deferred, &replies::no_host(), false, None);
            }
            // mail-rules 16: refused if no host takes it; had one not been reached, it might have.
            let host = no_smtputf8.map_or("the domain", |endpoint| &endpoint.host);
            return open.all(Fate::Bounced, &replies::no_smtputf8(host), false, no_smtputf8);
        };
        open.all(Fate::Deferred, reply, *peer_words, Some(endpoint));
        if let Some(trouble) = tour.trouble.as_ref().filter(|_| tour.sessions == 0) {
            self.rest(trouble, open);
        }
    }

    /// The lane rests, and who waits in it is turned away.
    fn rest(&self, Trouble { reply, endpoint, .. }: &Trouble, open: &mut Open) {
        let random = self.shared.random();
        let interval = |failures| jittered(self.shared.retry.rest(failures), random);
        let refusal = dial::refusal(self.shared, reply, endpoint);
        let (suspension, cleared) = self.site.suspend(&self.lane, refusal, interval);
        tracing::info!(site = %self.site.key.site, lane = %self.lane, station = "deliver/site",
            until = %suspension.until, reply = %suspension.reply, "the site rests");
        let deferred = open.findings.iter_mut().filter(|finding| finding.fate == Fate::Deferred);
        deferred.for_each(|finding| finding.not_before = Some(suspension.until));
        // A task of its own: this worker's place belongs to other lanes of the site.
        let (shared, site) = (Arc::clone(self.shared), Arc::clone(&self.site.key.site));
        self.shared.spawn(async move { shared.turn_away(cleared, &site, &suspension).await });
    }

    fn start(&self, workers: usize) {
        for _ in 0..workers {
            self.shared.spawn(boxed_run(self.shared, self.site, &self.lane));
        }
    }
}

/// A worker that starts workers: the box ends the circle of types.
fn boxed_run(shared: &Arc<Shared>, site: &Arc<Site>, lane: &Arc<str>) -> dns::BoxFuture<'static, ()> {
    Box::pin(run(Arc::clone(shared), Arc::clone(site), Arc::clone(lane)))
}

/// The content, read anew for each further transaction.
async fn read_again(shared: &Shared, work: &Work, first: Option<ContentReader>) -> Option<ContentReader> {
    match first {
        Some(content) => Some(content),
        None => shared.parts.spool.load(work.id).await.ok().map(|loaded| loaded.content),
    }
}

/// The peer gave up a connection that we kept, before it answered anything: says nothing of the message.
fn is_stale(failure: &Failure) -> bool {
    let gone = match &failure.kind {
        FailureKind::Closed => true,
        FailureKind::Reply(reply) => reply.code() == 421,
        FailureKind::Garbled(_) | FailureKind::TimedOut => false,
    };
    gone && failure.phase == Phase::Mail && failure.decided.iter().all(Option::is_none)
}
