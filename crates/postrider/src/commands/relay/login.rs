//! `postrider relay login`: somebody allows this server to send by an account, in a browser or on another device.

use std::{sync::Arc, time::Duration};

use admin::api::{Changed, Command};
use disk::{Clock, OsRandom, Random, SystemClock};
use oauth::{Authorization, Client, Tokens, TokensError};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};

use crate::{
    cli::RelayLogin,
    client::post,
    config::{self, Config},
    failure::Failure,
    place,
    relay_tokens::Keeper,
    terminal::{self, clean},
};

/// How long somebody may take.
const PATIENCE: Duration = Duration::from_mins(15);
/// RFC 8628 §3.5: asked too fast, it is asked so much more slowly from then on.
const SLOWER: Duration = Duration::from_secs(5);
/// A browser says what it wants in less.
const REQUEST_OCTETS_MAX: u64 = 32 << 10;
const DONE: &str = "Postrider may send by this account now. You can close this page.";
const NOT_DONE: &str = "This was not the answer that Postrider waits for. Look at the terminal.";

pub(super) fn run(wanted: &RelayLogin, json: bool) -> Result<(), Failure> {
    let config = place::load(&wanted.file.config)?;
    let keeper = keeper(&config, wanted.name.as_deref())?;
    let tokens = super::super::run(async {
        let client = keeper.client();
        let device = wanted.device || client.authorize_url.is_none();
        let tokens = if device { by_device(client).await? } else { by_browser(client).await? };
        let kept = keeper.keep(&tokens).await;
        kept.map_err(|error| {
            Failure::new(format!("the tokens cannot be written: {}", config::words(&error)))
        })?;
        Ok(tokens)
    })?;
    let woken = wake(&config);
    if json {
        return terminal::print_json(&serde_json::json!({
            "expires_at": tokens.expires_at.to_string(), "renewable": tokens.refresh.is_some(), "server_told": woken,
        }));
    }
    let lasts = match tokens.refresh {
        Some(_) => "it is renewed by itself".to_owned(),
        None => format!("it cannot be renewed, and is over at {}", tokens.expires_at),
    };
    let told = if woken { "; what waited is tried now" } else { "" };
    terminal::print(&format!("logged in; {lasts}{told}"))
}

/// The account that is meant: the only one that has tokens, if none is named.
fn keeper(config: &Config, name: Option<&str>) -> Result<Arc<Keeper>, Failure> {
    let mut keepers =
        config.relays.iter().filter_map(|settings| Some((settings.relay(), settings.keeper()?)));
    let found = match name {
        Some(name) => keepers.find(|(relay, _)| &*relay.name == name),
        None => keepers.next(),
    };
    found.map(|(_, keeper)| keeper).ok_or_else(|| {
        let what = name.map_or_else(String::new, |name| format!(" `{}`", clean(name)));
        Failure::usage(format!("there is no relay{what} with an account that takes tokens"))
            .hint("add login and client_id to it; docs/guides/relays.md shows how")
    })
}

fn failed(error: &TokensError) -> Failure {
    Failure::new(clean(&error.to_string()))
        .hint("look at client_id and client_secret, and at what the provider allows that client")
}

/// RFC 8628.
async fn by_device(client: &Client) -> Result<Tokens, Failure> {
    let device = client.device_code().await.map_err(|error| failed(&error))?;
    let url = device.url_complete.as_ref().unwrap_or(&device.url);
    terminal::say(&format!("Open {} and type in {}", clean(url), clean(&device.user_code)));
    let (until, mut interval) = (Instant::now() + device.life, device.interval);
    while Instant::now() < until {
        sleep(interval).await;
        match client.poll(&device, SystemClock.now()).await {
            Ok(tokens) => return Ok(tokens),
            Err(TokensError::Pending) => {}
            // RFC 8628 §3.5: it may be busy for a moment.
            Err(TokensError::TooFast | TokensError::Unavailable(_)) => interval += SLOWER,
            Err(error) => return Err(failed(&error)),
        }
    }
    Err(Failure::new("nobody typed the code in in time").hint("run it again"))
}

