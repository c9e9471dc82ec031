//! The third part of a report: the message, or its header section (RFC 6522 §3, §4; RFC 6533 §4.2, §4.3).

use mail::{Body, Ret};

use super::{CONTENT_RETURNED_MAX, Part, Report, Topic, begin_part, quoted};
use crate::{
    HeaderSection,
    convert::{Meter, Needs},
};

/// What is returned, and how.
pub(super) struct Returned<'a> {
    octets: &'a [u8],
    what: What,
    encoding: Encoding,
    /// A header section in UTF-8 is neither one of message/rfc822 nor text (RFC 6532 §3.7, RFC 6533 §4.3).
    global: bool,
}

/// How much of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// All of it.
    Message,
    /// The header section; `why` there is no more, unless nobody would want it.
    Headers { why: Option<&'static str> },
}

/// Content-Transfer-Encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    SevenBit,
    EightBit,
    QuotedPrintable,
}

impl<'a> Returned<'a> {
    /// `utf8`: the way of the report takes UTF-8.
    pub(super) fn of(report: &Report<'a>, topic: Topic, utf8: bool) -> Self {
        let header = HeaderSection::read(report.content).octets();
        let what = what(report, topic, header);
        let octets = if what == What::Message { report.content } else { header };
        let global = !header.is_ascii() && str::from_utf8(header).is_ok();
        let eight_bit_may_go = if global { utf8 } else { what == What::Message };
        let encoding = if has_plain_lines(octets) && octets.is_ascii() {
            Encoding::SevenBit
        } else if has_plain_lines(octets) && eight_bit_may_go {
            Encoding::EightBit
        } else {
            // RFC 6533 §4.5, §6.3: in ASCII where UTF-8 in header fields may not go. RFC 6522 §4: and so are broken
            // header sections, of which no octet is lost.
            Encoding::QuotedPrintable
        };
        Self { octets, what, encoding, global }
    }

    /// How much it is.
    pub(super) fn what(&self) -> What {
        self.what
    }

    /// Whether the part has 8-bit octets.
    pub(super) fn eight_bit(&self) -> bool {
        self.encoding == Encoding::EightBit
    }

    pub(super) fn part(&self, topic: Topic) -> Part {
        let kind = match (self.what, self.global) {
            (What::Message, false) => "message/rfc822",
            (What::Message, true) => "message/global",
            (What::Headers { .. }, false) => "text/rfc822-headers",
            (What::Headers { .. }, true) => "message/global-headers",
        };
        let description = match (self.what, topic) {
            (What::Message, _) => "Undelivered message",
            (What::Headers { .. }, Topic::Failure) => "Header section of the undelivered message",
            (What::Headers { .. }, Topic::Delay | Topic::Success) => "Header section of the message",
        };
        let encoding = match self.encoding {
            Encoding::SevenBit => "7bit",
            Encoding::EightBit => "8bit",
            Encoding::QuotedPrintable => "quoted-printable",
        };
        let mut part = begin_part(&[
            ("Content-Type", kind),
            ("Content-Description", description),
            ("Content-Transfer-Encoding", encoding),
        ]);
        match self.encoding {
            Encoding::QuotedPrintable => quoted::write(&mut part, self.octets),
            Encoding::SevenBit | Encoding::EightBit => part.extend_from_slice(self.octets),
        }
        part
    }
}

fn what(report: &Report<'_>, topic: Topic, header: &[u8]) -> What {
    let content = report.content;
    let whole = u64::try_from(content.len()).is_ok_and(|octets| octets == report.content_octets);
    // RFC 3461 §4.3: whoever does not report a failure returns the header section only. RFC 8689 §5: and so does a report
    // of what had to travel over TLS, whatever RET says.
    let headers = report.envelope.require_tls || report.envelope.ret == Some(Ret::Headers);
    let why = if topic != Topic::Failure || headers {
        None
    } else if !whole || content.len() > CONTENT_RETURNED_MAX {
        Some("because it is large")
    } else if report.envelope.body == Body::BinaryMime {
        Some("because it is binary")
    } else if !has_plain_lines(content) {
        Some("because it has lines that no mail may have")
    } else if str::from_utf8(header).is_err() {
        Some("because it has characters that no mail may have")
    } else {
        return What::Message;
    };
    What::Headers { why }
}

/// Whether all is lines of at most 998 octets that end in CRLF, without NUL.
fn has_plain_lines(content: &[u8]) -> bool {
    Meter::of(content).needs() < Needs::Binary
}
