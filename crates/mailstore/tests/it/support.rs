//! A mailstore in a directory of its own.

use std::path::PathBuf;

use mailstore::{
    AccountId, Content, Delivery, FlagAction, FlagChange, Flags, Mailbox, MailboxId, Mailstore, ModSeq,
    NewMessage, Uid, UidSet,
};

/// Monday, 1 January 2024.
pub(crate) const NOW: i64 = 1_704_067_200_000;
pub(crate) const HOUR: i64 = 3_600_000;

pub(crate) struct Fixture {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) mailstore: Mailstore,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mailstore = Mailstore::open(&dir.path().join("mailboxes.db")).unwrap().0;
        Self { dir, mailstore }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("mailboxes.db")
    }

    pub(crate) async fn anna(&self) -> AccountId {
        self.mailstore.account("anna@example.org", NOW).await.unwrap()
    }

    pub(crate) fn mailbox(&self, account: AccountId, name: &str) -> Mailbox {
        self.mailstore.mailbox(account, name).unwrap().unwrap()
    }

    pub(crate) async fn inbox(&self) -> MailboxId {
        let anna = self.anna().await;
        self.mailbox(anna, "INBOX").id
    }

    pub(crate) async fn append(&self, mailbox: MailboxId, text: &str) -> Uid {
        self.mailstore.append(mailbox, vec![message(text)], NOW).await.unwrap().uids[0]
    }

    pub(crate) fn uids(&self, mailbox: MailboxId) -> Vec<Uid> {
        self.mailstore.view(mailbox).unwrap().messages.iter().map(|message| message.uid).collect()
    }

    /// All octets of a message.
    pub(crate) fn octets(&self, mailbox: MailboxId, uid: Uid) -> Vec<u8> {
        let facts = self.mailstore.facts(mailbox, &UidSet::single(uid)).unwrap();
        let mut reader = self.mailstore.reader(facts[0].email).unwrap();
        let mut all = Vec::new();
        while let Some(piece) = reader.next_piece().unwrap() {
            assert!(!piece.is_empty() && piece.len() <= 64 * 1024);
            all.extend(piece);
        }
        assert_eq!(all.len() as u64, facts[0].octets);
        all
    }

    /// Nothing contradicts itself.
    pub(crate) fn verify(&self) {
        assert_eq!(self.mailstore.verify().unwrap(), []);
    }

    pub(crate) async fn flag(&self, mailbox: MailboxId, uid: Uid, flags: Flags) -> ModSeq {
        let change =
            FlagChange { action: FlagAction::Add, flags, keywords: Vec::new(), unchanged_since: None };
        self.mailstore.store_flags(mailbox, UidSet::single(uid), change).await.unwrap().modseq
    }
}

pub(crate) fn message(text: &str) -> NewMessage {
    NewMessage {
        content: Content::new(text.as_bytes().to_vec()),
        flags: Flags::none(),
        keywords: Vec::new(),
        internal_date: NOW,
    }
}

pub(crate) fn delivery(account: &str, key: &str, text: &str) -> Delivery {
    Delivery {
        account: account.to_owned(),
        folder: None,
        junk: false,
        key: key.as_bytes().to_vec(),
        head: format!("Delivered-To: {account}\r\n").into_bytes(),
        content: Content::new(text.as_bytes().to_vec()),
        now: NOW,
    }
}

pub(crate) fn set(uids: impl IntoIterator<Item = Uid>) -> UidSet {
    uids.into_iter().collect()
}
