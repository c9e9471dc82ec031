//! Mail from programs of this machine: judged and kept as if it had come to a submission listener, without a session.

use events::{Event, Kind};
use mail::{Client, EnhancedStatus, Envelope, QueueId, Recipient, Reply, Via};
use message::{Action, Cause, Report, ReportedRecipient};
use smtp::{
    MailFrom, RcptTo,
    server::{Answer, Question},
};
use spool::{SpoolError, Submission};

use crate::{
    Receiver, Service,
    receiver::{Shared, Visitor},
    reception::{Reception, STATION},
    storing::NOT_STORED,
};

/// A message on its way in, given by a user of this machine.
pub struct LocalMail {
    reception: Reception,
}

/// The user who gives it.
pub(crate) struct Giver {
    pub(crate) name: String,
    /// The queue id that the message is to have.
    pub(crate) id: QueueId,
    /// What is to be told of recipients that were refused, in one commit with the message.
    pub(crate) refused: Option<Told>,
}

/// What its sender and the event log hear of recipients that were refused.
pub(crate) struct Told {
    /// None where nobody may or wants to hear of it.
    pub(crate) report: Option<Submission>,
    pub(crate) events: Vec<Event>,
}

/// Recipients that get nothing of a message.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// The sender and what it asked for.
    pub mail: &'a MailFrom,
    /// The recipients, and why.
    pub recipients: &'a [(RcptTo, Reply)],
    /// The beginning of the content, for the report.
    pub content: &'a [u8],
    /// Octets of the whole content.
    pub octets: u64,
}

impl Receiver {
    /// Begins a message of the user, whose name stands in the log and in the event. It gets that queue id.
    pub fn local(&self, user: &str, id: QueueId) -> LocalMail {
        let visitor = Visitor {
            service: Service::Sendmail,
            client: std::net::Ipv4Addr::LOCALHOST.into(),
            early: false,
            starttls: false,
            proxy: false,
            permit: None,
        };
        let shared = self.current();
        let meter = shared.admission.meter(visitor.client);
        let mut reception = Reception::new(shared, visitor, meter);
        reception.client = Client { address: None, via: Via::Local, ..Client::default() };
        reception.user = Some(Box::new(Giver { name: user.to_owned(), id, refused: None }));
        LocalMail { reception }
    }

    /// A queue id for a message that is to come.
    pub fn new_id(&self) -> QueueId {
        let shared = self.current();
        shared.spool.new_id(shared.clock.now())
    }

    /// Octets of a message, as the settings are now.
    pub fn message_size_max(&self) -> u64 {
        self.current().config.message_size_max
    }

    /// Puts on record that the message `id` was refused for all, and tells its sender: nobody waits for a reply any more.
    ///
    /// # Errors
    /// It was not stored; it has to be made again.
    pub async fn report_refused(&self, id: QueueId, refusal: Refusal<'_>) -> Result<(), SpoolError> {
        let shared = self.current();
        let Told { report, mut events } = tell(&shared, id, refusal);
        let mut submission = report.unwrap_or_else(|| {
            // There is nothing to send: the events are all there is of it.
            let envelope = Envelope::new(id, shared.clock.now(), Service::Sendmail.name(), Vec::new());
            Submission { envelope, content: Vec::new().into(), events: Vec::new() }
        });
        submission.events.append(&mut events);
        shared.spool.commit(submission).await.map(drop)
    }
}

