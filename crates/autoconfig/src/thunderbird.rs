//! The form that Thunderbird asks for, and K-9, Evolution and others with it: Mozilla's `clientConfig` 1.1.

use crate::{Endpoint, Security, Service, Settings, xml::Document};

/// The document for a domain. `%EMAILADDRESS%` in it stands for the address, which is the login here.
pub fn thunderbird(settings: &Settings) -> String {
    let domain = settings.domain.to_string();
    let mut document = Document::new();
    document.open("clientConfig", &[("version", "1.1")]);
    document.open("emailProvider", &[("id", &domain)]);
    document.element("domain", &domain);
    document.element("displayName", &settings.display_name);
    document.element("displayShortName", &settings.display_name);
    for endpoint in &settings.endpoints {
        server(&mut document, &settings.host, *endpoint);
    }
    document.finish()
}

fn server(document: &mut Document, host: &str, endpoint: Endpoint) {
    let (element, kind) = match endpoint.service {
        Service::Imap => ("incomingServer", "imap"),
        Service::Pop3 => ("incomingServer", "pop3"),
        Service::Submission => ("outgoingServer", "smtp"),
    };
    document.open(element, &[("type", kind)]);
    document.element("hostname", host);
    document.element("port", &endpoint.port.to_string());
    document.element(
        "socketType",
        match endpoint.security {
            Security::Implicit => "SSL",
            Security::StartTls => "STARTTLS",
        },
    );
    // In clear under TLS: the only kind that every account can use.
    document.element("authentication", "password-cleartext");
    document.element("username", "%EMAILADDRESS%");
    document.close();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        settings::tests::{settings, submission_only},
        xml::tests::leaves,
    };

    #[test]
    fn every_service_is_named() {
        let text = thunderbird(&settings());
        assert!(
            text.contains("<emailProvider id=\"example.org\">\n    <domain>example.org</domain>"),
            "{text}"
        );
        let servers: Vec<&str> =
            text.lines().filter(|line| line.contains("Server type=")).map(str::trim).collect();
        let named = |element: &str, kind: &str| format!("<{element} type=\"{kind}\">");
        let expected = [("incomingServer", "imap"), ("incomingServer", "pop3"), ("outgoingServer", "smtp")];
        assert_eq!(
            servers,
            expected
                .map(|(element, kind)| named(element, kind))
                .iter()
                .flat_map(|one| [one, one])
                .collect::<Vec<_>>()
        );
        let of = |name: &str| -> Vec<String> {
            let leaves = leaves(&text).into_iter();
            leaves.filter_map(|leaf| leaf.strip_prefix(&format!("{name}=")).map(str::to_owned)).collect()
        };
        assert_eq!(of("port"), ["993", "143", "995", "110", "465", "587"]);
        assert_eq!(of("socketType"), ["SSL", "STARTTLS"].repeat(3));
        assert_eq!(of("hostname"), ["mail.example.org"; 6]);
        assert_eq!(of("displayName"), ["Example & Sons"]);
        assert!(!thunderbird(&submission_only()).contains("incomingServer"));
    }
}
