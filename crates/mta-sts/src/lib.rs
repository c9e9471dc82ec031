//! What a domain says of how its mail must be sent (MTA-STS, RFC 8461): its TXT record, and its policy.
//!
//! *Takes* octets that strangers wrote. *Hands on* policies, or why there is none. *Never* asks the DNS or a web server, and knows no time.

mod policy;
mod record;

pub use policy::{Invalid, Mode, Policy};
pub use record::id_of;

/// The most octets of a policy that are read (RFC 8461 §3.3 leaves the bound to the sender, and names 64 KB).
pub const POLICY_OCTETS_MAX: usize = 64 * 1024;

/// The name of the TXT record of a domain (RFC 8461 §3.1).
pub fn record_name(domain: &str) -> String {
    format!("_mta-sts.{domain}")
}

/// The host that has the policy of a domain (RFC 8461 §3.2).
pub fn policy_host(domain: &str) -> String {
    format!("mta-sts.{domain}")
}

/// Where the policy of a domain is (RFC 8461 §3.2).
pub fn policy_url(domain: &str) -> String {
    format!("https://{}/.well-known/mta-sts.txt", policy_host(domain))
}

/// Whether a media type is that of a policy, whatever its parameters (RFC 8461 §3.2).
pub fn is_plain_text(content_type: &str) -> bool {
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/plain")
}
