//! The policy of one session: answers what the SMTP machine asks, from the directory and the spool.

use std::sync::Arc;

use directory::{Answered, SessionLogin};
use events::Event;
use limits::Kind;
use mail::{Address, Client, Domain, Reply, ReversePath, TlsSession, Via};
use net::{Meter, Networks, Permit, Policy};
use smtp::{
    ForwardPath, MailFrom, Node, RcptTo,
    server::{Answer, Authentication, Offers, Question},
};
use spool::{Receipt, Submission};

use crate::{
    Config, Service,
    content::{Incoming, Trace},
    deciding::{Checked, Decided},
    expansion, flood,
    local::Giver,
    meter::Amount,
    policy::{Decision, Origin, UNSURE, addressee, room_for, sender},
    receiver::{Shared, Visitor},
    record,
    returned::{hold_back, returned},
    rules::{EnvelopeFacts, Outlook, Refusal, in_ascii},
    schedule::{self, Planned},
    storing::NOT_STORED,
    transaction::{Taken, Transaction},
};

/// Where in the server a log line or event comes from.
pub(crate) const STATION: &str = "receive";
/// Aliases may turn one recipient into many: at most so many times the recipients of a transaction.
const EXPANSION_MAX: usize = 10;
/// RFC 5321 §3.1: the server speaks first.
const EARLY: Reply = Reply::fixed(554, (5, 5, 1), "Client sent before it was its turn");
/// LMTP is for servers that know each other: by default nobody is known.
const NOT_FOR_LMTP: Reply = Reply::fixed(554, (5, 7, 1), "LMTP is for named networks of this server only");
/// mail-rules 3: after the content one reply covers all recipients.
const OTHER_RULES: Reply =
    Reply::fixed(451, (4, 5, 3), "Other rules hold for this recipient; send to it separately");
const HARVESTING: Reply = Reply::fixed(421, (4, 7, 0), "Too many refused recipients");
const BANNED: Reply =
    Reply::fixed(421, (4, 7, 0), "Too many failed logins from your address; try again later");
/// RFC 3463 §3.8: X.7.1, a matter of who sends. 450, so that the client keeps what it has and tries again.
const TOO_MUCH_MAIL: Reply =
    Reply::fixed(450, (4, 7, 1), "Too many messages from your address; try again later");
const TOO_MANY_OCTETS: Reply =
    Reply::fixed(450, (4, 7, 1), "Too much data from your address; try again later");
const TOO_MANY_ADDRESSED: Reply =
    Reply::fixed(450, (4, 7, 1), "Too many recipients from your address; try again later");

/// RFC 6409 §6.4 would have 552 5.2.2; 4yz, for it is over soon, and the client keeps the message.
const QUOTA: Reply =
    Reply::fixed(451, (4, 7, 1), "This login has sent as much as it may for now; try again later");

/// RFC 5321 §4.2.5: with this reply the message is ours to deliver or to bounce. Only a receipt earns it.
fn accepted(receipt: &Receipt) -> Reply {
    Reply::new(250, mail::EnhancedStatus::new(2, 0, 0), format!("Queued as {}", receipt.id()))
}

/// One session's state beside the protocol.
pub(crate) struct Reception {
    pub(crate) shared: Arc<Shared>,
    pub(crate) origin: Origin,
    pub(crate) client: Client,
    pub(crate) login: SessionLogin,
    /// The user of this machine who gives the mail, without a session.
    pub(crate) user: Option<Box<Giver>>,
    /// The client spoke before it was greeted.
    early: bool,
    /// The connection can be put under TLS.
    pub(crate) starttls: bool,
    pub(crate) permit: Option<Permit>,
    pub(crate) meter: Meter,
    transaction: Option<Box<Transaction>>,
    /// Recipients accepted and refused in this session.
    pub(crate) recipients_accepted: u32,
    pub(crate) recipients_refused: u32,
}

