//! How far an order on a long queue has come: a bar on a terminal, lines of JSON for programs, both on standard error.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use admin::api::Changed;
use serde::Serialize;
use tokio::time::Instant;

use crate::terminal::{count, say};

/// Places of the bar.
const BAR: u64 = 24;
/// The shortest time between two lines of JSON.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// Tells how far an order has come.
pub(super) struct Progress {
    form: Form,
    told: Option<Instant>,
}

/// Where progress goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Bar,
    Lines,
    Nothing,
}

/// One line for programs.
#[derive(Debug, Serialize)]
struct Line {
    looked_at: u64,
    in_queue: u64,
    messages: u64,
    recipients: u64,
}

impl Progress {
    /// With `json` lines, else a bar if somebody can see it.
    pub(super) fn new(json: bool) -> Self {
        let form = match (json, io::stderr().is_terminal()) {
            (true, _) => Form::Lines,
            (false, true) => Form::Bar,
            (false, false) => Form::Nothing,
        };
        Self { form, told: None }
    }

    /// There is more to do.
    pub(super) fn tell(&mut self, verb: &str, so_far: &Changed) {
        match self.form {
            Form::Bar => self.draw(&format!("\r{}\x1b[K", bar(verb, so_far))),
            Form::Lines if self.told.is_none_or(|told| told.elapsed() >= LINE_EVERY) => {
                self.told = Some(Instant::now());
                say(&line(so_far));
            }
            Form::Lines | Form::Nothing => {}
        }
    }

    /// Leaves the terminal as it was.
    pub(super) fn end(&mut self) {
        if self.told.is_some() && self.form == Form::Bar {
            self.draw("\r\x1b[K");
        }
    }

    fn draw(&mut self, text: &str) {
        self.told = Some(Instant::now());
        let mut out = io::stderr().lock();
        // If even that fails, nobody looks.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// `hold  [##########--------------]  42 %  419000 recipients`. Mail that comes in meanwhile is looked at too.
fn bar(verb: &str, so_far: &Changed) -> String {
    let all = so_far.looked_at.max(so_far.in_queue).max(1);
    let done = usize::try_from(so_far.looked_at * BAR / all).unwrap_or_default();
    let left = usize::try_from(BAR).unwrap_or_default() - done;
    let percent = so_far.looked_at * 100 / all;
    let recipients = count(so_far.recipients, "recipient");
    format!("{verb}  [{}{}] {percent:>3} %  {recipients}", "#".repeat(done), "-".repeat(left))
}

fn line(so_far: &Changed) -> String {
    let Changed { looked_at, in_queue, messages, recipients, .. } = *so_far;
    // Numbers alone: it cannot fail.
    serde_json::to_string(&Line { looked_at, in_queue, messages, recipients }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(looked_at: u64, in_queue: u64, recipients: u64) -> Changed {
        Changed { looked_at, in_queue, recipients, messages: recipients, ..Changed::default() }
    }

    #[test]
    fn the_bar_grows_with_what_was_looked_at() {
        for (so_far, shown) in [
            (changed(0, 1_000_000, 0), "hold  [------------------------]   0 %  0 recipients"),
            (changed(420_000, 1_000_000, 1), "hold  [##########--------------]  42 %  1 recipient"),
            (changed(1_000_100, 1_000_000, 7), "hold  [########################] 100 %  7 recipients"),
            (changed(0, 0, 0), "hold  [------------------------]   0 %  0 recipients"),
        ] {
            assert_eq!(bar("hold", &so_far), shown);
        }
    }

    #[test]
    fn a_line_is_one_document() {
        let text = r#"{"looked_at":20000,"in_queue":1000000,"messages":3,"recipients":3}"#;
        assert_eq!(line(&changed(20_000, 1_000_000, 3)), text);
    }
}
