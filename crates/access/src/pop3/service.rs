//! The service: its listeners, and a session for each client.

use std::{
    io,
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};

use directory::Authenticator;
use mailstore::Mailstore;
use net::{Admission, Bound, Channel, Refused, Shutdown, TlsMode, unmapped};
use pop3::server::Limits;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{machine::Machine, policy::Policy, turns::Turns};
use crate::{
    Config, Entrance,
    gate::{self, Manner, Visitor},
};

const MANNER: Manner = Manner { station: "pop3", busy };

/// Serves POP3. Clones are the same service.
#[derive(Clone)]
pub struct Pop3(Arc<RwLock<Arc<Shared>>>);

/// What all sessions share that began under the same settings.
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) mailstore: Mailstore,
    pub(crate) authenticator: Authenticator,
    pub(crate) clock: Arc<dyn disk::Clock>,
    pub(crate) turns: Arc<Turns>,
    spoken: Arc<pop3::server::Config>,
    admission: Admission,
}

impl Pop3 {
    /// A service for those who can log in by `authenticator`.
    pub fn new(
        config: Config,
        mailstore: Mailstore,
        authenticator: Authenticator,
        clock: Arc<dyn disk::Clock>,
    ) -> Self {
        let admission = Admission::new(config.sessions_max, config.clients());
        let spoken = Arc::new(spoken(&config));
        let (config, turns) = (Arc::new(config), Arc::default());
        let shared = Shared { config, mailstore, authenticator, clock, turns, spoken, admission };
        Self(Arc::new(RwLock::new(Arc::new(shared))))
    }

    /// Takes up other settings: sessions that begin from now on hold to them.
    pub fn change(&self, config: Config) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        current.admission.change(config.clients());
        *current = Arc::new(Shared {
            spoken: Arc::new(spoken(&config)),
            config: Arc::new(config),
            mailstore: current.mailstore.clone(),
            authenticator: current.authenticator.clone(),
            clock: Arc::clone(&current.clock),
            turns: Arc::clone(&current.turns),
            admission: current.admission.clone(),
        });
    }

    fn current(&self) -> Arc<Shared> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sessions now, over all listeners.
    pub fn sessions(&self) -> usize {
        self.current().admission.sessions()
    }

    /// Accepts clients until `shutdown`; returns when the sessions have ended or had their time to.
    ///
    /// # Errors
    /// The socket cannot be used.
    pub async fn serve(&self, entrance: Entrance, bound: Bound, shutdown: Shutdown) -> io::Result<()> {
        let (pop3, shared) = (self.clone(), self.current());
        let session = move |visitor: Visitor, stream, tls, mut until: Shutdown| {
            let pop3 = pop3.clone();
            async move { pop3.run(visitor, stream, tls, &mut until).await }
        };
        let (config, admission) = (Arc::clone(&shared.config), shared.admission.clone());
        drop(shared);
        gate::serve(config, admission, MANNER, entrance, bound, shutdown, session).await
    }

    /// One session over any stream.
    ///
    /// # Errors
    /// The stream failed, or the client did not take our responses in time.
    pub async fn session<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        tls: TlsMode,
        client: IpAddr,
        stream: S,
        shutdown: &mut Shutdown,
    ) -> io::Result<()> {
        let starttls = tls.is_on_demand();
        let visitor = Visitor { client: unmapped(client), early: false, starttls, permit: None };
        self.run(visitor, stream, tls, shutdown).await
    }

    async fn run<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        visitor: Visitor,
        stream: S,
        tls: TlsMode,
        shutdown: &mut Shutdown,
    ) -> io::Result<()> {
        let shared = self.current();
        let meter = shared.admission.meter(visitor.client);
        let machine = Machine::new(Arc::clone(&shared.spoken), Arc::clone(&shared.config), meter);
        let channel = Channel::new(stream, tls, shared.config.handshake_timeout);
        let mut policy = Policy::new(shared, visitor);
        net::drive(machine, channel, &mut policy, shutdown).await
    }
}

/// What the machine holds to.
fn spoken(config: &Config) -> pop3::server::Config {
    pop3::server::Config {
        hostname: config.hostname.clone(),
        software: "Postrider",
        login_delay_seconds: None,
        limits: Limits { errors_max: config.errors_max, ..Limits::default() },
    }
}

/// Before a session has begun.
fn busy(refused: Refused) -> &'static str {
    match refused {
        Refused::All => "-ERR [SYS/TEMP] Too many sessions; try again later\r\n",
        Refused::Client => "-ERR [SYS/TEMP] Too many sessions from your address\r\n",
        Refused::Rate => "-ERR [SYS/TEMP] Too many connections from your address; try again later\r\n",
    }
}
