//! The end of an attempt: outcomes, events and reports in one atomic commit (mail-rules 13).

use std::sync::Arc;

use events::Event;
use mail::{Envelope, QueueId, Stream, Timestamp};
use message::{CONTENT_RETURNED_MAX, HeaderSection};
use spool::{ContentReader, Disposition, Finished, Loaded, RecipientOutcome, Submission};

use crate::{
    log,
    outcome::{Circumstances, Fate, Finding, Verdict},
    report::{self, Notice, Reporter},
    shared::Shared,
    wave::{Ended, Wave},
};

impl Shared {
    /// Ends an attempt: each finding becomes an outcome, an event and a log line. A success is told at once; the rest of
    /// what is to be told waits for the other attempts of its wave, and so do the outcomes that it tells of.
    pub(crate) async fn settle(&self, station: &'static str, envelope: &Arc<Envelope>, findings: &[Finding]) {
        self.settle_with(station, envelope, findings, None).await;
    }

    /// The same, and with the successes goes a message that stands or falls with them, and what is told of it.
    pub(crate) async fn settle_with(
        &self,
        station: &'static str,
        envelope: &Arc<Envelope>,
        findings: &[Finding],
        sent: Option<(Submission, Event)>,
    ) {
        let (now, may_expire) = self.judged_now();
        let live = self.live();
        let circumstances = Circumstances { envelope, station, now, may_expire, retry: &live.retry };
        let (mut ended, mut waiting) = (Vec::with_capacity(findings.len()), Vec::new());
        for finding in findings {
            // Randomness is a system call; only a deferral needs it.
            let random = if finding.fate == Fate::Deferred { self.random() } else { 0 };
            let Some(verdict) = circumstances.judge(finding, random) else { continue };
            log::outcome(station, &verdict);
            if report::waits(envelope, finding, &verdict) {
                waiting.push(Ended { finding: finding.clone(), verdict });
            } else {
                ended.push((finding, verdict));
            }
        }
        if !ended.is_empty() {
            self.end(envelope, ended, now, sent).await;
        }
        let underway = || self.parts.spool.underway(envelope.id, now);
        if let Some(wave) = self.waves.join(envelope, waiting, now, underway) {
            self.end_wave(wave).await;
        }
    }

    /// Ends what waited for others.
    pub(crate) async fn end_wave(&self, Wave { envelope, ended, .. }: Wave) {
        let ended = ended.iter().map(|ended| (&ended.finding, ended.verdict.clone())).collect();
        self.end(&envelope, ended, self.now(), None).await;
    }

    async fn end(
        &self,
        envelope: &Envelope,
        ended: Vec<(&Finding, Verdict)>,
        now: Timestamp,
        sent: Option<(Submission, Event)>,
    ) {
        let (mut reports, mut told) = self.reports(envelope, &ended, now).await;
        let (mut outcomes, mut events) = (Vec::with_capacity(ended.len()), Vec::with_capacity(ended.len()));
        for (_, verdict) in ended {
            let disposition = verdict.outcome.disposition;
            let is_owed = || self.parts.spool.owes(envelope.id, verdict.outcome.recipient);
            // Removed by an operator meanwhile: that it was delivered is told all the same. Nothing else came of it.
            if disposition != Disposition::Delivered && !is_owed() {
                continue;
            }
            told.extend(report::discarded(envelope, &verdict, now));
            outcomes.push(verdict.outcome);
            events.push(verdict.event);
        }
        // Who was removed by an operator meanwhile gets nothing sent on.
        let is_owed = |outcome: &RecipientOutcome| self.parts.spool.owes(envelope.id, outcome.recipient);
        if let Some((message, event)) = sent.filter(|_| outcomes.iter().any(is_owed)) {
            reports.push(message);
            told.push(event);
        }
        events.append(&mut told);
        if outcomes.is_empty() {
            return;
        }
        self.parts.spool.finish(Finished { id: envelope.id, outcomes, events, reports });
    }

    async fn reports(
        &self,
        envelope: &Envelope,
        ended: &[(&Finding, Verdict)],
        now: Timestamp,
    ) -> (Vec<Submission>, Vec<Event>) {
        let is_owed = |recipient| self.parts.spool.owes(envelope.id, recipient);
        let notices = Notice::gather(envelope, ended, is_owed);
        if notices.is_empty() {
            return Default::default();
        }
        if report::goes_to_postmaster(envelope) {
            tracing::warn!(queue_id = %envelope.id, station = report::STATION, "a report cannot be delivered; the postmaster gets a copy");
        }
        let (content, octets) = self.beginning(envelope.id).await;
        let to_sender = self.to_sender(envelope, now);
        let envelope = to_sender.as_ref().unwrap_or(envelope);
        // Who asked to hear of it by DELIVERBY does.
        let asked = envelope.deliver_by.is_some();
        let is_bulk = !asked && (envelope.stream == Stream::Bulk || HeaderSection::read(&content).is_bulk());
        let live = self.live();
        let reporter =
            Reporter { hostname: &self.config.hostname, postmaster: live.directory.postmaster(), now };
        let report = |notice: &Notice<'_>| {
            reporter.report(self.parts.spool.new_id(now), envelope, notice, (&content, octets))
        };
        let notices = notices.into_iter().filter_map(|notice| notice.worth_telling(is_bulk));
        notices.filter_map(|notice| report(&notice)).unzip()
    }

    /// As much of the content as a report returns. One that cannot be read is not returned: the report matters more.
    async fn beginning(&self, id: QueueId) -> (Vec<u8>, u64) {
        let Ok(Loaded { mut content, .. }) = self.parts.spool.load(id).await else { return (Vec::new(), 0) };
        let octets = content.len();
        let wanted = CONTENT_RETURNED_MAX.min(usize::try_from(octets).unwrap_or(usize::MAX));
        (beginning_of(&mut content, wanted).await, octets)
    }
}

async fn beginning_of(content: &mut ContentReader, wanted: usize) -> Vec<u8> {
    let mut beginning = Vec::with_capacity(wanted);
    while beginning.len() < wanted {
        let Ok(Some(piece)) = content.next().await else { break };
        beginning.extend_from_slice(piece.get(..wanted - beginning.len()).unwrap_or(&piece));
    }
    beginning
}
