//! A spool without threads: its owner turns the committer.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{sync::Arc, time::Duration};

use disk::Clock;
use mail::{Address, Envelope, Recipient};
use spool::{
    Config, Disposition, Due, Finished, ListFilter, RecipientOutcome, Spool, SpoolError, Submission,
};
use testkit::{
    clock::FakeClock,
    disk::{SeededRandom, SimDisk},
};
use tokio::sync::oneshot;

fn submission(spool: &Spool, clock: &FakeClock) -> Submission {
    let now = clock.now();
    let anna = Recipient::new("anna@example.org".parse::<Address>().unwrap(), now);
    let envelope = Envelope::new(spool.new_id(now), now, "smtp", vec![anna]);
    Submission { envelope, content: b"Hello\r\n".to_vec().into(), events: Vec::new() }
}

#[tokio::test]
async fn commits_wait_for_a_turn_and_the_owner_hears_of_them() {
    let (disk, clock) = (SimDisk::default(), Arc::new(FakeClock::default()));
    let open = || {
        let log = events::Log::open_inline(
            events::Config::new("/events".into()),
            Arc::new(disk.clone()),
            clock.clone(),
        );
        let (log, _) = log.unwrap();
        let random = Arc::new(SeededRandom::new(1));
        let config = Config::small("/spool".into());
        Spool::open_inline(config, Arc::new(disk.clone()), clock.clone(), random, Arc::new(log)).unwrap()
    };
    let (spool, mut committer, _) = open();
    assert_eq!(committer.due(), Due::Idle);
    let submission = submission(&spool, &clock);
    let id = submission.envelope.id;
    let (sender, mut answer) = oneshot::channel();
    let committing = spool.clone();
    tokio::spawn(async move { sender.send(committing.commit(submission).await) });
    committer.changed().await;
    assert_eq!(committer.due(), Due::Now, "somebody waits for the sync");
    assert!(answer.try_recv().is_err(), "no receipt before the sync");
    assert!(committer.turn());
    assert_eq!(answer.await.unwrap().unwrap().id(), id);

    let delivered = vec![RecipientOutcome::new(0, Disposition::Delivered)];
    assert_eq!(committer.due(), Due::Idle);
    spool.finish(Finished { id, outcomes: delivered, events: Vec::new(), reports: Vec::new() });
    committer.changed().await;
    assert_eq!(committer.due(), Due::Within(Duration::from_millis(100)), "a completion waits for company");
    committer.close();
    assert!(matches!(spool.commit(self::submission(&spool, &clock)).await, Err(SpoolError::Closed)));
    drop(spool);
    let (spool, _, _) = open();
    assert_eq!(spool.list(&ListFilter::default()), [], "what waited was written when it was closed");
}
