//! What is decided about the keys that are kept for a domain. No I/O; time, and what was seen in the DNS, come in as arguments.

use std::time::Duration;

use mail::Timestamp;
use message_auth::dkim::Algorithm;
use serde::{Deserialize, Serialize};

/// How far a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It is there, and its record is not in the DNS.
    Made,
    /// Its record is in the DNS, and not everybody has heard of it yet.
    Published,
    /// It signs.
    Signing,
    /// Another signs in its place. Its record stays for those who have signatures by it.
    Retired,
    /// Nobody needs its record any more.
    Removing,
}

impl State {
    /// Its word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Published => "published",
            Self::Signing => "signing",
            Self::Retired => "retired",
            Self::Removing => "removing",
        }
    }
}

/// What the DNS said of a record when it last said anything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Seen {
    /// Nobody has asked.
    #[default]
    Never,
    /// It was asked, and never gave an answer.
    NoAnswer,
    /// The record is there, and fits the key.
    Right,
    /// There is no record.
    Missing,
    /// There is one, and this is what is wrong with it.
    Wrong(String),
}

impl Seen {
    /// Takes in another answer. One that is none says nothing: what was right stays right.
    pub(crate) fn learn(&mut self, answer: Self) {
        match (&*self, answer) {
            (Self::Never, answer) => *self = answer,
            (_, Self::NoAnswer | Self::Never) => {}
            (_, answer) => *self = answer,
        }
    }

    /// What is wrong, if anything is.
    pub(crate) fn trouble(&self) -> Option<&str> {
        match self {
            Self::Missing => Some("there is no record"),
            Self::Wrong(why) => Some(why),
            Self::Never | Self::NoAnswer | Self::Right => None,
        }
    }
}

/// A key that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key {
    /// The name under which it is published.
    pub(crate) selector: String,
    #[serde(with = "algorithm")]
    pub(crate) algorithm: Algorithm,
    /// The text of its record.
    pub(crate) record: String,
    pub(crate) state: State,
    /// Since when it is in that state.
    #[serde(with = "millis")]
    pub(crate) since: Timestamp,
    #[serde(default)]
    pub(crate) seen: Seen,
    /// Why its private part is of no use, if it is not.
    #[serde(skip)]
    pub(crate) broken: Option<String>,
}

impl Key {
    fn is(&self, state: State) -> bool {
        self.state == state && self.broken.is_none()
    }

    fn enter(&mut self, state: State, now: Timestamp) {
        (self.state, self.since) = (state, now);
    }

    fn has_been(&self, state: State, so_long: Duration, now: Timestamp) -> bool {
        self.is(state) && now >= self.since.after(so_long)
    }

    /// Whether it may sign: its record is there for all who look.
    fn may_sign(&self) -> bool {
        self.seen == Seen::Right && self.broken.is_none() && self.state != State::Made
    }
}

/// What the operator wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) rotate: Option<Duration>,
    pub(crate) publish_wait: Duration,
    pub(crate) retire_wait: Duration,
}

/// What is to be done outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Make a key of this kind, and [`Plan::made`] it.
    Make(Algorithm),
    /// A key is forgotten: its private part can go.
    Forget(String),
}

/// The keys that are kept for a domain, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) keys: Vec<Key>,
}

impl Plan {
    /// Takes in what the DNS says of a key.
    pub(crate) fn observed(&mut self, selector: &str, answer: &Seen) {
        self.keys.iter_mut().filter(|key| key.selector == selector).for_each(|key| {
            key.seen.learn(answer.clone());
        });
    }

    /// There is a new key.
    pub(crate) fn made(&mut self, selector: String, algorithm: Algorithm, record: String, now: Timestamp) {
        let key = Key {
            selector,
            algorithm,
            record,
            state: State::Made,
            since: now,
            seen: Seen::Never,
            broken: None,
        };
        self.keys.push(key);
    }

