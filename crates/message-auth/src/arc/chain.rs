//! The sets of fields that those who passed a message on have put before it, and what they claim (RFC 8617 §4).

use message::{Field, HeaderSection};

use crate::{
    dkim::{Algorithm, Form, Kind, Signature, push_field},
    tags::{Tags, base64},
};

/// Sets that one message may have (RFC 8617 §4.2.1).
pub const SETS_MAX: usize = 50;
/// The three fields of a set, in the order in which they are sealed (RFC 8617 §5.1.1).
pub(super) const FIELDS: [&str; 3] = ["ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal"];

/// What a chain is worth (RFC 8617 §4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChainStatus {
    /// There is none.
    None,
    /// Who passed the message on stands behind what it says.
    Pass,
    /// It is broken, for good.
    Fail,
}

impl ChainStatus {
    /// As in `cv=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
        }
    }
}

/// One set, borrowed from the header section.
pub(super) struct Set<'a> {
    pub(super) fields: [Field<'a>; 3],
    pub(super) signature: Signature<'a>,
    pub(super) seal: Seal<'a>,
}

/// What a seal claims (RFC 8617 §4.1.3).
pub(super) struct Seal<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) proof: Vec<u8>,
    pub(super) domain: &'a str,
    pub(super) selector: &'a str,
    pub(super) status: ChainStatus,
}

/// Why there is no chain to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Broken {
    /// More than 50 sets.
    TooMany,
    /// A field that cannot be read.
    Malformed,
    /// A set lacks a field, has one twice, or a number is left out.
    Incomplete,
    /// Somebody has said already that it is broken.
    ToldSo,
    /// What the seals say of the chain does not follow on each other.
    Status,
}

/// The sets in their order; empty: there is no chain.
pub(super) fn sets<'a>(section: &HeaderSection<'a>) -> Result<Vec<Set<'a>>, Broken> {
    let mut slots: Vec<[Option<Field<'a>>; 3]> = Vec::new();
    for field in section.fields() {
        let Some(kind) = FIELDS.iter().position(|name| field.is(name)) else { continue };
        let instance = std::str::from_utf8(field.raw()).ok().and_then(instance).ok_or(Broken::Malformed)?;
        if instance > SETS_MAX {
            return Err(Broken::TooMany);
        }
        if slots.len() < instance {
            slots.resize(instance, [None; 3]);
        }
        let slot = slots.get_mut(instance - 1).and_then(|set| set.get_mut(kind)).ok_or(Broken::Malformed)?;
        if slot.replace(field).is_some() {
            return Err(Broken::Incomplete);
        }
    }
    let complete = slots.into_iter().map(|[results, message, seal]| {
        let fields = [
            results.ok_or(Broken::Incomplete)?,
            message.ok_or(Broken::Incomplete)?,
            seal.ok_or(Broken::Incomplete)?,
        ];
        Set::read(fields)
    });
    let sets: Vec<Set<'a>> = complete.collect::<Result<_, _>>()?;
    follows(&sets)?;
    Ok(sets)
}

/// RFC 8617 §5.2: the first says `none`, all others `pass`; and who says `fail` ends it.
fn follows(sets: &[Set<'_>]) -> Result<(), Broken> {
    if sets.last().is_some_and(|last| last.seal.status == ChainStatus::Fail) {
        return Err(Broken::ToldSo);
    }
    let follow = sets.iter().enumerate().all(|(number, set)| {
        set.seal.status == if number == 0 { ChainStatus::None } else { ChainStatus::Pass }
    });
    if follow { Ok(()) } else { Err(Broken::Status) }
}

/// `i=`, which comes first in the results and anywhere in the others.
pub(super) fn instance(value: &str) -> Option<usize> {
    let tag = value.split(';').find_map(|spec| {
        let (name, value) = spec.split_once('=')?;
        (name.trim() == "i").then_some(value.trim())
    })?;
    let digits = (1..=2).contains(&tag.len()) && tag.bytes().all(|octet| octet.is_ascii_digit());
    // A third digit is one too many, but still a number.
    if !digits && tag.len() == 3 && tag.bytes().all(|octet| octet.is_ascii_digit()) {
        return Some(SETS_MAX + 1);
    }
    tag.parse().ok().filter(|number| digits && *number > 0)
}

impl<'a> Set<'a> {
    fn read(fields: [Field<'a>; 3]) -> Result<Self, Broken> {
        let [_, message, seal] = fields;
        let text = |field: &Field<'a>| std::str::from_utf8(field.raw()).map_err(|_| Broken::Malformed);
        let signature = Signature::parse(Kind::ArcMessage, text(&message)?).map_err(|_| Broken::Malformed)?;
        let seal = Seal::parse(text(&seal)?).ok_or(Broken::Malformed)?;
        Ok(Self { fields, signature, seal })
    }
}

impl<'a> Seal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let tags = Tags::parse(text).ok()?;
        // RFC 8617 §4.1.3: what a seal covers is not for it to say.
        if tags.get("h").is_some() {
            return None;
        }
        Some(Self {
            algorithm: Algorithm::parse(tags.get("a")?).ok()?,
            proof: base64(tags.get("b")?).filter(|proof| !proof.is_empty())?,
            domain: tags.get("d").filter(|domain| !domain.is_empty())?,
            selector: tags.get("s").filter(|selector| !selector.is_empty())?,
            status: match tags.get("cv")? {
                "none" => ChainStatus::None,
                "pass" => ChainStatus::Pass,
                "fail" => ChainStatus::Fail,
                _ => return None,
            },
        })
    }
}

/// The fields of a set as they are sealed by a later one.
pub(super) fn push_set(fields: &[Field<'_>], to: &mut Vec<u8>) {
    for field in fields {
        push_field(Form::Relaxed, field.octets(), to);
    }
}
