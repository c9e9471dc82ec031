//! What is accepted, junk, held and refused by what was found, and what is put off.

use message_auth::dmarc::{DmarcResult, Policy};

use super::*;
use crate::checks::Sender;

fn name(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

/// Of bank.example with p=reject, by a client that SPF says nothing of.
fn facts() -> Facts {
    Facts {
        client: [192, 0, 2, 1].into(),
        author: Ok(name("bank.example")),
        from_list: false,
        sender: Sender {
            by_path: Some((name("other.example"), SpfResult::None)),
            by_hello: None,
            null: false,
        },
        signatures: Vec::new(),
        dmarc: Some(verdict(DmarcResult::Fail, Policy::Reject)),
        aligned: Vec::new(),
        arc: None,
        reverse: ResultWord::Pass,
    }
}

fn verdict(result: DmarcResult, policy: Policy) -> dmarc::Verdict {
    dmarc::Verdict {
        result,
        policy,
        record: None,
        missing: false,
        spf_aligned: false,
        dkim_aligned: Vec::new(),
        problem: None,
    }
}

fn by_path(domain: &str, result: SpfResult) -> Sender {
    Sender { by_path: Some((name(domain), result)), ..Sender::default() }
}

fn signed(domain: &str, result: dkim::DkimResult) -> Vec<dkim::Outcome> {
    vec![dkim::Outcome {
        result,
        reason: None,
        domain: domain.into(),
        selector: "s".into(),
        identity: format!("@{domain}").into(),
        algorithm: None,
        mark: "x".into(),
        testing: false,
    }]
}

fn chain(sealers: &[&str], first: &str) -> arc::Outcome {
    arc::Outcome {
        status: arc::ChainStatus::Pass,
        reason: None,
        sealers: sealers.iter().map(|name| (*name).into()).collect(),
        results: None,
        first_results: Some(first.into()),
    }
}

fn measure(facts: &Facts) -> Measure {
    judge(&Verify::default(), facts).measure
}

#[test]
fn a_policy_of_reject_alone_refuses_nothing() {
    assert_eq!(measure(&facts()), Measure::Junk);
    for (policy, expected) in [
        (Policy::None, Measure::Accept),
        (Policy::Quarantine, Measure::Junk),
        (Policy::Reject, Measure::Junk),
    ] {
        let facts = Facts { dmarc: Some(verdict(DmarcResult::Fail, policy)), ..facts() };
        assert_eq!(measure(&facts), expected, "{policy:?}");
    }
}

#[test]
fn forged_is_what_spf_says_no_to_for_the_author_and_what_nobody_passed_on() {
    let forged = Facts { sender: by_path("mail.bank.example", SpfResult::Fail), ..facts() };
    let judged = judge(&Verify::default(), &forged);
    assert_eq!(judged.measure, Measure::Reject);
    assert_eq!(
        judged.reply.unwrap().to_string(),
        "550 5.7.26 DMARC fails for bank.example (p=reject): SPF is fail for mail.bank.example, there is no DKIM signature"
    );
    let from_list = Facts { from_list: true, ..forged.clone() };
    assert_eq!(measure(&from_list), Measure::Junk);
    let passed_on = Facts { arc: Some(chain(&["list.example"], "i=1; x; none")), ..forged.clone() };
    assert_eq!(measure(&passed_on), Measure::Junk, "whoever sealed it");
    let soft = Facts { sender: by_path("bank.example", SpfResult::SoftFail), ..facts() };
    assert_eq!(measure(&soft), Measure::Junk);
    let neighbour = Facts { sender: by_path("example", SpfResult::Fail), ..facts() };
    assert_eq!(measure(&neighbour), Measure::Junk, "a name of one label is above nothing");
}

#[test]
fn spf_alone_condemns_no_mail_that_something_else_speaks_for() {
    let plain = Facts {
        sender: by_path("bank.example", SpfResult::Fail),
        dmarc: Some(verdict(DmarcResult::None, Policy::None)),
        ..facts()
    };
    let judged = judge(&Verify::default(), &plain);
    assert_eq!(
        (judged.measure, judged.reason()),
        (Measure::Junk, Some("SPF of bank.example does not allow 192.0.2.1 to send its mail"))
    );
    for domain in ["bank.example", "mail.bank.example"] {
        let signed = Facts { signatures: signed(domain, dkim::DkimResult::Pass), ..plain.clone() };
        assert_eq!(measure(&signed), Measure::Accept, "{domain}");
    }
    let signed = Facts { signatures: signed("example", dkim::DkimResult::Pass), ..plain.clone() };
    assert_eq!(measure(&signed), Measure::Junk);
    let passed = Facts { dmarc: Some(verdict(DmarcResult::Pass, Policy::Reject)), ..plain };
    assert_eq!(measure(&passed), Measure::Accept);
}

#[test]
fn arc_overrides_dmarc_only_by_the_word_of_sealers_who_are_all_trusted() {
    let verify = Verify {
        trusted_sealers: vec![
            directory::DomainPattern::parse("list.example").unwrap(),
            directory::DomainPattern::parse(".good.example").unwrap(),
        ],
        ..Verify::default()
    };
    let said = "i=1; mx.list.example; dmarc=pass header.from=bank.example";
    for (sealers, first, expected) in [
        (&["list.example"][..], said, Measure::Accept),
        (&["LIST.example", "mx.good.example"], said, Measure::Accept),
        (&["list.example", "evil.example"], said, Measure::Junk),
        (&["evil.example", "list.example"], said, Measure::Junk),
        (&[], said, Measure::Junk),
        (&["list.example"], "i=1; mx.list.example; dmarc=fail header.from=bank.example", Measure::Junk),
        (&["list.example"], "i=1; mx.list.example; dmarc=pass header.from=evil.example", Measure::Junk),
    ] {
        // SPF of the one who passed it on fails too: his word counts.
        let facts = Facts {
            arc: Some(chain(sealers, first)),
            sender: by_path("bank.example", SpfResult::Fail),
            ..facts()
        };
        let judged = judge(&verify, &facts);
        assert_eq!(judged.measure, expected, "{sealers:?} {first}");
        assert_eq!(judged.overridden.is_some(), expected == Measure::Accept);
        assert_eq!(measure(&facts), Measure::Junk, "nobody is trusted by default");
    }
    let mut broken = chain(&["list.example"], said);
    broken.status = arc::ChainStatus::Fail;
    assert_eq!(judge(&verify, &Facts { arc: Some(broken), ..facts() }).measure, Measure::Junk);
}

#[test]
fn the_gravest_measure_holds_and_each_can_be_set() {
    let verify = Verify {
        spf_fail: Measure::Hold,
        dkim_fail: Measure::Reject,
        iprev_fail: Measure::Reject,
        no_author: Measure::Reject,
        ..Verify::default()
    };
    let code = |facts: &Facts| {
        let judged = judge(&verify, facts);
        (judged.measure, judged.reply.and_then(|reply| reply.enhanced()).map(|status| status.to_string()))
    };
    let some = |text: &str| Some(text.to_owned());
    let plain = Facts { dmarc: Some(verdict(DmarcResult::None, Policy::None)), ..facts() };
    assert_eq!(code(&plain), (Measure::Accept, None));
    let spf = Facts { sender: by_path("other.example", SpfResult::Fail), ..plain.clone() };
    assert_eq!(code(&spf), (Measure::Hold, some("5.7.23")));
    let dkim = Facts { signatures: signed("bank.example", dkim::DkimResult::Fail), ..spf.clone() };
    assert_eq!(code(&dkim), (Measure::Reject, some("5.7.20")));
    let reverse = Facts { reverse: ResultWord::Fail, ..spf };
    assert_eq!(code(&reverse), (Measure::Reject, some("5.7.25")));
    let nobody = Facts { author: Err(NoAuthor::Ambiguous), dmarc: None, ..plain };
    assert_eq!(code(&nobody), (Measure::Reject, some("5.7.1")));
}

#[test]
fn mail_is_put_off_only_if_what_becomes_of_it_depends_on_the_answer() {
    let code = |facts: &Facts| {
        unanswered(&Verify::default(), facts).map(|reply| reply.to_string().get(..10).map(str::to_owned))
    };
    let some = |text: &str| Some(Some(text.to_owned()));
    let none = Facts { dmarc: Some(verdict(DmarcResult::None, Policy::None)), ..facts() };
    assert_eq!(code(&none), None);
    assert_eq!(code(&facts()), None, "all was answered");
    // Junk if SPF fails, else not.
    let spf = Facts { sender: by_path("bank.example", SpfResult::TempError), ..none.clone() };
    assert_eq!(code(&spf), some("451 4.7.24"));
    // But the author's own signature is there.
    let signed_too = Facts { signatures: signed("bank.example", dkim::DkimResult::Pass), ..spf };
    assert_eq!(code(&signed_too), None);
    let policy = Facts { dmarc: Some(verdict(DmarcResult::TempError, Policy::None)), ..facts() };
    assert_eq!(code(&policy), some("451 4.7.26"));
    let sure = Facts { sender: by_path("bank.example", SpfResult::Pass), ..policy };
    assert_eq!(code(&sure), None, "whatever the policy, it is met");
    // Junk unless the key of the author is found.
    let key = Facts { signatures: signed("bank.example", dkim::DkimResult::TempError), ..facts() };
    assert_eq!(code(&key), some("451 4.7.20"));
    let other = Facts { signatures: signed("other.test", dkim::DkimResult::TempError), ..facts() };
    assert_eq!(code(&other), None, "junk in any case");
    let reverse = Facts { reverse: ResultWord::TempError, ..none };
    assert_eq!(code(&reverse), None, "nothing follows from it by default");
    let verify = Verify { iprev_fail: Measure::Junk, ..Verify::default() };
    assert!(unanswered(&verify, &reverse).is_some_and(|reply| reply.to_string().starts_with("451 4.7.25")));
}

#[test]
fn no_reply_is_too_long_for_a_line_or_holds_more_than_a_domain() {
    let long = format!("{}.example", vec!["a".repeat(60); 4].join("."));
    let facts = Facts {
        author: Ok(name(&long)),
        sender: by_path(&long, SpfResult::Fail),
        signatures: signed("<script>.example", dkim::DkimResult::Fail),
        ..facts()
    };
    let verify = Verify { dkim_fail: Measure::Hold, ..Verify::default() };
    for reply in [judge(&verify, &facts).reply, Some(Missing::of(&facts).reply(&facts))].into_iter().flatten()
    {
        let text = reply.to_string();
        assert!(text.len() < 500 && !text.contains(['<', '>']), "{text}");
    }
}

#[test]
fn what_a_silent_dns_left_open_is_put_off_and_in_the_end_junk_and_not_refused() {
    let record = dmarc::Record::parse(b"v=DMARC1; p=reject").map(|record| (name("bank.example"), record));
    let found = dmarc::Verdict { record, ..verdict(DmarcResult::TempError, Policy::Reject) };
    let open = Facts {
        sender: by_path("bank.example", SpfResult::Fail),
        signatures: signed("news.bank.example", dkim::DkimResult::TempError),
        dmarc: Some(found.clone()),
        ..facts()
    };
    let verify = Verify::default();
    let reply = unanswered(&verify, &open).unwrap().to_string();
    assert!(reply.starts_with("451 4.7.20 The DNS does not answer for the DKIM key of"), "{reply}");
    let judged = judge(&verify, &open).lenient();
    assert_eq!(judged.measure, Measure::Junk);
    assert!(judged.reason().unwrap().starts_with("DMARC cannot be judged for bank.example"), "{judged:?}");
    // Where nothing would follow it is not put off.
    let found = dmarc::Verdict { policy: Policy::None, ..found };
    let harmless = Facts { sender: by_path("bank.example", SpfResult::None), dmarc: Some(found), ..open };
    assert_eq!((unanswered(&verify, &harmless), measure(&harmless)), (None, Measure::Accept));
}
