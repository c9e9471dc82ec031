//! Records as a zone file has them.

use std::fmt::Write as _;

use message_auth::DomainName;

use super::{Need, Purpose, WantedRecord};

/// Seconds for which others may keep a record: an hour, so that a mistake is over soon.
const TTL: u32 = 3600;

/// How names are written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Names<'a> {
    /// In full, with the final dot: right in whatever zone they are put.
    Absolute,
    /// Those within this domain relative to it; `@` is the domain itself.
    Relative(&'a DomainName),
}

impl Names<'_> {
    fn of(self, name: &str) -> String {
        let Self::Relative(origin) = self else { return format!("{name}.") };
        match name.strip_suffix(origin.as_str()) {
            Some("") => "@".to_owned(),
            Some(head) => head.strip_suffix('.').map_or_else(|| format!("{name}."), str::to_owned),
            None => format!("{name}."),
        }
    }
}

/// The lines, each kind of record under a comment that says what it is for. Reverse records are comments themselves: they stand in the zone of
/// whoever gave out the address.
pub(crate) fn lines(records: &[WantedRecord], names: Names<'_>) -> String {
    let mut text = String::new();
    let mut said = String::new();
    for WantedRecord { name, data, purpose, why, need, .. } in records {
        let reverse = *purpose == Purpose::Reverse;
        let comment = match need {
            _ if reverse => format!("; to be set by whoever gave you the address: {why}\n"),
            Need::Needed => format!("; {why}\n"),
            Need::Recommended => format!("; recommended: {why}\n"),
        };
        if comment != said {
            text.push_str(&comment);
            said = comment;
        }
        let hidden = if reverse { "; " } else { "" };
        for data in data {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{hidden}{} {TTL} IN {} {data}", names.of(name), data.kind().word());
        }
    }
    text
}