impl Reception {
    pub(crate) fn new(shared: Arc<Shared>, visitor: Visitor, meter: Meter) -> Self {
        let Visitor { service, client, early, starttls, permit, proxy: _ } = visitor;
        Self {
            origin: Origin::new(&shared.config, service, client),
            client: Client { address: Some(client), ..Client::default() },
            login: SessionLogin::default(),
            user: None,
            shared,
            early,
            starttls,
            permit,
            meter,
            transaction: None,
            recipients_accepted: 0,
            recipients_refused: 0,
        }
    }

    pub(crate) fn connected(&self) -> Answer {
        if self.early {
            Answer::RefuseAndClose(EARLY)
        } else if self.origin.service == Service::Lmtp && !self.is_in(&self.shared.config.lmtp_networks) {
            tracing::info!(station = STATION, client = %self.shown(), "no client for LMTP");
            Answer::RefuseAndClose(NOT_FOR_LMTP)
        } else if self.is_banned() {
            tracing::info!(station = STATION, client = %self.shown(), "banned for failed logins");
            Answer::RefuseAndClose(BANNED)
        } else {
            Answer::Greet(self.offers())
        }
    }

    /// What this client may do as things are, beside what all may.
    fn offers(&self) -> Offers {
        let Config { xclient_networks, etrn_networks, .. } = &self.shared.config;
        Offers {
            xclient: self.is_in(xclient_networks),
            etrn: self.origin.service != Service::Lmtp && self.is_in(etrn_networks),
            starttls: self.starttls && self.client.tls.is_none(),
            auth: self.authentication(),
            schedule: self
                .origin
                .schedules()
                .then(|| schedule::offered(self.shared.config.hold_max, self.shared.clock.now())),
        }
    }

    fn is_in(&self, networks: &Networks) -> bool {
        self.client.address.is_some_and(|address| networks.contains(address))
    }

    /// RFC 3207 §4.2: what the client said and showed of itself in clear is forgotten.
    fn secured(&mut self, TlsSession { facts, exporter, client }: TlsSession) -> Answer {
        tracing::debug!(
            station = STATION,
            client = %self.shown(),
            protocol = facts.version,
            cipher = facts.cipher,
            "under TLS"
        );
        self.client.hello = None;
        self.client.tls = Some(facts);
        self.forget_login();
        if self.origin.service.takes_logins() {
            self.login.secured(exporter, client);
        }
        Answer::Greet(self.offers())
    }

    fn hello(&mut self, name: String, extended: bool) -> Answer {
        self.client.via = match (self.origin.service, extended) {
            (Service::Lmtp, _) => Via::Lmtp,
            (_, true) => Via::Esmtp,
            (_, false) => Via::Smtp,
        };
        self.client.hello = Some(name.into());
        Answer::Proceed
    }

    fn mail(&mut self, mail: MailFrom) -> Answer {
        let (logins, login) = (self.authentication() != Authentication::Unknown, self.login.login());
        let decision = match self.origin.transaction(logins) {
            Decision::Accept(()) => {
                let directory = self.shared.authenticator.directory();
                match sender(&directory, login, &mail.reverse_path) {
                    Decision::Accept(()) => self.within_rates(),
                    refused => refused,
                }
            }
            refused => refused,
        };
        if decision != Decision::Accept(()) {
            tracing::info!(station = STATION, client = %self.shown(), "transaction refused");
        }
        match decision {
            Decision::Accept(()) => self.begin(mail),
            Decision::Reject(reply) | Decision::Defer(reply) => Answer::Refuse(reply),
        }
    }

    fn begin(&mut self, mail: MailFrom) -> Answer {
        if !self.has_room(1) {
            return Answer::Refuse(QUOTA);
        }
        // Named networks that submit without a login are trusted in this, too.
        let login = self.login.login();
        let may_hurry =
            login.map_or(self.origin.trusted, |login| self.shared.authenticator.directory().may_hurry(login));
        let (hold_max, now) = (self.shared.config.hold_max, self.shared.clock.now());
        let planned = match Planned::new(&mail.schedule, may_hurry, hold_max, now) {
            Ok(planned) => planned,
            Err(reply) => return Answer::Refuse(reply),
        };
        let reply = planned.reply(&mail.schedule);
        let mut transaction = Transaction::new(mail);
        transaction.planned = planned;
        self.transaction = Some(Box::new(transaction));
        reply.map_or(Answer::Proceed, Answer::Replied)
    }

