//! DKIM of a domain (RFC 6376): whether the keys that its mail is signed with are published.

use dns::RecordType;
use message_auth::dkim::{Algorithm, BadKey, PublishedKey};

use super::{
    finding::Finding,
    zone::{Asking, Authority, Seen, text_line, unanswered},
};

const CHECK: &str = "dkim";
/// Shorter ones are not believed any more (RFC 8301 §3.2).
const BITS_MIN: usize = 1024;
/// What RFC 8301 §3.2 wants signers to have.
const BITS_GOOD: usize = 2048;

/// What is known of the keys of a domain.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// The domain.
    pub domain: String,
    /// Each of its keys.
    pub keys: Vec<Key>,
}

/// A key of ours.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// The text of the record that publishes it.
    pub text: String,
    /// What is published.
    pub seen: Seen,
}

/// Asks. `keys`: names and texts of the records.
pub(super) async fn gather(
    asking: &Asking,
    authority: Option<&Authority>,
    domain: &str,
    keys: Vec<(String, String)>,
) -> Facts {
    let mut found = Vec::new();
    for (name, text) in keys {
        let seen = Seen::look(asking, authority, &name, RecordType::Txt).await;
        found.push(Key { text, seen });
    }
    Facts { domain: domain.to_owned(), keys: found }
}

/// Judges.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { domain, keys } = facts;
    if keys.is_empty() {
        let text = format!("mail of {domain} is not signed, so receivers believe it less (DKIM)");
        let action = format!("make a key, and do what this prints:\npostrider dkim generate {domain}");
        return vec![Finding::warning(CHECK, text).todo(action)];
    }
    let mut findings: Vec<Finding> = keys.iter().flat_map(|key| one(domain, key)).collect();
    let rsa = |key: &Key| {
        PublishedKey::parse(key.text.as_bytes()).is_ok_and(|own| own.algorithm == Algorithm::RsaSha256)
    };
    if !keys.iter().any(rsa) {
        let text = format!("mail of {domain} is signed by Ed25519 alone, which many receivers cannot verify");
        let action = format!(
            "make a key of RSA beside it, and do what this prints:\npostrider dkim generate {domain}"
        );
        findings.push(Finding::warning(CHECK, text).todo(action));
    }
    findings
}

fn one(domain: &str, Key { text, seen }: &Key) -> Vec<Finding> {
    let name = &seen.name;
    let wanted = || text_line(name, text);
    let texts = match seen.texts() {
        Ok(texts) => texts,
        Err(error) => return vec![unanswered(CHECK, &format!("the key record {name}"), error)],
    };
    let Ok(own) = PublishedKey::parse(text.as_bytes()) else {
        return vec![Finding::error(CHECK, format!("the key of {name} cannot be used"))];
    };
    let live = match texts.as_slice() {
        [] => {
            let text = format!(
                "the key that mail of {domain} is signed with is not published at {name}: every signature fails"
            );
            return vec![Finding::error(CHECK, text).todo(format!("publish:\n{}", wanted()))];
        }
        [live] => live,
        several => {
            let text = format!(
                "there are {} TXT records at {name}, and receivers take any of them for the key",
                several.len()
            );
            return vec![Finding::error(CHECK, text).todo(format!("keep this one alone:\n{}", wanted()))];
        }
    };
    let replace = || format!("put in its place:\n{}", wanted());
    let published = match PublishedKey::parse(live) {
        Ok(published) => published,
        Err(bad) => {
            let finding = Finding::error(CHECK, format!("the key record {name} {}", reason(bad, live)));
            return vec![finding.todo(replace())];
        }
    };
    if (published.algorithm, &published.key) != (own.algorithm, &own.key) {
        let text = format!(
            "the key record {name} has another key than mail of {domain} is signed with: every signature fails"
        );
        return vec![Finding::error(CHECK, text).todo(replace())];
    }
    let mut findings: Vec<Finding> = seen.difference(CHECK).into_iter().collect();
    if published.testing {
        let text = format!(
            "the key record {name} says that it is being tried out (t=y): nobody gives anything for its signatures"
        );
        findings.push(Finding::warning(CHECK, text).todo(replace()));
    }
    findings.push(strength(domain, name, own.bits));
    findings
}

