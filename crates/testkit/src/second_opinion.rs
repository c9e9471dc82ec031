//! What `smtp-proto` makes of the same octets, and where it is known to differ.
//!
//! These functions panic where it differs and should not.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "it is for tests, and judges what must hold"
)]

use mail::{Address, Body, Notify, Ret};
use smtp::{Command, ForwardPath, MailFrom, RcptTo};
use smtp_proto::{
    MAIL_BODY_8BITMIME, MAIL_RET_FULL, MAIL_RET_HDRS, MAIL_SMTPUTF8, RCPT_NOTIFY_DELAY, RCPT_NOTIFY_FAILURE,
    RCPT_NOTIFY_NEVER, RCPT_NOTIFY_SUCCESS, Request, request::receiver::DataReceiver,
};

use crate::by_the_book::find;

/// What we take, it takes in the same sense.
pub fn agrees_about_command(ours: &Command, line: &[u8]) {
    // It does not know address literals (RFC 5321 §4.1.3), and of the types of ORCPT, which are any registered word (RFC 3461 §4.2),
    // only rfc822.
    let lower = line.to_ascii_lowercase();
    let odd_type = find(&lower, b"orcpt=").is_some() && find(&lower, b"orcpt=rfc822;").is_none();
    if line.contains(&b'[') || odd_type {
        return;
    }
    let line = [line.trim_ascii_end(), b"\r\n"].concat();
    let theirs = Request::parse(&mut line.iter());
    let shown = String::from_utf8_lossy(&line);
    match (ours, theirs) {
        (Command::Mail(ours), Ok(Request::Mail { from })) => agrees_about_mail(ours, &from, &shown),
        (Command::Rcpt(ours), Ok(Request::Rcpt { to })) => agrees_about_rcpt(ours, &to, &shown),
        (Command::Mail(_) | Command::Rcpt(_), theirs) => panic!("{shown}: {theirs:?}"),
        // What else it refuses, in commands without paths, carries no meaning.
        _ => {}
    }
}

fn agrees_about_mail(ours: &MailFrom, from: &smtp_proto::MailFrom<std::borrow::Cow<'_, str>>, shown: &str) {
    let address = ours.reverse_path.address().map(plain).unwrap_or_default();
    assert_eq!(from.address.to_lowercase(), address.to_lowercase(), "{shown}");
    assert_eq!(from.flags & MAIL_BODY_8BITMIME != 0, ours.body == Body::EightBitMime, "{shown}");
    assert_eq!(from.flags & MAIL_SMTPUTF8 != 0, ours.smtputf8, "{shown}");
    assert_eq!(from.size as u64, ours.size.unwrap_or(0), "{shown}");
    assert_eq!(from.flags & MAIL_RET_FULL != 0, ours.ret == Some(Ret::Full), "{shown}");
    assert_eq!(from.flags & MAIL_RET_HDRS != 0, ours.ret == Some(Ret::Headers), "{shown}");
    assert_eq!(from.env_id.is_some(), ours.envid.is_some(), "{shown}");
}

fn agrees_about_rcpt(ours: &RcptTo, to: &smtp_proto::RcptTo<std::borrow::Cow<'_, str>>, shown: &str) {
    let address = match &ours.forward_path {
        ForwardPath::Postmaster => String::new(),
        ForwardPath::Address(address) => plain(address),
    };
    assert_eq!(to.address.to_lowercase(), address.to_lowercase(), "{shown}");
    let Notify { success, failure, delay, given } = ours.notify;
    let never = given && !success && !failure && !delay;
    for (flag, wanted) in [
        (RCPT_NOTIFY_SUCCESS, success),
        (RCPT_NOTIFY_FAILURE, failure && given),
        (RCPT_NOTIFY_DELAY, delay && given),
        (RCPT_NOTIFY_NEVER, never),
    ] {
        assert_eq!(to.flags & flag != 0, wanted, "{shown}");
    }
}

fn plain(address: &Address) -> String {
    format!("{}@{}", address.local_part(), address.domain())
}

/// The content it finds behind DATA, and how many octets that takes; none if it sees no end.
///
/// A fresh receiver of it does not know that it stands at the start of a line: it does not see `.` CR LF as the end of an empty
/// message, and leaves a first dot doubled. So it gets a line before, which is taken off again.
pub fn data(input: &[u8]) -> Option<(usize, Vec<u8>)> {
    const BEFORE: &[u8] = b"x\r\n";
    let stream = [BEFORE, input].concat();
    let (mut receiver, mut out) = (DataReceiver::new(), Vec::new());
    let mut octets = stream.iter();
    let ended = receiver.ingest(&mut octets, &mut out);
    let used = stream.len() - octets.as_slice().len() - BEFORE.len();
    ended.then(|| (used, out.strip_prefix(BEFORE).expect("the first line").to_vec()))
}
