//! Whether a message is its author's: policies found by walking up the DNS, and domains compared (RFC 9989).

use std::fmt;

use dns::{DnsError, Resolve};

use super::record::{Alignment, Policy, Record};
use crate::author::DomainName;

/// Queries of one walk: deeper names are cut short (RFC 9989, "DNS Tree Walk").
pub const WALK_MAX: usize = 8;
/// Domains of signatures that are compared: those that a walk is made for.
const SIGNERS_MAX: usize = 4;

/// What DMARC says (RFC 9989; RFC 8601 §2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DmarcResult {
    /// The author's domain asks for nothing.
    None,
    /// The message is its author's.
    Pass,
    /// Nothing shows that it is.
    Fail,
    /// The DNS did not answer.
    TempError,
}

impl fmt::Display for DmarcResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::TempError => "temperror",
        })
    }
}

/// What the checks before this one have shown.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The author's domain.
    pub author: &'a DomainName,
    /// The domain for which SPF passed.
    pub spf: Option<&'a DomainName>,
    /// The domains whose signatures passed.
    pub dkim: &'a [DomainName],
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The result.
    pub result: DmarcResult,
    /// What the owner wants to become of it, if it fails; lowered while the policy is tried out.
    pub policy: Policy,
    /// The record, and the domain that it is of.
    pub record: Option<(DomainName, Record)>,
    /// Whether the author's domain is below the record's and does not exist; asked for where the policy hangs on it.
    pub missing: bool,
    /// Whether SPF speaks for the author.
    pub spf_aligned: bool,
    /// Which signatures do, by their number among the evidence.
    pub dkim_aligned: Vec<usize>,
    /// What the DNS said instead of an answer.
    pub problem: Option<Box<str>>,
}

/// Checks. Time is for the caller to bound.
pub async fn check(evidence: Evidence<'_>, resolver: &dyn Resolve) -> Verdict {
    check_unsure(evidence, Evidence { spf: None, dkim: &[], ..evidence }, resolver).await
}

/// As [`check`], where the DNS has left some identities open (`temperror`): if one of these speaks for the author, it cannot be said that nothing
/// does (RFC 9989 §5.3.6).
pub async fn check_unsure(evidence: Evidence<'_>, open: Evidence<'_>, resolver: &dyn Resolve) -> Verdict {
    match judge(evidence, open, resolver).await {
        Ok(verdict) => verdict,
        Err(Unanswered(problem)) => {
            Verdict { result: DmarcResult::TempError, problem: Some(problem), ..nothing() }
        }
    }
}

fn nothing() -> Verdict {
    Verdict {
        result: DmarcResult::None,
        policy: Policy::None,
        record: None,
        missing: false,
        spf_aligned: false,
        dkim_aligned: Vec::new(),
        problem: None,
    }
}

/// The DNS did not answer.
struct Unanswered(Box<str>);

async fn judge(
    evidence: Evidence<'_>,
    open: Evidence<'_>,
    resolver: &dyn Resolve,
) -> Result<Verdict, Unanswered> {
    let author = evidence.author;
    let walk = Walk::up(author, resolver).await?;
    let Some((domain, record)) = walk.policy_record() else { return Ok(nothing()) };
    if !record.is_usable() {
        return Ok(nothing());
    }
    let comparison = Comparison { author, organization: walk.organization(), record, resolver };
    let Aligned { spf, dkim, unanswered } = comparison.of(evidence).await;
    let passes = spf || !dkim.is_empty();
    if !passes {
        unanswered.map_or(Ok(()), Err)?;
        let maybe = comparison.of(open).await;
        maybe.unanswered.map_or(Ok(()), Err)?;
        if maybe.spf || !maybe.dkim.is_empty() {
            return Err(Unanswered("the DNS did not answer for whom the author is known by".into()));
        }
    }
    let below = domain != author;
    // Only where it makes a difference: a message that is its author's needs no policy.
    let asks = below && !passes && record.for_below(true) != record.for_below(false);
    let missing = asks && !exists(author, resolver).await?;
    let asked = if below { record.for_below(!missing) } else { record.for_itself() };
    Ok(Verdict {
        result: if passes { DmarcResult::Pass } else { DmarcResult::Fail },
        policy: if record.testing { asked.lowered() } else { asked },
        record: Some((domain.clone(), record.clone())),
        missing,
        spf_aligned: spf,
        dkim_aligned: dkim,
        problem: None,
    })
}

/// Whose identities are compared with the author's, and how.
struct Comparison<'a> {
    author: &'a DomainName,
    organization: &'a DomainName,
    record: &'a Record,
    resolver: &'a dyn Resolve,
}

