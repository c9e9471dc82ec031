//! A resolver for one message: with one deadline for all questions, and a bound on their number.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use dns::{Answer, BoxFuture, DnsError, Mx, Resolve};
use tokio::{
    task::yield_now,
    time::{Instant, timeout_at},
};

/// For all questions of a message together: a client waits for its reply meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);
/// Questions of one message: SPF of two identities, ten lookups of up to eleven each, and a key for each of 58 signatures come to no more.
const QUESTIONS_MAX: u32 = 320;

/// Asks another resolver as long as it may.
pub(super) struct Patient {
    inner: Arc<dyn Resolve>,
    deadline: Instant,
    asked: AtomicU32,
}

impl Patient {
    pub(super) fn new(inner: Arc<dyn Resolve>) -> Self {
        Self { inner, deadline: Instant::now() + PATIENCE, asked: AtomicU32::new(0) }
    }

    async fn within<T>(&self, question: BoxFuture<'_, Result<T, DnsError>>) -> Result<T, DnsError> {
        if self.asked.fetch_add(1, Ordering::Relaxed) >= QUESTIONS_MAX {
            return Err(DnsError::temporary("too many questions"));
        }
        // Between two answers a signature may be verified: others get their turn then.
        yield_now().await;
        let answer = timeout_at(self.deadline, question).await;
        answer.unwrap_or_else(|_| Err(DnsError::temporary("no answer in time")))
    }
}

impl Resolve for Patient {
    fn mx<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Mx>>, DnsError>> {
        Box::pin(self.within(self.inner.mx(name)))
    }

    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<IpAddr>>, DnsError>> {
        Box::pin(self.within(self.inner.addresses(name)))
    }

    fn addresses_of<'a>(
        &'a self,
        name: &'a str,
        v4: bool,
    ) -> BoxFuture<'a, Result<Answer<Vec<IpAddr>>, DnsError>> {
        Box::pin(self.within(self.inner.addresses_of(name, v4)))
    }

    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Vec<u8>>>, DnsError>> {
        Box::pin(self.within(self.inner.txt(name)))
    }

    fn ptr(&self, address: IpAddr) -> BoxFuture<'_, Result<Answer<Vec<Box<str>>>, DnsError>> {
        Box::pin(self.within(self.inner.ptr(address)))
    }
}
