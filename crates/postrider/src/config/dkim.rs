//! `[[dkim]]`: the keys that mail of our domains is signed with. Where the files are is a part of the configuration; what is in them is
//! read and judged when it is loaded.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use dkim_keys::ByHand;
use message_auth::{
    DomainName,
    dkim::{Signer, SigningKey},
};
use serde_json::{Value, json};

use super::{
    contents, is_public, problem::Problem, secret::words, sections::path, value::Wrong, walk::Section,
};

/// A key is some kilobytes.
const FILE_OCTETS_MAX: u64 = 64 * 1024;

/// A domain, one of its keys, and where that is.
#[derive(Debug, Clone)]
pub(crate) struct Dkim {
    /// Whose mail is signed.
    pub domain: DomainName,
    /// Under which name the key is published.
    pub selector: Box<str>,
    /// The file.
    pub key: PathBuf,
    /// Where the configuration names it.
    span: Range<usize>,
}

/// Where it stands does not matter.
impl PartialEq for Dkim {
    fn eq(&self, other: &Self) -> bool {
        (&self.domain, &self.selector, &self.key) == (&other.domain, &other.selector, &other.key)
    }
}

/// All of `[[dkim]]`.
pub(super) fn read(root: &Section<'_>, dir: &Path) -> Vec<Dkim> {
    let mut all: Vec<Dkim> = Vec::new();
    for section in root.sections("dkim") {
        let (findings, span) = (section.findings, Range::from(section.span()));
        let Some(one) = one(section, dir) else { continue };
        if all.iter().any(|other| (&other.domain, &other.selector) == (&one.domain, &one.selector)) {
            let message = format!("{} has a key with the selector {} already", one.domain, one.selector);
            findings
                .add(Problem::new(span, message).hint("each key is published under a selector of its own"));
        }
        all.push(one);
    }
    all
}

fn one(section: Section<'_>, dir: &Path) -> Option<Dkim> {
    for (key, hint) in [
        ("domain", "name the domain whose mail is signed: domain = \"example.org\""),
        ("selector", "name the key as it is published: selector = \"r202611\""),
        ("key", "name the file with the private key, which `postrider dkim generate` makes"),
    ] {
        if section.get(key).is_none() {
            section.missing(key, hint);
        }
    }
    let domain = section.parsed("domain", |text| {
        DomainName::parse(text).ok_or_else(|| Wrong::new(format!("`{text}` is not a domain")))
    });
    let selector = section.parsed("selector", selector);
    let key = section.parsed("key", |text| path(text, dir));
    let span = section.get("key").map_or(section.span(), |value| value.span);
    section.finish();
    Some(Dkim { domain: domain?, selector: selector?, key: key?, span: span.into() })
}

/// RFC 6376 §3.1: labels of a domain name.
pub(crate) fn selector(text: &str) -> Result<Box<str>, Wrong> {
    let label = |label: &str| {
        let edge = |octet: Option<&u8>| octet.is_some_and(u8::is_ascii_alphanumeric);
        let octets = label.as_bytes();
        octets.len() <= 63
            && edge(octets.first())
            && edge(octets.last())
            && octets.iter().all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-')
    };
    if text.len() <= 100 && text.split('.').all(label) {
        return Ok(text.to_ascii_lowercase().into());
    }
    Err(Wrong::new(format!("`{text}` is not a selector"))
        .hint("it is a label of a name: letters, digits and hyphens"))
}

/// Reads the keys. One that is of no use is a problem: mail of its domain would go unsigned. It is for the caller to say how bad that is.
pub(super) fn open(all: &[Dkim]) -> (Vec<ByHand>, Vec<Problem>) {
    let (mut keys, mut problems) = (Vec::new(), Vec::new());
    for dkim in all {
        let signer = dkim.open().map(Arc::new).map_err(|problem| {
            let why = problem.message.clone();
            problems.push(problem);
            why
        });
        keys.push(ByHand { domain: dkim.domain.clone(), selector: dkim.selector.clone(), signer });
    }
    (keys, problems)
}

impl Dkim {
    /// Who signs by it.
    fn open(&self) -> Result<Signer, Problem> {
        let shown = self.key.display();
        let unreadable = |error| {
            let message = format!("cannot read {shown}: {}", words(&error));
            Problem::new(self.span.clone(), message).hint(
                "a relative path starts at the configuration file; the server's user must be able to read it",
            )
        };
        let pem = contents(&self.key, FILE_OCTETS_MAX).map_err(unreadable)?;
        if is_public(&self.key).map_err(unreadable)? {
            let problem = Problem::new(self.span.clone(), format!("everybody may read the key in {shown}"));
            return Err(problem.hint(format!("chmod o= {shown}")));
        }
        let key = SigningKey::from_pem(&String::from_utf8_lossy(&pem)).map_err(|error| {
            Problem::new(self.span.clone(), format!("{shown}: {error}"))
                .hint("it must be PEM: -----BEGIN PRIVATE KEY-----, as `postrider dkim generate` writes it")
        })?;
        Ok(Signer { domain: self.domain.as_str().into(), selector: self.selector.clone(), key })
    }

    /// The name and the text of the record that publishes the key.
    pub(crate) fn record(&self) -> Result<(String, String), String> {
        let signer = self.open().map_err(|problem| problem.message)?;
        let text = signer.key.record().map_err(|error| error.to_string())?;
        Ok((format!("{}._domainkey.{}", self.selector, self.domain), text))
    }
}

pub(super) fn show(dkim: &Dkim) -> Vec<(&'static str, Value)> {
    vec![
        ("domain", json!(dkim.domain.as_str())),
        ("selector", json!(dkim.selector)),
        ("key", json!(dkim.key.display().to_string())),
    ]
}
