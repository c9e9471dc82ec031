//! The policy of one session: answers what the machine asks, from the directory and the mailstore.

use std::sync::Arc;

use directory::Scope;
use mail::TlsSession;
use mailstore::{Mailstore, MailstoreError};
use net::Permit;
use pop3::server::{Answer, Authentication, Code, Offers, Question, Refusal};

use super::{maildrop::Maildrop, service::Shared, turns::Turn};
use crate::{
    gate::Visitor,
    login::{Client, Door},
};

const STATION: &str = "pop3";

/// One session's state beside the protocol.
pub(super) struct Policy {
    shared: Arc<Shared>,
    client: Client,
    early: bool,
    _permit: Option<Permit>,
    open: Option<(Maildrop, Turn)>,
}

impl Policy {
    pub(super) fn new(shared: Arc<Shared>, visitor: Visitor) -> Self {
        let Visitor { client, early, starttls, permit } = visitor;
        let client = Client::new(client, &shared.config, Scope::Pop3, starttls);
        Self { shared, client, early, _permit: permit, open: None }
    }

    fn now(&self) -> i64 {
        i64::try_from(self.shared.clock.now().as_millis()).unwrap_or(i64::MAX)
    }

    fn connected(&self) -> Answer {
        let now = self.shared.clock.now();
        if self.early {
            Answer::RefuseAndClose(Refusal::new("The server speaks first"))
        } else if self.client.is_banned(&self.shared.authenticator, now) {
            tracing::info!(station = STATION, client = %self.client.address, "banned for failed logins");
            Answer::RefuseAndClose(
                Refusal::new("Too many failed logins; try again later").with(Code::SysTemp),
            )
        } else {
            Answer::Greet(self.offers())
        }
    }

    fn offers(&self) -> Offers {
        let Shared { config, authenticator, clock, .. } = &*self.shared;
        let auth = match self.client.door(config, authenticator, clock.now()) {
            Door::By(mechanisms) => Authentication::By(mechanisms),
            Door::AfterTls => Authentication::AfterTls,
        };
        Offers { stls: self.client.starttls && !self.client.secure, auth }
    }

    fn secured(&mut self, tls: TlsSession) -> Answer {
        let (protocol, cipher) = (&tls.facts.version, &tls.facts.cipher);
        tracing::debug!(station = STATION, client = %self.client.address, %protocol, %cipher, "under TLS");
        self.client.secured(tls);
        Answer::Greet(self.offers())
    }

    async fn auth(&mut self, question: sasl::server::Question) -> Answer {
        let Shared { authenticator, clock, .. } = &*self.shared;
        Answer::Auth(Box::new(self.client.answer(authenticator, question, clock.now()).await))
    }

    /// The client is who was last granted: its maildrop is opened.
    async fn open(&mut self) -> Answer {
        let directory = self.shared.authenticator.directory();
        let Some(login) = self.client.complete() else {
            tracing::error!(station = STATION, client = %self.client.address, "a login that nobody granted");
            return Answer::RefuseAndClose(unavailable());
        };
        let Some(account) = directory.account_of(login) else {
            return Answer::Refuse(Refusal::new("This login has no mailbox").with(Code::SysPerm));
        };
        let name = account.directory_name();
        let Some(turn) = self.shared.turns.take(name) else {
            return Answer::Refuse(Refusal::new("Too many sessions have this mailbox").with(Code::InUse));
        };
        match self.maildrop_of(name).await {
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
        mailstore.account(name, self.now()).await.map_err(|error| refusal(&error))?;
        let made = name.to_owned();
        let maildrop = read(mailstore, move |mailstore| Maildrop::open(mailstore, &made)).await?;
        maildrop.ok_or_else(unavailable)
    }

    /// Whether the login still holds: its account may be disabled meanwhile, or its app password revoked.
    fn holds(&self) -> bool {
        let directory = self.shared.authenticator.directory();
        self.client.login().is_none_or(|login| directory.holds(login))
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
        match self.shared.mailstore.remove(mailbox, uids, self.now()).await {
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
            Question::Secured(tls) => self.secured(tls),
            Question::Auth(question) => self.auth(*question).await,
            Question::Open => self.open().await,
            _ if !self.holds() => {
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

/// Reads, on a thread where waiting for the disk holds nobody up.
async fn read<T: Send + 'static>(
    mailstore: &Mailstore,
    read: impl FnOnce(&Mailstore) -> Result<T, MailstoreError> + Send + 'static,
) -> Result<T, Refusal> {
    let mailstore = mailstore.clone();
    match tokio::task::spawn_blocking(move || read(&mailstore)).await {
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
