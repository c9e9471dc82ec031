//! Peers that break the rules or the connection, over real sockets: each by its name, with the fate of each recipient.
//!
//! Anna and Bert are recipients of one message; MX1 is the peer in question, MX2 a good one.
#![allow(clippy::unwrap_used, reason = "tests may")]

use std::time::Duration;

use deliver::{Config, Hosts, NamedHost, Protocol, Relay, Timeouts};
use events::Kind::{self, Bounced, Deferred, Delivered};

use crate::support::{
    World,
    peer::{
        Does::{
            self, Close, Drip, Flood, Freeze, KeepSilent, Say, SayAndClose, SayAndForget, SayLong, Trickle,
        },
        Rules,
    },
};

const ANNA: &str = "anna@example.org";
const BERT: &str = "bert@example.org";
/// Reports to him end in a Maildir.
const OTTO: &str = "otto@here.test";
const TEXT: &str = "Subject: x\r\n\r\nhello\r\n";
const MX1: &str = "192.0.2.1";
const MX2: &str = "192.0.2.2";
/// Long enough for an honest peer on a busy machine.
const SHORT: Duration = Duration::from_millis(400);

/// What must become of Anna and Bert.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// This, and MX2 is not asked.
    Here(Kind, Kind),
    /// This, and MX2 gets what was left.
    Next(Kind, Kind),
}

use Fate::{Here, Next};

#[expect(non_upper_case_globals, reason = "it stands beside the variants")]
const NextHost: Fate = Next(Delivered, Delivered);

fn usual(_: &mut Timeouts) {}

async fn plays(rules: Rules, timeouts: impl FnOnce(&mut Timeouts), fate: Fate) {
    let mut world = World::over_sockets(|config: &mut Config| timeouts(&mut config.timeouts));
    let (bad, good) = (world.peer(MX1), world.peer(MX2));
    bad.obey(rules);
    world.send(OTTO, &[ANNA, BERT], TEXT).await;
    let fates = world.fates(&[ANNA, BERT]).await;
    let (Here(anna, bert) | Next(anna, bert)) = fate;
    assert_eq!(fates, [anna, bert]);
    let asked = usize::from(matches!(fate, Next(..)));
    assert_eq!((good.count("CONNECT"), good.got().len()), (asked, asked));
    // What is owed is what is deferred, no more and no less.
    let queue = world.queue();
    let owed = queue.iter().flat_map(|message| &message.recipients).filter(|owed| owed.forward_path != OTTO);
    let deferred = fates.iter().filter(|kind| **kind == Deferred).count();
    assert_eq!(owed.count(), deferred);
    if fates.contains(&Bounced) {
        assert_eq!(world.fate(OTTO).await.kind, Delivered, "the report");
        assert_eq!(world.mailbox(OTTO).len(), 1);
    } else {
        assert!(world.mailbox(OTTO).is_empty(), "nobody was given up, so nobody is told");
    }
}

macro_rules! bad_peers {
    ($($name:ident: [$($line:literal => $does:expr),*] $(with $short:ident)? => $fate:expr;)*) => {
        $(#[tokio::test] async fn $name() {
            plays(vec![$(($line, $does)),*], bad_peers!(@timeouts $($short)?), $fate).await;
        })*
    };
    (@timeouts) => { usual };
    (@timeouts $short:ident) => { |timeouts: &mut Timeouts| timeouts.$short = SHORT };
}

