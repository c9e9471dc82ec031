//! Reverse-paths that are rewritten and signed, and those that only look so.

use mail::{Address, Domain, Timestamp};
use message_auth::srs::{LIFETIME_DAYS, Restored, ReturnKeys, Rewritten, Untrue, is_rewritten};

const DAY: u64 = 20_000;

fn keys(secrets: &[&str]) -> ReturnKeys {
    ReturnKeys::new(secrets, LIFETIME_DAYS).unwrap()
}

fn on(day: u64) -> Timestamp {
    Timestamp::from_millis(day * 24 * 60 * 60 * 1000 + 12_345)
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn rewritten(sender: &str) -> Rewritten {
    let via = Domain::parse("mx.example.net").unwrap();
    keys(&["a secret"]).rewrite(&address(sender), &via, on(DAY)).unwrap()
}

fn whole(sender: &str) -> Address {
    match rewritten(sender) {
        Rewritten::Whole(address) => address,
        kept @ Rewritten::Kept { .. } => panic!("{kept:?}"),
    }
}

fn restored(text: &Address, day: u64) -> Result<String, Untrue> {
    match keys(&["a secret"]).restore(text, on(day)).unwrap()? {
        Restored::Address(address) => Ok(address.to_string()),
        Restored::Kept(name) => Ok(format!("kept {name}")),
    }
}

/// The vectors are of `Mail::SRS` with the same digest (`auth_judges/srs.pl` in the crate e2e).
#[test]
fn addresses_are_those_of_the_reference() {
    for (sender, expected) in [
        ("anna@example.org", "SRS0=YFET2LIF=RA=example.org=anna@mx.example.net"),
        ("Bounce+x=y@Example.org", "SRS0=H4VXM57I=RA=example.org=Bounce+x=y@mx.example.net"),
        (
            "SRS0=ABCDEFGH=AB=a.example=u@fwd.example",
            "SRS1=W7LGY3N6=fwd.example==ABCDEFGH=AB=a.example=u@mx.example.net",
        ),
        (
            "SRS0+ABCD=AB=a.example=u@fwd.example",
            "SRS1=M2WOZYVO=fwd.example=+ABCD=AB=a.example=u@mx.example.net",
        ),
        (
            "SRS1=ABCDEFGH=fwd.example==AB=CD=a.example=u@other.example",
            "SRS1=HGFOWRIB=fwd.example==AB=CD=a.example=u@mx.example.net",
        ),
    ] {
        assert_eq!(whole(sender).to_string(), expected);
    }
}

#[test]
fn what_was_rewritten_comes_back_in_any_case() {
    for (sender, back) in [
        ("anna@example.org", "anna@example.org"),
        ("a=b=c@example.org", "a=b=c@example.org"),
        ("x@b\u{fc}cher.example", "x@xn--bcher-kva.example"),
        ("SRS0=ABCD=AB=a.example=u@fwd.example", "SRS0=ABCD=AB=a.example=u@fwd.example"),
        ("srs0-ABCD=AB=a.example=u@fwd.example", "SRS0-ABCD=AB=a.example=u@fwd.example"),
        ("SRS1=ABCD=fwd.example==X=Y=a.example=u@b.example", "SRS0=X=Y=a.example=u@fwd.example"),
    ] {
        let address = whole(sender);
        assert!(is_rewritten(address.local_part()));
        assert_eq!(restored(&address, DAY).unwrap(), back);
        for changed in [address.to_string().to_lowercase(), address.to_string().to_uppercase()] {
            let address: Address = changed.parse().unwrap();
            assert!(restored(&address, DAY).unwrap().eq_ignore_ascii_case(back), "{changed}");
        }
    }
}

#[test]
fn a_sender_without_room_is_kept_by_name() {
    let long = format!("{}@example.org", "x".repeat(64));
    for sender in [&*long, "\"an na\"@example.org", "ann\u{e4}@example.org", "a@[192.0.2.1]"] {
        let Rewritten::Kept { address, name } = rewritten(sender) else { panic!("{sender}") };
        assert!(address.local_part().len() <= 64 && !address.is_utf8());
        assert_eq!(restored(&address, DAY).unwrap(), format!("kept {name}"), "{sender}");
        let shouted: Address = address.to_string().to_uppercase().parse().unwrap();
        assert_eq!(restored(&shouted, DAY).unwrap(), format!("kept {name}"));
        assert_eq!(rewritten(sender), Rewritten::Kept { address, name }, "the same each time");
    }
}

#[test]
fn an_address_ends_with_its_time() {
    let (address, life) = (whole("anna@example.org"), u64::from(LIFETIME_DAYS));
    assert!(restored(&address, DAY + life).is_ok());
    assert!(restored(&address, DAY - 1).is_ok(), "the clock of another node is ahead");
    assert_eq!(restored(&address, DAY + life + 1), Err(Untrue::Expired));
    assert_eq!(restored(&address, DAY - 2), Err(Untrue::Expired));
    assert!(restored(&address, DAY + 1024).is_ok(), "two letters come again after 1024 days");
}

#[test]
fn nothing_of_an_address_can_be_changed() {
    let address = whole("anna@example.org").to_string();
    let (local, domain) = address.split_once('@').unwrap();
    let mut tried = 0;
    for place in 5..local.len() {
        for letter in ['a', 'B', '7', '=', 'z'] {
            let mut changed: Vec<char> = local.chars().collect();
            if changed[place].eq_ignore_ascii_case(&letter) {
                continue;
            }
            changed[place] = letter;
            let text = format!("{}@{domain}", changed.iter().collect::<String>());
            let Ok(changed) = text.parse::<Address>() else { continue };
            assert_eq!(restored(&changed, DAY), Err(Untrue::Forged), "{text}");
            tried += 1;
        }
    }
    assert!(tried > 100);
    for forged in [
        "SRS0==RA=example.org=anna",
        "SRS0=Y=RA=example.org=anna",
        "SRS0=YFET2LIF",
        "SRS0=",
        "SRS1=YFET2LIF=RA=example.org=anna",
        "SRS0=YFET2LIF=RA=example.organna",
        "SRS1=W7LGY3N6=fwd.example",
    ] {
        assert_eq!(restored(&format!("{forged}@mx.example.net").parse().unwrap(), DAY), Err(Untrue::Forged));
    }
}

#[test]
fn a_tag_of_one_kind_is_none_of_another() {
    let keys = keys(&["a secret"]);
    let address = whole("SRS0=ABCDEFGH=AB=a.example=u@fwd.example").to_string();
    let other = address.replacen("SRS1", "SRS0", 1).parse().unwrap();
    assert_eq!(restored(&other, DAY), Err(Untrue::Forged));
    let signed = keys.sign(&"anna@example.org".parse().unwrap(), on(DAY)).unwrap();
    assert!(keys.restore(&signed, on(DAY)).is_none());
}

#[test]
fn what_is_no_rewritten_address_is_left_alone() {
    for text in ["anna@example.org", "srs0@example.org", "SRS2=a=b@x.example", "srs@x.example", "s@x.example"]
    {
        assert!(keys(&["a"]).restore(&text.parse().unwrap(), on(DAY)).is_none(), "{text}");
    }
}

#[test]
fn an_old_secret_is_believed_and_makes_nothing() {
    let (old, both, new) = (keys(&["old"]), keys(&["new", "old"]), keys(&["new"]));
    let via = Domain::parse("mx.example.net").unwrap();
    let sender = "anna@example.org".parse().unwrap();
    let made = |keys: &ReturnKeys| match keys.rewrite(&sender, &via, on(DAY)).unwrap() {
        Rewritten::Whole(address) => address,
        kept @ Rewritten::Kept { .. } => panic!("{kept:?}"),
    };
    assert!(both.restore(&made(&old), on(DAY)).unwrap().is_ok());
    assert_eq!(made(&both), made(&new));
    assert_eq!(new.restore(&made(&old), on(DAY)), Some(Err(Untrue::Forged)));
    let signed = old.sign(&sender, on(DAY)).unwrap();
    assert_eq!(both.signed(&signed, on(DAY)), Some(Ok(sender.clone())));
    assert_eq!(new.signed(&signed, on(DAY)), Some(Err(Untrue::Forged)));
}

#[test]
fn a_signed_reverse_path_is_its_senders_for_a_while() {
    let (keys, sender) = (keys(&["a secret"]), "Anna.B@example.org".parse().unwrap());
    let signed = keys.sign(&sender, on(DAY)).unwrap();
    let text = signed.to_string();
    assert!(text.starts_with("prvs=0021") && text.ends_with("=Anna.B@example.org"), "{text}");
    assert_eq!(text.len(), "prvs=0021012345=Anna.B@example.org".len());
    assert_eq!(keys.sign(&signed, on(DAY)), None, "once is enough");
    let life = u64::from(LIFETIME_DAYS);
    for (day, expected) in [
        (DAY, Ok(sender.clone())),
        (DAY + life, Ok(sender.clone())),
        (DAY + life + 1, Err(Untrue::Expired)),
        (DAY - 1, Err(Untrue::Expired)),
    ] {
        assert_eq!(keys.signed(&signed, on(day)), Some(expected), "{day}");
    }
    let shouted: Address = text.to_uppercase().parse().unwrap();
    assert!(keys.signed(&shouted, on(DAY)).unwrap().is_ok());
    let other: Address = text.replace("example.org", "example.net").parse().unwrap();
    assert_eq!(keys.signed(&other, on(DAY)), Some(Err(Untrue::Forged)));
    let other: Address = text.replace("=Anna.B", "=Anna.C").parse().unwrap();
    assert_eq!(keys.signed(&other, on(DAY)), Some(Err(Untrue::Forged)));
    let later: Address = text.replace("0021", "0031").parse().unwrap();
    assert_eq!(keys.signed(&later, on(DAY)), Some(Err(Untrue::Forged)));
    let long: Address = format!("{}@example.org", "x".repeat(60)).parse().unwrap();
    assert_eq!(keys.sign(&long, on(DAY)), None);
    for plain in [
        "anna@example.org",
        "prvs=1@example.org",
        "prvs=0021abcdef@example.org",
        "prvs=002xabcdef=a@x.example",
    ] {
        assert_eq!(keys.signed(&plain.parse().unwrap(), on(DAY)), None, "{plain}");
    }
}
