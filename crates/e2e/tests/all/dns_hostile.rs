//! A DNS that means harm to those who check mail: answers of 64 KiB, chains of aliases, names that are not there, octets that trickle. What it can
//! cost is bounded in size, number and time.

use std::time::{Duration, Instant};

use e2e::{House, Loopback, Nameserver, Postrider, queue_id};

/// Ten seconds from the end of a message, and what a busy machine takes beside.
const BOUND: Duration = Duration::from_secs(45);

struct Receiver {
    house: House,
    server: Postrider,
    dns: Nameserver,
    _net: Loopback,
}

/// What became of a message: the reply, what was found of it, the questions, and how long it took.
struct Outcome {
    code: u16,
    told: String,
    asked: Vec<String>,
    octets: usize,
    took: Duration,
}

impl Receiver {
    fn with(zone: &str) -> Self {
        let net = Loopback::claim();
        let dns = Nameserver::start(&net, zone);
        let house = House::new(&format!(
            "[dns]\nservers = [\"{}\"]\n[verify]\nchecks = \"on\"\n[[domain]]\nname = \"there.test\"\n\
             [[account]]\nlogin = \"bert@there.test\"\n",
            dns.address()
        ));
        let server = house.start();
        Self { house, server, dns, _net: net }
    }

    fn bring(&self, from: &str, more: &str) -> Outcome {
        let (before, octets, begun) = (self.dns.asked().len(), self.dns.octets(), Instant::now());
        let content = format!("{more}From: {from}\r\nTo: bert@there.test\r\nSubject: x\r\n\r\nHello.\r\n");
        let (code, text) = self.server.client().mail(from, &["bert@there.test"], &content).unwrap();
        let took = begun.elapsed();
        let told =
            if code == 250 { self.house.wait_for_trace(&queue_id(&text), "checked") } else { String::new() };
        let asked = self.dns.asked().split_off(before);
        Outcome { code, told, asked, octets: self.dns.octets() - octets, took }
    }
}

impl Outcome {
    fn asked_of(&self, end: &str) -> usize {
        self.asked
            .iter()
            .filter(|question| question.split(' ').next().is_some_and(|name| name.ends_with(end)))
            .count()
    }
}

#[test]
fn dns_answers_of_64_kib_are_read_once_and_mean_what_they_say() {
    // As many networks as one answer can hold, and ours as the last.
    let networks = "ip4:192.0.2.1 ".repeat(4400);
    let strings: Vec<String> =
        "v=spf1 ip4:192.0.2.7 ".chars().map(|letter| format!("\"{letter}\"")).collect();
    let many = strings.join(" ") + &" \" \"".repeat(960) + " \"ip4:127.0.0.1\" \" \" \"-all\"";
    let receiver = Receiver::with(&format!(
        "big.test TXT \"v=spf1 {networks}ip4:127.0.0.1 -all\"\nstrings.test TXT {many}\n\
         r1._domainkey.key.test TXT \"v=DKIM1; p={}\"\nkey.test TXT \"v=spf1 ip4:127.0.0.1 -all\"\n",
        "A".repeat(60_000)
    ));
    for domain in ["big.test", "strings.test"] {
        let found = receiver.bring(&format!("zoe@{domain}"), "");
        assert_eq!(found.code, 250);
        assert!(found.told.contains("spf=pass"), "{domain}: {}", found.told);
        assert!(found.octets < 3 * 65_536, "{domain}: {} octets for {:?}", found.octets, found.asked);
    }
    let signature = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=key.test; s=r1; h=from;\r\n\
        \x20bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n";
    let found = receiver.bring("zoe@key.test", signature);
    assert_eq!(found.code, 250);
    assert!(!found.told.contains("dkim=pass") && found.told.contains("dkim="), "{}", found.told);
    assert!(found.took < BOUND && found.octets < 3 * 65_536, "{:?}, {} octets", found.took, found.octets);
}

#[test]
fn dns_names_without_end_are_asked_for_a_few_times() {
    let lists: Vec<String> = (0..20).map(|number| format!("exists:%{{i}}.{number}.void.test")).collect();
    let mut zone = vec![
        format!("flood.test TXT \"v=spf1 {} -all\"", lists.join(" ")),
        "chain60.test TXT \"v=spf1 -all\"\nround.test CNAME around.test\naround.test CNAME round.test"
            .to_owned(),
        "hosts.test TXT \"v=spf1 mx -all\"\nrecords.test TXT \"v=spf1 ip4:127.0.0.1 -all\"".to_owned(),
        "names.test TXT \"v=spf1 ptr:client.test ip4:127.0.0.1 -all\"".to_owned(),
    ];
    zone.extend((0..60).map(|number| format!("chain{number}.test CNAME chain{}.test", number + 1)));
    for number in 0..400 {
        zone.push(format!("hosts.test MX {number} h{number}.host.test"));
        zone.push(format!("127.0.0.1 PTR n{number}.client.test"));
        zone.push(format!("_dmarc.records.test TXT \"v=DMARC1; p=reject; x={number}\""));
    }
    let receiver = Receiver::with(&zone.join("\n"));
    let flood = receiver.bring("zoe@flood.test", "");
    // Two terms in vain are let pass, and the third is the last; A and AAAA for each.
    assert!((3..=6).contains(&flood.asked_of("void.test")), "{:?}", flood.asked);
    for domain in ["chain0.test", "round.test"] {
        let chain = receiver.bring(&format!("zoe@{domain}"), "");
        let asked = chain.asked.iter().filter(|question| question.ends_with("TXT")).count();
        assert!(asked <= 20, "{domain}: {:?}", chain.asked);
    }
    // More than ten mail hosts: none of them is asked for.
    let hosts = receiver.bring("zoe@hosts.test", "");
    assert_eq!(hosts.asked_of("host.test"), 0, "{:?}", hosts.asked);
    // Ten names of the client for SPF, some of which its own check knows already.
    let names = receiver.bring("zoe@names.test", "");
    assert!(names.asked_of(".client.test") <= 2 * (10 + 5), "{:?}", names.asked);
    let records = receiver.bring("zoe@records.test", "");
    assert!(records.code != 250 || records.told.contains("dmarc=none"), "{}", records.told);
    for found in [flood, hosts, names, records] {
        assert!(found.took < BOUND && found.asked.len() <= 60, "{:?}: {:?}", found.took, found.asked);
    }
}

#[test]
fn dns_that_trickles_or_says_nothing_holds_nobody_longer_than_a_bound() {
    let receiver = Receiver::with(
        "slow.test TRICKLE\nsilent.test TIMEOUT\n_dmarc.silent.test TIMEOUT\n127.0.0.1 TRICKLE\n\
         good.test TXT \"v=spf1 ip4:127.0.0.1 -all\"\n",
    );
    for domain in ["slow.test", "silent.test"] {
        let found = receiver.bring(&format!("zoe@{domain}"), "");
        assert!(found.took < BOUND, "{domain}: {:?}", found.took);
        // What cannot be known is no reason to refuse for good.
        assert!(found.code == 250 || (400..500).contains(&found.code), "{domain}: {}", found.code);
        assert!(found.code != 250 || found.told.contains("spf=temperror"), "{domain}: {}", found.told);
        assert!(found.octets < 65_536, "{domain}: {} octets", found.octets);
    }
    // Others are served meanwhile, and after it.
    let found = receiver.bring("zoe@good.test", "");
    assert!(found.code == 250 && found.told.contains("spf=pass"), "{} {}", found.code, found.told);
}
