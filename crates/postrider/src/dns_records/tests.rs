//! What is wanted for a configuration, as data and as a zone file.

use std::path::Path;

use super::*;

const WHOLE: &str = "hostname = \"Mail.example.org\"\n\
    [[listener]]\nservice = \"smtp\"\nbind = [\"0.0.0.0:25\"]\n\
    [[listener]]\nservice = \"submission\"\ntls = \"implicit\"\nbind = [\"0.0.0.0:465\"]\n\
    [[listener]]\nservice = \"imap\"\ntls = \"implicit\"\nbind = [\"0.0.0.0:993\"]\n\
    [[listener]]\nservice = \"http\"\ntls = \"implicit\"\nbind = [\"0.0.0.0:443\"]\n\
    [tls.acme]\nagree_to_terms = true\nnames = [\"mail.example.org\", \"autoconfig.example.org\", \"mta-sts.example.org\"]\n\
    [mta_sts]\nmode = \"testing\"\n[[domain]]\nname = \"example.org\"\n[[domain]]\nname = \"b\u{fc}cher.example\"\n";

fn config(source: &str) -> Config {
    let (config, problems, _) = crate::config::parse(source, Path::new("/nowhere"));
    assert_eq!(problems, []);
    config.unwrap()
}

fn facts() -> Facts {
    let domain = DomainName::parse("example.org").unwrap();
    Facts {
        addresses: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        dkim: vec![DkimRecord {
            name: "r1._domainkey.example.org".to_owned(),
            text: format!("v=DKIM1; k=rsa; p={}", "A".repeat(300)),
            domain,
            kept: None,
        }],
        tls_keys: vec![[1; 32]],
    }
}

/// Those of the host, and those of each domain.
fn wanted(config: &Config, facts: &Facts, domains: &[DomainName]) -> Vec<WantedRecord> {
    let mut records = of_host(config, facts);
    records.extend(domains.iter().flat_map(|domain| of_domain(config, facts, domain)));
    records
}

/// The records for a purpose, as a zone file has them.
fn of(records: &[WantedRecord], purpose: Purpose) -> Vec<String> {
    let records = records.iter().filter(|record| record.purpose == purpose);
    records
        .flat_map(|record| {
            record.data.iter().map(|data| format!("{} {} {data}", record.name, record.kind.word()))
        })
        .collect()
}

#[test]
fn all_records_of_a_host_and_its_domains() {
    let config = config(WHOLE);
    let domains = domains(&config);
    assert_eq!(
        domains.iter().map(DomainName::as_str).collect::<Vec<_>>(),
        ["example.org", "xn--bcher-kva.example"]
    );
    let records = wanted(&config, &facts(), &domains);
    for record in &records {
        assert!(
            !record.data.is_empty() && record.data.iter().all(|data| data.kind() == record.kind),
            "{record:?}"
        );
        assert!(record.name == record.name.to_ascii_lowercase() && !record.name.ends_with('.'), "{record:?}");
    }
    insta::assert_snapshot!(lines(&records, Names::Absolute));
}

#[test]
fn names_are_relative_to_the_domain_and_only_to_it() {
    let domain = DomainName::parse("example.org").unwrap();
    let names = Names::Relative(&domain);
    let config = config(WHOLE);
    let text = lines(&wanted(&config, &facts(), std::slice::from_ref(&domain)), names);
    for line in [
        "@ 3600 IN MX 10 mail.example.org.",
        "mail 3600 IN A 192.0.2.1",
        "_dmarc 3600 IN TXT ",
        "; 1.2.0.192.in-addr.arpa. 3600 IN PTR mail.example.org.",
    ] {
        assert!(text.lines().any(|found| found.starts_with(line)), "{line}: {text}");
    }
    let other = DomainName::parse("ample.org").unwrap();
    let text = lines(&of_domain(&config, &facts(), &domain), Names::Relative(&other));
    assert!(text.contains("\nexample.org. 3600 IN MX") || text.starts_with("; "), "{text}");
    assert!(!text.contains("\nex 3600"), "{text}");
}

