//! Which mailboxes of the other server are taken, and what they are called here.

use std::collections::BTreeSet;

use admin::api;
use imap::{
    client::{Listed, Namespaces},
    utf7,
};

/// What stands for what a name here cannot hold.
const REPLACEMENT: &str = "_";

/// A mailbox to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    /// Its name there, as it is said to the server.
    pub(crate) raw: Vec<u8>,
    /// Its name there, for people.
    pub(crate) name: String,
    /// Its name here.
    pub(crate) target: String,
    pub(crate) subscribed: bool,
    /// It holds what is in others too: of it only that is wanted which is in no other.
    pub(crate) rest_only: bool,
}

impl Folder {
    /// Whether an operator means it by this name.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name == name || both_inbox(&self.name, name)
    }
}

/// A mailbox that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) name: String,
    pub(crate) why: &'static str,
}

/// What the operator wants.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    /// Only these, by their names there.
    pub(crate) only: Vec<String>,
    /// Below this mailbox.
    pub(crate) into: Option<String>,
    /// The server tells which messages of two mailboxes are the same.
    pub(crate) same_known: bool,
}

/// Decides for all mailboxes of a server. `own`: those that there are here, for what is special about them. INBOX comes first, what holds the rest last.
pub(crate) fn plan(
    listed: &[Listed],
    namespaces: &Namespaces,
    own: &[api::Mailbox],
    wishes: &Wishes,
) -> (Vec<Folder>, Vec<LeftOut>) {
    let subscribed: BTreeSet<&[u8]> = listed
        .iter()
        .filter(|one| one.subscribed || one.is("\\Subscribed"))
        .map(|one| one.name.as_slice())
        .collect();
    let (mut folders, mut left_out, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for one in listed.iter().filter(|one| !one.subscribed) {
        if one.is("\\Noselect") || one.is("\\NonExistent") || !seen.insert(one.name.as_slice()) {
            continue;
        }
        let Some(name) = decoded(&one.name) else {
            if wishes.only.is_empty() {
                let name = String::from_utf8_lossy(&one.name).into_owned();
                left_out.push(LeftOut { name, why: "its name is in no form that IMAP has" });
            }
            continue;
        };
        match decide(one, &name, namespaces, own, wishes) {
            Ok(target) => folders.push(Folder {
                subscribed: subscribed.contains(one.name.as_slice()),
                rest_only: one.is("\\All") && wishes.only.is_empty(),
                raw: one.name.clone(),
                name,
                target,
            }),
            Err(Some(why)) => left_out.push(LeftOut { name, why }),
            Err(None) => {}
        }
    }
    folders.sort_by_key(|folder| (folder.rest_only, folder.target != "INBOX", folder.target.clone()));
    (folders, left_out)
}

/// What a mailbox is called here. `Err`: it is left out, and why if the operator has not said so.
fn decide(
    listed: &Listed,
    name: &str,
    namespaces: &Namespaces,
    own: &[api::Mailbox],
    wishes: &Wishes,
) -> Result<String, Option<&'static str>> {
    if !wishes.only.is_empty() {
        if !wishes.only.iter().any(|only| only == name || both_inbox(only, name)) {
            return Err(None);
        }
    } else if namespaces.others.iter().any(|space| begins(listed, &space.prefix)) {
        return Err(Some("it is another user's"));
    } else if namespaces.shared.iter().any(|space| begins(listed, &space.prefix)) {
        return Err(Some("it is shared, and nobody's own"));
    } else if listed.is("\\Important") || listed.is("\\Flagged") {
        return Err(Some("what it shows is in other mailboxes"));
    } else if listed.is("\\All") && !wishes.same_known {
        return Err(Some("what it shows is in other mailboxes too; --only takes it all the same"));
    }
    let plain = plain(listed, name, namespaces);
    let special = if wishes.into.is_some() { None } else { special(listed, own) };
    let target = match (&wishes.into, special) {
        (Some(into), _) if plain == "INBOX" => into.clone(),
        (Some(into), _) => format!("{into}/{plain}"),
        (None, Some(special)) => special,
        (None, None) => plain,
    };
    mailstore::spelling(&target).map_err(|_| Some("its name is too long or too deep for one here"))
}

