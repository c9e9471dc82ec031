//! The resolver against a name server on loopback that answers, lies, and is silent.

use std::{net::IpAddr, time::Duration};

use dns::{Answer, DnsError, Mx, Resolve, Security};

use super::{
    Config, Resolver,
    responder::{A, AAAA, MX, Responder, Rr, Say},
};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn records(records: Vec<Rr>) -> Say {
    Say::Records(300, records)
}

/// Long, so that its letters are never all lower by chance.
const LOWERS: &str = "a-server-that-lowers-all-the-letters-of-a-name.test";

const NXDOMAIN: Say = Say::Code(3, Some(300));
const NODATA: Say = Say::Code(0, Some(300));

fn zone(name: &str, kind: u16) -> Say {
    match (name, kind) {
        ("example.test", MX) => records(vec![
            Rr::Mx(20, "MX2.Example.test"),
            Rr::Mx(10, "mx1.example.test"),
            Rr::Mx(20, "mx2.example.test"),
        ]),
        ("null.test", MX) => records(vec![Rr::Mx(0, ".")]),
        ("mx1.example.test", A) => records(vec![Rr::Address(ip("192.0.2.1")), Rr::Address(ip("192.0.2.2"))]),
        ("mx1.example.test", AAAA) => Say::Records(60, vec![Rr::Address(ip("2001:db8::1"))]),
        ("alias.test", _) => records(vec![Rr::Cname("alias2.test")]),
        ("alias2.test", _) => records(vec![Rr::Cname("mx1.example.test")]),
        ("at-once.test", A) => {
            records(vec![Rr::Cname("target.test"), Rr::AddressOf("target.test", ip("192.0.2.9"))])
        }
        ("loop.test", _) => records(vec![Rr::Cname("pool.test")]),
        ("pool.test", _) => records(vec![Rr::Cname("loop.test")]),
        ("to-nowhere.test", _) => records(vec![Rr::Cname("nowhere.test")]),
        ("v4.test" | "v4-half.test", A) => records(vec![Rr::Address(ip("192.0.2.3"))]),
        ("v4-half.test", AAAA) | ("broken.test", _) | ("a-broken.test", A) => Say::Code(2, None),
        ("refused.test", _) => Say::Code(5, None),
        ("odd.test", _) => Say::Code(14, None),
        ("bare-nodata.test", _) => Say::Code(0, None),
        ("referral.test", _) => Say::Referral,
        ("silent.test", _) => Say::Silence,
        ("garbage.test", _) => Say::Garbage,
        ("large.test", MX) => Say::OnlyByTcp(vec![Rr::Mx(10, "mx1.example.test")]),
        (LOWERS, MX) => Say::InLowerCase(vec![Rr::Mx(10, "mx1.example.test")]),
        ("xn--bcher-kva.test", MX) => records(vec![Rr::Mx(10, "mx1.example.test")]),
        ("many.test", MX) => records((0..150).map(|n| Rr::Mx(n, "mx1.example.test")).collect()),
        ("text.test", 16) => records(vec![Rr::Txt(vec!["v=spf1 ", "-all"]), Rr::Txt(vec!["other"])]),
        ("big.test", 16) => Say::OnlyByTcp(texts(14)),
        ("huge.test", 16) => Say::OnlyByTcp(texts(17)),
        ("also-huge.test", 16) => records(vec![Rr::Cname("huge.test")]),
        ("1.2.0.192.in-addr.arpa", 12) => records(vec![Rr::Ptr("MX1.example.test")]),
        ("example.test" | "v4.test" | "text.test" | "a-broken.test" | "target.test", _) => NODATA,
        _ => NXDOMAIN,
    }
}

/// Texts of a quarter of a KiB.
fn texts(count: usize) -> Vec<Rr> {
    let letters = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q"];
    letters.into_iter().cycle().take(count).map(|letter| Rr::Txt(vec![letter, LONG, LONG])).collect()
}

/// 127 octets.
const LONG: &str = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456";

async fn resolver() -> (Responder, Resolver) {
    let responder = Responder::start(zone).await;
    let resolver = resolver_of(&responder, Duration::from_secs(5));
    (responder, resolver)
}

