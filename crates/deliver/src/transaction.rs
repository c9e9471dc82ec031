//! From an envelope to what a next hop is told of it.

use mail::{Address, Envelope, OriginalRecipient, Recipient, ReversePath, Timestamp};
use smtp::{By, ForwardPath, MailFrom, RcptTo, Schedule, client::Transaction};

use crate::content::Form;

/// The transaction for some recipients of a message in a form; `size` is that of its content as it goes out.
pub(crate) fn transaction(
    envelope: &Envelope,
    recipients: &[u32],
    form: Form,
    size: Option<u64>,
    now: Timestamp,
) -> Transaction {
    let mail = MailFrom {
        size,
        body: form.body,
        smtputf8: envelope.smtputf8 && form.utf8_paths,
        ret: envelope.ret,
        envid: envelope.envid.clone(),
        schedule: schedule(envelope, now),
        ..MailFrom::new(match &envelope.reverse_path {
            ReversePath::Null => ReversePath::Null,
            ReversePath::Address(address) => ReversePath::Address(path(address, form)),
        })
    };
    let recipients = recipients.iter().filter_map(|number| recipient(envelope, *number));
    Transaction { mail, recipients: recipients.map(|recipient| rcpt(envelope, recipient, form)).collect() }
}

/// What is left of the time that the sender gave, and how urgent it is, for hosts that have words for it.
fn schedule(envelope: &Envelope, now: Timestamp) -> Schedule {
    let by = envelope.deliver_by.map(|by| {
        let signed = |time: std::time::Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let seconds = signed(by.deadline.since(now)) - signed(now.since(by.deadline));
        // RFC 2852 §4: nine digits, and more than nothing with the mode R.
        let seconds = seconds.clamp(if by.return_then { 1 } else { -999_999_999 }, 999_999_999);
        By { seconds, return_then: by.return_then, trace: by.trace }
    });
    Schedule { hold: None, by, priority: (envelope.priority != 0).then_some(envelope.priority) }
}

/// The recipient of this number.
pub(crate) fn recipient(envelope: &Envelope, number: u32) -> Option<&Recipient> {
    envelope.recipients.get(usize::try_from(number).ok()?)
}

/// What the sender asked for this recipient. A recipient that came without ORCPT gets the address by which it came
/// (RFC 3461 §5.2.1 (d)), so that reports of hosts further on name an address that the sender knows; one that was
/// renamed here has it since then. Where there can be no report, there is no need for it.
fn rcpt(envelope: &Envelope, recipient: &Recipient, form: Form) -> RcptTo {
    let notify = recipient.notify;
    let reported = !envelope.reverse_path.is_null() && (notify.success || notify.failure || notify.delay);
    let address = || OriginalRecipient::of(&recipient.forward_path.to_string());
    RcptTo {
        notify,
        orcpt: recipient.orcpt.clone().or_else(|| reported.then(address)),
        ..RcptTo::new(ForwardPath::Address(path(&recipient.forward_path, form)))
    }
}

/// An address as the host takes it.
fn path(address: &Address, form: Form) -> Address {
    let ascii = if form.utf8_paths { None } else { in_ascii(address) };
    ascii.unwrap_or_else(|| address.clone())
}

/// The same address in ASCII, with A-labels for U-labels (RFC 6531 §3.2). None: its local part needs SMTPUTF8.
pub(crate) fn in_ascii(address: &Address) -> Option<Address> {
    if !address.is_utf8() {
        return Some(address.clone());
    }
    let domain = directory::in_ascii(address.domain().clone())?;
    Address::new(address.local_part(), domain).ok().filter(|address| !address.is_utf8())
}

/// Whether a server that offers DSN is told anything of it.
pub(crate) fn has_dsn_parameters(transaction: &Transaction) -> bool {
    transaction.mail.ret.is_some()
        || transaction.mail.envid.is_some()
        || transaction.recipients.iter().any(|rcpt| rcpt.notify.given || rcpt.orcpt.is_some())
}

#[cfg(test)]
mod tests {
    use mail::Notify;

    use super::*;
    use crate::fixtures;

    #[test]
    fn a_recipient_without_orcpt_gets_its_address_where_a_report_is_possible() {
        let mut envelope = fixtures::envelope(&["anna@example.org", "bert@example.org", "carl@example.org"]);
        envelope.recipients[1].orcpt = OriginalRecipient::from_parameter("rfc822;List@Example.NET");
        let never = Notify { success: false, failure: false, delay: false, given: true };
        envelope.recipients[2].notify = never;
        let orcpts = |envelope: &Envelope| -> Vec<Option<String>> {
            let rcpts =
                transaction(envelope, &[0, 1, 2], Form::default(), Some(5), Timestamp::default()).recipients;
            rcpts.into_iter().map(|rcpt| rcpt.orcpt.map(|orcpt| orcpt.to_string())).collect()
        };
        let (own, list) = ("rfc822;anna@example.org".to_owned(), "rfc822;List@Example.NET".to_owned());
        assert_eq!(orcpts(&envelope), [Some(own), Some(list.clone()), None]);
        envelope.reverse_path = ReversePath::Null;
        assert_eq!(orcpts(&envelope), [None, Some(list), None]);
    }
}
