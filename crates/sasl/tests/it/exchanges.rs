//! The server's side, with the messages written out; and against our client.

use proptest::prelude::*;
use sasl::{
    Mechanism::{External, Login, OAuthBearer, Plain, ScramSha256, ScramSha256Plus, XOAuth2},
    Password, ScramError,
    client::{self, Credentials},
    server::{Answer, Exchange, Failure, Question, Step},
};

use crate::policy::{LOGIN, PASSWORD, Policy};

fn challenge(text: &[u8]) -> Step {
    Step::Challenge(text.to_vec())
}

#[test]
fn the_exchange_of_rfc_7677() {
    let policy = Policy {
        login: "user",
        password: "pencil",
        nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        salt: sasl::base64::decode(b"W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(),
        binding: None,
    };
    let mut exchange = Exchange::new(ScramSha256, false);
    let said = policy.run(&mut exchange, &[b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"]);
    let first = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    assert_eq!(said, challenge(first));
    let last = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    let next = exchange.respond(last);
    let said = policy.settle(&mut exchange, next);
    assert_eq!(said, challenge(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
    assert_eq!(exchange.respond(b""), Step::Done);
}

#[test]
fn plain_and_login_ask_for_the_password() {
    let policy = Policy::default();
    let plain = format!("\0{LOGIN}\0{PASSWORD}");
    let mut exchange = Exchange::new(Plain, false);
    assert_eq!(exchange.begin(None), challenge(b""));
    let next = exchange.respond(plain.as_bytes());
    assert_eq!(policy.settle(&mut exchange, next), Step::Done);
    let mut exchange = Exchange::new(Login, false);
    assert_eq!(exchange.begin(None), challenge(b"Username:"));
    assert_eq!(exchange.respond(LOGIN.as_bytes()), challenge(b"Password:"));
    let next = exchange.respond(PASSWORD.as_bytes());
    assert_eq!(policy.settle(&mut exchange, next), Step::Done);
    for (mechanism, says, why) in [
        (Plain, &[&b"\0anna@example.org\0wrong"[..]][..], Failure::Denied),
        (Plain, &[b"anna@example.org\0wrong"], Failure::Malformed),
        (Plain, &[b"\0a\x07\0b"], Failure::Denied),
        (Plain, &[b"boss\0anna@example.org\0tiger, tiger=\xc3\xbc"], Failure::Denied),
        (Login, &[b"anna@example.org", b"wrong"], Failure::Denied),
        (Login, &[b"anna@example.org", b""], Failure::Malformed),
        (Login, &[b"", b"x"], Failure::Malformed),
    ] {
        let ended = policy.run(&mut Exchange::new(mechanism, false), says);
        assert_eq!(ended, Step::Failed(why), "{mechanism} {says:?}");
    }
}

#[test]
fn a_token_that_is_not_taken_is_explained_first() {
    let policy = Policy::default();
    for (mechanism, message, why) in [
        (
            OAuthBearer,
            &b"n,a=anna@example.org,\x01auth=Bearer wrong\x01\x01"[..],
            &b"{\"status\":\"invalid_token\"}"[..],
        ),
        (
            XOAuth2,
            b"user=anna@example.org\x01auth=Bearer wrong\x01\x01",
            b"{\"status\":\"401\",\"schemes\":\"bearer\"}",
        ),
    ] {
        let mut exchange = Exchange::new(mechanism, false);
        assert_eq!(policy.run(&mut exchange, &[message]), challenge(why));
        assert_eq!(exchange.respond(b"\x01"), Step::Failed(Failure::Denied));
        let right = [message.split(|octet| *octet == b'w').next().unwrap(), b"token\x01\x01"].concat();
        assert_eq!(policy.run(&mut Exchange::new(mechanism, false), &[&right]), Step::Done);
    }
}

#[test]
fn external_names_whom_the_client_acts_as() {
    let policy = Policy::default();
    assert_eq!(policy.run(&mut Exchange::new(External, false), &[b""]), Step::Done);
    assert_eq!(policy.run(&mut Exchange::new(External, false), &[LOGIN.as_bytes()]), Step::Done);
    let ended = policy.run(&mut Exchange::new(External, false), &[b"bob@example.org"]);
    assert_eq!(ended, Step::Failed(Failure::Denied));
    let ended = policy.run(&mut Exchange::new(External, false), &[b"a\0b"]);
    assert_eq!(ended, Step::Failed(Failure::Malformed));
}

#[test]
fn channel_binding_is_neither_forged_nor_forgotten() {
    for (mechanism, offered, header, why) in [
        (ScramSha256, true, "y,,", ScramError::Downgrade),
        (ScramSha256, true, "p=tls-exporter,,", ScramError::BindingKind),
        (ScramSha256Plus, true, "n,,", ScramError::BindingKind),
        (ScramSha256Plus, true, "y,,", ScramError::BindingKind),
        (ScramSha256Plus, true, "p=tls-unique,,", ScramError::BindingKind),
        // The session has none after all.
        (ScramSha256Plus, true, "p=tls-exporter,,", ScramError::BindingKind),
    ] {
        let message = format!("{header}n={LOGIN},r=abc");
        let ended = Policy::default().run(&mut Exchange::new(mechanism, offered), &[message.as_bytes()]);
        assert_eq!(ended, Step::Failed(Failure::Scram(why)), "{mechanism} {header}");
    }
    let message = format!("y,,n={LOGIN},r=abc");
    let begun = Policy::default().run(&mut Exchange::new(ScramSha256, false), &[message.as_bytes()]);
    assert!(matches!(begun, Step::Challenge(_)), "{begun:?}");
}

/// What becomes of our client at our server.
fn meet(policy: &Policy, exchange: &mut Exchange, client: &mut client::Exchange) -> Result<Step, ScramError> {
    let initial = client.initial()?;
    let begun = exchange.begin(initial.as_deref());
    let mut step = policy.settle(exchange, begun);
    while let Step::Challenge(challenge) = &step {
        let response = client.respond(challenge)?;
        let next = exchange.respond(&response);
        step = policy.settle(exchange, next);
    }
    assert_eq!(step == Step::Done, client.may_succeed());
    Ok(step)
}

fn client(mechanism: sasl::Mechanism, password: &str, binding: Option<&[u8]>) -> client::Exchange {
    let credentials = Credentials { login: LOGIN.into(), password: Password::new(password) };
    client::Exchange::new(mechanism, credentials, "fyko+d2lbbFgONRv9qkxdawL", binding).unwrap()
}

#[test]
fn our_two_sides_agree() {
    let binding: Option<Box<[u8]>> = Some([7; 32].into());
    let policy = Policy { binding: binding.clone(), ..Policy::default() };
    for mechanism in [Plain, Login, ScramSha256, ScramSha256Plus] {
        let mut right = client(mechanism, PASSWORD, binding.as_deref());
        let ended = meet(&policy, &mut Exchange::new(mechanism, true), &mut right);
        assert_eq!(ended, Ok(Step::Done), "{mechanism}");
    }
    for mechanism in [ScramSha256, ScramSha256Plus] {
        let mut wrong = client(mechanism, "tigre", binding.as_deref());
        let ended = policy.run(&mut Exchange::new(mechanism, true), &[&wrong.initial().unwrap().unwrap()]);
        let Step::Challenge(challenge) = ended else { panic!("{ended:?}") };
        assert!(!challenge.is_empty());
        let ended = meet(
            &policy,
            &mut Exchange::new(mechanism, true),
            &mut client(mechanism, "tigre", binding.as_deref()),
        );
        assert_eq!(ended, Ok(Step::Failed(Failure::Denied)), "{mechanism}");
    }
}

/// RFC 7628 §3.2.3: a server that does not take a token says why, and the client ends the exchange.
#[test]
fn a_token_that_is_refused_is_never_taken_for_a_success() {
    for (mechanism, answer) in [(OAuthBearer, &b"\x01"[..]), (XOAuth2, b"")] {
        let mut client = client(mechanism, "ya29.abc", None);
        assert!(client.initial().unwrap().unwrap().ends_with(b"auth=Bearer ya29.abc\x01\x01"));
        assert!(client.may_succeed());
        assert_eq!(client.respond(b"{\"status\":\"401\"}").as_deref(), Ok(answer));
        assert!(!client.may_succeed(), "{mechanism}");
        assert!(client.respond(b"").is_err(), "it says nothing more");
    }
}

#[test]
fn somebody_in_the_middle_has_another_session() {
    let policy = Policy { binding: Some([7; 32].into()), ..Policy::default() };
    let mut client = client(ScramSha256Plus, PASSWORD, Some(&[8; 32]));
    let ended = meet(&policy, &mut Exchange::new(ScramSha256Plus, true), &mut client);
    assert_eq!(ended, Ok(Step::Failed(Failure::Scram(ScramError::BindingData))));
}

#[test]
fn a_server_that_does_not_know_the_password_is_found_out() {
    let mut client = client(ScramSha256, PASSWORD, None);
    client.initial().unwrap();
    client.respond(b"r=fyko+d2lbbFgONRv9qkxdawLxyz,s=c2FsdA==,i=4096").unwrap();
    let forged = format!("v={}", sasl::base64::encode(&[0; 32]));
    assert_eq!(client.respond(forged.as_bytes()), Err(ScramError::Server));
    assert!(!client.may_succeed());
}

#[test]
fn a_server_cannot_weaken_the_client() {
    for (challenge, why) in [
        (&b"r=fyko+d2lbbFgONRv9qkxdawLxyz,s=c2FsdA==,i=4095"[..], ScramError::Iterations),
        (b"r=fyko+d2lbbFgONRv9qkxdawLxyz,s=c2FsdA==,i=2000001", ScramError::Iterations),
        (b"r=fyko+d2lbbFgONRv9qkxdawL,s=c2FsdA==,i=4096", ScramError::Nonce),
        (b"r=xyko+d2lbbFgONRv9qkxdawLxyz,s=c2FsdA==,i=4096", ScramError::Nonce),
        (b"e=other-error", ScramError::Syntax),
    ] {
        let mut client = client(ScramSha256, PASSWORD, None);
        client.initial().unwrap();
        assert_eq!(client.respond(challenge), Err(why));
        assert_eq!(client.respond(challenge), Err(ScramError::Syntax), "it says nothing more");
    }
}

#[test]
fn a_wrong_proof_is_denied_whatever_the_policy_says() {
    let policy = Policy::default();
    let mut exchange = Exchange::new(ScramSha256, false);
    let first = format!("n,,n={LOGIN},r=abc");
    policy.run(&mut exchange, &[first.as_bytes()]);
    let last = format!("c=biws,r=abc{},p={}", crate::policy::NONCE, sasl::base64::encode(&[0; 32]));
    let asked = exchange.respond(last.as_bytes());
    assert_eq!(asked, Step::Ask(Question::Proof { login: LOGIN.into(), acts_as: None, right: None }));
    assert_eq!(exchange.answer(Answer::Granted), Step::Failed(Failure::Denied));
}

#[test]
fn a_fault_of_ours_is_told_apart() {
    for (mechanism, first) in [(Plain, "\0a\0b".to_owned()), (ScramSha256, "n,,n=a,r=abc".to_owned())] {
        let mut exchange = Exchange::new(mechanism, false);
        assert!(matches!(exchange.begin(Some(first.as_bytes())), Step::Ask(_)));
        assert_eq!(exchange.answer(Answer::Unavailable), Step::Failed(Failure::Unavailable));
        assert_eq!(exchange.respond(b""), Step::Failed(Failure::Malformed), "it is over");
    }
}

proptest! {
    /// Whatever comes, and in whatever order: an end, and never a success that the policy did not grant.
    #[test]
    fn no_client_gets_in_by_noise(
        mechanism in prop::sample::select(sasl::Mechanism::ALL.to_vec()),
        says in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5),
    ) {
        let mut exchange = Exchange::new(mechanism, true);
        let mut step = exchange.begin(says.first().map(Vec::as_slice));
        for response in says.iter().skip(1) {
            while let Step::Ask(question) = step {
                let answer = match question {
                    Question::Keys { .. } => Policy::default().answer(&question),
                    _ => Answer::Denied,
                };
                step = exchange.answer(answer);
            }
            prop_assert_ne!(&step, &Step::Done);
            step = exchange.respond(response);
        }
        prop_assert_ne!(step, Step::Done);
    }
}
