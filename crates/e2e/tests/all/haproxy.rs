//! A proxy that others use before us: both versions of its protocol, and its checks whether we are there.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use e2e::{Client, House, Loopback, Process, eventually, message, run};

const SOON: Duration = Duration::from_mins(1);

/// One port for each version, before the same server.
fn haproxy(folder: &Path, net: &Loopback, server: SocketAddr) -> (Process, [SocketAddr; 2]) {
    let ports = [SocketAddr::new(net.host(1).into(), 2501), SocketAddr::new(net.host(1).into(), 2502)];
    let [first, second] = ports;
    let config = folder.join("haproxy.cfg");
    let text = format!(
        "defaults\n mode tcp\n timeout connect 10s\n timeout client 60s\n timeout server 60s\n timeout check 10s\n\
         listen one\n bind {first}\n server s {server} send-proxy\n\
         listen two\n bind {second}\n server s {server} send-proxy-v2 check check-send-proxy inter 100ms\n"
    );
    fs::write(&config, text).unwrap();
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(&config);
    let mut process = Process::start("haproxy", command, &folder.join("haproxy.log"));
    for port in ports {
        eventually("haproxy to listen", SOON, || {
            assert!(process.ended().is_none(), "{}", process.printed());
            std::net::TcpStream::connect(port).ok()
        });
    }
    (process, ports)
}

#[test]
fn the_client_behind_haproxy_is_the_one_that_is_told_of() {
    let (net, folder) = (Loopback::claim(), tempfile::tempdir().unwrap());
    let house = House::new(
        "[[listener]]\nservice = \"smtp\"\nbind = [\"127.0.0.1:0\"]\nproxy = \"required\"\n\
         [receive]\nproxy_networks = [\"127.0.0.1\"]\n",
    );
    let server = house.start();
    let behind = server.listeners("smtp")[1];
    let (_haproxy, ports) = haproxy(folder.path(), &net, behind);
    let program = "import smtplib, sys\n\
        with smtplib.SMTP(sys.argv[1], int(sys.argv[2]), 'client.test', source_address=(sys.argv[3], 0)) as s:\n\
        \x20   s.sendmail('a@client.test', ['anna@here.test'], sys.stdin.read())\n";
    for (number, port) in (7..).zip(ports) {
        let client = net.host(number).to_string();
        let arguments = ["-c", program, &port.ip().to_string(), &port.port().to_string(), &client];
        run("python3", &arguments, message("proxied").as_bytes());
        let of_client = |events: Vec<serde_json::Value>| {
            events.into_iter().find(|event| event["kind"] == "accepted" && event["client"] == client.as_str())
        };
        eventually("the event of that client", SOON, || of_client(house.events()));
    }
    // Who comes without a proxy is closed without a word.
    let mut stranger = Client::open(behind).unwrap();
    assert!(stranger.command("EHLO client.test").is_err());
    server.stop();
}
