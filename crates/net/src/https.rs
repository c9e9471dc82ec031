//! Requests by HTTP/1.1 under TLS, verified, within bounds of time and size: for who asks a service for a document now and then. One connection
//! a request; no redirects are followed.

use std::{error::Error as StdError, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request, Response, Uri,
    body::Body,
    header::{CONTENT_TYPE, HOST, HeaderValue, USER_AGENT},
    http::uri::PathAndQuery,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use crate::Connector;

const HEAD_OCTETS_MAX: usize = 64 << 10;
const CONNECT_WITHIN: Duration = Duration::from_secs(15);
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(15);
const OURS: &str = concat!("postrider/", env!("CARGO_PKG_VERSION"));

/// What one request may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpsBounds {
    /// From the first packet to the last octet of the answer.
    pub within: Duration,
    /// Octets of the answer's content.
    pub body_octets_max: usize,
}

/// A request without an answer that could be used.
#[derive(Debug, thiserror::Error)]
#[error("{host}")]
pub struct HttpsError {
    host: String,
    #[source]
    cause: AnyError,
}

type AnyError = Box<dyn StdError + Send + Sync>;

impl HttpsError {
    /// Host and causes in one line.
    pub fn text(&self) -> String {
        let mut text = self.host.clone();
        let mut cause: Option<&(dyn StdError + 'static)> = Some(self.cause.as_ref());
        while let Some(error) = cause {
            text.extend([": ", &error.to_string()]);
            cause = error.source();
        }
        text
    }
}

/// Where a URL leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpsTarget {
    /// A name, or an address without brackets.
    pub host: String,
    /// 443 unless the URL says otherwise.
    pub port: u16,
}

impl HttpsTarget {
    /// Where a URL leads that begins with `https://`: nothing is asked in clear.
    ///
    /// # Errors
    /// It begins otherwise, or names no host.
    pub fn of(uri: &Uri) -> Result<Self, &'static str> {
        if uri.scheme_str() != Some("https") {
            return Err("the URL does not begin with https://");
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or("the URL names no host")?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Ok(Self { host: host.to_owned(), port: uri.port_u16().unwrap_or(443) })
    }

    /// Whether a text is a URL that can be asked.
    pub fn is_url(text: &str) -> bool {
        text.parse().is_ok_and(|uri| Self::of(&uri).is_ok())
    }
}

/// What is at a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// The status, such as 200.
    pub status: u16,
    /// The media type, with its parameters.
    pub content_type: Option<String>,
    /// The content.
    pub body: Bytes,
}

/// Asks services of HTTP. Clones are the same.
#[derive(Debug, Clone)]
pub struct Https(Connector);

impl Https {
    /// By a connector that verifies ([`Connector::verifying`], with `http/1.1`).
    pub fn new(connector: Connector) -> Self {
        Self(connector)
    }

    /// Sends a request, and gives the whole of the answer, whatever its status.
    ///
    /// # Errors
    /// There is no answer, or it is larger or slower than the bounds.
    pub async fn send<B>(
        &self,
        request: Request<B>,
        bounds: HttpsBounds,
    ) -> Result<Response<Bytes>, HttpsError>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<AnyError>,
    {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let answered = timeout(bounds.within, self.exchange(request, bounds.body_octets_max)).await;
        let seconds = bounds.within.as_secs();
        let answered = answered.unwrap_or_else(|_| Err(format!("no answer within {seconds} s").into()));
        answered.map_err(|cause| HttpsError { host, cause })
    }

    /// What is at a URL, of whom was found out elsewhere where its host is: the addresses are tried in their order.
    ///
    /// # Errors
    /// There is no answer, or it is larger or slower than the bounds.
    pub async fn get(&self, url: &str, at: &[SocketAddr], bounds: HttpsBounds) -> Result<Got, HttpsError> {
        let failed = |cause: AnyError| HttpsError { host: url.to_owned(), cause };
        let request = Request::get(url).body(Empty::<Bytes>::new()).map_err(|error| failed(error.into()))?;
        let answered = async {
            let target = HttpsTarget::of(request.uri())?;
            let connected = timeout(CONNECT_WITHIN, TcpStream::connect(at)).await;
            let stream = connected.map_err(|_| "no connection")??;
            self.over(stream, &target.host, request, bounds.body_octets_max).await
        };
        let answered = timeout(bounds.within, answered).await;
        let seconds = bounds.within.as_secs();
        let answered = answered.unwrap_or_else(|_| Err(format!("no answer within {seconds} s").into()));
        let answer = answered.map_err(failed)?;
        let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let (status, content_type) = (answer.status().as_u16(), content_type.map(str::to_owned));
        Ok(Got { status, content_type, body: answer.into_body() })
    }

    async fn exchange<B>(&self, request: Request<B>, octets_max: usize) -> Result<Response<Bytes>, AnyError>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<AnyError>,
    {
        let HttpsTarget { host, port } = HttpsTarget::of(request.uri())?;
        let connected = timeout(CONNECT_WITHIN, TcpStream::connect((host.as_str(), port))).await;
        let stream = connected.map_err(|_| "no connection")??;
        self.over(stream, &host, request, octets_max).await
    }

    async fn over<B>(
        &self,
        stream: TcpStream,
        host: &str,
        request: Request<B>,
        octets_max: usize,
    ) -> Result<Response<Bytes>, AnyError>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<AnyError>,
    {
        let (channel, _) = self.0.connect(host, stream, HANDSHAKE_WITHIN).await?;
        let builder = &mut hyper::client::conn::http1::Builder::new();
        let handshake = builder.max_buf_size(HEAD_OCTETS_MAX).handshake(TokioIo::new(channel));
        let (mut sender, connection) = handshake.await?;
        // Ends with the sender, or with the answer.
        tokio::spawn(connection);
        let (parts, body) = sender.send_request(addressed(request)?).await?.into_parts();
        let body = Limited::new(body, octets_max).collect().await?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }
}

/// The form of a request to an origin (RFC 9112 §3.2.1), and who asks.
fn addressed<B>(mut request: Request<B>) -> Result<Request<B>, AnyError> {
    let uri = request.uri().clone();
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    *request.uri_mut() = path.parse()?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let theirs = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let agent = HeaderValue::from_str(format!("{OURS} {theirs}").trim_end())?;
    request.headers_mut().insert(USER_AGENT, agent);
    request.headers_mut().insert(HOST, HeaderValue::from_str(authority)?);
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_leads_to_a_host_and_a_port() {
        let target = |text: &str| HttpsTarget::of(&text.parse().unwrap());
        let is = |host: &str, port| Ok(HttpsTarget { host: host.to_owned(), port });
        assert_eq!(target("https://ca.example/dir"), is("ca.example", 443));
        assert_eq!(target("https://[2001:db8::1]:14000/dir"), is("2001:db8::1", 14000));
        assert!(target("http://ca.example/dir").is_err());
        assert!(target("/dir").is_err());
    }

    #[test]
    fn a_request_goes_to_an_origin_by_its_path() {
        let request = Request::get("https://id.example:8443/keys?a=b").body(()).unwrap();
        let request = addressed(request).unwrap();
        assert_eq!(request.uri(), "/keys?a=b");
        assert_eq!(request.headers()[HOST], "id.example:8443");
        assert_eq!(request.headers()[USER_AGENT], OURS);
    }
}
