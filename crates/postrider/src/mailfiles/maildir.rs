//! Maildirs (<https://cr.yp.to/proto/maildir.html>) with subfolders as in Maildir++: read, and written.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs::{self, File},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use admin::api::{KnownBy, Letter};
use mail::Timestamp;

use super::{PIECE_OCTETS, Part, folder_name, line_ends::LineEnds};

/// Which letter in the name of a file stands for which flag. ASCII order, as they have to stand there.
const LETTERS: [(char, &str); 5] =
    [('D', "\\Draft"), ('F', "\\Flagged"), ('R', "\\Answered"), ('S', "\\Seen"), ('T', "\\Deleted")];
/// The letter of messages that were forwarded, which is a keyword in IMAP (RFC 5788).
const PASSED: (char, &str) = ('P', "$Forwarded");
/// What stands between the name of a message and its flags.
const INFO: &str = ":2,";
/// Where Dovecot tells which keyword each of the letters a to z is.
const KEYWORDS: &str = "dovecot-keywords";

/// Whether a directory is a Maildir.
pub(crate) fn is_maildir(directory: &Path) -> bool {
    directory.join("cur").is_dir() && directory.join("new").is_dir()
}

/// Reads the messages of a Maildir and of its subfolders. Holds the names of the files of one folder.
#[derive(Debug)]
pub(crate) struct Reader {
    folders: VecDeque<(String, PathBuf)>,
    folder: String,
    files: VecDeque<PathBuf>,
    keywords: Vec<(char, String)>,
    open: Option<Open>,
    files_read: u64,
    files_vanished: u64,
    files_all: u64,
}

#[derive(Debug)]
struct Open {
    input: File,
    ends: LineEnds,
    letter: Letter,
}

impl Reader {
    /// `name` tells what the mailbox of a subfolder is called, or, for nothing, that of the Maildir itself.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn open(root: &Path, name: impl Fn(Option<&str>) -> String) -> io::Result<Self> {
        let mut folders = vec![(name(None), root.to_owned())];
        for entry in fs::read_dir(root)? {
            let entry = entry?;
            let directory = entry.file_name();
            let mailbox = directory.to_str().and_then(folder_name::of_maildir);
            if let Some(mailbox) = mailbox.filter(|_| entry.path().join("cur").is_dir()) {
                folders.push((name(Some(mailbox.as_str())), entry.path()));
            }
        }
        folders.get_mut(1..).unwrap_or_default().sort();
        let mut files_all = 0;
        for (_, folder) in &folders {
            files_all += names(folder)?.len() as u64;
        }
        Ok(Self {
            folders: folders.into(),
            folder: String::new(),
            files: VecDeque::new(),
            keywords: Vec::new(),
            open: None,
            files_read: 0,
            files_vanished: 0,
            files_all,
        })
    }

    /// How many files were read, and how many there are.
    pub(crate) fn progress(&self) -> (u64, u64) {
        (self.files_read, self.files_all.max(self.files_read))
    }

    /// How many files another program took away or renamed before they were read.
    pub(crate) fn files_vanished(&self) -> u64 {
        self.files_vanished
    }

    /// What comes next; nothing when all was read.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(crate) fn next_part(&mut self) -> io::Result<Option<Part>> {
        loop {
            if let Some(open) = &mut self.open {
                let mut octets = vec![0; PIECE_OCTETS];
                let read = open.input.read(&mut octets)?;
                octets.truncate(read);
                if read == 0 {
                    self.files_read += 1;
                    return Ok(self.open.take().map(|open| Part::Message(open.letter)));
                }
                let mut out = Vec::with_capacity(read + read / 16);
                open.ends.convert(&octets, &mut out);
                return Ok(Some(Part::Octets(out)));
            }
            if let Some(path) = self.files.pop_front() {
                self.begin(&path)?;
            } else if let Some((folder, path)) = self.folders.pop_front() {
                self.folder = folder;
                self.keywords = keywords(&path)?;
                self.files = names(&path)?.into();
            } else {
                return Ok(None);
            }
        }
    }

    fn begin(&mut self, path: &Path) -> io::Result<()> {
        let input = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.files_vanished += 1;
                return Ok(());
            }
            input => input.map_err(|error| with_path(path, &error))?,
        };
        let about = input.metadata()?;
        if about.is_file() {
            let came = Timestamp::from(about.modified()?).as_millis();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let (source, flags, keywords) = self.marks(&name);
            let letter = Letter {
                folder: self.folder.clone(),
                source,
                known_by: KnownBy::Content,
                flags,
                keywords,
                internal_date: i64::try_from(came).unwrap_or(i64::MAX),
                octets: 0,
            };
            self.open = Some(Open { input, ends: LineEnds::default(), letter });
        }
        Ok(())
    }

    /// What the name of a file says: the message's own name, flags and keywords.
    fn marks(&self, name: &str) -> (String, Vec<String>, Vec<String>) {
        let (own, letters) = name.split_once(INFO).unwrap_or((name, ""));
        let flag = |(_, flag): &(char, &str)| (*flag).to_owned();
        let flags = LETTERS.iter().filter(|(letter, _)| letters.contains(*letter)).map(flag).collect();
        let passed = [PASSED].into_iter().filter(|(letter, _)| letters.contains(*letter));
        let passed = passed.map(|(_, keyword)| keyword.to_owned());
        let kept = self.keywords.iter().filter(|(letter, _)| letters.contains(*letter));
        (own.to_owned(), flags, passed.chain(kept.map(|(_, keyword)| keyword.clone())).collect())
    }
}

