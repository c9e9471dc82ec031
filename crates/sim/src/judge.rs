//! Compares what the event log says with what clients, peers and mailboxes know.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use events::{Event, Kind, Order, Query, Reader};
use mail::QueueId;

use crate::{
    ledger::{Answer, Books, Sent, Taken, token_of},
    run::Summary,
    server::{EVENTS, MAIL},
    settings::Ruled,
    told::Ended,
    weather::SENDERS,
    world::World,
};

/// Completions are durable so long after they are known, on a disk that is not slow: `completion_delay`, and a margin.
const WINDOW_MILLIS: u64 = 100 + 50;

/// What the log says of one message.
#[derive(Debug, Default)]
struct Logged {
    /// How often it says that the message was accepted.
    accepted: usize,
    recipients: BTreeSet<String>,
    /// The ends of recipients.
    ends: BTreeMap<String, Vec<Kind>>,
    /// Since which run of the server.
    held: BTreeMap<String, usize>,
    ever_held: BTreeSet<String>,
    /// They were on hold when a run began, and it tried them.
    tried_on_hold: BTreeSet<String>,
    reports: Vec<QueueId>,
}

type Wrongs = Vec<(String, String)>;

/// All that is wrong, with the token of the message.
pub(crate) fn judge(world: &World) -> Wrongs {
    let events = match read(world) {
        Ok(events) => events,
        Err(error) => return vec![(String::new(), format!("the event log cannot be read: {error}"))],
    };
    let books = world.ledger.books();
    let mut wrongs = compare(world, &books, &events);
    // What a lie has covered may be lost, come twice, or be told wrongly. What was seen to be wrong at the time stays so.
    wrongs.retain(|(token, _)| !books.lost.tokens.contains(token));
    wrongs.extend(books.wrongs.iter().cloned());
    wrongs
}

fn compare(world: &World, books: &Books, events: &[Event]) -> Wrongs {
    let mut wrongs = Wrongs::new();
    let log = gather(books, events);
    let mailboxes = mailboxes(world);
    let of_clients = by_token(&log);
    for (token, sent) in &books.sent {
        let ids = of_clients.get(token).map(Vec::as_slice).unwrap_or_default();
        let mut wrong = |what: String| wrongs.push((token.clone(), what));
        check_answer(sent, ids.len(), books.machine.failed, &mut wrong);
        let Some(logged) = ids.first().and_then(|id| log.get(id)) else { continue };
        check_accepted(sent, logged, &mut wrong);
        for recipient in &logged.recipients {
            check_end(world, books, (logged, recipient), &mut wrong);
            let ends = logged.ends.get(recipient).map(Vec::as_slice).unwrap_or_default();
            let a_report_is_lost = logged.reports.iter().any(|report| is_lost(books, &log, report));
            let ended = Ended { books, sent, token, recipient, ends, a_report_is_lost };
            ended.wrongs().into_iter().for_each(&mut wrong);
        }
        check_rules(books, sent, logged, &mut wrong);
        if !world.plan.store {
            check_mailboxes(token, logged, &mailboxes, &mut wrong);
        }
    }
    for (recipient, taken) in &books.taken {
        // The postmaster has reports that nobody else can have, and each is another.
        let Some(token) = token_of(recipient) else { continue };
        if let Some(what) = unexcused(world, books, taken)
            && !recipient.ends_with(SENDERS)
            && !books.misled.contains(recipient)
        {
            wrongs.push((token, format!("{recipient} got it twice: {what}")));
        }
    }
    wrongs
}

pub(crate) fn summary(world: &World) -> Summary {
    let books = world.ledger.books();
    Summary {
        lives: books.endings.len(),
        messages: books.sent.len(),
        receipts: books.sent.values().filter(|sent| sent.answer == Answer::Receipt).count(),
        millis: world.clock.elapsed(),
    }
}

fn read(world: &World) -> Result<Vec<Event>, String> {
    let reader = Reader::new(EVENTS.into(), Arc::new(world.disk.clone()));
    let all =
        reader.search(&Query::All, Order::OldestFirst, usize::MAX).map_err(|error| error.to_string())?;
    // As every reader does: a line that stands twice has one LSN.
    let mut seen = BTreeSet::new();
    Ok(all.into_iter().filter(|event| seen.insert(event.lsn)).collect())
}

