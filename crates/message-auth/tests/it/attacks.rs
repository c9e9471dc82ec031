//! Attacks on what a receiver believes, by the numbers of `docs/design/attacks.md`.

use std::fmt::Write as _;

use message_auth::{
    DomainName,
    arc::{ArcReason, Broken, ChainStatus},
    dkim::{Algorithm, DkimResult, Reason, Unusable},
    dmarc::{DmarcResult, Evidence, Policy},
    spf::{self, SpfResult},
};
use testkit::dns::FakeDns;

use crate::{arc, dkim};

const NOW: u64 = 1_800_000_000;
const MESSAGE: &str = "From: Anna <anna@example.org>\r\nTo: bert@example.net\r\nSubject: x\r\n\r\nHello.\r\n";
/// The public part of the test key of RFC 8410.
const KEY: &str =
    "s1._domainkey.example.org TXT \"k=ed25519; p=Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\"";
/// Signed by dkimpy with that key, with the length of its body.
const WITH_LENGTH: &str = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.org;\r\n\
    \x20i=@example.org; l=6; q=dns/txt; s=s1; t=1796018223; h=from : to :\r\n\
    \x20subject : from; bh=LVlqWrI8bvjK0Vjyw9hj94D/ip0k/tCu4i5W92ddeso=;\r\n\
    \x20b=NZaXm+m7R2G/yBlX6lgCzdZ2fV7+nmoX0J+3gynN59mLj87/x88gah032xwY9aVWGWhwK\r\n\
    \x20zgKMGSyAIpG7un4DQ==\r\n\
    From: a@example.org\r\n\
    To: b@c.org\r\n\
    Subject:  a\r\n\
    \tb \r\n\
    \r\n\
    \x20a  b \r\n\
    \r\n\
    \r\n";

async fn dkim_of(message: &str, dns: &FakeDns) -> (DkimResult, Option<Reason>) {
    let outcomes = dkim::outcomes(message, NOW, dns).await;
    (outcomes[0].result, outcomes[0].reason.clone())
}

/// 23: text, and a Content-Type that shows it alone, behind what a signature with `l=` covers.
#[tokio::test]
async fn dkim_l_does_not_cover_what_is_appended() {
    let dns = FakeDns::new(KEY);
    assert_eq!(dkim_of(WITH_LENGTH, &dns).await, (DkimResult::Pass, None));
    for appended in ["x", "\r\n--b\r\nContent-Type: text/html\r\n\r\n<h1>pay</h1>\r\n"] {
        let longer = format!("{WITH_LENGTH}{appended}");
        assert_eq!(
            dkim_of(&longer, &dns).await,
            (DkimResult::Policy, Some(Reason::BodyGoesOn)),
            "{appended}"
        );
        let typed = format!("Content-Type: multipart/mixed; boundary=b\r\n{longer}");
        assert_eq!(dkim_of(&typed, &dns).await.0, DkimResult::Policy);
    }
    let none = WITH_LENGTH.replacen("l=", "l=0", 1);
    assert_ne!(dkim_of(&none, &dns).await.0, DkimResult::Pass);
}

/// 23: none of ours leaves anything of a body out, nor lets a field be added that changes what is shown.
#[tokio::test]
async fn dkim_signatures_of_ours_cover_all_of_a_body_and_how_it_is_shown() {
    let signer = dkim::signer(Algorithm::Ed25519Sha256);
    let (dns, message) = (dkim::zone(&signer), dkim::signed(&signer, MESSAGE));
    assert!(!message.contains("l="), "{message}");
    for added in [
        "Content-Type: text/html",
        "From: m@bank.example",
        "To: x@y.org",
        "Subject: y",
        "Date: now",
        "Message-ID: <1@x>",
    ] {
        let changed = format!("{added}\r\n{message}");
        assert_eq!(dkim::outcomes(&changed, dkim::NOW, &dns).await[0].result, DkimResult::Fail, "{added}");
    }
}

