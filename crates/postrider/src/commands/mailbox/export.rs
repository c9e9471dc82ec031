//! Mail that is taken out: told by the server mailbox by mailbox, and written here.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use admin::{
    api::{Letter, Mailbox},
    frames::Frame,
};
use serde::Serialize;

use crate::{
    cli::{ExportFormat, MailboxExport},
    client::{encoded, messages},
    commands::progress::{self, Progress},
    failure::Failure,
    mailfiles::{folder_name, maildir, mbox},
    terminal::{self, clean, count},
};

/// What was written.
#[derive(Debug, Default, Serialize)]
struct Exported {
    mailboxes: u64,
    messages: u64,
    octets: u64,
    keywords_left_out: u64,
}

/// One line for programs.
#[derive(Debug, Serialize)]
struct Line {
    octets: u64,
    all: u64,
    messages: u64,
}

pub(super) async fn export(socket: &Path, wanted: &MailboxExport, json: bool) -> Result<(), Failure> {
    let MailboxExport { login, to, format, .. } = wanted;
    let all = super::mailboxes(socket, login).await?;
    let failed = |error: &io::Error| {
        Failure::new(format!("cannot write to {}: {error}", clean(&to.to_string_lossy())))
    };
    prepare(to).map_err(|error| failed(&error))??;
    if *format == ExportFormat::Maildir {
        // The Maildir is there also when INBOX comes last, or not at all.
        maildir::Writer::create(to, "INBOX").map_err(|error| failed(&error))?;
    }
    let (mut exported, mut progress) = (Exported::default(), Progress::new(json));
    for Mailbox { name, .. } in &all.mailboxes {
        let mut writer = Writer::create(to, name, *format).map_err(|error| failed(&error))?;
        let path = super::path(login, &format!("/export?folder={}", encoded(name)));
        let told = messages(socket, &path, |frame| {
            if let Frame::Octets(octets) = &frame {
                exported.octets += octets.len() as u64;
            }
            let is_whole = frame == Frame::End;
            writer.take(frame).map_err(|error| failed(&error))?;
            if is_whole {
                exported.messages += 1;
                let (octets, all) = (exported.octets, all.quota.octets);
                let bar = progress::bar("export", (octets, all), &count(exported.messages, "message"));
                progress.tell(&bar, &Line { octets, all, messages: exported.messages });
            }
            Ok(())
        });
        told.await.inspect_err(|_| progress.end())?;
        exported.keywords_left_out += writer.finish().map_err(|error| failed(&error))?;
        exported.mailboxes += 1;
    }
    progress.end();
    // One sync for all: a file alone is no promise here.
    File::open(to)
        .and_then(|directory| Ok(rustix::fs::syncfs(directory)?))
        .map_err(|error| failed(&error))?;
    if json { terminal::print_json(&exported) } else { terminal::print(&text(&exported)) }
}

/// Makes the directory, or makes sure that nothing is in it.
fn prepare(to: &Path) -> io::Result<Result<(), Failure>> {
    match fs::DirBuilder::new().mode(0o700).create(to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let is_empty = fs::read_dir(to)?.next().is_none();
            let wrong = || {
                Failure::usage(format!("{} is not empty", clean(&to.to_string_lossy())))
                    .hint("nothing is written over: name a directory that is empty or not there yet")
            };
            Ok(if is_empty { Ok(()) } else { Err(wrong()) })
        }
        made => made.map(Ok),
    }
}

/// Where the messages of a mailbox are written.
enum Writer {
    Maildir { writer: maildir::Writer, came: i64 },
    Mbox(mbox::Writer<BufWriter<File>>),
}

impl Writer {
    fn create(root: &Path, mailbox: &str, format: ExportFormat) -> io::Result<Self> {
        match format {
            ExportFormat::Maildir => {
                Ok(Self::Maildir { writer: maildir::Writer::create(root, mailbox)?, came: 0 })
            }
            ExportFormat::Mbox => {
                let path = folder_name::mbox(root, mailbox);
                if let Some(directory) = path.parent() {
                    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
                }
                Ok(Self::Mbox(mbox::Writer::new(BufWriter::new(maildir::new_file(&path)?))))
            }
        }
    }

    fn take(&mut self, frame: Frame) -> io::Result<()> {
        match (self, frame) {
            (Self::Maildir { writer, came }, Frame::Document(document)) => {
                let letter = letter(&document)?;
                *came = letter.internal_date;
                writer.begin(&letter)
            }
            (Self::Maildir { writer, .. }, Frame::Octets(octets)) => writer.write(&octets),
            (Self::Maildir { writer, came }, Frame::End) => writer.end(*came),
            (Self::Mbox(writer), Frame::Document(document)) => writer.begin(&letter(&document)?),
            (Self::Mbox(writer), Frame::Octets(octets)) => writer.write(&octets),
            (Self::Mbox(writer), Frame::End) => writer.end(),
            (_, Frame::Finished | Frame::Failed(_) | Frame::Head(_) | Frame::Abandoned) => Ok(()),
        }
    }

    /// How many keywords could not be written.
    fn finish(self) -> io::Result<u64> {
        match self {
            Self::Maildir { writer, .. } => writer.finish(),
            Self::Mbox(writer) => writer.into_inner().flush().map(|()| 0),
        }
    }
}

fn letter(document: &[u8]) -> io::Result<Letter> {
    serde_json::from_slice(document).map_err(io::Error::from)
}

fn text(exported: &Exported) -> String {
    let Exported { mailboxes, messages, keywords_left_out, .. } = *exported;
    let from = if mailboxes == 1 { "1 mailbox".to_owned() } else { format!("{mailboxes} mailboxes") };
    let text = format!("{} of {from} exported", count(messages, "message"));
    match keywords_left_out {
        0 => text,
        number => {
            let left_out = count(number, "keyword");
            format!("{text}; {left_out} left out: a folder of a Maildir has room for 26")
        }
    }
}
