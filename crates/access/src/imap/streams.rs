//! Octets that were announced, read when they are sent (`Question::Octets`).

use imap::{response::Status, server::Answer};
use mailstore::{EmailId, Facts, Mailstore, MailstoreError};
use message::mime::{BodyDecoder, Span, TransferEncoding};

use super::{
    blocking::read,
    policy::Policy,
    section::{Fields, PIECE_OCTETS},
};

/// Where octets come from.
pub(super) enum Source {
    /// They stand in the message.
    Plain { email: EmailId, span: Span },
    /// They are decoded.
    Decoded(Box<Decoding>),
    /// They are chosen out of a header section.
    Fields(Box<(Facts, Fields)>),
    /// They are here, as long as they are being sent.
    Here(Vec<u8>),
}

/// A part that is decoded as it is read.
pub(super) struct Decoding {
    email: EmailId,
    /// What is not read yet.
    left: Span,
    /// None once all is decoded.
    decoder: Option<BodyDecoder>,
    /// Decoded octets that nobody took yet.
    ready: Vec<u8>,
    /// Decoded octets that are not wanted.
    skip: u64,
}

impl Decoding {
    pub(super) fn new(email: EmailId, span: Span, encoding: TransferEncoding, skip: u64) -> Self {
        Self { email, left: span, decoder: Some(BodyDecoder::new(encoding)), ready: Vec::new(), skip }
    }

    /// Up to so many octets; none: there are no more.
    pub(super) fn next(&mut self, mailstore: &Mailstore, most: usize) -> Result<Vec<u8>, MailstoreError> {
        loop {
            let length = u64::try_from(self.ready.len()).unwrap_or(u64::MAX);
            let skipped = usize::try_from(self.skip.min(length)).unwrap_or(usize::MAX);
            self.ready.drain(..skipped.min(self.ready.len()));
            self.skip -= u64::try_from(skipped).unwrap_or(0);
            if !self.ready.is_empty() || self.decoder.is_none() {
                break;
            }
            self.decode(mailstore)?;
        }
        let count = self.ready.len().min(most);
        Ok(self.ready.drain(..count).collect())
    }

    fn decode(&mut self, mailstore: &Mailstore) -> Result<(), MailstoreError> {
        if self.left.octets == 0 {
            if let Some(decoder) = self.decoder.take() {
                decoder.finish(&mut self.ready);
            }
            return Ok(());
        }
        let wanted = usize::try_from(self.left.octets).unwrap_or(usize::MAX).min(PIECE_OCTETS);
        let piece = mailstore.read(self.email, self.left.at, wanted)?;
        let count = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        if count == 0 {
            return Err(MailstoreError::Gone);
        }
        self.left = Span { at: self.left.at + count, octets: self.left.octets.saturating_sub(count) };
        if let Some(decoder) = &mut self.decoder {
            decoder.push(&piece, &mut self.ready);
        }
        Ok(())
    }
}

/// How many octets a part has once it is decoded.
pub(super) fn decoded_octets(
    mailstore: &Mailstore,
    email: EmailId,
    span: Span,
    encoding: TransferEncoding,
) -> Result<u64, MailstoreError> {
    let mut decoding = Decoding::new(email, span, encoding, 0);
    let mut octets = 0;
    loop {
        let piece = decoding.next(mailstore, PIECE_OCTETS)?;
        if piece.is_empty() {
            return Ok(octets);
        }
        octets += u64::try_from(piece.len()).unwrap_or(u64::MAX);
    }
}

impl Policy {
    /// The next octets of what was announced. If they cannot be had the session ends, for nothing else can be said there.
    pub(super) async fn octets(&mut self, reference: u64, offset: u64, octets_max: usize) -> Answer {
        match self.stream_octets(reference, offset, octets_max).await {
            Ok(octets) => Answer::Octets(octets),
            Err(status) => {
                tracing::warn!(station = "imap", why = %status.text, "octets that were announced cannot be read");
                Answer::RefuseAndClose(status)
            }
        }
    }

    async fn stream_octets(
        &mut self,
        reference: u64,
        offset: u64,
        octets_max: usize,
    ) -> Result<Vec<u8>, Status> {
        let place = usize::try_from(reference).unwrap_or(usize::MAX);
        let Some(source) = self.streams.get_mut(place) else { return Err(Status::no("No such octets")) };
        match source {
            Source::Fields(wanted) => {
                let (facts, fields) = (wanted.0, wanted.1.clone());
                let octets =
                    read(&self.shared.mailstore, move |mailstore| fields.read(mailstore, &facts)).await?;
                Ok(self.stream_here(place, octets, offset, octets_max))
            }
            Source::Here(octets) => {
                let octets = std::mem::take(octets);
                Ok(self.stream_here(place, octets, offset, octets_max))
            }
            Source::Plain { email, span } => {
                let (email, at) = (*email, span.at + offset);
                let most = octets_max.min(PIECE_OCTETS);
                read(&self.shared.mailstore, move |mailstore| mailstore.read(email, at, most)).await
            }
            Source::Decoded(decoding) => {
                // It goes to the thread that reads, and comes back.
                let empty = Decoding::new(decoding.email, Span::default(), TransferEncoding::Identity, 0);
                let mut decoding = std::mem::replace(&mut **decoding, empty);
                let (octets, decoding) = read(&self.shared.mailstore, move |mailstore| {
                    let octets = decoding.next(mailstore, octets_max)?;
                    Ok((octets, decoding))
                })
                .await?;
                if let Some(source) = self.streams.get_mut(place) {
                    *source = Source::Decoded(Box::new(decoding));
                }
                Ok(octets)
            }
        }
    }

    /// A piece of octets that are here; they stay until the last of them is sent.
    fn stream_here(&mut self, place: usize, octets: Vec<u8>, offset: u64, most: usize) -> Vec<u8> {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let left = octets.get(at..).unwrap_or_default();
        let piece = left.get(..most).unwrap_or(left).to_vec();
        if piece.len() < left.len()
            && let Some(source) = self.streams.get_mut(place)
        {
            *source = Source::Here(octets);
        }
        piece
    }
}
