//! Who gets in, by what, and as whom.

use sasl::{
    client::{Credentials, Exchange as Client},
    server::{Exchange, Step},
};

use super::*;
use crate::{AccountConfig, AliasConfig, AppPassword, Config, DomainConfig, Secret};

/// SHA-512 of `lion` by crypt(3), with the fewest rounds.
const LION: &str = "$6$rounds=1000$saltsalt$spQCvGSCwNyty0XRNutn3V6qh0Z8zQ21vaqGx/GxcLxXoHHD8px5SFn.wIeb1IQVDNNA5cgwFKIlCcPynNtzT1";

fn account(login: &str, password: Option<&str>) -> AccountConfig {
    AccountConfig { login: login.into(), password: password.map(Secret::new), ..AccountConfig::default() }
}

fn config(accounts: Vec<AccountConfig>) -> Config {
    Config {
        domains: vec![DomainConfig { name: "example.org".into(), ..DomainConfig::default() }],
        accounts,
        ..Config::default()
    }
}

fn authenticator(accounts: Vec<AccountConfig>) -> Authenticator {
    Authenticator::new(Arc::new(Directory::new(config(accounts)).unwrap()), b"secret")
}

fn attempt(scope: Scope) -> Attempt {
    Attempt {
        client: None,
        shared: false,
        at: Timestamp::from_millis(0),
        scope,
        binding: None,
        certificate: None,
    }
}

/// To a client that shows nothing.
fn offered(authenticator: &Authenticator) -> String {
    authenticator.mechanisms(&attempt(Scope::Smtp)).to_string()
}

async fn password(authenticator: &Authenticator, login: &str, password: &str) -> Option<String> {
    let question =
        Question::Password { login: login.into(), acts_as: None, password: Password::new(password) };
    let (answer, login) = authenticator.authenticate(&attempt(Scope::Smtp), question).await;
    assert_eq!(answer == Answer::Granted, login.is_some());
    login.map(|login| login.name().to_owned())
}

#[tokio::test]
async fn only_the_right_password_lets_in() {
    let authenticator = authenticator(vec![
        account("Anna@example.org", Some("tiger")),
        account("bob@example.org", Some(LION)),
        account("carol@example.org", None),
    ]);
    let anna = Some("Anna@example.org".to_owned());
    for (login, tried, expected) in [
        ("anna@example.org", "tiger", anna.clone()),
        ("ANNA@EXAMPLE.ORG", "tiger", anna),
        ("anna@example.org", "lion", None),
        ("anna", "tiger", None),
        ("anna+news@example.org", "tiger", None),
        ("bob@example.org", "lion", Some("bob@example.org".to_owned())),
        ("bob@example.org", LION, None),
        ("carol@example.org", "", None),
        ("carol@example.org", "tiger", None),
        ("dave@example.org", "tiger", None),
        ("no address", "tiger", None),
    ] {
        assert_eq!(password(&authenticator, login, tried).await, expected, "{login} {tried}");
    }
}

#[tokio::test]
async fn nobody_acts_as_another() {
    let authenticator =
        authenticator(vec![account("anna@example.org", Some("tiger")), account("bob@example.org", None)]);
    for (acts_as, granted) in
        [("Anna@example.org", true), ("bob@example.org", false), ("x@example.org", false)]
    {
        let question = Question::Password {
            login: "anna@example.org".into(),
            acts_as: Some(acts_as.into()),
            password: Password::new("tiger"),
        };
        let (answer, _) = authenticator.authenticate(&attempt(Scope::Smtp), question).await;
        assert_eq!(answer == Answer::Granted, granted, "{acts_as}");
        let login = "anna@example.org".into();
        let question = Question::Proof { login, acts_as: Some(acts_as.into()), right: Some("".into()) };
        let (answer, _) = authenticator.authenticate(&attempt(Scope::Smtp), question).await;
        assert_eq!(answer == Answer::Granted, granted, "{acts_as}");
    }
}

#[tokio::test]
async fn an_app_password_opens_what_it_was_made_for() {
    let (app, words) = AppPassword::new("phone", vec![Scope::Smtp], 0).unwrap();
    let mut anna = account("anna@example.org", Some("tiger"));
    anna.app_passwords.push(app);
    let authenticator = authenticator(vec![anna, account("bob@example.org", Some("lion"))]);
    assert_eq!(
        password(&authenticator, "anna@example.org", &words).await.as_deref(),
        Some("anna@example.org")
    );
    assert!(password(&authenticator, "anna@example.org", "tiger").await.is_some());
    assert_eq!(password(&authenticator, "bob@example.org", &words).await, None, "it is another's");
    let question = Question::Password {
        login: "anna@example.org".into(),
        acts_as: None,
        password: Password::new(words),
    };
    let (answer, _) = authenticator.authenticate(&attempt(Scope::Imap), question).await;
    assert_eq!(answer, Answer::Denied);
}

