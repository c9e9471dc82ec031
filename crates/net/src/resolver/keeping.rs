//! What is kept of answers: none that is large, for the library counts entries and no octets. Anybody can have us ask for 64 KiB.

use hickory_resolver::{
    TokioResolver,
    lookup::Lookup,
    net::{DnsError, NetError},
    proto::{
        rr::{Name, RData, Record, RecordType},
        serialize::binary::BinEncodable,
    },
};

/// Octets of all records of an answer that is kept, names written in full.
pub(super) const KEPT_OCTETS_MAX: usize = 4 * 1024;

/// Has an answer forgotten at once that is too large to be kept. Whoever asked has it all the same.
pub(super) fn forget_if_large(
    client: &TokioResolver,
    name: &Name,
    kind: RecordType,
    answer: &Result<Lookup, NetError>,
) {
    match answer {
        Ok(lookup) if is_large(lookup.message().all_sections()) => {
            client.clear_lookup_cache(name.clone(), kind);
            // It is kept under each of its names.
            for record in lookup.answers() {
                if let RData::CNAME(target) = &record.data {
                    client.clear_lookup_cache(target.0.clone(), kind);
                }
            }
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
            let servers = none.ns.iter().flat_map(|servers| servers.iter());
            let servers = servers.flat_map(|server| server.glue.iter().chain([&server.ns]));
            let beside = none.authorities.iter().flat_map(|records| records.iter());
            if is_large(servers.chain(beside)) {
                client.clear_lookup_cache(name.clone(), kind);
                client.clear_lookup_cache(none.query.name().clone(), kind);
            }
        }
        _ => {}
    }
}

fn is_large<'a>(records: impl Iterator<Item = &'a Record>) -> bool {
    let mut left = KEPT_OCTETS_MAX;
    for record in records {
        // What cannot be written is not kept either.
        let octets = record.to_bytes().map_or(usize::MAX, |octets| octets.len());
        let Some(rest) = left.checked_sub(octets) else { return true };
        left = rest;
    }
    false
}
