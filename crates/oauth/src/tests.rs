//! Which tokens let somebody in, against providers that a test plays.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
};

use aws_lc_rs::{
    hmac, rand,
    rsa::{KeySize, PublicKeyComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
    },
};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use bytes::Bytes;
use mail::Timestamp;
use net::Anchors;
use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "https://id.example.org";
const NOW: u64 = 1_800_000_000;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn encoded(octets: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(octets)
}

/// Keys of each kind.
enum Signer {
    Ed(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair, Algorithm),
}

impl Signer {
    fn ed() -> Self {
        Self::Ed(Ed25519KeyPair::generate().unwrap())
    }

    fn jwk(&self, id: &str) -> Value {
        match self {
            Self::Ed(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": encoded(pair.public_key()) })
            }
            Self::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "kid": id, "x": encoded(&point[1..33]), "y": encoded(&point[33..]) })
            }
            Self::Rsa(pair, algorithm) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                let (n, e) = (encoded(public.n), encoded(public.e));
                json!({ "kty": "RSA", "kid": id, "use": "sig", "alg": algorithm.name(), "n": n, "e": e })
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = rand::SystemRandom::new();
        match self {
            Self::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Self::P256(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Rsa(pair, algorithm) => {
                let padding: &dyn RsaEncoding =
                    if *algorithm == Algorithm::Ps256 { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signature = encoded(self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

/// A provider that answers what it was told to, in order; the last answer again and again.
#[derive(Default)]
struct Played {
    answers: Mutex<VecDeque<Result<String, FetchError>>>,
    asked: Mutex<Vec<(String, Ask)>>,
}

impl Played {
    fn new(answers: impl IntoIterator<Item = Result<String, FetchError>>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), asked: Mutex::default() })
    }

    fn times_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Fetch for Played {
    fn fetch<'a>(
        &'a self,
        url: &'a str,
        ask: Ask,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send + 'a>> {
        self.asked.lock().unwrap().push((url.to_owned(), ask));
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(std::future::ready(answer.unwrap().map(Bytes::from)))
    }
}

fn down() -> Result<String, FetchError> {
    Err(FetchError("connection refused".into()))
}

#[expect(clippy::unnecessary_wraps, reason = "it is what a provider answers")]
fn keys(keys: &[Value]) -> Result<String, FetchError> {
    Ok(json!({ "keys": keys }).to_string())
}

fn by_keys() -> Provider {
    Provider {
        issuer: ISSUER.into(),
        audience: vec!["mail".into()],
        scopes: vec!["smtp".into()],
        login_claim: "email".into(),
        source: Source::Keys {
            url: "https://id.example.org/keys".into(),
            algorithms: Algorithm::ALL.to_vec(),
        },
        anchors: Anchors::System,
    }
}

fn by_asking() -> Provider {
    let client_secret = ClientSecret::new("h u/sh");
    let url = "https://id.example.org/introspect".into();
    Provider {
        audience: Vec::new(),
        login_claim: "username".into(),
        source: Source::Introspection { url, client_id: "mail server".into(), client_secret },
        ..by_keys()
    }
}

fn checker(providers: &[Provider], played: &Arc<Played>) -> Checker {
    Checker::by(providers, &(Arc::clone(played) as Arc<dyn Fetch>))
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": ["web", "mail"], "exp": NOW + 300, "nbf": NOW - 300, "scope": "openid smtp imap",
        "email": "anna@example.org", "email_verified": true,
    })
}

/// The claims with one of them changed, or taken away.
fn changed(name: &str, value: Value) -> Value {
    let mut all = claims();
    match value {
        Value::Null => all.as_object_mut().unwrap().remove(name),
        value => all.as_object_mut().unwrap().insert(name.to_owned(), value),
    };
    all
}

async fn check(checker: &Checker, token: &str) -> Result<String, Refusal> {
    checker.check(token, at(NOW)).await.map(Into::into)
}

#[expect(clippy::unnecessary_wraps, reason = "it is what a check returns")]
fn anna() -> Result<String, Refusal> {
    Ok("anna@example.org".to_owned())
}