    /// Goes on as far as that is possible now, and says what is to be done outside. To be asked again after each deed and each look.
    pub(crate) fn step(&mut self, rules: &Rules, now: Timestamp) -> Vec<Deed> {
        for algorithm in [Algorithm::RsaSha256, Algorithm::Ed25519Sha256] {
            if rules.algorithms.contains(&algorithm) {
                self.advance(algorithm, rules, now);
            } else {
                self.give_up(algorithm, rules, now);
            }
            self.let_go(algorithm, rules, now);
        }
        self.stand_in(rules, now);
        let forgotten = self.forget();
        let wanted = rules.algorithms.iter().filter(|algorithm| self.lacks(**algorithm, rules, now));
        wanted.map(|algorithm| Deed::Make(*algorithm)).chain(forgotten).collect()
    }

    /// Somebody wants new keys now. Those of which there is a successor already get no other.
    pub(crate) fn rotate(&self, rules: &Rules) -> Vec<Deed> {
        let wanted = rules.algorithms.iter().filter(|algorithm| self.successor(**algorithm).is_none());
        wanted.map(|algorithm| Deed::Make(*algorithm)).collect()
    }

    /// The keys that sign: of each kind that is wanted one, if there is one whose record is in the DNS; else of another kind.
    pub(crate) fn signing(&self, rules: &Rules) -> Vec<&Key> {
        const KINDS: [Algorithm; 2] = [Algorithm::RsaSha256, Algorithm::Ed25519Sha256];
        let wanted: Vec<&Key> = rules.algorithms.iter().filter_map(|kind| self.signs(*kind)).collect();
        if wanted.is_empty() {
            KINDS.into_iter().filter_map(|kind| self.signs(kind)).collect()
        } else {
            wanted
        }
    }

    fn signs(&self, algorithm: Algorithm) -> Option<&Key> {
        // Whose turn it is; if its record is gone, one whose record is not, the latest before others.
        let turn = |key: &&Key| match key.state {
            State::Signing => 4,
            State::Published => 3,
            State::Retired => 2,
            State::Removing => 1,
            State::Made => 0,
        };
        self.of(algorithm).filter(|key| key.may_sign()).max_by_key(turn)
    }

    /// When time alone brings the next step.
    pub(crate) fn next_at(&self, rules: &Rules, now: Timestamp) -> Option<Timestamp> {
        let due = |key: &Key| match key.state {
            State::Published => Some(key.since.after(rules.publish_wait)),
            State::Signing => rules.rotate.map(|rotate| key.since.after(rotate)),
            State::Retired => Some(key.since.after(rules.retire_wait)),
            State::Made | State::Removing => None,
        };
        self.keys.iter().filter_map(due).filter(|at| *at > now).min()
    }

