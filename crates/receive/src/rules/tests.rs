//! Whole rules: the first that matches, what differs among recipients, what covers what.

use directory::DomainPattern;
use mail::{Domain, Reply, ReversePath};
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{outlook::settle, *};
use crate::Service;

fn reply(code: u16) -> Reply {
    let class = if code < 500 { 4 } else { 5 };
    Reply::new(code, mail::EnhancedStatus::new(class, 7, 1), "no")
}

fn rule(name: &str, action: Action, when: Conditions) -> Rule {
    Rule { name: name.into(), when, action }
}

fn facts<'a>(sender: &'a ReversePath, recipient: &str) -> EnvelopeFacts<'a> {
    EnvelopeFacts {
        client: Some([192, 0, 2, 1].into()),
        service: Service::Smtp,
        helo: Domain::parse("client.example.net").ok(),
        sender,
        recipient: recipient.parse().unwrap(),
        postmaster: false,
    }
}

fn patterns(texts: &[&str]) -> Vec<AddressPattern> {
    texts.iter().map(|text| AddressPattern::parse(text).unwrap()).collect()
}

fn seen(content: &str) -> Seen {
    let mut seen = Seen::new(true);
    seen.read(content.as_bytes()).unwrap();
    seen.end();
    seen
}

#[test]
fn each_condition_is_asked() {
    let sender = ReversePath::Address("carol@sender.example".parse().unwrap());
    let facts = facts(&sender, "anna@example.org");
    let none = Conditions::default();
    let meets = |when: &Conditions| when.meet_envelope(&facts);
    let network = |text: &str| vec![text.parse().unwrap()];
    let helo = |text: &str| vec![DomainPattern::parse(text).unwrap()];
    for (holds, when) in [
        (true, none.clone()),
        (true, Conditions { clients: network("192.0.2.0/24"), ..none.clone() }),
        (false, Conditions { clients: network("198.51.100.0/24"), ..none.clone() }),
        (true, Conditions { services: vec![Service::Lmtp, Service::Smtp], ..none.clone() }),
        (false, Conditions { services: vec![Service::Submission], ..none.clone() }),
        (true, Conditions { helo: helo(".example.net"), ..none.clone() }),
        (false, Conditions { helo: helo("example.net"), ..none.clone() }),
        (true, Conditions { senders: patterns(&["<>", "sender.example"]), ..none.clone() }),
        (false, Conditions { senders: patterns(&["<>"]), ..none.clone() }),
        (true, Conditions { recipients: patterns(&["a*@example.org"]), ..none.clone() }),
        (false, Conditions { recipients: patterns(&["b*@example.org"]), ..none.clone() }),
        (false, Conditions { recipients: patterns(&["*"]), senders: patterns(&["<>"]), ..none.clone() }),
    ] {
        assert_eq!(meets(&when), holds, "{when:?}");
    }
    let content = seen("Subject: hello\r\n\r\nbody\r\n");
    let field = |text: &str| vec![FieldPattern::parse(text).unwrap()];
    let name = |text: &str| vec![FieldName::parse(text).unwrap()];
    for (holds, when) in [
        (true, Conditions { size_over: Some(23), ..none.clone() }),
        (false, Conditions { size_over: Some(24), ..none.clone() }),
        (true, Conditions { size_under: Some(25), ..none.clone() }),
        (false, Conditions { size_under: Some(24), ..none.clone() }),
        (true, Conditions { headers: field("Subject: h*"), ..none.clone() }),
        (false, Conditions { headers: field("Subject: h"), ..none.clone() }),
        (true, Conditions { missing_headers: name("Date"), ..none.clone() }),
        (false, Conditions { missing_headers: name("SUBJECT"), ..none.clone() }),
        (false, Conditions { missing_headers: name("Date"), size_over: Some(99), ..none.clone() }),
    ] {
        assert!(when.ask_content() && meets(&when));
        assert_eq!(when.meet_content(&content), holds, "{when:?}");
    }
}

