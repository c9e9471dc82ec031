//! IMAP sessions with a mailstore behind them, as dialogues.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod compress;
mod index;
mod stage;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use stage::Stage;
use testkit::dialogue::play_file;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues/imap")
}

fn play(name: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let file = directory().join(name).with_extension("txt");
    // It waits for the disk, which nothing within a runtime may.
    let mut stage = Stage::new();
    let played = runtime.block_on(async { play_file(&file, &mut stage).await });
    assert!(played.is_ok(), "{name}, {}", played.unwrap_err());
}

macro_rules! dialogues {
    ($($name:ident)*) => {
        mod dialogues {
            $(#[test] fn $name() { super::play(stringify!($name)); })*
        }
        #[test]
        fn every_file_is_listed() {
            let listed = BTreeSet::from([$(stringify!($name),)*].map(String::from));
            let stem = |entry: std::io::Result<std::fs::DirEntry>| {
                entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()
            };
            let there: BTreeSet<String> = std::fs::read_dir(directory()).unwrap().map(stem).collect();
            assert_eq!(listed, there);
        }
    };
}

dialogues! {
    acl
    acl_changed
    acl_enforced
    append
    binary
    condstore
    copy
    damaged
    deleted
    expired
    expunge
    fetch
    flags_of_two
    i18n
    idle
    keywords
    large_fields
    list
    login
    mailboxes
    metadata
    multiappend
    notify
    notify_none
    notify_overflow
    notify_selected
    notify_shared
    qresync
    recent
    replace
    search
    search_bounds
    search_index
    sections
    select
    sort
    store
}
