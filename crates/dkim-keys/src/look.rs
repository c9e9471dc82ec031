//! What the DNS says of records.

use std::{sync::Arc, time::Duration};

use dns::{DnsError, Resolve};
use message_auth::dkim::{SigningKey, WrongRecord};
use tokio::{task::JoinSet, time::timeout};

use crate::plan::Seen;

/// One question, with all that the resolver may try.
const WITHIN: Duration = Duration::from_secs(10);
/// Questions at a time.
const QUESTIONS_MAX: usize = 16;

/// The texts at a name, or that it cannot be said which there are.
pub(crate) type Texts = Option<Vec<Vec<u8>>>;

/// Asks for all names.
pub(crate) async fn texts<T: Send + 'static>(
    resolver: &Arc<dyn Resolve>,
    names: Vec<(T, String)>,
) -> Vec<(T, Texts)> {
    let (mut found, mut asked) = (Vec::with_capacity(names.len()), JoinSet::new());
    for (what, name) in names {
        if asked.len() >= QUESTIONS_MAX {
            found.extend(asked.join_next().await.and_then(Result::ok));
        }
        let resolver = Arc::clone(resolver);
        asked.spawn(async move { (what, ask(resolver.as_ref(), &name).await) });
    }
    while let Some(one) = asked.join_next().await {
        found.extend(one.ok());
    }
    found
}

async fn ask(resolver: &dyn Resolve, name: &str) -> Texts {
    match timeout(WITHIN, resolver.txt(name)).await {
        Ok(Ok(answer)) => Some(answer.records),
        Ok(Err(DnsError::NoSuchName | DnsError::NoRecords)) => Some(Vec::new()),
        Ok(Err(DnsError::Temporary(why))) => {
            tracing::debug!(station = "dkim", name, %why, "no answer about a record");
            None
        }
        Err(_) => None,
    }
}

/// What texts mean for a key; for one that cannot be read, whether there are any.
pub(crate) fn judged(texts: &Texts, key: Option<&SigningKey>) -> Seen {
    let Some(texts) = texts else { return Seen::NoAnswer };
    let judged = match key {
        Some(key) => key.is_published_by(texts),
        None if texts.is_empty() => Err(WrongRecord::Missing),
        None => Ok(()),
    };
    match judged {
        Ok(()) => Seen::Right,
        Err(WrongRecord::Missing) => Seen::Missing,
        Err(wrong) => Seen::Wrong(wrong.to_string()),
    }
}
