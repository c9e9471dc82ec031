//! `postrider queue stats`: the queue in figures.

use std::path::Path;

use admin::api::{Stats, StatsGroup};

use super::{parameters, selection, time};
use crate::{
    cli::QueueStats,
    client::get,
    failure::Failure,
    terminal::{self, clean, count},
};

pub(super) async fn stats(socket: &Path, wanted: &QueueStats, json: bool) -> Result<(), Failure> {
    let marks = parameters(&selection(&wanted.selecting)?);
    let path = format!("/v1/queue/stats?by={}&limit={}{marks}", wanted.by.word(), wanted.limit);
    let stats: Stats = get(socket, &path).await?;
    if json {
        return terminal::print_json(&stats);
    }
    if stats.total.recipients == 0 {
        return terminal::print("nothing waits");
    }
    let name = stats.by.to_uppercase();
    let mut table = terminal::table(&[
        &name,
        "RECIPIENTS",
        "MESSAGES",
        "QUEUED",
        "ACTIVE",
        "DEFERRED",
        "HELD",
        "OLDEST",
        "NEXT",
        "LAST REPLY",
    ]);
    for group in stats.groups.iter().chain([&stats.total]) {
        table.add_row(row(group, stats.by == "reason"));
    }
    terminal::print(&terminal::table_text(&table))?;
    match stats.more {
        0 => Ok(()),
        more => terminal::print(&format!("{} left out: see --limit", count(more, "line"))),
    }
}

fn row(group: &StatsGroup, by_reason: bool) -> [String; 10] {
    let at = |text: &Option<String>| text.as_deref().map(time).unwrap_or_default();
    let reason = group.reasons.first().filter(|_| !by_reason && group.name != "total");
    let reason = reason.map(|reason| format!("{} ({})", clean(&reason.text), reason.recipients));
    let rest = group.site.as_ref().and_then(|site| site.rests_until.as_ref());
    let rest = rest.map(|until| format!("rests until {}", time(until)));
    [
        clean(&group.name),
        group.recipients.to_string(),
        group.messages.to_string(),
        group.queued.to_string(),
        group.active.to_string(),
        group.deferred.to_string(),
        group.held.to_string(),
        at(&group.oldest),
        at(&group.next_due),
        rest.into_iter().chain(reason).collect::<Vec<_>>().join("; "),
    ]
}
