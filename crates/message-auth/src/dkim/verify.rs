//! Signatures of others: found in a header section, checked against the body as it comes, and against keys in the DNS (RFC 6376 §6).

use std::fmt;

use aws_lc_rs::{
    digest::Digest,
    signature::{
        ED25519, ParsedPublicKey, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, UnparsedPublicKey,
    },
};
use dns::{DnsError, Resolve};
use message::{Field, HeaderSection};

use super::{
    digest::{self, BodyDigest, DigestedBody},
    key::{BadKey, KeyKind, PublicKey},
    signature::{Algorithm, Kind, Signature, Unusable, domain_of},
};

/// Signatures of one message that are looked at: what goes beyond is an attack (RFC 6376 §6.1 leaves the number open).
pub const SIGNATURES_MAX: usize = 8;
/// Key records of one name that are tried: there should be one (RFC 6376 §3.6.2.2).
const KEYS_MAX: usize = 3;
/// 1024 bits (RFC 8301 §3.2).
const RSA_OCTETS_MIN: usize = 128;

/// What became of one signature, in the words of RFC 8601 §2.7.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DkimResult {
    /// Its domain answers for the message.
    Pass,
    /// The message is not what was signed.
    Fail,
    /// It says nothing: it has mistakes, or its key is for trying out.
    Neutral,
    /// It may be good, but not for us.
    Policy,
    /// Its key could not be looked up for now.
    TempError,
    /// It can never be checked.
    PermError,
}

impl fmt::Display for DkimResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Neutral => "neutral",
            Self::Policy => "policy",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        })
    }
}

/// Why a signature did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The field cannot be used.
    Unusable(Unusable),
    /// It has ended: `x=`.
    Expired,
    /// The body is another one.
    Body,
    /// There is more of the body than is signed: whatever stands there is nobody's (RFC 6376 §8.2).
    BodyGoesOn,
    /// Less of the body is there than is signed.
    BodyCut,
    /// The fields are others, or it was made with another key.
    Signature,
    /// There is no key of this name.
    NoKey,
    /// The key cannot be used.
    Key(BadKey),
    /// The key is only for `i=` of the very domain (`t=s`).
    Subdomain,
    /// The signature is wrong, but its key is for trying out (`t=y`).
    Testing,
    /// The DNS did not answer; why.
    Dns(Box<str>),
    /// There are more signatures than are looked at.
    TooMany,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable(unusable) => unusable.fmt(f),
            Self::Expired => f.write_str("signature has expired"),
            Self::Body => f.write_str("body was changed"),
            Self::BodyGoesOn => f.write_str("body goes on behind what is signed"),
            Self::BodyCut => f.write_str("body is shorter than what is signed"),
            Self::Signature => f.write_str("signature does not match"),
            Self::NoKey => f.write_str("no key for signature"),
            Self::Key(bad) => bad.fmt(f),
            Self::Subdomain => f.write_str("key is not for subdomains"),
            Self::Testing => f.write_str("signature does not match, and its key is for tests"),
            Self::Dns(why) => f.write_str(why),
            Self::TooMany => f.write_str("too many signatures"),
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("signature is malformed"),
            Self::Missing(tag) => write!(f, "signature lacks {tag}="),
            Self::Bad(tag) => write!(f, "signature has a bad {tag}="),
            Self::Version => f.write_str("signature of another version"),
            Self::Sha1 => f.write_str("signature uses SHA-1"),
            Self::Algorithm => f.write_str("signature of an unknown algorithm"),
            Self::FromNotSigned => f.write_str("From is not signed"),
            Self::Identity => f.write_str("i= is not within d="),
        }
    }
}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "key is malformed",
            Self::Revoked => "key is revoked",
            Self::Kind => "key is of another kind",
            Self::Purpose => "key is not for this",
            Self::Short => "key is too short",
        })
    }
}

/// What is known of one signature in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What became of it.
    pub result: DkimResult,
    /// Why, if it did not pass.
    pub reason: Option<Reason>,
    /// `d=`: who answers for the message. Empty, if the field could not be read.
    pub domain: Box<str>,
    /// `s=`: which key.
    pub selector: Box<str>,
    /// `i=`, or the domain with an `@` before it.
    pub identity: Box<str>,
    /// How it was made.
    pub algorithm: Option<Algorithm>,
    /// The first eight characters of `b=`, which tell one signature from another (RFC 6008 §4).
    pub mark: Box<str>,
    /// It passed, and its key is for trying out (`t=y`).
    pub testing: bool,
}

