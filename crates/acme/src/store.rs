//! What is kept from run to run: the account, the certificate with its key, and how far things are. Each is a file of its own, replaced as a
//! whole, synced, and readable by us alone.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use disk::{Disk, read_whole, replace_whole};
use net::Identity;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::plan::Progress;

/// More is none of ours.
pub(crate) const FILE_OCTETS_MAX: usize = 1 << 20;
pub(crate) const CERTIFICATE: &str = "certificate.pem";
pub(crate) const KEY: &str = "key.pem";
const PROGRESS: &str = "progress.json";

/// The directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {path}: {source}")]
pub struct StoreError {
    /// What of it.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// An account and what the authority was told about it.
#[derive(Serialize, Deserialize)]
pub(crate) struct KeptAccount {
    pub(crate) contact: Vec<String>,
    pub(crate) credentials: instant_acme::AccountCredentials,
}

/// How far things are, and with whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptProgress {
    /// The authority that the certificate is from, or is asked for.
    pub(crate) directory: String,
    /// The kind of certificate that was asked for.
    #[serde(default)]
    pub(crate) profile: Option<String>,
    /// The names that it was asked for.
    pub(crate) names: Vec<String>,
    pub(crate) progress: Progress,
}

/// The directory.
#[derive(Clone)]
pub(crate) struct Store {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
}

impl Store {
    /// Makes the directory if there is none.
    pub(crate) fn open(dir: &Path, disk: Arc<dyn Disk>) -> Result<Self, StoreError> {
        disk.create_dir_all(dir).map_err(|source| StoreError { path: dir.to_owned(), source })?;
        Ok(Self { dir: dir.to_owned(), disk })
    }

    /// The certificate, if there is one that can be read.
    pub(crate) fn certificate(&self) -> Result<Option<Identity>, StoreError> {
        let Some(pem) = self.read(CERTIFICATE)? else { return Ok(None) };
        match Identity::from_pem(&pem, &pem) {
            Ok(identity) => Ok(Some(identity)),
            Err(error) => {
                self.passed_over(CERTIFICATE, &error);
                Ok(None)
            }
        }
    }

    /// Keeps a certificate: those that lead to its root behind it, and its key.
    pub(crate) fn keep_certificate(&self, pem: &str) -> Result<(), StoreError> {
        self.write(CERTIFICATE, pem.as_bytes())
    }

    /// That certificate with its key, as it is kept.
    pub(crate) fn certificate_pem(&self) -> Result<Option<String>, StoreError> {
        Ok(self.read(CERTIFICATE)?.and_then(|pem| String::from_utf8(pem).ok()))
    }

    /// The key that all certificates are asked for with.
    pub(crate) fn kept_key(&self) -> Result<Option<String>, StoreError> {
        Ok(self.read(KEY)?.map(|pem| String::from_utf8_lossy(&pem).into_owned()))
    }

    /// Keeps a key for all certificates to come.
    pub(crate) fn keep_key(&self, pem: &str) -> Result<(), StoreError> {
        self.write(KEY, pem.as_bytes())
    }

    pub(crate) fn progress(&self) -> Result<KeptProgress, StoreError> {
        Ok(self.read_json(PROGRESS)?.unwrap_or_default())
    }

    pub(crate) fn keep_progress(&self, progress: &KeptProgress) -> Result<(), StoreError> {
        self.write_json(PROGRESS, progress)
    }

    /// The account with an authority.
    pub(crate) fn account(&self, directory: &str) -> Result<Option<KeptAccount>, StoreError> {
        self.read_json(&account_file(directory))
    }

    pub(crate) fn keep_account(&self, directory: &str, account: &KeptAccount) -> Result<(), StoreError> {
        self.write_json(&account_file(directory), account)
    }

    /// Puts an account aside that the authority does not know any more.
    pub(crate) fn put_account_aside(&self, directory: &str) -> Result<(), StoreError> {
        let path = self.dir.join(account_file(directory));
        let renamed = self.disk.rename(&path, &path.with_extension("json.unknown"));
        renamed.and_then(|()| self.disk.sync_dir(&self.dir)).map_err(|source| StoreError { path, source })
    }

    fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let Some(octets) = self.read(name)? else { return Ok(None) };
        match serde_json::from_slice(&octets) {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                self.passed_over(name, &error);
                Ok(None)
            }
        }
    }

    fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), StoreError> {
        let octets = serde_json::to_vec(value)
            .map_err(|error| StoreError { path: self.dir.join(name), source: error.into() })?;
        self.write(name, &octets)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.dir.join(name);
        match read_whole(self.disk.as_ref(), &path, FILE_OCTETS_MAX) {
            Ok(octets) => Ok(Some(octets)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError { path, source }),
        }
    }

    fn write(&self, name: &str, octets: &[u8]) -> Result<(), StoreError> {
        let path = self.dir.join(name);
        replace_whole(self.disk.as_ref(), &path, octets).map_err(|source| StoreError { path, source })
    }

    /// What cannot be read is as good as not there: it can be had anew.
    fn passed_over(&self, name: &str, error: &dyn std::fmt::Display) {
        let path = self.dir.join(name);
        tracing::warn!(station = "tls/acme", path = %path.display(), "passed over, for it is damaged: {error}");
    }
}

/// One file for each authority, so that going back to one finds its account again.
fn account_file(directory: &str) -> String {
    let url = directory.strip_prefix("https://").unwrap_or(directory);
    let kept = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' };
    let name: String = url.chars().map(kept).take(200).collect();
    format!("account-{name}.json")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
    use disk::OsDisk;

    use super::*;

    const DIRECTORY: &str = "https://ca.example:14000/dir?a=../b";

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("acme"), Arc::new(OsDisk)).unwrap();
        (dir, store)
    }

    fn credentials() -> KeptAccount {
        let key = aws_lc_rs::signature::EcdsaKeyPair::generate_pkcs8(
            &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            &aws_lc_rs::rand::SystemRandom::new(),
        );
        let key = BASE64_URL_SAFE_NO_PAD.encode(key.unwrap().as_ref());
        let text = format!(
            r#"{{"contact":["a@example.org"],"credentials":{{"id":"https://ca.example/1","key_pkcs8":"{key}","directory":"{DIRECTORY}"}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn all_is_kept_and_readable_by_us_alone() {
        let (dir, store) = store();
        assert!(store.certificate().unwrap().is_none() && store.account(DIRECTORY).unwrap().is_none());
        assert_eq!(store.progress().unwrap(), KeptProgress::default());
        let key = rcgen::KeyPair::generate().unwrap();
        let names = ["a.example".to_owned()];
        let pem = crate::self_signed::pem(&names, mail::Timestamp::default(), &key).unwrap();
        store.keep_certificate(&pem).unwrap();
        store.keep_account(DIRECTORY, &credentials()).unwrap();
        let progress =
            KeptProgress { directory: DIRECTORY.into(), names: vec!["a".into()], ..KeptProgress::default() };
        store.keep_progress(&progress).unwrap();
        assert!(store.certificate().unwrap().unwrap().is_for("a.example"));
        assert_eq!(store.account(DIRECTORY).unwrap().unwrap().contact, ["a@example.org"]);
        assert!(store.account("https://other.example/").unwrap().is_none());
        assert_eq!(store.progress().unwrap(), progress);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir.path().join("acme")).unwrap().map(Result::unwrap) {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            names.push(entry.file_name().into_string().unwrap());
        }
        names.sort();
        assert_eq!(names, ["account-ca.example_14000_dir_a_.._b.json", "certificate.pem", "progress.json"]);
        assert_eq!(std::fs::metadata(dir.path().join("acme")).unwrap().permissions().mode() & 0o777, 0o700);
        store.put_account_aside(DIRECTORY).unwrap();
        assert!(store.account(DIRECTORY).unwrap().is_none());
    }

    #[test]
    fn what_is_damaged_is_as_good_as_not_there_and_what_cannot_be_read_is_an_error() {
        let (dir, store) = store();
        for name in [CERTIFICATE, PROGRESS, &account_file(DIRECTORY)] {
            store.write(name, b"{\"contact\":").unwrap();
        }
        assert!(store.certificate().unwrap().is_none() && store.account(DIRECTORY).unwrap().is_none());
        assert_eq!(store.progress().unwrap(), KeptProgress::default());
        std::fs::remove_file(dir.path().join("acme").join(CERTIFICATE)).unwrap();
        std::fs::create_dir(dir.path().join("acme").join(CERTIFICATE)).unwrap();
        assert!(store.certificate().is_err());
    }
}
