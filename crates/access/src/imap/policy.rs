//! The policy of one session: answers what the machine asks, from the directory and the mailstore.

use std::sync::Arc;

use imap::{
    Command, Tag,
    response::{Code, Response, Status},
    server::{Answer, Authentication, Offers, Question, Task},
};
use mailstore::{AccountId, Rights};

use super::{
    acl::no_permission,
    blocking::{read, refusal, unavailable},
    fetch::{Ahead, Fetching},
    notify::Notifying,
    selected::{Manner, Selected},
    streams::Source,
    upload::Uploading,
};
use crate::{
    backend::Backend,
    login::{Client, Door, NoAccount, Welcome},
};

/// What a command comes to: what is told before, and how it went.
pub(super) struct Done {
    pub(super) responses: Vec<Response>,
    pub(super) status: Status,
}

/// A command that failed has told nothing.
pub(super) type Handled = Result<Done, Status>;

impl From<Status> for Done {
    fn from(status: Status) -> Self {
        Self { responses: Vec::new(), status }
    }
}

impl Done {
    pub(super) fn ok(text: &'static str) -> Self {
        Self { responses: Vec::new(), status: Status::ok(text) }
    }

    pub(super) fn telling(responses: Vec<Response>, text: &'static str) -> Self {
        Self { responses, status: Status::ok(text) }
    }
}

/// One session's state beside the protocol.
pub struct Policy {
    pub(super) shared: Arc<Backend>,
    pub(super) client: Client,
    /// Whose mailboxes, once the client has logged in.
    pub(super) account: Option<AccountId>,
    /// What the client speaks; `expunges` is that of the command at hand.
    pub(super) manner: Manner,
    pub(super) selected: Option<Box<Selected>>,
    pub(super) fetching: Option<Box<Fetching>>,
    /// What of it comes next.
    pub(super) ahead: Option<Ahead>,
    /// Where octets come from that were announced.
    pub(super) streams: Vec<Source>,
    pub(super) upload: Option<Box<Uploading>>,
    /// What it wants to hear unasked, once it has said so.
    pub(super) notifying: Option<Box<Notifying>>,
    /// It is in IDLE.
    pub(super) idling: bool,
}

impl Policy {
    pub(super) fn new(client: Client) -> Self {
        Self {
            shared: Arc::clone(&client.backend),
            client,
            account: None,
            manner: Manner::default(),
            selected: None,
            fetching: None,
            ahead: None,
            streams: Vec::new(),
            upload: None,
            notifying: None,
            idling: false,
        }
    }

    pub(super) fn now(&self) -> i64 {
        self.shared.now()
    }

    /// Whose mailboxes. The machine lets nobody here who has not logged in.
    pub(super) fn account(&self) -> Result<AccountId, Status> {
        self.account.ok_or_else(unavailable)
    }

    /// The machine lets nobody here who has selected nothing.
    pub(super) fn selected(&mut self) -> Result<&mut Selected, Status> {
        self.selected.as_deref_mut().ok_or_else(|| Status::bad("Select a mailbox first"))
    }

    /// The selected mailbox, to change it as one may who has these rights.
    pub(super) fn writable(&mut self, needed: Rights) -> Result<&mut Selected, Status> {
        match self.selected.as_deref_mut() {
            Some(selected) if selected.is_read_only() => {
                Err(Status::no("The mailbox was opened to read").with(Code::ReadOnly))
            }
            Some(selected) if !selected.rights.contains(needed) => Err(no_permission()),
            _ => self.selected(),
        }
    }

    fn connected(&self) -> Answer {
        match self.client.welcome() {
            Welcome::Greeted => Answer::Greet(self.offers()),
            Welcome::Early => {
                Answer::RefuseAndClose(Status::bye("The server speaks first").with(Code::ClientBug))
            }
            Welcome::Banned => Answer::RefuseAndClose(
                Status::bye("Too many failed logins; try again later").with(Code::Unavailable),
            ),
        }
    }

    fn offers(&self) -> Offers {
        let auth = match self.client.door() {
            Door::By(mechanisms) => Authentication::By(mechanisms),
            Door::AfterTls => Authentication::AfterTls,
        };
        Offers { starttls: self.client.may_start_tls(), auth }
    }

    /// The client is who was last granted: its mailboxes are looked up, or made.
    async fn authenticated(&mut self) -> Answer {
        let name = match self.client.complete() {
            Ok(name) => name,
            Err(NoAccount::NotGranted) => return Answer::RefuseAndClose(unavailable()),
            Err(NoAccount::NoMailboxes) => {
                return Answer::Refuse(Status::no("This login has no mailboxes").with(Code::ContactAdmin));
            }
        };
        match self.mailboxes_of(&name).await {
            Ok(account) => {
                self.account = Some(account);
                Answer::Proceed
            }
            Err(status) => Answer::Refuse(status),
        }
    }

