//! How a judge is asked, and how our library is asked without a runtime.

use std::{
    fmt::Write as _,
    io::Write as _,
    pin::pin,
    process::{Command, Stdio},
    task::{Context, Poll, Waker},
    thread,
};

/// A script of Debian's Python, whose packages are there: its output, when it has read `input`.
pub(crate) fn python(script: &str, arguments: &[&str], input: String) -> String {
    let mut command = Command::new("/usr/bin/python3");
    // Isolated: a file of the folder at hand is no package.
    command.args(["-I", "-c", script]).args(arguments);
    output(command, input)
}

/// The same of Debian's Perl.
pub(crate) fn perl(script: &str, arguments: &[&str], input: String) -> String {
    let mut command = Command::new("/usr/bin/perl");
    command.args(["-e", script, "--"]).args(arguments);
    output(command, input)
}

fn output(mut command: Command, input: String) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the judge");
    let mut stdin = child.stdin.take().expect("its input");
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("its output");
    let written = writer.join().expect("the writer");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && written.is_ok(), "{errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What a check comes to: the DNS of a script answers at once, so there is never anything to wait for.
pub(crate) fn at_once<T>(check: impl Future<Output = T>) -> T {
    match pin!(check).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("a script that waits"),
    }
}

/// Octets as text for a pipe.
pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(2 * octets.len()), |mut text, octet| {
        write!(text, "{octet:02x}").expect("a string takes all");
        text
    })
}

/// And back.
pub(crate) fn octets(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("digits"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("digits")).collect()
}
