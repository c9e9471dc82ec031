//! A spool of the real program with octets turned over, sectors wiped or its end cut off, each by a seed: what `spool verify` calls whole
//! comes out after `spool repair` and a start, with every octet, and damage in one place takes nothing else with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use e2e::{World, eventually_true, message};
use serde_json::Value;

const SOON: Duration = Duration::from_mins(1);
const ZONE: &str = "a MX 10 mx1\nmx1 A @1\n";
/// Nobody listens at the MX: all of it waits.
const PATIENT: &str = "retry = [\"1h\"]";
const MESSAGES: usize = 60;
/// Header and copy of a segment take so much.
const HEADERS: u64 = 8192;
const SECTOR: usize = 512;
/// No more messages have something within a sector: each has an envelope, an event and content with headers of 64 octets.
const IN_A_SECTOR: usize = 4;

/// Numbers that a seed makes (xorshift64).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// A stopped server with mail in its queue.
struct Wounded {
    world: World,
    /// The token of each message by its queue id.
    sent: BTreeMap<String, String>,
}

impl Wounded {
    fn new() -> Self {
        let mut world = World::new(ZONE, PATIENT);
        let mut client = world.server().client();
        let mut sent = BTreeMap::new();
        for number in 0..MESSAGES {
            let token = format!("wounded-{number}");
            let to = format!("n{number}@a.test");
            let (code, text) = client.mail("anna@here.test", &[&to], &message(&token)).expect("a reply");
            assert_eq!(code, 250, "{text}");
            sent.insert(e2e::queue_id(&text), token);
        }
        drop(client);
        world.stop();
        Self { world, sent }
    }

    fn verify(&self) -> Value {
        let said = self.world.house.command(&["spool", "verify", "--json"]);
        serde_json::from_str(&said.out).expect("JSON")
    }

    /// A segment with something in it, and where its records end.
    fn segment(&self, dice: &mut Dice) -> (File, u64) {
        let verified = self.verify();
        let used = |segment: &Value| {
            Some((segment.get("name")?.as_str()?.to_owned(), segment.get("octets")?.as_u64()?))
        };
        let mut segments: Vec<_> = list(&verified, "segments").iter().filter_map(used).collect();
        segments.retain(|(_, octets)| *octets > HEADERS);
        let which = usize::try_from(dice.below(segments.len() as u64)).unwrap();
        let (name, octets) = segments.swap_remove(which);
        let path = self.world.house.data().join("spool").join(name);
        (OpenOptions::new().read(true).write(true).open(path).unwrap(), octets)
    }

    /// Repairs the spool, starts the server on it, and gives the tokens of what comes out, all of it whole.
    fn come_out(&mut self) -> BTreeSet<String> {
        let repaired = self.world.house.command(&["spool", "repair"]);
        assert_eq!(repaired.code, 0, "{}{}", repaired.out, repaired.err);
        let again = self.verify();
        assert_eq!(again.get("good"), Some(&Value::Bool(true)), "{again}");
        let sink = self.world.sink(1);
        self.world.start();
        assert!(
            !self.world.server().printed().contains("the spool is damaged"),
            "{}",
            self.world.server().printed()
        );
        // What is put off for its site's rest at that moment is not meant by the command, so it may have to be given again.
        eventually_true("all to be sent", SOON, || {
            assert_eq!(self.world.house.command(&["queue", "retry", "--all"]).code, 0);
            self.world.house.queue_ids().is_empty()
        });
        let tokens = self.sent.values();
        let whole: BTreeMap<String, &String> = tokens.map(|token| (message(token), token)).collect();
        let came = sink.received().into_iter().map(|mail| {
            let text = String::from_utf8_lossy(&mail.content).into_owned();
            let found = whole.iter().find(|(content, _)| text.ends_with(content.as_str()));
            assert!(found.is_some(), "this is none of those that were sent: {text}");
            found.map(|(_, token)| (*token).clone()).unwrap_or_default()
        });
        came.collect()
    }
}

/// What a document has under a name.
fn list<'a>(document: &'a Value, name: &str) -> &'a [Value] {
    document.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Wounds a spool in several places. Whoever is not named as hurt comes out, and no place hurts more messages than have something there.
fn only_the_hurt_stay(seed: u64, wounds: usize, hurt_max: usize, wound: impl Fn(&mut Dice, &File, u64)) {
    let (mut wounded, mut dice) = (Wounded::new(), Dice::new(seed));
    for _ in 0..wounds {
        let (file, end) = wounded.segment(&mut dice);
        wound(&mut dice, &file, end);
    }
    let verified = wounded.verify();
    let hurt: BTreeSet<&str> =
        list(&verified, "hurt").iter().filter_map(|hurt| hurt.get("queue_id")?.as_str()).collect();
    assert!(hurt.len() <= hurt_max, "seed {seed}: {hurt:?}");
    let came = wounded.come_out();
    let missing: Vec<_> = wounded
        .sent
        .iter()
        .filter(|(id, token)| !hurt.contains(id.as_str()) && !came.contains(*token))
        .collect();
    assert!(missing.is_empty(), "seed {seed}: verify does not call these hurt: {missing:?}\n{verified}");
}

#[test]
fn a_bit_that_was_turned_over_costs_one_record() {
    only_the_hurt_stay(1, 8, 8, |dice, file, end| {
        let at = HEADERS + dice.below(end - HEADERS);
        let mut octet = [0];
        file.read_exact_at(&mut octet, at).unwrap();
        let [value] = octet;
        file.write_all_at(&[value ^ 1 << dice.below(8)], at).unwrap();
    });
}

#[test]
fn a_sector_that_was_wiped_costs_what_stood_in_it() {
    only_the_hurt_stay(2, 6, 6 * IN_A_SECTOR, |dice, file, end| {
        let sectors = (end - HEADERS) / SECTOR as u64;
        file.write_all_at(&[0; SECTOR], HEADERS + dice.below(sectors) * SECTOR as u64).unwrap();
    });
}

/// What is gone with the end of a file leaves no name, only a number: so many as are said to be owed come out.
#[test]
fn a_segment_that_was_cut_gives_what_stood_before() {
    let (mut wounded, mut dice) = (Wounded::new(), Dice::new(3));
    let (file, end) = wounded.segment(&mut dice);
    file.set_len(HEADERS + dice.below(end - HEADERS)).unwrap();
    let verified = wounded.verify();
    assert_eq!(verified["good"], false, "{verified}");
    let hurt = list(&verified, "hurt").iter().filter(|hurt| hurt["part"] == "content").count();
    let whole = usize::try_from(verified["messages"].as_u64().unwrap()).unwrap() - hurt;
    let came = wounded.come_out().len();
    // The cut may have gone through the content of one: of the last batch that is left nothing says that it was synced.
    assert!(came == whole || came + 1 == whole, "{came} came: {verified}");
    let log = fs::read_to_string(wounded.world.house.path().join("log")).unwrap();
    assert!(log.contains("spool opened"), "{log}");
}
