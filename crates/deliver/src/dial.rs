//! The tour through the hosts of a route, until one is ready to take mail.

use std::{fmt::Display, io, sync::Arc, time::Duration};

use mail::{Reply, ReplyClass, Timestamp};
use net::Connector;
use smtp::client::{Failure, FailureKind, Login, Phase};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    config::Config,
    connect::{Stream, is_our_fault},
    next_hop::{NextHop, Place, PoolKey},
    outcome::Endpoint,
    pace::Round,
    relay::Proof,
    remote::Connection,
    replies,
    reply_table::{self, Scope, What},
    shared::Shared,
    site::{Refusal, Site},
    targets::Target,
    tls_policy::{Demand, Protection},
    worker::STATION,
};

/// Addresses that are tried however long it takes (RFC 5321 §5.1).
const TRIED_MIN: usize = 2;
/// The first pause where a connection cannot be opened for want of something here; doubled up to the last.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_LAST: Duration = Duration::from_secs(1);
/// So many hosts that lack what a message needs are asked beyond the budget of addresses.
const UNFIT_MAX: usize = 20;

/// The addresses that are still to be tried in this attempt, and how it went so far.
#[derive(Debug, Default)]
pub(crate) struct Tour {
    /// Begun when it is first needed: with a kept connection it never is.
    search: Option<Search>,
    /// When the attempt began, as the site counts.
    pub(crate) round: Round,
    /// Sessions that came as far as a good reply to EHLO or HELO.
    pub(crate) sessions: usize,
    /// Sessions that broke off later.
    pub(crate) broken_off: usize,
    /// The last failure.
    pub(crate) trouble: Option<Trouble>,
    /// The budget of the relay is used up until then.
    pub(crate) spent: Option<Timestamp>,
    /// What a host has against our account, or why we cannot log in: other hosts would say the same.
    pub(crate) account: Option<Trouble>,
    /// The tour was given up because nothing may be begun any more.
    pub(crate) halted: bool,
    /// A host to which the message cannot go, for its size or for want of an extension, and what we say to that.
    pub(crate) unfit: Option<Trouble>,
    /// Where such hosts are.
    left: Vec<Place>,
    /// It ended before all addresses were tried.
    pub(crate) cut_short: bool,
    /// No connection could be opened, by a fault of this machine: it says nothing of the site.
    pub(crate) stuck: Option<Reply>,
}

/// Address after address, for a time.
#[derive(Debug)]
struct Search {
    targets: std::vec::IntoIter<Target>,
    begun: Instant,
    tried: usize,
    /// Those of them that were reached and lack something.
    unfit: usize,
}

/// How a host failed.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) reply: Reply,
    pub(crate) peer_words: bool,
    pub(crate) endpoint: Arc<Endpoint>,
}

impl Tour {
    /// For an attempt that begins now.
    pub(crate) fn new(site: &Site) -> Self {
        Self { round: site.round(), ..Self::default() }
    }

    /// Begins with the first host again.
    pub(crate) fn begin_anew(&mut self) {
        self.search = None;
    }

    /// Leaves a host that was reached and cannot be sent this message, for this reason: it is not asked again in this
    /// attempt. The budget of addresses is for those that cannot be reached.
    pub(crate) fn leave(&mut self, connection: &Connection, reply: Reply) {
        let endpoint = Arc::clone(&connection.endpoint);
        self.unfit = Some(Trouble { reply, peer_words: false, endpoint });
        self.left.push(connection.key.place.clone());
        // A kept connection was not counted yet.
        self.sessions = self.sessions.max(1);
        if let Some(search) = &mut self.search {
            search.unfit += 1;
        }
    }

