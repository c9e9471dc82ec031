//! The receiving service: its listeners, and a session for each client.

use std::{
    io,
    net::IpAddr,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use directory::{Authenticator, Directory, ReturnPaths};
use dns::Resolve;
use mail::Reply;
use net::{
    Accepted, Admission, Bound, Channel, HandshakeError, Permit, Refused, Shutdown, TlsMode,
    proxy::{Proxied, proxied},
    unmapped,
};
use smtp::server::Protocol;
use spool::Spool;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::{
    Config, Entrance, Service, machine::Machine, meter::Usages, patience::PutOff, proxied::NOBODY_KNOWS,
    reception::Reception, storing::Storing, turn::Turns,
};

/// Receives mail. Clones are the same service.
#[derive(Clone)]
pub struct Receiver(Arc<RwLock<Arc<Shared>>>);

/// What all sessions share that began under the same settings.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) spool: Spool,
    pub(crate) authenticator: Authenticator,
    pub(crate) clock: Arc<dyn disk::Clock>,
    smtp: Arc<smtp::server::Config>,
    lmtp: Arc<smtp::server::Config>,
    pub(crate) admission: Admission,
    pub(crate) turns: Arc<Turns>,
    pub(crate) storing: Arc<Storing>,
    pub(crate) usages: Arc<Usages>,
    pub(crate) put_off: Arc<PutOff>,
    /// Whom to ask about those who bring mail.
    resolver: Arc<OnceLock<Arc<dyn Resolve>>>,
    /// Who knows reverse-paths of ours.
    pub(crate) returns: Arc<OnceLock<ReturnPaths>>,
}

impl Receiver {
    /// A service that knows whom to accept mail for and where to put it.
    ///
    /// Nobody can log in but those of `authenticator`.
    pub fn new(
        config: Config,
        spool: Spool,
        directory: Arc<Directory>,
        authenticator: Authenticator,
        clock: Arc<dyn disk::Clock>,
    ) -> Self {
        authenticator.change(directory);
        let (smtp, lmtp) = machines(&config);
        let admission = Admission::new(config.sessions_max, config.clients());
        let (turns, storing) = (Arc::default(), Arc::new(Storing::new(Arc::clone(&clock))));
        let shared = Shared {
            config,
            spool,
            authenticator,
            clock,
            smtp,
            lmtp,
            admission,
            turns,
            storing,
            usages: Arc::default(),
            put_off: Arc::default(),
            resolver: Arc::default(),
            returns: Arc::default(),
        };
        Self(Arc::new(RwLock::new(Arc::new(shared))))
    }

    /// Takes up other settings and another directory. Sessions that begin from now on hold to the settings; those under way end as they began.
    /// The directory holds at once, in those too. How many sessions there may be stays as it was.
    pub fn change(&self, config: Config, directory: Arc<Directory>) {
        let (smtp, lmtp) = machines(&config);
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        current.authenticator.change(directory);
        current.admission.change(config.clients());
        *current = Arc::new(Shared {
            config,
            smtp,
            lmtp,
            spool: current.spool.clone(),
            authenticator: current.authenticator.clone(),
            clock: Arc::clone(&current.clock),
            admission: current.admission.clone(),
            turns: Arc::clone(&current.turns),
            storing: Arc::clone(&current.storing),
            usages: Arc::clone(&current.usages),
            put_off: Arc::clone(&current.put_off),
            resolver: Arc::clone(&current.resolver),
            returns: Arc::clone(&current.returns),
        });
    }

    /// The same service, which asks the DNS who answers for the mail that strangers bring.
    #[must_use]
    pub fn verifying_by(self, resolver: Arc<dyn Resolve>) -> Self {
        // The first one stays.
        let _ = self.current().resolver.set(resolver);
        self
    }

