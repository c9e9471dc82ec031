//! Speaks to a running server: HTTP over the Unix socket in its data directory.

use std::{convert::Infallible, fmt::Display, io, ops::ControlFlow, path::Path, time::Duration};

use admin::frames::{Frame, Frames};
use http_body_util::{
    BodyExt, Full,
    channel::{Channel, Sender},
};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Bytes, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::UnixStream, task::JoinHandle};

use crate::failure::Failure;

/// A server that does not answer its own operator for so long is stuck. To look through a long queue takes its time.
const TIMEOUT: Duration = Duration::from_mins(10);

/// Frames that wait until the server takes them.
const FRAMES_MAX: usize = 16;

/// What the request is about says something wrong, and the answer is a report of it.
const UNPROCESSABLE: u16 = 422;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// Nobody listens there.
    NotRunning(Failure),
    /// The server answered with a problem, or not at all.
    Failed(Failure),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::NotRunning(failure) | ClientError::Failed(failure) => failure,
        }
    }
}

/// Asks for a resource and reads its document.
pub(crate) async fn get<T: DeserializeOwned>(socket: &Path, path: &str) -> Result<T, ClientError> {
    request(socket, Method::GET, path, Bytes::new()).await
}

/// Reads a stream of lines, for as long as it goes on. Breaks when `show` does.
pub(crate) async fn stream(
    socket: &Path,
    path: &str,
    mut show: impl FnMut(&[u8]) -> Result<ControlFlow<()>, Failure>,
) -> Result<ControlFlow<()>, ClientError> {
    let stream = UnixStream::connect(socket).await.map_err(|error| unreachable(socket, &error))?;
    let answer =
        tokio::time::timeout(TIMEOUT, send(stream, Method::GET, path, Full::new(Bytes::new()))).await;
    let mut response = answer.map_err(|_| silent("timed out"))?.map_err(silent)?;
    let status = response.status();
    if !status.is_success() {
        let body = response.into_body().collect().await.map_err(silent)?.to_bytes();
        return Err(ClientError::Failed(refusal(status.as_u16(), &body)));
    }
    let mut rest: Vec<u8> = Vec::new();
    while let Some(frame) = response.body_mut().frame().await {
        // A server that stops cuts the stream.
        let Ok(frame) = frame else { break };
        rest.extend_from_slice(frame.data_ref().map(Bytes::as_ref).unwrap_or_default());
        let whole = rest.iter().rposition(|octet| *octet == b'\n').map_or(0, |end| end + 1);
        for line in rest.drain(..whole).as_slice().split(|octet| *octet == b'\n') {
            if show(line).map_err(ClientError::Failed)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Sends a document and reads the answer's.
pub(crate) async fn post<T: DeserializeOwned>(
    socket: &Path,
    path: &str,
    document: &impl Serialize,
) -> Result<T, ClientError> {
    let body = serde_json::to_vec(document);
    let body =
        body.map_err(|error| ClientError::Failed(Failure::new(format!("cannot write JSON: {error}"))))?;
    request(socket, Method::POST, path, body.into()).await
}

/// Removes a resource and reads the answer's document.
pub(crate) async fn delete<T: DeserializeOwned>(socket: &Path, path: &str) -> Result<T, ClientError> {
    request(socket, Method::DELETE, path, Bytes::new()).await
}

/// As [`post`] without a document, for what may take hours.
pub(crate) async fn post_and_wait<T: DeserializeOwned>(socket: &Path, path: &str) -> Result<T, ClientError> {
    let stream = UnixStream::connect(socket).await.map_err(|error| unreachable(socket, &error))?;
    let answer = exchange(stream, Method::POST, path, Full::new(Bytes::new())).await;
    let (status, body) = answer.map_err(silent)?;
    document(status, &body)
}

/// Messages on their way to the server.
pub(crate) struct Outbound {
    sender: Sender<Bytes>,
    answer: JoinHandle<Result<(StatusCode, Bytes), String>>,
}

impl Outbound {
    /// Begins to post messages.
    pub(crate) async fn open(socket: &Path, path: &str) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(socket).await.map_err(|error| unreachable(socket, &error))?;
        let (sender, body) = Channel::new(FRAMES_MAX);
        let path = path.to_owned();
        let answer = tokio::spawn(async move { exchange(stream, Method::POST, &path, body).await });
        Ok(Self { sender, answer })
    }

    /// Sends a frame. Whether the server still wants some: else its answer says why not.
    pub(crate) async fn send(&mut self, frame: &Frame) -> bool {
        self.sender.send_data(frame.encode().into()).await.is_ok()
    }

    /// All was sent: what the server says of it.
    pub(crate) async fn answer<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        drop(self.sender);
        let answer = tokio::time::timeout(TIMEOUT, self.answer).await.map_err(|_| silent("timed out"))?;
        let (status, body) = answer.map_err(silent)?.map_err(silent)?;
        document(status, &body)
    }
}

/// Asks for messages, and takes each frame of them as it comes.
pub(crate) async fn messages(
    socket: &Path,
    path: &str,
    mut take: impl FnMut(Frame) -> Result<(), Failure>,
) -> Result<(), ClientError> {
    let stream = UnixStream::connect(socket).await.map_err(|error| unreachable(socket, &error))?;
    let answer =
        tokio::time::timeout(TIMEOUT, send(stream, Method::GET, path, Full::new(Bytes::new()))).await;
    let mut response = answer.map_err(|_| silent("timed out"))?.map_err(silent)?;
    let status = response.status();
    if !status.is_success() {
        let body = response.into_body().collect().await.map_err(silent)?.to_bytes();
        return Err(ClientError::Failed(refusal(status.as_u16(), &body)));
    }
    let mut frames = Frames::default();
    while let Some(part) = response.body_mut().frame().await {
        let part = part.map_err(silent)?;
        frames.push(part.data_ref().map(Bytes::as_ref).unwrap_or_default());
        while let Some(frame) = frames.next_frame().map_err(silent)? {
            match frame {
                Frame::Finished => return Ok(()),
                Frame::Failed(why) => return Err(ClientError::Failed(Failure::new(why))),
                frame => take(frame).map_err(ClientError::Failed)?,
            }
        }
    }
    Err(silent("it stopped in the middle"))
}

/// What may be sent as a body.
trait Outgoing: Body<Data = Bytes, Error = Infallible> + Send + 'static {}

impl<B: Body<Data = Bytes, Error = Infallible> + Send + 'static> Outgoing for B {}

async fn request<T: DeserializeOwned>(
    socket: &Path,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<T, ClientError> {
    let stream = UnixStream::connect(socket).await.map_err(|error| unreachable(socket, &error))?;
    let answer = tokio::time::timeout(TIMEOUT, exchange(stream, method, path, Full::new(body))).await;
    let (status, body) = answer.map_err(|_| silent("timed out"))?.map_err(silent)?;
    document(status, &body)
}

/// The document of an answer, or what the server has against the request.
fn document<T: DeserializeOwned>(status: StatusCode, body: &Bytes) -> Result<T, ClientError> {
    if !status.is_success() {
        return Err(ClientError::Failed(refusal(status.as_u16(), body)));
    }
    serde_json::from_slice(body).map_err(|error| {
        let failure = Failure::new(format!("cannot understand the server's answer: {error}"));
        ClientError::Failed(failure.hint("is it of another version? `postrider --version` tells this one's"))
    })
}

fn silent(why: impl Display) -> ClientError {
    ClientError::Failed(Failure::new(format!("the server does not answer: {why}")))
}

async fn exchange(
    stream: UnixStream,
    method: Method,
    path: &str,
    body: impl Outgoing,
) -> Result<(StatusCode, Bytes), String> {
    let response = send(stream, method, path, body).await?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    Ok((status, body))
}

async fn send(
    stream: UnixStream,
    method: Method,
    path: &str,
    body: impl Outgoing,
) -> Result<Response<Incoming>, String> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // What ends the connection shows on the sender's side too.
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "postrider")
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)
        .map_err(|error| error.to_string())?;
    sender.send_request(request).await.map_err(|error| error.to_string())
}