// Refusals at each step (docs/reference/reply-table.md).
bad_peers! {
    banner_421: ["CONNECT" => Say("421 4.3.2 Not now")] => NextHost;
    banner_421_and_gone: ["CONNECT" => SayAndClose("421 4.3.2 Not now")] => NextHost;
    banner_450: ["CONNECT" => Say("450 4.3.2 Busy")] => NextHost;
    banner_521: ["CONNECT" => Say("521 No mail here")] => NextHost;
    banner_554: ["CONNECT" => Say("554 5.7.1 No")] => NextHost;
    ehlo_421: ["EHLO" => Say("421 4.3.2 Not now")] => NextHost;
    ehlo_450: ["EHLO" => Say("450 4.3.2 Busy"), "HELO" => Say("450 4.3.2 Busy")] => NextHost;
    ehlo_550_and_helo_250: ["EHLO" => Say("550 What?"), "HELO" => Say("250 Well")] => Here(Delivered, Delivered);
    ehlo_502_and_helo_550: ["EHLO" => Say("502 5.5.1 No"), "HELO" => Say("550 No")] => NextHost;
    mail_421: ["MAIL" => Say("421 4.3.2 Not now")] => Here(Deferred, Deferred);
    mail_354: ["MAIL" => Say("354 Go on")] => NextHost;
    mail_450: ["MAIL" => Say("450 4.7.1 Later")] => Here(Deferred, Deferred);
    mail_550: ["MAIL" => Say("550 5.7.1 Never")] => Here(Bounced, Bounced);
    rcpt_421_at_the_second: ["RCPT TO:<bert" => Say("421 4.3.2 Enough")] => Here(Deferred, Deferred);
    rcpt_450_to_one: ["RCPT TO:<bert" => Say("450 4.2.1 Later")] => Here(Delivered, Deferred);
    rcpt_550_to_one: ["RCPT TO:<bert" => Say("550 5.1.1 Unknown")] => Here(Delivered, Bounced);
    rcpt_552_to_one: ["RCPT TO:<bert" => Say("552 5.5.3 Too many")] => Here(Delivered, Deferred);
    rcpt_450_to_all: ["RCPT" => Say("450 4.2.1 Later")] => Here(Deferred, Deferred);
    rcpt_550_to_all: ["RCPT" => Say("550 5.1.1 Unknown")] => Here(Bounced, Bounced);
    rcpt_450_and_550: ["RCPT TO:<anna" => Say("450 4.2.1 Later"), "RCPT" => Say("550 No")] => Here(Deferred, Bounced);
    data_421: ["DATA" => Say("421 4.3.2 Not now")] => Here(Deferred, Deferred);
    data_451: ["DATA" => Say("451 4.3.0 Later")] => Here(Deferred, Deferred);
    data_554: ["DATA" => Say("554 5.7.1 Never")] => Here(Bounced, Bounced);
    data_554_and_one_refused: ["RCPT TO:<bert" => Say("450 4.2.1 Later"), "DATA" => Say("554 5.7.1 No")] => Here(Bounced, Deferred);
    dot_421: ["." => Say("421 4.3.2 Not now")] => Here(Deferred, Deferred);
    dot_452: ["." => Say("452 4.3.1 Full")] => Here(Deferred, Deferred);
    dot_554: ["." => Say("554 5.6.0 Spam")] => Here(Bounced, Bounced);
    dot_554_and_gone: ["." => SayAndClose("554 5.6.0 Spam")] => Here(Bounced, Bounced);
    dot_250_and_gone: ["." => SayAndClose("250 2.0.0 Taken")] => Here(Delivered, Delivered);
    quit_unanswered: ["QUIT" => Close] => Here(Delivered, Delivered);
}

// Silence, and one octet after the other: the deadline is for a whole reply.
bad_peers! {
    silence_at_the_banner: ["CONNECT" => KeepSilent] with greeting => NextHost;
    silence_at_ehlo: ["EHLO" => KeepSilent] with hello => NextHost;
    silence_at_mail: ["MAIL" => KeepSilent] with mail => NextHost;
    silence_at_rcpt: ["RCPT" => KeepSilent] with rcpt => NextHost;
    silence_at_data: ["DATA" => KeepSilent] with data_init => NextHost;
    silence_after_the_dot: ["." => KeepSilent] with data_final => Here(Deferred, Deferred);
    slow_banner: ["CONNECT" => Trickle("220 peer.example ESMTP that is never quite at its end")] with greeting => NextHost;
    slow_reply_to_rcpt: ["RCPT" => Trickle("250 2.1.5 Recipient ok, as we shall see some time soon")] with rcpt => NextHost;
    slow_reply_to_the_dot: ["." => Trickle("250 2.0.0 Taken, or will be when this line is at its end")] with data_final => Here(Deferred, Deferred);
    slow_but_in_time: ["CONNECT" => Trickle("220 peer.example"), "." => Trickle("250 Taken")] => Here(Delivered, Delivered);
}

// The connection breaks.
bad_peers! {
    cut_at_the_banner: ["CONNECT" => Close] => NextHost;
    cut_at_ehlo: ["EHLO" => Close] => NextHost;
    cut_at_mail: ["MAIL" => Close] => NextHost;
    cut_at_rcpt: ["RCPT" => Close] => NextHost;
    cut_at_the_second_rcpt_after_one_was_refused:
        ["RCPT TO:<anna" => Say("550 5.1.1 Unknown"), "RCPT" => Close] => Next(Bounced, Delivered);
    cut_at_data: ["DATA" => Close] => NextHost;
    cut_in_the_content: ["CONTENT" => Close] => Here(Deferred, Deferred);
    cut_after_the_dot: ["." => Close] => Here(Deferred, Deferred);
}

