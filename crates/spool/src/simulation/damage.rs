//! Disks that lose or change what they had: whatever becomes of the octets, it costs what stood there and nothing else, it is told,
//! and a repair leaves a spool that is whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use disk::{Clock, Disk};
use mail::QueueId;
use testkit::disk::SeededRandom;

use super::{Machine, World, content_of};
use crate::{
    format::{HEADER_LEN, SEGMENT_DATA},
    index::Content,
    repair::{Repaired, empty, repair},
    *,
};

const DIR: &str = "/spool";
const SECTOR: usize = 512;

/// Where records of a message are: file, offset and octets.
type Places = Vec<(PathBuf, usize, usize)>;

/// A spool that was filled and closed, and what is known of it.
struct Filled {
    world: World,
    /// What is owed, with the octets of its content and the places of its records.
    owed: BTreeMap<QueueId, (usize, Places)>,
    done: BTreeSet<QueueId>,
    /// The message of the last batch but one: without the last, nobody knows that it was synced.
    last: QueueId,
    /// Where the last batch stands.
    end: (PathBuf, usize),
    files: BTreeMap<PathBuf, Vec<u8>>,
}

fn fill(seed: u64) -> Filled {
    let world = World::new(seed);
    let mut machine = world.open();
    let (mut lens, mut done) = (BTreeMap::new(), BTreeSet::new());
    for _ in 0..20 + world.random.below(30) {
        let len = usize::try_from(match world.random.below(10) {
            0 => 150_000,
            1..4 => world.random.below(60_000),
            _ => world.random.below(3000),
        });
        let id = machine.commit(&world, &["anna@example.org", "bob@example.net"], len.unwrap()).unwrap();
        lens.insert(id, len.unwrap());
        settle_some(&world, &mut machine, &mut lens, &mut done);
    }
    let last = machine.commit(&world, &["last@example.org"], 500).unwrap();
    lens.insert(last, 500);
    machine.spool.shared.events.flush();
    machine.committer.turn();
    let log = &machine.committer.log;
    let end = (files::segment_path(Path::new(DIR), log.segment()), usize::try_from(log.end()).unwrap());
    machine.committer.finish();
    let owed = lens.into_iter().map(|(id, len)| (id, (len, places(&machine, id)))).collect();
    drop(machine);
    let files = snapshot(&world);
    Filled { world, owed, done, last, end, files }
}

/// Some messages are done, some have an attempt behind them.
fn settle_some(
    world: &World,
    machine: &mut Machine,
    lens: &mut BTreeMap<QueueId, usize>,
    done: &mut BTreeSet<QueueId>,
) {
    let place = usize::try_from(world.random.below(lens.len() as u64)).unwrap();
    let id = *lens.keys().nth(place).unwrap();
    match world.random.below(4) {
        0 | 1 => {
            machine.finish(id, &[(0, Disposition::Delivered), (1, Disposition::Bounced)], Vec::new());
            lens.remove(&id);
            done.insert(id);
        }
        2 => machine.finish(id, &[(0, Disposition::Deferred { until: world.clock.now() })], Vec::new()),
        _ => return,
    }
    machine.committer.turn();
}

fn places(machine: &Machine, id: QueueId) -> Places {
    let state = machine.spool.shared.state();
    let message = state.index.get(id).unwrap();
    let own = matches!(message.content(), Content::Own).then(|| {
        let path = files::large_path(Path::new(DIR), id);
        (path, 0, usize::MAX)
    });
    let place = |loc: index::Loc| {
        (files::segment_path(Path::new(DIR), loc.segment), loc.offset as usize, loc.len as usize)
    };
    message.locs().map(place).chain(own).collect()
}

fn snapshot(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    let dirs = [PathBuf::from(DIR), files::large_dir(Path::new(DIR))];
    let list = |dir: &PathBuf| {
        let entries = world.disk.list(dir).unwrap().into_iter();
        entries.map(|entry| dir.join(entry.name)).collect::<Vec<_>>()
    };
    let paths = dirs.iter().flat_map(list).filter(|path| path.extension().is_none_or(|end| end != "free"));
    paths.map(|path| (path.clone(), world.disk.read(&path).unwrap())).collect()
}

