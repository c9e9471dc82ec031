//! The form that Apple's Mail takes on a telephone and on a computer: a configuration profile with a mail payload.

use mail::Address;

use crate::{Endpoint, Service, Settings, xml::Document};

const TYPE: &str =
    "plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\"";

/// The profile for an address; none where mail cannot be read and sent. It holds no password: the device asks for it. Asked for again it is the same
/// profile, which the device takes in the place of the former.
pub fn apple_profile(settings: &Settings, address: &Address) -> Option<String> {
    let (incoming, outgoing) = (settings.incoming()?, settings.of(Service::Submission).next()?);
    let domain = settings.domain.to_string();
    let named = |what: &str| format!("{}.{what}.{address}", reversed(&settings.host));
    let mut document = Document::new();
    document.doctype(TYPE);
    document.open("plist", &[("version", "1.0")]);
    document.open("dict", &[]);
    document.element("key", "PayloadContent");
    document.open("array", &[]);
    document.open("dict", &[]);
    text(&mut document, "EmailAccountDescription", &settings.display_name);
    let kind = if incoming.service == Service::Imap { "EmailTypeIMAP" } else { "EmailTypePOP" };
    text(&mut document, "EmailAccountType", kind);
    text(&mut document, "EmailAddress", &address.to_string());
    server(&mut document, &INCOMING, &settings.host, *incoming, address);
    server(&mut document, &OUTGOING, &settings.host, *outgoing, address);
    truth(&mut document, "OutgoingPasswordSameAsIncomingPassword", true);
    payload(&mut document, "com.apple.mail.managed", &named("mail"), &domain);
    document.close();
    document.close();
    text(&mut document, "PayloadOrganization", &settings.display_name);
    truth(&mut document, "PayloadRemovalDisallowed", false);
    payload(&mut document, "Configuration", &named("profile"), &domain);
    Some(document.finish())
}

/// The keys of a server.
struct Keys {
    authentication: &'static str,
    host: &'static str,
    port: &'static str,
    ssl: &'static str,
    user: &'static str,
}

const INCOMING: Keys = Keys {
    authentication: "IncomingMailServerAuthentication",
    host: "IncomingMailServerHostName",
    port: "IncomingMailServerPortNumber",
    ssl: "IncomingMailServerUseSSL",
    user: "IncomingMailServerUsername",
};
const OUTGOING: Keys = Keys {
    authentication: "OutgoingMailServerAuthentication",
    host: "OutgoingMailServerHostName",
    port: "OutgoingMailServerPortNumber",
    ssl: "OutgoingMailServerUseSSL",
    user: "OutgoingMailServerUsername",
};

fn server(document: &mut Document, keys: &Keys, host: &str, endpoint: Endpoint, address: &Address) {
    text(document, keys.authentication, "EmailAuthPassword");
    text(document, keys.host, host);
    document.element("key", keys.port);
    document.element("integer", &endpoint.port.to_string());
    // With STARTTLS too: the device finds out which by the port.
    truth(document, keys.ssl, true);
    text(document, keys.user, &address.to_string());
}

fn payload(document: &mut Document, kind: &str, identifier: &str, domain: &str) {
    text(document, "PayloadDisplayName", &format!("Mail of {domain}"));
    text(document, "PayloadIdentifier", identifier);
    text(document, "PayloadType", kind);
    text(document, "PayloadUUID", &uuid(identifier));
    document.element("key", "PayloadVersion");
    document.element("integer", "1");
}

fn text(document: &mut Document, key: &str, value: &str) {
    document.element("key", key);
    document.element("string", value);
}

fn truth(document: &mut Document, key: &str, value: bool) {
    document.element("key", key);
    document.empty(if value { "true" } else { "false" });
}

/// `org.example.mail` for `mail.example.org`.
fn reversed(host: &str) -> String {
    host.rsplit('.').collect::<Vec<_>>().join(".")
}

/// A UUID of our own making (RFC 9562 §5.8) that is always the same for a name. Two names share one by a chance of one in 2^61: it tells profiles
/// of one device apart, and protects nothing.
fn uuid(name: &str) -> String {
    let (high, low) = (fnv(name, 0), fnv(name, 1));
    let high = high & !0xF000 | 0x8000;
    let low = low & !(0b11 << 62) | 0b10 << 62;
    format!(
        "{:08X}-{:04X}-{:04X}-{:04X}-{:012X}",
        high >> 32,
        high >> 16 & 0xFFFF,
        high & 0xFFFF,
        low >> 48,
        low & 0xFFFF_FFFF_FFFF
    )
}

/// FNV-1a with 64 bits, from a start that the salt changes.
fn fnv(text: &str, salt: u8) -> u64 {
    let octets = [salt].into_iter().chain(text.bytes());
    octets.fold(0xCBF2_9CE4_8422_2325, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        settings::tests::{settings, submission_only},
        xml::tests::leaves,
    };

    #[test]
    fn a_profile_has_both_servers_and_no_password() {
        let address = Address::parse("anna@example.org").unwrap();
        let text = apple_profile(&settings(), &address).unwrap();
        let leaves = leaves(&text);
        let value = |key: &str| {
            let place = leaves.iter().position(|leaf| *leaf == format!("key={key}"))?;
            leaves[place + 1].split_once('=').map(|(_, value)| value)
        };
        for (key, expected) in [
            ("EmailAccountType", "EmailTypeIMAP"),
            ("EmailAddress", "anna@example.org"),
            ("EmailAccountDescription", "Example & Sons"),
            ("IncomingMailServerHostName", "mail.example.org"),
            ("IncomingMailServerPortNumber", "993"),
            ("OutgoingMailServerPortNumber", "465"),
            ("PayloadIdentifier", "org.example.mail.mail.anna@example.org"),
        ] {
            assert_eq!(value(key), Some(expected), "{key}");
        }
        assert!(text.contains("<key>IncomingMailServerUseSSL</key>\n        <true/>"), "{text}");
        assert_eq!(value("IncomingPassword"), None);
        assert_eq!(apple_profile(&settings(), &address).unwrap(), text);
        assert_eq!(apple_profile(&submission_only(), &address), None);
    }

    #[test]
    fn a_name_has_one_uuid() {
        let one = uuid("a");
        assert_eq!((one.len(), &one[14..15]), (36, "8"));
        assert!("89AB".contains(&one[19..20]) && one == uuid("a") && one != uuid("b"), "{one}");
    }
}
