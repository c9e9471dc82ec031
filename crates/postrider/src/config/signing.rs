//! `[signing]`: keys for signatures that we make and keep ourselves, and what becomes of mail when keys are in trouble.

use std::{path::Path, time::Duration};

use deliver::OnTrouble;
use dkim_keys::{ByHand, Config, Keep, Update};
use message_auth::{DomainName, dkim::Algorithm};
use serde_json::{Value, json};

use super::{
    Config as Whole,
    value::{self, Wrong, show_duration},
    walk::Section,
};

/// Where the keys are.
const DIR: &str = "dkim";
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const YEAR: Duration = DAY.saturating_mul(366);
const ON_TROUBLE: [(&str, OnTrouble); 2] =
    [("hold", OnTrouble::Hold), ("send-unsigned", OnTrouble::SendUnsigned)];
const WATCH: [(&str, bool); 2] = [("on", true), ("off", false)];

/// All of `[signing]`, and what it works with.
#[derive(Debug, Clone)]
pub(crate) struct Signing {
    keep: Keep,
    algorithms: Vec<Algorithm>,
    rotate: Option<Duration>,
    publish_wait: Duration,
    retire_wait: Duration,
    watch: bool,
    interval: Duration,
    /// What becomes of mail of a domain whose keys are in trouble.
    pub(crate) on_trouble: OnTrouble,
    /// A server that lets us change the DNS: `[dns.update]`.
    pub(crate) update: Option<Update>,
    /// What was read of the keys of `[[dkim]]`.
    pub(crate) by_hand: Vec<ByHand>,
}

impl Default for Signing {
    fn default() -> Self {
        Self {
            keep: Keep::None,
            algorithms: vec![Algorithm::RsaSha256, Algorithm::Ed25519Sha256],
            rotate: Some(DAY * 180),
            publish_wait: HOUR,
            retire_wait: DAY * 8,
            watch: true,
            interval: HOUR / 4,
            on_trouble: OnTrouble::Hold,
            update: None,
            by_hand: Vec::new(),
        }
    }
}

impl Signing {
    /// What the keeper of keys holds to.
    pub(crate) fn keys(config: &Whole) -> Config {
        let signing = config.signing.clone();
        let Self { keep, algorithms, rotate, publish_wait, retire_wait, watch, interval, .. } = signing;
        Config {
            dir: dir(&config.data_dir),
            keep,
            algorithms,
            rotate,
            publish_wait,
            retire_wait,
            by_hand: signing.by_hand,
            watch,
            interval,
            update: signing.update,
        }
    }

    /// Whether the keys of a local domain are made and kept by the server.
    pub(crate) fn keeps(&self, domain: &DomainName) -> bool {
        match &self.keep {
            Keep::None => false,
            Keep::All => true,
            Keep::Some(domains) => domains.contains(domain),
        }
    }

    /// Which kinds of keys sign side by side.
    pub(crate) fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// The domains whose keys are kept, of those that the configuration file names.
    pub(crate) fn domains(config: &Whole) -> Vec<DomainName> {
        match &config.signing.keep {
            Keep::None => Vec::new(),
            Keep::Some(domains) => domains.clone(),
            Keep::All => {
                let names = config.directory.domains.iter();
                names.filter_map(|domain| DomainName::parse(&domain.name)).collect()
            }
        }
    }
}

/// Where the keys of a data directory are.
pub(crate) fn dir(data_dir: &Path) -> std::path::PathBuf {
    data_dir.join(DIR)
}

