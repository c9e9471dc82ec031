//! Logging in, as one session of any protocol does it.

use mail::{ClientCertificate, Timestamp};
use sasl::server::{Answer, Question};
use std::net::IpAddr;

use crate::{Attempt, Authenticator, Login, Scope, Unproven};

/// Who wants in, as the session knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The client's address, unless it is local or nobody knows it.
    pub client: Option<IpAddr>,
    /// A network that is named has it, so that many people may come from there.
    pub trusted: bool,
    /// When.
    pub at: Timestamp,
    /// What it wants to do.
    pub scope: Scope,
}

impl Caller {
    /// Whether more people come from the client's address than one: a web mail on this machine or in a named network, or all whom a proxy
    /// does not know.
    pub fn is_shared(&self) -> bool {
        let Some(address) = self.client else { return true };
        self.trusted || address.is_loopback() || address.is_unspecified()
    }
}

/// Who the client of a session has shown to be.
#[derive(Default)]
pub struct SessionLogin {
    /// Granted by the directory; it counts once the exchange has come to its end.
    granted: Option<Box<Login>>,
    /// Keys for SCRAM that the client was given. Who leaves with them has failed.
    unproven: Option<Box<Unproven>>,
    login: Option<Box<Login>>,
    /// What a login can be bound to: the TLS session with the client itself, not with a proxy before it.
    binding: Option<Box<[u8]>>,
    /// What the client has shown in that session.
    certificate: Option<Box<ClientCertificate>>,
}

impl SessionLogin {
    /// Forgets all, and takes what the TLS session that begins now shows (RFC 3207 §4.2, RFC 9051 §6.2.1).
    pub fn secured(&mut self, binding: Option<Box<[u8]>>, certificate: Option<Box<ClientCertificate>>) {
        *self = Self { binding, certificate, ..Self::default() };
    }

    /// What the client tries.
    pub fn attempt(&self, caller: Caller) -> Attempt {
        Attempt {
            client: caller.client,
            shared: caller.is_shared(),
            at: caller.at,
            scope: caller.scope,
            binding: self.binding.clone(),
            certificate: self.certificate.as_deref().cloned(),
        }
    }

    /// A mechanism asks.
    pub async fn answer(
        &mut self,
        authenticator: &Authenticator,
        caller: Caller,
        question: Question,
    ) -> Answer {
        let attempt = self.attempt(caller);
        let asks_for_keys = match &question {
            Question::Keys { login } => Some(login.clone()),
            _ => None,
        };
        if let (Question::Proof { .. }, Some(unproven)) = (&question, self.unproven.take()) {
            unproven.settle();
        }
        let (answer, granted) = authenticator.authenticate(&attempt, question).await;
        if let (Answer::Scram(_), Some(login)) = (&answer, asks_for_keys) {
            self.unproven = Some(Box::new(authenticator.unproven(&attempt, &login)));
        }
        self.granted = granted.map(Box::new);
        answer
    }

    /// The exchange has come to its end: who was granted has logged in. None: nobody was, and a machine asks only after a grant.
    pub fn complete(&mut self) -> Option<&Login> {
        self.login = Some(self.granted.take()?);
        self.login.as_deref()
    }

    /// Who has logged in.
    pub fn login(&self) -> Option<&Login> {
        self.login.as_deref()
    }
}