    /// Whether the client may send another message now. Those of an account are that account's to count, wherever it is.
    fn within_rates(&self) -> Decision<()> {
        if self.origin.authenticated || self.user.is_some() {
            return self.room();
        }
        match (self.meter.charge(Kind::Octets, 0), self.room()) {
            (false, _) => Decision::Defer(TOO_MANY_OCTETS),
            (true, Decision::Accept(())) if !self.meter.spend(Kind::Messages, 1) => {
                Decision::Defer(TOO_MUCH_MAIL)
            }
            (true, room) => room,
        }
    }

    /// Whose mail is counted: an account's, or that of a user of this machine.
    fn metered(&self) -> Option<String> {
        let login = self.login.login().filter(|login| login.is_of_account());
        let user = || self.user.as_ref().map(|user| format!("user {}", user.name));
        login.map(|login| login.name().to_owned()).or_else(user)
    }

    /// Whether a message to so many recipients is within the quotas.
    fn has_room(&self, recipients: usize) -> bool {
        let (quotas, now) = (&self.shared.config.quotas, self.shared.clock.now());
        let recipients = u32::try_from(recipients).unwrap_or(u32::MAX);
        self.metered().is_none_or(|login| self.shared.usages.has_room(&login, quotas, recipients, now))
    }

    /// Counts a message. If it is part of a flood: its event, and a notice where it is the first.
    fn count(&self, taken: &mut Taken, recipients: usize) -> (Option<Event>, Option<Submission>) {
        let Some(login) = self.metered() else { return (None, None) };
        let Shared { config, spool, usages, authenticator, .. } = &*self.shared;
        let directory = authenticator.directory();
        let now = taken.envelope.received;
        let recipients = u32::try_from(recipients).unwrap_or(u32::MAX);
        let amount = usages.count(&login, &config.quotas, recipients, now);
        let may = self.login.login().is_some_and(|login| directory.may_send_much(login));
        let Amount::Flood { begins } = amount else { return (None, None) };
        if may || taken.envelope.recipients.is_empty() {
            return (None, None);
        }
        tracing::warn!(station = STATION, login, queue_id = %taken.envelope.id, "sends far more than it used to: held");
        let event = flood::hold(&mut taken.envelope, &login);
        let to = match directory.resolve(directory.postmaster()) {
            directory::Resolution::Mailboxes(mailboxes) => mailboxes,
            directory::Resolution::Forwarded(forwarded) => {
                let mut mailboxes = forwarded.mailboxes;
                mailboxes.push(forwarded.by);
                mailboxes
            }
            _ => vec![directory.postmaster().clone()],
        };
        let notice = begins.then(|| flood::notice(&config.hostname, spool.new_id(now), now, to, &login));
        (Some(event), notice)
    }

    /// Whether the spool could take a message now: better refused at MAIL than after its content has come.
    fn room(&self) -> Decision<()> {
        match self.shared.spool.accepts() {
            Ok(()) => Decision::Accept(()),
            Err(error) => Decision::Defer(self.shared.storing.failed(&error)),
        }
    }

    async fn recipient(&mut self, rcpt: Box<RcptTo>) -> Answer {
        let Some(accepted) = self.transaction.as_ref().map(|transaction| transaction.accepted) else {
            return Answer::Refuse(NOT_STORED);
        };
        // Before anything is looked up: refused recipients count too.
        if !self.origin.authenticated && self.user.is_none() && !self.meter.spend(Kind::Recipients, 1) {
            tracing::info!(station = STATION, client = %self.shown(), "too many recipients");
            return Answer::Refuse(TOO_MANY_ADDRESSED);
        }
        if !self.has_room(accepted + 1) {
            return Answer::Refuse(QUOTA);
        }
        // Somebody may be new in a directory elsewhere. The answer is boxed: idle sessions hold no room for it.
        if let ForwardPath::Address(address) = &rcpt.forward_path
            && self.shared.authenticator.look_up(address).await == Answered::Unreachable
        {
            return Answer::Refuse(UNSURE);
        }
        self.known_recipient(*rcpt)
    }

