//! Seals of ours (RFC 8617 §5.1).

use message::{Field, HeaderSection};

use super::chain::{ChainStatus, FIELDS, SETS_MAX, push_set};
use crate::dkim::{BodyHash, KeyError, Signer};

/// Octets of a line, where words allow.
const LINE_OCTETS: usize = 78;

/// The three fields of a new set, to be put before all others; empty where the chain is as long as it may be. `results` is what was found
/// when the message came in: the name of who found it, and its words, as in Authentication-Results (RFC 8601 §2.2), without line ends.
/// `status` is what its chain was found to be worth. `made` in seconds since 1970.
///
/// # Errors
/// The key does not sign.
pub fn seal(
    signer: &Signer,
    section: &HeaderSection<'_>,
    body: &BodyHash,
    status: ChainStatus,
    results: &str,
    made: u64,
) -> Result<Vec<u8>, KeyError> {
    let earlier = earlier(section);
    let instance = earlier.len() + 1;
    let Some(instance) = u8::try_from(instance).ok().filter(|_| instance <= SETS_MAX) else {
        return Ok(Vec::new());
    };
    let results: String = results.chars().filter(|c| !c.is_control()).collect();
    let results = folded(&format!("ARC-Authentication-Results: i={instance}; {results}")).into_bytes();
    let message = signer.sign_for_arc(section, body, instance, made)?;
    let mut sealed = Vec::new();
    // RFC 8617 §5.1.2: of a broken chain only our own set is sealed, for the others cannot be told apart any more.
    if status != ChainStatus::Fail {
        for set in &earlier {
            push_set(set, &mut sealed);
        }
    }
    let own = [results.as_slice(), message.as_slice()].concat();
    push_set(&HeaderSection::read(&own).fields().collect::<Vec<_>>(), &mut sealed);
    let seal = signer.seal(sealed, instance, status.name(), made)?;
    Ok([seal, message, results].concat())
}

/// A field in lines, where there are spaces (RFC 5322 §2.1.1).
fn folded(text: &str) -> String {
    let (mut field, mut column) = (String::with_capacity(text.len() + 64), 0);
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if column > 0 {
            let fits = column + 1 + word.len() <= LINE_OCTETS;
            field.push_str(if fits { " " } else { "\r\n\t" });
            column = if fits { column + 1 } else { 8 };
        }
        field.push_str(word);
        column += word.len();
    }
    field.push_str("\r\n");
    field
}

/// The sets that are there, by number, each in the order in which it is sealed; of a broken chain as many as its highest number.
fn earlier<'a>(section: &HeaderSection<'a>) -> Vec<Vec<Field<'a>>> {
    let mut sets: Vec<Vec<Field<'a>>> = Vec::new();
    for name in FIELDS {
        for field in section.fields().filter(|field| field.is(name)) {
            let instance =
                std::str::from_utf8(field.raw()).ok().and_then(super::chain::instance).unwrap_or(0);
            let Some(index) = instance.checked_sub(1).filter(|_| instance <= SETS_MAX) else { continue };
            if sets.len() < instance {
                sets.resize(instance, Vec::new());
            }
            if let Some(set) = sets.get_mut(index) {
                set.push(field);
            }
        }
    }
    sets
}
