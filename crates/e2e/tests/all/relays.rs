//! Sending through mail accounts elsewhere: fakes of the providers at their own names and ports, and what they refuse.

use std::{fmt::Write, time::Duration};

use e2e::{
    Authority, DovecotAuth, FakeProviders, House, Knot, Loopback, Postfix, Postrider, Submission, Zone,
    eventually, queue_id,
};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_mins(1);
const PASSWORD: &str = "abcd efgh ijkl mnop";

/// The seven, by preset: where they are, and the kinds of login that they have.
const SEVEN: [(&str, Submission); 7] = [
    ("aol", implicit("smtp.aol.com")),
    ("att", implicit("smtp.mail.att.net")),
    ("comcast", implicit("smtp.comcast.net")),
    ("icloud", starttls("smtp.mail.me.com")),
    ("gmail", implicit("smtp.gmail.com")),
    ("outlook", starttls("smtp-mail.outlook.com")),
    ("yahoo", implicit("smtp.mail.yahoo.com")),
];

const fn implicit(host: &'static str) -> Submission {
    Submission { host, port: 465, implicit: true }
}

const fn starttls(host: &'static str) -> Submission {
    Submission { host, port: 587, implicit: false }
}

fn usual() -> Value {
    json!({ "auth": ["LOGIN", "PLAIN", "XOAUTH2", "OAUTHBEARER"], "passwords": { "me@relay.test": PASSWORD } })
}

/// `usual` with more.
fn with(more: &Value) -> Value {
    let mut all = usual();
    for (key, value) in more.as_object().unwrap() {
        all.as_object_mut().unwrap().insert(key.clone(), value.clone());
    }
    all
}

/// The account at a provider: by a password, or by tokens that the fake gives.
fn account(providers: &FakeProviders, by_tokens: bool) -> String {
    let ca = providers.ca_file().display().to_string();
    let proof = if by_tokens {
        let oauth = providers.oauth();
        format!(
            "client_id = \"our-client\"\nclient_secret = {{ file = \"{}\" }}\ntoken_url = \"{oauth}/token\"\ndevice_url = \"{oauth}/device\"\n",
            providers.secret("client_secret", "s3cret").display()
        )
    } else {
        format!("password = {{ file = \"{}\" }}\n", providers.secret("password", PASSWORD).display())
    };
    format!("login = \"me@relay.test\"\n{proof}ca_file = \"{ca}\"\n")
}

/// A server that sends all mail through Gmail.
struct Office {
    providers: FakeProviders,
    house: House,
    _net: Loopback,
}

impl Office {
    fn new(by_tokens: bool, behaviour: &Value, more: &str) -> Self {
        Self::certified(by_tokens, None, behaviour, more)
    }

    fn certified(by_tokens: bool, certified: Option<&str>, behaviour: &Value, more: &str) -> Self {
        let net = Loopback::claim();
        let providers = FakeProviders::start(&net, &[implicit("smtp.gmail.com")], certified, behaviour);
        let (dns, account) = (providers.dns_section(), account(&providers, by_tokens));
        let house = House::new(&format!(
            "{dns}[receive]\ntrusted_networks = [\"127.0.0.1/32\"]\n[queue]\nretry = [\"1s\"]\n\
             [relay]\npreset = \"gmail\"\n{account}{more}\n"
        ));
        Self { providers, house, _net: net }
    }

    fn send(server: &Postrider, to: &[&str], subject: &str) -> String {
        let content = format!("From: anna@here.test\r\nSubject: {subject}\r\n\r\nx\r\n");
        let (code, text) = server.client().mail("anna@here.test", to, &content).unwrap();
        assert_eq!(code, 250, "{text}");
        queue_id(&text)
    }

    /// What `postrider status` says of the relay, and its exit code.
    fn status(&self) -> (i32, String) {
        let said = self.house.command(&["status"]);
        (said.code, said.out + &said.err)
    }

    /// Nothing was returned to whoever sent it.
    fn nothing_bounced(&self) {
        let events = self.house.events();
        let lost = events
            .iter()
            .find(|event| ["bounced", "expired", "dropped"].contains(&event["kind"].as_str().unwrap()));
        assert!(lost.is_none(), "{lost:?}");
    }
}