/// A signature of fields whose key is still to be asked for.
pub(crate) struct Claim {
    pub(crate) domain: Box<str>,
    pub(crate) selector: Box<str>,
    pub(crate) algorithm: Algorithm,
    pub(crate) proof: Vec<u8>,
    pub(crate) header: Digest,
    /// It is made for a subdomain, which its key may not allow.
    pub(crate) subdomain: bool,
}

/// A signature, and the body that goes with it.
struct Pending {
    outcome: Outcome,
    claim: Claim,
    body_hash: Vec<u8>,
    /// Which of the bodies.
    body: usize,
    body_octets: Option<u64>,
}

/// The signatures of a message while it comes in. Memory is bounded, whatever comes.
pub struct Verifier {
    /// Decided already.
    settled: Vec<Outcome>,
    pending: Vec<Pending>,
    bodies: Vec<BodyDigest>,
}

impl Verifier {
    /// Begins with all that a header section claims. `now` in seconds since 1970.
    pub fn new(section: &HeaderSection<'_>, now: u64) -> Self {
        let mut verifier = Self { settled: Vec::new(), pending: Vec::new(), bodies: Vec::new() };
        let fields: Vec<Field<'_>> = section.fields().collect();
        for (number, field) in fields.iter().filter(|field| field.is("DKIM-Signature")).enumerate() {
            if number == SIGNATURES_MAX {
                verifier.settled.push(unread(Reason::TooMany));
                break;
            }
            verifier.take(&fields, field, now);
        }
        verifier
    }

    /// Whether there is any signature to check the body for.
    pub fn wants_body(&self) -> bool {
        !self.pending.is_empty()
    }

    fn take(&mut self, fields: &[Field<'_>], field: &Field<'_>, now: u64) {
        let Ok(text) = std::str::from_utf8(field.raw()) else {
            self.settled.push(unread(Reason::Unusable(Unusable::Malformed)));
            return;
        };
        let signature = match Signature::parse(Kind::Dkim, text) {
            Ok(signature) => signature,
            Err(unusable) => {
                self.settled.push(unread(Reason::Unusable(unusable)));
                return;
            }
        };
        let mut outcome = outcome_of(&signature);
        if signature.expires.is_some_and(|expires| expires < now) {
            (outcome.result, outcome.reason) = (DkimResult::Fail, Some(Reason::Expired));
            self.settled.push(outcome);
            return;
        }
        let form = signature.forms.body;
        let body = self.bodies.iter().position(|body| body.is(form, signature.body_octets));
        let body = body.unwrap_or_else(|| {
            self.bodies.push(BodyDigest::new(form, signature.body_octets));
            self.bodies.len() - 1
        });
        let identity = domain_of(signature.identity.unwrap_or(signature.domain));
        let claim = Claim {
            domain: outcome.domain.clone(),
            selector: outcome.selector.clone(),
            algorithm: signature.algorithm,
            header: digest::of_header(signature.forms.header, fields, &signature.names, field.octets()),
            subdomain: !identity.eq_ignore_ascii_case(signature.domain),
            proof: signature.proof,
        };
        let (body_hash, body_octets) = (signature.body_hash, signature.body_octets);
        self.pending.push(Pending { outcome, claim, body_hash, body, body_octets });
    }

    /// Octets of the body, behind the empty line.
    pub fn body(&mut self, octets: &[u8]) {
        for body in &mut self.bodies {
            body.push(octets);
        }
    }

    /// The body has come to its end: asks for keys, and tells what became of each signature.
    pub async fn conclude(self, resolver: &dyn Resolve) -> Vec<Outcome> {
        let bodies: Vec<DigestedBody> = self.bodies.into_iter().map(BodyDigest::finish).collect();
        let mut outcomes = Vec::with_capacity(self.settled.len() + self.pending.len());
        for pending in self.pending {
            let Some(body) = bodies.get(pending.body) else { continue };
            outcomes.push(pending.conclude(body, resolver).await);
        }
        outcomes.extend(self.settled);
        outcomes
    }
}

impl Pending {
    async fn conclude(mut self, body: &DigestedBody, resolver: &dyn Resolve) -> Outcome {
        let (result, reason) = match self.judge(body, resolver).await {
            Ok(testing) => {
                self.outcome.testing = testing;
                (DkimResult::Pass, None)
            }
            Err((result, reason)) => (result, Some(reason)),
        };
        (self.outcome.result, self.outcome.reason) = (result, reason);
        self.outcome
    }

