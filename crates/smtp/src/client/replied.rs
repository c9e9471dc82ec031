//! Replies, and what they lead to in each state.

use std::mem;

use mail::{Reply, ReplyClass};

use super::{
    Capabilities, FailureKind, Session,
    exchange::{Exchange, Turn},
    framing::Framing,
    login::{self, Exchanging},
    session::{State, UNASKED},
};
use crate::{Command, Protocol};

impl Session {
    pub(super) fn replied(&mut self, reply: Reply) {
        // RFC 5321 §3.8: 421 may answer any command, and the server closes then.
        if reply.code() == 421 && !matches!(self.state, State::Quitting) {
            self.fail(FailureKind::Reply(reply));
            return;
        }
        match mem::replace(&mut self.state, State::Closed) {
            State::Greeting => self.greeted(reply),
            State::Hello { extended } => self.hello_replied(reply, extended),
            State::StartTls => self.start_tls_replied(&reply),
            State::Auth(exchanging) => self.auth_replied(exchanging, reply),
            State::Exchange(exchange) => self.exchange_replied(exchange, reply),
            State::EndOfData(exchange) => self.end_replied(exchange, reply),
            state @ (State::Ready | State::Securing) => {
                self.state = state;
                self.fail(FailureKind::Garbled(UNASKED));
            }
            // The server speaks before the end of data. Whatever it says, it is no reply to that.
            state @ State::Content(..) => {
                self.state = state;
                self.fail(FailureKind::Reply(reply));
            }
            State::Quitting | State::Done(_) | State::Failed(_) | State::Closed => {}
        }
    }

    fn greeted(&mut self, reply: Reply) {
        match (reply.code(), reply.class()) {
            (220, _) => self.say_hello(true),
            (_, ReplyClass::Transient | ReplyClass::Permanent) => {
                self.state = State::Greeting;
                self.fail(FailureKind::Reply(reply));
            }
            _ => {
                self.state = State::Greeting;
                self.fail(FailureKind::Garbled("not a greeting"));
            }
        }
    }

    pub(super) fn say_hello(&mut self, extended: bool) {
        let name = self.hello.clone();
        let command = match (self.protocol, extended) {
            (Protocol::Lmtp, _) => Command::Lhlo(name),
            (Protocol::Smtp, true) => Command::Ehlo(name),
            (Protocol::Smtp, false) => Command::Helo(name),
        };
        command.write_to(&mut self.output);
        self.state = State::Hello { extended };
        self.expect_silence();
    }

    fn hello_replied(&mut self, reply: Reply, extended: bool) {
        self.state = State::Hello { extended };
        match reply.class() {
            ReplyClass::Completion => {
                if extended {
                    self.capabilities = Capabilities::from_reply(&reply);
                }
                self.state = State::Ready;
                if self.wants_tls && self.capabilities.starttls {
                    self.say_start_tls();
                } else if self.login.is_some() {
                    self.say_auth();
                }
            }
            // RFC 5321 §3.2: an old server does not know EHLO. LMTP has no older greeting (RFC 2033 §4.1).
            ReplyClass::Permanent if extended && self.protocol == Protocol::Smtp => self.say_hello(false),
            ReplyClass::Permanent | ReplyClass::Transient => self.fail(FailureKind::Reply(reply)),
            ReplyClass::Intermediate => self.fail(FailureKind::Garbled("not a reply to HELO")),
        }
    }

    fn say_start_tls(&mut self) {
        self.wants_tls = false;
        Command::StartTls.write_to(&mut self.output);
        self.state = State::StartTls;
        self.expect_silence();
    }

    /// RFC 3207 §4: 220, and behind it nothing in clear. What is here nevertheless was put there to be read under TLS
    /// (CVE-2021-38371).
    fn start_tls_replied(&mut self, reply: &Reply) {
        match (reply.code(), reply.class()) {
            (220, _) => {
                self.state = State::Securing;
                self.expect_silence();
            }
            // mail-rules 10, 19: a host that says no, for now or for good, is spoken to in clear.
            (_, ReplyClass::Transient | ReplyClass::Permanent) if self.login.is_none() => {
                self.state = State::Ready;
            }
            (_, ReplyClass::Transient | ReplyClass::Permanent) => {
                self.state = State::StartTls;
                self.fail(FailureKind::Reply(reply.clone()));
            }
            _ => {
                self.state = State::StartTls;
                self.fail(FailureKind::Garbled("not a reply to STARTTLS"));
            }
        }
    }