async fn scram(authenticator: &Authenticator, login: &str, password: &str) -> bool {
    let credentials = Credentials { login: login.into(), password: Password::new(password) };
    let mut client =
        Client::new(Mechanism::ScramSha256, credentials, "fyko+d2lbbFgONRv9qkxdawL", None).unwrap();
    let mut exchange = Exchange::new(Mechanism::ScramSha256, false);
    let mut step = exchange.begin(client.initial().unwrap().as_deref());
    loop {
        step = match step {
            Step::Ask(question) => {
                let (answer, _) = authenticator.authenticate(&attempt(Scope::Smtp), question).await;
                exchange.answer(answer)
            }
            Step::Challenge(challenge) => exchange.respond(&client.respond(&challenge).unwrap()),
            Step::Done => return true,
            Step::Failed(_) => return false,
        }
    }
}

#[tokio::test]
async fn scram_works_where_the_password_or_its_keys_are_kept() {
    let keys = ScramKeys::derive("lion", b"salt", 4096);
    let bob = AccountConfig { scram: Some(keys), ..account("bob@example.org", Some(LION)) };
    let authenticator = authenticator(vec![account("anna@example.org", Some("tiger")), bob]);
    for (login, password, granted) in [
        ("anna@example.org", "tiger", true),
        ("Anna@Example.org", "tiger", true),
        ("anna@example.org", "lion", false),
        ("bob@example.org", "lion", true),
        ("bob@example.org", "tiger", false),
        ("dave@example.org", "tiger", false),
    ] {
        assert_eq!(scram(&authenticator, login, password).await, granted, "{login} {password}");
    }
}

#[tokio::test]
async fn scram_takes_declared_app_passwords_beside_the_password_itself() {
    let declare = |login: &str| {
        let (kept, words) = AppPassword::to_declare(login).unwrap();
        let app = AppPassword::declared(login, "phone", vec![Scope::Smtp], &Secret::new(kept));
        (app.unwrap(), words)
    };
    let ((phone, phone_words), (laptop, laptop_words)) =
        (declare("anna@example.org"), declare("anna@example.org"));
    let anna =
        AccountConfig { app_passwords: vec![phone, laptop], ..account("anna@example.org", Some("tiger")) };
    let authenticator = authenticator(vec![anna, account("bob@example.org", Some("lion"))]);
    assert!(offered(&authenticator).starts_with("SCRAM-SHA-256 "));
    for (login, password, granted) in [
        ("anna@example.org", "tiger", true),
        ("anna@example.org", &*phone_words, true),
        ("anna@example.org", &*laptop_words, true),
        ("anna@example.org", "lion", false),
        ("bob@example.org", &*phone_words, false),
        ("bob@example.org", "lion", true),
    ] {
        assert_eq!(scram(&authenticator, login, password).await, granted, "{login} {password}");
    }
}

#[tokio::test]
async fn a_login_that_nobody_has_looks_like_any_other() {
    let accounts = || vec![account("anna@example.org", Some("tiger"))];
    let salt = async |authenticator: &Authenticator, login: &str| {
        let question = Question::Keys { login: login.into() };
        match authenticator.authenticate(&attempt(Scope::Smtp), question).await {
            (Answer::Scram(facts), None) => (facts.keys, facts.nonce),
            other => panic!("{other:?}"),
        }
    };
    let (one, again) = (authenticator(accounts()), authenticator(accounts()));
    let (keys, nonce) = salt(&one, "nobody@example.org").await;
    let (same, other) = salt(&again, "Nobody@example.org").await;
    assert_eq!(keys, same, "the same after a restart, and in any spelling");
    assert_ne!(nonce, other);
    let (annas, _) = salt(&one, "anna@example.org").await;
    assert_eq!((annas.salt.len(), annas.iterations), (keys.salt.len(), keys.iterations));
    assert_ne!(annas.salt, keys.salt);
}

