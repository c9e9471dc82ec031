//! What an idle session takes of memory. A program of its own: the allocator counts for all of it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{alloc::System, sync::Arc};

use access::{Config, imap::Imap};
use cap::Cap;
use directory::{AccountConfig, Authenticator, Directory, DomainConfig, Secret};
use disk::SystemClock;
use mailstore::{Content, Flags, Mailstore, NewMessage};
use net::{Shutdown, TlsMode};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

const SESSIONS: usize = 50;
/// design: an idle session, whatever the size of its mailbox. Both ends of its connection are in it here.
const SESSION_OCTETS_MAX: usize = 24 << 10;

async fn until(wire: &mut BufReader<DuplexStream>, begin: &str) {
    let mut line = String::new();
    while !line.starts_with(begin) {
        line.clear();
        assert_ne!(wire.read_line(&mut line).await.unwrap(), 0, "closed before {begin}");
    }
}

async fn idle_session(imap: &Imap) -> BufReader<DuplexStream> {
    let (near, far) = duplex(512);
    let imap = imap.clone();
    tokio::spawn(async move {
        let _ = imap.session(TlsMode::None, [127, 0, 0, 1].into(), far, &mut Shutdown::never()).await;
    });
    let mut wire = BufReader::with_capacity(64, near);
    until(&mut wire, "* OK").await;
    for (command, end) in [
        ("a LOGIN anna@example.org secret\r\n", "a OK"),
        ("b SELECT INBOX\r\n", "b OK"),
        ("c FETCH 1:100 (FLAGS ENVELOPE BODYSTRUCTURE)\r\n", "c OK"),
        ("d IDLE\r\n", "+ "),
    ] {
        wire.write_all(command.as_bytes()).await.unwrap();
        until(&mut wire, end).await;
    }
    wire
}

#[test]
fn an_idle_session_is_small() {
    let temporary = tempfile::tempdir().unwrap();
    let (mailstore, _) = Mailstore::open(&temporary.path().join("mailboxes.db")).unwrap();
    let domain = DomainConfig { name: "example.org".into(), catch_all: None, subaddress: None };
    let login = "anna@example.org".into();
    let anna = AccountConfig { login, password: Some(Secret::new("secret")), ..AccountConfig::default() };
    let people =
        directory::Config { domains: vec![domain], accounts: vec![anna], ..directory::Config::default() };
    let logins = Authenticator::new(Arc::new(Directory::new(people).unwrap()), b"secret");
    let config = Config { login_in_clear: true, ..Config::default() };
    let imap = Imap::new(config, mailstore.clone(), logins, Arc::new(SystemClock));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let each = runtime.block_on(async {
        let account = mailstore.account("anna@example.org", 0).await.unwrap();
        let inbox = mailstore.mailbox(account, "INBOX").unwrap().unwrap();
        let message = || NewMessage {
            content: Content::new(b"Subject: x\r\n\r\nx\r\n".to_vec()),
            flags: Flags::none(),
            keywords: Vec::new(),
            internal_date: 0,
        };
        mailstore.append(inbox.id, (0..2000).map(|_| message()).collect(), 0).await.unwrap();
        // What is made once is no session's.
        let first = idle_session(&imap).await;
        let before = HEAP.allocated();
        let mut sessions = Vec::with_capacity(SESSIONS);
        for _ in 0..SESSIONS {
            sessions.push(idle_session(&imap).await);
        }
        let each = HEAP.allocated().saturating_sub(before) / SESSIONS;
        drop((first, sessions));
        each
    });
    assert!(each <= SESSION_OCTETS_MAX, "an idle session takes {each} octets");
}
