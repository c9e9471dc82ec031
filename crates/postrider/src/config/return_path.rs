//! `[return_path]`: reverse-paths that we make, for mail that is sent on and for our own.

use std::{path::Path, time::Duration};

use directory::Secret;
use serde_json::{Value, json};

use super::{secret, value::Wrong, walk::Section};

const DAY: Duration = Duration::from_hours(24);
/// A shorter one can be guessed from the addresses that it makes.
const SECRET_OCTETS_MIN: usize = 16;

/// How they are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReturnPath {
    /// The one that makes them, and others that are believed; without any the server has its own.
    pub secrets: Vec<Secret>,
    /// For how many days they are believed.
    pub days: u16,
    /// Whether those of our own are signed.
    pub sign: bool,
}

impl Default for ReturnPath {
    fn default() -> Self {
        Self { secrets: Vec::new(), days: message_auth::srs::LIFETIME_DAYS, sign: false }
    }
}

pub(super) fn read(section: Section<'_>, dir: &Path) -> ReturnPath {
    let usual = ReturnPath::default();
    let mut secrets: Vec<Secret> = secret::read(&section, "secret", dir).into_iter().collect();
    let old = secret::read_several(&section, "old_secrets", dir);
    if let (Some(value), true) = (section.get("old_secrets"), secrets.is_empty() && !old.is_empty()) {
        let wrong = Wrong::new("`old_secrets` go with a `secret`, and none is given");
        section.wrong(value.span, wrong.hint("add the new one: secret = { file = \"return_path.secret\" }"));
    }
    secrets.extend(old);
    if let (Some(value), true) = (
        section.get("secret").or(section.get("old_secrets")),
        secrets.iter().any(|secret| secret.expose().len() < SECRET_OCTETS_MIN),
    ) {
        let wrong =
            Wrong::new(format!("a secret of reverse-paths has at least {SECRET_OCTETS_MIN} characters"));
        section.wrong(value.span, wrong.hint("make one with `openssl rand -hex 32`"));
    }
    let lifetime = section.duration("lifetime", 7 * DAY..=120 * DAY);
    let sign = section.choice("sign", &[("on", true), ("off", false)]);
    section.finish();
    let days = lifetime.map(|lifetime| lifetime.as_secs() / DAY.as_secs());
    ReturnPath {
        secrets,
        days: days.and_then(|days| u16::try_from(days).ok()).unwrap_or(usual.days),
        sign: sign.unwrap_or(usual.sign),
    }
}

/// Without the secrets: how many there are tells a reload that one came.
pub(super) fn show(config: &ReturnPath) -> Vec<(&'static str, Value)> {
    vec![
        ("lifetime", json!(format!("{}d", config.days))),
        ("sign", json!(if config.sign { "on" } else { "off" })),
    ]
}
