//! Dialogues: tests that read like a session, run against whatever a [`World`] connects them to.
//!
//! ```text
//! # RFC 5321 §4.5.5                          a comment
//! given: mailbox anna@example.org            a fact for the world, before or between the lines
//! dns: example.org MX 10 mx.example.org      a record
//! disk: full                                 a fault
//! S: 220 mx.example.org ESMTP ...            the server says exactly this line; `...` stands for any text, also none
//! C: EHLO client.example.net                 the client says this line, and CRLF
//! S: 250-mx.example.org greets ...           each line of a reply is listed
//! C> MAIL FROM:<>\r                          octets without a CRLF behind them
//! later: 5m                                  time passes: ms, s, m, h, d
//! S*3: 250 2.1.5 ...                         the same line three times
//! S*: 250-...                                one such line, and all further ones
//! S: (silent)                                the server has nothing to say now
//! close:                                     the client closes its side
//! S: (closed)                                the server has closed
//! then: 1 message                            a check of the world
//! 2C: QUIT                                   another client; each connects when it first occurs
//! ```
//! `C` knows the escapes `\r`, `\n`, `\t`, `\0`, `\\`, `\xNN`, and `\(TEXT*N)` for TEXT N times (not nested). What the server sends
//! besides printable text is shown with the same escapes. Spaces at the end of a line do not count: write `\x20`.
//!
//! With `UPDATE_DIALOGUES=1` in the environment, [`play_file`] rewrites the `S:` lines of a file to what the server said,
//! and keeps those that match.

mod client;
mod language;
mod player;
#[cfg(test)]
mod tests;

use std::{future::Future, io, path::Path, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite};

pub use language::{Dialogue, escape, matches};
pub use player::Mismatch;

/// What a dialogue plays in. Facts that a world does not know are errors, with a text that says so.
pub trait World {
    /// A connection of a client.
    type Stream: AsyncRead + AsyncWrite + Unpin;

    /// Connects the client of that number, 1 if the dialogue gives none.
    fn connect(&mut self, client: usize) -> impl Future<Output = io::Result<Self::Stream>>;
    /// `given:`.
    fn given(&mut self, fact: &str) -> impl Future<Output = Result<(), String>> {
        let error = format!("this world knows no `given: {fact}`");
        async { Err(error) }
    }
    /// `dns:`.
    fn dns(&mut self, record: &str) -> impl Future<Output = Result<(), String>> {
        let error = format!("this world knows no `dns: {record}`");
        async { Err(error) }
    }
    /// `disk:`.
    fn disk(&mut self, fault: &str) -> impl Future<Output = Result<(), String>> {
        let error = format!("this world knows no `disk: {fault}`");
        async { Err(error) }
    }
    /// `later:`.
    fn later(&mut self, time: Duration) -> impl Future<Output = Result<(), String>> {
        let error = format!("this world has no time of its own for `later: {time:?}`");
        async { Err(error) }
    }
    /// `then:`.
    fn then(&mut self, fact: &str) -> impl Future<Output = Result<(), String>> {
        let error = format!("this world knows no `then: {fact}`");
        async { Err(error) }
    }
}

/// Plays a dialogue.
///
/// # Errors
/// The first line that did not come true, with the transcript up to there.
pub async fn play<W: World>(text: &str, world: &mut W) -> Result<(), Mismatch> {
    let dialogue = Dialogue::parse(text)?;
    player::play(&dialogue, world, false).await.map(drop)
}

/// Plays the dialogue in a file, or brings the file up to date if `UPDATE_DIALOGUES` is set.
///
/// # Errors
/// As [`play`]; or the file cannot be read or written.
pub async fn play_file<W: World>(path: &Path, world: &mut W) -> Result<(), Mismatch> {
    let text = std::fs::read_to_string(path).map_err(|error| Mismatch::of_file(path, &error))?;
    let update = std::env::var_os("UPDATE_DIALOGUES").is_some();
    let dialogue = Dialogue::parse(&text)?;
    let said = player::play(&dialogue, world, update).await?;
    if update {
        let updated = dialogue.updated(&said);
        if updated != text {
            std::fs::write(path, updated).map_err(|error| Mismatch::of_file(path, &error))?;
        }
    }
    Ok(())
}
