//! Who answers for what strangers bring: SPF, DKIM, ARC and DMARC are checked while a message comes in, and what was found is told in its
//! Authentication-Results field and its events. What follows from it is decided in `judgement.rs`.
//!
//! A DNS that is silent or wrong never costs mail: all questions of a message have one deadline, and what is not answered by then is a
//! `temperror`.

mod ask;
mod facts;
mod patient;

use std::{net::IpAddr, sync::Arc};

use dns::Resolve;
use mail::{Reply, ReversePath};
use message::HeaderSection;
use message_auth::{
    DomainName, NoAuthor, arc, author, dkim,
    results::{self, Finding, Length},
};
use tokio::task::spawn_blocking;

#[cfg(test)]
pub(crate) use self::facts::Sender;
pub(crate) use self::facts::{Facts, related};
use self::{ask::ask, patient::Patient};
use crate::{rules::HEADER_TOO_LARGE, storing::NOT_STORED};

/// Octets left free for the field before content that does not stay in memory.
pub(crate) const ROOM: usize = 4096;
/// A header section is held until signatures can be read in it; in a longer one none are.
const HEADER_OCTETS_MAX: usize = 128 * 1024;
/// A header section that grows is looked at again at this size at the earliest.
const LOOK_OCTETS_MIN: usize = 4096;
/// A header section beyond this may have many signatures, which are digested where nobody waits.
const HEADER_OCTETS_QUICK: usize = 16 * 1024;
/// What mailing lists write (RFC 2369 §3.4, RFC 2919 §3). Senders of newsletters write other fields of the kind, but not these.
const LIST_FIELDS: [&str; 3] = ["List-Id", "List-Post", "Mailing-List"];

/// The checks of one message while its content comes in. Memory is bounded, whatever comes.
pub(crate) struct Checks {
    /// Our name, which is that of our fields.
    hostname: String,
    /// Seconds since 1970.
    now: u64,
    state: State,
}

enum State {
    /// What has come of the header section.
    Header(Section),
    /// It is too long to be read as a whole: the fields that are whole go on at once, without forged ones.
    Long(Section),
    Body(Box<Begun>),
}

#[derive(Default)]
struct Section {
    so_far: Vec<u8>,
    /// It was looked at when it was so long, and is again when it is so long.
    looked_at: usize,
    look_at: usize,
}

/// What the header section claims.
struct Begun {
    author: Result<DomainName, NoAuthor>,
    /// It shows signs of having been sent on by a mailing list.
    from_list: bool,
    /// None where the header section was too long.
    signed: Option<(dkim::Verifier, arc::Verifier)>,
}

/// Who brings the message, and for whom.
pub(crate) struct Bringer<'a> {
    pub(crate) client: IpAddr,
    pub(crate) hello: Option<&'a str>,
    pub(crate) reverse_path: &'a ReversePath,
}

/// What was found.
pub(crate) struct Found {
    hostname: String,
    findings: Vec<Finding>,
    pub(crate) facts: Facts,
}

impl Found {
    /// The field to go before the content; exactly so long where that is said.
    pub(crate) fn field(&self, octets: Option<usize>) -> Vec<u8> {
        results::field(&self.hostname, &self.findings, octets.map_or(Length::AtMost(ROOM), Length::Exactly))
    }

    /// In one line.
    pub(crate) fn summary(&self) -> String {
        results::summary(&self.findings)
    }
}

impl Checks {
    pub(crate) fn new(hostname: &str, now: u64) -> Self {
        Self { hostname: hostname.to_owned(), now, state: State::Header(Section::default()) }
    }

    /// Takes a piece of content, and gives what is to be kept of it and of what came before.
    pub(crate) async fn read(&mut self, piece: Vec<u8>) -> Result<Vec<u8>, Reply> {
        match &mut self.state {
            State::Body(begun) => {
                begun.body(&piece);
                Ok(piece)
            }
            State::Header(section) => {
                let looks = section.take(piece);
                if !looks {
                    return Ok(Vec::new());
                }
                if HeaderSection::read(&section.so_far).is_complete() {
                    return self.begin().await;
                }
                if section.so_far.len() > HEADER_OCTETS_MAX {
                    self.state = State::Long(std::mem::take(section));
                    return self.pass_on(false);
                }
                Ok(Vec::new())
            }
            State::Long(section) => {
                if section.take(piece) {
                    self.pass_on(false)
                } else {
                    Ok(Vec::new())
                }
            }
        }
    }

