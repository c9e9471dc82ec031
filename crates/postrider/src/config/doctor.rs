//! `[doctor]`: whom `postrider doctor` asks.

use message_auth::DomainName;
use serde_json::{Value, json};

use super::{value::Wrong, walk::Section};

/// Lists that many receivers go by, and that answer a server's own resolver without registration.
const BLOCKLISTS: [&str; 3] = ["zen.spamhaus.org", "bl.spamcop.net", "psbl.surriel.com"];
/// RFC 1035 §4.2.
const DNS_PORT: u16 = 53;

/// What it goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doctor {
    /// Zones of lists that are asked for our addresses (RFC 5782).
    pub blocklists: Vec<String>,
    /// The port of the zones' own servers. Only test networks have another than 53.
    pub name_server_port: u16,
}

impl Default for Doctor {
    fn default() -> Self {
        Self { blocklists: BLOCKLISTS.map(str::to_owned).to_vec(), name_server_port: DNS_PORT }
    }
}

pub(super) fn read(section: Section<'_>) -> Doctor {
    let mut doctor = Doctor::default();
    let zones = section.parsed_list("blocklists", |text| {
        let zone = DomainName::parse(text).map(|zone| zone.to_string());
        zone.ok_or_else(|| {
            Wrong::new(format!("`{text}` is not the zone of a blocklist"))
                .hint("write its name, such as \"zen.spamhaus.org\"; [] for none")
        })
    });
    if let Some(zones) = zones {
        doctor.blocklists = zones.into_iter().map(|(zone, _)| zone).collect();
    }
    let port = section.integer("name_server_port", 1..=65_535).and_then(|port| u16::try_from(port).ok());
    doctor.name_server_port = port.unwrap_or(doctor.name_server_port);
    section.finish();
    doctor
}

pub(super) fn show(doctor: &Doctor) -> Vec<(&'static str, Value)> {
    vec![("blocklists", json!(doctor.blocklists)), ("name_server_port", json!(doctor.name_server_port))]
}