#[test]
fn what_is_offered_works_for_everybody() {
    let keys = || Some(ScramKeys::derive("lion", b"salt", 4096));
    let app = || AppPassword::new("phone", vec![Scope::Smtp], 0).unwrap().0;
    let keyed = |salt: &[u8]| AppPassword { scram: Some(ScramKeys::derive("x", salt, 4096)), ..app() };
    let anna = || account("anna@example.org", Some("tiger"));
    let bob = || account("bob@example.org", Some(LION));
    for (accounts, offered) in [
        (vec![account("anna@example.org", None)], ""),
        (vec![anna()], "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN"),
        (vec![anna(), account("bob@example.org", None)], "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN"),
        (vec![anna(), bob()], "PLAIN LOGIN"),
        (
            vec![anna(), AccountConfig { scram: keys(), ..bob() }],
            "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN",
        ),
        (vec![AccountConfig { app_passwords: vec![app()], ..anna() }], "PLAIN LOGIN"),
        (
            vec![AccountConfig { app_passwords: vec![keyed(b"salt"), keyed(b"salt")], ..anna() }],
            "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN",
        ),
        (
            vec![AccountConfig { app_passwords: vec![keyed(b"salt"), keyed(b"pepper")], ..anna() }],
            "PLAIN LOGIN",
        ),
        (
            vec![AccountConfig { app_passwords: vec![keyed(b"salt")], ..account("anna@example.org", None) }],
            "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN",
        ),
        (
            vec![AccountConfig { scram: keys(), app_passwords: vec![keyed(b"salt")], ..bob() }],
            "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN",
        ),
        (
            vec![AccountConfig { scram: keys(), app_passwords: vec![keyed(b"salt"), app()], ..bob() }],
            "PLAIN LOGIN",
        ),
        (
            vec![AccountConfig { scram: keys(), app_passwords: vec![keyed(b"pepper")], ..bob() }],
            "PLAIN LOGIN",
        ),
        (vec![AccountConfig { app_passwords: vec![keyed(b"salt")], ..bob() }], "PLAIN LOGIN"),
        (
            vec![AccountConfig { app_passwords: vec![app()], ..account("anna@example.org", None) }],
            "PLAIN LOGIN",
        ),
    ] {
        let bound = Attempt { binding: Some([7].into()), ..attempt(Scope::Smtp) };
        assert_eq!(authenticator(accounts).mechanisms(&bound).to_string(), offered);
    }
    assert_eq!(offered(&authenticator(vec![anna()])), "SCRAM-SHA-256 PLAIN LOGIN");
}

#[tokio::test]
async fn in_development_anybody_is_let_in_and_may_send_as_anybody() {
    let directory = Arc::new(Directory::new(config(vec![account("anna@example.org", None)])).unwrap());
    let authenticator = Authenticator::for_anybody(Arc::clone(&directory));
    assert_eq!(offered(&authenticator), "PLAIN LOGIN");
    let question =
        Question::Password { login: "app".into(), acts_as: None, password: Password::new("whatever") };
    let (answer, login) = authenticator.authenticate(&attempt(Scope::Smtp), question).await;
    assert_eq!(answer, Answer::Granted);
    assert!(directory.may_send_as(&login.unwrap(), &"who@ever.example".parse().unwrap()));
}

#[tokio::test]
async fn a_sender_uses_its_own_addresses() {
    let mut people = config(vec![
        AccountConfig {
            addresses: vec!["a.b@example.org".into()],
            ..account("anna@example.org", Some("tiger"))
        },
        AccountConfig { roles: vec!["send-as-domain".into()], ..account("boss@example.org", Some("lion")) },
    ]);
    let alias = |address: &str, to: &[&str]| AliasConfig {
        address: address.into(),
        to: to.iter().map(|to| (*to).into()).collect(),
    };
    people.domains.push(DomainConfig { name: "other.example".into(), ..DomainConfig::default() });
    people.aliases = vec![
        alias("sales@example.org", &["anna@example.org"]),
        alias("all@example.org", &["anna@example.org", "boss@example.org"]),
    ];
    let directory = Arc::new(Directory::new(people).unwrap());
    let authenticator = Authenticator::new(Arc::clone(&directory), b"secret");
    let login = async |login: &str, password: &str| {
        let question =
            Question::Password { login: login.into(), acts_as: None, password: Password::new(password) };
        authenticator.authenticate(&attempt(Scope::Smtp), question).await.1.unwrap()
    };
    let (anna, boss) = (login("anna@example.org", "tiger").await, login("boss@example.org", "lion").await);
    for (address, annas, bosses) in [
        ("anna@example.org", true, true),
        ("Anna+news@EXAMPLE.org", true, true),
        ("a.b@example.org", true, true),
        ("sales@example.org", true, true),
        ("all@example.org", false, true),
        ("boss@example.org", false, true),
        ("nobody@example.org", false, true),
        ("anna@other.example", false, false),
        ("anna@elsewhere.example", false, false),
    ] {
        let address = address.parse().unwrap();
        assert_eq!(directory.may_send_as(&anna, &address), annas, "anna as {address}");
        assert_eq!(directory.may_send_as(&boss, &address), bosses, "boss as {address}");
    }
}

