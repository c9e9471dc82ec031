//! A service: its listeners, and a session for each client. What is IMAP's or POP3's own about it, its [`Dialect`] says.

use std::{
    io,
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};

use directory::Authenticator;
use mailstore::Mailstore;
use net::{Acknowledging, Admission, Bound, Channel, Meter, Protocol, Shutdown, TlsMode, unmapped};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    Config, Entrance,
    backend::Backend,
    gate::{self, Manner, Visitor},
    login::Client,
};

/// One of the protocols that mailboxes are read by.
pub trait Dialect: Clone + Send + Sync + 'static {
    /// What it is called, and how it turns a client away.
    const MANNER: Manner;
    /// What its machines hold to.
    type Spoken: Send + Sync;
    /// A session's octets.
    type Machine: Protocol<Question: Send, Answer: Send> + Send;
    /// A session's answers.
    type Policy: net::Policy<<Self::Machine as Protocol>::Question, <Self::Machine as Protocol>::Answer>
        + Send;

    /// What the machines hold to under these settings.
    fn spoken(config: &Config) -> Self::Spoken;
    /// The machine of a session that begins.
    fn machine(spoken: Arc<Self::Spoken>, config: Arc<Config>, meter: Meter) -> Self::Machine;
    /// Its policy.
    fn policy(&self, client: Client) -> Self::Policy;
}

/// Serves mailboxes by one protocol. Clones are the same service.
#[derive(Clone)]
pub struct Service<D: Dialect> {
    dialect: D,
    settings: Arc<RwLock<Arc<Settings<D>>>>,
}

/// What all sessions share that began under the same settings.
struct Settings<D: Dialect> {
    backend: Arc<Backend>,
    spoken: Arc<D::Spoken>,
    admission: Admission,
}

impl<D: Dialect> Service<D> {
    /// A service for those who can log in by `authenticator`.
    pub fn new(
        config: Config,
        mailstore: Mailstore,
        authenticator: Authenticator,
        clock: Arc<dyn disk::Clock>,
    ) -> Self
    where
        D: Default,
    {
        let admission = Admission::new(config.sessions_max, config.clients());
        let spoken = Arc::new(D::spoken(&config));
        let backend = Arc::new(Backend { config: Arc::new(config), mailstore, authenticator, clock });
        let settings = Settings { backend, spoken, admission };
        Self { dialect: D::default(), settings: Arc::new(RwLock::new(Arc::new(settings))) }
    }

    /// Takes up other settings: sessions that begin from now on hold to them.
    pub fn change(&self, config: Config) {
        let mut current = self.settings.write().unwrap_or_else(PoisonError::into_inner);
        current.admission.change(config.clients());
        *current = Arc::new(Settings {
            spoken: Arc::new(D::spoken(&config)),
            backend: Arc::new(Backend {
                config: Arc::new(config),
                mailstore: current.backend.mailstore.clone(),
                authenticator: current.backend.authenticator.clone(),
                clock: Arc::clone(&current.backend.clock),
            }),
            admission: current.admission.clone(),
        });
    }

    fn current(&self) -> Arc<Settings<D>> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
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
        let (service, current) = (self.clone(), self.current());
        let session = move |visitor: Visitor, stream, tls, mut until: Shutdown| {
            let service = service.clone();
            async move { service.run(visitor, Acknowledging::new(stream), tls, &mut until).await }
        };
        let (config, admission) = (Arc::clone(&current.backend.config), current.admission.clone());
        drop(current);
        gate::serve(config, admission, D::MANNER, entrance, bound, shutdown, session).await
    }

    /// One session over any stream.
    ///
    /// # Errors
    /// The stream failed, or the client did not take our responses in time.
    pub async fn session<S: AsyncRead + AsyncWrite + Unpin + Send>(
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

    async fn run<S: AsyncRead + AsyncWrite + Unpin + Send>(
        &self,
        visitor: Visitor,
        stream: S,
        tls: TlsMode,
        shutdown: &mut Shutdown,
    ) -> io::Result<()> {
        let current = self.current();
        let backend = Arc::clone(&current.backend);
        let meter = current.admission.meter(visitor.client);
        let machine = D::machine(Arc::clone(&current.spoken), Arc::clone(&backend.config), meter);
        drop(current);
        let channel = Channel::new(stream, tls, backend.config.handshake_timeout);
        let mut policy = self.dialect.policy(Client::new(visitor, backend, D::MANNER));
        net::drive(machine, channel, &mut policy, shutdown).await
    }
}
