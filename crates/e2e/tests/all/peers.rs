//! Other people's mail servers as peers, in both directions. They start as root only: `scripts/test` leaves these
//! tests out for others.

mod content;
mod dane;
mod dovecot;
mod dsn;
mod exim;
mod imap_import;
mod likeness;
mod lists;
mod lmtp;
mod mta_sts;
mod named;
mod postfix;
mod structures;
mod tls;
mod tls_policy;
mod utf8;

use std::time::Duration;

use e2e::{Client, House, Loopback, Postrider, queue_id};

/// How long mail may take, reports about it included: an unoptimised binary on a busy machine.
const SOON: Duration = Duration::from_mins(1);

/// A server of ours with a route for the domain of a peer, which shall be host 1 of the net.
struct Ours {
    server: Postrider,
    house: House,
    net: Loopback,
    port: u16,
}

impl Ours {
    /// Mail for `domain` goes to the peer. `receive` are further settings of that section, `more` further sections.
    fn routing(domain: &str, receive: &str, more: &str) -> Self {
        let net = Loopback::claim();
        let port = net.port();
        let house = House::new(&format!(
            "[receive]\ntrusted_networks = [\"127.0.0.1/32\"]\n{receive}\n\
             [queue]\nretry = [\"1s\"]\n\
             [[route]]\ndomains = \"{domain}\"\nto = \"smtp:{}:{port}\"\n{more}\n",
            net.host(1)
        ));
        Self { server: house.start(), house, net, port }
    }

    /// The setting with which Postfix sends all mail to us that it does not keep.
    fn relayhost(&self) -> String {
        format!("relayhost = [127.0.0.1]:{}\n", self.server.smtp().port())
    }

    /// Hands a message over, paths with their parameters; gives its queue id.
    fn takes(&self, from: &str, to: &[&str], content: &str) -> String {
        let (code, text) = self.server.client().mail_as(from, to, content).unwrap();
        assert_eq!(code, 250, "{text}");
        queue_id(&text)
    }
}

/// Hands a message to a peer, paths with their parameters.
fn hand_over(peer: std::net::SocketAddr, from: &str, to: &[&str], content: &str) {
    let mut client = Client::connect(peer);
    client.expect("EHLO client.test", 250);
    let (code, text) = client.mail_as(from, to, content).unwrap();
    assert_eq!(code, 250, "{text}");
}
