//! All keys of a domain: those that are kept, and those that somebody else makes and keeps.

use std::{collections::BTreeMap, sync::Arc};

use message_auth::{
    DomainName,
    dkim::{Algorithm, Signer},
};

use crate::{
    config::ByHand,
    plan::{Plan, Rules, Seen, State},
};

/// Who signs for a domain.
#[derive(Debug, Clone)]
pub struct DomainKeys {
    /// The domain.
    pub domain: DomainName,
    /// All that sign, each by another key.
    pub signers: Vec<Arc<Signer>>,
    /// Why mail of the domain would go unsigned, or without a signature that everybody can check. None: all is well.
    pub trouble: Option<String>,
}

/// A key that somebody else keeps, and what was seen of it.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) key: ByHand,
    pub(crate) seen: Seen,
}

impl Given {
    /// Whether it may sign. Its owner says that it is published: only what the DNS says to the contrary counts.
    fn signer(&self) -> Option<&Arc<Signer>> {
        let good = matches!(self.seen, Seen::Right | Seen::NoAnswer);
        self.key.signer.as_ref().ok().filter(|_| good)
    }
}

/// The keys of a domain.
#[derive(Debug)]
pub(crate) struct Ring {
    pub(crate) domain: DomainName,
    /// None: no keys are made for it.
    pub(crate) plan: Option<Plan>,
    pub(crate) given: Vec<Given>,
    /// The private parts of the keys of the plan, by their selectors.
    pub(crate) signers: BTreeMap<String, Arc<Signer>>,
    /// Why what is kept of it cannot be used or written.
    pub(crate) fault: Option<String>,
}

impl Ring {
    /// Who signs now, and what is wrong with that.
    pub(crate) fn standing(&self, rules: &Rules) -> DomainKeys {
        let given = self.given.iter().filter_map(Given::signer).map(Arc::clone);
        let kept = self.plan.iter().flat_map(|plan| plan.signing(rules));
        let kept = kept.filter_map(|key| self.signers.get(&key.selector)).map(Arc::clone);
        let signers: Vec<Arc<Signer>> = given.chain(kept).collect();
        let is_enough = signers.iter().any(|signer| self.is_for_all(signer.key.algorithm(), rules));
        let trouble = (!is_enough).then(|| self.trouble());
        DomainKeys { domain: self.domain.clone(), signers, trouble }
    }

    /// Whether a signature of this kind is enough by itself. Few receivers know Ed25519: beside RSA it is no substitute.
    fn is_for_all(&self, algorithm: Algorithm, rules: &Rules) -> bool {
        let rsa = |given: &Given| match &given.key.signer {
            Ok(signer) => signer.key.algorithm() == Algorithm::RsaSha256,
            // It may have been one.
            Err(_) => true,
        };
        let kept = self.plan.is_some() && rules.algorithms.contains(&Algorithm::RsaSha256);
        algorithm == Algorithm::RsaSha256 || !(kept || self.given.iter().any(rsa))
    }

    /// Why not enough keys sign, in one line.
    fn trouble(&self) -> String {
        let given = self.given.iter().filter_map(|given| {
            let selector = &given.key.selector;
            match (&given.key.signer, given.seen.trouble(), &given.seen) {
                (Err(why), ..) => Some(why.clone()),
                (_, Some(why), _) => Some(format!("{}: {why}", name(selector, &self.domain))),
                (_, None, Seen::Never) => {
                    Some(format!("{} is being looked up", name(selector, &self.domain)))
                }
                _ => None,
            }
        });
        let kept = self.plan.iter().flat_map(|plan| &plan.keys).filter_map(|key| {
            let name = name(&key.selector, &self.domain);
            match (key.state, &key.broken, key.seen.trouble()) {
                (State::Removing, ..) => None,
                (_, Some(why), _) => Some(why.clone()),
                (State::Made, None, None) => Some(format!("{name} is not in the DNS yet")),
                (_, None, Some(why)) => Some(format!("{name}: {why}")),
                (_, None, None) => None,
            }
        });
        let all: Vec<String> = self.fault.iter().cloned().chain(given).chain(kept).collect();
        if all.is_empty() { "there is no key yet".to_owned() } else { all.join("; ") }
    }

    /// All names to look up, each with its key.
    pub(crate) fn names(&self) -> Vec<String> {
        let given = self.given.iter().map(|given| given.key.selector.to_string());
        let kept = self.plan.iter().flat_map(|plan| &plan.keys).map(|key| key.selector.clone());
        given.chain(kept).collect()
    }

