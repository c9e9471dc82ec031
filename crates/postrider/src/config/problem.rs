//! What is wrong with a configuration file, shown with the lines it is about.

use std::{ops::Range, path::PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, renderer::DecorStyle};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The file cannot be used.
    Error,
    /// It can, but somebody should know.
    Warning,
}

/// One mistake in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Octets of the file that it is about.
    pub span: Range<usize>,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Another place that matters, and why.
    pub other: Option<(Range<usize>, String)>,
}

impl Problem {
    pub(crate) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, span, message: message.into(), hint: None, other: None }
    }

    pub(crate) fn warning(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::new(span, message) }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn other(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.other = Some((span, label.into()));
        self
    }
}

/// All that is wrong with one file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    /// The file, as the operator named it.
    pub path: PathBuf,
    /// Its text; the spans of the problems point into it.
    pub source: String,
    /// In the order of the file.
    pub problems: Vec<Problem>,
}

impl Report {
    /// The report as text: for each problem file, line, column, the lines in question and a hint.
    pub(crate) fn render(&self, colours: bool) -> String {
        let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut text = String::new();
        for problem in &self.problems {
            text.push_str(&self.render_one(&renderer, problem));
            text.push_str("\n\n");
        }
        let count = |severity| self.problems.iter().filter(|problem| problem.severity == severity).count();
        let counted = |count, thing: &str| match count {
            0 => None,
            1 => Some(format!("1 {thing}")),
            count => Some(format!("{count} {thing}s")),
        };
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let counts = [counted(errors, "error"), counted(warnings, "warning")];
        let counts: Vec<String> = counts.into_iter().flatten().collect();
        text + &format!("{}: {}", self.path.display(), counts.join(", "))
    }

    /// Whether there is anything for which the file cannot be used.
    pub(crate) fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Each problem in a line, for a log.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.problems.iter().map(|problem| {
            let (line, column) = self.position(problem);
            let hint = problem.hint.as_ref().map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
            format!("{}:{line}:{column}: {}{hint}", self.path.display(), problem.message)
        })
    }

    fn render_one(&self, renderer: &Renderer, problem: &Problem) -> String {
        let mut snippet = Snippet::source(self.source.as_str())
            .path(self.path.display().to_string())
            .annotation(AnnotationKind::Primary.span(self.clamp(&problem.span)));
        if let Some((span, label)) = &problem.other {
            snippet =
                snippet.annotation(AnnotationKind::Context.span(self.clamp(span)).label(label.as_str()));
        }
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = level.primary_title(problem.message.as_str()).element(snippet);
        if let Some(hint) = &problem.hint {
            group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
        }
        renderer.render(&[group])
    }

    /// One-based line and column (in characters) where a problem begins.
    pub(crate) fn position(&self, problem: &Problem) -> (usize, usize) {
        let before = self.source.get(..self.clamp(&problem.span).start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        (before.matches('\n').count() + 1, column)
    }

    /// The renderer panics on a span outside of the text or inside a character: none leaves here.
    fn clamp(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.source.floor_char_boundary(span.start.min(self.source.len()));
        let end = self.source.ceil_char_boundary(span.end.clamp(start, self.source.len()));
        // A table header stands for its whole table: its first line says enough.
        let line_end = self.source.get(start..end).and_then(|text| text.find('\n')).map(|at| start + at);
        start..line_end.unwrap_or(end).max(start)
    }
}
