//! `bench`: measures Postrider beside its peers, with its own light SMTP source and sink.
#![expect(clippy::print_stderr, reason = "a command-line tool speaks to its user")]
#![expect(
    clippy::disallowed_methods,
    reason = "what measures time reads the clock, and looks again now and then"
)]

/// Prints a line of the product. A reader that has gone (`| head`) is no reason to panic, as `println!` would.
macro_rules! say {
    ($($arguments:tt)*) => {{
        use std::io::Write as _;
        drop(writeln!(std::io::stdout(), $($arguments)*));
    }};
}

mod args;
mod auth;
mod beside;
mod clock;
mod compare;
mod content;
mod cpu;
mod dial;
mod dns;
mod fairness;
mod fill;
mod group;
mod guard;
mod idle;
mod logins;
mod machine;
mod mailbox;
mod maildir;
mod matrix;
mod memory;
mod order;
mod peak;
mod plot;
mod poller;
mod queue;
mod results;
mod run;
mod scenario;
mod secure;
mod servers;
mod sink;
mod source;
mod stats;
mod table;
mod talk;
mod tls;
mod wire;
mod work_dir;

use args::{Command, Options};
use clap::Parser as _;
use std::process::ExitCode;

/// A failure told to the person who ran the command; nothing here needs to tell kinds apart.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    raise_descriptors();
    let outcome = match Options::parse().command {
        Command::Source(options) => source::command(&options),
        Command::Sink(options) => sink::command(&options),
        Command::Run(options) => run::command(&options),
        Command::All(options) => matrix::command(&options),
        Command::Compare(options) => compare::command(&options),
        Command::Fairness(options) => fairness::command(&options),
        Command::Tls(options) => tls::command(&options),
        Command::Auth(options) => auth::command(&options),
        Command::Logins(options) => logins::command(&options),
        Command::Mailbox(options) => mailbox::command(&options),
        Command::Queue(options) => queue::command(&options),
        Command::Order(options) => order::command(&options),
        Command::GuardDirectory { directory } => work_dir::command(&directory),
        Command::Guard { groups, program, arguments } => guard::command(&groups, &program, &arguments),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Ten thousand sessions have ten thousand sockets here too. What the system does not allow shows where it is missing.
fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
