//! What follows from what the checks have found (mail-rules 3 to 5), before anything is known of recipients.

use mail::{Domain, Reply};
use message_auth::{DomainName, NoAuthor, arc, dkim, dmarc, spf::SpfResult};

use crate::{
    checks::{Facts, related},
    rules::ResultWord,
    verify::{Measure, Verify},
};

/// A name that is longer is not told in a reply: with its other words that would be too long a line (RFC 5321 §4.5.3.1.5).
const NAME_OCTETS_SHOWN: usize = 100;

/// What becomes of a message, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) measure: Measure,
    /// Why, in words for whoever sent it; none where nothing speaks against it.
    pub(crate) reply: Option<Reply>,
    /// What spoke against it and was set aside, in the words of DMARC's reports (RFC 9990).
    pub(crate) overridden: Option<&'static str>,
}

impl Judgement {
    /// Nothing speaks against it.
    pub(crate) const ACCEPTED: Self = Self { measure: Measure::Accept, reply: None, overridden: None };

    fn new(measure: Measure, status: (u8, u16, u16), text: String) -> Self {
        let (class, subject, detail) = status;
        let reply = Reply::new(550, mail::EnhancedStatus::new(class, subject, detail), text);
        Self { measure, reply: Some(reply), overridden: None }
    }

    /// What becomes of it where a foreign DNS might yet have spoken for it: it goes on after its time (mail-rules 5), and is not refused.
    pub(crate) fn lenient(self) -> Self {
        let measure = if self.measure == Measure::Reject { Measure::Junk } else { self.measure };
        Self { measure, ..self }
    }

    /// Why, in words.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reply.as_ref().map(Reply::text)
    }
}

/// Judges. What the DNS did not answer counts for nothing; where the judgement hangs on it, see [`unanswered`] and [`Judgement::lenient`].
pub(crate) fn judge(verify: &Verify, facts: &Facts) -> Judgement {
    let author = of_author(verify, facts);
    // RFC 7372 §3.2, §3.3: the codes of what failed.
    let others = [sender(verify, facts), signatures(verify, facts), name(verify, facts)];
    let overridden = author.overridden;
    let graver =
        |gravest: Judgement, other: Judgement| if other.measure > gravest.measure { other } else { gravest };
    let gravest = others.into_iter().flatten().fold(author, graver);
    Judgement { overridden, ..gravest }
}

/// The reply that puts a message off, if what becomes of it depends on an answer that the DNS of others did not give.
pub(crate) fn unanswered(verify: &Verify, facts: &Facts) -> Option<Reply> {
    let missing = Missing::of(facts);
    let (best, worst) = (judge(verify, &missing.best(facts)), judge(verify, &missing.worst(facts)));
    (best.measure != worst.measure).then(|| missing.reply(facts))
}

/// What the DNS did not answer.
#[derive(Debug, Clone)]
struct Missing(Vec<Question>);

/// What it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Spf,
    Dmarc,
    Dkim,
    Arc,
    Reverse,
}

impl Missing {
    fn of(facts: &Facts) -> Self {
        let is_unsure = |found: &dkim::Outcome| found.result == dkim::DkimResult::TempError;
        let dmarc = facts.dmarc.as_ref().is_some_and(|found| found.result == dmarc::DmarcResult::TempError);
        let all = [
            (Question::Spf, facts.sender.result() == SpfResult::TempError),
            (Question::Dmarc, dmarc),
            (Question::Dkim, facts.signatures.iter().any(is_unsure)),
            (Question::Arc, facts.arc.as_ref().is_some_and(arc::Outcome::is_unanswered)),
            (Question::Reverse, facts.reverse == ResultWord::TempError),
        ];
        Self(all.into_iter().filter(|(_, missing)| *missing).map(|(question, _)| question).collect())
    }

    fn has(&self, question: Question) -> bool {
        self.0.contains(&question)
    }

