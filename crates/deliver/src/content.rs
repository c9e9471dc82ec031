//! Content on its way out: read as often as it is needed, and made to fit where a host or mailbox lacks what it needs
//! (mail-rules 16).

use std::sync::Arc;

use mail::{Body, QueueId, Reply};
use message::convert::{Converter, Plan, Survey, Target};
use smtp::client::Capabilities;
use spool::{ContentReader, Piece, SpoolError};
use tokio::task::coop::consume_budget;

use crate::{replies, shared::Shared};

/// The content of a message for one attempt.
pub(crate) struct Content {
    id: QueueId,
    /// Its length as it is kept.
    octets: u64,
    /// As it was loaded with the envelope; later it is read anew.
    first: Option<ContentReader>,
    /// What it needs, once somebody asked.
    plan: Option<Plan>,
}

/// What content may be made of where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offers {
    /// 8BITMIME.
    eight_bit: bool,
    /// BINARYMIME.
    binary: bool,
}

/// How a message goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Form {
    /// What is said of the content.
    pub(crate) body: Body,
    /// The host takes UTF-8 in paths; else the domains of paths are said in ASCII.
    pub(crate) utf8_paths: bool,
    /// What it is made to fit; none: it goes as it is.
    pub(crate) target: Option<Target>,
}

/// A reading of content in some form.
pub(crate) struct Outgoing {
    /// What goes before it.
    head: Option<Arc<[u8]>>,
    /// None: there is nothing behind that.
    reader: Option<ContentReader>,
    converter: Option<Converter>,
}

impl Content {
    pub(crate) fn new(id: QueueId, first: ContentReader) -> Self {
        Self { id, octets: first.len(), first: Some(first), plan: None }
    }

    /// The form for a host or mailbox, or why there is none, as a reply. Labelled so that it fits (`body`), content goes
    /// as it is; else it is read through once for each attempt to see what it needs.
    pub(crate) async fn form(
        &mut self,
        shared: &Shared,
        body: Body,
        offers: Offers,
    ) -> Result<Result<Form, Reply>, SpoolError> {
        if offers.take(body) {
            return Ok(Ok(Form::new(body, None)));
        }
        let id = self.id;
        let plan = self.plan(shared).await?;
        let form = Form::of(plan, offers);
        if let Ok(Form { target: Some(target), .. }) = form {
            tracing::info!(queue_id = %id, station = "deliver", ?target, dkim_signed = plan.is_dkim_signed(),
                "the content is converted, for it does not fit where it goes");
        }
        Ok(form)
    }

    /// Its length as it is kept; what is converted may have another.
    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    /// Whether a header section has octets beyond ASCII: such content needs SMTPUTF8 (RFC 6532 §3.2).
    pub(crate) async fn has_eight_bit_header(&mut self, shared: &Shared) -> Result<bool, SpoolError> {
        Ok(self.plan(shared).await?.has_eight_bit_header())
    }

    /// What it needs: it is read through when somebody asks for the first time.
    async fn plan(&mut self, shared: &Shared) -> Result<&Plan, SpoolError> {
        let plan = match self.plan.take() {
            Some(plan) => plan,
            None => survey(self.read(shared).await?).await?,
        };
        Ok(self.plan.insert(plan))
    }

    /// Reads it in a form that [`Content::form`] gave.
    pub(crate) async fn outgoing(&mut self, shared: &Shared, form: Form) -> Result<Outgoing, SpoolError> {
        let plan = self.plan.as_ref();
        // It was asked before whether it can be done.
        let converter = form.target.zip(plan).and_then(|(target, plan)| Converter::new(plan, target).ok());
        Ok(Outgoing { head: None, reader: Some(self.read(shared).await?), converter })
    }

    async fn read(&mut self, shared: &Shared) -> Result<ContentReader, SpoolError> {
        match self.first.take() {
            Some(reader) => Ok(reader),
            None => Ok(shared.parts.spool.load(self.id).await?.content),
        }
    }
}

/// Reads content through.
async fn survey(mut reader: ContentReader) -> Result<Plan, SpoolError> {
    let mut survey = Survey::new();
    while let Some(piece) = reader.next().await? {
        survey.push(&piece);
        // From memory, pieces come without a pause.
        consume_budget().await;
    }
    Ok(survey.finish())
}

impl Offers {
    /// A mailbox keeps any octets but bare CR and LF: line ends are turned there.
    pub(crate) const MAILBOX: Self = Self { eight_bit: true, binary: false };

    pub(crate) fn of(capabilities: &Capabilities) -> Self {
        // RFC 3030 §3: BINARYMIME is of use with CHUNKING alone.
        let binary = capabilities.binary_mime && capabilities.chunking;
        Self { eight_bit: capabilities.eight_bit_mime, binary }
    }

    /// Whether what is labelled so fits as it is.
    fn take(self, body: Body) -> bool {
        match body {
            Body::SevenBit => true,
            Body::EightBitMime => self.eight_bit,
            Body::BinaryMime => self.binary,
        }
    }
}

