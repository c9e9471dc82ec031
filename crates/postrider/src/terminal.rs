//! Standard output and standard error: colours only on a terminal, and a closed pipe is no error.

use std::io::{self, IsTerminal, Write};

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::failure::Failure;

/// Whether standard output takes colours. See <https://no-color.org>.
pub(crate) fn colours_on_stdout() -> bool {
    io::stdout().is_terminal() && colours_wanted()
}

/// Whether standard error takes colours.
pub(crate) fn colours_on_stderr() -> bool {
    io::stderr().is_terminal() && colours_wanted()
}

fn colours_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Prints a text and a line end.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written =
        out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
    match written {
        // `postrider queue list | head` has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| Failure::new(format!("cannot write to standard output: {error}"))),
    }
}

/// Prints a value as one JSON document.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value);
    print(&text.map_err(|error| Failure::new(format!("cannot write JSON: {error}")))?)
}

/// Prints a value as one line of JSON.
pub(crate) fn print_json_line(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value);
    print(&text.map_err(|error| Failure::new(format!("cannot write JSON: {error}")))?)
}

/// Asks a question on standard error that only `y` or `yes` affirms. Where nobody can be asked it is wrong usage to come here; `hint` says
/// what to do instead.
pub(crate) fn confirm(question: &str, hint: &str) -> Result<bool, Failure> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::usage(format!("{question} Nobody is here to answer")).hint(hint));
    }
    let mut out = io::stderr().lock();
    let _ = write!(out, "{question} [y/N] ").and_then(|()| out.flush());
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.map_err(|error| Failure::new(format!("cannot read the answer: {error}")))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Says something on standard error. If even that fails, nobody is left to tell.
pub(crate) fn say(text: &str) {
    let mut out = io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n"));
}

/// A table without lines, as programs and people both can read.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied());
    table
}

/// The table as text, without the spaces that end its lines.
pub(crate) fn table_text(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Text from elsewhere, safe to print: a control character could move the cursor or recolour the terminal.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Octets for people.
pub(crate) fn size_text(octets: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if octets < 1024 {
        return format!("{octets} B");
    }
    let mut tenths = u128::from(octets) * 10 / 1024;
    let mut unit = UNITS.iter();
    let mut name = unit.next();
    while tenths >= 10_240 {
        let Some(next) = unit.next() else { break };
        name = Some(next);
        tenths /= 1024;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, name.unwrap_or(&"KiB"))
}

/// A time to the second.
pub(crate) fn time(text: &str) -> String {
    let cut = text.split_once('.').map_or(text, |(seconds, _)| seconds);
    clean(cut).replace('T', " ")
}

/// `1 message`, `2 messages`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (octets, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (10_342, "10.0 KiB"),
            (52_428_800, "50.0 MiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(size_text(octets), shown);
        }
    }

    #[test]
    fn no_control_character_reaches_the_terminal() {
        assert_eq!(clean("250 \x1b[2Jok\r\n\u{9b}é"), "250 ?[2Jok???é");
    }
}
