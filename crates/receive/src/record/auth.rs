//! What was found and decided, as the event log keeps it.

use events::{Arc, Auth, Dkim, Dmarc, Spf};
use message_auth::{DomainName, dmarc};

use crate::{checks::Facts, deciding::Checked};

/// Octets of what others wrote, in one place.
const FOREIGN_OCTETS_MAX: usize = 256;
/// Of more sealers the first are told.
const SEALERS_MAX: usize = 10;

/// All of it, of a bounded length.
pub(super) fn of(checked: &Checked) -> Box<Auth> {
    let (facts, judgement) = (&checked.found.facts, &checked.judgement);
    let sealers = |chain: &message_auth::arc::Outcome| {
        chain.sealers.iter().take(SEALERS_MAX).map(|sealer| cut(sealer)).collect()
    };
    Box::new(Auth {
        author: facts.author.as_ref().ok().map(ToString::to_string),
        dmarc: facts.dmarc.as_ref().map(|found| policy(facts, found)),
        spf: senders(facts),
        dkim: signatures(facts),
        arc: facts
            .arc
            .as_ref()
            .map(|chain| Arc { result: chain.status.name().to_owned(), sealers: sealers(chain) }),
        iprev: Some(facts.reverse.name().to_owned()),
        disposition: judgement.measure.name().to_owned(),
        why: judgement.reason().filter(|_| judgement.measure != crate::Measure::Accept).map(str::to_owned),
        overridden: judgement.overridden.map(str::to_owned),
    })
}

fn policy(facts: &Facts, found: &dmarc::Verdict) -> Dmarc {
    let result = found.result.to_string();
    let Some((domain, record)) = &found.record else { return Dmarc { result, ..Dmarc::default() } };
    let word = |policy: dmarc::Policy| policy.name().to_owned();
    let letter = |alignment| Some(if alignment == dmarc::Alignment::Strict { "s" } else { "r" }.to_owned());
    Dmarc {
        result,
        domain: Some(domain.to_string()),
        policy: Some(word(found.policy)),
        p: record.policy.map(word),
        sp: record.subdomains.map(word),
        np: record.missing.map(word),
        adkim: letter(record.dkim),
        aspf: letter(record.spf),
        fo: Some(cut(&record.failure_options)),
        testing: record.testing,
        spf_aligned: found.spf_aligned,
        dkim_aligned: !facts.aligned.is_empty(),
    }
}

fn senders(facts: &Facts) -> Vec<Spf> {
    let sender = &facts.sender;
    let told = |scope: &str, (domain, result): &(DomainName, message_auth::spf::SpfResult)| Spf {
        scope: scope.to_owned(),
        domain: domain.to_string(),
        result: result.to_string(),
    };
    let by_path = sender.by_path.iter().map(|found| told("mfrom", found));
    by_path.chain(sender.by_hello.iter().map(|found| told("helo", found))).collect()
}

fn signatures(facts: &Facts) -> Vec<Dkim> {
    let aligned = |domain: &str| DomainName::parse(domain).is_some_and(|name| facts.aligned.contains(&name));
    let told = |found: &message_auth::dkim::Outcome| Dkim {
        domain: cut(&found.domain),
        selector: cut(&found.selector),
        result: found.result.to_string(),
        aligned: found.result == message_auth::dkim::DkimResult::Pass && aligned(&found.domain),
    };
    facts.signatures.iter().map(told).collect()
}

fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(FOREIGN_OCTETS_MAX)).unwrap_or_default().to_owned()
}
