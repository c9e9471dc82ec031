//! The keys of a provider: asked for when they are needed, kept through its outages.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use mail::Timestamp;
use tokio::sync::Mutex;

use crate::{Ask, Fetch, Refusal, jwk::KeySet};

const STATION: &str = "login/oauth";
/// Keys that are older are asked for again: a provider that withdraws one is heard.
const FRESH: Duration = Duration::from_hours(1);
/// For a key that is not known the provider is asked no more often than this, whatever tokens come.
const ASK_AGAIN: Duration = Duration::from_mins(2);

/// The keys of one provider.
pub(crate) struct KeyCache {
    url: Box<str>,
    fetch: Arc<dyn Fetch>,
    kept: RwLock<Option<Kept>>,
    /// Who asks holds this. When it was last asked, and whether that failed.
    asking: Mutex<Option<(Timestamp, bool)>>,
}

#[derive(Clone)]
struct Kept {
    keys: Arc<KeySet>,
    at: Timestamp,
}

impl KeyCache {
    pub(crate) fn new(url: &str, fetch: Arc<dyn Fetch>) -> Self {
        Self { url: url.into(), fetch, kept: RwLock::default(), asking: Mutex::default() }
    }

    /// Checks with the keys there are, and where those have none that could fit (`Key`), with newer ones.
    ///
    /// # Errors
    /// What `check` says; or the provider does not answer, and nobody else knows.
    pub(crate) async fn check(
        &self,
        now: Timestamp,
        check: impl Fn(&KeySet) -> Result<(), Refusal> + Send + Sync,
    ) -> Result<(), Refusal> {
        let kept = self.kept();
        let old = kept.as_ref().is_none_or(|kept| is_over(kept.at, FRESH, now));
        let checked = kept.as_ref().map(|kept| check(&kept.keys));
        match checked {
            Some(checked) if !old && checked != Err(Refusal::Key) => return checked,
            _ => {}
        }
        let failed = self.ask(now, kept.as_ref().map(|kept| kept.at)).await.err();
        match (self.kept(), failed) {
            (None, failed) => Err(unavailable(failed)),
            (Some(kept), failed) => match (check(&kept.keys), failed) {
                // A newer key may be there.
                (Err(Refusal::Key), Some(failed)) => Err(unavailable(Some(failed))),
                (checked, _) => checked,
            },
        }
    }

    fn kept(&self) -> Option<Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks for keys, unless others have got them since `seen`, or the provider was asked just now.
    async fn ask(&self, now: Timestamp, seen: Option<Timestamp>) -> Result<(), Box<str>> {
        let mut asking = self.asking.lock().await;
        if self.kept().map(|kept| kept.at) != seen {
            return Ok(());
        }
        if let Some((last, failed)) = *asking
            && !is_over(last, ASK_AGAIN, now)
        {
            return if failed { Err("it did not answer just now".into()) } else { Ok(()) };
        }
        let answered = self.fetch.fetch(&self.url, Ask::Get).await.map_err(|error| error.0);
        let parsed = answered.and_then(|text| KeySet::parse(&text).map_err(Into::into));
        *asking = Some((now, parsed.is_err()));
        match parsed {
            Ok(keys) => {
                let kept = Kept { keys: Arc::new(keys), at: now };
                *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Some(kept);
                Ok(())
            }
            Err(error) => {
                let url = &*self.url;
                tracing::warn!(station = STATION, url, %error, "no keys of the identity provider");
                Err(error)
            }
        }
    }
}

/// Whether a time has passed since. A clock that was set back counts as much.
fn is_over(since: Timestamp, time: Duration, now: Timestamp) -> bool {
    now < since || now >= since.after(time)
}

fn unavailable(error: Option<Box<str>>) -> Refusal {
    let error = error.unwrap_or_default();
    Refusal::Unavailable(format!("no keys of the identity provider: {error}").into())
}
