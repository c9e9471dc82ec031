//! What happens in the selected mailbox by others: told with the end of a command, or at once in IDLE.

use imap::{
    response::{Code, Response, Status},
    server::Answer,
};

use mailstore::{Rights, Uid};

use super::{
    blocking::read,
    policy::{Policy, expired},
};

fn gone() -> Status {
    Status::bye("The selected mailbox was deleted").with(Code::NonExistent)
}

fn no_longer_readable() -> Status {
    Status::bye("You may read the selected mailbox no more").with(Code::NoPerm)
}

impl Policy {
    /// What is to be told of the selected mailbox, as far as the client wants to hear it. The error: it is gone, and the session ends,
    /// for its numbers mean nothing any more (RFC 2180 §3.3).
    pub(super) async fn catch_up(&mut self) -> Result<Vec<Response>, Status> {
        let (messages, flags) = self.selected_events();
        if messages {
            let mut told = self.tell_changes().await?;
            told.retain(|response| flags || !matches!(response, Response::Fetch(_)));
            return Ok(told);
        }
        // RFC 5465 §3.1: nothing is told, so nothing changes for it; but whether it may still read.
        self.heed_rights().await?;
        let Some(selected) = &mut self.selected else { return Ok(Vec::new()) };
        selected.dirty = false;
        Ok(selected.rights_changed())
    }

    /// All that is to be told of the selected mailbox.
    pub(super) async fn tell_changes(&mut self) -> Result<Vec<Response>, Status> {
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
                if !selected.is_read_only() && !manner.rev2 {
                    self.shared.mailstore.note_told(id, changes.mailbox.uid_next);
                }
                selected.rights = rights;
                let mut told = selected.rights_changed();
                let last = selected.numbers.last_uid();
                told.extend(selected.apply(changes, manner));
                let new = selected.numbers.by_uids([last.saturating_add(1)..=Uid::MAX]).uids();
                self.note_new(&new);
                Ok(told)
            }
            Err(status) if status.code == Some(Code::NonExistent) => Err(gone()),
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
            Err(status) if status.code == Some(Code::NonExistent) => return Err(gone()),
            // Nothing else can be read either.
            Err(_) => return Ok(()),
        }
        if selected.rights.contains(Rights::READ) { Ok(()) } else { Err(no_longer_readable()) }
    }

    /// The next thing to tell in IDLE, or unasked after NOTIFY. Nothing is lost where this is broken off: what has changed stays noted until
    /// it was told.
    pub(super) async fn await_news(&mut self) -> Answer {
        let at_once = self.notifying.as_ref().is_some_and(|notifying| notifying.is_at_once());
        self.manner.expunges = self.idling || at_once;
        loop {
            // Mail comes in whether somebody may still read it or not.
            if !self.client.holds() {
                return expired();
            }
            if let Some(told) = self.new_messages().await {
                if !told.is_empty() {
                    return Answer::More(told);
                }
                continue;
            }
            self.something_happens().await;
            if !self.client.holds() {
                return expired();
            }
            let mut news = match self.catch_up().await {
                Ok(news) => news,
                Err(gone) => return Answer::RefuseAndClose(gone),
            };
            news.extend(self.mailbox_news().await);
            if !news.is_empty() {
                return Answer::More(news);
            }
            self.rest_if_dirty().await;
        }
    }

    /// Waits until there may be something to tell, or the login holds no more.
    async fn something_happens(&mut self) {
        let tells_gone = self.manner.expunges && self.selected_events().0;
        let (selected, notifying) = (&mut self.selected, &mut self.notifying);
        let selected = async {
            match selected {
                // What the commands before were not allowed to tell is told now, if the client wants to hear it.
                Some(selected) if !selected.dirty && (selected.gone.is_empty() || !tells_gone) => {
                    selected.watch.changed().await;
                    selected.dirty = true;
                }
                Some(_) => {}
                None => std::future::pending().await,
            }
        };
        let others = async {
            match notifying {
                Some(notifying) => notifying.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = selected => {}
            () = others => {}
            () = self.client.ends() => {}
        }
    }

    /// A read that failed is not tried again at once.
    async fn rest_if_dirty(&self) {
        let behind = self.notifying.as_ref().is_some_and(|notifying| notifying.is_behind());
        if behind || self.selected.as_ref().is_some_and(|selected| selected.dirty) {
            tokio::time::sleep(std::time::Duration::from_secs(10)).await;
        }
    }
}
