//! Changes the text of a part while it streams by.

use super::{action::Change, base64, clean::Cleaner, quoted_decoder};
use crate::quoted;

/// What is done with the text that comes.
#[derive(Debug)]
pub(super) enum Recoder {
    Keep,
    Quote(quoted::Encoder),
    Base64(base64::Encoder),
    MendQuoted(quoted_decoder::Decoder, quoted::Encoder),
    MendBase64(base64::Mender),
    Clean(Cleaner),
}

impl Recoder {
    pub(super) fn new(change: Change) -> Self {
        match change {
            Change::Keep => Self::Keep,
            Change::Quote => Self::Quote(quoted::Encoder::default()),
            Change::Base64 => Self::Base64(base64::Encoder::default()),
            Change::MendQuoted => {
                Self::MendQuoted(quoted_decoder::Decoder::default(), quoted::Encoder::default())
            }
            Change::MendBase64 => Self::MendBase64(base64::Mender::default()),
            Change::Clean { eight_bit } => Self::Clean(Cleaner::new(eight_bit)),
        }
    }

    pub(super) fn push(&mut self, text: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Keep => out.extend_from_slice(text),
            Self::Quote(encoder) => encoder.push(text, out),
            Self::Base64(encoder) => encoder.push(text, out),
            Self::MendQuoted(decoder, encoder) => {
                let mut decoded = Vec::with_capacity(text.len());
                decoder.push(text, &mut decoded);
                encoder.push(&decoded, out);
            }
            Self::MendBase64(mender) => mender.push(text, out),
            Self::Clean(cleaner) => cleaner.push(text, out),
        }
    }

    /// Ends the text. `last`: the content ends with it, so the last line gets an end, one that does not count.
    pub(super) fn finish(&mut self, last: bool, out: &mut Vec<u8>) {
        match self {
            Self::Keep => {}
            Self::Quote(encoder) => finish_quoted(encoder, last, out),
            Self::Base64(encoder) => encoder.finish(last, out),
            Self::MendQuoted(decoder, encoder) => {
                let mut decoded = Vec::new();
                decoder.finish(&mut decoded);
                encoder.push(&decoded, out);
                finish_quoted(encoder, last, out);
            }
            Self::MendBase64(mender) => mender.finish(last, out),
            Self::Clean(cleaner) => cleaner.finish(out),
        }
    }
}

fn finish_quoted(encoder: &mut quoted::Encoder, last: bool, out: &mut Vec<u8>) {
    encoder.finish(out);
    if last {
        encoder.soft_end(out);
    }
}