    fn of(&self, algorithm: Algorithm) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(move |key| key.algorithm == algorithm)
    }

    fn of_mut(&mut self, algorithm: Algorithm) -> impl Iterator<Item = &mut Key> {
        self.keys.iter_mut().filter(move |key| key.algorithm == algorithm)
    }

    /// The key that is to sign next.
    fn successor(&self, algorithm: Algorithm) -> Option<&Key> {
        self.of(algorithm).filter(|key| key.is(State::Made) || key.is(State::Published)).last()
    }

    /// Whether a key is to be made.
    fn lacks(&self, algorithm: Algorithm, rules: &Rules, now: Timestamp) -> bool {
        let is_due = |key: &Key| rules.rotate.is_some_and(|rotate| key.has_been(State::Signing, rotate, now));
        let mut signing = self.of(algorithm).filter(|key| key.is(State::Signing)).peekable();
        self.successor(algorithm).is_none() && (signing.peek().is_none() || signing.any(is_due))
    }

    fn advance(&mut self, algorithm: Algorithm, rules: &Rules, now: Timestamp) {
        for key in self.of_mut(algorithm) {
            match (key.state, &key.seen) {
                (State::Made, Seen::Right) => key.enter(State::Published, now),
                // It may be long until it is back: nobody can have a signature by it.
                (State::Published, Seen::Missing | Seen::Wrong(_)) => key.enter(State::Made, now),
                _ => {}
            }
        }
        // Who has signed longest of those that are good, and what would follow it.
        let works = self.of(algorithm).any(|key| key.is(State::Signing) && key.may_sign());
        let ready = |key: &&Key| {
            key.is(State::Published)
                && key.may_sign()
                && (!works || key.has_been(State::Published, rules.publish_wait, now))
        };
        let Some(next) = self.of(algorithm).filter(ready).last().map(|key| key.selector.clone()) else {
            return;
        };
        for key in self.of_mut(algorithm) {
            match key.state {
                _ if key.selector == next => key.enter(State::Signing, now),
                State::Signing | State::Published => key.enter(State::Retired, now),
                State::Made | State::Retired | State::Removing => {}
            }
        }
    }

    /// A kind of key that is not wanted any more signs until another kind does.
    fn give_up(&mut self, algorithm: Algorithm, rules: &Rules, now: Timestamp) {
        let others = self.signing(rules).iter().any(|key| key.algorithm != algorithm);
        for key in self.of_mut(algorithm).filter(|_| others) {
            match key.state {
                State::Signing | State::Published => key.enter(State::Retired, now),
                State::Made => key.enter(State::Removing, now),
                State::Retired | State::Removing => {}
            }
        }
    }

    /// A record can go once all signatures by its key have ended, and others are good.
    fn let_go(&mut self, algorithm: Algorithm, rules: &Rules, now: Timestamp) {
        let works = self.keys.iter().any(|key| key.is(State::Signing) && key.may_sign());
        for key in self.of_mut(algorithm).filter(|_| works) {
            let is_over = now >= key.since.after(rules.retire_wait);
            match key.state {
                State::Retired if is_over => key.enter(State::Removing, now),
                // A successor that nobody can use, with another in its place.
                State::Made if key.broken.is_some() => key.enter(State::Removing, now),
                // Signatures by it are on their way all the same.
                State::Signing | State::Published if key.broken.is_some() => {
                    key.enter(State::Retired, now);
                }
                _ => {}
            }
        }
    }

    /// A key that signs though its turn is over is needed from then on as long as others.
    fn stand_in(&mut self, rules: &Rules, now: Timestamp) {
        let signing: Vec<String> = self.signing(rules).iter().map(|key| key.selector.clone()).collect();
        let over = |key: &&mut Key| matches!(key.state, State::Retired | State::Removing);
        for key in self.keys.iter_mut().filter(over).filter(|key| signing.contains(&key.selector)) {
            key.enter(State::Retired, now);
        }
    }

    /// Keys whose records have gone are forgotten.
    fn forget(&mut self) -> Vec<Deed> {
        let is_gone = |key: &Key| key.state == State::Removing && key.seen.trouble().is_some();
        let gone = self.keys.iter().filter(|key| is_gone(key));
        let deeds = gone.map(|key| Deed::Forget(key.selector.clone())).collect();
        self.keys.retain(|key| !is_gone(key));
        deeds
    }
}

/// A name for a key that is made now, such as `r20261130`; `taken` says which are in use.
pub(crate) fn selector(algorithm: Algorithm, now: Timestamp, taken: impl Fn(&str) -> bool) -> String {
    let letter = match algorithm {
        Algorithm::RsaSha256 => 'r',
        Algorithm::Ed25519Sha256 => 'e',
    };
    let (year, month, day, ..) = now.civil();
    let name = format!("{letter}{year:04}{month:02}{day:02}");
    let more = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.clone()).chain(more).find(|name| !taken(name)).unwrap_or(name)
}

/// Kinds of keys as `k=` names them.
mod algorithm {
    use message_auth::dkim::Algorithm;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it so")]
    pub(super) fn serialize<S: Serializer>(kind: &Algorithm, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(super::kind(*kind))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Algorithm, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "rsa" => Ok(Algorithm::RsaSha256),
            "ed25519" => Ok(Algorithm::Ed25519Sha256),
            other => Err(D::Error::custom(format!("`{other}` is no kind of key"))),
        }
    }
}

/// As `k=` names it.
pub(crate) fn kind(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RsaSha256 => "rsa",
        Algorithm::Ed25519Sha256 => "ed25519",
    }
}

/// Times as milliseconds since the epoch.
mod millis {
    use mail::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it so")]
    pub(super) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(at.as_millis())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        u64::deserialize(deserializer).map(Timestamp::from_millis)
    }
}

#[cfg(test)]
mod tests;