/// What is wrong, as the end of a sentence.
fn reason(bad: BadKey, live: &[u8]) -> &'static str {
    match bad {
        BadKey::Malformed if live.contains(&b'"') => {
            "has quotes in its text: they belong into a zone file, not into the form of a web page"
        }
        BadKey::Malformed => "is no key record",
        BadKey::Revoked => "has no key: p= is empty, which takes the key back",
        BadKey::Kind => "is for another kind of key (k=)",
        BadKey::Purpose => "is not for mail or not for SHA-256 (s=, h=)",
        BadKey::Short => "has a key that is too short",
    }
}

fn strength(domain: &str, name: &str, bits: Option<usize>) -> Finding {
    let action =
        || format!("make a longer one beside it, and do what this prints:\npostrider dkim generate {domain}");
    match bits {
        Some(bits) if bits < BITS_MIN => {
            let text =
                format!("the key at {name} has {bits} bits, and receivers believe none below {BITS_MIN}");
            Finding::error(CHECK, text).todo(action())
        }
        Some(bits) if bits < BITS_GOOD => {
            let text = format!("the key at {name} has {bits} bits, and {BITS_GOOD} are what is wanted today");
            Finding::warning(CHECK, text).todo(action())
        }
        Some(bits) => Finding::ok(
            CHECK,
            format!("mail of {domain} is signed with the key that {name} publishes, RSA of {bits} bits"),
        ),
        None => Finding::ok(CHECK, format!("mail of {domain} is signed with the key that {name} publishes")),
    }
}

#[cfg(test)]
mod tests {
    use message_auth::dkim::SigningKey;

    use super::*;
    use crate::doctor::{
        Level,
        finding::tests::says,
        zone::tests::{silent, texts},
    };

    const NAME: &str = "s._domainkey.example.org";

    fn record(algorithm: Algorithm) -> String {
        SigningKey::generate(algorithm).unwrap().record().unwrap()
    }

    fn facts(wanted: &str, live: &[&str]) -> Facts {
        let key = Key { text: wanted.to_owned(), seen: texts(NAME, live) };
        Facts { domain: "example.org".into(), keys: vec![key] }
    }

    #[test]
    fn each_way_in_which_a_key_is_published_or_not() {
        let (own, other) = (record(Algorithm::RsaSha256), record(Algorithm::RsaSha256));
        let start = format!("{NAME}. 3600 IN TXT ( \"v=DKIM1; k=rsa");
        let start = start.as_str();
        let testing = format!("{own}; t=y");
        let quoted = format!("\"{own}\"");
        for (live, level, words) in [
            (&[own.as_str()][..], Level::Ok, &["RSA of 2048 bits"][..]),
            (&[], Level::Error, &["is not published at s._domainkey.example.org", "publish:", start]),
            (&[&other], Level::Error, &["another key than mail of example.org is signed with", start]),
            (&[&own, &other], Level::Error, &["2 TXT records", "keep this one alone", start]),
            (&["v=DKIM1; p="], Level::Error, &["takes the key back", start]),
            (&["v=spf1 -all"], Level::Error, &["is no key record", start]),
            (&[&quoted], Level::Error, &["has quotes in its text"]),
            (&["v=DKIM1; s=tlsrpt; p=aGVsbG8="], Level::Error, &["is not for mail"]),
            (&["v=DKIM1; k=dsa; p=aGVsbG8="], Level::Error, &["another kind of key"]),
            (&[&testing], Level::Warning, &["being tried out (t=y)", start]),
        ] {
            says(&judge(&facts(&own, live)), level, words);
        }
        let mut nobody = facts(&own, &[]);
        nobody.keys[0].seen = silent(NAME, RecordType::Txt);
        says(&judge(&nobody), Level::Unknown, &["could not be asked for"]);
    }

    #[test]
    fn a_domain_without_a_key_or_without_one_of_rsa_is_told() {
        let none = Facts { domain: "example.org".into(), keys: Vec::new() };
        says(&judge(&none), Level::Warning, &["not signed", "postrider dkim generate example.org"]);
        let own = record(Algorithm::Ed25519Sha256);
        says(&judge(&facts(&own, &[&own])), Level::Warning, &["Ed25519 alone"]);
    }

    #[test]
    fn short_keys_are_told() {
        for (bits, level) in [
            (Some(512), Level::Error),
            (Some(1024), Level::Warning),
            (Some(4096), Level::Ok),
            (None, Level::Ok),
        ] {
            assert_eq!(strength("example.org", NAME, bits).level, level, "{bits:?}");
        }
    }
}
