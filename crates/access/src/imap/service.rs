//! The service: its listeners, and a session for each client.

use std::{
    borrow::Cow,
    io,
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};

use directory::Authenticator;
use imap::server::Limits;
use mailstore::Mailstore;
use net::{Admission, Bound, Channel, Refused, Shutdown, TlsMode, unmapped};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{machine::Machine, policy::Policy};
use crate::{
    Config, Entrance,
    gate::{self, Manner, Visitor},
};

/// What is carried out beside what the machine itself can: no more is announced.
const CAPABILITIES: [&str; 33] = [
    "NAMESPACE",
    "UIDPLUS",
    "MOVE",
    "UNSELECT",
    "CHILDREN",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "SPECIAL-USE",
    "CREATE-SPECIAL-USE",
    "STATUS=SIZE",
    "ESEARCH",
    "SEARCHRES",
    "WITHIN",
    "SORT",
    "SORT=DISPLAY",
    "ESORT",
    "THREAD=ORDEREDSUBJECT",
    "THREAD=REFERENCES",
    "CONDSTORE",
    "QRESYNC",
    "MULTIAPPEND",
    "REPLACE",
    "BINARY",
    "PARTIAL",
    "PREVIEW",
    "SAVEDATE",
    "OBJECTID",
    "QUOTA",
    "QUOTA=RES-STORAGE",
    "QUOTA=RES-MESSAGE",
    "UTF8=ACCEPT",
    "COMPRESS=DEFLATE",
    "APPENDLIMIT",
];

const MANNER: Manner = Manner { station: "imap", busy };

/// Serves IMAP. Clones are the same service.
#[derive(Clone)]
pub struct Imap(Arc<RwLock<Arc<Shared>>>);

/// What all sessions share that began under the same settings.
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) mailstore: Mailstore,
    pub(crate) authenticator: Authenticator,
    pub(crate) clock: Arc<dyn disk::Clock>,
    spoken: Arc<imap::server::Config>,
    admission: Admission,
}

impl Imap {
    /// A service for those who can log in by `authenticator`.
    pub fn new(
        config: Config,
        mailstore: Mailstore,
        authenticator: Authenticator,
        clock: Arc<dyn disk::Clock>,
    ) -> Self {
        let admission = Admission::new(config.sessions_max, config.clients());
        let spoken = Arc::new(spoken(&config));
        let config = Arc::new(config);
        let shared = Shared { config, mailstore, authenticator, clock, spoken, admission };
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
        let (imap, shared) = (self.clone(), self.current());
        let session = move |visitor: Visitor, stream, tls, mut until: Shutdown| {
            let imap = imap.clone();
            async move { imap.run(visitor, stream, tls, &mut until).await }
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
fn spoken(config: &Config) -> imap::server::Config {
    let limit = format!("APPENDLIMIT={}", config.message_octets_max);
    let capabilities = CAPABILITIES.into_iter().map(|name| match name {
        "APPENDLIMIT" => Cow::Owned(limit.clone()),
        name => Cow::Borrowed(name),
    });
    imap::server::Config {
        hostname: config.hostname.clone(),
        software: "Postrider",
        capabilities: capabilities.collect(),
        limits: Limits {
            message_octets_max: config.message_octets_max,
            errors_max: config.errors_max,
            ..Limits::default()
        },
    }
}

/// Before a session has begun.
fn busy(refused: Refused) -> &'static str {
    match refused {
        Refused::All => "* BYE [UNAVAILABLE] Too many sessions; try again later\r\n",
        Refused::Client => "* BYE [LIMIT] Too many sessions from your address\r\n",
        Refused::Rate => "* BYE [LIMIT] Too many connections from your address; try again later\r\n",
    }
}
