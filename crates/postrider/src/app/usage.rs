//! How much each login sends, kept over restarts: a file in the data directory, written now and then.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use net::Shutdown;
use receive::Receiver;

/// A crash forgets what was counted since: a memory, not an account book.
const WRITE_EVERY: Duration = Duration::from_mins(1);

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("usage.txt")
}

/// Takes up what the last run knew.
pub(super) fn recall(data_dir: &Path, receiver: &Receiver) {
    match fs::read_to_string(path(data_dir)) {
        Ok(text) => receiver.recall(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(station = "receive", %error, "what logins used to send is not known"),
    }
}

/// Writes it down until it is told to stop, and then once more.
pub(super) async fn keep(data_dir: PathBuf, receiver: Receiver, mut stop: Shutdown) -> Result<(), String> {
    let mut written = receiver.usage();
    loop {
        let stopped = tokio::select! {
            () = stop.requested() => true,
            () = tokio::time::sleep(WRITE_EVERY) => false,
        };
        let usage = receiver.usage();
        if usage != written {
            let (path, text) = (path(&data_dir), usage.clone());
            let result = tokio::task::spawn_blocking(move || write(&path, &text)).await;
            match result.unwrap_or_else(|error| Err(io::Error::other(error))) {
                Ok(()) => written = usage,
                Err(error) => {
                    tracing::warn!(station = "receive", %error, "what logins send is not written down");
                }
            }
        }
        if stopped {
            return Ok(());
        }
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("txt.new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&new, path)
}
