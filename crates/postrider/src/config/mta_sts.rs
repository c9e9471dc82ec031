//! `[mta_sts]`: what senders are told about TLS to our hosts.

use std::time::Duration;

use serde_json::{Value, json};
use web::mta_sts::{Mode, Policy};

use super::{
    value::{self, Wrong, show_duration},
    walk::Section,
};

const DAY: Duration = Duration::from_hours(24);
/// RFC 8461 §3.2: weeks or more are wanted, so that an attacker cannot wait for its end.
const MAX_AGE: Duration = DAY.saturating_mul(14);
/// RFC 8461 §3.2: at most a year.
const MAX_AGE_MAX: Duration = DAY.saturating_mul(365);
const MODES: [Mode; 3] = [Mode::None, Mode::Testing, Mode::Enforce];

/// None: there is no such section.
pub(super) fn read(root: &Section<'_>, hostname: Option<&str>) -> Option<Policy> {
    let section = root.section("mta_sts");
    let mode = section.choice("mode", &MODES.map(|mode| (mode.word(), mode)));
    let mx = section.parsed_list("mx", host);
    let max_age = section.duration("max_age", DAY..=MAX_AGE_MAX).unwrap_or(MAX_AGE);
    if let Some(value) = section.get("mx")
        && value.as_array().is_some_and(Vec::is_empty)
    {
        let wrong = Wrong::new("`mx` is empty: no host could take mail");
        section.wrong(
            value.span,
            wrong.hint("name the hosts of the MX records, or leave it out for `hostname`"),
        );
    }
    let is_there = section.is_there();
    section.finish();
    let own = || hostname.map(|hostname| vec![hostname.to_ascii_lowercase()]).unwrap_or_default();
    let mx = mx.map_or_else(own, |hosts| hosts.into_iter().map(|(host, _)| host).collect());
    is_there.then(|| Policy { mode: mode.unwrap_or(Mode::Testing), mx, max_age })
}

fn host(text: &str) -> Result<String, Wrong> {
    let name = text.to_ascii_lowercase();
    if acme::Config::is_name(&name) && !value::numeric_top(&name) {
        return Ok(name);
    }
    Err(Wrong::new(format!("`{text}` is not the name of a host"))
        .hint("write it as in the MX record, without the final dot; \"*.example.org\" stands for all hosts one label below"))
}

pub(super) fn show(policy: &Policy) -> Vec<(&'static str, Value)> {
    vec![
        ("mode", json!(policy.mode.word())),
        ("mx", json!(policy.mx)),
        ("max_age", json!(show_duration(policy.max_age))),
    ]
}