pub(super) fn read(section: Section<'_>, update: Option<Update>) -> Signing {
    let mut signing = Signing { update, ..Signing::default() };
    let set = |to: &mut Duration, value: Option<Duration>| *to = value.unwrap_or(*to);
    if let Some(keep) = keep(&section) {
        signing.keep = keep;
    }
    if let Some(algorithms) = section.parsed_list("keys", algorithm) {
        let all: Vec<Algorithm> = algorithms.into_iter().map(|(algorithm, _)| algorithm).collect();
        let is_empty = section.get("keys").and_then(|keys| keys.as_array()).is_some_and(Vec::is_empty);
        if is_empty {
            let span = section.get("keys").map_or(section.span(), |value| value.span);
            section.wrong(
                span,
                Wrong::new("`keys` is empty: nothing would sign").hint("there is \"rsa\" and \"ed25519\""),
            );
        } else {
            // Each once, in one order.
            signing.algorithms.retain(|algorithm| all.contains(algorithm));
        }
    }
    let asked_to_rotate = section.parsed("rotate", rotate);
    if let Some(rotate) = asked_to_rotate {
        signing.rotate = rotate;
    }
    set(&mut signing.publish_wait, section.duration("publish_wait", Duration::ZERO..=DAY * 30));
    set(&mut signing.retire_wait, section.duration("retire_wait", Duration::ZERO..=YEAR));
    set(&mut signing.interval, section.duration("interval", SECOND..=DAY));
    signing.watch = section.choice("watch", &WATCH).unwrap_or(signing.watch);
    if !signing.watch && signing.update.is_none() && asked_to_rotate.is_none() {
        // Nobody would see whether the next key's record is there before it signs.
        signing.rotate = None;
    }
    signing.on_trouble = section.choice("on_trouble", &ON_TROUBLE).unwrap_or(signing.on_trouble);
    section.finish();
    signing
}

/// `"none"`, `"all"`, or a list of domains.
fn keep(section: &Section<'_>) -> Option<Keep> {
    const HINT: &str = "there is \"all\", \"none\", or a list of domains: keep = [\"example.org\"]";
    let value = section.get("keep")?;
    match value.as_str() {
        Some("none") => return Some(Keep::None),
        Some("all") => return Some(Keep::All),
        Some(other) => {
            section.wrong(value.span, Wrong::new(format!("`{other}` is not a value of `keep`")).hint(HINT));
            return None;
        }
        None => {}
    }
    let domains = section.parsed_list("keep", |text| {
        DomainName::parse(text)
            .filter(|_| text.contains('.'))
            .ok_or_else(|| Wrong::new(format!("`{text}` is not a domain")).hint(HINT))
    })?;
    Some(Keep::Some(domains.into_iter().map(|(domain, _)| domain).collect()))
}

fn algorithm(text: &str) -> Result<Algorithm, Wrong> {
    match text {
        "rsa" => Ok(Algorithm::RsaSha256),
        "ed25519" => Ok(Algorithm::Ed25519Sha256),
        _ => Err(Wrong::new(format!("`{text}` is no kind of key")).hint("there is \"rsa\" and \"ed25519\"")),
    }
}

fn rotate(text: &str) -> Result<Option<Duration>, Wrong> {
    if text == "never" {
        return Ok(None);
    }
    let wrong = || {
        Wrong::new(format!("`{text}` is not a value of `rotate`"))
            .hint("it is \"never\", or a duration from \"1s\" to \"3660d\" such as \"180d\"")
    };
    let rotate = value::duration(text).map_err(|_| wrong())?;
    if (SECOND..=YEAR * 10).contains(&rotate) { Ok(Some(rotate)) } else { Err(wrong()) }
}

/// The settings in effect.
pub(super) fn show(signing: &Signing) -> Vec<(&'static str, Value)> {
    let Signing { keep, algorithms, rotate, publish_wait, retire_wait, watch, interval, on_trouble, .. } =
        signing;
    let keep = match keep {
        Keep::None => json!("none"),
        Keep::All => json!("all"),
        Keep::Some(domains) => domains.iter().map(DomainName::as_str).collect(),
    };
    let kinds: Vec<&str> = algorithms
        .iter()
        .map(|algorithm| match algorithm {
            Algorithm::RsaSha256 => "rsa",
            Algorithm::Ed25519Sha256 => "ed25519",
        })
        .collect();
    let on_trouble = ON_TROUBLE.iter().find(|(_, word)| word == on_trouble).map(|(word, _)| *word);
    vec![
        ("keep", keep),
        ("keys", json!(kinds)),
        ("rotate", json!(rotate.map_or_else(|| "never".to_owned(), show_duration))),
        ("publish_wait", json!(show_duration(*publish_wait))),
        ("retire_wait", json!(show_duration(*retire_wait))),
        ("watch", json!(if *watch { "on" } else { "off" })),
        ("interval", json!(show_duration(*interval))),
        ("on_trouble", json!(on_trouble.unwrap_or_default())),
    ]
}
