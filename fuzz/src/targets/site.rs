//! The file of sites: without its checksum it is refused; what was read is written so that it reads the same.
//!
//! The first octet says whether the lines get a true head.

pub(crate) fn run(octets: &[u8]) {
    let Some((knob, lines)) = octets.split_first() else { return };
    let file = if knob & 1 == 1 { with_head(lines) } else { lines.to_vec() };
    let Some(written) = deliver::parts::sites_again(&file) else { return };
    assert_eq!(deliver::parts::sites_again(&written).as_ref(), Some(&written));
    let mut torn = written;
    if let Some(last) = torn.pop() {
        assert_eq!(last, b'\n');
        assert!(deliver::parts::sites_again(&torn).is_none(), "taken without its last octet");
    }
}

fn with_head(lines: &[u8]) -> Vec<u8> {
    let crc = crc32c::crc32c(lines);
    let head = format!("{{\"format\":\"postrider-sites\",\"version\":1,\"crc32c\":{crc}}}\n");
    [head.as_bytes(), lines].concat()
}
