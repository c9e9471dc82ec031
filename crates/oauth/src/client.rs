//! The client's side of an authorization server: tokens for an account of ours elsewhere (RFC 6749), by a browser with PKCE (RFC 7636,
//! RFC 8252) or by a code that is typed in on another device (RFC 8628), and new ones before the old are over.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use bytes::Bytes;
use mail::Timestamp;
use serde_json::Value;

use crate::{ClientSecret, FetchError, introspection::encoded};

/// What a token lives that says nothing of it (RFC 6749 §5.1 only recommends it).
const LIFE_USUAL: Duration = Duration::from_hours(1);
/// A life beyond that is no life of an access token.
const LIFE_MAX: Duration = Duration::from_hours(24 * 366);
/// RFC 8628 §3.2: where the server says nothing.
const INTERVAL_USUAL: Duration = Duration::from_secs(5);

/// An answer with its status.
pub type Posted<'a> = Pin<Box<dyn Future<Output = Result<(u16, Bytes), FetchError>> + Send + 'a>>;

/// How a server is asked: by HTTPS, or by whatever a test has.
pub trait Post: Send + Sync {
    /// Sends a form; an answer with another status than 200 is one too.
    fn post<'a>(&'a self, url: &'a str, form: String) -> Posted<'a>;
}

/// An authorization server, as the client that the operator has registered there.
#[derive(Clone)]
pub struct Client {
    /// Who we are there.
    pub id: Box<str>,
    /// What proves it; none for a client that cannot keep a secret.
    pub secret: Option<ClientSecret>,
    /// What tokens are to allow, with spaces between.
    pub scope: Box<str>,
    /// Where a browser goes; none: not known.
    pub authorize_url: Option<Box<str>>,
    /// Where tokens are given.
    pub token_url: Box<str>,
    /// Where codes for other devices are given; none: not known.
    pub device_url: Option<Box<str>>,
    /// How it is asked.
    pub post: Arc<dyn Post>,
}

/// What the server gave.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Lets in until it is over.
    pub access: Box<str>,
    /// Gives another one; none: as before.
    pub refresh: Option<Box<str>>,
    /// When the first is over.
    pub expires_at: Timestamp,
}

/// Why it gave none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokensError {
    /// The grant is over, or was taken back (`invalid_grant`, RFC 6749 §5.2): somebody has to log in again.
    Revoked(String),
    /// Nobody has answered yet (RFC 8628 §3.5).
    Pending,
    /// The same, and it was asked too fast.
    TooFast,
    /// Refused for another reason, such as a client that it does not know: only the operator can mend it.
    Refused(String),
    /// It cannot be asked, or its answer makes no sense.
    Unavailable(String),
}

impl std::fmt::Display for TokensError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Revoked(why) => write!(f, "the grant is over: {why}"),
            Self::Pending | Self::TooFast => f.write_str("nobody has allowed it yet"),
            Self::Refused(why) => write!(f, "the authorization server refuses: {why}"),
            Self::Unavailable(why) => write!(f, "the authorization server cannot be asked: {why}"),
        }
    }
}

/// Nobody waits longer for somebody who types a code in, whatever the server says.
const DEVICE_LIFE_MAX: Duration = Duration::from_hours(1);
/// Asked more seldom than that, nobody would see that it is done.
const INTERVAL_MAX: Duration = Duration::from_mins(1);

/// A request that waits for somebody with a browser.
#[derive(Clone)]
pub struct Authorization {
    /// Where the browser goes.
    pub url: String,
    /// Comes back with the answer; another one is not ours.
    pub state: String,
    /// Shows that it was us who asked (RFC 7636 §4.1).
    verifier: String,
    redirect: String,
}

/// A request that waits for somebody with another device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCode {
    /// What is typed in.
    pub user_code: String,
    /// Where.
    pub url: String,
    /// The same with the code in it, if the server has that.
    pub url_complete: Option<String>,
    /// How often it may be asked.
    pub interval: Duration,
    /// How long the code is good.
    pub life: Duration,
    code: String,
}