fn gather(books: &Books, events: &[Event]) -> BTreeMap<QueueId, Logged> {
    let mut log: BTreeMap<QueueId, Logged> = BTreeMap::new();
    for event in events {
        let logged = log.entry(event.id).or_default();
        logged.tried(event, books.run_of(event.lsn));
        match event.kind {
            Kind::Accepted => {
                logged.accepted += 1;
                logged.recipients.extend(event.recipients.iter().cloned());
            }
            Kind::Delivered | Kind::Bounced | Kind::Expired | Kind::Dropped => {
                for recipient in event.recipient.iter().chain(&event.recipients) {
                    logged.ends.entry(recipient.clone()).or_default().push(event.kind);
                }
            }
            Kind::Removed | Kind::Held | Kind::Released => logged.ordered(event, books.run_of(event.lsn)),
            Kind::Dsn => logged.reports.extend(event.report),
            // What is damaged ends as its recipients do, or is missed.
            Kind::Checked
            | Kind::Deferred
            | Kind::Expanded
            | Kind::DiscardedReport
            | Kind::Refused
            | Kind::Junk
            | Kind::Damaged
            | Kind::Unknown => {}
        }
    }
    log
}

impl Logged {
    /// An attempt, if it was one, in a run of the server.
    fn tried(&mut self, event: &Event, run: usize) {
        let is_attempt = matches!(event.kind, Kind::Delivered | Kind::Deferred | Kind::Expired);
        let Some(recipient) = event.recipient.as_ref().filter(|_| is_attempt) else { return };
        if self.held.get(recipient).is_some_and(|since| *since < run) {
            self.tried_on_hold.insert(recipient.clone());
        }
    }

    /// An order for some recipients, or for all that were owed.
    fn ordered(&mut self, event: &Event, run: usize) {
        let owed = |recipient: &&String| !self.ends.contains_key(*recipient);
        let named: Vec<String> = event.recipient.iter().chain(&event.recipients).cloned().collect();
        let all = || self.recipients.iter().filter(owed).cloned().collect();
        let meant = if named.is_empty() { all() } else { named };
        for recipient in meant {
            match event.kind {
                Kind::Held => {
                    self.ever_held.insert(recipient.clone());
                    self.held.insert(recipient, run);
                }
                Kind::Released => drop(self.held.remove(&recipient)),
                _ => self.ends.entry(recipient).or_default().push(event.kind),
            }
        }
    }

    fn ended_as(&self, recipient: &str, kinds: &[Kind]) -> bool {
        self.ends.get(recipient).is_some_and(|ends| ends.iter().any(|end| kinds.contains(end)))
    }
}

/// The messages of clients, by token; reports about them are others.
fn by_token(log: &BTreeMap<QueueId, Logged>) -> BTreeMap<String, Vec<QueueId>> {
    let mut ids: BTreeMap<String, Vec<QueueId>> = BTreeMap::new();
    for (id, logged) in log {
        let first = logged.recipients.iter().find(|recipient| !recipient.ends_with(SENDERS));
        if let Some(token) = first.and_then(|recipient| token_of(recipient)) {
            ids.entry(token).or_default().push(*id);
        }
    }
    ids
}

/// After a failed sync nobody knows what is on the disk: what was refused for it may be found at the next start.
fn check_answer(sent: &Sent, accepted: usize, failed_sync: bool, wrong: &mut impl FnMut(String)) {
    let fits = match sent.answer {
        Answer::Refused(400..500) if failed_sync => accepted <= 1,
        Answer::NotSent | Answer::Refused(_) => accepted == 0,
        Answer::Silence => accepted <= 1,
        Answer::Receipt => accepted == 1,
    };
    if !fits {
        wrong(format!("its client had {:?}, and the log tells of {accepted} of it", sent.answer));
    }
}

fn check_accepted(sent: &Sent, logged: &Logged, wrong: &mut impl FnMut(String)) {
    if logged.accepted != 1 {
        wrong(format!("told {} times that it was accepted", logged.accepted));
    }
    for recipient in &sent.recipients {
        if recipient.accepted != logged.recipients.contains(&recipient.address) {
            wrong(format!("{}: RCPT said {}, the log does not", recipient.address, recipient.accepted));
        }
    }
}

