//! Commands: which may come when (RFC 9051 §3), and what the machine carries out itself.

use super::{
    Enabled, Question, Session, Step, Task, replies,
    state::{Asked, Standing, State, Telling, Then},
};
use crate::{
    Command, Request, Tag,
    command::{EventGroup, Mailboxes, Notify},
    response::{Code, Response, Status},
};

/// What browsers, proxies and scripts say first, in the tag's place.
const FOREIGN_WORDS: [&[u8]; 10] =
    [b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE", b"PATCH", b"PRI"];

/// What a command needs.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Needs {
    Nothing,
    Login,
    Mailbox,
}

impl Session {
    /// Parses a complete command and carries it out. `None`: step again.
    pub(super) fn obey_text(&mut self, text: &[u8]) -> Option<Step> {
        self.tally.commands = self.tally.commands.saturating_add(1);
        if self.standing == Standing::Stranger {
            self.commands_before_login = self.commands_before_login.saturating_add(1);
            if self.commands_before_login > self.config.limits.commands_before_login_max {
                self.close_with(Status::bye("Too many commands without a login").with(Code::Limit));
                return None;
            }
        }
        match Request::parse(text, self.grammar()) {
            Ok(Request { tag, command }) => self.obey(tag, command),
            // One strike: whoever speaks HTTP here wants to make us send what another wrote.
            Err(_) if self.standing == Standing::Stranger && is_foreign(text) => {
                self.close_with(Status::bye("This is not HTTP"));
                None
            }
            Err(rejected) => {
                self.bad(rejected.tag.as_ref(), &replies::command_error(rejected.error));
                None
            }
        }
    }

    fn obey(&mut self, tag: Tag, command: Command) -> Option<Step> {
        if let Some(fault) = self.out_of_place(&command) {
            self.bad(Some(&tag), &fault);
            return None;
        }
        match command {
            Command::Capability => {
                self.say_response(&Response::Capability(self.capabilities()));
                self.done(&tag, &Status::ok("Done"));
            }
            Command::Noop if self.standing == Standing::Stranger => self.done(&tag, &Status::ok("Done")),
            // RFC 9051 §6.1.3: BYE before the tagged OK.
            Command::Logout => {
                self.close_with(Status::bye("Logging out"));
                self.answer_tag(&tag, &Status::ok("Bye"));
            }
            Command::StartTls => self.start_tls(&tag),
            Command::Authenticate { mechanism, initial } => {
                self.authenticate(tag, &mechanism, initial.as_ref());
            }
            Command::Login { user, password } => self.login(tag, &user, &password),
            Command::Enable(wanted) => return self.enable(tag, &wanted),
            Command::Idle => return Some(self.ask(Asked::Idle(tag), Question::Idle)),
            Command::Compress if self.compressed => {
                self.done(&tag, &Status::no("Compressed already").with(Code::CompressionActive));
            }
            command => return Some(self.task(tag, command)),
        }
        None
    }

    /// Why a command cannot come now.
    fn out_of_place(&self, command: &Command) -> Option<Status> {
        let needs = needs(command);
        match (self.standing, command) {
            (Standing::Stranger, _) if needs > Needs::Nothing => Some(Status::bad("Log in first")),
            (Standing::Authenticated, _) if needs > Needs::Login => {
                Some(Status::bad("Select a mailbox first"))
            }
            (
                Standing::Authenticated | Standing::Selected,
                Command::StartTls | Command::Authenticate { .. } | Command::Login { .. },
            ) => Some(Status::bad("Logged in already")),
            (_, Command::StartTls) if !self.can_secure() => Some(Status::bad("STARTTLS is not offered")),
            // RFC 7162 §3.2.5, §3.2.6.
            (_, Command::Select(select)) if select.qresync.is_some() && !self.enabled.qresync => {
                Some(Status::bad("QRESYNC is not enabled"))
            }
            (_, Command::Fetch(fetch)) if fetch.vanished && !self.enabled.qresync => {
                Some(Status::bad("QRESYNC is not enabled"))
            }
            // RFC 6855 §3: all strings are UTF-8 then.
            (_, Command::Search(search)) if search.charset.is_some() && self.enabled.utf8 => {
                Some(Status::bad("No CHARSET with UTF8=ACCEPT"))
            }
            _ => None,
        }
    }

    /// A command is done by the machine itself.
    pub(super) fn done(&mut self, tag: &Tag, status: &Status) {
        self.answer_tag(tag, status);
        self.state = State::Commands;
    }

