//! SRV records by which a client finds the services of a domain (RFC 6186 §3, RFC 8314 §5.1).

use std::fmt::Write;

use crate::{Security, Service, Settings};

/// The records in the form of a zone file. A service that there is none of has one that says so (RFC 6186 §3.4).
pub fn srv_records(settings: &Settings) -> String {
    let mut text = String::new();
    for (label, service, security) in [
        ("_submissions", Service::Submission, Security::Implicit),
        ("_submission", Service::Submission, Security::StartTls),
        ("_imaps", Service::Imap, Security::Implicit),
        ("_imap", Service::Imap, Security::StartTls),
        ("_pop3s", Service::Pop3, Security::Implicit),
        ("_pop3", Service::Pop3, Security::StartTls),
    ] {
        let found = settings.of(service).find(|endpoint| endpoint.security == security);
        // IMAP before POP3, and under TLS from the start before STARTTLS.
        let priority = match (service, security) {
            (Service::Pop3, Security::Implicit) => 20,
            (Service::Pop3, Security::StartTls) => 30,
            (_, Security::Implicit) => 0,
            (_, Security::StartTls) => 10,
        };
        // Writing to a String cannot fail.
        let _ = match found {
            Some(endpoint) => writeln!(
                text,
                "{label}._tcp.{}. 3600 IN SRV {priority} 1 {} {}.",
                settings.domain, endpoint.port, settings.host
            ),
            None => writeln!(text, "{label}._tcp.{}. 3600 IN SRV 0 0 0 .", settings.domain),
        };
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
