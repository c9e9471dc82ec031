//! The workers of a site: each keeps a connection and sends one job after the other over it.

use std::{sync::Arc, time::Duration};

use dns::BoxFuture;
use mail::{Reply, ReplyClass, Timestamp};
use smtp::client::{Failure, FailureKind, Outcome, Phase};
use spool::{Loaded, SpoolError, Work};
use tokio::{sync::oneshot, time::sleep};

use crate::{
    attempt::Attempt,
    content::Form,
    dial::{self, Tour, Trouble},
    forward::pass_on,
    next_hop::{Chosen, NextHop},
    on_panic::OnPanic,
    open::Open,
    outcome::{Endpoint, Fate, Rest},
    pace::Round,
    relay::Relay,
    relay_book::{Failing, Reserved},
    remote::{Connection, Ended},
    replies,
    reply_table::{self, Action, What},
    retry::jittered,
    shared::Shared,
    signing::{self, Unsigned},
    site::{Cleared, Job, Next, Site, Suspension},
    store::Expansion,
    strangers::Stranger,
    too_much,
    transaction::{has_dsn_parameters, transaction},
};

/// The station of remote deliveries in events and logs.
pub(crate) const STATION: &str = "deliver/remote";
/// Sessions that may break off in one attempt before the message waits: a peer that cuts every session must not make
/// us send the content again and again.
const SESSIONS_MAX: usize = 2;

/// How long a message waits that could not be tried by a fault of this machine.
const STUCK_PAUSE: Duration = Duration::from_mins(1);