#[test]
fn a_client_without_a_name_or_address_meets_no_condition_on_it() {
    let sender = ReversePath::Null;
    let facts = EnvelopeFacts { client: None, helo: None, ..facts(&sender, "anna@example.org") };
    let every = Conditions { helo: vec![DomainPattern::Every], ..Conditions::default() };
    assert!(every.meet_envelope(&facts));
    let some = Conditions { clients: vec!["0.0.0.0/0".parse().unwrap()], ..Conditions::default() };
    assert!(!some.meet_envelope(&facts));
}

#[test]
fn what_no_client_may_hear_is_never_mixed() {
    // Outlooks that differ in what they refuse do not come together; if they did, nobody would be refused for another.
    let large = Conditions { size_over: Some(1), ..Conditions::default() };
    let rules = [rule("large", Action::Reject(reply(550)), large)];
    let sender = ReversePath::Null;
    let (one, other) = (Outlook::of(&rules, &facts(&sender, "anna@example.org")), Outlook::default());
    assert_ne!(one.refusals(&rules), other.refusals(&rules));
    let fates = settle(&rules, &[one.clone(), other], &seen("long"));
    let fates: Vec<Fate> = fates.unwrap().iter().map(|ruling| ruling.fate).collect();
    assert_eq!(fates, [Fate::Hold, Fate::Deliver]);
    let refusal = settle(&rules, &[one], &seen("long")).unwrap_err();
    assert_eq!((refusal.reply.code(), refusal.rule), (550, 0));
}

#[test]
fn a_rule_covers_what_it_leaves_nothing_of() {
    let when = |senders: &[&str], over: Option<u64>| Conditions {
        senders: patterns(senders),
        size_over: over,
        ..Conditions::default()
    };
    for (wide, narrow, covers) in [
        (when(&[], None), when(&["example.net"], None), true),
        (when(&["example.net"], None), when(&[], None), false),
        (when(&["example.net"], None), when(&["anna@example.net"], Some(10)), true),
        (when(&["example.net"], Some(10)), when(&["anna@example.net"], None), false),
        (when(&["example.net"], Some(10)), when(&["anna@example.net"], Some(20)), true),
        (when(&["example.net"], Some(20)), when(&["anna@example.net"], Some(10)), false),
        (when(&["example.net", "<>"], None), when(&["<>", "anna@example.net"], None), true),
    ] {
        let (wide, narrow) = (rule("wide", Action::Hold, wide), rule("narrow", Action::Drop, narrow));
        assert_eq!(wide.covers(&narrow), covers, "{wide:?} {narrow:?}");
    }
    let postmaster =
        Conditions { recipients: patterns(&["postmaster@example.org"]), ..Conditions::default() };
    let held = rule("held", Action::Hold, postmaster);
    assert!(!rule("all", Action::Drop, Conditions::default()).covers(&held), "postmaster is spared");
    assert!(rule("all", Action::Hold, Conditions::default()).covers(&held));
}

// --- properties ---

fn any_action() -> impl Strategy<Value = Action> {
    select(vec![
        Action::Accept,
        Action::Reject(reply(550)),
        Action::Defer(reply(451)),
        Action::Drop,
        Action::Hold,
    ])
}

fn some<T: Clone + std::fmt::Debug + 'static>(choices: Vec<T>) -> impl Strategy<Value = Vec<T>> {
    vec(select(choices), 0..3)
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let addresses = ["*", "<>", "a@x.example", "x.example", "y.example", "a*@y.example"];
    let fields = ["A: *", "A: 1", "B: 1*"].map(|text| FieldPattern::parse(text).unwrap());
    let missing = ["A", "B"].map(|text| FieldName::parse(text).unwrap());
    let sizes = || option::weighted(0.2, 0..40_u64);
    let when = (
        some(patterns(&addresses)),
        some(patterns(&addresses)),
        sizes(),
        sizes(),
        some(fields.to_vec()),
        some(missing.to_vec()),
    );
    let when =
        when.prop_map(|(senders, recipients, size_over, size_under, headers, missing_headers)| Conditions {
            senders,
            recipients,
            size_over,
            size_under,
            headers,
            missing_headers,
            ..Conditions::default()
        });
    (any_action(), when).prop_map(|(action, when)| rule("any", action, when))
}

