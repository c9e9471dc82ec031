//! Beside imap-codec, another's grammar of IMAP4rev1 and some extensions: what we write it reads, and what it writes then we read
//! as the same.

use imap::{
    Command, Flag, Grammar, Request, Sequence,
    command::{FetchItem, SearchKey, StatusItem},
};
use imap_codec::{CommandCodec, decode::Decoder, encode::Encoder};
use proptest::prelude::*;

use crate::strategies::request;

/// What imap-codec does not know, and where it departs from the standards. Each with its reason.
fn known_to_both(request: &Request) -> bool {
    !format!("{request:?}").contains('\u{0}') && command(&request.command)
}

fn command(command: &Command) -> bool {
    match command {
        // SEARCHRES, UIDPLUS: `$` is no set there.
        Command::Expunge(set) => set.as_ref().is_none_or(plain),
        Command::Copy(it) | Command::Move(it) => plain(&it.set),
        Command::Store(it) => plain(&it.set),
        // PARTIAL is unknown.
        Command::Fetch(it) => plain(&it.set) && it.page.is_none() && it.items.iter().all(item),
        // ESEARCH is unknown (its issue 379). CHARSET is an atom or quoted, and there only for SEARCH with a known form.
        Command::Search(it) => it.returns.is_none() && key(&it.key),
        Command::Sort(it) => {
            it.returns.is_none()
                && key(&it.key)
                && !it.criteria.iter().any(|by| {
                    matches!(by.key, imap::command::SortKey::DisplayFrom | imap::command::SortKey::DisplayTo)
                })
        }
        Command::Thread(it) => key(&it.key),
        Command::Status { items, .. } => items.iter().copied().all(status_item),
        // Selection and return options are read, but not those of SPECIAL-USE, MYRIGHTS and STATUS.
        Command::List(it) => !it.extended,
        // CREATE with parameters, NOTIFY and rights are unknown.
        Command::Create(it) => it.special_use.is_empty(),
        Command::Notify(_)
        | Command::SetAcl(_)
        | Command::DeleteAcl { .. }
        | Command::GetAcl(_)
        | Command::ListRights { .. }
        | Command::MyRights(_) => false,
        _ => true,
    }
}

fn plain(set: &Sequence) -> bool {
    matches!(set, Sequence::Set(_))
}

fn item(item: &FetchItem) -> bool {
    match item {
        // OBJECTID, PREVIEW and SAVEDATE are unknown.
        FetchItem::EmailId | FetchItem::ThreadId | FetchItem::Preview { .. } | FetchItem::SaveDate => false,
        // Slices there have 32 bits (RFC 3501 §9), ours 63 (RFC 9051 §9).
        FetchItem::Section { slice, .. } | FetchItem::Binary { slice, .. } => slice.is_none(),
        _ => true,
    }
}

fn status_item(item: StatusItem) -> bool {
    !matches!(item, StatusItem::MailboxId | StatusItem::AppendLimit)
}

