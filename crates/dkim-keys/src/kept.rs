//! The keys that are kept for a domain, for who looks at them or makes the first ones while no server runs.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use disk::Disk;
use mail::Timestamp;
use message_auth::{
    DomainName,
    dkim::{Algorithm, KeyError, SigningKey},
};

use crate::{
    plan::{self, Key, Plan, State},
    ring,
    store::{Store, StoreError},
};

/// What a key is there for, and so what the DNS has to have of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Mail is signed by it, or waits for its record because there is no other of its kind.
    Current,
    /// It follows another, once its record is in the DNS.
    Next,
    /// It signs no more. Its record has to stay for those who have signatures by it.
    Retired,
    /// Nobody needs its record any more: it is to be taken out.
    Over,
}

/// A key that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptKey {
    /// The name of its record, without the final dot.
    pub name: String,
    /// The text of its record.
    pub text: String,
    /// What it is there for.
    pub role: Role,
}

/// No key can be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// It could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no randomness.
    #[error("the machine gives no key")]
    Key(#[from] KeyError),
}

/// All keys that are kept for a domain, the oldest first. Needs no running server.
///
/// # Errors
/// The directory cannot be read.
pub fn kept_keys(dir: &Path, disk: Arc<dyn Disk>, domain: &DomainName) -> Result<Vec<KeptKey>, StoreError> {
    let plan = Store::new(dir, disk).plan(domain, Timestamp::default())?;
    let one = |key: &Key| KeptKey {
        name: ring::name(&key.selector, domain),
        text: key.record.clone(),
        role: role(&plan, key),
    };
    Ok(plan.keys.iter().map(one).collect())
}

fn role(plan: &Plan, key: &Key) -> Role {
    let mut others = plan.keys.iter().filter(|other| other.algorithm == key.algorithm);
    match key.state {
        State::Made | State::Published if others.any(|other| other.state == State::Signing) => Role::Next,
        State::Made | State::Published | State::Signing => Role::Current,
        State::Retired => Role::Retired,
        State::Removing => Role::Over,
    }
}

/// Makes the keys of a domain that it has none of yet, one of each kind, as a server finds them when it starts: made, and not yet published.
/// Hands on their files. For who knows that no server runs on the directory.
///
/// # Errors
/// A key cannot be made or kept. What was made before is there, and is found by the next attempt.
pub fn make_first(
    dir: &Path,
    disk: Arc<dyn Disk>,
    domain: &DomainName,
    algorithms: &[Algorithm],
    now: Timestamp,
) -> Result<Vec<PathBuf>, MakeError> {
    let store = Store::new(dir, disk);
    let mut plan = store.plan(domain, now)?;
    let mut made = Vec::new();
    for algorithm in algorithms {
        if plan.keys.iter().any(|key| key.algorithm == *algorithm) {
            continue;
        }
        let taken = |name: &str| plan.keys.iter().any(|key| key.selector == name);
        let selector = plan::selector(*algorithm, now, taken);
        let key = SigningKey::generate(*algorithm)?;
        // It is on the disk before anything says that it is there.
        store.keep_key(domain, &selector, &key.to_pem()?)?;
        made.push(store.key_file(domain, &selector));
        plan.made(selector, *algorithm, key.record()?, now);
        store.keep_plan(domain, &plan)?;
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use disk::OsDisk;

    use super::*;
    use crate::plan::Seen;

    const BOTH: [Algorithm; 2] = [Algorithm::RsaSha256, Algorithm::Ed25519Sha256];

    fn domain() -> DomainName {
        DomainName::parse("example.org").unwrap()
    }

    #[test]
    fn the_first_keys_are_made_once_and_are_to_be_published() {
        let dir = tempfile::tempdir().unwrap();
        let at = Timestamp::from_millis(1_796_000_000_000);
        let make = |algorithms: &[Algorithm]| {
            make_first(dir.path(), Arc::new(OsDisk), &domain(), algorithms, at).unwrap()
        };
        let kept = || kept_keys(dir.path(), Arc::new(OsDisk), &domain()).unwrap();
        assert_eq!(kept(), []);
        // As if it had been cut off after the first.
        assert_eq!(make(&BOTH[..1]).len(), 1);
        let rsa = kept();
        assert_eq!(make(&BOTH).len(), 1);
        let both = kept();
        assert_eq!(both[..1], rsa);
        assert!(both.iter().all(|key| key.role == Role::Current), "{both:?}");
        assert!(both[1].text.contains("k=ed25519"), "{both:?}");
        assert!(both[0].name.ends_with("._domainkey.example.org"), "{both:?}");
        assert_eq!(make(&BOTH), Vec::<PathBuf>::new());
        assert_eq!(kept(), both);
        let plan = Store::new(dir.path(), Arc::new(OsDisk)).plan(&domain(), at).unwrap();
        assert!(plan.keys.iter().all(|key| (key.state, &key.seen) == (State::Made, &Seen::Never)));
    }

    #[test]
    fn what_the_dns_has_to_have_of_a_key_goes_by_its_state_and_by_the_others() {
        let plan = |states: &[State]| {
            let mut plan = Plan::default();
            for (number, state) in states.iter().enumerate() {
                plan.made(number.to_string(), BOTH[0], String::new(), Timestamp::default());
                plan.keys[number].state = *state;
            }
            plan.keys.iter().map(|key| role(&plan, key)).collect::<Vec<_>>()
        };
        for (states, roles) in [
            (&[State::Made][..], &[Role::Current][..]),
            (&[State::Published], &[Role::Current]),
            (&[State::Signing, State::Made], &[Role::Current, Role::Next]),
            (&[State::Signing, State::Published], &[Role::Current, Role::Next]),
            (&[State::Removing, State::Retired, State::Signing], &[Role::Over, Role::Retired, Role::Current]),
        ] {
            assert_eq!(plan(states), roles, "{states:?}");
        }
    }
}
