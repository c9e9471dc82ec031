//! A transaction: from MAIL to the end of data, one reverse-path and the recipients so far.

use std::collections::HashMap;

use mail::{Address, Client, Envelope, Notify, OriginalRecipient, QueueId, Recipient, Stream, Timestamp};
use smtp::{ForwardPath, MailFrom, RcptTo};

use crate::{
    Rule, Service,
    content::Incoming,
    rules::{Fate, Outlook, Ruling},
    schedule::Planned,
};

/// What an open transaction knows.
pub(crate) struct Transaction {
    pub(crate) mail: MailFrom,
    /// What the recipients became, in the order given; an address may stand twice.
    pub(crate) addressed: Vec<Addressed>,
    /// How many recipients were accepted, as the client counts them.
    pub(crate) accepted: usize,
    /// The first recipient as the client wrote it.
    first: Option<Address>,
    /// What the rules say of its recipients so far, each once; never none once there is a recipient.
    pub(crate) outlooks: Vec<Outlook>,
    /// Recipients as the client wrote them that became other addresses, each once.
    pub(crate) renamed: Vec<Address>,
    /// Aliases of several whose sender wants to hear of success: it is told that they were expanded.
    pub(crate) expanded: Vec<Recipient>,
    /// Somebody is among the recipients whose mail is never refused for what it is: postmaster or abuse.
    pub(crate) spares: bool,
    /// The content, once it has begun.
    pub(crate) content: Option<Incoming>,
    /// When it is to go.
    pub(crate) planned: Planned,
}

/// An address that a recipient became, with what the client said of that recipient.
pub(crate) struct Addressed {
    pub(crate) address: Address,
    notify: Notify,
    orcpt: Option<OriginalRecipient>,
    /// The place of its outlook.
    outlook: usize,
}

/// A transaction that became a message.
pub(crate) struct Taken {
    /// The envelope under which the spool keeps it.
    pub(crate) envelope: Envelope,
    /// Every recipient with its ruling, also those that a rule drops.
    pub(crate) ruled: Vec<(Address, Ruling)>,
    /// See [`Transaction::renamed`].
    pub(crate) renamed: Vec<Address>,
}

impl Transaction {
    pub(crate) fn new(mail: MailFrom) -> Self {
        Self {
            mail,
            addressed: Vec::new(),
            accepted: 0,
            first: None,
            outlooks: Vec::new(),
            renamed: Vec::new(),
            expanded: Vec::new(),
            spares: false,
            content: None,
            planned: Planned::default(),
        }
    }

    /// Whether a recipient may come beside those that are there: after the content one reply covers all of them, so
    /// the same rules must be able to refuse it (mail-rules 3).
    pub(crate) fn fits(&self, outlook: &Outlook, rules: &[Rule]) -> bool {
        self.outlooks.first().is_none_or(|first| first.refusals(rules) == outlook.refusals(rules))
    }

    /// Adds a recipient, as given and as what it became, and what the rules say of it.
    ///
    /// RFC 3461 §5.2.7.2: what an alias stands for inherits what the client said of the alias, and reports name the
    /// address that the client knows.
    pub(crate) fn add(&mut self, rcpt: RcptTo, became: Vec<Address>, outlook: Outlook) {
        let known = self.outlooks.iter().position(|known| *known == outlook);
        let outlook = known.unwrap_or_else(|| {
            self.outlooks.push(outlook);
            self.outlooks.len() - 1
        });
        let given = match rcpt.forward_path {
            ForwardPath::Postmaster => None,
            ForwardPath::Address(address) => Some(address),
        };
        let mut notify = rcpt.notify;
        // RFC 3461 §5.2.7.3 (c): the sender hears of success once, for the address that it knows.
        if let (true, [_, _, ..], Some(alias)) = (notify.success, &became[..], &given) {
            let orcpt = rcpt.orcpt.clone();
            let alias = Recipient { notify, orcpt, ..Recipient::new(alias.clone(), Timestamp::default()) };
            if !self.expanded.iter().any(|known| known.forward_path == alias.forward_path) {
                self.expanded.push(alias);
            }
            notify.success = false;
        }
        // RFC 3461 §6.3 (d) has no Original-Recipient where the client gave no ORCPT. We depart from it: a report of an
        // alias would name nobody that the sender has heard of.
        let renamed = given.as_ref().filter(|given| !matches!(&became[..], [same] if same == *given));
        let orcpt = rcpt.orcpt.or_else(|| renamed.map(|given| OriginalRecipient::of(&given.to_string())));
        if let Some(given) = renamed.filter(|given| !self.renamed.contains(given)) {
            self.renamed.push(given.clone());
        }
        if self.accepted == 0 {
            self.first = given;
        }
        self.accepted += 1;
        self.addressed.extend(became.into_iter().map(|address| Addressed {
            address,
            notify,
            orcpt: orcpt.clone(),
            outlook,
        }));
    }

