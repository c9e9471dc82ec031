//! Servers that do what no good one does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use directory::{Answered, Config as Declared, Elsewhere, People, Resolution, SCHEMA};
use mail::Address;
use net::ShutdownSwitch;
use store::Store;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};

use crate::{
    Config, Keeper, LdapError, Server, Tls,
    ber::{self, ENUMERATED, INTEGER, OCTETS, Reader, SEQUENCE, SET, put, put_number, put_within},
    person::tests::config,
    source::{Login, Source},
};

const SOON: Duration = Duration::from_secs(20);
const BIND: u8 = 0x60;
const SEARCH: u8 = 0x63;
const STARTTLS: u8 = 0x77;

/// A server that answers each request by a function of its id, its tag, and how many there were before, on all connections.
/// `None`: it hangs up.
async fn serve(answer: impl Fn(u32, u8, usize) -> Option<Vec<u8>> + Send + Sync + 'static) -> Config {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (answer, count) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (answer, count) = (Arc::clone(&answer), Arc::clone(&count));
            tokio::spawn(async move {
                let mut read = Vec::new();
                while stream.read_buf(&mut read).await.is_ok_and(|octets| octets > 0) {
                    let Some(length) = ber::length(&read, 1 << 20).unwrap().filter(|all| *all <= read.len())
                    else {
                        continue;
                    };
                    let mut message = Reader::new(&read[..length]).within(SEQUENCE).unwrap();
                    let (id, tag) = (message.number(INTEGER).unwrap(), message.peek().unwrap());
                    read.drain(..length);
                    let Some(octets) = answer(id, tag, count.fetch_add(1, Ordering::SeqCst)) else { return };
                    let _ = stream.write_all(&octets).await;
                }
            });
        }
    });
    let server = Server { host: "127.0.0.1".into(), port, tls: Tls::None };
    Config { servers: vec![server], timeout: Duration::from_secs(2), ..config() }
}

fn message(id: u32, tag: u8, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    put_within(&mut out, SEQUENCE, |out| {
        put_number(out, INTEGER, id);
        put_within(out, tag, write);
    });
    out
}

fn done(id: u32, tag: u8, code: u32) -> Vec<u8> {
    message(id, tag, |out| {
        put_number(out, ENUMERATED, code);
        put(out, OCTETS, b"");
        put(out, OCTETS, b"");
    })
}

fn entry(id: u32, mail: &str) -> Vec<u8> {
    message(id, 0x64, |out| {
        put(out, OCTETS, b"uid=anna");
        put_within(out, SEQUENCE, |out| {
            put_within(out, SEQUENCE, |out| {
                put(out, OCTETS, b"mail");
                put_within(out, SET, |out| put(out, OCTETS, mail.as_bytes()));
            });
        });
    })
}

fn anna() -> Address {
    "anna@example.org".parse().unwrap()
}

