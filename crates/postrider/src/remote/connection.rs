//! A connection to the other server: always under TLS that proves its name, one command at a time.

use std::{io, time::Duration};

use admin::api::Secret;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use imap::client::{Code, Condition, Event, Reader, Response, Status, Word, command};
use net::{Channel, Connector};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::Url;
use crate::{failure::Failure, terminal::clean};

/// How long to connect, and to shake hands, may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// How long the server may say nothing, or take nothing. A large mailbox on a slow disk takes its time to open.
const SILENT_FOR: Duration = Duration::from_mins(5);
/// Octets that are read at once.
const READ_OCTETS: usize = 64 * 1024;

/// Why there is no more.
#[derive(Debug)]
pub(crate) enum RemoteError {
    /// The connection is gone, or never came to be: it may be there again in a moment.
    Lost(String),
    /// The server does not want to.
    Refused(String),
    /// The server does not say what it has to.
    Wrong(String),
    /// It failed here.
    Here(Failure),
}

impl From<Failure> for RemoteError {
    fn from(failure: Failure) -> Self {
        Self::Here(failure)
    }
}

impl From<crate::client::ClientError> for RemoteError {
    fn from(error: crate::client::ClientError) -> Self {
        Self::Here(error.into())
    }
}

impl From<imap::client::Broken> for RemoteError {
    fn from(broken: imap::client::Broken) -> Self {
        Self::Wrong(broken.to_string())
    }
}

/// What proves who logs in.
#[derive(Debug)]
pub(crate) enum Proof {
    Password(Secret),
    /// An access token of an identity provider (RFC 7628).
    Token(Secret),
}

/// All that a connection needs, to be made again.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) url: Url,
    pub(crate) connector: Connector,
    pub(crate) proof: Proof,
}

/// A connection, logged in.
pub(crate) struct Connection {
    channel: Channel<TcpStream>,
    reader: Reader,
    buffer: Vec<u8>,
    commands: u64,
    capabilities: Vec<Box<str>>,
}

impl Connection {
    /// Connects and logs in.
    pub(crate) async fn open(access: &Access) -> Result<Self, RemoteError> {
        let Access { url, connector, proof } = access;
        let lost = |error: io::Error| RemoteError::Lost(format!("cannot connect to {url}: {error}"));
        let connected = timeout(CONNECT_WITHIN, TcpStream::connect((url.host.as_str(), url.port))).await;
        let stream = connected.map_err(|_| lost(io::ErrorKind::TimedOut.into()))?.map_err(lost)?;
        // A command is one small message.
        stream.set_nodelay(true).map_err(lost)?;
        let mut connection = if url.starttls {
            let mut clear = Self::over(Channel::clear(stream));
            clear.greeted().await?;
            clear.start_tls(url, connector).await?
        } else {
            let mut connection = Self::over(secured(url, connector, stream).await?);
            connection.greeted().await?;
            connection
        };
        connection.log_in(&url.user, proof).await?;
        Ok(connection)
    }

    fn over(channel: Channel<TcpStream>) -> Self {
        let reader = Reader::default();
        Self { channel, reader, buffer: vec![0; READ_OCTETS], commands: 0, capabilities: Vec::new() }
    }

    /// What the server says when it is spoken to first.
    async fn greeted(&mut self) -> Result<(), RemoteError> {
        match self.next_event().await? {
            Event::Response(Response::Told(Status { condition: Condition::Ok, .. })) => Ok(()),
            Event::Response(Response::Told(Status { condition: Condition::Bye, text, .. })) => {
                Err(RemoteError::Lost(format!("the server turns us away: {}", clean(&text))))
            }
            // Who is taken for logged in before TLS was talked to by somebody between (RFC 9051 §11.1).
            _ => Err(RemoteError::Wrong("it does not greet as an IMAP server that wants a login".to_owned())),
        }
    }

