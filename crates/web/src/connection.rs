//! One connection: HTTP/1.1 (RFC 9112) within limits of size and time.

use std::{convert::Infallible, pin::pin, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Request, Response, StatusCode, header},
};
use hyper::{body::Incoming, server::conn::http1, service::Service, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use net::Shutdown;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{sleep, timeout},
};

use crate::{Config, linger::Lingering, setup};

/// Octets of a head, and of what is read ahead: a longer one is answered by 431.
const HEAD_OCTETS_MAX: usize = 16 * 1024;
/// Header fields of a request.
const FIELDS_MAX: usize = 64;
/// What was asked when the time of a connection is over is answered within this.
const LAST_ANSWER: Duration = Duration::from_secs(5);

/// In the extensions of a request: it came in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InClear(pub bool);

/// Serves requests until the client has no more, its time is over, or the server stops.
pub(crate) async fn serve<S>(
    config: &Config,
    router: &Router,
    stream: S,
    in_clear: bool,
    until: &mut Shutdown,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let within = config.request_timeout;
    let service = service_fn(|request: Request<Incoming>| {
        let router = TowerToHyperService::new(router.clone());
        async move { Ok::<_, Infallible>(answer(router, request, in_clear, within).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(config.head_timeout)
        .max_buf_size(HEAD_OCTETS_MAX)
        .max_headers(FIELDS_MAX)
        .serve_connection(TokioIo::new(Lingering::new(stream)), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = sleep(config.connection_timeout) => None,
        () = until.requested() => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        // Who does not take the answer by then has gone.
        timeout(LAST_ANSWER, connection).await.unwrap_or(Ok(()))
    };
    if let Err(error) = ended {
        tracing::debug!(station = "http", %error, "connection lost");
    }
}

/// The answer to a request, whatever it is.
async fn answer(
    router: TowerToHyperService<Router>,
    request: Request<Incoming>,
    in_clear: bool,
    within: Duration,
) -> Response<Body> {
    let mut request = request.map(Body::new);
    setup::fold_case(&mut request);
    request.extensions_mut().insert(InClear(in_clear));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = match timeout(within, router.call(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => late(),
    };
    // Whatever is in it, it is what its type says (and nothing that a browser would run).
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    tracing::debug!(station = "http", %method, path, status = response.status().as_u16(), "answered");
    response
}

/// The body of the request took too long: what is left of it nobody will read.
fn late() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