    /// Whether somebody, or time, has to bring a record there or away: it is looked for soon again.
    pub(crate) fn is_waiting(&self, rules: &Rules) -> bool {
        let waits = |state| matches!(state, State::Made | State::Removing);
        self.standing(rules).trouble.is_some()
            || self.plan.iter().flat_map(|plan| &plan.keys).any(|key| waits(key.state))
            || self.given.iter().any(|given| given.seen.trouble().is_some())
    }
}

/// Where the record of a key is (RFC 6376 §3.6.2.1).
pub(crate) fn name(selector: &str, domain: &DomainName) -> String {
    format!("{selector}._domainkey.{domain}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mail::Timestamp;
    use message_auth::dkim::SigningKey;

    use super::*;

    const RSA: Algorithm = Algorithm::RsaSha256;
    const ED: Algorithm = Algorithm::Ed25519Sha256;

    fn domain() -> DomainName {
        DomainName::parse("example.org").unwrap()
    }

    fn rules() -> Rules {
        Rules {
            algorithms: vec![RSA, ED],
            rotate: None,
            publish_wait: Duration::ZERO,
            retire_wait: Duration::ZERO,
        }
    }

    fn given(selector: &str, algorithm: Option<Algorithm>, seen: Seen) -> Given {
        let signer = match algorithm {
            Some(algorithm) => Ok(Arc::new(Signer {
                domain: "example.org".into(),
                selector: selector.into(),
                key: SigningKey::generate(algorithm).unwrap(),
            })),
            None => Err(format!("cannot read {selector}.pem")),
        };
        Given { key: ByHand { domain: domain(), selector: selector.into(), signer }, seen }
    }

    fn ring(given: Vec<Given>) -> Ring {
        Ring { domain: domain(), plan: None, given, signers: BTreeMap::new(), fault: None }
    }

    fn standing(given: Vec<Given>) -> (Vec<String>, Option<String>) {
        let DomainKeys { signers, trouble, .. } = ring(given).standing(&rules());
        (signers.iter().map(|signer| signer.selector.to_string()).collect(), trouble)
    }

    #[test]
    fn keys_of_others_sign_unless_the_dns_says_otherwise() {
        let (both, none) = (vec!["r".to_owned(), "e".to_owned()], Vec::<String>::new());
        let keys = |one: Seen, other: Seen| vec![given("r", Some(RSA), one), given("e", Some(ED), other)];
        assert_eq!(standing(keys(Seen::Right, Seen::NoAnswer)), (both.clone(), None));
        assert_eq!(standing(keys(Seen::NoAnswer, Seen::NoAnswer)), (both, None));
        assert_eq!(standing(keys(Seen::Right, Seen::Missing)), (vec!["r".to_owned()], None));
        let (signers, trouble) = standing(keys(Seen::Never, Seen::Never));
        assert_eq!((signers, trouble.unwrap().contains("is being looked up")), (none.clone(), true));
        // What few can check is no substitute.
        let (signers, trouble) = standing(keys(Seen::Wrong("p= is empty".into()), Seen::Right));
        assert_eq!(signers, ["e"]);
        assert_eq!(trouble.as_deref(), Some("r._domainkey.example.org: p= is empty"));
        assert_eq!(standing(vec![given("e", Some(ED), Seen::Right)]).1, None);
    }

    #[test]
    fn a_key_that_cannot_be_read_is_trouble_unless_another_does() {
        let broken = || given("r", None, Seen::Never);
        assert_eq!(standing(vec![broken()]).1.as_deref(), Some("cannot read r.pem"));
        assert!(standing(vec![broken(), given("e", Some(ED), Seen::Right)]).1.is_some());
        let (signers, trouble) = standing(vec![broken(), given("s", Some(RSA), Seen::Right)]);
        assert_eq!((signers, trouble), (vec!["s".to_owned()], None));
    }

    #[test]
    fn keys_that_are_kept_do_not_hinder_those_of_others() {
        let mut ring = ring(vec![given("r", Some(RSA), Seen::Right)]);
        let mut plan = Plan::default();
        plan.made("r1".into(), RSA, String::new(), Timestamp::default());
        ring.plan = Some(plan);
        assert_eq!(ring.standing(&rules()).trouble, None);
        assert!(ring.is_waiting(&rules()));
        ring.given[0].seen = Seen::Missing;
        let trouble = ring.standing(&rules()).trouble.unwrap();
        assert_eq!(
            trouble,
            "r._domainkey.example.org: there is no record; r1._domainkey.example.org is not in the DNS yet"
        );
    }
}