    /// A session with the next host that is ready. None when there are no more hosts.
    pub(crate) async fn next(&mut self, shared: &Shared, site: &Site, hop: &NextHop) -> Option<Connection> {
        loop {
            let search = self.search.get_or_insert_with(|| Search::new(shared, site, hop));
            let Config { timeouts, addresses_max, .. } = &shared.config;
            let Some(Target { host, place, tls }) = search.next(timeouts.search, *addresses_max) else {
                self.cut_short = !search.targets.as_slice().is_empty();
                return None;
            };
            if self.left.contains(&place) {
                search.unfit += 1;
                continue;
            }
            let address = place.tcp();
            let endpoint = Arc::new(Endpoint::unreached(Arc::clone(&host), address, Arc::clone(&hop.site)));
            let key = PoolKey { host, place, tls, terms: hop.terms.clone() };
            let opened = if shared.is_halted() {
                None
            } else {
                shared.unless_stopped(open(shared, site, self.round, &endpoint, key.clone())).await
            };
            let Some(opened) = opened else {
                self.halted = true;
                return None;
            };
            match opened {
                Ok(connection) => {
                    site.forgive(&connection.key.place);
                    self.sessions += 1;
                    return Some(connection);
                }
                Err(Unopened::Host(trouble)) => {
                    // That it is not good enough for this mail is no reason to keep other mail from it.
                    if !trouble.endpoint.protection.is_refused() {
                        site.shun(key.place, shared.now());
                    }
                    self.trouble = Some(trouble);
                }
                Err(Unopened::Account(trouble)) => {
                    self.account = Some(trouble);
                    return None;
                }
                Err(Unopened::Here(reply)) => {
                    self.stuck = Some(reply);
                    return None;
                }
            }
        }
    }
}

impl Search {
    fn new(shared: &Shared, site: &Site, hop: &NextHop) -> Self {
        let now = shared.now();
        let is_shunned = |place: &Place| site.is_shunned(place, now);
        let targets = hop.targets(shared.config.addresses_max, || shared.random(), is_shunned);
        Self { targets: targets.into_iter(), begun: Instant::now(), tried: 0, unfit: 0 }
    }

    /// The next address, unless `max` were tried in vain or enough time was spent.
    fn next(&mut self, time: Duration, max: usize) -> Option<Target> {
        let too_many = self.tried >= max.max(1) + self.unfit.min(UNFIT_MAX);
        if too_many || self.tried >= TRIED_MIN && self.begun.elapsed() >= time {
            return None;
        }
        self.tried += 1;
        self.targets.next()
    }
}

/// Why there is no session.
enum Unopened {
    /// For the host.
    Host(Trouble),
    /// For our account there.
    Account(Trouble),
    /// For want of something here.
    Here(Reply),
}

/// A session with a host, logged in if we have an account there. A token that is not taken, however good it looked, is tried once more as another.
async fn open(
    shared: &Shared,
    site: &Site,
    round: Round,
    endpoint: &Arc<Endpoint>,
    key: PoolKey,
) -> Result<Connection, Unopened> {
    let account =
        key.terms.relay().and_then(|relay| relay.account.clone().map(|account| (Arc::clone(relay), account)));
    let Some((relay, account)) = account else {
        return open_as(shared, site, round, endpoint, key, None).await;
    };
    let mut again = matches!(account.proof, Proof::Tokens(_));
    loop {
        let login = account.login(&nonce(shared)).await.map_err(|why| {
            let reply = replies::no_token(&relay.name, &why);
            Unopened::Account(Trouble { reply, peer_words: false, endpoint: Arc::clone(endpoint) })
        })?;
        let token = login.credentials.password.clone();
        let opened = open_as(shared, site, round, endpoint, key.clone(), Some(login)).await;
        match (&opened, &account.proof) {
            (Err(Unopened::Account(trouble)), Proof::Tokens(tokens))
                if trouble.reply.class() == ReplyClass::Permanent && trouble.peer_words && again =>
            {
                tokens.refused(&token);
                again = false;
            }
            _ => return opened,
        }
    }
}

/// Printable, without a comma (RFC 5802 §5.1).
fn nonce(shared: &Shared) -> String {
    format!("{:016x}{:016x}", shared.random(), shared.random())
}

