//! All tables there are, by the crates that own them.

use store::Schema;

/// In the order in which they are made.
pub(crate) const ALL: [Schema; 1] = [directory::SCHEMA];

/// Those of the database with the mailboxes.
pub(crate) const MAILBOXES: [Schema; 1] = [mailstore::SCHEMA];
