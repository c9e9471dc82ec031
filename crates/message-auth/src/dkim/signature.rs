//! A DKIM-Signature field as it stands: what it claims, and over what (RFC 6376 §3.5).

use super::canon::Forms;
use crate::tags::{Tags, base64, is_white, words};

/// Names of fields that one signature may cover; real ones have some thirty.
const NAMES_MAX: usize = 200;
/// Octets of a domain or of a selector, as the DNS bounds them (RFC 1035 §2.3.4).
const DOMAIN_OCTETS_MAX: usize = 253;

/// How a signature is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// `rsa-sha256`.
    RsaSha256,
    /// `ed25519-sha256` (RFC 8463).
    Ed25519Sha256,
}

impl Algorithm {
    /// Reads `a=`.
    ///
    /// # Errors
    /// It is one that is not trusted, or not known.
    pub(crate) fn parse(name: &str) -> Result<Self, Unusable> {
        match name.to_ascii_lowercase().as_str() {
            "rsa-sha256" => Ok(Self::RsaSha256),
            "ed25519-sha256" => Ok(Self::Ed25519Sha256),
            "rsa-sha1" => Err(Unusable::Sha1),
            _ => Err(Unusable::Algorithm),
        }
    }

    /// As in `a=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::RsaSha256 => "rsa-sha256",
            Self::Ed25519Sha256 => "ed25519-sha256",
        }
    }
}

/// Why a signature cannot be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unusable {
    /// It is no list of tags, or not of UTF-8.
    Malformed,
    /// A tag that must be there is not; its name.
    Missing(&'static str),
    /// A tag says what cannot be; its name.
    Bad(&'static str),
    /// Another version than 1.
    Version,
    /// `rsa-sha1`, which nobody may trust any more (RFC 8301 §3.1).
    Sha1,
    /// An algorithm that nobody knows.
    Algorithm,
    /// From is not signed (RFC 6376 §5.4).
    FromNotSigned,
    /// `i=` is not within `d=`.
    Identity,
}

/// What a signature claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature<'a> {
    pub(crate) algorithm: Algorithm,
    /// `b=`.
    pub(crate) proof: Vec<u8>,
    pub(crate) body_hash: Vec<u8>,
    pub(crate) forms: Forms,
    pub(crate) domain: &'a str,
    pub(crate) selector: &'a str,
    pub(crate) names: Vec<&'a str>,
    /// `i=`; the domain with an `@` before it, if there is none.
    pub(crate) identity: Option<&'a str>,
    /// Octets of the canonical body that are signed, where not all.
    pub(crate) body_octets: Option<u64>,
    /// When it was made, and when it ends: seconds since 1970.
    pub(crate) made: Option<u64>,
    pub(crate) expires: Option<u64>,
}

/// Which field it is that a signature stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// DKIM-Signature.
    Dkim,
    /// ARC-Message-Signature: no version, no identity (RFC 8617 §4.1.2).
    ArcMessage,
}

impl<'a> Signature<'a> {
    /// Reads the value of a field.
    ///
    /// # Errors
    /// See [`Unusable`].
    pub(crate) fn parse(kind: Kind, text: &'a str) -> Result<Self, Unusable> {
        let tags = Tags::parse(text).map_err(|_| Unusable::Malformed)?;
        let need = |name| tags.get(name).ok_or(Unusable::Missing(name));
        if kind == Kind::Dkim && need("v")? != "1" {
            return Err(Unusable::Version);
        }
        let algorithm = Algorithm::parse(need("a")?)?;
        let proof = base64(need("b")?).filter(|b| !b.is_empty()).ok_or(Unusable::Bad("b"))?;
        let body_hash = base64(need("bh")?).ok_or(Unusable::Bad("bh"))?;
        let forms = Forms::parse(tags.get("c")).ok_or(Unusable::Bad("c"))?;
        let domain = Some(need("d")?).filter(|d| is_domain(d)).ok_or(Unusable::Bad("d"))?;
        let selector = Some(need("s")?).filter(|s| is_domain(s)).ok_or(Unusable::Bad("s"))?;
        let names: Vec<&str> = words(need("h")?).take(NAMES_MAX + 1).collect();
        if names.len() > NAMES_MAX || names.iter().any(|name| name.is_empty()) {
            return Err(Unusable::Bad("h"));
        }
        if !names.iter().any(|name| name.eq_ignore_ascii_case("From")) {
            return Err(Unusable::FromNotSigned);
        }
        let number = |name: &'static str| {
            tags.get(name).map(|digits| digits_of(digits).ok_or(Unusable::Bad(name))).transpose()
        };
        let (body_octets, made, expires) = (number("l")?, number("t")?, number("x")?);
        if made.zip(expires).is_some_and(|(made, expires)| expires <= made) {
            return Err(Unusable::Bad("x"));
        }
        // Only one way to ask for keys was ever defined (RFC 6376 §3.5, erratum 4810).
        if tags.get("q").is_some_and(|q| !words(q).any(|way| way.eq_ignore_ascii_case("dns/txt"))) {
            return Err(Unusable::Bad("q"));
        }
        let identity = if kind == Kind::Dkim { tags.get("i") } else { None };
        if identity.is_some_and(|identity| !is_within(domain_of(identity), domain)) {
            return Err(Unusable::Identity);
        }
        Ok(Self {
            algorithm,
            proof,
            body_hash,
            forms,
            domain,
            selector,
            names,
            identity,
            body_octets,
            made,
            expires,
        })
    }
}

