//! What programs write into the header section of a message in an mbox file: its flags and keywords.

/// The names of these fields, and the letters of which their values are made; none: of words.
const FIELDS: [(&str, Option<&str>); 3] =
    [("Status", Some("RO")), ("X-Status", Some("AFTD")), ("X-Keywords", None)];

/// What each letter means.
pub(super) const LETTERS: [(char, &str); 5] =
    [('R', "\\Seen"), ('A', "\\Answered"), ('F', "\\Flagged"), ('T', "\\Draft"), ('D', "\\Deleted")];

/// Takes these fields out of a header section. Where they stand first, as we write them, each is taken once, and what comes behind is the
/// message's own; else they are taken wherever they stand.
#[derive(Debug, Default)]
pub(super) struct Header {
    place: Place,
    /// The lines that follow belong to a field that was taken.
    taking: bool,
    pub(super) flags: Vec<String>,
    pub(super) keywords: Vec<String>,
}

#[derive(Debug, Default, Clone, Copy)]
enum Place {
    #[default]
    First,
    /// Behind those of the fields whose bits are set.
    Leading(u8),
    Anywhere,
    Over,
}

impl Header {
    /// The header section ends here.
    pub(super) fn end(&mut self) {
        (self.place, self.taking) = (Place::Over, false);
    }

    /// Whether a line, or with `starts` unset what follows of a long one, was written by a program that keeps mail and is no part of the message.
    pub(super) fn takes(&mut self, line: &[u8], starts: bool) -> bool {
        if !starts {
            return self.taking;
        }
        let is_continued = line.starts_with(b" ") || line.starts_with(b"\t");
        let field = field(line);
        let bit = field.as_ref().map_or(0, |(number, _)| 1 << number);
        (self.place, self.taking) = match (self.place, bit) {
            (Place::Anywhere, _) if is_continued => (Place::Anywhere, self.taking),
            (Place::Anywhere, bit) => (Place::Anywhere, bit != 0),
            (Place::First, 0) => (Place::Anywhere, false),
            (Place::First, bit) => (Place::Leading(bit), true),
            (Place::Leading(seen), bit) if bit != 0 && seen & bit == 0 => (Place::Leading(seen | bit), true),
            (Place::Leading(_) | Place::Over, _) => (Place::Over, false),
        };
        if let Some((_, value)) = field.filter(|_| self.taking) {
            self.note(bit, &value);
        }
        self.taking
    }

    fn note(&mut self, bit: u8, value: &str) {
        if bit == 1 << 2 {
            self.keywords.extend(value.split_ascii_whitespace().map(str::to_owned));
            return;
        }
        let meant = LETTERS.iter().filter(|(letter, _)| value.contains(*letter));
        self.flags.extend(meant.map(|(_, flag)| (*flag).to_owned()));
    }
}

/// Which of the fields a line is, and its value. What has another value than programs write is the message's own: `Status: solved`.
fn field(line: &[u8]) -> Option<(usize, String)> {
    let colon = line.iter().position(|octet| *octet == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let number = FIELDS.iter().position(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))?;
    let value = String::from_utf8_lossy(value.get(1..)?).trim().to_owned();
    let (_, letters) = FIELDS.get(number)?;
    letters.is_none_or(|letters| value.chars().all(|c| letters.contains(c))).then_some((number, value))
}
