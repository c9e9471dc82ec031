//! Requests to the authority: HTTP/1.1 under TLS, verified, within bounds of time and size. What comes back is made safe before anybody believes it.

use std::{
    error::Error as StdError,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use disk::Clock;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    header::{HeaderValue, RETRY_AFTER},
};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use net::{Connector, Https, HttpsBounds, HttpsTarget};

/// What one answer may hold: a chain of certificates has some ten kilobytes. And how long one may take.
const BOUNDS: HttpsBounds = HttpsBounds { within: Duration::from_mins(1), body_octets_max: 1 << 20 };
/// More makes no difference, and numbers without bounds overflow elsewhere.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24 * 366);
/// RFC 9773 §4.3: when to ask again about a renewal, where the authority does not say.
const ASK_AGAIN: Duration = Duration::from_hours(6);

/// What the authority said about trying again, with the last request that it refused.
#[derive(Clone, Default)]
pub(crate) struct Refusals(Arc<Mutex<Option<Duration>>>);

impl Refusals {
    pub(crate) fn last(&self) -> Option<Duration> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, after: Option<Duration>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = after;
    }
}

/// The authority as a server of HTTP.
#[derive(Clone)]
pub(crate) struct Client {
    https: Https,
    clock: Arc<dyn Clock>,
    refusals: Refusals,
}

impl Client {
    pub(crate) fn new(connector: Connector, clock: Arc<dyn Clock>, refusals: Refusals) -> Self {
        Self { https: Https::new(connector), clock, refusals }
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move {
            let (method, host) =
                (request.method().clone(), request.uri().host().unwrap_or_default().to_owned());
            let other = |error: AnyError| Error::Other(error);
            let answered =
                client.https.send(request, BOUNDS).await.map_err(|error| other(Box::new(error)))?;
            let (parts, body) = client.made_safe(answered, &method).into_parts();
            judge(parts.status, &method, &body).map_err(|error| other(Box::new(Unusable { host, error })))?;
            Ok(BytesResponse { parts, body: Box::new(body) })
        })
    }
}

type AnyError = Box<dyn StdError + Send + Sync>;

/// An answer of no use.
#[derive(Debug, thiserror::Error)]
#[error("{host}")]
struct Unusable {
    host: String,
    #[source]
    error: AnyError,
}

impl Client {
    /// Takes out of the head what would overflow, and notes what a refusal says about the next attempt.
    fn made_safe(&self, mut response: Response<Bytes>, method: &Method) -> Response<Bytes> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(self.clock.now().as_millis());
        let after = retry_after(response.headers(), now);
        if response.status().is_client_error() || response.status().is_server_error() {
            self.refusals.note(after);
        }
        // Only about renewals is anything asked by GET, but for the directory, where it means nothing.
        let after = after.or_else(|| (method == Method::GET).then_some(ASK_AGAIN));
        let headers = response.headers_mut();
        headers.remove(RETRY_AFTER);
        if let Some(after) = after {
            headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs()));
        }
        response
    }
}

/// RFC 9110 §10.2.3: seconds or a date. What is neither is as good as not there.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit()) {
        // A number that is too large for a number is large.
        let seconds = text.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs);
        return Some(seconds.min(RETRY_AFTER_MAX));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default().min(RETRY_AFTER_MAX))
}

/// A refusal has to be a problem document (RFC 7807), and a directory must name its URLs as such: who reads them behind
/// here takes that for granted.
fn judge(status: StatusCode, method: &Method, body: &[u8]) -> Result<(), AnyError> {
    let json = || serde_json::from_slice::<serde_json::Value>(body).ok();
    if status.is_client_error() || status.is_server_error() {
        return match json() {
            Some(value) if value.is_object() => Ok(()),
            _ if *method == Method::HEAD => Ok(()),
            _ => Err(format!("it answered {status}").into()),
        };
    }
    let nonces = json().and_then(|value| value.get("newNonce")?.as_str().map(str::to_owned));
    if let (&Method::GET, Some(url)) = (method, nonces) {
        let uri: Uri =
            url.parse().map_err(|error| format!("newNonce of the directory is no URL: {error}"))?;
        HttpsTarget::of(&uri)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_it_says_about_the_next_attempt_has_bounds() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("18446744073709551615", Some(RETRY_AFTER_MAX.as_secs())),
            ("99999999999999999999999999", Some(RETRY_AFTER_MAX.as_secs())),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1983 08:50:37 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(RETRY_AFTER_MAX.as_secs())),
            ("soon", None),
            ("-5", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(text).unwrap())]);
            assert_eq!(retry_after(&headers, now).map(|after| after.as_secs()), seconds, "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn an_answer_of_no_sense_is_told_as_such() {
        let judged = |status: u16, method: Method, body: &[u8]| {
            judge(StatusCode::from_u16(status).unwrap(), &method, body).map_err(|error| error.to_string())
        };
        assert_eq!(judged(400, Method::POST, b"{\"type\":\"x\"}"), Ok(()));
        assert_eq!(judged(502, Method::POST, b"<html>"), Err("it answered 502 Bad Gateway".into()));
        assert_eq!(judged(429, Method::POST, b""), Err("it answered 429 Too Many Requests".into()));
        assert_eq!(judged(503, Method::HEAD, b""), Ok(()));
        assert_eq!(judged(200, Method::GET, b"{\"newNonce\":\"https://ca.example/n\"}"), Ok(()));
        assert!(judged(200, Method::GET, b"{\"newNonce\":\"a b\"}").is_err());
        assert!(judged(200, Method::GET, b"{\"newNonce\":\"http://ca.example/n\"}").is_err());
        assert_eq!(judged(200, Method::POST, b"-----BEGIN"), Ok(()));
    }
}
