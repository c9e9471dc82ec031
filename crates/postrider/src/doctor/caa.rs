//! Who may certify our names (CAA, RFC 8659): whether the authority that we ask is among them.

use dns::{DnsError, Lookup, Record, RecordType};

use super::{
    finding::{Finding, listed},
    zone::{Asking, line, unanswered},
};

const CHECK: &str = "caa";
/// Labels that are taken off a name.
const LABELS_MAX: usize = 10;

/// What is known of one name that is to be certified.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// The name.
    pub name: String,
    /// As CAA records call the authority; none: not known.
    pub issuer: Option<&'static str>,
    /// Where the records stand that hold for it, and they; none: there are none.
    pub found: Result<Option<(String, Vec<Record>)>, DnsError>,
}

/// Asks: the records of the closest name that has any hold (RFC 8659 §3).
pub(super) async fn gather(asking: &Asking, name: &str, issuer: Option<&'static str>) -> Facts {
    let name = name.strip_prefix("*.").unwrap_or(name).to_owned();
    let mut rest = name.as_str();
    let mut found = Ok(None);
    for _ in 0..LABELS_MAX {
        match asking.resolver.records(rest, RecordType::Caa).await {
            Ok(answer) => {
                found = Ok(Some((rest.to_owned(), answer.records)));
                break;
            }
            Err(error @ DnsError::Temporary(_)) => {
                found = Err(error);
                break;
            }
            Err(_) => {}
        }
        match rest.split_once('.') {
            Some((_, parent)) => rest = parent,
            None => break,
        }
    }
    Facts { name, issuer, found }
}

/// Judges.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { name, issuer, found } = facts;
    let (at, records) = match found {
        Err(error) => {
            // Authorities refuse too where they get no answer (RFC 8659 §3).
            return vec![unanswered(CHECK, &format!("who may certify {name} (CAA)"), error)];
        }
        Ok(None) => {
            let Some(issuer) = issuer else { return Vec::new() };
            let text = format!("any authority may certify {name}: there is no CAA record");
            let action = format!("publish:\n{}", wanted(name, issuer));
            return vec![Finding::advice(CHECK, text).todo(action)];
        }
        Ok(Some((at, records))) => (at, records),
    };
    let issuers: Vec<String> = records.iter().filter_map(issue).collect();
    let Some(issuer) = issuer else { return Vec::new() };
    // Records of other tags alone forbid nothing (RFC 8659 §4.2).
    let any = records.iter().any(|record| matches!(record, Record::Caa { tag, .. } if &**tag == "issue"));
    if !any || issuers.iter().any(|one| one == issuer) {
        return vec![Finding::ok(CHECK, format!("{issuer} may certify {name} (CAA of {at})"))];
    }
    let allowed = listed(issuers.iter().filter(|one| !one.is_empty()));
    let allowed = if allowed.is_empty() { "nobody".to_owned() } else { format!("only {allowed}") };
    let text = format!(
        "the CAA records of {at} let {allowed} certify {name}, not {issuer}, which is asked for our certificates: it will refuse"
    );
    vec![Finding::error(CHECK, text).todo(format!("add:\n{}", wanted(at, issuer)))]
}

fn wanted(name: &str, issuer: &str) -> String {
    line(name, "CAA", format_args!("0 issue \"{issuer}\""))
}

/// The domain of the authority, without its parameters; empty: nobody.
fn issue(record: &Record) -> Option<String> {
    let Record::Caa { tag, value, .. } = record else { return None };
    let text = String::from_utf8_lossy(value);
    let domain = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (&**tag == "issue").then_some(domain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Level, finding::tests::says};

    fn facts(records: &[(&str, &str)]) -> Facts {
        let record = |(tag, value): &(&str, &str)| Record::Caa {
            critical: false,
            tag: (*tag).into(),
            value: value.as_bytes().to_vec(),
        };
        let records: Vec<Record> = records.iter().map(record).collect();
        let found = (!records.is_empty()).then(|| ("example.org".to_owned(), records));
        Facts { name: "mx.example.org".into(), issuer: Some("letsencrypt.org"), found: Ok(found) }
    }

    #[test]
    fn the_authority_that_we_ask_has_to_be_allowed() {
        for (records, level, words) in [
            (
                &[("issue", "letsencrypt.org")][..],
                Level::Ok,
                &["letsencrypt.org may certify mx.example.org"][..],
            ),
            (&[("issue", "LetsEncrypt.org; validationmethods=dns-01")], Level::Ok, &["may certify"]),
            (&[("iodef", "mailto:a@example.org")], Level::Ok, &["may certify"]),
            (
                &[],
                Level::Advice,
                &["any authority", "mx.example.org. 3600 IN CAA 0 issue \"letsencrypt.org\""],
            ),
            (
                &[("issue", "other.example")],
                Level::Error,
                &["let only other.example certify", "example.org. 3600 IN CAA"],
            ),
            (&[("issue", ";")], Level::Error, &["let nobody certify"]),
        ] {
            says(&judge(&facts(records)), level, words);
        }
        let silent = Facts { found: Err(DnsError::temporary("SERVFAIL")), ..facts(&[]) };
        says(&judge(&silent), Level::Unknown, &["who may certify mx.example.org"]);
        let unknown = Facts { issuer: None, ..facts(&[("issue", "other.example")]) };
        assert_eq!(judge(&unknown), []);
    }
}