    /// The same service, which takes reports at reverse-paths that were made so.
    #[must_use]
    pub fn returning_by(self, paths: ReturnPaths) -> Self {
        // The first ones stay; their settings can be changed.
        let _ = self.current().returns.set(paths);
        self
    }

    /// Takes up another directory alone: from the next command on it holds, in sessions under way too. A session may stay for hours, and must
    /// not refuse mail for somebody who is there by then, nor take it from somebody who may no longer send.
    pub fn change_directory(&self, directory: Arc<Directory>) {
        self.current().authenticator.change(directory);
    }

    pub(crate) fn current(&self) -> Arc<Shared> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How much each login has sent, in lines, to be taken up by [`Receiver::recall`] in the next run.
    pub fn usage(&self) -> String {
        self.current().usages.written()
    }

    /// Takes up what [`Receiver::usage`] gave.
    pub fn recall(&self, usage: &str) {
        self.current().usages.recall(usage);
    }

    /// Sessions now, over all listeners.
    pub fn sessions(&self) -> usize {
        self.current().admission.sessions()
    }

    /// Accepts clients until `shutdown`; returns when the sessions have ended or had their time to.
    ///
    /// # Errors
    /// The socket cannot be used.
    pub async fn serve(
        &self,
        entrance: impl Into<Entrance>,
        bound: Bound,
        shutdown: Shutdown,
    ) -> io::Result<()> {
        let Entrance { service, tls, proxy } = entrance.into();
        let (receiver, until) = (self.clone(), shutdown.clone());
        let implicit = tls.is_implicit();
        let session = move |accepted: Accepted| {
            let (receiver, mut until, tls) = (receiver.clone(), until.clone(), tls.clone());
            async move {
                let client = accepted.client.ip();
                let visitor = Visitor {
                    service,
                    client,
                    // With TLS before the greeting it is the client that speaks first, and so does a proxy.
                    early: accepted.early && !tls.is_implicit() && !proxy,
                    proxy,
                    starttls: tls.is_on_demand(),
                    permit: Some(accepted.permit),
                };
                if let Err(error) = receiver.run(visitor, accepted.stream, tls, &mut until).await {
                    lost(service, client, &error);
                }
            }
        };
        let shared = self.current();
        let (admission, drain) = (shared.admission.clone(), shared.config.drain_timeout);
        let hostname = shared.config.hostname.clone();
        drop(shared);
        // In clear, where TLS comes first, nobody would understand it.
        let refuse = |refused| if implicit { Vec::new() } else { busy(&hostname, refused) };
        bound.serve(admission, shutdown, drain, session, refuse).await
    }

    /// One session over any stream.
    ///
    /// # Errors
    /// The stream failed, or the client did not take our replies in time.
    pub async fn session<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        entrance: impl Into<Entrance>,
        client: IpAddr,
        stream: S,
        shutdown: &mut Shutdown,
    ) -> io::Result<()> {
        let Entrance { service, tls, proxy } = entrance.into();
        let starttls = tls.is_on_demand();
        let visitor =
            Visitor { service, client: unmapped(client), early: false, proxy, starttls, permit: None };
        self.run(visitor, stream, tls, shutdown).await
    }

    async fn run<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut visitor: Visitor,
        mut stream: S,
        tls: TlsMode,
        shutdown: &mut Shutdown,
    ) -> io::Result<()> {
        let shared = self.current();
        if visitor.proxy {
            let may = tokio::select! {
                may = shared.behind(&mut visitor, &mut stream, tls.is_implicit()) => may?,
                () = shutdown.requested() => false,
            };
            if !may {
                return Ok(());
            }
        }
        let spoken = if visitor.service == Service::Lmtp { &shared.lmtp } else { &shared.smtp };
        let meter = shared.admission.meter(visitor.client);
        let machine = Machine::new(Arc::clone(spoken), &shared.config, meter.clone());
        let channel = Channel::new(stream, tls, shared.config.handshake_timeout);
        let mut reception = Reception::new(shared, visitor, meter);
        net::drive(machine, channel, &mut reception, shutdown).await
    }
}