/// 24: a good message that is sent again, to others and later.
#[tokio::test]
async fn dkim_replay_ends_with_the_signature_and_cannot_change_whom_it_is_for() {
    let signer = dkim::signer(Algorithm::Ed25519Sha256);
    let (dns, message) = (dkim::zone(&signer), dkim::signed(&signer, MESSAGE));
    assert_eq!(dkim::outcomes(&message, dkim::NOW + 1000, &dns).await[0].result, DkimResult::Pass);
    let late = dkim::outcomes(&message, dkim::NOW + 1001, &dns).await;
    assert_eq!((late[0].result, late[0].reason.clone()), (DkimResult::Fail, Some(Reason::Expired)));
    // Without asking for the key again.
    dns.forget_queries();
    dkim::outcomes(&message, dkim::NOW + 1001, &dns).await;
    assert_eq!(dns.queries(), Vec::<String>::new());
    for (from, to) in
        [("To: bert", "To: carl"), ("\r\nTo: ", "\r\nCc: carl@example.net\r\nTo: "), ("x=", "x=9")]
    {
        let changed = message.replacen(from, to, 1);
        assert_ne!(changed, message);
        assert_eq!(dkim::outcomes(&changed, dkim::NOW, &dns).await[0].result, DkimResult::Fail, "{from}");
    }
}

/// 25: keys that anybody can break, that were withdrawn, or that are for trying out; and SHA-1.
#[tokio::test]
async fn dkim_weak_old_and_test_keys_lend_no_belief() {
    let empty = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let field = |algorithm: &str, proof: &str| {
        format!(
            "DKIM-Signature: v=1; a={algorithm}; c=relaxed/relaxed; d=example.org; s=s1; h=from; bh={empty}; b={proof}\r\n\
             From: anna@example.org\r\n\r\n"
        )
    };
    // 512 bits.
    let short = format!("{}==", "A".repeat(86));
    let weak = FakeDns::new(
        "s1._domainkey.example.org TXT \"k=rsa; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALRiMLAh9iimur8VA7qVvdqxevEuUkW4K+2KdMXmnQbG9Aa7k7eBjK1S+0LYmVjPKlJGNXHDGuy5Fw/d7rjVJ0BLB+ubPK8iA/Tw3hLQgXMRRGRXXCn8ikfuQfjUS1uZSatdLB81mydBETlJhI6GH4twrbDJCR2Bwy/XWXgqgGRzAgMBAAE=\"",
    );
    assert_eq!(dkim_of(&field("rsa-sha256", &short), &weak).await.0, DkimResult::Policy);
    let sha1 = dkim_of(&field("rsa-sha1", &short), &weak).await;
    assert_eq!(sha1, (DkimResult::Policy, Some(Reason::Unusable(Unusable::Sha1))));
    let revoked = FakeDns::new("s1._domainkey.example.org TXT \"v=DKIM1; k=ed25519; p=\"");
    assert_eq!(dkim_of(WITH_LENGTH, &revoked).await.0, DkimResult::PermError);
    let testing = FakeDns::new(&KEY.replace("k=ed25519", "t=y; k=ed25519"));
    let outcomes = dkim::outcomes(WITH_LENGTH, NOW, &testing).await;
    assert!(outcomes[0].result == DkimResult::Pass && outcomes[0].testing, "marked");
    assert_eq!(dkim_of(&WITH_LENGTH.replace("Subject", "X"), &testing).await.0, DkimResult::Neutral);
}

