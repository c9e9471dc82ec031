//! What signatures are made over: digests of a header section and of a body.

use aws_lc_rs::digest::{Context, Digest, SHA256};
use message::Field;

use super::canon::{Body, Form, push_field};
use super::signature::without_signature;

/// The digest of the fields that are named, each name standing for the lowest field of it that is left, and then of the
/// signature's own field without its signature (RFC 6376 §3.7, §5.4.2).
pub(crate) fn of_header(form: Form, fields: &[Field<'_>], names: &[&str], own: &[u8]) -> Digest {
    let mut text = of_fields(form, fields, names);
    push_own(form, own, &mut text);
    aws_lc_rs::digest::digest(&SHA256, &text)
}

/// The fields that are named, in their canonical form.
pub(crate) fn of_fields(form: Form, fields: &[Field<'_>], names: &[&str]) -> Vec<u8> {
    let mut text = Vec::with_capacity(2048);
    let mut taken = vec![false; fields.len()];
    for name in names {
        let unused = |(field, taken): &(&Field<'_>, &mut bool)| !**taken && field.is(name);
        if let Some((field, taken)) = fields.iter().zip(&mut taken).rev().find(unused) {
            *taken = true;
            push_field(form, field.octets(), &mut text);
        }
    }
    text
}

/// The field that holds the signature comes last, and without the end of its line.
pub(crate) fn push_own(form: Form, own: &[u8], text: &mut Vec<u8>) {
    let own = own.strip_suffix(b"\n").map_or(own, |own| own.strip_suffix(b"\r").unwrap_or(own));
    push_field(form, &without_signature(own), text);
    if form == Form::Relaxed {
        text.truncate(text.len() - b"\r\n".len());
    }
}

/// Octets of a canonical form that are digested at once: words by themselves would cost more than their digest.
const BLOCK_OCTETS: usize = 4096;

/// The digest of a body, as it comes.
pub(crate) struct BodyDigest {
    body: Body,
    digested: Digested,
}

/// A body that has come to its end.
pub(crate) struct DigestedBody {
    pub(crate) digest: Digest,
    /// Octets of its canonical form; more than were digested, where a signature covers only so many.
    pub(crate) octets: u64,
}

impl BodyDigest {
    pub(crate) fn new(form: Form, octets_max: Option<u64>) -> Self {
        let context = Context::new(&SHA256);
        Self {
            body: Body::new(form),
            digested: Digested { context, octets_max, octets: 0, block: Vec::new() },
        }
    }

    /// Whether it is the one for this form and bound.
    pub(crate) fn is(&self, form: Form, octets_max: Option<u64>) -> bool {
        self.body.form() == form && self.digested.octets_max == octets_max
    }

    pub(crate) fn push(&mut self, octets: &[u8]) {
        let Self { body, digested } = self;
        body.push(octets, |octets| digested.push(octets));
    }

    pub(crate) fn finish(self) -> DigestedBody {
        let Self { body, mut digested } = self;
        body.finish(|octets| digested.push(octets));
        digested.flush();
        DigestedBody { digest: digested.context.finish(), octets: digested.octets }
    }
}

/// What has gone into a digest, up to a bound.
struct Digested {
    context: Context,
    octets_max: Option<u64>,
    octets: u64,
    /// What comes next.
    block: Vec<u8>,
}

impl Digested {
    fn push(&mut self, octets: &[u8]) {
        if self.block.len() + octets.len() > BLOCK_OCTETS {
            self.flush();
        }
        let left = self.octets_max.map_or(u64::MAX, |most| most.saturating_sub(self.octets));
        let part = octets.get(..usize::try_from(left).unwrap_or(usize::MAX)).unwrap_or(octets);
        self.octets += octets.len() as u64;
        if part.len() > BLOCK_OCTETS {
            self.context.update(part);
        } else {
            self.block.extend_from_slice(part);
        }
    }

    fn flush(&mut self) {
        self.context.update(&self.block);
        self.block.clear();
    }
}

#[cfg(test)]
mod tests {
    use message::HeaderSection;

    use super::*;

    #[test]
    fn a_name_stands_for_the_lowest_field_that_is_left() {
        let section = HeaderSection::read(b"A: 1\r\nB: 2\r\na: 3\r\nC: 4\r\n\r\n");
        let fields: Vec<Field<'_>> = section.fields().collect();
        let text = of_fields(Form::Relaxed, &fields, &["a", "A", "A", "c", "d"]);
        assert_eq!(text, b"a:3\r\na:1\r\nc:4\r\n");
    }

    #[test]
    fn a_bound_is_kept_and_what_is_beyond_it_is_counted() {
        let mut bounded = BodyDigest::new(Form::Simple, Some(3));
        bounded.push(b"abc");
        bounded.push(b"def\r\n");
        let bounded = bounded.finish();
        assert_eq!(bounded.octets, 8);
        assert_eq!(bounded.digest.as_ref(), aws_lc_rs::digest::digest(&SHA256, b"abc").as_ref());
    }
}
