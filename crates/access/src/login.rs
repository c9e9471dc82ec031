//! Who the client of a session is, whatever protocol it speaks: whether it is greeted, what it may log in by, and who it is from there on.

use std::{sync::Arc, time::Duration};

use directory::{Caller, Login, SessionLogin};
use mail::{Timestamp, TlsSession};
use sasl::Mechanisms;

use crate::{
    backend::Backend,
    gate::{Manner, Visitor},
};

/// Between looks whether a login still holds, while nothing else happens.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// The client of a session.
pub struct Client {
    pub(crate) backend: Arc<Backend>,
    visitor: Visitor,
    manner: Manner,
    /// A named network has its address.
    trusted: bool,
    secure: bool,
    login: SessionLogin,
}

/// How a client is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Welcome {
    Greeted,
    /// It spoke first, and the server does.
    Early,
    /// It has failed to log in too often.
    Banned,
}

/// Whether a client may log in as things are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// By these; perhaps by none.
    By(Mechanisms),
    /// Once it is under TLS.
    AfterTls,
}

/// Why a client that has shown who it is gets nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAccount {
    /// A fault of ours: nobody has granted the login.
    NotGranted,
    /// It is a login that has no mailboxes.
    NoMailboxes,
}

impl Client {
    pub(crate) fn new(visitor: Visitor, backend: Arc<Backend>, manner: Manner) -> Self {
        let trusted = backend.config.trusted_networks.contains(visitor.client);
        Self { backend, visitor, manner, trusted, secure: false, login: SessionLogin::default() }
    }

    fn at(&self) -> Timestamp {
        self.backend.clock.now()
    }

    fn caller(&self) -> Caller {
        let (client, scope) = (Some(self.visitor.client), self.manner.scope);
        Caller { client, trusted: self.trusted, at: self.at(), scope }
    }

    pub(crate) fn welcome(&self) -> Welcome {
        let client = self.visitor.client;
        if self.visitor.early {
            Welcome::Early
        } else if !self.caller().is_shared() && self.backend.authenticator.is_banned(client, self.at()) {
            tracing::info!(station = self.manner.station, %client, "banned for failed logins");
            Welcome::Banned
        } else {
            Welcome::Greeted
        }
    }

    /// mail-rules 7: never in clear. Only in development may a client on this machine do so.
    pub(crate) fn door(&self) -> Door {
        if self.secure || self.backend.config.login_in_clear && self.visitor.client.is_loopback() {
            Door::By(self.backend.authenticator.mechanisms(&self.login.attempt(self.caller())))
        } else {
            Door::AfterTls
        }
    }

    /// Whether it can put its connection under TLS now.
    pub(crate) fn may_start_tls(&self) -> bool {
        self.visitor.starttls && !self.secure
    }

    /// What it said and showed of itself in clear is forgotten (RFC 9051 §6.2.1, RFC 2595 §4).
    pub(crate) fn secured(&mut self, TlsSession { facts, exporter, client: certificate }: TlsSession) {
        let (station, client) = (self.manner.station, self.visitor.client);
        tracing::debug!(station, %client, protocol = %facts.version, cipher = %facts.cipher, "under TLS");
        self.secure = true;
        self.login.secured(exporter, certificate);
    }

    /// A mechanism asks.
    pub(crate) async fn answer(&mut self, question: sasl::server::Question) -> sasl::server::Answer {
        let caller = self.caller();
        self.login.answer(&self.backend.authenticator, caller, question).await
    }

    /// The exchange has come to its end: the name of the account whose mailboxes the client reads.
    pub(crate) fn complete(&mut self) -> Result<Box<str>, NoAccount> {
        let Some(login) = self.login.complete() else {
            let (station, client) = (self.manner.station, self.visitor.client);
            tracing::error!(station, %client, "a login that nobody granted");
            return Err(NoAccount::NotGranted);
        };
        let directory = self.backend.authenticator.directory();
        directory
            .account_of(login)
            .map(|account| account.directory_name().into())
            .ok_or(NoAccount::NoMailboxes)
    }

    /// Whether the login still holds: its account may be disabled meanwhile, or its app password revoked.
    pub(crate) fn holds(&self) -> bool {
        let directory = self.backend.authenticator.directory();
        self.login().is_none_or(|login| directory.holds(login))
    }

    /// Waits until the login holds no more. May be broken off.
    pub(crate) async fn ends(&self) {
        // From before the first look, so that nothing falls between.
        let mut changes = self.backend.authenticator.watch();
        while self.holds() {
            // The directory does not end before its sessions do.
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
            // All who wait are woken by each change: many changes are looked at together.
            tokio::time::sleep(LOOK_PAUSE).await;
            changes.mark_unchanged();
        }
    }

    /// Who has logged in.
    pub(crate) fn login(&self) -> Option<&Login> {
        self.login.login()
    }
}
