//! Mail that is brought in: read here, where the operator may read it, and sent to the server in parts.

use std::{io, path::Path};

use admin::{api::Imported, frames::Frame};
use serde::Serialize;

use super::import_remote;
use crate::{
    cli::MailboxImport,
    client::Outbound,
    commands::progress::{self, Progress},
    failure::Failure,
    mailfiles::{Part, Source},
    remote::Url,
    terminal::{self, clean, count},
};

/// Messages of a part: it is answered once they are kept.
const MESSAGES_MAX: u64 = 512;
/// Octets of a part, unless one message alone has more.
const OCTETS_MAX: u64 = 16 << 20;

/// One line for programs.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) read: u64,
    pub(super) all: u64,
    pub(super) imported: u64,
    pub(super) already: u64,
}

pub(super) async fn import(socket: &Path, wanted: &MailboxImport, json: bool) -> Result<(), Failure> {
    let MailboxImport { login, from, folder, .. } = wanted;
    if let Some(url) = from.to_str().filter(|from| Url::is_meant(from)) {
        let url = Url::parse(url)
            .map_err(|why| Failure::usage(format!("cannot read the URL {}", clean(url))).hint(why))?;
        return import_remote::import(socket, wanted, url, json).await;
    }
    if let Some(option) = wanted.only_remote() {
        return Err(Failure::usage(format!(
            "{option} is for a server, and {} is a path",
            clean(&from.to_string_lossy())
        ))
        .hint("a server is named as imaps://USER@HOST/"));
    }
    let unread =
        |error: io::Error| Failure::new(format!("cannot read {}: {error}", clean(&from.to_string_lossy())));
    let mut source = Source::open(from, folder.as_deref()).map_err(unread)?.ok_or_else(|| {
        Failure::usage(format!("there is no mail in {}", clean(&from.to_string_lossy())))
            .hint("name a Maildir (with `cur` and `new` in it), an mbox file (which begins with `From `), or a directory of mbox files")
    })?;
    if !json {
        terminal::say(&format!("{} is {}", clean(&from.to_string_lossy()), source.found().words()));
    }
    let (path, mut progress) = (super::path(login, "/import"), Progress::new(json));
    let mut whole = Imported::default();
    loop {
        let part = send_part(socket, &path, &mut source, &unread).await;
        let part = part.inspect_err(|_| {
            progress.end();
            if whole.imported > 0 {
                terminal::say(&format!("imported until then: {}", text(&whole)));
            }
        })?;
        let Some(Imported { imported, already, keywords_left_out }) = part else { break };
        whole.imported += imported;
        whole.already += already;
        whole.keywords_left_out += keywords_left_out;
        let (read, all) = source.progress();
        let bar = progress::bar("import", (read, all), &count(whole.imported, "message"));
        progress.tell(&bar, &Line { read, all, imported: whole.imported, already: whole.already });
    }
    progress.end();
    if json {
        terminal::print_json(&whole)?;
    } else {
        terminal::print(&text(&whole))?;
    }
    match source.files_vanished() {
        0 => Ok(()),
        files => Err(Failure::new(format!("{} vanished before they could be read", count(files, "file")))
            .hint("another program is at work there; run this again")),
    }
}

/// Sends some messages. Nothing: there are no more.
async fn send_part(
    socket: &Path,
    path: &str,
    source: &mut Source,
    unread: &impl Fn(io::Error) -> Failure,
) -> Result<Option<Imported>, Failure> {
    let Some(first) = source.next_part().map_err(unread)? else { return Ok(None) };
    let mut outbound = Outbound::open(socket, path).await?;
    let (mut messages, mut octets, mut next) = (0, 0, Some(first));
    while let Some(part) = next {
        let is_wanted = match part {
            Part::Octets(piece) => {
                octets += piece.len() as u64;
                outbound.send(&Frame::Octets(piece)).await
            }
            Part::Message(letter) => {
                messages += 1;
                // Texts and numbers alone: it cannot fail.
                outbound.send(&Frame::Document(serde_json::to_vec(&letter).unwrap_or_default())).await
                    && messages < MESSAGES_MAX
                    && octets < OCTETS_MAX
            }
        };
        // A part ends with a message, or with a server that hears no more.
        next = if is_wanted { source.next_part().map_err(unread)? } else { None };
    }
    Ok(Some(outbound.answer().await?))
}

pub(super) fn text(whole: &Imported) -> String {
    let Imported { imported, already, keywords_left_out } = *whole;
    let mut parts = vec![format!("{} imported", count(imported, "message"))];
    if already > 0 {
        parts.push(format!("{already} imported before"));
    }
    if keywords_left_out > 0 {
        parts.push(format!("{} left out for want of room", count(keywords_left_out, "keyword")));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_what_became_of_them() {
        let whole =
            |imported, already, keywords_left_out| text(&Imported { imported, already, keywords_left_out });
        assert_eq!(whole(1, 0, 0), "1 message imported");
        assert_eq!(
            whole(0, 7, 2),
            "0 messages imported, 7 imported before, 2 keywords left out for want of room"
        );
    }
}
