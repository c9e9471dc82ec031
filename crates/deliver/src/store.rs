//! Final delivery into the mail store of another program: our recipients become its mailboxes, and its answers ours.

use std::sync::Arc;

use directory::{Directory, Resolution};
use mail::{Address, Envelope, OriginalRecipient, Recipient};

use crate::{
    outcome::{Fate, Finding, Success},
    replies,
    transaction::recipient,
};

/// An envelope for the store, which knows mailboxes and no aliases.
pub(crate) struct Expansion {
    /// With a recipient for each mailbox.
    pub(crate) envelope: Arc<Envelope>,
    /// The recipient of ours that each of them stands for.
    originals: Vec<u32>,
    /// What is known of recipients without asking the store.
    known: Vec<Finding>,
}

impl Expansion {
    /// Looks recipients up.
    pub(crate) fn new(directory: &Directory, envelope: &Envelope, recipients: &[u32]) -> Self {
        let (mut mailboxes, mut originals, mut known) = (Vec::new(), Vec::new(), Vec::new());
        for number in recipients {
            let Some(original) = recipient(envelope, *number) else { continue };
            match directory.resolve(&original.forward_path) {
                Resolution::Mailboxes(addresses) => {
                    originals.extend(addresses.iter().map(|_| *number));
                    mailboxes.extend(addresses.into_iter().map(|address| renamed(original, address)));
                }
                Resolution::Unknown => {
                    known.push(Finding::own(*number, Fate::Bounced, replies::no_mailbox()));
                }
                Resolution::Unsure => {
                    known.push(Finding::own(*number, Fate::Deferred, replies::unsure()));
                }
                // What led elsewhere, or was a list, a moment ago was passed on.
                Resolution::NotLocal | Resolution::List(_) | Resolution::Forwarded(_) => {
                    known.push(Finding::own(*number, Fate::Deferred, replies::not_local()));
                }
            }
        }
        let envelope = Arc::new(Envelope { recipients: mailboxes, ..envelope.clone() });
        Self { envelope, originals, known }
    }

    /// The numbers of all mailboxes.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        (0..).zip(&self.originals).map(|(number, _)| number).collect()
    }

    /// What was found for mailboxes as findings for our recipients, and mailboxes that were not tried as recipients that
    /// were not. A recipient of several mailboxes is delivered when all have their copy, and bounced when one never
    /// will and no other still may; until then all are tried again.
    pub(crate) fn gather(self, findings: Vec<Finding>, untried: &[u32]) -> (Vec<Finding>, Vec<u32>) {
        let original = |number: u32| self.originals.get(usize::try_from(number).ok()?).copied();
        let mut untried: Vec<u32> = untried.iter().filter_map(|number| original(*number)).collect();
        untried.dedup();
        let mut gathered: Vec<Finding> = self.known;
        for finding in findings {
            let Some(recipient) = original(finding.recipient).filter(|number| !untried.contains(number))
            else {
                continue;
            };
            let finding = Finding { recipient, success: in_mailbox(finding.success), ..finding };
            match gathered.iter_mut().find(|other| other.recipient == recipient) {
                Some(other) if weight(finding.fate) > weight(other.fate) => *other = finding,
                Some(_) => {}
                None => gathered.push(finding),
            }
        }
        (gathered, untried)
    }
}

/// What the store has is delivered, and not only relayed.
fn in_mailbox(success: Success) -> Success {
    if success == Success::Relayed { Success::Delivered } else { success }
}

/// Which fate of a mailbox decides that of a recipient of several.
fn weight(fate: Fate) -> u8 {
    match fate {
        Fate::Delivered => 0,
        Fate::Bounced | Fate::Dropped => 1,
        Fate::Deferred => 2,
    }
}

fn renamed(original: &Recipient, address: Address) -> Recipient {
    // RFC 3461 §5.2.1 (d): the name by which it came here.
    let came_as = || OriginalRecipient::of(&original.forward_path.to_string());
    let orcpt = original.orcpt.clone().or_else(|| (address != original.forward_path).then(came_as));
    Recipient { forward_path: address, orcpt, ..original.clone() }
}

#[cfg(test)]
mod tests {
    use directory::{AccountConfig, AliasConfig, DomainConfig};

    use super::*;
    use crate::fixtures;

    fn directory() -> Directory {
        let account = |login: &str| AccountConfig { login: login.into(), ..AccountConfig::default() };
        let to = vec!["anna@here.test".into(), "otto@here.test".into()];
        Directory::new(directory::Config {
            domains: vec![DomainConfig { name: "here.test".into(), ..DomainConfig::default() }],
            accounts: vec![account("anna@here.test"), account("otto@here.test")],
            aliases: vec![AliasConfig { address: "team@here.test".into(), to }],
            ..directory::Config::default()
        })
        .unwrap()
    }

    fn expansion() -> Expansion {
        let recipients = ["anna+x@here.test", "team@here.test", "nobody@here.test", "x@example.org"];
        Expansion::new(&directory(), &fixtures::envelope(&recipients), &[0, 1, 2, 3])
    }

    fn found(fates: &[Fate]) -> Vec<Finding> {
        (0..).zip(fates).map(|(number, fate)| Finding::own(number, *fate, replies::filed())).collect()
    }

    #[test]
    fn a_recipient_becomes_the_mailboxes_that_it_stands_for() {
        let expansion = expansion();
        let told: Vec<_> =
            expansion.envelope.recipients.iter().map(|to| to.forward_path.to_string()).collect();
        assert_eq!(told, ["anna+x@here.test", "anna@here.test", "otto@here.test"]);
        let orcpts =
            expansion.envelope.recipients.iter().map(|to| to.orcpt.as_ref().map(ToString::to_string));
        let team = Some("rfc822;team@here.test".to_owned());
        assert_eq!(orcpts.collect::<Vec<_>>(), [None, team.clone(), team]);
        assert_eq!(expansion.numbers(), [0, 1, 2]);
    }

    #[test]
    fn the_fates_of_mailboxes_become_those_of_recipients() {
        use Fate::{Bounced, Deferred, Delivered};
        for (mailboxes, team) in [
            ([Delivered, Delivered], Delivered),
            ([Delivered, Deferred], Deferred),
            ([Bounced, Delivered], Bounced),
            ([Bounced, Deferred], Deferred),
        ] {
            let findings = found(&[Delivered, mailboxes[0], mailboxes[1]]);
            let (mut gathered, untried) = expansion().gather(findings, &[]);
            gathered.sort_by_key(|finding| finding.recipient);
            let fates: Vec<_> = gathered.iter().map(|finding| (finding.recipient, finding.fate)).collect();
            assert_eq!(fates, [(0, Delivered), (1, team), (2, Bounced), (3, Deferred)]);
            assert!(untried.is_empty());
        }
    }

    #[test]
    fn a_recipient_with_a_mailbox_that_was_not_tried_was_not_tried() {
        let (gathered, untried) = expansion().gather(found(&[Fate::Delivered, Fate::Delivered]), &[2]);
        assert_eq!(untried, [1]);
        assert!(gathered.iter().all(|finding| finding.recipient != 1));
    }
}
