//! How the keys of a running server fare, and the wish for new ones.

use std::fmt::Write as _;

use admin::api::{Rotate, Signing, SigningDomain, SigningKey};

use super::zone_line;
use crate::{
    cli::Place,
    client::{get, post},
    config,
    failure::Failure,
    place,
    terminal::{self, clean, time},
};

pub(super) fn status(place: &Place, json: bool) -> Result<(), Failure> {
    let socket = config::control_socket(&place::data_dir(place)?);
    let signing: Signing = crate::commands::run(async { Ok(get(&socket, "/v1/signing").await?) })?;
    if json {
        terminal::print_json(&signing)?;
    } else {
        terminal::print(text(&signing).trim_end())?;
    }
    trouble(&signing).map_or(Ok(()), Err)
}

pub(super) fn rotate(domain: &str, place: &Place, json: bool) -> Result<(), Failure> {
    let socket = config::control_socket(&place::data_dir(place)?);
    let wanted = Rotate { domain: domain.to_owned() };
    let signing: Signing =
        crate::commands::run(async { Ok(post(&socket, "/v1/signing/rotate", &wanted).await?) })?;
    if json {
        return terminal::print_json(&signing);
    }
    terminal::print(&format!(
        "new keys of {} are being made: `postrider dkim status` shows what to publish",
        clean(domain)
    ))
}

fn text(signing: &Signing) -> String {
    if signing.domains.is_empty() {
        return "no domain has keys: mail goes unsigned\n".to_owned();
    }
    let mut table =
        terminal::table(&["DOMAIN", "SELECTOR", "KIND", "STATE", "SINCE", "SIGNS", "RECORD", "NEXT"]);
    for SigningDomain { domain, keys, .. } in &signing.domains {
        let mut domain = clean(domain);
        for key in keys {
            let kind = key.kind.as_deref().unwrap_or("?");
            let since = key.since.as_deref().map(time).unwrap_or_default();
            let signs = if key.signs { "yes" } else { "no" };
            let next = key.broken.as_ref().unwrap_or(&key.next);
            let cells =
                [key.selector.as_str(), kind, &key.state, &since, signs, &key.record, next].map(clean);
            table.add_row(std::iter::once(std::mem::take(&mut domain)).chain(cells));
        }
        if keys.is_empty() {
            table.add_row([domain]);
        }
    }
    let mut text = format!("{}\n", terminal::table_text(&table));
    for SigningDomain { domain, trouble, held, .. } in &signing.domains {
        if let Some(why) = trouble {
            let mail = if *held { "waits" } else { "goes without a good signature" };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\nmail of {} {mail}: {}", clean(domain), clean(why));
        }
    }
    let keys = || signing.domains.iter().flat_map(|domain| &domain.keys).filter(|key| key.to_do);
    for (state, words) in [(false, "Put into the DNS:"), (true, "Take out of the DNS:")] {
        let wanted = keys().filter(|key| (key.state == "removing") == state);
        let lines: String = wanted.filter_map(line).collect();
        if !lines.is_empty() {
            let _ = write!(text, "\n{words}\n\n{lines}");
        }
    }
    text
}

fn line(key: &SigningKey) -> Option<String> {
    key.text.as_ref().map(|text| zone_line(&clean(&key.name), &clean(text)))
}

/// What somebody should look at.
fn trouble(signing: &Signing) -> Option<Failure> {
    let domains: Vec<String> = signing
        .domains
        .iter()
        .filter(|domain| domain.trouble.is_some())
        .map(|domain| clean(&domain.domain))
        .collect();
    (!domains.is_empty()).then(|| {
        let failure =
            Failure::new(format!("mail of {} cannot be signed as it should be", domains.join(", ")));
        failure.hint("put the records that are named into the DNS; they are looked for every minute")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(selector: &str, state: &str, to_do: bool) -> SigningKey {
        SigningKey {
            selector: selector.into(),
            kind: Some("rsa".into()),
            state: state.into(),
            since: Some("2026-11-30T07:30:00.000Z".into()),
            name: format!("{selector}._domainkey.example.org"),
            text: Some("v=DKIM1; p=x".into()),
            signs: state == "signing",
            record: "right".into(),
            next: "something".into(),
            to_do,
            ..SigningKey::default()
        }
    }

    #[test]
    fn what_is_to_be_done_is_shown_as_a_zone_file_has_it() {
        let keys = vec![key("r1", "removing", true), key("r2", "signing", false), key("r3", "made", true)];
        let domain =
            SigningDomain { domain: "example.org".into(), kept: true, keys, ..SigningDomain::default() };
        let mut signing = Signing { domains: vec![domain] };
        let shown = text(&signing);
        assert!(shown.trim_start().starts_with("DOMAIN"), "{shown}");
        let (table, rest) = shown.split_once("\nPut into the DNS:\n").unwrap();
        assert!(!table.contains("mail of"), "{shown}");
        let (put, take) = rest.split_once("\nTake out of the DNS:\n").unwrap();
        assert_eq!(put.trim(), "r3._domainkey.example.org. IN TXT ( \"v=DKIM1; p=x\" )");
        assert_eq!(take.trim(), "r1._domainkey.example.org. IN TXT ( \"v=DKIM1; p=x\" )");
        assert!(trouble(&signing).is_none());
        (signing.domains[0].trouble, signing.domains[0].held) = (Some("there is no record".into()), true);
        assert!(text(&signing).contains("\nmail of example.org waits: there is no record\n"));
        assert!(trouble(&signing).is_some());
        assert!(text(&Signing::default()).contains("unsigned"));
    }
}
