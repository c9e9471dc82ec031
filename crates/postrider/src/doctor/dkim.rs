//! DKIM of a domain (RFC 6376): whether the keys that its mail is signed with are published.

use dkim_keys::Role;
use dns::RecordType;
use message_auth::dkim::{Algorithm, BadKey, PublishedKey, WrongRecord, is_published};

use super::{
    finding::Finding,
    zone::{Asking, Authority, Seen, text_line, unanswered},
};
use crate::dns_records::DkimRecord;

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
    /// What it is there for, if the server keeps it itself.
    pub kept: Option<Role>,
    /// What is published.
    pub seen: Seen,
}

/// Asks.
pub(super) async fn gather(
    asking: &Asking,
    authority: Option<&Authority>,
    domain: &str,
    keys: Vec<DkimRecord>,
) -> Facts {
    let mut found = Vec::new();
    for DkimRecord { name, text, kept, .. } in keys {
        let seen = Seen::look(asking, authority, &name, RecordType::Txt).await;
        found.push(Key { text, kept, seen });
    }
    Facts { domain: domain.to_owned(), keys: found }
}

/// Judges.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { domain, keys } = facts;
    if keys.is_empty() {
        let text = format!("mail of {domain} is not signed, so receivers believe it less (DKIM)");
        let action = "have the server make and keep keys, in the configuration file, and publish what the second command says:\n\
            [signing]\nkeep = \"all\"\npostrider config reload\npostrider dkim status";
        return vec![Finding::warning(CHECK, text).todo(action)];
    }
    let mut findings: Vec<Finding> = keys.iter().flat_map(|key| one(domain, key)).collect();
    let signs = |key: &Key| matches!(key.kept, None | Some(Role::Current));
    let rsa = |key: &Key| {
        signs(key)
            && PublishedKey::parse(key.text.as_bytes()).is_ok_and(|own| own.algorithm == Algorithm::RsaSha256)
    };
    if !keys.iter().any(rsa) {
        let text = format!("mail of {domain} is signed by Ed25519 alone, which many receivers cannot verify");
        let action = if keys.iter().any(|key| key.kept.is_some()) {
            "have the server keep one of RSA too, in the configuration file:\n[signing]\nkeys = [\"rsa\", \"ed25519\"]".to_owned()
        } else {
            format!("make a key of RSA beside it, and do what this prints:\npostrider dkim generate {domain}")
        };
        findings.push(Finding::warning(CHECK, text).todo(action));
    }
    findings
}

fn one(domain: &str, key: &Key) -> Vec<Finding> {
    let Key { text, kept, seen } = key;
    let name = &seen.name;
    let texts = match seen.texts() {
        Ok(texts) => texts,
        Err(error) => return vec![unanswered(CHECK, &format!("the key record {name}"), error)],
    };
    if *kept == Some(Role::Over) {
        return over(name, &texts).into_iter().collect();
    }
    let Ok(own) = PublishedKey::parse(text.as_bytes()) else {
        return vec![Finding::error(CHECK, format!("the key of {name} cannot be used"))];
    };
    if let Err(wrong) = is_published(text.as_bytes(), &texts) {
        return vec![not_published(domain, key, &texts, wrong)];
    }
    let mut findings: Vec<Finding> = seen.difference(CHECK).into_iter().collect();
    let testing = |text: &&[u8]| PublishedKey::parse(text).is_ok_and(|published| published.testing);
    if texts.iter().any(testing) {
        let said = format!(
            "the key record {name} says that it is being tried out (t=y): nobody gives anything for its signatures"
        );
        findings.push(
            Finding::warning(CHECK, said).todo(format!("put in its place:\n{}", text_line(name, text))),
        );
    }
    findings.push(match kept {
        None | Some(Role::Current) => strength(domain, name, own.bits, kept.is_some()),
        Some(Role::Next) => Finding::ok(CHECK, format!("the key that follows is published at {name}")),
        Some(Role::Retired | Role::Over) => {
            Finding::ok(CHECK, format!("the key at {name} signs no more, and is there for mail on its way"))
        }
    });
    findings
}

/// A record that nobody needs any more.
fn over(name: &str, texts: &[&[u8]]) -> Option<Finding> {
    let live = texts.iter().find(|text| PublishedKey::parse(text).is_ok())?;
    let said = format!("the key record {name} is not needed any more: nothing is signed by it");
    let record = text_line(name, &String::from_utf8_lossy(live));
    Some(Finding::advice(CHECK, said).todo(format!("take it out:\n{record}")))
}

