//! `postrider status`: how the server is, for people and for programs that watch it.

use admin::api::{self, Certificate, Listener, Relay, Unsigned};

use crate::{
    cli::Status,
    client::get,
    config,
    failure::Failure,
    place,
    terminal::{self, clean, count},
};

pub(crate) fn run(wanted: &Status, json: bool) -> Result<(), Failure> {
    let socket = config::control_socket(&place::data_dir(&wanted.place)?);
    let status: api::Status = super::run(async { Ok(get(&socket, "/v1/status").await?) })?;
    if json {
        terminal::print_json(&status)?;
    } else {
        terminal::print(&text(&status))?;
    }
    trouble(&status).map_or(Ok(()), Err)
}

fn text(status: &api::Status) -> String {
    let api::Status {
        version,
        pid,
        hostname,
        started_at,
        listeners,
        queue,
        certificate,
        maildrop,
        relays,
        unsigned,
    } = status;
    let mut lines = vec![
        format!("server       {} {version}, process {pid}, since {}", clean(hostname), time(started_at)),
        format!(
            "queue        {} for {}",
            count(queue.messages, "message"),
            count(queue.recipients, "recipient")
        ),
    ];
    if maildrop.waiting > 0 {
        lines.push(format!("maildrop     {}", count(maildrop.waiting, "message")));
    }
    if maildrop.aside > 0 {
        let files = count(maildrop.aside, "file");
        lines.push(format!("put aside    {files} in maildrop-bad that cannot be read as mail"));
    }
    lines.extend(listeners.iter().map(|Listener { service, address, tls }| match tls.as_str() {
        "none" => format!("listening    {address} for {service}"),
        tls => format!("listening    {address} for {service}, TLS {tls}"),
    }));
    lines.extend(certificate.iter().flat_map(about));
    lines.extend(relays.iter().flat_map(about_relay));
    lines.extend(unsigned.iter().map(|Unsigned { domain, why, held }| {
        let mail = if *held { "waits" } else { "goes without a good signature" };
        format!("signatures   mail of {} {mail}: {}", clean(domain), clean(why))
    }));
    lines.join("\n")
}

fn about(certificate: &Certificate) -> Vec<String> {
    let Certificate { names, certified, expires_at, next_attempt_at, failures, failure, .. } = certificate;
    let whose = if *certified { "certified" } else { "not certified yet" };
    let mut lines = vec![
        format!(
            "certificate  {}: {whose}; what is shown expires {}",
            clean(&names.join(" ")),
            time(expires_at)
        ),
        format!("             next one asked for {}", time(next_attempt_at)),
    ];
    let why = failure.as_deref().filter(|_| *failures > 0);
    lines.extend(
        why.map(|why| {
            format!("             {} failed: {}", count((*failures).into(), "attempt"), clean(why))
        }),
    );
    lines
}

fn about_relay(relay: &Relay) -> Vec<String> {
    let Relay { name, used, per_day, room_at, failing_since, reply, .. } = relay;
    let budget = per_day.map_or_else(|| used.to_string(), |most| format!("{used} of {most}"));
    let mut lines = vec![format!("relay        {}: {budget} today", clean(name))];
    lines.extend(room_at.as_ref().map(|at| format!("             the rest waits until {}", time(at))));
    if let Some(since) = failing_since {
        lines.push(format!("             it takes no mail since {}", time(since)));
        lines.extend(reply.as_ref().map(|reply| format!("             it says {}", clean(reply))));
    }
    lines
}

/// What somebody should look at.
fn trouble(status: &api::Status) -> Option<Failure> {
    if status.queue.poisoned {
        let failure = Failure::new("no mail is taken: the disk failed");
        return Some(failure.hint("look at the kernel's log, then start the server again"));
    }
    if let Some(relay) = status.relays.iter().find(|relay| relay.alarmed) {
        let failure = Failure::new(format!("the relay {} takes no mail", clean(&relay.name)));
        return Some(failure.hint(format!("postrider relay check {}", clean(&relay.name))));
    }
    if let Some(Unsigned { domain, .. }) = status.unsigned.first() {
        let failure = Failure::new(format!("mail of {} cannot be signed as it should be", clean(domain)));
        return Some(failure.hint("`postrider dkim status` says what to do"));
    }
    let certificate = status.certificate.as_ref()?;
    let alarm = certificate.alarm.as_deref().filter(|alarm| *alarm != "warning")?;
    let failure = Failure::new(format!("there is no new certificate ({alarm})"));
    Some(failure.hint("mend what the log names, then `postrider config reload` has it tried again"))
}

