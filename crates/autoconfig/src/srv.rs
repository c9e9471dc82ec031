//! SRV records by which a client finds the services of a domain (RFC 6186 §3, RFC 8314 §5.1).

use std::fmt::Write;

use crate::{Security, Service, Settings};

/// A record of the domain of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SrvRecord {
    /// What is looked for, such as `_imaps`; its name is `_imaps._tcp.` and the domain.
    pub label: &'static str,
    /// The lower, the sooner it is tried.
    pub priority: u16,
    /// The share among those of one priority.
    pub weight: u16,
    /// The port of the host of the settings; 0 if it is not offered.
    pub port: u16,
    /// Whether there is such a service. If not, the record says so (RFC 6186 §3.4): its target is the root.
    pub offered: bool,
}

/// All records, for what there is and for what there is not.
pub fn srv(settings: &Settings) -> Vec<SrvRecord> {
    let all = [
        ("_submissions", Service::Submission, Security::Implicit),
        ("_submission", Service::Submission, Security::StartTls),
        ("_imaps", Service::Imap, Security::Implicit),
        ("_imap", Service::Imap, Security::StartTls),
        ("_pop3s", Service::Pop3, Security::Implicit),
        ("_pop3", Service::Pop3, Security::StartTls),
    ];
    let record = |(label, service, security)| {
        let found = settings.of(service).find(|endpoint| endpoint.security == security);
        // IMAP before POP3, and under TLS from the start before STARTTLS.
        let priority = match (service, security) {
            (Service::Pop3, Security::Implicit) => 20,
            (Service::Pop3, Security::StartTls) => 30,
            (_, Security::Implicit) => 0,
            (_, Security::StartTls) => 10,
        };
        match found {
            Some(endpoint) => SrvRecord { label, priority, weight: 1, port: endpoint.port, offered: true },
            None => SrvRecord { label, priority: 0, weight: 0, port: 0, offered: false },
        }
    };
    all.into_iter().map(record).collect()
}

/// The records in the form of a zone file.
pub fn srv_records(settings: &Settings) -> String {
    let mut text = String::new();
    for SrvRecord { label, priority, weight, port, offered } in srv(settings) {
        let host = if offered { settings.host.as_str() } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{label}._tcp.{}. 3600 IN SRV {priority} {weight} {port} {host}.",
            settings.domain
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::submission_only;

    #[test]
    fn a_service_that_is_not_there_is_said_not_to_be() {
        let none = "3600 IN SRV 0 0 0 .";
        let lines = [
            "_submissions._tcp.example.org. 3600 IN SRV 0 1 465 mail.example.org.".to_owned(),
            "_submission._tcp.example.org. 3600 IN SRV 10 1 587 mail.example.org.".to_owned(),
            format!("_imaps._tcp.example.org. {none}"),
            format!("_imap._tcp.example.org. {none}"),
            format!("_pop3s._tcp.example.org. {none}"),
            format!("_pop3._tcp.example.org. {none}"),
        ];
        assert_eq!(srv_records(&submission_only()).lines().collect::<Vec<_>>(), lines);
    }
}
