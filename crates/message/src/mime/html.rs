//! The text in HTML, as far as a preview needs it.

/// How long a tag's name or a character reference may be to be looked at.
const NAME_CHARACTERS_MAX: usize = 16;

/// Takes tags, comments, scripts and styles away, and reads character references.
#[derive(Debug, Default)]
pub(super) struct Html {
    state: State,
    /// The name of a tag, or a character reference, as far as it has come.
    name: String,
    /// The element whose content is not shown, if one is open.
    hidden: Option<&'static str>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// Behind `<`.
    TagName,
    /// In a tag behind its name; in quotes perhaps.
    Tag(Option<char>),
    /// In a comment; so many dashes stand before.
    Comment(usize),
    /// Behind `&`.
    Reference,
}

/// What is in them is not shown.
const HIDDEN: &[&str] = &["head", "script", "style", "title", "template"];
/// They do not break a line of text.
const INLINE: &[&str] =
    &["a", "abbr", "b", "code", "em", "font", "i", "s", "small", "span", "strong", "sub", "sup", "u"];

impl Html {
    /// Takes a character; what is text comes out.
    pub(super) fn push(&mut self, c: char, out: &mut impl FnMut(char)) {
        match self.state {
            State::Text => self.text(c, out),
            State::TagName => self.tag_name(c, out),
            State::Tag(None) | State::Comment(2..) if c == '>' => self.state = State::Text,
            State::Tag(None) if matches!(c, '"' | '\'') => self.state = State::Tag(Some(c)),
            State::Tag(Some(quote)) if c == quote => self.state = State::Tag(None),
            State::Tag(_) => {}
            State::Comment(dashes) => self.state = State::Comment(if c == '-' { dashes + 1 } else { 0 }),
            State::Reference => self.reference(c, out),
        }
    }

    fn text(&mut self, c: char, out: &mut impl FnMut(char)) {
        match c {
            '<' => {
                self.state = State::TagName;
                self.name.clear();
            }
            _ if self.hidden.is_some() => {}
            '&' => {
                self.state = State::Reference;
                self.name.clear();
            }
            _ => out(c),
        }
    }

    fn tag_name(&mut self, c: char, out: &mut impl FnMut(char)) {
        let is_name = c.is_ascii_alphanumeric()
            || matches!(c, '!' | '-' | ':' | '?')
            || (c == '/' && self.name.is_empty());
        if is_name && self.name.len() < NAME_CHARACTERS_MAX {
            self.name.push(c.to_ascii_lowercase());
            if self.name == "!--" {
                self.state = State::Comment(0);
            }
            return;
        }
        // `1 < 2` is text.
        if self.name.is_empty() || self.name.starts_with(|c: char| c.is_ascii_digit()) {
            self.state = State::Text;
            if self.hidden.is_none() {
                out('<');
                self.name.chars().for_each(&mut *out);
            }
            return self.text(c, out);
        }
        self.open_or_close(out);
        self.state = State::Tag(None);
        if c == '>' {
            self.state = State::Text;
        }
    }

    fn open_or_close(&mut self, out: &mut impl FnMut(char)) {
        let (name, closes) = match self.name.strip_prefix('/') {
            Some(name) => (name, true),
            None => (self.name.as_str(), false),
        };
        match self.hidden {
            Some(hidden) if closes && (hidden == name || name == "head") => self.hidden = None,
            // Whoever forgets to close the head begins the body nevertheless.
            Some("head") if name == "body" => self.hidden = None,
            None if !closes => self.hidden = HIDDEN.iter().copied().find(|hidden| *hidden == name),
            Some(_) | None => {}
        }
        if !INLINE.contains(&name) {
            out(' ');
        }
    }

    fn reference(&mut self, c: char, out: &mut impl FnMut(char)) {
        if (c.is_ascii_alphanumeric() || c == '#') && self.name.len() < NAME_CHARACTERS_MAX {
            return self.name.push(c);
        }
        self.state = State::Text;
        if let Some(meant) = meant(&self.name).filter(|_| c == ';') {
            return out(meant);
        }
        out('&');
        self.name.chars().for_each(&mut *out);
        self.text(c, out);
    }
}

/// What a character reference means.
fn meant(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return char::from_u32(code.ok()?);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "zwnj" | "zwj" | "shy" => '\u{200b}',
        "hellip" => '…',
        "mdash" => '—',
        "ndash" => '–',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "copy" => '©',
        "reg" => '®',
        "euro" => '€',
        "auml" => 'ä',
        "ouml" => 'ö',
        "uuml" => 'ü',
        "Auml" => 'Ä',
        "Ouml" => 'Ö',
        "Uuml" => 'Ü',
        "szlig" => 'ß',
        "eacute" => 'é',
        "egrave" => 'è',
        "agrave" => 'à',
        "ccedil" => 'ç',
        _ => return None,
    })
}
