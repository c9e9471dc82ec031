//! `listening.json` in the data directory: what listens where, for programs that started us with port 0.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use admin::api::Listener;
use serde_json::json;

use crate::failure::Failure;

/// The file, which is gone when the server is.
pub(super) struct Listening(PathBuf);

impl Listening {
    /// Removes what an earlier run left: it would name ports that are not ours.
    pub(super) fn forget(data_dir: &Path) -> Result<(), Failure> {
        let path = path(data_dir);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Failure::new(format!("cannot remove {}: {error}", path.display())))
            }
            _ => Ok(()),
        }
    }

    /// Writes it, so that whoever sees it sees all of it.
    pub(super) fn write(data_dir: &Path, pid: u32, listeners: &[Listener]) -> Result<Self, Failure> {
        let (path, new) = (path(data_dir), data_dir.join("listening.json.new"));
        let text = format!("{}\n", json!({ "pid": pid, "listeners": listeners }));
        let written = fs::write(&new, text).and_then(|()| fs::rename(&new, &path));
        written.map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // If it stays, the next start removes it.
        let _ = fs::remove_file(&self.0);
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("listening.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_lives_as_long_as_the_server() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(path(dir.path()), "{\"pid\":1}").unwrap();
        Listening::forget(dir.path()).unwrap();
        Listening::forget(dir.path()).unwrap();
        assert!(!path(dir.path()).exists());
        let (service, address, tls) = ("smtp".into(), "127.0.0.1:41234".into(), "none".into());
        let listener = Listener { service, address, tls };
        let listening = Listening::write(dir.path(), 123, &[listener]).unwrap();
        let text = fs::read_to_string(path(dir.path())).unwrap();
        let written: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            written,
            json!({ "pid": 123, "listeners": [{ "service": "smtp", "address": "127.0.0.1:41234", "tls": "none" }] })
        );
        drop(listening);
        assert!(!path(dir.path()).exists());
    }
}