/// 26: keys with tags of other times, behind aliases, among other records, and more than anybody has.
#[tokio::test]
async fn dkim_odd_keys_are_read_with_patience_and_within_bounds() {
    let name = "s1._domainkey.example.org";
    let key = "k=ed25519; p=Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
    let many: Vec<String> = (0..70).map(|number| format!("t{number}=x")).collect();
    for (zone, result) in [
        (format!("{name} TXT \"v=DKIM1; g=*; n=note; zz=1; {key}\""), DkimResult::Pass),
        (format!("{name} TXT \"{}; {key}\"", many.join("; ")), DkimResult::PermError),
        (format!("{name} TXT \"{key}; p=AAAA\""), DkimResult::PermError),
        (format!("{name} CNAME k.x.org\nk.x.org CNAME l.x.org\nl.x.org TXT \"{key}\""), DkimResult::Pass),
        (format!("{name} CNAME k.x.org\nk.x.org CNAME {name}"), DkimResult::TempError),
        (format!("{name} TXT \"one\"\n{name} TXT \"two\"\n{name} TXT \"{key}\""), DkimResult::Pass),
        (
            format!("{name} TXT \"1\"\n{name} TXT \"2\"\n{name} TXT \"3\"\n{name} TXT \"{key}\""),
            DkimResult::PermError,
        ),
    ] {
        let dns = FakeDns::new(&zone);
        assert_eq!(dkim_of(WITH_LENGTH, &dns).await.0, result, "{zone}");
        assert_eq!(dns.queries().len(), 1);
    }
}

async fn spf_of(zone: &str) -> (SpfResult, usize) {
    let dns = FakeDns::new(zone);
    let query = spf::Query {
        client: "192.0.2.1".parse().unwrap(),
        helo: "mail.client.test",
        local_part: Some("anna"),
        domain: "example.org",
        receiver: "mx.here.test",
        now: NOW,
    };
    let verdict = spf::check(query, &dns).await;
    (verdict.result, dns.queries().len())
}

/// 27: records that would have us ask hundreds of names of somebody else.
#[tokio::test]
async fn spf_is_no_amplifier() {
    let includes = |name: &str| -> String {
        let terms: Vec<String> = (0..10).map(|number| format!("include:{number}.{name}")).collect();
        format!("{name} TXT \"v=spf1 {} -all\"", terms.join(" "))
    };
    // A tree of a thousand records.
    let mut tree = includes("example.org");
    for first in 0..10 {
        write!(tree, "\n{}", includes(&format!("{first}.example.org"))).unwrap();
        for second in 0..10 {
            write!(tree, "\n{}", includes(&format!("{second}.{first}.example.org"))).unwrap();
        }
    }
    let (result, asked) = spf_of(&tree).await;
    assert!(result == SpfResult::PermError && asked <= 11, "{result} {asked}");
    // Ten terms with ten hosts each are as much as there is.
    let mut broad = "example.org TXT \"v=spf1".to_owned();
    for term in 0..10 {
        write!(broad, " mx:v{term}.org").unwrap();
    }
    broad += " -all\"";
    for term in 0..10 {
        for host in 0..10 {
            write!(broad, "\nv{term}.org MX 10 h{host}.v{term}.org\nh{host}.v{term}.org A 198.51.100.9")
                .unwrap();
        }
    }
    let (result, asked) = spf_of(&broad).await;
    assert!(result == SpfResult::Fail && asked <= 1 + 110, "{result} {asked}");
    // Names that do not exist, and aliases in a circle.
    let (result, asked) =
        spf_of("example.org TXT \"v=spf1 a:1.x.org ptr exists:2.x.org a:3.x.org a:4.x.org -all\"").await;
    assert!(result == SpfResult::PermError && asked <= 4, "{result} {asked}");
    let circle = "example.org TXT \"v=spf1 a:a.org -all\"\na.org CNAME b.org\nb.org CNAME a.org";
    assert_eq!(spf_of(circle).await, (SpfResult::TempError, 2));
    for endless in ["include:example.org", "redirect=example.org"] {
        let (result, asked) = spf_of(&format!("example.org TXT \"v=spf1 {endless}\"")).await;
        assert!(result == SpfResult::PermError && asked <= 11, "{endless}: {result} {asked}");
    }
}

