//! Addresses and what envelopes write of them: what is taken is within the limits and is written to the same.

use mail::{
    Address, DOMAIN_OCTETS_MAX, Domain, LOCAL_PART_OCTETS_MAX, OriginalRecipient, PATH_OCTETS_MAX,
    valid_ehlo_name,
    xtext::{decode_unitext, decode_xtext, encode_unitext, encode_xtext},
};

pub(crate) fn run(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    if let Ok(address) = Address::parse(text) {
        holds(&address);
    }
    if let Ok(domain) = Domain::parse(text) {
        let written = domain.to_string();
        assert_eq!(Domain::parse(&written).as_ref(), Ok(&domain), "{written}");
        if let Ok(address) = Address::new("anna", domain) {
            holds(&address);
        }
    }
    if valid_ehlo_name(text) {
        assert!(!text.contains(|c: char| c.is_control() || c.is_whitespace()), "{text:?}");
    }
    texts(text);
}

fn holds(address: &Address) {
    let written = address.to_string();
    assert_eq!(Address::parse(&written).as_ref(), Ok(address), "{written}");
    assert_eq!(Address::new(address.local_part(), address.domain().clone()).as_ref(), Ok(address));
    assert!(address.local_part().len() <= LOCAL_PART_OCTETS_MAX, "RFC 5321 §4.5.3.1.1: {written}");
    assert!(address.domain().to_string().len() <= DOMAIN_OCTETS_MAX, "RFC 5321 §4.5.3.1.2: {written}");
    assert!(written.len() + 2 <= PATH_OCTETS_MAX, "RFC 5321 §4.5.3.1.3: {written}");
    assert_eq!(address.is_utf8(), !written.is_ascii(), "RFC 6531 §3.3: {written}");
    assert!(!written.contains(char::is_control), "{written:?}");
}

/// ENVID and ORCPT (RFC 3461 §4, RFC 6533 §3).
fn texts(text: &str) {
    // What is decoded has neither controls nor, as xtext, anything beyond ASCII.
    let is_text = !text.contains(char::is_control);
    assert_eq!(
        decode_xtext(&encode_xtext(text)).as_deref(),
        Some(text).filter(|_| is_text && text.is_ascii())
    );
    for ascii_only in [true, false] {
        let encoded = encode_unitext(text, ascii_only);
        assert!(encoded.is_ascii() || !ascii_only);
        assert_eq!(decode_unitext(&encoded).as_deref(), Some(text).filter(|_| is_text), "{encoded}");
    }
    if let Some(original) = OriginalRecipient::from_parameter(text) {
        let again = original.to_parameter(true);
        assert_eq!(OriginalRecipient::from_parameter(&again), Some(original), "{again}");
    }
}
