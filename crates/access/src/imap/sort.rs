//! SORT (RFC 5256 §3, RFC 5957).

use std::cmp::{Ordering, Reverse};

use imap::{
    Tag,
    command::{Sort, SortCriterion, SortKey, Thread, ThreadAlgorithm},
    response::{Code, Response, Status},
};
use mailstore::{Facts, MailstoreError, UidSet};
use message::mime::{self, Address, Message, folded};

use super::{
    blocking::read,
    policy::{Done, Handled, Policy},
    search::{Hit, Hits, ended, esearch},
    section,
    text::written,
    thread::{self, Letter},
};

/// Messages whose structures are read at once.
const AT_ONCE: usize = 250;
/// Messages that are sorted or threaded: what is compared has to be held.
const MESSAGES_MAX: usize = 200_000;

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Number(i64),
    Text(Box<str>),
}

impl Policy {
    pub(super) async fn sort(&mut self, tag: Tag, sort: Sort) -> Handled {
        let Sort { uid, returns, criteria, charset, key } = sort;
        let criteria = distinct(criteria);
        let hits = self.hits(Some(&charset), &key).await?;
        let keys: Vec<SortKey> = criteria.iter().map(|criterion| criterion.key).collect();
        let (values, damaged) = self
            .understand(&hits.all, move |facts, message| {
                keys.iter().map(|key| value(*key, facts, message)).collect::<Vec<_>>()
            })
            .await?;
        // It may be many: not on a thread that serves others.
        let order = read(&self.shared.mailstore, move |_| Ok(sorted(values, &criteria))).await?;
        let mut told = if hits.modseq { self.knows_condstore() } else { Vec::new() };
        if returns.is_some_and(|returns| returns.save) {
            self.selected()?.saved = hits.all.iter().map(|hit| hit.uid).collect();
        }
        match returns {
            None => {
                let numbers = order.iter().map(|hit| hit.told(uid)).collect();
                told.push(Response::Sort(numbers, hits.highest()));
            }
            Some(returns) => told.extend(esearch(tag, uid, returns, &hits, Some(&order))),
        }
        Ok(Done { responses: told, status: ended("Sorted", hits.damaged || damaged) })
    }

    pub(super) async fn thread(&mut self, thread: Thread) -> Handled {
        let Thread { uid, algorithm, charset, key } = thread;
        let Hits { all, damaged: unsearched, .. } = self.hits(Some(&charset), &key).await?;
        let (letters, damaged) = self.understand(&all, letter).await?;
        let (hits, letters): (Vec<Hit>, Vec<Letter>) = letters.into_iter().unzip();
        let entries = read(&self.shared.mailstore, move |_| {
            let threads = match algorithm {
                ThreadAlgorithm::OrderedSubject => thread::by_subject(&letters),
                ThreadAlgorithm::References => thread::by_references(&letters),
            };
            Ok(thread::entries(&threads, |at| hits.get(at).map(|hit| hit.told(uid))))
        })
        .await?;
        let status = ended("Threaded", unsearched || damaged);
        Ok(Done { responses: vec![Response::Thread(entries)], status })
    }

    /// What is made of each message that was found, and whether some are left out because they are damaged. So is what is gone meanwhile.
    async fn understand<T: Send + 'static>(
        &mut self,
        hits: &[Hit],
        make: impl Fn(&Facts, &Message) -> T + Clone + Send + 'static,
    ) -> Result<(Vec<(Hit, T)>, bool), Status> {
        if hits.len() > MESSAGES_MAX {
            return Err(Status::no("Too many messages: narrow it down").with(Code::Limit));
        }
        let id = self.selected()?.id;
        let (mut made, mut damaged) = (Vec::with_capacity(hits.len()), false);
        for some in hits.chunks(AT_ONCE) {
            let (make, uids) = (make.clone(), some.iter().map(|hit| hit.uid).collect::<UidSet>());
            let (each, some_damaged) = read(&self.shared.mailstore, move |mailstore| {
                // What is kept of one may be some MiB: it is looked at, and not held.
                let (mut each, mut unread, mut damaged) = (Vec::new(), Vec::new(), false);
                mailstore.listing(id, &uids, |facts, kept| match Message::decode(kept) {
                    Ok(message) => each.push((facts.uid, make(&facts, &message))),
                    Err(_) => unread.push(facts),
                })?;
                for facts in unread {
                    match section::understood(mailstore, &facts, &[]) {
                        Ok(message) => each.push((facts.uid, make(&facts, &message))),
                        Err(MailstoreError::Gone) => {}
                        Err(MailstoreError::Damaged(why)) => {
                            section::note_damage(&facts, &why);
                            damaged = true;
                        }
                        Err(error) => return Err(error),
                    }
                }
                each.sort_by_key(|(uid, _)| *uid);
                Ok((each, damaged))
            })
            .await?;
            damaged |= some_damaged;
            let mut each = each.into_iter().peekable();
            for hit in some {
                if let Some((_, value)) = each.next_if(|(uid, _)| *uid == hit.uid) {
                    made.push((*hit, value));
                }
            }
        }
        Ok((made, damaged))
    }
}

