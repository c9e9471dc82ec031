//! Does what the plan says, for as long as the server runs.

use std::{sync::Arc, time::Duration};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use disk::{Clock, Disk, Random};
use dns_update::Server;
use instant_acme::{Account, CertificateIdentifier};
use mail::Timestamp;
use net::{
    Accepted, Admission, Anchors, AnchorsError, Bound, Certificates, ClientLimits, Connector, Identity,
    Shutdown, TlsChallenges,
};
use rcgen::KeyPair;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    account::{self, on_disk},
    client::{Client, Refusals},
    config::{Config, Method},
    failure::Failure,
    http::HttpChallenges,
    keys,
    order::{self, Obtained},
    plan::{Alarm, Holds, Next, Plan, Window},
    self_signed,
    solver::{Opened, Solver},
    status::{Status, Watch},
    store::{KeptProgress, Store, StoreError},
};

/// The longest sleep: somebody may set the clock meanwhile.
const NAP: Duration = Duration::from_mins(10);
/// A whole attempt, with all that the authority may take for its part.
const ATTEMPT_WITHIN: Duration = Duration::from_mins(30);
/// What is open may take so long to close when the server stops.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// Who asks for challenges: some from an authority, many from strangers.
const SESSIONS_MAX: usize = 64;
const SESSIONS_PER_ADDRESS_MAX: usize = 8;
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// What a keeper works with.
#[derive(Clone)]
pub struct Parts {
    /// Where things are kept.
    pub disk: Arc<dyn Disk>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// What handshakes show.
    pub certificates: Certificates,
    /// What handshakes answer while a challenge by TLS is open.
    pub challenges: TlsChallenges,
}

/// Keeps a certificate for some names.
pub struct Keeper {
    shared: Arc<Shared>,
    plan: Plan,
    /// What is shown now, with an authority's signature or without.
    shown: Identity,
    /// When a failure was last told.
    told: Option<(Alarm, Timestamp)>,
    watch: Watch,
}

/// What an attempt needs.
struct Shared {
    config: Config,
    parts: Parts,
    store: Store,
    solver: Solver,
}

/// Why there is no keeper.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody could be believed to be the authority.
    #[error("cannot verify the authority: {0}")]
    Anchors(#[from] AnchorsError),
    /// No certificate of our own could be made.
    #[error("cannot make a certificate: {0}")]
    SelfSigned(String),
}

