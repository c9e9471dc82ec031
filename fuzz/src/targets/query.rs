//! Query strings of the control API: read strictly, or refused in words. A string that names nothing never means everything.

pub(crate) fn run(octets: &[u8]) {
    let Ok(query) = std::str::from_utf8(octets) else { return };
    match admin::parts::read_query(query) {
        Ok(read) => {
            let names_any = query.starts_with("to=") || query.starts_with("id=");
            assert!(!read.is_everything || !names_any, "{query}");
        }
        Err(why) => assert!(!why.trim().is_empty(), "{query}"),
    }
}
