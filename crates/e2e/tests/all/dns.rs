//! What becomes of mail for each shape that DNS may have: Knot serves the zones, and silence where there is none.

use std::net::{Ipv6Addr, UdpSocket};
use std::time::Duration;

use e2e::{House, Knot, Loopback, Sink, World, Zone};

const SOON: Duration = Duration::from_mins(1);
/// Who fails at the first attempt is not tried again in the test.
const ONCE: &str = "retry = [\"1h\"]";

#[test]
fn dead_hosts_are_passed_over_in_the_order_of_their_preference() {
    // The best has no address, the next two do not answer, the fourth and fifth are equal.
    let zone = "a MX 10 gone\na MX 20 mx1\na MX 30 mx2\na MX 40 mx3\na MX 40 mx4\na MX 50 mx5\n\
        mx1 A @1\nmx2 A @2\nmx3 A @3\nmx4 A @4\nmx5 A @5\n";
    let world = World::new(zone, ONCE);
    let (third, worst) = (world.sink(3), world.sink(5));
    let id = world.send(&["x@a.test"], "tree");
    third.wait_for("x@a.test", SOON);
    world.house.wait_for_empty_queue(SOON);
    assert!(worst.received().is_empty());
    let delivered = world.house.wait_for_event(&id, "delivered", "x@a.test");
    assert_eq!(delivered["mx"]["host"], "mx3.test");
    assert_eq!(delivered["attempt"], 1, "all within one attempt: {delivered}");
}

#[test]
fn an_attempt_ends_after_five_addresses_however_many_hosts_there_are() {
    let zone = |number| format!("a MX {number}0 mx{number}\nmx{number} A @{number}\n");
    let world = World::new(&(1..=6).map(zone).collect::<String>(), ONCE);
    let sixth = world.sink(6);
    let id = world.send(&["x@a.test"], "budget");
    let deferred = world.house.wait_for_event(&id, "deferred", "x@a.test");
    assert!(deferred["reply"].as_str().unwrap().starts_with('4'), "{deferred}");
    assert!(sixth.received().is_empty());
    assert_eq!(world.house.recipient_state(&id, "x@a.test").as_deref(), Some("deferred"));
}

#[test]
fn an_mx_that_is_an_alias_is_followed() {
    // RFC 2181 §10.3 forbids it to the domain; RFC 5321 §5.1 leaves to the sender what it makes of it.
    let world = World::new("a MX 10 alias\nalias CNAME other\nother CNAME mx1\nmx1 A @1\n", ONCE);
    let sink = world.sink(1);
    let id = world.send(&["x@a.test"], "mx-alias");
    sink.wait_for("x@a.test", SOON);
    let delivered = world.house.wait_for_event(&id, "delivered", "x@a.test");
    assert_eq!(delivered["mx"]["host"], "alias.test", "the MX keeps its name");
}

#[test]
fn aliases_in_a_circle_defer_and_never_bounce() {
    let zone = "a CNAME b\nb CNAME a\nself CNAME self\n\
        c MX 10 round\nround CNAME about\nabout CNAME round\n\
        d MX 10 round\nd MX 20 mx1\nmx1 A @1\n";
    let world = World::new(zone, ONCE);
    let sink = world.sink(1);
    let to = ["x@a.test", "x@self.test", "x@c.test", "x@d.test"];
    let id = world.send(&to, "circle");
    for recipient in ["x@a.test", "x@self.test", "x@c.test"] {
        let deferred = world.house.wait_for_event(&id, "deferred", recipient);
        assert!(deferred["reply"].as_str().unwrap().contains("4.4.3"), "{deferred}");
    }
    sink.wait_for("x@d.test", SOON);
    world.house.wait_for_event(&id, "delivered", "x@d.test");
    assert!(world.house.maildir("anna@here.test").messages().is_empty());
}

#[test]
fn a_hundred_mxs_come_by_tcp_and_the_best_gets_the_mail() {
    let name = |number| format!("one-host-of-very-many-{number}");
    let others = |number| format!("a MX {number}0 {0}\n{0} A @2\n", name(number));
    let zone = "a MX 1 the-best-of-all\nthe-best-of-all A @1\n".to_owned();
    let zone = zone + &(1..100).map(others).collect::<String>();
    let world = World::new(&zone, ONCE);
    let by_udp = world.knot.ask(&["+notcp", "+ignore", "a.test", "MX"]);
    assert!(by_udp.contains("Flags: qr aa tc"), "too large for UDP: {by_udp}");
    let (best, other) = (world.sink(1), world.sink(2));
    let id = world.send(&["x@a.test"], "hundred");
    best.wait_for("x@a.test", SOON);
    world.house.wait_for_event(&id, "delivered", "x@a.test");
    assert!(other.received().is_empty());
}

#[test]
fn a_hundred_dead_mxs_cost_one_attempt_of_five_addresses() {
    let zone = |number| format!("a MX 10 mx{number}\nmx{number} A @2\n");
    let world = World::new(&(1..=100).map(zone).collect::<String>(), ONCE);
    let turned_away = world.scripted(2, |line| line.is_empty().then(|| "554 5.3.2 Not here".to_owned()));
    let id = world.send(&["x@a.test"], "hundred-dead");
    let deferred = world.house.wait_for_event(&id, "deferred", "x@a.test");
    assert!(deferred["reply"].as_str().unwrap().contains("Not here"), "{deferred}");
    assert_eq!(turned_away.sessions(), 5);
}

