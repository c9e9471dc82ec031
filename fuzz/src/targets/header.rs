//! A header section: read without loss, in order, and harmless as text.

use message::{HeaderSection, decoded};

pub(crate) fn run(content: &[u8]) {
    let section = HeaderSection::read(content);
    assert!(section.end() <= content.len());
    let fields: Vec<u8> = section.fields().flat_map(|field| field.octets().to_vec()).collect();
    assert_eq!(fields, section.octets(), "fields are all there is of a section");
    for field in section.fields() {
        assert!(!field.name().is_empty() && field.octets().starts_with(field.name()));
        assert!(!field.value().contains(&b'\n'), "unfolded");
        let text = field.text(50);
        assert!(text.len() <= 50 && !text.contains(char::is_control), "{text:?}");
        // For reading: a decoded text may hold anything, but is not blown up. An octet that is no text becomes three.
        assert!(decoded(&field.value()).len() <= 3 * field.value().len());
    }
    let facts = section.facts();
    assert_eq!(facts.received, section.count("Received"));
    assert_eq!(facts.delivered_to, section.count("Delivered-To"));
    assert_eq!(facts.from, section.count("From"));
    assert_eq!(facts.date, section.find("Date").is_some());
    assert_eq!(facts.message_id, section.find("Message-ID"));
    // Its fields do not depend on what follows.
    assert_eq!(HeaderSection::read(&content[..section.end()]).octets(), section.octets());
}
