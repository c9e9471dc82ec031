//! mbox files (RFC 4155): read from one end to the other, and written.
//!
//! A message begins at the start of the file, or behind a blank line, with a line `From ADDRESS DATE`. The blank line before the next one
//! belongs to neither. Lines of a message that look like that have a `>` more in the file, and so have those that have some already (mboxrd).

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hasher},
    io::{self, BufRead, ErrorKind, Read, Write},
    mem,
};

use admin::api::{KnownBy, Letter};
use mail::Timestamp;

use super::{
    PIECE_OCTETS, Part,
    line_ends::LineEnds,
    mbox_header::{Header, LETTERS},
};

/// What begins the line before a message.
const FROM: &[u8] = b"From ";
/// Longer lines are read in several parts.
const LINE_OCTETS_MAX: u64 = 64 * 1024;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// Reads the messages of an mbox file. Of each that was read it keeps a dozen octets.
#[derive(Debug)]
pub(crate) struct Reader<R> {
    input: R,
    folder: String,
    /// For messages of which it is not told when they came.
    date: i64,
    octets_read: u64,
    at_line_start: bool,
    /// A blank line that may be the one before the next message.
    blank: Vec<u8>,
    message: Option<Message>,
    /// How often each message came.
    seen: HashMap<u64, u32>,
    ready: VecDeque<Part>,
    ended: bool,
}

/// A message of which not all octets were read.
#[derive(Debug, Default)]
struct Message {
    from: String,
    date: Option<i64>,
    header: Header,
    ends: LineEnds,
    hasher: DefaultHasher,
    out: Vec<u8>,
}

impl Message {
    fn begin(from: &[u8]) -> Self {
        let mut message = Self {
            from: String::from_utf8_lossy(from).trim_end().to_owned(),
            date: date(from),
            ..Self::default()
        };
        message.hasher.write(message.from.as_bytes());
        message
    }

    fn write(&mut self, octets: &[u8], ready: &mut VecDeque<Part>) {
        self.hasher.write(octets);
        self.ends.convert(octets, &mut self.out);
        if self.out.len() >= PIECE_OCTETS {
            ready.push_back(Part::Octets(mem::take(&mut self.out)));
        }
    }
}

impl<R: BufRead> Reader<R> {
    /// For a mailbox; messages of which it is not told when they came have come at `date`.
    pub(crate) fn new(input: R, folder: String, date: i64) -> Self {
        Self {
            input,
            folder,
            date,
            octets_read: 0,
            at_line_start: true,
            blank: Vec::new(),
            message: None,
            seen: HashMap::new(),
            ready: VecDeque::new(),
            ended: false,
        }
    }

    /// How much of the file was read.
    pub(crate) fn octets_read(&self) -> u64 {
        self.octets_read
    }

    /// What comes next; nothing at the end of the file.
    ///
    /// # Errors
    /// The file cannot be read, or it is no mbox file.
    pub(crate) fn next_part(&mut self) -> io::Result<Option<Part>> {
        loop {
            if let Some(part) = self.ready.pop_front() {
                return Ok(Some(part));
            }
            if self.ended {
                return Ok(None);
            }
            self.take_line()?;
        }
    }

    fn take_line(&mut self) -> io::Result<()> {
        let mut line = Vec::new();
        let read = self.input.by_ref().take(LINE_OCTETS_MAX).read_until(b'\n', &mut line)?;
        self.octets_read += read as u64;
        if line.is_empty() {
            self.finish();
            self.ended = true;
            return Ok(());
        }
        let starts = mem::replace(&mut self.at_line_start, line.ends_with(b"\n"));
        let begins = match &self.message {
            None => line.starts_with(FROM),
            Some(_) => starts && !self.blank.is_empty() && date(&line).is_some(),
        };
        if begins {
            self.finish();
            self.message = Some(Message::begin(&line));
            return Ok(());
        }
        let is_blank = starts && matches!(line.as_slice(), b"\n" | b"\r\n");
        let Some(message) = &mut self.message else {
            let wrong =
                || io::Error::new(ErrorKind::InvalidData, "no mbox file: it does not begin with `From `");
            return if is_blank { Ok(()) } else { Err(wrong()) };
        };
        let blank = mem::take(&mut self.blank);
        message.write(&blank, &mut self.ready);
        if is_blank {
            message.header.end();
            self.blank = line;
        } else if !message.header.takes(&line, starts) {
            let content = if starts { unquoted(&line) } else { &line };
            message.write(content, &mut self.ready);
        }
        Ok(())
    }

    /// The message that came is whole.
    fn finish(&mut self) {
        self.blank.clear();
        let Some(message) = self.message.take() else { return };
        let Message { from, date, header, hasher, out, .. } = message;
        if !out.is_empty() {
            self.ready.push_back(Part::Octets(out));
        }
        // The same message behind the same line twice is two messages, whichever of them is read first.
        let times = self.seen.entry(hasher.finish()).or_insert(0);
        *times += 1;
        let source = if *times == 1 { from } else { format!("{from} #{times}") };
        self.ready.push_back(Part::Message(Letter {
            folder: self.folder.clone(),
            source,
            known_by: KnownBy::Content,
            flags: header.flags,
            keywords: header.keywords,
            internal_date: date.unwrap_or(self.date),
            octets: 0,
        }));
    }
}