#[tokio::test]
async fn each_algorithm_is_checked_by_its_own_keys() {
    let rsa = || RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let signers = [
        ("EdDSA", Signer::ed()),
        ("ES256", Signer::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())),
        ("RS256", Signer::Rsa(rsa(), Algorithm::Rs256)),
        ("PS256", Signer::Rsa(rsa(), Algorithm::Ps256)),
    ];
    let all: Vec<Value> = signers.iter().map(|(name, signer)| signer.jwk(name)).collect();
    let played = Played::new([keys(&all)]);
    let checker = checker(&[by_keys()], &played);
    for (name, signer) in &signers {
        let good = signer.token(&json!({ "alg": name, "kid": name }), &claims());
        assert_eq!(check(&checker, &good).await, anna(), "{name}");
        let unnamed = signer.token(&json!({ "alg": name }), &claims());
        assert_eq!(check(&checker, &unnamed).await, anna(), "{name} without kid");
        for (other, _) in signers.iter().filter(|(other, _)| other != name) {
            let token = signer.token(&json!({ "alg": other, "kid": name }), &claims());
            assert_eq!(check(&checker, &token).await, Err(Refusal::Key), "{other} by the key of {name}");
            let token = signer.token(&json!({ "alg": other, "kid": other }), &claims());
            assert_eq!(check(&checker, &token).await, Err(Refusal::Signature), "{other} signed by {name}");
        }
    }
    assert_eq!(played.times_asked(), 1, "all keys are asked for at once");
}