    /// All answers speak for the message.
    fn best(&self, facts: &Facts) -> Facts {
        let mut facts = facts.clone();
        let author = facts.author.clone().ok();
        let speaks = |domain: &DomainName| author.as_ref().is_some_and(|author| related(domain, author));
        let mut speaks_for_author = false;
        if self.has(Question::Spf) {
            speaks_for_author |= facts.sender.counts().is_some_and(|(domain, _)| speaks(domain));
            facts.sender.answer(SpfResult::Pass);
        }
        for found in facts.signatures.iter_mut().filter(|found| found.result == dkim::DkimResult::TempError) {
            found.result = dkim::DkimResult::Pass;
            speaks_for_author |= DomainName::parse(&found.domain).is_some_and(|domain| speaks(&domain));
        }
        if self.has(Question::Reverse) {
            facts.reverse = ResultWord::Pass;
        }
        if let Some(chain) = facts.arc.as_mut().filter(|_| self.has(Question::Arc)) {
            chain.status = arc::ChainStatus::Pass;
        }
        if let Some(found) = facts.dmarc.as_mut() {
            if self.has(Question::Dmarc) {
                // Without a record nothing may be asked for at all.
                let known = found.record.is_some();
                found.result = if known { dmarc::DmarcResult::Pass } else { dmarc::DmarcResult::None };
            } else if speaks_for_author && found.result == dmarc::DmarcResult::Fail {
                found.result = dmarc::DmarcResult::Pass;
            }
        }
        facts
    }

    /// All answers speak against it.
    fn worst(&self, facts: &Facts) -> Facts {
        let mut facts = facts.clone();
        if self.has(Question::Spf) {
            facts.sender.answer(SpfResult::Fail);
        }
        if self.has(Question::Reverse) {
            facts.reverse = ResultWord::Fail;
        }
        // Where the very domain of the author answers for it, DMARC can but pass.
        let author = facts.author.as_ref().ok();
        let is_sure = author.is_some_and(|author| {
            facts.sender.passed() == Some(author) || facts.signers().any(|signer| signer == *author)
        });
        if let Some(found) = facts.dmarc.as_mut().filter(|_| self.has(Question::Dmarc)) {
            if found.record.is_none() {
                found.policy = dmarc::Policy::Reject;
            }
            found.result = if is_sure { dmarc::DmarcResult::Pass } else { dmarc::DmarcResult::Fail };
        }
        facts
    }

    /// RFC 7372 §3.2 has 4.7.24 for SPF. The others have no code for an answer that did not come, and get that of what is not shown now.
    fn reply(&self, facts: &Facts) -> Reply {
        let (detail, what, name) = if self.has(Question::Spf) {
            (24, "SPF of", facts.sender.counts().map(|(domain, _)| domain.to_string()))
        } else if self.has(Question::Dmarc) && !self.has(Question::Dkim) {
            (26, "the DMARC policy of", facts.author.as_ref().ok().map(ToString::to_string))
        } else if self.has(Question::Dkim) {
            let unsure = facts.signatures.iter().find(|found| found.result == dkim::DkimResult::TempError);
            (
                20,
                "the DKIM key of",
                unsure.and_then(|found| DomainName::parse(&found.domain)).map(|name| name.to_string()),
            )
        } else if self.has(Question::Arc) {
            (
                29,
                "the ARC key of",
                facts
                    .arc
                    .as_ref()
                    .and_then(|chain| DomainName::parse(chain.sealers.last()?))
                    .map(|name| name.to_string()),
            )
        } else {
            (25, "the name of", Some(facts.client.to_string()))
        };
        let name = shown(&name.unwrap_or_default());
        let text = format!("The DNS does not answer for {what} {name}; try again later");
        Reply::new(451, mail::EnhancedStatus::new(4, 7, detail), text)
    }
}

/// Domains are of letters, digits, dots, hyphens and underscores by now: nothing else that a stranger wrote stands in a reply.
fn shown(name: &str) -> String {
    if name.len() <= NAME_OCTETS_SHOWN { name.to_owned() } else { "a domain with a long name".to_owned() }
}

/// Whether all who have sealed the message are trusted, and the first of them says that it was its author's (RFC 8617, RFC 7960 §4.2).
fn vouched_for(verify: &Verify, facts: &Facts, author: &DomainName) -> bool {
    let Some(chain) = &facts.arc else { return false };
    let trusted = |sealer: &str| {
        let name = DomainName::parse(sealer).and_then(|name| Domain::parse(name.as_str()).ok());
        name.is_some_and(|name| verify.trusted_sealers.iter().any(|trusted| trusted.takes(&name)))
    };
    !chain.sealers.is_empty()
        && chain.sealers.iter().all(|sealer| trusted(sealer))
        && chain.vouches_for(author)
}

/// Signs that it was passed on by somebody, which breaks what it was signed with and where it comes from (RFC 7960 §3).
fn is_indirect(facts: &Facts) -> bool {
    facts.from_list || facts.arc.as_ref().is_some_and(|chain| chain.status == arc::ChainStatus::Pass)
}

