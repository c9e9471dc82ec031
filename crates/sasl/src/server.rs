//! The server's side of an exchange: messages of the client in, challenges and questions out.

use crate::{
    CHANNEL_BINDING, KEY_OCTETS, Mechanism, Password, ScramError, ScramKeys, bearer,
    plain::PlainMessage,
    saslprep,
    scram::{self, Binding, ClientFinal, ClientFirst, ServerFirst, server_final},
};

/// What only the policy knows. Names are prepared (see [`saslprep`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Whether this password lets this login in. `Granted`, `Denied` or `Unavailable`.
    Password {
        /// Whose password it is.
        login: Box<str>,
        /// As whom the client wants to act, if not as itself.
        acts_as: Option<Box<str>>,
        /// As it came: what cannot be prepared may still be what another server once hashed.
        password: Password,
    },
    /// The keys of a login. `Scram`, also if there is no such login, or `Unavailable`.
    Keys {
        /// Whose.
        login: Box<str>,
    },
    /// A SCRAM exchange has come to its proof. `Granted`, `Denied` or `Unavailable`; nothing is granted to one that is wrong.
    Proof {
        /// Whose keys it was checked against.
        login: Box<str>,
        /// As whom the client wants to act, if not as itself.
        acts_as: Option<Box<str>>,
        /// What the keys are called that the proof fits: nothing for those of the password. None: it fits none.
        right: Option<Box<str>>,
    },
    /// Whom a bearer token lets in. `Granted`, `Denied` or `Unavailable`.
    Token {
        /// Whose account the client says that it is for.
        login: Option<Box<str>>,
        /// The token.
        token: Password,
    },
    /// Whether the client, known by its certificate, may act so. `Granted`, `Denied` or `Unavailable`.
    External {
        /// As whom, if it says so.
        acts_as: Option<Box<str>>,
    },
}

/// The answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Yes; the policy knows who it is.
    Granted,
    /// No. The client does not learn why.
    Denied,
    /// Nobody can say now: a fault of ours.
    Unavailable,
    /// To [`Question::Keys`].
    Scram(Box<ScramFacts>),
}

/// What a SCRAM exchange needs to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramFacts {
    /// The keys; for a login that does not exist some that never fit, and always the same.
    pub keys: ScramKeys,
    /// Further keys that let the login in, and what the policy calls each. They have the salt and the iterations of the first: the client
    /// learns those before it says which password it means.
    pub others: Vec<(Box<str>, ScramKeys)>,
    /// New for each exchange, never to be guessed: at least 18 characters of base 64.
    pub nonce: Box<str>,
    /// The `tls-exporter` of the session (RFC 9266), if it has one.
    pub binding: Option<Box<[u8]>>,
}

impl ScramFacts {
    /// The keys that a proof fits and what they are called; the first keys if it fits none. All are tried, so that the time does not tell
    /// which.
    fn fitting(&self, proof: &[u8; KEY_OCTETS], auth_message: &[u8]) -> (Option<Box<str>>, &ScramKeys) {
        let mut found = (self.keys.accept(proof, auth_message).then(Box::default), &self.keys);
        for (name, keys) in &self.others {
            if keys.accept(proof, auth_message) {
                found = (Some(name.clone()), keys);
            }
        }
        found
    }
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this, and hand over what the client responds.
    Challenge(Vec<u8>),
    /// Put the question to the policy, and hand over its answer.
    Ask(Question),
    /// The client is who the policy last granted.
    Done,
    /// It is not.
    Failed(Failure),
}

/// Why an exchange ended without success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The policy said no, or could have said nothing else.
    Denied,
    /// A message was not as the mechanism has it.
    Malformed,
    /// SCRAM failed in another way than by a wrong password.
    Scram(ScramError),
    /// Nobody could say.
    Unavailable,
}

/// One exchange.
#[derive(Debug)]
pub struct Exchange(State);

#[derive(Debug)]
enum State {
    /// The first message of the client is due.
    First {
        mechanism: Mechanism,
        binding_offered: bool,
    },
    LoginPassword {
        login: Box<str>,
    },
    ScramFinal(Box<ScramRun>),
    /// The client has to read our signature.
    ScramRead,
    /// The client has to read why its token is not taken.
    TokenRefused,
    Asked(Asked),
    Over,
}

