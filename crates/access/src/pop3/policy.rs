//! The policy of one session: answers what the machine asks, from the directory and the mailstore.

use std::sync::Arc;

use mailstore::{Mailstore, MailstoreError};
use pop3::server::{Answer, Authentication, Code, Offers, Question, Refusal};

use super::{
    maildrop::Maildrop,
    turns::{Turn, Turns},
};
use crate::{
    backend::{Backend, begin},
    login::{Client, Door, NoAccount, Welcome},
};

const STATION: &str = "pop3";

/// One session's state beside the protocol.
pub struct Policy {
    shared: Arc<Backend>,
    client: Client,
    turns: Arc<Turns>,
    open: Option<(Maildrop, Turn)>,
}

impl Policy {
    pub(super) fn new(client: Client, turns: Arc<Turns>) -> Self {
        Self { shared: Arc::clone(&client.backend), client, turns, open: None }
    }

    fn connected(&self) -> Answer {
        match self.client.welcome() {
            Welcome::Greeted => Answer::Greet(self.offers()),
            Welcome::Early => Answer::RefuseAndClose(Refusal::new("The server speaks first")),
            Welcome::Banned => Answer::RefuseAndClose(
                Refusal::new("Too many failed logins; try again later").with(Code::SysTemp),
            ),
        }
    }

    fn offers(&self) -> Offers {
        let auth = match self.client.door() {
            Door::By(mechanisms) => Authentication::By(mechanisms),
            Door::AfterTls => Authentication::AfterTls,
        };
        Offers { stls: self.client.may_start_tls(), auth }
    }

    /// The client is who was last granted: its maildrop is opened.
    async fn open(&mut self) -> Answer {
        let name = match self.client.complete() {
            Ok(name) => name,
            Err(NoAccount::NotGranted) => return Answer::RefuseAndClose(unavailable()),
            Err(NoAccount::NoMailboxes) => {
                return Answer::Refuse(Refusal::new("This login has no mailbox").with(Code::SysPerm));
            }
        };
        let Some(turn) = self.turns.take(&name) else {
            return Answer::Refuse(Refusal::new("Too many sessions have this mailbox").with(Code::InUse));
        };
        match self.maildrop_of(&name).await {
            Ok(maildrop) => {
                let size = maildrop.size();
                self.open = Some((maildrop, turn));
                Answer::Opened(size)
            }
            Err(refusal) => Answer::Refuse(refusal),
        }
    }

    /// What is there is only looked up: that costs no commit.
    async fn maildrop_of(&self, name: &str) -> Result<Maildrop, Refusal> {
        let mailstore = &self.shared.mailstore;
        let known = name.to_owned();
        if let Some(maildrop) = read(mailstore, move |mailstore| Maildrop::open(mailstore, &known)).await? {
            return Ok(maildrop);
        }
        mailstore.account(name, self.shared.now()).await.map_err(|error| refusal(&error))?;
        let made = name.to_owned();
        let maildrop = read(mailstore, move |mailstore| Maildrop::open(mailstore, &made)).await?;
        maildrop.ok_or_else(unavailable)
    }

    async fn octets(&mut self, number: u32, offset: u64, octets_max: usize) -> Answer {
        let place = self.open.as_ref().and_then(|(maildrop, _)| maildrop.place(number));
        let Some(place) = place else { return Answer::Refuse(unavailable()) };
        let found =
            read(&self.shared.mailstore, move |mailstore| place.read(mailstore, offset, octets_max)).await;
        match (found, &mut self.open) {
            (Ok((email, octets)), Some((maildrop, _))) => {
                maildrop.reads(place.uid, email);
                Answer::Octets(octets)
            }
            (Ok(_), None) => Answer::Refuse(unavailable()),
            (Err(refusal), _) => Answer::Refuse(refusal),
        }
    }

    /// All of them in one transaction. One that somebody else has removed is removed.
    async fn update(&self, numbers: &[u32]) -> Answer {
        let Some((maildrop, _)) = &self.open else { return Answer::Refuse(unavailable()) };
        let (mailbox, uids) = maildrop.uids(numbers);
        match self.shared.mailstore.remove(mailbox, uids, self.shared.now()).await {
            Ok(_) => Answer::Proceed,
            Err(error) => Answer::Refuse(refusal(&error)),
        }
    }
}

impl net::Policy<Question, Answer> for Policy {
    /// What only reads.
    fn may_abandon(&self, question: &Question) -> bool {
        matches!(question, Question::Octets { .. } | Question::List { .. })
    }

    async fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::Connected => self.connected(),
            Question::Secured(tls) => {
                self.client.secured(tls);
                Answer::Greet(self.offers())
            }
            Question::Auth(question) => Answer::Auth(Box::new(self.client.answer(*question).await)),
            Question::Open => self.open().await,
            _ if !self.client.holds() => {
                Answer::RefuseAndClose(Refusal::new("Your login holds no more").with(Code::Auth))
            }
            Question::List { from, count } => match &self.open {
                Some((maildrop, _)) => Answer::Listed(maildrop.listed(from, count)),
                None => Answer::Refuse(unavailable()),
            },
            Question::Octets { number, offset, octets_max } => self.octets(number, offset, octets_max).await,
            Question::Update(numbers) => self.update(&numbers).await,
        }
    }
}

/// Reads, or says what a client is told.
async fn read<T: Send + 'static>(
    mailstore: &Mailstore,
    read: impl FnOnce(&Mailstore) -> Result<T, MailstoreError> + Send + 'static,
) -> Result<T, Refusal> {
    match begin(mailstore, read).await {
        Ok(result) => result.map_err(|error| refusal(&error)),
        // The runtime stops.
        Err(_) => Err(unavailable()),
    }
}

/// A fault of ours that may pass.
fn unavailable() -> Refusal {
    Refusal::new("Not now; try again later").with(Code::SysTemp)
}

/// What a client is told.
fn refusal(error: &MailstoreError) -> Refusal {
    match error {
        MailstoreError::Gone => Refusal::new("Message is gone"),
        MailstoreError::Damaged(_) => {
            tracing::error!(station = STATION, %error, "a mailbox is damaged");
            Refusal::new("The mailbox is damaged").with(Code::SysPerm)
        }
        _ => {
            tracing::error!(station = STATION, %error, "cannot read or change mailboxes");
            unavailable()
        }
    }
}
