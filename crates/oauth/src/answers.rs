//! What a provider said about tokens, for a short while: who polls does not ask it each time.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use mail::Timestamp;

use crate::Refusal;

/// Answers that are kept.
const ANSWERS_MAX: usize = 10_000;
/// For how long a yes counts: so long a token lives on that was revoked.
const YES_FOR: Duration = Duration::from_mins(1);
/// A token that is not valid does not become so.
const NO_FOR: Duration = Duration::from_mins(1);

type Answer = Result<Box<str>, Refusal>;

/// An answer, and until when it counts.
type Kept = (Answer, Timestamp);

/// Answers by the digest of the token: no token is kept.
#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<HashMap<Box<[u8]>, Kept>>);

impl Answers {
    pub(crate) fn get(&self, token: &str, now: Timestamp) -> Option<Answer> {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (answer, until) = answers.get(&key(token))?;
        holds(*until, now).then(|| answer.clone())
    }

    /// Keeps an answer; a yes no longer than the token holds. A full table keeps no more until something in it is over.
    pub(crate) fn keep(&self, token: &str, answer: &Answer, expiry: Option<Timestamp>, now: Timestamp) {
        let until = match answer {
            Ok(_) => now.after(YES_FOR).min(expiry.unwrap_or(now.after(YES_FOR))),
            Err(Refusal::Unavailable(_)) => return,
            Err(_) => now.after(NO_FOR),
        };
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= ANSWERS_MAX {
            answers.retain(|_, (_, until)| holds(*until, now));
        }
        if answers.len() < ANSWERS_MAX {
            answers.insert(key(token), (answer.clone(), until));
        }
    }
}

/// A time further away than any is one from before the clock was set back.
fn holds(until: Timestamp, now: Timestamp) -> bool {
    now < until && until <= now.after(YES_FOR.max(NO_FOR))
}

fn key(token: &str) -> Box<[u8]> {
    digest(&SHA256, token.as_bytes()).as_ref().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + seconds * 1000)
    }

    #[test]
    fn an_answer_is_kept_for_a_short_while() {
        let answers = Answers::default();
        let yes = Ok("anna@example.org".into());
        answers.keep("a", &yes, None, at(0));
        answers.keep("b", &yes, Some(at(10)), at(0));
        answers.keep("c", &Err(Refusal::Inactive), None, at(0));
        answers.keep("d", &Err(Refusal::Unavailable("".into())), None, at(0));
        assert_eq!(answers.get("a", at(59)), Some(yes.clone()));
        assert_eq!(answers.get("a", at(60)), None);
        assert_eq!((answers.get("b", at(9)), answers.get("b", at(10))), (Some(yes), None));
        assert_eq!(answers.get("c", at(1)), Some(Err(Refusal::Inactive)));
        assert_eq!(answers.get("d", at(1)), None);
        assert_eq!(answers.get("a", Timestamp::from_millis(0)), None, "the clock was set back");
    }

    #[test]
    fn a_flood_of_tokens_takes_no_more_memory_than_the_table_has() {
        let answers = Answers::default();
        for number in 0..ANSWERS_MAX + 10 {
            answers.keep(&number.to_string(), &Err(Refusal::Inactive), None, at(0));
        }
        assert_eq!(answers.0.lock().unwrap().len(), ANSWERS_MAX);
        answers.keep("late", &Err(Refusal::Inactive), None, at(61));
        assert_eq!(answers.0.lock().unwrap().len(), 1);
    }
}