/// Whether other evidence agrees with DMARC: SPF says for sure that the client may not send for a domain of the author's, and the message shows
/// no sign of having been passed on, which alone could make honest mail look so.
fn is_forged(facts: &Facts, author: &DomainName) -> bool {
    let fails = facts.sender.counts().filter(|(_, result)| *result == SpfResult::Fail);
    fails.is_some_and(|(domain, _)| related(domain, author)) && !is_indirect(facts)
}

fn of_author(verify: &Verify, facts: &Facts) -> Judgement {
    let author = match &facts.author {
        Ok(author) => author,
        Err(NoAuthor::None | NoAuthor::Ambiguous) => {
            // RFC 5322 §3.6: one From field.
            return Judgement::new(
                verify.no_author,
                (5, 7, 1),
                "The header section does not name one author in From".to_owned(),
            );
        }
    };
    // An answer that does not come speaks for nobody: or whoever keeps one back for an hour could be anybody.
    let speaks_against = |found: &&dmarc::Verdict| match found.result {
        dmarc::DmarcResult::Fail => true,
        dmarc::DmarcResult::TempError => found.record.is_some(),
        dmarc::DmarcResult::None | dmarc::DmarcResult::Pass => false,
    };
    let Some(found) = facts.dmarc.as_ref().filter(speaks_against) else { return Judgement::ACCEPTED };
    if vouched_for(verify, facts, author) {
        return Judgement { overridden: Some("trusted_forwarder"), ..Judgement::ACCEPTED };
    }
    let measure = match found.policy {
        dmarc::Policy::None => verify.dmarc_none,
        dmarc::Policy::Quarantine => verify.dmarc_quarantine,
        dmarc::Policy::Reject if is_forged(facts, author) => verify.dmarc_forged.max(verify.dmarc_reject),
        dmarc::Policy::Reject => verify.dmarc_reject,
    };
    let spf = facts.sender.counts().map_or_else(
        || "no SPF".to_owned(),
        |(domain, result)| format!("SPF is {result} for {}", shown(domain.as_str())),
    );
    let signed = if facts.signatures.is_empty() {
        "there is no DKIM signature"
    } else {
        "no DKIM signature of it passes"
    };
    let verb = if found.result == dmarc::DmarcResult::Fail { "fails" } else { "cannot be judged" };
    let (author, policy) = (shown(author.as_str()), found.policy.name());
    let text = format!("DMARC {verb} for {author} (p={policy}): {spf}, {signed}");
    let judged = Judgement::new(measure, (5, 7, 26), text);
    let by_list = measure < verify.dmarc_forged && found.policy == dmarc::Policy::Reject && facts.from_list;
    Judgement { overridden: by_list.then_some("mailing_list"), ..judged }
}

fn sender(verify: &Verify, facts: &Facts) -> Option<Judgement> {
    let (domain, _) = facts.sender.counts().filter(|(_, result)| *result == SpfResult::Fail)?;
    let answered = facts.signers().any(|signer| related(&signer, domain));
    if answered || speaks_for(verify, facts) {
        return None;
    }
    let text = format!("SPF of {} does not allow {} to send its mail", shown(domain.as_str()), facts.client);
    Some(Judgement::new(verify.spf_fail, (5, 7, 23), text))
}

fn signatures(verify: &Verify, facts: &Facts) -> Option<Judgement> {
    let first = facts.signatures.first()?;
    let unsure =
        |found: &dkim::Outcome| matches!(found.result, dkim::DkimResult::Pass | dkim::DkimResult::TempError);
    if facts.signatures.iter().any(unsure) || speaks_for(verify, facts) {
        return None;
    }
    let name = DomainName::parse(&first.domain)
        .map_or_else(String::new, |name| format!("; that of {} fails", shown(name.as_str())));
    Some(Judgement::new(verify.dkim_fail, (5, 7, 20), format!("No DKIM signature passes{name}")))
}

fn name(verify: &Verify, facts: &Facts) -> Option<Judgement> {
    let fails = matches!(facts.reverse, ResultWord::Fail | ResultWord::PermError);
    let text = || format!("No name of {} in the DNS leads back to it", facts.client);
    fails.then(|| Judgement::new(verify.iprev_fail, (5, 7, 25), text()))
}

/// Whether something speaks for the author, by itself or by somebody who is trusted.
fn speaks_for(verify: &Verify, facts: &Facts) -> bool {
    facts.is_authentic() || facts.author.as_ref().is_ok_and(|author| vouched_for(verify, facts, author))
}

#[cfg(test)]
#[path = "judgement_tests.rs"]
mod tests;
