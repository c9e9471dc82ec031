//! Asking a provider about a token (RFC 7662).

use std::{fmt::Write, sync::Arc};

use base64::prelude::{BASE64_STANDARD, Engine};
use mail::Timestamp;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use crate::{
    Ask, ClientSecret, Fetch, Provider, Refusal,
    answers::Answers,
    claims::{Word, expiry, judge},
};

const STATION: &str = "login/oauth";
/// Questions to one provider at a time; who comes beyond that comes again.
const ASKED_MAX: usize = 32;

/// One provider that is asked.
pub(crate) struct Introspection {
    url: Box<str>,
    authorization: String,
    fetch: Arc<dyn Fetch>,
    answers: Answers,
    asked: Semaphore,
}

impl Introspection {
    pub(crate) fn new(url: &str, client_id: &str, secret: &ClientSecret, fetch: Arc<dyn Fetch>) -> Self {
        // RFC 6749 §2.3.1: both are encoded before they are put together.
        let credentials = format!("{}:{}", encoded(client_id), encoded(secret.expose()));
        Self {
            url: url.into(),
            authorization: format!("Basic {}", BASE64_STANDARD.encode(credentials)),
            fetch,
            answers: Answers::default(),
            asked: Semaphore::new(ASKED_MAX),
        }
    }

    /// The login of a token that is good now, by the provider's word or by its word of just now.
    pub(crate) async fn check(
        &self,
        provider: &Provider,
        token: &str,
        now: Timestamp,
    ) -> Result<Box<str>, Refusal> {
        if let Some(answer) = self.answers.get(token, now) {
            return answer;
        }
        let claims = self.ask(token).await?;
        let answer = match claims.get("active") {
            Some(Value::Bool(true)) => judge(&claims, provider, Word::OfProvider, now),
            Some(Value::Bool(false)) => Err(Refusal::Inactive),
            // RFC 7662 §2.2: it is required.
            _ => Err(Refusal::Unavailable("the identity provider does not say whether it is active".into())),
        };
        self.answers.keep(token, &answer, expiry(&claims), now);
        answer
    }

    async fn ask(&self, token: &str) -> Result<Map<String, Value>, Refusal> {
        let Ok(_asked) = self.asked.try_acquire() else {
            return Err(Refusal::Unavailable("too many tokens to ask about at once".into()));
        };
        let form = format!("token={}&token_type_hint=access_token", encoded(token));
        let ask = Ask::Post { form, authorization: self.authorization.clone() };
        let answered = self.fetch.fetch(&self.url, ask).await.map_err(|error| error.0);
        let parsed = answered
            .and_then(|text| serde_json::from_slice(&text).map_err(|_| "its answer makes no sense".into()));
        parsed.map_err(|error: Box<str>| {
            tracing::warn!(station = STATION, url = &*self.url, %error, "the identity provider cannot be asked");
            Refusal::Unavailable(format!("the identity provider cannot be asked: {error}").into())
        })
    }
}

/// As `application/x-www-form-urlencoded` has it: all but letters, digits and `-._~` in percent.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(octet));
            }
            // Writing to a String cannot fail.
            _ => drop(write!(encoded, "%{octet:02X}")),
        }
    }
    encoded
}
