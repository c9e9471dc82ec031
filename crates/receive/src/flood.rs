//! What becomes of mail that is part of a flood: it is held, and somebody is told (never bounced, never refused: it may be honest).

use events::{Event, Kind};
use mail::{
    Address, Body, Client, EnhancedStatus, Envelope, QueueId, Recipient, Reply, ReversePath, Timestamp, Via,
};
use message::{FieldName, FieldText, FieldWriter, write_date_field, write_message_id_field};
use spool::Submission;

use crate::reception::STATION;

/// Stands as last reply of each recipient, so that `queue show` tells it and `--reason` finds it.
fn held() -> Reply {
    Reply::new(451, EnhancedStatus::new(4, 7, 1), "Held: this login sends far more than it used to")
}

/// The listener of notices of ours.
const NOTICE_LISTENER: &str = "notice";

/// Puts all recipients on hold; the event that tells it.
pub(crate) fn hold(envelope: &mut Envelope, login: &str) -> Event {
    let mut recipients = Vec::new();
    for recipient in envelope.recipients.iter_mut().filter(|recipient| !recipient.held) {
        recipient.held = true;
        recipient.last_reply = Some(held());
        recipients.push(recipient.forward_path.to_string());
    }
    let recipient = if recipients.len() == 1 { recipients.pop() } else { None };
    Event {
        recipient,
        recipients,
        account: Some(login.to_owned()),
        reason: Some("this login sends far more than it used to".to_owned()),
        ..Event::new(envelope.received, envelope.id, Kind::Held, STATION)
    }
}

/// A notice for whoever runs the server, from the null reverse-path.
pub(crate) fn notice(
    hostname: &str,
    id: QueueId,
    now: Timestamp,
    to: Vec<Address>,
    login: &str,
) -> Submission {
    let mut content = Vec::with_capacity(1024);
    let mut field = |name: &str, text: &str| {
        if let Some(name) = FieldName::new(name) {
            FieldWriter::new(&mut content, name).words(&FieldText::ascii(text)).end();
        }
    };
    field("From", &format!("Postrider <postmaster@{hostname}>"));
    field("To", "postmaster:;");
    field("Subject", &format!("Mail of {login} is held: far more than it used to send"));
    field("Auto-Submitted", "auto-generated");
    field("MIME-Version", "1.0");
    field("Content-Type", "text/plain; charset=us-ascii");
    write_date_field(&mut content, now);
    write_message_id_field(&mut content, &id.to_string(), hostname);
    let login = FieldText::ascii(login);
    content.extend_from_slice(
        format!(
            "\r\nThe login {login} has begun to send far more mail than it used to.\r\n\
             Its mail is taken and held; nothing was refused, nothing bounces.\r\n\r\n\
             If its password was stolen, set a new one, and throw the mail away:\r\n\
             \x20   postrider queue remove --state held --reason \"far more than\"\r\n\
             If the mail is what it should be, let it go:\r\n\
             \x20   postrider queue release --reason \"far more than\"\r\n"
        )
        .as_bytes(),
    );
    let recipients = to.into_iter().map(|address| Recipient::new(address, now)).collect();
    let envelope = Envelope {
        client: Client { via: Via::Local, ..Client::default() },
        reverse_path: ReversePath::Null,
        body: Body::SevenBit,
        ..Envelope::new(id, now, NOTICE_LISTENER, recipients)
    };
    Submission::own(envelope, content, STATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_a_message_of_good_form_whatever_the_login() {
        let (id, now) = (QueueId::from_bytes([0; 16]), Timestamp::from_millis(1_795_456_934_000));
        let to = vec!["anna@example.org".parse().unwrap()];
        let notice = notice("mx.example.org", id, now, to, "\"a\r\nBcc: b\u{fc}\"@example.org");
        assert!(notice.envelope.reverse_path.is_null());
        assert_eq!(notice.events.len(), 1);
    }

    #[test]
    fn who_is_held_already_is_not_held_twice() {
        let recipients = ["a@b", "c@d"].map(|to| Recipient::new(to.parse().unwrap(), Timestamp::default()));
        let mut envelope = Envelope::new(
            QueueId::from_bytes([0; 16]),
            Timestamp::default(),
            "submission",
            recipients.into(),
        );
        envelope.recipients[0].held = true;
        let event = hold(&mut envelope, "anna@example.org");
        assert!(envelope.recipients.iter().all(|recipient| recipient.held));
        assert_eq!((event.recipient.as_deref(), event.recipients.len()), (Some("c@d"), 0));
    }
}
