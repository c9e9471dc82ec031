//! `tls.client_ca`: clients that log in by a certificate.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use net::{ClientAuthorities, ClientAuthoritiesError};
use serde_json::{Value, json};

use super::{
    acme::anchors, contents, problem::Problem, secret::words, sections::path, value::Wrong, walk::Section,
};

/// Lists of revoked certificates grow.
const FILE_OCTETS_MAX: u64 = 16 << 20;

/// Whose certificates of clients are believed.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    authorities_file: (PathBuf, Range<usize>),
    revoked_file: Option<(PathBuf, Range<usize>)>,
    /// What was read there.
    authorities: Option<ClientAuthorities>,
}

/// What is in the files may differ all the same: the next handshake tells.
impl PartialEq for Clients {
    fn eq(&self, other: &Self) -> bool {
        let files = |clients: &Self| clients.files().map(Path::to_owned).collect::<Vec<_>>();
        files(self) == files(other)
    }
}

impl Clients {
    /// Where it was read.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        [Some(&self.authorities_file), self.revoked_file.as_ref()]
            .into_iter()
            .flatten()
            .map(|(file, _)| file.as_path())
    }

    /// Who is believed, once it was read.
    pub(crate) fn authorities(&self) -> Option<&ClientAuthorities> {
        self.authorities.as_ref()
    }

    /// Reads the files.
    pub(super) fn open(&mut self) -> Option<Problem> {
        match self.read() {
            Ok(authorities) => {
                self.authorities = Some(authorities);
                None
            }
            Err((span, wrong)) => {
                let problem = Problem::new(span, wrong.message);
                Some(Problem { hint: wrong.hint, ..problem })
            }
        }
    }

    fn read(&self) -> Result<ClientAuthorities, (Range<usize>, Wrong)> {
        let (file, span) = &self.authorities_file;
        let anchors = anchors(file).map_err(|wrong| (span.clone(), wrong))?;
        let revoked = self.revoked_file.as_ref().map(|(file, span)| {
            let unreadable = |error| Wrong::new(format!("cannot read {}: {}", file.display(), words(&error)));
            contents(file, FILE_OCTETS_MAX).map_err(|error| (span.clone(), unreadable(error)))
        });
        let revoked = revoked.transpose()?;
        ClientAuthorities::new(&anchors, revoked.as_deref()).map_err(|error| {
            match (&error, &self.revoked_file) {
                (ClientAuthoritiesError::Revoked(_), Some((file, span))) => {
                    let wrong = Wrong::new(format!("{}: {error}", file.display()));
                    (span.clone(), wrong.hint("it must be PEM: -----BEGIN X509 CRL-----"))
                }
                _ => (span.clone(), Wrong::new(format!("{}: {error}", file.display()))),
            }
        })
    }
}

/// None: no client is asked.
pub(super) fn read(tls: &Section<'_>, dir: &Path) -> Option<Clients> {
    let place = |key| {
        let file = tls.parsed(key, |text| path(text, dir))?;
        Some((file, Range::from(tls.get(key).map_or(tls.span(), |value| value.span))))
    };
    let (authorities_file, revoked_file) = (place("client_ca"), place("client_crl"));
    if let (None, Some(value)) = (tls.get("client_ca"), tls.get("client_crl")) {
        let wrong = Wrong::new("`client_crl` is of the authorities in `client_ca`, and there are none");
        tls.wrong(
            value.span,
            wrong.hint("name the file with their certificates: client_ca = \"clients.pem\""),
        );
    }
    Some(Clients { authorities_file: authorities_file?, revoked_file, authorities: None })
}

/// The settings in effect.
pub(super) fn show(clients: &Clients) -> Vec<(&'static str, Value)> {
    let shown = |file: &Path| json!(file.display().to_string());
    ["client_ca", "client_crl"].into_iter().zip(clients.files().map(shown)).collect()
}
