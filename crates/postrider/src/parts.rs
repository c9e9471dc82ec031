//! What reads the configuration, for the fuzzer. No interface: it changes with the code behind it.

use std::path::Path;

use crate::config::{Report, effective, parse};

/// Something that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Reads a configuration, and shows what is in effect by it.
///
/// # Errors
/// All that is wrong with it.
pub fn read_config(text: &str) -> Result<String, Vec<Mistake>> {
    let (config, problems, _) = parse(text, Path::new("/nowhere"));
    if let (Some(config), true) = (config, problems.is_empty()) {
        return Ok(effective(&config).toml());
    }
    let report = Report { path: "postrider.toml".into(), source: text.to_owned(), problems };
    // Whoever is told sees it with the lines it is about.
    let _ = report.render(false);
    let mistakes = report.problems.iter().map(|problem| {
        let (line, column) = report.position(problem);
        Mistake { line, column, message: problem.message.clone(), hint: problem.hint.clone() }
    });
    Err(mistakes.collect())
}
