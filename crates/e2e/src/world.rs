//! A small internet for one test: a server of ours, a name server, and hosts that have a port in common.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::knot::{Knot, Zone};
use crate::loopback::Loopback;
use crate::maildir::Mail;
use crate::postrider::{House, Postrider};
use crate::sink::{Script, Sink};

/// How long the mail may take: an unoptimised binary on a busy machine, with a second between attempts.
const SOON: Duration = Duration::from_mins(1);

/// The parts, in the order in which they must be dropped.
pub struct World {
    server: Option<Postrider>,
    /// The server's folder.
    pub house: House,
    /// Where all hosts of the world are.
    pub net: Loopback,
    /// The port on which every host of the world takes mail.
    pub port: u16,
    /// The name server.
    pub knot: Knot,
}

impl World {
    /// Starts name server and server. `records` are those of the zone `test.`, where `@1` stands for host 1 of the
    /// net; `broken.test.` answers SERVFAIL, and no other name exists. `queue` are settings of `[queue]`.
    pub fn new(records: &str, queue: &str) -> Self {
        Self::with(records, queue, "")
    }

    /// As `new`, with further tables of the configuration, where `@1` stands for host 1 and `@port` for its port.
    pub fn with(records: &str, queue: &str, more: &str) -> Self {
        Self::delivering(records, "", queue, more)
    }

    /// As `with`, with further settings of `[deliver]`.
    pub fn delivering(records: &str, deliver: &str, queue: &str, more: &str) -> Self {
        let net = Loopback::claim();
        let port = net.port();
        let records = with_addresses(&net, records);
        let zones = [
            Zone { name: "test.", records: Some(&records) },
            Zone { name: "broken.test.", records: None },
            Zone { name: ".", records: Some("") },
        ];
        let knot = Knot::start(&net, &zones);
        let more = with_addresses(&net, &more.replace("@port", &port.to_string()));
        let house = House::new(&format!(
            "[dns]\nservers = [\"{}\"]\n\
             [receive]\ntrusted_networks = [\"127.0.0.1/32\"]\n\
             [deliver]\nport = {port}\nprivate_addresses = \"allow\"\n{deliver}\n\
             [queue]\n{queue}\n{more}\n",
            knot.address()
        ));
        Self { server: Some(house.start()), house, net, port, knot }
    }

    /// As `with`, and the zone `test.` is signed, by a key from which the server validates. `below` are zones within it that are not; the records of
    /// `test.` say that they are there. `@port` stands for the port of mail in all of them.
    pub fn signed(records: &str, below: &[Zone<'_>], queue: &str, more: &str) -> Self {
        Self::signed_by(records, below, queue, more, |knot| knot.key_of("test."))
    }

    /// The same with the anchor that `anchor` tells.
    pub fn signed_by(
        records: &str,
        below: &[Zone<'_>],
        queue: &str,
        more: &str,
        anchor: impl FnOnce(&Knot) -> String,
    ) -> Self {
        let net = Loopback::claim();
        let port = net.port();
        let filled = |text: &str| with_addresses(&net, &text.replace("@port", &port.to_string()));
        let records = filled(records);
        let below: Vec<(&str, Option<String>)> =
            below.iter().map(|zone| (zone.name, zone.records.map(filled))).collect();
        let mut zones =
            vec![Zone { name: "test.", records: Some(&records) }, Zone { name: ".", records: Some("") }];
        zones.extend(below.iter().map(|(name, records)| Zone { name, records: records.as_deref() }));
        let knot = Knot::signing(&net, &zones);
        let house = House::new(&format!(
            "[dns]\nservers = [\"{}\"]\ntrust_anchors = [\"{}\"]\n\
             [receive]\ntrusted_networks = [\"127.0.0.1/32\"]\n\
             [deliver]\nport = {port}\nprivate_addresses = \"allow\"\n\
             [queue]\n{queue}\n{}\n",
            knot.address(),
            anchor(&knot),
            filled(more)
        ));
        Self { server: Some(house.start()), house, net, port, knot }
    }

    /// The running server.
    pub fn server(&self) -> &Postrider {
        self.server.as_ref().expect("a running server")
    }

    /// Stops the server gracefully.
    pub fn stop(&mut self) {
        let status = self.server.take().expect("a running server").stop();
        assert_eq!(status.code(), Some(0), "a graceful stop");
    }

    /// SIGKILL, at once.
    pub fn kill(&mut self) {
        self.server.take().expect("a running server").kill();
    }

    /// Starts the server again.
    pub fn start(&mut self) {
        self.server = Some(self.house.start());
    }

    /// A host that takes all mail.
    pub fn sink(&self, host: u8) -> Sink {
        Sink::start(self.net.host(host), self.port)
    }

    /// A host with a script.
    pub fn scripted(
        &self,
        host: u8,
        script: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Sink {
        let script: Script = std::sync::Arc::new(script);
        Sink::with_script(self.net.host(host), self.port, script)
    }

    /// Sends a message from anna; gives its queue id.
    pub fn send(&self, to: &[&str], subject: &str) -> String {
        let mut client = self.server().client();
        let content = format!(
            "From: anna@here.test\r\nTo: {}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@here.test>\r\n\r\nbody of {subject}\r\n",
            to.join(", ")
        );
        let (code, text) = client.mail("anna@here.test", to, &content).expect("a reply");
        assert_eq!(code, 250, "{text}");
        queue_id(&text)
    }

    /// Waits for a report in anna's Maildir that names the recipient.
    pub fn report_about(&self, recipient: &str) -> Mail {
        self.house.maildir("anna@here.test").wait_for(&format!("Final-Recipient: rfc822; {recipient}"), SOON)
    }
}

/// The queue id in `250 2.0.0 Queued as ID`.
pub fn queue_id(reply: &str) -> String {
    let (_, id) = reply.trim_end().rsplit_once(' ').unwrap_or_else(|| panic!("no queue id in `{reply}`"));
    id.to_owned()
}

/// Host numbers to addresses.
fn with_addresses(net: &Loopback, records: &str) -> String {
    let mut text = records.to_owned();
    for number in (1..=9).rev() {
        let address: Ipv4Addr = net.host(number);
        text = text.replace(&format!("@{number}"), &address.to_string());
    }
    text
}