#[derive(Debug)]
enum Asked {
    /// About a password, or who the client is by its certificate.
    Whether,
    Keys(Box<ClientFirst>, Mechanism),
    /// About a proof that is right.
    Proof {
        signature: Vec<u8>,
    },
    /// About one that is wrong: whatever the policy says.
    Refused,
    Token(Mechanism),
}

/// A SCRAM exchange whose proof is due.
#[derive(Debug)]
struct ScramRun {
    first: ClientFirst,
    server_first: String,
    facts: ScramFacts,
    nonce: String,
    bound: bool,
}

impl Exchange {
    /// Begins. `binding_offered`: the client was offered a mechanism with channel binding too.
    pub fn new(mechanism: Mechanism, binding_offered: bool) -> Self {
        Self(State::First { mechanism, binding_offered })
    }

    /// The first step, with the initial response if the client sent one.
    pub fn begin(&mut self, initial: Option<&[u8]>) -> Step {
        match (&self.0, initial) {
            (_, Some(response)) => self.respond(response),
            (State::First { mechanism: Mechanism::Login, .. }, None) => {
                Step::Challenge(b"Username:".to_vec())
            }
            (_, None) => Step::Challenge(Vec::new()),
        }
    }

    /// What the client said to the last challenge.
    pub fn respond(&mut self, response: &[u8]) -> Step {
        match std::mem::replace(&mut self.0, State::Over) {
            State::First { mechanism, binding_offered } => {
                self.first(mechanism, binding_offered, response).unwrap_or_else(Step::Failed)
            }
            State::LoginPassword { login } => match text(response) {
                Some(password) => self.ask_password(login, None, Password::new(password)),
                None => Step::Failed(Failure::Malformed),
            },
            State::ScramFinal(run) => self.scram_final(&run, response).unwrap_or_else(Step::Failed),
            // RFC 5802 §3: the client has checked our signature, and has nothing more to say.
            State::ScramRead if response.is_empty() => Step::Done,
            State::ScramRead | State::Asked(_) | State::Over => Step::Failed(Failure::Malformed),
            // RFC 7628 §3.2.3: whatever it is.
            State::TokenRefused => Step::Failed(Failure::Denied),
        }
    }

    /// What the policy said to the last question.
    pub fn answer(&mut self, answer: Answer) -> Step {
        let State::Asked(asked) = std::mem::replace(&mut self.0, State::Over) else {
            return Step::Failed(Failure::Malformed);
        };
        match (asked, answer) {
            (_, Answer::Unavailable) => Step::Failed(Failure::Unavailable),
            (Asked::Keys(first, mechanism), Answer::Scram(facts)) => {
                self.scram_keys(*first, mechanism, *facts)
            }
            (Asked::Proof { signature }, Answer::Granted) => {
                self.0 = State::ScramRead;
                Step::Challenge(signature)
            }
            (Asked::Whether | Asked::Token(_), Answer::Granted) => Step::Done,
            (Asked::Token(mechanism), Answer::Denied) => {
                self.0 = State::TokenRefused;
                let why = if mechanism == Mechanism::XOAuth2 {
                    bearer::INVALID_TOKEN_XOAUTH2
                } else {
                    bearer::INVALID_TOKEN
                };
                Step::Challenge(why.to_vec())
            }
            _ => Step::Failed(Failure::Denied),
        }
    }

    fn first(
        &mut self,
        mechanism: Mechanism,
        binding_offered: bool,
        response: &[u8],
    ) -> Result<Step, Failure> {
        match mechanism {
            Mechanism::Plain => {
                let PlainMessage { authzid, authcid, password } =
                    PlainMessage::parse(response).ok_or(Failure::Malformed)?;
                Ok(self.ask_password(prepared(&authcid)?, prepared_if_any(authzid.as_deref())?, password))
            }
            Mechanism::Login => {
                let login = prepared(text(response).ok_or(Failure::Malformed)?)?;
                self.0 = State::LoginPassword { login };
                Ok(Step::Challenge(b"Password:".to_vec()))
            }
            Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => {
                self.scram_first(mechanism, binding_offered, response)
            }
            Mechanism::OAuthBearer | Mechanism::XOAuth2 => {
                let read = if mechanism == Mechanism::XOAuth2 {
                    bearer::parse_xoauth2
                } else {
                    bearer::parse_oauthbearer
                };
                let message = read(response).ok_or(Failure::Malformed)?;
                let login = prepared_if_any(message.user.as_deref())?;
                Ok(self.ask(Asked::Token(mechanism), Question::Token { login, token: message.token }))
            }
            Mechanism::External => {
                // RFC 4422 §A.1: `extern-initial-resp = *( UTF8-char-no-nul )`
                let name = std::str::from_utf8(response).ok().filter(|name| !name.contains('\0'));
                let name = name.ok_or(Failure::Malformed)?;
                let acts_as = prepared_if_any(Some(name).filter(|name| !name.is_empty()))?;
                Ok(self.ask(Asked::Whether, Question::External { acts_as }))
            }
        }
    }

