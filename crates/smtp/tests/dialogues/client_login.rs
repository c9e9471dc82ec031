//! AUTH on the client's side (RFC 4954).

use sasl::{Password, base64, client::Credentials};
use smtp::{
    Protocol,
    client::{Failure, FailureKind, Login, Phase, Session, Step},
};

use crate::client::{GREETING, converse, failure, outcome, transaction};

const TAKEN: &str = "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 Go\r\n";
const QUEUED: &str = "250 2.0.0 Queued\r\n";
const SECRET: &str = "tiger and more tiger";

fn login(by_token: bool, secret: &str) -> Login {
    let credentials = Credentials { login: "anna@example.org".into(), password: Password::new(secret) };
    Login { credentials, by_token, nonce: "fyko+d2lbbFgONRv9qkxdawL".into() }
}

fn plain() -> Session {
    Session::new(Protocol::Smtp, "client.example.net".to_owned())
}

/// Over a connection that is under TLS from the first octet, at a server that announces these mechanisms.
fn talk(login: Login, mechanisms: &str, says: &[&str]) -> (String, Vec<Step>) {
    let hello = format!("250-mx.example.org\r\n250-PIPELINING\r\n250 AUTH {mechanisms}\r\n");
    let says: Vec<String> = [GREETING, &hello].iter().chain(says).map(|say| (*say).to_owned()).collect();
    let octets: Vec<&[u8]> = says.iter().map(String::as_bytes).collect();
    let session = plain().under_tls(None).with_login(login);
    converse(session, vec![transaction(&["a@example.org"])], &octets)
}

