//! The Received field: who handed a message over, how, and when (RFC 5321 §4.4).

use std::borrow::Cow;

use mail::{Address, Client, Domain, QueueId, Timestamp, Via};

use crate::{Date, FieldText, clean, write};

/// What a Received field tells.
///
/// ```text
/// Time-stamp-line  = "Received:" FWS Stamp <CRLF>
/// Stamp            = From-domain By-domain Opt-info [CFWS] ";" FWS date-time
/// From-domain      = "FROM" FWS Extended-Domain
/// Extended-Domain  = Domain / ( Domain FWS "(" TCP-info ")" ) / ( address-literal FWS "(" TCP-info ")" )
/// TCP-info         = address-literal / ( Domain FWS address-literal )
/// Opt-info         = [Via] [With] [ID] [For] [Additional-Registered-Clauses]
/// ```
///
/// Mail without a client, such as our own reports, has no From-domain: there is nothing true to say in it.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// Who gave the message to us.
    pub client: &'a Client,
    /// Whether the client was authenticated: the `A` of `ESMTPA` (RFC 3848).
    pub authenticated: bool,
    /// Our host name.
    pub by: &'a str,
    /// Whether SMTPUTF8 was asked for: `UTF8SMTP` (RFC 6531 §4.3), and the field may hold UTF-8 itself.
    pub smtputf8: bool,
    /// Our name for the message.
    pub id: QueueId,
    /// The recipient, only if there is no other: more would tell recipients of each other (RFC 5321 §7.2).
    pub recipient: Option<&'a Address>,
    /// When it came.
    pub at: Timestamp,
}

