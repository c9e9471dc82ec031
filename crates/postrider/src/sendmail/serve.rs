//! `-bs`: SMTP on standard input and output. What is taken goes to the maildrop, message by message.

use std::{
    io::{self, Read, Write},
    sync::Arc,
};

use mail::{EnhancedStatus, Reply};
use smtp::{
    MailFrom, RcptTo,
    server::{Answer, Config, Limits, Question, Session, Step},
};

use super::{Refused, Surroundings, exit, letter::Letter};

const NOT_NOW: Reply = Reply::fixed(451, (4, 3, 0), "Not stored; try again later");

/// Serves the program that started us.
pub(super) fn serve(around: &Surroundings) -> Result<(), Refused> {
    let config = Config {
        protocol: smtp::Protocol::Smtp,
        hostname: around.domain.to_string(),
        software: "Postrider sendmail",
        limits: Limits { message_size_max: around.facts.message_size_max, ..Limits::default() },
    };
    let mut session = Session::new(Arc::new(config));
    let mut clerk = Clerk { around, mail: None, recipients: Vec::new(), content: Vec::new() };
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut buffer = vec![0; 16 * 1024];
    let lost = |error: io::Error| Refused(exit::IO, error.to_string());
    loop {
        match session.step() {
            Step::Ask(question) => {
                let answer = clerk.answer(question);
                session.answer(answer);
            }
            Step::Read(_) => {
                say(&mut session, &mut output).map_err(lost)?;
                let room = session.wants().min(buffer.len());
                let read = input.read(buffer.get_mut(..room).unwrap_or_default()).map_err(lost)?;
                match buffer.get(..read) {
                    Some(octets) if !octets.is_empty() => session.receive(octets),
                    _ => session.end_of_input(),
                }
            }
            Step::Secure | Step::Close => return say(&mut session, &mut output).map_err(lost),
        }
    }
}

fn say(session: &mut Session, output: &mut impl Write) -> io::Result<()> {
    output.write_all(session.output())?;
    session.output().clear();
    output.flush()
}

struct Clerk<'a> {
    around: &'a Surroundings,
    mail: Option<MailFrom>,
    recipients: Vec<RcptTo>,
    content: Vec<u8>,
}

impl Clerk<'_> {
    fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::Mail(mail) => match self.around.may_send_as(&mail.reverse_path) {
                Ok(true) => {
                    self.mail = Some(*mail);
                    Answer::Proceed
                }
                _ => Answer::Refuse(Reply::fixed(553, (5, 7, 1), "Sender address is not one of this user")),
            },
            Question::Recipient(rcpt) => {
                self.recipients.push(*rcpt);
                Answer::Proceed
            }
            Question::Data => Answer::Normalise,
            Question::Content(piece) => {
                self.content.extend(piece);
                Answer::Proceed
            }
            Question::EndOfContent { piece, .. } => {
                self.content.extend(piece);
                Answer::Replied(self.store())
            }
            Question::Reset => {
                self.forget();
                Answer::Proceed
            }
            _ => Answer::Proceed,
        }
    }

    fn forget(&mut self) {
        (self.mail, self.recipients, self.content) = (None, Vec::new(), Vec::new());
    }

    fn store(&mut self) -> Reply {
        let (recipients, content) = (std::mem::take(&mut self.recipients), std::mem::take(&mut self.content));
        let Some(mail) = self.mail.take() else { return NOT_NOW };
        match self.around.leave(&Letter { mail, recipients, content }) {
            Ok(()) => Reply::new(250, EnhancedStatus::new(2, 0, 0), "Left for the server"),
            Err(_) => NOT_NOW,
        }
    }
}