fn both_inbox(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case("INBOX") && other.eq_ignore_ascii_case("INBOX")
}

/// Whether it is in a namespace that is not everything.
fn begins(listed: &Listed, prefix: &[u8]) -> bool {
    !prefix.is_empty() && listed.name.starts_with(prefix)
}

/// The one here that is for the same (RFC 6154). What is in none but `\All` was archived.
fn special(listed: &Listed, own: &[api::Mailbox]) -> Option<String> {
    let found = own.iter().find(|mailbox| {
        mailbox
            .special_use
            .as_deref()
            .is_some_and(|special| listed.is(special) || special == "\\Archive" && listed.is("\\All"))
    });
    found.map(|mailbox| mailbox.name.clone())
}

/// Its name with `/` between levels, without what all names of the user begin with.
fn plain(listed: &Listed, name: &str, namespaces: &Namespaces) -> String {
    let prefix = namespaces
        .personal
        .iter()
        .filter(|space| begins(listed, &space.prefix))
        .max_by_key(|space| space.prefix.len());
    let below = prefix
        .and_then(|space| decoded(&space.prefix))
        .and_then(|prefix| name.strip_prefix(prefix.as_str()))
        // What is called INBOX there below INBOX is another one.
        .filter(|rest| !rest.is_empty() && !is_inbox(rest, listed.delimiter));
    let delimiter = listed.delimiter.map(char::from);
    let parts: Vec<String> = match delimiter {
        Some(delimiter) => below.unwrap_or(name).split(delimiter).map(fitting).collect(),
        None => vec![fitting(below.unwrap_or(name))],
    };
    let joined = parts.join("/");
    if joined.eq_ignore_ascii_case("INBOX") { "INBOX".to_owned() } else { joined }
}

fn is_inbox(name: &str, delimiter: Option<u8>) -> bool {
    let first = delimiter.map_or(name, |delimiter| name.split(char::from(delimiter)).next().unwrap_or(name));
    first.eq_ignore_ascii_case("INBOX")
}

/// A part of a name, of what such a part may hold here.
fn fitting(part: &str) -> String {
    if part.is_empty() {
        return REPLACEMENT.to_owned();
    }
    part.replace(|c: char| matches!(c, '/' | '*' | '%') || c.is_control(), REPLACEMENT)
}

/// A name in Unicode; there are servers that write UTF-8 as it is.
fn decoded(name: &[u8]) -> Option<String> {
    utf7::decode(name).or_else(|| String::from_utf8(name.to_vec()).ok().filter(|name| !name.is_ascii()))
}

#[cfg(test)]
mod tests {
    use imap::client::Namespace;

    use super::*;

    fn listed(attributes: &[&str], delimiter: u8, name: &str) -> Listed {
        let attributes = attributes.iter().map(|attribute| (*attribute).into()).collect();
        Listed { subscribed: false, attributes, delimiter: Some(delimiter), name: name.as_bytes().to_vec() }
    }

    fn own() -> Vec<api::Mailbox> {
        [
            ("INBOX", None),
            ("Sent", Some("\\Sent")),
            ("Trash", Some("\\Trash")),
            ("Archive", Some("\\Archive")),
        ]
        .map(|(name, special)| api::Mailbox {
            name: name.to_owned(),
            special_use: special.map(str::to_owned),
            messages: 0,
            unseen: 0,
            octets: 0,
        })
        .to_vec()
    }

    fn space(prefix: &str) -> Namespace {
        Namespace { prefix: prefix.as_bytes().to_vec(), delimiter: Some(b'.') }
    }

    fn names((folders, left_out): (Vec<Folder>, Vec<LeftOut>)) -> (Vec<(String, String)>, Vec<String>) {
        let folders = folders.into_iter().map(|folder| (folder.name, folder.target)).collect();
        (folders, left_out.into_iter().map(|left_out| left_out.name).collect())
    }

    fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
    }

    #[test]
    fn names_below_inbox_with_dots_become_ours() {
        let namespaces = Namespaces {
            personal: vec![space("INBOX.")],
            others: vec![space("user.")],
            shared: vec![space("shared."), space("")],
        };
        let mut all = vec![
            listed(&["\\HasChildren"], b'.', "INBOX"),
            listed(&[], b'.', "INBOX.Sent"),
            listed(&["\\Trash"], b'.', "INBOX.Deleted Items"),
            listed(&[], b'.', "INBOX.Work.a/b*"),
            listed(&[], b'.', "INBOX.inbox"),
            listed(&["\\NoSelect"], b'.', "INBOX.Work"),
            listed(&[], b'.', "INBOX.Entw&APw-rfe"),
            listed(&[], b'.', "INBOX.Entwürfe2"),
            listed(&[], b'.', "INBOX.&bad"),
            listed(&[], b'.', "user.ben"),
            listed(&[], b'.', "shared.news"),
        ];
        let subscription = Listed { subscribed: true, ..listed(&[], b'.', "INBOX.Sent") };
        all.push(subscription);
        let planned = plan(&all, &namespaces, &own(), &Wishes::default());
        let subscribed: Vec<&str> = planned
            .0
            .iter()
            .filter(|folder| folder.subscribed)
            .map(|folder| folder.target.as_str())
            .collect();
        assert_eq!(subscribed, ["Sent"]);
        let (folders, left_out) = names(planned);
        assert_eq!(
            folders,
            pairs(&[
                ("INBOX", "INBOX"),
                ("INBOX.Entwürfe", "Entwürfe"),
                ("INBOX.Entwürfe2", "Entwürfe2"),
                ("INBOX.inbox", "INBOX/inbox"),
                ("INBOX.Sent", "Sent"),
                ("INBOX.Deleted Items", "Trash"),
                ("INBOX.Work.a/b*", "Work/a_b_"),
            ])
        );
        assert_eq!(left_out, ["INBOX.&bad", "user.ben", "shared.news"]);
        let wishes = Wishes {
            only: vec!["inbox".to_owned(), "user.ben".to_owned()],
            into: Some("Old".to_owned()),
            same_known: false,
        };
        let (folders, left_out) = names(plan(&all, &namespaces, &own(), &wishes));
        assert_eq!((folders, left_out), (pairs(&[("INBOX", "Old"), ("user.ben", "Old/user/ben")]), vec![]));
    }

    #[test]
    fn of_what_shows_all_only_the_rest_is_taken_and_only_where_that_can_be_told() {
        let all = [
            listed(&["\\All"], b'/', "[Gmail]/All Mail"),
            listed(&["\\Important"], b'/', "[Gmail]/Important"),
            listed(&["\\Flagged"], b'/', "[Gmail]/Starred"),
            listed(&["\\Sent"], b'/', "[Gmail]/Sent Mail"),
            listed(&[], b'/', "INBOX"),
        ];
        let with = |same_known, only: &[&str]| {
            let only = only.iter().map(|only| (*only).to_owned()).collect();
            plan(&all, &Namespaces::default(), &own(), &Wishes { only, into: None, same_known })
        };
        let told = with(true, &[]);
        assert!(told.0.last().unwrap().rest_only);
        let inbox_and_sent = [("INBOX", "INBOX"), ("[Gmail]/Sent Mail", "Sent")];
        let with_all = [inbox_and_sent.as_slice(), &[("[Gmail]/All Mail", "Archive")]].concat();
        assert_eq!(names(told).0, pairs(&with_all));
        let (folders, left_out) = names(with(false, &[]));
        assert_eq!((folders, left_out.len()), (pairs(&inbox_and_sent), 3));
        let told = with(false, &["[Gmail]/All Mail"]);
        assert!(!told.0.last().unwrap().rest_only);
        assert_eq!(names(told).0, pairs(&[("[Gmail]/All Mail", "Archive")]));
    }
}