    fn known_recipient(&mut self, rcpt: RcptTo) -> Answer {
        let Some(transaction) = &self.transaction else { return Answer::Refuse(NOT_STORED) };
        let outlook = self.outlook(&transaction.mail, &rcpt.forward_path);
        let decision = match outlook.refusal(&self.shared.config.rules) {
            Some(refusal) => self.ruled_out(&refusal),
            None => self.became(transaction, &rcpt.forward_path, &outlook),
        };
        if let Decision::Reject(reply) = &decision {
            let (path, reply) = (rcpt.forward_path.to_string(), reply.to_string());
            return self.recipient_rejected(&path, &reply).unwrap_or_else(|| decision.answer(drop));
        }
        self.recipients_accepted = self.recipients_accepted.saturating_add(1);
        let spared = self.is_spared(&rcpt.forward_path);
        let Some(transaction) = &mut self.transaction else { return Answer::Refuse(NOT_STORED) };
        decision.answer(|became| {
            transaction.spares |= spared;
            transaction.add(rcpt, became, outlook);
        })
    }

    /// Whether it is postmaster or abuse here: somebody has to read what is written to them, whatever it looks like.
    fn is_spared(&self, path: &ForwardPath) -> bool {
        let directory = self.shared.authenticator.directory();
        let address = addressee(&directory, path);
        let local_part = address.local_part();
        let spared =
            local_part.eq_ignore_ascii_case("postmaster") || local_part.eq_ignore_ascii_case("abuse");
        *path == ForwardPath::Postmaster || spared && directory.is_local(in_ascii(address).domain())
    }

    /// What the rules say of a recipient.
    fn outlook(&self, mail: &MailFrom, path: &ForwardPath) -> Outlook {
        let config = &self.shared.config;
        if config.rules.is_empty() {
            return Outlook::default();
        }
        let directory = self.shared.authenticator.directory();
        let recipient = in_ascii(addressee(&directory, path));
        let local = || directory.is_local(recipient.domain());
        let postmaster = *path == ForwardPath::Postmaster || recipient.is_postmaster() && local();
        let sender = mail.reverse_path.address().map(in_ascii);
        let hello = self.client.hello.as_deref().and_then(|name| Domain::parse(name).ok());
        Outlook::of(
            &config.rules,
            &EnvelopeFacts {
                client: self.client.address,
                service: self.origin.service,
                helo: hello.and_then(directory::in_ascii),
                sender: &sender.map_or(ReversePath::Null, ReversePath::Address),
                recipient,
                postmaster,
            },
        )
    }

    /// What a recipient becomes that no rule refuses: a rule that accepts gives no right that the client has not.
    fn became(
        &self,
        transaction: &Transaction,
        path: &ForwardPath,
        outlook: &Outlook,
    ) -> Decision<Vec<Address>> {
        let config = &self.shared.config;
        let max = config.recipients_max.saturating_mul(EXPANSION_MAX);
        let (directory, sender) = (self.shared.authenticator.directory(), &transaction.mail.reverse_path);
        let returned = self.shared.returns.get().and_then(|paths| {
            returned(paths, self.origin, &directory, path, sender, self.shared.clock.now())
        });
        let decided = returned.unwrap_or_else(|| self.origin.recipient(&directory, path, sender));
        let became = match decided {
            Decision::Accept(became) => became,
            refused => return refused,
        };
        if !transaction.fits(outlook, &config.rules) {
            return Decision::Defer(OTHER_RULES);
        }
        match room_for(became.len(), transaction.addressed.len(), max) {
            Decision::Accept(()) => Decision::Accept(became),
            Decision::Reject(reply) | Decision::Defer(reply) => Decision::Defer(reply),
        }
    }