impl Keeper {
    /// Shows the certificate that is kept, or else one of our own; asks nobody for anything yet.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(config: Config, parts: Parts) -> Result<Self, OpenError> {
        let (store, plan, shown) = begin(&config, &parts)?;
        let now = parts.clock.now();
        let solver = match &config.method {
            Method::Http => Solver::Http(HttpChallenges::default()),
            Method::Tls => Solver::Tls(parts.challenges.clone()),
            Method::Dns(update) => dns(update, &parts),
        };
        let shared = Arc::new(Shared { config, parts, store, solver });
        let keeper = Self { shared, plan, shown, told: None, watch: Watch::default() };
        keeper.show();
        keeper.tell_status(now);
        Ok(keeper)
    }

    /// Goes on by other settings as a start would.
    fn change(&mut self, config: Config) {
        let parts = self.shared.parts.clone();
        let (store, plan, shown) = match begin(&config, &parts) {
            Ok(begun) => begun,
            Err(error) => {
                tracing::error!(station = "tls/acme", "the old settings stay in force: {error}");
                return;
            }
        };
        let solver = match &config.method {
            Method::Dns(update) => dns(update, &parts),
            Method::Http | Method::Tls => self.shared.solver.clone(),
        };
        self.shared = Arc::new(Shared { config, parts, store, solver });
        (self.plan, self.shown, self.told) = (plan, shown, None);
        self.show();
    }

    /// A look at how things stand.
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// The answers to challenges by HTTP, for a web server that has the port where an authority asks. None if challenges are answered otherwise.
    pub fn http_challenges(&self) -> Option<HttpChallenges> {
        match &self.shared.solver {
            Solver::Http(challenges) => Some(challenges.clone()),
            Solver::Tls(_) | Solver::Dns(_) => None,
        }
    }

    /// Answers challenges on these sockets, and keeps the certificate, until the word to stop.
    ///
    /// # Errors
    /// A socket cannot be used.
    pub async fn run(mut self, bound: Vec<Bound>, mut shutdown: Shutdown) -> std::io::Result<()> {
        let mut responders = JoinSet::new();
        for bound in bound {
            responders.spawn(respond(self.shared.solver.clone(), bound, shutdown.clone()));
        }
        loop {
            let now = self.shared.parts.clock.now();
            self.remind(now);
            self.tell_status(now);
            let pause = match self.plan.next(now) {
                Next::Obtain => {
                    self.attempt(&shutdown).await;
                    Duration::ZERO
                }
                Next::Ask => {
                    self.ask().await;
                    Duration::ZERO
                }
                Next::Wait(until) => until.since(now).clamp(Duration::from_millis(1), NAP),
            };
            tokio::select! {
                biased;
                () = shutdown.requested() => break,
                Some(ended) = responders.join_next() => ended.map_err(std::io::Error::other)??,
                () = self.watch.nudged() => {
                    if let Some(config) = self.watch.wanted() {
                        self.change(config);
                    }
                    self.nudge();
                }
                () = sleep(pause) => {}
            }
        }
        while responders.join_next().await.is_some() {}
        Ok(())
    }

    fn nudge(&mut self) {
        if !self.plan.nudge() {
            let until = self.plan.obtain_at();
            tracing::warn!(station = "tls/acme", %until, "the authority wants no attempt before");
        }
    }

    /// One attempt. In a task of its own: whatever it stumbles over, there will be another.
    async fn attempt(&mut self, shutdown: &Shutdown) {
        let names = self.shared.config.names.join(" ");
        tracing::info!(station = "tls/acme", %names, directory = self.shared.config.directory, "asking the authority for a certificate");
        let replaces = self.plan.holds().and_then(|_| identifier(&self.shown));
        let task = tokio::spawn(attempt(Arc::clone(&self.shared), replaces, shutdown.clone()));
        let result = task.await.unwrap_or_else(|error| Err(Some(Failure::new(error.to_string()))));
        let (now, chance) = (self.shared.parts.clock.now(), self.shared.parts.random.next_u64());
        match result {
            Ok(Obtained { identity, .. }) => {
                self.plan.obtained(now, holds(&identity), chance);
                self.shown = identity;
                self.show();
                self.told = None;
                let (until, renewal) = (self.shown.not_after(), self.plan.obtain_at());
                tracing::info!(station = "tls/acme", %names, %until, %renewal, "certificate obtained; it is shown from now on");
            }
            // The server stops.
            Err(None) => return,
            Err(Some(failure)) => {
                self.plan.failed(now, &failure, chance);
                self.tell(now);
            }
        }
        self.keep_progress().await;
    }

    /// Asks when the certificate is to be renewed.
    async fn ask(&mut self) {
        let asked = match identifier(&self.shown) {
            Some(identifier) => window(&self.shared, &identifier).await,
            None => Err(Failure::new("the certificate does not name its authority")),
        };
        let (now, chance) = (self.shared.parts.clock.now(), self.shared.parts.random.next_u64());
        let before = self.plan.obtain_at();
        match asked {
            Ok(Some((window, why, again))) => {
                let Window { start, end } = window;
                if !self.plan.windowed(now, window, again, chance) {
                    tracing::warn!(station = "tls/acme", %start, %end, "the authority wants the renewal in a time that has no sense");
                } else if self.plan.obtain_at() != before {
                    let (renewal, why) = (self.plan.obtain_at(), why.unwrap_or_default());
                    tracing::info!(station = "tls/acme", %start, %end, %renewal, why, "the authority says when to renew");
                }
            }
            Ok(None) => self.plan.not_windowed(now),
            Err(failure) => {
                self.plan.not_windowed(now);
                tracing::info!(
                    station = "tls/acme",
                    "the authority does not say when to renew: {}",
                    failure.text
                );
            }
        }
        self.keep_progress().await;
    }

    fn show(&self) {
        self.shared.parts.certificates.replace_obtained(std::slice::from_ref(&self.shown));
    }

    async fn keep_progress(&self) {
        let progress = self.plan.progress().clone();
        let kept = on_disk(&self.shared.store, &self.shared.config, move |store, config| {
            let (directory, names) = (config.directory.clone(), config.names.clone());
            store.keep_progress(&KeptProgress { directory, names, profile: config.profile.clone(), progress })
        });
        if let Err(failure) = kept.await {
            tracing::error!(station = "tls/acme", "cannot keep how far it is: {}", failure.text);
        }
    }

    /// Tells a failure again whose time it is, though nothing has happened.
    fn remind(&mut self, now: Timestamp) {
        let Some(alarm) = self.plan.alarm(now) else { return };
        let due = match (self.told, alarm.repeats()) {
            (Some((before, _)), _) if before < alarm => true,
            (Some((_, at)), Some(every)) => now >= at.after(every),
            (None, _) => true,
            (Some(_), None) => false,
        };
        if due {
            self.tell(now);
        }
    }

    fn tell(&mut self, now: Timestamp) {
        let Some(alarm) = self.plan.alarm(now) else { return };
        self.told = Some((alarm, now));
        let names = self.shared.config.names.join(" ");
        let why = self.plan.progress().why.as_deref().unwrap_or("no attempt has succeeded");
        let (failures, next) = (self.plan.progress().failures, self.plan.obtain_at());
        let left = left(self.plan.holds(), now);
        match alarm {
            Alarm::Warning => {
                tracing::warn!(station = "tls/acme", %names, failures, next_attempt = %next, "no new certificate: {why}; {left}");
            }
            Alarm::Error => {
                tracing::error!(station = "tls/acme", %names, failures, next_attempt = %next, "no new certificate: {why}; {left}");
            }
            Alarm::Urgent => {
                tracing::error!(station = "tls/acme", %names, failures, next_attempt = %next, "URGENT: {left}, and there is no new one: {why}");
            }
        }
    }

    fn tell_status(&self, now: Timestamp) {
        let progress = self.plan.progress();
        self.watch.set(Status {
            names: self.shared.config.names.clone(),
            certified: self.plan.holds().is_some(),
            expires: self.shown.not_after(),
            next_attempt: self.plan.obtain_at(),
            failures: progress.failures,
            failure: progress.why.clone(),
            alarm: self.plan.alarm(now),
        });
    }
}