    /// Whether a rule has to read the header section.
    pub(crate) fn asks_header(&self, rules: &[Rule]) -> bool {
        self.outlooks.iter().any(|outlook| outlook.asks_header(rules))
    }

    /// The recipient for the Received field: only a sole one, and as the client knows it, so that no recipient learns
    /// of another (RFC 5321 §7.2).
    pub(crate) fn sole_recipient(&self) -> Option<&Address> {
        self.first.as_ref().filter(|_| self.accepted == 1)
    }

    /// As the spool keeps it, with the ruling of each outlook, and what `refine` makes of it for each recipient.
    pub(crate) fn taken(
        self,
        id: QueueId,
        received: Timestamp,
        client: Client,
        service: Service,
        rulings: &[Ruling],
        refine: impl Fn(&Address, Ruling) -> Ruling,
    ) -> Taken {
        let all = once_each(self.addressed.into_iter().map(|addressed| {
            let ruling = rulings.get(addressed.outlook).copied().unwrap_or(Ruling::DELIVER);
            let ruling = refine(&addressed.address, ruling);
            (addressed, ruling)
        }));
        let ruled = all.iter().map(|(addressed, ruling)| (addressed.address.clone(), *ruling)).collect();
        let due = self.planned.hold_until.map_or(received, |until| until.max(received));
        let kept = all.into_iter().filter(|(_, ruling)| ruling.fate != Fate::Drop);
        let recipients = kept.map(|(Addressed { address, notify, orcpt, .. }, ruling)| Recipient {
            notify,
            orcpt,
            held: ruling.fate == Fate::Hold,
            junk: ruling.fate == Fate::Junk,
            ..Recipient::new(address, due)
        });
        let envelope = Envelope {
            id,
            received,
            client,
            listener: service.name().into(),
            account: None,
            stream: Stream::default(),
            priority: self.planned.priority,
            deliver_by: self.planned.deliver_by,
            hold_until: self.planned.hold_until,
            reverse_path: self.mail.reverse_path,
            ret: self.mail.ret,
            envid: self.mail.envid,
            body: self.mail.body,
            smtputf8: self.mail.smtputf8,
            require_tls: false,
            // What the checks say comes later.
            may_bounce: true,
            recipients: recipients.collect(),
        };
        Taken { envelope, ruled, renamed: self.renamed }
    }
}

/// Each address once, in the order of its first place: nobody gets a message twice for being in two aliases. What is
/// asked for it in any place is asked for it, and the kindest ruling holds.
fn once_each(addressed: impl ExactSizeIterator<Item = (Addressed, Ruling)>) -> Vec<(Addressed, Ruling)> {
    if addressed.len() < 2 {
        return addressed.collect();
    }
    let mut places = HashMap::with_capacity(addressed.len());
    let mut once: Vec<(Addressed, Ruling)> = Vec::with_capacity(addressed.len());
    for (one, ruling) in addressed {
        let place = *places.entry(one.address.clone()).or_insert(once.len());
        match once.get_mut(place) {
            Some((first, kindest)) => {
                first.notify = both(first.notify, one.notify);
                if ruling.fate > kindest.fate {
                    *kindest = ruling;
                }
            }
            None => once.push((one, ruling)),
        }
    }
    once
}

