//! DMARC's records (RFC 9989, "DMARC Policy Record Format"; older ones, RFC 7489 §6.3, are read too: tags that are no more are passed over).

use crate::tags::is_white;

/// What the owner of a domain asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Policy {
    /// Nothing.
    None,
    /// Suspicion.
    Quarantine,
    /// Refusal.
    Reject,
}

impl Policy {
    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "none" => Some(Self::None),
            "quarantine" => Some(Self::Quarantine),
            "reject" => Some(Self::Reject),
            _ => None,
        }
    }

    /// One level below: what a policy means while its owner tries it out (`t=y`).
    pub(crate) fn lowered(self) -> Self {
        match self {
            Self::Reject => Self::Quarantine,
            Self::Quarantine | Self::None => Self::None,
        }
    }

    /// As in a record.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }
}

/// How alike two domains have to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alignment {
    /// Of one organization.
    Relaxed,
    /// The same.
    Strict,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// `p`; `None`: it is missing or no policy.
    pub policy: Option<Policy>,
    /// `sp`: for subdomains.
    pub subdomains: Option<Policy>,
    /// `np`: for subdomains that do not exist.
    pub missing: Option<Policy>,
    /// `adkim`.
    pub dkim: Alignment,
    /// `aspf`.
    pub spf: Alignment,
    /// `psd`: whether it is a domain below which others register; `None`: unknown.
    pub public_suffix: Option<bool>,
    /// `t=y`: the policy is being tried out.
    pub testing: bool,
    /// `rua`: where reports go, as far as it is by mail.
    pub reports: Vec<Box<str>>,
    /// `ruf`: where failures are reported.
    pub failures: Vec<Box<str>>,
    /// `fo`, as it stands.
    pub failure_options: Box<str>,
    /// `sp` or `np` is there and is no policy.
    flawed: bool,
}

impl Record {
    /// Reads a TXT record. `None`: it is none of DMARC. Tags that are broken are passed over: what is there of the others still says
    /// what its owner wants.
    pub fn parse(txt: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(txt);
        let mut specs = text.split(';').map(|spec| spec.trim_matches(is_white));
        let (name, version) = specs.next()?.split_once('=')?;
        if name.trim_end_matches(is_white) != "v" || version.trim_start_matches(is_white) != "DMARC1" {
            return None;
        }
        let tags: Vec<(String, &str)> = specs
            .filter_map(|spec| spec.split_once('='))
            .map(|(name, value)| {
                (name.trim_matches(is_white).to_ascii_lowercase(), value.trim_matches(is_white))
            })
            .collect();
        let get = |name: &str| tags.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
        let is = |name, value: &str| get(name).is_some_and(|found| found.eq_ignore_ascii_case(value));
        let (subdomains, missing) = (get("sp").map(Policy::parse), get("np").map(Policy::parse));
        Some(Self {
            policy: get("p").and_then(Policy::parse),
            subdomains: subdomains.flatten(),
            missing: missing.flatten(),
            dkim: alignment(is("adkim", "s")),
            spf: alignment(is("aspf", "s")),
            public_suffix: if is("psd", "y") { Some(true) } else { is("psd", "n").then_some(false) },
            testing: is("t", "y"),
            reports: addresses(get("rua")),
            failures: addresses(get("ruf")),
            failure_options: get("fo").unwrap_or("0").into(),
            flawed: subdomains == Some(None) || missing == Some(None),
        })
    }

    /// Whether it can be gone by: it has a policy, or at least wants reports, which means as much as `p=none`.
    pub(crate) fn is_usable(&self) -> bool {
        self.policy.is_some() && !self.flawed || !self.reports.is_empty()
    }

    /// What it asks for the domain that it is of.
    pub(crate) fn for_itself(&self) -> Policy {
        if self.flawed { Policy::None } else { self.policy.unwrap_or(Policy::None) }
    }

    /// What it asks for a domain below.
    pub(crate) fn for_below(&self, exists: bool) -> Policy {
        if self.flawed || self.policy.is_none() {
            return Policy::None;
        }
        let missing = self.missing.filter(|_| !exists);
        missing.or(self.subdomains).unwrap_or_else(|| self.for_itself())
    }
}

fn alignment(strict: bool) -> Alignment {
    if strict { Alignment::Strict } else { Alignment::Relaxed }
}

/// Those that are addresses of mail. An old record may bound the size of a report: `mailto:a@b!10m` (RFC 7489 §6.2).
fn addresses(list: Option<&str>) -> Vec<Box<str>> {
    let uris = list.unwrap_or_default().split(',').map(|uri| uri.trim_matches(is_white));
    let mail = uris.filter_map(|uri| {
        let (scheme, rest) = uri.split_once(':')?;
        let address = rest.split('!').next()?;
        (scheme.eq_ignore_ascii_case("mailto") && mail::Address::parse(address).is_ok())
            .then(|| address.into())
    });
    mail.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_the_old_ones_too() {
        let record = Record::parse(
            b"v=DMARC1; p=Reject; sp=quarantine;np=none; adkim=s; aspf=r; psd=n; t=y; pct=20; ri=86400; rf=afrf; \
              rua=mailto:a@example.org!10m, https://x.example , mailto:b@example.net; ruf=mailto:c@example.org; fo=1:d;",
        )
        .unwrap();
        assert_eq!(
            (record.policy, record.subdomains, record.missing),
            (Some(Policy::Reject), Some(Policy::Quarantine), Some(Policy::None))
        );
        assert_eq!((record.dkim, record.spf), (Alignment::Strict, Alignment::Relaxed));
        assert_eq!((record.public_suffix, record.testing), (Some(false), true));
        assert_eq!(record.reports, ["a@example.org".into(), "b@example.net".into()]);
        assert_eq!((record.failures.len(), &*record.failure_options), (1, "1:d"));
    }

    #[test]
    fn what_does_not_begin_with_the_version_is_none() {
        for txt in
            ["", "p=none; v=DMARC1", "v=DMARC2; p=none", "v=dmarc1; p=none", "v=DMARC10", "v=spf1 -all"]
        {
            assert_eq!(Record::parse(txt.as_bytes()), None, "{txt}");
        }
        for txt in ["v=DMARC1", "v = DMARC1 ;; p = none", " v=DMARC1;p=none;x"] {
            assert!(Record::parse(txt.as_bytes()).is_some(), "{txt}");
        }
    }

    #[test]
    fn a_record_without_a_policy_counts_if_it_wants_reports() {
        for (txt, usable, itself, below) in [
            ("v=DMARC1", false, Policy::None, Policy::None),
            ("v=DMARC1; rua=mailto:a@b.org", true, Policy::None, Policy::None),
            ("v=DMARC1; p=refuse; sp=reject; rua=mailto:a@b.org", true, Policy::None, Policy::None),
            ("v=DMARC1; p=reject; sp=refuse; rua=mailto:a@b.org", true, Policy::None, Policy::None),
            ("v=DMARC1; p=reject; sp=refuse", false, Policy::None, Policy::None),
            ("v=DMARC1; p=reject; np=none", true, Policy::Reject, Policy::Reject),
            ("v=DMARC1; p=reject; rua=x", true, Policy::Reject, Policy::Reject),
        ] {
            let record = Record::parse(txt.as_bytes()).unwrap();
            assert_eq!(record.is_usable(), usable, "{txt}");
            assert_eq!((record.for_itself(), record.for_below(true)), (itself, below), "{txt}");
        }
        let record = Record::parse(b"v=DMARC1; p=reject; np=none").unwrap();
        assert_eq!(record.for_below(false), Policy::None);
    }
}