/// Serves a lane, then others of the site that wait, until there is nothing to do.
async fn run(shared: Arc<Shared>, site: Arc<Site>, mut lane: Arc<str>, mut stranger: Option<Stranger>) {
    loop {
        {
            let _place = OnPanic(|| replace(&shared, &site, &lane));
            let mut worker = Worker {
                shared: &shared,
                site: &site,
                lane: Arc::clone(&lane),
                connection: None,
                done: 0,
                stranger: stranger.take(),
            };
            worker.serve().await;
            worker.hang_up().await;
            stranger = worker.stranger;
        }
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
    /// Until the site takes a message it counts as one that has to show that it does.
    stranger: Option<Stranger>,
}

impl Worker<'_> {
    async fn serve(&mut self) {
        while self.done < self.shared.config.transactions_per_connection {
            let job = match self.site.next(&self.lane, self.done, 1, self.connection.is_some()) {
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
            let (shared, work) = (self.shared, job.work.clone());
            let _in_hand = OnPanic(|| shared.broke_off(&work));
            self.attempt(job).await;
        }
    }

    /// Waits for a job as long as the connection lasts, or until its place is wanted elsewhere.
    async fn idle(&mut self, mut receiver: oneshot::Receiver<Job>) -> Option<Job> {
        let connection = self.connection.as_mut()?;
        tokio::select! {
            biased;
            job = &mut receiver => return job.ok(),
            () = connection.disturbed() => self.connection = None,
            () = self.shared.places.wanted() => {}
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
        let work = if hop.chosen == Chosen::AsStore {
            let Some(rest) = Box::pin(pass_on(self.shared, &envelope, work)).await else { return };
            rest
        } else {
            work
        };
        let expansion = (hop.chosen == Chosen::AsStore)
            .then(|| Expansion::new(&self.shared.live().directory, &envelope, &work.recipients));
        let (told, work) = match &expansion {
            Some(expansion) => (
                Arc::clone(&expansion.envelope),
                Work { id: work.id, priority: work.priority, recipients: expansion.numbers() },
            ),
            None => (Arc::clone(&envelope), work),
        };
        let mut attempt = Attempt::new(self.site, work, told, Arc::clone(&hop), content);
        if attempt.hop.chosen == Chosen::AsStore || !is_held(self.shared, &mut attempt).await {
            self.deliver(&mut attempt).await;
        }
        let Attempt { work, mut open, .. } = attempt;
        if let Some(trouble) = open.account.take() {
            self.rest(&trouble, &mut open, &hop, true);
        }
        let findings = std::mem::take(&mut open.findings);
        let untried = open.into_untried();
        let (findings, untried) = match expansion {
            Some(expansion) => expansion.gather(findings, &untried),
            None => (findings, untried),
        };
        if !untried.is_empty() {
            self.shared.parts.spool.put_back(&Work {
                id: work.id,
                priority: work.priority,
                recipients: untried,
            });
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
            attempt.open.restrain(&mut connection);
            let host = &connection.endpoint.host;
            let protocol = connection.key.terms.protocol;
            match attempt.form(self.shared, host, protocol, connection.capabilities()).await {
                Ok(Ok(form)) => self.transact(attempt, connection, form).await,
                Ok(Err(reply)) => {
                    attempt.tour.leave(&connection, reply);
                    connection.quit(&self.shared.config.timeouts).await;
                }
                Err(error) => {
                    self.connection = Some(connection);
                    unreadable(attempt, &error, None);
                }
            }
        }
    }

    /// One transaction.
    async fn transact(&mut self, attempt: &mut Attempt, mut connection: Connection, form: Form) {
        let mut content = match attempt.outgoing(self.shared, form).await {
            Ok(content) => content,
            Err(unsigned) => {
                self.connection = Some(connection);
                return match unsigned {
                    Unsigned::Unreadable(error) => unreadable(attempt, &error, None),
                    Unsigned::NoKey => self.unsignable(attempt, &replies::unsignable()),
                    Unsigned::Held(reply) => self.unsignable(attempt, &reply),
                };
            }
        };
        let reserved = attempt.reserved.take();
        let Attempt { envelope, hop, tour, open, .. } = attempt;
        open.note = form.note();
        let now = self.shared.now();
        let mut transaction = transaction(envelope, &open.recipients, form, content.octets(), now);
        if let Some(signed) = self.shared.signed_reverse_path(envelope, open.chosen(), now) {
            transaction.mail.reverse_path = signed;
        }
        let dsn = connection.capabilities().dsn && has_dsn_parameters(&transaction);
        match connection.transact(transaction, &mut content, &self.shared.config.timeouts).await {
            Ended::Done(outcome) => {
                let slowed = open.done(&outcome, &connection, dsn);
                self.fared(slowed, &connection.endpoint, tour.round);
                self.relay_answered(hop, &outcome, reserved);
                self.connection = Some(connection);
            }
            Ended::Failed(failure) if connection.transactions > 0 && is_stale(&failure) => {
                tour.begin_anew();
            }
            Ended::Failed(failure) if reply_table::refuses_chunks(&failure) => {
                open.forgo_chunking();
                tour.begin_anew();
            }
            Ended::Failed(failure) => {
                // RFC 1047: they may have it.
                if let (Phase::DataFinal, Some(reserved)) = (failure.phase, reserved) {
                    reserved.spend(open.recipients.len());
                }
                self.failed(open, &failure, &connection, tour);
            }
            // The connection is cut before the end of data.
            Ended::Unreadable(error) => unreadable(attempt, &error, Some(&connection.endpoint)),
        }
    }

    /// The kept connection, else one to the next host, with recipients chosen that it takes in one transaction. None if
    /// there is no more host.
    async fn ready(&mut self, attempt: &mut Attempt) -> Option<Connection> {
        loop {
            let Attempt { envelope, hop, tour, open, reserved, .. } = attempt;
            // A host that turned out to be of no use has cost nothing.
            *reserved = None;
            let mut most = self.shared.config.recipients_per_transaction;
            if let Some(relay) = hop.terms.relay() {
                most = most.min(relay.limits.recipients_per_message.unwrap_or(most));
                match self.shared.book.room(relay, self.shared.now()) {
                    Ok(room) => most = most.min(usize::try_from(room).unwrap_or(usize::MAX)),
                    Err(until) => {
                        tour.spent = Some(until);
                        return None;
                    }
                }
            }
            let connection = match self.connection.take() {
                Some(connection) if hop.admits(&connection.key) => connection,
                other => {
                    self.connection = other;
                    self.hang_up().await;
                    tour.next(self.shared, self.site, hop).await?
                }
            };
            if open.divide(|recipients| connection.divide(envelope, recipients, most)) {
                let Some(relay) = hop.terms.relay() else { return Some(connection) };
                *reserved = self.shared.book.reserve(relay, self.shared.now(), open.recipients.len());
                if reserved.is_some() {
                    return Some(connection);
                }
                // Another worker was quicker.
                self.connection = Some(connection);
                continue;
            }
            // RFC 9422: the session has had all that it may have; the host is asked for another.
            tour.begin_anew();
            connection.quit(&self.shared.config.timeouts).await;
        }
    }

    /// The site bears less if a reply says so, and more if none does.
    fn fared(&mut self, slowed: Option<&Reply>, endpoint: &Arc<Endpoint>, round: Round) {
        if let Some(reply) = slowed {
            return self.site.slowed(round, dial::refusal(self.shared, reply, endpoint));
        }
        self.stranger = None;
        self.start(&self.site.succeeded(&self.lane, self.shared.now()));
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
    fn no_host_left(&self, Attempt { tour, open, hop, .. }: &mut Attempt) {
        if let Some(until) = tour.spent {
            return self.wait_for_room(hop, until, open);
        }
        if let Some(reply) = &tour.stuck {
            return open.stuck(reply, self.shared.now().after(STUCK_PAUSE));
        }
        if let Some(trouble) = tour.account.take() {
            open.all(Fate::Deferred, &trouble.reply, trouble.peer_words, Some(&trouble.endpoint));
            open.account = Some(trouble);
            return;
        }
        let Some(Trouble { reply, peer_words, endpoint }) = &tour.trouble else {
            match &tour.unfit {
                // mail-rules 16: refused if no host takes it; had one not been reached, it might have.
                Some(Trouble { reply, endpoint, .. }) if !tour.cut_short => {
                    open.all(Fate::Bounced, reply, false, Some(endpoint));
                }
                _ => open.all(Fate::Deferred, &replies::no_host(), false, None),
            }
            return;
        };
        open.all(Fate::Deferred, reply, *peer_words, Some(endpoint));
        if let Some(trouble) = tour.trouble.as_ref().filter(|_| tour.sessions == 0) {
            self.rest(trouble, open, hop, false);
        }
    }

    /// How a relay took a message: its budget, and whether it takes anything at all.
    fn relay_answered(&self, hop: &NextHop, outcome: &Outcome, reserved: Option<Reserved>) {
        let Some(relay) = hop.terms.relay() else { return };
        let taken = outcome.recipients.iter().filter(|(_, reply)| reply.is_completion()).count();
        if let Some(reserved) = reserved {
            reserved.spend(taken);
        }
        let now = self.shared.now();
        if taken > 0 {
            if self.shared.book.took(relay, now) {
                tracing::info!(station = "deliver/relay", relay = &*relay.name, "the relay takes mail again");
            }
        } else if let Some((_, reply)) = outcome.recipients.last() {
            self.relay_failed(relay, reply, Failing::Message);
        }
    }

    /// A relay took nothing: somebody is told, once, when that goes on.
    fn relay_failed(&self, relay: &Relay, reply: &Reply, how: Failing) {
        if let Some(alarm) = self.shared.book.failed(relay, reply, how, self.shared.now()) {
            let shared = Arc::clone(self.shared);
            self.shared.spawn(async move { shared.alert(&alarm).await });
        }
    }

    /// The budget of a relay is used up: all that goes there waits until there is room, and its lifetime stands still.
    fn wait_for_room(&self, hop: &NextHop, until: Timestamp, open: &mut Open) {
        let (now, relay) = (self.shared.now(), hop.terms.relay());
        let name = relay.map_or("", |relay| &relay.name);
        let most = relay.and_then(|relay| relay.limits.recipients_per_day).unwrap_or_default();
        let reply = replies::budget_spent(name, most);
        let rest = Suspension { failed_at: now, until, reply: reply.clone(), host: None, paused: true };
        let asked = self.shared.parts.spool.retries();
        let (suspension, cleared) = self.site.pause(&self.lane, rest);
        tracing::info!(station = "deliver/relay", relay = name, until = %suspension.until, recipients = most,
            "the budget of the relay is used up; the rest waits");
        let before = open.findings.len();
        open.all(Fate::Deferred, &reply, false, None);
        for finding in open.findings.iter_mut().skip(before) {
            finding.rested = Some(Rest { failed_at: now, until: suspension.until });
            (finding.paused, finding.at_once) = (true, hop.has_fallback);
        }
        self.turn_away(cleared, suspension, asked, hop);
    }

    /// The lane rests, and who waits in it is turned away. `account`: it has something against us, and not against the message or the moment.
    fn rest(&self, trouble: &Trouble, open: &mut Open, hop: &NextHop, account: bool) {
        let Trouble { reply, endpoint, .. } = trouble;
        let relay = hop.terms.relay();
        let paused = account && hop.chosen == Chosen::AsRelay;
        if let Some(relay) = relay {
            let says_no = reply.class() == ReplyClass::Permanent && !too_much::says_so(reply);
            let how = if account && says_no { Failing::Login } else { Failing::Host };
            self.relay_failed(relay, reply, how);
        }
        let random = self.shared.random();
        let live = self.shared.live();
        let interval = |failures| jittered(live.retry.rest(failures), random);
        let refusal = dial::refusal(self.shared, reply, endpoint);
        let asked = self.shared.parts.spool.retries();
        let (suspension, cleared) = self.site.suspend(&self.lane, refusal, paused, interval);
        tracing::info!(site = %self.site.key.site, lane = %self.lane, station = "deliver/site",
            until = %suspension.until, reply = %suspension.reply, "the site rests");
        let deferred = open.findings.iter_mut().filter(|finding| finding.fate == Fate::Deferred);
        deferred.for_each(|finding| {
            (finding.not_before, finding.paused) = (Some(suspension.until), paused);
            finding.at_once = hop.has_fallback;
        });
        self.turn_away(cleared, suspension, asked, hop);
    }

    /// What waited for a lane that rests waits elsewhere, or goes to where it falls back to.
    fn turn_away(&self, cleared: Cleared, suspension: Suspension, asked: u64, hop: &NextHop) {
        if hop.has_fallback {
            cleared.jobs.iter().for_each(|job| self.shared.parts.spool.put_back(&job.work));
            self.shared.release(&cleared.parked);
            return self.shared.poke.notify_one();
        }
        // A task of its own: this worker's place belongs to other lanes of the site.
        let (shared, site) = (Arc::clone(self.shared), Arc::clone(&self.site.key.site));
        self.shared.spawn(async move { shared.turn_away(cleared, &site, &suspension, asked).await });
    }

    /// mail-rules 17: it waits rather than to go without the signature that others look for.
    fn unsignable(&self, attempt: &mut Attempt, reply: &Reply) {
        tracing::error!(queue_id = %attempt.work.id, station = STATION, %reply, "a message cannot be signed");
        attempt.open.stuck(reply, self.shared.now().after(signing::HELD));
    }

    fn start(&self, lanes: &[Arc<str>]) {
        for lane in lanes {
            start(self.shared, self.site, lane);
        }
    }
}

/// Whether a message waits because the keys of its domain are in trouble: no host is asked to take it then.
async fn is_held(shared: &Shared, attempt: &mut Attempt) -> bool {
    match signing::held(shared, &attempt.envelope, &mut attempt.content).await {
        Ok(None) => false,
        Ok(Some(reply)) => {
            attempt.open.stuck(&reply, shared.now().after(signing::HELD));
            true
        }
        Err(error) => {
            unreadable(attempt, &error, None);
            true
        }
    }
}

/// The place of a worker that broke off is free for another.
fn replace(shared: &Arc<Shared>, site: &Arc<Site>, lane: &Arc<str>) {
    if let Some(next) = site.leave(lane) {
        start(shared, site, &next);
    }
}

/// Starts a worker that the site has counted. The box ends the circle of types: workers start workers.
pub(crate) fn start(shared: &Arc<Shared>, site: &Arc<Site>, lane: &Arc<str>) {
    let stranger = (!site.takes_mail()).then(|| Stranger::new(shared));
    let worker: BoxFuture<'static, ()> =
        Box::pin(run(Arc::clone(shared), Arc::clone(site), Arc::clone(lane), stranger));
    shared.spawn(worker);
}

/// Our own copy cannot be read: whoever is open has to wait.
fn unreadable(attempt: &mut Attempt, error: &SpoolError, endpoint: Option<&Arc<Endpoint>>) {
    tracing::error!(queue_id = %attempt.work.id, station = STATION, %error, "the content of a message cannot be read");
    attempt.open.all(Fate::Deferred, &replies::unreadable(), false, endpoint);
}

/// The peer gave up a connection that we kept, before it answered anything: says nothing of the message.
fn is_stale(failure: &Failure) -> bool {
    let gone = match &failure.kind {
        FailureKind::Closed => true,
        FailureKind::Reply(reply) => reply.code() == 421,
        FailureKind::Garbled(_) | FailureKind::Unfit(_) | FailureKind::TimedOut => false,
    };
    gone && failure.phase == Phase::Mail && failure.decided.iter().all(Option::is_none)
}
