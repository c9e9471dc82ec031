//! AUTH in a session: whether it is offered, what the directory says, and who the client is from there on.

use directory::{Caller, Scope, SessionLogin};
use sasl::server::Question;
use smtp::server::{Answer, Authentication};

use crate::reception::{Reception, STATION};

impl Reception {
    /// Whether, and by what, the client may log in as things are.
    ///
    /// mail-rules 7: never in clear. Only in development may a client on this machine do so.
    pub(crate) fn authentication(&self) -> Authentication {
        if !self.origin.service.takes_logins() {
            return Authentication::Unknown;
        }
        let mechanisms = self.shared.authenticator.mechanisms(&self.login.attempt(self.caller()));
        let at_home = self.client.address.is_some_and(|address| address.is_loopback());
        let private = self.client.tls.is_some() || self.shared.config.login_in_clear && at_home;
        match (mechanisms.is_empty(), private, self.starttls) {
            (false, true, _) => Authentication::By(mechanisms),
            (false, false, true) => Authentication::AfterTls,
            _ => Authentication::Unknown,
        }
    }

    /// Whether the client has failed to log in too often to be greeted where it would try again.
    pub(crate) fn is_banned(&self) -> bool {
        let now = self.shared.clock.now();
        let banned = |address| self.shared.authenticator.is_banned(address, now);
        self.origin.service.takes_logins()
            && !self.caller().is_shared()
            && self.client.address.is_some_and(banned)
    }

    fn caller(&self) -> Caller {
        Caller {
            client: self.client.address,
            trusted: self.origin.trusted,
            at: self.shared.clock.now(),
            scope: Scope::Smtp,
        }
    }

    /// A mechanism asks.
    pub(crate) async fn auth(&mut self, question: Question) -> Answer {
        let caller = self.caller();
        Answer::Auth(Box::new(self.login.answer(&self.shared.authenticator, caller, question).await))
    }

    /// The exchange has come to its end.
    pub(crate) fn authenticated(&mut self) -> Answer {
        if self.login.complete().is_none() {
            tracing::error!(station = STATION, client = %self.shown(), "a login that nobody granted");
            return Answer::RefuseAndClose(crate::storing::NOT_STORED);
        }
        self.origin.authenticated = true;
        Answer::Proceed
    }

    /// RFC 3207 §4.2, and another client behind a proxy: what was shown before counts no more.
    pub(crate) fn forget_login(&mut self) {
        self.login = SessionLogin::default();
        self.origin.authenticated = false;
    }
}