#[test]
fn a_message_goes_through_each_of_the_seven_by_its_name() {
    let net = Loopback::claim();
    let hosts: Vec<Submission> = SEVEN.iter().map(|(_, host)| *host).collect();
    let providers = FakeProviders::start(&net, &hosts, None, &usual());
    let mut relays = String::new();
    for (preset, _) in SEVEN {
        let account = account(&providers, preset == "outlook");
        let _ = write!(relays, "[[relay]]\npreset = \"{preset}\"\nrecipients = \"{preset}.test\"\n{account}");
    }
    let house = House::new(&format!(
        "{}[receive]\ntrusted_networks = [\"127.0.0.1/32\"]\n[queue]\nretry = [\"1s\"]\n{relays}",
        providers.dns_section()
    ));
    // Outlook.com takes no passwords: somebody allows it first.
    let login = house.command(&["relay", "login", "outlook", "--device"]);
    assert_eq!(login.code, 0, "{}", login.err);
    assert!(login.err.contains("ABCD-EFGH") && login.out.contains("renewed by itself"), "{login:?}");
    let checked = house.command(&["relay", "check"]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    let server = house.start();
    for (preset, Submission { host, .. }) in SEVEN {
        let to = format!("x@{preset}.test");
        let (code, text) = server
            .client()
            .mail("anna@here.test", &[&to], &format!("Subject: by {preset}\r\n\r\nx\r\n"))
            .unwrap();
        assert_eq!(code, 250, "{text}");
        let got = providers.message(&format!("by {preset}"));
        assert_eq!((&got["host"], &got["login"]), (&json!(host), &json!("me@relay.test")));
        let event = house.wait_for_event(&queue_id(&text), "delivered", &to);
        assert_eq!(
            (&event["mx"]["host"], &event["tls"]["verified"]),
            (&json!(host), &json!(true)),
            "{event}"
        );
    }
    assert_eq!(
        providers.count(|got| got["auth"] == "OAUTHBEARER" && got["good"] == true),
        2,
        "the check and the message"
    );
    house.wait_for_empty_queue(SOON);
    let listed = house.command(&["relay", "list"]);
    assert!(listed.out.contains("smtp.mail.me.com:587") && listed.out.contains("2026-"), "{}", listed.out);
}

#[test]
fn a_relay_with_the_wrong_name_in_its_certificate_gets_neither_password_nor_mail() {
    let office = Office::certified(false, Some("smtp.example.net"), &usual(), "");
    let checked = office.house.command(&["relay", "check"]);
    assert_eq!(checked.code, 1);
    assert!(checked.err.contains("the tls failed"), "{}", checked.err);
    let server = office.house.start();
    let id = Office::send(&server, &["x@far.test"], "wrong name");
    let event = office.house.wait_for_event(&id, "deferred", "x@far.test");
    assert!(event["reply"].as_str().unwrap().contains("4.7.5"), "{event}");
    assert_eq!(office.providers.count(|got| got["auth"].is_string()), 0);
    office.nothing_bounced();
}

#[test]
fn a_token_is_renewed_when_it_is_over_and_a_grant_that_is_over_holds_the_mail() {
    // Each token is over at once, as ours are renewed five minutes ahead.
    let office = Office::new(true, &with(&json!({ "oauth": { "expires_in": 200 } })), "");
    let nobody = office.house.command(&["relay", "check"]);
    assert!(nobody.code == 1 && nobody.err.contains("nobody has logged in yet"), "{}", nobody.err);
    let login = office.house.command(&["relay", "login", "--device"]);
    assert_eq!(login.code, 0, "{}", login.err);
    let server = office.house.start();
    Office::send(&server, &["x@far.test"], "expired");
    office.providers.message("expired");
    let refreshed = |got: &Value| got["form"]["grant_type"] == "refresh_token";
    assert!(office.providers.count(refreshed) >= 1);
    // A session that is kept is logged in already: one ends with the server.
    drop(server);
    let server = office.house.start();
    // Taken back: one question, one alert, and all waits.
    office.providers.behave(&with(&json!({ "oauth": { "revoked": true }, "refuse_tokens": true })));
    let id = Office::send(&server, &["x@far.test"], "revoked");
    let event = office.house.wait_for_event(&id, "deferred", "x@far.test");
    assert!(event["reply"].as_str().unwrap().contains("expired or revoked"), "{event}");
    let asked = office.providers.count(refreshed);
    office.house.wait_for_event(
        &Office::send(&server, &["y@far.test"], "revoked too"),
        "deferred",
        "y@far.test",
    );
    assert_eq!(office.providers.count(refreshed), asked);
    let told = |mail: &e2e::Mail| {
        mail.field("Subject").is_some_and(|subject| subject.contains("The relay gmail takes no mail"))
    };
    // The first account is the postmaster.
    let postmaster = office.house.maildir("anna@here.test");
    eventually("the postmaster to be told", SOON, || postmaster.messages().iter().any(told).then_some(()));
    let (code, text) = office.status();
    assert!(
        code == 1 && text.contains("relay        gmail") && text.contains("it takes no mail since"),
        "{text}"
    );
    // Somebody logs in again: what waited goes at once.
    office.providers.behave(&usual());
    assert_eq!(office.house.command(&["relay", "login", "gmail", "--device"]).code, 0);
    office.providers.message("revoked");
    office.providers.message("revoked too");
    office.house.wait_for_empty_queue(SOON);
    assert_eq!(postmaster.messages().iter().filter(|mail| told(mail)).count(), 1, "one alert");
    office.nothing_bounced();
}

#[test]
fn too_many_in_the_middle_of_a_run_means_wait() {
    let office = Office::new(false, &usual(), "");
    let server = office.house.start();
    Office::send(&server, &["x@far.test"], "before");
    office.providers.message("before");
    let busy = json!({ "rules": [[".", "454 Throttling failure: Maximum sending rate exceeded."]] });
    office.providers.behave(&with(&busy));
    let id = Office::send(&server, &["x@far.test"], "throttled");
    office.house.wait_for_event(&id, "deferred", "x@far.test");
    let daily = json!({ "rules": [["MAIL", "550 5.4.5 Daily user sending limit exceeded."]] });
    office.providers.behave(&with(&daily));
    office.house.command(&["queue", "retry", "--all"]);
    eventually("the daily limit to be told", SOON, || {
        let events = office.house.events();
        events
            .iter()
            .find(|event| event["reply"].as_str().is_some_and(|reply| reply.contains("5.4.5")))
            .cloned()
    });
    office.nothing_bounced();
    office.providers.behave(&usual());
    office.house.command(&["queue", "retry", "--all"]);
    office.providers.message("throttled");
    office.house.wait_for_empty_queue(SOON);
}

#[test]
fn a_budget_that_is_used_up_keeps_the_rest_also_over_a_crash() {
    let office = Office::new(false, &usual(), "recipients_per_day_max = 3\n");
    let server = office.house.start();
    for subject in ["one", "two"] {
        Office::send(&server, &["x@far.test"], subject);
        office.providers.message(subject);
    }
    eventually("two of three", SOON, || office.status().1.contains("gmail: 2 of 3 today").then_some(()));
    // Of three recipients one has room.
    Office::send(&server, &["a@far.test", "b@far.test", "c@far.test"], "three more");
    let got = office.providers.message("three more");
    assert_eq!(got["recipients"].as_array().unwrap().len(), 1);
    eventually("the rest to wait", SOON, || {
        let events = office.house.events();
        let waits = events
            .iter()
            .filter(|event| event["reply"].as_str().is_some_and(|reply| reply.contains("is used up")));
        (waits.count() >= 2).then_some(())
    });
    let (code, text) = office.status();
    assert!(code == 0 && text.contains("3 of 3 today") && text.contains("the rest waits until"), "{text}");
    // What was written down a moment ago is known after a crash.
    eventually("the budget to be written", SOON, || {
        let file = std::fs::read_to_string(office.house.data().join("relays.jsonl")).ok()?;
        let sent: u64 = file
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter_map(|line| {
                Some(line["sent"].as_array()?.iter().filter_map(|step| step[1].as_u64()).sum::<u64>())
            })
            .sum();
        (sent == 3).then_some(())
    });
    server.kill();
    let server = office.house.start();
    let id = Office::send(&server, &["d@far.test"], "after the crash");
    let event = office.house.wait_for_event(&id, "deferred", "d@far.test");
    assert!(event["reply"].as_str().unwrap().contains("is used up"), "{event}");
    office.nothing_bounced();
}

#[test]
fn a_sender_that_is_not_the_accounts_own_is_told() {
    let office = Office::new(false, &with(&json!({ "senders": ["me@relay.test"] })), "");
    let server = office.house.start();
    let id = Office::send(&server, &["x@far.test"], "not owned");
    let event = office.house.wait_for_event(&id, "bounced", "x@far.test");
    assert!(event["reply"].as_str().unwrap().contains("5.7.60"), "{event}");
    let (code, text) =
        server.client().mail("me@relay.test", &["x@far.test"], "Subject: owned\r\n\r\nx\r\n").unwrap();
    assert_eq!(code, 250, "{text}");
    office.providers.message("owned");
    let tested = office.house.command(&["relay", "test", "y@far.test"]);
    assert_eq!(tested.code, 0, "{}", tested.err);
    office.providers.message("A test of the relay gmail");
}

#[test]
fn a_password_that_is_refused_is_told_at_once_and_holds_the_mail() {
    let office = Office::new(false, &with(&json!({ "passwords": {} })), "");
    let checked = office.house.command(&["relay", "check"]);
    assert_eq!(checked.code, 1);
    assert!(
        checked.err.contains("the login failed") && checked.err.contains("app password"),
        "{}",
        checked.err
    );
    let server = office.house.start();
    let id = Office::send(&server, &["x@far.test"], "refused");
    let event = office.house.wait_for_event(&id, "deferred", "x@far.test");
    assert!(event["reply"].as_str().unwrap().contains("535"), "{event}");
    eventually("status to tell it", SOON, || (office.status().0 == 1).then_some(()));
    office.nothing_bounced();
    office.providers.behave(&usual());
    office.house.command(&["queue", "retry", "--all"]);
    office.providers.message("refused");
    eventually("status to be content", SOON, || (office.status().0 == 0).then_some(()));
}

#[test]
fn postfix_is_a_relay_that_wants_a_login() {
    const LOGIN: &str = "anna@peer.test";
    let net = Loopback::claim();
    let authority = Authority::new();
    let pair = authority.issue("mx.peer.test", "peer");
    let auth = DovecotAuth::start(&net, 2, net.port(), LOGIN, PASSWORD);
    let port = net.port();
    let postfix = Postfix::start(
        &net,
        1,
        port,
        &format!(
            "{}smtpd_tls_cert_file = {}\nsmtpd_tls_key_file = {}\nsmtpd_tls_security_level = may\nsmtpd_tls_auth_only = yes\n\
             smtpd_recipient_restrictions = permit_sasl_authenticated, reject\n",
            auth.main_cf(),
            pair.certificate.display(),
            pair.key.display()
        ),
    );
    let records = format!("@ A {}\n", net.host(1));
    let knot = Knot::start(&net, &[Zone { name: "mx.peer.test.", records: Some(&records) }]);
    let folder = tempfile::tempdir().unwrap();
    let secret = |text: &str| {
        let file = folder.path().join("password");
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        file.display().to_string()
    };
    let house = House::new(&format!(
        "[dns]\nservers = [\"{}\"]\n[receive]\ntrusted_networks = [\"127.0.0.1/32\"]\n[queue]\nretry = [\"1s\"]\n\
         [relay]\nhost = \"mx.peer.test\"\nport = {port}\nlogin = \"{LOGIN}\"\npassword = {{ file = \"{}\" }}\nca_file = \"{}\"\n",
        knot.address(),
        secret("wrong"),
        authority.certificate().display()
    ));
    let checked = house.command(&["relay", "check"]);
    assert!(checked.code == 1 && checked.err.contains("the login failed"), "{}", checked.err);
    let server = house.start();
    let (code, text) =
        server.client().mail("ben@here.test", &["x@peer.test"], "Subject: by a login\r\n\r\nx\r\n").unwrap();
    assert_eq!(code, 250, "{text}");
    let event = house.wait_for_event(&queue_id(&text), "deferred", "x@peer.test");
    assert!(event["reply"].as_str().unwrap().contains("535"), "{event}");
    // The password is mended, and the configuration taken up: what waited goes without another word.
    secret(PASSWORD);
    let reloaded = house.command(&["config", "reload"]);
    assert_eq!(reloaded.code, 0, "{}", reloaded.err);
    postfix.maildir().wait_for("by a login", SOON);
    postfix.wait_for_log(&["sasl_method=SCRAM-SHA-256", "sasl_username=anna@peer.test"]);
    house.wait_for_empty_queue(SOON);
}
