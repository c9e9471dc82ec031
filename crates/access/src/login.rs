//! Who the client of a session is, whatever protocol it speaks: what it may log in by, and who it is from there on.

use std::net::IpAddr;

use directory::{Authenticator, Caller, Login, Scope, SessionLogin};
use mail::{Timestamp, TlsSession};
use sasl::Mechanisms;

use crate::Config;

/// The client of a session.
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    /// A named network has it.
    trusted: bool,
    scope: Scope,
    /// Its connection can be put under TLS.
    pub(crate) starttls: bool,
    pub(crate) secure: bool,
    login: SessionLogin,
}

/// Whether a client may log in as things are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// By these; perhaps by none.
    By(Mechanisms),
    /// Once it is under TLS.
    AfterTls,
}

impl Client {
    pub(crate) fn new(address: IpAddr, config: &Config, scope: Scope, starttls: bool) -> Self {
        let trusted = config.trusted_networks.contains(address);
        Self { address, trusted, scope, starttls, secure: false, login: SessionLogin::default() }
    }

    fn caller(&self, at: Timestamp) -> Caller {
        Caller { client: Some(self.address), trusted: self.trusted, at, scope: self.scope }
    }

    /// mail-rules 7: never in clear. Only in development may a client on this machine do so.
    pub(crate) fn door(&self, config: &Config, authenticator: &Authenticator, at: Timestamp) -> Door {
        if self.secure || config.login_in_clear && self.address.is_loopback() {
            Door::By(authenticator.mechanisms(&self.login.attempt(self.caller(at))))
        } else {
            Door::AfterTls
        }
    }

    /// Whether it has failed to log in too often to be greeted.
    pub(crate) fn is_banned(&self, authenticator: &Authenticator, at: Timestamp) -> bool {
        !self.caller(at).is_shared() && authenticator.is_banned(self.address, at)
    }

    /// What it said and showed of itself in clear is forgotten (RFC 9051 §6.2.1, RFC 2595 §4).
    pub(crate) fn secured(&mut self, TlsSession { exporter, client, .. }: TlsSession) {
        self.secure = true;
        self.login.secured(exporter, client);
    }

    /// A mechanism asks.
    pub(crate) async fn answer(
        &mut self,
        authenticator: &Authenticator,
        question: sasl::server::Question,
        at: Timestamp,
    ) -> sasl::server::Answer {
        let caller = self.caller(at);
        self.login.answer(authenticator, caller, question).await
    }

    /// The exchange has come to its end.
    pub(crate) fn complete(&mut self) -> Option<&Login> {
        self.login.complete()
    }

    /// Who has logged in.
    pub(crate) fn login(&self) -> Option<&Login> {
        self.login.login()
    }
}
