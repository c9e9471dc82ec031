//! DMARC by the text of RFC 9989, section by section (`dmarc.txt`): ours by what the text says, mail-auth beside it, and rspamd, which goes by
//! RFC 7489 and a list of public suffixes, where that is no other thing.

use message::HeaderSection;
use message_auth::{
    DomainName, author,
    dkim::{Algorithm, DkimResult, Signer, SigningKey},
    dmarc::{Evidence, check_unsure},
    spf::{self, SpfResult},
};
use testkit::dns::FakeDns;

use super::{
    dkim::outcomes,
    judge::at_once,
    oracle::Oracle,
    rspamd::{Judge, signed, zone},
    spf::HELO,
};

const CLIENT: &str = "192.0.2.1";
/// A domain without any record.
const NOBODY: &str = "nobody.test";

struct Case {
    title: String,
    author: String,
    path: String,
    signers: Vec<String>,
    result: String,
    policy: String,
    differs: Vec<(String, Vec<String>)>,
    zone: String,
}

fn cases() -> Vec<Case> {
    let paragraphs = include_str!("dmarc.txt").split("\n\n").filter(|text| text.starts_with('='));
    let case = |text: &str| {
        let marked = |mark: &str| text.lines().find_map(|line| line.strip_prefix(mark)).map(str::trim);
        let difference = |line: &str| {
            let mut words = line.strip_prefix('!')?.split(' ').map(str::to_owned);
            Some((words.next()?, words.next()?.split(',').map(str::to_owned).collect()))
        };
        let (result, policy) = marked(":").and_then(|words| words.split_once(' ')).expect(text);
        let records = text.lines().filter(|line| !line.starts_with(['=', '@', '<', '+', ':', '!', '#']));
        Case {
            title: marked("=").expect(text).to_owned(),
            author: marked("@").expect(text).to_owned(),
            path: marked("<").unwrap_or(NOBODY).to_owned(),
            signers: marked("+").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
            result: result.to_owned(),
            policy: policy.to_owned(),
            differs: text.lines().filter_map(difference).collect(),
            zone: records.collect::<Vec<_>>().join("\n"),
        }
    };
    paragraphs.map(case).collect()
}

impl Case {
    /// The message with its signatures, and the DNS of all who are named.
    fn made(&self, key: &SigningKey) -> (String, String) {
        let signer = |domain: &String| Signer {
            domain: domain.as_str().into(),
            selector: "r1".into(),
            key: SigningKey::from_pem(&key.to_pem().unwrap()).unwrap(),
        };
        let signers: Vec<Signer> = self.signers.iter().map(signer).collect();
        let message = format!(
            "From: Anna <anna@{}>\r\nTo: bert@here.test\r\nDate: Tue, 1 Sep 2026 00:00:00 +0000\r\n\
             Message-ID: <1@example.org>\r\nSubject: x\r\n\r\nHello.\r\n",
            self.author
        );
        let mut dns = self.zone.clone();
        let told = |name: &str| self.zone.lines().any(|line| line.split(' ').next() == Some(name));
        let keys = zone(&signers);
        for line in keys.lines() {
            if !told(line.split(' ').next().unwrap()) {
                dns = format!("{dns}\n{line}");
            }
        }
        if self.path != NOBODY && !self.zone.contains(&format!("{} SERVFAIL", self.path)) {
            dns = format!("{dns}\n{} TXT \"v=spf1 ip4:{CLIENT} -all\"", self.path);
        }
        (signed(&message, &signers), dns)
    }

    fn sender(&self) -> String {
        format!("bounce@{}", self.path)
    }
}

/// What our library says of a message, as `receive` asks it.
fn ours(case: &Case, message: &[u8], dns: &FakeDns) -> (String, String) {
    let domain = DomainName::parse(&case.path).unwrap();
    let query = spf::Query {
        client: CLIENT.parse().unwrap(),
        helo: HELO,
        local_part: Some("bounce"),
        domain: domain.as_str(),
        receiver: "mx.here.test",
        now: 1_700_000_000,
    };
    let spf = at_once(spf::check(query, dns)).result;
    let signers = |result: DkimResult| -> Vec<DomainName> {
        let found = outcomes(message, dns).into_iter().filter(|outcome| outcome.result == result);
        found.filter_map(|outcome| DomainName::parse(&outcome.domain)).collect()
    };
    let author = author(&HeaderSection::read(message)).expect("an author");
    let (passed, open) = (signers(DkimResult::Pass), signers(DkimResult::TempError));
    let evidence = |result: SpfResult, dkim| Evidence {
        author: &author,
        spf: Some(&domain).filter(|_| spf == result),
        dkim,
    };
    let (evidence, open) = (evidence(SpfResult::Pass, &passed), evidence(SpfResult::TempError, &open));
    let verdict = at_once(check_unsure(evidence, open, dns));
    (verdict.result.to_string(), verdict.policy.name().to_owned())
}

#[test]
fn dmarc_is_as_each_section_says() {
    let key = SigningKey::generate(Algorithm::RsaSha256).unwrap();
    let mut wrong = Vec::new();
    let cases = cases();
    assert!(cases.len() > 80, "{}", cases.len());
    for case in &cases {
        let (message, dns) = case.made(&key);
        // A script has one string for each record.
        let found = ours(case, message.as_bytes(), &FakeDns::new(&dns.replace("\" \"", "")));
        if found != (case.result.clone(), case.policy.clone()) {
            wrong.push(format!("{}: {found:?}\n{dns}", case.title));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// What a judge says has to be what the text says, or a difference that is written down.
fn agrees(judge: &str, case: &Case, said: &str) -> Result<(), String> {
    let differs = case.differs.iter().find(|(name, _)| name == judge).map(|(_, words)| words);
    let as_said = match differs {
        None => said == case.result,
        Some(words) => said != case.result && words.iter().any(|word| word == said),
    };
    let expected = differs.map_or_else(|| case.result.clone(), |words| words.join(","));
    if as_said { Ok(()) } else { Err(format!("{}: {judge} says {said} for {expected}", case.title)) }
}

#[test]
fn mail_auth_agrees_on_each_section_of_dmarc_but_where_it_is_argued() {
    let (oracle, key) = (Oracle::new(), SigningKey::generate(Algorithm::RsaSha256).unwrap());
    let mut wrong = Vec::new();
    for case in cases() {
        let (message, dns) = case.made(&key);
        oracle.dns.set(&dns);
        let told = oracle.judge(message.as_bytes(), CLIENT, &case.sender());
        let found = agrees("mail-auth", &case, told.dmarc);
        // Where both fail, they ask for the same, but where several records are one to it.
        let both_fail = told.dmarc == "fail" && case.result == "fail";
        let policies = !both_fail || told.policy == case.policy || case.title.contains("several records");
        if found.is_err() || !policies {
            wrong.push(format!("{found:?} {}: {told:?} for {}\n{dns}", case.title, case.policy));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn rspamd_agrees_on_each_section_of_dmarc_but_where_it_is_argued() {
    let (judge, key) = (Judge::start(), SigningKey::generate(Algorithm::RsaSha256).unwrap());
    let mut wrong = Vec::new();
    for case in cases() {
        let (message, dns) = case.made(&key);
        judge.dns.set(&dns);
        let told = judge.judge(message.as_bytes(), CLIENT, &case.sender());
        if let Err(why) = agrees("rspamd", &case, told.dmarc) {
            wrong.push(format!("{why}\n{told:?}\n{dns}"));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
