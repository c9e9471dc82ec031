//! Who may log in, for tests.

use sasl::{
    Password, ScramKeys,
    server::{Answer, Exchange, Question, ScramFacts, Step},
};

pub(crate) const LOGIN: &str = "anna@example.org";
pub(crate) const PASSWORD: &str = "tiger, tiger=\u{fc}";
pub(crate) const NONCE: &str = "3rfcNHYJY1ZVvWVs7j";

/// anna alone, with one password.
pub(crate) struct Policy {
    pub(crate) login: &'static str,
    pub(crate) password: &'static str,
    pub(crate) nonce: &'static str,
    pub(crate) salt: Vec<u8>,
    pub(crate) binding: Option<Box<[u8]>>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { login: LOGIN, password: PASSWORD, nonce: NONCE, salt: b"salt".to_vec(), binding: None }
    }
}

impl Policy {
    pub(crate) fn keys(&self) -> ScramKeys {
        ScramKeys::derive(&sasl::saslprep(self.password).unwrap(), &self.salt, sasl::ITERATIONS_MIN)
    }

    pub(crate) fn answer(&self, question: &Question) -> Answer {
        let known = |login: &str, acts_as: &Option<Box<str>>| {
            login == self.login && acts_as.as_deref().is_none_or(|name| name == login)
        };
        let granted = match question {
            Question::Keys { .. } => {
                let facts = ScramFacts {
                    keys: self.keys(),
                    others: Vec::new(),
                    nonce: self.nonce.into(),
                    binding: self.binding.clone(),
                };
                return Answer::Scram(Box::new(facts));
            }
            Question::Password { login, acts_as, password } => {
                known(login, acts_as) && *password == Password::new(self.password)
            }
            Question::Proof { login, acts_as, right: _ } => known(login, acts_as),
            Question::Token { login, token } => {
                login.as_deref() == Some(self.login) && token.expose() == "token"
            }
            Question::External { acts_as } => acts_as.as_deref().is_none_or(|name| name == self.login),
        };
        if granted { Answer::Granted } else { Answer::Denied }
    }

    /// Goes on until the client has to say something, or all is said.
    pub(crate) fn settle(&self, exchange: &mut Exchange, step: Step) -> Step {
        match step {
            Step::Ask(question) => {
                let next = exchange.answer(self.answer(&question));
                self.settle(exchange, next)
            }
            step => step,
        }
    }

    /// What becomes of an exchange in which the client says these, the first as its initial response.
    pub(crate) fn run(&self, exchange: &mut Exchange, says: &[&[u8]]) -> Step {
        let (initial, rest) = says.split_first().map_or((None, says), |(first, rest)| (Some(*first), rest));
        let begun = exchange.begin(initial);
        let mut step = self.settle(exchange, begun);
        for response in rest {
            let next = exchange.respond(response);
            step = self.settle(exchange, next);
        }
        step
    }
}
