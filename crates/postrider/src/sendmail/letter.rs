//! From what a program says to a message that can be sent: recipients, qualified addresses, an author.

use mail::{Address, Domain, Notify, ReversePath, Timestamp};
use message::{
    Field, FieldName, FieldText, FieldWriter, HeaderSection,
    strict::{Form, Terms, qualified},
};
use smtp::{Command, ForwardPath, MailFrom, RcptTo};

use super::{Refused, exit, options::Options};

/// A message for the maildrop: the commands of its transaction, and its content.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(super) mail: MailFrom,
    pub(super) recipients: Vec<RcptTo>,
    /// Lines that end in CRLF.
    pub(super) content: Vec<u8>,
}

/// What a message is made by.
pub(super) struct Wanted<'a> {
    pub(super) options: &'a Options,
    /// The domain of addresses that have none.
    pub(super) domain: &'a Domain,
    /// The address of the user.
    pub(super) own: Address,
    /// What the user is called.
    pub(super) full_name: &'a str,
}

/// Fields whose addresses are qualified.
const ADDRESSED: [&str; 12] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Resent-From",
    "Resent-Sender",
    "Resent-Reply-To",
    "Resent-To",
    "Resent-Cc",
    "Resent-Bcc",
];
const RECIPIENTS: [&str; 3] = ["To", "Cc", "Bcc"];
const RESENT_RECIPIENTS: [&str; 3] = ["Resent-To", "Resent-Cc", "Resent-Bcc"];

impl Letter {
    /// The commands: MAIL, RCPT for each recipient, DATA, each in a line of its own.
    pub(super) fn head(&self) -> Vec<u8> {
        let mut head = Vec::new();
        Command::Mail(Box::new(self.mail.clone())).write_to(&mut head);
        for rcpt in &self.recipients {
            Command::Rcpt(Box::new(rcpt.clone())).write_to(&mut head);
        }
        Command::Data.write_to(&mut head);
        head
    }
}

/// Makes a message of what stands on standard input.
pub(super) fn compose(input: &[u8], wanted: &Wanted<'_>, now: Timestamp) -> Result<Letter, Refused> {
    let options = wanted.options;
    let lines = lines(input, options.dots_are_text);
    let (header, body) = parts(&lines);
    let mut edited = Edited::default();
    for field in HeaderSection::read(&header).fields() {
        edited.field(field, wanted.domain);
    }
    edited.complete(wanted);
    let mut to = arguments(&options.recipients, wanted.domain)?;
    if options.recipients_in_header {
        to.extend(edited.recipients());
    }
    to.dedup();
    if to.is_empty() {
        return Err(Refused(exit::USAGE, "no recipients: name them, or say -t".to_owned()));
    }
    let mut content = edited.octets;
    let smtputf8 =
        !content.is_ascii() && std::str::from_utf8(&content).is_ok() || to.iter().any(Address::is_utf8);
    content.extend_from_slice(b"\r\n");
    content.extend_from_slice(body);
    Form::read(&content, Terms { smtputf8, ended: true, now, mixes_scripts: directory::mixes_scripts })
        .map_err(|flaw| Refused(exit::DATA, flaw.reply().text().to_owned()))?;
    let mail = mail(wanted, smtputf8)?;
    let recipients = recipients(&to, options)?;
    Ok(Letter { mail, recipients, content })
}

/// Lines with CRLF at their ends. Unless dots are text, a line of one dot ends the message.
fn lines(input: &[u8], dots_are_text: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(input.len() + input.len() / 32);
    for line in input.split_inclusive(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line == b"." && !dots_are_text {
            break;
        }
        // A CR alone ends a line for some readers and not for others.
        for part in line.split(|octet| *octet == b'\r') {
            out.extend(part.iter().filter(|octet| **octet != 0));
            out.extend_from_slice(b"\r\n");
        }
    }
    out
}

/// The fields with the ends of their lines, and the body. What begins with no field is all body.
fn parts(lines: &[u8]) -> (Vec<u8>, &[u8]) {
    let section = HeaderSection::read(lines);
    (section.octets().to_vec(), lines.get(section.end()..).unwrap_or_default())
}

/// A header section on its way to being one that can be sent.
#[derive(Default)]
struct Edited {
    octets: Vec<u8>,
    has_from: bool,
    to: Vec<Address>,
    resent_to: Vec<Address>,
}

