//! A command of IMAP: what is taken is written again to the same, and what announces a message is told from what does not.

use imap::{
    Grammar, Request,
    command::{Announcement, announcement, behind},
};

pub(crate) fn run(text: &[u8]) {
    for utf8 in [false, true] {
        let grammar = Grammar { utf8, ..Grammar::default() };
        if let Announcement::Message(upload) = announcement(text, grammar) {
            // It is complete only with its message.
            assert!(Request::parse(text, grammar).is_err(), "{upload:?}");
        }
        let _ = behind(text, utf8, grammar);
        let Ok(request) = Request::parse(text, grammar) else { continue };
        let written = request.to_octets(utf8);
        let bare = written.strip_suffix(b"\r\n").expect("a line");
        assert_eq!(Request::parse(bare, grammar), Ok(request), "{}", bare.escape_ascii());
    }
}