#[tokio::test]
async fn a_token_does_not_say_how_it_is_checked() {
    let signer = Signer::ed();
    let jwk = signer.jwk("a");
    let checker = checker(&[by_keys()], &Played::new([keys(std::slice::from_ref(&jwk))]));
    let part = |value: &Value| encoded(value.to_string());
    // No signature at all (RFC 7519 §6), in any spelling.
    for alg in ["none", "None", "NONE", ""] {
        let unsigned = format!("{}.{}.", part(&json!({ "alg": alg, "kid": "a" })), part(&claims()));
        assert_eq!(check(&checker, &unsigned).await, Err(Refusal::Algorithm), "{alg}");
    }
    // What everybody knows as a secret.
    for secret in [jwk["x"].as_str().unwrap().as_bytes().to_vec(), jwk.to_string().into_bytes()] {
        let signed = format!("{}.{}", part(&json!({ "alg": "HS256", "kid": "a" })), part(&claims()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let token = format!("{signed}.{}", encoded(hmac::sign(&key, signed.as_bytes())));
        assert_eq!(check(&checker, &token).await, Err(Refusal::Algorithm));
    }
    // A key of its own.
    let other = Signer::ed();
    let own = other.token(
        &json!({ "alg": "EdDSA", "kid": "a", "jwk": other.jwk("a"), "jku": "https://evil.example" }),
        &claims(),
    );
    assert_eq!(check(&checker, &own).await, Err(Refusal::Signature));
    // RFC 7515 §4.1.11.
    let critical =
        signer.token(&json!({ "alg": "EdDSA", "kid": "a", "crit": ["b64"], "b64": false }), &claims());
    assert_eq!(check(&checker, &critical).await, Err(Refusal::Critical));
    // What the operator does not allow.
    let mut strict = by_keys();
    strict.source =
        Source::Keys { url: "https://id.example.org/keys".into(), algorithms: vec![Algorithm::Rs256] };
    let strict = self::checker(&[strict], &Played::new([keys(&[jwk])]));
    let token = signer.token(&json!({ "alg": "EdDSA", "kid": "a" }), &claims());
    assert_eq!(check(&strict, &token).await, Err(Refusal::Algorithm));
}

#[tokio::test]
async fn only_claims_that_fit_let_in() {
    let signer = Signer::ed();
    let checker = checker(&[by_keys()], &Played::new([keys(&[signer.jwk("a")])]));
    let header = json!({ "alg": "EdDSA", "kid": "a" });
    for (name, value, expected) in [
        ("aud", json!("mail"), anna()),
        ("aud", json!("web"), Err(Refusal::Audience)),
        ("aud", json!([]), Err(Refusal::Audience)),
        ("aud", json!(7), Err(Refusal::Audience)),
        ("aud", Value::Null, Err(Refusal::Audience)),
        ("iss", json!("https://id.example.org/"), Err(Refusal::Issuer)),
        ("iss", json!([ISSUER]), Err(Refusal::Issuer)),
        ("iss", Value::Null, Err(Refusal::Issuer)),
        ("exp", json!(NOW - 59), anna()),
        ("exp", json!(1_800_000_000.5), anna()),
        ("exp", json!(NOW - 60), Err(Refusal::Expired)),
        ("exp", json!(0), Err(Refusal::Expired)),
        ("exp", json!("9999999999"), Err(Refusal::Dates)),
        ("exp", json!(-1), Err(Refusal::Dates)),
        ("exp", json!(1e300), Err(Refusal::Dates)),
        ("exp", json!(u64::MAX), Err(Refusal::Dates)),
        ("exp", Value::Null, Err(Refusal::Dates)),
        ("nbf", json!(NOW + 60), anna()),
        ("nbf", json!(NOW + 61), Err(Refusal::Early)),
        ("nbf", json!("soon"), Err(Refusal::Dates)),
        ("nbf", Value::Null, anna()),
        ("scope", json!(["openid", "smtp"]), anna()),
        ("scope", json!("smtps openid"), Err(Refusal::Scope("smtp".into()))),
        ("scope", Value::Null, Err(Refusal::Scope("smtp".into()))),
        ("scp", json!("other"), anna()),
        ("email", json!(""), Err(Refusal::Login("email".into()))),
        ("email", json!(["anna@example.org"]), Err(Refusal::Login("email".into()))),
        ("email", Value::Null, Err(Refusal::Login("email".into()))),
        ("email_verified", json!(false), Err(Refusal::Unverified)),
        ("email_verified", json!("true"), anna()),
        ("email_verified", Value::Null, anna()),
    ] {
        let token = signer.token(&header, &changed(name, value.clone()));
        assert_eq!(check(&checker, &token).await, expected, "{name} {value}");
    }
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let signer = Signer::ed();
    let played = Played::new([keys(&[signer.jwk("a")])]);
    let checker = checker(&[by_keys()], &played);
    let good = signer.token(&json!({ "alg": "EdDSA", "kid": "a" }), &claims());
    let long = "a".repeat(TOKEN_OCTETS_MAX);
    let deep = format!("{}.{}.AAAA", encoded("{\"alg\":\"EdDSA\"}"), encoded("[".repeat(9000)));
    let deeper = format!("{}.{}.AAAA", encoded("{\"alg\":\"EdDSA\"}"), encoded("{\"a\":".repeat(2000)));
    for token in [
        "",
        ".",
        "..",
        "opaque",
        "a.b.c",
        &good.replace('.', "?"),
        &format!("{good}.{good}"),
        &format!("{good}="),
        &format!("{good}{long}"),
        &deep,
        &deeper,
    ] {
        assert_eq!(check(&checker, token).await, Err(Refusal::Malformed), "{token}");
    }
    assert_eq!(played.times_asked(), 0);
    for place in 0..good.len() {
        let mut cut = good.clone();
        cut.truncate(place);
        assert!(check(&checker, &cut).await.is_err(), "{place}");
    }
}

#[tokio::test]
async fn a_new_key_is_asked_for_and_not_too_often() {
    let (old, new) = (Signer::ed(), Signer::ed());
    let both = keys(&[old.jwk("old"), new.jwk("new")]);
    let played = Played::new([keys(&[old.jwk("old")]), both]);
    let checker = checker(&[by_keys()], &played);
    let far = changed("exp", json!(NOW + 100_000));
    let by_old = old.token(&json!({ "alg": "EdDSA", "kid": "old" }), &far);
    let by_new = new.token(&json!({ "alg": "EdDSA", "kid": "new" }), &far);
    let by_nobody = new.token(&json!({ "alg": "EdDSA", "kid": "nobody" }), &far);
    let check = async |token: &str, after: u64| checker.check(token, at(NOW + after)).await.map(String::from);
    assert_eq!(check(&by_old, 0).await, anna());
    // The provider was asked just now.
    for _ in 0..5 {
        assert_eq!(check(&by_new, 1).await, Err(Refusal::Key));
    }
    assert_eq!(played.times_asked(), 1);
    assert_eq!(check(&by_new, 120).await, anna());
    for _ in 0..5 {
        assert_eq!(check(&by_nobody, 121).await, Err(Refusal::Key));
    }
    assert_eq!(played.times_asked(), 2);
    assert_eq!(check(&by_old, 3719).await, anna());
    assert_eq!(played.times_asked(), 2);
    // A key that was withdrawn is heard of.
    assert_eq!(check(&by_old, 3721).await, anna());
    assert_eq!(played.times_asked(), 3);
}

#[tokio::test]
async fn an_outage_of_the_provider_is_not_the_tokens_fault() {
    let (old, new) = (Signer::ed(), Signer::ed());
    let played = Played::new([down(), Ok("<html>".to_owned()), keys(&[old.jwk("old")]), down()]);
    let checker = checker(&[by_keys()], &played);
    let far = changed("exp", json!(NOW + 100_000));
    let by_old = old.token(&json!({ "alg": "EdDSA", "kid": "old" }), &far);
    let by_new = new.token(&json!({ "alg": "EdDSA", "kid": "new" }), &far);
    let check = async |token: &str, after: u64| checker.check(token, at(NOW + after)).await.map(String::from);
    assert!(matches!(check(&by_old, 0).await, Err(Refusal::Unavailable(_))));
    assert!(matches!(check(&by_old, 1).await, Err(Refusal::Unavailable(_))), "it is not asked again at once");
    assert_eq!(played.times_asked(), 1);
    assert!(matches!(check(&by_old, 120).await, Err(Refusal::Unavailable(_))), "that is no set of keys");
    assert_eq!(check(&by_old, 240).await, anna());
    // Down from here on: who is known is known, and of a new key nobody can say.
    assert!(matches!(check(&by_new, 400).await, Err(Refusal::Unavailable(_))));
    assert_eq!(check(&by_old, 401).await, anna());
    assert_eq!(check(&by_old, 90_000).await, anna());
    assert_eq!(played.times_asked(), 5);
}

#[tokio::test]
async fn a_provider_is_asked_about_tokens_that_nobody_else_can_read() {
    let yes = || Ok(json!({ "active": true, "scope": "smtp", "username": "anna@example.org" }).to_string());
    let no = || Ok(json!({ "active": false }).to_string());
    let played = Played::new([yes(), no(), down(), Ok("{}".to_owned()), Ok("[".repeat(5000))]);
    let checker = checker(&[by_keys(), by_asking()], &played);
    let check = async |token: &str, after: u64| checker.check(token, at(NOW + after)).await.map(String::from);
    assert_eq!(check("opaque/1", 0).await, anna());
    let (url, ask) = played.asked.lock().unwrap().first().cloned().unwrap();
    assert_eq!(url, "https://id.example.org/introspect");
    // `mail%20server:h%20u%2Fsh`
    let authorization = "Basic bWFpbCUyMHNlcnZlcjpoJTIwdSUyRnNo".to_owned();
    assert_eq!(
        ask,
        Ask::Post { form: "token=opaque%2F1&token_type_hint=access_token".to_owned(), authorization }
    );
    assert_eq!(check("opaque/1", 59).await, anna());
    assert_eq!(played.times_asked(), 1, "its word holds for a minute");
    assert_eq!(check("opaque/1", 61).await, Err(Refusal::Inactive));
    for _ in 0..3 {
        assert!(matches!(check("opaque/2", 62).await, Err(Refusal::Unavailable(_))));
    }
    assert_eq!(played.times_asked(), 5);
}

#[tokio::test]
async fn what_a_provider_says_of_a_token_has_to_fit_too() {
    let mut provider = by_asking();
    provider.audience = vec!["mail".into()];
    let whole = json!({
        "active": true, "iss": ISSUER, "aud": "mail", "exp": NOW + 300, "scope": "smtp", "username": "anna@example.org"
    });
    for (name, value, expected) in [
        ("active", json!(true), anna()),
        ("iss", json!("https://other.example"), Err(Refusal::Issuer)),
        ("iss", Value::Null, anna()),
        ("aud", json!("web"), Err(Refusal::Audience)),
        ("aud", Value::Null, Err(Refusal::Audience)),
        ("exp", json!(NOW - 60), Err(Refusal::Expired)),
        ("exp", Value::Null, anna()),
        ("scope", Value::Null, Err(Refusal::Scope("smtp".into()))),
        ("username", Value::Null, Err(Refusal::Login("username".into()))),
        (
            "active",
            json!("true"),
            Err(Refusal::Unavailable("the identity provider does not say whether it is active".into())),
        ),
    ] {
        let mut answer = whole.clone();
        match value.clone() {
            Value::Null => drop(answer.as_object_mut().unwrap().remove(name)),
            value => answer[name] = value,
        }
        let checker = checker(&[provider.clone()], &Played::new([Ok(answer.to_string())]));
        assert_eq!(check(&checker, "opaque").await, expected, "{name} {value}");
    }
}

#[test]
fn secrets_are_not_shown() {
    assert!(!format!("{:?}", by_asking()).contains("sh\""));
}
