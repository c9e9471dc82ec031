//! What was filed: the messages in a Maildir.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::wait::eventually;

/// A Maildir; it need not exist yet.
#[derive(Debug, Clone)]
pub struct Maildir {
    path: PathBuf,
}

/// One message as it lies in the file.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Where it lies.
    pub path: PathBuf,
    /// When the file was last written.
    pub filed: SystemTime,
    /// Its octets.
    pub octets: Vec<u8>,
}

impl Maildir {
    /// The Maildir at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// What lies in `new` and `cur` at this moment, by file name.
    pub fn messages(&self) -> Vec<Mail> {
        let mut found: Vec<Mail> =
            ["new", "cur"].iter().flat_map(|name| read(&self.path.join(name))).collect();
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    /// Waits for a message that has `words` somewhere.
    pub fn wait_for(&self, words: &str, within: Duration) -> Mail {
        let what = format!("mail with `{words}` in {}", self.path.display());
        eventually(&what, within, || self.messages().into_iter().find(|mail| mail.contains(words)))
    }
}

fn read(folder: &Path) -> Vec<Mail> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        // A file may be moved from `new` to `cur` between listing and reading.
        let (Ok(octets), Ok(about)) = (fs::read(&path), fs::metadata(&path)) else { continue };
        found.push(Mail { filed: about.modified().expect("a modification time"), path, octets });
    }
    found
}

impl Mail {
    /// The message as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.octets).into_owned()
    }

    /// Whether these words stand in it.
    pub fn contains(&self, words: &str) -> bool {
        self.text().contains(words)
    }

    /// The value of the first header field of that name, unfolded.
    pub fn field(&self, name: &str) -> Option<String> {
        let text = self.text().replace("\r\n", "\n");
        let (header, _) = text.split_once("\n\n")?;
        let unfolded = header.replace("\n\t", " ").replace("\n ", " ");
        let mut fields = unfolded.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = fields.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value.trim().to_owned())
    }

    /// The body with LF line ends: a Maildir holds lines as the system has them.
    pub fn body(&self) -> Vec<u8> {
        let text = lf(&self.octets);
        let at = text.windows(2).position(|pair| pair == b"\n\n").expect("a header section and a body");
        text.get(at + 2..).unwrap_or_default().to_vec()
    }

    /// The queue id that our own Received field names.
    pub fn queue_id(&self) -> String {
        let received = self.field("Received").expect("a Received field");
        let (_, rest) = received.split_once(" id ").expect("an id in the Received field");
        rest.split([' ', ';']).next().unwrap_or_default().to_owned()
    }
}

/// CRLF to LF.
pub(crate) fn lf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    for (at, octet) in octets.iter().enumerate() {
        if *octet != b'\r' || octets.get(at + 1) != Some(&b'\n') {
            out.push(*octet);
        }
    }
    out
}
