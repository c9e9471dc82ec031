//! The policy by which our domains tell senders that TLS to our hosts can be relied on (MTA-STS, RFC 8461): `GET /.well-known/mta-sts.txt` of
//! `mta-sts.DOMAIN`, under TLS alone.
//!
//! All domains have the same policy: the same hosts take their mail. Who asks for a domain that is not ours learns nothing.

use std::{
    fmt::Write as _,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::{
    Extension, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use directory::Directory;
use mail::Domain;

use crate::InClear;

/// In front of the domain in the name of the host that is asked (RFC 8461 §3.3).
const PREFIX: &str = "mta-sts.";

/// What senders shall do when TLS fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What they would without a policy: it is about to be withdrawn.
    None,
    /// Send all the same, and report it.
    Testing,
    /// Not send.
    Enforce,
}

impl Mode {
    /// As the policy writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Testing => "testing",
            Self::Enforce => "enforce",
        }
    }
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What senders shall do when TLS fails.
    pub mode: Mode,
    /// The hosts that take our mail, in lower case; one may begin with `*.`. Not empty.
    pub mx: Vec<String>,
    /// How long senders shall remember it: at most a year.
    pub max_age: Duration,
}

impl Policy {
    /// The policy as it is served (RFC 8461 §3.2).
    pub fn text(&self) -> String {
        let mut text = format!("version: STSv1\r\nmode: {}\r\n", self.mode.word());
        for host in &self.mx {
            // Writing to a String cannot fail.
            let _ = write!(text, "mx: {host}\r\n");
        }
        let _ = write!(text, "max_age: {}\r\n", self.max_age.as_secs());
        text
    }
}

/// The policy that is served, if any is. Clones are the same.
#[derive(Clone)]
pub struct OwnPolicy(Arc<Inner>);

struct Inner {
    policy: RwLock<Option<Policy>>,
    directory: RwLock<Arc<Directory>>,
}

impl OwnPolicy {
    /// A policy for the domains of a directory.
    pub fn new(policy: Option<Policy>, directory: Arc<Directory>) -> Self {
        Self(Arc::new(Inner { policy: RwLock::new(policy), directory: RwLock::new(directory) }))
    }

    /// Another policy holds from now on, or none.
    pub fn change(&self, policy: Option<Policy>) {
        *self.0.policy.write().unwrap_or_else(PoisonError::into_inner) = policy;
    }

    /// Other domains are ours from now on.
    pub fn change_directory(&self, directory: Arc<Directory>) {
        *self.0.directory.write().unwrap_or_else(PoisonError::into_inner) = directory;
    }

    /// What is told to who asks this host.
    fn text(&self, host: &str) -> Option<String> {
        let domain = Domain::parse(&domain_of(host)?).ok()?;
        let is_ours = self.0.directory.read().unwrap_or_else(PoisonError::into_inner).is_local(&domain);
        let policy = self.0.policy.read().unwrap_or_else(PoisonError::into_inner);
        policy.as_ref().filter(|_| is_ours).map(Policy::text)
    }
}

/// The domain that a host answers for.
fn domain_of(host: &str) -> Option<String> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name.strip_prefix(PREFIX).map(str::to_owned)
}

/// The place where it is served.
pub fn router(policy: OwnPolicy) -> Router {
    Router::new().route("/.well-known/mta-sts.txt", get(serve)).with_state(policy)
}

async fn serve(
    State(policy): State<OwnPolicy>,
    Extension(InClear(in_clear)): Extension<InClear>,
    fields: HeaderMap,
) -> Response {
    let host = fields.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    // In clear anybody on the way could have written it, so nobody is to get used to that.
    match policy.text(host).filter(|_| !in_clear) {
        Some(text) => {
            // RFC 8461 §3.3: caches of HTTP are not to keep it.
            ([(header::CONTENT_TYPE, "text/plain"), (header::CACHE_CONTROL, "no-store")], text)
                .into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use net::ShutdownSwitch;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::{Config, connection};

    fn policy() -> Policy {
        Policy {
            mode: Mode::Testing,
            mx: vec!["mail.example.org".to_owned(), "*.example.net".to_owned()],
            max_age: Duration::from_hours(24),
        }
    }

    fn own(policy: Option<Policy>) -> OwnPolicy {
        let domain = directory::DomainConfig { name: "example.org".to_owned(), ..Default::default() };
        let account = directory::AccountConfig { login: "anna@example.org".to_owned(), ..Default::default() };
        let config =
            directory::Config { domains: vec![domain], accounts: vec![account], ..Default::default() };
        OwnPolicy::new(policy, Arc::new(Directory::new(config).unwrap()))
    }

    async fn ask(own: &OwnPolicy, in_clear: bool, host: &str) -> String {
        let (mut ours, theirs) = duplex(64 * 1024);
        let (_switch, mut until) = ShutdownSwitch::new();
        let router = router(own.clone());
        tokio::spawn(async move {
            connection::serve(&Config::default(), &router, theirs, in_clear, &mut until).await;
        });
        let request =
            format!("GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        ours.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        ours.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// RFC 8461 §3.2, §3.3.
    #[tokio::test]
    async fn the_policy_is_served_to_who_asks_its_own_host_under_tls() {
        let own = own(Some(policy()));
        for host in ["mta-sts.example.org", "MTA-STS.Example.org.:443"] {
            let answer = ask(&own, false, host).await;
            assert!(
                answer.starts_with("HTTP/1.1 200") && answer.contains("content-type: text/plain\r\n"),
                "{answer}"
            );
            let body = "version: STSv1\r\nmode: testing\r\nmx: mail.example.org\r\nmx: *.example.net\r\nmax_age: 86400\r\n";
            assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
        }
        for host in ["example.org", "mta-sts.example.net", "mta-sts.", "mta-sts.mta-sts.example.org", "x"] {
            assert!(ask(&own, false, host).await.starts_with("HTTP/1.1 404"), "{host}");
        }
        assert!(ask(&own, true, "mta-sts.example.org").await.starts_with("HTTP/1.1 404"));
    }

    #[tokio::test]
    async fn a_change_holds_at_once() {
        let own = own(None);
        assert!(ask(&own, false, "mta-sts.example.org").await.starts_with("HTTP/1.1 404"));
        own.change(Some(Policy { mode: Mode::Enforce, ..policy() }));
        assert!(ask(&own, false, "mta-sts.example.org").await.contains("mode: enforce\r\n"));
        own.change(None);
        assert!(ask(&own, false, "mta-sts.example.org").await.starts_with("HTTP/1.1 404"));
    }
}
