//! What sites have taught us outlives the process (mail-rules 9): a file in the data directory.
//!
//! It is a memory and not a record: without it mail flows, only less cleverly. So a file that cannot be read is told
//! and left behind, and one that cannot be written stops nothing.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use disk::Disk;
use tokio::time::{Instant, sleep};

use crate::{
    blocking,
    shared::Shared,
    site::SiteStatus,
    site_file::{self, Unusable},
};

/// Sites that are kept; those that lately refused us come first.
const SITES_MAX: usize = 5_000;
/// A file that is larger is not ours.
const OCTETS_MAX: usize = 64 << 20;
/// The shortest time between two writes, and the share of all time that may go to writing.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const WRITING_SHARE: u32 = 20;
/// How long a change may stay unwritten that is worth little by itself.
const LATER: Duration = Duration::from_secs(30);

/// Remembers sites in a file.
pub(crate) struct Memory {
    path: PathBuf,
    disk: Arc<dyn Disk>,
}

impl Memory {
    /// The one of these settings, if there is any.
    pub(crate) fn new(shared: &Shared) -> Option<Self> {
        let path = shared.config.sites_file.clone()?;
        Some(Self { path, disk: Arc::clone(&shared.parts.disk) })
    }

    /// Takes up what an earlier run has written.
    pub(crate) async fn recall(&self, shared: &Shared) {
        let (disk, path) = (Arc::clone(&self.disk), self.path.clone());
        let read = blocking::run(&*shared.parts.blocking, move || read(&*disk, &path)).await;
        let sites = read.unwrap_or_else(|| Err("reading it failed".to_owned())).unwrap_or_else(|problem| {
            tracing::warn!(station = "deliver/site", path = %self.path.display(), problem,
                "what earlier runs learned about sites cannot be read; all sites begin afresh");
            Vec::new()
        });
        let now = shared.now();
        for status in sites {
            shared.site(Some(&status.site)).restore(status, now);
        }
    }

    /// Writes what changes until the server stops: what matters at once, in one go with what came meanwhile.
    pub(crate) async fn keep(&self, shared: &Shared) {
        let mut failed = false;
        loop {
            let change = async {
                tokio::select! {
                    biased;
                    () = shared.changes.wanted() => {}
                    () = sleep(LATER) => {}
                }
            };
            if shared.unless_stopped(change).await.is_none() {
                return;
            }
            let begun = Instant::now();
            failed = self.write(shared, failed).await;
            let pause = sleep((begun.elapsed() * WRITING_SHARE).max(PAUSE_MIN));
            if shared.unless_stopped(pause).await.is_none() {
                return;
            }
        }
    }

    /// Writes if there is something new. Whether that failed; `failed` says whether it did before, so that a disk
    /// without room does not fill the log too.
    pub(crate) async fn write(&self, shared: &Shared, failed: bool) -> bool {
        if !shared.changes.take() {
            return failed;
        }
        let sites = worth_keeping(shared.sites(), shared.connections_usual());
        let (disk, path) = (Arc::clone(&self.disk), self.path.clone());
        let write = move || disk::replace_whole(&*disk, &path, &site_file::encode(&sites));
        let written = blocking::run(&*shared.parts.blocking, write).await;
        let written = written.unwrap_or_else(|| Err(io::ErrorKind::Other.into()));
        let Err(error) = written else { return false };
        shared.changes.later();
        if !failed {
            tracing::warn!(station = "deliver/site", path = %self.path.display(), %error,
                "what was learned about sites cannot be written; a restart would forget it");
        }
        true
    }
}

fn worth_keeping(mut sites: Vec<SiteStatus>, connections_usual: usize) -> Vec<SiteStatus> {
    sites.retain(|site| site.is_worth_keeping(connections_usual));
    if sites.len() > SITES_MAX {
        let refused_at = |site: &SiteStatus| site.last_refusal.as_ref().map(|refusal| refusal.at);
        sites.sort_by_key(|site| std::cmp::Reverse(refused_at(site)));
        sites.truncate(SITES_MAX);
    }
    sites
}

fn read(disk: &dyn Disk, path: &Path) -> Result<Vec<SiteStatus>, String> {
    let octets = match disk::read_whole(disk, path, OCTETS_MAX) {
        Ok(octets) => octets,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.to_string()),
    };
    site_file::decode(&octets).map_err(|unusable: Unusable| unusable.to_string())
}

#[cfg(test)]
mod tests {
    use mail::{Reply, Timestamp};
    use testkit::disk::{SeededRandom, SimDisk};

    use super::*;
    use crate::site::Refusal;

    fn site(name: &str, refused_at: Option<u64>) -> SiteStatus {
        let refusal =
            |at| Refusal { at: Timestamp::from_millis(at), reply: Reply::plain(421, "Busy"), host: None };
        SiteStatus {
            site: name.into(),
            connections: 0,
            connections_allowed: 5,
            allowed_since: Timestamp::default(),
            last_refusal: refused_at.map(refusal),
            lanes: Vec::new(),
        }
    }

    #[test]
    fn a_power_cut_leaves_the_old_file_or_the_new_one() {
        let path = Path::new("/data/sites.jsonl");
        for seed in 0..50 {
            let (disk, random) = (SimDisk::default(), SeededRandom::new(seed));
            disk.create_dir_all(Path::new("/data")).unwrap();
            let [old, new] = ["old", "new"].map(|name| vec![site(name, Some(seed))]);
            disk::replace_whole(&disk, path, &site_file::encode(&old)).unwrap();
            disk.fail_sync(1 + seed % 2);
            assert!(disk::replace_whole(&disk, path, &site_file::encode(&new)).is_err());
            disk.crash(&random);
            let read_back = read(&disk, path).unwrap();
            assert!(read_back == old || read_back == new, "{read_back:?}");
            disk::replace_whole(&disk, path, &site_file::encode(&new)).unwrap();
            disk.crash(&random);
            assert_eq!(read(&disk, path).unwrap(), new);
        }
    }

    #[test]
    fn the_file_has_an_end() {
        let many = (0..SITES_MAX as u64 + 10).map(|n| site("x", (n > 20).then_some(n))).collect();
        let kept = worth_keeping(many, 5);
        assert_eq!(kept.len(), SITES_MAX - 11, "what is as usual is not kept");
        let many = (0..SITES_MAX as u64 + 10).map(|n| site("x", Some(n))).collect();
        let kept = worth_keeping(many, 5);
        assert_eq!(kept.len(), SITES_MAX);
        assert_eq!(
            kept.iter().filter_map(|site| site.last_refusal.as_ref()).map(|r| r.at.as_millis()).min(),
            Some(10)
        );
    }
}
