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
