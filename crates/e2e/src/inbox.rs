//! What lies in an INBOX, read by IMAP as it goes over the wire.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::maildir::Mail;

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// All at once; the answers are read to their end.
const SESSION: &[u8] =
    b"a LOGIN anybody word\r\nb EXAMINE INBOX\r\nc UID FETCH 1:* BODY.PEEK[]\r\nd LOGOUT\r\n";

/// The messages of the INBOX that a `dev` server shows in clear, in their order.
pub(crate) fn inbox(server: SocketAddr) -> Vec<Mail> {
    let stream = TcpStream::connect(server).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    let mut stream = BufReader::new(stream);
    // The server speaks first, and refuses who does not wait for that.
    stream.read_line(&mut String::new()).expect("a greeting");
    stream.get_mut().write_all(SESSION).expect("commands are taken");
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).expect("answers");
    let mut rest = answers.as_slice();
    let (mut found, mut done) = (Vec::new(), false);
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        let (line, after) = rest.split_at(end);
        let line = String::from_utf8_lossy(line);
        rest = after.get(2..).unwrap_or_default();
        done |= line.starts_with("c OK ");
        let Some(octets) = line.strip_suffix('}').and_then(|line| line.rsplit_once('{')) else { continue };
        let octets = octets.1.parse().expect("the length of a literal");
        let (message, after) = rest.split_at_checked(octets).expect("the whole literal");
        let path = PathBuf::from(format!("INBOX message {}", found.len() + 1));
        found.push(Mail { path, filed: SystemTime::now(), octets: message.to_vec() });
        rest = after;
    }
    assert!(done, "{}", String::from_utf8_lossy(&answers));
    found
}
