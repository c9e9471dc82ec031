//! From what the envelope tells to what becomes of each recipient.
//!
//! After the content one reply covers all recipients (mail-rules 3). So recipients share a transaction only if every
//! content would be refused for all of them or for none: that is their [`Outlook::refusals`].

use mail::Reply;

use super::{Action, EnvelopeFacts, Rule, Seen};

/// What the rules say of a recipient as far as its envelope tells. Rules are named by their places.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Outlook {
    /// Which hold if the content meets their conditions, in order.
    pending: Vec<usize>,
    /// Which holds if none of those does.
    otherwise: Option<usize>,
}

/// What becomes of a recipient whose message is taken. The later one wins where an address is reached on two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    Drop,
    Hold,
    Junk,
    Deliver,
}

/// A fate, and what decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ruling {
    pub(crate) fate: Fate,
    pub(crate) rule: Option<usize>,
    pub(crate) cause: Cause,
}

/// What decided a fate, if it was no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Cause {
    /// A rule, or nothing.
    #[default]
    Rules,
    /// What the checks have found.
    Checks,
    /// It is junk, which no mailing list sends on.
    JunkForList,
    /// It is for a mailing list, and nothing shows that its sender is who may write to it.
    UnprovenPoster,
}

impl Ruling {
    /// The message goes its way.
    pub(crate) const DELIVER: Self = Self { fate: Fate::Deliver, rule: None, cause: Cause::Rules };

    /// Another fate, which no rule decided.
    pub(crate) fn by(fate: Fate, cause: Cause) -> Self {
        Self { fate, rule: None, cause }
    }
}

/// A refusal, and the rule that decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reply: Reply,
    pub(crate) rule: usize,
}

impl Outlook {
    pub(crate) fn of(rules: &[Rule], envelope: &EnvelopeFacts<'_>) -> Self {
        let mut outlook = Self::default();
        for (place, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.takes(envelope)) {
            if !rule.when.ask_content() {
                outlook.otherwise = Some(place);
                break;
            }
            outlook.pending.push(place);
        }
        outlook
    }

    /// The refusal at RCPT: it depends on no content.
    pub(crate) fn refusal(&self, rules: &[Rule]) -> Option<Refusal> {
        let rule = self.otherwise.filter(|_| self.pending.is_empty())?;
        refusal(rules, rule)
    }

    /// The rules by which a content may be refused, with those before them that may keep it from that.
    pub(crate) fn refusals(&self, rules: &[Rule]) -> Vec<usize> {
        let mut all: Vec<usize> = self.pending.iter().copied().chain(self.otherwise).collect();
        let refuses = |place: &usize| refusal(rules, *place).is_some();
        all.truncate(all.iter().rposition(refuses).map_or(0, |last| last + 1));
        all
    }

    /// Whether a rule that is pending reads the header section.
    pub(crate) fn asks_header(&self, rules: &[Rule]) -> bool {
        self.pending.iter().filter_map(|place| rules.get(*place)).any(|rule| rule.when.ask_header())
    }

    /// Whether a rule that is pending asks what the checks find.
    pub(crate) fn asks_results(&self, rules: &[Rule]) -> bool {
        self.pending.iter().filter_map(|place| rules.get(*place)).any(|rule| rule.when.ask_results())
    }

    /// The rule that holds for this content.
    fn rule(&self, rules: &[Rule], content: &Seen) -> Option<usize> {
        let meets = |place: &&usize| rules.get(**place).is_some_and(|rule| rule.when.meet_content(content));
        self.pending.iter().find(meets).copied().or(self.otherwise)
    }
}

/// What becomes of the recipients with each of these outlooks: a refusal for all, or a fate for each.
pub(crate) fn settle(rules: &[Rule], outlooks: &[Outlook], content: &Seen) -> Result<Vec<Ruling>, Refusal> {
    let decided: Vec<Option<usize>> = outlooks.iter().map(|outlook| outlook.rule(rules, content)).collect();
    let refusals = || decided.iter().map(|rule| rule.and_then(|rule| refusal(rules, rule)));
    if let Some(Some(first)) = refusals().next()
        && refusals().all(|refusal| refusal.is_some())
    {
        return Err(first);
    }
    let ruling = |rule| Ruling { fate: fate(rules, rule), rule, cause: Cause::Rules };
    Ok(decided.into_iter().map(ruling).collect())
}

fn refusal(rules: &[Rule], rule: usize) -> Option<Refusal> {
    let reply = rules.get(rule)?.action.refusal()?.clone();
    Some(Refusal { reply, rule })
}

fn fate(rules: &[Rule], rule: Option<usize>) -> Fate {
    match rule.and_then(|rule| rules.get(rule)).map(|rule| &rule.action) {
        None | Some(Action::Accept) => Fate::Deliver,
        Some(Action::Drop) => Fate::Drop,
        Some(Action::Junk) => Fate::Junk,
        // Not refused, because another recipient is not: outlooks that differ so do not come together. If they ever
        // did, it must neither be refused for all nor bounce later.
        Some(Action::Hold | Action::Reject(_) | Action::Defer(_)) => Fate::Hold,
    }
}
