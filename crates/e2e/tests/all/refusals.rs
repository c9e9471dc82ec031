//! What a stranger must not get: relaying, mail to nobody, a smuggled message.

use e2e::{Client, House, Postrider};

fn stranger(server: &Postrider) -> Client {
    let mut client = server.client();
    client.expect("MAIL FROM:<someone@client.test>", 250);
    client
}

#[test]
fn a_stranger_cannot_relay_in_any_spelling() {
    let house = House::new("");
    let server = house.start();
    let mut client = stranger(&server);
    let text = client.expect("RCPT TO:<x@elsewhere.test>", 550);
    assert!(text.contains("5.7.1"), "{text}");
    for path in [
        "<@here.test:x@elsewhere.test>",
        "<x%elsewhere.test@here.test>",
        "<\"x@elsewhere.test\"@here.test>",
        "<elsewhere.test!x@here.test>",
        "<x@[127.0.0.1]>",
        "<x@elsewhere.test@here.test>",
    ] {
        let (code, text) = client.command(&format!("RCPT TO:{path}")).unwrap();
        assert!((500..600).contains(&code), "{path}: {text}");
    }
    assert!(house.queue().is_empty());
}

#[test]
fn a_stranger_may_write_to_our_users_and_postmaster_alone() {
    let house = House::new("");
    let server = house.start();
    let mut client = stranger(&server);
    client.expect("RCPT TO:<anna@here.test>", 250);
    client.expect("RCPT TO:<ANNA@HERE.TEST>", 250);
    client.expect("RCPT TO:<Postmaster>", 250);
    let text = client.expect("RCPT TO:<nobody@here.test>", 550);
    assert!(text.contains("5.1.1"), "{text}");
}

#[test]
fn a_trusted_network_may_relay() {
    let house = House::new("[receive]\ntrusted_networks = [\"127.0.0.0/8\"]");
    let server = house.start();
    stranger(&server).expect("RCPT TO:<x@elsewhere.test>", 250);
}

#[test]
fn a_smuggled_message_is_refused_with_the_whole() {
    let house = House::new("");
    let server = house.start();
    for end in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n"] {
        let mut client = stranger(&server);
        client.expect("RCPT TO:<anna@here.test>", 250);
        client.expect("DATA", 354);
        let smuggled = "MAIL FROM:<ceo@here.test>\r\nRCPT TO:<anna@here.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nhello\r\n.\r\n";
        client.send(format!("Subject: outer\r\n\r\ntext{end}{smuggled}").as_bytes()).unwrap();
        let (code, text) = client.reply().unwrap();
        assert_eq!((code, text.contains("5.6.0")), (550, true), "{end:?}: {text}");
        assert!(client.reply().is_err(), "{end:?}: the session must end");
    }
    assert!(house.queue().is_empty());
    assert!(house.maildir("anna@here.test").messages().is_empty());
}

#[test]
fn garbage_is_answered_counted_and_ended() {
    let house = House::new("[receive]\nerrors_max = 5");
    let server = house.start();
    let mut client = Client::connect(server.smtp());
    let mut codes = Vec::new();
    while let Ok((code, _)) = client.command("\u{1}\u{fffd}garbage") {
        codes.push(code);
        assert!(codes.len() < 20, "too many errors must end the session");
    }
    assert_eq!(codes.first(), Some(&500));
    assert_eq!(codes.last(), Some(&421));
}
