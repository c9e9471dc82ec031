//! A policy for tests: one user, a maildrop of some messages.

use mail::TlsSession;
use pop3::server::{Answer, Authentication, Code, Listed, Maildrop, Offers, Question, Refusal};
use sasl::{Mechanism, server as sasl_server};

/// More than one piece, with lines that begin with dots.
pub(crate) fn long_message() -> Vec<u8> {
    let mut message = b"Subject: long\r\n\r\n".to_vec();
    for number in 0..3000 {
        message.extend(format!(".{number} {}\r\n", "x".repeat(40)).bytes());
    }
    message
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact by itself")]
pub(crate) struct Policy {
    /// The questions, shown, but those for octets and lists.
    pub(crate) asked: Vec<String>,
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) stls: bool,
    /// No login yet.
    pub(crate) clear: bool,
    /// The maildrop is used by another.
    pub(crate) in_use: bool,
    /// This message has gone elsewhere meanwhile.
    pub(crate) gone: u32,
    /// Octets of this message cannot be read to the end.
    pub(crate) broken: u32,
    /// Nothing can be deleted.
    pub(crate) full: bool,
}

impl Default for Policy {
    fn default() -> Self {
        let messages = vec![
            b"Subject: one\r\n\r\nfirst\r\n.dot\r\nlast\r\n".to_vec(),
            b"Subject: two\n\n.\nno CRLF".to_vec(),
            long_message(),
        ];
        Self {
            asked: Vec::new(),
            messages,
            stls: false,
            clear: false,
            in_use: false,
            gone: 0,
            broken: 0,
            full: false,
        }
    }
}

impl Policy {
    fn offers(&self) -> Offers {
        let by = Authentication::By([Mechanism::Plain, Mechanism::Login].into_iter().collect());
        Offers { stls: self.stls, auth: if self.clear { Authentication::AfterTls } else { by } }
    }

    pub(crate) fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::Connected => Answer::Greet(self.offers()),
            Question::Secured(TlsSession { .. }) => {
                self.asked.push("secured".into());
                self.clear = false;
                Answer::Greet(self.offers())
            }
            Question::Auth(question) => self.credentials(&question),
            Question::Open if self.in_use => {
                Answer::Refuse(Refusal::new("Another session has this maildrop").with(Code::InUse))
            }
            Question::Open => Answer::Opened(Maildrop {
                messages: u32::try_from(self.messages.len()).unwrap(),
                octets: self.messages.iter().map(|message| message.len() as u64).sum(),
            }),
            Question::List { from, count } => Answer::Listed(
                (from..from + count)
                    .map(|number| Listed {
                        octets: self.messages[number as usize - 1].len() as u64,
                        unique_id: format!("7.{number}").into(),
                    })
                    .collect(),
            ),
            Question::Octets { number, .. } if number == self.gone => {
                Answer::Refuse(Refusal::new("Message is gone"))
            }
            Question::Octets { number, offset, .. } if number == self.broken && offset > 0 => {
                Answer::Refuse(Refusal::new("Damaged").with(Code::SysPerm))
            }
            Question::Octets { number, offset, octets_max } => {
                let message = &self.messages[number as usize - 1];
                let from = usize::try_from(offset).unwrap();
                Answer::Octets(message[from..message.len().min(from + octets_max)].to_vec())
            }
            Question::Update(numbers) => {
                self.asked.push(format!("delete {numbers:?}"));
                if self.full {
                    Answer::Refuse(Refusal::new("Nothing was deleted").with(Code::SysTemp))
                } else {
                    Answer::Proceed
                }
            }
        }
    }

    fn credentials(&mut self, question: &sasl_server::Question) -> Answer {
        self.asked.push(format!("auth {question:?}"));
        let answer = match question {
            sasl_server::Question::Password { login, password, .. }
                if **login == *"anna" && password.expose() == "tiger lily" =>
            {
                sasl_server::Answer::Granted
            }
            sasl_server::Question::Password { login, .. } if **login == *"down" => {
                sasl_server::Answer::Unavailable
            }
            sasl_server::Question::Password { login, .. } if **login == *"hasty" => {
                return Answer::Refuse(Refusal::new("One login in a minute").with(Code::LoginDelay));
            }
            sasl_server::Question::Password { login, .. } if **login == *"banned" => {
                return Answer::RefuseAndClose(Refusal::new("Too many failed logins").with(Code::SysTemp));
            }
            _ => sasl_server::Answer::Denied,
        };
        Answer::Auth(Box::new(answer))
    }
}
