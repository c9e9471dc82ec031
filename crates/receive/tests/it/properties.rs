//! What holds whatever a stranger sends: nothing is relayed, and what is promised is there.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use directory::{AccountConfig, Directory, DomainConfig};
use net::{Networks, Shutdown};
use proptest::{collection::vec, prelude::*, sample::select};
use receive::{Config, Receiver, Service};
use spool::ListFilter;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream, DuplexStream, duplex},
    runtime::Builder,
};

use crate::stage::{Machine, logins};

/// What a client does, each time waiting for the reply.
#[derive(Debug, Clone)]
enum Act {
    Line(String),
    /// DATA, and if it is let, this content and its end.
    Data(Vec<u8>),
    Chunk(Vec<u8>, bool),
}

fn act() -> impl Strategy<Value = Act> {
    let paths = [
        "<anna@example.org>",
        "<postmaster>",
        "<nobody@example.org>",
        "<dave@elsewhere.example>",
        "<@example.org:dave@elsewhere.example>",
        "<@elsewhere.example:anna@example.org>",
        "<dave%elsewhere.example@example.org>",
        "<elsewhere.example!dave@example.org>",
        "<\"dave@elsewhere.example\"@example.org>",
        "<dave@[192.0.2.9]>",
        "<dave@example.org.>",
        "<dave@Example.ORG.elsewhere.example>",
    ];
    let rcpt = (select(paths.to_vec()), select(vec!["", " NOTIFY=NEVER", " SIZE=1"]))
        .prop_map(|(path, parameter)| format!("RCPT TO:{path}{parameter}"));
    let others = [
        "EHLO client.example.net",
        "HELO client.example.net",
        "MAIL FROM:<>",
        "MAIL FROM:<anna@example.org>",
        "MAIL FROM:<carol@sender.example> SIZE=9 BODY=8BITMIME SMTPUTF8",
        "MAIL FROM:<carol@sender.example> BODY=BINARYMIME",
        "RSET",
        "XCLIENT ADDR=10.0.0.1",
        "XCLIENT ADDR=10.0.0.1 HELO=a PROTO=ESMTP",
        "PROXY TCP4 10.0.0.1 192.0.2.2 4000 25",
        "ETRN @elsewhere.example",
        "AUTH PLAIN AGEAYg==",
        "VRFY anna",
        "NOOP",
    ];
    let odd = vec(select(vec!["a", ".", "\r\n", "\r\n.", "\n", "\r", "\0", "ß", "Received: x\r\n"]), 0..9);
    let content = prop_oneof![Just("Subject: x\r\n".to_owned()), odd.prop_map(|parts| parts.concat())];
    let content = content.prop_map(String::into_bytes);
    let begin = prop_oneof![2 => Just("MAIL FROM:<>"), 1 => select(others.to_vec())];
    prop_oneof![
        3 => begin.prop_map(|line| Act::Line(line.into())),
        6 => rcpt.prop_map(Act::Line),
        2 => content.clone().prop_map(Act::Data),
        1 => (content, any::<bool>()).prop_map(|(octets, last)| Act::Chunk(octets, last)),
    ]
}

struct Client(BufStream<DuplexStream>);

impl Client {
    /// A whole reply; none at the end of the session.
    async fn reply(&mut self) -> Option<String> {
        let mut reply = String::new();
        loop {
            let begun = reply.len();
            if self.0.read_line(&mut reply).await.ok()? == 0 {
                return None;
            }
            if reply.as_bytes().get(begun + 3) == Some(&b' ') {
                return Some(reply);
            }
        }
    }

    async fn send(&mut self, octets: &[u8]) -> Option<String> {
        self.0.write_all(octets).await.ok()?;
        self.0.flush().await.ok()?;
        self.reply().await
    }

    async fn act(&mut self, act: &Act) -> Option<String> {
        match act {
            Act::Line(line) => self.send(format!("{line}\r\n").as_bytes()).await,
            Act::Chunk(octets, last) => {
                let last = if *last { " LAST" } else { "" };
                let command = format!("BDAT {}{last}\r\n", octets.len());
                self.send(&[command.as_bytes(), octets].concat()).await
            }
            Act::Data(content) => match self.send(b"DATA\r\n").await? {
                reply if reply.starts_with("354") => {
                    // Its own end may come first: then what follows are commands, and the end is one that nobody knows.
                    self.send(&[content, b"\r\n.\r\n".as_slice()].concat()).await
                }
                reply => Some(reply),
            },
        }
    }
}

fn receiver(machine: &Machine) -> Receiver {
    let account = AccountConfig { login: "anna@example.org".into(), ..AccountConfig::default() };
    let domain = DomainConfig { name: "example.org".into(), catch_all: None, subaddress: None };
    let directory =
        directory::Config { domains: vec![domain], accounts: vec![account], ..directory::Config::default() };
    let networks = |text: &str| Networks::parse([text]).unwrap();
    let config = Config {
        hostname: "mx.example.org".into(),
        trusted_networks: networks("10.0.0.0/8"),
        xclient_networks: networks("172.16.0.0/12"),
        etrn_networks: networks("172.16.0.0/12"),
        ..Config::default()
    };
    let directory = Arc::new(Directory::new(directory).unwrap());
    Receiver::new(
        config,
        machine.spool.clone(),
        Arc::clone(&directory),
        logins(&directory),
        machine.clock.clone(),
    )
}

/// The ids that the client was promised.
async fn promised(machine: &Machine, service: Service, acts: &[Act]) -> BTreeSet<String> {
    let (ours, theirs) = duplex(64 * 1024);
    let receiver = receiver(machine);
    let session = tokio::spawn(async move {
        let stranger = IpAddr::from([203, 0, 113, 9]);
        receiver.session(service, stranger, theirs, &mut Shutdown::never()).await
    });
    let mut client = Client(BufStream::new(ours));
    let (mut said, mut open) = (String::new(), client.reply().await);
    let hello = Act::Line("EHLO client.example.net".into());
    for act in [hello].iter().chain(acts) {
        let Some(reply) = open.take() else { break };
        said += &reply;
        open = client.act(act).await;
    }
    said += &open.unwrap_or_default();
    let _ = client.0.shutdown().await;
    let _ = client.0.read_to_string(&mut said).await;
    session.await.unwrap().unwrap();
    said.lines().filter_map(|line| line.strip_prefix("250 2.0.0 Queued as ")).map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.div_ceil(4), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_of_a_stranger_is_relayed_and_what_was_promised_is_there(
        acts in vec(act(), 0..40), service in select(vec![Service::Smtp, Service::Submission, Service::Dev]),
    ) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let machine = Machine::new();
            let promised = promised(&machine, service, &acts).await;
            let messages = machine.spool.list(&ListFilter::default());
            let kept: BTreeSet<String> = messages.iter().map(|message| message.id.to_string()).collect();
            prop_assert_eq!(promised, kept);
            for message in messages {
                for recipient in message.recipients {
                    prop_assert_eq!(recipient.forward_path, "anna@example.org");
                }
            }
            Ok(())
        })?;
    }
}