impl Form {
    fn new(body: Body, target: Option<Target>) -> Self {
        Self { body, utf8_paths: false, target }
    }

    /// What an operator is told of it: what somebody complains of may come from there.
    pub(crate) fn note(self) -> Option<&'static str> {
        self.target.map(|target| match target {
            Target::SevenBit => "the content was made 7bit, for the host does not offer 8BITMIME",
            Target::EightBit => "binary content was encoded, for the host does not offer BINARYMIME",
        })
    }

    /// The form for content that was surveyed, or why there is none: 5.6.1 for binary content, else 5.6.3.
    fn of(plan: &Plan, Offers { eight_bit, binary }: Offers) -> Result<Self, Reply> {
        let needs = plan.needs();
        let Some(target) = needs.target(eight_bit, binary) else {
            let body = match needs.body() {
                // RFC 3030 §3: where only BINARYMIME is offered, it covers this too.
                Body::EightBitMime if !eight_bit => Body::BinaryMime,
                body => body,
            };
            return Ok(Self::new(body, None));
        };
        let body = match target {
            Target::SevenBit => Body::SevenBit,
            Target::EightBit => Body::EightBitMime,
        };
        match plan.refusal(target) {
            Some(refusal) => Err(replies::unfit(needs, refusal)),
            None => Ok(Self::new(body, Some(target))),
        }
    }
}

impl Outgoing {
    /// Content that is in no spool.
    pub(crate) fn of(octets: &[u8]) -> Self {
        Self { head: Some(octets.into()), reader: None, converter: None }
    }

    /// With fields before it.
    pub(crate) fn headed(self, head: Option<Arc<[u8]>>) -> Self {
        Self { head, ..self }
    }

    /// How many octets there are, if that is known: a conversion shows it only at its end.
    pub(crate) fn octets(&self) -> Option<u64> {
        let head = self.head.as_ref().map_or(0, |head| head.len() as u64);
        let behind = self.reader.as_ref().map_or(0, ContentReader::len);
        self.converter.is_none().then(|| head + behind)
    }

    /// The next piece; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Piece>, SpoolError> {
        if let Some(head) = self.head.take() {
            return Ok(Some(head.to_vec().into()));
        }
        loop {
            let Some(reader) = &mut self.reader else { return Ok(None) };
            let piece = reader.next().await?;
            let Some(converter) = &mut self.converter else { return Ok(piece) };
            let mut out = Vec::new();
            if let Some(piece) = &piece {
                converter.push(piece, &mut out);
            } else if let Some(converter) = self.converter.take() {
                converter.finish(&mut out);
            }
            // A piece of which all waits for the next one is no end.
            if !out.is_empty() || piece.is_none() {
                return Ok((!out.is_empty()).then(|| out.into()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(content: &[u8]) -> Plan {
        let mut survey = Survey::new();
        survey.push(content);
        survey.finish()
    }

    #[test]
    fn the_octets_decide_the_form_and_not_the_label() {
        let (plain, eight, binary) = (
            plan(b"Subject: x\r\n\r\nascii\r\n"),
            plan("Subject: x\r\n\r\nñ\r\n".as_bytes()),
            plan(b"Subject: x\r\n\r\na\nb\0\r\n"),
        );
        let as_is = |body| Ok(Form::new(body, None));
        let made = |body, target| Ok(Form::new(body, Some(target)));
        let offers = |eight_bit, binary| Offers { eight_bit, binary };
        for (plan, offers, form) in [
            (&plain, offers(false, false), as_is(Body::SevenBit)),
            (&plain, offers(true, true), as_is(Body::SevenBit)),
            (&eight, offers(false, false), made(Body::SevenBit, Target::SevenBit)),
            (&eight, offers(true, false), as_is(Body::EightBitMime)),
            (&eight, offers(false, true), as_is(Body::BinaryMime)),
            (&binary, offers(false, false), made(Body::SevenBit, Target::SevenBit)),
            (&binary, offers(true, false), made(Body::EightBitMime, Target::EightBit)),
            (&binary, offers(true, true), as_is(Body::BinaryMime)),
        ] {
            assert_eq!(Form::of(plan, offers), form, "{offers:?}");
        }
    }

    #[test]
    fn what_must_not_be_changed_has_no_form() {
        let signed = "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nñ\r\n--b--\r\n";
        let status = |content: &[u8], offers| {
            Form::of(&plan(content), offers).unwrap_err().enhanced().unwrap().to_string()
        };
        let offers = Offers { eight_bit: false, binary: false };
        assert_eq!(status(signed.as_bytes(), offers), "5.6.3");
        assert_eq!(status(signed.replace("ñ", "\0").as_bytes(), offers), "5.6.1");
        assert_eq!(status(signed.replace("ñ", "\0").as_bytes(), Offers::MAILBOX), "5.6.1");
    }
}
