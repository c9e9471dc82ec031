//! Plots of `bench all`: rate and CPU over sessions, and over sizes.

use super::Cell;
use super::report::Report;
use crate::plot::{Panel, Plot, Series};
use crate::scenario::Work;

const WORKS: [Work; 3] = [Work::Accept, Work::Relay, Work::Local];

/// A figure of one server under one load: messages a second, or CPU microseconds.
type Figure = fn(&Report, Cell, &str) -> Option<f64>;

const ROWS: [(&str, Figure); 2] =
    [("messages a second", Report::per_second), ("CPU us a message", Report::cpu_us)];

/// Over the number of sessions, at this size.
pub(super) fn over_sessions(report: &Report, size: usize, size_name: &str) -> Plot {
    let cells = |work| {
        let cells = report.cells(work).into_iter().filter(|cell| cell.size == size);
        cells.map(|cell| (count(cell.sessions), cell)).collect()
    };
    Plot {
        title: format!("Rate and CPU over sessions, messages of {size_name}"),
        description: describe(report, "the number of sessions", "all.md"),
        columns: WORKS.len(),
        panels: panels(report, "sessions", &cells),
    }
}

/// Over the size of a message, at this number of sessions.
pub(super) fn over_sizes(report: &Report, sessions: u64) -> Plot {
    let cells = |work| {
        let cells = report.cells(work).into_iter().filter(|cell| cell.sessions == sessions);
        cells.map(|cell| (kib(cell.size), cell)).collect()
    };
    Plot {
        title: format!("Rate and CPU over the size of a message, {sessions} sessions"),
        description: describe(report, "the size of a message", "all.md"),
        columns: WORKS.len(),
        panels: panels(report, "KiB", &cells),
    }
}

fn panels(report: &Report, x: &str, cells: &dyn Fn(Work) -> Vec<(f64, Cell)>) -> Vec<Panel> {
    let mut panels = Vec::new();
    for (unit, figure) in ROWS {
        for work in WORKS {
            let cells = cells(work);
            let series = report.servers.iter().map(|name| Series {
                name: name.clone(),
                points: cells
                    .iter()
                    .filter_map(|(x, cell)| Some((*x, figure(report, *cell, name)?)))
                    .collect(),
            });
            let title = format!("{}: {unit}", work.name());
            panels.push(Panel { title, x: x.to_owned(), series: series.collect() });
        }
    }
    panels
}

fn describe(report: &Report, over: &str, table: &str) -> String {
    format!(
        "Messages a second (more is better) and CPU time a message (less is better) over {over}, for accepting, relaying and local delivery, \
         of {}. Both axes are logarithmic. All figures are in the tables of {table}.",
        report.servers.join(", ")
    )
}

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
fn count(sessions: u64) -> f64 {
    sessions as f64
}

#[expect(clippy::cast_precision_loss, reason = "some mebibytes")]
fn kib(size: usize) -> f64 {
    size as f64 / 1024.0
}
