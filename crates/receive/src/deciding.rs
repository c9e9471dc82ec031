//! From a whole message to what becomes of it: by the operator's rules, and by what the checks have found (mail-rules 3 to 5).
//!
//! One reply covers all recipients. So a message is refused only where it is refused for all of them, and no rule says otherwise for any; where
//! postmaster or abuse is among them it is junk instead, for somebody has to read what is written there (RFC 5321 §4.5.1, RFC 2142 §4).

use directory::{Posters, Resolution};
use mail::{Address, Reply};
use spool::Submission;

use crate::{
    checks::{Bringer, Facts, Found},
    content::Incoming,
    judgement::{Judgement, judge, unanswered},
    patience::Known,
    reception::{Reception, STATION},
    record,
    rules::{Cause, Fate, Ruling, settle},
    transaction::{Taken, Transaction},
    verify::Measure,
};

/// Anybody can write a member's address into MAIL.
const PROVE_MEMBER: Reply = Reply::fixed(
    550,
    (5, 7, 23),
    "This list takes mail whose sender is shown to be a member: SPF or DMARC has to pass for the sender's domain",
);
const MEMBER_UNSURE: Reply = Reply::fixed(
    451,
    (4, 7, 24),
    "It cannot be said now whether the sender is a member of this list; try again later",
);

/// What was decided about a message that is taken.
pub(crate) struct Decided {
    /// Of each outlook, by the rules.
    pub(crate) rulings: Vec<Ruling>,
    /// None where nothing was checked.
    pub(crate) checked: Option<Checked>,
}

/// What was found, and what follows.
pub(crate) struct Checked {
    pub(crate) found: Found,
    /// As it is carried out.
    pub(crate) judgement: Judgement,
    /// Lists that do not get the message before somebody releases it.
    unproven: Vec<Address>,
    /// All lists among the recipients.
    lists: Vec<Address>,
}

impl Checked {
    /// What becomes of a recipient for whom the rules have this ruling.
    pub(crate) fn refine(&self, address: &Address, ruling: Ruling) -> Ruling {
        let refined = match self.judgement.measure {
            _ if ruling.rule.is_some() => ruling,
            Measure::Accept | Measure::Reject => ruling,
            Measure::Junk => Ruling::by(Fate::Junk, Cause::Checks),
            Measure::Hold => Ruling::by(Fate::Hold, Cause::Checks),
        };
        if refined.fate == Fate::Junk && self.lists.contains(address) {
            return Ruling { fate: Fate::Hold, cause: Cause::JunkForList, ..refined };
        }
        if ruling.rule.is_none() && refined.fate > Fate::Hold && self.unproven.contains(address) {
            return Ruling::by(Fate::Hold, Cause::UnprovenPoster);
        }
        refined
    }

    /// mail-rules 4: whether the sender may hear of a failure. Who is forged did not send it, and who sends junk learns nothing.
    pub(crate) fn may_bounce(&self) -> bool {
        !self.found.facts.sender.is_forged()
            && self.judgement.measure == Measure::Accept
            && self.unproven.is_empty()
    }

    /// Tells of each recipient that is held why, where `queue list` shows it and `--reason` finds it.
    pub(crate) fn label(&self, taken: &mut Taken) {
        let kept = taken.ruled.iter().filter(|(_, ruling)| ruling.fate != Fate::Drop);
        for (recipient, (_, ruling)) in taken.envelope.recipients.iter_mut().zip(kept) {
            let why = self.reason(ruling.cause).filter(|_| recipient.held);
            let held = |why| Reply::new(451, mail::EnhancedStatus::new(4, 7, 1), format!("Held: {why}"));
            recipient.last_reply = why.map(held);
        }
    }

    /// Why a recipient is set aside, where no rule says it.
    pub(crate) fn reason(&self, cause: Cause) -> Option<String> {
        let checks = || self.judgement.reason().map(str::to_owned);
        match cause {
            Cause::Rules => None,
            Cause::Checks => checks(),
            Cause::JunkForList => {
                let why = checks().map(|why| format!(": {why}")).unwrap_or_default();
                Some(format!("junk is not sent on to a mailing list{why}"))
            }
            Cause::UnprovenPoster => Some(
                "it is for a mailing list, and neither SPF nor DMARC shows that its sender is a member"
                    .to_owned(),
            ),
        }
    }
}

impl Reception {
    /// Decides about a message all of which is here.
    ///
    /// # Errors
    /// The reply of one that is refused or put off.
    pub(crate) async fn decide(
        &self,
        incoming: &mut Incoming,
        transaction: &Transaction,
    ) -> Result<Decided, Reply> {
        let rules = &self.shared.config.rules;
        let by_rules = |incoming: &Incoming| {
            settle(rules, &transaction.outlooks, incoming.seen()).map_err(|refusal| {
                self.ruled_out::<()>(&refusal);
                refusal.reply
            })
        };
        // What the rules refuse for its size or its fields alone costs no question to the DNS.
        let asks = transaction.outlooks.iter().any(|outlook| outlook.asks_results(rules));
        let early = if asks { None } else { Some(by_rules(incoming)?) };
        let found = self.check(incoming, transaction).await;
        if let Some(found) = &found {
            incoming.judged(found.facts.results());
        }
        let rulings = early.map_or_else(|| by_rules(incoming), Ok)?;
        let Some(found) = found else { return Ok(Decided { rulings, checked: None }) };
        let checked = self.judged(found, incoming, transaction, &rulings).await?;
        incoming.tell(&checked.found).await?;
        Ok(Decided { rulings, checked: Some(checked) })
    }

