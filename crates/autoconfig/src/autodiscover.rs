//! The form that Outlook asks for: Autodiscover by POX ("plain old XML").

use mail::Address;

use crate::{Endpoint, Security, Service, Settings, xml::Document, xml::text_of};

const RESPONSE: &str = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
const OUTLOOK: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";

/// What a client wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The settings for this address.
    Settings(Address),
    /// It does not say for whom, or wants an answer in a form that there is none of here.
    Unknown,
}

/// Reads what a client asks.
pub fn autodiscover_request(body: &str) -> Asked {
    let wanted = text_of(body, "AcceptableResponseSchema");
    if wanted.is_some_and(|wanted| wanted != OUTLOOK) {
        return Asked::Unknown;
    }
    let address = text_of(body, "EMailAddress").and_then(|text| Address::parse(&text).ok());
    address.map_or(Asked::Unknown, Asked::Settings)
}

/// The answer for an address: of each service the best way to reach it.
pub fn autodiscover(settings: &Settings, address: &Address) -> String {
    let mut document = Document::new();
    document.open("Autodiscover", &[("xmlns", RESPONSE)]);
    document.open("Response", &[("xmlns", OUTLOOK)]);
    document.open("Account", &[]);
    document.element("AccountType", "email");
    document.element("Action", "settings");
    for (service, name) in [(Service::Imap, "IMAP"), (Service::Pop3, "POP3"), (Service::Submission, "SMTP")] {
        if let Some(endpoint) = settings.of(service).next() {
            protocol(&mut document, name, &settings.host, *endpoint, address);
        }
    }
    document.finish()
}

fn protocol(document: &mut Document, name: &str, host: &str, endpoint: Endpoint, address: &Address) {
    document.open("Protocol", &[]);
    document.element("Type", name);
    document.element("Server", host);
    document.element("Port", &endpoint.port.to_string());
    document.element("LoginName", &address.to_string());
    document.element("DomainRequired", "off");
    document.element("SPA", "off");
    // `SSL` is what old versions read, `Encryption` what newer ones do.
    let (ssl, encryption) = match endpoint.security {
        Security::Implicit => ("on", "SSL"),
        Security::StartTls => ("off", "TLS"),
    };
    document.element("SSL", ssl);
    document.element("Encryption", encryption);
    document.element("AuthRequired", "on");
    document.close();
}

/// The answer to what cannot be answered.
pub fn autodiscover_error() -> String {
    let mut document = Document::new();
    document.open("Autodiscover", &[("xmlns", RESPONSE)]);
    document.open("Response", &[]);
    document.open("Error", &[]);
    document.element("ErrorCode", "600");
    document.element("Message", "Invalid Request");
    document.empty("DebugData");
    document.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{settings::tests::settings, xml::tests::leaves};

    fn request(address: &str, schema: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006\">\
             <Request><EMailAddress>{address}</EMailAddress><AcceptableResponseSchema>{schema}</AcceptableResponseSchema></Request></Autodiscover>"
        )
    }

    #[test]
    fn outlook_gets_the_best_way_to_each_service() {
        let Asked::Settings(address) = autodiscover_request(&request("anna@example.org", OUTLOOK)) else {
            panic!("it asks for settings")
        };
        let text = autodiscover(&settings(), &address);
        assert!(text.contains(&format!("<Response xmlns=\"{OUTLOOK}\">")), "{text}");
        let one = |kind: &str, port: u16| {
            format!(
                "Type={kind} Server=mail.example.org Port={port} LoginName=anna@example.org DomainRequired=off SPA=off \
                 SSL=on Encryption=SSL AuthRequired=on"
            )
        };
        let all = [one("IMAP", 993), one("POP3", 995), one("SMTP", 465)].join(" ");
        assert_eq!(leaves(&text).join(" "), format!("AccountType=email Action=settings {all}"));
    }

    #[test]
    fn what_cannot_be_answered_is_told_so() {
        let mobile = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006";
        for body in [
            request("anna@example.org", mobile),
            request("anna", OUTLOOK),
            "<EMailAddress>".to_owned(),
            String::new(),
        ] {
            assert_eq!(autodiscover_request(&body), Asked::Unknown, "{body}");
        }
        assert_eq!(leaves(&autodiscover_error()), ["ErrorCode=600", "Message=Invalid Request"]);
    }
}
