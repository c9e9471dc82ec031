//! Hashes that other programs made of `tiger`: Dovecot's `doveadm pw`, crypt(3), and ours.

use super::*;

const OF_TIGER: [&str; 15] = [
    "tiger",
    "{PLAIN}tiger",
    "{SHA512-CRYPT}$6$BrVhMsjT4rA59ds8$0SGwBz4S23oC578jblr7J56nqIqBnQUtkO9bBYrLNoAQRaKnWzYvhEjwNfVFQX/d6ISB6lEvAsoQMrjJKNKpf/",
    "{SHA256-CRYPT}$5$4NnvOMeZ4eVja9xP$USoimz0bqXUfHjTikSyf8ztD2dI6HY4yiJ38BL9rFw7",
    "{BLF-CRYPT}$2y$05$KAUvnMEgonBOyaPMZ0Pw8uJ3A3NIeguVCOUguNxp5EAOZ0kzviwBK",
    "$2b$05$abcdefghijklmnopqrstuuidFhfDZGjd4MKbhrHXQQrcYS1IRYxwe",
    "$6$rounds=10000$saltsalt$N3fA1rnS.lCu/88NbtOwen64pXQPI6f.z.XU38C.sHRrDJ6UTKk2.LitYh7HONs3denegsaYKOZ93xX20m//B.",
    "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$qC/uk18sJlndpuBbEl0JKeUHhok1zgOVv2uBJB4HJr0",
    "{CRYPT}$y$j9T$F5Jx5fExrKuPp53xLKQ..1$qC/uk18sJlndpuBbEl0JKeUHhok1zgOVv2uBJB4HJr0",
    "{SSHA}Zr2CynKcuOJ7VsiV3EHTi2lMRFEeYdae",
    "{ssha256}7YXSRt/G/J9WvVqIoh7s3K1MbJk9kvEL8UcgzdsgLE+5ecas",
    "{SSHA512}iOV1ndacAQw4e6C2HaQZ+x9LOoupvqL5BiuSFKgAXIB5hlILfLA+0Eo+Yvbm/fNVY/XtMSm6Pl9xeSJKSex79gBwyTw=",
    "{SHA256}8VwWuZ+C2CAXZ9OoQf9AhJyKG4Ev+/0uOT0raqZoKm4=",
    "{SHA}RuPXcqGIjq3/JsetpH/XUC15bgc=",
    "{SHA512.HEX}91f325261bca90f05e2175299e9fee045003017047114b3662b79201d05342edc72d4f5ba805ac9961f2f43c66234b5070e9d4c67dd324198afb00eee4c916ea",
];
const ARGON2ID_OF_TIGER: &str = "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$FKNaVkcunIW4ig2VP7bVHA$NPsVJd5fyYxnr+mcMSlWUuYs9wpPzLoHc1i5StHBNxQ";

fn verifier(text: &str) -> Verifier {
    Verifier::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"))
}

#[test]
fn what_other_servers_kept_is_understood() {
    for text in OF_TIGER {
        let kept = verifier(text);
        assert!(kept.is("tiger"), "{text}");
        assert!(!kept.is("Tiger") && !kept.is("tiger ") && !kept.is(""), "{text}");
        assert!(kept.is_weak(), "{text}");
    }
    let kept = verifier(ARGON2ID_OF_TIGER);
    assert!(kept.is("tiger") && !kept.is("tigre") && !kept.is_weak());
}

#[test]
fn what_we_keep_is_argon2id_and_strong_enough() {
    let hash = hash_password("tiger").unwrap().unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    let kept = verifier(&hash);
    assert!(kept.is("tiger") && !kept.is("tigre") && !kept.is_weak() && kept.is_slow());
    assert_ne!(hash_password("tiger"), Ok(Some(hash)), "each has a salt of its own");
    assert!(
        verifier("$argon2id$v=19$m=4096,t=1,p=1$c29tZXNhbHQ$WEw2oo6pIAdEFDWwXhvSWGxGZ8mVkHcRwZ5ySzNpeN4")
            .is_weak()
    );
}

#[test]
fn a_password_is_the_same_from_any_keyboard() {
    assert!(verifier("t\u{fc}r").is("tu\u{308}r"));
    assert!(verifier(&hash_password("t\u{fc}r").unwrap().unwrap()).is("tu\u{308}r"));
    // Hashed by a server that took the octets as they came.
    let kept = verifier("$5$saltsalt$Y9JsjDdPLIAGkAJV9r/9d83jixLsRjxmDtLzCKQp3a9");
    assert!(kept.is("t\u{fc}r") && kept.is("tu\u{308}r") && !kept.is("tur"));
    assert_eq!(Verifier::parse("a\u{7}"), Err(BadPassword::Prohibited));
    assert_eq!(hash_password("a\u{7}"), Err(BadPassword::Prohibited));
}

#[test]
fn what_is_no_hash_or_costs_too_much_is_refused() {
    use BadPassword::{Malformed, TooCostly, UnknownKind};
    for (text, why) in [
        ("$", UnknownKind),
        ("$1$saltsalt$qAJipg6knFNk327HJvFhb/", UnknownKind),
        ("$7$x$y", UnknownKind),
        ("{MD5}xxxx", UnknownKind),
        ("{CRAM-MD5}xxxx", UnknownKind),
        ("{SSHA.B32}xxxx", UnknownKind),
        ("$6$saltsalt$short", Malformed),
        (
            "$6$rounds=x$saltsalt$N3fA1rnS.lCu/88NbtOwen64pXQPI6f.z.XU38C.sHRrDJ6UTKk2.LitYh7HONs3denegsaYKOZ93xX20m//B.",
            Malformed,
        ),
        (
            "$6$rounds=5000001$saltsalt$N3fA1rnS.lCu/88NbtOwen64pXQPI6f.z.XU38C.sHRrDJ6UTKk2.LitYh7HONs3denegsaYKOZ93xX20m//B.",
            TooCostly,
        ),
        ("$2b$05$abcdefghijklmnopqrstuuidFhfDZGjd4MKbhrHXQQrcYS1IRYxw", Malformed),
        ("$2b$16$abcdefghijklmnopqrstuuidFhfDZGjd4MKbhrHXQQrcYS1IRYxwe", TooCostly),
        ("$y$j9T$F5Jx5fExrKuPp53xLKQ..1$", Malformed),
        ("$y$jDT$F5Jx5fExrKuPp53xLKQ..1$qC/uk18sJlndpuBbEl0JKeUHhok1zgOVv2uBJB4HJr0", TooCostly),
        ("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ", Malformed),
        (
            "$argon2id$v=19$m=1048576,t=2,p=1$FKNaVkcunIW4ig2VP7bVHA$NPsVJd5fyYxnr+mcMSlWUuYs9wpPzLoHc1i5StHBNxQ",
            TooCostly,
        ),
        ("{SSHA}RuPXcqGIjq3/JsetpH/XUC15bgc=", Malformed),
        ("{SHA}Zr2CynKcuOJ7VsiV3EHTi2lMRFEeYdae", Malformed),
        ("{SHA}tiger", Malformed),
        ("{SHA512.HEX}91", Malformed),
    ] {
        assert_eq!(Verifier::parse(text), Err(why), "{text}");
    }
    for plain in ["{", "{}x", "{a b}c", "tiger$6$", "}"] {
        assert!(verifier(plain).is(plain), "{plain}");
    }
}
