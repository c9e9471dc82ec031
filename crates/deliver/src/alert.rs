//! A relay that takes nothing: somebody is told by another way than through it.

use mail::{Envelope, QueueId, Recipient, Timestamp};
use message::{FieldName, FieldText, FieldWriter, write_date_field, write_message_id_field};
use spool::Submission;

use crate::{relay_book::Alarm, report::DSN_LISTENER, shared::Shared};

const STATION: &str = "deliver/relay";

impl Shared {
    /// Tells the log, and the postmaster by mail that goes into a mailbox here. It causes no report, should it fail.
    pub(crate) async fn alert(&self, alarm: &Alarm) {
        let Alarm { relay, since, reply } = alarm;
        tracing::error!(station = STATION, relay, %since, %reply,
            "the relay takes no mail: it waits until that is mended; `postrider relay check` tries it");
        let (now, live) = (self.now(), self.live());
        let id = self.parts.spool.new_id(now);
        let postmaster = live.directory.postmaster().clone();
        let content = written(&self.config.hostname, &postmaster.to_string(), alarm, (id, now));
        let recipient = Recipient::new(postmaster, now);
        // RFC 5321 §6.1 and RFC 3834: what a program says by itself comes from nobody.
        let envelope = Envelope::new(id, now, DSN_LISTENER, vec![recipient]);
        let mut submission = Submission::own(envelope, content, STATION);
        for event in &mut submission.events {
            event.reason =
                Some(format!("the postmaster is told that the relay {relay} takes no mail: {reply}"));
        }
        if let Err(error) = self.parts.spool.commit(submission).await {
            tracing::error!(station = STATION, relay, %error, "the postmaster could not be told");
        }
    }
}

fn written(hostname: &str, postmaster: &str, alarm: &Alarm, (id, now): (QueueId, Timestamp)) -> Vec<u8> {
    let Alarm { relay, since, reply } = alarm;
    let mut content = Vec::with_capacity(1024);
    let mut field = |name: &str, text: &str| {
        if let Some(name) = FieldName::new(name) {
            FieldWriter::new(&mut content, name).words(&FieldText::ascii(text)).end();
        }
    };
    field("From", &format!("Postrider <postmaster@{hostname}>"));
    field("To", postmaster);
    field("Subject", &format!("The relay {relay} takes no mail"));
    field("Auto-Submitted", "auto-generated");
    field("MIME-Version", "1.0");
    field("Content-Type", "text/plain; charset=us-ascii");
    write_date_field(&mut content, now);
    write_message_id_field(&mut content, &id.to_string(), hostname);
    let words: String = reply.to_string().chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
    let body = format!(
        "\r\nThe relay {relay} of {hostname} takes no mail since {since}.\r\n\r\nIt says, or we say of it:\r\n\r\n  {words}\r\n\r\n\
         Mail for it waits, and nothing is returned for it meanwhile. On the server,\r\n\r\n  postrider relay check {relay}\r\n\r\n\
         tries it. Once it works again, `postrider queue retry --all` sends at once what waits.\r\n\
         You are told once, and again only if it has worked in between.\r\n"
    );
    content.extend_from_slice(body.as_bytes());
    content
}

#[cfg(test)]
mod tests {
    use mail::Reply;

    use super::*;

    #[test]
    fn the_words_of_a_relay_do_no_harm() {
        let now = Timestamp::from_millis(1_795_456_934_000);
        let reply = Reply::plain(535, "No\r\nBcc: x@example.org\n\u{e9}");
        let alarm = Alarm { relay: "gmail".into(), since: now, reply };
        let content =
            written("mx.example.org", "postmaster@example.org", &alarm, (QueueId::new(now, 0, 7), now));
        let text = String::from_utf8(content).unwrap();
        assert!(text.is_ascii() && text.contains("Subject: The relay gmail takes no mail\r\n"), "{text}");
        assert!(!text.contains("\r\nBcc") && text.contains("relay check gmail"), "{text}");
    }
}