fn resolver_of(responder: &Responder, timeout: Duration) -> Resolver {
    let config = Config { servers: vec![responder.address], timeout, retries: 0, ..Config::default() };
    Resolver::new(&config).unwrap()
}

#[tokio::test]
async fn mx_records_come_each_once_in_lower_case() {
    let (_responder, resolver) = resolver().await;
    let Answer { records, security, ttl } = resolver.mx("Example.TEST.").await.unwrap();
    assert_eq!(records, [Mx::new(20, "mx2.example.test"), Mx::new(10, "mx1.example.test")]);
    assert_eq!(security, Security::Insecure);
    assert!(ttl > Duration::from_secs(200) && ttl <= Duration::from_mins(5), "{ttl:?}");
    assert!(dns::is_null_mx(&resolver.mx("null.test").await.unwrap().records));
}

#[tokio::test]
async fn addresses_of_both_kinds_come_together_through_cnames() {
    let (_responder, resolver) = resolver().await;
    let all = [ip("192.0.2.1"), ip("192.0.2.2"), ip("2001:db8::1")];
    let answer = resolver.addresses("mx1.example.test").await.unwrap();
    assert_eq!(answer.records, all);
    assert!(answer.ttl <= Duration::from_mins(1), "the shorter life counts");
    assert_eq!(resolver.addresses("alias.test").await.unwrap().records, all);
    assert_eq!(resolver.addresses("at-once.test").await.unwrap().records, [ip("192.0.2.9")]);
}

#[tokio::test]
async fn one_broken_type_does_not_hide_the_other() {
    let (_responder, resolver) = resolver().await;
    assert_eq!(resolver.addresses("v4.test").await.unwrap().records, [ip("192.0.2.3")]);
    assert_eq!(resolver.addresses("v4-half.test").await.unwrap().records, [ip("192.0.2.3")]);
    assert!(resolver.addresses("a-broken.test").await.unwrap_err().is_temporary());
}

#[tokio::test]
async fn only_an_honest_no_is_permanent() {
    let (_responder, resolver) = resolver().await;
    for (name, error) in [
        ("nowhere.test", DnsError::NoSuchName),
        ("to-nowhere.test", DnsError::NoSuchName),
        ("v4.test", DnsError::NoRecords),
        ("bare-nodata.test", DnsError::NoRecords),
        ("broken.test", DnsError::temporary("SERVFAIL")),
        ("refused.test", DnsError::temporary("REFUSED")),
        ("loop.test", DnsError::temporary("CNAME chain too long")),
        ("odd.test", DnsError::temporary("reply code 14")),
        (
            "referral.test",
            DnsError::temporary("a referral instead of an answer: the server is not recursive"),
        ),
    ] {
        assert_eq!(resolver.mx(name).await, Err(error), "{name}");
    }
}

