//! Bad servers by name, as the machine sees them: what it says of each of two recipients, or what it fails with. Each
//! is played whole, octet by octet, and cut everywhere. What a delivery makes of it is in deliver's `bad_peers`.

use smtp::{
    Protocol,
    client::{
        FailureKind::{Closed, Garbled, Reply, TimedOut, Unfit},
        Phase::{self, DataFinal, DataInit, Greeting, Hello, Mail, Rcpt},
        Step,
    },
};

use crate::client::{GREETING, failure, outcome, speak_at_every_split, transaction};

/// Answers all of a group at once.
const NEW: &str = "250-mx.example.org\r\n250-PIPELINING\r\n250 8BITMIME\r\n";
/// Reads a command at a time.
const OLD: &str = "250 mx.example.org\r\n";
const OK: &str = "250 Ok\r\n";
const GO: &str = "354 Go\r\n";

/// How it must end.
enum End {
    /// The transaction ended so for both.
    Both(Phase, u16),
    /// And so for each.
    Each([(Phase, u16); 2]),
    /// The session failed in this phase, by this: a reply code, or what it was; with these refusals before it.
    Fails(Phase, &'static str, [Option<u16>; 2]),
}

use End::{Both, Each, Fails};

const NONE: [Option<u16>; 2] = [None, None];

fn plays(says: &[&str], end: &End) {
    let two = [transaction(&["a@example.org", "b@example.org"])];
    let (_, steps) = speak_at_every_split(Protocol::Smtp, &two, says);
    match end {
        Both(phase, code) => assert_eq!(outcome(&steps[0]), [(*phase, *code); 2]),
        Each(fates) => assert_eq!(outcome(&steps[0]), fates),
        Fails(phase, what, decided) => {
            assert!(!steps.iter().any(|step| matches!(step, Step::Done(_))), "{steps:?}");
            let failure = failure(&steps);
            let found = match &failure.kind {
                Reply(reply) => reply.code().to_string(),
                Garbled(_) => "garbled".into(),
                Closed => "closed".into(),
                other @ (TimedOut | Unfit(_)) => format!("{other:?}"),
            };
            assert_eq!((failure.phase, found.as_str()), (*phase, *what));
            let codes: Vec<Option<u16>> =
                failure.decided.iter().map(|d| d.as_ref().map(|(_, reply)| reply.code())).collect();
            assert!(codes.is_empty() && *decided == NONE || codes == decided, "{codes:?}");
        }
    }
}

macro_rules! bad_servers {
    ($($name:ident: [$($say:expr),*] => $end:expr;)*) => {
        $(#[test] fn $name() { plays(&[$($say),*], &$end); })*
    };
}

// Refusals at each step, in lock step.
bad_servers! {
    banner_421: ["421 Not now\r\n"] => Fails(Greeting, "421", NONE);
    banner_450: ["450 Busy\r\n"] => Fails(Greeting, "450", NONE);
    banner_521: ["521 No mail here\r\n"] => Fails(Greeting, "521", NONE);
    banner_554: ["554 No\r\n"] => Fails(Greeting, "554", NONE);
    banner_250: [OK] => Fails(Greeting, "garbled", NONE);
    ehlo_421: [GREETING, "421 Not now\r\n"] => Fails(Hello, "421", NONE);
    ehlo_450: [GREETING, "450 Busy\r\n"] => Fails(Hello, "450", NONE);
    ehlo_550_and_helo_550: [GREETING, "550 No\r\n", "550 No\r\n"] => Fails(Hello, "550", NONE);
    ehlo_550_and_helo_250: [GREETING, "550 No\r\n", OK, OK, OK, OK, GO, OK] => Both(DataFinal, 250);
    mail_421: [GREETING, OLD, "421 Not now\r\n"] => Fails(Mail, "421", NONE);
    mail_450: [GREETING, OLD, "450 Later\r\n"] => Both(Mail, 450);
    mail_550: [GREETING, OLD, "550 Never\r\n"] => Both(Mail, 550);
    rcpt_421_at_the_second: [GREETING, OLD, OK, "550 No\r\n", "421 Bye\r\n"] => Fails(Rcpt, "421", [Some(550), None]);
    rcpt_450_to_one: [GREETING, OLD, OK, OK, "450 Later\r\n", GO, OK] => Each([(DataFinal, 250), (Rcpt, 450)]);
    rcpt_550_to_one: [GREETING, OLD, OK, "550 No\r\n", OK, GO, OK] => Each([(Rcpt, 550), (DataFinal, 250)]);
    rcpt_refused_to_all: [GREETING, OLD, OK, "450 Later\r\n", "550 No\r\n"] => Each([(Rcpt, 450), (Rcpt, 550)]);
    data_421: [GREETING, OLD, OK, OK, OK, "421 Not now\r\n"] => Fails(DataInit, "421", NONE);
    data_451: [GREETING, OLD, OK, OK, OK, "451 Later\r\n"] => Both(DataInit, 451);
    data_554: [GREETING, OLD, OK, OK, OK, "554 Never\r\n"] => Both(DataInit, 554);
    data_250: [GREETING, OLD, OK, OK, OK, OK] => Fails(DataInit, "garbled", NONE);
    dot_421: [GREETING, OLD, OK, OK, OK, GO, "421 Not now\r\n"] => Fails(DataFinal, "421", NONE);
    dot_452: [GREETING, OLD, OK, OK, OK, GO, "452 Full\r\n"] => Both(DataFinal, 452);
    dot_554: [GREETING, OLD, OK, OK, OK, GO, "554 Spam\r\n"] => Both(DataFinal, 554);
    dot_354: [GREETING, OLD, OK, OK, OK, GO, GO] => Fails(DataFinal, "garbled", NONE);
}

// The same to a group.
bad_servers! {
    group_mail_550: [GREETING, NEW, "550 Never\r\n503 ?\r\n503 ?\r\n503 ?\r\n"] => Both(Mail, 550);
    group_half_refused: [GREETING, NEW, "250 Ok\r\n250 Ok\r\n550 No\r\n354 Go\r\n", OK] => Each([(DataFinal, 250), (Rcpt, 550)]);
    group_all_refused_and_data_554: [GREETING, NEW, "250 Ok\r\n550 No\r\n450 Later\r\n554 Nobody\r\n"] => Each([(Rcpt, 550), (Rcpt, 450)]);
    group_data_451: [GREETING, NEW, "250 Ok\r\n250 Ok\r\n550 No\r\n451 Later\r\n"] => Each([(DataInit, 451), (Rcpt, 550)]);
    group_421_amid: [GREETING, NEW, "250 Ok\r\n550 No\r\n421 Enough\r\n"] => Fails(Rcpt, "421", [Some(550), None]);
}

// The connection ends.
bad_servers! {
    cut_at_the_banner: [] => Fails(Greeting, "closed", NONE);
    cut_amid_the_banner: ["220 mx.exa"] => Fails(Greeting, "closed", NONE);
    cut_at_ehlo: [GREETING] => Fails(Hello, "closed", NONE);
    cut_amid_ehlo: [GREETING, "250-mx.example.org\r\n"] => Fails(Hello, "closed", NONE);
    cut_at_mail: [GREETING, OLD] => Fails(Mail, "closed", NONE);
    cut_at_rcpt: [GREETING, OLD, OK] => Fails(Rcpt, "closed", NONE);
    cut_at_data: [GREETING, OLD, OK, OK, "550 No\r\n"] => Fails(DataInit, "closed", [None, Some(550)]);
    cut_after_the_dot: [GREETING, OLD, OK, OK, "550 No\r\n", GO] => Fails(DataFinal, "closed", [None, Some(550)]);
    cut_amid_the_last_reply: [GREETING, OLD, OK, OK, OK, GO, "250 Take"] => Fails(DataFinal, "closed", NONE);
}
