//! Where messages are to come from, recognised by what it is.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, BufReader, ErrorKind, Read},
    path::{Path, PathBuf},
};

use mail::Timestamp;

use super::{Part, folder_name, maildir, mbox};

/// What was found at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A Maildir.
    Maildir,
    /// An mbox file.
    Mbox,
    /// A directory with mbox files in it.
    MboxFiles,
}

impl Found {
    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Maildir => "a Maildir",
            Self::Mbox => "an mbox file",
            Self::MboxFiles => "a directory of mbox files",
        }
    }
}

/// The messages of a path.
#[derive(Debug)]
pub(crate) struct Source {
    found: Found,
    reading: Reading,
}

#[derive(Debug)]
enum Reading {
    Maildir(Box<maildir::Reader>),
    Mboxes(Box<Mboxes>),
}

/// mbox files, one after the other.
#[derive(Debug)]
struct Mboxes {
    files: VecDeque<(PathBuf, String)>,
    open: Option<(PathBuf, mbox::Reader<BufReader<File>>)>,
    octets_before: u64,
    octets_all: u64,
}

impl Source {
    /// What is at a path, for the mailbox `folder` and those below it; without, for INBOX and as many as there are. Nothing: no mail.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn open(path: &Path, folder: Option<&str>) -> io::Result<Option<Self>> {
        let name = |mailbox: Option<&str>| match (folder, mailbox) {
            (None, mailbox) => mailbox.unwrap_or("INBOX").to_owned(),
            (Some(folder), None | Some("INBOX")) => folder.to_owned(),
            (Some(folder), Some(mailbox)) => format!("{folder}/{mailbox}"),
        };
        if !fs::metadata(path)?.is_dir() {
            let files = vec![(path.to_owned(), name(None))];
            return if is_mbox(path)? { Mboxes::source(files, Found::Mbox).map(Some) } else { Ok(None) };
        }
        if maildir::is_maildir(path) {
            let reading = Reading::Maildir(Box::new(maildir::Reader::open(path, name)?));
            return Ok(Some(Self { found: Found::Maildir, reading }));
        }
        let mut files = Vec::new();
        for file in mbox_files(path)? {
            let mailbox = file.strip_prefix(path).ok().and_then(folder_name::of_mbox);
            let name = name(mailbox.as_deref());
            files.push((file, name));
        }
        if files.is_empty() { Ok(None) } else { Mboxes::source(files, Found::MboxFiles).map(Some) }
    }

    /// What it is.
    pub(crate) fn found(&self) -> Found {
        self.found
    }

    /// How far it was read, and how far it goes.
    pub(crate) fn progress(&self) -> (u64, u64) {
        match &self.reading {
            Reading::Maildir(reader) => reader.progress(),
            Reading::Mboxes(mboxes) => {
                let open = mboxes.open.as_ref().map_or(0, |(_, reader)| reader.octets_read());
                let read = mboxes.octets_before + open;
                (read, mboxes.octets_all.max(read))
            }
        }
    }

    /// How many files vanished before they were read.
    pub(crate) fn files_vanished(&self) -> u64 {
        match &self.reading {
            Reading::Maildir(reader) => reader.files_vanished(),
            Reading::Mboxes(_) => 0,
        }
    }

    /// What comes next; nothing when all was read.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(crate) fn next_part(&mut self) -> io::Result<Option<Part>> {
        match &mut self.reading {
            Reading::Maildir(reader) => reader.next_part(),
            Reading::Mboxes(mboxes) => mboxes.next_part(),
        }
    }
}

impl Mboxes {
    fn source(files: Vec<(PathBuf, String)>, found: Found) -> io::Result<Source> {
        let mut octets_all = 0;
        for (file, _) in &files {
            octets_all += fs::metadata(file)?.len();
        }
        let mboxes = Self { files: files.into(), open: None, octets_before: 0, octets_all };
        Ok(Source { found, reading: Reading::Mboxes(Box::new(mboxes)) })
    }

    fn next_part(&mut self) -> io::Result<Option<Part>> {
        loop {
            if let Some((path, reader)) = &mut self.open {
                let wrong =
                    |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
                let part = reader.next_part().map_err(wrong)?;
                if part.is_some() {
                    return Ok(part);
                }
                self.octets_before += reader.octets_read();
                self.open = None;
            }
            let Some((path, mailbox)) = self.files.pop_front() else { return Ok(None) };
            let file = File::open(&path)?;
            let came = Timestamp::from(file.metadata()?.modified()?).as_millis();
            let came = i64::try_from(came).unwrap_or(i64::MAX);
            self.open = Some((path, mbox::Reader::new(BufReader::new(file), mailbox, came)));
        }
    }
}

/// The mbox files below a directory, by name.
fn mbox_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut directories, mut files) = (vec![directory.to_owned()], Vec::new());
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)? {
            let (kind, path) = entry.and_then(|entry| Ok((entry.file_type()?, entry.path())))?;
            let is_hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
            if is_hidden {
                continue;
            }
            if kind.is_dir() {
                directories.push(path);
            } else if kind.is_file() && is_mbox(&path)? {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a file begins as an mbox file does; one that is empty has to be called one.
fn is_mbox(path: &Path) -> io::Result<bool> {
    let mut start = [0; 5];
    match File::open(path)?.read_exact(&mut start) {
        Ok(()) => Ok(start == *b"From "),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            let is_called = path.extension().is_some_and(|extension| extension == "mbox");
            Ok(is_called && fs::metadata(path)?.len() == 0)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_recognised_by_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for maildir in ["mail/cur", "mail/new", "mail/.Work/cur", "boxes/Work", "nothing"] {
            fs::create_dir_all(root.join(maildir)).unwrap();
        }
        let message = "From a@x Mon Nov 23 18:00:00 2026\nSubject: x\n\n";
        for (path, text) in [
            ("mail/cur/1.a:2,S", "Subject: x\n\n"),
            ("mail/.Work/cur/1.a:2,S", "Subject: x\n\n"),
            ("boxes/INBOX.mbox", message),
            ("boxes/Work/2024", message),
            ("boxes/Empty.mbox", ""),
            ("boxes/readme", "Nothing to see"),
            ("nothing/readme", "Nothing to see"),
        ] {
            fs::write(root.join(path), text).unwrap();
        }
        let folders = |path: &str, folder: Option<&str>| {
            let mut source = Source::open(&root.join(path), folder).unwrap()?;
            let (mut folders, found) = (Vec::new(), source.found());
            while let Some(part) = source.next_part().unwrap() {
                if let Part::Message(letter) = part {
                    folders.push(letter.folder);
                }
            }
            let (read, all) = source.progress();
            assert_eq!(read, all);
            Some((found, folders.join(" ")))
        };
        for (path, folder, found, folders_found) in [
            ("mail", None, Found::Maildir, "INBOX Work"),
            ("mail", Some("Old"), Found::Maildir, "Old Old/Work"),
            ("boxes/INBOX.mbox", None, Found::Mbox, "INBOX"),
            ("boxes/Work/2024", Some("Old"), Found::Mbox, "Old"),
            ("boxes", None, Found::MboxFiles, "INBOX Work/2024"),
            ("boxes", Some("Old"), Found::MboxFiles, "Old Old/Work/2024"),
        ] {
            assert_eq!(folders(path, folder), Some((found, folders_found.to_owned())), "{path}");
        }
        assert_eq!(folders("nothing", None), None);
        assert_eq!(folders("nothing/readme", None), None);
        assert_eq!(Source::open(&root.join("gone"), None).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