    /// RFC 4954 §4, §9: never in clear.
    fn say_auth(&mut self) {
        let Some(login) = self.login.take() else { return };
        // What is wanting was wanting in the reply to EHLO.
        self.state = State::Hello { extended: true };
        if !self.is_secure {
            return self.fail(FailureKind::Unfit("it offers no STARTTLS, and a login is not said in clear"));
        }
        match Exchanging::begin(login, self.capabilities.auth, self.binding.as_deref()) {
            Ok((line, exchanging)) => {
                self.say_line(&line);
                self.state = State::Auth(Box::new(exchanging));
                self.expect_silence();
            }
            Err(what) => self.fail(FailureKind::Unfit(what)),
        }
    }

    fn auth_replied(&mut self, mut exchanging: Box<Exchanging>, reply: Reply) {
        let turn = exchanging.replied(reply);
        self.state = State::Auth(exchanging);
        match turn {
            login::Turn::Say(line) => {
                self.say_line(&line);
                self.expect_silence();
            }
            login::Turn::Done => self.state = State::Ready,
            login::Turn::Refused(reply) => self.fail(FailureKind::Reply(reply)),
            login::Turn::Unfit(what) => self.fail(FailureKind::Unfit(what)),
            login::Turn::Garbled(what) => self.fail(FailureKind::Garbled(what)),
        }
    }

    fn say_line(&mut self, line: &str) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    fn exchange_replied(&mut self, mut exchange: Box<Exchange>, reply: Reply) {
        match exchange.reply(reply) {
            Turn::Wait => {
                let all_answered = exchange.all_answered();
                exchange.write(&mut self.output);
                self.state = State::Exchange(exchange);
                if all_answered {
                    self.expect_silence();
                }
            }
            Turn::SendContent { chunk } => {
                let framing = match chunk {
                    Some(octets) => Framing::chunk(octets, &mut self.output),
                    None => Framing::lines(),
                };
                self.state = State::Content(exchange, framing);
            }
            // RFC 2033 §4.2 wants 503 there: how many replies its end would get, none or one, cannot be known.
            Turn::SendNothing if self.protocol == Protocol::Lmtp => {
                self.state = State::Exchange(exchange);
                self.fail(FailureKind::Garbled("content wanted for no recipient"));
            }
            Turn::SendNothing => {
                Framing::lines().finish(&mut self.output);
                self.state = State::EndOfData(exchange);
                self.expect_silence();
            }
            Turn::Over { open } => self.done(*exchange, open),
            Turn::Garbled => {
                self.state = State::Exchange(exchange);
                self.fail(FailureKind::Garbled("a reply that does not fit its command"));
            }
            Turn::Unusable(reply) => {
                self.state = State::Exchange(exchange);
                self.fail(FailureKind::Reply(reply));
            }
        }
    }

    pub(super) fn end_replied(&mut self, mut exchange: Box<Exchange>, reply: Reply) {
        if reply.class() == ReplyClass::Intermediate {
            self.state = State::EndOfData(exchange);
            self.fail(FailureKind::Garbled("not a reply to the end of data"));
            return;
        }
        // A server that does not know BDAT took the content for commands: what it is up to cannot be known.
        if exchange.is_chunk() && matches!(reply.code(), 500 | 502) {
            self.state = State::EndOfData(exchange);
            self.fail(FailureKind::Reply(reply));
            return;
        }
        if exchange.final_reply(self.protocol, &reply) {
            // RFC 3030 §2: in what state a refused chunk leaves the server is not determined.
            let open = exchange.is_chunk() && !reply.is_completion();
            self.done(*exchange, open);
        } else {
            self.state = State::EndOfData(exchange);
        }
    }

    fn done(&mut self, exchange: Exchange, open: bool) {
        self.needs_reset = open;
        self.state = State::Done(Box::new(exchange.into_outcome()));
    }
}
