//! What next hops are told by the extensions that they offer.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

use crate::support::{World, peer::Does::Say};
use deliver::{Hosts, NamedHost, Protocol, Relay};
use events::Kind::{Bounced, Delivered};
use mail::{Notify, OriginalRecipient, Ret};

const ANNA: &str = "anna@example.org";
const BERT: &str = "bert@example.org";
const OTTO: &str = "otto@here.test";
const TEXT: &str = "Subject: x\r\n\r\nhello\r\n";
const RELAY: &str = "10.0.0.7";
const MX1: &str = "192.0.2.1";
const DSN: &str = "250-mx1.example.org\r\n250-PIPELINING\r\n250 DSN";

/// A message whose sender asks for reports of all kinds about Bert, under a name.
async fn send_asking(world: &World) {
    world
        .send_as(OTTO, &[ANNA, BERT], TEXT, |envelope| {
            envelope.ret = Some(Ret::Full);
            envelope.envid = Some("a=b".into());
            let bert = &mut envelope.recipients[1];
            bert.notify = Notify { success: true, failure: true, delay: true, given: true };
            bert.orcpt = OriginalRecipient::from_parameter("rfc822;Bert@Example.NET");
        })
        .await;
}

#[tokio::test]
async fn what_the_sender_asked_of_reports_goes_on_to_a_host_with_dsn() {
    let mut world = World::new();
    let peer = world.peer(MX1);
    peer.obey(vec![("EHLO", Say(DSN))]);
    send_asking(&world).await;
    assert_eq!(world.fates(&[ANNA, BERT]).await, [Delivered, Delivered]);
    let lines = peer.lines.lock().unwrap().clone();
    assert_eq!(
        lines[2..5],
        [
            "MAIL FROM:<otto@here.test> RET=FULL ENVID=a+3Db",
            "RCPT TO:<anna@example.org> ORCPT=rfc822;anna@example.org",
            "RCPT TO:<bert@example.org> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;Bert@Example.NET",
        ]
    );
}

#[tokio::test]
async fn a_host_that_refuses_what_it_announced_gets_the_message_without_it() {
    for (line, refusal) in [
        ("MAIL FROM:<otto@here.test> RET", "555 5.5.4 RET?"),
        ("RCPT TO:<anna@example.org> ORCPT", "501 Syntax error"),
        ("RCPT TO:<bert@example.org> NOTIFY", "504 5.5.4 NOTIFY?"),
    ] {
        let mut world = World::new();
        let peer = world.peer(MX1);
        peer.obey(vec![("EHLO", Say(DSN)), (line, Say(refusal))]);
        send_asking(&world).await;
        assert_eq!(world.fates(&[ANNA, BERT]).await, [Delivered, Delivered], "{refusal}");
        let mut to: Vec<String> = peer.got().into_iter().flat_map(|got| got.to).collect();
        to.sort();
        assert_eq!((to, peer.count("CONNECT")), (vec![ANNA.to_owned(), BERT.to_owned()], 1), "{refusal}");
    }
}

#[tokio::test]
async fn a_refusal_that_stands_without_the_parameters_too_is_one() {
    for refusal in ["501 5.1.3 Bad address", "501 Bad address"] {
        let mut world = World::new();
        let peer = world.peer(MX1);
        peer.obey(vec![("EHLO", Say(DSN)), ("RCPT TO:<bert", Say(refusal))]);
        send_asking(&world).await;
        assert_eq!(world.fates(&[ANNA, BERT]).await, [Delivered, Bounced], "{refusal}");
        let again = usize::from(refusal == "501 Bad address");
        assert_eq!((peer.count("MAIL"), peer.got().len()), (1 + again, 1), "{refusal}");
    }
}

#[tokio::test]
async fn the_limits_of_a_host_are_obeyed() {
    const CARL: &str = "carl@example.org";
    for (limits, transactions, connections) in [
        ("250 LIMITS RCPTMAX=2", [2, 1].as_slice(), 1),
        ("250 LIMITS MAILMAX=1 RCPTMAX=2", &[2, 1], 2),
        ("250 LIMITS MAILMAX=1 RCPTMAX=1", &[1, 1, 1], 3),
        ("250 LIMITS RCPTMAX=0 MAILMAX=x", &[3], 1),
    ] {
        let mut world = World::new();
        let peer = world.peer(MX1);
        let ehlo = format!("250-mx1.example.org\r\n250-PIPELINING\r\n{limits}");
        peer.obey(vec![("EHLO", Say(ehlo.leak()))]);
        world.send(OTTO, &[ANNA, BERT, CARL], TEXT).await;
        assert_eq!(world.fates(&[ANNA, BERT, CARL]).await, [Delivered; 3], "{limits}");
        let to: Vec<usize> = peer.got().iter().map(|got| got.to.len()).collect();
        assert_eq!((to.as_slice(), peer.count("CONNECT")), (transactions, connections), "{limits}");
        world.stop().await;
        assert_eq!(peer.count("QUIT"), connections, "{limits}");
    }
}

#[tokio::test]
async fn a_session_that_has_had_its_transactions_or_domains_is_not_used_again() {
    for limit in ["MAILMAX=2", "RCPTDOMAINMAX=1"] {
        let mut world = World::with(|config| {
            let hosts = vec![NamedHost::Address(RELAY.parse().unwrap(), None)];
            config.relays = vec![Relay::of("relay", Hosts { protocol: Protocol::Smtp, hosts }).into()];
        });
        let relay = world.peer(RELAY);
        relay.obey(vec![("EHLO", Say(format!("250-relay\r\n250 LIMITS {limit}").leak()))]);
        for to in [ANNA, BERT, "carl@example.net"] {
            world.send(OTTO, &[to], TEXT).await;
            assert_eq!(world.fate(to).await.kind, Delivered, "{limit}");
        }
        assert_eq!((relay.got().len(), relay.count("CONNECT")), (3, 2), "{limit}");
    }
}

#[tokio::test]
async fn a_host_that_refuses_what_it_announced_in_each_of_its_short_sessions_gets_the_message_too() {
    let mut world = World::new();
    let peer = world.peer(MX1);
    let ehlo = "250-mx1.example.org\r\n250-LIMITS MAILMAX=1\r\n250 DSN";
    peer.obey(vec![("EHLO", Say(ehlo)), ("MAIL FROM:<otto@here.test> RET", Say("555 5.5.4 RET?"))]);
    send_asking(&world).await;
    assert_eq!(world.fates(&[ANNA, BERT]).await, [Delivered, Delivered]);
    assert_eq!((peer.got().len(), peer.count("CONNECT")), (1, 2));
}