fn both(a: Notify, b: Notify) -> Notify {
    Notify {
        success: a.success || b.success,
        failure: a.failure || b.failure,
        delay: a.delay || b.delay,
        given: a.given || b.given,
    }
}

#[cfg(test)]
mod tests {
    use mail::ReversePath;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<Address> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn rcpt(line: &str) -> RcptTo {
        match smtp::Command::parse(line.as_bytes()) {
            Ok(smtp::Command::Rcpt(rcpt)) => *rcpt,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn transaction() -> Transaction {
        Transaction::new(MailFrom::new(ReversePath::Null))
    }

    fn envelope(transaction: Transaction) -> Envelope {
        let id = QueueId::from_bytes([0; 16]);
        let refine = |_: &Address, ruling| ruling;
        transaction.taken(id, Timestamp::default(), Client::default(), Service::Smtp, &[], refine).envelope
    }

    #[test]
    fn an_address_in_two_aliases_gets_one_copy() {
        let mut transaction = transaction();
        transaction.add(
            rcpt("RCPT TO:<x@x.example>"),
            addresses(&["b@x.example", "a@x.example"]),
            Outlook::default(),
        );
        transaction.add(
            rcpt("RCPT TO:<y@x.example>"),
            addresses(&["a@x.example", "c@x.example", "b@x.example"]),
            Outlook::default(),
        );
        let envelope = envelope(transaction);
        let kept: Vec<_> = envelope.recipients.iter().map(|r| r.forward_path.to_string()).collect();
        assert_eq!(kept, ["b@x.example", "a@x.example", "c@x.example"]);
    }

    #[test]
    fn what_an_alias_stands_for_inherits_what_was_said_of_the_alias() {
        let mut transaction = transaction();
        transaction.add(
            rcpt("RCPT TO:<a@x.example> NOTIFY=NEVER"),
            addresses(&["a@x.example"]),
            Outlook::default(),
        );
        let team = "RCPT TO:<team@x.example> NOTIFY=SUCCESS";
        transaction.add(rcpt(team), addresses(&["a@x.example", "b@x.example"]), Outlook::default());
        let named = "RCPT TO:<team@x.example> NOTIFY=DELAY ORCPT=rfc822;old@y.example";
        transaction.add(rcpt(named), addresses(&["c@x.example"]), Outlook::default());
        let expanded: Vec<_> = transaction.expanded.iter().map(|r| r.forward_path.to_string()).collect();
        assert_eq!(expanded, ["team@x.example"], "the sender hears of its success now");
        assert_eq!(
            transaction.renamed,
            addresses(&["team@x.example"]),
            "once, and not who stands for itself"
        );
        let told: Vec<_> =
            envelope(transaction).recipients.into_iter().map(|r| (r.notify, r.orcpt)).collect();
        let notify = |success, delay| Notify { success, failure: false, delay, given: true };
        let of = |address| Some(OriginalRecipient::of(address));
        let expected = [
            (notify(false, false), None),
            (notify(false, false), of("team@x.example")),
            (notify(false, true), of("old@y.example")),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn only_a_sole_recipient_is_told_in_the_trace() {
        let given = addresses(&["team@x.example"]);
        let mut transaction = transaction();
        assert_eq!(transaction.sole_recipient(), None);
        transaction.add(
            rcpt("RCPT TO:<team@x.example>"),
            addresses(&["a@x.example", "b@x.example"]),
            Outlook::default(),
        );
        assert_eq!(transaction.sole_recipient(), given.first());
        transaction.add(rcpt("RCPT TO:<postmaster>"), addresses(&["c@x.example"]), Outlook::default());
        assert_eq!(transaction.sole_recipient(), None);
    }
}
