//! From an envelope to what a next hop is told of it.

use mail::{Body, Envelope, OriginalRecipient, Recipient};
use smtp::{ForwardPath, MailFrom, RcptTo, client::Transaction};

/// The transaction for some recipients of a message. `body` and `size` tell of its content as it goes out.
pub(crate) fn transaction(
    envelope: &Envelope,
    recipients: &[u32],
    body: Body,
    size: Option<u64>,
) -> Transaction {
    let mail = MailFrom {
        size,
        body,
        smtputf8: envelope.smtputf8,
        ret: envelope.ret,
        envid: envelope.envid.clone(),
        ..MailFrom::new(envelope.reverse_path.clone())
    };
    let recipients = recipients.iter().filter_map(|number| recipient(envelope, *number));
    Transaction { mail, recipients: recipients.map(|recipient| rcpt(envelope, recipient)).collect() }
}

/// The recipient of this number.
pub(crate) fn recipient(envelope: &Envelope, number: u32) -> Option<&Recipient> {
    envelope.recipients.get(usize::try_from(number).ok()?)
}

/// What the sender asked for this recipient. A recipient that came without ORCPT gets the address by which it came
/// (RFC 3461 §5.2.1 (d)), so that reports of hosts further on name an address that the sender knows; one that was
/// renamed here has it since then. Where there can be no report, there is no need for it.
fn rcpt(envelope: &Envelope, recipient: &Recipient) -> RcptTo {
    let notify = recipient.notify;
    let reported = !envelope.reverse_path.is_null() && (notify.success || notify.failure || notify.delay);
    let address = || OriginalRecipient::of(&recipient.forward_path.to_string());
    RcptTo {
        notify,
        orcpt: recipient.orcpt.clone().or_else(|| reported.then(address)),
        ..RcptTo::new(ForwardPath::Address(recipient.forward_path.clone()))
    }
}

/// Whether a server that offers DSN is told anything of it.
pub(crate) fn has_dsn_parameters(transaction: &Transaction) -> bool {
    transaction.mail.ret.is_some()
        || transaction.mail.envid.is_some()
        || transaction.recipients.iter().any(|rcpt| rcpt.notify.given || rcpt.orcpt.is_some())
}

#[cfg(test)]
mod tests {
    use mail::{Notify, ReversePath};

    use super::*;
    use crate::fixtures;

    #[test]
    fn a_recipient_without_orcpt_gets_its_address_where_a_report_is_possible() {
        let mut envelope = fixtures::envelope(&["anna@example.org", "bert@example.org", "carl@example.org"]);
        envelope.recipients[1].orcpt = OriginalRecipient::from_parameter("rfc822;List@Example.NET");
        let never = Notify { success: false, failure: false, delay: false, given: true };
        envelope.recipients[2].notify = never;
        let orcpts = |envelope: &Envelope| -> Vec<Option<String>> {
            let rcpts = transaction(envelope, &[0, 1, 2], Body::SevenBit, Some(5)).recipients;
            rcpts.into_iter().map(|rcpt| rcpt.orcpt.map(|orcpt| orcpt.to_string())).collect()
        };
        let (own, list) = ("rfc822;anna@example.org".to_owned(), "rfc822;List@Example.NET".to_owned());
        assert_eq!(orcpts(&envelope), [Some(own), Some(list.clone()), None]);
        envelope.reverse_path = ReversePath::Null;
        assert_eq!(orcpts(&envelope), [None, Some(list), None]);
    }
}
