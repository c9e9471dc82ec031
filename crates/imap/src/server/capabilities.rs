//! What is announced in which state (RFC 9051 §6.1.1, §7.2.2).

use super::{
    Authentication, Enabled, Session,
    state::{Channel, Standing},
};
use sasl::Mechanism;

/// What the machine itself can, in any state.
const ALWAYS: [&str; 6] = ["IMAP4rev2", "IMAP4rev1", "LITERAL+", "SASL-IR", "ENABLE", "ID"];

/// What ENABLE can switch on, if the policy offers it; IMAP4rev2 always.
const ENABLES: [&str; 4] = ["IMAP4rev2", "UTF8=ACCEPT", "CONDSTORE", "QRESYNC"];

impl Session {
    /// The list for the state that the session is in.
    pub(super) fn capabilities(&self) -> Vec<Box<str>> {
        let mut all: Vec<Box<str>> = ALWAYS.into_iter().map(Into::into).collect();
        if self.standing != Standing::Stranger {
            all.push("IDLE".into());
            all.extend(self.config.capabilities.iter().map(|name| Box::from(&**name)));
            return all;
        }
        if self.can_secure() {
            all.push("STARTTLS".into());
        }
        match self.offers.auth {
            Authentication::By(mechanisms) => {
                all.extend(mechanisms.iter().map(|mechanism| format!("AUTH={}", mechanism.name()).into()));
                if !mechanisms.has(Mechanism::Plain) {
                    all.push("LOGINDISABLED".into());
                }
            }
            // RFC 9051 §6.2.3: where LOGIN is refused, that is announced.
            Authentication::AfterTls => all.push("LOGINDISABLED".into()),
        }
        all
    }

    /// Whether STARTTLS can be carried out.
    pub(super) fn can_secure(&self) -> bool {
        self.offers.starttls && self.channel == Channel::Clear && self.standing == Standing::Stranger
    }

    /// Of what a client wants enabled, what can be and is not yet (RFC 5161 §3.1). The rest is ignored.
    pub(super) fn can_enable(&self, wanted: &[Box<str>]) -> Vec<Box<str>> {
        let offered = |name: &str| {
            name == "IMAP4rev2"
                || self.config.capabilities.iter().any(|known| known.eq_ignore_ascii_case(name))
        };
        let known =
            ENABLES.into_iter().filter(|name| wanted.iter().any(|word| word.eq_ignore_ascii_case(name)));
        known.filter(|name| offered(name) && !self.enabled.has(name)).map(Into::into).collect()
    }
}

impl Enabled {
    fn has(self, name: &str) -> bool {
        match name {
            "IMAP4rev2" => self.rev2,
            "UTF8=ACCEPT" => self.utf8,
            "CONDSTORE" => self.condstore,
            "QRESYNC" => self.qresync,
            _ => false,
        }
    }

    /// With what has this name.
    pub(super) fn note(&mut self, name: &str) {
        match name {
            "IMAP4rev2" => self.rev2 = true,
            "UTF8=ACCEPT" => self.utf8 = true,
            "CONDSTORE" => self.condstore = true,
            "QRESYNC" => self.qresync = true,
            _ => {}
        }
    }

    /// The names.
    pub(super) fn names(self) -> Vec<Box<str>> {
        ENABLES.into_iter().filter(|name| self.has(name)).map(Into::into).collect()
    }

    /// With what the client has enabled now. QRESYNC brings CONDSTORE with it (RFC 7162 §3.2.3).
    pub(super) fn and(self, new: Self) -> Self {
        let qresync = self.qresync || new.qresync;
        Self {
            rev2: self.rev2 || new.rev2,
            utf8: self.utf8 || new.utf8,
            condstore: self.condstore || new.condstore || qresync,
            qresync,
        }
    }

    /// Whether names and strings are UTF-8 (RFC 9051 §5.1, RFC 6855 §3).
    pub(super) fn is_utf8(self) -> bool {
        self.rev2 || self.utf8
    }
}