impl Received<'_> {
    /// Appends the field.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let mut field = write::begin(out, "Received");
        if let Some(from) = self.client_clause() {
            field = field.words(&FieldText::neutralised(&from)).fold();
        }
        field = field.words(&FieldText::neutralised(&self.our_clause()));
        if let Some(clause) = self.recipient_clause() {
            // A quoted local part may have several spaces in a row.
            field = field.fold().unbroken(&FieldText::neutralised(&clause));
        }
        field.then(";").unbroken(&FieldText::neutralised(&Date(self.at).to_string())).end();
    }

    /// `from hello (name [192.0.2.1])`: the first is what the client claims, the rest is what we know.
    fn client_clause(&self) -> Option<String> {
        let address = Domain::Literal(self.client.address?.to_canonical());
        let hello = clean::host(self.client.hello.as_deref().unwrap_or_default(), self.smtputf8);
        Some(match self.client.name.as_deref() {
            Some(name) => format!("from {hello} ({} {address})", clean::host(name, self.smtputf8)),
            None => format!("from {hello} ({address})"),
        })
    }

    fn our_clause(&self) -> String {
        let by = clean::host(self.by, self.smtputf8);
        match self.protocol() {
            Some(protocol) => format!("by {by} with {protocol} id {}", self.id),
            None => format!("by {by} id {}", self.id),
        }
    }

    /// `for <anna@example.org> tls TLS_AES_128_GCM_SHA256`: the cipher suite is RFC 8314 §4.3.
    fn recipient_clause(&self) -> Option<String> {
        // RFC 6531 §3.7.3: without SMTPUTF8 an address that needs it is left out rather than spoilt.
        let recipient = self.recipient.filter(|address| self.smtputf8 || !address.is_utf8());
        let recipient = recipient.map(|address| format!("for <{address}>"));
        let cipher = self.client.tls.as_ref().map(|tls| format!("tls {}", clean::host(&tls.cipher, false)));
        match (recipient, cipher) {
            (Some(recipient), Some(cipher)) => Some(format!("{recipient} {cipher}")),
            (one, other) => one.or(other),
        }
    }

    /// The `with` protocol type (RFC 3848; RFC 6531 §4.3). Mail of our own has none.
    fn protocol(&self) -> Option<Cow<'static, str>> {
        let base = match (self.client.via, self.smtputf8) {
            (Via::Local, _) => return None,
            (Via::Http, _) => return Some("HTTP".into()),
            // Neither TLS nor AUTH exist without EHLO.
            (Via::Smtp, _) => return Some("SMTP".into()),
            (Via::Esmtp, false) => "ESMTP",
            (Via::Esmtp, true) => "UTF8SMTP",
            (Via::Lmtp, false) => "LMTP",
            (Via::Lmtp, true) => "UTF8LMTP",
        };
        Some(match (self.client.tls.is_some(), self.authenticated) {
            (false, false) => base.into(),
            (true, false) => format!("{base}S").into(),
            (false, true) => format!("{base}A").into(),
            (true, true) => format!("{base}SA").into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use mail::TlsFacts;
    use proptest::prelude::*;

    use super::*;
    use crate::HeaderSection;

    const AT: Timestamp = Timestamp::from_millis(1_795_456_934_000);
    const ID: QueueId = QueueId::from_bytes([1, 0x9a, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);

    fn client() -> Client {
        Client {
            address: "192.0.2.1".parse().ok(),
            hello: Some("client.example.net".into()),
            ..Client::default()
        }
    }

    fn received(client: &Client) -> Received<'_> {
        Received {
            client,
            authenticated: false,
            by: "mx.example.org",
            smtputf8: false,
            id: ID,
            recipient: None,
            at: AT,
        }
    }

    fn text(received: &Received<'_>) -> String {
        let mut out = Vec::new();
        received.write_to(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_field_says_who_how_and_when() {
        let mut client = client();
        let mut plain = received(&client);
        let anna = "anna@example.org".parse().unwrap();
        plain.recipient = Some(&anna);
        assert_eq!(
            text(&plain),
            "Received: from client.example.net ([192.0.2.1])\r\n \
             by mx.example.org with ESMTP id 01k81061050r3gg28a1c60t3gf\r\n \
             for <anna@example.org>; Mon, 23 Nov 2026 18:02:14 +0000\r\n"
        );
        client.name = Some("Host.example.net".into());
        client.address = "::ffff:192.0.2.1".parse().ok();
        client.tls = Some(TlsFacts { version: "TLSv1.3".into(), cipher: "TLS_AES_128_GCM_SHA256".into() });
        assert_eq!(
            text(&Received { authenticated: true, ..received(&client) }),
            "Received: from client.example.net (Host.example.net [192.0.2.1])\r\n \
             by mx.example.org with ESMTPSA id 01k81061050r3gg28a1c60t3gf\r\n \
             tls TLS_AES_128_GCM_SHA256; Mon, 23 Nov 2026 18:02:14 +0000\r\n"
        );
    }

    #[test]
    fn mail_of_our_own_has_no_client() {
        let client = Client { via: Via::Local, ..Client::default() };
        assert_eq!(
            text(&received(&client)),
            "Received: by mx.example.org id 01k81061050r3gg28a1c60t3gf;\r\n Mon, 23 Nov 2026 18:02:14 +0000\r\n"
        );
    }

    #[test]
    fn the_protocol_type_is_a_registered_one() {
        let tls = Some(TlsFacts { version: "TLSv1.3".into(), cipher: "X".into() });
        for (via, tls, authenticated, smtputf8, protocol) in [
            (Via::Smtp, &None, false, false, "SMTP"),
            (Via::Esmtp, &None, false, false, "ESMTP"),
            (Via::Esmtp, &tls, false, false, "ESMTPS"),
            (Via::Esmtp, &tls, true, false, "ESMTPSA"),
            (Via::Esmtp, &None, false, true, "UTF8SMTP"),
            (Via::Esmtp, &tls, true, true, "UTF8SMTPSA"),
            (Via::Lmtp, &None, false, false, "LMTP"),
            (Via::Lmtp, &tls, false, true, "UTF8LMTPS"),
            (Via::Http, &tls, true, false, "HTTP"),
        ] {
            let client = Client { via, tls: tls.clone(), ..client() };
            let field = text(&Received { authenticated, smtputf8, ..received(&client) });
            assert!(field.contains(&format!(" with {protocol} id ")), "{protocol}: {field}");
        }
    }

    #[test]
    fn a_recipient_is_named_to_the_letter() {
        let (client, address) = (client(), "\"a   b\"@example.org".parse().unwrap());
        let field = Received { recipient: Some(&address), ..received(&client) };
        assert!(text(&field).contains("\r\n for <\"a   b\"@example.org>;"));
    }

    #[test]
    fn a_utf8_recipient_is_named_only_under_smtputf8() {
        let (client, address) = (client(), "δ@example.org".parse().unwrap());
        let mut field = Received { recipient: Some(&address), ..received(&client) };
        assert!(!text(&field).contains(" for "));
        field.smtputf8 = true;
        assert!(text(&field).contains(" for <δ@example.org>;"));
    }

    proptest! {
        #[test]
        fn no_client_can_write_a_field_of_its_own(hello in "\\PC{0,300}|.{0,40}", name in "[\r\n\0-~]{0,40}") {
            let client = Client { hello: Some(hello.into()), name: Some(name.into()), ..client() };
            let field = text(&received(&client));
            let section = HeaderSection::read(field.as_bytes());
            prop_assert_eq!(section.fields().count(), 1);
            prop_assert_eq!(section.octets().len(), field.len());
            prop_assert_eq!(field.matches('(').count(), 1);
            prop_assert_eq!(field.matches(';').count(), 1);
            prop_assert!(field.is_ascii());
        }
    }
}