/// A session with a host, in clear if TLS with it does not work and that is allowed.
async fn open_as(
    shared: &Shared,
    site: &Site,
    round: Round,
    endpoint: &Arc<Endpoint>,
    key: PoolKey,
    login: Option<Login>,
) -> Result<Connection, Unopened> {
    let demand = key.tls.clone();
    if let Demand::Forbidden { why, .. } = &demand {
        let (reply, endpoint) = (replies::forbidden(why, demand.word()), insecure(endpoint, &demand, why));
        return Err(Unopened::Host(Trouble { reply, peer_words: false, endpoint }));
    }
    let tls = demand.connector(&shared.parts.tls);
    let mut opened = session(shared, site, Arc::clone(endpoint), key.clone(), (tls, login.clone())).await;
    if let Err(NoSession::Failed { without_tls: Some(why), .. }) = &opened
        && demand.allows_clear()
    {
        tracing::info!(host = %endpoint.host, station = STATION, why, "no TLS with the host; going on in clear");
        let endpoint = insecure(endpoint, &demand, why);
        opened = session(shared, site, endpoint, key, (None, login)).await;
    }
    opened.map_err(|none| match none {
        NoSession::Unconnected(unopened) => unopened,
        NoSession::Insecure(trouble) => {
            tracing::info!(host = %endpoint.host, station = STATION, policy = demand.word(), reply = %trouble.reply,
                "the host is not as secure as it has to be; nothing was sent to it");
            Unopened::Host(trouble)
        }
        NoSession::Failed { failure, .. } => {
            let (reply, peer_words) = words(&failure, &endpoint.host);
            let row = reply_table::decide(failure.phase, What::from(&failure.kind));
            if row.slows_after(&reply) {
                site.slowed(round, refusal(shared, &reply, endpoint));
            }
            let trouble = Trouble { reply, peer_words, endpoint: Arc::clone(endpoint) };
            if row.scope == Scope::Account { Unopened::Account(trouble) } else { Unopened::Host(trouble) }
        }
    })
}

/// The host, with which TLS did not work.
fn insecure(endpoint: &Endpoint, demand: &Demand, why: &str) -> Arc<Endpoint> {
    let protection = Protection::Failed { policy: demand.word(), why: why.into(), met: None };
    Arc::new(Endpoint { protection, ..endpoint.clone() })
}

/// Why a session did not come about.
enum NoSession {
    /// There is no connection either.
    Unconnected(Unopened),
    /// The host is not as secure as it has to be.
    Insecure(Trouble),
    /// It failed before mail could be sent.
    Failed {
        failure: Box<Failure>,
        /// It failed for the sake of TLS, and this is how: without it, it may go better.
        without_tls: Option<String>,
    },
}

async fn session(
    shared: &Shared,
    site: &Site,
    endpoint: Arc<Endpoint>,
    key: PoolKey,
    (tls, login): (Option<&Connector>, Option<Login>),
) -> Result<Connection, NoSession> {
    let timeouts = &shared.config.timeouts;
    let peer = match &key.place {
        Place::Tcp(address) => format!("{} ({address})", key.host),
        Place::Unix(_) => key.host.to_string(),
    };
    let room = shared.places.take(site.takes_mail()).await;
    let unreachable = |problem: &dyn Display| {
        let reply = replies::unreachable(&peer, &problem);
        Unopened::Host(Trouble { reply, peer_words: false, endpoint: Arc::clone(&endpoint) })
    };
    let stream = connect(shared, &key.place).await.map_err(|unconnected| {
        NoSession::Unconnected(match unconnected {
            Unconnected::Here(error) => Unopened::Here(replies::no_socket(&error)),
            Unconnected::Refused(error) => unreachable(&error),
            Unconnected::Silent => unreachable(&"no answer in time"),
        })
    })?;
    let mut connection = Connection::new(stream, Arc::clone(&endpoint), key, room);
    let opened = connection.open(tls, login, timeouts, shared.now()).await;
    let insecure = insecurity(&connection, opened.as_ref().err().map(|failure| &**failure));
    if let (Ok(()), None) = (&opened, &insecure) {
        return Ok(connection);
    }
    let without_tls = opened.as_ref().err().and_then(|failure| connection.trouble_with_tls(failure));
    connection.quit(timeouts).await;
    Err(match (insecure, opened) {
        (Some(trouble), _) => NoSession::Insecure(trouble),
        (None, Err(failure)) => NoSession::Failed { failure, without_tls },
        (None, Ok(())) => NoSession::Unconnected(unreachable(&"no session")),
    })
}

