//! What happens in the selected mailbox by others: told with the end of a command, or at once in IDLE.

use imap::{
    response::{Code, Response, Status},
    server::Answer,
};

use mailstore::Rights;

use super::{blocking::read, policy::Policy};

fn no_longer_readable() -> Status {
    Status::bye("You may read the selected mailbox no more").with(Code::NoPerm)
}

impl Policy {
    /// What is to be told of the selected mailbox. The error: it is gone, and the session ends, for its numbers mean nothing any more
    /// (RFC 2180 §3.3).
    pub(super) async fn catch_up(&mut self) -> Result<Vec<Response>, Status> {
        let (manner, Some(client)) = (self.manner, self.account) else { return Ok(Vec::new()) };
        let Some(selected) = &mut self.selected else { return Ok(Vec::new()) };
        selected.dirty |= selected.watch.has_changed();
        let untold = manner.expunges && !selected.gone.is_empty();
        if !selected.dirty && !untold {
            return Ok(Vec::new());
        }
        let (id, since) = (selected.id, selected.modseq);
        let looked = read(&self.shared.mailstore, move |mailstore| {
            Ok((mailstore.rights(id, client)?, mailstore.changes(id, since)?))
        });
        match looked.await {
            Ok((rights, _)) if !rights.contains(Rights::READ) => Err(no_longer_readable()),
            Ok((rights, changes)) => {
                selected.dirty = false;
                selected.rights = rights;
                let mut told = selected.rights_changed();
                told.extend(selected.apply(changes, manner));
                Ok(told)
            }
            Err(status) if status.code == Some(Code::NonExistent) => {
                Err(Status::bye("The selected mailbox was deleted").with(Code::NonExistent))
            }
            // It is told with a later command.
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Rights may have changed since the last command: what is not allowed any more is not done any more. The error: nothing can be read,
    /// and the session ends (RFC 4314 §5.1.1).
    pub(super) async fn heed_rights(&mut self) -> Result<(), Status> {
        let Some((selected, client)) = self.selected.as_mut().zip(self.account) else { return Ok(()) };
        selected.dirty |= selected.watch.has_changed();
        if !selected.dirty {
            return Ok(());
        }
        let id = selected.id;
        match read(&self.shared.mailstore, move |mailstore| mailstore.rights(id, client)).await {
            Ok(rights) => selected.rights = rights,
            // It is gone, which is told with the end of the command; or that could not be read, and nothing else can.
            Err(_) => return Ok(()),
        }
        if selected.rights.contains(Rights::READ) { Ok(()) } else { Err(no_longer_readable()) }
    }

    /// The next thing to tell in IDLE. Nothing is lost where this is broken off: what has changed stays noted until it was told.
    pub(super) async fn await_news(&mut self) -> Answer {
        self.manner.expunges = true;
        loop {
            let Some(selected) = &mut self.selected else { return std::future::pending().await };
            // What the commands before were not allowed to tell is told now.
            if !selected.dirty && selected.gone.is_empty() {
                selected.watch.changed().await;
            }
            selected.dirty = true;
            match self.catch_up().await {
                Ok(news) if news.is_empty() => self.rest_if_dirty().await,
                Ok(news) => return Answer::More(news),
                Err(gone) => return Answer::RefuseAndClose(gone),
            }
        }
    }

    /// A read that failed is not tried again at once.
    async fn rest_if_dirty(&self) {
        if self.selected.as_ref().is_some_and(|selected| selected.dirty) {
            tokio::time::sleep(std::time::Duration::from_secs(10)).await;
        }
    }
}