    /// What is there is only looked up: that costs no commit.
    async fn mailboxes_of(&self, name: &str) -> Result<AccountId, Status> {
        let known = name.to_owned();
        let found = read(&self.shared.mailstore, move |mailstore| mailstore.find_account(&known)).await?;
        if let Some(account) = found {
            return Ok(account);
        }
        let made = self.shared.mailstore.account(name, self.now()).await;
        made.map_err(|error| refusal(&error))
    }

    async fn task(&mut self, task: Task) -> Answer {
        if !self.client.holds() {
            return expired();
        }
        self.manner.expunges = task.expunges;
        let leaves = matches!(task.command, Command::Select(_) | Command::Close | Command::Unselect);
        if let Err(gone) = self.heed_rights().await
            && !leaves
        {
            return Answer::RefuseAndClose(gone);
        }
        let handled = self.command_of_its_own(task.tag, task.command).await;
        if self.fetching.is_some() {
            let before = handled.map(|done| done.responses).unwrap_or_default();
            return self.next(before).await;
        }
        self.end(handled, leaves).await
    }

    /// What else is to be told of the selected mailbox goes out with the end of any command.
    pub(super) async fn end(&mut self, handled: Handled, leaves: bool) -> Answer {
        let Done { mut responses, status } = handled.unwrap_or_else(Done::from);
        if !leaves {
            match self.catch_up().await {
                Ok(news) => responses.extend(news),
                Err(gone) => return Answer::RefuseAndClose(gone),
            }
        }
        Answer::Done { responses, status }
    }

    /// A command. What it changes itself is not told to the client as news, what others have changed before it is.
    async fn command_of_its_own(&mut self, tag: Tag, command: Command) -> Handled {
        if self.notifying.is_none() {
            return self.command(tag, command).await;
        }
        let names = matches!(
            command,
            Command::Create(_)
                | Command::Delete(_)
                | Command::Rename { .. }
                | Command::Subscribe(_)
                | Command::Unsubscribe(_)
                | Command::SetAcl(_)
                | Command::DeleteAcl { .. }
                | Command::SetMetadata(_)
        );
        let before = if names { self.mailbox_news().await } else { Vec::new() };
        let selected = self.selected.as_ref().map(|selected| selected.id);
        let handled = self.command(tag, command).await;
        if names {
            self.names_are_known().await;
        }
        let selected_now = self.selected.as_ref().map(|selected| selected.id);
        if let Some(left) = selected.filter(|_| selected != selected_now) {
            self.left(left).await;
        }
        let Done { responses, status } = handled.unwrap_or_else(Done::from);
        Ok(Done { responses: before.into_iter().chain(responses).collect(), status })
    }

    async fn command(&mut self, tag: Tag, command: Command) -> Handled {
        match command {
            Command::Noop | Command::Check => Ok(Done::ok("Done")),
            Command::Notify(notify) => self.notify(notify).await,
            Command::Id(_) => Ok(Done::telling(vec![Response::Id(Some(identity()))], "Done")),
            Command::Enable(names) => Ok(self.enable(&names)),
            Command::Select(select) => self.select(*select).await,
            Command::Close => self.close().await,
            Command::Unselect => Ok(self.unselect()),
            Command::Create(create) => self.create(create).await,
            Command::Delete(mailbox) => self.delete(&mailbox).await,
            Command::Rename { from, to } => self.rename(&from, &to).await,
            Command::Subscribe(mailbox) => self.subscribe(&mailbox, true).await,
            Command::Unsubscribe(mailbox) => self.subscribe(&mailbox, false).await,
            Command::List(list) => self.list(*list).await,
            Command::Lsub { reference, pattern } => self.lsub(&reference, &pattern).await,
            Command::Namespace => Ok(Self::namespace()),
            Command::Status { mailbox, items } => self.status(mailbox, &items).await,
            Command::GetQuota(root) => self.get_quota(&root).await,
            Command::GetQuotaRoot(mailbox) => self.get_quota_root(mailbox).await,
            Command::SetQuota(_) => Err(Status::no("Quota is set by the operator").with(Code::NoPerm)),
            Command::MyRights(mailbox) => self.my_rights(mailbox).await,
            Command::GetAcl(mailbox) => self.get_acl(mailbox).await,
            Command::SetAcl(set) => self.set_acl(*set).await,
            Command::DeleteAcl { mailbox, identifier } => self.delete_acl(&mailbox, &identifier).await,
            Command::GetMetadata(get) => self.get_metadata(*get).await,
            Command::SetMetadata(set) => self.set_metadata(*set).await,
            Command::ListRights { mailbox, identifier } => self.list_rights(mailbox, identifier).await,
            Command::Compress => Ok(Done::ok("Compression begins")),
            Command::Fetch(fetch) => self.fetch(*fetch).await,
            Command::Store(store) => self.store(*store).await,
            Command::Copy(copy) => self.copy(*copy).await,
            Command::Move(copy) => self.move_to(*copy).await,
            Command::Expunge(uids) => self.expunge(uids.as_ref()).await,
            Command::Search(search) => self.search(tag, *search).await,
            Command::Sort(sort) => self.sort(tag, *sort).await,
            Command::Thread(thread) => self.thread(*thread).await,
            // Nothing else is announced.
            _ => Err(Status::bad("Not supported here").with(Code::Cannot)),
        }
    }

