//! A disk for tests that real programs run on: a file system in user space (FUSE) that knows what is durable.
//!
//! *Takes* the system calls of any program below its mount point. *Hands on* what a power cut would leave of them:
//! data that was synced, names that were synced, and of the rest as much as the test says; and errors where the test
//! wants them. *Never* forgives: what was not synced is not there because it usually would be.
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! use faultfs::{Disk, Names, Operation, Power};
//! let disk = Disk::new(Names::Strict);
//! let mount = disk.mount("/tmp/spool".as_ref())?;
//! disk.cut_power_at(1000); // at the thousandth change from now; until then the program works
//! disk.wait_for_cut(std::time::Duration::from_secs(60));
//! // Kill the program here: what it still says is judged by what the disk holds.
//! drop(mount);
//! disk.restore(Power::Torn { seed: 7 });
//! let mount = disk.mount("/tmp/spool".as_ref())?;
//! # drop((mount, Operation::Sync)); Ok(()) }
//! ```
//!
//! Contents are in memory; blocks of zeros take none, so that preallocated files cost nothing. Owners, modes and times
//! are not modelled: a power cut leaves them as they were seen.
#![expect(clippy::disallowed_methods, reason = "programs that run on it see the real time")]

mod content;
mod disk;
mod fault;
mod mount;
mod names;
mod node;
mod random;
mod volume;

pub use disk::{Disk, Held};
pub use fault::{Fault, Operation};
pub use fuser::Errno;
pub use mount::Mount;
pub use names::Names;
pub use volume::{Power, Survey};