impl Filled {
    /// Damages it once or several times; returns what was done.
    fn damage(&self) -> String {
        let random = &self.world.random;
        let mut done = Vec::new();
        for _ in 0..=random.below(3) {
            done.push(self.damage_once(random));
        }
        done.join(", ")
    }

    fn damage_once(&self, random: &SeededRandom) -> String {
        let disk = &self.world.disk;
        let path = self.pick_file(random);
        let Some(octets) = disk.read(&path) else { return String::new() };
        let used = if path == self.end.0 { self.end.1 + HEADER_LEN } else { octets.len() };
        let place = |below: usize| usize::try_from(random.below(below.max(1) as u64)).unwrap();
        let name = path.display();
        match random.below(13) {
            0..4 => {
                disk.flip(&path, random.below(used.max(1) as u64 * 8));
                format!("{name}: a bit flipped")
            }
            4..7 => {
                let (at, len) = (place(used) / SECTOR * SECTOR, (1 + place(40)) * SECTOR);
                let len = len.min(octets.len().saturating_sub(at));
                self.write(&path, &vec![0; len], at);
                format!("{name}: {len} zeros at {at}")
            }
            7..10 => {
                let (a, b) = (place(used) / SECTOR * SECTOR, place(used) / SECTOR * SECTOR);
                let sector = |at: usize| octets.get(at..at + SECTOR).map(<[u8]>::to_vec);
                if let (Some(first), Some(second)) = (sector(a), sector(b)) {
                    self.write(&path, &second, a);
                    self.write(&path, &first, b);
                }
                format!("{name}: sectors at {a} and {b} swapped")
            }
            10 => {
                let len = place(used);
                let file = disk.open(&path).unwrap();
                file.set_len(len as u64).unwrap();
                file.sync_data().unwrap();
                format!("{name}: cut to {len}")
            }
            11 => {
                disk.remove(&path).unwrap();
                disk.sync_dir(path.parent().unwrap()).unwrap();
                format!("{name}: gone")
            }
            _ => {
                let twin = files::segment_path(Path::new(DIR), 0xfff0);
                if disk.read(&twin).is_none() {
                    disk.create(&twin).unwrap();
                    self.write(&twin, &octets, 0);
                    disk.sync_dir(Path::new(DIR)).unwrap();
                }
                format!("{name}: there twice")
            }
        }
    }

    fn pick_file(&self, random: &SeededRandom) -> PathBuf {
        let place = usize::try_from(random.below(self.files.len() as u64)).unwrap();
        self.files.keys().nth(place).unwrap().clone()
    }

    fn write(&self, path: &Path, octets: &[u8], at: usize) {
        let file = self.world.disk.open(path).unwrap();
        file.write_all_at(octets, at as u64).unwrap();
        file.sync_data().unwrap();
    }

    /// Whether octets are as they were.
    fn is_whole(&self, (path, offset, len): &(PathBuf, usize, usize)) -> bool {
        let part = |octets: &[u8]| {
            let end = offset.saturating_add(*len).min(octets.len());
            octets.get(*offset..end).map(<[u8]>::to_vec)
        };
        let before = self.files.get(path).and_then(|octets| part(octets));
        before.is_some() && before == self.world.disk.read(path).and_then(|octets| part(&octets))
    }

    /// What is owed and was not touched.
    fn untouched(&self, damage: &[Damage]) -> BTreeMap<QueueId, usize> {
        let is_segment_lost = |path: &PathBuf| {
            let lost = |damage: &Damage| damage.what == Lost::Segment && path.ends_with(&damage.file);
            damage.iter().any(lost)
        };
        // What was not known to be synced counts only if all of its frame is there.
        let is_last_unsure = !self.is_whole(&(self.end.0.clone(), self.end.1, HEADER_LEN));
        let is_untouched =
            |places: &Places| places.iter().all(|place| self.is_whole(place) && !is_segment_lost(&place.0));
        let owed = self.owed.iter().filter(|(id, _)| !(is_last_unsure && **id == self.last));
        owed.filter(|(_, (_, places))| is_untouched(places)).map(|(id, (len, _))| (*id, *len)).collect()
    }

    fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.world.disk.clone())
    }

    fn events(&self) -> events::Log {
        let disk = Arc::new(self.world.events_disk.clone());
        let clock = Arc::clone(&self.world.clock) as Arc<dyn Clock>;
        events::Log::open(events::Config::new(PathBuf::from("/events")), disk, clock).unwrap()
    }

    fn verify(&self) -> Verified {
        let mut verified = verify(Path::new(DIR), &self.disk()).unwrap();
        verified.compare(self.events().last_lsn());
        verified
    }

    fn repair(&self) -> Result<Repaired, SpoolError> {
        let (clock, random) = (Arc::clone(&self.world.clock), Arc::clone(&self.world.random));
        repair(self.world.config.clone(), &self.disk(), clock, random, &Arc::new(self.events()))
    }

    /// What must hold of a spool that was opened after damage, repaired or not.
    fn check(&self, machine: &Machine, untouched: &BTreeMap<QueueId, usize>, what: &str) {
        let there = machine.ids();
        for (id, len) in untouched {
            assert!(there.contains(id), "{what}: {id} was not touched and is lost");
            assert_eq!(machine.read(*id).unwrap(), content_of(*id, *len), "{what}");
        }
        let now = self.world.clock.now();
        let mut offered = BTreeSet::new();
        while let Some(domain) = machine.spool.checkout(now) {
            let works = machine.spool.take(&domain, now, usize::MAX);
            offered.extend(works.into_iter().map(|work| work.id));
        }
        for id in offered {
            let len = self.owed.get(&id).map(|(len, _)| *len);
            if let (Some(len), Ok(read)) = (len, machine.read(id)) {
                assert_eq!(read, content_of(id, len), "{what}: damaged content of {id} is delivered");
            }
        }
    }
}

/// A damaged spool is opened, repaired and opened again.
fn live_through(seed: u64, interrupted: bool) {
    let filled = fill(seed);
    let damage = filled.damage();
    let what = format!("seed {seed}, {damage}");
    let found = filled.verify();
    let untouched = filled.untouched(&found.damage);
    if found.is_good() {
        let lost: Vec<_> = filled.owed.keys().filter(|id| !untouched.contains_key(id)).collect();
        let may_be = |id: &&&QueueId| ***id == filled.last;
        assert_eq!(lost.iter().find(|id| !may_be(id)), None, "{what}: nothing is told");
    }
    if seed.is_multiple_of(2) {
        let machine = filled.world.open();
        filled.check(&machine, &untouched, &what);
        let is_told = !machine.opened.damage.is_empty();
        assert!(is_told || machine.ids().len() >= filled.owed.len(), "{what}: nothing is told");
    }
    for _ in 0..if interrupted { 3 } else { 0 } {
        filled.world.disk.fail_sync(1 + filled.world.random.below(40));
        drop(filled.repair());
        filled.world.disk.crash(&filled.world.random);
    }
    filled.world.disk.fail_sync(0);
    let repaired = filled.repair().unwrap();
    let after = filled.verify();
    assert_eq!(after.damage, Vec::new(), "{what}: {repaired:?}");
    let machine = filled.world.open();
    assert_eq!(machine.opened.damage, Vec::<String>::new(), "{what}");
    filled.check(&machine, &untouched, &what);
    for id in machine.ids() {
        assert!(machine.read(id).is_ok(), "{what}: {id} cannot be read after the repair");
    }
    let told: BTreeSet<QueueId> = repaired.found.hurt.iter().map(|hurt| hurt.id).collect();
    for id in filled.done.intersection(&machine.ids()) {
        assert!(
            !repaired.found.is_good() || interrupted || seed.is_multiple_of(2),
            "{what}: {id} is back: {told:?}"
        );
    }
    drop(machine);
    assert!(filled.repair().unwrap().set_aside.is_empty(), "{what}: once is enough");
}

#[test]
fn damage_by_chance_costs_what_it_hits_is_told_and_can_be_repaired() {
    for seed in 0..48 {
        live_through(seed, false);
    }
}

#[test]
fn a_crash_in_a_repair_loses_nothing_more() {
    for seed in 1000..1024 {
        live_through(seed, true);
    }
}

