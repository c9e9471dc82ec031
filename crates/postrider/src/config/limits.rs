//! Rates of clients, in `[receive]` and, for some networks, in `[[limit]]`.

use std::time::Duration;

use limits::{Kind, Limits, LoginLimits};
use net::Networks;
use receive::NamedLimits;
use serde_json::{Value, json};

use super::{
    value::{self, Wrong},
    walk::Section,
};

/// The keys, each with what it counts.
const RATES: [(&str, Kind); 6] = [
    ("connection_rate", Kind::Connections),
    ("message_rate", Kind::Messages),
    ("recipient_rate", Kind::Recipients),
    ("error_rate", Kind::Errors),
    ("command_rate", Kind::Commands),
    ("octet_rate", Kind::Octets),
];

/// The rates that a section gives, in the place of those that are.
pub(super) fn rates(section: &Section<'_>, mut limits: Limits) -> Limits {
    for (key, kind) in RATES {
        let read = if kind == Kind::Octets { value::octet_rate } else { value::rate };
        if let Some(rate) = section.parsed(key, read) {
            limits = limits.with(kind, rate);
        }
    }
    limits
}

/// `[[limit]]`; what one does not say holds as in `[receive]`.
pub(super) fn named(root: &Section<'_>, receive: &receive::Config) -> Vec<NamedLimits> {
    root.sections("limit").into_iter().filter_map(|section| one(section, receive)).collect()
}

fn one(section: Section<'_>, receive: &receive::Config) -> Option<NamedLimits> {
    let parse = |text: &str| text.parse().map_err(|error: net::NetworkError| Wrong::new(error.to_string()));
    let networks = section.one_or_more("networks", parse);
    if networks.as_ref().is_none_or(Vec::is_empty)
        && section.get("networks").is_none_or(|value| value.as_array().is_some_and(Vec::is_empty))
    {
        section.missing("networks", "say for whom it is: networks = [\"192.0.2.0/24\"]");
    }
    let usual = receive.rates.with_sessions(receive.sessions_per_address_max);
    let mut limits = rates(&section, usual);
    let sessions = section.integer("sessions_per_address_max", 1..=1_000_000);
    limits.sessions = sessions.and_then(|max| usize::try_from(max).ok()).unwrap_or(limits.sessions);
    section.finish();
    let networks: Networks = networks?.into_iter().map(|(network, _)| network).collect();
    Some(NamedLimits { networks, limits })
}

/// `[login]`.
pub(super) fn logins(section: Section<'_>) -> LoginLimits {
    const MINUTE: Duration = Duration::from_mins(1);
    let usual = LoginLimits::default();
    let limits = LoginLimits {
        failures_max: section.integer("failures_max", 4..=10_000).unwrap_or(usual.failures_max),
        ban: section.duration("ban", MINUTE..=24 * 60 * MINUTE).unwrap_or(usual.ban),
        ban_max: section.duration("ban_max", MINUTE..=30 * 24 * 60 * MINUTE).unwrap_or(usual.ban_max),
    };
    if limits.ban > limits.ban_max
        && let Some(value) = section.get("ban_max").or_else(|| section.get("ban"))
    {
        let wrong = Wrong::new("`ban_max` is shorter than `ban`");
        section.wrong(
            value.span,
            wrong.hint("the first ban lasts `ban`, and each further one twice as long, up to `ban_max`"),
        );
    }
    section.finish();
    limits
}

/// `[login]`, to show.
pub(super) fn show_logins(limits: &LoginLimits) -> Vec<(&'static str, Value)> {
    vec![
        ("failures_max", json!(limits.failures_max)),
        ("ban", json!(value::show_duration(limits.ban))),
        ("ban_max", json!(value::show_duration(limits.ban_max))),
    ]
}

/// The rates, to show.
pub(super) fn show(limits: &Limits) -> Vec<(&'static str, Value)> {
    let show = |(key, kind)| {
        let count =
            |count: u64| if kind == Kind::Octets { value::show_size(count) } else { count.to_string() };
        (key, json!(value::show_rate(limits.rate(kind), count)))
    };
    RATES.into_iter().map(show).collect()
}

/// A `[[limit]]`, to show.
pub(super) fn show_named(named: &NamedLimits) -> Vec<(&'static str, Value)> {
    let networks: Vec<String> = named.networks.iter().map(ToString::to_string).collect();
    let first = [("networks", json!(networks)), ("sessions_per_address_max", json!(named.limits.sessions))];
    first.into_iter().chain(show(&named.limits)).collect()
}
