//! `[[tls.certificate]]`: who we are under TLS. Where the files are is a part of the configuration; what is in them is read and judged
//! when it is loaded.

use std::{
    fs,
    ops::Range,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use mail::Timestamp;
use net::{Identity, IdentityError};
use toml_span::Span;

use super::{contents, problem::Problem, secret::words, sections::path, walk::Section};

/// A chain of certificates is some kilobytes.
const FILE_OCTETS_MAX: u64 = 1 << 20;
/// Who is neither the owner nor in the group.
const OTHERS: u32 = 0o007;
/// A certificate that ends sooner than this is told of: whatever renews it should have done so.
const SOON: std::time::Duration = std::time::Duration::from_hours(7 * 24);

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Files {
    /// The certificate, and behind it those that lead to its root.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
    /// Where the configuration names them.
    spans: (Range<usize>, Range<usize>),
}

/// All of `[[tls.certificate]]`.
pub(super) fn read(tls: &Section<'_>, dir: &Path) -> Vec<Files> {
    tls.sections("certificate").into_iter().filter_map(|section| one(section, dir)).collect()
}

fn one(section: Section<'_>, dir: &Path) -> Option<Files> {
    let place = |key, hint| {
        if section.get(key).is_none() {
            section.missing(key, hint);
        }
        let path = section.parsed(key, |text| path(text, dir))?;
        let span: Span = section.get(key).map_or(section.span(), |value| value.span);
        Some((path, Range::from(span)))
    };
    let certificate =
        place("certificate", "name the file with the certificate and those that lead to its root");
    let key = place("key", "name the file with the key of the certificate");
    section.finish();
    let ((certificate, first), (key, second)) = (certificate?, key?);
    Some(Files { certificate, key, spans: (first, second) })
}

/// Reads and judges what the files hold. What is no use is a problem, what only strict peers will refuse a warning.
pub(super) fn open(files: &[Files], hostname: &str, now: Timestamp) -> (Vec<Identity>, Vec<Problem>) {
    let (mut identities, mut problems) = (Vec::new(), Vec::new());
    for files in files {
        match files.open() {
            Ok(identity) => {
                problems.extend(files.doubts(&identity, now));
                identities.push(identity);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if let (Some(files), true) = (files.first(), !identities.is_empty())
        && !identities.iter().any(|identity| identity.is_for(hostname))
    {
        let names: Vec<&str> = identities.iter().flat_map(Identity::names).map(|name| &**name).collect();
        let message = format!("no certificate is for {hostname}, but for {}", listed(&names));
        let hint = "peers that verify us look for `hostname`, if that is the name of our MX";
        problems.push(Problem::warning(files.spans.0.clone(), message).hint(hint));
    }
    (identities, problems)
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "no host at all".to_owned() } else { names.join(", ") }
}

impl Files {
    fn open(&self) -> Result<Identity, Problem> {
        let certificate = named(&self.certificate, &self.spans.0)?;
        if mode(&self.key).is_some_and(|mode| mode & OTHERS != 0) {
            let key = self.key.display();
            let problem = Problem::new(self.spans.1.clone(), format!("everybody may read the key in {key}"));
            return Err(problem.hint(format!("chmod o= {key}")));
        }
        let key = named(&self.key, &self.spans.1)?;
        Identity::from_pem(&certificate, &key).map_err(|error| self.wrong(&error))
    }

    fn wrong(&self, error: &IdentityError) -> Problem {
        let (certificate, key) = (&self.spans.0, &self.spans.1);
        let (span, path, hint) = match error {
            IdentityError::NoCertificate => {
                (certificate, &self.certificate, "it must be PEM: -----BEGIN CERTIFICATE-----")
            }
            IdentityError::Certificate(_) => {
                (certificate, &self.certificate, "look at it with `openssl x509 -noout -text -in FILE`")
            }
            IdentityError::NoKey => (key, &self.key, "it must be PEM: -----BEGIN PRIVATE KEY-----"),
            IdentityError::Key(_) => (
                key,
                &self.key,
                "there are ECDSA (P-256, P-384), RSA (2048 bits and more) and Ed25519, without a pass phrase",
            ),
            IdentityError::Mismatch => {
                (key, &self.key, "name the key that the certificate was asked for with")
            }
        };
        Problem::new(span.clone(), format!("{}: {error}", path.display())).hint(hint)
    }

    /// What is wrong with a certificate by its dates. Mail goes on under it all the same, for most servers do not look; a server that would not start
    /// after a renewal that failed would take none at all.
    fn doubts(&self, identity: &Identity, now: Timestamp) -> Option<Problem> {
        let path = self.certificate.display();
        let (begins, ends) = (identity.not_before(), identity.not_after());
        let (message, hint) = if ends < now {
            (
                format!("the certificate in {path} expired on {}", day(ends)),
                "renew it: peers that verify us send no mail",
            )
        } else if now < begins {
            (format!("the certificate in {path} does not hold before {}", day(begins)), "is the clock right?")
        } else if ends < now.after(SOON) {
            (format!("the certificate in {path} expires on {}", day(ends)), "renew it")
        } else {
            return None;
        };
        Some(Problem::warning(self.spans.0.clone(), message).hint(hint))
    }
}

/// What is in a file, or where its name stands in the configuration.
fn named(path: &Path, span: &Range<usize>) -> Result<Vec<u8>, Problem> {
    contents(path, FILE_OCTETS_MAX).map_err(|error| {
        let message = format!("cannot read {}: {}", path.display(), words(&error));
        Problem::new(span.clone(), message).hint(
            "a relative path starts at the configuration file; the server's user must be able to read it",
        )
    })
}

/// The permissions of a file. None: it cannot be looked at, so it cannot be read either, which is told then.
fn mode(path: &Path) -> Option<u32> {
    fs::metadata(path).ok().map(|metadata| metadata.permissions().mode())
}

fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::OpenOptionsExt;

    use rcgen::{CertificateParams, KeyPair};

    use super::super::{Config, LoadError, load};

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn write(&self, name: &str, text: &str, mode: u32) {
            use std::io::Write;
            let mut options = std::fs::OpenOptions::new();
            let mut file = options
                .write(true)
                .create(true)
                .truncate(true)
                .mode(mode)
                .open(self.0.path().join(name))
                .unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn remove(&self, name: &str) {
            let _ = std::fs::remove_file(self.0.path().join(name));
        }

        /// A certificate that holds between these years.
        fn pair(&self, names: &[&str], years: (i32, i32)) {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let mut params = CertificateParams::new(names).unwrap();
            params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
            params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
            let key = KeyPair::generate().unwrap();
            self.remove("key.pem");
            self.write("chain.pem", &params.self_signed(&key).unwrap().pem(), 0o644);
            self.write("key.pem", &key.serialize_pem(), 0o640);
        }

        fn load(&self) -> Result<Config, String> {
            let text = "hostname = \"mx.example.org\"\n[[tls.certificate]]\ncertificate = \"chain.pem\"\nkey = \"key.pem\"\n";
            self.write("postrider.toml", text, 0o644);
            load(&self.0.path().join("postrider.toml")).map_err(|error| match error {
                LoadError::Wrong(report) => self.plain(&report.render(false)),
                LoadError::Read { source, .. } => source.to_string(),
            })
        }

        /// Without what differs from run to run.
        fn plain(&self, text: &str) -> String {
            text.replace(&format!("{}/", self.0.path().display()), "")
        }

        fn warnings(&self) -> String {
            let warnings: Vec<String> = self.load().unwrap().warnings.lines().collect();
            self.plain(&warnings.join("\n"))
        }
    }

    #[test]
    fn a_good_pair_is_read_and_used_for_starttls() {
        let place = Place::new();
        place.pair(&["mx.example.org"], (2000, 4000));
        let config = place.load().unwrap();
        assert_eq!(config.identities[0].names(), ["mx.example.org".into()]);
        assert_eq!(config.listeners[0].tls, super::super::Tls::OnDemand);
        assert_eq!(config.warnings.problems, []);
    }

    #[test]
    fn what_only_strict_peers_refuse_is_a_warning() {
        let place = Place::new();
        place.pair(&["mx.example.org"], (2000, 2001));
        assert_eq!(
            place.warnings(),
            "postrider.toml:3:16: the certificate in chain.pem expired on 2001-01-01 (hint: renew it: peers that verify us send no mail)"
        );
        place.pair(&["mx.example.org"], (4000, 4001));
        assert!(place.warnings().contains("does not hold before 4000-01-01"));
        place.pair(&["mx.example.net", "example.net"], (2000, 4000));
        assert!(
            place
                .warnings()
                .contains("no certificate is for mx.example.org, but for mx.example.net, example.net")
        );
        place.pair(&[], (2000, 4000));
        assert!(place.warnings().contains("but for no host at all"));
    }

    #[test]
    fn what_is_no_use_stops_the_start() {
        let place = Place::new();
        let key = || KeyPair::generate().unwrap().serialize_pem();
        let mut reports = vec![place.load().unwrap_err()];
        place.pair(&["mx.example.org"], (2000, 4000));
        place.remove("key.pem");
        reports.push(place.load().unwrap_err());
        for (text, mode) in [(key(), 0o600), ("no key\n".to_owned(), 0o600), (key(), 0o644)] {
            place.remove("key.pem");
            place.write("key.pem", &text, mode);
            reports.push(place.load().unwrap_err());
        }
        place.pair(&["mx.example.org"], (2000, 4000));
        place.write("chain.pem", "hello\n", 0o644);
        reports.push(place.load().unwrap_err());
        insta::assert_snapshot!(reports.join("\n\n"));
    }
}
