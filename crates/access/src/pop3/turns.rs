//! How many sessions have a maildrop open. RFC 1939 §4 wants it locked "as necessary": messages never change here, and one that another
//! session removes is refused by its number, so a bound is all that is needed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Sessions of one maildrop at once.
const SESSIONS_MAX: usize = 8;

/// Who has which maildrop open.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<Box<str>, usize>>);

/// The right to have a maildrop open. Given back when dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Arc<Turns>,
    name: Box<str>,
}

impl Turns {
    /// One more session of a maildrop. None: it is in use.
    pub(super) fn take(self: &Arc<Self>, name: &str) -> Option<Turn> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(name.into()).or_default();
        if *count >= SESSIONS_MAX {
            return None;
        }
        *count += 1;
        Some(Turn { turns: Arc::clone(self), name: name.into() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut open = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maildrop_has_so_many_sessions_and_gives_their_places_back() {
        let turns = Arc::new(Turns::default());
        let mut taken: Vec<Turn> = (0..SESSIONS_MAX).map(|_| turns.take("anna").unwrap()).collect();
        assert!(turns.take("anna").is_none());
        assert!(turns.take("bert").is_some());
        taken.pop();
        taken.push(turns.take("anna").unwrap());
        drop(taken);
        assert!(turns.0.lock().unwrap().is_empty());
    }
}