#[tokio::test]
async fn a_changed_directory_holds_at_once() {
    let authenticator = authenticator(vec![account("anna@example.org", Some("tiger"))]);
    let changed = Directory::new(config(vec![account("anna@example.org", Some("lion"))])).unwrap();
    authenticator.change(Arc::new(changed));
    assert_eq!(password(&authenticator, "anna@example.org", "tiger").await, None);
    assert!(password(&authenticator, "anna@example.org", "lion").await.is_some());
}

#[tokio::test]
async fn who_fails_too_often_is_not_looked_at_any_more_and_a_lifted_ban_is_gone() {
    let authenticator = authenticator(vec![account("anna@example.org", Some("tiger"))]);
    let at = Timestamp::from_millis(1_000_000_000);
    let from =
        |client: &str, at| Attempt { client: Some(client.parse().unwrap()), at, ..attempt(Scope::Smtp) };
    let ask = async |attempt: &Attempt, tried: &str| {
        let login = "anna@example.org".into();
        let question = Question::Password { login, acts_as: None, password: Password::new(tried) };
        authenticator.authenticate(attempt, question).await.0
    };
    let (guesser, owner) = (from("192.0.2.1", at), from("198.51.100.7", at));
    assert_eq!(ask(&owner, "tiger").await, Answer::Granted);
    for _ in 0..4 {
        assert_eq!(ask(&guesser, "lion").await, Answer::Denied);
    }
    assert_eq!(ask(&guesser, "tiger").await, Answer::Unavailable, "not even the right one");
    assert_eq!(ask(&owner, "tiger").await, Answer::Granted, "the owner is where she was before");
    let later = from("192.0.2.1", at.after(std::time::Duration::from_secs(2)));
    assert_eq!(ask(&later, "lion").await, Answer::Denied, "the delay is over");
    let keys = Question::Keys { login: "anna@example.org".into() };
    assert_eq!(
        authenticator.authenticate(&later, keys).await.0,
        Answer::Unavailable,
        "whatever the mechanism"
    );
    assert_eq!(authenticator.bans(later.at).len(), 1);
    assert_eq!((authenticator.lift("192.0.2.1"), authenticator.lift("192.0.2.1")), (1, 0));
    assert_eq!(ask(&later, "tiger").await, Answer::Granted);
}

/// Knows some tokens.
struct Judge;

impl Tokens for Judge {
    fn login<'a>(
        &'a self,
        token: &'a str,
        _: Timestamp,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Box<str>, TokenError>> + Send + 'a>> {
        Box::pin(std::future::ready(match token.split_once(':') {
            Some(("good", name)) => Ok(name.into()),
            Some(("down", _)) => Err(TokenError::Unavailable("no answer".into())),
            _ => Err(TokenError::Wrong("it has expired".into())),
        }))
    }
}

async fn token(authenticator: &Authenticator, meant: &str, token: &str) -> (Answer, Option<String>) {
    let login = Some(meant).filter(|meant| !meant.is_empty()).map(Into::into);
    let client = Some("192.0.2.1".parse().unwrap());
    let attempt = Attempt { client, ..attempt(Scope::Smtp) };
    let question = Question::Token { login, token: Password::new(token) };
    let (answer, login) = authenticator.authenticate(&attempt, question).await;
    (answer, login.map(|login| login.name().to_owned()))
}

