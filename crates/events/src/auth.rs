//! Who answers for a message, and what followed: what reports of DMARC are made from (RFC 9990), and what `trace` tells.

use serde::{Deserialize, Serialize};

/// What was found and decided. What does not apply is left out of the line.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Auth {
    /// The author's domain; none if the header section names no one author.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// DMARC; none if there was nobody to ask about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dmarc: Option<Dmarc>,
    /// SPF, of each name that was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spf: Vec<Spf>,
    /// DKIM, of each signature.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dkim: Vec<Dkim>,
    /// ARC; none if there is no chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arc: Option<Arc>,
    /// Whether a name of the client leads back to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iprev: Option<String>,
    /// What became of the message by it: `accept`, `junk`, `hold` or `reject`.
    pub disposition: String,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Why it was not what the author's domain asks for: `trusted_forwarder`, `mailing_list` or `local_policy` (RFC 9990, `PolicyOverrideType`).
    #[serde(default, rename = "override", skip_serializing_if = "Option::is_none")]
    pub overridden: Option<String>,
}

/// DMARC of the author's domain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Dmarc {
    /// `pass`, `fail`, `none` or `temperror`.
    pub result: String,
    /// The domain whose record it goes by; none if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// What the record asks for in this case, lowered where it is tried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// `p` of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<String>,
    /// `sp` of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sp: Option<String>,
    /// `np` of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub np: Option<String>,
    /// `adkim`: `r` or `s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adkim: Option<String>,
    /// `aspf`: `r` or `s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aspf: Option<String>,
    /// `fo` of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fo: Option<String>,
    /// The record is tried out: `t=y`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub testing: bool,
    /// SPF speaks for the author.
    #[serde(default)]
    pub spf_aligned: bool,
    /// A signature does.
    #[serde(default)]
    pub dkim_aligned: bool,
}

/// SPF of one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spf {
    /// `mfrom` for the reverse-path, `helo` for the client's own name.
    pub scope: String,
    /// The name.
    pub domain: String,
    /// The result.
    pub result: String,
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dkim {
    /// Who signed.
    pub domain: String,
    /// By which key.
    pub selector: String,
    /// The result.
    pub result: String,
    /// It speaks for the author.
    #[serde(default)]
    pub aligned: bool,
}

/// The chain of those who passed a message on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arc {
    /// `pass` or `fail`.
    pub result: String,
    /// Who sealed it, the first first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sealers: Vec<String>,
}
