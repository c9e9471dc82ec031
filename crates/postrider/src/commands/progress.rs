//! How far something long has come: a bar on a terminal, lines of JSON for programs, both on standard error.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use serde::Serialize;
use tokio::time::Instant;

use crate::terminal::say;

/// Places of the bar.
const BAR: u64 = 24;
/// The shortest time between two lines of JSON.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// Tells how far something has come.
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
    pub(super) fn tell(&mut self, bar: &str, line: &impl Serialize) {
        match self.form {
            Form::Bar => self.draw(&format!("\r{bar}\x1b[K")),
            Form::Lines if self.told.is_none_or(|told| told.elapsed() >= LINE_EVERY) => {
                self.told = Some(Instant::now());
                // Numbers and texts alone: it cannot fail.
                say(&serde_json::to_string(line).unwrap_or_default());
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

/// `hold  [##########--------------]  42 %  419000 recipients`.
pub(super) fn bar(verb: &str, (done, all): (u64, u64), what: &str) -> String {
    let all = u128::from(all.max(done).max(1));
    let part = |of: u64| usize::try_from(u128::from(done) * u128::from(of) / all).unwrap_or_default();
    let places = usize::try_from(BAR).unwrap_or_default();
    let (filled, percent) = (part(BAR).min(places), part(100));
    format!("{verb}  [{}{}] {percent:>3} %  {what}", "#".repeat(filled), "-".repeat(places - filled))
}
