//! A server on a disk that a test rules.

use std::collections::{BTreeMap, BTreeSet};

use e2e::{Flood, House, Loopback, Postrider, Sent, Sink, message};
use faultfs::{Disk, Mount, Names, Power};
use serde_json::Value;

use super::SOON;

/// Clients of a flood.
pub(super) const CLIENTS: usize = 16;
/// Who has a mailbox here.
pub(super) const LOCAL: &str = "anna@here.test";
/// Whose mail goes to the sink.
pub(super) const REMOTE: &str = "x@a.test";

/// A server whose data directory is on a disk that can be cut off.
pub(super) struct Station {
    mount: Option<Mount>,
    pub(super) house: House,
    net: Loopback,
    port: u16,
    pub(super) disk: Disk,
}

/// A server's folder; mail to `a.test` goes to host 1 of the net, and is tried again each second.
pub(super) fn house(net: &Loopback, port: u16) -> House {
    House::new(&format!(
        "[receive]\ntrusted_networks = [\"127.0.0.1/32\"]\n\
         [queue]\nretry = [\"1s\"]\n\
         [[route]]\ndomains = \"a.test\"\nto = \"smtp:{}:{port}\"\n",
        net.host(1)
    ))
}

impl Station {
    pub(super) fn new(names: Names) -> Self {
        let net = Loopback::claim();
        let port = net.port();
        let house = house(&net, port);
        std::fs::create_dir(house.data()).unwrap();
        let disk = Disk::new(names);
        let mount = Some(disk.mount(&house.data()).unwrap());
        Self { mount, house, net, port, disk }
    }

    /// The host of all mail to `a.test`, which is not there before.
    pub(super) fn sink(&self) -> Sink {
        Sink::start(self.net.host(1), self.port)
    }

    /// The power goes at the `nth` change of the disk, under a flood; gives what was taken.
    pub(super) fn cut_under_load(
        &mut self,
        server: Postrider,
        name: &str,
        to: &[&str],
        nth: u64,
        power: Power,
    ) -> Vec<Sent> {
        self.disk.cut_power_at(nth);
        let flood = Flood::start(server.smtp(), name, CLIENTS, to);
        assert!(self.disk.wait_for_cut(SOON), "the disk was not used: {:?}", self.disk.survey());
        server.kill();
        let sent = flood.end();
        self.restore(power);
        sent
    }

    /// What the cut left is on the disk, and mounted. The server must be dead.
    pub(super) fn restore(&mut self, power: Power) {
        self.disk.cut_power();
        self.mount = None;
        self.disk.restore(power);
        self.mount = Some(self.disk.mount(&self.house.data()).unwrap());
    }

    /// Nothing that was synced is damaged, by all starts so far and by the spool as it is: what was torn was a tail that
    /// nobody was promised.
    pub(super) fn assert_undamaged(&self) {
        let printed = std::fs::read_to_string(self.house.path().join("log")).unwrap();
        assert!(printed.contains("spool opened") && !printed.contains("damaged"), "{printed}");
        let verified = self.house.command(&["spool", "verify"]);
        assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
    }

    /// The deliveries in the event log: queue ids, each with its places in the spool's order. A line may stand in the log
    /// twice after a crash; its place tells that it is the same.
    pub(super) fn delivered(&self) -> BTreeMap<String, BTreeSet<u64>> {
        let mut all: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        for event in self.house.events() {
            let text = |key: &str| event.get(key).and_then(Value::as_str);
            if let (Some("delivered"), Some(id)) = (text("kind"), text("id")) {
                let place = event.get("lsn").and_then(Value::as_u64).expect("a place in the spool's order");
                all.entry(id.to_owned()).or_default().insert(place);
            }
        }
        all
    }
}

/// None of what was taken is lost.
pub(super) fn assert_there(sent: &[Sent], is_there: impl Fn(&Sent) -> bool) {
    let lost: Vec<&Sent> = sent.iter().filter(|sent| !is_there(sent)).collect();
    let some = lost.get(..5).unwrap_or(&lost);
    assert!(
        lost.is_empty(),
        "{} of {} that were answered with 250 are lost: {some:?}",
        lost.len(),
        sent.len()
    );
}

/// All that was taken came out, with every octet.
pub(super) fn assert_whole(sent: &[Sent], arrived: &BTreeMap<String, Vec<Vec<u8>>>) {
    assert_there(sent, |sent| arrived.contains_key(&sent.token));
    for (token, copies) in arrived {
        let sent = with_lf(&message(token));
        let whole = copies.iter().all(|copy| with_lf(&String::from_utf8_lossy(copy)).ends_with(&sent));
        assert!(whole, "{token} came out damaged");
    }
}

/// Mailboxes have the line ends of this system.
fn with_lf(content: &str) -> String {
    content.replace("\r\n", "\n")
}

/// What came out, by its token.
pub(super) fn arrivals(contents: impl Iterator<Item = Vec<u8>>) -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut all: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for content in contents {
        let text = String::from_utf8_lossy(&content);
        let (_, rest) = text.split_once("Subject: ").expect("a subject");
        let token = rest.lines().next().unwrap_or_default().to_owned();
        all.entry(token).or_default().push(content);
    }
    all
}