// Too much, and what is no reply.
bad_peers! {
    endless_banner: ["CONNECT" => Flood("220-peer.example")] => NextHost;
    endless_ehlo: ["EHLO" => Flood("250-peer.example")] => NextHost;
    endless_reply_to_rcpt: ["RCPT" => Flood("250-2.1.5 Ok")] => NextHost;
    endless_banner_line_by_line: ["CONNECT" => Drip("220-peer.example")] with greeting => NextHost;
    endless_reply_to_the_dot_line_by_line: ["." => Drip("250-2.0.0 Taken")] with data_final => Here(Deferred, Deferred);
    endless_reply_to_the_dot: ["." => Flood("250-2.0.0 Taken")] => Here(Deferred, Deferred);
    line_of_64_kib_as_a_banner: ["CONNECT" => SayLong("220 ")] => NextHost;
    line_of_64_kib_in_ehlo: ["EHLO" => SayLong("250-")] => NextHost;
    line_of_64_kib_to_the_dot: ["." => SayLong("250 ")] => Here(Deferred, Deferred);
    banner_of_a_web_server: ["CONNECT" => SayAndClose("HTTP/1.1 400 Bad Request")] => NextHost;
    banner_of_tls: ["CONNECT" => Say("\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}")] => NextHost;
    two_codes_in_one_reply: ["EHLO" => Say("250-peer.example\r\n550 No")] => NextHost;
}

// Replies to what was not said yet.
bad_peers! {
    replies_before_ehlo: ["CONNECT" => Say("220 peer.example\r\n250 Ok\r\n250 Ok\r\n250 Ok\r\n354 Go\r\n250 Taken")] => NextHost;
    replies_before_mail: ["EHLO" => Say("250 peer.example\r\n250 Ok\r\n250 Ok")] => NextHost;
    a_reply_too_many_in_lock_step: ["EHLO" => Say("250 peer.example"), "RCPT" => Say("250 Ok\r\n250 Ok")] => NextHost;
    all_replies_of_a_group_at_once: ["RCPT TO:<bert" => Say("250 Ok\r\n354 Go\r\n250 Taken")] => Here(Deferred, Deferred);
    taken_before_the_content: ["DATA" => Say("354 Go on\r\n250 2.0.0 Taken")] => Here(Deferred, Deferred);
    refused_before_the_end_of_content: ["DATA" => Say("354 Go on\r\n554 5.6.0 I know it already")] => Here(Deferred, Deferred);
}

// EHLO promises what is not kept.
bad_peers! {
    lying_about_pipelining: ["MAIL" => SayAndForget("250 2.1.0 Fine")] with rcpt => NextHost;
    lying_about_size:
        ["EHLO" => Say("250-peer.example\r\n250 SIZE 1000000"), "MAIL" => Say("552 5.3.4 Too large")] => Here(Bounced, Bounced);
    lying_about_limits:
        ["EHLO" => Say("250-peer.example\r\n250 LIMITS RCPTMAX=100"), "RCPT TO:<bert" => Say("452 4.5.3 Too many")] => Here(Delivered, Deferred);
    ehlo_of_nonsense:
        ["EHLO" => Say("250-\r\n250-SIZE=x\r\n250-SIZE 99999999999999999999999\r\n250-LIMITS RCPTMAX=0\r\n250 \u{7f}PIPELINING")] => Here(Delivered, Delivered);
}

const CHUNKING: Does = Say("250-peer.example\r\n250-PIPELINING\r\n250 CHUNKING");

// The same at the end of a chunk, and an offer of CHUNKING that is not meant.
bad_peers! {
    chunk_421: ["EHLO" => CHUNKING, "BDAT" => Say("421 4.3.2 Not now")] => Here(Deferred, Deferred);
    chunk_452: ["EHLO" => CHUNKING, "BDAT" => Say("452 4.3.1 Full")] => Here(Deferred, Deferred);
    chunk_554: ["EHLO" => CHUNKING, "BDAT" => Say("554 5.6.0 Spam")] => Here(Bounced, Bounced);
    chunk_554_and_one_refused: ["EHLO" => CHUNKING, "RCPT TO:<bert" => Say("450 4.2.1 Later"), "BDAT" => Say("554 5.6.0 No")] => Here(Bounced, Deferred);
    cut_at_the_chunk: ["EHLO" => CHUNKING, "BDAT" => Close] => Here(Deferred, Deferred);
    silence_at_the_chunk: ["EHLO" => CHUNKING, "BDAT" => KeepSilent] with data_final => Here(Deferred, Deferred);
    lying_about_chunking: ["EHLO" => CHUNKING, "BDAT" => Say("500 5.5.1 What?")] => Here(Delivered, Delivered);
}