/// A line without the `>` that a writer has put before it.
fn unquoted(line: &[u8]) -> &[u8] {
    let marks = line.iter().take_while(|octet| **octet == b'>').count();
    let is_quoted = marks > 0 && line.get(marks..).is_some_and(|rest| rest.starts_with(FROM));
    line.get(usize::from(is_quoted)..).unwrap_or(line)
}

/// The date of a line `From ADDRESS Mon Nov 23 18:00:00 2026`, in milliseconds since 1970. It is UTC (RFC 4155, appendix A), unless a
/// zone is given. Nothing: it is no such line.
fn date(line: &[u8]) -> Option<i64> {
    let line = String::from_utf8_lossy(line.strip_prefix(FROM)?);
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let place = words.windows(3).rposition(|words| match words {
        [name, day, time] => month(name).is_some() && day.parse::<i64>().is_ok() && seconds(time).is_some(),
        _ => false,
    })?;
    let [name, day, time, rest @ ..] = words.get(place..)? else { return None };
    let year =
        rest.iter().find(|word| word.len() == 4 && word.bytes().all(|octet| octet.is_ascii_digit()))?;
    let zone = rest.iter().find_map(|word| zone_seconds(word)).unwrap_or(0);
    let time =
        Timestamp::from_civil(year.parse().ok()?, month(name)?, day.parse().ok()?, seconds(time)? - zone)?;
    i64::try_from(time.as_millis()).ok()
}

fn month(word: &str) -> Option<i64> {
    let number = MONTHS.iter().position(|name| *name == word)?;
    i64::try_from(number).ok().map(|number| number + 1)
}

/// `18:00` or `18:00:00`.
fn seconds(word: &str) -> Option<i64> {
    let parts: Vec<i64> = word.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    match parts.as_slice() {
        [hours @ 0..=23, minutes @ 0..=59] => Some(hours * 3600 + minutes * 60),
        [hours @ 0..=23, minutes @ 0..=59, seconds @ 0..=60] => Some(hours * 3600 + minutes * 60 + seconds),
        _ => None,
    }
}

/// `+0130`, in seconds east of UTC.
fn zone_seconds(word: &str) -> Option<i64> {
    let (sign, digits) = match word.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let number: i64 = digits.parse().ok().filter(|_| digits.len() == 4)?;
    Some(sign * (number / 100 * 3600 + number % 100 * 60))
}

/// Writes messages into an mbox file. Their octets are written as they are, with line ends of messages; a message that does not end with
/// a line end gets one.
#[derive(Debug)]
pub(crate) struct Writer<W> {
    out: W,
    /// How much of `From ` came at the start of a line; nothing within one.
    matched: Option<usize>,
    last: u8,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, matched: Some(0), last: b'\n' }
    }

    /// Begins a message.
    pub(crate) fn begin(&mut self, letter: &Letter) -> io::Result<()> {
        let time = Timestamp::from_millis(u64::try_from(letter.internal_date).unwrap_or(0));
        let (year, month, day, hour, minute, second) = time.civil();
        let name = |names: &[&'static str], number: u64| {
            usize::try_from(number).ok().and_then(|number| names.get(number).copied()).unwrap_or_default()
        };
        let (weekday, month) = (name(&DAYS, time.weekday()), name(&MONTHS, month.saturating_sub(1)));
        let has = |flag: &str| letter.flags.iter().any(|other| other == flag);
        let letters = |wanted: &str| -> String {
            let meant = LETTERS.iter().filter(|(letter, flag)| wanted.contains(*letter) && has(flag));
            meant.map(|(letter, _)| *letter).collect()
        };
        (self.matched, self.last) = (Some(0), b'\n');
        write!(
            self.out,
            "From MAILER-DAEMON {weekday} {month} {day:>2} {hour:02}:{minute:02}:{second:02} {year:04}\n\
             Status: {}O\nX-Status: {}\nX-Keywords: {}\n",
            letters("R"),
            letters("AFTD"),
            letter.keywords.join(" ")
        )
    }

    /// Writes octets of the message.
    pub(crate) fn write(&mut self, mut rest: &[u8]) -> io::Result<()> {
        if let Some(last) = rest.last() {
            self.last = *last;
        }
        while let Some((octet, behind)) = rest.split_first() {
            match self.matched {
                Some(0) if *octet == b'>' => {
                    self.out.write_all(b">")?;
                    rest = behind;
                }
                Some(matched) if FROM.get(matched) == Some(octet) => {
                    rest = behind;
                    self.matched = Some(matched + 1).filter(|matched| *matched < FROM.len());
                    if self.matched.is_none() {
                        self.out.write_all(b">")?;
                        self.out.write_all(FROM)?;
                    }
                }
                Some(_) => self.write_matched()?,
                None => {
                    let end = rest.iter().position(|octet| *octet == b'\n').map(|end| end + 1);
                    let (line, behind) =
                        rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, &[]));
                    self.out.write_all(line)?;
                    self.matched = end.map(|_| 0);
                    rest = behind;
                }
            }
        }
        Ok(())
    }

    /// Ends the message.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        self.write_matched()?;
        if self.last != b'\n' {
            self.out.write_all(b"\r\n")?;
        }
        self.out.write_all(b"\n")
    }

    /// All messages were written.
    pub(crate) fn into_inner(self) -> W {
        self.out
    }

    /// Writes what looked like the start of `From `, and was none.
    fn write_matched(&mut self) -> io::Result<()> {
        let matched = self.matched.take().unwrap_or(0);
        self.out.write_all(FROM.get(..matched).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
