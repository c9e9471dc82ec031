//! Which provider a token belongs to, and what that says of it.

use std::{fmt, sync::Arc};

use mail::Timestamp;
use net::AnchorsError;

use crate::{
    Algorithm, Fetch, HttpsFetch, Provider, Refusal, Source, TOKEN_OCTETS_MAX,
    claims::{Word, judge},
    introspection::Introspection,
    jwt::Jwt,
    key_cache::KeyCache,
};

/// Checks tokens of some providers.
pub struct Checker(Vec<Way>);

/// A provider, and how its word is had.
struct Way {
    provider: Provider,
    by: By,
}

enum By {
    Keys(KeyCache, Vec<Algorithm>),
    Introspection(Introspection),
}

impl Checker {
    /// For tokens of these providers, which are asked by HTTPS.
    ///
    /// # Errors
    /// Nobody could be believed to be one of them.
    pub fn new(providers: &[Provider]) -> Result<Self, AnchorsError> {
        let fetch = |provider: &Provider| {
            HttpsFetch::new(&provider.anchors).map(|fetch| Arc::new(fetch) as Arc<dyn Fetch>)
        };
        let ways = providers.iter().map(|provider| Ok(Way::new(provider.clone(), fetch(provider)?)));
        ways.collect::<Result<_, _>>().map(Self)
    }

    /// The same by other ways to ask.
    pub fn by(providers: &[Provider], fetch: &Arc<dyn Fetch>) -> Self {
        let ways = providers.iter().map(|provider| Way::new(provider.clone(), Arc::clone(fetch)));
        Self(ways.collect())
    }

    /// The login that a token names, by the word of the provider that issued it.
    ///
    /// # Errors
    /// Why it lets nobody in; [`Refusal::Unavailable`] is not its fault.
    pub async fn check(&self, token: &str, now: Timestamp) -> Result<Box<str>, Refusal> {
        if token.len() > TOKEN_OCTETS_MAX {
            return Err(Refusal::Malformed);
        }
        let jwt = Jwt::parse(token);
        let issuer = jwt.as_ref().and_then(Jwt::issuer);
        let own = self.0.iter().find(|way| issuer == Some(&*way.provider.issuer));
        match (own, &jwt) {
            (Some(Way { provider, by: By::Keys(keys, algorithms) }), Some(jwt)) => {
                let algorithm = jwt.algorithm(algorithms)?;
                keys.check(now, |keys| jwt.verify(keys, algorithm)).await?;
                judge(jwt.claims(), provider, Word::OfToken, now)
            }
            (Some(Way { provider, by: By::Introspection(asked) }), _) => {
                asked.check(provider, token, now).await
            }
            _ => self.ask_all(token, jwt.is_some(), now).await,
        }
    }

    /// A token that does not say whose it is may be that of anybody who can be asked.
    async fn ask_all(&self, token: &str, is_jwt: bool, now: Timestamp) -> Result<Box<str>, Refusal> {
        let mut refusal = if is_jwt { Refusal::Issuer } else { Refusal::Malformed };
        for Way { provider, by } in &self.0 {
            let By::Introspection(asked) = by else { continue };
            match asked.check(provider, token, now).await {
                Ok(login) => return Ok(login),
                // Another's no does not count against who could not be asked.
                Err(_) if matches!(refusal, Refusal::Unavailable(_)) => {}
                Err(why) => refusal = why,
            }
        }
        Err(refusal)
    }
}

impl Way {
    fn new(provider: Provider, fetch: Arc<dyn Fetch>) -> Self {
        let by = match &provider.source {
            Source::Keys { url, algorithms } => By::Keys(KeyCache::new(url, fetch), algorithms.clone()),
            Source::Introspection { url, client_id, client_secret } => {
                By::Introspection(Introspection::new(url, client_id, client_secret, fetch))
            }
        };
        Self { provider, by }
    }
}

impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|way| &way.provider.issuer)).finish()
    }
}
