//! What reads the file of sites, for the fuzzer. No interface: it changes with the code behind it.

use crate::site_file::{decode, encode};

/// Reads a file of sites and writes it again. None: it is of no use.
pub fn sites_again(octets: &[u8]) -> Option<Vec<u8>> {
    decode(octets).ok().map(|sites| encode(&sites))
}
