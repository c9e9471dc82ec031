//! What a server offers in its reply to EHLO (RFC 5321 §4.1.1.1).

use mail::Reply;
use sasl::{Mechanism, Mechanisms};

use super::Limits;

/// The extensions offered; those that Postrider has a use for, now or soon.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each extension is offered or not, independent of the others"
)]
pub struct Capabilities {
    /// EHLO was understood.
    pub extended: bool,
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// SIZE (RFC 1870): the most octets it takes; `Some(0)` if it has no fixed limit or did not say.
    pub size: Option<u64>,
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// BINARYMIME (RFC 3030), which is of use with CHUNKING alone.
    pub binary_mime: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// ENHANCEDSTATUSCODES (RFC 2034).
    pub enhanced_status_codes: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// CHUNKING (RFC 3030).
    pub chunking: bool,
    /// DELIVERBY (RFC 2852).
    pub deliver_by: bool,
    /// MT-PRIORITY (RFC 6710).
    pub priority: bool,
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// AUTH (RFC 4954): the mechanisms that are known here too.
    pub auth: Mechanisms,
    /// LIMITS (RFC 9422).
    pub limits: Limits,
}

impl Capabilities {
    /// From the reply to EHLO: `ehlo-line = ehlo-keyword *( SP ehlo-param )` from the second line on. Unknown ones are
    /// passed over.
    pub fn from_reply(reply: &Reply) -> Self {
        let mut capabilities = Self { extended: true, ..Self::default() };
        for line in reply.text().split('\n').skip(1) {
            let mut words = line.split_ascii_whitespace();
            let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
            match keyword.as_str() {
                "PIPELINING" => capabilities.pipelining = true,
                "SIZE" => {
                    capabilities.size = Some(words.next().and_then(|size| size.parse().ok()).unwrap_or(0));
                }
                "8BITMIME" => capabilities.eight_bit_mime = true,
                "BINARYMIME" => capabilities.binary_mime = true,
                "SMTPUTF8" => capabilities.smtputf8 = true,
                "ENHANCEDSTATUSCODES" => capabilities.enhanced_status_codes = true,
                "DSN" => capabilities.dsn = true,
                "DELIVERBY" => capabilities.deliver_by = true,
                "MT-PRIORITY" => capabilities.priority = true,
                "CHUNKING" => capabilities.chunking = true,
                "STARTTLS" => capabilities.starttls = true,
                "AUTH" => capabilities.auth = words.filter_map(Mechanism::parse).collect(),
                "LIMITS" => words.for_each(|word| capabilities.limits.read(word)),
                _ => {}
            }
        }
        capabilities
    }

    /// Whether so many octets are over the announced limit.
    pub fn too_large(&self, octets: u64) -> bool {
        self.size.is_some_and(|size| size > 0 && octets > size)
    }
}
