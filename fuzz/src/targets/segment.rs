//! A segment from disk: whatever it holds, only what carries its tag and its checksums is taken, and none of it harms the queue.
//!
//! The first octet chooses: octets as they are, or records with headers that vouch for them.

use std::{path::Path, sync::Arc};

use disk::Disk;
use spool::parts::{Core, record};
use testkit::{by_the_book::find, disk::SimDisk};

use crate::source::Source;

const TAG: [u8; 16] = *b"the tag of a use";
/// The header of a segment and its copy.
const HEAD: usize = 2 * 4096;

pub(crate) fn run(octets: &[u8]) {
    let Some((knob, octets)) = octets.split_first() else { return };
    let image = if knob & 1 == 1 { vouched_for(octets) } else { [&[0; HEAD], octets].concat() };
    let mut core = Core::default();
    let found = core.replay(&*file(&image), TAG, image.len() as u64).expect("memory can be read");
    for record in &found {
        let at = usize::try_from(record.offset).expect("an offset");
        assert_eq!(image[at..at + TAG.len()], TAG, "taken without the tag");
        assert_eq!(image[at + 64..at + 64 + record.payload.len()], record.payload);
        let told = u32::from_le_bytes(image[at + 56..at + 60].try_into().unwrap());
        assert_eq!(crc32c::crc32c(&record.payload), told, "taken without its checksum");
    }
    if find(&image, &TAG).is_none() {
        assert!(found.is_empty() && core.messages() == 0);
    }
    // What is on disk twice says the same.
    let messages = core.messages();
    let again = core.replay(&*file(&image), TAG, image.len() as u64).expect("memory can be read");
    assert_eq!(again, found);
    assert_eq!(core.messages(), messages, "a second replay changes the queue");
}

/// Batches and records as the octets say, each with true checksums.
fn vouched_for(octets: &[u8]) -> Vec<u8> {
    let (mut source, mut image) = (Source(octets), vec![0; HEAD]);
    while !source.0.is_empty() && image.len() < 16 * 4096 {
        let (kind, index, count) = (source.octet() % 8, source.octet() % 4, source.octet() % 5);
        let (lsn, id, extra) = (u64::from(source.octet()), source.octet(), u32::from(source.octet()));
        if kind == 1 {
            image.resize(image.len().next_multiple_of(4096), 0);
        }
        let numbers = [u16::from(index), u16::from(count)];
        // A batch tells in place of a payload how many octets of records it has.
        let payload = if kind == 1 { &[] } else { source.octets() };
        record(&TAG, kind, numbers, extra, lsn, [id % 4; 16], payload, &mut image);
    }
    image
}

fn file(image: &[u8]) -> Arc<dyn disk::File> {
    let disk = SimDisk::default();
    let path = Path::new("/spool/00000001.seg");
    disk.create_dir_all(Path::new("/spool")).expect("a fresh disk");
    let file = disk.create(path).expect("a fresh disk");
    file.write_all_at(image, 0).expect("room");
    drop(file);
    disk.open_read(path).expect("it was made")
}
