//! Signatures of ours on mail that leaves: for domains that have a key here, and senders of whom we know that the domain is theirs
//! (mail-rules 16, 17).

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    num::NonZero,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mail::{Envelope, QueueId, Reply, Timestamp};
use message::{HeaderSection, convert::Target};
use message_auth::{
    DomainName, author,
    dkim::{BodyHash, KeyError, SignedBody, Signer},
};
use spool::SpoolError;
use tokio::{
    sync::Semaphore,
    task::{coop::consume_budget, spawn_blocking},
};

use crate::{
    content::{Content, Form},
    replies,
    report::{DSN_LISTENER, POSTMASTER_LISTENER},
    shared::Shared,
};

/// How long a signature holds: longer than a message waits anywhere on its way, no longer than somebody may play it again.
const LIFETIME: Duration = Duration::from_hours(7 * 24);
/// A signature this old is made anew for the next attempt.
const KEPT: Duration = Duration::from_hours(24);
/// Messages whose signatures are kept: some hundred octets each.
const KEPT_MAX: usize = 4096;
/// Octets of a header section that are held to be signed.
const HEADER_OCTETS_MAX: usize = 1024 * 1024;

/// A message that cannot be signed waits so long, unless its domain's keys are right before that.
pub(crate) const HELD: Duration = Duration::from_mins(5);

/// Who signs, by domain, as it is now. Clones are the same.
#[derive(Clone, Default)]
pub struct Signers {
    domains: Arc<BTreeMap<DomainName, DomainSigners>>,
    on_trouble: OnTrouble,
    /// Whether the mail of any domain waits: asked for each message, and there may be many domains.
    holds: bool,
}

/// Who signs for a domain.
#[derive(Debug, Clone)]
pub struct DomainSigners {
    /// The domain.
    pub domain: DomainName,
    /// All that sign, each by another key.
    pub signers: Vec<Arc<Signer>>,
    /// Why mail would go unsigned, or without a signature that everybody can check; none: all is well.
    pub trouble: Option<String>,
}

/// What becomes of mail of a domain whose keys are in trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnTrouble {
    /// It waits until all is well again.
    #[default]
    Hold,
    /// It is signed by what there is, or goes unsigned.
    SendUnsigned,
}

impl Signers {
    /// A domain signs with all keys that it has here.
    pub fn new(domains: impl IntoIterator<Item = DomainSigners>, on_trouble: OnTrouble) -> Self {
        let domains = domains.into_iter().map(|domain| (domain.domain.clone(), domain)).collect();
        let mut signers = Self { domains: Arc::new(domains), on_trouble, holds: false };
        let holds = signers.held().next().is_some();
        signers.holds = holds;
        signers
    }

    /// Whether they are these very ones: those that were handed over at another time may hold other keys under the same names.
    fn are(&self, others: &Self) -> bool {
        Arc::ptr_eq(&self.domains, &others.domains)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// Those of a domain.
    pub(crate) fn of(&self, domain: &DomainName) -> &[Arc<Signer>] {
        self.domains.get(domain).map(|domain| domain.signers.as_slice()).unwrap_or_default()
    }

    /// Why mail of a domain has to wait, if it has to.
    fn trouble(&self, domain: &DomainName) -> Option<&str> {
        let held = self.domains.get(domain).filter(|_| self.on_trouble == OnTrouble::Hold);
        held.and_then(|domain| domain.trouble.as_deref())
    }

    /// The domains whose mail waits.
    fn held(&self) -> impl Iterator<Item = &DomainName> {
        self.domains.keys().filter(|domain| self.trouble(domain).is_some())
    }

    /// The domains whose mail waited by these and waits no more.
    pub(crate) fn released_by(&self, later: &Self) -> Vec<DomainName> {
        self.held().filter(|domain| later.trouble(domain).is_none()).cloned().collect()
    }

    fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        let signers = self.domains.values().flat_map(|domain| &domain.signers);
        signers.map(|signer| (&*signer.domain, &*signer.selector))
    }
}

