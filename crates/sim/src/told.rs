//! Compares what senders were told of recipients with what became of them and with what peers said.

use events::Kind;

use crate::{
    ledger::{Books, Sent},
    reports::Told,
    weather::{NOWHERE, NULL_MX},
};

/// A recipient, with how it ended.
pub(crate) struct Ended<'a> {
    pub(crate) books: &'a Books,
    pub(crate) sent: &'a Sent,
    pub(crate) token: &'a str,
    pub(crate) recipient: &'a str,
    pub(crate) ends: &'a [Kind],
    /// A report of the message could not be delivered, or waits on hold.
    pub(crate) a_report_is_lost: bool,
}

impl Ended<'_> {
    /// All that is wrong with what was told of it.
    pub(crate) fn wrongs(&self) -> Vec<String> {
        let told = self.books.told.get(self.recipient).map(Vec::as_slice).unwrap_or_default();
        let mut wrongs: Vec<String> = told.iter().filter_map(|told| self.wrong_with(told)).collect();
        wrongs.extend(self.untold(told));
        wrongs
    }

    /// Whether the sender has not heard what it was to hear.
    fn untold(&self, told: &[Told]) -> Option<String> {
        let has = |words: &[&str]| told.iter().any(|told| words.contains(&told.action.as_str()));
        let notify = self.sent.recipients.iter().find(|known| known.address == self.recipient)?.notify;
        let failed = matches!(self.ends, [Kind::Bounced | Kind::Expired])
            && notify.is_none_or(|words| words.contains("FAILURE"));
        let arrived = self.ends == [Kind::Delivered]
            && notify.is_some_and(|words| words.contains("SUCCESS"))
            && !self.is_passed_on();
        let untold = failed && !has(&["failed"]) || arrived && !has(&["delivered", "relayed"]);
        let may_be = self.sent.sender.is_none() || self.a_report_is_lost || self.is_misled();
        (untold && !may_be)
            .then(|| format!("{}: {:?}, and its sender has not heard of it", self.recipient, self.ends))
    }

    /// Whether who has it was told what the sender asked, so that it owes the report.
    fn is_passed_on(&self) -> bool {
        self.books.taken.get(self.recipient).is_some_and(|taken| taken.iter().any(|taken| taken.dsn))
    }

    fn is_misled(&self) -> bool {
        self.books.misled.contains(self.recipient)
    }

    fn wrong_with(&self, told: &Told) -> Option<String> {
        let fits_end = match told.action.as_str() {
            "failed" => matches!(self.ends, [Kind::Bounced | Kind::Expired]),
            "delivered" | "relayed" => self.ends.contains(&Kind::Delivered) && told.status.starts_with("2."),
            "delayed" => told.status.starts_with("4."),
            _ => false,
        };
        if !fits_end {
            return Some(format!(
                "{} has the ends {:?}, and its sender heard {told:?}",
                self.recipient, self.ends
            ));
        }
        (!self.is_misled() && !self.is_founded(told))
            .then(|| format!("{}: its sender heard {told:?}, and nobody gave cause for it", self.recipient))
    }

    /// Whether what is told has a cause: words of a peer, said to this recipient or to all, or one of ours.
    fn is_founded(&self, told: &Told) -> bool {
        match &told.diagnostic {
            Some((kind, words)) if kind == "smtp" => {
                let said = self.books.said.get(words);
                let said_to = |to: &Option<Vec<String>>| {
                    to.as_ref().is_none_or(|to| to.iter().any(|to| to == self.recipient))
                };
                said.is_some_and(said_to) && self.fits(told, words)
            }
            _ if told.action == "failed" => told.status == "4.4.7" || self.fails_by_itself(),
            _ => true,
        }
    }

    /// Whether status and action follow from the reply.
    fn fits(&self, told: &Told, reply: &str) -> bool {
        let mut words = reply.split(' ');
        let (code, status) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match told.action.as_str() {
            "failed" if self.ends == [Kind::Expired] => told.status == "4.4.7",
            "failed" => code.starts_with('5') && told.status == status,
            "relayed" | "delivered" => code.starts_with('2') && told.status == status,
            _ => true,
        }
    }

    /// Whether it fails whatever peers say.
    fn fails_by_itself(&self) -> bool {
        let (_, domain) = self.recipient.rsplit_once('@').unwrap_or_default();
        [NULL_MX, NOWHERE, "here.test"].contains(&domain) || self.books.given_up.contains(self.token)
    }
}