    /// RFC 9051 §6.2.1: what is here behind the command came in clear and may be somebody else's. It is forgotten, so that it is
    /// carried out neither now nor under TLS (CVE-2011-0411).
    fn start_tls(&mut self, tag: &Tag) {
        self.reader.clear();
        self.answer_tag(tag, &Status::ok("Begin TLS now"));
        self.state = State::Securing;
    }

    fn enable(&mut self, tag: Tag, wanted: &[Box<str>]) -> Option<Step> {
        let names = self.can_enable(wanted);
        if names.is_empty() {
            self.say_response(&Response::Enabled(names));
            self.done(&tag, &Status::ok("Nothing to enable"));
            return None;
        }
        let mut enabled = Enabled::default();
        for name in &names {
            enabled.note(name);
        }
        let telling = Telling { expunges: false, then: Then::Enable(enabled) };
        let task = Task { tag: tag.clone(), command: Command::Enable(names), expunges: false };
        Some(self.ask(Asked::Task(tag, telling), Question::Task(Box::new(task))))
    }

    /// Hands a command to the policy.
    fn task(&mut self, tag: Tag, command: Command) -> Step {
        // RFC 9051 §6.3.2: another mailbox is closed by this, and the client is told where its messages end.
        if matches!(command, Command::Select(_)) && self.standing == Standing::Selected {
            let closed = Status::ok("Previous mailbox closed").with(Code::Closed);
            self.say_response(&Response::Status(closed));
            self.standing = Standing::Authenticated;
        }
        let expunges = self.may_expunge(&command);
        let telling = Telling { expunges, then: then(&command) };
        let task = Task { tag: tag.clone(), command, expunges };
        self.ask(Asked::Task(tag, telling), Question::Task(Box::new(task)))
    }

    /// RFC 9051 §7.5.1: no EXPUNGE while FETCH, STORE or SEARCH are answered, nor SORT and THREAD (RFC 5256 §3); with UIDs
    /// there may be, unless what is looked for is named by number. And RFC 9051 §5.5: what was sent behind this command already may name messages by number, so their numbers
    /// stay unless the command itself changes them.
    fn may_expunge(&self, command: &Command) -> bool {
        let by_number = match command {
            Command::Fetch(it) => !it.uid,
            Command::Store(it) => !it.uid,
            Command::Search(it) => !it.uid || it.key.names_numbers(),
            Command::Sort(it) => !it.uid || it.key.names_numbers(),
            Command::Thread(it) => !it.uid || it.key.names_numbers(),
            Command::Expunge(_) | Command::Move(_) => return self.standing == Standing::Selected,
            // RFC 9051 §6.4.1: nobody wants to hear of them any more.
            Command::Close | Command::Unselect => return false,
            _ => false,
        };
        self.standing == Standing::Selected && !by_number && !self.reader.has_input()
    }
}

fn needs(command: &Command) -> Needs {
    match command {
        Command::Capability
        | Command::Noop
        | Command::Logout
        | Command::Id(_)
        | Command::StartTls
        | Command::Authenticate { .. }
        | Command::Login { .. } => Needs::Nothing,
        Command::Check
        | Command::Close
        | Command::Unselect
        | Command::Expunge(_)
        | Command::Search(_)
        | Command::Sort(_)
        | Command::Thread(_)
        | Command::Fetch(_)
        | Command::Store(_)
        | Command::Copy(_)
        | Command::Move(_) => Needs::Mailbox,
        _ => Needs::Login,
    }
}

fn then(command: &Command) -> Then {
    match command {
        Command::Select(_) => Then::Select,
        Command::Close | Command::Unselect => Then::Close,
        Command::Compress => Then::Compress,
        Command::Notify(Notify::None) => Then::NotifyNone,
        Command::Notify(Notify::Set { groups, .. }) => Then::Notify { at_once: at_once(groups) },
        _ => Then::Nothing,
    }
}

/// RFC 5465 §6.1, §6.2: what is expunged from the selected mailbox is told at once with SELECTED alone.
fn at_once(groups: &[EventGroup]) -> bool {
    groups.iter().any(|group| group.mailboxes == Mailboxes::Selected && !group.events.is_empty())
}

fn is_foreign(text: &[u8]) -> bool {
    let word = text.split(|octet| *octet == b' ').next().unwrap_or_default();
    FOREIGN_WORDS.into_iter().any(|foreign| word.eq_ignore_ascii_case(foreign))
}