/// Without the keys.
impl fmt::Debug for Signers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// By whose keys they are: a key is never changed under its name.
impl PartialEq for Signers {
    fn eq(&self, other: &Self) -> bool {
        self.on_trouble == other.on_trouble && self.names().eq(other.names())
    }
}

impl Eq for Signers {}

/// Signatures that were made, for attempts to come.
#[derive(Default)]
pub(crate) struct Signatures(Mutex<Kept>);

/// Of a message in one form: a conversion changes what is signed.
pub(crate) type Signed = (QueueId, Option<Target>);

#[derive(Default)]
struct Kept {
    fields: HashMap<Signed, (Arc<[u8]>, Timestamp)>,
    /// The oldest first.
    order: VecDeque<Signed>,
}

impl Signatures {
    pub(crate) fn get(&self, of: Signed, now: Timestamp) -> Option<Arc<[u8]>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.fields.get(&of).filter(|(_, made)| now < made.after(KEPT)).map(|(field, _)| Arc::clone(field))
    }

    /// Other keys sign from now on.
    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Kept::default();
    }

    /// Keeps what `by` have signed, unless it is others by now who sign (`current`): their change has made all be forgotten that those before them
    /// signed, and this is not to come after it.
    pub(crate) fn keep(
        &self,
        of: Signed,
        fields: &Arc<[u8]>,
        now: Timestamp,
        by: &Signers,
        current: impl FnOnce() -> Signers,
    ) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !by.are(&current()) {
            return;
        }
        if kept.fields.insert(of, (Arc::clone(fields), now)).is_none() {
            kept.order.push_back(of);
        }
        if kept.order.len() > KEPT_MAX
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.fields.remove(&oldest);
        }
    }
}

/// Why a message that must be signed is not.
#[derive(Debug)]
pub(crate) enum Unsigned {
    /// It cannot be read.
    Unreadable(SpoolError),
    /// The key does not sign, or nothing does for now.
    NoKey,
    /// The keys of its domain are in trouble.
    Held(Reply),
}

impl From<SpoolError> for Unsigned {
    fn from(error: SpoolError) -> Self {
        Self::Unreadable(error)
    }
}

impl From<KeyError> for Unsigned {
    fn from(_: KeyError) -> Self {
        Self::NoKey
    }
}

/// The signatures to be put before a message that goes out in this form; none if its domain has no key here, or its sender may be anybody.
/// `leaves`: it does not go to a mail store of ours, where nobody asks for them.
pub(crate) async fn signatures(
    shared: &Shared,
    envelope: &Envelope,
    content: &mut Content,
    form: Form,
    leaves: bool,
) -> Result<Option<Arc<[u8]>>, Unsigned> {
    let signers = shared.live().signers.clone();
    if signers.is_empty() || !has_known_sender(envelope) {
        return Ok(None);
    }
    let (of, now) = ((envelope.id, form.target), shared.now());
    if let Some(fields) = shared.signatures.get(of, now) {
        return Ok(Some(fields));
    }
    let (header, body) = digest(shared, content, form).await?;
    let Some(domain) = signing_domain(&signers, envelope, &HeaderSection::read(&header)) else {
        return Ok(None);
    };
    if let Some(why) = signers.trouble(&domain).filter(|_| leaves) {
        return Err(Unsigned::Held(replies::held(&domain, why)));
    }
    if signers.of(&domain).is_empty() {
        return Ok(None);
    }
    // The dearest step of sending: not on a thread that serves sockets, and on as many others as there are cores.
    let _turn = shared.signing.acquire().await;
    let by = signers.clone();
    let made = spawn_blocking(move || sign(&signers, &domain, &header, &body, now)).await;
    let fields: Arc<[u8]> = made.map_err(|_| Unsigned::NoKey)??.into();
    shared.signatures.keep(of, &fields, now, &by, || shared.live().signers.clone());
    Ok(Some(fields))
}

