//! TLS for development: an authority that signs one certificate, when the server first starts on a directory.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use mail::Timestamp;
use net::Identity;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, Error, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::{config::words, failure::Failure};

const DAY: Duration = Duration::from_hours(24);
/// With the day before, as long as the strictest clients let a certificate of a private authority hold.
const HOLDS: Duration = DAY.saturating_mul(824);
/// It is made anew when less is left.
const LEFT_MIN: Duration = DAY.saturating_mul(30);
/// Clocks of containers and their hosts differ.
const BEFORE: Duration = DAY;
/// Every name of this machine under which a client may have reached us.
const NAMES: [&str; 4] = ["postrider.localhost", "localhost", "127.0.0.1", "::1"];

/// A certificate for this machine, and what a client has to trust.
pub(super) struct DevTls {
    pub(super) identity: Identity,
    /// The file with the authority's certificate.
    pub(super) authority: PathBuf,
}

/// Opens what is there, or makes it. The authority's key is thrown away at once, so whoever trusts it trusts this one
/// certificate and nothing that anybody could sign later.
pub(super) fn open(data_dir: &Path, now: Timestamp) -> Result<DevTls, Failure> {
    let dir = data_dir.join("tls");
    let [authority, certificate, key] = ["ca.pem", "certificate.pem", "key.pem"].map(|name| dir.join(name));
    if authority.is_file()
        && let Some(identity) = kept(&certificate, &key, now)
    {
        return Ok(DevTls { identity, authority });
    }
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(format!("cannot make a certificate in {}: {error}", dir.display()))
            .hint("remove the directory; it is made anew")
    };
    let made = make(now).map_err(|error| failed(&error))?;
    let written = fs::create_dir_all(&dir)
        .and_then(|()| write(&key, &made.key, 0o600))
        .and_then(|()| write(&certificate, &made.certificate, 0o644))
        .and_then(|()| write(&authority, &made.authority, 0o644));
    written.map_err(|error| failed(&words(&error)))?;
    let identity = Identity::from_pem(made.certificate.as_bytes(), made.key.as_bytes());
    Ok(DevTls { identity: identity.map_err(|error| failed(&error))?, authority })
}

/// What an earlier start made, unless it holds no longer.
fn kept(certificate: &Path, key: &Path, now: Timestamp) -> Option<Identity> {
    let identity = Identity::from_pem(&fs::read(certificate).ok()?, &fs::read(key).ok()?).ok()?;
    let holds = identity.not_before() <= now && identity.not_after() > now.after(LEFT_MIN);
    holds.then_some(identity)
}

fn write(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())
}

/// Three files.
struct Made {
    authority: String,
    certificate: String,
    key: String,
}

fn make(now: Timestamp) -> Result<Made, Error> {
    let mut authority = holding(CertificateParams::new(Vec::new())?, now);
    authority.distinguished_name.push(DnType::CommonName, "Postrider, for development on this machine");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority_key = KeyPair::generate()?;
    let signed_authority = authority.self_signed(&authority_key)?;
    let mut leaf = holding(CertificateParams::new(NAMES.map(str::to_owned))?, now);
    leaf.distinguished_name.push(DnType::CommonName, "postrider.localhost");
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let signed = leaf.signed_by(&key, &Issuer::from_params(&authority, &authority_key))?;
    Ok(Made { authority: signed_authority.pem(), certificate: signed.pem(), key: key.serialize_pem() })
}

fn holding(mut params: CertificateParams, now: Timestamp) -> CertificateParams {
    // The day will do; the hour does not matter.
    let date = |at: Timestamp| {
        let (year, month, day, ..) = at.civil();
        let small = |number: u64| u8::try_from(number).unwrap_or(1);
        rcgen::date_time_ymd(i32::try_from(year).unwrap_or(9999), small(month), small(day))
    };
    let before = u64::try_from(BEFORE.as_millis()).unwrap_or(0);
    params.not_before = date(Timestamp::from_millis(now.as_millis().saturating_sub(before)));
    params.not_after = date(now.after(HOLDS));
    // Its default has a name of its own.
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_456_934_000);

    #[test]
    fn what_was_made_is_kept_until_it_nearly_ends() {
        let dir = tempfile::tempdir().unwrap();
        let first = open(dir.path(), NOW).unwrap();
        assert!(first.identity.is_for("localhost") && first.identity.is_for("postrider.localhost"));
        assert!(first.identity.not_before() < NOW && first.identity.not_after() > NOW.after(700 * DAY));
        assert_eq!(first.authority, dir.path().join("tls/ca.pem"));
        let key = fs::metadata(dir.path().join("tls/key.pem")).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
        assert_eq!(open(dir.path(), NOW.after(700 * DAY)).unwrap().identity, first.identity);
        let second = open(dir.path(), NOW.after(800 * DAY)).unwrap();
        assert_ne!(second.identity, first.identity);
    }

    #[test]
    fn what_is_broken_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["ca.pem", "certificate.pem", "key.pem"] {
            let before = open(dir.path(), NOW).unwrap().identity;
            fs::remove_file(dir.path().join("tls").join(file)).unwrap();
            assert_ne!(open(dir.path(), NOW).unwrap().identity, before, "{file}");
        }
    }
}