/// Each key once: what is the same by one is the same by its second mention.
fn distinct(criteria: Vec<SortCriterion>) -> Vec<SortCriterion> {
    let mut kept: Vec<SortCriterion> = Vec::new();
    for criterion in criteria {
        if !kept.iter().any(|other| other.key == criterion.key) {
            kept.push(criterion);
        }
    }
    kept
}

fn sorted(mut hits: Vec<(Hit, Vec<Value>)>, criteria: &[SortCriterion]) -> Vec<Hit> {
    hits.sort_by(|(one, ones), (other, others)| {
        let each = criteria.iter().zip(ones.iter().zip(others));
        let compared =
            each.map(
                |(criterion, (one, other))| {
                    if criterion.reverse { Reverse(one).cmp(&Reverse(other)) } else { one.cmp(other) }
                },
            );
        // RFC 5256 §3: what is equal stays in the order of the mailbox.
        compared.fold(Ordering::Equal, Ordering::then).then(one.number.cmp(&other.number))
    });
    hits.into_iter().map(|(hit, _)| hit).collect()
}

fn value(key: SortKey, facts: &Facts, message: &Message) -> Value {
    let envelope = &message.envelope;
    let text = |text: String| Value::Text(folded(&text).into());
    let mailbox = |addresses: &[Address]| {
        let first = addresses.first().and_then(|address| address.mailbox.as_deref());
        text(first.map(mime::header_text).unwrap_or_default())
    };
    match key {
        SortKey::Arrival => Value::Number(facts.internal_date),
        SortKey::Date => Value::Number(sent(facts, message)),
        SortKey::Size => Value::Number(i64::try_from(facts.octets).unwrap_or(i64::MAX)),
        SortKey::Cc => mailbox(&envelope.cc),
        SortKey::From => mailbox(&envelope.from),
        SortKey::To => mailbox(&envelope.to),
        SortKey::DisplayFrom => text(shown(&envelope.from)),
        SortKey::DisplayTo => text(shown(&envelope.to)),
        SortKey::Subject => Value::Text(subject(message).0.into()),
    }
}

/// RFC 5957 §3: the name, or the address.
fn shown(addresses: &[Address]) -> String {
    let Some(first) = addresses.first() else { return String::new() };
    match first.name.as_deref().map(mime::header_text).filter(|name| !name.is_empty()) {
        Some(name) => name,
        None => written(&Address { name: None, ..first.clone() }).trim_matches([' ', '<', '>']).to_owned(),
    }
}

/// RFC 5256 §2.2: when it was sent, or when it came.
fn sent(facts: &Facts, message: &Message) -> i64 {
    let sent = message.envelope.date.as_deref().and_then(mime::sent);
    sent.map_or(facts.internal_date.div_euclid(1000), |sent| sent.utc_seconds)
}

/// The base subject, folded, and whether it is one of an answer.
fn subject(message: &Message) -> (String, bool) {
    let subject = message.envelope.subject.as_deref().map(mime::header_text).unwrap_or_default();
    let base = mime::base_subject(&subject);
    (folded(&base.text), base.is_reply)
}

/// What threads are made of.
fn letter(facts: &Facts, message: &Message) -> Letter {
    let ids = |raw: &mime::NString| raw.as_deref().map(mime::message_ids).unwrap_or_default();
    let mut references = ids(&message.references);
    if references.is_empty() {
        // RFC 5256 §3: the first valid one.
        references = ids(&message.envelope.in_reply_to);
        references.truncate(1);
    }
    let (subject, is_reply) = subject(message);
    Letter {
        id: ids(&message.envelope.message_id).into_iter().next(),
        references: thread::looked_at(references),
        subject,
        is_reply,
        sent: sent(facts, message),
    }
}
