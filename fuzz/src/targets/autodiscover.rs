//! What Autodiscover is asked by: an address that is one, or nothing. No address writes markup into a document.

use autoconfig::{Asked, Endpoint, Security, Service, Settings};
use mail::{Address, Domain};

pub(crate) fn run(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Asked::Settings(address) = autoconfig::autodiscover_request(text) else { return };
    let written = address.to_string();
    assert_eq!(Address::parse(&written).as_ref(), Ok(&address), "{written}");
    let (Ok(domain), Ok(plain)) = (Domain::parse("example.org"), Address::parse("anna@example.org")) else {
        return;
    };
    let endpoint = |service, port| Endpoint { service, security: Security::Implicit, port };
    let endpoints = vec![endpoint(Service::Imap, 993), endpoint(Service::Submission, 465)];
    let settings = Settings::new(domain, "mail.example.org", "example.org", endpoints);
    let marks = |document: Option<String>| document.map(|text| text.matches('<').count());
    let outlook = |address| Some(autoconfig::autodiscover(&settings, address));
    assert_eq!(marks(outlook(&address)), marks(outlook(&plain)), "{written}");
    let apple = |address| autoconfig::apple_profile(&settings, address);
    assert_eq!(marks(apple(&address)), marks(apple(&plain)), "{written}");
}