impl Client {
    /// A request for a browser that comes back to `redirect`. `random`: new, and not to be guessed.
    ///
    /// # Errors
    /// It is not known where the browser goes.
    pub fn authorization(&self, redirect: &str, random: &[u8; 64]) -> Result<Authorization, TokensError> {
        let url = self.authorize_url.as_deref();
        let url = url.ok_or_else(|| TokensError::Refused("there is no URL for a browser".to_owned()))?;
        let (state, verifier) = random.split_at(32);
        let (state, verifier) =
            (BASE64_URL_SAFE_NO_PAD.encode(state), BASE64_URL_SAFE_NO_PAD.encode(verifier));
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        // Google gives a token for later only if it is asked for one (`access_type`), and again only by consent; others ignore both.
        let query = form(&[
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", redirect),
            ("scope", &self.scope),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("access_type", "offline"),
            ("prompt", "consent"),
        ]);
        let separator = if url.contains('?') { '&' } else { '?' };
        Ok(Authorization {
            url: format!("{url}{separator}{query}"),
            state,
            verifier,
            redirect: redirect.to_owned(),
        })
    }

    /// The tokens for the code that a browser came back with (RFC 6749 §4.1.3).
    ///
    /// # Errors
    /// There are none.
    pub async fn redeem(
        &self,
        authorization: &Authorization,
        code: &str,
        now: Timestamp,
    ) -> Result<Tokens, TokensError> {
        let Authorization { verifier, redirect, .. } = authorization;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect),
            ("code_verifier", verifier),
        ];
        self.tokens(&fields, now).await
    }

    /// New tokens (RFC 6749 §6).
    ///
    /// # Errors
    /// There are none.
    pub async fn refresh(&self, refresh: &str, now: Timestamp) -> Result<Tokens, TokensError> {
        self.tokens(&[("grant_type", "refresh_token"), ("refresh_token", refresh)], now).await
    }

    /// Asks for a code that somebody types in on another device (RFC 8628 §3.1).
    ///
    /// # Errors
    /// There is none.
    pub async fn device_code(&self) -> Result<DeviceCode, TokensError> {
        let url = self.device_url.as_deref();
        let url =
            url.ok_or_else(|| TokensError::Refused("there is no URL for codes of devices".to_owned()))?;
        let answer = self.ask(url, &[("scope", &self.scope)]).await?;
        let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
        let seconds = |key: &str| answer.get(key).and_then(Value::as_u64).map(Duration::from_secs);
        let missing = || TokensError::Unavailable("its answer has no code".to_owned());
        Ok(DeviceCode {
            user_code: text("user_code").ok_or_else(missing)?,
            // `verification_url` is what Google says.
            url: text("verification_uri").or_else(|| text("verification_url")).ok_or_else(missing)?,
            url_complete: text("verification_uri_complete"),
            interval: seconds("interval")
                .unwrap_or(INTERVAL_USUAL)
                .clamp(Duration::from_secs(1), INTERVAL_MAX),
            life: seconds("expires_in").unwrap_or(Duration::from_mins(15)).min(DEVICE_LIFE_MAX),
            code: text("device_code").ok_or_else(missing)?,
        })
    }

    /// The tokens for such a code, once somebody has typed it in (RFC 8628 §3.4).
    ///
    /// # Errors
    /// Not yet, or never.
    pub async fn poll(&self, device: &DeviceCode, now: Timestamp) -> Result<Tokens, TokensError> {
        let kind = "urn:ietf:params:oauth:grant-type:device_code";
        self.tokens(&[("grant_type", kind), ("device_code", &device.code)], now).await
    }

    async fn tokens(&self, fields: &[(&str, &str)], now: Timestamp) -> Result<Tokens, TokensError> {
        let answer = self.ask(&self.token_url, fields).await?;
        let text = |key: &str| answer.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let nonsense = |what: &str| TokensError::Unavailable(what.to_owned());
        let access = text("access_token")
            .filter(|token| is_token(token))
            .ok_or_else(|| nonsense("its answer has no token"))?;
        if text("token_type").is_some_and(|kind| !kind.eq_ignore_ascii_case("Bearer")) {
            return Err(nonsense("its token is none that is known here"));
        }
        // Some say it as a text.
        let life = answer.get("expires_in");
        let life = life.and_then(|life| life.as_u64().or_else(|| life.as_str()?.parse().ok()));
        let life = life.map_or(LIFE_USUAL, Duration::from_secs).min(LIFE_MAX);
        let refresh = text("refresh_token").map(Into::into);
        Ok(Tokens { access: access.into(), refresh, expires_at: now.after(life) })
    }

    async fn ask(&self, url: &str, fields: &[(&str, &str)]) -> Result<Value, TokensError> {
        let mut all = vec![("client_id", &*self.id)];
        // RFC 6749 §2.3.1: in the form, which all take; Microsoft and Google want it so.
        all.extend(self.secret.as_ref().map(|secret| ("client_secret", secret.expose())));
        all.extend(fields);
        let (status, body) = self
            .post
            .post(url, form(&all))
            .await
            .map_err(|error| TokensError::Unavailable(error.0.into()))?;
        let answer = serde_json::from_slice::<Value>(&body).ok().filter(Value::is_object);
        match (status, answer) {
            (200, Some(answer)) => Ok(answer),
            (400..=499, Some(answer)) if answer.get("error").is_some() => Err(refusal(&answer)),
            (200, None) => Err(TokensError::Unavailable("its answer makes no sense".to_owned())),
            (status, _) => Err(TokensError::Unavailable(format!("{url} answered {status}"))),
        }
    }
}