#[test]
fn only_what_the_server_has_is_announced() {
    let bare = config("hostname = \"mail.example.org\"\n[[domain]]\nname = \"example.org\"\n");
    let domains = domains(&bare);
    let records = wanted(&bare, &Facts::default(), &domains);
    let kinds: Vec<RecordType> = records.iter().map(|record| record.kind).collect();
    assert!(kinds.iter().all(|kind| [RecordType::Mx, RecordType::Txt].contains(kind)), "{kinds:?}");
    assert_eq!(of(&records, Purpose::Spf), ["example.org TXT \"v=spf1 mx -all\""]);
    assert_eq!(of(&records, Purpose::HeloSpf), ["mail.example.org TXT \"v=spf1 a -all\""]);
}

#[test]
fn a_name_has_one_spf_record_however_many_reasons_there_are() {
    let same = config("hostname = \"example.org\"\n[[domain]]\nname = \"example.org\"\n");
    let records = wanted(&same, &facts(), &domains(&same));
    let spf = records
        .iter()
        .flat_map(|record| &record.data)
        .filter(|data| matches!(data, Data::Txt(text) if text.starts_with("v=spf1")));
    assert_eq!(spf.count(), 1);
}

#[test]
fn mail_through_a_relay_is_not_called_forged() {
    let relayed = config(
        "hostname = \"mail.example.org\"\n[relay]\nhost = \"relay.example.net\"\n[[domain]]\nname = \"example.org\"\n",
    );
    let records = wanted(&relayed, &Facts::default(), &domains(&relayed));
    assert_eq!(of(&records, Purpose::Spf), ["example.org TXT \"v=spf1 mx ~all\""]);
}

/// The host's own name is a domain only if somebody declared it.
#[test]
fn an_implied_postmaster_makes_no_domain() {
    let bare = config("hostname = \"mail.example.org\"\n");
    assert_eq!(domains(&bare), []);
    let declared = config(
        "hostname = \"mail.example.org\"\n[[domain]]\nname = \"mail.example.org\"\n\
        [[account]]\nlogin = \"anna@mail.example.org\"\n",
    );
    assert_eq!(domains(&declared).len(), 1);
}

#[test]
fn addresses_are_those_that_are_named_or_where_mail_is_taken() {
    let addresses = |text: &str| -> Vec<String> {
        let facts = Facts::of(&config(&format!("hostname = \"mail.example.org\"\n{text}")), &[]).unwrap();
        facts.addresses.iter().map(ToString::to_string).collect()
    };
    let smtp = "[[listener]]\nservice = \"smtp\"\nbind = [\"192.0.2.7:25\", \"127.0.0.1:25\", \"[2001:db8::7]:25\"]\n";
    assert_eq!(addresses(smtp), ["192.0.2.7", "2001:db8::7"]);
    assert_eq!(addresses(&format!("public_addresses = [\"198.51.100.1\"]\n{smtp}")), ["198.51.100.1"]);
    assert_eq!(
        addresses(
            "[[listener]]\nservice = \"lmtp\"\nbind = [\"192.0.2.7:24\"]\n[receive]\nlmtp_networks = [\"192.0.2.0/24\"]\n"
        ),
        [""; 0]
    );
}

/// RFC 8461 §3.1: senders ask for the policy again when its id has changed.
#[test]
fn the_id_of_a_policy_changes_with_the_policy() {
    let id = |mode: &str| {
        let config = config(&WHOLE.replace("\"testing\"", mode));
        of(&of_domain(&config, &Facts::default(), &domains(&config)[0]), Purpose::MtaSts)
    };
    let (testing, enforced) = (id("\"testing\""), id("\"enforce\""));
    assert!(
        testing[0].starts_with("_mta-sts.example.org TXT \"v=STSv1; id=") && testing == id("\"testing\"")
    );
    assert_ne!(testing, enforced);
}
