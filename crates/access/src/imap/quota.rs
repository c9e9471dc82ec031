//! Quota (RFC 9208): of an account, for its own mailboxes and for those that others use.

use imap::response::{Code, QuotaResource, Response, Status};

use mailstore::{AccountId, Rights};

use super::{
    acl::found,
    blocking::read,
    namespace::{Found, OTHERS, of_another},
    policy::{Done, Handled, Policy},
};

/// The root of the client's own mailboxes. Those of another have one that is called as they begin.
const ROOT: &str = "";

impl Policy {
    pub(super) async fn get_quota(&mut self, root: &str) -> Handled {
        let client = self.account()?;
        if root == ROOT {
            return Ok(Done::telling(vec![self.quota(root.into(), client).await?], "Done"));
        }
        // Only who may read some of the mailboxes learns what they all hold (RFC 9208 §6).
        let root = root.to_owned();
        let wanted = root.clone();
        let seen = read(&self.shared.mailstore, move |mailstore| {
            let mut visible = mailstore.visible(client)?.into_iter().map(Found::from);
            Ok(visible.find(|one| one.rights.contains(Rights::READ) && root_of(&one.name) == wanted))
        })
        .await?;
        let seen = seen.ok_or_else(|| Status::no("No such quota root").with(Code::NonExistent))?;
        Ok(Done::telling(vec![self.quota(root.into(), seen.mailbox.account).await?], "Done"))
    }

    pub(super) async fn get_quota_root(&mut self, mailbox: imap::Mailbox) -> Handled {
        let found = found(self.find(&mailbox).await?, Rights::READ)?;
        let root: Box<str> = if found.is_own { ROOT } else { root_of(&found.name) }.into();
        let roots = Response::QuotaRoot { mailbox, roots: vec![root.clone()] };
        Ok(Done::telling(vec![roots, self.quota(root, found.mailbox.account).await?], "Done"))
    }

    /// Only what is limited is told (RFC 9208 §4.2.1).
    async fn quota(&self, root: Box<str>, account: AccountId) -> Result<Response, Status> {
        let quota = read(&self.shared.mailstore, move |mailstore| mailstore.quota(account)).await?;
        let storage = quota.octets_max.map(|most| QuotaResource {
            name: "STORAGE".into(),
            usage: quota.octets.div_ceil(1024),
            limit: most / 1024,
        });
        let messages = quota.messages_max.map(|most| QuotaResource {
            name: "MESSAGE".into(),
            usage: quota.messages,
            limit: most,
        });
        Ok(Response::Quota { root, resources: storage.into_iter().chain(messages).collect() })
    }
}

/// The root of a mailbox of this name.
fn root_of(name: &str) -> &str {
    match of_another(name) {
        Some((owner, _)) => name.get(..OTHERS.len() + owner.len()).unwrap_or(ROOT),
        None => ROOT,
    }
}
