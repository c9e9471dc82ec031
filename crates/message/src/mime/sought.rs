//! What SEARCH looks at: fields one by one.

/// Each field of a header section, with its folds and its line end.
pub fn header_fields(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = header;
    std::iter::from_fn(move || {
        let mut end = 0;
        loop {
            let line = rest.get(end..)?;
            end += memchr::memchr(b'\n', line).map_or(line.len(), |at| at + 1);
            match rest.get(end) {
                Some(b' ' | b'\t') => {}
                _ => break,
            }
        }
        let (field, behind) = rest.split_at_checked(end)?;
        rest = behind;
        let is_end = matches!(field, b"" | b"\n" | b"\r\n");
        (!is_end).then_some(field)
    })
}