#[tokio::test]
async fn a_token_lets_in_whom_it_names_and_nobody_else() {
    let anna =
        AccountConfig { addresses: vec!["hello@example.org".into()], ..account("Anna@example.org", None) };
    let bob = AccountConfig { disabled: true, ..account("bob@example.org", Some("tiger")) };
    let authenticator = authenticator(vec![anna, bob, account("carol@example.org", Some("lion"))]);
    authenticator.judge_tokens_by(Some(Arc::new(Judge)));
    let granted = (Answer::Granted, Some("Anna@example.org".to_owned()));
    for (meant, shown, expected) in [
        ("anna@example.org", "good:anna@example.org", granted.clone()),
        ("", "good:ANNA@example.org", granted.clone()),
        ("hello@example.org", "good:anna@example.org", granted.clone()),
        ("anna@example.org", "good:hello@example.org", granted.clone()),
        ("carol@example.org", "good:anna@example.org", (Answer::Denied, None)),
        ("anna@example.org", "good:anna+x@example.org", (Answer::Denied, None)),
        ("anna@example.org", "good:anna@example.net", (Answer::Denied, None)),
        ("anna@example.org", "good:anna", (Answer::Denied, None)),
        ("nobody@example.org", "good:anna@example.org", (Answer::Denied, None)),
        ("bob@example.org", "good:bob@example.org", (Answer::Denied, None)),
        ("anna@example.org", "old:anna@example.org", (Answer::Denied, None)),
        ("anna@example.org", "down:anna@example.org", (Answer::Unavailable, None)),
    ] {
        authenticator.lift("192.0.2.1");
        authenticator.lift(meant);
        authenticator.lift("anna@example.org");
        assert_eq!(token(&authenticator, meant, shown).await, expected, "{meant} {shown}");
    }
}

#[tokio::test]
async fn tokens_are_offered_where_somebody_judges_them_beside_scram() {
    let authenticator = authenticator(vec![account("anna@example.org", None)]);
    assert_eq!(offered(&authenticator), "");
    assert_eq!(token(&authenticator, "", "good:anna@example.org").await.0, Answer::Denied);
    authenticator.judge_tokens_by(Some(Arc::new(Judge)));
    assert_eq!(offered(&authenticator), "OAUTHBEARER XOAUTH2");
    let accounts = vec![account("anna@example.org", None), account("bob@example.org", Some("tiger"))];
    authenticator.change(Arc::new(Directory::new(config(accounts)).unwrap()));
    // anna has no password, so no client of hers tries SCRAM.
    assert_eq!(offered(&authenticator), "SCRAM-SHA-256 OAUTHBEARER XOAUTH2 PLAIN LOGIN");
    let disabled = vec![AccountConfig { disabled: true, ..account("anna@example.org", None) }];
    authenticator.change(Arc::new(Directory::new(config(disabled)).unwrap()));
    assert_eq!(offered(&authenticator), "");
}

#[tokio::test]
async fn wrong_tokens_go_through_the_limiter_and_outages_do_not() {
    let authenticator = authenticator(vec![account("anna@example.org", None)]);
    authenticator.judge_tokens_by(Some(Arc::new(Judge)));
    for _ in 0..9 {
        assert_eq!(token(&authenticator, "", "down:x").await.0, Answer::Unavailable);
    }
    assert!(authenticator.bans(Timestamp::from_millis(1)).is_empty());
    for _ in 0..4 {
        assert_eq!(token(&authenticator, "", "old:x").await.0, Answer::Denied);
    }
    assert_eq!(token(&authenticator, "", "good:anna@example.org").await.0, Answer::Unavailable);
    assert_eq!(authenticator.bans(Timestamp::from_millis(1)).len(), 1);
}

fn showing(fingerprint: u8, addresses: &[&str]) -> Attempt {
    let certificate = ClientCertificate {
        fingerprint: [fingerprint; 32],
        addresses: addresses.iter().map(|address| (*address).into()).collect(),
    };
    Attempt { certificate: Some(certificate), ..attempt(Scope::Smtp) }
}