    async fn start_tls(mut self, url: &Url, connector: &Connector) -> Result<Self, RemoteError> {
        let status = self.command(&[Word::Raw("STARTTLS")], |_| Ok(())).await?;
        if status.condition != Condition::Ok {
            let why = format!("it does not begin TLS: {}", clean(&status.text));
            return Err(RemoteError::Refused(why));
        }
        // What came with the answer came in clear, from whomever.
        if self.reader.is_inside() {
            return Err(RemoteError::Wrong("more came in clear behind the answer to STARTTLS".to_owned()));
        }
        let gone = || RemoteError::Lost("the connection was closed".to_owned());
        let stream = self.channel.into_clear().ok_or_else(gone)?;
        Ok(Self::over(secured(url, connector, stream).await?))
    }

    async fn log_in(&mut self, user: &str, proof: &Proof) -> Result<(), RemoteError> {
        self.ask_capabilities().await?;
        let parts = self.login(user, proof)?;
        let status = self.exchange(parts, |_| Ok(())).await?;
        if status.condition != Condition::Ok {
            let why = clean(&status.text);
            return Err(match status.code {
                // RFC 5530 §3: it may be there in a moment.
                Some(Code::Other(code)) if *code == *"UNAVAILABLE" => RemoteError::Lost(why),
                _ => RemoteError::Refused(format!("the login as {} was refused: {why}", clean(user))),
            });
        }
        // Others than before the login.
        self.ask_capabilities().await
    }

    /// The parts of the login, by the best way that the server has. Under TLS to a server that has proved its name the password may be told.
    fn login(&mut self, user: &str, proof: &Proof) -> Result<Vec<Vec<u8>>, RemoteError> {
        let tag = self.tag();
        let authenticate = |mechanism: &str, message: String, last: &str| {
            let mut parts = command(&tag, &[Word::Raw("AUTHENTICATE"), Word::Raw(mechanism)]);
            parts.push(format!("{}\r\n", STANDARD.encode(message)).into_bytes());
            // Where it fails, the server first says why, and waits (RFC 7628 §3.2.3).
            parts.push(format!("{last}\r\n").into_bytes());
            parts
        };
        match proof {
            Proof::Token(token) if self.can("AUTH=OAUTHBEARER") => {
                let user = user.replace('=', "=3D").replace(',', "=2C");
                let message = format!("n,a={user},\x01auth=Bearer {}\x01\x01", token.expose());
                Ok(authenticate("OAUTHBEARER", message, "AQ=="))
            }
            Proof::Token(token) if self.can("AUTH=XOAUTH2") => {
                let message = format!("user={user}\x01auth=Bearer {}\x01\x01", token.expose());
                Ok(authenticate("XOAUTH2", message, ""))
            }
            Proof::Token(_) => {
                Err(RemoteError::Refused("it takes no tokens (OAUTHBEARER, XOAUTH2)".to_owned()))
            }
            Proof::Password(password) if self.can("AUTH=PLAIN") => {
                Ok(authenticate("PLAIN", format!("\0{user}\0{}", password.expose()), "*"))
            }
            Proof::Password(password) if !self.can("LOGINDISABLED") => {
                let words = [
                    Word::Raw("LOGIN"),
                    Word::String(user.as_bytes()),
                    Word::String(password.expose().as_bytes()),
                ];
                Ok(command(&tag, &words))
            }
            Proof::Password(_) => {
                Err(RemoteError::Refused("it takes no passwords (AUTH=PLAIN, LOGIN)".to_owned()))
            }
        }
    }

    async fn ask_capabilities(&mut self) -> Result<(), RemoteError> {
        let mut told = Vec::new();
        let status = self.command(&[Word::Raw("CAPABILITY")], |response| {
            if let Response::Capability(all) = response {
                told = all;
            }
            Ok(())
        });
        must_be_ok("CAPABILITY", &status.await?)?;
        self.capabilities = told;
        Ok(())
    }