    async fn judge(&self, body: &DigestedBody, resolver: &dyn Resolve) -> Result<bool, Failure> {
        // The cheap first: no key is asked for in vain.
        is_body(body, &self.body_hash, self.body_octets)?;
        let testing = self.claim.verify(resolver).await?;
        match self.body_octets {
            Some(signed) if signed < body.octets => Err((DkimResult::Policy, Reason::BodyGoesOn)),
            _ => Ok(testing),
        }
    }
}

/// Why a signature did not pass, and how it is called then.
pub(crate) type Failure = (DkimResult, Reason);

/// Whether it is the body that was signed.
pub(crate) fn is_body(body: &DigestedBody, hash: &[u8], octets: Option<u64>) -> Result<(), Failure> {
    if octets.is_some_and(|signed| signed > body.octets) {
        return Err((DkimResult::Fail, Reason::BodyCut));
    }
    if body.digest.as_ref() != hash {
        return Err((DkimResult::Fail, Reason::Body));
    }
    Ok(())
}

impl Claim {
    /// Asks for the key. Whether it is for trying out.
    pub(crate) async fn verify(&self, resolver: &dyn Resolve) -> Result<bool, Failure> {
        let name = format!("{}._domainkey.{}", self.selector, self.domain);
        let records = match resolver.txt(&name).await {
            Ok(answer) => answer.records,
            Err(DnsError::NoSuchName | DnsError::NoRecords) => Vec::new(),
            Err(DnsError::Temporary(why)) => return Err((DkimResult::TempError, Reason::Dns(why))),
        };
        let mut worst = (DkimResult::PermError, Reason::NoKey);
        for record in records.iter().take(KEYS_MAX) {
            match self.by(record) {
                Ok(testing) => return Ok(testing),
                Err(failed) => worst = failed,
            }
        }
        Err(worst)
    }

    fn by(&self, record: &[u8]) -> Result<bool, Failure> {
        let key = PublicKey::parse(record).map_err(|bad| (DkimResult::PermError, Reason::Key(bad)))?;
        if !key.fits(self.algorithm) {
            return Err((DkimResult::PermError, Reason::Key(BadKey::Kind)));
        }
        if key.strict && self.subdomain {
            return Err((DkimResult::PermError, Reason::Subdomain));
        }
        verified(&key, &self.header, &self.proof).map(|()| key.testing).map_err(|failed| match failed {
            Reason::Signature if key.testing => (DkimResult::Neutral, Reason::Testing),
            Reason::Signature => (DkimResult::Fail, failed),
            Reason::Key(BadKey::Short) => (DkimResult::Policy, failed),
            _ => (DkimResult::PermError, failed),
        })
    }
}

/// Whether a key made a signature of these fields.
fn verified(key: &PublicKey, header: &Digest, signature: &[u8]) -> Result<(), Reason> {
    match key.kind {
        // A signature is as long as its key.
        KeyKind::Rsa if signature.len() < RSA_OCTETS_MIN => Err(Reason::Key(BadKey::Short)),
        KeyKind::Rsa => ParsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, &key.octets)
            .map_err(|_| Reason::Key(BadKey::Malformed))?
            .verify_digest_sig(header, signature)
            .map_err(|_| Reason::Signature),
        // RFC 8463 §3: what is signed is the digest.
        KeyKind::Ed25519 if key.octets.len() != 32 => Err(Reason::Key(BadKey::Malformed)),
        KeyKind::Ed25519 => UnparsedPublicKey::new(&ED25519, &key.octets)
            .verify(header.as_ref(), signature)
            .map_err(|_| Reason::Signature),
    }
}

fn outcome_of(signature: &Signature<'_>) -> Outcome {
    use base64::Engine as _;
    let mark: String =
        base64::engine::general_purpose::STANDARD.encode(&signature.proof).chars().take(8).collect();
    Outcome {
        result: DkimResult::Neutral,
        reason: None,
        domain: signature.domain.to_ascii_lowercase().into(),
        selector: signature.selector.into(),
        identity: signature.identity.map_or_else(|| format!("@{}", signature.domain).into(), Into::into),
        algorithm: Some(signature.algorithm),
        mark: mark.into(),
        testing: false,
    }
}

/// A field that could not be read, or was not.
fn unread(reason: Reason) -> Outcome {
    let result = match reason {
        Reason::Unusable(Unusable::Sha1) => DkimResult::Policy,
        Reason::TooMany => DkimResult::Neutral,
        _ => DkimResult::PermError,
    };
    Outcome {
        result,
        reason: Some(reason),
        domain: "".into(),
        selector: "".into(),
        identity: "".into(),
        algorithm: None,
        mark: "".into(),
        testing: false,
    }
}