/// A key whose signatures nobody finds good.
fn not_published(domain: &str, key: &Key, texts: &[&[u8]], wrong: WrongRecord) -> Finding {
    let Key { text, kept, seen } = key;
    let name = &seen.name;
    let wanted = text_line(name, text);
    let (signed, result) = match kept {
        None => ("is signed with", "every signature fails"),
        // The keeper signs by none that it does not see.
        Some(Role::Current) => ("is to be signed with", "nothing is signed by it"),
        Some(Role::Next) => ("is signed with next", "the one before goes on"),
        Some(Role::Retired | Role::Over) => ("was signed with", "mail on its way cannot be verified"),
    };
    let (said, action) = match wrong {
        WrongRecord::Missing => {
            let said = format!("the key that mail of {domain} {signed} is not published at {name}: {result}");
            (said, format!("publish:\n{wanted}"))
        }
        WrongRecord::OtherKey if texts.len() > 1 => (
            format!(
                "there are {} TXT records at {name}, and receivers take any of them for the key",
                texts.len()
            ),
            format!("keep this one alone:\n{wanted}"),
        ),
        WrongRecord::OtherKey => (
            format!("the key record {name} has another key than mail of {domain} {signed}: {result}"),
            format!("put in its place:\n{wanted}"),
        ),
        WrongRecord::Bad(bad) => {
            (format!("the key record {name} {}", reason(bad, texts)), format!("put in its place:\n{wanted}"))
        }
    };
    let finding = match kept {
        None | Some(Role::Current) => Finding::error(CHECK, said),
        Some(Role::Next) => Finding::advice(CHECK, said),
        Some(Role::Retired | Role::Over) => Finding::warning(CHECK, said),
    };
    finding.todo(action)
}

/// What is wrong, as the end of a sentence.
fn reason(bad: BadKey, texts: &[&[u8]]) -> &'static str {
    match bad {
        BadKey::Malformed if texts.iter().any(|text| text.contains(&b'"')) => {
            "has quotes in its text: they belong into a zone file, not into the form of a web page"
        }
        BadKey::Malformed => "is no key record",
        BadKey::Revoked => "has no key: p= is empty, which takes the key back",
        BadKey::Kind => "is for another kind of key (k=)",
        BadKey::Purpose => "is not for mail or not for SHA-256 (s=, h=)",
        BadKey::Short => "has a key that is too short",
    }
}

fn strength(domain: &str, name: &str, bits: Option<usize>, kept: bool) -> Finding {
    let action = || {
        if kept {
            return format!("have a longer one made:\npostrider dkim rotate {domain}");
        }
        format!("make a longer one beside it, and do what this prints:\npostrider dkim generate {domain}")
    };
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
        let key = Key { text: wanted.to_owned(), kept: None, seen: texts(NAME, live) };
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
            (&[&own, "a note of somebody else"], Level::Ok, &["RSA of 2048 bits"]),
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
    fn keys_that_are_kept_are_judged_by_what_they_are_there_for() {
        let (own, first) = (record(Algorithm::RsaSha256), record(Algorithm::RsaSha256));
        let judged = |kept, live: &[&str]| {
            let mut facts = facts(&own, live);
            facts.keys[0].kept = Some(kept);
            // One that signs now, so that the other is judged by itself.
            let signs = texts("first._domainkey.example.org", &[&first]);
            facts.keys.push(Key { text: first.clone(), kept: Some(Role::Current), seen: signs });
            let findings = judge(&facts);
            assert!(findings.last().is_some_and(|finding| finding.level == Level::Ok), "{findings:?}");
            findings.split_last().map(|(_, rest)| rest.to_vec()).unwrap()
        };
        for (kept, live, level, words) in [
            (Role::Current, &[own.as_str()][..], Level::Ok, &["RSA of 2048 bits"][..]),
            (Role::Current, &[], Level::Error, &["nothing is signed by it", "publish:"]),
            (Role::Next, &[&own], Level::Ok, &["the key that follows is published"]),
            (Role::Next, &[], Level::Advice, &["is signed with next", "the one before goes on", "publish:"]),
            (Role::Retired, &[&own], Level::Ok, &["signs no more"]),
            (Role::Retired, &[], Level::Warning, &["cannot be verified", "publish:"]),
            (Role::Over, &[&own], Level::Advice, &["not needed any more", "take it out:"]),
        ] {
            says(&judged(kept, live), level, words);
        }
        assert_eq!(judged(Role::Over, &[]), []);
        assert_eq!(judged(Role::Over, &["a note"]), []);
    }

    #[test]
    fn a_domain_without_a_key_or_without_one_of_rsa_is_told() {
        let none = Facts { domain: "example.org".into(), keys: Vec::new() };
        says(&judge(&none), Level::Warning, &["not signed", "keep = \"all\"", "postrider dkim status"]);
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
            assert_eq!(strength("example.org", NAME, bits, false).level, level, "{bits:?}");
        }
    }
}