impl Edited {
    fn field(&mut self, field: Field<'_>, domain: &Domain) {
        self.has_from |= field.is("From");
        let name = ADDRESSED.iter().find(|name| field.is(name));
        let value = field.value();
        let read = name.and_then(|name| Some((*name, std::str::from_utf8(&value).ok()?)));
        let Some((name, (text, addresses))) =
            read.and_then(|(name, text)| Some((name, qualified(text, domain)?)))
        else {
            self.octets.extend_from_slice(field.octets());
            return;
        };
        if RECIPIENTS.contains(&name) {
            self.to.extend(addresses);
        } else if RESENT_RECIPIENTS.contains(&name) {
            self.resent_to.extend(addresses);
        }
        match FieldName::new(name).filter(|_| text.as_bytes() != &*value) {
            Some(name) => {
                FieldWriter::new(&mut self.octets, name).words(&FieldText::neutralised(&text)).end();
            }
            None => self.octets.extend_from_slice(field.octets()),
        }
    }

    /// Adds the author, where there is none.
    fn complete(&mut self, wanted: &Wanted<'_>) {
        let Some(name) = FieldName::new("From").filter(|_| !self.has_from) else { return };
        let from = match sender(wanted) {
            Ok(ReversePath::Address(address)) => address,
            _ => wanted.own.clone(),
        };
        let full_name = wanted.options.full_name.as_deref().unwrap_or(wanted.full_name);
        let plain: String =
            full_name.chars().filter(|c| !matches!(c, '"' | '\\') && !c.is_control()).collect();
        let text = if plain.is_empty() { from.to_string() } else { format!("\"{plain}\" <{from}>") };
        FieldWriter::new(&mut self.octets, name).words(&FieldText::neutralised(&text)).end();
    }

    /// RFC 5322 §3.6.6: of a message that is put into the mail again the Resent fields tell.
    fn recipients(&mut self) -> Vec<Address> {
        std::mem::take(if self.resent_to.is_empty() { &mut self.to } else { &mut self.resent_to })
    }
}

/// Recipients named as arguments; each may be a list.
pub(super) fn arguments(texts: &[String], domain: &Domain) -> Result<Vec<Address>, Refused> {
    let mut all = Vec::new();
    for text in texts {
        let found = qualified(text, domain);
        let (_, addresses) = found.ok_or_else(|| Refused(exit::DATA, format!("`{text}` is no address")))?;
        all.extend(addresses);
    }
    Ok(all)
}

fn sender(wanted: &Wanted<'_>) -> Result<ReversePath, Refused> {
    match wanted.options.from.as_deref().map(str::trim) {
        None => Ok(ReversePath::Address(wanted.own.clone())),
        Some("" | "<>") => Ok(ReversePath::Null),
        Some(text) => match qualified(text, wanted.domain).map(|(_, addresses)| addresses).as_deref() {
            Some([address]) => Ok(ReversePath::Address(address.clone())),
            _ => Err(Refused(exit::DATA, format!("`{text}` is no address"))),
        },
    }
}

fn mail(wanted: &Wanted<'_>, smtputf8: bool) -> Result<MailFrom, Refused> {
    let reverse_path = sender(wanted)?;
    let smtputf8 = smtputf8 || reverse_path.address().is_some_and(Address::is_utf8);
    let mut line = format!("MAIL FROM:{reverse_path}");
    if smtputf8 {
        line.push_str(" SMTPUTF8");
    }
    if let Some(ret) = &wanted.options.ret {
        line.extend([" RET=", ret]);
    }
    if let Some(envid) = &wanted.options.envid {
        line.extend([" ENVID=", &mail::xtext::encode_xtext(envid)]);
    }
    match Command::parse(line.as_bytes()) {
        Ok(Command::Mail(mail)) => Ok(*mail),
        _ => Err(Refused(exit::USAGE, "-R wants full or hdrs, and -V at most 100 characters".to_owned())),
    }
}

fn recipients(to: &[Address], options: &Options) -> Result<Vec<RcptTo>, Refused> {
    let notify = options.notify.as_deref().map(notify).transpose()?;
    let rcpt = |address: &Address| {
        let rcpt = RcptTo::new(ForwardPath::Address(address.clone()));
        RcptTo { notify: notify.unwrap_or(rcpt.notify), ..rcpt }
    };
    Ok(to.iter().map(rcpt).collect())
}

