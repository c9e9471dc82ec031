//! What we put before mail that others wrote and we pass on: a seal with what we found when it came in (ARC, RFC 8617), and for mail of a list a signature of
//! the list's own domain. Never one that makes true what a stranger says to be (mail-rules 17).

use std::sync::Arc;

use mail::{Envelope, Timestamp};
use message::HeaderSection;
use message_auth::{
    DomainName, Told,
    arc::{ChainStatus, seal},
    author,
    dkim::{Algorithm, BodyHash, KeyError, Signer},
    results,
};
use tokio::task::spawn_blocking;

use crate::{
    content::{Content, Form},
    forward, list,
    shared::Shared,
    signing::{Signers, Unsigned, digest, is_sent_again, sign},
    site_name,
};

/// Whether it is mail of others that we pass on.
pub(crate) fn is_passed_on(envelope: &Envelope) -> bool {
    [forward::LISTENER, list::LISTENER].contains(&&*envelope.listener)
}

/// The fields to be put before a message that is passed on in this form; none where no domain has a key for that.
pub(crate) async fn fields(
    shared: &Shared,
    envelope: &Envelope,
    content: &mut Content,
    form: Form,
) -> Result<Option<Arc<[u8]>>, Unsigned> {
    let signers = shared.live().signers.clone();
    if signers.is_empty() {
        return Ok(None);
    }
    let (of, now) = ((envelope.id, form.target), shared.now());
    if let Some(fields) = shared.signatures.get(of, now) {
        return Ok((!fields.is_empty()).then_some(fields));
    }
    let (header, body) = digest(shared, content, form).await?;
    let plan = Plan::new(&shared.config.hostname, envelope, &HeaderSection::read(&header));
    // The dearest step of sending: not on a thread that serves sockets, and on as many others as there are cores.
    let _turn = shared.signing.acquire().await;
    let by = signers.clone();
    let made = spawn_blocking(move || plan.carry_out(&signers, &header, &body, now)).await;
    let fields: Arc<[u8]> = made.map_err(|_| Unsigned::NoKey)??.into();
    // Nothing is an answer too: the content is not read again for it.
    shared.signatures.keep(of, &fields, now, &by, || shared.live().signers.clone());
    Ok((!fields.is_empty()).then_some(fields))
}

/// Who signs, and what is sealed.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    /// The domains that sign, if they have keys.
    signs: Vec<DomainName>,
    /// Who seals, what of the chain so far, and with which words.
    seals: Option<(DomainName, ChainStatus, String)>,
}

impl Plan {
    fn new(hostname: &str, envelope: &Envelope, section: &HeaderSection<'_>) -> Self {
        let told = told(hostname, section);
        let author = author(section).ok();
        let ours = domain(envelope, section);
        let (is_list, by_login) = (&*envelope.listener == list::LISTENER, envelope.account.is_some());
        let mut signs = Vec::new();
        // Its author was checked as it came in.
        if by_login && !is_sent_again(section) {
            signs.extend(author.clone());
        }
        let passed = told.as_ref().is_some_and(|told| told.of("dmarc") == Some("pass"));
        let is_own = || is_from_list(envelope, section);
        if let Some(ours) = ours.as_ref().filter(|ours| is_list && !signs.contains(ours)) {
            let related = author.as_ref().is_none_or(|author| are_related(author, ours));
            if !related || by_login || passed || is_own() {
                signs.push(ours.clone());
            }
        }
        let seals = ours.filter(|_| !by_login).and_then(|ours| {
            let (status, words) = match &told {
                Some(told) => (chain(told), told.text.clone()),
                // Nobody looked at the chain that is there, so nothing can be said of it.
                None if section.find("ARC-Seal").is_some() => return None,
                None => (ChainStatus::None, format!("{hostname}; none")),
            };
            Some((ours, status, words))
        });
        Self { signs, seals }
    }

    fn carry_out(
        &self,
        signers: &Signers,
        header: &[u8],
        body: &BodyHash,
        now: Timestamp,
    ) -> Result<Vec<u8>, KeyError> {
        let mut fields = Vec::new();
        for domain in &self.signs {
            fields.extend(sign(signers, domain, header, body, now)?);
        }
        let Some((domain, status, words)) = &self.seals else { return Ok(fields) };
        let Some(signer) = sealer(signers.of(domain)) else { return Ok(fields) };
        // What is sealed has the signatures on it.
        let signed = [fields.as_slice(), header].concat();
        let section = HeaderSection::read(&signed);
        let mut sealed = seal(signer, &section, body, *status, words, now.as_millis() / 1000)?;
        sealed.append(&mut fields);
        Ok(sealed)
    }
}

/// One seal is enough, and RSA is what all can check (RFC 8617 §4.1.3 knows no other algorithm by itself).
fn sealer(signers: &[Arc<Signer>]) -> Option<&Arc<Signer>> {
    let rsa = signers.iter().find(|signer| signer.key.algorithm() == Algorithm::RsaSha256);
    rsa.or(signers.first())
}

/// What we found as the message came in: our field stands before all others that it came with, or nobody looked.
fn told(hostname: &str, section: &HeaderSection<'_>) -> Option<Told> {
    let field = section.first_as_it_came().filter(|field| results::is_ours(field, hostname))?;
    Some(Told::read(&String::from_utf8_lossy(&field.value())))
}

fn chain(told: &Told) -> ChainStatus {
    match told.of("arc") {
        None | Some("none") => ChainStatus::None,
        Some("pass") => ChainStatus::Pass,
        Some(_) => ChainStatus::Fail,
    }
}

/// The domain of ours in whose name it is passed on: that of the list, or of the address that sends it on.
fn domain(envelope: &Envelope, section: &HeaderSection<'_>) -> Option<DomainName> {
    if &*envelope.listener == list::LISTENER {
        return DomainName::parse(envelope.reverse_path.address()?.domain().name()?);
    }
    let by = section.find("Delivered-To")?.value();
    let by: mail::Address = std::str::from_utf8(&by).ok()?.trim().parse().ok()?;
    DomainName::parse(by.domain().name()?)
}

/// Whether the list itself is the author: its address stands in From in place of the one who wrote.
fn is_from_list(envelope: &Envelope, section: &HeaderSection<'_>) -> bool {
    let from = section.find("From").map(|field| String::from_utf8_lossy(&field.value()).into_owned());
    let from = from.and_then(|text| message::strict::mailboxes(&text));
    let (Some([from]), Some(bounces)) = (from.as_deref(), envelope.reverse_path.address()) else {
        return false;
    };
    let list = bounces.local_part().strip_suffix("-bounces");
    from.domain() == bounces.domain() && list.is_some_and(|list| from.local_part().eq_ignore_ascii_case(list))
}

/// Whether a signature of one could make a stranger's message the other's: DMARC asks for no more than the same organization (RFC 9989).
fn are_related(author: &DomainName, ours: &DomainName) -> bool {
    let organization = |name: &DomainName| site_name::registrable(name.as_str()).to_owned();
    author.is_within(ours) || ours.is_within(author) || organization(author) == organization(ours)
}

#[cfg(test)]
#[path = "sealing_tests.rs"]
mod tests;