#[test]
fn an_mx_that_looks_like_an_address_is_a_name_and_never_connected_to() {
    let world = World::new("a MX 10 @1.\n", ONCE);
    let sink = world.sink(1);
    let id = world.send(&["x@a.test"], "literal");
    let bounced = world.house.wait_for_event(&id, "bounced", "x@a.test");
    assert!(bounced["reply"].as_str().unwrap().contains("5.4.4"), "{bounced}");
    world.report_about("x@a.test");
    assert!(sink.received().is_empty());
    assert_eq!(sink.sessions(), 0);
}

#[test]
fn a_host_with_nothing_but_ipv6_gets_its_mail() {
    let world = World::new("a MX 10 six\nsix AAAA ::1\n", ONCE);
    let sink = Sink::start(Ipv6Addr::LOCALHOST, world.port);
    let id = world.send(&["x@a.test"], "six");
    sink.wait_for("x@a.test", SOON);
    let delivered = world.house.wait_for_event(&id, "delivered", "x@a.test");
    assert!(delivered["mx"]["address"].as_str().unwrap().starts_with("[::1]:"), "{delivered}");
}

#[test]
fn the_other_family_gets_the_mail_when_ipv6_is_dead() {
    let world = World::new("a MX 10 both\nboth AAAA ::1\nboth A @1\n", ONCE);
    let sink = world.sink(1);
    let id = world.send(&["x@a.test"], "both");
    sink.wait_for("x@a.test", SOON);
    world.house.wait_for_event(&id, "delivered", "x@a.test");
}

#[test]
fn a_domain_whose_mx_hosts_do_not_exist_bounces() {
    let world = World::new("a MX 10 gone\na MX 20 gone.too\n", ONCE);
    let id = world.send(&["x@a.test"], "no-hosts");
    let bounced = world.house.wait_for_event(&id, "bounced", "x@a.test");
    assert!(bounced["reply"].as_str().unwrap().contains("5.4.4"), "{bounced}");
}

#[test]
fn a_failing_zone_of_the_best_host_does_not_stop_the_next() {
    let world = World::new("a MX 10 mx.broken\na MX 20 mx1\nmx1 A @1\n", ONCE);
    let sink = world.sink(1);
    let id = world.send(&["x@a.test"], "best-fails");
    sink.wait_for("x@a.test", SOON);
    world.house.wait_for_event(&id, "delivered", "x@a.test");
}

#[test]
fn each_recipient_has_its_own_fate() {
    let zone = "good MX 10 mx1\nmx1 A @1\nnull MX 0 .\ncircle CNAME circle\n";
    let world = World::new(zone, ONCE);
    let sink = world.sink(1);
    let to = ["x@good.test", "x@null.test", "x@circle.test", "x@gone.test", "x@broken.test", "ben@here.test"];
    let id = world.send(&to, "fates");
    sink.wait_for("x@good.test", SOON);
    for (recipient, kind) in [
        ("x@good.test", "delivered"),
        ("x@null.test", "bounced"),
        ("x@circle.test", "deferred"),
        ("x@gone.test", "bounced"),
        ("x@broken.test", "deferred"),
        ("ben@here.test", "delivered"),
    ] {
        world.house.wait_for_event(&id, kind, recipient);
    }
}

/// Takes questions and never answers.
fn black_hole(net: &Loopback) -> UdpSocket {
    UdpSocket::bind((net.host(252), 0)).expect("a port for silence")
}

/// A server that asks the name servers in their order.
fn asking(servers: &[std::net::SocketAddr], port: u16) -> House {
    let servers: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    House::new(&format!(
        "[dns]\nservers = [{}]\n[receive]\ntrusted_networks = [\"127.0.0.1/32\"]\n\
         [deliver]\nport = {port}\nprivate_addresses = \"allow\"\n[queue]\n{ONCE}\n",
        servers.join(", ")
    ))
}

#[test]
fn a_silent_name_server_is_passed_over_for_one_that_answers() {
    let net = Loopback::claim();
    let silent = black_hole(&net);
    let port = net.port();
    let records = format!("a MX 10 mx\nmx A {}\n", net.host(1));
    let knot = Knot::start(&net, &[Zone { name: "test.", records: Some(&records) }]);
    let house = asking(&[silent.local_addr().unwrap(), knot.address()], port);
    let server = house.start();
    let sink = Sink::start(net.host(1), port);
    let (code, reply) =
        server.client().mail("anna@here.test", &["x@a.test"], "Subject: one silent\r\n\r\ntext\r\n").unwrap();
    assert_eq!(code, 250, "{reply}");
    sink.wait_for("x@a.test", SOON);
}

#[test]
fn silence_of_all_name_servers_defers() {
    let net = Loopback::claim();
    let silent = black_hole(&net);
    let house = asking(&[silent.local_addr().unwrap()], net.port());
    let server = house.start();
    let (code, reply) = server
        .client()
        .mail("anna@here.test", &["x@a.test", "ben@here.test"], "Subject: silence\r\n\r\ntext\r\n")
        .unwrap();
    assert_eq!(code, 250, "{reply}");
    let id = e2e::queue_id(&reply);
    // Meanwhile the mail to others goes on.
    house.wait_for_event(&id, "delivered", "ben@here.test");
    let deferred = house.wait_for_event(&id, "deferred", "x@a.test");
    assert!(deferred["reply"].as_str().unwrap().contains("4.4.3"), "{deferred}");
    let mut question = [0; 512];
    assert!(silent.recv(&mut question).unwrap() > 12, "it was asked");
    assert_eq!(house.recipient_state(&id, "x@a.test").as_deref(), Some("deferred"));
}
