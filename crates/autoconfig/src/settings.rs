//! Which services there are.

use mail::Domain;

/// What a client does there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Reads mail by IMAP.
    Imap,
    /// Fetches mail by POP3.
    Pop3,
    /// Submits mail.
    Submission,
}

/// How the connection is put under TLS. In clear is no choice (RFC 8314 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Security {
    /// Before a word of the protocol: what RFC 8314 §3 wants, so it comes first.
    Implicit,
    /// By STARTTLS or STLS.
    StartTls,
}

/// One way to reach a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// What is there.
    pub service: Service,
    /// How it is secured.
    pub security: Security,
    /// Its port.
    pub port: u16,
}

/// All ways to reach the mailboxes of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The domain of the addresses.
    pub domain: Domain,
    /// The host of all services: the name in its certificate.
    pub host: String,
    /// How its people know it.
    pub display_name: String,
    /// The services, best first.
    pub endpoints: Vec<Endpoint>,
}

impl Settings {
    /// Settings with the endpoints in the order in which a client should try them: IMAP before POP3, and implicit TLS before STARTTLS.
    pub fn new(domain: Domain, host: &str, display_name: &str, mut endpoints: Vec<Endpoint>) -> Self {
        endpoints.sort_unstable();
        endpoints.dedup();
        Self { domain, host: host.to_owned(), display_name: display_name.to_owned(), endpoints }
    }

    /// The endpoints of a service, best first.
    pub(crate) fn of(&self, service: Service) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter().filter(move |endpoint| endpoint.service == service)
    }

    /// Where mail is read: by IMAP if that is possible.
    pub(crate) fn incoming(&self) -> Option<&Endpoint> {
        self.of(Service::Imap).next().or_else(|| self.of(Service::Pop3).next())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A server with all services.
    pub(crate) fn settings() -> Settings {
        let all = [Service::Submission, Service::Pop3, Service::Imap].into_iter();
        let port = |service, security| match (service, security) {
            (Service::Imap, Security::Implicit) => 993,
            (Service::Imap, Security::StartTls) => 143,
            (Service::Pop3, Security::Implicit) => 995,
            (Service::Pop3, Security::StartTls) => 110,
            (Service::Submission, Security::Implicit) => 465,
            (Service::Submission, Security::StartTls) => 587,
        };
        let both = |service| {
            [Security::StartTls, Security::Implicit].map(|security| Endpoint {
                service,
                security,
                port: port(service, security),
            })
        };
        let domain = Domain::parse("example.org").unwrap();
        Settings::new(domain, "mail.example.org", "Example & Sons", all.flat_map(both).collect())
    }

    /// One that only takes mail.
    pub(crate) fn submission_only() -> Settings {
        let Settings { domain, host, display_name, endpoints } = settings();
        let endpoints = endpoints.into_iter().filter(|endpoint| endpoint.service == Service::Submission);
        Settings::new(domain, &host, &display_name, endpoints.collect())
    }

    #[test]
    fn the_best_way_comes_first() {
        let settings = settings();
        let first: Vec<_> = settings.endpoints.iter().map(|endpoint| endpoint.port).collect();
        assert_eq!(first, [993, 143, 995, 110, 465, 587]);
        assert_eq!(settings.incoming().unwrap().port, 993);
        assert_eq!(submission_only().incoming(), None);
    }
}