/// RFC 6749 §5.2, RFC 8628 §3.5.
fn refusal(answer: &Value) -> TokensError {
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
    let (error, described) = (text("error"), text("error_description"));
    let words = if described.is_empty() { error.to_owned() } else { format!("{error}: {described}") };
    let words: String = words.chars().filter(|c| !c.is_control()).take(300).collect();
    match error {
        "invalid_grant" | "access_denied" | "expired_token" | "interaction_required" | "consent_required" => {
            TokensError::Revoked(words)
        }
        "authorization_pending" => TokensError::Pending,
        "slow_down" => TokensError::TooFast,
        "temporarily_unavailable" | "server_error" => TokensError::Unavailable(words),
        _ => TokensError::Refused(words),
    }
}

/// RFC 6750 §2.1: what goes into a line of a protocol has no other characters.
fn is_token(text: &str) -> bool {
    let of_token = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~+/=".contains(&octet);
    text.len() <= crate::TOKEN_OCTETS_MAX && text.bytes().all(of_token)
}

fn form(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = fields.iter().map(|(key, value)| format!("{key}={}", encoded(value))).collect();
    pairs.join("&")
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("token_url", &self.token_url)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Answers with what it has, and keeps what it was asked.
    struct Server {
        answers: Mutex<Vec<(u16, &'static str)>>,
        asked: Mutex<Vec<(String, String)>>,
    }

    impl Post for Server {
        fn post<'a>(&'a self, url: &'a str, form: String) -> Posted<'a> {
            self.asked.lock().unwrap().push((url.to_owned(), form));
            let (status, body) = self.answers.lock().unwrap().remove(0);
            Box::pin(std::future::ready(Ok((status, Bytes::from_static(body.as_bytes())))))
        }
    }

    fn client(answers: &[(u16, &'static str)]) -> (Client, Arc<Server>) {
        let server = Arc::new(Server { answers: Mutex::new(answers.to_vec()), asked: Mutex::default() });
        let client = Client {
            id: "our id".into(),
            secret: Some(ClientSecret::new("s/cret")),
            scope: "https://mail.example/ offline".into(),
            authorize_url: Some("https://id.example/auth".into()),
            token_url: "https://id.example/token".into(),
            device_url: Some("https://id.example/device".into()),
            post: Arc::clone(&server) as Arc<dyn Post>,
        };
        (client, server)
    }

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    /// RFC 7636 §4.2 and its appendix B by the numbers; RFC 8252 §7.3.
    #[tokio::test]
    async fn a_browser_brings_a_code_that_only_we_can_redeem() {
        let good =
            r#"{"access_token":"ya29.a","token_type":"bearer","expires_in":3599,"refresh_token":"1//r"}"#;
        let (client, server) = client(&[(200, good)]);
        let random = std::array::from_fn(|place| u8::try_from(place).unwrap());
        let authorization = client.authorization("http://127.0.0.1:4711/", &random).unwrap();
        let url = &authorization.url;
        assert!(url.starts_with("https://id.example/auth?response_type=code&client_id=our%20id&redirect_uri=http%3A%2F%2F127.0.0.1%3A4711%2F"), "{url}");
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, authorization.verifier.as_bytes()));
        assert!(url.contains(&format!("&code_challenge={challenge}&code_challenge_method=S256")), "{url}");
        assert!(!url.contains(&authorization.verifier) && authorization.verifier.len() >= 43);
        let tokens = client.redeem(&authorization, "4/code", NOW).await.unwrap();
        assert_eq!((&*tokens.access, tokens.refresh.as_deref()), ("ya29.a", Some("1//r")));
        assert_eq!(tokens.expires_at, NOW.after(Duration::from_secs(3599)));
        let asked = server.asked.lock().unwrap();
        let (url, form) = &asked[0];
        assert_eq!(url, "https://id.example/token");
        assert!(
            form.contains("client_secret=s%2Fcret&grant_type=authorization_code&code=4%2Fcode"),
            "{form}"
        );
        assert!(form.ends_with(&format!("code_verifier={}", authorization.verifier)), "{form}");
    }

    #[tokio::test]
    async fn a_code_is_typed_in_on_another_device() {
        let code = r#"{"device_code":"d","user_code":"ABCD-EFGH","verification_uri":"https://id.example/go","expires_in":900,"interval":7}"#;
        let pending = r#"{"error":"authorization_pending"}"#;
        let fast = r#"{"error":"slow_down"}"#;
        let good = r#"{"access_token":"a","expires_in":"60"}"#;
        let (client, server) = client(&[(200, code), (400, pending), (400, fast), (200, good)]);
        let device = client.device_code().await.unwrap();
        assert_eq!((&*device.user_code, device.interval), ("ABCD-EFGH", Duration::from_secs(7)));
        assert_eq!(client.poll(&device, NOW).await, Err(TokensError::Pending));
        assert_eq!(client.poll(&device, NOW).await, Err(TokensError::TooFast));
        let tokens = client.poll(&device, NOW).await.unwrap();
        assert_eq!((tokens.refresh, tokens.expires_at), (None, NOW.after(Duration::from_mins(1))));
        assert!(server.asked.lock().unwrap()[3].1.ends_with("device_code&device_code=d"));
    }

    #[tokio::test]
    async fn no_server_makes_anybody_wait_for_ages() {
        let code = r#"{"device_code":"d","user_code":"A","verification_uri":"https://id.example/go","expires_in":18446744073709551615,"interval":18446744073709551615}"#;
        let (client, _) = client(&[(200, code)]);
        let device = client.device_code().await.unwrap();
        assert_eq!((device.life, device.interval), (DEVICE_LIFE_MAX, INTERVAL_MAX));
    }

    #[tokio::test]
    async fn a_grant_that_is_over_is_told_from_a_server_that_is_down() {
        type Is = fn(&TokensError) -> bool;
        let cases: [(u16, &'static str, Is); 9] = [
            (
                400,
                r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#,
                |e| matches!(e, TokensError::Revoked(why) if why.contains("expired or revoked")),
            ),
            (401, r#"{"error":"invalid_client"}"#, |e| matches!(e, TokensError::Refused(_))),
            (400, r#"{"error":"temporarily_unavailable"}"#, |e| matches!(e, TokensError::Unavailable(_))),
            (503, "busy", |e| matches!(e, TokensError::Unavailable(_))),
            (500, r#"{"error":"invalid_grant"}"#, |e| matches!(e, TokensError::Unavailable(_))),
            (200, "<html>", |e| matches!(e, TokensError::Unavailable(_))),
            (200, "{}", |e| matches!(e, TokensError::Unavailable(_))),
            (200, r#"{"access_token":"a b\r\nMAIL FROM:<>"}"#, |e| matches!(e, TokensError::Unavailable(_))),
            (200, r#"{"access_token":"a","token_type":"mac"}"#, |e| matches!(e, TokensError::Unavailable(_))),
        ];
        for (status, body, is) in cases {
            let (client, _) = client(&[(status, body)]);
            let error = client.refresh("r", NOW).await.unwrap_err();
            assert!(is(&error), "{status} {body}: {error:?}");
        }
    }

    #[test]
    fn nothing_secret_shows() {
        let (client, _) = client(&[]);
        let tokens = Tokens { access: "ya29".into(), refresh: Some("1//r".into()), expires_at: NOW };
        let shown = format!("{client:?} {tokens:?}");
        assert!(!shown.contains("s/cret") && !shown.contains("ya29") && !shown.contains("1//r"), "{shown}");
    }
}