fn notify(words: &str) -> Result<Notify, Refused> {
    if let Ok(Command::Rcpt(rcpt)) = Command::parse(format!("RCPT TO:<postmaster> NOTIFY={words}").as_bytes())
    {
        return Ok(rcpt.notify);
    }
    Err(Refused(exit::USAGE, "-N wants never, or some of success, failure, delay".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sendmail::options::Mode;

    const NOW: Timestamp = Timestamp::from_millis(1_795_456_934_000);

    fn letter(words: &str, input: &str) -> Result<(String, String), Refused> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let options = Options::parse(Mode::Deliver, &words).unwrap();
        let domain = Domain::parse("here.test").unwrap();
        let own = "anna@here.test".parse().unwrap();
        let wanted = Wanted { options: &options, domain: &domain, own, full_name: "Anna Bee" };
        let letter = compose(input.as_bytes(), &wanted, NOW)?;
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).replace("\r\n", "|");
        Ok((text(&letter.head()), text(&letter.content)))
    }

    #[test]
    fn cron_writes_to_root() {
        let input = "From: \"(Cron Daemon)\" <root>\nTo: root\nSubject: Cron <root@h> date\n\nMon\n";
        let (head, content) = letter("-FCronDaemon -i -oem root", input).unwrap();
        assert_eq!(head, "MAIL FROM:<anna@here.test>|RCPT TO:<root@here.test>|DATA|");
        assert_eq!(
            content,
            "From: \"(Cron Daemon)\" <root@here.test>|To: root@here.test|Subject: Cron <root@h> date||Mon|"
        );
    }

    #[test]
    fn recipients_stand_in_the_header_or_among_the_arguments_or_in_both() {
        let input = "To: bob, Carol <carol@x.example>\nBcc: dave\nCc: friends: erin;\n\nx\n";
        let (head, content) = letter("-t -i frank", input).unwrap();
        for to in ["frank@here.test", "bob@here.test", "carol@x.example", "dave@here.test", "erin@here.test"]
        {
            assert!(head.contains(&format!("RCPT TO:<{to}>|")), "{head}");
        }
        assert!(content.contains("|From: \"Anna Bee\" <anna@here.test>||x|"), "{content}");
        let resent = format!("Resent-From: anna\nResent-To: gina\nFrom: a@b\n{input}");
        let (head, _) = letter("-ti", &resent).unwrap();
        assert_eq!(head, "MAIL FROM:<anna@here.test>|RCPT TO:<gina@here.test>|DATA|");
    }

    #[test]
    fn dots_end_a_message_unless_they_are_text() {
        assert!(letter("bob", "x\n.\ny\n").unwrap().1.ends_with("||x|"));
        assert!(letter("-i bob", "x\n.\ny\n").unwrap().1.ends_with("||x|.|y|"));
    }

    #[test]
    fn what_is_no_field_is_body_and_line_ends_are_all_alike() {
        let from = "From: \"Anna Bee\" <anna@here.test>||";
        assert_eq!(letter("bob", "hello\n").unwrap().1, format!("{from}hello|"));
        assert_eq!(
            letter("bob", "From x Mon\nSubject: a\r\nhello\rthere\n").unwrap().1,
            "Subject: a|From: \"Anna Bee\" <anna@here.test>||hello|there|"
        );
        assert_eq!(letter("bob", "").unwrap().1, from);
    }

    #[test]
    fn options_become_parameters() {
        let (head, content) =
            letter("-f web@x.example -F Shop -N success,failure -R hdrs -V a=b bob", "x\n").unwrap();
        assert_eq!(
            head,
            "MAIL FROM:<web@x.example> RET=HDRS ENVID=a+3Db|RCPT TO:<bob@here.test> NOTIFY=SUCCESS,FAILURE|DATA|"
        );
        assert!(content.starts_with("From: \"Shop\" <web@x.example>|"), "{content}");
        assert_eq!(letter("-f <> bob", "x\n").unwrap().0, "MAIL FROM:<>|RCPT TO:<bob@here.test>|DATA|");
        assert!(letter("bob", "Subject: gr\u{fc}n\n\nx\n").unwrap().0.contains(" SMTPUTF8|"));
    }

    #[test]
    fn what_cannot_be_sent_is_told_at_once() {
        for (words, input, code, text) in [
            ("", "x\n", exit::USAGE, "no recipients"),
            ("-t", "Subject: x\n\nx\n", exit::USAGE, "no recipients"),
            ("bob@", "x\n", exit::DATA, "no address"),
            ("-f a@b@c bob", "x\n", exit::DATA, "no address"),
            ("-N perhaps bob", "x\n", exit::USAGE, "-N wants"),
            ("-R half bob", "x\n", exit::USAGE, "-R wants"),
            ("bob", "Subject: a\nSubject: b\n\nx\n", exit::DATA, "Subject stands there more than once"),
            ("bob", "To: Anna Bee\n\nx\n", exit::DATA, "Invalid address in To"),
        ] {
            let Refused(found, told) = letter(words, input).unwrap_err();
            assert_eq!(found, code, "{words}: {told}");
            assert!(told.contains(text), "{told}");
        }
    }
}
