//! What was found, as decisions and rules look at it.

use std::net::IpAddr;

use mail::{Address, Domain};
use message_auth::{DomainName, NoAuthor, arc, dkim, dmarc, spf::SpfResult};

use crate::rules::{ResultWord, Results};

/// All that the checks have found of a message.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) client: IpAddr,
    pub(crate) author: Result<DomainName, NoAuthor>,
    /// It shows signs of having been sent on by a mailing list.
    pub(crate) from_list: bool,
    pub(crate) sender: Sender,
    /// One for each signature.
    pub(crate) signatures: Vec<dkim::Outcome>,
    /// None where there is no author.
    pub(crate) dmarc: Option<dmarc::Verdict>,
    /// The domains of those signatures that DMARC takes for the author's.
    pub(crate) aligned: Vec<DomainName>,
    /// None where there is no chain.
    pub(crate) arc: Option<arc::Outcome>,
    pub(crate) reverse: ResultWord,
}

/// What SPF says of the client.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sender {
    /// The domain of the reverse-path.
    pub(crate) by_path: Option<(DomainName, SpfResult)>,
    /// The client's own name.
    pub(crate) by_hello: Option<(DomainName, SpfResult)>,
    /// There is no reverse-path, so the client's own name counts (RFC 7208 §2.4).
    pub(crate) null: bool,
}

impl Sender {
    /// The identity that counts.
    pub(crate) fn counts(&self) -> Option<&(DomainName, SpfResult)> {
        if self.null { self.by_hello.as_ref() } else { self.by_path.as_ref() }
    }

    /// As if SPF had said this of the identity that counts.
    pub(crate) fn answer(&mut self, result: SpfResult) {
        let counts = if self.null { &mut self.by_hello } else { &mut self.by_path };
        if let Some((_, found)) = counts {
            *found = result;
        }
    }

    pub(crate) fn result(&self) -> SpfResult {
        self.counts().map_or(SpfResult::None, |(_, result)| *result)
    }

    /// The domain that the client may send for.
    pub(crate) fn passed(&self) -> Option<&DomainName> {
        self.counts().filter(|(_, result)| *result == SpfResult::Pass).map(|(domain, _)| domain)
    }

    /// The domain of which the DNS did not say whether the client may send for it.
    pub(crate) fn open(&self) -> Option<&DomainName> {
        self.counts().filter(|(_, result)| *result == SpfResult::TempError).map(|(domain, _)| domain)
    }

    /// The domain of the reverse-path says that this client may not send for it. Of the client's own name that is not known to whom reports go.
    pub(crate) fn is_forged(&self) -> bool {
        !self.null && self.result() == SpfResult::Fail
    }
}

/// Whether one is above the other, or they are the same. A name of one label is above nothing.
pub(crate) fn related(one: &DomainName, other: &DomainName) -> bool {
    let within = |lower: &DomainName, upper: &DomainName| {
        lower == upper || upper.labels().count() > 1 && lower.is_within(upper)
    };
    within(one, other) || within(other, one)
}

impl Facts {
    /// The domains whose signatures pass. A key that is for trying out shows nothing (RFC 6376 §3.6.1, t=y).
    pub(crate) fn signers(&self) -> impl Iterator<Item = DomainName> {
        signers(&self.signatures)
    }

    /// Whether something shows that the message is of its author's domain, or of a domain above or below it.
    pub(crate) fn is_authentic(&self) -> bool {
        let passed = self.dmarc.as_ref().is_some_and(|found| found.result == dmarc::DmarcResult::Pass);
        let Ok(author) = &self.author else { return false };
        passed || self.signers().any(|signer| related(&signer, author))
    }

    /// Whether the address of a reverse-path is shown to be no stranger's: SPF passes for its domain, or the message is that of an author of
    /// that domain.
    pub(crate) fn proves(&self, sender: &Address) -> bool {
        let Some(domain) = sender.domain().name().and_then(DomainName::parse) else { return false };
        let by_path = !self.sender.null && self.sender.passed() == Some(&domain);
        let passed = self.dmarc.as_ref().is_some_and(|found| found.result == dmarc::DmarcResult::Pass);
        by_path || passed && self.author.as_ref() == Ok(&domain)
    }

