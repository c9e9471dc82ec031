//! Disks that lose, tear, fail, fill and lie, under the real program. They are mounted as root only: `scripts/test`
//! leaves these tests out for others.

mod errors;
mod full;
mod harness;
mod order;
mod station;

use std::time::Duration;

/// How long anything here may take: an unoptimised binary on a busy machine.
const SOON: Duration = Duration::from_mins(1);
