//! What domains say of how their mail must be sent: records and policies (MTA-STS), and TLSA records as text.

use dns::{Tlsa, usable_tlsa};
use mta_sts::{Policy, id_of};

pub(crate) fn run(octets: &[u8]) {
    if let Ok(policy) = Policy::parse(octets) {
        assert_eq!(Policy::parse(policy.to_text().as_bytes()), Ok(policy.clone()));
        for mx in &policy.mx {
            match mx.strip_prefix("*.") {
                Some(parent) => {
                    assert!(policy.takes(&format!("a.{parent}.")));
                    assert!(!policy.takes(&format!(".{parent}")));
                }
                None => assert!(policy.takes(&mx.to_uppercase())),
            }
        }
        assert!(!policy.takes(""));
    }
    let records: Vec<&[u8]> = octets.split(|octet| *octet == b'\n').collect();
    if let Some(id) = id_of(records.iter().copied()) {
        assert!((1..=32).contains(&id.len()) && id.bytes().all(|octet| octet.is_ascii_alphanumeric()));
        assert_eq!(id_of([format!("v=STSv1; id={id}").as_bytes()]), Some(id));
    }
    let records: Vec<Tlsa> =
        records.iter().filter_map(|record| Tlsa::parse(str::from_utf8(record).ok()?)).collect();
    let usable = usable_tlsa(&records);
    assert!(usable.iter().all(|record| record.is_usable() && records.contains(record)));
    assert_eq!(usable.is_empty(), !records.iter().any(Tlsa::is_usable), "something usable is left of it");
}