    /// Who answers for a message, where that is checked.
    async fn check(&self, incoming: &mut Incoming, transaction: &Transaction) -> Option<Found> {
        let checks = incoming.take_checks()?;
        // The settings are those under which the session began: what was asked for at the beginning is there.
        let (resolver, client) = (self.shared.verifier()?, self.client.address?);
        let bringer = Bringer {
            client,
            hello: self.client.hello.as_deref(),
            reverse_path: &transaction.mail.reverse_path,
        };
        Some(checks.conclude(bringer, resolver).await)
    }

    async fn judged(
        &self,
        found: Found,
        incoming: &Incoming,
        transaction: &Transaction,
        rulings: &[Ruling],
    ) -> Result<Checked, Reply> {
        let (verify, facts) = (&self.shared.config.verify, &found.facts);
        let is_open = |ruling: &Ruling| ruling.rule.is_none();
        let (any_open, all_open) = (rulings.iter().any(is_open), rulings.iter().all(is_open));
        let lists = self.lists(transaction);
        let judgement = judge(verify, facts);
        let proven = transaction.mail.reverse_path.address().is_some_and(|sender| facts.proves(sender));
        let unproven: Vec<Address> = lists
            .iter()
            .filter(|(_, needs_proof)| *needs_proof && !proven)
            .map(|(list, _)| list.clone())
            .collect();
        let lists = lists.into_iter().map(|(list, _)| list).collect();
        let mut checked = Checked { found, judgement, unproven, lists };
        if !any_open {
            // Rules that decide for all outrank what was found.
            checked.spare();
            return Ok(checked);
        }
        let facts = &checked.found.facts;
        let member_unsure = !checked.unproven.is_empty() && facts.is_unsure_of_sender();
        let unanswered = unanswered(verify, facts);
        let is_lenient = unanswered.is_some();
        if let Some(reply) = unanswered.or_else(|| member_unsure.then_some(MEMBER_UNSURE))
            && self.may_put_off(facts, incoming, transaction)
        {
            tracing::info!(station = STATION, client = %self.shown(), %reply, "put off");
            return Err(reply);
        }
        if is_lenient {
            checked.judgement = checked.judgement.lenient();
        }
        let all_unproven = !checked.unproven.is_empty()
            && transaction.addressed.iter().all(|to| checked.unproven.contains(&to.address));
        if all_open && all_unproven && !member_unsure && checked.judgement.measure != Measure::Reject {
            checked.judgement.measure = Measure::Reject;
            checked.judgement.reply = Some(PROVE_MEMBER);
        }
        if checked.judgement.measure == Measure::Reject {
            if !all_open || transaction.spares {
                checked.judgement.measure = Measure::Junk;
            } else {
                return Err(self.refused(checked, incoming, transaction).await);
            }
        }
        Ok(checked)
    }

    /// The lists among the recipients, and whether each takes mail of some alone.
    fn lists(&self, transaction: &Transaction) -> Vec<(Address, bool)> {
        let directory = self.shared.authenticator.directory();
        if directory.lists().next().is_none() {
            return Vec::new();
        }
        let list = |address: &Address| match directory.resolve(address) {
            Resolution::List(list) => Some((address.clone(), list.posters() != Posters::Anyone)),
            _ => None,
        };
        transaction.addressed.iter().filter_map(|to| list(&to.address)).collect()
    }

    fn may_put_off(&self, facts: &Facts, incoming: &Incoming, transaction: &Transaction) -> bool {
        let recipient = transaction.addressed.first().map(|to| to.address.to_string());
        let known = Known {
            reverse_path: &transaction.mail.reverse_path,
            message_id: incoming.message_id.as_deref(),
            author: facts.author.as_ref().ok().map(message_auth::DomainName::as_str),
            recipient: recipient.as_deref(),
        };
        let Self { shared, .. } = self;
        shared.put_off.may(&known, shared.clock.now(), shared.config.verify.defer_max)
    }

    /// Puts on record that a message was refused, so that `trace` and reports know of it; of its content nothing is kept. That it cannot be put on
    /// record is no reason to take it.
    async fn refused(&self, checked: Checked, incoming: &Incoming, transaction: &Transaction) -> Reply {
        let reply = checked.judgement.reply.clone().unwrap_or(crate::storing::NOT_STORED);
        tracing::info!(station = STATION, client = %self.shown(), queue_id = %incoming.id, %reply, "refused");
        let now = self.shared.clock.now();
        let mut envelope = mail::Envelope::new(incoming.id, now, self.origin.service.name(), Vec::new());
        envelope.client = self.client.clone();
        envelope.reverse_path = transaction.mail.reverse_path.clone();
        let to = transaction.addressed.iter().map(|to| to.address.to_string()).collect();
        let events = record::refused(&envelope, to, incoming, &checked, &reply);
        let told = Submission { envelope, content: Vec::new().into(), events };
        if let Err(error) = self.shared.spool.commit(told).await {
            tracing::warn!(station = STATION, %error, "a refusal is not on record");
        }
        reply
    }
}

impl Checked {
    /// The operator's rules say what becomes of it.
    fn spare(&mut self) {
        if self.judgement.measure != Measure::Accept {
            self.judgement = Judgement { overridden: Some("local_policy"), ..Judgement::ACCEPTED };
        }
        self.unproven.clear();
    }
}
