//! Texts as runs: words, and the gaps between them. Where one begins is seen in two octets, so a text that is looked for falls into the
//! same runs as the text that it is in, but for its first and its last.

/// What most gaps are. Between two words it is not written down.
pub(crate) const SPACE: &str = " ";

/// Whether an octet belongs to a gap: ASCII but for letters, digits, and what stands within addresses, host names and names of files. No
/// octet of a longer character does.
fn is_gap_octet(octet: u8) -> bool {
    octet.is_ascii()
        && !octet.is_ascii_alphanumeric()
        && !matches!(octet, b'-' | b'_' | b'.' | b'@' | b'+' | b'=')
}

/// Whether a run is a gap.
pub(crate) fn is_gap(run: &[u8]) -> bool {
    run.first().copied().is_some_and(is_gap_octet)
}

/// The runs of a text, in order.
pub(crate) fn runs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let gap = is_gap(rest.as_bytes());
        let end = rest.bytes().position(|octet| is_gap_octet(octet) != gap).unwrap_or(rest.len());
        let (run, behind) = rest.split_at_checked(end)?;
        rest = behind;
        (!run.is_empty()).then_some(run)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_words_and_gaps() {
        let of = |text| runs(text).collect::<Vec<_>>();
        assert_eq!(of("Re: grüße,\r\n x1"), ["Re", ": ", "grüße", ",\r\n ", "x1"]);
        assert_eq!(of("<anna@example.org>; a-b.c"), ["<", "anna@example.org", ">; ", "a-b.c"]);
        assert_eq!(of(" "), [" "]);
        assert!(of("").is_empty());
    }
}
