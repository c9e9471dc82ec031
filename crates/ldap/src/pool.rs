//! Connections to a directory, to be used again.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use net::{AnchorsError, Connector};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout},
};

use crate::{
    Config, LdapError,
    config::Secret,
    connection::{Connection, Found, Manner},
    message::{Outcome, Search},
};

/// Servers that were not there are left alone for so long.
const REST: Duration = Duration::from_secs(1);
/// Servers and what stands between end connections that say nothing, some after a few minutes.
const IDLE_MAX: Duration = Duration::from_mins(1);

/// Connections that are bound as one, or as somebody else each time.
#[derive(Debug)]
pub(crate) struct Pool {
    manner: Manner,
    servers: Vec<crate::Server>,
    /// As whom each connection is bound before it is used.
    bind: Option<(String, Secret)>,
    permits: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<(Connection, Instant)>,
    /// The server that answered last.
    first: usize,
    /// None of them answered; until then none is asked.
    rests_until: Option<Instant>,
}

/// A connection, and the right to have one.
struct Lent<'a> {
    connection: Connection,
    /// It has been used before, and may have died since.
    used: bool,
    _permit: SemaphorePermit<'a>,
}

impl Pool {
    /// Without any connection yet. `bound`: each is bound as the configuration says, or as nobody.
    ///
    /// # Errors
    /// There is nobody to believe a certificate from.
    pub(crate) fn new(config: &Config, bound: bool) -> Result<Self, AnchorsError> {
        // LDAP has no name in ALPN.
        let connector = Connector::verifying(&config.anchors, None)?;
        let Config { connect_timeout, timeout, .. } = *config;
        Ok(Self {
            manner: Manner { connector, connect_timeout, timeout },
            servers: config.servers.clone(),
            bind: config.bind.clone().filter(|_| bound),
            permits: Semaphore::new(config.connections_max),
            state: Mutex::default(),
        })
    }

    /// Searches; once more if the connection turns out to be dead.
    pub(crate) async fn search(&self, search: Search<'_>) -> Result<Found, LdapError> {
        loop {
            let mut lent = self.lend().await?;
            match lent.connection.search(search).await {
                Ok(found) => {
                    self.take_back(lent);
                    return Ok(found);
                }
                Err(error) if error.is_lost() && lent.used => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Binds as somebody, and searches as that; of a connection that is bound anew each time. What the server says of the bind, and
    /// what was found if that was good.
    pub(crate) async fn bind(
        &self,
        dn: &str,
        password: &str,
        search: Option<Search<'_>>,
    ) -> Result<(Outcome, Option<Found>), LdapError> {
        loop {
            let mut lent = self.lend().await?;
            let outcome = match lent.connection.bind(dn, password).await {
                Ok(outcome) => outcome,
                Err(error) if error.is_lost() && lent.used => continue,
                Err(error) => return Err(error),
            };
            let found = match search.filter(|_| outcome.is_success()) {
                Some(search) => Some(lent.connection.search(search).await?),
                None => None,
            };
            self.take_back(lent);
            return Ok((outcome, found));
        }
    }

    /// A connection of its own, for something that takes long.
    pub(crate) async fn open(&self) -> Result<Connection, LdapError> {
        let resting = |until: Instant| Instant::now() < until;
        let first = {
            let state = self.state();
            if state.rests_until.is_some_and(resting) {
                return Err(LdapError::Resting);
            }
            state.first
        };
        let mut last = LdapError::Resting;
        for turn in 0..self.servers.len() {
            let place = (first + turn) % self.servers.len().max(1);
            let Some(server) = self.servers.get(place) else { continue };
            match self.open_to(server).await {
                Ok(connection) => {
                    let mut state = self.state();
                    (state.first, state.rests_until) = (place, None);
                    return Ok(connection);
                }
                Err(error) => {
                    tracing::debug!(station = "ldap", %server, %error, "no connection");
                    last = error;
                }
            }
        }
        let mut state = self.state();
        state.rests_until = Some(Instant::now() + REST);
        // None of them is any use any more.
        state.idle.clear();
        Err(last)
    }

    async fn open_to(&self, server: &crate::Server) -> Result<Connection, LdapError> {
        let mut connection = Connection::open(server, &self.manner).await?;
        if let Some((dn, password)) = &self.bind {
            let outcome = connection.bind(dn, password.expose()).await?;
            if !outcome.is_success() {
                return Err(connection.refused("bind", outcome));
            }
        }
        Ok(connection)
    }

    async fn lend(&self) -> Result<Lent<'_>, LdapError> {
        let within = self.manner.timeout;
        let permit = timeout(within, self.permits.acquire()).await;
        let permit = permit.ok().and_then(Result::ok).ok_or(LdapError::TimedOut(within))?;
        let fresh = |since: &Instant| since.elapsed() < IDLE_MAX;
        let idle = {
            let mut state = self.state();
            state.idle.retain(|(_, since)| fresh(since));
            state.idle.pop()
        };
        Ok(match idle {
            Some((connection, _)) => Lent { connection, used: true, _permit: permit },
            None => Lent { connection: self.open().await?, used: false, _permit: permit },
        })
    }

    fn take_back(&self, lent: Lent<'_>) {
        self.state().idle.push((lent.connection, Instant::now()));
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
