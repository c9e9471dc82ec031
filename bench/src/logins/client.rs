//! One who logs in, in a session of its own under TLS.

use crate::clock;
use crate::secure::Dialer;
use crate::source::Reply;
use crate::talk::Talk;
use sasl::client::{Credentials, Exchange};
use sasl::{Mechanism, Password, base64};
use std::io;
use std::net::{IpAddr, SocketAddr};

#[derive(Debug, Clone, Copy)]
pub(super) struct Client<'a> {
    pub(super) server: SocketAddr,
    /// Its address, if it matters.
    pub(super) from: Option<IpAddr>,
    pub(super) dialer: &'a Dialer,
    pub(super) login: &'a str,
    pub(super) password: &'a str,
}

impl Client<'_> {
    /// Logs in and goes. Nanoseconds from AUTH to its last reply.
    pub(super) fn come_in(&self, mechanism: Mechanism, nonce: u64) -> io::Result<u64> {
        let (reply, time) = self.try_to(mechanism, nonce)?;
        reply.good().map(|_| time)
    }

    /// The same, whatever the reply.
    pub(super) fn try_to(&self, mechanism: Mechanism, nonce: u64) -> io::Result<(Reply, u64)> {
        let mut talk = Talk::open(self.server, self.from, Some(self.dialer))?;
        let started = clock::monotonic_ns();
        let reply = self.authenticate(&mut talk, mechanism, nonce)?;
        let time = clock::monotonic_ns().saturating_sub(started);
        // Who was turned away may find the session closed.
        drop(talk.ask(b"QUIT\r\n"));
        Ok((reply, time))
    }

    /// The last reply of the exchange (RFC 4954 §4).
    fn authenticate(&self, talk: &mut Talk, mechanism: Mechanism, nonce: u64) -> io::Result<Reply> {
        let (mut exchange, line) = self.first_line(mechanism, nonce)?;
        let mut reply = talk.ask(line.as_bytes())?;
        while reply.code == 334 {
            let challenge = reply.text.get(4..).unwrap_or_default().trim_end();
            let challenge =
                base64::decode(challenge.as_bytes()).ok_or_else(|| io::Error::other("no base 64"))?;
            let response =
                exchange.respond(&challenge).map_err(|error| io::Error::other(format!("{error:?}")))?;
            reply = talk.ask(format!("{}\r\n", base64::encode(&response)).as_bytes())?;
        }
        if reply.code == 235 && !exchange.may_succeed() {
            return Err(io::Error::other("the server did not prove itself"));
        }
        Ok(reply)
    }

    /// AUTH with its initial response.
    pub(super) fn first_line(&self, mechanism: Mechanism, nonce: u64) -> io::Result<(Exchange, String)> {
        let credentials = Credentials { login: self.login.into(), password: Password::new(self.password) };
        let unknown = || io::Error::other("no mechanism of a client");
        let mut exchange =
            Exchange::new(mechanism, credentials, &format!("nonce{nonce}"), None).ok_or_else(unknown)?;
        let initial = exchange.initial().map_err(|error| io::Error::other(format!("{error:?}")))?;
        let initial = base64::encode(&initial.unwrap_or_default());
        Ok((exchange, format!("AUTH {} {initial}\r\n", mechanism.name())))
    }
}
