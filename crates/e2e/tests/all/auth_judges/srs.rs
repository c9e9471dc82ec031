//! `Mail::SRS` beside our rewritten reverse-paths: what one makes the other makes too, and believes. Its tags are made ours in `srs.pl`.

use std::fmt::Write as _;

use mail::{Address, Domain, Timestamp};
use message_auth::srs::{Restored, ReturnKeys, Rewritten};

use super::judge::perl;

const SECRET: &str = "a secret of both";
const DAYS: [u64; 4] = [1, 1023, 1024, 20_787];
const SENDERS: [&str; 8] = [
    "anna@example.org",
    "x@a.b",
    "News+7=anna@lists.example.org",
    "o'neill/x~{y}@example.org",
    "SRS0=ABCD=AB=a.example=u@fwd.example",
    "SRS0+ABCD=AB=a.example=u=v@fwd.example",
    "srs0-ABCD=AB=a.example=u@fwd.example",
    "SRS1=ABCD=fwd.example==X=Y=a.example=u@b.example",
];

fn on(day: u64) -> Timestamp {
    Timestamp::from_millis(day * 24 * 60 * 60 * 1000)
}

fn ours(keys: &ReturnKeys, day: u64, sender: &str) -> Address {
    let via = Domain::parse("mx.example.net").expect("a domain");
    match keys.rewrite(&sender.parse().expect("an address"), &via, on(day)) {
        Some(Rewritten::Whole(address)) => address,
        other => panic!("{sender}: {other:?}"),
    }
}

#[test]
fn mail_srs_makes_and_believes_the_same_addresses() {
    let keys = ReturnKeys::new([SECRET], 21).expect("a secret");
    let (mut input, mut expected) = (String::new(), Vec::new());
    for (day, sender) in DAYS.iter().flat_map(|day| SENDERS.map(|sender| (*day, sender))) {
        let made = ours(&keys, day, sender);
        writeln!(input, "forward {day} {sender} mx.example.net").expect("a string takes all");
        expected.push(made.to_string());
        // A day's age, the last day, and one too many; then one letter of the tag.
        for later in [1, 21, 22] {
            writeln!(input, "reverse {} {made}", day + later).expect("a string takes all");
            expected.push(match keys.restore(&made, on(day + later)) {
                Some(Ok(Restored::Address(back))) => back.to_string(),
                _ => "no".to_owned(),
            });
        }
        let forged = made.to_string().replacen('=', "=9", 1);
        writeln!(input, "reverse {day} {forged}").expect("a string takes all");
        expected.push("no".to_owned());
    }
    let said = perl(include_str!("srs.pl"), &[SECRET], input);
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(said, expected);
    assert!(said.contains(&"no") && said.contains(&"anna@example.org"));
}
