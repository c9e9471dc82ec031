//! AUTH (RFC 4954): what is offered, what is refused, and that an exchange is read like anything else, whole or by octets.

use sasl::{
    Mechanism, ScramKeys,
    server::{Answer as Said, Question as Asked, ScramFacts},
};
use smtp::server::{Answer, Authentication, Limits, Offers, Question};

use crate::common::{GREETING, HELO, MAIL, RCPT, Talk, at_every_split, reply};

const EHLO: (&[u8], &str) = (
    b"EHLO client.example.net\r\n",
    "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n250-DSN\r\n\
     250-ENHANCEDSTATUSCODES\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250-BINARYMIME\r\n\
     250-LIMITS MAILMAX=10000 RCPTMAX=1000\r\n250 AUTH SCRAM-SHA-256 PLAIN LOGIN\r\n",
);
/// anna, tiger.
const PLAIN: (&[u8], &str) = (b"AUTH PLAIN AGFubmEAdGlnZXI=\r\n", "235 2.7.0 Authentication successful\r\n");
const WRONG: &str = "535 5.7.8 Authentication credentials invalid\r\n";

fn offered() -> Answer {
    let mechanisms = [Mechanism::ScramSha256, Mechanism::Plain, Mechanism::Login];
    Answer::Greet(Offers { auth: Authentication::By(mechanisms.into_iter().collect()), ..Offers::default() })
}

/// anna has the password tiger, and nobody else has one; `down` cannot be asked about, `flood` has tried too often.
fn said(question: &Asked) -> Answer {
    let said = match question {
        Asked::Password { login, .. } if **login == *"down" => Said::Unavailable,
        Asked::Password { login, .. } if **login == *"flood" => {
            return Answer::RefuseAndClose(reply(421, (4, 7, 0), "Too many"));
        }
        Asked::Password { login, acts_as: None, password }
            if **login == *"anna" && password.expose() == "tiger" =>
        {
            Said::Granted
        }
        Asked::Keys { .. } => {
            let keys =
                ScramKeys::derive("pencil", b"[m\x99h\x9d\x12\x35\x8e\xec\xa0K\x14\x126\xfa\x81", 4096);
            Said::Scram(Box::new(ScramFacts {
                keys,
                others: Vec::new(),
                nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".into(),
                binding: None,
            }))
        }
        Asked::Proof { right: Some(_), .. } => Said::Granted,
        _ => Said::Denied,
    };
    Answer::Auth(Box::new(said))
}

fn policy(question: &Question) -> Option<Answer> {
    match question {
        Question::Connected | Question::Proxied(_) => Some(offered()),
        Question::Auth(question) => Some(said(question)),
        _ => None,
    }
}

fn talk(script: &[(&[u8], &str)]) -> Talk {
    let mut talk = Talk::with(Limits::default(), policy);
    for (send, expected) in script {
        assert_eq!(talk.send(send), *expected, "to {}", String::from_utf8_lossy(send));
    }
    talk
}

#[test]
fn a_client_shows_who_it_is_and_goes_on() {
    at_every_split(Limits::default(), policy, &[GREETING, EHLO, PLAIN, MAIL, RCPT], |talk| {
        assert!(talk.asked.iter().any(|asked| asked == "authenticated"), "{:?}", talk.asked);
        assert!(!talk.asked.iter().any(|asked| asked.contains("tiger")), "{:?}", talk.asked);
    });
}