    /// There is no more content: what is to be kept of the rest.
    pub(crate) async fn end(&mut self) -> Result<Vec<u8>, Reply> {
        match &self.state {
            State::Body(_) => Ok(Vec::new()),
            State::Header(_) => self.begin().await,
            State::Long(_) => self.pass_on(true),
        }
    }

    /// The header section is whole.
    async fn begin(&mut self) -> Result<Vec<u8>, Reply> {
        let State::Header(section) = &mut self.state else { return Ok(Vec::new()) };
        let (content, id, now) = (std::mem::take(&mut section.so_far), self.hostname.clone(), self.now);
        let start = move || {
            let begun = Begun::new(&content, now);
            (begun, without_forged(content, &id))
        };
        let started = if section.looked_at > HEADER_OCTETS_QUICK {
            spawn_blocking(start).await.ok()
        } else {
            Some(start())
        };
        // The runtime ends, or it was a fault of ours: without its header section the message is not taken.
        let (begun, content) = started.ok_or(NOT_STORED)?;
        self.state = State::Body(Box::new(begun));
        Ok(content)
    }

    /// Of a long header section, what is whole.
    fn pass_on(&mut self, ended: bool) -> Result<Vec<u8>, Reply> {
        let State::Long(section) = &mut self.state else { return Ok(Vec::new()) };
        let header = HeaderSection::read(&section.so_far);
        if header.is_complete() || ended {
            let content = std::mem::take(&mut section.so_far);
            self.state = State::Body(Box::new(Begun::unread()));
            return Ok(without_forged(content, &self.hostname));
        }
        // The last field may go on.
        let last = header.fields().last().map_or(0, |field| field.octets().len());
        let unfinished = section.so_far.len().saturating_sub(header.end()) + last;
        if unfinished > HEADER_OCTETS_MAX {
            return Err(HEADER_TOO_LARGE);
        }
        let rest = section.so_far.split_off(section.so_far.len().saturating_sub(unfinished));
        let whole = std::mem::replace(&mut section.so_far, rest);
        section.looked_at = section.so_far.len();
        Ok(without_forged(whole, &self.hostname))
    }

    /// Asks the DNS for all that is left to know.
    pub(crate) async fn conclude(self, bringer: Bringer<'_>, resolver: Arc<dyn Resolve>) -> Found {
        let resolver = Patient::new(resolver);
        // Without an end of the header section nothing is known of it.
        let begun = match self.state {
            State::Body(begun) => *begun,
            State::Header(_) | State::Long(_) => Begun::unread(),
        };
        let (facts, findings) = ask(begun, &bringer, &self.hostname, self.now, &resolver).await;
        Found { hostname: self.hostname, findings, facts }
    }
}

impl Section {
    /// Takes a piece. Whether it is time to look: not at each, for a stranger may send an octet at a time.
    fn take(&mut self, piece: Vec<u8>) -> bool {
        let from = self.so_far.len().saturating_sub(3);
        if self.so_far.is_empty() {
            self.so_far = piece;
        } else {
            self.so_far.extend_from_slice(&piece);
        }
        let new = self.so_far.get(from..).unwrap_or_default();
        let ends =
            new.windows(2).any(|pair| pair == b"\n\n") || new.windows(3).any(|three| three == b"\n\r\n");
        let len = self.so_far.len();
        let looks = ends || len >= self.look_at || len > HEADER_OCTETS_MAX;
        if looks {
            self.looked_at = len;
            self.look_at = len.saturating_mul(2).max(LOOK_OCTETS_MIN);
        }
        looks
    }
}

