//! Whatever rules there are: a client that may not relay does not relay by them.

use std::{net::IpAddr, sync::Arc};

use directory::{AccountConfig, Directory, DomainConfig};
use net::ShutdownSwitch;
use proptest::{collection::vec, prelude::*, sample::select};
use receive::{Config, Receiver, Rule, Service};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    runtime::Builder,
};

use crate::stage::{Machine, logins, rule};

const CLIENT: [u8; 4] = [192, 0, 2, 1];

fn any_rules() -> impl Strategy<Value = Vec<Rule>> {
    let action = select(vec!["accept", "reject", "defer", "drop", "hold"]);
    let condition = select(vec![
        "senders=*",
        "senders=carol@sender.example",
        "senders=<>",
        "recipients=*",
        "recipients=elsewhere.example",
        "recipients=dave@elsewhere.example,example.org",
        "clients=192.0.2.0/24",
        "clients=198.51.100.0/24",
        "services=smtp",
        "helo=client.example.net",
        "size_over=0",
        "headers=Subject:*",
        "missing_headers=Date",
    ]);
    let one = (action, vec(condition, 1..3))
        .prop_map(|(action, conditions)| rule(&format!("any {action} {}", conditions.join(" "))).unwrap());
    vec(one, 0..5)
}

/// The replies to RCPT for a stranger's and for our own address.
async fn replies(rules: Vec<Rule>) -> Vec<String> {
    let machine = Machine::new();
    let account = AccountConfig { login: "anna@example.org".into(), ..AccountConfig::default() };
    let directory = Directory::new(directory::Config {
        domains: vec![DomainConfig { name: "example.org".into(), catch_all: None, subaddress: None }],
        accounts: vec![account],
        ..directory::Config::default()
    });
    let directory = Arc::new(directory.unwrap());
    let config = Config { rules, ..Config::default() };
    let receiver = Receiver::new(
        config,
        machine.spool.clone(),
        Arc::clone(&directory),
        logins(&directory),
        machine.clock.clone(),
    );
    let (mut ours, theirs) = duplex(16 * 1024);
    let (_switch, mut shutdown) = ShutdownSwitch::new();
    let session = receiver.session(Service::Smtp, IpAddr::from(CLIENT), theirs, &mut shutdown);
    let mut heard = Vec::new();
    let client = async {
        // One after the other as far as they must be: a client that talks too early is turned away.
        for (said, line) in [
            ("220 ", "EHLO client.example.net\r\n"),
            (
                "250 LIMITS",
                "MAIL FROM:<carol@sender.example>\r\nRCPT TO:<dave@elsewhere.example>\r\n\
                 RCPT TO:<nobody@example.org>\r\nRCPT TO:<anna@example.org>\r\nQUIT\r\n",
            ),
        ] {
            while !String::from_utf8_lossy(&heard).contains(said) {
                ours.read_buf(&mut heard).await.unwrap();
            }
            ours.write_all(line.as_bytes()).await.unwrap();
        }
        ours.read_to_end(&mut heard).await.unwrap();
    };
    let (ended, ()) = tokio::join!(session, client);
    ended.unwrap();
    let heard = String::from_utf8(heard).unwrap();
    let (_, replies) = heard.split_once("250 2.1.0 Sender ok\r\n").unwrap();
    replies.lines().take(3).map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn no_rules_let_a_stranger_relay_or_make_a_mailbox(rules in any_rules()) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let none = rules.is_empty();
        let replies = runtime.block_on(replies(rules));
        prop_assert!(replies[0].starts_with(['4', '5']) && replies[1].starts_with(['4', '5']), "{:?}", replies);
        prop_assert!(!none || replies[2].starts_with("250 "), "{:?}", replies);
    }
}
