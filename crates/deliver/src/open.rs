//! The recipients of an attempt whose fate is open, and what is known of the others.

use std::{mem, sync::Arc};

use mail::{Reply, Timestamp};
use smtp::{
    Protocol,
    client::{Failure, Outcome, Phase},
};

use crate::{
    dial::Trouble,
    next_hop::Chosen,
    outcome::{Endpoint, Fate, Finding, Success},
    remote::Connection,
    replies,
    reply_table::{self, Action, Scope},
};

/// They shrink to none as hosts answer for them.
pub(crate) struct Open {
    /// Those of the next transaction or the one under way, in the order of RCPT.
    pub(crate) recipients: Vec<u32>,
    /// Those for a transaction behind it.
    waiting: Vec<u32>,
    /// What was found for the others.
    pub(crate) findings: Vec<Finding>,
    /// What a host that we chose has against us ourselves.
    pub(crate) account: Option<Trouble>,
    /// What there is to say of a delivery by the transaction under way, for the event log.
    pub(crate) note: Option<&'static str>,
    /// A host refused the parameters of DSN that it had offered: they are not said again.
    without_dsn: bool,
    /// A host did not know BDAT though it had offered CHUNKING: it is not said again.
    without_chunking: bool,
    chosen: Chosen,
}

impl Open {
    pub(crate) fn new(recipients: Vec<u32>, chosen: Chosen) -> Self {
        let (waiting, findings) = (Vec::new(), Vec::new());
        Self {
            recipients,
            waiting,
            findings,
            account: None,
            note: None,
            without_dsn: false,
            without_chunking: false,
            chosen,
        }
    }

    /// Who chose the hosts.
    pub(crate) fn chosen(&self) -> Chosen {
        self.chosen
    }

    /// Whether there are none any more.
    pub(crate) fn is_empty(&self) -> bool {
        self.recipients.is_empty() && self.waiting.is_empty()
    }

    /// Chooses those of the next transaction: `divide` gives them and the others. Whether there are any.
    pub(crate) fn divide(&mut self, divide: impl FnOnce(&[u32]) -> (Vec<u32>, Vec<u32>)) -> bool {
        self.recipients.append(&mut self.waiting);
        (self.recipients, self.waiting) = divide(&self.recipients);
        !self.recipients.is_empty()
    }

    /// A host that offered CHUNKING did not know BDAT: it is asked again, by DATA.
    pub(crate) fn forgo_chunking(&mut self) {
        self.without_chunking = true;
    }

    /// Holds a session to what was learned about hosts that offer what they do not have.
    pub(crate) fn restrain(&self, connection: &mut Connection) {
        if self.without_dsn {
            connection.forgo_dsn();
        }
        if self.without_chunking {
            connection.forgo_chunking();
        }
    }

    /// Those who were not tried.
    pub(crate) fn into_untried(mut self) -> Vec<u32> {
        self.recipients.append(&mut self.waiting);
        self.recipients
    }

    /// Takes in how a transaction ended; gives back a reply that slows the site, if there is one. With `dsn`, parameters of DSN were said: who was
    /// refused for them stays open, for another transaction without them.
    pub(crate) fn done<'a>(
        &mut self,
        outcome: &'a Outcome,
        connection: &Connection,
        dsn: bool,
    ) -> Option<&'a Reply> {
        let (mut slowed, mut again) = (None, Vec::new());
        let mut replies = outcome.recipients.iter();
        for recipient in mem::take(&mut self.recipients) {
            match replies.next() {
                Some((phase, reply)) if dsn && reply_table::refuses_parameters(*phase, reply) => {
                    again.push(recipient);
                }
                Some((phase, reply)) if self.decided(recipient, *phase, reply, connection) => {
                    slowed = Some(reply);
                }
                Some(_) => {}
                None => self.recipients.push(recipient),
            }
        }
        // An outcome has a reply for each recipient; should one be missing, nothing may be concluded for it.
        let endpoint = &connection.endpoint;
        let waiting = mem::take(&mut self.waiting);
        self.all(Fate::Deferred, &replies::broken_off(&endpoint.host, "no reply"), false, Some(endpoint));
        (self.without_dsn, self.recipients, self.waiting) =
            (self.without_dsn || !again.is_empty(), again, waiting);
        // What a host has against us it has for all of them.
        if let Some(Trouble { reply, endpoint, .. }) = &self.account {
            let (reply, endpoint) = (reply.clone(), Arc::clone(endpoint));
            self.all(Fate::Deferred, &reply, true, Some(&endpoint));
        }
        slowed
    }

    /// Takes in what was decided before a session failed.
    pub(crate) fn failed(&mut self, failure: &Failure, connection: &Connection) {
        let mut decided = failure.decided.iter();
        for recipient in mem::take(&mut self.recipients) {
            match decided.next() {
                Some(Some((phase, reply))) => drop(self.decided(recipient, *phase, reply, connection)),
                _ => self.recipients.push(recipient),
            }
        }
    }

    /// The same for all that are still open.
    pub(crate) fn all(
        &mut self,
        fate: Fate,
        reply: &Reply,
        peer_words: bool,
        endpoint: Option<&Arc<Endpoint>>,
    ) {
        for recipient in self.recipients.drain(..).chain(self.waiting.drain(..)) {
            let own = Finding::own(recipient, fate, reply.clone());
            self.findings.push(Finding { peer_words, endpoint: endpoint.map(Arc::clone), ..own });
        }
    }

    /// Nothing can be tried for those that are still open, by a fault of ours: no attempt is made before `until`.
    pub(crate) fn stuck(&mut self, reply: &Reply, until: Timestamp) {
        let before = self.findings.len();
        self.all(Fate::Deferred, reply, false, None);
        for finding in self.findings.iter_mut().skip(before) {
            (finding.stuck, finding.not_before) = (true, Some(until));
        }
    }

    /// Takes in the reply that decided a recipient. Whether it slows the site.
    fn decided(&mut self, recipient: u32, phase: Phase, reply: &Reply, connection: &Connection) -> bool {
        let row = reply_table::decide_at(self.chosen, phase, reply);
        let endpoint = &connection.endpoint;
        if row.scope == Scope::Account {
            self.account =
                Some(Trouble { reply: reply.clone(), peer_words: true, endpoint: Arc::clone(endpoint) });
        }
        let fate = match row.action {
            Action::Deliver => Fate::Delivered,
            Action::Bounce => Fate::Bounced,
            Action::Defer | Action::NextHost => Fate::Deferred,
        };
        self.findings.push(Finding {
            peer_words: true,
            endpoint: Some(Arc::clone(endpoint)),
            success: success(connection),
            without_deadline: !connection.capabilities().deliver_by,
            note: self.note.filter(|_| fate == Fate::Delivered),
            ..Finding::own(recipient, fate, reply.clone())
        });
        row.slows_after(reply)
    }
}

/// What we tell when a host has taken mail: nothing if it tells itself; "delivered" if it is a mail store, for what that has
/// is in the mailbox; else "relayed" (RFC 3461 §5.2.2 (b)).
fn success(connection: &Connection) -> Success {
    match connection.key.terms.protocol {
        _ if connection.capabilities().dsn => Success::PassedOn,
        Protocol::Lmtp => Success::Delivered,
        Protocol::Smtp => Success::Relayed,
    }
}
