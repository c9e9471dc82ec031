//! A command line: what is taken is written again to the same, on one line, and means to `smtp-proto` what it means to us.

use smtp::Command;
use testkit::second_opinion;

pub(crate) fn run(line: &[u8]) {
    let Ok(command) = Command::parse(line) else { return };
    let mut written = Vec::new();
    command.write_to(&mut written);
    let bare = written.strip_suffix(b"\r\n").expect("a line");
    assert!(!bare.contains(&b'\r') && !bare.contains(&b'\n'), "{written:?}");
    // Controls in a text of VRFY and EXPN are shown as `?`: nobody gets these from us.
    if !line.iter().any(u8::is_ascii_control) {
        assert_eq!(Command::parse(bare), Ok(command.clone()), "{}", String::from_utf8_lossy(bare));
    }
    second_opinion::agrees_about_command(&command, line);
}