/// The relay has something against us: nothing bounces, nobody is told, and all of it goes once the relay is content.
async fn relay_plays(rules: Rules) {
    const RELAY: &str = "10.0.0.7";
    let mut world = World::over_sockets(|config| {
        let hosts = vec![NamedHost::Address(RELAY.parse().unwrap(), None)];
        config.relays = vec![Relay::of("relay", Hosts { protocol: Protocol::Smtp, hosts }).into()];
    });
    let relay = world.peer(RELAY);
    relay.obey(rules);
    world.send(OTTO, &[ANNA, BERT], TEXT).await;
    assert_eq!(world.fates(&[ANNA, BERT]).await, [Deferred, Deferred]);
    assert!(world.mailbox(OTTO).is_empty());
    relay.obey(Vec::new());
    world.later(Duration::from_hours(1));
    assert_eq!(world.fates(&[ANNA, BERT]).await, [Delivered, Delivered]);
    assert_eq!(relay.got().len(), 1);
}

macro_rules! bad_relays {
    ($($name:ident: [$($line:literal => $does:expr),*];)*) => {
        $(#[tokio::test] async fn $name() { relay_plays(vec![$(($line, $does)),*]).await; })*
    };
}

bad_relays! {
    relay_530: ["MAIL" => Say("530 5.7.0 Authentication required")];
    relay_534: ["MAIL" => Say("534 5.7.9 Another mechanism")];
    relay_535: ["MAIL" => Say("535 5.7.8 Bad login")];
    relay_538: ["RCPT" => Say("538 5.7.11 Encryption first")];
    relay_550_that_wants_a_login: ["MAIL" => Say("550 5.1.0 Authentication required")];
    relay_that_has_too_much: ["RCPT" => Say("550 5.4.5 Daily sending quota exceeded")];
    relay_that_has_too_much_at_the_dot: ["." => Say("554 5.7.0 Too many messages from you")];
    relay_that_does_not_greet_us: ["CONNECT" => Say("554 5.7.1 No")];
}

/// Content that nobody reads: the deadline is for each write.
#[tokio::test]
async fn a_peer_that_stops_reading_amid_content() {
    let mut world = World::over_sockets(|config| config.timeouts.data_block = SHORT);
    world.peer(MX1).obey(vec![("EHLO", Say("250-peer.example\r\n250 PIPELINING")), ("CONTENT", Freeze)]);
    let good = world.peer(MX2);
    let large = format!("Subject: x\r\n\r\n{}", "0123456789abcdef0123456789abcdef\r\n".repeat(1_000_000));
    world.send(OTTO, &[ANNA], &large).await;
    assert_eq!(world.fate(ANNA).await.kind, Deferred);
    assert_eq!(
        good.count("CONNECT"),
        0,
        "the octets are many, and the next host would most likely do so too"
    );
}

#[tokio::test]
async fn half_of_the_recipients_refused() {
    let mut world = World::over_sockets(|_| {});
    let peer = world.peer(MX1);
    peer.obey(vec![("RCPT TO:<no", Say("550 5.1.1 Unknown"))]);
    let recipients: Vec<String> =
        (0..20).map(|n| format!("{}{n}@example.org", ["yes", "no"][n % 2])).collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    world.send(OTTO, &recipients, TEXT).await;
    let fates = world.fates(&recipients).await;
    assert!(fates.iter().enumerate().all(|(n, fate)| *fate == [Delivered, Bounced][n % 2]), "{fates:?}");
    assert_eq!((peer.got().len(), peer.got()[0].to.len()), (1, 10));
    assert_eq!(world.fate(OTTO).await.kind, Delivered);
    assert_eq!(world.mailbox(OTTO).len(), 1, "one report tells of all ten");
}

/// What was deferred for the peer's sake arrives once it behaves.
#[tokio::test]
async fn mail_outlasts_a_bad_day_of_its_peer() {
    let mut world = World::over_sockets(|_| {});
    let peer = world.peer(MX1);
    for rules in [
        vec![(".", Close)],
        vec![("DATA", Say("451 4.3.0 Later"))],
        vec![("CONTENT", Close)],
        vec![("MAIL", Say("421 4.3.2 Not now"))],
    ] {
        peer.obey(rules);
        if world.queue().is_empty() {
            world.send(OTTO, &[ANNA], TEXT).await;
        } else {
            world.later(Duration::from_hours(1));
        }
        assert_eq!(world.fate(ANNA).await.kind, Deferred);
    }
    peer.obey(Vec::new());
    world.later(Duration::from_hours(1));
    assert_eq!(world.fate(ANNA).await.kind, Delivered);
    assert_eq!(peer.got().len(), 1);
    assert!(world.queue().is_empty());
}