    /// A rule refuses, at RCPT or after the content.
    pub(crate) fn ruled_out<T>(&self, Refusal { reply, rule }: &Refusal) -> Decision<T> {
        let rule = self.shared.config.rules.get(*rule).map(|rule| &*rule.name);
        tracing::info!(station = STATION, client = %self.shown(), rule, %reply, "refused by a rule");
        if reply.is_transient() { Decision::Defer(reply.clone()) } else { Decision::Reject(reply.clone()) }
    }

    /// Whoever guesses addresses is sent away; a sender with some dead addresses among many good ones is not.
    fn recipient_rejected(&mut self, path: &str, reply: &str) -> Option<Answer> {
        tracing::info!(station = STATION, client = %self.shown(), recipient = path, reply, "recipient refused");
        self.recipients_refused = self.recipients_refused.saturating_add(1);
        if self.user.is_some() {
            return None;
        }
        // Whether those were too many is asked before the next command is read.
        self.meter.charge(Kind::Errors, 1);
        let guesses = self.recipients_refused.saturating_sub(self.recipients_accepted);
        (guesses >= self.shared.config.errors_max).then_some(Answer::RefuseAndClose(HARVESTING))
    }

    fn data(&self) -> Answer {
        if self.origin.normalises() { Answer::Normalise } else { Answer::Proceed }
    }

    fn turn(&self, node: Node) -> Answer {
        let (asked, now) = (node.to_string(), self.shared.clock.now());
        let reply = self.shared.turns.ask(&self.shared.spool, node, now);
        tracing::info!(station = STATION, client = %self.shown(), node = asked, %reply, "asked for waiting mail");
        Answer::Replied(reply)
    }

    async fn content(&mut self, piece: Vec<u8>) -> Result<(), Reply> {
        let begun = self.transaction.as_ref().ok_or(NOT_STORED)?.content.is_none();
        if begun {
            // Boxed, because it needs much for a moment, and idle sessions must not hold room for it.
            Box::pin(self.begin_content(&piece)).await?;
        }
        let incoming = self.transaction.as_mut().and_then(|open| open.content.as_mut()).ok_or(NOT_STORED)?;
        incoming.write(piece, begun, self.shared.config.received_max).await
    }

    async fn begin_content(&mut self, piece: &[u8]) -> Result<(), Reply> {
        let transaction = self.transaction.as_mut().ok_or(NOT_STORED)?;
        let (config, now) = (&self.shared.config, self.shared.clock.now());
        let (login, directory) = (self.login.login(), &self.shared.authenticator.directory());
        let id = self.user.as_ref().map(|user| user.id);
        let verifies =
            self.origin.is_verified() && self.client.address.is_some() && self.shared.verifier().is_some();
        let trace =
            Trace { config, client: &self.client, origin: self.origin, login, directory, now, id, verifies };
        let (spool, storing) = (&self.shared.spool, Arc::clone(&self.shared.storing));
        transaction.content = Some(Incoming::begin(spool, storing, trace, transaction, piece).await?);
        Ok(())
    }