    /// RFC 5161; RFC 7162 §3.1.2.3: with CONDSTORE the client is told the mod-sequence of what it has selected.
    fn enable(&mut self, names: &[Box<str>]) -> Done {
        let has = |name: &str| names.iter().any(|known| &**known == name);
        let before = self.manner.condstore;
        self.manner.rev2 |= has("IMAP4rev2");
        self.manner.qresync |= has("QRESYNC");
        self.manner.condstore |= has("CONDSTORE") || has("QRESYNC");
        let newly = self.manner.condstore && !before;
        Done::telling(if newly { self.highest() } else { Vec::new() }, "Enabled")
    }

    /// The client has shown that it knows mod-sequences (RFC 7162 §3.1.2).
    pub(super) fn knows_condstore(&mut self) -> Vec<Response> {
        if std::mem::replace(&mut self.manner.condstore, true) { Vec::new() } else { self.highest() }
    }

    fn highest(&self) -> Vec<Response> {
        let told = self.selected.as_ref().map(|selected| {
            Response::Status(Status::ok("Highest").with(Code::HighestModSeq(selected.modseq)))
        });
        told.into_iter().collect()
    }
}

/// The account is disabled, or the app password revoked.
pub(super) fn expired() -> Answer {
    Answer::RefuseAndClose(Status::bye("Your login holds no more").with(Code::Expired))
}

/// RFC 2971.
fn identity() -> imap::command::IdFields {
    let field = |name: &str, value: &str| (Box::from(name), Some(Box::from(value)));
    vec![field("name", "Postrider"), field("version", env!("CARGO_PKG_VERSION"))]
}

impl net::Policy<Question, Answer> for Policy {
    /// What only reads. A message in flight is forgotten with the session in any case.
    fn may_abandon(&self, question: &Question) -> bool {
        match question {
            Question::Octets { .. } | Question::Next => true,
            Question::Task(task) => matches!(
                task.command,
                Command::Search(_)
                    | Command::Sort(_)
                    | Command::Thread(_)
                    | Command::List(_)
                    | Command::Status { .. }
            ),
            _ => false,
        }
    }

    /// What a client changes in mailboxes it looks for when it comes again.
    fn needs_peer(&self, question: &Question) -> bool {
        matches!(question, Question::Task(_) | Question::Message(_) | Question::Commit)
    }

    async fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::Connected => self.connected(),
            Question::Secured(tls) => {
                self.client.secured(tls);
                Answer::Greet(self.offers())
            }
            Question::Auth(question) => Answer::Auth(Box::new(self.client.answer(*question).await)),
            Question::Authenticated => self.authenticated().await,
            Question::Task(task) => self.task(*task).await,
            Question::Next => self.next(Vec::new()).await,
            Question::Idle if self.client.holds() => {
                self.idling = true;
                Answer::Proceed
            }
            Question::Idle => expired(),
            Question::IdleEnded => {
                self.idling = false;
                self.manner.expunges = true;
                self.end(Ok(Done::ok("Idle ended")), false).await
            }
            Question::Message(incoming) => self.message(*incoming).await,
            Question::Piece(piece) => self.piece(&piece).await,
            Question::LastPiece(piece) => self.last_piece(&piece).await,
            Question::Commit => self.commit().await,
            Question::Abandon => {
                self.upload = None;
                Answer::Proceed
            }
            Question::Octets { reference, offset, octets_max } => {
                self.octets(reference, offset, octets_max).await
            }
        }
    }

    async fn news(&mut self) -> Answer {
        self.await_news().await
    }
}
