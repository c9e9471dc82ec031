//! Rust source, told apart into code, comments and literals, and into production and test code.

use std::ops::Range;

/// A file as the checks see it. All three texts have the same length and the same lines.
pub(crate) struct Source {
    /// The path from the root of the workspace.
    pub(crate) path: String,
    /// The text as it is.
    pub(crate) text: String,
    /// The text with comments and the inside of literals blanked out.
    pub(crate) code: String,
    /// The text with everything but comments blanked out.
    pub(crate) comments: String,
    /// The octets of `text` that belong to tests.
    tests: Vec<Range<usize>>,
}

/// A function with a body.
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// Where its text is, from `fn` to the closing brace.
    pub(crate) range: Range<usize>,
}

impl Source {
    /// Reads the text of a file.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (code, comments) = split(text);
        let name = path.rsplit('/').next().unwrap_or(path);
        let is_test = path.contains("/tests/") || name == "tests.rs" || name.ends_with("_tests.rs");
        let tests = if is_test { std::iter::once(0..text.len()).collect() } else { test_parts(&code) };
        Self { path: path.to_owned(), text: text.to_owned(), code, comments, tests }
    }

    /// Whether an octet belongs to tests.
    pub(crate) fn is_test(&self, at: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&at))
    }

    /// The line of an octet, from 1.
    pub(crate) fn line_of(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|octet| *octet == b'\n').count()
    }

    /// How many lines of `range` hold code outside of tests. Comments and blank lines are free.
    pub(crate) fn code_lines(&self, range: Range<usize>) -> usize {
        let mut start = range.start;
        let mut count = 0;
        for line in self.code.get(range).unwrap_or_default().split_inclusive('\n') {
            count += usize::from(!line.trim().is_empty() && !self.is_test(start));
            start += line.len();
        }
        count
    }

    /// All functions that have a body.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let starts = words(&self.code).filter(|(_, word)| *word == "fn").map(|(at, _)| at);
        starts.filter_map(|at| self.function(at)).collect()
    }

    fn function(&self, at: usize) -> Option<Function> {
        let after = self.code.get(at + 2..)?;
        let name: String = after.trim_start().chars().take_while(|c| is_word(*c)).collect();
        let end = item_end(&self.code, at)?;
        let body = self.code.get(..end)?.ends_with('}');
        (body && !name.is_empty()).then_some(Function { name, range: at..end })
    }

    /// The places where `needle` stands in the code, not as a part of a longer word.
    pub(crate) fn uses<'a>(&'a self, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code.match_indices(needle).map(|(at, _)| at).filter(|at| {
            let before = self.code.get(..*at).and_then(|text| text.chars().next_back());
            !before.is_some_and(is_word)
        })
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The words of code with their places.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.split(|c| !is_word(c)).scan(0, |at, word| {
        let start = *at;
        // Every separator that code has between words is one octet long: literals are blanked out.
        *at += word.len() + 1;
        Some((start, word))
    })
}

