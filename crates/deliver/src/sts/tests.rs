//! Policies by an imagined domain: what the DNS and the web say of it, and what is known then.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use disk::OsDisk;
use dns::BoxFuture;
use net::Anchors;
use testkit::{clock::FakeClock, dns::FakeDns};

use super::*;
use crate::BlockingThreads;

const DOMAIN: &str = "example.org";
const ENFORCE: &str = "version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 604800\n";
const TESTING: &str = "version: STSv1\nmode: testing\nmx: mx.example.org\nmax_age: 604800\n";

/// A web server with a script.
#[derive(Default)]
struct Script {
    says: Mutex<Option<String>>,
    asked: AtomicUsize,
}

impl Fetch for Script {
    fn fetch<'a>(
        &'a self,
        url: &'a str,
        _: Vec<IpAddr>,
        _: &'a Roots,
    ) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        assert_eq!(url, "https://mta-sts.example.org/.well-known/mta-sts.txt");
        self.asked.fetch_add(1, Ordering::SeqCst);
        let says = self.says.lock().unwrap().clone();
        Box::pin(async move { says.map(String::into_bytes).ok_or_else(|| "nobody answers".to_owned()) })
    }
}

/// An authority that nobody has to ask here.
const CA: &str = "-----BEGIN CERTIFICATE-----
MIIBkjCCATmgAwIBAgIUJIfMG62775gUtBTYaNcUO5UiPyIwCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTYXV0aG9yaXR5IG9mIGEgdGVzdDAgFw0yNjExMzAwODA0NDha
GA8yMTI2MTEwNjA4MDQ0OFowHjEcMBoGA1UEAwwTYXV0aG9yaXR5IG9mIGEgdGVz
dDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFelNLFUpRZ75ZAg9fESioxZvbhG
I/MYRvJspoBBjUTa/tO/Fp263oP7kXB16bUWMuiOoGocAc56rsrBgG7CvyCjUzBR
MB0GA1UdDgQWBBS5SGrCpbg34jkMkOkeKF0CCEYW8TAfBgNVHSMEGDAWgBS5SGrC
pbg34jkMkOkeKF0CCEYW8TAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0cA
MEQCIBKAzI6GnXOOpHaoifEebVk9iR2tQaQgh9Mir0b3pNlQAiAjBgtbbINp4Wzg
ISJ59TL26P81b8BLhJtkEASAKtKfew==
-----END CERTIFICATE-----
";

struct Domain {
    policies: Arc<Policies>,
    dns: Arc<FakeDns>,
    web: Arc<Script>,
    clock: Arc<FakeClock>,
    dir: tempfile::TempDir,
    asking: Asking,
}

impl Domain {
    fn new() -> Self {
        let dns = Arc::new(FakeDns::new("mta-sts.example.org A 192.0.2.80"));
        let (dir, web, clock) =
            (tempfile::tempdir().unwrap(), Arc::default(), Arc::new(FakeClock::default()));
        let policies = policies(&dir, &dns, &web, &clock);
        let roots = Anchors::from_pem(CA.as_bytes()).unwrap().roots().ok();
        Self { policies, dns, web, clock, dir, asking: Asking { roots, private: true } }
    }

    /// What the DNS tells, and what the web server has.
    fn publishes(&self, id: Option<&str>, policy: Option<&str>) {
        match id {
            Some(id) => self.dns.set(&format!("_mta-sts.example.org TXT \"v=STSv1; id={id};\"")),
            None => self.dns.set("_mta-sts.example.org NXDOMAIN"),
        }
        *self.web.says.lock().unwrap() = policy.map(str::to_owned);
    }

    async fn mode(&self) -> Option<Mode> {
        self.policies.of(DOMAIN, &self.asking).await.map(|(policy, _)| policy.mode)
    }

    fn asked(&self) -> usize {
        self.web.asked.load(Ordering::SeqCst)
    }

    /// Waits until the file has what is known.
    async fn written(&self) {
        let path = self.dir.path().join("mta-sts.jsonl");
        let known = || file::encode(&self.policies.state().known);
        while std::fs::read(&path).ok() != Some(known()) {
            tokio::task::yield_now().await;
        }
    }

    fn restart(&mut self) {
        self.policies = policies(&self.dir, &self.dns, &self.web, &self.clock);
    }
}

fn policies(
    dir: &tempfile::TempDir,
    dns: &Arc<FakeDns>,
    web: &Arc<Script>,
    clock: &Arc<FakeClock>,
) -> Arc<Policies> {
    let path = dir.path().join("mta-sts.jsonl");
    Arc::new(Policies {
        path,
        resolver: dns.clone(),
        fetch: web.clone(),
        disk: Arc::new(OsDisk),
        blocking: Arc::new(BlockingThreads),
        clock: clock.clone(),
        state: Mutex::default(),
        reading: tokio::sync::Mutex::default(),
    })
}

#[test]
fn large_policies_crowd_no_other_out() {
    let known = |mx: Vec<String>| {
        let policy = Policy { mode: Mode::Enforce, mx, max_age: Duration::from_hours(24 * 365) };
        Known { id: "1".to_owned(), policy, fetched: Timestamp::from_millis(1_800_000_000_000) }
    };
    let mut state = State::default();
    state.insert(DOMAIN.into(), known(vec!["mx.example.org".to_owned()]));
    for number in 0..1500 {
        state.insert(format!("{number}.example").into(), known(vec!["x".repeat(60); 1000]));
    }
    assert!(state.known.contains_key(DOMAIN) && state.known.len() > 100);
    // A file that is larger would not be read again.
    let file = file::encode(&state.known);
    assert!(file.len() <= FILE_OCTETS_MAX, "{}", file.len());
    let octets: usize = state.known.values().map(Known::octets).sum();
    assert_eq!(octets, state.octets);
}