/// Why a message has to wait before any host is asked to take it, as a reply: the keys of its domain are in trouble. None: it may go.
pub(crate) async fn held(
    shared: &Shared,
    envelope: &Envelope,
    content: &mut Content,
) -> Result<Option<Reply>, SpoolError> {
    let signers = shared.live().signers.clone();
    if !signers.holds || !has_known_sender(envelope) {
        return Ok(None);
    }
    let mut outgoing = content.outgoing(shared, Form::default()).await?;
    let mut header = Vec::new();
    while let Some(piece) = outgoing.next().await? {
        header.extend_from_slice(&piece);
        if HeaderSection::read(&header).is_complete() || header.len() > HEADER_OCTETS_MAX {
            break;
        }
        consume_budget().await;
    }
    let domain = signing_domain(&signers, envelope, &HeaderSection::read(&header));
    Ok(domain.and_then(|domain| signers.trouble(&domain).map(|why| replies::held(&domain, why))))
}

/// The domain whose signature a message is to have, if it is one of ours.
fn signing_domain(signers: &Signers, envelope: &Envelope, section: &HeaderSection<'_>) -> Option<DomainName> {
    let domain = author(section).ok().filter(|domain| signers.domains.contains_key(domain))?;
    (!is_sent_again(section) && may_speak_for(envelope, &domain)).then_some(domain)
}

/// Permits to sign at a time: what computes more than the machine has cores for makes all wait longer.
pub(crate) fn permits() -> Semaphore {
    Semaphore::new(std::thread::available_parallelism().map_or(1, NonZero::get))
}

/// The listener of mail by programs of this machine.
pub(crate) const SENDMAIL: &str = "sendmail";

/// Whether it is known who sent it. Whoever only passes mail on signs nothing of it (mail-rules 17).
fn has_known_sender(envelope: &Envelope) -> bool {
    const OWN: [&str; 3] = [SENDMAIL, DSN_LISTENER, POSTMASTER_LISTENER];
    envelope.account.is_some() || OWN.contains(&&*envelope.listener)
}

/// Whether its sender may speak for the author's domain. A login was held to its addresses in From; a user of this machine in the reverse-path
/// alone, so From has to be of the same domain.
fn may_speak_for(envelope: &Envelope, author: &DomainName) -> bool {
    if envelope.account.is_some() || &*envelope.listener != SENDMAIL {
        return true;
    }
    let sender = envelope.reverse_path.address().and_then(|address| address.domain().name());
    sender.and_then(DomainName::parse).as_ref() == Some(author)
}

/// Whether somebody put it into the mail again (RFC 5322 §3.6.6). Who did so was held to Resent-From: From may be anybody's (mail-rules 7), and a signature
/// would make it true.
pub(crate) fn is_sent_again(header: &HeaderSection<'_>) -> bool {
    const RESENT: &[u8] = b"Resent-";
    header
        .fields()
        .any(|field| field.name().get(..RESENT.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(RESENT)))
}

/// Reads a message through in the form in which it goes out: its header section, with the empty line, and the digest of its body.
pub(crate) async fn digest(
    shared: &Shared,
    content: &mut Content,
    form: Form,
) -> Result<(Vec<u8>, BodyHash), SpoolError> {
    let mut outgoing = content.outgoing(shared, form).await?;
    let (mut header, mut body, mut complete) = (Vec::new(), SignedBody::default(), false);
    while let Some(piece) = outgoing.next().await? {
        if complete {
            body.push(&piece);
        } else {
            header.extend_from_slice(&piece);
            let section = HeaderSection::read(&header);
            if section.is_complete() || header.len() > HEADER_OCTETS_MAX {
                complete = true;
                let rest = header.split_off(section.end());
                body.push(&rest);
            }
        }
        // From memory, pieces come without a pause.
        consume_budget().await;
    }
    Ok((header, body.finish()))
}