/// How things stand by these settings: what is kept, when there is something to do, and what is shown until then.
fn begin(config: &Config, parts: &Parts) -> Result<(Store, Plan, Identity), OpenError> {
    let store = Store::open(&config.dir, Arc::clone(&parts.disk))?;
    connector(&config.anchors)?;
    let now = parts.clock.now();
    let certificate = store.certificate()?;
    let kept = store.progress()?;
    let same =
        kept.directory == config.directory && kept.names == config.names && kept.profile == config.profile;
    let holds = certificate.as_ref().filter(|_| same).map(holds);
    let progress = if same { kept.progress } else { crate::plan::Progress::default() };
    let plan = Plan::new(holds, progress, parts.random.next_u64());
    let shown = match certificate {
        Some(identity) => identity,
        None => own(config, &store, now)?,
    };
    if holds.is_none() && parts.certificates.given().is_empty() {
        let (names, until) = (shown.names().join(" "), shown.not_after());
        tracing::warn!(
            station = "tls/acme", %names, %until,
            "what is shown under TLS is not what was asked for until the authority has certified it"
        );
    }
    Ok((store, plan, shown))
}

fn dns(update: &dns_update::Config, parts: &Parts) -> Solver {
    let (clock, random) = (Arc::clone(&parts.clock), Arc::clone(&parts.random));
    Solver::Dns(Server::new(update.clone(), clock, random))
}

/// How long the certificate is still good, in words.
fn left(holds: Option<Holds>, now: Timestamp) -> String {
    let Some(holds) = holds else { return "there is none from this authority yet".to_owned() };
    let (left, until) = (holds.until.since(now), holds.until);
    let hours = left.as_secs() / 3600;
    match hours {
        _ if left.is_zero() => format!("the certificate has expired at {until}"),
        0..72 => format!("the certificate expires in {hours} hours, at {until}"),
        _ => format!("the certificate expires in {} days, at {until}", hours / 24),
    }
}

fn holds(identity: &Identity) -> Holds {
    Holds { from: identity.not_before(), until: identity.not_after() }
}

/// Until an authority has spoken. For the key that others were told, if they were: who goes by that needs no authority.
fn own(config: &Config, store: &Store, now: Timestamp) -> Result<Identity, OpenError> {
    let key = key(config, store).map_err(|failure| OpenError::SelfSigned(failure.text))?;
    let pem = self_signed::pem(&config.names, now, &key)
        .map_err(|error| OpenError::SelfSigned(error.to_string()))?;
    Identity::from_pem(pem.as_bytes(), pem.as_bytes())
        .map_err(|error| OpenError::SelfSigned(error.to_string()))
}

/// What a certificate is asked for with.
fn key(config: &Config, store: &Store) -> Result<KeyPair, Failure> {
    if config.reuse_key {
        return keys::kept(store);
    }
    KeyPair::generate().map_err(|error| Failure::new(error.to_string()))
}

fn connector(anchors: &Anchors) -> Result<Connector, AnchorsError> {
    Connector::verifying(anchors, "http/1.1")
}

/// RFC 9773 §4.1.
fn identifier(identity: &Identity) -> Option<CertificateIdentifier<'static>> {
    let net::CertificateId { authority, serial } = identity.id()?;
    let encoded = |octets: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(octets).into();
    Some(CertificateIdentifier { authority_key_identifier: encoded(&authority), serial: encoded(&serial) })
}

