//! What mail clients ask for to set themselves up, each in its own form and place.
//!
//! | who | where |
//! |---|---|
//! | Thunderbird, and K-9 and Evolution with it | `GET /mail/config-v1.1.xml` of `autoconfig.DOMAIN`, `GET /.well-known/autoconfig/mail/config-v1.1.xml` of the domain |
//! | Outlook, and others that speak Autodiscover | `POST /autodiscover/autodiscover.xml`, in any case of letters |
//! | Apple's Mail, by a link that somebody gives | `GET /mail/apple.mobileconfig?emailaddress=` |
//!
//! The answer depends on the domain alone, so it tells nobody who exists. Nothing says the same under TLS and in clear but one: where a client asks
//! in clear by GET where to ask, it is sent to the place under TLS.

mod answers;
mod asked;
mod routes;

use std::sync::{Arc, PoisonError, RwLock};

use autoconfig::{Endpoint, Settings};
use axum::http::{Request, Uri, uri::PathAndQuery};
use directory::Directory;
use mail::Domain;

pub use routes::router;

/// What clients are told. Clones are the same.
#[derive(Clone)]
pub struct ClientSetup(Arc<Inner>);

struct Inner {
    host: String,
    endpoints: Vec<Endpoint>,
    /// Where the same is served under TLS, without a path.
    https: Option<String>,
    directory: RwLock<Arc<Directory>>,
}

impl ClientSetup {
    /// The services of `host` for the domains of a directory. `https_port`: the port on which the same is served under TLS, if it is.
    pub fn new(
        host: &str,
        endpoints: Vec<Endpoint>,
        https_port: Option<u16>,
        directory: Arc<Directory>,
    ) -> Self {
        let https = https_port.map(|port| match port {
            443 => format!("https://{host}"),
            port => format!("https://{host}:{port}"),
        });
        Self(Arc::new(Inner { host: host.to_owned(), endpoints, https, directory: RwLock::new(directory) }))
    }

    /// Other domains are ours from now on.
    pub fn change_directory(&self, directory: Arc<Directory>) {
        *self.0.directory.write().unwrap_or_else(PoisonError::into_inner) = directory;
    }

    /// What is told about a domain. None if it is not ours, or there is nothing that a client could use.
    fn settings(&self, domain: &Domain) -> Option<Settings> {
        let is_ours = self.0.directory.read().unwrap_or_else(PoisonError::into_inner).is_local(domain);
        (is_ours && !self.0.endpoints.is_empty()).then(|| {
            Settings::new(domain.clone(), &self.0.host, &domain.to_string(), self.0.endpoints.clone())
        })
    }

    /// Where Autodiscover is under TLS.
    fn autodiscover_url(&self) -> Option<String> {
        self.0.https.as_ref().map(|https| format!("{https}{}", routes::AUTODISCOVER))
    }
}

/// Clients of Microsoft's write the path in several cases of letters, for their own servers know no difference.
pub(crate) fn fold_case<B>(request: &mut Request<B>) {
    let path = request.uri().path();
    if path == routes::AUTODISCOVER || !path.eq_ignore_ascii_case(routes::AUTODISCOVER) {
        return;
    }
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = format!("{}{query}", routes::AUTODISCOVER).parse::<PathAndQuery>().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

#[cfg(test)]
mod tests;