    /// The last piece: from the commit on it is ours.
    async fn end_of_content(&mut self, piece: Vec<u8>, repaired: bool) -> Result<Reply, Reply> {
        let written = self.content(piece).await;
        let mut transaction = self.transaction.take().ok_or(NOT_STORED)?;
        written?;
        let mut incoming = transaction.content.take().ok_or(NOT_STORED)?;
        incoming.end().await?;
        let Decided { rulings, checked } = self.decide(&mut incoming, &transaction).await?;
        let (expanded, beginning) = (std::mem::take(&mut transaction.expanded), incoming.take_beginning());
        let (id, message_id) = (incoming.id, incoming.message_id.clone());
        transaction.mail.body = incoming.body(transaction.mail.body);
        let content = incoming.finish().await?;
        let now = self.shared.clock.now();
        let service = self.origin.service;
        let accepted_recipients = transaction.accepted;
        let refine =
            |to: &Address, ruling| checked.as_ref().map_or(ruling, |checked| checked.refine(to, ruling));
        let mut taken = transaction.taken(id, now, self.client.clone(), service, &rulings, refine);
        taken.envelope.account = self.login.login().map(|login| login.name().into());
        taken.envelope.may_bounce = checked.as_ref().is_none_or(Checked::may_bounce);
        if let Some(checked) = &checked {
            checked.label(&mut taken);
        }
        let rules = &self.shared.config.rules;
        let mut events =
            record::events(rules, &taken, checked.as_ref(), (content.len(), message_id, repaired));
        events.extend(checked.map(|checked| record::checked(&taken.envelope, &checked)));
        if let (Some(user), Some(event)) = (&self.user, events.first_mut()) {
            let reason = event.reason.take().map(|reason| format!("; {reason}")).unwrap_or_default();
            event.reason = Some(format!("given by user {}{reason}", user.name));
        }
        events.extend(hold_back(&self.shared.authenticator.directory(), &mut taken.envelope));
        let (flood, notice) = self.count(&mut taken, accepted_recipients);
        events.extend(flood);
        let Taken { envelope, .. } = taken;
        let (size, recipients) = (content.len(), envelope.recipients.len());
        let mut reports: Vec<Submission> = notice.into_iter().collect();
        let hostname = &self.shared.config.hostname;
        if let Some((report, event)) = beginning.and_then(|beginning| {
            let report = self.shared.spool.new_id(now);
            expansion::report(hostname, report, &envelope, &expanded, &beginning)
        }) {
            reports.push(report);
            events.push(event);
        }
        if let Some(told) = self.user.as_mut().and_then(|user| user.refused.take()) {
            reports.extend(told.report);
            events.extend(told.events);
        }
        let commit = self.shared.spool.commit_with(Submission { envelope, content, events }, reports);
        let receipt = commit.await.map_err(|error| self.shared.storing.failed(&error))?;
        self.shared.storing.succeeded();
        tracing::info!(station = STATION, queue_id = %id, client = %self.shown(), size, recipients, "accepted");
        Ok(accepted(&receipt))
    }

    pub(crate) fn shown(&self) -> String {
        let user =
            || self.user.as_ref().map_or_else(|| "local".to_owned(), |user| format!("user {}", user.name));
        self.client.address.map_or_else(user, |address| address.to_string())
    }
}

impl Reception {
    /// Lets a client wait for its greeting. Programs that send spam often do not, and who speaks first is refused.
    async fn pause(&self) {
        let waits = self.origin.service == Service::Smtp && !self.origin.trusted && !self.early;
        if waits && !self.shared.config.greet_delay.is_zero() {
            tokio::time::sleep(self.shared.config.greet_delay).await;
        }
    }
}

impl Policy<Question, Answer> for Reception {
    /// What comes while the greeting waits is read, so that the machine knows of it.
    fn may_abandon(&self, question: &Question) -> bool {
        *question == Question::Connected
    }

    async fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::Connected => {
                self.pause().await;
                self.connected()
            }
            Question::Secured(session) => self.secured(session),
            Question::Proxied(told) => self.proxied(*told),
            Question::Auth(question) => Box::pin(self.auth(*question)).await,
            Question::Authenticated => self.authenticated(),
            Question::Turn(node) => self.turn(node),
            Question::Verify(_) | Question::Expand(_) => Answer::Proceed,
            Question::Hello { name, extended } => self.hello(name, extended),
            Question::Mail(mail) => self.mail(*mail),
            Question::Recipient(rcpt) => Box::pin(self.recipient(rcpt)).await,
            Question::Data => self.data(),
            Question::Content(piece) => match self.content(piece).await {
                Ok(()) => Answer::Proceed,
                Err(reply) => {
                    // The rest is read and thrown away, and nothing of it is to be kept until then.
                    self.transaction = None;
                    Answer::Refuse(reply)
                }
            },
            Question::EndOfContent { piece, repaired } => {
                // Boxed, because this future is large and idle sessions must not hold room for it.
                let reply = Box::pin(self.end_of_content(piece, repaired)).await;
                Answer::Replied(reply.unwrap_or_else(|refused| refused))
            }
            Question::Reset => {
                self.transaction = None;
                Answer::Proceed
            }
        }
    }
}
