//! How long mail is put off because a DNS of others does not answer: at most an hour, then it goes on (mail-rules 5).

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use mail::{ReversePath, Timestamp};

/// Messages that are remembered. With more, a new one is not put off: mail that comes in on a guess is better than mail that never comes.
const REMEMBERED_MAX: usize = 16_384;
/// Who does not come again within this time has given up.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(24);

/// When messages were first put off. A restart forgets it, and they are put off anew.
#[derive(Debug, Default)]
pub(crate) struct PutOff {
    first_seen: Mutex<HashMap<u64, Timestamp>>,
    /// What strangers write cannot be made to collide.
    hasher: RandomState,
}

/// By what a message is known when it comes again, from whatever address.
#[derive(Debug, Hash)]
pub(crate) struct Known<'a> {
    pub(crate) reverse_path: &'a ReversePath,
    pub(crate) message_id: Option<&'a str>,
    pub(crate) author: Option<&'a str>,
    pub(crate) recipient: Option<&'a str>,
}

impl PutOff {
    /// Whether the message may be put off once more.
    pub(crate) fn may(&self, message: &Known<'_>, now: Timestamp, max: Duration) -> bool {
        if max.is_zero() {
            return false;
        }
        let key = self.hasher.hash_one(message);
        let mut first_seen = self.first_seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |first: Timestamp| now.since(first) < FORGOTTEN_AFTER && first <= now;
        if let Some(first) = first_seen.get(&key).copied().filter(|first| is_fresh(*first)) {
            return now.since(first) < max;
        }
        first_seen.remove(&key);
        if first_seen.len() >= REMEMBERED_MAX {
            first_seen.retain(|_, first| is_fresh(*first));
        }
        let has_room = first_seen.len() < REMEMBERED_MAX;
        if has_room {
            first_seen.insert(key, now);
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const NOW: Timestamp = Timestamp::from_millis(1_795_456_934_000);

    fn known(id: &str) -> Known<'_> {
        Known { reverse_path: &ReversePath::Null, message_id: Some(id), author: None, recipient: None }
    }

    #[test]
    fn a_message_is_put_off_for_an_hour_and_no_longer() {
        let put_off = PutOff::default();
        let may = |id, minutes| put_off.may(&known(id), NOW.after(Duration::from_mins(minutes)), HOUR);
        assert!(may("a", 0) && may("a", 30) && may("b", 59) && may("a", 59));
        assert!(!may("a", 60) && !may("a", 61), "it goes on");
        assert!(may("a", 60 * 25), "another one of that name");
        assert!(may("b", 100) && !may("b", 119));
        assert!(!put_off.may(&known("c"), NOW, Duration::ZERO));
    }

    #[test]
    fn memory_is_bounded_and_nothing_is_put_off_for_ever_for_want_of_it() {
        let put_off = PutOff::default();
        for number in 0..2 * REMEMBERED_MAX {
            assert_eq!(put_off.may(&known(&number.to_string()), NOW, HOUR), number < REMEMBERED_MAX);
        }
        assert_eq!(put_off.first_seen.lock().unwrap().len(), REMEMBERED_MAX);
        assert!(put_off.may(&known("late"), NOW.after(2 * FORGOTTEN_AFTER), HOUR), "there is room again");
        assert_eq!(put_off.first_seen.lock().unwrap().len(), 1);
    }
}
