//! Mail from programs of this machine: judged and kept as if it had come to a submission listener, without a session.

use events::Event;
use mail::{Client, EnhancedStatus, Envelope, Recipient, Reply, Via};
use message::{Action, Cause, Report, ReportedRecipient};
use smtp::{
    MailFrom, RcptTo,
    server::{Answer, Question},
};
use spool::{SpoolError, Submission};

use crate::{
    Receiver, Service,
    receiver::Visitor,
    reception::{Reception, STATION},
    storing::NOT_STORED,
};

/// A message on its way in, given by a user of this machine.
pub struct LocalMail {
    reception: Reception,
}

impl Receiver {
    /// Begins a message of the user, whose name stands in the log and in the event.
    pub fn local(&self, user: &str) -> LocalMail {
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
        reception.user = Some(user.into());
        LocalMail { reception }
    }

    /// Tells the sender of a message that it was refused, wholly or for some recipients: nobody waits for a reply any more.
    ///
    /// # Errors
    /// The report was not stored; it has to be made again.
    pub async fn report_refused(
        &self,
        mail: &MailFrom,
        refused: &[(RcptTo, Reply)],
        content: &[u8],
        octets: u64,
    ) -> Result<(), SpoolError> {
        let shared = self.current();
        let (now, directory) = (shared.clock.now(), shared.authenticator.directory());
        let (id, of) = (shared.spool.new_id(now), shared.spool.new_id(now));
        let recipients: Vec<Recipient> = refused
            .iter()
            .map(|(rcpt, _)| {
                let address = crate::policy::addressee(&directory, &rcpt.forward_path).clone();
                Recipient { notify: rcpt.notify, orcpt: rcpt.orcpt.clone(), ..Recipient::new(address, now) }
            })
            .collect();
        let mut envelope = Envelope::new(of, now, Service::Sendmail.name(), Vec::new());
        (envelope.reverse_path, envelope.ret) = (mail.reverse_path.clone(), mail.ret);
        envelope.envid.clone_from(&mail.envid);
        let reported: Vec<ReportedRecipient<'_>> = recipients
            .iter()
            .zip(refused)
            .map(|(recipient, (_, reply))| reported(recipient, reply))
            .collect();
        let reported: Vec<_> = reported.into_iter().filter(|told| told.recipient.notify.failure).collect();
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
        let Some(dsn) = report.build().filter(|_| !reported.is_empty() && !mail.reverse_path.is_null())
        else {
            return Ok(());
        };
        let (to, actions) = (dsn.to.to_string(), report.actions());
        let sent = dsn.envelope(id, now, envelope.stream);
        let mut submission = Submission::own(sent, dsn.content, STATION);
        submission.events.push(Event::report_sent(now, of, STATION, id, &to, &actions));
        shared.spool.commit(submission).await.map(drop)
    }
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
