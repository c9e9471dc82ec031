//! The author of a message: one domain, and the one that other readers see.

use mail_parser::MessageParser;
use message::HeaderSection;
use message_auth::{DomainName, NoAuthor, author};

pub(crate) fn run(content: &[u8]) {
    let section = HeaderSection::read(content);
    let from: Vec<_> = section.fields().filter(|field| field.is("From")).collect();
    let domain = match author(&section) {
        Ok(domain) => domain,
        Err(NoAuthor::None) => return,
        Err(NoAuthor::Ambiguous) => {
            assert!(!from.is_empty());
            return;
        }
    };
    assert_eq!(from.len(), 1);
    assert_eq!(DomainName::parse(domain.as_str()).as_ref(), Some(&domain), "it has one form");
    assert!(domain.as_str().is_ascii() && !domain.as_str().contains(char::is_whitespace));
    assert!(from[0].octets().contains(&b'@'));
    if from[0].octets().ends_with(b"\n") {
        let again = [from[0].octets(), section.octets()].concat();
        assert!(author(&HeaderSection::read(&again)).is_err(), "two From fields have no author");
    }
    // What another reader shows for this field, if it sees an address in it.
    let alone = [from[0].octets(), b"\r\n\r\n".as_slice()].concat();
    let Some(message) = MessageParser::default().parse(&alone[..]) else { return };
    let seen = message.from().and_then(|from| from.first()).and_then(|address| address.address());
    let seen =
        seen.and_then(|address| address.rsplit_once('@')).and_then(|(_, domain)| DomainName::parse(domain));
    if let Some(seen) = seen {
        assert_eq!(seen, domain, "another reader sees another author: {}", content.escape_ascii());
    }
}
