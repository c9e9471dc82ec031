//! Whose mailboxes a name is about: the client's own, or those of another, `Users/anna@example.org/Folder` (RFC 9051 §6.3.10).

use mailstore::{AccountId, Mailbox, Mailstore, MailstoreError, Rights, SpecialUse, Visible};

/// How the names of others' mailboxes begin. Only what goes on with an account, which always has an `@`, is one of them.
pub(super) const OTHERS: &str = "Users/";

/// The mailboxes of a name, and what it is called there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) account: AccountId,
    pub(super) name: String,
    /// Whose they are, if not the client's own.
    owner: Option<String>,
}

/// A mailbox, and what the client may do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// As the client knows it, in the spelling by which names are compared.
    pub(super) name: String,
    pub(super) mailbox: Mailbox,
    pub(super) rights: Rights,
    pub(super) is_own: bool,
}

impl From<Visible> for Found {
    fn from(Visible { owner, mailbox, rights }: Visible) -> Self {
        let name = full(owner.as_deref(), &mailbox.name);
        Self { name, rights, is_own: owner.is_none(), mailbox }
    }
}

impl Found {
    /// What it is for, to its owner: a client must not take another's drafts for its own.
    pub(super) fn special_use(&self) -> Option<SpecialUse> {
        self.mailbox.special_use.filter(|_| self.is_own)
    }
}

impl Place {
    pub(super) fn is_own(&self) -> bool {
        self.owner.is_none()
    }

    /// Where a name leads for a client. None: nowhere. Waits for the disk.
    pub(super) fn of(
        mailstore: &Mailstore,
        client: AccountId,
        name: &str,
    ) -> Result<Option<Self>, MailstoreError> {
        let own = || Self { account: client, name: name.to_owned(), owner: None };
        let Some((owner, rest)) = of_another(name) else { return Ok(Some(own())) };
        // What was there before such names had a meaning can still be reached.
        if mailstore.mailbox(client, name)?.is_some() {
            return Ok(Some(own()));
        }
        // An account's name is in lower case.
        let owner = owner.to_ascii_lowercase();
        let account = mailstore.find_account(&owner)?.filter(|account| *account != client);
        let there = account.zip(rest);
        Ok(there.map(|(account, rest)| Self { account, name: rest.to_owned(), owner: Some(owner) }))
    }

    /// The mailbox there, and what a client may do with it. Waits for the disk.
    pub(super) fn find(
        &self,
        mailstore: &Mailstore,
        client: AccountId,
    ) -> Result<Option<Found>, MailstoreError> {
        let Some(mailbox) = mailstore.mailbox(self.account, &self.name)? else { return Ok(None) };
        let rights = match mailstore.rights(mailbox.id, client) {
            Err(MailstoreError::NoMailbox) => return Ok(None),
            rights => rights?,
        };
        let name = full(self.owner.as_deref(), &mailbox.name);
        Ok(Some(Found { name, mailbox, rights, is_own: self.is_own() }))
    }
}

/// The name of a mailbox of somebody's, or of the client's own.
fn full(owner: Option<&str>, name: &str) -> String {
    owner.map_or_else(|| name.to_owned(), |owner| format!("{OTHERS}{owner}/{name}"))
}

/// Of a name of another's mailbox the account and what stands behind it.
pub(super) fn of_another(name: &str) -> Option<(&str, Option<&str>)> {
    let rest = name.strip_prefix(OTHERS)?;
    let (owner, rest) = match rest.split_once('/') {
        Some((owner, rest)) => (owner, Some(rest)),
        None => (rest, None),
    };
    owner.contains('@').then_some((owner, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_begin_with_an_account() {
        for (name, split) in [
            ("Users/anna@example.org/Team/x", Some(("anna@example.org", Some("Team/x")))),
            ("Users/anna@example.org", Some(("anna@example.org", None))),
            ("Users/Manuals", None),
            ("Users/Manuals/a@b", None),
            ("Users", None),
            ("users/anna@example.org/Team", None),
            ("Team/Users/anna@example.org/x", None),
        ] {
            assert_eq!(of_another(name), split, "{name}");
        }
    }
}
