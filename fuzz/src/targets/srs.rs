//! Reverse-paths that are rewritten and signed: what we make comes back, and what we did not make is not believed.
//!
//! The first octet is a day, the rest an address.

use mail::{Address, Domain, Timestamp};
use message_auth::srs::{Restored, ReturnKeys, Rewritten};

pub(crate) fn run(octets: &[u8]) {
    let Some((day, text)) = octets.split_first() else { return };
    let Some(address) = std::str::from_utf8(text).ok().and_then(|text| text.parse::<Address>().ok()) else {
        return;
    };
    let now = Timestamp::from_millis(u64::from(*day) * 24 * 60 * 60 * 1000);
    let (keys, others) = (ReturnKeys::new(["ours"], 21).unwrap(), ReturnKeys::new(["theirs"], 21).unwrap());
    // No fuzzer makes a tag of forty bits by chance; one of twenty-four, perhaps, so that one is left.
    if let Some(restored) = keys.restore(&address, now) {
        assert!(restored.is_err(), "{address} was believed");
    }
    let _ = keys.signed(&address, now);
    let via = Domain::parse("ours.example").unwrap();
    match keys.rewrite(&address, &via, now).unwrap() {
        Rewritten::Whole(made) => {
            let Some(Ok(Restored::Address(back))) = keys.restore(&made, now) else { panic!("{made}") };
            let again = keys.rewrite(&back, &via, now);
            assert_eq!(again, Some(Rewritten::Whole(made.clone())), "{address}");
            checked(&made);
            assert!(others.restore(&made, now).is_none_or(|theirs| theirs.is_err()));
        }
        Rewritten::Kept { address: made, name } => {
            assert_eq!(keys.restore(&made, now), Some(Ok(Restored::Kept(name))));
            checked(&made);
        }
    }
    if let Some(signed) = keys.sign(&address, now) {
        assert_eq!(keys.signed(&signed, now), Some(Ok(address)));
    }
}

fn checked(made: &Address) {
    assert_eq!(made.to_string().parse::<Address>().as_ref(), Ok(made));
    assert!(made.to_string().is_ascii());
}
