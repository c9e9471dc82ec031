//! AUTH in a session: whether it is offered, what the directory says, and who the client is from there on.

use directory::{Attempt, Login, Scope, Unproven};
use mail::ClientCertificate;
use sasl::server::Question;
use smtp::server::{Answer, Authentication};

use crate::reception::{Reception, STATION};

/// Who the client of a session has shown to be.
#[derive(Default)]
pub(crate) struct Logins {
    /// Granted by the directory; it counts once the exchange has come to its end.
    granted: Option<Box<Login>>,
    /// Keys for SCRAM that the client was given. Who leaves with them has failed.
    unproven: Option<Box<Unproven>>,
    pub(crate) login: Option<Box<Login>>,
    /// What a login can be bound to: the TLS session with the client itself, not with a proxy before it.
    pub(crate) binding: Option<Box<[u8]>>,
    /// What the client has shown in that session.
    pub(crate) certificate: Option<Box<ClientCertificate>>,
}

impl Reception {
    /// Whether, and by what, the client may log in as things are.
    ///
    /// mail-rules 7: never in clear. Only in development may a client on this machine do so.
    pub(crate) fn authentication(&self) -> Authentication {
        if !self.origin.service.takes_logins() {
            return Authentication::Unknown;
        }
        let mechanisms = self.shared.authenticator.mechanisms(&self.attempt());
        let at_home = self.client.address.is_some_and(|address| address.is_loopback());
        let private = self.client.tls.is_some() || self.shared.config.login_in_clear && at_home;
        match (mechanisms.is_empty(), private, self.starttls) {
            (false, true, _) => Authentication::By(mechanisms),
            (false, false, true) => Authentication::AfterTls,
            _ => Authentication::Unknown,
        }
    }

    /// Whether more people come from the client's address than one: a web mail on this machine or in a named network, or all whom a proxy
    /// does not know.
    fn is_shared(&self) -> bool {
        let Some(address) = self.client.address else { return true };
        self.origin.trusted || address.is_loopback() || address.is_unspecified()
    }

    /// Whether the client has failed to log in too often to be greeted where it would try again.
    pub(crate) fn is_banned(&self) -> bool {
        let now = self.shared.clock.now();
        let banned = |address| self.shared.authenticator.is_banned(address, now);
        self.origin.service.takes_logins() && !self.is_shared() && self.client.address.is_some_and(banned)
    }

    fn attempt(&self) -> Attempt {
        let Logins { binding, certificate, .. } = &self.logins;
        Attempt {
            client: self.client.address,
            shared: self.is_shared(),
            at: self.shared.clock.now(),
            scope: Scope::Smtp,
            binding: binding.clone(),
            certificate: certificate.as_deref().cloned(),
        }
    }

    /// A mechanism asks.
    pub(crate) async fn auth(&mut self, question: Question) -> Answer {
        let attempt = self.attempt();
        let asks_for_keys = match &question {
            Question::Keys { login } => Some(login.clone()),
            _ => None,
        };
        if let (Question::Proof { .. }, Some(unproven)) = (&question, self.logins.unproven.take()) {
            unproven.settle();
        }
        let (answer, granted) = self.shared.authenticator.authenticate(&attempt, question).await;
        if let (sasl::server::Answer::Scram(_), Some(login)) = (&answer, asks_for_keys) {
            self.logins.unproven = Some(Box::new(self.shared.authenticator.unproven(&attempt, &login)));
        }
        self.logins.granted = granted.map(Box::new);
        Answer::Auth(Box::new(answer))
    }

    /// The exchange has come to its end.
    pub(crate) fn authenticated(&mut self) -> Answer {
        let Some(login) = self.logins.granted.take() else {
            // The machine asks only after a grant.
            tracing::error!(station = STATION, client = %self.shown(), "a login that nobody granted");
            return Answer::RefuseAndClose(crate::storing::NOT_STORED);
        };
        self.origin.authenticated = true;
        self.logins.login = Some(login);
        Answer::Proceed
    }

    /// RFC 3207 §4.2, and another client behind a proxy: what was shown before counts no more.
    pub(crate) fn forget_login(&mut self) {
        self.logins = Logins::default();
        self.origin.authenticated = false;
    }
}