fn any_envelope() -> impl Strategy<Value = (ReversePath, Vec<String>)> {
    let addresses = || select(vec!["a@x.example", "b@x.example", "ab@y.example", "c@z.example"]);
    let sender = option::of(addresses()).prop_map(|sender| match sender {
        None => ReversePath::Null,
        Some(address) => ReversePath::Address(address.parse().unwrap()),
    });
    (sender, vec(addresses().prop_map(str::to_owned), 1..5))
}

fn any_content() -> impl Strategy<Value = String> {
    select(vec![
        "\r\n",
        "A: 1\r\n\r\n",
        "A: 2\r\nB: 11\r\n\r\nbody",
        "B: 1\r\n\r\na longer body, of some words\r\n",
    ])
    .prop_map(str::to_owned)
}

/// The definition: the first rule all of whose conditions hold.
fn first<'a>(rules: &'a [Rule], facts: &EnvelopeFacts<'_>, content: &Seen) -> Option<&'a Rule> {
    rules.iter().find(|rule| rule.takes(facts) && rule.when.meet_content(content))
}

proptest! {
    /// Whoever is let in together by RCPT gets what the first rule that matches says, whatever the content is, and one
    /// reply says it for all.
    #[test]
    fn the_first_rule_that_matches_holds_for_every_recipient(
        rules in vec(any_rule(), 0..6), (sender, recipients) in any_envelope(), content in any_content()
    ) {
        let content = seen(&content);
        let mut together: Vec<(Outlook, Option<&Rule>)> = Vec::new();
        for recipient in &recipients {
            let facts = facts(&sender, recipient);
            let outlook = Outlook::of(&rules, &facts);
            let holds = first(&rules, &facts, &content);
            if let Some(refusal) = outlook.refusal(&rules) {
                prop_assert_eq!(Some(&refusal.reply), holds.and_then(|rule| rule.action.refusal()));
            } else if together.first().is_none_or(|(one, _)| one.refusals(&rules) == outlook.refusals(&rules)) {
                together.push((outlook, holds));
            }
        }
        let outlooks: Vec<Outlook> = together.iter().map(|(outlook, _)| outlook.clone()).collect();
        match settle(&rules, &outlooks, &content) {
            Err(refusal) => for (_, holds) in &together {
                prop_assert_eq!(holds.and_then(|rule| rule.action.refusal()), Some(&refusal.reply));
            },
            Ok(rulings) => for (ruling, (_, holds)) in rulings.iter().zip(&together) {
                let fate = match holds.map(|rule| &rule.action) {
                    None | Some(Action::Accept) => Fate::Deliver,
                    Some(Action::Hold) => Fate::Hold,
                    Some(Action::Junk) => Fate::Junk,
                    Some(Action::Drop) => Fate::Drop,
                    Some(Action::Reject(_) | Action::Defer(_)) => panic!("should have been refused"),
                };
                prop_assert_eq!(ruling.fate, fate);
            },
        }
    }

    /// What `config check` calls shadowed never decides.
    #[test]
    fn a_rule_behind_one_that_covers_it_never_decides(
        wide in any_rule(), narrow in any_rule(), (sender, recipients) in any_envelope(), content in any_content()
    ) {
        let content = seen(&content);
        let covered = wide.covers(&narrow);
        let rules = [wide, Rule { name: "narrow".into(), ..narrow }];
        for recipient in &recipients {
            let holds = first(&rules, &facts(&sender, recipient), &content);
            prop_assert!(!covered || holds.is_none_or(|rule| &*rule.name == "any"));
        }
    }
}