/// RFC 5321 §6.1: whoever took a message reports what becomes of it.
fn tell(shared: &Shared, of: QueueId, refusal: Refusal<'_>) -> Told {
    let Refusal { mail, recipients: refused, content, octets } = refusal;
    let (now, directory) = (shared.clock.now(), shared.authenticator.directory());
    let id = shared.spool.new_id(now);
    let recipients: Vec<Recipient> = refused
        .iter()
        .map(|(rcpt, _)| {
            let address = crate::policy::addressee(&directory, &rcpt.forward_path).clone();
            Recipient { notify: rcpt.notify, orcpt: rcpt.orcpt.clone(), ..Recipient::new(address, now) }
        })
        .collect();
    let mut events: Vec<Event> = recipients
        .iter()
        .zip(refused)
        .map(|(recipient, (_, reply))| Event {
            reverse_path: Some(mail.reverse_path.address().map(ToString::to_string).unwrap_or_default()),
            recipient: Some(recipient.forward_path.to_string()),
            reply: Some(reply.to_string()),
            ..Event::new(now, of, Kind::Bounced, STATION)
        })
        .collect();
    let mut envelope = Envelope::new(of, now, Service::Sendmail.name(), Vec::new());
    (envelope.reverse_path, envelope.ret) = (mail.reverse_path.clone(), mail.ret);
    envelope.envid.clone_from(&mail.envid);
    let reported: Vec<ReportedRecipient<'_>> = recipients
        .iter()
        .zip(refused)
        .filter(|(recipient, _)| recipient.notify.failure)
        .map(|(recipient, (_, reply))| reported(recipient, reply))
        .collect();
    let report = Report {
        reporting_mta: &shared.config.hostname,
        id,
        at: now,
        envelope: &envelope,
        recipients: &reported,
        content,
        content_octets: octets,
        for_postmaster: false,
    };
    let may_be_told = !reported.is_empty() && !mail.reverse_path.is_null();
    let report = may_be_told.then(|| report.build().map(|dsn| (dsn, report.actions()))).flatten();
    let report = report.map(|(dsn, actions)| {
        events.push(Event::report_sent(now, of, STATION, id, &dsn.to.to_string(), &actions));
        Submission::own(dsn.envelope(id, now, envelope.stream), dsn.content, STATION)
    });
    Told { report, events }
}

fn reported<'a>(recipient: &'a Recipient, reply: &'a Reply) -> ReportedRecipient<'a> {
    ReportedRecipient {
        recipient,
        action: Action::Failed(Cause::Bounced),
        status: reply.enhanced().unwrap_or(EnhancedStatus::new(5, 0, 0)),
        remote_mta: None,
        reply: Some(reply),
        last_attempt: None,
    }
}

impl LocalMail {
    /// The sender and what it asks for.
    ///
    /// # Errors
    /// The refusal.
    pub async fn mail(&mut self, mail: MailFrom) -> Result<(), Reply> {
        self.ask(Question::Mail(Box::new(mail))).await.map(drop)
    }

    /// A recipient.
    ///
    /// # Errors
    /// The refusal; the message may go on without it.
    pub async fn recipient(&mut self, rcpt: RcptTo) -> Result<(), Reply> {
        self.ask(Question::Recipient(Box::new(rcpt))).await.map(drop)
    }

    /// A piece of content, which begins with its header section.
    ///
    /// # Errors
    /// The refusal; the message is over.
    pub async fn content(&mut self, piece: Vec<u8>) -> Result<(), Reply> {
        self.ask(Question::Content(piece)).await.map(drop)
    }

    /// Puts on record, and tells the sender, in one commit with the message, that those do not get it.
    pub fn refuse(&mut self, refusal: Refusal<'_>) {
        let shared = &self.reception.shared;
        if let Some(user) = &mut self.reception.user {
            user.refused = Some(tell(shared, user.id, refusal));
        }
    }

    /// The end of the content: from the reply on the message is in the spool.
    ///
    /// # Errors
    /// The refusal.
    pub async fn end(mut self) -> Result<Reply, Reply> {
        self.ask(Question::EndOfContent { piece: Vec::new(), repaired: false })
            .await
            .and_then(|reply| reply.ok_or(NOT_STORED))
    }

    async fn ask(&mut self, question: Question) -> Result<Option<Reply>, Reply> {
        use net::Policy;
        match self.reception.answer(question).await {
            Answer::Replied(reply) if reply.is_completion() => Ok(Some(reply)),
            Answer::Replied(reply) | Answer::Refuse(reply) | Answer::RefuseAndClose(reply) => Err(reply),
            Answer::Proceed | Answer::Normalise | Answer::Greet(_) | Answer::Auth(_) => Ok(None),
        }
    }
}
