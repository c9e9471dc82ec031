//! What a rule is about. All that is said must hold; in a list, any entry is enough.

use std::{fmt, net::IpAddr};

use directory::DomainPattern;
use mail::{Address, Domain, ReversePath};
use net::Network;

use super::{AddressPattern, Glob, ResultWord, Results, Seen};
use crate::Service;

/// The conditions of a rule. What is empty or none asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conditions {
    /// Where the client is.
    pub clients: Vec<Network>,
    /// What the listener is for.
    pub services: Vec<Service>,
    /// What the client calls itself.
    pub helo: Vec<DomainPattern>,
    /// The reverse-path.
    pub senders: Vec<AddressPattern>,
    /// The recipient as the client wrote it, before aliases.
    pub recipients: Vec<AddressPattern>,
    /// The content has more octets than this.
    pub size_over: Option<u64>,
    /// The content has fewer octets than this.
    pub size_under: Option<u64>,
    /// A field of the header section.
    pub headers: Vec<FieldPattern>,
    /// A field that the header section does not have, by its name.
    pub missing_headers: Vec<FieldName>,
    /// What SPF says of the reverse-path; of the client's own name where there is none.
    pub spf: Vec<ResultWord>,
    /// What the best of the DKIM signatures is worth.
    pub dkim: Vec<ResultWord>,
    /// Whether the message is its author's.
    pub dmarc: Vec<ResultWord>,
    /// What the chain of those who passed it on is worth.
    pub arc: Vec<ResultWord>,
    /// Whether a name of the client leads back to it.
    pub iprev: Vec<ResultWord>,
    /// The domain of the author, who stands in From.
    pub author_domains: Vec<DomainPattern>,
}

/// The name of a header field, in any case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldName(Box<str>);

/// A header field by name and text, such as `Subject: *lottery*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldPattern {
    /// Its name.
    pub name: FieldName,
    /// Its whole text, unfolded.
    pub text: Glob,
}

/// What is known of one recipient before there is content. Domains are in ASCII.
#[derive(Debug)]
pub(crate) struct EnvelopeFacts<'a> {
    pub(crate) client: Option<IpAddr>,
    pub(crate) service: Service,
    pub(crate) helo: Option<Domain>,
    pub(crate) sender: &'a ReversePath,
    pub(crate) recipient: Address,
    /// The recipient is postmaster here.
    pub(crate) postmaster: bool,
}

/// The address with its domain in ASCII. One that no DNS could know stays as it is.
pub(crate) fn in_ascii(address: &Address) -> Address {
    let domain = directory::in_ascii(address.domain().clone());
    let ascii = domain.and_then(|domain| Address::new(address.local_part(), domain).ok());
    ascii.unwrap_or_else(|| address.clone())
}

impl Conditions {
    /// Whether there is no condition at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it takes the header section to judge.
    pub fn ask_header(&self) -> bool {
        !self.headers.is_empty() || !self.missing_headers.is_empty()
    }

    /// Whether it takes what the checks find to judge. Where nothing is checked such conditions are not met.
    pub fn ask_results(&self) -> bool {
        [&self.spf, &self.dkim, &self.dmarc, &self.arc, &self.iprev].iter().any(|words| !words.is_empty())
            || !self.author_domains.is_empty()
    }

    /// Whether it takes the content to judge, so that nothing is decided before it has come.
    pub fn ask_content(&self) -> bool {
        self.ask_results() || self.ask_header() || self.size_over.is_some() || self.size_under.is_some()
    }

    /// Whether all that is said of the envelope holds.
    pub(crate) fn meet_envelope(&self, envelope: &EnvelopeFacts<'_>) -> bool {
        any(&self.clients, |network| envelope.client.is_some_and(|client| network.contains(client)))
            && any(&self.services, |service| *service == envelope.service)
            && any(&self.helo, |pattern| match &envelope.helo {
                Some(helo) => pattern.takes(helo),
                None => *pattern == DomainPattern::Every,
            })
            && any(&self.senders, |pattern| pattern.takes_path(envelope.sender))
            && any(&self.recipients, |pattern| pattern.takes(&envelope.recipient))
    }

    /// Whether all that is said of the content holds.
    pub(crate) fn meet_content(&self, content: &Seen) -> bool {
        self.size_over.is_none_or(|size| content.octets() > size)
            && self.size_under.is_none_or(|size| content.octets() < size)
            && any(&self.headers, |field| content.has(field))
            && any(&self.missing_headers, |name| content.lacks(name))
            && (!self.ask_results() || content.results().is_some_and(|results| self.meet_results(results)))
    }

    fn meet_results(&self, results: &Results) -> bool {
        let author = results.author.as_ref();
        any(&self.spf, |word| *word == results.spf)
            && any(&self.dkim, |word| *word == results.dkim)
            && any(&self.dmarc, |word| *word == results.dmarc)
            && any(&self.arc, |word| *word == results.arc)
            && any(&self.iprev, |word| *word == results.iprev)
            && any(&self.author_domains, |pattern| author.is_some_and(|author| pattern.takes(author)))
    }

    /// Whether all mail that meets `others` meets these too.
    pub(crate) fn cover(&self, others: &Self) -> bool {
        cover(&self.clients, &others.clients, Network::covers)
            && cover(&self.services, &others.services, |own, other| own == other)
            && (self.helo.contains(&DomainPattern::Every)
                || cover(&self.helo, &others.helo, DomainPattern::covers))
            && (self.senders.contains(&AddressPattern::EVERY)
                || cover(&self.senders, &others.senders, AddressPattern::covers))
            && (self.recipients.contains(&AddressPattern::EVERY)
                || cover(&self.recipients, &others.recipients, AddressPattern::covers))
            && self.size_over.is_none_or(|own| others.size_over.is_some_and(|other| other >= own))
            && self.size_under.is_none_or(|own| others.size_under.is_some_and(|other| other <= own))
            && cover(&self.headers, &others.headers, FieldPattern::covers)
            && cover(&self.missing_headers, &others.missing_headers, |own, other| own == other)
            && self.cover_results(others)
    }
}

impl Conditions {
    fn cover_results(&self, others: &Self) -> bool {
        let words = |own: &[ResultWord], others: &[ResultWord]| cover(own, others, |own, other| own == other);
        words(&self.spf, &others.spf)
            && words(&self.dkim, &others.dkim)
            && words(&self.dmarc, &others.dmarc)
            && words(&self.arc, &others.arc)
            && words(&self.iprev, &others.iprev)
            && cover(&self.author_domains, &others.author_domains, DomainPattern::covers)
    }
}

fn any<T>(list: &[T], holds: impl Fn(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(holds)
}

/// Whether what meets an entry of `others` meets one of `own`.
fn cover<T>(own: &[T], others: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
    let covered = |other| own.iter().any(|own| covers(own, other));
    own.is_empty() || (!others.is_empty() && others.iter().all(covered))
}

impl FieldName {
    /// RFC 5322 §2.2: printable ASCII without a colon.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b':');
        plain.then(|| Self(text.to_ascii_lowercase().into()))
    }

    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FieldPattern {
    /// Reads `Name: text`, the text with `*` for any text.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, text) = text.split_once(':')?;
        Some(Self { name: FieldName::parse(name.trim_end())?, text: Glob::new(text.trim()) })
    }

    /// Whether it is about every field that `other` is about.
    pub fn covers(&self, other: &Self) -> bool {
        self.name == other.name && self.text.covers(&other.text)
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for FieldPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.text)
    }
}