#[test]
fn a_message_with_damaged_content_is_given_up_and_kept_for_people() {
    let world = World::new(1);
    let mut machine = world.open();
    let hurt = machine.commit(&world, &["anna@example.org", "bob@example.net"], 30_000).unwrap();
    let whole = machine.commit(&world, &["anna@example.org"], 3000).unwrap();
    machine.finish(hurt, &[(1, Disposition::Delivered)], Vec::new());
    machine.committer.turn();
    let (path, at, _) = places(&machine, hurt)[1].clone();
    machine.committer.finish();
    drop(machine);
    let filled = Filled {
        owed: BTreeMap::new(),
        done: BTreeSet::new(),
        last: whole,
        end: (path.clone(), 0),
        files: BTreeMap::new(),
        world,
    };
    filled.world.disk.flip(&path, (at as u64 + 20_000) * 8);
    let repaired = filled.repair().unwrap();
    assert_eq!(repaired.given_up, [hurt]);
    assert_eq!(
        repaired.found.hurt[0].to_string(),
        format!(
            "message {hurt} from <> to anna@example.org: its content is damaged, so that it cannot be delivered"
        )
    );
    let kept = filled.world.disk.read(&Path::new(DIR).join(format!("damaged/{hurt}.eml"))).unwrap();
    assert_eq!(kept.len(), 30_000);
    let machine = filled.world.open();
    assert_eq!(machine.spool.take_bounces(10), [Work { id: hurt, priority: 0, recipients: vec![0] }]);
    let read = machine.read(hurt).unwrap();
    assert!(String::from_utf8(read).unwrap().ends_with("damaged in storage]\r\n"));
    assert_eq!(machine.read(whole).unwrap(), content_of(whole, 3000));
}

#[test]
fn a_disk_that_fails_while_a_repair_waits_for_the_cleaner_ends_the_repair() {
    let mut world = World::new(5);
    world.config.segment_octets = 4 << 20;
    let mut machine = world.open();
    for _ in 0..40 {
        machine.commit(&world, &["anna@example.org"], 50_000).unwrap();
    }
    let segment = machine.committer.log.segment();
    // More than it moves in one turn.
    machine.committer.cleaner.begin(&machine.spool.shared, segment);
    world.disk.fail_sync(1);
    assert!(matches!(empty(&mut machine.committer, segment), Err(SpoolError::Poisoned)));
}

#[test]
fn a_segment_without_a_header_is_read_by_the_tag_of_its_batches() {
    let world = World::new(2);
    let mut machine = world.open();
    let id = machine.commit(&world, &["anna@example.org"], 3000).unwrap();
    let (path, ..) = places(&machine, id)[0].clone();
    drop(machine);
    let zeros = vec![0; usize::try_from(SEGMENT_DATA).unwrap()];
    world.disk.open(&path).unwrap().write_all_at(&zeros, 0).unwrap();
    let machine = world.open();
    assert_eq!(machine.opened.damage.len(), 1, "{:?}", machine.opened.damage);
    assert_eq!(machine.read(id).unwrap(), content_of(id, 3000));
}

#[test]
fn a_missing_segment_is_missed_at_every_start_until_a_repair() {
    let filled = fill(3);
    let path = filled.files.keys().find(|path| path.extension().is_some_and(|end| end == "seg")).unwrap();
    filled.world.disk.remove(path).unwrap();
    filled.world.disk.sync_dir(Path::new(DIR)).unwrap();
    for _ in 0..2 {
        let machine = filled.world.open();
        assert!(machine.opened.damage[0].contains("the file is missing"), "{:?}", machine.opened.damage);
    }
    filled.repair().unwrap();
    assert_eq!(filled.world.open().opened.damage, Vec::<String>::new());
}

/// mail-rules 22: a disk that loses what it said was synced is told of, by the event log that knows more.
#[test]
fn a_spool_that_is_older_than_its_event_log_is_told_and_goes_on_behind_it() {
    let world = World::new(4);
    let mut machine = world.open();
    let kept = machine.commit(&world, &["anna@example.org"], 3000).unwrap();
    machine.committer.finish();
    drop(machine);
    let old = world.disk.copy();
    let mut machine = world.open();
    machine.commit(&world, &["anna@example.org"], 3000).unwrap();
    machine.spool.shared.events.flush();
    let last = machine.spool.shared.events.last_lsn();
    drop(machine);
    let world = World { disk: old, ..world };
    let machine = world.open();
    assert!(
        machine.opened.damage[0].contains("has lost what it said was stored"),
        "{:?}",
        machine.opened.damage
    );
    assert!(machine.committer.log.next_lsn() > last, "no LSN is given twice");
    assert_eq!(machine.ids(), [kept].into());
}