/// Where the item that begins at `from` ends: behind its `;`, or behind the brace that closes its body.
fn item_end(code: &str, from: usize) -> Option<usize> {
    let mut braces = 0_usize;
    let mut brackets = 0_usize;
    for (at, octet) in code.bytes().enumerate().skip(from) {
        match octet {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets = brackets.saturating_sub(1),
            b'{' => braces += 1,
            b'}' if braces <= 1 => return Some(at + 1),
            b'}' => braces -= 1,
            b';' if braces == 0 && brackets == 0 => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The items behind `#[cfg(test)]`.
fn test_parts(code: &str) -> Vec<Range<usize>> {
    let marks = code.match_indices("#[cfg(test)]");
    marks.filter_map(|(at, mark)| Some(at..item_end(code, at + mark.len())?)).collect()
}

/// What an octet of source is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

fn split(text: &str) -> (String, String) {
    let mut kinds = vec![Kind::Code; text.len()];
    let octets = text.as_bytes();
    let mut at = 0;
    while at < octets.len() {
        let (end, kind) = token(octets, at);
        if let Some(part) = kinds.get_mut(at..end) {
            part.fill(kind);
        }
        at = end.max(at + 1);
    }
    (keep(text, &kinds, Kind::Code), keep(text, &kinds, Kind::Comment))
}

/// Blanks out all octets of other kinds, keeping the line ends.
fn keep(text: &str, kinds: &[Kind], wanted: Kind) -> String {
    let octets = text.bytes().zip(kinds).map(|(octet, kind)| match octet {
        b'\n' => b'\n',
        octet if *kind == wanted && octet.is_ascii() => octet,
        // The length must not change, and half a character must not stay.
        _ if *kind == wanted => b'?',
        _ => b' ',
    });
    String::from_utf8(octets.collect()).unwrap_or_default()
}

/// The token that begins at `at`: its end, and its kind.
fn token(octets: &[u8], at: usize) -> (usize, Kind) {
    let rest = octets.get(at..).unwrap_or_default();
    let previous = at.checked_sub(1).and_then(|before| octets.get(before)).copied().unwrap_or(b' ');
    let in_word = previous.is_ascii_alphanumeric() || previous == b'_';
    match rest {
        [b'/', b'/', ..] => (at + line_length(rest), Kind::Comment),
        [b'/', b'*', ..] => (at + block_length(rest), Kind::Comment),
        [b'"', ..] => (at + quoted_length(rest, b'"'), Kind::Literal),
        [b'\'', ..] => char_length(rest).map_or((at + 1, Kind::Code), |length| (at + length, Kind::Literal)),
        [b'r', b'"' | b'#', ..] if !in_word || matches!(previous, b'b' | b'c') => {
            raw_length(rest).map_or((at + 1, Kind::Code), |length| (at + length, Kind::Literal))
        }
        _ => (at + 1, Kind::Code),
    }
}

fn line_length(rest: &[u8]) -> usize {
    rest.iter().position(|octet| *octet == b'\n').unwrap_or(rest.len())
}

fn block_length(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match rest.get(at..) {
            Some([b'/', b'*', ..]) => (depth, at) = (depth + 1, at + 2),
            Some([b'*', b'/', ..]) if depth == 1 => return at + 2,
            Some([b'*', b'/', ..]) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

fn quoted_length(rest: &[u8], quote: u8) -> usize {
    let mut escaped = false;
    for (at, octet) in rest.iter().enumerate().skip(1) {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            octet if *octet == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of a character literal; `None` for a lifetime or a label.
fn char_length(rest: &[u8]) -> Option<usize> {
    match rest {
        [_, b'\\', ..] => Some(quoted_length(rest, b'\'')),
        [_, first, ..] => {
            let width = first.leading_ones().max(1) as usize;
            (rest.get(1 + width) == Some(&b'\'')).then_some(2 + width)
        }
        _ => None,
    }
}

/// The length of `r"…"` or `r#"…"#`; `None` for a raw identifier.
fn raw_length(rest: &[u8]) -> Option<usize> {
    let hashes = rest.iter().skip(1).take_while(|octet| **octet == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let mut end = vec![b'"'];
    end.extend(std::iter::repeat_n(b'#', hashes));
    let body = 2 + hashes;
    let found = rest.get(body..)?.windows(end.len()).position(|window| window == end.as_slice());
    Some(found.map_or(rest.len(), |at| body + at + end.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_code() {
        let source =
            Source::new("a.rs", "let a = \"// fn x() {}\"; // fn y() {}\n/* fn z() {} */ let b = 'x';\n");
        assert!(source.functions().is_empty());
        assert!(source.comments.contains("fn y() {}"));
        assert!(!source.comments.contains("fn x"));
    }

    #[test]
    fn raw_strings_lifetimes_and_braces_in_characters_are_told_apart() {
        let text = "fn a<'x>(s: &'x str) -> bool { s == r#\"}\"\"# || s == \"\\\"}\" || s.contains('}') }\nfn b() {}\n";
        let names: Vec<String> = Source::new("a.rs", text).functions().into_iter().map(|f| f.name).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn all_views_have_the_same_length() {
        let text = "/// §4.5 größer\nlet é = \"ü\"; // ≥\n";
        let source = Source::new("a.rs", text);
        assert_eq!(source.code.len(), text.len());
        assert_eq!(source.comments.len(), text.len());
    }

    #[test]
    fn a_test_module_is_not_counted() {
        let text = "fn a() {\n}\n\n// why\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
        let source = Source::new("a.rs", text);
        assert_eq!(source.code_lines(0..text.len()), 2);
        let functions = source.functions();
        let tests: Vec<bool> = functions.iter().map(|f| source.is_test(f.range.start)).collect();
        assert_eq!(tests, [false, true]);
    }

    #[test]
    fn a_function_with_an_array_in_its_signature_has_a_body() {
        let source = Source::new("a.rs", "fn a(x: [u8; 4]) {\n    b();\n}\ntrait T { fn c(&self); }\n");
        let names: Vec<String> = source.functions().into_iter().map(|f| f.name).collect();
        assert_eq!(names, ["a"]);
    }
}