/// An attempt, from the account to the certificate on the disk. `None` as its failure: the server stops.
async fn attempt(
    shared: Arc<Shared>,
    replaces: Option<CertificateIdentifier<'static>>,
    mut shutdown: Shutdown,
) -> Result<Obtained, Option<Failure>> {
    let refusals = Refusals::default();
    let mut opened = Opened::default();
    let obtained = tokio::select! {
        biased;
        () = shutdown.requested() => Err(None),
        obtained = timeout(ATTEMPT_WITHIN, obtain(&shared, replaces, &refusals, &mut opened)) => {
            let obtained = obtained.unwrap_or_else(|_| Err(Failure::new("it took too long")));
            obtained.map_err(|failure| Some(Failure { retry_after: refusals.last(), ..failure }))
        }
    };
    let closing = shared.solver.close(&opened);
    if shutdown.is_requested() {
        let _ = timeout(CLOSE_WITHIN, closing).await;
    } else {
        closing.await;
    }
    if let Err(Some(failure)) = &obtained
        && failure.is("accountDoesNotExist")
    {
        // The next attempt makes another one.
        let aside = on_disk(&shared.store, &shared.config, |store, config| {
            store.put_account_aside(&config.directory)
        });
        if let Err(failure) = aside.await {
            tracing::error!(station = "tls/acme", "{}", failure.text);
        }
    }
    obtained
}

async fn obtain(
    shared: &Shared,
    replaces: Option<CertificateIdentifier<'static>>,
    refusals: &Refusals,
    opened: &mut Opened,
) -> Result<Obtained, Failure> {
    let Shared { config, store, solver, parts } = shared;
    let account = account(shared, refusals).await?;
    let key = on_disk(store, config, |store, config| Ok(key(config, store))).await??;
    let obtained =
        order::obtain(config, &key, &account, solver, replaces, opened, || parts.clock.now()).await?;
    // Before anybody sees it: what was shown once is there after the next start.
    let pem = obtained.pem.clone();
    on_disk(store, config, move |store, _| store.keep_certificate(&pem)).await?;
    Ok(obtained)
}

async fn account(shared: &Shared, refusals: &Refusals) -> Result<Account, Failure> {
    let Shared { config, store, parts, .. } = shared;
    let connector = connector(&config.anchors).map_err(|error| Failure::new(error.to_string()))?;
    let https = Client::new(connector, Arc::clone(&parts.clock), refusals.clone());
    account::open(config, store, &https).await
}

/// When the authority wants a certificate renewed, what it says about that, and when to ask again (RFC 9773 §4). None: it has no opinion.
async fn window(
    shared: &Arc<Shared>,
    identifier: &CertificateIdentifier<'static>,
) -> Result<Option<(Window, Option<String>, Duration)>, Failure> {
    let (shared, identifier) = (Arc::clone(shared), identifier.clone());
    let asked = tokio::spawn(async move {
        let account = account(&shared, &Refusals::default()).await?;
        match account.renewal_info(&identifier).await {
            Ok((info, again)) => {
                let millis =
                    |at: i128| Timestamp::from_millis(u64::try_from(at / 1_000_000).unwrap_or_default());
                let start = millis(info.suggested_window.start.unix_timestamp_nanos());
                let end = millis(info.suggested_window.end.unix_timestamp_nanos());
                let why = info.explanation_url.map(|url| crate::failure::line(&url));
                Ok(Some((Window { start, end }, why, again)))
            }
            Err(instant_acme::Error::Unsupported(_)) => Ok(None),
            Err(error) => Err(Failure::from(error)),
        }
    });
    asked.await.unwrap_or_else(|error| Err(Failure::new(error.to_string())))
}

/// Answers challenges on one socket.
async fn respond(solver: Solver, bound: Bound, shutdown: Shutdown) -> std::io::Result<()> {
    let clients = ClientLimits::of_sessions(SESSIONS_PER_ADDRESS_MAX);
    let admission = Admission::new(SESSIONS_MAX, clients);
    let session = move |accepted: Accepted| {
        let solver = solver.clone();
        async move {
            let Accepted { stream, client, permit, .. } = accepted;
            match solver {
                Solver::Http(challenges) => challenges.serve(stream).await,
                Solver::Tls(challenges) => match challenges.answer(stream, HANDSHAKE_WITHIN).await {
                    Ok(()) => {
                        tracing::info!(station = "tls/acme", client = %client.ip(), "challenge answered");
                    }
                    Err(error) => tracing::debug!(station = "tls/acme", client = %client.ip(), "{error}"),
                },
                Solver::Dns(_) => {}
            }
            drop(permit);
        }
    };
    bound.serve(admission, shutdown, CLOSE_WITHIN, session, |_| Vec::new()).await
}
