//! Decides what becomes of each part.

use super::{
    Needs, Refusal, Target,
    head::Shape,
    media::Encoding,
    survey::{Part, Plan},
};

/// What becomes of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Action {
    /// The value that its Content-Transfer-Encoding field gets.
    pub(super) label: Option<Label>,
    pub(super) text: Change,
    /// The message gets a MIME-Version field.
    pub(super) mime_version: bool,
}

/// A Content-Transfer-Encoding that we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    SevenBit,
    EightBit,
    QuotedPrintable,
    Base64,
}

impl Label {
    /// The whole field.
    pub(super) fn field(self) -> &'static [u8] {
        match self {
            Self::SevenBit => b"Content-Transfer-Encoding: 7bit\r\n",
            Self::EightBit => b"Content-Transfer-Encoding: 8bit\r\n",
            Self::QuotedPrintable => b"Content-Transfer-Encoding: quoted-printable\r\n",
            Self::Base64 => b"Content-Transfer-Encoding: base64\r\n",
        }
    }
}

/// What becomes of the text of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Change {
    /// It stays.
    #[default]
    Keep,
    /// Encoded in quoted-printable.
    Quote,
    /// Encoded in base64.
    Base64,
    /// It is quoted-printable and breaks its rules: decoded and encoded again.
    MendQuoted,
    /// It is base64 and breaks its rules: in lines that are short, without what is not base64.
    MendBase64,
    /// Nobody reads it: octets that do not fit are replaced. `eight_bit`: those beyond ASCII fit.
    Clean { eight_bit: bool },
}

/// What becomes of each part, in their order.
pub(super) fn actions(plan: &Plan, target: Target) -> Result<Vec<Action>, Refusal> {
    if let Some(refusal) = plan.refusal(target) {
        return Err(refusal);
    }
    let mut actions = plan.parts.iter().map(|part| decide(part, target)).collect::<Result<Vec<_>, _>>()?;
    let version_is_missing = |message: usize| plan.parts.get(message).is_some_and(|part| !part.mime_version);
    let encoded = |action: &Action| matches!(action.text, Change::Quote | Change::Base64);
    for (number, part) in plan.parts.iter().enumerate() {
        // RFC 2045 §4: it is MIME-Version that makes a message one in which encodings count.
        if actions.get(number).is_some_and(encoded)
            && version_is_missing(part.message)
            && let Some(message) = actions.get_mut(part.message)
        {
            message.mime_version = true;
        }
    }
    Ok(actions)
}

/// What becomes of one part.
pub(super) fn decide(part: &Part, target: Target) -> Result<Action, Refusal> {
    let fits = target.takes(part.text.needs);
    let kept = |why| if fits { Ok(Action::default()) } else { Err(why) };
    if part.sealed {
        return kept(Refusal::Signed);
    }
    match part.shape {
        Shape::Kept(why) => kept(why),
        Shape::Multipart | Shape::Message => {
            let clean = Change::Clean { eight_bit: target == Target::EightBit };
            let text = if fits { Change::Keep } else { clean };
            Ok(Action { label: narrower_label(part, target), text, ..Action::default() })
        }
        Shape::Text | Shape::Other => Ok(decide_leaf(part, target)),
    }
}

fn decide_leaf(part: &Part, target: Target) -> Action {
    let fits = target.takes(part.text.needs);
    // A line end that SMTP adds to the last line would be one octet too many of binary data.
    let label_will_do = part.text.ended || part.encoding != Encoding::Identity(Needs::Binary);
    let (label, text) = match part.encoding {
        Encoding::Base64 | Encoding::QuotedPrintable if fits => (None, Change::Keep),
        Encoding::Base64 => (None, Change::MendBase64),
        Encoding::QuotedPrintable => (None, Change::MendQuoted),
        _ if fits && label_will_do => (narrower_label(part, target), Change::Keep),
        _ if part.shape == Shape::Text && part.text.lines => (Some(Label::QuotedPrintable), Change::Quote),
        _ => (Some(Label::Base64), Change::Base64),
    };
    Action { label, text, mime_version: false }
}

/// The label for what is not encoded, if the present one promises wider data than the target takes.
fn narrower_label(part: &Part, target: Target) -> Option<Label> {
    match (part.encoding, target) {
        (Encoding::Identity(label), _) if target.takes(label) => None,
        (Encoding::Identity(_), Target::SevenBit) => Some(Label::SevenBit),
        (Encoding::Identity(_), Target::EightBit) => Some(Label::EightBit),
        _ => None,
    }
}