fn check_end(
    world: &World,
    books: &Books,
    (logged, recipient): (&Logged, &String),
    wrong: &mut impl FnMut(String),
) {
    let ends = logged.ends.get(recipient).map(Vec::as_slice).unwrap_or_default();
    match ends {
        [] if logged.held.contains_key(recipient) => {}
        [Kind::Delivered] => {
            let taken = books.taken.get(recipient).is_some_and(|taken| !taken.is_empty());
            let in_mailbox = recipient.ends_with("@here.test") && !world.plan.store;
            if !taken && !books.misled.contains(recipient) && !in_mailbox {
                wrong(format!("{recipient} is delivered, and nobody has it"));
            }
        }
        // An order to remove does not stop an attempt under way.
        [Kind::Bounced | Kind::Expired | Kind::Dropped | Kind::Removed]
        | [Kind::Removed, Kind::Delivered] => {}
        _ => wrong(format!("{recipient} has the ends {ends:?}")),
    }
}

/// Whether a report has not reached whom it was for.
fn is_lost(books: &Books, log: &BTreeMap<QueueId, Logged>, report: &QueueId) -> bool {
    let Some(report) = log.get(report) else { return false };
    let lost = [Kind::Bounced, Kind::Expired, Kind::Removed];
    let is_lost = |to: &String| report.held.contains_key(to) || books.misled.contains(to);
    report.recipients.iter().any(|to| is_lost(to) || report.ended_as(to, &lost))
}

/// A rule that was in force decides, and none that was not.
fn check_rules(books: &Books, sent: &Sent, logged: &Logged, wrong: &mut impl FnMut(String)) {
    for recipient in sent.recipients.iter().filter(|recipient| recipient.accepted) {
        let dropped = logged.ended_as(&recipient.address, &[Kind::Dropped]);
        if dropped != (recipient.ruled == Some(Ruled::Drop)) {
            wrong(format!("{recipient:?} was dropped: {dropped}"));
        }
        let has_it = books.taken.contains_key(&recipient.address);
        if dropped && has_it {
            wrong(format!("{} was dropped, and somebody has it", recipient.address));
        }
        if recipient.ruled == Some(Ruled::Hold) && !logged.ever_held.contains(&recipient.address) {
            wrong(format!("{} was not held as a rule said", recipient.address));
        }
        if logged.tried_on_hold.contains(&recipient.address) {
            wrong(format!("{} was tried in a later run though it was on hold", recipient.address));
        }
    }
}

/// Why a recipient got a message twice, if that is not one of the cases in which it may.
fn unexcused(world: &World, books: &Books, taken: &[Taken]) -> Option<String> {
    let window = WINDOW_MILLIS + u64::try_from(world.plan.latency_max.as_millis() * 4).unwrap_or(0);
    taken.windows(2).find_map(|pair| {
        let first = pair[0];
        let ending = books.endings.get(first.life);
        let told = first.told?;
        let forgets_from = ending.and_then(|ending| ending.forgets_from);
        let forgotten = forgets_from.is_some_and(|from| from <= told + window);
        // A worker that panics forgets what it has found and not yet handed on.
        let slipped = books.slips.iter().any(|(life, at)| *life == first.life && *at >= first.at);
        (!forgotten && !slipped).then(|| format!("{first:?}, then {:?}; the run: {ending:?}", pair[1]))
    })
}

/// How many files of each message are in each mailbox, by the part of the address before `+`.
fn mailboxes(world: &World) -> BTreeMap<(String, String), usize> {
    let mut count = BTreeMap::new();
    for (path, octets) in world.disk.files() {
        let Ok(inside) = path.strip_prefix(MAIL) else { continue };
        let is_new = inside.parent().and_then(Path::file_name).is_some_and(|name| name == "new");
        let account = inside.iter().next().and_then(|name| name.to_str()).unwrap_or_default();
        let text = String::from_utf8_lossy(&octets);
        let subject = text.lines().find_map(|line| line.strip_prefix("Subject: "));
        if is_new && let Some(token) = subject.and_then(token_of) {
            *count.entry((token, account.to_owned())).or_default() += 1;
        }
    }
    count
}

fn check_mailboxes(
    token: &str,
    logged: &Logged,
    mailboxes: &BTreeMap<(String, String), usize>,
    wrong: &mut impl FnMut(String),
) {
    for user in ["anna", "otto"] {
        let theirs =
            || logged.recipients.iter().filter(|recipient| recipient.starts_with(&format!("{user}+")));
        let delivered = theirs().filter(|recipient| logged.ended_as(recipient, &[Kind::Delivered])).count();
        let mine = mailboxes.iter().filter(|((of, account), _)| of == token && account.starts_with(user));
        let there: usize = mine.map(|(_, count)| *count).sum();
        // A crash may forget that it was filed, and then it may expire or be removed.
        if there < delivered || there > theirs().count() {
            wrong(format!("{there} of it are in {user}'s mailbox, and {delivered} were delivered there"));
        }
    }
}
