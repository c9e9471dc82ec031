//! The way in to a service: a listener, a proxy before it, and the limits of sessions.

use std::{future::Future, io, net::IpAddr, sync::Arc};

use directory::Scope;
use net::{
    Accepted, Admission, Bound, HandshakeError, Permit, Refused, Shutdown, TlsMode,
    proxy::{Proxied, proxied},
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{Config, Entrance};

/// The address of a client that even its proxy does not know. No network has it.
const NOBODY_KNOWS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

/// Who has come to a listener.
pub(crate) struct Visitor {
    pub(crate) client: IpAddr,
    /// It spoke before it was greeted.
    pub(crate) early: bool,
    /// Its connection can be put under TLS.
    pub(crate) starttls: bool,
    /// Its place among the sessions, if they are counted: it has it as long as this is here.
    pub(crate) permit: Option<Permit>,
}

/// What a service is called in logs, what a login to it is for, and how it says that there are too many sessions.
#[derive(Clone, Copy)]
pub struct Manner {
    pub(crate) station: &'static str,
    pub(crate) scope: Scope,
    pub(crate) busy: fn(Refused) -> &'static str,
}

/// Accepts clients until `shutdown`; returns when the sessions have ended or had their time to.
pub(crate) async fn serve<F>(
    config: Arc<Config>,
    admission: Admission,
    manner: Manner,
    Entrance { tls, proxy }: Entrance,
    bound: Bound,
    shutdown: Shutdown,
    session: impl Fn(Visitor, TcpStream, TlsMode, Shutdown) -> F + Clone + Send + Sync + 'static,
) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + Send,
{
    let (implicit, drain, until) = (tls.is_implicit(), config.drain_timeout, shutdown.clone());
    let counted = admission.clone();
    let accept = move |accepted: Accepted| {
        let (session, tls, mut until) = (session.clone(), tls.clone(), until.clone());
        let (config, admission) = (Arc::clone(&config), counted.clone());
        async move {
            let client = accepted.client.ip();
            let mut stream = accepted.stream;
            let mut visitor = Visitor {
                client,
                // With TLS before the greeting it is the client that speaks first, and so does a proxy.
                early: accepted.early && !tls.is_implicit() && !proxy,
                starttls: tls.is_on_demand(),
                permit: Some(accepted.permit),
            };
            if proxy {
                let behind =
                    behind(&config, &admission, manner, &mut visitor, &mut stream, tls.is_implicit());
                let may = tokio::select! {
                    may = behind => may,
                    () = until.requested() => Ok(false),
                };
                match may {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => return lost(manner, client, &error),
                }
            }
            let client = visitor.client;
            if let Err(error) = session(visitor, stream, tls, until).await {
                lost(manner, client, &error);
            }
        }
    };
    // In clear, where TLS comes first, nobody would understand it.
    let refuse =
        move |refused| if implicit { Vec::new() } else { (manner.busy)(refused).as_bytes().to_vec() };
    bound.serve(admission, shutdown, drain, accept, refuse).await
}

/// Makes the visitor the client behind the proxy. Whether there is one, and it may come in: who is no proxy of ours, or does not say who
/// its client is, hears nothing (mail-rules 2).
async fn behind(
    config: &Config,
    admission: &Admission,
    manner: Manner,
    visitor: &mut Visitor,
    stream: &mut TcpStream,
    implicit: bool,
) -> io::Result<bool> {
    let (proxy, station) = (visitor.client, manner.station);
    if !config.proxy_networks.contains(proxy) {
        tracing::info!(station, client = %proxy, "no proxy of this listener; closed");
        return Ok(false);
    }
    let client = match proxied(stream, config.handshake_timeout).await {
        Ok(Proxied::Itself) => proxy,
        Ok(Proxied::Unknown) => NOBODY_KNOWS,
        Ok(Proxied::Client { source, .. }) => source.ip(),
        Err(error) => {
            tracing::info!(station, %proxy, "{error}; closed");
            return Ok(false);
        }
    };
    let passed = match &mut visitor.permit {
        Some(permit) => permit.pass_to(client),
        None => admission.admit(client).map(|permit| visitor.permit = Some(permit)),
    };
    visitor.client = client;
    if let Err(refused) = passed {
        tracing::info!(station, %proxy, %client, limit = ?refused, "over the session limit");
        if !implicit {
            stream.write_all((manner.busy)(refused).as_bytes()).await?;
            stream.shutdown().await?;
        }
    }
    Ok(passed.is_ok())
}

/// mail-rules 19: a failed handshake ends the connection, and is told.
fn lost(manner: Manner, client: IpAddr, error: &io::Error) {
    let station = manner.station;
    if let Some(failed) = HandshakeError::of(error) {
        tracing::info!(station, %client, "{failed}");
    } else {
        tracing::debug!(station, %client, %error, "connection lost");
    }
}
