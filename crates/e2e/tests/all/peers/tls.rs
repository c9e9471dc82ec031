//! Postfix as a peer over TLS.

use e2e::{Authority, Client, House, Loopback, Postfix};

use super::SOON;

#[test]
fn postfix_sends_to_us_over_tls() {
    let authority = Authority::new();
    let house = House::new(&authority.issue("mx.here.test", "own").section());
    let server = house.start();
    let net = Loopback::claim();
    let port = net.port();
    for (host, level) in [(1, "may"), (2, "encrypt")] {
        let settings = format!(
            "relayhost = [127.0.0.1]:{}\nsmtp_tls_security_level = {level}\nsmtp_tls_loglevel = 1\n",
            server.smtp().port()
        );
        let postfix = Postfix::start(&net, host, port, &settings);
        let mut client = Client::connect(postfix.address());
        client.expect("EHLO client.test", 250);
        let text = format!("From: a@client.test\r\nSubject: level-{level}\r\n\r\nx\r\n");
        let (code, reply) = client.mail("a@client.test", &["anna@here.test"], &text).unwrap();
        assert_eq!(code, 250, "{reply}");
        let mail = house.maildir("anna@here.test").wait_for(&format!("level-{level}"), SOON);
        let received = mail.field("Received").unwrap();
        assert!(received.contains("with ESMTPS id ") && received.contains("tls TLS_"), "{received}");
        assert!(postfix.log().contains("TLS connection established to"), "{}", postfix.log());
    }
}