#[tokio::test]
async fn a_policy_is_fetched_once_for_each_id() {
    let domain = Domain::new();
    assert_eq!((domain.mode().await, domain.asked()), (None, 0));
    domain.publishes(Some("1"), Some(TESTING));
    for _ in 0..3 {
        assert_eq!((domain.mode().await, domain.asked()), (Some(Mode::Testing), 1));
    }
    domain.publishes(Some("1"), Some(ENFORCE));
    assert_eq!(
        (domain.mode().await, domain.asked()),
        (Some(Mode::Testing), 1),
        "the id says that it is the same"
    );
    domain.publishes(Some("2"), Some(ENFORCE));
    assert_eq!((domain.mode().await, domain.asked()), (Some(Mode::Enforce), 2));
    domain.publishes(Some("3"), Some(&ENFORCE.replace("enforce", "none")));
    assert_eq!((domain.mode().await, domain.asked()), (None, 3));
}

/// §5.3: the DNS spoofed or silent, the policy's host blocked or taken: a policy that is known holds to its end, over a restart too.
#[tokio::test]
async fn a_known_policy_outlives_every_outage_and_a_restart() {
    for (dns, web) in [
        ("_mta-sts.example.org NXDOMAIN", None),
        ("_mta-sts.example.org SERVFAIL", None),
        ("_mta-sts.example.org TXT \"v=STSv1; id=2\"", None),
        ("_mta-sts.example.org TXT \"v=STSv1; id=2\"", Some("<html>")),
        ("_mta-sts.example.org TXT \"v=STSv1; id=!\"", None),
        ("_mta-sts.example.org TXT \"v=STSv1; id=2\"\n_mta-sts.example.org TXT \"v=STSv1; id=3\"", None),
    ] {
        let mut domain = Domain::new();
        domain.publishes(Some("1"), Some(ENFORCE));
        assert_eq!(domain.mode().await, Some(Mode::Enforce));
        domain.written().await;
        domain.publishes(None, web);
        domain.dns.set(dns);
        assert_eq!(domain.mode().await, Some(Mode::Enforce), "{dns}");
        domain.restart();
        assert_eq!(domain.mode().await, Some(Mode::Enforce), "{dns}");
        domain.clock.advance(Duration::from_secs(604_799));
        assert_eq!(domain.mode().await, Some(Mode::Enforce), "{dns}");
        domain.clock.advance(Duration::from_secs(1));
        assert_eq!(domain.mode().await, None, "{dns}: its time is over");
    }
}

#[tokio::test]
async fn what_cannot_be_fetched_is_not_asked_for_again_at_once() {
    let mut domain = Domain::new();
    domain.publishes(Some("1"), None);
    for _ in 0..3 {
        assert_eq!((domain.mode().await, domain.asked()), (None, 1));
    }
    domain.publishes(Some("1"), Some(ENFORCE));
    domain.clock.advance(AGAIN);
    assert_eq!((domain.mode().await, domain.asked()), (Some(Mode::Enforce), 2));
    // Nobody to believe, or an address that a stranger must not send us to: nothing is asked.
    domain.publishes(Some("2"), Some(TESTING));
    domain.dns.set("mta-sts.example.org A 127.0.0.1");
    domain.asking.private = false;
    assert_eq!((domain.mode().await, domain.asked()), (Some(Mode::Enforce), 2));
    domain.clock.advance(AGAIN);
    domain.asking = Asking { roots: None, private: true };
    assert_eq!((domain.mode().await, domain.asked()), (Some(Mode::Enforce), 2));
}

#[tokio::test]
async fn a_policy_is_fetched_anew_before_its_end() {
    let domain = Domain::new();
    domain.publishes(Some("1"), Some(ENFORCE));
    assert_eq!(domain.mode().await, Some(Mode::Enforce));
    domain.clock.advance(REFRESH);
    assert_eq!(domain.mode().await, Some(Mode::Enforce));
    while domain.asked() < 2 {
        tokio::task::yield_now().await;
    }
    while domain.policies.known(DOMAIN, domain.clock.now()).unwrap().fetched != domain.clock.now() {
        tokio::task::yield_now().await;
    }
    domain.publishes(None, None);
    domain.clock.advance(Duration::from_secs(604_799));
    assert_eq!(domain.mode().await, Some(Mode::Enforce), "its time began anew");
}

#[tokio::test]
async fn a_damaged_file_is_left_behind() {
    let mut domain = Domain::new();
    domain.publishes(Some("1"), Some(ENFORCE));
    assert_eq!(domain.mode().await, Some(Mode::Enforce));
    domain.written().await;
    let path = domain.dir.path().join("mta-sts.jsonl");
    let good = std::fs::read(&path).unwrap();
    for bad in [&good[..good.len() - 2], b"", b"{}\n", &[&good[..], b"{}\n"].concat()] {
        assert!(file::decode(bad).is_err());
    }
    assert_eq!(file::decode(&good).unwrap().len(), 1);
    std::fs::write(&path, b"nonsense").unwrap();
    domain.restart();
    assert_eq!((domain.mode().await, domain.asked()), (Some(Mode::Enforce), 2));
}
