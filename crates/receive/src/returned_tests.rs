//! What comes to reverse-paths of ours, and what waits instead of leaving.

use directory::{AccountConfig, AliasConfig, Config, DomainConfig, ListConfig};
use mail::{Domain, QueueId, Recipient};

use super::*;
use crate::Service;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn directory() -> Directory {
    let domain = |name: &str, catch_all: Option<&str>| DomainConfig {
        name: name.into(),
        catch_all: catch_all.map(Into::into),
        subaddress: None,
    };
    Directory::new(Config {
        domains: vec![domain("example.org", None), domain("caught.example", Some("eve@other.example"))],
        accounts: ["anna@example.org", "postmaster@example.org"]
            .map(|login| AccountConfig { login: login.into(), ..AccountConfig::default() })
            .into(),
        aliases: vec![AliasConfig {
            address: "sales@example.org".into(),
            to: vec!["anna@example.org".into(), "eve@other.example".into()],
        }],
        lists: vec![ListConfig {
            address: "talk@example.org".into(),
            members: vec!["anna@example.org".into()],
            owners: vec!["anna@example.org".into()],
            post: Some("anyone".into()),
            title: None,
        }],
        ..Config::default()
    })
    .unwrap()
}

fn paths(signs: bool) -> ReturnPaths {
    ReturnPaths::new(["secret"], 21, signs, None).unwrap()
}

fn asked(paths: &ReturnPaths, origin: Origin, to: &str, sender: &str) -> String {
    let sender = sender.parse().map_or(ReversePath::Null, ReversePath::Address);
    let path = ForwardPath::Address(to.parse().unwrap());
    match returned(paths, origin, &directory(), &path, &sender, NOW) {
        None => "usual".to_owned(),
        Some(Decision::Accept(to)) => to.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Some(Decision::Reject(reply) | Decision::Defer(reply)) => reply.to_string(),
    }
}

const STRANGER: Origin = Origin { service: Service::Smtp, trusted: false, authenticated: false };

#[tokio::test]
async fn reports_come_back_to_who_wrote_and_nothing_else_does() {
    let paths = paths(false);
    let made = async |sender: &str, via: &str| {
        let (sender, via) = (sender.parse().unwrap(), Domain::parse(via).unwrap());
        paths.rewrite(&sender, &via, NOW).await.unwrap().to_string()
    };
    let refused = "550 5.7.1 No report is awaited at this address";
    let far = made("bob@far.example", "example.org").await;
    assert_eq!(asked(&paths, STRANGER, &far, ""), "bob@far.example");
    assert_eq!(asked(&paths, STRANGER, &far.to_lowercase(), ""), "bob@far.example");
    assert_eq!(asked(&paths, STRANGER, &far, "x@far.example"), refused, "it takes reports alone");
    let here = made("anna@example.org", "example.org").await;
    assert_eq!(asked(&paths, STRANGER, &here, ""), "anna@example.org");
    let nobody = made("nobody@example.org", "example.org").await;
    assert_eq!(asked(&paths, STRANGER, &nobody, ""), refused);
    // Where a catch-all takes everything, it does not take these.
    let caught = made("bob@far.example", "caught.example").await;
    assert_eq!(asked(&paths, STRANGER, &caught, ""), "bob@far.example");
    for forged in [
        far.replace("bob", "eve"),
        far.replace("SRS0=", "SRS0=A"),
        "SRS0=AAAAAAAA=RA=far.example=bob@caught.example".to_owned(),
        "SRS1=AAAAAAAA=far.example==x=y=bob@example.org".to_owned(),
        "SRS0=@example.org".to_owned(),
    ] {
        assert_eq!(asked(&paths, STRANGER, &forged, ""), refused, "{forged}");
    }
    assert_eq!(asked(&paths, STRANGER, &far.replace("@example.org", "@elsewhere.example"), ""), "usual");
    let old = Timestamp::from_millis(NOW.as_millis() - 30 * 24 * 60 * 60 * 1000);
    let (sender, via) = ("bob@far.example".parse().unwrap(), Domain::parse("example.org").unwrap());
    let expired = paths.rewrite(&sender, &via, old).await.unwrap().to_string();
    assert_eq!(asked(&paths, STRANGER, &expired, ""), refused, "and nobody learns that it was ours");
}

#[test]
fn where_reverse_paths_are_signed_forged_reports_are_told_from_real_ones() {
    let (on, off) = (paths(true), paths(false));
    let signed = on.sign(&"anna@example.org".parse().unwrap(), NOW).unwrap().to_string();
    let unsigned = "550 5.7.1 This address takes reports of mail that it has sent from here only";
    let refused = "550 5.7.1 No report is awaited at this address";
    for (paths, to, sender, expected) in [
        (&on, &*signed, "", "anna@example.org"),
        (&off, &*signed, "", "anna@example.org"),
        (&on, &*signed, "x@far.example", "anna@example.org"),
        (&on, "anna@example.org", "", unsigned),
        (&on, "ANNA+x@example.org", "", unsigned),
        (&off, "anna@example.org", "", "usual"),
        (&on, "anna@example.org", "x@far.example", "usual"),
        (&on, "postmaster@example.org", "", "usual"),
        (&on, "sales@example.org", "", "usual"),
        (&on, "nobody@example.org", "", "usual"),
        (&on, "prvs=0021abcdef=anna@example.org", "", refused),
        (&on, "prvs=0021abcdef=anna@example.org", "x@far.example", refused),
    ] {
        assert_eq!(asked(paths, STRANGER, to, sender), expected, "{to} from {sender}");
    }
    let known = Origin { trusted: true, ..STRANGER };
    assert_eq!(asked(&on, known, "anna@example.org", ""), "usual", "a report of a program of ours");
}

#[test]
fn what_is_unwanted_waits_where_it_would_leave() {
    let directory = directory();
    let of = |junk: bool| {
        let recipient = |to: &str| Recipient { junk, ..Recipient::new(to.parse().unwrap(), NOW) };
        let to = ["anna@example.org", "sales@example.org", "who@caught.example"].map(recipient);
        let mut envelope = Envelope::new(QueueId::from_bytes([0; 16]), NOW, "smtp", to.into());
        // By the SPF of its sender's domain somebody else sent it, who may well be one that passes its mail on.
        envelope.may_bounce = false;
        let event = hold_back(&directory, &mut envelope);
        let held: Vec<bool> = envelope.recipients.iter().map(|recipient| recipient.held).collect();
        (held, event.map(|event| event.recipients))
    };
    let leaving = vec!["sales@example.org".to_owned(), "who@caught.example".to_owned()];
    assert_eq!(of(false), (vec![false, false, false], None));
    assert_eq!(of(true), (vec![false, true, true], Some(leaving)));
}

#[test]
fn what_a_rule_calls_junk_is_not_sent_on_to_a_list() {
    let directory = directory();
    for (junk, held) in [(true, true), (false, false)] {
        let to = Recipient { junk, ..Recipient::new("talk@example.org".parse().unwrap(), NOW) };
        let mut envelope = Envelope::new(QueueId::from_bytes([0; 16]), NOW, "lmtp", vec![to]);
        assert_eq!(hold_back(&directory, &mut envelope).is_some(), held);
        assert_eq!(envelope.recipients[0].held, held);
    }
}