#[tokio::test]
async fn a_certificate_lets_in_whose_it_is() {
    let anna = AccountConfig {
        addresses: vec!["hello@example.org".into()],
        certificates: vec![format!("sha256:{}", ["AB"; 32].join(":")), format!("sha256:{}", "01".repeat(32))],
        ..account("anna@example.org", None)
    };
    let bob = AccountConfig { disabled: true, ..account("bob@example.org", None) };
    let authenticator = authenticator(vec![anna, bob, account("carol@example.org", None)]);
    let (anna, carol) = (Some("anna@example.org"), Some("carol@example.org"));
    for (shown, meant, expected, offered) in [
        (attempt(Scope::Smtp), None, None, false),
        (attempt(Scope::Smtp), anna, None, false),
        (showing(0, &[]), None, None, false),
        (showing(0, &["x@example.net", "no address"]), anna, None, false),
        (showing(0, &["ANNA@example.org"]), None, anna, true),
        (showing(0, &["hello@example.org"]), None, anna, true),
        (showing(0, &["hello@example.org", "anna@example.org"]), None, anna, true),
        (showing(0, &["anna+x@example.org"]), None, None, false),
        (showing(0xab, &[]), None, anna, true),
        (showing(1, &[]), anna, anna, true),
        (showing(1, &[]), Some("hello@example.org"), anna, true),
        (showing(1, &[]), carol, None, true),
        (showing(1, &[]), Some("nobody@example.org"), None, true),
        // It is of two, so one has to be meant.
        (showing(1, &["carol@example.org"]), None, None, true),
        (showing(1, &["carol@example.org"]), carol, carol, true),
        (showing(0, &["bob@example.org"]), None, None, false),
    ] {
        let external = authenticator.mechanisms(&shown).has(Mechanism::External);
        assert_eq!(external, offered, "{shown:?}");
        let question = Question::External { acts_as: meant.map(Into::into) };
        let (answer, login) = authenticator.authenticate(&shown, question).await;
        assert_eq!(answer == Answer::Granted, login.is_some());
        assert_eq!(login.as_ref().map(Login::name), expected, "{shown:?} {meant:?}");
    }
}

#[test]
fn what_is_no_fingerprint_is_told() {
    let long = format!("sha256:{}", "0".repeat(66));
    let odd = format!("sha256:{}", "0".repeat(63));
    for wrong in
        ["", "sha256:", "sha256:00", &"0".repeat(64), &format!("sha256:{}", "0x".repeat(32)), &long, &odd]
    {
        let anna =
            AccountConfig { certificates: vec![wrong.to_owned()], ..account("anna@example.org", None) };
        let errors = Directory::new(config(vec![anna])).unwrap_err();
        assert_eq!(errors.len(), 1, "{wrong}");
        assert_eq!(errors[0].key, "certificates");
    }
}

#[tokio::test]
async fn scram_works_with_every_password_that_is_good_for_it() {
    let made = |scope: Scope| {
        let (app, words) = AppPassword::new("phone", vec![scope], 0).unwrap();
        (AppPassword { scram: Some(ScramKeys::derive(&words, b"salt", 4096)), ..app }, words)
    };
    let ((smtp, smtp_words), (imap, imap_words)) = (made(Scope::Smtp), made(Scope::Imap));
    let (only, only_words) = made(Scope::Smtp);
    let keys = Some(ScramKeys::derive("lion", b"salt", 4096));
    let anna = AccountConfig {
        scram: keys,
        app_passwords: vec![imap, smtp.clone()],
        ..account("anna@example.org", Some(LION))
    };
    let bob = AccountConfig { app_passwords: vec![only], ..account("bob@example.org", None) };
    let authenticator = authenticator(vec![anna.clone(), bob]);
    for (login, password, granted) in [
        ("anna@example.org", "lion", true),
        ("anna@example.org", &*smtp_words, true),
        ("anna@example.org", &*imap_words, false),
        ("anna@example.org", &*only_words, false),
        ("anna@example.org", "tiger", false),
        ("bob@example.org", &*only_words, true),
        ("bob@example.org", &*smtp_words, false),
        ("bob@example.org", "", false),
    ] {
        let shown = !password.is_empty() && scram(&authenticator, login, password).await;
        assert_eq!(shown, granted, "{login} {password}");
    }
    // One that is taken back between keys and proof lets nobody in.
    let without = AccountConfig { app_passwords: Vec::new(), ..anna };
    authenticator.change(Arc::new(Directory::new(config(vec![without])).unwrap()));
    let login = "anna@example.org".into();
    let question = Question::Proof { login, acts_as: None, right: Some(smtp.id) };
    let (answer, _) = authenticator.authenticate(&attempt(Scope::Smtp), question).await;
    assert_eq!(answer, Answer::Denied);
}

#[test]
fn keys_without_a_proof_are_a_failure() {
    let authenticator = authenticator(vec![account("anna@example.org", Some("tiger"))]);
    let client = Some("192.0.2.1".parse().unwrap());
    let attempt = Attempt { client, ..attempt(Scope::Smtp) };
    for _ in 0..9 {
        authenticator.unproven(&attempt, "anna@example.org").settle();
    }
    assert_eq!(authenticator.bans(attempt.at), []);
    for _ in 0..4 {
        drop(authenticator.unproven(&attempt, "anna@example.org"));
    }
    assert_eq!(authenticator.bans(attempt.at).len(), 1);
}
