//! The key that is kept over renewals, where others were told it: a TLSA record `3 1 1` names the key, so with a new key at each renewal the host would be
//! refused until the record has followed (RFC 7671 §8.1). To another key one gets by publishing it first: see docs/guides/operation.md.

use std::{
    io,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use disk::{Disk, read_whole};
use rcgen::{KeyPair, PublicKeyData as _};

use crate::{
    failure::Failure,
    store::{CERTIFICATE, FILE_OCTETS_MAX, KEY, Store, StoreError},
};

/// The key that is to follow: the operator puts it there.
const NEXT_KEY: &str = "next-key.pem";

/// Why a key is of no use.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the key in {path}: {why}")]
pub struct KeyError {
    /// Where it is.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

/// What others have to know of the keys in a directory of certificates, each once: SHA-256 of the public part (`SubjectPublicKeyInfo`) of the one
/// that is kept, of that of the certificate that is shown, and of the one that is to follow. None of them need be there.
///
/// # Errors
/// A file cannot be read, or holds no key.
pub fn key_digests(dir: &Path, disk: &dyn Disk) -> Result<Vec<[u8; 32]>, KeyError> {
    let mut found = Vec::new();
    for name in [KEY, CERTIFICATE, NEXT_KEY] {
        let path = dir.join(name);
        let pem = match read_whole(disk, &path, FILE_OCTETS_MAX) {
            Ok(octets) => String::from_utf8_lossy(&octets).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(KeyError { path, why: error.to_string() }),
        };
        let key = private(&pem).map_err(|why| KeyError { path, why })?;
        let digest = digest::digest(&digest::SHA256, &key.subject_public_key_info());
        // SHA-256 has 32 octets.
        let Ok(digest) = <[u8; 32]>::try_from(digest.as_ref()) else { continue };
        if !found.contains(&digest) {
            found.push(digest);
        }
    }
    Ok(found)
}

/// The private key in a text, which may have certificates before it.
fn private(pem: &str) -> Result<KeyPair, String> {
    let start = pem.find("-----BEGIN PRIVATE KEY-----").unwrap_or_default();
    KeyPair::from_pem(pem.get(start..).unwrap_or_default()).map_err(|error| error.to_string())
}

/// The key to ask for certificates with: the one that is kept, else that of the certificate there is, else a new one; kept from now on.
///
/// One that is there and cannot be used is an error, and not replaced: others go by it.
pub(crate) fn kept(store: &Store) -> Result<KeyPair, Failure> {
    let failed = |error: StoreError| Failure::new(error.to_string());
    if let Some(pem) = store.kept_key().map_err(failed)? {
        return private(&pem).map_err(|error| {
            Failure::new(format!(
                "{KEY}, which is to be the key of all certificates, cannot be used: {error}"
            ))
        });
    }
    let before = store.certificate_pem().map_err(failed)?.and_then(|pem| private(&pem).ok());
    let key = match before {
        Some(key) => key,
        None => KeyPair::generate().map_err(|error| Failure::new(error.to_string()))?,
    };
    store.keep_key(&key.serialize_pem()).map_err(failed)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use disk::OsDisk;
    use mail::Timestamp;

    use super::*;

    fn public(key: &KeyPair) -> Vec<u8> {
        key.subject_public_key_info()
    }

    #[test]
    fn one_key_is_kept_and_it_is_that_of_the_certificate_if_there_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Arc::new(OsDisk)).unwrap();
        let first = kept(&store).unwrap();
        assert_eq!(public(&kept(&store).unwrap()), public(&first));
        let other = tempfile::tempdir().unwrap();
        let store = Store::open(other.path(), Arc::new(OsDisk)).unwrap();
        let (names, now) = (["mx.example.org".to_owned()], Timestamp::from_millis(1_795_456_934_000));
        store.keep_certificate(&crate::self_signed::pem(&names, now, &first).unwrap()).unwrap();
        assert_eq!(public(&kept(&store).unwrap()), public(&first));
    }

    #[test]
    fn all_keys_that_others_may_see_are_told_each_once() {
        let dir = tempfile::tempdir().unwrap();
        let told = || key_digests(dir.path(), &OsDisk);
        assert_eq!(told().unwrap().len(), 0);
        let store = Store::open(dir.path(), Arc::new(OsDisk)).unwrap();
        let key = kept(&store).unwrap();
        let (names, now) = (["mx.example.org".to_owned()], Timestamp::from_millis(1_795_456_934_000));
        store.keep_certificate(&crate::self_signed::pem(&names, now, &key).unwrap()).unwrap();
        let one = told().unwrap();
        let digest = digest::digest(&digest::SHA256, &public(&key));
        assert_eq!(one.iter().map(|digest| &digest[..]).collect::<Vec<_>>(), [digest.as_ref()]);
        std::fs::write(dir.path().join(NEXT_KEY), KeyPair::generate().unwrap().serialize_pem()).unwrap();
        assert_eq!(told().unwrap().len(), 2);
        std::fs::write(dir.path().join(NEXT_KEY), "no key").unwrap();
        assert!(told().unwrap_err().to_string().contains(NEXT_KEY));
    }

    #[test]
    fn a_key_that_is_damaged_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Arc::new(OsDisk)).unwrap();
        store.keep_key("no key").unwrap();
        assert!(kept(&store).err().unwrap().text.contains(KEY));
        assert_eq!(store.kept_key().unwrap().as_deref(), Some("no key"));
    }
}
