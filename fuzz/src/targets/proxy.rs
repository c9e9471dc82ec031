//! The PROXY protocol: asked for octet by octet or all at once it says the same, and it never asks for an octet behind the header.

use net::proxy::{Progress, read};

/// No header is longer.
const HEADER_OCTETS_MAX: usize = 16 + 2048;

pub(crate) fn run(octets: &[u8]) {
    let mut taken = 0;
    let ended = loop {
        match read(&octets[..taken]) {
            Ok(Progress::More(more)) => {
                assert!(more > 0 && taken + more <= HEADER_OCTETS_MAX, "{taken} and {more}");
                if taken + more > octets.len() {
                    return;
                }
                taken += more;
            }
            ended => break ended,
        }
    };
    // Whatever is behind it changes nothing about a header.
    if ended.is_ok() {
        assert!(octets[..taken].ends_with(b"\n") || octets[0] == b'\r', "a line ends where it ends");
        for end in 0..taken {
            assert!(matches!(read(&octets[..end]), Ok(Progress::More(_))), "complete after {end} of {taken}");
        }
    }
}
