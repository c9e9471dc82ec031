//! `bench tls`: what TLS costs, beside Postfix: sessions that stand, new ones for each message, and mail that goes out under TLS as well.

mod report;

use crate::Failure;
use crate::args::{Generator, LoadOptions, TlsOptions};
use crate::idle;
use crate::machine::Machine;
use crate::run;
use crate::scenario::Work;
use crate::secure::{Tls, TlsLoad};
use crate::servers::{Candidate, Kind};
use report::{Report, Row};
use std::process::ExitCode;
use std::time::Duration;

/// Octets of a message.
const SIZE: usize = 10 << 10;
/// No message of a round is started after this.
const ROUND_MAX: Duration = Duration::from_secs(15);

/// One way to come by a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    work: Work,
    name: &'static str,
    tls: Option<Tls>,
    /// A new session for each message.
    one_each: bool,
    resumes: bool,
}

impl Form {
    const fn kept(work: Work, name: &'static str, tls: Option<Tls>) -> Self {
        Self { work, name, tls, one_each: false, resumes: true }
    }

    const fn one_each(name: &'static str, tls: Option<Tls>, resumes: bool) -> Self {
        Self { work: Work::Accept, name, tls, one_each: true, resumes }
    }

    fn load(self, options: &TlsOptions) -> LoadOptions {
        LoadOptions {
            works: vec![self.work],
            sessions: vec![options.sessions],
            size: SIZE,
            messages: options.messages,
            rounds: options.rounds,
            generator: Generator::Own,
            per_session: self.one_each.then_some(1),
            tls: TlsLoad { tls: self.tls, full_handshakes: !self.resumes },
            no_pipelining: false,
            spread: 10,
            time_limit: ROUND_MAX,
            disk: options.place.disk.clone(),
            keep: false,
        }
    }

    /// Sessions that Postfix keeps or not are those that mail goes out by.
    fn is_for(self, who: &Candidate) -> bool {
        who.kind != Kind::PostfixReuse || (self.work == Work::Relay && self.tls.is_some())
    }
}

const FORMS: [Form; 9] = [
    Form::kept(Work::Accept, "clear, kept", None),
    Form::kept(Work::Accept, "STARTTLS, kept", Some(Tls::Starttls)),
    Form::kept(Work::Accept, "implicit, kept", Some(Tls::Implicit)),
    Form::one_each("clear, one each", None, true),
    Form::one_each("STARTTLS, one each, full", Some(Tls::Starttls), false),
    Form::one_each("STARTTLS, one each, resumed", Some(Tls::Starttls), true),
    Form::one_each("implicit, one each, resumed", Some(Tls::Implicit), true),
    Form::kept(Work::Relay, "clear, kept", None),
    Form::kept(Work::Relay, "STARTTLS in and out", Some(Tls::Starttls)),
];

pub(crate) fn command(options: &TlsOptions) -> Result<ExitCode, Failure> {
    let mut candidates = vec![Candidate::postrider("Postrider", options.place.program.find()?)];
    if !options.no_peer {
        candidates.splice(..0, [Kind::Postfix, Kind::PostfixReuse].map(Candidate::peer));
    }
    let dir = options.place.disk.work_dir()?;
    let machine = Machine::look(dir.path())?;
    say!("{}\n", machine.line());
    let mut rows = Vec::new();
    for form in FORMS {
        let who: Vec<Candidate> = candidates.iter().filter(|who| form.is_for(who)).cloned().collect();
        eprintln!("{}:", form.name);
        let load = form.load(options);
        let cells = run::measure_group(&load, &who, form.work, options.sessions, dir.path())?;
        rows.extend(cells.into_iter().map(|cell| Row { form: form.name, cell }));
    }
    candidates.retain(|who| who.kind != Kind::PostfixReuse);
    let mut idle = Vec::new();
    for tls in [None, Some(Tls::Starttls)] {
        let form = if tls.is_some() { "STARTTLS" } else { "clear" };
        let measured = idle::measure(&candidates, options.idle, tls, dir.path())?;
        idle.extend(measured.into_iter().map(|idle| (form, idle)));
    }
    let (messages, rounds, sessions) = (options.messages, options.rounds, options.sessions);
    let load = format!(
        "own source, {sessions} sessions, {messages} messages of {SIZE} octets a round, {rounds} rounds"
    );
    let report = Report { machine, load, rows, idle };
    say!("{}", report.text());
    if let Some(results) = options.place.results.get() {
        say!("\nwritten to {}", report.write(results)?.display());
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_sessions_of_postfix_are_looked_at_where_mail_goes_out_under_tls() {
        let reuse = Candidate::peer(Kind::PostfixReuse);
        let names: Vec<&str> =
            FORMS.iter().filter(|form| form.is_for(&reuse)).map(|form| form.name).collect();
        assert_eq!(names, ["STARTTLS in and out"]);
        assert!(FORMS.iter().all(|form| form.is_for(&Candidate::peer(Kind::Postfix))));
    }
}
