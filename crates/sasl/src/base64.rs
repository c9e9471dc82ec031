//! Base 64 as SASL's profiles carry it (RFC 4648 §4): with padding, without white space, and only in its one canonical form.

use base64::{Engine, engine::general_purpose::STANDARD};

/// The text of some octets.
pub fn encode(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

/// The octets of a text. None: it is not base 64, or not the canonical form (RFC 4648 §3.5), of which there may be no second.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_is_taken() {
        assert_eq!(encode(b"\0anna\0tiger"), "AGFubmEAdGlnZXI=");
        assert_eq!(decode(b"AGFubmEAdGlnZXI=").as_deref(), Some(&b"\0anna\0tiger"[..]));
        assert_eq!(decode(b""), Some(Vec::new()));
        for wrong in
            ["=", "A", "AA", "AA=", "AAA", "AAAA=", "AB==", "AAB=", "A A=", "AAAA\r", "AA==AA==", "é"]
        {
            assert_eq!(decode(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