/// Which of them speak for the author.
struct Aligned {
    spf: bool,
    dkim: Vec<usize>,
    /// The first that nobody knows of. What another shows stands all the same.
    unanswered: Option<Unanswered>,
}

impl Comparison<'_> {
    async fn of(&self, evidence: Evidence<'_>) -> Aligned {
        let mut aligned = Aligned { spf: false, dkim: Vec::new(), unanswered: None };
        if let Some(domain) = evidence.spf {
            let found = self.one(domain, self.record.spf).await;
            aligned.spf = aligned.note(found);
        }
        for (number, signer) in evidence.dkim.iter().enumerate().take(SIGNERS_MAX) {
            let found = self.one(signer, self.record.dkim).await;
            if aligned.note(found) {
                aligned.dkim.push(number);
            }
        }
        aligned
    }

    async fn one(&self, identity: &DomainName, alignment: Alignment) -> Result<bool, Unanswered> {
        if identity == self.author {
            return Ok(true);
        }
        // An organization is above both, so it is above what they share.
        if alignment == Alignment::Strict || !identity.is_within(self.organization) {
            return Ok(false);
        }
        Ok(Walk::up(identity, self.resolver).await?.organization() == self.organization)
    }
}

impl Aligned {
    fn note(&mut self, found: Result<bool, Unanswered>) -> bool {
        found.unwrap_or_else(|error| {
            self.unanswered.get_or_insert(error);
            false
        })
    }
}

/// RFC 9989 §3.2.13 by RFC 8020: what has any record, or a name below it, exists.
async fn exists(domain: &DomainName, resolver: &dyn Resolve) -> Result<bool, Unanswered> {
    match resolver.addresses(domain.as_str()).await {
        Ok(_) | Err(DnsError::NoRecords) => Ok(true),
        Err(DnsError::NoSuchName) => Ok(false),
        Err(DnsError::Temporary(why)) => Err(Unanswered(why)),
    }
}

/// The records at a domain and above it, from the longest name to the shortest.
struct Walk {
    start: DomainName,
    found: Vec<(DomainName, Record)>,
    organization: DomainName,
}

impl Walk {
    async fn up(start: &DomainName, resolver: &dyn Resolve) -> Result<Self, Unanswered> {
        let mut found: Vec<(DomainName, Record)> = Vec::new();
        let mut at = Some(start.clone());
        while let Some(domain) = at {
            if let Some(record) = record(&domain, resolver).await? {
                let ends = record.public_suffix.is_some();
                found.push((domain.clone(), record));
                if ends {
                    break;
                }
            }
            at = next(&domain);
        }
        let organization = organization(start, &found);
        Ok(Self { start: start.clone(), found, organization })
    }

    /// The record to go by: that of the domain itself, of its organization, or of the public suffix above.
    fn policy_record(&self) -> Option<(&DomainName, &Record)> {
        let of = |domain: &DomainName| self.found.iter().find(|(name, _)| name == domain);
        let suffix = || self.found.iter().find(|(_, record)| record.public_suffix == Some(true));
        of(&self.start)
            .or_else(|| of(&self.organization))
            .or_else(suffix)
            .map(|(name, record)| (name, record))
    }

    fn organization(&self) -> &DomainName {
        &self.organization
    }
}

/// The name that is asked for next: without the leftmost label, and of at most seven.
fn next(domain: &DomainName) -> Option<DomainName> {
    let mut next = domain.parent()?;
    while next.labels().count() >= WALK_MAX {
        next = next.parent()?;
    }
    Some(next)
}

/// RFC 9989, "Identifier Alignment Evaluation".
fn organization(start: &DomainName, found: &[(DomainName, Record)]) -> DomainName {
    for (domain, record) in found {
        match record.public_suffix {
            Some(false) => return domain.clone(),
            Some(true) if domain != start => return below(domain, start),
            _ => {}
        }
    }
    found.last().map_or_else(|| start.clone(), |(domain, _)| domain.clone())
}

/// The name one label below a domain, on the way down to another.
fn below(domain: &DomainName, start: &DomainName) -> DomainName {
    let mut at = start.clone();
    while let Some(parent) = at.parent() {
        if parent == *domain {
            break;
        }
        at = parent;
    }
    at
}

/// The one record at a domain: of several none counts.
async fn record(domain: &DomainName, resolver: &dyn Resolve) -> Result<Option<Record>, Unanswered> {
    let answer = match resolver.txt(&format!("_dmarc.{domain}")).await {
        Ok(answer) => answer,
        Err(DnsError::NoSuchName | DnsError::NoRecords) => return Ok(None),
        Err(DnsError::Temporary(why)) => return Err(Unanswered(why)),
    };
    let mut records = answer.records.iter().filter_map(|txt| Record::parse(txt));
    let first = records.next();
    Ok(first.filter(|_| records.next().is_none()))
}
