//! An authority of certificates for one test.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;

/// It signs what it is asked to; who trusts its certificate believes that.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
    params: CertificateParams,
    key: KeyPair,
}

/// The files of a certificate and its key.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        let authority = Self { folder, params, key };
        let own = authority.params.self_signed(&authority.key).expect("a signature");
        fs::write(authority.certificate(), own.pem()).expect("a file");
        authority
    }

    /// The file that clients have to trust.
    pub fn certificate(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// Certifies a host; `file` names the two files.
    pub fn issue(&self, host: &str, file: &str) -> Pair {
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, host);
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().expect("a key");
        let issuer = Issuer::from_params(&self.params, &self.key);
        let signed = params.signed_by(&key, &issuer).expect("a signature");
        let pair =
            Pair { certificate: self.path(&format!("{file}.pem")), key: self.path(&format!("{file}.key")) };
        fs::write(&pair.certificate, signed.pem()).expect("a file");
        write_key(&pair.key, &key.serialize_pem());
        pair
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Pair {
    /// As a section of the configuration.
    pub fn section(&self) -> String {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        format!("[[tls.certificate]]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n")
    }
}

fn write_key(path: &Path, text: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).expect("a file");
    file.write_all(text.as_bytes()).expect("room for it");
}
