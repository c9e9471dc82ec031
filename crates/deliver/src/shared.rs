//! What all workers of delivery share.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mail::{Domain, Envelope, Reply, Timestamp};
use net::Complaint;
use spool::{Disposition, Finished, Loaded, RecipientOutcome, SpoolError, Work};
use tokio::{
    sync::{Notify, Semaphore, watch},
    task::JoinSet,
};

use crate::{
    Own, Parts,
    changes::Changes,
    clock_watch::{ClockWatch, DOUBT, Leap},
    config::Config,
    live::{Live, Lives},
    on_panic::OnPanic,
    outcome::{Endpoint, Fate, Finding, Rest},
    places::Places,
    relay_book::Book,
    replies,
    retry::is_too_late,
    signing::{self, Signatures},
    site::{Cleared, Job, Limits, Site, SiteKey, SiteStatus, Suspension, forgotten_by},
    strangers::Strangers,
    sts::Policies,
    wave::Waves,
};

/// How many connections a site gets before it has shown what it bears.
const WORKERS_START: usize = 5;
/// The name under which local delivery is a site: no host has such a name, nor does a socket.
const LOCAL: &str = "local delivery";

/// What all workers share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) parts: Parts,
    /// What may change meanwhile.
    pub(crate) lives: Lives,
    /// Whether the time can be believed.
    pub(crate) clock_watch: ClockWatch,
    /// Something was given back: the dispatcher looks again.
    pub(crate) poke: Notify,
    /// What is to be told once other attempts have ended.
    pub(crate) waves: Waves,
    /// Connections that there may be.
    pub(crate) places: Places,
    /// Workers for sites that have to show that they take mail.
    pub(crate) strangers: Strangers,
    /// How relays fare.
    pub(crate) book: Book,
    /// Signatures that were made.
    pub(crate) signatures: Signatures,
    /// Who may sign now.
    pub(crate) signing: Semaphore,
    /// Connections that could not be opened for want of something here.
    pub(crate) no_sockets: Complaint,
    /// What sites have learned is to be written down.
    pub(crate) changes: Arc<Changes>,
    sites: Mutex<BTreeMap<SiteKey, Arc<Site>>>,
    tasks: Mutex<JoinSet<()>>,
    stopping: watch::Sender<bool>,
}

impl Shared {
    pub(crate) fn new(config: Config, parts: Parts, own: Own) -> Self {
        let (connections, waiting) = (config.connections, config.workers_waiting_max);
        let sts = config.mta_sts_file.clone().map(|path| Arc::new(Policies::new(path, &parts)));
        let lives = Lives::new(&config, Arc::clone(&parts.directory), own, sts);
        Self {
            clock_watch: ClockWatch::new(parts.clock.as_ref()),
            config,
            parts,
            lives,
            poke: Notify::new(),
            waves: Waves::default(),
            places: Places::new(connections),
            strangers: Strangers::new(connections.saturating_add(waiting)),
            book: Book::default(),
            signatures: Signatures::default(),
            signing: signing::permits(),
            no_sockets: Complaint::default(),
            changes: Arc::default(),
            sites: Mutex::default(),
            tasks: Mutex::new(JoinSet::new()),
            stopping: watch::Sender::new(false),
        }
    }

