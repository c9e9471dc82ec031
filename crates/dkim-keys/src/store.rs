//! What is kept from run to run: for each domain a directory, with a file for each private key and one that says how far they are. Each is
//! replaced as a whole, synced, and readable by us alone.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use disk::{Disk, read_whole, replace_whole};
use mail::Timestamp;
use message_auth::{
    DomainName,
    dkim::{Signer, SigningKey},
};

use crate::plan::{Key, Plan, Seen, State};

/// More is none of ours.
const FILE_OCTETS_MAX: usize = 1 << 20;
const PLAN: &str = "keys.json";
const PEM: &str = ".pem";

/// The directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {path}: {source}")]
pub struct StoreError {
    /// What of it.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// The directory.
#[derive(Clone)]
pub(crate) struct Store {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
}

impl Store {
    pub(crate) fn new(dir: &Path, disk: Arc<dyn Disk>) -> Self {
        Self { dir: dir.to_owned(), disk }
    }

    /// How far the keys of a domain are; from the keys themselves if that was never written, or cannot be read any more.
    pub(crate) fn plan(&self, domain: &DomainName, now: Timestamp) -> Result<Plan, StoreError> {
        let path = self.dir_of(domain).join(PLAN);
        if let Some(octets) = self.read(&path)? {
            match serde_json::from_slice(&octets) {
                Ok(plan) => return Ok(plan),
                Err(error) => {
                    let path = path.display();
                    tracing::error!(station = "dkim", %path, "damaged, and made anew from the keys: {error}");
                }
            }
        }
        let mut plan = Plan::default();
        let dir = self.dir_of(domain);
        let entries = match self.disk.list(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            entries => entries.map_err(|source| StoreError { path: dir, source })?,
        };
        let names = entries.iter().filter_map(|entry| entry.name.strip_suffix(PEM));
        for selector in names {
            if let Ok(key) = self.signer(domain, selector)?
                && let Ok(record) = key.key.record()
            {
                let (selector, algorithm) = (selector.to_owned(), key.key.algorithm());
                let (state, seen, broken) = (State::Made, Seen::Never, None);
                plan.keys.push(Key { selector, algorithm, record, state, since: now, seen, broken });
            }
        }
        Ok(plan)
    }

    pub(crate) fn keep_plan(&self, domain: &DomainName, plan: &Plan) -> Result<(), StoreError> {
        let path = self.dir_of(domain).join(PLAN);
        let octets = serde_json::to_vec(plan)
            .map_err(|error| StoreError { path: path.clone(), source: error.into() })?;
        self.write(&path, &octets)
    }

    /// Who signs by a key, or why it is of no use.
    pub(crate) fn signer(
        &self,
        domain: &DomainName,
        selector: &str,
    ) -> Result<Result<Signer, String>, StoreError> {
        let path = self.key_file(domain, selector);
        let Some(pem) = self.read(&path)? else {
            return Ok(Err(format!("{}: no such file", path.display())));
        };
        let key = SigningKey::from_pem(&String::from_utf8_lossy(&pem));
        let key = key.map_err(|error| format!("{}: {error}", path.display()));
        Ok(key.map(|key| Signer { domain: domain.as_str().into(), selector: selector.into(), key }))
    }

    /// Whether there is a file for a key of this name, or it cannot be said that there is none.
    pub(crate) fn has_key(&self, domain: &DomainName, selector: &str) -> bool {
        !matches!(self.read(&self.key_file(domain, selector)), Ok(None))
    }

    /// Keeps a private key, before anything says that it is there.
    pub(crate) fn keep_key(&self, domain: &DomainName, selector: &str, pem: &str) -> Result<(), StoreError> {
        let dir = self.dir_of(domain);
        self.disk.create_dir_all(&dir).map_err(|source| StoreError { path: dir, source })?;
        self.write(&self.key_file(domain, selector), pem.as_bytes())
    }

    /// Removes a private key that nothing says any more that it is there.
    pub(crate) fn remove_key(&self, domain: &DomainName, selector: &str) -> Result<(), StoreError> {
        let (path, dir) = (self.key_file(domain, selector), self.dir_of(domain));
        let removed = self.disk.remove(&path).and_then(|()| self.disk.sync_dir(&dir));
        match removed {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StoreError { path, source }),
            _ => Ok(()),
        }
    }

    /// A `DomainName` is letters, digits, hyphens and dots, and begins with none of these: it is a name for a file.
    fn dir_of(&self, domain: &DomainName) -> PathBuf {
        self.dir.join(domain.as_str())
    }

    pub(crate) fn key_file(&self, domain: &DomainName, selector: &str) -> PathBuf {
        self.dir_of(domain).join(format!("{selector}{PEM}"))
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
        match read_whole(self.disk.as_ref(), path, FILE_OCTETS_MAX) {
            Ok(octets) => Ok(Some(octets)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError { path: path.to_owned(), source }),
        }
    }

    fn write(&self, path: &Path, octets: &[u8]) -> Result<(), StoreError> {
        replace_whole(self.disk.as_ref(), path, octets)
            .map_err(|source| StoreError { path: path.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use disk::OsDisk;
    use message_auth::dkim::Algorithm;

    use super::*;

    fn domain() -> DomainName {
        DomainName::parse("example.org").unwrap()
    }

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(&dir.path().join("dkim"), Arc::new(OsDisk));
        (dir, store)
    }

    fn kept(store: &Store) -> Plan {
        let key = SigningKey::generate(Algorithm::Ed25519Sha256).unwrap();
        store.keep_key(&domain(), "e1", &key.to_pem().unwrap()).unwrap();
        let mut plan = Plan::default();
        let at = Timestamp::from_millis(7);
        plan.made("e1".into(), Algorithm::Ed25519Sha256, key.record().unwrap(), at);
        plan
    }

    #[test]
    fn all_is_kept_and_readable_by_us_alone() {
        let (dir, store) = store();
        assert_eq!(store.plan(&domain(), Timestamp::default()).unwrap(), Plan::default());
        let plan = kept(&store);
        store.keep_plan(&domain(), &plan).unwrap();
        assert_eq!(store.plan(&domain(), Timestamp::default()).unwrap(), plan);
        let signer = store.signer(&domain(), "e1").unwrap().unwrap();
        assert_eq!(signer.key.record().unwrap(), plan.keys[0].record);
        let place = dir.path().join("dkim/example.org");
        for entry in std::fs::read_dir(&place).unwrap().map(Result::unwrap) {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(std::fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o700);
        store.remove_key(&domain(), "e1").unwrap();
        store.remove_key(&domain(), "e1").unwrap();
        assert!(store.signer(&domain(), "e1").unwrap().unwrap_err().contains("no such file"));
    }

    #[test]
    fn keys_are_found_again_when_nothing_says_how_far_they_are() {
        let (dir, store) = store();
        let plan = kept(&store);
        std::fs::write(dir.path().join("dkim/example.org/keys.json"), "{\"keys\":").unwrap();
        std::fs::write(dir.path().join("dkim/example.org/x.pem"), "no key").unwrap();
        assert_eq!(store.plan(&domain(), Timestamp::from_millis(7)).unwrap(), plan);
        assert!(store.signer(&domain(), "x").unwrap().unwrap_err().contains("not a private key"));
    }
}
