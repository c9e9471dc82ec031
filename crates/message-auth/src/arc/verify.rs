//! Chains of others (RFC 8617 §5.2).

use std::fmt;

use dns::Resolve;
use message::HeaderSection;

use super::{
    chain::{Broken, ChainStatus, Set, push_set, sets},
    told::dmarc_passed,
};
use crate::{
    DomainName,
    dkim::{BodyDigest, Claim, Form, Reason, is_body, push_own},
};

/// What is known of a chain in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What it is worth.
    pub status: ChainStatus,
    /// Why it is broken.
    pub reason: Option<ArcReason>,
    /// Who sealed it, the first first. Whoever is not known to be honest can have written anything (RFC 8617 §9.3).
    pub sealers: Vec<Box<str>>,
    /// What the last one saw: its ARC-Authentication-Results, unfolded.
    pub results: Option<Box<str>>,
    /// What the first one saw, before anybody had changed anything.
    pub first_results: Option<Box<str>>,
}

impl Outcome {
    fn without_sealers(status: ChainStatus, reason: Option<ArcReason>) -> Self {
        Self { status, reason, sealers: Vec::new(), results: None, first_results: None }
    }

    /// Whether the chain holds, and the first who sealed it says that the message was its author's: DMARC had passed. Whether he is to be
    /// believed, and all who sealed it after him, is for the caller to know.
    pub fn vouches_for(&self, author: &DomainName) -> bool {
        let first = self.first_results.as_deref().filter(|_| self.status == ChainStatus::Pass);
        first.is_some_and(|results| dmarc_passed(results, author))
    }

    /// Why it is not known now whether the chain holds: the DNS did not answer.
    pub fn is_unanswered(&self) -> bool {
        matches!(&self.reason, Some(ArcReason::Message(Reason::Dns(_)) | ArcReason::Seal(_, Reason::Dns(_))))
    }
}

/// Why a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArcReason {
    /// It is not formed as one.
    Form(Broken),
    /// The last ARC-Message-Signature.
    Message(Reason),
    /// The seal of this number.
    Seal(usize, Reason),
}

impl fmt::Display for ArcReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(Broken::TooMany) => f.write_str("too many sets"),
            Self::Form(Broken::Malformed) => f.write_str("a field is malformed"),
            Self::Form(Broken::Incomplete) => f.write_str("a set is not complete"),
            Self::Form(Broken::ToldSo) => f.write_str("a sealer found it broken"),
            Self::Form(Broken::Status) => f.write_str("seals do not follow on each other"),
            Self::Message(reason) => write!(f, "message signature: {reason}"),
            Self::Seal(number, reason) => write!(f, "seal {number}: {reason}"),
        }
    }
}

/// A chain while its message comes in.
pub struct Verifier(Found);

enum Found {
    Nothing,
    Broken(Broken),
    Chain(Box<Chain>),
}

struct Chain {
    body: BodyDigest,
    body_hash: Vec<u8>,
    body_octets: Option<u64>,
    message: Claim,
    seals: Vec<Claim>,
    results: Box<str>,
    first_results: Box<str>,
}

impl Verifier {
    /// Begins with the sets of a header section.
    pub fn new(section: &HeaderSection<'_>) -> Self {
        Self(match sets(section) {
            Ok(sets) => {
                Chain::read(section, &sets).map_or(Found::Nothing, |chain| Found::Chain(Box::new(chain)))
            }
            Err(broken) => Found::Broken(broken),
        })
    }

    /// Octets of the body, behind the empty line.
    pub fn body(&mut self, octets: &[u8]) {
        if let Found::Chain(chain) = &mut self.0 {
            chain.body.push(octets);
        }
    }

    /// The body has come to its end: asks for keys.
    pub async fn conclude(self, resolver: &dyn Resolve) -> Outcome {
        match self.0 {
            Found::Nothing => Outcome::without_sealers(ChainStatus::None, None),
            Found::Broken(broken) => {
                Outcome::without_sealers(ChainStatus::Fail, Some(ArcReason::Form(broken)))
            }
            Found::Chain(chain) => chain.conclude(resolver).await,
        }
    }
}

impl Chain {
    fn read(section: &HeaderSection<'_>, sets: &[Set<'_>]) -> Option<Self> {
        let (first, last) = (sets.first()?, sets.last()?);
        let [first_results, ..] = &first.fields;
        let fields: Vec<message::Field<'_>> = section.fields().collect();
        let [results, message, _] = &last.fields;
        let signature = &last.signature;
        let header =
            crate::dkim::of_header(signature.forms.header, &fields, &signature.names, message.octets());
        let (body_hash, body_octets) = (signature.body_hash.clone(), signature.body_octets);
        Some(Self {
            body: BodyDigest::new(signature.forms.body, body_octets),
            body_hash,
            body_octets,
            message: Claim {
                domain: signature.domain.into(),
                selector: signature.selector.into(),
                algorithm: signature.algorithm,
                proof: signature.proof.clone(),
                header,
                subdomain: false,
            },
            seals: seals(sets),
            results: String::from_utf8_lossy(&results.value()).into(),
            first_results: String::from_utf8_lossy(&first_results.value()).into(),
        })
    }

    async fn conclude(self, resolver: &dyn Resolve) -> Outcome {
        let sealers = self.seals.iter().map(|seal| seal.domain.clone()).collect();
        let (results, first_results) = (Some(self.results.clone()), Some(self.first_results.clone()));
        let judged = self.judge(resolver).await;
        let status = if judged.is_ok() { ChainStatus::Pass } else { ChainStatus::Fail };
        Outcome { status, reason: judged.err(), sealers, results, first_results }
    }

    /// The newest first: who breaks a chain is most often the last.
    async fn judge(self, resolver: &dyn Resolve) -> Result<(), ArcReason> {
        let body = self.body.finish();
        is_body(&body, &self.body_hash, self.body_octets).map_err(|(_, why)| ArcReason::Message(why))?;
        if self.body_octets.is_some_and(|signed| signed < body.octets) {
            return Err(ArcReason::Message(Reason::BodyGoesOn));
        }
        self.message.verify(resolver).await.map_err(|(_, why)| ArcReason::Message(why))?;
        for (number, seal) in self.seals.iter().enumerate().rev() {
            seal.verify(resolver).await.map_err(|(_, why)| ArcReason::Seal(number + 1, why))?;
        }
        Ok(())
    }
}

/// Each seal covers all sets up to its own, and itself without its signature (RFC 8617 §5.1.1).
fn seals(sets: &[Set<'_>]) -> Vec<Claim> {
    let mut before = Vec::new();
    let mut claims = Vec::with_capacity(sets.len());
    for set in sets {
        let [results, message, seal] = &set.fields;
        push_set(&[*results, *message], &mut before);
        let mut text = before.clone();
        push_own(Form::Relaxed, seal.octets(), &mut text);
        claims.push(Claim {
            domain: set.seal.domain.into(),
            selector: set.seal.selector.into(),
            algorithm: set.seal.algorithm,
            proof: set.seal.proof.clone(),
            header: aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &text),
            subdomain: false,
        });
        push_set(&[*seal], &mut before);
    }
    claims
}