impl Shared {
    /// Whom to ask who answers for a message, where that is checked.
    pub(crate) fn verifier(&self) -> Option<Arc<dyn Resolve>> {
        self.resolver.get().filter(|_| self.config.verify.checks).cloned()
    }

    /// Makes the visitor the client behind the proxy. Whether there is one, and it may come in: who is no proxy of ours, or
    /// does not say who its client is, hears nothing (mail-rules 2).
    async fn behind<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        visitor: &mut Visitor,
        stream: &mut S,
        implicit: bool,
    ) -> io::Result<bool> {
        let proxy = visitor.client;
        if !self.config.proxy_networks.contains(proxy) {
            tracing::info!(station = "receive", client = %proxy, "no proxy of this listener; closed");
            return Ok(false);
        }
        let client = match proxied(stream, self.config.handshake_timeout).await {
            Ok(Proxied::Itself) => proxy,
            Ok(Proxied::Unknown) => NOBODY_KNOWS,
            Ok(Proxied::Client { source, .. }) => source.ip(),
            Err(error) => {
                tracing::info!(station = "receive", %proxy, "{error}; closed");
                return Ok(false);
            }
        };
        let passed = match &mut visitor.permit {
            Some(permit) => permit.pass_to(client),
            None => self.admission.admit(client).map(|permit| visitor.permit = Some(permit)),
        };
        visitor.client = client;
        if let Err(refused) = passed {
            tracing::info!(station = "receive", %proxy, %client, limit = ?refused, "over the session limit");
            // In clear, where TLS comes first, nobody would understand it.
            if !implicit {
                stream.write_all(&busy(&self.config.hostname, refused)).await?;
                stream.shutdown().await?;
            }
        }
        Ok(passed.is_ok())
    }
}

/// What the two protocols hold to.
fn machines(config: &Config) -> (Arc<smtp::server::Config>, Arc<smtp::server::Config>) {
    (Arc::new(config.machine(Protocol::Smtp)), Arc::new(config.machine(Protocol::Lmtp)))
}

/// Who has come to a listener.
pub(crate) struct Visitor {
    pub(crate) service: Service,
    pub(crate) client: IpAddr,
    /// It spoke before it was greeted.
    pub(crate) early: bool,
    /// It is a proxy, which says first who its client is.
    pub(crate) proxy: bool,
    /// Its connection can be put under TLS.
    pub(crate) starttls: bool,
    /// Its place among the sessions, if they are counted.
    pub(crate) permit: Option<Permit>,
}

/// mail-rules 19: a failed handshake ends the connection, and is told.
fn lost(service: Service, client: IpAddr, error: &io::Error) {
    if let Some(failed) = HandshakeError::of(error) {
        tracing::info!(station = "receive", %service, %client, "{failed}");
    } else {
        tracing::debug!(station = "receive", %service, %client, %error, "connection lost");
    }
}

/// Before a session has begun.
fn busy(hostname: &str, refused: Refused) -> Vec<u8> {
    let mut octets = Vec::new();
    too_many(hostname, refused).write_to(&mut octets);
    octets
}

/// RFC 5321 §3.8, §4.2.1: 421 and the connection is closed.
pub(crate) fn too_many(hostname: &str, refused: Refused) -> Reply {
    // RFC 3463 §3.4: X.3.2, the system accepts no messages now; §3.8: X.7.0, a policy for this client.
    let (status, text) = match refused {
        Refused::All => ((4, 3, 2), "Too many sessions; try again later"),
        Refused::Client => ((4, 7, 0), "Too many sessions from your address"),
        Refused::Rate => ((4, 7, 0), "Too many connections from your address; try again later"),
    };
    let (class, subject, detail) = status;
    Reply::new(421, mail::EnhancedStatus::new(class, subject, detail), format!("{hostname} {text}"))
}
