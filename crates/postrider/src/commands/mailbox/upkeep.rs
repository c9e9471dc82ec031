//! What is stored of mailboxes, checked and made anew: by the server, or without one by opening the file.

use std::io;

use admin::api::{Finding, Findings};
use disk::{Clock, Disk, OsDisk, SystemClock};
use mailstore::{Mailstore, MailstoreError};

use crate::{
    cli::Place,
    client::{ClientError, post_and_wait},
    config,
    failure::Failure,
    place,
    terminal::{self, clean, count},
};

pub(super) fn verify(place: &Place, json: bool) -> Result<(), Failure> {
    let findings = by_server_or_here(place, "verify", |mailstore| {
        let findings = mailstore.verify()?.into_iter();
        let told = |found: mailstore::Finding| Finding { what: found.what, derived: found.derived };
        Ok(Findings { findings: findings.map(told).collect() })
    })?;
    if json {
        terminal::print_json(&findings)?;
    } else {
        terminal::print(&text(&findings))?;
    }
    let found = findings.findings.len() as u64;
    if found == 0 {
        return Ok(());
    }
    let failure = Failure::new(format!("{} in what is stored", count(found, "thing that is wrong")));
    Err(if findings.findings.iter().all(|finding| finding.derived) {
        failure.hint("all of it is derived from the messages: `postrider mailbox rebuild` makes it anew")
    } else {
        failure.hint("look at the disk before anything else, and keep a copy; what is derived is made anew by `postrider mailbox rebuild`")
    })
}

pub(super) fn rebuild(place: &Place, json: bool) -> Result<(), Failure> {
    let done = by_server_or_here(place, "rebuild", |mailstore| {
        mailstore.rebuild_structures()?;
        let now = i64::try_from(SystemClock.now().as_millis()).unwrap_or(i64::MAX);
        // The runtime only waits: the store has a thread of its own.
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(|error| MailstoreError::Damaged(error.to_string()))?;
        runtime.block_on(mailstore.rebuild(None, now))?;
        // The server fills it again.
        mailstore.rebuild_index()?;
        Ok(Findings::default())
    })?;
    if json {
        terminal::print_json(&done)
    } else {
        terminal::print(
            "made anew: counts, usage, references and structures; the index of texts follows while the server runs",
        )
    }
}

/// Has the server do it, or does it here while none can start.
fn by_server_or_here(
    place: &Place,
    verb: &str,
    here: impl FnOnce(&Mailstore) -> Result<Findings, MailstoreError>,
) -> Result<Findings, Failure> {
    let dir = place::data_dir(place)?;
    let socket = config::control_socket(&dir);
    let path = format!("/v1/mailboxes/{verb}");
    let asked = super::super::run(async { Ok(post_and_wait(&socket, &path).await) })?;
    match asked {
        Ok(findings) => return Ok(findings),
        Err(ClientError::Failed(failure)) => return Err(failure),
        Err(ClientError::NotRunning(_)) => {}
    }
    let file = config::mailboxes_file(&dir);
    if !file.exists() {
        return Err(Failure::new(format!("there are no mailboxes in {}", dir.display())));
    }
    let _claim = OsDisk.lock(&dir).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Failure::new(format!("a server is starting on {}", dir.display()))
            .hint("run this again in a moment"),
        _ => Failure::new(format!(
            "cannot use the data directory {}: {}",
            dir.display(),
            config::words(&error)
        )),
    })?;
    let (mailstore, _) = Mailstore::open(&file).map_err(|error| failure(&error))?;
    let index = config::text_index_file(&dir);
    let opened = if index.exists() { mailstore.open_index(&index) } else { Ok(()) };
    let done = opened.and_then(|()| here(&mailstore)).map_err(|error| failure(&error));
    mailstore.close();
    done
}

fn failure(error: &MailstoreError) -> Failure {
    match error {
        MailstoreError::Store(store) => Failure::new(error).hint(store.hint()),
        _ => Failure::new(error),
    }
}

fn text(findings: &Findings) -> String {
    let line = |Finding { what, derived }: &Finding| {
        format!("{}{}", clean(what), if *derived { " (derived)" } else { "" })
    };
    match findings.findings.as_slice() {
        [] => "all is well".to_owned(),
        some => some.iter().map(line).collect::<Vec<_>>().join("\n"),
    }
}