    /// The settings that hold now: for what begins now, and to its end.
    pub(crate) fn live(&self) -> Arc<Live> {
        self.lives.current()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// The time now, and whether it may end a lifetime: mail-rules 12.
    pub(crate) fn judged_now(&self) -> (Timestamp, bool) {
        self.watch_clock();
        (self.now(), !self.clock_watch.is_in_doubt())
    }

    /// Sees whether the clock was set.
    pub(crate) fn watch_clock(&self) {
        if let Some(leap) = self.clock_watch.look(self.parts.clock.as_ref()) {
            self.clock_leapt(leap, "since a moment ago");
        }
    }

    /// The same at the start, by the last time on record. What a clock of long ago has put off for too long is due now.
    pub(crate) fn watch_clock_from_the_start(&self) {
        let spool = &self.parts.spool;
        match self.clock_watch.begin(spool.last_recorded(), spool.messages() == 0) {
            Some(leap) => self.clock_leapt(leap, "since the last that this server has on record"),
            None => {
                self.make_due_earlier(Duration::ZERO);
            }
        }
    }

    /// What a clock that was set does to mail: nothing that cannot be undone by setting it right.
    fn clock_leapt(&self, leap: Leap, since: &str) {
        match leap {
            Leap::Ahead(by) => tracing::warn!(
                station = "deliver",
                seconds = by.as_secs(),
                "the clock went ahead {since}: was this machine off, or is the clock wrong? For {} hours no mail expires and nobody is told of a delay",
                DOUBT.as_secs() / 3600
            ),
            Leap::Back(by) => {
                let recipients = self.make_due_earlier(by);
                tracing::warn!(
                    station = "deliver",
                    seconds = by.as_secs(),
                    recipients,
                    "the clock went back {since}: what waits to be tried again is due so much earlier"
                );
                self.wake_sites();
            }
        }
    }

    fn make_due_earlier(&self, by: Duration) -> u64 {
        self.parts.spool.clock_went_back(by, self.now(), self.live().retry.wait_max())
    }

    pub(crate) fn random(&self) -> u64 {
        self.parts.random.next_u64()
    }

    /// Whether nothing new may be begun: the server stops, or the spool cannot write completions, so that whatever
    /// were delivered now would be delivered again (mail-rules 14).
    pub(crate) fn is_halted(&self) -> bool {
        *self.stopping.borrow() || self.parts.spool.is_poisoned()
    }

    /// Does what nothing depends on yet, such as to connect; none if the server stops first.
    pub(crate) async fn unless_stopped<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        let mut stopping = self.stopping.subscribe();
        tokio::select! {
            biased;
            result = what => Some(result),
            _ = stopping.wait_for(|stopping| *stopping) => None,
        }
    }