/// What becomes of a search for anna.
async fn searched(
    answer: impl Fn(u32, u8, usize) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> Result<bool, LdapError> {
    let source = Source::new(serve(answer).await).unwrap();
    source.by_address(&anna()).await.map(|found| found.is_some())
}

#[tokio::test]
async fn a_referral_among_entries_is_passed_over_and_one_instead_is_no_answer() {
    let reference = |id| message(id, 0x73, |out| put(out, OCTETS, b"ldap://elsewhere.example/dc=x"));
    let among =
        move |id, _, _| Some([reference(id), entry(id, "anna@example.org"), done(id, 0x65, 0)].concat());
    assert!(searched(among).await.unwrap());
    let error = searched(|id, _, _| Some(done(id, 0x65, 10))).await.unwrap_err();
    assert!(error.to_string().contains("referral (10)") && error.hint().contains("not followed"), "{error}");
}

#[tokio::test]
async fn what_is_no_answer_says_nothing_about_anybody() {
    for wrong in [
        &b"\x30\x80"[..],
        b"\x30\x84\x7f\xff\xff\xff",
        b"220 mx.example.org ESMTP\r\n",
        // To another question.
        b"\x30\x0c\x02\x01\x63\x65\x07\x0a\x01\x00\x04\x00\x04\x00",
        b"\x30\x05\x02\x01\x01\x65\x00",
    ] {
        let error = searched(move |_, _, _| Some(wrong.to_vec())).await.unwrap_err();
        assert!(matches!(error, LdapError::Malformed(_)), "{wrong:?}: {error}");
    }
    // Nor does one that says that it stops, or that says nothing.
    let error = searched(|_, _, _| Some(done(0, 0x78, 52))).await.unwrap_err();
    assert!(error.to_string().contains("unavailable (52)"), "{error}");
    assert!(matches!(searched(|_, _, _| None).await, Err(LdapError::Lost(_))));
    assert!(matches!(searched(|_, _, _| Some(Vec::new())).await, Err(LdapError::TimedOut(_))));
}

#[tokio::test]
async fn who_is_found_without_the_address_is_somebody_else() {
    let other = |id, _, _| Some([entry(id, "ben@example.org"), done(id, 0x65, 0)].concat());
    assert!(!searched(other).await.unwrap());
}

#[tokio::test]
async fn a_connection_that_died_in_its_sleep_is_replaced() {
    // The second request finds the door shut.
    let source = Source::new(
        serve(|id, _, count| {
            (count != 1).then(|| [entry(id, "anna@example.org"), done(id, 0x65, 0)].concat())
        })
        .await,
    );
    let source = source.unwrap();
    for _ in 0..3 {
        assert!(source.by_address(&anna()).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn what_a_bind_means() {
    let answer = |code: u32| {
        move |id, tag, _| match tag {
            BIND => Some(done(id, 0x61, code)),
            SEARCH => Some([entry(id, "anna@example.org"), done(id, 0x65, 0)].concat()),
            _ => None,
        }
    };
    for (code, expected) in [
        (0, "right"),
        (49, "wrong"),
        (53, "wrong"),
        (19, "wrong"),
        (51, "no"),
        (10, "no"),
        (13, "no"),
        (80, "no"),
    ] {
        let source = Source::new(serve(answer(code)).await).unwrap();
        let found = match source.log_in(&anna(), &sasl::Password::new("tiger")).await {
            Ok(Login::Right(_)) => "right",
            Ok(Login::Wrong(_)) => "wrong",
            Err(_) => "no",
        };
        assert_eq!(found, expected, "{code}");
    }
}

#[tokio::test]
async fn two_entries_for_one_login_let_nobody_in() {
    let source = serve(|id, tag, _| match tag {
        BIND => Some(done(id, 0x61, 0)),
        _ => Some([entry(id, "anna@example.org"), entry(id, "anna@example.org"), done(id, 0x65, 4)].concat()),
    });
    let source = Source::new(source.await).unwrap();
    let login = source.log_in(&anna(), &sasl::Password::new("tiger")).await.unwrap();
    assert!(matches!(&login, Login::Wrong(why) if why.contains("2 entries")), "{login:?}");
}

#[tokio::test]
async fn without_tls_where_it_is_wanted_nothing_is_said() {
    let config = serve(|id, tag, _| {
        assert_eq!(tag, STARTTLS, "something was said in clear");
        Some(done(id, 0x78, 2))
    });
    let mut config = config.await;
    config.servers[0].tls = Tls::StartTls;
    config.bind = Some(("cn=a".into(), crate::Secret::new("secret")));
    let error = Source::new(config).unwrap().by_address(&anna()).await.unwrap_err();
    assert!(error.to_string().contains("StartTLS failed: protocolError (2)"), "{error}");
}

/// An octet in clear behind the answer to `StartTLS` may be anybody's.
#[tokio::test]
async fn what_came_in_clear_is_not_taken_for_what_came_under_tls() {
    let config = serve(|id, _, _| Some([done(id, 0x78, 0), entry(2, "anna@example.org")].concat()));
    let mut config = config.await;
    config.servers[0].tls = Tls::StartTls;
    let error = Source::new(config).unwrap().by_address(&anna()).await.unwrap_err();
    assert!(matches!(error, LdapError::Malformed(_)), "{error}");
}

/// People of this server, with one directory elsewhere.
fn people(dir: &tempfile::TempDir) -> Arc<People> {
    let (store, _) = Store::open(&dir.path().join("store.db"), &[SCHEMA]).unwrap();
    let declared = Declared {
        domains: vec![directory::DomainConfig { name: "here.example".into(), ..Default::default() }],
        accounts: vec![directory::AccountConfig { login: "ben@here.example".into(), ..Default::default() }],
        external: vec![vec!["example.org".into(), "example.net".into()]],
        ..Declared::default()
    };
    Arc::new(People::load(store, declared).unwrap().0)
}

#[tokio::test]
async fn a_directory_that_has_nobody_any_more_is_not_believed_and_one_that_is_silent_for_long_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let people = people(&dir);
    let (changes, mut changed) = tokio::sync::mpsc::unbounded_channel();
    people.publish_to(Box::new(move |directory| drop(changes.send(Arc::clone(directory)))));
    // First it has anna, then nobody, and then it says nothing.
    let searches = AtomicUsize::new(0);
    let config = serve(move |id, tag, _| {
        let search = (tag == SEARCH).then(|| searches.fetch_add(1, Ordering::SeqCst))?;
        match search {
            0 => Some([entry(id, "anna@example.org"), done(id, 0x65, 0)].concat()),
            1 => Some(done(id, 0x65, 0)),
            _ => None,
        }
    });
    let config =
        Config { refresh: Duration::from_millis(50), outage_max: Duration::from_millis(100), ..config.await };
    let keeper = Arc::new(Keeper::new(&[config], people).unwrap());
    let (switch, shutdown) = ShutdownSwitch::new();
    let running = tokio::spawn({
        let keeper = Arc::clone(&keeper);
        async move { keeper.run(shutdown).await }
    });
    let first = timeout(SOON, changed.recv()).await.unwrap().unwrap();
    assert_eq!(first.resolve(&anna()), Resolution::Mailboxes(vec![anna()]));
    // The empty one changes nothing, so the next change is that it is forgotten.
    let next = timeout(SOON, changed.recv()).await.unwrap().unwrap();
    assert_eq!(next.resolve(&anna()), Resolution::Unsure);
    assert_eq!(keeper.find(&[anna()]).await, Answered::Unreachable);
    switch.press();
    timeout(SOON, running).await.unwrap().unwrap();
}