#[test]
fn each_mechanism_has_its_turns() {
    let login = [
        GREETING,
        EHLO,
        (&b"auth login\r\n"[..], "334 VXNlcm5hbWU6\r\n"),
        (b"YW5uYQ==\r\n", "334 UGFzc3dvcmQ6\r\n"),
        (b"dGlnZXI=\r\n", "235 2.7.0 Authentication successful\r\n"),
    ];
    let plain =
        [GREETING, EHLO, (&b"AUTH PLAIN\r\n"[..], "334 \r\n"), (b"AGFubmEAdGlnZXI=\r\n", PLAIN.1), MAIL];
    let first: &[u8] = b"AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\r\n";
    let challenge = "334 cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSjBTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=\r\n";
    let last: &[u8] = b"Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD1kSHpiWmFwV0lrNGpVaE4rVXRlOXl0YWc5empmTUhnc3FtbWl6N0FuZFZRPQ==\r\n";
    let signature = "334 dj02cnJpVFJCaTIzV3BSUi93dHVwK21NaFVaVW4vZEI1bkxUSlJzamw5NUc0PQ==\r\n";
    let scram = [GREETING, EHLO, (first, challenge), (last, signature), (b"\r\n", PLAIN.1), MAIL];
    for script in [&login[..], &plain, &scram] {
        at_every_split(Limits::default(), policy, script, |talk| {
            assert!(talk.asked.iter().any(|asked| asked == "authenticated"), "{:?}", talk.asked);
        });
    }
}

#[test]
fn what_fails_leaves_the_session_as_it_was() {
    let too_long = [&[b'A'; 12_287][..], b"\r\n"].concat();
    let long_command = [b"AUTH PLAIN ", &too_long[..]].concat();
    let script = [
        GREETING,
        EHLO,
        (&b"AUTH PLAIN AGFubmEAd3Jvbmc=\r\n"[..], WRONG),
        (b"AUTH PLAIN AGRvd24AeA==\r\n", "454 4.7.0 Temporary authentication failure\r\n"),
        (b"AUTH PLAIN =\r\n", "501 5.5.2 Response is not one of this mechanism\r\n"),
        (b"AUTH PLAIN AGFubmE\r\n", "501 5.5.2 Response is not base 64\r\n"),
        (b"AUTH PLAIN a b\r\n", "501 5.5.4 Wrong arguments\r\n"),
        (b"AUTH\r\n", "501 5.5.4 Wrong arguments\r\n"),
        (b"AUTH CRAM-MD5\r\n", "504 5.5.4 Mechanism not offered\r\n"),
        (b"AUTH XOAUTH2\r\n", "504 5.5.4 Mechanism not offered\r\n"),
        (b"AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n"),
        (b"*\r\n", "501 5.7.0 Authentication cancelled\r\n"),
        (b"AUTH LOGIN YW5uYQ==\r\n", "334 UGFzc3dvcmQ6\r\n"),
        (b"QUIT\r\n", WRONG),
        (b"AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n"),
        (b"RSET now\r\n", "501 5.5.2 Response is not base 64\r\n"),
        (b"AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n"),
        (&too_long, "500 5.5.6 Response too long\r\n"),
        (&long_command, "500 5.5.2 Line too long\r\n"),
        (b"AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n"),
        (b"YQ==\nYQ==\r\n", "500 5.5.2 Lines must end in CRLF\r\n"),
        PLAIN,
        MAIL,
    ];
    talk(&script);
}

#[test]
fn it_is_legal_once_after_ehlo_and_outside_of_a_transaction() {
    let script = [
        GREETING,
        (&b"AUTH PLAIN AGFubmEAdGlnZXI=\r\n"[..], "503 5.5.1 Send HELO or EHLO first\r\n"),
        HELO,
        (b"AUTH PLAIN AGFubmEAdGlnZXI=\r\n", "503 5.5.1 Send EHLO first\r\n"),
        EHLO,
        MAIL,
        (b"AUTH PLAIN AGFubmEAdGlnZXI=\r\n", "503 5.5.1 Mail transaction in progress\r\n"),
        RCPT,
        (b"RSET\r\n", "250 2.0.0 Ok\r\n"),
        PLAIN,
        (b"AUTH PLAIN AGFubmEAdGlnZXI=\r\n", "503 5.5.1 Already authenticated\r\n"),
        MAIL,
    ];
    at_every_split(Limits::default(), policy, &script, |_| {});
    let mut talk = talk(&[GREETING, EHLO, PLAIN]);
    assert!(!talk.send(EHLO.0).contains("AUTH"), "it is not announced again");
}