/// A time to the second.
fn time(text: &str) -> String {
    clean(text.split_once('.').map_or(text, |(seconds, _)| seconds)).replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(certificate: Option<Certificate>) -> api::Status {
        let (service, address, tls) = ("smtp".into(), "0.0.0.0:25".into(), "starttls".into());
        api::Status {
            version: "0.1.0".into(),
            pid: 7,
            hostname: "mx.example.org".into(),
            started_at: "2026-11-23T18:02:14.000Z".into(),
            listeners: vec![Listener { service, address, tls }],
            queue: api::Totals { messages: 1, recipients: 2, ..api::Totals::default() },
            certificate,
            maildrop: api::Maildrop::default(),
            relays: Vec::new(),
            unsigned: Vec::new(),
        }
    }

    #[test]
    fn what_lies_in_the_maildrop_is_shown_if_there_is_anything() {
        let mut status = status(None);
        assert!(!text(&status).contains("maildrop"));
        status.maildrop = api::Maildrop { waiting: 2, aside: 1 };
        let shown = text(&status);
        assert!(
            shown.contains("\nmaildrop     2 messages\nput aside    1 file in maildrop-bad that"),
            "{shown}"
        );
    }

    #[test]
    fn a_relay_is_shown_with_its_budget_and_one_that_takes_nothing_is_a_failure() {
        let mut status = status(None);
        let fine = Relay { name: "gmail".into(), used: 37, per_day: Some(500), ..Relay::default() };
        status.relays = vec![fine.clone()];
        assert!(
            text(&status).ends_with("\nrelay        gmail: 37 of 500 today") && trouble(&status).is_none()
        );
        let at = || Some("2026-11-30T08:00:00.000Z".to_owned());
        let spent = Relay { used: 500, room_at: at(), ..fine.clone() };
        let failing =
            Relay { failing_since: at(), reply: Some("535 5.7.8 No".into()), alarmed: true, ..fine };
        status.relays = vec![spent];
        assert!(
            text(&status)
                .ends_with("500 of 500 today\n             the rest waits until 2026-11-30 08:00:00")
        );
        assert!(trouble(&status).is_none());
        status.relays = vec![failing];
        assert!(
            text(&status).ends_with("no mail since 2026-11-30 08:00:00\n             it says 535 5.7.8 No")
        );
        assert!(trouble(&status).is_some());
    }

    #[test]
    fn a_domain_without_signatures_is_shown_and_is_a_failure() {
        let mut status = status(None);
        assert!(trouble(&status).is_none());
        status.unsigned =
            vec![Unsigned { domain: "example.org".into(), why: "there is no record".into(), held: true }];
        assert!(text(&status).ends_with("\nsignatures   mail of example.org waits: there is no record"));
        assert!(trouble(&status).is_some());
    }

    #[test]
    fn a_certificate_that_is_not_renewed_is_shown_and_is_a_failure() {
        let fine = Certificate {
            names: vec!["mx.example.org".into()],
            certified: true,
            expires_at: "2027-01-01T00:00:00.000Z".into(),
            next_attempt_at: "2026-12-01T00:00:00.000Z".into(),
            ..Certificate::default()
        };
        let failed = |alarm: &str| Certificate {
            failures: 3,
            failure: Some("connection refused".into()),
            alarm: Some(alarm.into()),
            ..fine.clone()
        };
        let shown = text(&status(Some(failed("error"))));
        assert_eq!(
            shown,
            "server       mx.example.org 0.1.0, process 7, since 2026-11-23 18:02:14\n\
             queue        1 message for 2 recipients\n\
             listening    0.0.0.0:25 for smtp, TLS starttls\n\
             certificate  mx.example.org: certified; what is shown expires 2027-01-01 00:00:00\n\
             \u{20}            next one asked for 2026-12-01 00:00:00\n\
             \u{20}            3 attempts failed: connection refused"
        );
        for (certificate, fails) in [
            (None, false),
            (Some(fine.clone()), false),
            (Some(failed("warning")), false),
            (Some(failed("error")), true),
            (Some(failed("urgent")), true),
        ] {
            assert_eq!(trouble(&status(certificate)).is_some(), fails);
        }
        let mut poisoned = status(None);
        poisoned.queue.poisoned = true;
        assert!(trouble(&poisoned).is_some());
    }
}
