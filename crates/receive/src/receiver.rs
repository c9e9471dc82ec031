//! The receiving service: its listeners, and a session for each client.

use std::{io, net::IpAddr, sync::Arc};

use directory::Directory;
use mail::{Client, Reply};
use net::{Accepted, Admission, Bound, Refused, Shutdown, unmapped};
use smtp::server::Protocol;
use spool::Spool;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Config, Service, machine::Machine, policy::Origin, reception::Reception};

/// Receives mail. Clones are the same service.
#[derive(Clone)]
pub struct Receiver(Arc<Shared>);

/// What all sessions share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) spool: Spool,
    pub(crate) directory: Arc<Directory>,
    pub(crate) clock: Arc<dyn disk::Clock>,
    smtp: Arc<smtp::server::Config>,
    lmtp: Arc<smtp::server::Config>,
    admission: Admission,
}

impl Receiver {
    /// A service that knows whom to accept mail for and where to put it.
    pub fn new(config: Config, spool: Spool, directory: Arc<Directory>, clock: Arc<dyn disk::Clock>) -> Self {
        let machine = |protocol| Arc::new(config.machine(protocol));
        let (smtp, lmtp) = (machine(Protocol::Smtp), machine(Protocol::Lmtp));
        let admission = Admission::new(config.sessions_max, config.sessions_per_address_max);
        Self(Arc::new(Shared { config, spool, directory, clock, smtp, lmtp, admission }))
    }

    /// Sessions now, over all listeners.
    pub fn sessions(&self) -> usize {
        self.0.admission.sessions()
    }

    /// Accepts clients until `shutdown`; returns when the sessions have ended or had their time to.
    ///
    /// # Errors
    /// The socket cannot be used.
    pub async fn serve(&self, service: Service, bound: Bound, shutdown: Shutdown) -> io::Result<()> {
        let (receiver, until) = (self.clone(), shutdown.clone());
        let session = move |accepted: Accepted| {
            let (receiver, mut until) = (receiver.clone(), until.clone());
            async move {
                let client = accepted.client.ip();
                let origin = receiver.origin(service, client);
                let ended = receiver.run(origin, client, accepted.early, accepted.stream, &mut until).await;
                drop(accepted.permit);
                if let Err(error) = ended {
                    tracing::debug!(station = "receive", %client, %error, "connection lost");
                }
            }
        };
        let (admission, drain) = (self.0.admission.clone(), self.0.config.drain_timeout);
        let hostname = self.0.config.hostname.clone();
        bound.serve(admission, shutdown, drain, session, |refused| busy(&hostname, refused)).await
    }

    /// One session over any stream.
    ///
    /// # Errors
    /// The stream failed, or the client did not take our replies in time.
    pub async fn session<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        service: Service,
        client: IpAddr,
        stream: S,
        shutdown: &mut Shutdown,
    ) -> io::Result<()> {
        let client = unmapped(client);
        self.run(self.origin(service, client), client, false, stream, shutdown).await
    }

    fn origin(&self, service: Service, client: IpAddr) -> Origin {
        Origin { service, trusted: self.0.config.trusted_networks.contains(client) }
    }

    async fn run<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        origin: Origin,
        client: IpAddr,
        early: bool,
        stream: S,
        shutdown: &mut Shutdown,
    ) -> io::Result<()> {
        let client = Client { address: Some(client), ..Client::default() };
        let mut reception = Reception::new(Arc::clone(&self.0), origin, client, early);
        let spoken = if origin.service == Service::Lmtp { &self.0.lmtp } else { &self.0.smtp };
        let machine = Machine::new(Arc::clone(spoken), &self.0.config);
        net::drive(machine, stream, &mut reception, shutdown).await
    }
}

/// RFC 5321 §3.8, §4.2.1: 421 and the connection is closed, before a session has begun.
fn busy(hostname: &str, refused: Refused) -> Vec<u8> {
    let text = match refused {
        Refused::All => "Too many sessions; try again later",
        Refused::Client => "Too many sessions from your address",
    };
    let reply = Reply::new(421, mail::EnhancedStatus::new(4, 7, 0), format!("{hostname} {text}"));
    let mut octets = Vec::new();
    reply.write_to(&mut octets);
    octets
}