/// The files of a folder in the order of the times in their names, which is that in which they came.
fn names(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all: Vec<(u64, OsString, PathBuf)> = Vec::new();
    for part in ["cur", "new"] {
        let directory = folder.join(part);
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries.map_err(|error| with_path(&directory, &error))?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let text = name.to_string_lossy();
            if !text.starts_with('.') {
                let digits = text.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
                all.push((digits.parse().unwrap_or(0), name.clone(), entry.path()));
            }
        }
    }
    all.sort();
    Ok(all.into_iter().map(|(_, _, path)| path).collect())
}

/// The keywords of a folder, as Dovecot tells them.
fn keywords(folder: &Path) -> io::Result<Vec<(char, String)>> {
    let path = folder.join(KEYWORDS);
    let text = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(|error| with_path(&path, &error))?,
    };
    let line = |line: &str| {
        let (number, keyword) = line.split_once(' ')?;
        Some((keyword_letter(number.parse().ok()?)?, keyword.trim().to_owned()))
    };
    Ok(String::from_utf8_lossy(&text).lines().filter_map(line).collect())
}

fn keyword_letter(number: usize) -> Option<char> {
    u8::try_from(number).ok().filter(|number| *number < 26).map(|number| char::from(b'a' + number))
}

fn with_path(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Writes the messages of a mailbox into a Maildir. Their octets are written as they are, with line ends of messages: nothing has to be
/// guessed to get them back, and programs that read Maildirs take both.
#[derive(Debug)]
pub(crate) struct Writer {
    folder: PathBuf,
    keywords: Vec<String>,
    keywords_left_out: u64,
    open: Option<(File, PathBuf, PathBuf)>,
}

impl Writer {
    /// Makes the folder of a mailbox below `root`.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn create(root: &Path, mailbox: &str) -> io::Result<Self> {
        let folder = folder_name::maildir(root, mailbox);
        let mut directories = fs::DirBuilder::new();
        directories.recursive(true).mode(0o700);
        for part in ["cur", "new", "tmp"] {
            directories.create(folder.join(part)).map_err(|error| with_path(&folder, &error))?;
        }
        if folder != root {
            // By this Maildir++ knows a subfolder.
            new_file(&folder.join("maildirfolder"))?;
        }
        Ok(Self { folder, keywords: Vec::new(), keywords_left_out: 0, open: None })
    }

    /// Begins a message.
    pub(crate) fn begin(&mut self, letter: &Letter) -> io::Result<()> {
        let came = u64::try_from(letter.internal_date).unwrap_or(0);
        let own = format!("{}.{}.postrider,S={}", came / 1000, letter.source, letter.octets);
        let has = |flag: &str| letter.flags.iter().any(|other| other == flag);
        let mut letters: Vec<char> =
            LETTERS.iter().filter(|(_, flag)| has(flag)).map(|(letter, _)| *letter).collect();
        for keyword in &letter.keywords {
            match self.letter_of(keyword) {
                Some(letter) => letters.push(letter),
                None => self.keywords_left_out += 1,
            }
        }
        letters.sort_unstable();
        let (tmp, cur) = (self.folder.join("tmp").join(&own), self.folder.join("cur"));
        let file = new_file(&tmp)?;
        self.open = Some((file, tmp, cur.join(format!("{own}{INFO}{}", String::from_iter(letters)))));
        Ok(())
    }

    /// Writes octets of the message.
    pub(crate) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        match &mut self.open {
            Some((file, tmp, _)) => file.write_all(octets).map_err(|error| with_path(tmp, &error)),
            None => Ok(()),
        }
    }

    /// Ends the message. `came` is when it came, which its file tells.
    pub(crate) fn end(&mut self, came: i64) -> io::Result<()> {
        let Some((file, tmp, cur)) = self.open.take() else { return Ok(()) };
        let came = Duration::from_millis(u64::try_from(came).unwrap_or(0));
        file.set_modified(UNIX_EPOCH + came)?;
        fs::rename(&tmp, &cur).map_err(|error| with_path(&cur, &error))
    }

    /// All messages were written; how many keywords had no letter.
    pub(crate) fn finish(self) -> io::Result<u64> {
        if !self.keywords.is_empty() {
            let lines = self.keywords.iter().enumerate();
            let lines: Vec<String> = lines.map(|(number, keyword)| format!("{number} {keyword}\n")).collect();
            new_file(&self.folder.join(KEYWORDS))?.write_all(lines.concat().as_bytes())?;
        }
        Ok(self.keywords_left_out)
    }

    fn letter_of(&mut self, keyword: &str) -> Option<char> {
        let known = self.keywords.iter().position(|other| other == keyword);
        let number = known.unwrap_or(self.keywords.len());
        let letter = keyword_letter(number)?;
        if known.is_none() {
            self.keywords.push(keyword.to_owned());
        }
        Some(letter)
    }
}

/// A file that was not there, for us alone.
pub(crate) fn new_file(path: &Path) -> io::Result<File> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| with_path(path, &error))
}

#[cfg(test)]
mod tests;
