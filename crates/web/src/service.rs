//! The listeners: who may come in, who the client behind a proxy is, and how many there may be.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, PoisonError, RwLock},
};

use axum::Router;
use net::{
    Accepted, Admission, Bound, Channel, HandshakeError, Refused, Shutdown,
    proxy::{Proxied, proxied},
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{Config, Entrance, connection};

/// The address of a client that even its proxy does not know. No network has it.
const NOBODY_KNOWS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Serves HTTP. Clones are the same service.
#[derive(Clone)]
pub struct Web {
    router: Router,
    admission: Admission,
    config: Arc<RwLock<Arc<Config>>>,
}

impl Web {
    /// A service of what the router has.
    pub fn new(config: Config, router: Router) -> Self {
        let admission = Admission::new(config.sessions_max, config.clients());
        Self { router, admission, config: Arc::new(RwLock::new(Arc::new(config))) }
    }

    /// Takes up other settings: connections that begin from now on hold to them.
    pub fn change(&self, config: Config) {
        self.admission.change(config.clients());
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    fn current(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Accepts clients until `shutdown`; returns when what was asked is answered, or had its time to be.
    ///
    /// # Errors
    /// The socket cannot be used.
    pub async fn serve(&self, entrance: Entrance, bound: Bound, shutdown: Shutdown) -> io::Result<()> {
        let (implicit, drain) = (entrance.tls.is_implicit(), self.current().drain_timeout);
        let (web, until) = (self.clone(), shutdown.clone());
        let accept = move |accepted: Accepted| {
            let (web, entrance, mut until) = (web.clone(), entrance.clone(), until.clone());
            async move {
                let client = accepted.client.ip();
                if let Err(error) = web.connection(accepted, entrance, &mut until).await {
                    lost(client, &error);
                }
            }
        };
        // In clear, where TLS comes first, nobody would understand it.
        let refuse = move |refused| if implicit { Vec::new() } else { busy(refused).as_bytes().to_vec() };
        bound.serve(self.admission.clone(), shutdown, drain, accept, refuse).await
    }

    async fn connection(
        &self,
        accepted: Accepted,
        Entrance { tls, proxy }: Entrance,
        until: &mut Shutdown,
    ) -> io::Result<()> {
        let config = self.current();
        let Accepted { mut stream, client, mut permit, .. } = accepted;
        if proxy {
            let implicit = tls.is_implicit();
            let begun = async {
                let Some(client) = behind(&config, client.ip(), &mut stream).await else { return Ok(false) };
                match permit.pass_to(client) {
                    Ok(()) => Ok(true),
                    Err(refused) if implicit => Err(io::Error::other(format!("{refused:?}"))),
                    Err(refused) => stream.write_all(busy(refused).as_bytes()).await.map(|()| false),
                }
            };
            let goes_on = tokio::select! { begun = begun => begun?, () = until.requested() => false };
            if !goes_on {
                return Ok(());
            }
        }
        let in_clear = !tls.is_implicit();
        let mut channel = Channel::new(stream, tls, config.handshake_timeout);
        tokio::select! {
            begun = channel.begin() => begun?,
            () = until.requested() => return Ok(()),
        }
        connection::serve(&config, &self.router, channel, in_clear, until).await;
        Ok(())
    }
}

/// The client behind a proxy of ours. Who is none, or does not say who its client is, hears nothing.
async fn behind(config: &Config, proxy: IpAddr, stream: &mut TcpStream) -> Option<IpAddr> {
    if !config.proxy_networks.contains(proxy) {
        tracing::info!(station = "http", client = %proxy, "no proxy of this listener; closed");
        return None;
    }
    match proxied(stream, config.handshake_timeout).await {
        Ok(Proxied::Itself) => Some(proxy),
        Ok(Proxied::Unknown) => Some(NOBODY_KNOWS),
        Ok(Proxied::Client { source, .. }) => Some(source.ip()),
        Err(error) => {
            tracing::info!(station = "http", %proxy, "{error}; closed");
            None
        }
    }
}

/// mail-rules 19: a failed handshake ends the connection, and is told.
fn lost(client: IpAddr, error: &io::Error) {
    if let Some(failed) = HandshakeError::of(error) {
        tracing::info!(station = "http", %client, "{failed}");
    } else {
        tracing::debug!(station = "http", %client, %error, "connection lost");
    }
}

/// Before a request was read.
fn busy(refused: Refused) -> &'static str {
    match refused {
        Refused::All => {
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 60\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        }
        Refused::Client | Refused::Rate => {
            "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 60\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        }
    }
}