impl Begun {
    fn new(content: &[u8], now: u64) -> Self {
        let section = HeaderSection::read(content);
        let signed = (dkim::Verifier::new(&section, now), arc::Verifier::new(&section));
        let from_list = LIST_FIELDS.iter().any(|name| section.fields().any(|field| field.is(name)));
        let mut begun = Self { author: author(&section), from_list, signed: Some(signed) };
        begun.body(content.get(section.end()..).unwrap_or_default());
        begun
    }

    /// Of a header section that is too long.
    fn unread() -> Self {
        Self { author: Err(NoAuthor::None), from_list: false, signed: None }
    }

    fn body(&mut self, octets: &[u8]) {
        if let Some((dkim, arc)) = &mut self.signed {
            dkim.body(octets);
            arc.body(octets);
        }
    }
}

/// RFC 8601 §5: fields that claim to be ours and are not go, before ours comes.
fn without_forged(content: Vec<u8>, id: &str) -> Vec<u8> {
    let section = HeaderSection::read(&content);
    if !section.fields().any(|field| results::is_ours(&field, id)) {
        return content;
    }
    let fields = section.octets();
    // An mbox line may stand before them.
    let first_line = content.iter().position(|octet| *octet == b'\n').map_or(0, |end| end + 1);
    let start = if content.starts_with(fields) { 0 } else { first_line };
    let mut kept = Vec::with_capacity(content.len());
    kept.extend_from_slice(content.get(..start).unwrap_or_default());
    for field in section.fields().filter(|field| !results::is_ours(field, id)) {
        kept.extend_from_slice(field.octets());
    }
    kept.extend_from_slice(content.get(start + fields.len()..).unwrap_or_default());
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "mx.example.org";

    async fn kept(content: &[u8], piece: usize) -> Result<Vec<u8>, Reply> {
        let mut checks = Checks::new(ID, 0);
        let mut kept = Vec::new();
        for piece in content.chunks(piece) {
            kept.extend(checks.read(piece.to_vec()).await?);
        }
        kept.extend(checks.end().await?);
        Ok(kept)
    }

    #[tokio::test]
    async fn forged_fields_go_and_nothing_else_whatever_the_pieces() {
        let content = b"From x y\r\nReceived: a\r\nAuthentication-Results: mx.example.org;\r\n spf=pass\r\n\
            Authentication-Results: other.example; none\r\nauthentication-results : (x) MX.example.org 1; none\r\n\
            From: a@b\r\n\r\nAuthentication-Results: mx.example.org; body\r\n\r\n";
        let expected =
            b"From x y\r\nReceived: a\r\nAuthentication-Results: other.example; none\r\nFrom: a@b\r\n\r\n\
            Authentication-Results: mx.example.org; body\r\n\r\n";
        for piece in 1..=content.len() {
            let kept = kept(content, piece).await.unwrap();
            assert_eq!(
                String::from_utf8_lossy(&kept),
                String::from_utf8_lossy(expected),
                "pieces of {piece}"
            );
        }
    }

    #[tokio::test]
    async fn a_content_without_body_is_kept() {
        for content in [&b""[..], b"\r\n", b"Subject: x\r\n", b"no field\r\n", b"\r\nbody\r\n"] {
            for piece in 1..=content.len().max(1) {
                assert_eq!(kept(content, piece).await.unwrap(), content, "{content:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_long_header_section_is_cleared_of_forged_fields_too() {
        let filler = b"X-Filler: 0123456789012345678901234567890123456789\r\n".repeat(4000);
        let forged = b"Authentication-Results: mx.example.org; spf=pass\r\n";
        let content = [&filler[..], forged, &filler, forged, b"\r\nbody\r\n"].concat();
        let expected = [&filler[..], &filler, b"\r\nbody\r\n"].concat();
        for piece in [100, 4096, 65_536, content.len()] {
            assert!(kept(&content, piece).await.unwrap() == expected, "pieces of {piece}");
        }
    }

    #[tokio::test]
    async fn a_field_without_end_is_refused() {
        let field = [&b"X-Long: "[..], &b"0123456789\r\n ".repeat(20_000)].concat();
        for piece in [1000, 65_536, field.len()] {
            assert_eq!(kept(&field, piece).await, Err(HEADER_TOO_LARGE), "pieces of {piece}");
        }
    }
}