    fn ask(&mut self, asked: Asked, question: Question) -> Step {
        self.0 = State::Asked(asked);
        Step::Ask(question)
    }

    fn ask_password(&mut self, login: Box<str>, acts_as: Option<Box<str>>, password: Password) -> Step {
        self.ask(Asked::Whether, Question::Password { login, acts_as, password })
    }

    fn scram_first(
        &mut self,
        mechanism: Mechanism,
        binding_offered: bool,
        message: &[u8],
    ) -> Result<Step, Failure> {
        let first = ClientFirst::parse(message).map_err(Failure::Scram)?;
        let plus = mechanism == Mechanism::ScramSha256Plus;
        match &first.header.binding {
            Binding::Kind(kind) if plus && &**kind == CHANNEL_BINDING => {}
            Binding::None if !plus => {}
            // RFC 5802 §6: who could have bound, and was not offered it, tells us that the offer did not arrive.
            Binding::NotOffered if !plus && !binding_offered => {}
            Binding::NotOffered if !plus => return Err(Failure::Scram(ScramError::Downgrade)),
            _ => return Err(Failure::Scram(ScramError::BindingKind)),
        }
        let login = prepared(&first.name).map_err(|_| Failure::Scram(ScramError::Name))?;
        Ok(self.ask(Asked::Keys(Box::new(first), mechanism), Question::Keys { login }))
    }

    fn scram_keys(&mut self, first: ClientFirst, mechanism: Mechanism, facts: ScramFacts) -> Step {
        let bound = mechanism == Mechanism::ScramSha256Plus;
        if bound && facts.binding.is_none() {
            return Step::Failed(Failure::Scram(ScramError::BindingKind));
        }
        let nonce = format!("{}{}", first.nonce, facts.nonce);
        let (salt, iterations) = (facts.keys.salt.to_vec(), facts.keys.iterations);
        let server_first = ServerFirst { nonce: nonce.as_str().into(), salt, iterations }.to_text();
        let challenge = server_first.clone().into_bytes();
        self.0 = State::ScramFinal(Box::new(ScramRun { first, server_first, facts, nonce, bound }));
        Step::Challenge(challenge)
    }

    fn scram_final(&mut self, run: &ScramRun, message: &[u8]) -> Result<Step, Failure> {
        let last = ClientFinal::parse(message).map_err(Failure::Scram)?;
        if *last.nonce != *run.nonce {
            return Err(Failure::Scram(ScramError::Nonce));
        }
        let data = run.facts.binding.as_deref().filter(|_| run.bound).unwrap_or_default();
        if !scram::same(&last.binding_input, &run.first.header.binding_input(data)) {
            return Err(Failure::Scram(ScramError::BindingData));
        }
        let auth_message = [&*run.first.bare, &run.server_first, &last.without_proof].join(",");
        let (right, keys) = run.facts.fitting(&last.proof, auth_message.as_bytes());
        let signature = server_final(&keys.signature(auth_message.as_bytes()));
        let (login, acts_as) =
            (prepared(&run.first.name)?, prepared_if_any(run.first.header.authzid.as_deref())?);
        let asked = if right.is_some() { Asked::Proof { signature } } else { Asked::Refused };
        Ok(self.ask(asked, Question::Proof { login, acts_as, right }))
    }
}

fn text(response: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(response).ok()?;
    (!text.is_empty() && !text.contains('\0')).then_some(text)
}

/// A name that cannot be prepared is nobody's.
fn prepared(name: &str) -> Result<Box<str>, Failure> {
    match saslprep(name) {
        Ok(name) if !name.is_empty() => Ok(name.into()),
        _ => Err(Failure::Denied),
    }
}

fn prepared_if_any(name: Option<&str>) -> Result<Option<Box<str>>, Failure> {
    name.map(prepared).transpose()
}
