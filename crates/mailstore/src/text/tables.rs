//! The tables of the index.

use store::{Migration, Schema};

/// How texts are cut out, folded and written down. Another rule of ours is another number; other tables of characters are, too.
pub(super) const RULE: &str = "2";

/// The tables of the index of texts, in a file of its own.
pub const TEXT_SCHEMA: Schema = Schema {
    owner: "text",
    migrations: &[Migration {
        name: "segments of the index, and up to where mailboxes are in it",
        sql: "
            CREATE TABLE rule (name TEXT PRIMARY KEY);
            CREATE TABLE mark (mailbox INTEGER PRIMARY KEY, uid BIGINT NOT NULL);
            CREATE TABLE segment (
                id INTEGER PRIMARY KEY AUTOINCREMENT, account BIGINT NOT NULL, octets BIGINT NOT NULL,
                email_first BIGINT NOT NULL, email_last BIGINT NOT NULL);
            CREATE INDEX segment_account ON segment (account);
            CREATE TABLE piece (id INTEGER PRIMARY KEY, checksum BIGINT NOT NULL, octets BLOB NOT NULL);",
    }],
};

/// The rule by which this program makes and reads an index.
pub(super) fn rule() -> String {
    let (major, minor, patch) = char::UNICODE_VERSION;
    format!("{RULE}; Unicode {major}.{minor}.{patch}")
}
