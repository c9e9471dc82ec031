//! What is said of a token, by itself under its provider's signature or by the provider: whether that lets somebody in.

use std::time::Duration;

use mail::Timestamp;
use serde_json::{Map, Value};

use crate::{Provider, Refusal};

/// How far the clocks of provider and server may differ.
const LEEWAY: Duration = Duration::from_mins(1);

/// Who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// The token: it must say all that matters.
    OfToken,
    /// The provider, which has judged the token itself (RFC 7662 §4): what it leaves out was right.
    OfProvider,
}

/// The login of a token that is good now.
pub(crate) fn judge(
    claims: &Map<String, Value>,
    provider: &Provider,
    word: Word,
    now: Timestamp,
) -> Result<Box<str>, Refusal> {
    issuer(claims, provider, word)?;
    dates(claims, word, now)?;
    audience(claims, provider)?;
    let granted = scopes(claims);
    if let Some(lacking) = provider.scopes.iter().find(|scope| !granted.contains(&&***scope)) {
        return Err(Refusal::Scope(lacking.clone()));
    }
    login(claims, &provider.login_claim)
}

fn issuer(claims: &Map<String, Value>, provider: &Provider, word: Word) -> Result<(), Refusal> {
    match (claims.get("iss"), word) {
        (None, Word::OfProvider) => Ok(()),
        (Some(Value::String(issuer)), _) if **issuer == *provider.issuer => Ok(()),
        _ => Err(Refusal::Issuer),
    }
}

/// RFC 7519 §4.1.4, §4.1.5.
fn dates(claims: &Map<String, Value>, word: Word, now: Timestamp) -> Result<(), Refusal> {
    match seconds(claims, "exp")? {
        None if word == Word::OfToken => return Err(Refusal::Dates),
        Some(until) if until.after(LEEWAY) <= now => return Err(Refusal::Expired),
        _ => {}
    }
    match seconds(claims, "nbf")? {
        Some(from) if from > now.after(LEEWAY) => Err(Refusal::Early),
        _ => Ok(()),
    }
}

/// Until when it holds, by what it says.
pub(crate) fn expiry(claims: &Map<String, Value>) -> Option<Timestamp> {
    seconds(claims, "exp").ok().flatten()
}

/// A `NumericDate`: seconds, which may have a fraction. One that cannot be read is not the same as none.
fn seconds(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let whole = value.as_u64().or_else(|| {
        // Whoever writes a date in exponents means one that a number can hold.
        let float = value.as_f64().filter(|float| (0.0..1e15).contains(float))?;
        format!("{:.0}", float.floor()).parse().ok()
    });
    let millis = whole.ok_or(Refusal::Dates)?.checked_mul(1000).ok_or(Refusal::Dates)?;
    Ok(Some(Timestamp::from_millis(millis)))
}

/// RFC 7519 §4.1.3: a text or a list of them.
fn audience(claims: &Map<String, Value>, provider: &Provider) -> Result<(), Refusal> {
    let is_ours = |value: &Value| {
        value.as_str().is_some_and(|text| provider.audience.iter().any(|ours| **ours == *text))
    };
    let good = provider.audience.is_empty()
        || match claims.get("aud") {
            Some(Value::Array(all)) => all.iter().any(is_ours),
            Some(one) => is_ours(one),
            None => false,
        };
    good.then_some(()).ok_or(Refusal::Audience)
}

/// RFC 8693 §4.2: words with spaces between in `scope`; some write a list, or call it `scp`.
fn scopes(claims: &Map<String, Value>) -> Vec<&str> {
    let named = ["scope", "scp"].into_iter().filter_map(|name| claims.get(name));
    let texts = named.flat_map(|value| match value {
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect::<Vec<_>>(),
    });
    texts.flat_map(|text| text.split(' ')).filter(|word| !word.is_empty()).collect()
}

fn login(claims: &Map<String, Value>, name: &str) -> Result<Box<str>, Refusal> {
    let login = claims.get(name).and_then(Value::as_str).filter(|login| !login.is_empty());
    let login = login.ok_or_else(|| Refusal::Login(name.into()))?;
    // OpenID Connect Core §5.7: an address that anybody can enter for himself identifies nobody.
    let verified = claims
        .get("email_verified")
        .is_none_or(|value| *value == Value::Bool(true) || value.as_str() == Some("true"));
    if name == "email" && !verified {
        return Err(Refusal::Unverified);
    }
    Ok(login.into())
}
