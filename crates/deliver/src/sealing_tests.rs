//! Who signs and who seals, by what a message says and where it came from.

use mail::{QueueId, ReversePath};

use super::*;

const HOST: &str = "mx.here.example";

fn envelope(listener: &str, reverse_path: &str, account: Option<&str>) -> Envelope {
    let mut envelope =
        Envelope::new(QueueId::from_bytes([0; 16]), Timestamp::default(), listener, Vec::new());
    envelope.account = account.map(Into::into);
    if !reverse_path.is_empty() {
        envelope.reverse_path = ReversePath::Address(reverse_path.parse().unwrap());
    }
    envelope
}

/// Who signs, and who seals what.
fn planned(envelope: &Envelope, content: &str) -> (Vec<String>, Option<String>) {
    let Plan { signs, seals } = Plan::new(HOST, envelope, &HeaderSection::read(content.as_bytes()));
    let seals = seals.map(|(domain, status, words)| format!("{domain} {} {words}", status.name()));
    (signs.iter().map(ToString::to_string).collect(), seals)
}

#[test]
fn what_is_sent_on_is_sealed_with_what_was_found() {
    let own = "Delivered-To: sales@here.example\r\nX-Forwarded-For: sales@here.example\r\n";
    let found = "Authentication-Results: mx.here.example;\r\n\t( )\r\n\tspf=pass smtp.mailfrom=a@b.example;\r\n\tarc=pass\r\n";
    let rest =
        "Received: x\r\nAuthentication-Results: mx.here.example; arc=fail\r\nFrom: a@here.example\r\n\r\n";
    let forwarded = envelope("forward", "SRS0=x@here.example", None);
    let (signs, seals) = planned(&forwarded, &format!("{own}{found}{rest}"));
    assert_eq!(signs, [""; 0], "never a signature for whoever says to be of ours");
    let words = "here.example pass mx.here.example; spf=pass smtp.mailfrom=a@b.example; arc=pass";
    assert_eq!(seals.as_deref(), Some(words));
    // Nobody looked: a field that stands further down is anybody's.
    let (_, seals) = planned(&forwarded, &format!("{own}{rest}"));
    assert_eq!(seals.as_deref(), Some("here.example none mx.here.example; none"));
    let (_, seals) =
        planned(&forwarded, &format!("{own}Received: x\r\nARC-Seal: i=1\r\nFrom: a@b.example\r\n\r\n"));
    assert_eq!(seals, None);
    let other = found.replace("arc=pass", "arc=fail");
    let (_, seals) = planned(&envelope("forward", "", None), &format!("{own}{other}{rest}"));
    assert!(seals.unwrap().starts_with("here.example fail "), "a report too, and a broken chain is told");
    // By a login it is our own, and signed as such.
    let by_login = envelope("forward", "anna@here.example", Some("anna@here.example"));
    let (signs, seals) = planned(&by_login, &format!("{own}Received: x\r\nFrom: anna@here.example\r\n\r\n"));
    assert_eq!((signs, seals), (vec!["here.example".to_owned()], None));
    let (signs, _) =
        planned(&by_login, &format!("{own}Resent-From: a@here.example\r\nFrom: boss@here.example\r\n\r\n"));
    assert_eq!(signs, [""; 0]);
}

#[test]
fn a_list_signs_for_its_domain_but_makes_no_stranger_one_of_it() {
    let list =
        "Delivered-To: talk@lists.here.example\r\nList-Id: <talk.lists.here.example>\r\nPrecedence: list\r\n";
    let signs = |account: Option<&str>, found: &str, from: &str| {
        let envelope = envelope("list", "talk-bounces@lists.here.example", account);
        planned(&envelope, &format!("{list}{found}Received: x\r\nFrom: {from}\r\n\r\n")).0
    };
    let passed = "Authentication-Results: mx.here.example; dmarc=pass header.from=here.example\r\n";
    let failed =
        "Authentication-Results: mx.here.example; dmarc=fail (dmarc=pass) header.from=here.example\r\n";
    let (ours, login) = (["lists.here.example"], Some("anna@here.example"));
    assert_eq!(signs(None, failed, "eve@other.example"), ours, "a foreign author gains nothing by it");
    assert_eq!(signs(None, failed, "Eve via Talk <talk@lists.here.example>"), ours);
    assert_eq!(signs(None, passed, "anna@here.example"), ours);
    for from in
        ["anna@here.example", "anna@mail.here.example", "x@lists.here.example", "x@a.lists.here.example"]
    {
        assert_eq!(signs(None, failed, from), [""; 0], "{from}");
        assert_eq!(signs(None, "", from), [""; 0], "{from}");
    }
    assert_eq!(signs(None, failed, "a@here.example, b@other.example"), [""; 0], "nobody knows who it is");
    assert_eq!(signs(login, "", "anna@here.example"), ["here.example", "lists.here.example"]);
    assert_eq!(signs(login, "", "anna@lists.here.example"), ours);
}