fn unreachable(socket: &Path, error: &io::Error) -> ClientError {
    let place = socket.parent().unwrap_or(socket).display();
    let failed = |message: String, hint: &str| Failure::new(message).hint(hint);
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NotRunning(failed(
            format!("no server runs on {place}"),
            "start it, or name another one with --config FILE or --dir DIR",
        )),
        io::ErrorKind::PermissionDenied => ClientError::Failed(failed(
            format!("cannot reach the server on {place}: permission denied"),
            "run this as the server's user, or as root",
        )),
        _ => ClientError::Failed(Failure::new(format!("cannot reach the server on {place}: {error}"))),
    }
}

fn refusal(status: u16, body: &[u8]) -> Failure {
    let problem = serde_json::from_slice::<admin::Problem>(body).ok();
    let hint = problem.as_ref().and_then(|problem| problem.hint.clone());
    let text = problem.map(|problem| problem.detail.unwrap_or(problem.title));
    if status == UNPROCESSABLE
        && let Some(report) = text
    {
        return Failure::report(report, true);
    }
    let failure =
        Failure::new(text.unwrap_or_else(|| format!("the server answered with HTTP status {status}")));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// A value of a query string or a segment of a path, percent-encoded (RFC 3986 §2.1): all but unreserved characters.
pub(crate) fn encoded(text: &str) -> String {
    let plain = |octet: &u8| octet.is_ascii_alphanumeric() || b"-._~".contains(octet);
    let encode =
        |octet: u8| if plain(&octet) { char::from(octet).to_string() } else { format!("%{octet:02X}") };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_can_leave_its_place() {
        assert_eq!(encoded("anna+x@example.org"), "anna%2Bx%40example.org");
        assert_eq!(encoded("a/../b?c&d=e#f\r\n é"), "a%2F..%2Fb%3Fc%26d%3De%23f%0D%0A%20%C3%A9");
    }
}
