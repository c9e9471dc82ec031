//! What happens in the selected mailbox by others: told with the end of a command, or at once in IDLE.

use imap::{
    response::{Code, Response, Status},
    server::Answer,
};

use super::{blocking::read, policy::Policy};

impl Policy {
    /// What is to be told of the selected mailbox. The error: it is gone, and the session ends, for its numbers mean nothing any more
    /// (RFC 2180 §3.3).
    pub(super) async fn catch_up(&mut self) -> Result<Vec<Response>, Status> {
        let manner = self.manner;
        let Some(selected) = &mut self.selected else { return Ok(Vec::new()) };
        selected.dirty |= selected.watch.has_changed();
        let untold = manner.expunges && !selected.gone.is_empty();
        if !selected.dirty && !untold {
            return Ok(Vec::new());
        }
        let (id, since) = (selected.id, selected.modseq);
        match read(&self.shared.mailstore, move |mailstore| mailstore.changes(id, since)).await {
            Ok(changes) => {
                selected.dirty = false;
                Ok(selected.apply(changes, manner))
            }
            Err(status) if status.code == Some(Code::NonExistent) => {
                Err(Status::bye("The selected mailbox was deleted").with(Code::NonExistent))
            }
            // It is told with a later command.
            Err(_) => Ok(Vec::new()),
        }
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
