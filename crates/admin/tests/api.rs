//! The API over a real Unix socket, with a real spool behind it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::{
    fs,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use admin::{Control, Problem, Server, SocketError, api};
use directory::{AccountConfig, Attempt, Authenticator, Config, Directory, DomainConfig, Scope};
use disk::{Clock, OsDisk, OsRandom};
use events::{Event, Kind, Log};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use mail::{Address, Client, EnhancedStatus, Envelope, QueueId, Recipient, Reply, ReversePath};
use sasl::server::Question;
use serde::de::DeserializeOwned;
use spool::{Content, Disposition, Finished, RecipientOutcome, Spool, Submission};
use tempfile::TempDir;
use testkit::clock::FakeClock;
use tokio::{net::UnixStream, task::JoinHandle};

/// A served API, its parts, and the directory with their files.
struct Fixture {
    dir: TempDir,
    spool: Spool,
    events: Arc<Log>,
    logins: Authenticator,
    clock: Arc<FakeClock>,
    switch: net::ShutdownSwitch,
    server: JoinHandle<std::io::Result<()>>,
}

struct Answer {
    status: StatusCode,
    kind: String,
    body: Bytes,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (disk, clock) = (Arc::new(OsDisk), Arc::new(FakeClock::default()));
        let mut events = events::Config::new(dir.path().join("events"));
        // Small files, so that there are many.
        events.file_octets = 4096;
        let events = Arc::new(Log::open(events, disk.clone(), clock.clone()).unwrap());
        let config = spool::Config::small(dir.path().join("spool"));
        let (spool, _) =
            Spool::open(config, disk.clone(), clock.clone(), Arc::new(OsRandom), Arc::clone(&events))
                .unwrap();
        let logins = logins();
        let listeners = vec![api::Listener {
            service: "smtp".into(),
            address: "127.0.0.1:25".into(),
            tls: "none".into(),
        }];
        let server = Server {
            version: "0.1.0",
            pid: 7,
            hostname: "mx.example.org".into(),
            started: clock.now(),
            listeners,
        };
        let (switch, shutdown) = net::ShutdownSwitch::new();
        let database = dir.path().join("store.db");
        let (store, _) = store::Store::open(&database, &[directory::SCHEMA]).unwrap();
        let declared = Config {
            domains: vec![DomainConfig { name: "example.org".into(), ..Default::default() }],
            accounts: vec![AccountConfig { login: "postmaster@example.org".into(), ..Default::default() }],
            ..Default::default()
        };
        let (people, _) = directory::People::load(store, declared).unwrap();
        let (mailstore, _) = mailstore::Mailstore::open(&dir.path().join("mailboxes.db")).unwrap();
        let control = Control {
            spool: spool.clone(),
            people: Arc::new(people),
            mailstore: Some(mailstore),
            events: Arc::clone(&events),
            stop: shutdown.clone(),
            events_dir: dir.path().join("events"),
            disk,
            clock: clock.clone(),
            logins: logins.clone(),
            reload: Arc::new(|| Err("error: line 3\nis wrong".to_owned())),
            sites: Arc::new(|| {
                let rests_until = Some("2026-11-23T19:00:00.000Z".to_owned());
                vec![api::Site {
                    name: "mx.example".into(),
                    connections: 0,
                    connections_allowed: 2,
                    rests_until,
                }]
            }),
            relays: Arc::new(Vec::new),
            signing: Arc::new(|| {
                let domain = |name: &str, trouble: Option<&str>| api::SigningDomain {
                    domain: name.to_owned(),
                    kept: true,
                    trouble: trouble.map(str::to_owned),
                    held: trouble.is_some(),
                    keys: vec![api::SigningKey { selector: "r1".to_owned(), ..Default::default() }],
                };
                api::Signing {
                    domains: vec![domain("a.example", None), domain("b.example", Some("there is no record"))],
                }
            }),
            rotate: Arc::new(|domain| match domain {
                "a.example" => Ok(()),
                other => Err(format!("keys of {other} are not made here")),
            }),
            maildrop: Arc::new(|| api::Maildrop { waiting: 2, aside: 1 }),
            certificate: Arc::new(|| {
                let names = vec!["mx.example.org".to_owned()];
                Some(api::Certificate { names, failures: 3, ..api::Certificate::default() })
            }),
            server: Arc::new(server),
        };
        let listener = admin::bind(&socket(dir.path())).unwrap();
        let mut stopped = shutdown;
        let router = admin::router(control);
        let server = tokio::spawn(admin::serve(listener, router, async move { stopped.requested().await }));
        Self { dir, spool, events, logins, clock, switch, server }
    }

    async fn submit(&self, reverse_path: &str, recipients: &[&str]) -> QueueId {
        let now = self.clock.now();
        let id = self.spool.new_id(now);
        let envelope = envelope(id, now, reverse_path, recipients);
        let mut accepted = Event::new(now, id, Kind::Accepted, "receive");
        accepted.message_id = Some("<one@example.com>".into());
        accepted.recipient = recipients.first().map(|to| (*to).to_owned());
        let content = Content::from(b"Subject: x\r\n\r\nHello\r\n".to_vec());
        let receipt =
            self.spool.commit(Submission { envelope, content, events: vec![accepted] }).await.unwrap();
        receipt.id()
    }

    /// Many messages, a hundred for each sync.
    async fn submit_many(&self, count: usize) {
        let now = self.clock.now();
        let submission = || {
            let id = self.spool.new_id(now);
            let envelope = envelope(id, now, "", &["bob@example.org"]);
            Submission { envelope, content: Content::from(b"x".to_vec()), events: Vec::new() }
        };
        for _ in 0..count / 100 {
            let others = (1..100).map(|_| submission()).collect();
            self.spool.commit_with(submission(), others).await.unwrap();
        }
    }

    /// An attempt that defers the message for four hours.
    async fn fail_once(&self, id: QueueId) {
        let now = self.clock.now();
        let domain = self.spool.checkout(now).unwrap();
        let work = self.spool.take(&domain, now, 10);
        let until = now.after(Duration::from_hours(4));
        let mut outcome = RecipientOutcome::new(work[0].recipients[0], Disposition::Deferred { until });
        outcome.reply = Some(Reply::new(450, EnhancedStatus::new(4, 2, 1), "Busy"));
        outcome.site = Some("mx.example".into());
        let finished = Finished { id, outcomes: vec![outcome], events: vec![], reports: vec![] };
        self.spool.finish_durable(finished).await.unwrap();
        self.spool.release(&domain);
    }

    async fn ask(&self, method: Method, path: &str) -> Answer {
        self.send(method, path, "").await
    }

    /// Posts a command on the queue.
    async fn order(&self, verb: &str, body: &str) -> Answer {
        self.send(Method::POST, &format!("/v1/queue/{verb}"), body).await
    }

    async fn send(&self, method: Method, path: &str, body: &str) -> Answer {
        let stream = UnixStream::connect(socket(self.dir.path())).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header("host", "x");
        let request = request.header("content-type", "application/json");
        let body = Full::new(Bytes::from(body.to_owned()));
        let response = sender.send_request(request.body(body).unwrap()).await.unwrap();
        let status = response.status();
        let kind = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Answer { status, kind: kind.unwrap_or_default(), body }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        self.ask(Method::GET, path).await.document()
    }

    async fn problem(&self, method: Method, path: &str) -> (u16, String) {
        let answer = self.ask(method, path).await;
        assert_eq!(answer.kind, "application/problem+json", "{path}");
        let problem: Problem = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(problem.status, answer.status.as_u16());
        (problem.status, problem.detail.unwrap())
    }

    async fn stop(self) {
        self.switch.press();
        self.server.await.unwrap().unwrap();
        self.spool.close().await;
    }
}

