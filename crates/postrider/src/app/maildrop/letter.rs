//! What a file in the maildrop says.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    time::Duration,
};

use mail::Reply;
use receive::Refusal;
use rustix::fs::OFlags;
use smtp::{Command, MailFrom, RcptTo};

use crate::maildrop::{self, User};

/// A file that was begun and never ended goes after this time.
const OPEN_MAX: Duration = Duration::from_hours(24);
/// The commands of a message.
const HEAD_OCTETS_MAX: usize = 4 << 20;
pub(super) const PIECE_OCTETS: usize = 64 * 1024;

/// What was taken out of a file.
pub(super) struct Letter {
    pub(super) file: File,
    pub(super) user: User,
    pub(super) mail: MailFrom,
    pub(super) recipients: Vec<RcptTo>,
    /// Content that was read with the commands.
    pub(super) begun: Vec<u8>,
    /// Octets of content.
    pub(super) octets: u64,
    /// Where the content begins.
    pub(super) head: u64,
    /// How long it has lain there.
    pub(super) age: Duration,
}

impl Letter {
    /// Those who do not get it; `beginning` is that of its content.
    pub(super) fn refusal<'a>(
        &'a self,
        recipients: &'a [(RcptTo, Reply)],
        beginning: &'a [u8],
    ) -> Refusal<'a> {
        Refusal { mail: &self.mail, recipients, content: beginning, octets: self.octets }
    }
}

/// What a file is.
pub(super) enum Found {
    Letter(Box<Letter>),
    /// It is being written.
    Unfinished,
    /// Its writer has gone. Nobody was told that it was taken.
    Abandoned,
    /// It has gone.
    Nothing,
}

/// Opens a file and reads its commands. [`io::ErrorKind::InvalidData`]: it is no mail, and never will be.
///
/// Anybody may make anything here: links, pipes, files that are somebody else's by another name. Only plain files with one name are read.
pub(super) fn open(path: &Path) -> io::Result<Found> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        found => found?,
    };
    if !metadata.is_file() {
        return Err(wrong("no plain file"));
    }
    let age = metadata.modified()?.elapsed().unwrap_or_default();
    if !maildrop::is_whole(metadata.mode()) {
        return Ok(if age > OPEN_MAX { Found::Abandoned } else { Found::Unfinished });
    }
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or(0);
    let mut file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.nlink() != 1 {
        return Err(wrong("it has several names"));
    }
    let (mail, recipients, begun, head) = read_head(&mut file)?;
    let octets = metadata.len().saturating_sub(head);
    let server = rustix::process::getuid().as_raw();
    let user = maildrop::user(maildrop::sender_of(path, metadata.uid(), server));
    Ok(Found::Letter(Box::new(Letter { file, user, mail, recipients, begun, octets, head, age })))
}

fn wrong(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

/// The commands, the content behind them as far as it was read, and how many octets the commands take.
fn read_head(file: &mut impl Read) -> io::Result<(MailFrom, Vec<RcptTo>, Vec<u8>, u64)> {
    let (mut octets, mut at) = (Vec::new(), 0);
    let (mut mail, mut recipients) = (None, Vec::new());
    loop {
        let line = loop {
            let rest = octets.get(at..).unwrap_or_default();
            if let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
                break rest.get(..end).unwrap_or_default().to_vec();
            }
            let mut piece = vec![0; PIECE_OCTETS];
            let read = file.read(&mut piece)?;
            if read == 0 || octets.len() > HEAD_OCTETS_MAX {
                return Err(wrong("its commands have no end"));
            }
            octets.extend_from_slice(piece.get(..read).unwrap_or_default());
        };
        at += line.len() + 2;
        match (Command::parse(&line), &mail) {
            (Ok(Command::Mail(command)), None) => mail = Some(*command),
            (Ok(Command::Rcpt(rcpt)), Some(_)) => recipients.push(*rcpt),
            (Ok(Command::Data), Some(command)) if !recipients.is_empty() => {
                let begun = octets.split_off(at);
                return Ok((command.clone(), recipients, begun, at as u64));
            }
            _ => return Err(wrong("its commands are none")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn commands_are_read_whatever_the_reads() {
        struct Slow<'a>(&'a [u8]);
        impl Read for Slow<'_> {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                let some = self.0.len().min(3);
                let (now, later) = self.0.split_at(some);
                into[..some].copy_from_slice(now);
                self.0 = later;
                Ok(some)
            }
        }
        let letter =
            b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f> NOTIFY=NEVER\r\nDATA\r\nSubject: x\r\n";
        let (mail, recipients, mut begun, head) = read_head(&mut Slow(letter)).unwrap();
        assert_eq!((mail.reverse_path.to_string().as_str(), recipients.len()), ("<a@b>", 2));
        assert!(!recipients[1].notify.failure);
        begun.extend_from_slice(&letter[usize::try_from(head).unwrap() + begun.len()..]);
        assert_eq!(begun, b"Subject: x\r\n");
        for wrong in [
            "",
            "RCPT TO:<a@b>\r\n",
            "MAIL FROM:<>\r\nDATA\r\n",
            "MAIL FROM:<>\r\nMAIL FROM:<>\r\n",
            "hello\r\n",
        ] {
            let error = read_head(&mut wrong.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{wrong}");
        }
    }

    #[test]
    fn nothing_but_a_plain_whole_file_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let letter: &[u8] = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n";
        maildrop::leave(dir.path(), &[letter]).unwrap();
        let path = fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
        let kind = |path: &Path| {
            open(path).map(|found| matches!(found, Found::Letter(_))).map_err(|error| error.kind())
        };
        assert_eq!(kind(&path), Ok(true));
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        assert_eq!(kind(&link), Err(io::ErrorKind::InvalidData));
        fs::hard_link(&path, dir.path().join("second")).unwrap();
        assert_eq!(kind(&path), Err(io::ErrorKind::InvalidData));
        fs::remove_file(dir.path().join("second")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(kind(&path), Ok(false), "it may be being written");
        assert!(matches!(open(&dir.path().join("gone")), Ok(Found::Nothing)));
    }
}
