//! Commands: which may come when (RFC 1939 §4 to §7), and what the machine carries out itself.

use super::{
    Maildrop, Question, Refusal, Session, Step,
    marks::Marks,
    session::Line,
    state::{Asked, By, Sending, Standing, State},
};
use crate::{Command, stuffing::Encoder};

impl Session {
    /// Carries a line out. `None`: step again.
    pub(super) fn obey(&mut self, line: Line) -> Option<Step> {
        self.tally.commands = self.tally.commands.saturating_add(1);
        if matches!(self.standing, Standing::Stranger(_)) {
            self.commands_before_login = self.commands_before_login.saturating_add(1);
            if self.commands_before_login > self.config.limits.commands_before_login_max {
                self.close_with(&Refusal::new("Too many commands without a login"));
                return None;
            }
        }
        match line {
            Line::Command(command) => return self.obey_command(command),
            // One strike: whoever speaks HTTP here wants to make us send what another wrote.
            Line::Foreign => self.close_with(&Refusal::new("This is POP3")),
            Line::Wrong(error) => self.bad(&Refusal::new(error.to_string())),
            Line::Faulty(fault) => self.faulty(fault),
        }
        None
    }

    fn obey_command(&mut self, command: Command) -> Option<Step> {
        match command {
            Command::Capa => {
                self.say_capabilities();
                self.state = State::Commands;
            }
            Command::Lang(range) => self.language(range.as_deref()),
            Command::Quit => return self.quit(),
            command => match &self.standing {
                Standing::Stranger(_) => self.obey_stranger(command),
                Standing::Client(_) => return self.obey_client(&command),
            },
        }
        None
    }

    fn obey_stranger(&mut self, command: Command) {
        match command {
            Command::User(name) => self.user(name),
            Command::Pass(password) => self.pass(&password),
            Command::Auth { mechanism, initial } => self.authenticate(&mechanism, initial.as_ref()),
            Command::Stls => self.start_tls(),
            // RFC 6856 §2.1. What is sent needs no change, so nothing has to be remembered.
            Command::Utf8 => self.done("+OK UTF-8 it is"),
            Command::Apop => self.bad(&Refusal::new("APOP is not offered")),
            _ => self.bad(&Refusal::new("Log in first")),
        }
    }

    fn obey_client(&mut self, command: &Command) -> Option<Step> {
        match command {
            Command::Stat => {
                let Maildrop { messages, octets } = self.left();
                self.done(&format!("+OK {messages} {octets}"));
            }
            Command::List(None) => return self.list(By::Size),
            Command::Uidl(None) => return self.list(By::UniqueId),
            Command::List(Some(number)) => return self.list_one(By::Size, *number),
            Command::Uidl(Some(number)) => return self.list_one(By::UniqueId, *number),
            Command::Retr(number) => return self.send(*number, Encoder::whole()),
            Command::Top { number, lines } => return self.send(*number, Encoder::top(*lines)),
            Command::Dele(number) => {
                let number = *number;
                if self.is_there(number) {
                    return Some(
                        self.ask(Asked::Delete { number }, Question::List { from: number, count: 1 }),
                    );
                }
            }
            Command::Rset => {
                if let Standing::Client(open) = &mut self.standing {
                    open.marks = Marks::default();
                }
                self.done("+OK Nothing is marked as deleted");
            }
            Command::Noop => self.done("+OK"),
            _ => self.bad(&Refusal::new("Not after the login")),
        }
        None
    }

    /// RFC 2595 §4: what is here behind the command came in clear and may be somebody else's. It is forgotten, so that it is carried out
    /// neither now nor under TLS (CVE-2011-0411).
    fn start_tls(&mut self) {
        if !self.can_secure() {
            return self.bad(&Refusal::new("STLS is not offered"));
        }
        self.lines.clear();
        self.standing = Standing::Stranger(None);
        self.say("+OK Begin TLS now");
        self.state = State::Securing;
    }

    /// RFC 6856 §3.2: there is one language.
    fn language(&mut self, range: Option<&str>) {
        match range {
            None => {
                self.say("+OK Languages follow");
                self.say("en English");
                self.done(".");
            }
            Some(range) if range == "*" || range.eq_ignore_ascii_case("en") => {
                self.done("+OK en English it is");
            }
            Some(_) => self.bad(&Refusal::new("en is the only language")),
        }
    }

    /// RFC 1939 §6: only now messages are deleted.
    fn quit(&mut self) -> Option<Step> {
        let deleted = match &self.standing {
            Standing::Client(open) => open.marks.numbers(open.maildrop.messages),
            Standing::Stranger(_) => Vec::new(),
        };
        if deleted.is_empty() {
            self.say("+OK Bye");
            self.state = State::Closed;
            return None;
        }
        Some(self.ask(Asked::Update, Question::Update(deleted)))
    }

    fn send(&mut self, number: u32, encoder: Encoder) -> Option<Step> {
        if self.is_there(number) {
            return Some(self.send_on(Sending { number, offset: 0, encoder }));
        }
        None
    }
}