#[tokio::test]
async fn silence_and_garbage_are_temporary() {
    let responder = Responder::start(zone).await;
    let resolver = resolver_of(&responder, Duration::from_millis(200));
    assert_eq!(resolver.mx("silent.test").await, Err(DnsError::temporary("timeout")));
    assert!(resolver.mx("garbage.test").await.unwrap_err().is_temporary());
    let deaf =
        Config { servers: vec![responder.address], deadline: Duration::from_millis(50), ..Config::default() };
    let resolver = Resolver::new(&deaf).unwrap();
    assert_eq!(resolver.mx("silent.test").await, Err(DnsError::temporary("MX timeout")));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_temporary() {
    // A connected socket keeps the port and has the kernel refuse what others send to it.
    let closed = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    closed.connect("127.0.0.1:9").await.unwrap();
    let config = Config {
        servers: vec![closed.local_addr().unwrap()],
        timeout: Duration::from_millis(500),
        retries: 0,
        ..Config::default()
    };
    assert!(Resolver::new(&config).unwrap().mx("example.test").await.unwrap_err().is_temporary());
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_again_by_tcp() {
    let (responder, resolver) = resolver().await;
    assert_eq!(resolver.mx("large.test").await.unwrap().records.len(), 1);
    assert_eq!(responder.asked(), ["udp large.test 15", "tcp large.test 15"]);
}

#[tokio::test]
async fn an_answer_in_other_letters_is_not_believed_by_udp() {
    let (responder, resolver) = resolver().await;
    assert_eq!(resolver.mx(LOWERS).await.unwrap().records.len(), 1);
    assert_eq!(responder.asked(), [format!("udp {LOWERS} 15"), format!("tcp {LOWERS} 15")]);
}

#[tokio::test]
async fn answers_and_refusals_are_kept() {
    let (responder, resolver) = resolver().await;
    for _ in 0..3 {
        resolver.mx("example.test").await.unwrap();
        resolver.mx("nowhere.test").await.unwrap_err();
        resolver.mx("v4.test").await.unwrap_err();
        resolver.mx("broken.test").await.unwrap_err();
    }
    let asked = responder.asked();
    let times = |name: &str| asked.iter().filter(|question| question.contains(name)).count();
    assert_eq!((times("example.test"), times("nowhere.test"), times("v4.test")), (1, 1, 1));
    assert!(times("broken.test") >= 3, "a failure is not kept");
    resolver.forget();
    resolver.mx("example.test").await.unwrap();
    assert_eq!(responder.asked().iter().filter(|question| question.contains("example.test")).count(), 2);
}

#[tokio::test]
async fn large_answers_are_not_kept_under_any_of_their_names() {
    let (responder, resolver) = resolver().await;
    for _ in 0..3 {
        assert_eq!(resolver.txt("big.test").await.unwrap().records.len(), 14);
        assert_eq!(resolver.txt("huge.test").await.unwrap().records.len(), 17);
    }
    let times = |question: &str| responder.asked().iter().filter(|asked| *asked == question).count();
    assert_eq!((times("tcp big.test 16"), times("tcp huge.test 16")), (1, 3));
    for _ in 0..2 {
        assert_eq!(resolver.txt("also-huge.test").await.unwrap().records.len(), 17);
    }
    assert_eq!(times("udp also-huge.test 16"), 2);
    resolver.txt("huge.test").await.unwrap();
    assert_eq!(times("tcp huge.test 16"), 6);
}

#[tokio::test]
async fn names_are_absolute_and_the_special_ones_stay_here() {
    let (responder, resolver) = resolver().await;
    assert_eq!(resolver.mx("host").await, Err(DnsError::NoSuchName));
    assert_eq!(responder.asked(), ["udp host 15"]);
    for name in ["hidden.onion", "x.invalid", "", ".", &"a".repeat(64), "a..b"] {
        assert_eq!(resolver.mx(name).await, Err(DnsError::NoSuchName), "{name}");
    }
    assert_eq!(resolver.addresses("localhost").await.unwrap().records, [ip("127.0.0.1"), ip("::1")]);
    assert_eq!(responder.asked().len(), 1);
}

#[tokio::test]
async fn names_in_utf8_are_asked_for_in_ascii() {
    let (responder, resolver) = resolver().await;
    assert!(resolver.mx("BÜCHER.test").await.is_ok());
    assert!(resolver.mx("bücher.test").await.is_ok());
    assert_eq!(responder.asked(), ["udp xn--bcher-kva.test 15"]);
}

#[tokio::test]
async fn an_explosion_of_records_is_bounded() {
    let responder = Responder::start(|name, kind| match zone(name, kind) {
        Say::Records(ttl, records) if name == "many.test" => {
            assert_eq!(ttl, 300);
            Say::OnlyByTcp(records)
        }
        other => other,
    })
    .await;
    let resolver = resolver_of(&responder, Duration::from_secs(5));
    assert_eq!(resolver.mx("many.test").await.unwrap().records.len(), dns::MX_MAX);
}

#[tokio::test]
async fn texts_are_joined_and_addresses_named() {
    let (_responder, resolver) = resolver().await;
    let texts = resolver.txt("text.test").await.unwrap().records;
    assert_eq!(texts, [b"v=spf1 -all".to_vec(), b"other".to_vec()]);
    assert_eq!(resolver.ptr(ip("192.0.2.1")).await.unwrap().records, ["mx1.example.test".into()]);
    assert_eq!(resolver.ptr(ip("192.0.2.7")).await, Err(DnsError::NoSuchName));
}
