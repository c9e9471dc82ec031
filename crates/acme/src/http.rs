//! HTTP-01 (RFC 8555 §8.3): a web server that knows the answers to open challenges and nothing else.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

/// A request for a challenge has some hundred octets.
const REQUEST_OCTETS_MAX: usize = 4096;
/// For the whole of a connection.
const WITHIN: Duration = Duration::from_secs(10);
const PREFIX: &str = "/.well-known/acme-challenge/";

/// What is answered, by token. Clones are the same.
#[derive(Clone, Default)]
pub struct HttpChallenges(Arc<RwLock<HashMap<Box<str>, Box<str>>>>);

impl HttpChallenges {
    pub(crate) fn open(&self, token: &str, answer: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(token.into(), answer.into());
    }

    pub(crate) fn close(&self, token: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(token);
    }

    /// The answer to the challenge of that token, while it is open.
    pub fn find(&self, token: &str) -> Option<Box<str>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    /// Serves one request.
    pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) {
        // Who is too slow or goes away has no answer.
        let _ = timeout(WITHIN, async {
            let head = head(&mut stream).await?;
            stream.write_all(&self.answer(&head)).await?;
            stream.shutdown().await?;
            // Closing on octets that nobody has read would take the answer back.
            let mut rest = [0; 1024];
            let mut left = REQUEST_OCTETS_MAX;
            while left > 0 {
                match stream.read(&mut rest).await? {
                    0 => break,
                    octets => left = left.saturating_sub(octets),
                }
            }
            std::io::Result::Ok(())
        })
        .await;
    }

    /// The answer to the head of a request.
    fn answer(&self, head: &[u8]) -> Vec<u8> {
        let Some((method, path)) = request(head) else { return response("400 Bad Request", true, "") };
        let body = method == "GET";
        if !body && method != "HEAD" {
            return response("405 Method Not Allowed", true, "");
        }
        match path.strip_prefix(PREFIX).and_then(|token| self.find(token)) {
            Some(answer) => response("200 OK", body, &answer),
            None => response("404 Not Found", body, "there is nothing here\n"),
        }
    }
}

/// The head of a request, as far as it may be long.
async fn head<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while head.len() < REQUEST_OCTETS_MAX && !is_whole(&head) {
        match stream.read(&mut buffer).await? {
            0 => break,
            octets => head.extend_from_slice(buffer.get(..octets).unwrap_or_default()),
        }
    }
    Ok(head)
}

fn is_whole(head: &[u8]) -> bool {
    head.windows(4).any(|octets| octets == b"\r\n\r\n")
}

/// Method and path of the request line (RFC 9112 §3), of a head that is whole.
fn request(head: &[u8]) -> Option<(&str, &str)> {
    if !is_whole(head) {
        return None;
    }
    let line = head.split(|octet| *octet == b'\r').next()?;
    let mut words = str::from_utf8(line).ok()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    // A proxy may send the absolute form (RFC 9112 §3.2.2).
    let path = match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => target,
    };
    (version.starts_with("HTTP/1.") && words.next().is_none()).then_some((method, path))
}

fn response(status: &str, with_body: bool, body: &str) -> Vec<u8> {
    let length = body.len();
    let shown = if with_body { body } else { "" };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{shown}"
    )
    .into_bytes()
}

impl fmt::Debug for HttpChallenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpChallenges").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    fn challenges() -> HttpChallenges {
        let challenges = HttpChallenges::default();
        challenges.open("token", "token.thumb");
        challenges
    }

    fn status(head: &str) -> String {
        let answer = String::from_utf8(challenges().answer(head.as_bytes())).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    }

    #[test]
    fn open_challenges_are_answered_and_nothing_else() {
        let answer =
            challenges().answer(b"GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\ntoken.thumb"),
            "{answer}"
        );
        assert!(answer.contains("Content-Length: 11\r\n"));
        for (request, expected) in [
            ("GET http://a.example/.well-known/acme-challenge/token HTTP/1.0\r\n\r\n", "200"),
            ("HEAD /.well-known/acme-challenge/token HTTP/1.1\r\n\r\n", "200"),
            ("GET /.well-known/acme-challenge/other HTTP/1.1\r\n\r\n", "404"),
            ("GET /.well-known/acme-challenge/ HTTP/1.1\r\n\r\n", "404"),
            ("GET /.well-known/acme-challenge/../token HTTP/1.1\r\n\r\n", "404"),
            ("GET /token HTTP/1.1\r\n\r\n", "404"),
            ("GET http://a.example HTTP/1.1\r\n\r\n", "404"),
            ("POST /.well-known/acme-challenge/token HTTP/1.1\r\n\r\n", "405"),
            ("GET /.well-known/acme-challenge/token\r\n\r\n", "400"),
            ("GET /.well-known/acme-challenge/token HTTP/2\r\n\r\n", "400"),
            ("GET /.well-known/acme-challenge/token HTTP/1.1\r\n", "400"),
            ("\r\n\r\n", "400"),
            ("", "400"),
        ] {
            assert_eq!(status(request), expected, "{request}");
        }
        let head = challenges().answer(b"HEAD /.well-known/acme-challenge/token HTTP/1.1\r\n\r\n");
        assert!(head.ends_with(b"\r\n\r\n"));
        let closed = challenges();
        closed.close("token");
        assert!(
            closed
                .answer(b"GET /.well-known/acme-challenge/token HTTP/1.1\r\n\r\n")
                .starts_with(b"HTTP/1.1 404")
        );
    }

    #[tokio::test]
    async fn a_request_without_end_is_cut_off() {
        let (mut client, server) = duplex(1024);
        let served = tokio::spawn(async move { challenges().serve(server).await });
        let mut answer = Vec::new();
        // It may be gone before all is sent.
        let _ = client.write_all(&[b'x'; REQUEST_OCTETS_MAX * 2]).await;
        client.shutdown().await.unwrap();
        client.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 400"));
        served.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_is_left() {
        let (client, server) = duplex(1024);
        let before = tokio::time::Instant::now();
        challenges().serve(server).await;
        assert_eq!(before.elapsed(), WITHIN);
        drop(client);
    }
}
