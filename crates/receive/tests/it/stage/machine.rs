//! What the service runs on: clock, disk, spool and event log.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use disk::Clock;
use mail::Envelope;
use spool::{
    Config, Disposition, Finished, ListFilter, Loaded, RecipientOutcome, Reserve, SEGMENT_OCTETS_MIN, Spool,
    SpoolError, Work,
};
use testkit::{
    clock::FakeClock,
    disk::{SeededRandom, SimDisk},
};

/// How long an event may take to reach the log, in real time.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often the spool looks at the room on its disk, and more.
const SPACE_CHECKED: Duration = Duration::from_secs(2);

pub(crate) struct Machine {
    pub(crate) spool: Spool,
    pub(crate) clock: Arc<FakeClock>,
    /// The spool's. The event log has another, so that a fault hits only the spool.
    disk: SimDisk,
    events: mpsc::Receiver<Vec<u8>>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// With a change to the settings of the spool.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let disk = SimDisk::default();
        let clock = Arc::new(FakeClock::default());
        let config = events::Config::new("/events".into());
        let log = events::Log::open(config, Arc::new(SimDisk::default()), clock.clone()).unwrap();
        let (told, events) = mpsc::channel();
        log.subscribe(Box::new(move |line| told.send(line.to_vec()).is_ok()));
        // Smaller than for a laptop: each test makes its own.
        let reserve = Reserve { percent: 0, min: 4096, max: 4096 };
        let mut config =
            Config { segment_octets: SEGMENT_OCTETS_MIN, reserve, ..Config::small("/spool".into()) };
        change(&mut config);
        let random = Arc::new(SeededRandom::new(7));
        let (spool, _) =
            Spool::open(config, Arc::new(disk.clone()), clock.clone(), random, Arc::new(log)).unwrap();
        Self { spool, clock, disk, events }
    }

    /// `disk:` lines: `full`, `fails` (whatever is written), `ok`.
    pub(crate) fn fault(&self, fault: &str) -> Result<(), String> {
        self.clock.advance(SPACE_CHECKED);
        match fault {
            "full" => self.disk.set_capacity(Some(self.disk.used())),
            "fails" => self.disk.set_read_only(true),
            "ok" => {
                self.disk.set_capacity(None);
                self.disk.set_read_only(false);
                self.wait_for_room()?;
            }
            _ => return Err(format!("no fault: {fault}")),
        }
        Ok(())
    }

    /// The spool looks for room now and then, in real time, and tells nobody when it has found some.
    fn wait_for_room(&self) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            match self.spool.accepts() {
                Err(SpoolError::Full { .. }) if begun.elapsed() > PATIENCE => return Err("still full".into()),
                Err(SpoolError::Full { .. }) => thread::yield_now(),
                _ => return Ok(()),
            }
        }
    }

    /// An attempt for a domain that fails for now: its recipients are due in an hour.
    pub(crate) async fn deferred(&self, domain: &str) -> Result<(), String> {
        let domain = mail::Domain::parse(domain).map_err(|error| error.to_string())?;
        let now = self.clock.now();
        let until = now.after(Duration::from_hours(1));
        let work = self.spool.take(&domain, now, usize::MAX);
        for Work { id, recipients, .. } in work {
            let deferred = |number| RecipientOutcome::new(number, Disposition::Deferred { until });
            let outcomes = recipients.into_iter().map(deferred).collect();
            let finished = Finished { id, outcomes, events: Vec::new(), reports: Vec::new() };
            self.spool.finish_durable(finished).await.map_err(|error| error.to_string())?;
        }
        self.spool.release(&domain);
        Ok(())
    }

    /// Delivers all that is due in a domain.
    pub(crate) async fn deliver(&self, domain: &str) {
        let domain = mail::Domain::parse(domain).unwrap();
        for Work { id, recipients, .. } in self.spool.take(&domain, self.clock.now(), usize::MAX) {
            let delivered = |number| RecipientOutcome::new(number, Disposition::Delivered);
            let outcomes = recipients.into_iter().map(delivered).collect();
            let finished = Finished { id, outcomes, events: Vec::new(), reports: Vec::new() };
            self.spool.finish_durable(finished).await.unwrap();
        }
    }

    /// The domains with mail that is due.
    pub(crate) fn due(&self) -> String {
        let now = self.clock.now();
        let due = self
            .spool
            .domains(usize::MAX)
            .into_iter()
            .filter(|stats| stats.next_due.is_some_and(|due| due <= now));
        let mut due: Vec<_> = due.map(|stats| stats.domain.to_string()).collect();
        due.sort();
        due.join(" ")
    }

    /// The youngest message, or the youngest report of ours.
    async fn youngest(&self, report: bool) -> Result<Loaded, String> {
        let mut messages = self.spool.list(&ListFilter::default());
        while let Some(last) = messages.pop() {
            let loaded = self.spool.load(last.id).await.map_err(|error| error.to_string())?;
            if (&*loaded.envelope.listener == message::dsn::DSN_LISTENER) == report {
                return Ok(loaded);
            }
        }
        Err("no message".into())
    }

    /// The envelope of the youngest message.
    pub(crate) async fn envelope(&self) -> Result<Arc<Envelope>, String> {
        Ok(self.youngest(false).await?.envelope)
    }

    /// The content of the youngest message, or of the youngest report.
    pub(crate) async fn content(&self, report: bool) -> Result<Vec<u8>, String> {
        let mut loaded = self.youngest(report).await?;
        let mut content = Vec::new();
        while let Some(piece) = loaded.content.next().await.map_err(|error| error.to_string())? {
            content.extend_from_slice(&piece);
        }
        Ok(content)
    }

    /// Whether the next event in the log has all these words.
    pub(crate) fn event(&self, words: &str) -> Result<(), String> {
        let line = self.events.recv_timeout(PATIENCE).map_err(|_| "no event came")?;
        let line = String::from_utf8_lossy(&line);
        let missing = words.split(' ').find(|word| !line.contains(word));
        missing.map_or(Ok(()), |word| Err(format!("no {word} in {line}")))
    }
}
