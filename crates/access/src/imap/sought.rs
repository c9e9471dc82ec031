//! A text that is looked for in all that messages say, and what the index of texts knows of it.

use std::sync::Arc;

use mailstore::{SearchedText, Uid, UidSet};

use super::text::Needle;

/// A text that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sought {
    pub(super) needle: Needle,
    /// In the header too (TEXT), or only in texts and names of parts (BODY).
    pub(super) in_header: bool,
    index: Option<Settled>,
}

/// What an index knows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Settled {
    /// The messages that it knows.
    indexed: Arc<UidSet>,
    /// Those of them that have the text.
    having: UidSet,
}

impl Sought {
    pub(super) fn new(needle: Needle, in_header: bool) -> Self {
        Self { needle, in_header, index: None }
    }

    /// What an index is asked.
    pub(super) fn asked(&self) -> SearchedText {
        SearchedText { text: self.needle.text().to_owned(), in_header: self.in_header }
    }

    /// What it answered. None: it cannot tell.
    pub(super) fn settle(&mut self, indexed: &Arc<UidSet>, having: Option<UidSet>) {
        self.index = having.map(|having| Settled { indexed: Arc::clone(indexed), having });
    }

    /// Whether a message has it, if the index knows the message.
    pub(super) fn settled(&self, uid: Uid) -> Option<bool> {
        let Settled { indexed, having } = self.index.as_ref()?;
        indexed.contains(uid).then(|| having.contains(uid))
    }
}
