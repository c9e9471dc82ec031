//! Other people's programs: run to their end, with their input and their words.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;

/// How a program ended and what it said.
#[derive(Debug)]
pub struct Said {
    /// Its exit code; 128 + N when signal N ended it.
    pub code: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// Runs a command to its end, with `input` on its standard input.
pub fn said(command: &mut Command, input: &[u8]) -> Said {
    use std::os::unix::process::ExitStatusExt as _;
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {name}: {error}"));
    let mut stdin = child.stdin.take().expect("its input");
    let input = input.to_vec();
    // In a thread of its own: the program may fill its output before it has read its input.
    let writer = thread::spawn(move || {
        // A program that ends early does not want its input; its exit code tells.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("its output");
    writer.join().expect("the writer");
    let code =
        output.status.code().or_else(|| output.status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    Said { code, out: text(&output.stdout), err: text(&output.stderr) }
}

/// Runs a program that must succeed; gives its standard output.
pub fn run<S: AsRef<OsStr>>(program: &str, arguments: &[S], input: &[u8]) -> String {
    let said = said(Command::new(program).args(arguments), input);
    assert_eq!(said.code, 0, "{program} failed: {}{}", said.out, said.err);
    said.out
}