    /// Whether it may show yet that the sender is no stranger, for the DNS did not answer.
    pub(crate) fn is_unsure_of_sender(&self) -> bool {
        let unsure = |found: &dkim::Outcome| found.result == dkim::DkimResult::TempError;
        self.sender.result() == SpfResult::TempError
            || self.dmarc.as_ref().is_some_and(|found| found.result == dmarc::DmarcResult::TempError)
            || self.signatures.iter().any(unsure)
    }

    /// In the words of rules.
    pub(crate) fn results(&self) -> Results {
        let dmarc = match (&self.author, &self.dmarc) {
            (Err(NoAuthor::Ambiguous), _) => ResultWord::PermError,
            (_, Some(found)) => dmarc_word(found.result),
            _ => ResultWord::None,
        };
        Results {
            spf: spf_word(self.sender.result()),
            dkim: self.dkim(),
            dmarc,
            arc: self.arc.as_ref().map_or(ResultWord::None, |chain| arc_word(chain.status)),
            iprev: self.reverse,
            author: self.author.as_ref().ok().and_then(|name| Domain::parse(name.as_str()).ok()),
        }
    }

    /// Of all signatures the best.
    fn dkim(&self) -> ResultWord {
        let of = |word: ResultWord| self.signatures.iter().any(|found| dkim_word(found) == word);
        let all = [
            ResultWord::Pass,
            ResultWord::TempError,
            ResultWord::Fail,
            ResultWord::Policy,
            ResultWord::Neutral,
            ResultWord::PermError,
        ];
        all.into_iter().find(|word| of(*word)).unwrap_or(ResultWord::None)
    }
}

pub(super) fn signers(signatures: &[dkim::Outcome]) -> impl Iterator<Item = DomainName> {
    let passed = signatures.iter().filter(|found| dkim_word(found) == ResultWord::Pass);
    passed.filter_map(|found| DomainName::parse(&found.domain))
}

/// The domains whose keys the DNS did not give.
pub(super) fn unsure_signers(signatures: &[dkim::Outcome]) -> impl Iterator<Item = DomainName> {
    let unsure = signatures.iter().filter(|found| found.result == dkim::DkimResult::TempError);
    unsure.filter_map(|found| DomainName::parse(&found.domain))
}

fn dkim_word(found: &dkim::Outcome) -> ResultWord {
    match found.result {
        dkim::DkimResult::Pass if found.testing => ResultWord::Neutral,
        dkim::DkimResult::Pass => ResultWord::Pass,
        dkim::DkimResult::Fail => ResultWord::Fail,
        dkim::DkimResult::Neutral => ResultWord::Neutral,
        dkim::DkimResult::Policy => ResultWord::Policy,
        dkim::DkimResult::TempError => ResultWord::TempError,
        dkim::DkimResult::PermError => ResultWord::PermError,
    }
}

fn spf_word(result: SpfResult) -> ResultWord {
    match result {
        SpfResult::None => ResultWord::None,
        SpfResult::Neutral => ResultWord::Neutral,
        SpfResult::Pass => ResultWord::Pass,
        SpfResult::Fail => ResultWord::Fail,
        SpfResult::SoftFail => ResultWord::SoftFail,
        SpfResult::TempError => ResultWord::TempError,
        SpfResult::PermError => ResultWord::PermError,
    }
}

fn dmarc_word(result: dmarc::DmarcResult) -> ResultWord {
    match result {
        dmarc::DmarcResult::None => ResultWord::None,
        dmarc::DmarcResult::Pass => ResultWord::Pass,
        dmarc::DmarcResult::Fail => ResultWord::Fail,
        dmarc::DmarcResult::TempError => ResultWord::TempError,
    }
}

fn arc_word(status: arc::ChainStatus) -> ResultWord {
    match status {
        arc::ChainStatus::None => ResultWord::None,
        arc::ChainStatus::Pass => ResultWord::Pass,
        arc::ChainStatus::Fail => ResultWord::Fail,
    }
}
