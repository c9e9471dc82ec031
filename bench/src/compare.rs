//! `bench compare`: two builds of Postrider in turn, so that a gain can be told from chance.

use crate::Failure;
use crate::args::CompareOptions;
use crate::results::{Cell, LEGEND};
use crate::run::in_turns;
use crate::scenario::Figures;
use crate::servers::{self, Candidate};
use crate::stats;
use crate::table::Table;
use std::process::ExitCode;

pub(crate) fn command(options: &CompareOptions) -> Result<ExitCode, Failure> {
    let candidates = [
        Candidate::postrider("old", servers::program(Some(&options.old))?),
        Candidate::postrider("new", servers::program(Some(&options.new))?),
    ];
    let results = in_turns(&options.load, &candidates, "old".to_owned())?;
    say!("{}\n{LEGEND}\n\n{}\n{PAIRS}", results.table(), pairs(&results.cells));
    Ok(ExitCode::SUCCESS)
}

/// How to read the second table.
const PAIRS: &str = "\
How many times better new is than old, in the two halves of each round: the median, and the least and the most of all rounds. A range \
that has 1 inside shows no difference.";

/// The ratios within each round: neighbours in time, so what the machine did meanwhile is nearly the same for both.
fn pairs(cells: &[Cell]) -> String {
    let mut table = Table::new(1, &["work", "sessions", "rounds", "CPU x", "range", "rate x", "range"]);
    for pair in cells.chunks_exact(2) {
        let [old, new] = pair else { continue };
        let ratios = |of: fn(&Figures) -> f64| -> Vec<f64> {
            old.rounds.iter().zip(&new.rounds).map(|(old, new)| of(new) / of(old)).collect()
        };
        // Less CPU is better: turned over.
        let cpu: Vec<f64> = ratios(|round| round.cpu_us).iter().map(|ratio| 1.0 / ratio).collect();
        let rate = ratios(|round| round.per_second);
        let mut row = vec![new.work.name().to_owned(), new.sessions.to_string(), cpu.len().to_string()];
        row.extend([middle(&cpu), range(&cpu), middle(&rate), range(&rate)]);
        table.row(row);
    }
    table.render()
}

fn middle(ratios: &[f64]) -> String {
    stats::median(ratios).map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}"))
}

fn range(ratios: &[f64]) -> String {
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    if ratios.is_empty() { "-".to_owned() } else { format!("{least:.3} to {most:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Work;

    fn cell(server: &str, rounds: &[(f64, f64)]) -> Cell {
        let rounds = rounds.iter().map(|(per_second, cpu_us)| Figures {
            messages: 10,
            per_second: *per_second,
            cpu_us: *cpu_us,
            dot_to_reply: None,
            due_to_reply: None,
            bench_cpu_us: 0.0,
            peak_memory: None,
            others: 0.0,
            ..Figures::default()
        });
        Cell { work: Work::Relay, sessions: 20, server: server.to_owned(), rounds: rounds.collect() }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // The machine slows down from round to round; new is always twice as good.
        let old = cell("old", &[(4000.0, 50.0), (2000.0, 100.0), (1000.0, 200.0)]);
        let new = cell("new", &[(8000.0, 25.0), (4000.0, 50.0), (2000.0, 80.0)]);
        let text = pairs(&[old, new]);
        let row: Vec<&str> = text.lines().nth(2).unwrap().split('|').map(str::trim).collect();
        assert_eq!(row[1..8], ["relay", "20", "3", "2.000", "2.000 to 2.500", "2.000", "2.000 to 2.000"]);
    }
}
