//! An authority of certificates for one test.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
    date_time_ymd,
};
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
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
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
        self.issue_for(&[host], file)
    }

    /// Certifies a host that has several names, or addresses.
    pub fn issue_for(&self, hosts: &[&str], file: &str) -> Pair {
        let names: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, *hosts.first().expect("a name"));
        self.sign(params, file)
    }

    /// Certifies a host until the end of 2019.
    pub fn issue_expired(&self, host: &str, file: &str) -> Pair {
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("names");
        params.not_after = date_time_ymd(2020, 1, 1);
        self.sign(params, file)
    }

    /// Certifies somebody by the mail address.
    pub fn issue_client(&self, address: &str, serial: u64, file: &str) -> Pair {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, "somebody");
        params.subject_alt_names.push(SanType::Rfc822Name(address.try_into().expect("an address")));
        params.serial_number = Some(SerialNumber::from(serial));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, file)
    }

    /// Writes a list of what it has taken back.
    pub fn revoke(&self, serials: &[u64], file: &Path) {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2099, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&Issuer::from_params(&self.params, &self.key)).expect("a signature");
        fs::write(file, list.pem().expect("PEM")).expect("a file");
    }

    fn sign(&self, mut params: CertificateParams, file: &str) -> Pair {
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
