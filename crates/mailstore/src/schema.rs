//! The tables of mailboxes.

use store::{Migration, Schema};

use crate::{acl, metadata};

/// The tables. No foreign keys: what refers to what is counted, for nothing here is removed by its owner alone, and `verify` checks it.
pub const SCHEMA: Schema = Schema {
    owner: "mailstore",
    migrations: &[Migration {
        name: "accounts, mailboxes, messages and their content",
        sql: "
            CREATE TABLE account (
                id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, uid_validity_last BIGINT NOT NULL,
                octets BIGINT NOT NULL, messages BIGINT NOT NULL, octets_max BIGINT, messages_max BIGINT);
            CREATE TABLE mailbox (
                id INTEGER PRIMARY KEY AUTOINCREMENT, account BIGINT NOT NULL, name TEXT NOT NULL,
                uid_validity BIGINT NOT NULL, uid_next BIGINT NOT NULL, highest_modseq BIGINT NOT NULL,
                expunged_floor BIGINT NOT NULL, recent_from BIGINT NOT NULL, special_use TEXT,
                messages BIGINT NOT NULL, unseen BIGINT NOT NULL, deleted BIGINT NOT NULL, octets BIGINT NOT NULL,
                deleted_octets BIGINT NOT NULL, UNIQUE (account, name));
            CREATE TABLE past_name (
                account BIGINT NOT NULL, name TEXT NOT NULL, uid_validity BIGINT NOT NULL, PRIMARY KEY (account, name));
            CREATE TABLE subscription (account BIGINT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (account, name));
            CREATE TABLE keyword (
                mailbox BIGINT NOT NULL, bit BIGINT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (mailbox, bit));
            CREATE TABLE message (
                mailbox BIGINT NOT NULL, uid BIGINT NOT NULL, modseq BIGINT NOT NULL, flags BIGINT NOT NULL,
                keywords BIGINT NOT NULL, email BIGINT NOT NULL, content BIGINT NOT NULL, thread BIGINT,
                octets BIGINT NOT NULL, head_octets BIGINT NOT NULL, internal_date BIGINT NOT NULL,
                saved_date BIGINT NOT NULL, PRIMARY KEY (mailbox, uid)) WITHOUT ROWID;
            CREATE INDEX message_modseq ON message (mailbox, modseq);
            CREATE TABLE expunged (
                mailbox BIGINT NOT NULL, modseq BIGINT NOT NULL, uid_first BIGINT NOT NULL, uid_last BIGINT NOT NULL,
                PRIMARY KEY (mailbox, modseq, uid_first)) WITHOUT ROWID;
            CREATE TABLE email (
                id INTEGER PRIMARY KEY AUTOINCREMENT, account BIGINT NOT NULL, content BIGINT NOT NULL,
                references_held BIGINT NOT NULL, garbage_since BIGINT, head BLOB NOT NULL);
            CREATE INDEX email_garbage ON email (garbage_since) WHERE garbage_since IS NOT NULL;
            CREATE TABLE content (
                id INTEGER PRIMARY KEY AUTOINCREMENT, hash BLOB UNIQUE, octets BIGINT NOT NULL,
                references_held BIGINT NOT NULL, garbage_since BIGINT);
            CREATE INDEX content_garbage ON content (garbage_since) WHERE garbage_since IS NOT NULL;
            CREATE TABLE structure (content INTEGER PRIMARY KEY, octets BLOB NOT NULL);
            CREATE TABLE piece (id INTEGER PRIMARY KEY, octets BLOB NOT NULL);
            CREATE TABLE message_id (
                account BIGINT NOT NULL, number BIGINT NOT NULL, thread BIGINT NOT NULL,
                PRIMARY KEY (account, number)) WITHOUT ROWID;
            CREATE TABLE delivery (key BLOB PRIMARY KEY, delivered BIGINT NOT NULL) WITHOUT ROWID;
            CREATE INDEX delivery_delivered ON delivery (delivered);",
    },
    Migration {
        name: "which messages were imported",
        sql: "
            CREATE TABLE imported (account BIGINT NOT NULL, key BLOB NOT NULL, PRIMARY KEY (account, key)) WITHOUT ROWID;",
    },
    acl::TABLES,
    metadata::TABLES,
    WARNED],
};

/// `warned` is the share of its quota, in hundredths, of which an account was warned and below which it has not fallen since, else 0; `told_full` is 1 once it
/// was told that mail waits, until something goes.
const WARNED: Migration = Migration {
    name: "what was told of quotas",
    sql: "
        ALTER TABLE account ADD COLUMN warned BIGINT NOT NULL DEFAULT 0;
        ALTER TABLE account ADD COLUMN told_full BIGINT NOT NULL DEFAULT 0;",
};