/// What a session lacks that must not be in clear: mail-rules 19.
pub(crate) fn insecurity(connection: &Connection, failure: Option<&Failure>) -> Option<Trouble> {
    let (endpoint, demand) = (&connection.endpoint, &connection.key.tls);
    if demand.allows_clear() {
        return None;
    }
    let trouble = |reply, endpoint| Some(Trouble { reply, peer_words: false, endpoint });
    if let Some(unproven) = connection.unproven() {
        return trouble(replies::unproven(&endpoint.host, demand.word(), unproven), Arc::clone(endpoint));
    }
    let why = match failure {
        Some(failure) => connection.trouble_with_tls(failure)?,
        None if endpoint.protection.is_tls() => return None,
        None => "it does not begin TLS".to_owned(),
    };
    trouble(replies::no_tls(&endpoint.host, demand.word(), &why), insecure(endpoint, demand, &why))
}

/// Why there is no connection.
enum Unconnected {
    /// The host or the network did not want it.
    Refused(io::Error),
    /// Nobody answered in time.
    Silent,
    /// For want of something here.
    Here(io::Error),
}

/// Connects. What is wanting here others of ours have and give back soon, so it is waited for as long as for an answer.
async fn connect(shared: &Shared, place: &Place) -> Result<Box<dyn Stream>, Unconnected> {
    let (mut pause, mut wanting) = (PAUSE_FIRST, None);
    let connecting = async {
        loop {
            let connected = shared.parts.connect.connect(place).await;
            let Some(error) = connected.as_ref().err().filter(|error| is_our_fault(error)) else {
                return connected;
            };
            if let Some(connections) = shared.no_sockets.happened(shared.now()) {
                tracing::warn!(
                    station = "deliver/remote", %error, connections, "no connection can be opened for want of something here"
                );
            }
            wanting = connected.err();
            sleep(pause).await;
            wanting = None;
            pause = (pause * 2).min(PAUSE_LAST);
        }
    };
    let connected = timeout(shared.config.timeouts.connect, connecting).await;
    match (connected, wanting) {
        (Ok(connected), _) => connected.map_err(Unconnected::Refused),
        (Err(_), Some(error)) => Err(Unconnected::Here(error)),
        (Err(_), None) => Err(Unconnected::Silent),
    }
}

/// What a host has against us, to be remembered with its site.
pub(crate) fn refusal(shared: &Shared, reply: &Reply, endpoint: &Endpoint) -> Refusal {
    Refusal { at: shared.now(), reply: reply.clone(), host: Some(Arc::clone(&endpoint.host)) }
}

/// The words for a failure, and whether they are the peer's.
pub(crate) fn words(failure: &Failure, host: &str) -> (Reply, bool) {
    let problem = match &failure.kind {
        FailureKind::Reply(reply) => return (reply.clone(), true),
        FailureKind::Unfit(what) => return (replies::lacking(host, what), false),
        FailureKind::Garbled(what) => what,
        FailureKind::Closed => "the connection was closed",
        FailureKind::TimedOut => "no answer in time",
    };
    match failure.phase {
        Phase::DataFinal => (replies::in_doubt(host, problem), false),
        _ => (replies::broken_off(host, problem), false),
    }
}
