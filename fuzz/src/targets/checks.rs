//! All checks of a message as `receive` makes them, whatever it says and whatever the DNS says.
//!
//! The first octet is the size of pieces, the second chooses who brings it; lines of a DNS, an empty line, then the content.

use std::{net::IpAddr, sync::Arc};

use mail::ReversePath;
use message::HeaderSection;
use message_auth::results::is_ours;
use receive::parts::{Checked, check};
use tokio::runtime::Builder;

use super::results::{ID, claims};
use crate::{scripted::Scripted, source::pieces};

/// RFC 7208 §4.6.4 for two identities, a key for each signature and seal, the client's names and DMARC's walks.
const QUESTIONS_MAX: usize = 320;
const FIELD_OCTETS_MAX: usize = 4096;
/// Within the time of the signatures in the corpus.
const NOW: u64 = 1_796_018_300;

pub(crate) fn run(octets: &[u8]) {
    let [size, choice, rest @ ..] = octets else { return };
    let (script, content) = halves(rest);
    let Ok(found) = checked(script, content, *size, *choice) else {
        panic!("a content of a few thousand octets is not refused");
    };
    let whole = checked(script, content, 0, *choice);
    assert_eq!(whole.as_ref(), Ok(&found), "cut otherwise, it is another");
    assert_eq!(found.kept, without_forged(content), "{}", content.escape_ascii());
    let kept = HeaderSection::read(&found.kept);
    assert!(!kept.fields().any(|field| claims(&field)), "a forged one stays: {}", content.escape_ascii());
    assert!(found.field.len() <= FIELD_OCTETS_MAX);
    let section = HeaderSection::read(&found.field);
    assert!(section.fields().count() == 1 && section.octets() == found.field, "one field, whole");
    for method in ["spf=", "dkim=", "dmarc=", "iprev="] {
        assert!(found.told.contains(method), "{method} {}", found.told);
    }
}

/// The DNS and the content.
fn halves(octets: &[u8]) -> (&[u8], &[u8]) {
    let gap = octets.windows(2).position(|pair| pair == b"\n\n");
    gap.map_or((&[], octets), |gap| (&octets[..gap], &octets[gap + 2..]))
}

fn checked(script: &[u8], content: &[u8], size: u8, choice: u8) -> Result<Checked, mail::Reply> {
    let clients: [IpAddr; 2] = [[192, 0, 2, 1].into(), [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()];
    let hellos =
        [Some("mail.example.org"), None, Some("[192.0.2.1]"), Some("x"), Some("b\u{fc}cher.example")];
    let paths = [Some("anna@example.org"), None, Some("\"a b\"@sub.example.org"), Some("x@[192.0.2.1]")];
    let path = paths[usize::from(choice >> 4) % 4];
    let path = path.map_or(ReversePath::Null, |path| ReversePath::Address(path.parse().unwrap()));
    let dns = Arc::new(Scripted::new(script));
    let size = if size == 0 { u8::MAX } else { size };
    let check = check(
        ID,
        NOW,
        pieces(content, size).map(<[u8]>::to_vec),
        (clients[usize::from(choice) % 2], hellos[usize::from(choice >> 1) % 5], &path),
        Arc::<Scripted>::clone(&dns),
    );
    let found = Builder::new_current_thread().enable_time().build().unwrap().block_on(check);
    assert!(dns.asked() <= QUESTIONS_MAX, "{} questions", dns.asked());
    found
}

/// What is to be left, field by field: what stands before them and behind them is kept.
fn without_forged(content: &[u8]) -> Vec<u8> {
    let section = HeaderSection::read(content);
    let begin = section.octets().as_ptr().addr() - content.as_ptr().addr();
    let mut kept = content[..begin].to_vec();
    let fields = section.fields().filter(|field| !is_ours(field, ID));
    fields.for_each(|field| kept.extend_from_slice(field.octets()));
    kept.extend_from_slice(&content[begin + section.octets().len()..]);
    kept
}
