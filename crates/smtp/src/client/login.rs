//! AUTH from the client's side (RFC 4954): which mechanism, and the exchange to its end.

use std::fmt;

use mail::{Reply, ReplyClass};
use sasl::{
    Mechanism, Mechanisms, base64,
    client::{Credentials, Exchange},
};

/// RFC 5321 §4.5.3.1.4: a command with its CR LF. A longer initial response waits for the first challenge (RFC 4954 §4).
const COMMAND_OCTETS_MAX: usize = 512;

/// What somebody logs in by, the strongest first.
const BY_PASSWORD: [Mechanism; 4] =
    [Mechanism::ScramSha256Plus, Mechanism::ScramSha256, Mechanism::Plain, Mechanism::Login];
const BY_TOKEN: [Mechanism; 2] = [Mechanism::OAuthBearer, Mechanism::XOAuth2];

/// As whom a session logs in, and by what. It does so under TLS alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Login and password, or login and token.
    pub credentials: Credentials,
    /// What there is in the place of the password is a token of an authorization server.
    pub by_token: bool,
    /// New for each session, and not to be guessed: for SCRAM.
    pub nonce: Box<str>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("login", &self.credentials.login).finish_non_exhaustive()
    }
}

/// An exchange that was begun.
#[derive(Debug)]
pub(super) struct Exchanging {
    exchange: Exchange,
    /// The initial response, if it was too long for the command.
    withheld: Option<Vec<u8>>,
    /// Why it was cancelled.
    cancelled: Option<&'static str>,
}

/// What a reply to AUTH leads to.
pub(super) enum Turn {
    /// Say this line, and wait.
    Say(String),
    /// We are logged in.
    Done,
    /// It came to nothing, by the server's word.
    Refused(Reply),
    /// It came to nothing, by ours.
    Unfit(&'static str),
    /// What came is no reply to AUTH.
    Garbled(&'static str),
}

impl Exchanging {
    /// Begins, with the strongest mechanism that both sides know. Gives the line of the command. `binding`: what the login can be bound to.
    pub(super) fn begin(
        login: Login,
        offered: Mechanisms,
        binding: Option<&[u8]>,
    ) -> Result<(String, Self), &'static str> {
        let ours: &[Mechanism] = if login.by_token { &BY_TOKEN } else { &BY_PASSWORD };
        let fits = |mechanism: &&Mechanism| {
            offered.has(**mechanism) && (**mechanism != Mechanism::ScramSha256Plus || binding.is_some())
        };
        let Some(mechanism) = ours.iter().find(fits) else {
            return Err(match (offered.is_empty(), login.by_token) {
                (true, _) => "it offers no login",
                (false, true) => "it takes no tokens: it offers neither OAUTHBEARER nor XOAUTH2",
                (false, false) => "it takes no passwords in a form that is known here",
            });
        };
        let begun = Exchange::new(*mechanism, login.credentials, &login.nonce, binding);
        let mut exchange = begun.ok_or("its kind of login is not known here")?;
        let initial =
            exchange.initial().map_err(|_| "the login or the password has characters that none may have")?;
        let command = format!("AUTH {mechanism}");
        let with_initial = initial.as_ref().map(|initial| format!("{command} {}", base64::encode(initial)));
        let (command, withheld) = match with_initial {
            Some(whole) if whole.len() + 2 <= COMMAND_OCTETS_MAX => (whole, None),
            _ => (command, initial),
        };
        Ok((command, Self { exchange, withheld, cancelled: None }))
    }

    /// Takes in a reply to AUTH or to a response.
    pub(super) fn replied(&mut self, reply: Reply) -> Turn {
        match (reply.code(), reply.class(), self.cancelled) {
            (_, ReplyClass::Transient | ReplyClass::Permanent, Some(why)) => Turn::Unfit(why),
            (_, ReplyClass::Transient | ReplyClass::Permanent, None) => Turn::Refused(reply),
            (334, _, None) => self.challenged(reply.text()),
            (_, ReplyClass::Completion, None) if self.exchange.may_succeed() && self.withheld.is_none() => {
                Turn::Done
            }
            (_, ReplyClass::Completion, _) => {
                Turn::Unfit("it says that the login is done, and has not proved itself")
            }
            _ => Turn::Garbled("not a reply to AUTH"),
        }
    }

    /// An answer to a challenge, or `*` to end what must not go on (RFC 4954 §4).
    fn challenged(&mut self, text: &str) -> Turn {
        if let Some(initial) = self.withheld.take() {
            return Turn::Say(base64::encode(&initial));
        }
        let answer =
            base64::decode(text.as_bytes()).and_then(|challenge| self.exchange.respond(&challenge).ok());
        Turn::Say(answer.map_or_else(
            || {
                self.cancelled = Some("it does not do its part of the login");
                "*".to_owned()
            },
            |answer| base64::encode(&answer),
        ))
    }
}
