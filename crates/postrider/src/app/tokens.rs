//! Tokens of identity providers, for the directory: the crate `oauth` judges them, and neither knows the other.

use std::{future::Future, pin::Pin, sync::Arc};

use directory::{TokenError, Tokens};
use mail::Timestamp;
use oauth::{Checker, Refusal};

use super::explain;
use crate::{config::Config, failure::Failure};

struct ByProviders(Checker);

impl Tokens for ByProviders {
    fn login<'a>(
        &'a self,
        token: &'a str,
        now: Timestamp,
    ) -> Pin<Box<dyn Future<Output = Result<Box<str>, TokenError>> + Send + 'a>> {
        Box::pin(async move {
            self.0.check(token, now).await.map_err(|refusal| match refusal {
                Refusal::Unavailable(why) => TokenError::Unavailable(why),
                wrong => TokenError::Wrong(wrong.to_string().into()),
            })
        })
    }
}

/// Who judges tokens by a configuration; none where it has no provider.
pub(super) fn judge(config: &Config) -> Result<Option<Arc<dyn Tokens>>, Failure> {
    if config.oauth.is_empty() {
        return Ok(None);
    }
    let providers: Vec<_> = config.oauth.iter().map(|oauth| oauth.provider.clone()).collect();
    let checker = Checker::new(&providers).map_err(|error| explain::oauth(&error))?;
    Ok(Some(Arc::new(ByProviders(checker))))
}