/// RFC 8252 §7.3: the browser of this machine comes back to a port of loopback.
async fn by_browser(client: &Client) -> Result<Tokens, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await;
    let listener = listener.map_err(|error| Failure::new(format!("no port on loopback: {error}")))?;
    let port = listener.local_addr().map_err(Failure::new)?.port();
    let mut random = [0; 64];
    OsRandom.fill(&mut random);
    let redirect = format!("http://127.0.0.1:{port}/");
    let authorization = client.authorization(&redirect, &random).map_err(|error| failed(&error))?;
    terminal::say(&format!(
        "Open this in a browser on this machine, and allow it (over SSH: ssh -L {port}:127.0.0.1:{port}, or --device):\n{}",
        clean(&authorization.url)
    ));
    let code = timeout(PATIENCE, answer(&listener, &authorization)).await;
    let code = code.map_err(|_| Failure::new("nobody allowed it in time").hint("run it again"))??;
    client.redeem(&authorization, &code, SystemClock.now()).await.map_err(|error| failed(&error))
}

/// The code that a browser brings. What is not ours is answered, and not believed: any page may send a browser here.
async fn answer(listener: &TcpListener, authorization: &Authorization) -> Result<String, Failure> {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        let Some(query) = timeout(Duration::from_secs(10), asked(&mut stream)).await.ok().flatten() else {
            continue;
        };
        let value = |key: &str| query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        let ours = value("state") == Some(&*authorization.state);
        match (ours, value("code"), value("error")) {
            (true, Some(code), _) => {
                reply(&mut stream, "200 OK", DONE).await;
                return Ok(code.to_owned());
            }
            (true, None, Some(error)) => {
                reply(&mut stream, "200 OK", NOT_DONE).await;
                return Err(Failure::new(format!("it was not allowed: {}", clean(error))));
            }
            _ => reply(&mut stream, "404 Not Found", NOT_DONE).await,
        }
    }
}

/// The query of a request to `/`.
async fn asked(stream: &mut TcpStream) -> Option<Vec<(String, String)>> {
    let mut lines = BufReader::new(stream).take(REQUEST_OCTETS_MAX);
    let (mut first, mut line) = (String::new(), String::new());
    lines.read_line(&mut first).await.ok()?;
    // To the end of the head, or the browser takes the answer for none.
    while lines.read_line(&mut line).await.ok()? > 2 {
        line.clear();
    }
    let target = first.strip_prefix("GET ")?.split(' ').next()?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    (path == "/").then(|| query.split('&').filter_map(pair).collect())
}

fn pair(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    Some((decoded(key)?, decoded(value)?))
}

/// `application/x-www-form-urlencoded`. None: it is not.
fn decoded(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(octets).ok()
}

async fn reply(stream: &mut TcpStream, status: &str, text: &str) {
    let page = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n\r\n{text}",
        text.len()
    );
    // The browser may be gone: what it brought counts.
    let _ = stream.write_all(page.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Lets a running server try at once what waits. Whether it was told.
fn wake(config: &Config) -> bool {
    let socket = config::control_socket(&config.data_dir);
    let all = Command { all: true, ..Command::default() };
    let told = super::super::run(async { Ok(post::<Changed>(&socket, "/v1/queue/retry", &all).await?) });
    told.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_browsers_write_it() {
        let read = |text: &str| pair(text);
        let is = |key: &str, value: &str| Some((key.to_owned(), value.to_owned()));
        assert_eq!(read("code=4%2F0Ab+c"), is("code", "4/0Ab c"));
        assert_eq!(read("state="), is("state", ""));
        for wrong in ["code", "code=%", "code=%4", "code=%zz", "code=%ff"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