async fn dmarc_of(zone: &str, author: &str, signer: &str) -> (DmarcResult, Policy, usize) {
    let dns = FakeDns::new(zone);
    let (author, signer) = (DomainName::parse(author).unwrap(), DomainName::parse(signer).unwrap());
    let evidence = Evidence { author: &author, spf: None, dkim: &[signer] };
    let verdict = message_auth::dmarc::check(evidence, &dns).await;
    (verdict.result, verdict.policy, dns.queries().len())
}

/// 30: names and records by which one reader could be led to another policy than its owner's.
#[tokio::test]
async fn dmarc_is_not_misled_by_names_and_records() {
    use DmarcResult::{Fail, None, Pass};
    let reject = "_dmarc.bank.example TXT \"v=DMARC1; p=reject; sp=reject\"\nbank.example A 192.0.2.1\nx.bank.example A 192.0.2.1";
    for (zone, author, signer, result, policy) in [
        (reject, "bank.example", "evil.test", Fail, Policy::Reject),
        (reject, "BANK.example.", "bank.EXAMPLE", Pass, Policy::Reject),
        (reject, "x.bank.example", "bank.example", Pass, Policy::Reject),
        (reject, "bank.example", "notbank.example", Fail, Policy::Reject),
        (reject, "bank.example", "example", Fail, Policy::Reject),
        (reject, "x.bank.example", "evil.test", Fail, Policy::Reject),
        // Two records are none, and so are those of others' versions.
        (
            "_dmarc.bank.example TXT \"v=DMARC1; p=none\"\n_dmarc.bank.example TXT \"v=DMARC1; p=reject\"",
            "bank.example",
            "evil.test",
            None,
            Policy::None,
        ),
        // An organization below a public suffix is not its neighbour.
        (
            "_dmarc.co.example TXT \"v=DMARC1; p=reject; psd=y\"\na.co.example A 192.0.2.1",
            "a.co.example",
            "b.co.example",
            Fail,
            Policy::Reject,
        ),
        // One name in two spellings.
        (
            "_dmarc.xn--bcher-kva.example TXT \"v=DMARC1; p=reject\"",
            "b\u{fc}cher.example",
            "xn--bcher-kva.example",
            Pass,
            Policy::Reject,
        ),
    ] {
        let (found, asked_for, _) = dmarc_of(zone, author, signer).await;
        assert_eq!((found, asked_for), (result, policy), "{author} by {signer}: {zone}");
    }
    // However many labels a name has.
    let deep = format!("{}bank.example", "a.".repeat(100));
    let (_, policy, asked) = dmarc_of(reject, &deep, &deep).await;
    assert!(policy == Policy::Reject && asked <= 12, "{policy:?} {asked}");
}

/// 31: whoever seals can write anything; the verdict names all who did, and a chain that was changed is worth nothing.
#[tokio::test]
async fn arc_tells_whose_word_it_is_and_a_broken_chain_stays_broken() {
    let liar = dkim::signer(Algorithm::Ed25519Sha256);
    let dns = dkim::zone(&liar);
    let sealed = arc::sealed(&liar, MESSAGE, &dns).await;
    let found = arc::outcome(&sealed, &dns).await;
    assert_eq!((found.status, &*found.sealers), (ChainStatus::Pass, &["example.org".into()][..]));
    // Another's name on the seal does not make it another's.
    let renamed = sealed.replacen("d=example.org", "d=bank.example", 1);
    assert_eq!(arc::outcome(&renamed, &dns).await.status, ChainStatus::Fail);
    // What is said of a message is not carried over to another one.
    let (chain, _) = sealed.split_once("From: ").unwrap();
    let other = format!("{chain}From: x@bank.example\r\nSubject: pay\r\n\r\nnow\r\n");
    assert_eq!(arc::outcome(&other, &dns).await.status, ChainStatus::Fail);
    // Nobody makes a broken chain whole by another seal.
    let again = arc::sealed(&liar, &other, &dns).await;
    assert_eq!(arc::outcome(&again, &dns).await.reason, Some(ArcReason::Form(Broken::ToldSo)));
}
