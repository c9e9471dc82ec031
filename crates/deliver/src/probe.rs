//! Trying a relay beside the queue: its name, a connection, TLS and the login, and if somebody wants that a message.

use std::{net::SocketAddr, sync::Arc};

use dns::Resolve;
use events::Tls;
use mail::{Address, Reply, ReversePath, Timestamp};
use net::HostConnector;
use smtp::{ForwardPath, MailFrom, RcptTo, client::Transaction};
use tokio::time::timeout;

use crate::{
    Own, Relay,
    config::Config,
    connect::{Connect, SocketConnect},
    content::Outgoing,
    dial, named,
    next_hop::{NextHop, PoolKey},
    outcome::Endpoint,
    places::Places,
    remote::{Connection, Ended},
    replies,
    route::{Route, Rules, Unroutable},
};

/// Tries relays.
pub struct Probe<'a> {
    /// The settings of delivery.
    pub config: &'a Config,
    /// The DNS.
    pub resolver: &'a dyn Resolve,
    /// Handshakes.
    pub tls: &'a HostConnector,
    /// The time.
    pub now: Timestamp,
    /// New, and not to be guessed.
    pub nonce: &'a str,
}

/// A message for a try.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Who sends it.
    pub from: Address,
    /// Who gets it.
    pub to: Address,
    /// The message, in lines that end in CR LF.
    pub content: Vec<u8>,
}

/// How far a try came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeStep {
    /// Finding the addresses of its name.
    Name,
    /// Connecting.
    Connection,
    /// TLS, and whether it is who it has to be.
    Tls,
    /// The login, or what comes before it.
    Login,
    /// The message.
    Message,
}

/// What a relay showed.
#[derive(Debug, Clone)]
pub struct Probed {
    /// Its name.
    pub host: Arc<str>,
    /// Where it is.
    pub address: Option<SocketAddr>,
    /// How the session was protected; none: not at all.
    pub tls: Option<Tls>,
    /// The most octets of a message that it takes, if it says so.
    pub size: Option<u64>,
    /// What it said to the message.
    pub reply: Option<Reply>,
}

/// Why a try came to nothing.
#[derive(Debug, Clone)]
pub struct ProbeFailure {
    /// At what.
    pub step: ProbeStep,
    /// Which host.
    pub host: Option<Arc<str>>,
    /// Where.
    pub address: Option<SocketAddr>,
    /// Its words, or ours.
    pub reply: Reply,
}

impl Probe<'_> {
    /// Tries a relay, and sends a message if there is one.
    ///
    /// # Errors
    /// Something did not work.
    pub async fn run(&self, relay: &Arc<Relay>, letter: Option<&Letter>) -> Result<Probed, ProbeFailure> {
        let rules = Rules::new(self.config, Own::default(), None);
        let hop = match named::by_relay(relay, self.resolver, &rules).await.route {
            Ok(Route::Hop(hop)) => hop,
            Ok(Route::Local | Route::Choice(_)) => return Err(nowhere(replies::no_host())),
            Err(Unroutable::Defer(reply) | Unroutable::Bounce(reply)) => return Err(nowhere(reply)),
        };
        let mut connection = self.first(&hop, relay).await?;
        let limit = connection.capabilities().size.filter(|size| *size > 0);
        let reply = match letter {
            Some(letter) => Some(self.send(&mut connection, letter).await?),
            None => None,
        };
        let endpoint = Arc::clone(&connection.endpoint);
        connection.quit(&self.config.timeouts).await;
        let tls = endpoint.protection.told();
        Ok(Probed { host: Arc::clone(&endpoint.host), address: endpoint.address, tls, size: limit, reply })
    }

    /// A session with the first address that can be connected to: what it says of our login others would say too.
    async fn first(&self, hop: &NextHop, relay: &Relay) -> Result<Connection, ProbeFailure> {
        let mut failure = nowhere(replies::no_host());
        let places = Places::new(2);
        for host in &hop.hosts {
            for place in &host.places {
                let connecting = timeout(self.config.timeouts.connect, SocketConnect.connect(place)).await;
                let problem = match connecting {
                    Ok(Ok(stream)) => {
                        let endpoint =
                            Endpoint::unreached(Arc::clone(&host.name), place.tcp(), Arc::clone(&hop.site));
                        let (tls, terms) = (host.tls.clone(), hop.terms.clone());
                        let key = PoolKey { host: Arc::clone(&host.name), place: place.clone(), tls, terms };
                        let room = places.take(true).await;
                        return self
                            .open(Connection::new(stream, Arc::new(endpoint), key, room), relay)
                            .await;
                    }
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "no answer in time".to_owned(),
                };
                let reply = replies::unreachable(&format!("{} ({place})", host.name), &problem);
                let (step, name) = (ProbeStep::Connection, Some(Arc::clone(&host.name)));
                failure = ProbeFailure { step, host: name, address: place.tcp(), reply };
            }
        }
        Err(failure)
    }

    async fn open(&self, mut connection: Connection, relay: &Relay) -> Result<Connection, ProbeFailure> {
        let timeouts = &self.config.timeouts;
        let login = match &relay.account {
            Some(account) => match account.login(self.nonce).await {
                Ok(login) => Some(login),
                Err(why) => {
                    return Err(failed(&connection, ProbeStep::Login, replies::no_token(&relay.name, &why)));
                }
            },
            None => None,
        };
        let demand = connection.key.tls.clone();
        let opened = connection.open(demand.connector(self.tls), login, timeouts, self.now).await;
        if let Some(trouble) = dial::insecurity(&connection, opened.as_ref().err().map(|failure| &**failure))
        {
            return Err(failed(&connection, ProbeStep::Tls, trouble.reply));
        }
        match opened {
            Ok(()) => Ok(connection),
            Err(failure) => {
                let (reply, _) = dial::words(&failure, &connection.endpoint.host);
                let failed = failed(&connection, ProbeStep::Login, reply);
                connection.quit(timeouts).await;
                Err(failed)
            }
        }
    }

    async fn send(&self, connection: &mut Connection, letter: &Letter) -> Result<Reply, ProbeFailure> {
        let mail = MailFrom {
            size: Some(letter.content.len() as u64),
            ..MailFrom::new(ReversePath::Address(letter.from.clone()))
        };
        let recipients = vec![RcptTo::new(ForwardPath::Address(letter.to.clone()))];
        let mut content = Outgoing::of(&letter.content);
        let ended =
            connection.transact(Transaction { mail, recipients }, &mut content, &self.config.timeouts).await;
        let host = &connection.endpoint.host;
        let reply = match &ended {
            Ended::Done(outcome) => outcome.recipients.first().map(|(_, reply)| reply.clone()),
            Ended::Failed(failure) => Some(dial::words(failure, host).0),
            Ended::Unreadable(_) => None,
        };
        let reply = reply.unwrap_or_else(|| replies::broken_off(host, "no reply"));
        if reply.is_completion() { Ok(reply) } else { Err(failed(connection, ProbeStep::Message, reply)) }
    }
}

fn nowhere(reply: Reply) -> ProbeFailure {
    ProbeFailure { step: ProbeStep::Name, host: None, address: None, reply }
}

fn failed(connection: &Connection, step: ProbeStep, reply: Reply) -> ProbeFailure {
    let host = Some(Arc::clone(&connection.endpoint.host));
    ProbeFailure { step, host, address: connection.key.place.tcp(), reply }
}