fn unfit(steps: &[Step]) -> &'static str {
    match failure(steps) {
        Failure { kind: FailureKind::Unfit(what), .. } => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_password_goes_by_the_best_that_both_know() {
    let initial = base64::encode(format!("\0anna@example.org\0{SECRET}").as_bytes());
    let (out, steps) = talk(
        login(false, SECRET),
        "LOGIN PLAIN XOAUTH2 CRAM-MD5",
        &["235 2.7.0 Welcome\r\n", TAKEN, QUEUED, "221 Bye\r\n"],
    );
    assert!(out.contains(&format!("EHLO client.example.net\r\nAUTH PLAIN {initial}\r\nMAIL FROM")), "{out}");
    assert_eq!(outcome(&steps[0]), [(Phase::DataFinal, 250)]);
    let (out, _) = talk(
        login(false, SECRET),
        "LOGIN",
        &["334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n", "235 Ok\r\n", TAKEN, QUEUED],
    );
    let (name, word) = (base64::encode(b"anna@example.org"), base64::encode(SECRET.as_bytes()));
    assert!(out.contains(&format!("AUTH LOGIN\r\n{name}\r\n{word}\r\nMAIL FROM")), "{out}");
    let (out, _) =
        talk(login(false, SECRET), "PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS", &["535 5.7.8 No\r\n"]);
    assert!(out.contains("AUTH SCRAM-SHA-256 "), "nothing to bind to: {out}");
    assert!(!out.contains(&initial) && !out.contains(&word));
}

#[test]
fn a_token_goes_in_the_form_of_the_standard_if_there_is_a_choice() {
    for (offered, said) in
        [("PLAIN XOAUTH2", "AUTH XOAUTH2 "), ("XOAUTH2 OAUTHBEARER PLAIN", "AUTH OAUTHBEARER ")]
    {
        let (out, steps) = talk(login(true, "ya29.abc"), offered, &["235 Ok\r\n", TAKEN, QUEUED]);
        assert!(out.contains(said), "{out}");
        assert_eq!(outcome(&steps[0]), [(Phase::DataFinal, 250)]);
    }
    let (_, steps) = talk(login(true, "ya29.abc"), "PLAIN LOGIN", &[]);
    assert!(unfit(&steps).contains("neither OAUTHBEARER nor XOAUTH2"));
}

/// RFC 7628 §3.2.3: the client answers what it is told of a bad token; only then the reply comes.
#[test]
fn a_token_that_is_not_taken_ends_in_the_reply_to_it() {
    let why = base64::encode(b"{\"status\":\"401\"}");
    let said = format!("334 {why}\r\n");
    for (offered, answer) in [("OAUTHBEARER", "AQ=="), ("XOAUTH2", "")] {
        let (out, steps) =
            talk(login(true, "ya29.abc"), offered, &[&said, "535 5.7.8 Bad token\r\n", "221 Bye\r\n"]);
        assert!(out.ends_with(&format!("\r\n{answer}\r\n")), "{out}");
        let Failure { phase, kind, .. } = failure(&steps);
        assert_eq!(*phase, Phase::Auth);
        assert!(matches!(kind, FailureKind::Reply(reply) if reply.code() == 535), "{kind:?}");
    }
}

/// RFC 4954 §4: a command has at most 512 octets, and tokens are longer.
#[test]
fn a_long_token_waits_for_the_servers_word() {
    let token = "x".repeat(2000);
    let (out, steps) =
        talk(login(true, &token), "XOAUTH2", &["334 \r\n", "235 2.7.0 Ok\r\n", TAKEN, QUEUED, "221 Bye\r\n"]);
    let message = format!("user=anna@example.org\u{1}auth=Bearer {token}\u{1}\u{1}");
    assert!(
        out.contains(&format!("AUTH XOAUTH2\r\n{}\r\nMAIL", base64::encode(message.as_bytes()))),
        "{out}"
    );
    assert_eq!(outcome(&steps[0]), [(Phase::DataFinal, 250)]);
}

#[test]
fn nothing_is_said_of_a_login_in_clear() {
    let offers = "250-mx.example.org\r\n250 AUTH PLAIN\r\n";
    let both = "250-mx.example.org\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n";
    for says in [
        vec![GREETING, offers],
        vec![GREETING, both, "454 4.7.0 Not now\r\n"],
        vec![GREETING, both, "502 What\r\n"],
    ] {
        let octets: Vec<&[u8]> = says.iter().map(|say| say.as_bytes()).collect();
        let (out, steps) = converse(plain().with_login(login(false, SECRET)), Vec::new(), &octets);
        assert!(!out.contains("AUTH"), "{out}");
        failure(&steps);
    }
    let says = [GREETING, both, "220 Go\r\n", both, "235 Ok\r\n"];
    let octets: Vec<&[u8]> = says.iter().map(|say| say.as_bytes()).collect();
    let (out, _) = converse(plain().with_login(login(false, SECRET)), Vec::new(), &octets);
    assert!(out.contains("STARTTLS\r\n(TLS)\r\nEHLO client.example.net\r\nAUTH PLAIN "), "{out}");
    assert!(out.ends_with("QUIT\r\n"));
}

#[test]
fn a_server_that_cannot_prove_itself_is_not_believed() {
    // It knows nothing of the password, and says that all is well.
    let (out, steps) = talk(login(false, SECRET), "SCRAM-SHA-256", &["235 2.7.0 Welcome\r\n"]);
    assert!(unfit(&steps).contains("has not proved itself"));
    assert!(!out.contains("MAIL"));
    let first = base64::encode(b"r=fyko+d2lbbFgONRv9qkxdawLxyz,s=c2FsdA==,i=4096");
    let last = base64::encode(format!("v={}", base64::encode(&[0; 32])).as_bytes());
    let says = [format!("334 {first}\r\n"), format!("334 {last}\r\n"), "501 5.5.0 Cancelled\r\n".to_owned()];
    let says: Vec<&str> = says.iter().map(String::as_str).collect();
    let (out, steps) = talk(login(false, SECRET), "SCRAM-SHA-256", &says);
    assert!(out.contains("\r\n*\r\n"), "{out}");
    assert!(unfit(&steps).contains("does not do its part"));
}

#[test]
fn what_is_no_reply_to_auth_ends_the_session() {
    for (says, phase) in [("354 Go\r\n", Phase::Auth), ("334-a\r\n334 b\r\n", Phase::Auth)] {
        let (_, steps) = talk(login(false, SECRET), "PLAIN", &[says]);
        assert_eq!(failure(&steps).phase, phase, "{says}");
    }
    let (_, steps) = talk(login(false, SECRET), "PLAIN", &["421 4.3.2 Busy\r\n"]);
    assert!(matches!(&failure(&steps).kind, FailureKind::Reply(reply) if reply.code() == 421));
}
