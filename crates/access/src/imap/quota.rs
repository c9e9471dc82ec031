//! Quota (RFC 9208), and the rights that everybody has to its own mailboxes.

use imap::response::{Code, QuotaResource, Response, Status};

use super::{
    blocking::read,
    mailboxes::found,
    policy::{Done, Handled, Policy},
};

/// The one root: the account.
const ROOT: &str = "";
/// All of RFC 4314 but the right to change rights.
pub(super) const RIGHTS: &str = "lrswipkxte";

impl Policy {
    pub(super) async fn get_quota(&mut self, root: &str) -> Handled {
        if root != ROOT {
            return Err(Status::no("No such quota root").with(Code::NonExistent));
        }
        Ok(Done::telling(vec![self.quota().await?], "Done"))
    }

    pub(super) async fn get_quota_root(&mut self, mailbox: imap::Mailbox) -> Handled {
        found(self.find(&mailbox).await?)?;
        let roots = Response::QuotaRoot { mailbox, roots: vec![ROOT.into()] };
        Ok(Done::telling(vec![roots, self.quota().await?], "Done"))
    }

    /// Only what is limited is told (RFC 9208 §4.2.1).
    async fn quota(&self) -> Result<Response, Status> {
        let account = self.account()?;
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
        Ok(Response::Quota { root: ROOT.into(), resources: storage.into_iter().chain(messages).collect() })
    }

    pub(super) async fn my_rights(&mut self, mailbox: imap::Mailbox) -> Handled {
        found(self.find(&mailbox).await?)?;
        Ok(Done::telling(vec![Response::MyRights { mailbox, rights: RIGHTS.into() }], "Done"))
    }
}