    /// The site of this name, made if it is new. Local delivery is a site too: `None`.
    pub(crate) fn site(&self, name: Option<&Arc<str>>) -> Arc<Site> {
        let key = SiteKey {
            site: name.map_or_else(|| LOCAL.into(), Arc::clone),
            source: None,
            stream: mail::Stream::default(),
        };
        let (workers_start, workers_max) = match name {
            Some(_) => (self.connections_usual(), self.config.connections_per_site),
            None => (self.config.local_parallelism, self.config.local_parallelism),
        };
        let limits = Limits { workers_start, workers_max, ready_max: self.config.ready_max };
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Site::new(key.clone(), limits, Arc::clone(&self.changes)));
        Arc::clone(sites.entry(key.clone()).or_insert_with(new))
    }

    /// How many connections a site may have that we know nothing of.
    pub(crate) fn connections_usual(&self) -> usize {
        WORKERS_START.min(self.config.connections_per_site).max(1)
    }

    /// How all sites fare; local delivery is none of them.
    pub(crate) fn sites(&self) -> Vec<SiteStatus> {
        let sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        let remote: Vec<_> = sites.values().filter(|site| &*site.key.site != LOCAL).cloned().collect();
        drop(sites);
        let mut all: Vec<SiteStatus> = remote.iter().map(|site| site.status()).collect();
        all.sort_by(|a, b| a.site.cmp(&b.site));
        all
    }

    /// Lets no site rest any longer.
    pub(crate) fn wake_sites(&self) {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner).values().for_each(|site| site.wake());
    }

    /// Forgets sites that nothing is to be remembered of; and what was learned first, where there is too much.
    pub(crate) fn prune(&self, now: Timestamp) {
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        sites.retain(|_, site| !site.prune(now, forgotten_by(now)));
        let mut lessons = Vec::new();
        sites.values().for_each(|site| site.lessons(&mut lessons));
        let surplus = lessons.len().saturating_sub(self.config.lessons_max);
        if surplus > 0 {
            let (_, last, _) = lessons.select_nth_unstable(surplus - 1);
            sites.retain(|_, site| !site.prune(now, *last));
        }
    }

    /// Whether there are so many sites that some are to be forgotten before it is time.
    pub(crate) fn has_too_many_sites(&self) -> bool {
        let Config { lessons_max, connections, workers_waiting_max, .. } = self.config;
        let sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner).len();
        sites > lessons_max.saturating_mul(2).saturating_add(connections).saturating_add(workers_waiting_max)
    }

    /// Runs a task that shutdown waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Stops: nothing new is begun; what waits in memory is given back; the tasks that still run are handed out.
    pub(crate) fn stop(&self) -> JoinSet<()> {
        self.stopping.send_replace(true);
        let sites: Vec<_> =
            self.sites.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for site in sites {
            let Cleared { jobs, parked } = site.close();
            for job in &jobs {
                self.parts.spool.put_back(&job.work);
            }
            self.release(&parked);
        }
        std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives domains back to the schedule.
    pub(crate) fn release(&self, domains: &[Domain]) {
        if domains.is_empty() {
            return;
        }
        for domain in domains {
            self.parts.spool.release(domain);
        }
        self.poke.notify_one();
    }

    /// Reads a message back. If that cannot be, its recipients are put off and it is said loudly.
    pub(crate) async fn load(&self, work: &Work) -> Option<Loaded> {
        match self.parts.spool.load(work.id).await {
            Ok(loaded) if is_too_late(&loaded.envelope, self.now()) => {
                self.too_late(work, &loaded.envelope).await;
                None
            }
            Ok(loaded) => Some(loaded),
            // Removed by an operator in the meantime, or the spool is being closed: nothing is owed or can be said.
            Err(SpoolError::Unknown(_) | SpoolError::Closed | SpoolError::Poisoned) => {
                self.parts.spool.put_back(work);
                None
            }
            Err(error) => {
                self.put_off(work, &error);
                None
            }
        }
    }

    /// RFC 2852 §4: what its sender wants returned by now is not tried any more. By a clock that is in doubt it waits.
    async fn too_late(&self, work: &Work, envelope: &Arc<Envelope>) {
        let late = |number: &u32| Finding::own(*number, Fate::Deferred, replies::too_late());
        let findings: Vec<Finding> = work.recipients.iter().map(late).collect();
        self.settle("deliver/route", envelope, &findings).await;
    }

    /// Puts recipients off whose message cannot be read: there is no envelope to judge by.
    fn put_off(&self, work: &Work, error: &SpoolError) {
        tracing::error!(queue_id = %work.id, station = "deliver", %error, "a message in the spool cannot be read");
        self.put_off_for(work, &replies::unreadable());
    }

    /// A task of ours broke off in a panic. What it had in hand is put off: it must neither wait for a restart nor break the next
    /// task at once.
    pub(crate) fn broke_off(&self, work: &Work) {
        let work = self.parts.spool.still_in_flight(work);
        if work.recipients.is_empty() {
            return;
        }
        tracing::error!(queue_id = %work.id, station = "deliver", "a delivery broke off by a fault of ours: its recipients wait");
        self.put_off_for(&work, &replies::broke_off());
    }

    fn put_off_for(&self, work: &Work, reply: &Reply) {
        let until = self.now().after(Duration::from_hours(1));
        let outcomes = work.recipients.iter().map(|recipient| {
            let mut outcome = RecipientOutcome::new(*recipient, Disposition::Deferred { until });
            outcome.attempted = false;
            outcome.reply = Some(reply.clone());
            outcome
        });
        let outcomes = outcomes.collect();
        self.parts.spool.finish(Finished { id: work.id, outcomes, events: Vec::new(), reports: Vec::new() });
    }

    /// Puts recipients off whose content was found damaged while it was read.
    pub(crate) async fn content_unreadable(&self, station: &'static str, work: &Work, error: &SpoolError) {
        tracing::error!(queue_id = %work.id, station, %error, "the content of a message cannot be read");
        let Some(loaded) = self.load(work).await else { return };
        let finding = |number: &u32| Finding::own(*number, Fate::Deferred, replies::unreadable());
        let findings: Vec<_> = work.recipients.iter().map(finding).collect();
        self.settle(station, &loaded.envelope, &findings).await;
    }

    /// Defers jobs and domains that wait for a site at rest, without an attempt each.
    ///
    /// `asked` is how often somebody had asked for a retry when the rest was looked at: who asks again meanwhile means these too.
    pub(crate) async fn turn_away(
        &self,
        cleared: Cleared,
        site: &Arc<str>,
        suspension: &Suspension,
        asked: u64,
    ) {
        for Job { work, .. } in cleared.jobs {
            self.defer_rested(&work, site, suspension, asked).await;
        }
        for domain in cleared.parked {
            self.turn_domain_away(&domain, site, suspension, asked).await;
        }
    }

    /// Defers all that is due in a domain whose site rests, and gives the domain back. If that takes longer than the rest,
    /// the others are for whoever looks next: who is deferred to a time that is over is due again.
    pub(crate) async fn turn_domain_away(
        &self,
        domain: &Domain,
        site: &Arc<str>,
        suspension: &Suspension,
        asked: u64,
    ) {
        let _checked_out = OnPanic(|| self.release(std::slice::from_ref(domain)));
        let begun = self.now();
        while self.now() < suspension.until
            && self.parts.spool.retries() == asked
            && let Some(works) = self.due(domain, begun)
        {
            let _in_hand = OnPanic(|| works.iter().for_each(|work| self.broke_off(work)));
            for work in &works {
                self.defer_rested(work, site, suspension, asked).await;
            }
        }
        self.release(std::slice::from_ref(domain));
    }

    /// Ends all that is due in a domain by one reply of our own, and gives the domain back. What becomes due meanwhile is for
    /// another look at its route.
    pub(crate) async fn fail_domain(&self, domain: &Domain, fate: Fate, reply: &Reply) {
        let _checked_out = OnPanic(|| self.release(std::slice::from_ref(domain)));
        let begun = self.now();
        while let Some(works) = self.due(domain, begun) {
            let _in_hand = OnPanic(|| works.iter().for_each(|work| self.broke_off(work)));
            for work in &works {
                let Some(loaded) = self.load(work).await else { continue };
                let finding = |number: &u32| Finding::own(*number, fate, reply.clone());
                let findings: Vec<_> = work.recipients.iter().map(finding).collect();
                self.settle("deliver/route", &loaded.envelope, &findings).await;
            }
        }
        self.release(std::slice::from_ref(domain));
    }

    /// The next piece of what was due in a domain at a time: memory does not grow with the backlog.
    fn due(&self, domain: &Domain, then: Timestamp) -> Option<Vec<Work>> {
        if self.is_halted() {
            return None;
        }
        let works = self.parts.spool.take(domain, then, 64);
        (!works.is_empty()).then_some(works)
    }

    pub(crate) async fn defer_rested(
        &self,
        work: &Work,
        site: &Arc<str>,
        suspension: &Suspension,
        asked: u64,
    ) {
        if self.parts.spool.retries() != asked {
            return self.parts.spool.put_back(work);
        }
        let Some(loaded) = self.load(work).await else { return };
        let endpoint = suspension
            .host
            .as_ref()
            .map(|host| Arc::new(Endpoint::unreached(Arc::clone(host), None, Arc::clone(site))));
        let finding = |number: &u32| Finding {
            rested: Some(Rest { failed_at: suspension.failed_at, until: suspension.until }),
            paused: suspension.paused,
            endpoint: endpoint.clone(),
            ..Finding::own(*number, Fate::Deferred, suspension.reply.clone())
        };
        let findings: Vec<_> = work.recipients.iter().map(finding).collect();
        self.settle("deliver/site", &loaded.envelope, &findings).await;
        // Who asked while it was in hand found nothing that waited.
        if self.parts.spool.retries() != asked {
            self.parts.spool.hasten(work, self.now());
        }
    }
}