pub(crate) fn sign(
    signers: &Signers,
    domain: &DomainName,
    header: &[u8],
    body: &BodyHash,
    now: Timestamp,
) -> Result<Vec<u8>, KeyError> {
    let section = HeaderSection::read(header);
    let (made, expires) = (now.as_millis() / 1000, now.after(LIFETIME).as_millis() / 1000);
    let mut fields = Vec::new();
    for signer in signers.of(domain) {
        fields.extend(signer.sign(&section, body, made, expires)?);
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_of_this_machine_speaks_for_the_domain_that_it_was_held_to() {
        let author = DomainName::parse("example.org").unwrap();
        for (listener, account, sender, may) in [
            ("sendmail", None, "anna@Example.org", true),
            ("sendmail", None, "www-data@mail.example.net", false),
            ("sendmail", None, "", false),
            ("submission", Some("bert@example.net"), "bert@example.net", true),
            (DSN_LISTENER, None, "", true),
        ] {
            let mut envelope =
                Envelope::new(QueueId::from_bytes([0; 16]), Timestamp::default(), listener, Vec::new());
            envelope.account = account.map(Into::into);
            if !sender.is_empty() {
                envelope.reverse_path = mail::ReversePath::Address(sender.parse().unwrap());
            }
            assert_eq!(may_speak_for(&envelope, &author), may, "{listener} {sender}");
        }
    }

    #[test]
    fn what_is_kept_goes_long_before_the_signature_ends() {
        assert!(KEPT * 2 <= LIFETIME);
        let (kept, at) = (Signatures::default(), Timestamp::from_millis(1_795_000_000_000));
        let (of, fields) = ((QueueId::from_bytes([1; 16]), None), Arc::from(&b"DKIM-Signature: x"[..]));
        let signers = Signers::default();
        kept.keep(of, &fields, at, &signers, || signers.clone());
        let almost = at.after(KEPT).before(Duration::from_millis(1));
        assert!(kept.get(of, almost).is_some() && kept.get(of, at.after(KEPT)).is_none());
        kept.forget();
        assert!(kept.get(of, at).is_none());
    }

    #[test]
    fn what_was_signed_by_keys_that_were_changed_meanwhile_is_not_kept() {
        let (kept, at) = (Signatures::default(), Timestamp::from_millis(1_795_000_000_000));
        let (of, fields) = ((QueueId::from_bytes([1; 16]), None), Arc::from(&b"DKIM-Signature: x"[..]));
        let signers = || Signers::new([], OnTrouble::Hold);
        let (before, later) = (signers(), signers());
        // They were changed while it was being signed, and what was kept is forgotten.
        kept.forget();
        kept.keep(of, &fields, at, &before, || later.clone());
        assert!(kept.get(of, at).is_none());
        kept.keep(of, &fields, at, &later, || later.clone());
        assert!(kept.get(of, at).is_some());
    }

    #[test]
    fn a_domain_in_trouble_is_held_unless_told_otherwise() {
        let of = |trouble: Option<&str>| DomainSigners {
            domain: DomainName::parse("example.org").unwrap(),
            signers: Vec::new(),
            trouble: trouble.map(str::to_owned),
        };
        let domain = of(None).domain;
        let (bad, good) = (
            Signers::new([of(Some("no record"))], OnTrouble::Hold),
            Signers::new([of(None)], OnTrouble::Hold),
        );
        let told = Signers::new([of(Some("no record"))], OnTrouble::SendUnsigned);
        assert_eq!((bad.trouble(&domain), good.trouble(&domain)), (Some("no record"), None));
        assert_eq!(told.trouble(&domain), None);
        for later in [&good, &told, &Signers::default()] {
            assert_eq!(bad.released_by(later), std::slice::from_ref(&domain));
        }
        assert!(bad.released_by(&bad).is_empty() && good.released_by(&bad).is_empty());
        let reply = replies::held(&domain, "no record").to_string();
        assert!(reply.contains(&replies::held_words(&domain)), "{reply}");
    }

    #[test]
    fn what_is_sent_again_is_not_its_senders() {
        for (fields, is_it) in [
            ("From: boss@other.example\r\nResent-From: anna@example.org\r\n", true),
            ("RESENT-FROM: anna@example.org\r\nFrom: boss@other.example\r\n", true),
            ("From: boss@other.example\r\nresent-sender: anna@example.org\r\n", true),
            ("From: anna@example.org\r\nSubject: Resent-From: x\r\n", false),
            ("From: anna@example.org\r\nX-Resent-From: x@y\r\n", false),
        ] {
            let content = format!("{fields}\r\nResent-From: in the body\r\n");
            assert_eq!(is_sent_again(&HeaderSection::read(content.as_bytes())), is_it, "{fields}");
        }
    }
}