/// RFC 6376 §3.5: at most 76 digits; what does not fit means as much as there is.
fn digits_of(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.len() <= 76 && text.bytes().all(|octet| octet.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// The part of an identity behind the last `@`.
pub(crate) fn domain_of(identity: &str) -> &str {
    identity.rsplit('@').next().unwrap_or_default()
}

/// Whether a name is a domain or below it.
pub(crate) fn is_within(name: &str, domain: &str) -> bool {
    let Some(above) = name.len().checked_sub(domain.len()) else { return false };
    let (Some(head), Some(tail)) = (name.get(..above), name.get(above..)) else { return false };
    tail.eq_ignore_ascii_case(domain) && (head.is_empty() || head.ends_with('.'))
}

/// Labels with dots between them, of letters, digits, `-`, `_`, or beyond ASCII (RFC 8616).
fn is_domain(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || !c.is_ascii())
    };
    name.len() <= DOMAIN_OCTETS_MAX && name.split('.').all(label)
}

/// Takes the value of `b=` out of a field, which a signature cannot cover; all else stays as it is (RFC 6376 §3.7).
pub(crate) fn without_signature(field: &[u8]) -> Vec<u8> {
    let begin = memchr::memchr(b':', field).map_or(field.len(), |colon| colon + 1);
    let (head, mut rest) = field.split_at(begin);
    let mut out = head.to_vec();
    loop {
        let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let (spec, behind) = rest.split_at(end);
        let equals = memchr::memchr(b'=', spec).map(|equals| spec.split_at(equals + 1));
        match equals {
            Some((name, _)) if is_b(name) => out.extend_from_slice(name),
            _ => out.extend_from_slice(spec),
        }
        let Some((semicolon, next)) = behind.split_first() else { return out };
        out.push(*semicolon);
        rest = next;
    }
}

fn is_b(name: &[u8]) -> bool {
    let Some((b'=', name)) = name.split_last() else { return false };
    std::str::from_utf8(name).is_ok_and(|name| name.trim_matches(is_white) == "b")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dkim::canon::Form;

    const GOOD: &str = "v=1; a=rsa-sha256; d=example.net; s=brisbane; c=relaxed/simple; q=dns/txt;\r\n \
        i=@eng.example.net; t=1117574938; x=1118006938; h=from:to: subject :date;\r\n l=10; \
        bh=MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=; b=dzdVyOfAKCdLXdJOc9G2\r\n q8LoXSlE";

    fn changed(from: &str, to: &str) -> Result<(), Unusable> {
        assert!(GOOD.contains(from), "{from}");
        Signature::parse(Kind::Dkim, &GOOD.replace(from, to)).map(|_| ())
    }

    #[test]
    fn a_signature_says_what_it_covers() {
        let signature = Signature::parse(Kind::Dkim, GOOD).unwrap();
        assert_eq!(signature.algorithm, Algorithm::RsaSha256);
        assert_eq!(signature.forms, Forms { header: Form::Relaxed, body: Form::Simple });
        assert_eq!(signature.names, ["from", "to", "subject", "date"]);
        assert_eq!((signature.domain, signature.selector), ("example.net", "brisbane"));
        assert_eq!(signature.identity, Some("@eng.example.net"));
        assert_eq!(
            (signature.body_octets, signature.made, signature.expires),
            (Some(10), Some(1_117_574_938), Some(1_118_006_938))
        );
        assert_eq!(signature.body_hash, b"12345678901234567890123456789012");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, error) in [
            ("v=1", "v=2", Unusable::Version),
            ("v=1; ", "", Unusable::Missing("v")),
            ("a=rsa-sha256", "a=rsa-sha1", Unusable::Sha1),
            ("a=rsa-sha256", "a=dsa-sha256", Unusable::Algorithm),
            ("d=example.net", "d=exa mple.net", Unusable::Bad("d")),
            ("d=example.net", "d=example..net", Unusable::Bad("d")),
            ("s=brisbane", "s=", Unusable::Bad("s")),
            ("from:", "", Unusable::FromNotSigned),
            ("to:", ":", Unusable::Bad("h")),
            ("i=@eng.example.net", "i=@badexample.net", Unusable::Identity),
            ("i=@eng.example.net", "i=@net", Unusable::Identity),
            ("x=1118006938", "x=1117574938", Unusable::Bad("x")),
            ("l=10", "l=-1", Unusable::Bad("l")),
            ("q=dns/txt", "q=http", Unusable::Bad("q")),
            ("c=relaxed/simple", "c=loose", Unusable::Bad("c")),
            ("b=dzdV", "b=!", Unusable::Bad("b")),
            ("bh=MTIz", "bh=?", Unusable::Bad("bh")),
            ("; c=", "; v=1; c=", Unusable::Malformed),
        ] {
            assert_eq!(changed(from, to), Err(error), "{from} as {to}");
        }
        assert_eq!(changed("x=1118006938", "x=99999999999999999999999"), Ok(()));
        assert_eq!(changed("q=dns/txt", "q=http:dns/txt"), Ok(()));
    }

    #[test]
    fn only_the_value_of_b_is_taken_out() {
        for (field, without) in [
            ("DKIM-Signature: a=b; b=c\r\n d; bh=e", "DKIM-Signature: a=b; b=; bh=e"),
            ("X: b =\tq=;z", "X: b =;z"),
            ("X: bb=1; b=2", "X: bb=1; b="),
            ("X: b", "X: b"),
            ("no colon b=1", "no colon b=1"),
        ] {
            assert_eq!(without_signature(field.as_bytes()), without.as_bytes());
        }
    }

    #[test]
    fn a_name_is_within_a_domain_at_a_dot() {
        assert!(is_within("a.Example.org", "example.ORG"));
        assert!(is_within("example.org", "example.org"));
        assert!(!is_within("badexample.org", "example.org"));
        assert!(!is_within("org", "example.org"));
    }
}