fn key(wanted: &SearchKey) -> bool {
    match wanted {
        SearchKey::Numbers(set) | SearchKey::Uids(set) => plain(set),
        SearchKey::Larger(octets) | SearchKey::Smaller(octets) => u32::try_from(*octets).is_ok(),
        SearchKey::EmailId(_)
        | SearchKey::ThreadId(_)
        | SearchKey::SaveDateSupported
        | SearchKey::Has(Flag::Extension(_)) => false,
        SearchKey::Date(kind, ..) => *kind != imap::command::DateKind::Saved,
        SearchKey::Not(inner) => key(inner),
        SearchKey::Or(one, other) => key(one) && key(other),
        SearchKey::And(keys) => keys.iter().all(key),
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn another_grammar_reads_what_we_write(request in request().prop_filter("unknown there", known_to_both)) {
        let ours = request.to_octets(false);
        let shown = ours.escape_ascii().to_string();
        let decoded = CommandCodec::default().decode(&ours);
        let Ok((rest, theirs)) = decoded else {
            return Err(TestCaseError::fail(format!("{shown}: {decoded:?}")));
        };
        prop_assert!(rest.is_empty(), "{}", shown);
        let written = CommandCodec::default().encode(&theirs).dump();
        let again = Request::parse(written.strip_suffix(b"\r\n").unwrap(), Grammar::default());
        prop_assert_eq!(again, Ok(request), "{} became {}", shown, written.escape_ascii());
    }
}

/// Commands that both know.
const KNOWN: [&str; 30] = [
    "a LOGIN anna tiger",
    "a LOGIN \"anna b\" {3+}\r\nabc",
    "a AUTHENTICATE PLAIN AGFubmEAdGlnZXI=",
    "a ID (\"name\" \"x\" \"version\" NIL)",
    "a ENABLE CONDSTORE UTF8=ACCEPT",
    "a SELECT INBOX (QRESYNC (1 2 1:5 (1,3 10,12)))",
    "a EXAMINE Entw&APw-rfe (CONDSTORE)",
    "a CREATE a/b",
    "a RENAME \"a b\" &-",
    "a LIST \"\" %",
    "a LSUB #news. comp.%",
    "a STATUS a (MESSAGES UIDNEXT UIDVALIDITY UNSEEN SIZE)",
    "a UID FETCH 1:*,5 (UID BODY.PEEK[1.2.HEADER.FIELDS.NOT (A \"b c\")]<0.9> FLAGS) (CHANGEDSINCE 1)",
    "a FETCH 3 FULL",
    "a FETCH 1 BODY[TEXT]",
    "a STORE 1 (UNCHANGEDSINCE 0) +FLAGS.SILENT (\\Deleted $Junk)",
    "a STORE 1 FLAGS \\Seen \\Draft",
    "a UID MOVE 3:1 Trash",
    "a UID EXPUNGE 5,7:*",
    "a SEARCH CHARSET UTF-8 OR (NEW TEXT {2+}\r\nxy) NOT SINCE 1-Feb-1994",
    "a SEARCH 1:3,5 UNSEEN KEYWORD x UID 5 LARGER 9",
    "a UID SORT (REVERSE DATE CC) UTF-8 HEADER X \"\"",
    "a THREAD REFERENCES US-ASCII ((ALL) UNKEYWORD x)",
    "a SETQUOTA \"\" (STORAGE 512)",
    "a GETQUOTAROOT INBOX",
    "a GETMETADATA (MAXSIZE 9 DEPTH infinity) \"\" (/shared/a)",
    "a SETMETADATA INBOX (/private/a \"x\" /shared/b NIL)",
    "a NOOP",
    "a COMPRESS DEFLATE",
    "a DELETE x",
];

/// Why the one takes what the other refuses.
fn argued(line: &str, error: Option<imap::CommandError>) -> Option<&'static str> {
    let has = |part: &str| line.contains(part);
    match error {
        // It takes what we refuse.
        Some(imap::CommandError::MailboxName) => Some("names are not decoded there"),
        Some(_) if [" 0", ":0", ",0", "[0", ".0", "-0"].into_iter().any(has) => {
            Some("nz-number begins with another digit (RFC 9051 §9)")
        }
        Some(_) if has("METADATA") => Some("entries are paths (RFC 5464 §3.2)"),
        Some(_) if has("QRESYNC") => Some("known sets have no *, and match one by one (RFC 7162 §3.2.5.2)"),
        Some(_) if has("THREAD") => Some("an algorithm that nobody has announced is no command"),
        // We take what it refuses.
        None if has("$") => Some("RFC 5182: $ is a set"),
        None if has("]") => Some("RFC 3501 §9: a character set is an astring"),
        None if has("METADATA") => Some("RFC 5464 §4.2.1: options behind the mailbox"),
        None if has("LIST") => Some("RFC 5258 is known in part there"),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, ..ProptestConfig::default() })]

    #[test]
    fn what_one_takes_the_other_takes(
        known in proptest::sample::select(KNOWN.to_vec()),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), 0..3_u8, "[(){}\"\\\\ +*%<>~,:$A9.\\[\\]0-]"), 1..3),
    ) {
        let mut line = known.to_owned();
        for (at, how, octet) in changes {
            // The tag stays.
            let at = 2 + at.index(line.len() - 2);
            match how {
                0 => line.replace_range(at..=at, ""),
                1 => line.replace_range(at..=at, &octet),
                _ => line.insert_str(at, &octet),
            }
        }
        let ours = Request::parse(line.as_bytes(), Grammar::default());
        let octets = format!("{line}\r\n");
        let theirs = matches!(CommandCodec::default().decode(octets.as_bytes()), Ok((rest, _)) if rest.is_empty());
        if ours.is_ok() != theirs {
            let error = ours.err().map(|rejected| rejected.error);
            prop_assert!(argued(&line, error).is_some(), "{:?}: ours {:?}, theirs {}", line, error, theirs);
        }
    }
}