#[test]
fn only_auth_may_be_as_long_as_a_response() {
    let long = [b"NOOP ", &[b'A'; 4096][..], b"\r\n"].concat();
    let auth = [b"AUTH XOAUTH2 ", &[b'A'; 8192][..], b"\r\n"].concat();
    talk(&[
        GREETING,
        EHLO,
        (&long, "500 5.5.2 Line too long\r\n"),
        (&auth, "504 5.5.4 Mechanism not offered\r\n"),
    ]);
    let mut talk = Talk::hello();
    assert_eq!(talk.send(&auth), "500 5.5.2 Line too long\r\n");
}

#[test]
fn where_it_is_not_offered_it_is_refused() {
    let mut unknown = Talk::hello();
    assert_eq!(unknown.send("AUTH PLAIN AGFubmEAdGlnZXI=\r\n"), "502 5.5.1 Command not implemented\r\n");
    let mut clear = Talk::with(Limits::default(), |question| match question {
        Question::Connected => {
            Some(Answer::Greet(Offers { auth: Authentication::AfterTls, ..Offers::default() }))
        }
        _ => None,
    });
    assert!(!clear.send(EHLO.0).contains("AUTH"));
    assert_eq!(clear.send("AUTH PLAIN AGFubmEAdGlnZXI=\r\n"), "538 5.7.11 Send STARTTLS first\r\n");
    assert!(clear.asked.iter().all(|asked| !asked.starts_with("auth")), "{:?}", clear.asked);
}

#[test]
fn guessing_has_an_end() {
    let limits = Limits { errors_max: 3, ..Limits::default() };
    let wrong: (&[u8], &str) = (b"AUTH PLAIN AGFubmEAd3Jvbmc=\r\n", WRONG);
    let script = [GREETING, EHLO, wrong, wrong, (wrong.0, "421 4.7.0 Too many errors, closing\r\n")];
    at_every_split(limits, policy, &script, |talk| assert!(talk.closed));
    let flood = (&b"AUTH PLAIN AGZsb29kAHg=\r\n"[..], "421 4.7.0 Too many\r\n");
    at_every_split(Limits::default(), policy, &[GREETING, EHLO, flood], |talk| assert!(talk.closed));
}

#[test]
fn who_submitted_it_may_be_said_where_auth_is_offered() {
    let mail = |parameter: &str| format!("MAIL FROM:<anna@example.net> {parameter}\r\n");
    let mut talk = talk(&[GREETING, EHLO]);
    for wrong in ["AUTH", "AUTH=", "AUTH=anna", "AUTH=a+2"] {
        assert_eq!(talk.send(mail(wrong)), "501 5.5.4 Invalid parameter\r\n", "{wrong}");
    }
    assert_eq!(talk.send(mail("AUTH=<>")), MAIL.1);
    assert_eq!(talk.send("RSET\r\n"), "250 2.0.0 Ok\r\n");
    assert_eq!(talk.send(mail("AUTH=bert+2Bx@example.org")), MAIL.1);
    assert!(talk.asked.iter().any(|asked| asked.ends_with("AUTH=bert+2Bx@example.org")), "{:?}", talk.asked);
    let refused = "555 5.5.4 Parameter not recognized, or given twice\r\n";
    assert_eq!(Talk::hello().send(mail("AUTH=<>")), refused);
}

#[test]
fn another_client_behind_the_proxy_has_shown_nothing() {
    let proxy = |question: &Question| match question {
        Question::Connected | Question::Proxied(_) => match offered() {
            Answer::Greet(offers) => Some(Answer::Greet(Offers { xclient: true, ..offers })),
            other => Some(other),
        },
        other => policy(other),
    };
    let mut talk = Talk::with(Limits::default(), proxy);
    talk.send("EHLO proxy.example.net\r\n");
    assert_eq!(talk.send(PLAIN.0), PLAIN.1);
    assert_eq!(talk.send("XCLIENT ADDR=192.0.2.9\r\n"), GREETING.1);
    talk.send("EHLO client.example.net\r\n");
    assert_eq!(talk.send(PLAIN.0), PLAIN.1);
}