impl Answer {
    fn document<T: DeserializeOwned>(&self) -> T {
        assert_eq!(
            (self.status, self.kind.as_str()),
            (StatusCode::OK, "application/json"),
            "{:?}",
            self.body
        );
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn socket(dir: &Path) -> PathBuf {
    dir.join("control.sock")
}

fn envelope(id: QueueId, now: mail::Timestamp, reverse_path: &str, recipients: &[&str]) -> Envelope {
    let address = |text: &str| text.parse::<Address>().unwrap();
    let reverse_path =
        if reverse_path.is_empty() { ReversePath::Null } else { ReversePath::Address(address(reverse_path)) };
    let recipients = recipients.iter().map(|to| Recipient::new(address(to), now)).collect();
    Envelope {
        client: Client {
            address: Some("192.0.2.9".parse().unwrap()),
            hello: Some("c".into()),
            ..Client::default()
        },
        reverse_path,
        ..Envelope::new(id, now, "smtp", recipients)
    }
}

#[tokio::test]
async fn the_status_tells_what_listens_and_what_waits() {
    let api = Fixture::new();
    api.submit("anna@example.com", &["bob@example.org", "eve@example.net"]).await;
    let status: api::Status = api.get("/v1/status").await;
    assert_eq!((status.pid, status.hostname.as_str()), (7, "mx.example.org"));
    assert_eq!(status.started_at, "2026-11-23T18:02:14.000Z");
    assert_eq!(status.listeners[0].address, "127.0.0.1:25");
    assert_eq!((status.queue.messages, status.queue.recipients, status.queue.queued), (1, 2, 2));
    assert!(!status.queue.poisoned);
    assert_eq!(status.certificate.map(|certificate| certificate.failures), Some(3));
    api.stop().await;
}

#[tokio::test]
async fn a_message_is_listed_and_shown_with_its_recipients() {
    let api = Fixture::new();
    assert_eq!(api.get::<api::Page>("/v1/queue").await, api::Page::default());
    let id = api.submit("anna@example.com", &["bob@example.org"]).await;
    let page: api::Page = api.get("/v1/queue").await;
    let message: api::Message = api.get(&format!("/v1/queue/{id}")).await;
    assert_eq!(page.messages, std::slice::from_ref(&message));
    assert_eq!(message.reverse_path.as_deref(), Some("anna@example.com"));
    assert_eq!((message.size, message.held), (21, false));
    assert_eq!(message.client.unwrap().address.as_deref(), Some("192.0.2.9"));
    let recipient = &message.recipients[0];
    assert_eq!((recipient.address.as_str(), recipient.state), ("bob@example.org", api::State::Queued));
    assert_eq!((recipient.attempts, recipient.due.as_str()), (0, "2026-11-23T18:02:14.000Z"));
    api.stop().await;
}

#[tokio::test]
async fn a_long_queue_comes_in_pages_without_gaps() {
    let api = Fixture::new();
    let mut ids = Vec::new();
    for _ in 0..5 {
        api.clock.advance(Duration::from_millis(1));
        ids.push(api.submit("", &["bob@example.org"]).await.to_string());
    }
    let (mut seen, mut path) = (Vec::new(), "/v1/queue?limit=2".to_owned());
    loop {
        let page: api::Page = api.get(&path).await;
        assert!(page.messages.len() <= 2);
        seen.extend(page.messages.into_iter().map(|message| message.id));
        let Some(cursor) = page.next_cursor else { break };
        path = format!("/v1/queue?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ids);
    api.stop().await;
}

#[tokio::test]
async fn a_list_can_be_of_one_domain_or_state() {
    let api = Fixture::new();
    let id = api.submit("", &["bob@example.org"]).await.to_string();
    api.submit("", &["eve@example.net"]).await;
    let ids = |page: api::Page| page.messages.into_iter().map(|message| message.id).collect::<Vec<_>>();
    assert_eq!(ids(api.get("/v1/queue?domain=EXAMPLE.org").await), [id.as_str()]);
    assert_eq!(ids(api.get("/v1/queue?to=bob%40*&to=otto%40*&from=%3C%3E").await), [id.as_str()]);
    assert_eq!(ids(api.get(&format!("/v1/queue?id={id}&older_than=0&younger_than=60")).await), [id]);
    assert!(ids(api.get("/v1/queue?older_than=60").await).is_empty());
    assert_eq!(ids(api.get("/v1/queue?state=queued").await).len(), 2);
    assert!(ids(api.get("/v1/queue?state=held").await).is_empty());
    api.stop().await;
}

#[tokio::test]
async fn a_removed_message_is_gone_and_its_removal_is_told() {
    let api = Fixture::new();
    let id = api.submit("anna@example.com", &["bob@example.org"]).await;
    let path = format!("/v1/queue/{id}");
    let order = format!(r#"{{"selection":{{"ids":["{id}"]}}}}"#);
    let changed: api::Changed = api.order("remove", &order).await.document();
    assert_eq!((changed.messages, changed.recipients, changed.active), (1, 1, 0));
    assert!(changed.unknown.is_empty());
    assert_eq!(api.problem(Method::GET, &path).await, (404, format!("no message {id} in the queue")));
    let again: api::Changed = api.order("remove", &order).await.document();
    assert_eq!((again.messages, again.unknown), (0, vec![id.to_string()]));
    api.events.flush();
    let trace: api::Trace = api.get(&format!("/v1/trace?q={id}")).await;
    let kinds: Vec<Kind> = trace.events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [Kind::Accepted, Kind::Removed]);
    api.stop().await;
}

#[tokio::test]
async fn what_waits_can_be_made_due() {
    let api = Fixture::new();
    let id = api.submit("anna@example.com", &["bob@example.org"]).await;
    let now = api.clock.now();
    for (attempts, order) in [
        (1, r#"{"selection":{"domain":["example.org"]}}"#.to_owned()),
        (2, format!(r#"{{"selection":{{"ids":["{id}"]}}}}"#)),
        (3, r#"{"all":true}"#.to_owned()),
    ] {
        api.fail_once(id).await;
        assert_eq!(api.spool.checkout(now), None);
        let message: api::Message = api.get(&format!("/v1/queue/{id}")).await;
        let recipient = &message.recipients[0];
        assert_eq!((recipient.state, recipient.attempts), (api::State::Deferred, attempts));
        assert_eq!(recipient.due, "2026-11-23T22:02:14.000Z");
        assert_eq!(recipient.last_reply.as_deref(), Some("450 4.2.1 Busy"));
        let other: api::Changed =
            api.order("retry", r#"{"selection":{"domain":["example.net"]}}"#).await.document();
        assert_eq!(other.recipients, 0);
        let changed: api::Changed = api.order("retry", &order).await.document();
        assert_eq!(changed.recipients, 1, "{order}");
    }
    assert!(api.spool.checkout(now).is_some());
    api.stop().await;
}

#[tokio::test]
async fn what_is_held_says_so_until_it_is_released_and_a_dry_run_changes_nothing() {
    let api = Fixture::new();
    let id = api.submit("anna@example.com", &["bob@example.org", "eve@example.net"]).await;
    let path = format!("/v1/queue/{id}");
    let states = |message: &api::Message| message.recipients.iter().map(|to| to.state).collect::<Vec<_>>();
    let dry = r#"{"selection":{"to":["bob@*"]},"dry_run":true}"#;
    let changed: api::Changed = api.order("hold", dry).await.document();
    assert_eq!(changed.recipients, 1);
    assert_eq!(states(&api.get(&path).await), [api::State::Queued, api::State::Queued]);
    let changed: api::Changed = api.order("hold", r#"{"selection":{"to":["bob@*"]}}"#).await.document();
    assert_eq!(changed.recipients, 1);
    let message: api::Message = api.get(&path).await;
    assert_eq!(states(&message), [api::State::Held, api::State::Queued]);
    assert_eq!(message.recipients[0].held_since.as_deref(), Some("2026-11-23T18:02:14.000Z"));
    let changed: api::Changed = api.order("release", r#"{"all":true}"#).await.document();
    assert_eq!(changed.recipients, 1);
    api.events.flush();
    let trace: api::Trace = api.get(&format!("/v1/trace?q={id}")).await;
    let told: Vec<(Kind, usize)> =
        trace.events.iter().map(|event| (event.kind, event.recipients.len())).collect();
    assert_eq!(told, [(Kind::Accepted, 0), (Kind::Held, 1), (Kind::Released, 1)]);
    api.stop().await;
}

#[tokio::test]
async fn a_long_order_is_carried_out_in_parts_that_all_mean_the_same() {
    let api = Fixture::new();
    api.submit_many(20_500).await;
    let order = |cursor: &str| format!(r#"{{"selection":{{"older_than":0}},"in_parts":true{cursor}}}"#);
    let first: api::Changed = api.order("hold", &order("")).await.document();
    assert_eq!((first.recipients, first.looked_at, first.in_queue), (20_000, 20_000, 20_500));
    let cursor = first.next_cursor.unwrap();
    // What comes in after the first part is younger than what was meant.
    api.clock.advance(Duration::from_secs(1));
    api.submit("", &["eve@example.org"]).await;
    let rest: api::Changed = api.order("hold", &order(&format!(r#","cursor":"{cursor}""#))).await.document();
    assert_eq!((rest.recipients, rest.looked_at, rest.next_cursor), (500, 501, None));
    for wrong in [r#","cursor":"x""#.to_owned(), format!(r#","cursor":"{cursor}x""#)] {
        assert_eq!(api.order("hold", &order(&wrong)).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let alone = format!(r#"{{"all":true,"cursor":"{cursor}"}}"#);
    assert_eq!(api.order("hold", &alone).await.status, StatusCode::BAD_REQUEST);
    api.stop().await;
}

#[tokio::test]
async fn an_order_to_give_up_waits_for_delivery_with_its_words() {
    let api = Fixture::new();
    let id = api.submit("anna@example.com", &["bob@example.org"]).await;
    let order = r#"{"all":true,"text":" Gone for good "}"#;
    let changed: api::Changed = api.order("bounce", order).await.document();
    assert_eq!((changed.messages, changed.recipients), (1, 1));
    assert_eq!(api.spool.take_bounces(10).len(), 1);
    let loaded = api.spool.load(id).await.unwrap();
    assert_eq!(loaded.envelope.recipients[0].bounce.as_deref(), Some("Gone for good"));
    for (verb, text) in [("bounce", "a\\nb"), ("bounce", ""), ("bounce", "\u{e9}"), ("hold", "x")] {
        let answer = api.order(verb, &format!(r#"{{"all":true,"text":"{text}"}}"#)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{verb} {text}");
    }
    api.stop().await;
}

#[tokio::test]
async fn the_queue_is_counted_by_what_is_asked_for() {
    let api = Fixture::new();
    let id = api.submit("anna@example.com", &["bob@example.org"]).await;
    api.fail_once(id).await;
    api.clock.advance(Duration::from_mins(10));
    api.submit("", &["bob@example.org", "eve@example.net"]).await;
    let names = async |query: &str| {
        let stats: api::Stats = api.get(&format!("/v1/queue/stats{query}")).await;
        stats
            .groups
            .into_iter()
            .map(|group| (group.name, group.messages, group.recipients))
            .collect::<Vec<_>>()
    };
    let group = |name: &str, messages: u64, recipients: u64| (name.to_owned(), messages, recipients);
    assert_eq!(names("").await, [group("example.org", 2, 2), group("example.net", 1, 1)]);
    assert_eq!(names("?by=site").await, [group("(none so far)", 1, 2), group("mx.example", 1, 1)]);
    assert_eq!(names("?by=state").await, [group("queued", 1, 2), group("deferred", 1, 1)]);
    assert_eq!(names("?by=age").await, [group("under 5m", 1, 2), group("5m to 30m", 1, 1)]);
    assert_eq!(names("?by=reason").await, [group("(none so far)", 1, 2), group("450 4.2.1 Busy", 1, 1)]);
    assert_eq!(names("?by=sender").await, [group("<>", 1, 2), group("anna@example.com", 1, 1)]);
    assert_eq!(names("?by=sender&to=eve%40*").await, [group("<>", 1, 1)]);
    let stats: api::Stats = api.get("/v1/queue/stats?by=site&limit=1&state=deferred").await;
    let site = &stats.groups[0];
    assert_eq!((stats.total.recipients, stats.more, site.deferred), (1, 0, 1));
    assert_eq!(site.oldest.as_deref(), Some("2026-11-23T18:02:14.000Z"));
    assert_eq!(site.next_due.as_deref(), Some("2026-11-23T22:02:14.000Z"));
    assert_eq!(site.reasons, [api::Reason { text: "450 4.2.1 Busy".into(), recipients: 1 }]);
    assert_eq!(site.site.as_ref().unwrap().connections_allowed, 2);
    assert_eq!(api.get::<api::Stats>("/v1/queue/stats?limit=1").await.more, 1);
    for query in ["by=x", "limit=0", "domian=a"] {
        assert_eq!(api.problem(Method::GET, &format!("/v1/queue/stats?{query}")).await.0, 400, "{query}");
    }
    api.stop().await;
}

/// A follower: gives the queue ids of the events that come, one by one.
struct Follower(hyper::body::Incoming, Vec<u8>);

impl Follower {
    async fn new(api: &Fixture, query: &str) -> Self {
        let stream = UnixStream::connect(socket(api.dir.path())).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder().uri(format!("/v1/events?{query}")).header("host", "x");
        let response = sender.send_request(request.body(Full::new(Bytes::new())).unwrap()).await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/x-ndjson");
        Self(response.into_body(), Vec::new())
    }

    /// The next event; none at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.1.iter().position(|octet| *octet == b'\n') {
                let line: Vec<u8> = self.1.drain(..=end).collect();
                return Some(Event::from_line(&line).unwrap());
            }
            let frame = tokio::time::timeout(Duration::from_mins(1), self.0.frame()).await.unwrap()?;
            self.1.extend_from_slice(frame.ok()?.data_ref()?);
        }
    }
}

#[tokio::test]
async fn events_are_told_from_the_files_and_then_live_each_once() {
    let api = Fixture::new();
    let before = api.submit("anna@example.com", &["bob@example.org"]).await;
    let mut told = Follower::new(&api, "follow=true&since=3600").await;
    let mut fresh = Follower::new(&api, "follow=true&kind=removed").await;
    assert_eq!(told.next().await.unwrap().id, before);
    // Over the ends of many files.
    let mut last = 0;
    for _ in 0..50 {
        let id = api.submit("anna@example.com", &["bob@example.org"]).await;
        let event = told.next().await.unwrap();
        assert_eq!((event.id, event.kind), (id, Kind::Accepted));
        assert!(event.lsn > last);
        last = event.lsn;
    }
    assert!(fs::read_dir(api.dir.path().join("events")).unwrap().count() > 1);
    api.order("remove", &format!(r#"{{"selection":{{"ids":["{before}"]}}}}"#)).await;
    assert_eq!(fresh.next().await.unwrap().kind, Kind::Removed);
    // Without following there is an end, and everything is there.
    let mut all = Follower::new(&api, &format!("id={before}")).await;
    let kinds = [all.next().await.unwrap().kind, all.next().await.unwrap().kind];
    assert_eq!((kinds, all.next().await), ([Kind::Accepted, Kind::Removed], None));
    // A stop does not wait for those who follow.
    api.stop().await;
    assert_eq!(fresh.next().await, None);
}

#[tokio::test]
async fn a_slow_follower_misses_nothing_and_keeps_nobody_waiting() {
    let api = Fixture::new();
    let mut slow = Follower::new(&api, "follow=true").await;
    let mut ids = Vec::new();
    for _ in 0..5000 {
        let id = api.spool.new_id(api.clock.now());
        let lsn = api.events.last_lsn() + 1;
        let mut event = Event::new(api.clock.now(), id, Kind::Deferred, "deliver/remote");
        event.reply = Some("x".repeat(1000));
        api.events.append([(lsn, event.to_line())]);
        ids.push(id);
    }
    api.events.flush();
    for id in ids {
        assert_eq!(slow.next().await.unwrap().id, id);
    }
    api.stop().await;
}

#[tokio::test]
async fn a_configuration_with_mistakes_is_reported_whole() {
    let api = Fixture::new();
    assert_eq!(api.problem(Method::POST, "/v1/reload").await, (422, "error: line 3\nis wrong".to_owned()));
    assert_eq!(api.problem(Method::GET, "/v1/reload").await.0, 405);
    api.stop().await;
}

#[tokio::test]
async fn a_command_that_says_too_little_or_too_much_changes_nothing() {
    let api = Fixture::new();
    api.submit("anna@example.com", &["bob@example.org"]).await;
    for (body, detail) in [
        ("{}", "say what is meant: a selection, or `all`"),
        (r#"{"selection":{}}"#, "say what is meant: a selection, or `all`"),
        (r#"{"all":true,"selection":{"to":["*"]}}"#, "`all` and a selection contradict each other"),
        (r#"{"selection":{"domian":["example.org"]}}"#, ""),
        (
            r#"{"selection":{"to":["bob"]}}"#,
            "to: `bob` is no address: write anna@example.org, @example.org for all of a domain, or * for any characters",
        ),
        ("", ""),
        ("[", ""),
    ] {
        let answer = api.order("remove", body).await;
        assert_eq!(answer.kind, "application/problem+json", "{body}");
        let problem: Problem = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(problem.status, 400, "{body}: {problem:?}");
        assert!(detail.is_empty() || problem.detail.as_deref() == Some(detail), "{body}: {problem:?}");
    }
    assert_eq!(api.spool.stats().recipients, 1);
    api.stop().await;
}

#[tokio::test]
async fn a_message_is_traced_by_whatever_is_known_of_it() {
    let api = Fixture::new();
    let id = api.submit("anna@example.com", &["bob@example.org"]).await;
    api.events.flush();
    for known in [id.to_string(), "BOB@example.org".into(), "%3Cone@example.com%3E".into()] {
        let trace: api::Trace = api.get(&format!("/v1/trace?q={known}")).await;
        assert_eq!(trace.events.iter().map(|event| event.id).collect::<Vec<_>>(), [id], "{known}");
    }
    assert!(api.get::<api::Trace>("/v1/trace?q=nobody@example.org").await.events.is_empty());
    api.stop().await;
}

#[tokio::test]
async fn every_error_is_a_problem_document() {
    let api = Fixture::new();
    let unknown = "0".repeat(26);
    for (method, path, status, detail) in [
        (Method::GET, "/".to_owned(), 404, "there is no resource /".to_owned()),
        (Method::GET, "/v1/nothing".into(), 404, "there is no resource /v1/nothing".into()),
        (Method::PUT, "/v1/queue".into(), 405, "/v1/queue does not know PUT".into()),
        (Method::GET, "/v1/queue/retry".into(), 405, "/v1/queue/retry does not know GET".into()),
        (
            Method::GET,
            "/v1/queue/xyz".into(),
            400,
            "`xyz` is not a queue id: a queue id has 26 digits and letters".into(),
        ),
        (Method::GET, format!("/v1/queue/{unknown}"), 404, format!("no message {unknown} in the queue")),
        (Method::DELETE, format!("/v1/queue/{unknown}"), 405, String::new()),
        (Method::GET, "/v1/queue?limit=0".into(), 400, "limit: `0` is not a number from 1 to 1000".into()),
        (Method::GET, "/v1/queue?limit=99999999999999999999".into(), 400, String::new()),
        (Method::GET, "/v1/queue?cursor=x".into(), 400, "cursor: `x` is not from a `next_cursor`".into()),
        (
            Method::GET,
            "/v1/queue?state=x".into(),
            400,
            "state: `x` is none of queued, active, deferred, held".into(),
        ),
        (Method::GET, "/v1/queue?domain=a..b".into(), 400, String::new()),
        (Method::GET, "/v1/queue?domian=a.b".into(), 400, "there is no parameter `domian`".into()),
        (Method::GET, "/v1/events?follow=perhaps".into(), 400, String::new()),
        (Method::GET, "/v1/events?kind=x".into(), 400, "kind: `x` is no kind of event".into()),
        (Method::GET, "/v1/trace".into(), 400, "q: give a queue id, an address or a Message-ID".into()),
        (Method::GET, "/v1/trace?q=%20".into(), 400, "q: give a queue id, an address or a Message-ID".into()),
        (Method::GET, "/v1/queue/%ff".into(), 400, String::new()),
    ] {
        let problem = api.problem(method, &path).await;
        assert_eq!(problem.0, status, "{path}: {}", problem.1);
        assert!(detail.is_empty() || problem.1 == detail, "{path}: {}", problem.1);
    }
    api.stop().await;
}

/// Nobody can log in, and one has tried too often.
fn logins() -> Authenticator {
    let domain = DomainConfig { name: "example.org".into(), ..DomainConfig::default() };
    let account = AccountConfig { login: "anna@example.org".into(), ..AccountConfig::default() };
    let config = Config { domains: vec![domain], accounts: vec![account], ..Config::default() };
    Authenticator::new(Arc::new(Directory::new(config).unwrap()), b"secret")
}

#[tokio::test]
async fn bans_are_listed_and_lifted() {
    let api = Fixture::new();
    let guesser = Attempt {
        client: Some("2001:db8::1".parse().unwrap()),
        shared: false,
        at: api.clock.now(),
        scope: Scope::Smtp,
        binding: None,
        certificate: None,
    };
    for _ in 0..25 {
        let question = Question::Proof { login: "Anna@example.org".into(), acts_as: None, right: None };
        api.logins.authenticate(&guesser, question).await;
    }
    let bans: api::Bans = api.ask(Method::GET, "/v1/bans").await.document();
    let told: Vec<_> =
        bans.bans.iter().map(|ban| (ban.client.as_deref(), ban.login.as_deref(), ban.failures)).collect();
    assert_eq!(told, [(Some("2001:db8::/64"), None, 25), (None, Some("anna@example.org"), 25)]);
    for (who, lifted) in [("2001:db8::2", 1), (" ANNA@example.org ", 1), ("anna@example.org", 0), ("", 0)] {
        let body = serde_json::to_string(&api::Lift { who: who.into() }).unwrap();
        let told: api::Lifted = api.send(Method::POST, "/v1/bans/lift", &body).await.document();
        assert_eq!(told.lifted, lifted, "{who}");
    }
    assert_eq!(api.ask(Method::GET, "/v1/bans").await.document::<api::Bans>(), api::Bans::default());
    api.stop().await;
}

#[tokio::test]
async fn the_socket_is_ours_alone() {
    let api = Fixture::new();
    let there = fs::metadata(socket(api.dir.path())).unwrap();
    assert!(there.file_type().is_socket());
    assert_eq!(there.permissions().mode() & 0o777, 0o600);
    api.stop().await;
}

#[tokio::test]
async fn a_socket_that_a_crash_left_is_replaced_and_a_file_is_not() {
    let dir = tempfile::tempdir().unwrap();
    drop(admin::bind(&socket(dir.path())).unwrap());
    assert!(socket(dir.path()).exists(), "a closed socket leaves its name, as a crash does");
    drop(admin::bind(&socket(dir.path())).unwrap());
    fs::remove_file(socket(dir.path())).unwrap();
    fs::write(socket(dir.path()), "precious").unwrap();
    assert!(matches!(admin::bind(&socket(dir.path())), Err(SocketError::Occupied { .. })));
    assert_eq!(fs::read_to_string(socket(dir.path())).unwrap(), "precious");
}

#[tokio::test]
async fn a_path_that_the_kernel_cannot_take_is_told() {
    let path = PathBuf::from(format!("/tmp/{}/control.sock", "x".repeat(120)));
    let error = admin::bind(&path).unwrap_err();
    assert!(matches!(error, SocketError::TooLong { .. }));
    assert!(error.to_string().contains("at most 107"), "{error}");
}

#[tokio::test]
async fn people_come_and_go_by_the_api() {
    let fixture = Fixture::new();
    let post = async |path: &str, body: &str| fixture.send(Method::POST, path, body).await;
    let anna = r#"{"login":"anna@example.org","addresses":["a@example.org"],"password":"tiger"}"#;
    let account: api::Account = post("/v1/accounts", anna).await.document();
    assert_eq!((account.has_password, account.has_scram, account.source), (true, true, api::Source::Store));
    assert!(account.created_at.is_some());
    let again = post("/v1/accounts", anna).await;
    let problem: Problem = serde_json::from_slice(&again.body).unwrap();
    assert_eq!((again.status, problem.hint.is_some()), (StatusCode::CONFLICT, true), "{problem:?}");
    for (path, body, status) in [
        ("/v1/accounts", r#"{"login":"bob@example.org","password":"a","hash":"b"}"#, 400),
        ("/v1/accounts", r#"{"login":"bob@example.org","passwort":"a"}"#, 400),
        ("/v1/accounts", r#"{"login":"bob@example.net"}"#, 400),
        ("/v1/accounts/anna%40example.org/password", "{}", 400),
        ("/v1/accounts/bob%40example.org/password", r#"{"password":"a"}"#, 404),
        ("/v1/accounts/postmaster%40example.org/disable", "", 409),
        ("/v1/accounts/anna%40example.org/app-passwords", r#"{"name":"x","scopes":["ftp"]}"#, 400),
        ("/v1/aliases", r#"{"address":"a@example.org","to":["anna@example.org"]}"#, 409),
    ] {
        assert_eq!(post(path, body).await.status.as_u16(), status, "{path} {body}");
    }
    let app = r#"{"name":"phone","scopes":["smtp"]}"#;
    let made: api::MadeAppPassword =
        post("/v1/accounts/Anna%40example.org/app-passwords", app).await.document();
    assert!(made.password.expose().starts_with(&format!("pr-{}-", made.app_password.id)));
    let shown: api::Account = fixture.get("/v1/accounts/ANNA%40example.org").await;
    assert_eq!(shown.app_passwords, std::slice::from_ref(&made.app_password));
    let path = format!("/v1/accounts/anna%40example.org/app-passwords/{}", made.app_password.id);
    assert_eq!(fixture.ask(Method::DELETE, &path).await.status, StatusCode::OK);
    assert_eq!(fixture.problem(Method::DELETE, &path).await.0, 404);
    let all: api::Accounts = fixture.get("/v1/accounts").await;
    let logins: Vec<_> = all.accounts.iter().map(|account| account.login.as_str()).collect();
    assert_eq!(logins, ["postmaster@example.org", "anna@example.org"]);
    assert_eq!(fixture.ask(Method::DELETE, "/v1/accounts/anna%40example.org").await.status, StatusCode::OK);
    assert_eq!(fixture.problem(Method::GET, "/v1/accounts/anna%40example.org").await.0, 404);
    fixture.stop().await;
}

#[tokio::test]
async fn keys_for_signatures_are_shown_and_new_ones_asked_for() {
    let api = Fixture::new();
    let all: api::Signing = api.get("/v1/signing").await;
    assert_eq!((all.domains.len(), all.domains[1].held), (2, true));
    let status: api::Status = api.get("/v1/status").await;
    let why = "there is no record".to_owned();
    assert_eq!(status.unsigned, [api::Unsigned { domain: "b.example".into(), why, held: true }]);
    let ask = |domain: &str| serde_json::json!({ "domain": domain }).to_string();
    let told: api::Signing = api.send(Method::POST, "/v1/signing/rotate", &ask("a.example")).await.document();
    assert_eq!(told, all);
    let answer = api.send(Method::POST, "/v1/signing/rotate", &ask("c.example")).await;
    assert_eq!(answer.status, 404);
}
