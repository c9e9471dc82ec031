//! The reference of events says what the code writes: each kind and each field, and nothing else.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;

use events::{Arc, Auth, Certificate, Dkim, Dmarc, Event, Kind, Mx, Spf, Tls, VERSION};
use mail::{QueueId, Timestamp};
use serde_json::Value;

const REFERENCE: &str = include_str!("../../../docs/reference/events.md");

/// The names in the first column of the table under a heading.
fn documented(heading: &str) -> BTreeSet<String> {
    let section = REFERENCE.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let name = |line: &str| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name.to_owned());
    section.lines().filter_map(name).collect()
}

/// An event with everything. A new field does not compile here until it is given, and then it must be in the reference.
fn full() -> Event {
    let at = Timestamp::from_millis(1_795_456_934_123);
    let text = || Some("x".to_owned());
    Event {
        lsn: 1,
        v: VERSION,
        at,
        id: QueueId::new(at, 0, 0),
        kind: Kind::Deferred,
        station: "admin".into(),
        reverse_path: text(),
        recipient: text(),
        recipients: vec!["x".to_owned()],
        original_recipients: vec!["x".to_owned()],
        message_id: text(),
        size: Some(1),
        client: text(),
        account: text(),
        mx: Some(Mx { host: "x".to_owned(), address: text() }),
        tls: Some(Tls {
            protocol: text(),
            cipher: text(),
            verified: Some(false),
            failure: text(),
            policy: text(),
            certificate: Some(Certificate { fingerprint: "x".to_owned(), names: vec!["x".to_owned()] }),
        }),
        site: text(),
        reply: text(),
        attempt: Some(1),
        next_due: Some(at),
        report: Some(QueueId::new(at, 0, 0)),
        actions: vec!["x".to_owned()],
        reason: text(),
        rule: text(),
        auth: Some(Box::new(Auth {
            author: text(),
            dmarc: Some(Dmarc {
                result: "fail".to_owned(),
                domain: text(),
                policy: text(),
                p: text(),
                sp: text(),
                np: text(),
                adkim: text(),
                aspf: text(),
                fo: text(),
                testing: true,
                spf_aligned: true,
                dkim_aligned: true,
            }),
            spf: vec![Spf { scope: "helo".to_owned(), domain: "x".to_owned(), result: "none".to_owned() }],
            dkim: vec![Dkim {
                domain: "x".to_owned(),
                selector: "x".to_owned(),
                result: "pass".to_owned(),
                aligned: true,
            }],
            arc: Some(Arc { result: "pass".to_owned(), sealers: vec!["x".to_owned()] }),
            iprev: text(),
            disposition: "junk".to_owned(),
            why: text(),
            overridden: text(),
        })),
    }
}

/// The names of all fields, those of objects within behind a dot.
fn fields(value: &Value, before: &str, found: &mut BTreeSet<String>) {
    for (name, value) in value.as_object().unwrap() {
        let name = format!("{before}{name}");
        if value.is_object() {
            fields(value, &format!("{name}."), found);
        }
        found.insert(name);
    }
}

#[test]
fn every_field_is_in_the_reference() {
    let mut written = BTreeSet::new();
    fields(&serde_json::from_slice(&full().to_line()).unwrap(), "", &mut written);
    assert_eq!(documented("Fields"), written);
}

#[test]
fn every_kind_is_in_the_reference() {
    let written: BTreeSet<String> = Kind::ALL.iter().map(|kind| kind.word().to_owned()).collect();
    assert_eq!(documented("Kinds"), written);
    for kind in Kind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
    }
}

#[test]
fn the_reference_is_of_this_version() {
    assert!(
        REFERENCE.contains(&format!("\nVersion {VERSION}, in the field `v`")),
        "raise it there too, and say what changed"
    );
}
