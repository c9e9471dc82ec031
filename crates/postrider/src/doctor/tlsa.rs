//! The keys that others know us by (DANE, RFC 7672): TLSA records of this host, and what it shows under TLS.

use dns::{DnsError, Record, RecordType, Security};

use super::{
    finding::Finding,
    zone::{Asking, Authority, Seen, line, unanswered},
};

const CHECK: &str = "tlsa";

/// What is known of them.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// Our own name.
    pub host: String,
    /// What the record says that `dns records` wants, in the form of a zone file.
    pub wanted: Vec<(Vec<u8>, String)>,
    /// The TLSA records of port 25.
    pub seen: Seen,
}

/// Asks.
pub(super) async fn gather(
    asking: &Asking,
    authority: Option<&Authority>,
    host: &str,
    wanted: Vec<(Vec<u8>, String)>,
) -> Facts {
    let seen = Seen::look(asking, authority, &format!("_25._tcp.{host}"), RecordType::Tlsa).await;
    Facts { host: host.to_owned(), wanted, seen }
}

/// Judges.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { host, wanted, seen } = facts;
    let live = match seen.records() {
        Ok(live) => live,
        Err(error @ DnsError::Temporary(_)) if !wanted.is_empty() => {
            // Senders that know DANE do not send then (RFC 7672 §2.1.2).
            return vec![unanswered(CHECK, &format!("the TLSA record of {host}"), error)];
        }
        Err(_) => return Vec::new(),
    };
    let lines = |list: &[&(Vec<u8>, String)]| -> String {
        list.iter().map(|(_, text)| line(&seen.name, "TLSA", text)).collect::<Vec<_>>().join("\n")
    };
    let all: Vec<&(Vec<u8>, String)> = wanted.iter().collect();
    let has = |key: &[u8]| {
        live.iter().any(|record| matches!(record, Record::Tlsa { usage: 3, selector: 1, matching: 1, data } if data == key))
    };
    let missing: Vec<&(Vec<u8>, String)> = wanted.iter().filter(|(key, _)| !has(key)).collect();
    if live.is_empty() {
        if wanted.is_empty() {
            return Vec::new();
        }
        let text = format!("the keys of {host} are not published (TLSA), so nobody can know it by DANE");
        return vec![Finding::advice(CHECK, text).todo(format!("publish:\n{}", lines(&all)))];
    }
    let mut findings: Vec<Finding> = seen.difference(CHECK).into_iter().collect();
    if wanted.is_empty() {
        let text = format!(
            "there are TLSA records for {host}, and it is not known here which keys it will have: once its certificate has another key, senders that know DANE send nothing"
        );
        findings.push(
            Finding::advice(CHECK, text)
                .todo("see that they are changed before the certificate is, or take them out"),
        );
    } else if missing.is_empty() {
        let note = match seen.resolved.as_ref().map(|answer| answer.security) {
            Ok(Security::Secure) => "",
            _ => "; they count only once the zone is signed (DNSSEC)",
        };
        findings.push(Finding::ok(CHECK, format!("the keys of {host} are published (TLSA){note}")));
    } else if missing.len() == wanted.len() {
        let text =
            format!("no TLSA record of {host} is for a key that it has: senders that know DANE send nothing");
        findings.push(Finding::error(CHECK, text).todo(format!("put in their place:\n{}", lines(&all))));
    } else {
        let text = format!(
            "a key of {host} is not published (TLSA): once it is shown, senders that know DANE send nothing"
        );
        findings.push(Finding::warning(CHECK, text).todo(format!("add:\n{}", lines(&missing))));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{
        Level,
        finding::tests::says,
        zone::tests::{seen, silent},
    };

    fn facts(wanted: &[u8], live: &[u8]) -> Facts {
        let record = |key: &u8| Record::Tlsa { usage: 3, selector: 1, matching: 1, data: vec![*key; 32] };
        Facts {
            host: "mx.example.org".into(),
            wanted: wanted.iter().map(|key| (vec![*key; 32], format!("3 1 1 {key}"))).collect(),
            seen: seen("_25._tcp.mx.example.org", RecordType::Tlsa, live.iter().map(record).collect()),
        }
    }

    #[test]
    fn keys_are_compared_with_what_is_published() {
        for (wanted, live, level, words) in [
            (&[1][..], &[1][..], Level::Ok, &["are published"][..]),
            (&[1], &[2, 1], Level::Ok, &["only once the zone is signed"]),
            (&[1], &[], Level::Advice, &["not published", "_25._tcp.mx.example.org. 3600 IN TLSA 3 1 1 1"]),
            (&[1], &[2], Level::Error, &["is for a key that it has", "3 1 1 1"]),
            (&[1, 2], &[1], Level::Warning, &["a key of mx.example.org is not published", "3 1 1 2"]),
            (&[], &[1], Level::Advice, &["not known here which keys"]),
        ] {
            says(&judge(&facts(wanted, live)), level, words);
        }
        assert_eq!(judge(&facts(&[], &[])), []);
        let mut nobody = facts(&[1], &[]);
        nobody.seen = silent("_25._tcp.mx.example.org", RecordType::Tlsa);
        says(&judge(&nobody), Level::Unknown, &["could not be asked for"]);
    }
}
