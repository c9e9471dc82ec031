//! Query strings of the control API: read strictly, or refused in words. A string that names anything never means everything.

/// What narrows a selection.
const MARKS: [&str; 9] =
    ["id=", "to=", "from=", "domain=", "site=", "older_than=", "younger_than=", "reason=", "state="];

pub(crate) fn run(octets: &[u8]) {
    let Ok(query) = std::str::from_utf8(octets) else { return };
    match admin::parts::read_query(query) {
        Ok(read) => {
            let names_any = query.split('&').any(|pair| MARKS.iter().any(|mark| pair.starts_with(mark)));
            assert!(!(read.is_everything && names_any), "{query}");
        }
        Err(why) => assert!(!why.trim().is_empty(), "{query}"),
    }
}
