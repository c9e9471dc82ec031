//! A connection to a server: one question at a time.

use std::{io, time::Duration};

use net::{Channel, Connector};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    LdapError, Server, Tls, ber,
    ber::Malformed,
    message::{Entry, Outcome, Request, Response, Search, read},
};

/// A message beyond this is no answer to what we ask for.
const MESSAGE_OCTETS_MAX: usize = 8 << 20;
/// More than one page.
pub(crate) const ENTRIES_MAX: usize = 10_000;

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    channel: Channel<TcpStream>,
    server: String,
    /// What has come and was not asked for yet.
    read: Vec<u8>,
    /// How much of that has been taken.
    taken: usize,
    last: u32,
    within: Duration,
    /// It is under TLS, by what version.
    pub(crate) tls: Option<Box<str>>,
}

/// What a search found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) outcome: Outcome,
    pub(crate) entries: Vec<Entry>,
    /// Where the next page begins.
    pub(crate) next: Option<Vec<u8>>,
    /// How many times it was said that there is more elsewhere.
    pub(crate) references: usize,
}

/// How long connections may take, and how they are put under TLS.
#[derive(Debug, Clone)]
pub(crate) struct Manner {
    pub(crate) connector: Connector,
    pub(crate) connect_timeout: Duration,
    pub(crate) timeout: Duration,
}

impl Connection {
    /// Connects, and puts the connection under TLS where that is wanted.
    pub(crate) async fn open(server: &Server, manner: &Manner) -> Result<Self, LdapError> {
        let within = manner.connect_timeout;
        let name = server.to_string();
        let failed = |error: io::Error| LdapError::Connect { server: name.clone(), error };
        let stream = timeout(within, TcpStream::connect((server.host.as_str(), server.port))).await;
        let stream = stream.map_err(|_| failed(io::ErrorKind::TimedOut.into()))?.map_err(failed)?;
        // Each question is one small message.
        stream.set_nodelay(true).map_err(failed)?;
        if server.tls != Tls::StartTls {
            let clear = Self::new(Channel::clear(stream), name.clone(), manner.timeout);
            return if server.tls == Tls::None { Ok(clear) } else { clear.secured(server, manner).await };
        }
        let mut clear = Self::new(Channel::clear(stream), name.clone(), within);
        let outcome = clear.done(&Request::StartTls).await?;
        if !outcome.is_success() {
            return Err(LdapError::Refused { server: name, operation: "StartTLS", outcome });
        }
        // What came with the answer came in clear, from whomever.
        if clear.taken < clear.read.len() {
            return Err(Malformed.into());
        }
        clear.secured(server, manner).await
    }

    fn new(channel: Channel<TcpStream>, server: String, within: Duration) -> Self {
        Self { channel, server, read: Vec::new(), taken: 0, last: 0, within, tls: None }
    }

    async fn secured(self, server: &Server, manner: &Manner) -> Result<Self, LdapError> {
        let name = self.server;
        let stream = self.channel.into_clear().ok_or(LdapError::Lost(None))?;
        let shaken = manner.connector.connect(&server.host, stream, manner.connect_timeout).await;
        let (channel, facts) = shaken.map_err(|error| LdapError::Tls { server: name.clone(), error })?;
        Ok(Self { tls: Some(facts.version), ..Self::new(channel, name, manner.timeout) })
    }

    /// The server.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Binds: from here on the server takes us for whoever that is, or for nobody. Tells what the server says.
    pub(crate) async fn bind(&mut self, dn: &str, password: &str) -> Result<Outcome, LdapError> {
        self.done(&Request::Bind { dn, password }).await
    }

    /// Searches.
    pub(crate) async fn search(&mut self, search: Search<'_>) -> Result<Found, LdapError> {
        let within = self.within;
        timeout(within, self.find(search)).await.map_err(|_| LdapError::TimedOut(within))?
    }

    /// Says goodbye (RFC 4511 §4.3).
    pub(crate) async fn close(mut self) {
        let within = self.within;
        let goodbye = async {
            let _ = self.send(&Request::Unbind).await;
            let _ = self.channel.shutdown().await;
        };
        // Whether the server hears it is its affair.
        let _ = timeout(within, goodbye).await;
    }

    /// As an error, for whom nothing but success will do.
    pub(crate) fn refused(&self, operation: &'static str, outcome: Outcome) -> LdapError {
        LdapError::Refused { server: self.server.clone(), operation, outcome }
    }

    async fn find(&mut self, search: Search<'_>) -> Result<Found, LdapError> {
        self.send(&Request::Search(search)).await?;
        let (mut entries, mut references) = (Vec::new(), 0);
        loop {
            match self.receive().await? {
                Response::Entry(entry) if entries.len() < ENTRIES_MAX => entries.push(entry),
                Response::Entry(_) => return Err(LdapError::TooMany(ENTRIES_MAX)),
                Response::Reference => references += 1,
                Response::Done(outcome, next) => return Ok(Found { outcome, entries, next, references }),
                Response::Notice(outcome) => return Err(self.refused("the session", outcome)),
            }
        }
    }

    async fn done(&mut self, request: &Request<'_>) -> Result<Outcome, LdapError> {
        let within = self.within;
        let asked = async {
            self.send(request).await?;
            match self.receive().await? {
                Response::Done(outcome, _) => Ok(outcome),
                Response::Notice(outcome) => Err(self.refused("the session", outcome)),
                Response::Entry(_) | Response::Reference => Err(Malformed.into()),
            }
        };
        timeout(within, asked).await.map_err(|_| LdapError::TimedOut(within))?
    }

    async fn send(&mut self, request: &Request<'_>) -> Result<(), LdapError> {
        // RFC 4511 §4.1.1.1: up to 2^31 - 1, and 0 is not ours.
        self.last = self.last % 0x7FFF_FFFF + 1;
        let octets = request.write(self.last);
        self.channel.write_all(&octets).await.map_err(lost)?;
        self.channel.flush().await.map_err(lost)
    }

    /// The next answer to the question that was asked last.
    async fn receive(&mut self) -> Result<Response, LdapError> {
        loop {
            let come = self.read.get(self.taken..).unwrap_or_default();
            // A server of another protocol would be waited for.
            if come.first().is_some_and(|tag| *tag != ber::SEQUENCE) {
                return Err(Malformed.into());
            }
            if let Some(length) = ber::length(come, MESSAGE_OCTETS_MAX)?
                && let Some(message) = come.get(..length)
            {
                let (id, response) = read(message)?;
                self.taken += length;
                return match response {
                    notice @ Response::Notice(_) => Ok(notice),
                    response if id == self.last => Ok(response),
                    _ => Err(Malformed.into()),
                };
            }
            self.read.drain(..self.taken);
            self.taken = 0;
            if self.channel.read_buf(&mut self.read).await.map_err(lost)? == 0 {
                return Err(LdapError::Lost(None));
            }
        }
    }
}

fn lost(error: io::Error) -> LdapError {
    LdapError::Lost(Some(error))
}
