//! `postrider dkim`: makes keys, and tells what publishes them.

mod status;

use std::{
    fmt::Write as _,
    fs::OpenOptions,
    io::Write as _,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use disk::{Clock, OsDisk, SystemClock};
use dkim_keys::{Role, kept_keys};
use message_auth::{
    DomainName,
    dkim::{Algorithm, SigningKey},
};
use serde_json::json;

use crate::{
    cli::{DkimCommand, DkimGenerate, KeyKind},
    config,
    failure::Failure,
    place,
    terminal::{self, clean},
};

/// Octets of one string of a TXT record (RFC 1035 §3.3.14).
const STRING_OCTETS_MAX: usize = 255;

pub(crate) fn run(command: &DkimCommand, json: bool) -> Result<(), Failure> {
    match command {
        DkimCommand::Generate(wanted) => generate(wanted, json),
        DkimCommand::Records(file) => records(&file.config, json),
        DkimCommand::Status(wanted) => status::status(&wanted.place, json),
        DkimCommand::Rotate(wanted) => status::rotate(&wanted.domain, &wanted.place, json),
    }
}

fn records(file: &Path, json: bool) -> Result<(), Failure> {
    let config = place::load(file)?;
    let kept = config::Signing::domains(&config);
    if config.dkim.is_empty() && kept.is_empty() {
        let failure =
            Failure::usage("there is neither [[dkim]] nor `signing.keep` in the configuration file");
        return Err(failure.hint(
            "let the server make keys: [signing] keep = \"all\"; or `postrider dkim generate DOMAIN`",
        ));
    }
    let given: Result<Vec<_>, _> = config.dkim.iter().map(config::Dkim::record).collect();
    let mut records = given.map_err(Failure::new)?;
    for domain in kept {
        let made = kept_keys(&config::keys_dir(&config.data_dir), Arc::new(OsDisk), &domain);
        let made = made.map_err(|error| Failure::new(error.to_string()))?;
        let needed = made.into_iter().filter(|key| key.role != Role::Over);
        records.extend(needed.map(|key| (key.name, key.text)));
    }
    if json {
        let values: Vec<_> =
            records.iter().map(|(name, text)| json!({ "name": name, "txt": text })).collect();
        return terminal::print_json(&values);
    }
    if records.is_empty() {
        return terminal::print("there are no keys yet: the server makes them when it starts");
    }
    let lines: String = records.iter().map(|(name, text)| zone_line(name, text)).collect();
    terminal::print(lines.trim_end())
}

fn generate(wanted: &DkimGenerate, json: bool) -> Result<(), Failure> {
    let domain = DomainName::parse(&wanted.domain)
        .ok_or_else(|| Failure::usage(format!("`{}` is not a domain", clean(&wanted.domain))))?;
    let (algorithm, letter) = match wanted.kind {
        KeyKind::Rsa => (Algorithm::RsaSha256, 'r'),
        KeyKind::Ed25519 => (Algorithm::Ed25519Sha256, 'e'),
    };
    let selector = match &wanted.selector {
        Some(text) => config::selector(text).map_err(|wrong| Failure::usage(wrong.message))?,
        None => month(letter).into(),
    };
    let file = wanted.output.clone().unwrap_or_else(|| PathBuf::from(format!("{selector}.{domain}.pem")));
    let failed = |error: message_auth::dkim::KeyError| Failure::new(error.to_string());
    let key = SigningKey::generate(algorithm).map_err(failed)?;
    write(&file, &key.to_pem().map_err(failed)?)?;
    let (name, text) = (format!("{selector}._domainkey.{domain}"), key.record().map_err(failed)?);
    let shown = file.display();
    if json {
        let value = json!({
            "domain": domain.as_str(), "selector": selector, "key": shown.to_string(), "name": name, "txt": text
        });
        return terminal::print_json(&value);
    }
    terminal::print(&format!(
        "The key is in {shown}. Publish this record:\n\n{}\n\
         Once the DNS has it, name the key in the configuration file:\n\n\
         [[dkim]]\ndomain = \"{domain}\"\nselector = \"{selector}\"\nkey = \"{shown}\"",
        zone_line(&name, &text)
    ))
}

/// Such as `r202611`.
fn month(letter: char) -> String {
    let now = SystemClock.now().to_string();
    let digits: String = now.chars().filter(char::is_ascii_digit).take(6).collect();
    format!("{letter}{digits}")
}

/// A key is never written over: the mail that it signed is still on its way.
fn write(file: &Path, pem: &str) -> Result<(), Failure> {
    let shown = file.display();
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(file);
    let written = made.and_then(|mut made| {
        made.write_all(pem.as_bytes())?;
        made.sync_all()
    });
    written.map_err(|error| Failure::new(format!("cannot write {shown}: {error}")))
}

/// A record as a zone file has it: in strings that are none too long.
fn zone_line(name: &str, text: &str) -> String {
    let mut line = format!("{name}. IN TXT (");
    for part in text.as_bytes().chunks(STRING_OCTETS_MAX) {
        // Writing to a String cannot fail.
        let _ = write!(line, " \"{}\"", String::from_utf8_lossy(part));
    }
    line.push_str(" )\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_records_are_written_in_strings() {
        let line = zone_line("s._domainkey.example.org", &"x".repeat(300));
        assert!(line.starts_with("s._domainkey.example.org. IN TXT ( \"xxx"));
        let strings: Vec<usize> = line.split('"').skip(1).step_by(2).map(str::len).collect();
        assert_eq!(strings, [255, 45]);
    }
}
