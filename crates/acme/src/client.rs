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
use http_body_util::{BodyExt, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{HOST, HeaderValue, RETRY_AFTER, USER_AGENT},
    http::uri::PathAndQuery,
};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use net::Connector;
use tokio::{net::TcpStream, time::timeout};

/// What one answer may hold. A chain of certificates has some ten kilobytes.
const BODY_OCTETS_MAX: usize = 1 << 20;
const HEAD_OCTETS_MAX: usize = 64 << 10;
/// From the first packet to the last octet of an answer.
const WITHIN: Duration = Duration::from_mins(1);
const CONNECT_WITHIN: Duration = Duration::from_secs(15);
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(15);
/// More makes no difference, and numbers without bounds overflow elsewhere.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24 * 366);
/// RFC 9773 §4.3: when to ask again about a renewal, where the authority does not say.
const ASK_AGAIN: Duration = Duration::from_hours(6);
const OURS: &str = concat!("postrider/", env!("CARGO_PKG_VERSION"));

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
pub(crate) struct Https {
    connector: Connector,
    clock: Arc<dyn Clock>,
    refusals: Refusals,
}

impl Https {
    pub(crate) fn new(connector: Connector, clock: Arc<dyn Clock>, refusals: Refusals) -> Self {
        Self { connector, clock, refusals }
    }
}

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move {
            let uri = request.uri().clone();
            let answered = timeout(WITHIN, client.exchange(request)).await;
            let answered =
                answered.unwrap_or_else(|_| Err(format!("no answer within {} s", WITHIN.as_secs()).into()));
            answered.map_err(|error| {
                let host = uri.host().unwrap_or_default();
                Error::Other(Box::new(Unanswered { host: host.to_owned(), error }))
            })
        })
    }
}

type AnyError = Box<dyn StdError + Send + Sync>;

/// A request without an answer that could be used.
#[derive(Debug, thiserror::Error)]
#[error("{host}")]
struct Unanswered {
    host: String,
    #[source]
    error: AnyError,
}

/// Where a URL leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// A name, or an address without brackets.
    host: String,
    port: u16,
}

impl Target {
    /// RFC 8555 §6.1: nothing in clear.
    pub(crate) fn of(uri: &Uri) -> Result<Self, &'static str> {
        if uri.scheme_str() != Some("https") {
            return Err("the URL does not begin with https://");
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or("the URL names no host")?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Ok(Self { host: host.to_owned(), port: uri.port_u16().unwrap_or(443) })
    }
}

impl Https {
    async fn exchange(&self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, AnyError> {
        let Target { host, port } = Target::of(request.uri())?;
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let connected = timeout(CONNECT_WITHIN, TcpStream::connect((host.as_str(), port))).await;
        let stream = connected.map_err(|_| "no connection")??;
        let (channel, _) = self.connector.connect(&host, stream, HANDSHAKE_WITHIN).await?;
        let builder = &mut hyper::client::conn::http1::Builder::new();
        let handshake = builder.max_buf_size(HEAD_OCTETS_MAX).handshake(TokioIo::new(channel));
        let (mut sender, connection) = handshake.await?;
        // Ends with the sender, or with the answer.
        tokio::spawn(connection);
        let response = sender.send_request(addressed(request, &uri)?).await?;
        let response = self.made_safe(response, &method);
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, BODY_OCTETS_MAX).collect().await?.to_bytes();
        judge(parts.status, &method, &body)?;
        Ok(BytesResponse { parts, body: Box::new(body) })
    }

    /// Takes out of the head what would overflow, and notes what a refusal says about the next attempt.
    fn made_safe(&self, mut response: Response<Incoming>, method: &Method) -> Response<Incoming> {
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

/// The form of a request to an origin (RFC 9112 §3.2.1).
fn addressed(
    mut request: Request<BodyWrapper<Bytes>>,
    uri: &Uri,
) -> Result<Request<BodyWrapper<Bytes>>, AnyError> {
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    *request.uri_mut() = path.parse()?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let theirs = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // RFC 8555 §6.1 wants both to be named.
    let agent = HeaderValue::from_str(&format!("{OURS} {theirs}"))?;
    request.headers_mut().insert(USER_AGENT, agent);
    request.headers_mut().insert(HOST, HeaderValue::from_str(authority)?);
    Ok(request)
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
        Target::of(&uri)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_leads_to_a_host_and_a_port() {
        let target = |text: &str| Target::of(&text.parse().unwrap());
        let is = |host: &str, port| Ok(Target { host: host.to_owned(), port });
        assert_eq!(target("https://ca.example/dir"), is("ca.example", 443));
        assert_eq!(target("https://[2001:db8::1]:14000/dir"), is("2001:db8::1", 14000));
        assert!(target("http://ca.example/dir").is_err());
        assert!(target("/dir").is_err());
    }

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
