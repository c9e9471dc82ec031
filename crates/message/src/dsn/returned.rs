//! The third part of a report: the message, or its header section (RFC 6522 §3, §4).

use mail::{Body, Ret};

use super::{CONTENT_RETURNED_MAX, FailureReport, Part, begin_part, quoted};
use crate::{
    HeaderSection,
    convert::{Meter, Needs},
};

/// What is returned, and how.
pub(super) enum Returned<'a> {
    /// All of the content as it stands: its lines are lines.
    Message { content: &'a [u8], eight_bit: bool, global: bool },
    /// The header section; `why` there is no more, unless the sender wished it so.
    Headers { header: HeaderSection<'a>, why: Option<&'static str> },
}

impl<'a> Returned<'a> {
    pub(super) fn of(report: &FailureReport<'a>) -> Self {
        let content = report.content;
        let header = HeaderSection::read(content);
        let whole = u64::try_from(content.len()).is_ok_and(|octets| octets == report.content_octets);
        if report.envelope.ret == Some(Ret::Headers) {
            Self::Headers { header, why: None }
        } else if !whole || content.len() > CONTENT_RETURNED_MAX {
            Self::Headers { header, why: Some("because it is large") }
        } else if report.envelope.body == Body::BinaryMime || !has_plain_lines(content) {
            Self::Headers { header, why: Some("because it has lines that no mail may have") }
        } else if str::from_utf8(header.octets()).is_err() {
            Self::Headers { header, why: Some("because it has characters that no mail may have") }
        } else {
            let global = !header.octets().is_ascii();
            Self::Message { content, eight_bit: !content.is_ascii(), global }
        }
    }

    /// Whether the part has 8-bit octets.
    pub(super) fn eight_bit(&self) -> bool {
        matches!(self, Self::Message { eight_bit: true, .. })
    }

    pub(super) fn part(&self) -> Part {
        match self {
            Self::Message { content, eight_bit, global } => {
                // A header section in UTF-8 is not one of message/rfc822 (RFC 6532 §3.7).
                let kind = if *global { "message/global" } else { "message/rfc822" };
                let encoding = if *eight_bit { "8bit" } else { "7bit" };
                let mut part = begin_part(&[
                    ("Content-Type", kind),
                    ("Content-Description", "Undelivered message"),
                    ("Content-Transfer-Encoding", encoding),
                ]);
                part.extend_from_slice(content);
                part
            }
            Self::Headers { header, .. } => headers_part(header.octets()),
        }
    }
}

fn headers_part(header: &[u8]) -> Part {
    let plain = header.is_ascii() && has_plain_lines(header);
    // RFC 6522 §4: broken or extended header sections may be in quoted-printable, and no octet of them is lost.
    let encoding = if plain { "7bit" } else { "quoted-printable" };
    let mut part = begin_part(&[
        ("Content-Type", "text/rfc822-headers"),
        ("Content-Description", "Header section of the undelivered message"),
        ("Content-Transfer-Encoding", encoding),
    ]);
    if plain {
        part.extend_from_slice(header);
    } else {
        quoted::write(&mut part, header);
    }
    part
}

/// Whether all is lines of at most 998 octets that end in CRLF, without NUL.
fn has_plain_lines(content: &[u8]) -> bool {
    Meter::of(content).needs() < Needs::Binary
}
