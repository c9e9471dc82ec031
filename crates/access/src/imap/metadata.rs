//! Annotations (RFC 5464): of mailboxes for who may use them, and of the server.

use std::fmt::Write;

use imap::{
    command::{GetMetadata, SetMetadata},
    response::{Code, MetadataEntry, Response, Status},
};
use mailstore::{ANNOTATION_OCTETS_MAX, Annotated, MailstoreError, Rights};

use super::{
    acl::{found, no_permission},
    blocking::{read, refusal},
    namespace::Found,
    policy::{Done, Handled, Policy},
};

/// How to reach the operator (RFC 5464 §3.2.1.1): it is not kept, but told.
const ADMIN: &str = "/shared/admin";

impl Policy {
    pub(super) async fn get_metadata(&self, get: GetMetadata) -> Handled {
        let GetMetadata { mailbox, octets_max, depth, entries } = get;
        let asked: Vec<String> = entries.iter().map(|entry| entry.to_ascii_lowercase()).collect();
        if !asked.iter().all(|entry| is_in_scope(entry)) {
            return Err(no_such_entry());
        }
        let of = match &mailbox {
            Some(name) => Some(annotated(self.find(name).await?)?.mailbox.id),
            None => None,
        };
        let client = self.account()?;
        let mut known =
            read(&self.shared.mailstore, move |mailstore| mailstore.annotations(of, client)).await?;
        if of.is_none() {
            let postmaster = self.shared.authenticator.directory().postmaster().to_string();
            known.push((ADMIN.into(), mailto(&postmaster).into_bytes()));
        }
        let (mut values, mut longest) = (Vec::new(), 0);
        for (name, value) in known {
            if !asked.iter().any(|top| is_within(&name, top, depth)) {
                continue;
            }
            let octets = u32::try_from(value.len()).unwrap_or(u32::MAX);
            if octets_max.is_some_and(|most| octets > most) {
                longest = longest.max(octets);
                continue;
            }
            values.push(MetadataEntry { name: name.into(), value: Some(value.into()) });
        }
        if depth == Some(0) && longest == 0 {
            // What is not there has no value.
            let missing: Vec<_> =
                asked.into_iter().filter(|name| !values.iter().any(|value| *value.name == **name)).collect();
            values.extend(missing.into_iter().map(|name| MetadataEntry { name: name.into(), value: None }));
        }
        let status = Status::ok("Done");
        let status = if longest > 0 { status.with(Code::MetadataLongEntries(longest)) } else { status };
        Ok(Done { responses: vec![Response::Metadata { mailbox, values }], status })
    }

    pub(super) async fn set_metadata(&mut self, set: SetMetadata) -> Handled {
        let SetMetadata { mailbox, entries } = set;
        let entries: Vec<(String, Option<Vec<u8>>)> = entries
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.map(<[u8]>::into_vec)))
            .collect();
        if !entries.iter().all(|(name, _)| is_name(name)) {
            return Err(no_such_entry());
        }
        let is_shared = |name: &str| name.starts_with("/shared/");
        let of = match &mailbox {
            Some(name) => {
                let found = annotated(self.find(name).await?)?;
                // What all see is changed by who may change what all see.
                if entries.iter().any(|(name, _)| is_shared(name)) && !found.rights.contains(Rights::WRITE) {
                    return Err(no_permission());
                }
                Some(found.mailbox.id)
            }
            // RFC 5464 §3.3: what all see of the server is the operator's.
            None if entries.iter().any(|(name, _)| is_shared(name)) => return Err(no_permission()),
            None => None,
        };
        let too_long = |value: &Vec<u8>| value.len() > ANNOTATION_OCTETS_MAX;
        if entries.iter().any(|(_, value)| value.as_ref().is_some_and(too_long)) {
            let most = u32::try_from(ANNOTATION_OCTETS_MAX).unwrap_or(u32::MAX);
            return Err(Status::no("Too long a value").with(Code::MetadataMaxSize(most)));
        }
        self.annotate(of, entries).await?;
        Ok(Done::ok("Set"))
    }

    async fn annotate(
        &mut self,
        of: Annotated,
        entries: Vec<(String, Option<Vec<u8>>)>,
    ) -> Result<(), Status> {
        match self.shared.mailstore.annotate(of, self.account()?, entries).await {
            Ok(_) => Ok(()),
            Err(MailstoreError::TooMany(_)) => {
                Err(Status::no("As many as there may be").with(Code::MetadataTooMany))
            }
            Err(error) => Err(refusal(&error)),
        }
    }
}

/// RFC 5464 §3.2.1.1: a URI.
fn mailto(address: &str) -> String {
    let mut uri = String::from("mailto:");
    for octet in address.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'@' | b'.' | b'-' | b'_' | b'+' => {
                uri.push(char::from(octet));
            }
            // Writing to a String cannot fail.
            _ => drop(write!(uri, "%{octet:02X}")),
        }
    }
    uri
}

/// RFC 5464 §3.3: of what one sees, and may use in some way.
fn annotated(mailbox: Option<Found>) -> Result<Found, Status> {
    let found = found(mailbox, Rights::LOOKUP)?;
    let uses = [Rights::READ, Rights::SEEN, Rights::WRITE, Rights::INSERT, Rights::POST];
    let may = uses.into_iter().any(|right| found.rights.contains(right));
    may.then_some(found).ok_or_else(no_permission)
}

/// Whether an entry is one of those asked for, or not more levels below it.
fn is_within(name: &str, top: &str, depth: Option<u8>) -> bool {
    match name.strip_prefix(top) {
        Some("") => true,
        Some(rest) if rest.starts_with('/') => {
            depth.is_none_or(|depth| rest.matches('/').count() <= depth.into())
        }
        _ => false,
    }
}

fn is_in_scope(entry: &str) -> bool {
    ["/private", "/shared"].into_iter().any(|scope| is_within(entry, scope, None))
}

/// RFC 5464 §3.2: two levels at the least, and of a vendor's four.
fn is_name(entry: &str) -> bool {
    let levels: Vec<&str> = entry.split('/').skip(1).collect();
    let enough = if levels.get(1) == Some(&"vendor") { 4 } else { 2 };
    is_in_scope(entry) && levels.len() >= enough
}

fn no_such_entry() -> Status {
    Status::bad("No entry can be called so")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_uri() {
        assert_eq!(mailto("post.master@example.org"), "mailto:post.master@example.org");
        assert_eq!(mailto("\"a b\"@example.org"), "mailto:%22a%20b%22@example.org");
    }

    #[test]
    fn entries_are_found_by_their_levels() {
        for (name, top, depth, found) in [
            ("/private/a", "/private/a", Some(0), true),
            ("/private/a/b", "/private/a", Some(0), false),
            ("/private/a/b", "/private/a", Some(1), true),
            ("/private/a/b/c", "/private/a", Some(1), false),
            ("/private/a/b/c", "/private/a", None, true),
            ("/private/ab", "/private/a", None, false),
            ("/private/a", "/private", None, true),
        ] {
            assert_eq!(is_within(name, top, depth), found, "{name} {top}");
        }
        for (name, valid) in [
            ("/private/comment", true),
            ("/shared/vendor/kolab/folder-type", true),
            ("/shared/vendor/kolab", false),
            ("/shared", false),
            ("/comment", false),
            ("/privates/x", false),
        ] {
            assert_eq!(is_name(name), valid, "{name}");
        }
    }
}