    /// Whether the server has a capability.
    pub(crate) fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|known| **known == *capability)
    }

    fn tag(&mut self) -> String {
        self.commands += 1;
        format!("p{}", self.commands)
    }

    /// Sends a command, takes each response to it, and gives how it ended.
    pub(crate) async fn command(
        &mut self,
        words: &[Word<'_>],
        take: impl FnMut(Response) -> Result<(), RemoteError>,
    ) -> Result<Status, RemoteError> {
        let parts = command(&self.tag(), words);
        self.exchange(parts, take).await
    }

    async fn exchange(
        &mut self,
        parts: Vec<Vec<u8>>,
        mut take: impl FnMut(Response) -> Result<(), RemoteError>,
    ) -> Result<Status, RemoteError> {
        let mut parts = parts.into_iter();
        if let Some(first) = parts.next() {
            self.send(&first).await?;
        }
        loop {
            match self.next_event().await? {
                Event::Response(Response::Done { status, .. }) => return Ok(status),
                Event::Response(Response::Continue(_)) => {
                    let part =
                        parts.next().ok_or_else(|| RemoteError::Wrong("it waits for more".to_owned()))?;
                    self.send(&part).await?;
                }
                Event::Response(response) => take(response)?,
                Event::Hungry | Event::Piece(_) => {
                    return Err(RemoteError::Wrong("it sends a message that nobody asked for".to_owned()));
                }
            }
        }
    }

    /// Sends a command of one part; what follows is told by [`Self::next_event`].
    pub(crate) async fn begin(&mut self, words: &[Word<'_>]) -> Result<(), RemoteError> {
        let parts = command(&self.tag(), words).concat();
        self.send(&parts).await
    }

    async fn send(&mut self, octets: &[u8]) -> Result<(), RemoteError> {
        let lost = |error: io::Error| RemoteError::Lost(error.to_string());
        let sent = timeout(SILENT_FOR, async {
            self.channel.write_all(octets).await?;
            self.channel.flush().await
        });
        sent.await.map_err(|_| lost(io::ErrorKind::TimedOut.into()))?.map_err(lost)
    }

    /// What comes next; never that more is needed. A server that says goodbye is gone.
    pub(crate) async fn next_event(&mut self) -> Result<Event, RemoteError> {
        let lost = |error: io::Error| RemoteError::Lost(error.to_string());
        loop {
            match self.reader.next_event()? {
                Event::Hungry => {}
                Event::Response(Response::Told(Status { condition: Condition::Bye, text, .. }))
                    if self.commands > 0 =>
                {
                    return Err(RemoteError::Lost(format!("the server says goodbye: {}", clean(&text))));
                }
                event => return Ok(event),
            }
            let most = self.reader.wants().min(self.buffer.len());
            let room = self.buffer.get_mut(..most).unwrap_or_default();
            let read = timeout(SILENT_FOR, self.channel.read(room)).await;
            let read = read.map_err(|_| lost(io::ErrorKind::TimedOut.into()))?.map_err(lost)?;
            if read == 0 {
                return Err(RemoteError::Lost("the server closed the connection".to_owned()));
            }
            self.reader.push(self.buffer.get(..read).unwrap_or_default());
        }
    }

    /// Says goodbye. Whether the server hears it is its affair.
    pub(crate) async fn close(mut self) {
        let _ = timeout(CONNECT_WITHIN, async {
            self.begin(&[Word::Raw("LOGOUT")]).await.ok()?;
            self.channel.shutdown().await.ok()
        })
        .await;
    }
}

async fn secured(
    url: &Url,
    connector: &Connector,
    stream: TcpStream,
) -> Result<Channel<TcpStream>, RemoteError> {
    let shaken = connector.connect(&url.host, stream, CONNECT_WITHIN).await;
    let (channel, _) = shaken.map_err(|error| {
        let failure = Failure::new(format!("no TLS with {url}: {error}"));
        RemoteError::Here(failure.hint("an authority of its own is named by --ca FILE"))
    })?;
    Ok(channel)
}

/// What has to be done for anything else to make sense.
pub(super) fn must_be_ok(what: &str, status: &Status) -> Result<(), RemoteError> {
    match status.condition {
        Condition::Ok => Ok(()),
        _ => Err(RemoteError::Refused(format!("{what} was refused: {}", clean(&status.text)))),
    }
}
