//! The ports that the server listens on, visited as a client would: who answers, and with which certificate.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use net::{Anchors, Connector};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::finding::{Finding, listed};
use crate::config::{ClientCertificates, Config, Tls};

const CHECK: &str = "ports";
/// To connect, to be greeted, and to shake hands, each.
const WITHIN: Duration = Duration::from_secs(5);
/// A line of a greeting is not longer, nor is what answers EHLO.
const REPLY_OCTETS_MAX: usize = 8 << 10;

/// A port of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Port {
    /// What is spoken there.
    pub service: String,
    /// Where.
    pub address: SocketAddr,
    /// How it is put under TLS.
    pub tls: Tls,
    /// Whether it is spoken without a word before: neither a proxy nor a certificate of the client is wanted.
    pub plain: bool,
    /// Whether the running server says that it listens there; none: no server runs.
    pub listening: Option<bool>,
}

/// What became of a visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Visit {
    /// Nobody answers; why.
    Closed(String),
    /// Somebody does.
    Open {
        /// The line that it greets with; none: this service does not greet, or it was not waited for.
        greeting: Option<Result<String, String>>,
        /// Whether it shows a certificate that a client believes; none: it was not tried.
        certificate: Option<Result<(), String>>,
    },
}

/// What is known of all of them.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// Our own name, with which we greet.
    pub hostname: String,
    /// They.
    pub visits: Vec<(Port, Visit)>,
}

/// The ports of a configuration, and those that the server says it has.
pub(super) fn ports(config: &Config, status: Option<&[admin::api::Listener]>) -> Vec<Port> {
    let mut ports: Vec<Port> = Vec::new();
    for listener in &config.listeners {
        let plain = !listener.proxy && listener.client_certificates != ClientCertificates::Required;
        for bind in &listener.bind {
            let service = listener.service.name().to_owned();
            let said: Vec<SocketAddr> = status
                .into_iter()
                .flatten()
                .filter(|said| said.service == service && said.tls == listener.tls.word())
                .filter_map(|said| said.address.parse().ok())
                .filter(|said: &SocketAddr| {
                    said.ip() == bind.ip() && (bind.port() == 0 || said.port() == bind.port())
                })
                .collect();
            let port = |address, listening| Port {
                service: service.clone(),
                address,
                tls: listener.tls,
                plain,
                listening,
            };
            if said.is_empty() && bind.port() != 0 && !(listener.v6_optional && bind.is_ipv6()) {
                ports.push(port(*bind, status.map(|_| false)));
            }
            ports.extend(said.into_iter().map(|address| port(address, Some(true))));
        }
    }
    ports.dedup();
    ports
}

/// Visits them all at once.
pub(super) async fn gather(
    hostname: &str,
    ports: Vec<Port>,
    anchors: &[Anchors],
    patience: Duration,
) -> Facts {
    let mut tasks = tokio::task::JoinSet::new();
    for (number, port) in ports.iter().cloned().enumerate() {
        let (hostname, anchors) = (hostname.to_owned(), anchors.to_vec());
        tasks.spawn(async move { (number, visit(&port, &hostname, &anchors, patience).await) });
    }
    let mut visits: Vec<(usize, Visit)> = Vec::new();
    while let Some(done) = tasks.join_next().await {
        visits.extend(done.ok());
    }
    visits.sort_by_key(|(number, _)| *number);
    let visits = visits.into_iter().filter_map(|(number, visit)| Some((ports.get(number)?.clone(), visit)));
    Facts { hostname: hostname.to_owned(), visits: visits.collect() }
}

/// Where one connects to reach an address that is listened on.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn open(address: SocketAddr) -> Result<TcpStream, String> {
    let connected = timeout(WITHIN, TcpStream::connect(reachable(address))).await;
    connected.map_err(|_| "no answer".to_owned())?.map_err(|error| error.to_string())
}

async fn visit(port: &Port, hostname: &str, anchors: &[Anchors], patience: Duration) -> Visit {
    let mut stream = match open(port.address).await {
        Ok(stream) => stream,
        Err(why) => return Visit::Closed(why),
    };
    if !port.plain {
        return Visit::Open { greeting: None, certificate: None };
    }
    let patience = WITHIN + patience;
    match port.tls {
        Tls::Implicit => {
            drop(stream);
            let (greeting, certificate) = under_tls(port, hostname, anchors, patience).await;
            Visit::Open { greeting, certificate: Some(certificate) }
        }
        _ if port.service == "http" => Visit::Open { greeting: None, certificate: None },
        tls => {
            let greeting = line(&mut stream, patience).await;
            drop(stream);
            let certificate = match (&greeting, tls) {
                (Ok(_), Tls::OnDemand) => Some(on_demand(port, hostname, anchors, patience).await),
                _ => None,
            };
            Visit::Open { greeting: Some(greeting), certificate }
        }
    }
}

/// Under the first anchors by which the certificate is believed; else the greeting is heard under any.
async fn under_tls(
    port: &Port,
    hostname: &str,
    anchors: &[Anchors],
    patience: Duration,
) -> (Option<Result<String, String>>, Result<(), String>) {
    let greets = port.service != "http";
    let mut why = "no authority is believed here".to_owned();
    for anchors in anchors {
        let shaken = match open(port.address).await {
            Ok(stream) => shake_hands(stream, hostname, anchors).await,
            Err(error) => Err(error),
        };
        match shaken {
            Ok(mut channel) => {
                let greeting = if greets { Some(line(&mut channel, patience).await) } else { None };
                return (greeting, Ok(()));
            }
            Err(error) => why = error,
        }
    }
    let greeting = if greets { Some(whoever(port, hostname, patience).await) } else { None };
    (greeting, Err(why))
}

/// What is said under TLS, whoever says it.
async fn whoever(port: &Port, hostname: &str, patience: Duration) -> Result<String, String> {
    let stream = open(port.address).await?;
    let anybody = Connector::opportunistic().map_err(|error| error.to_string())?;
    let shaken = anybody.connect(hostname, stream, WITHIN).await;
    let (mut channel, _) = shaken.map_err(|error| error.to_string())?;
    line(&mut channel, patience).await
}

/// Whether the certificate is believed that is shown after STARTTLS, under any of the anchors.
async fn on_demand(
    port: &Port,
    hostname: &str,
    anchors: &[Anchors],
    patience: Duration,
) -> Result<(), String> {
    let mut result = Err("no authority is believed here".to_owned());
    for anchors in anchors {
        result = started(port, hostname, anchors, patience).await;
        if result.is_ok() {
            break;
        }
    }
    result
}

async fn started(port: &Port, hostname: &str, anchors: &Anchors, patience: Duration) -> Result<(), String> {
    let mut stream = open(port.address).await?;
    line(&mut stream, patience).await?;
    ask_for_tls(&mut stream, &port.service, patience).await?;
    shake_hands(stream, hostname, anchors).await.map(drop)
}

async fn shake_hands(
    stream: TcpStream,
    hostname: &str,
    anchors: &Anchors,
) -> Result<net::Channel<TcpStream>, String> {
    let connector = Connector::verifying(anchors, None).map_err(|error| error.to_string())?;
    let shaken = connector.connect(hostname, stream, WITHIN).await;
    shaken.map(|(channel, _)| channel).map_err(|error| error.to_string())
}

/// Reads a line, without its end.
async fn line<S: AsyncRead + Unpin>(stream: &mut S, patience: Duration) -> Result<String, String> {
    let read = timeout(patience, async {
        let mut line = Vec::new();
        loop {
            match stream.read_u8().await {
                Ok(b'\n') => break,
                Ok(octet) if line.len() < REPLY_OCTETS_MAX => line.push(octet),
                Ok(_) => return Err("an endless line".to_owned()),
                Err(_) => return Err("closed without a word".to_owned()),
            }
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    });
    read.await.unwrap_or_else(|_| Err("no greeting".to_owned()))
}

/// Says whatever it takes until TLS begins.
async fn ask_for_tls<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    service: &str,
    patience: Duration,
) -> Result<(), String> {
    let (commands, good): (&[&str], &str) = match service {
        "imap" => (&["a STARTTLS\r\n"], "a OK"),
        "pop3" => (&["STLS\r\n"], "+OK"),
        "lmtp" => (&["LHLO doctor.invalid\r\n", "STARTTLS\r\n"], "220"),
        _ => (&["EHLO doctor.invalid\r\n", "STARTTLS\r\n"], "220"),
    };
    for (number, command) in commands.iter().enumerate() {
        stream.write_all(command.as_bytes()).await.map_err(|error| error.to_string())?;
        let mut reply = line(stream, patience).await?;
        // Lines of SMTP go on where a hyphen stands; untagged ones of IMAP begin with a star.
        let mut lines = 0;
        while (reply.as_bytes().get(3) == Some(&b'-') || reply.starts_with("* ")) && lines < 100 {
            reply = line(stream, patience).await?;
            lines += 1;
        }
        if number + 1 == commands.len() && !reply.starts_with(good) {
            return Err(format!("STARTTLS was refused: {reply}"));
        }
    }
    Ok(())
}

/// Judges who answers. What certificates are shown is judged by those who look at certificates.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    let mut good = Vec::new();
    for (port, visit) in &facts.visits {
        match one(&facts.hostname, port, visit) {
            Some(finding) => findings.push(finding),
            None if port.listening == Some(true) => good.push(format!("{} ({})", port.address, port.service)),
            None => {}
        }
    }
    if !good.is_empty() {
        findings.push(Finding::ok(CHECK, format!("this server answers on {}", listed(good))));
    }
    findings
}

fn one(hostname: &str, port: &Port, visit: &Visit) -> Option<Finding> {
    let Port { service, address, .. } = port;
    let who = format!(
        "see which program it is, stop it, then start this one:\nss -ltnp 'sport = :{}'\nsystemctl restart postrider",
        address.port()
    );
    match (visit, port.listening) {
        (Visit::Closed(_), None) => None,
        (Visit::Open { .. }, None) => {
            let text =
                format!("another program listens on {address}, where this server wants to for {service}");
            Some(Finding::error(CHECK, text).todo(who))
        }
        (Visit::Closed(why), Some(true)) => {
            let text = format!(
                "the server says that it listens on {address} for {service}, and does not answer there: {why}"
            );
            Some(Finding::error(CHECK, text).todo("look at its log and at the firewall of this machine:\njournalctl -u postrider -n 100\nnft list ruleset"))
        }
        (Visit::Closed(_), Some(false)) => {
            let text = format!(
                "the configuration wants {service} on {address}, and the server does not listen there"
            );
            Some(Finding::error(CHECK, text).todo("have it take up its configuration, and look at its log:\nsystemctl restart postrider\njournalctl -u postrider -n 50"))
        }
        (Visit::Open { .. }, Some(false)) => {
            let text =
                format!("the configuration wants {service} on {address}, where another program listens");
            Some(Finding::error(CHECK, text).todo(who))
        }
        (Visit::Open { greeting, .. }, Some(true)) => match greeting {
            Some(Err(why)) => {
                let text = format!("{service} on {address} takes connections and does not greet: {why}");
                Some(
                    Finding::error(CHECK, text)
                        .todo("look at the server's log:\njournalctl -u postrider -n 100"),
                )
            }
            Some(Ok(greeting)) if !greeting.contains(hostname) => {
                let text = format!("{service} on {address} greets with other words than ours: {greeting}");
                Some(Finding::error(CHECK, text).todo(who))
            }
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Level, finding::tests::says};

    fn facts(listening: Option<bool>, visit: Visit) -> Facts {
        let address = "192.0.2.1:25".parse().unwrap();
        let port = Port { service: "smtp".into(), address, tls: Tls::None, plain: true, listening };
        Facts { hostname: "mx.example.org".into(), visits: vec![(port, visit)] }
    }

    #[test]
    fn who_answers_on_a_port_is_told() {
        let closed = || Visit::Closed("Connection refused".into());
        let open = |greeting: Result<&str, &str>| Visit::Open {
            greeting: Some(greeting.map(str::to_owned).map_err(str::to_owned)),
            certificate: None,
        };
        let ours = || open(Ok("220 mx.example.org ESMTP Postrider"));
        for (listening, visit, level, words) in [
            (Some(true), ours(), Level::Ok, &["answers on 192.0.2.1:25 (smtp)"][..]),
            (Some(true), Visit::Open { greeting: None, certificate: None }, Level::Ok, &["answers"]),
            (Some(true), closed(), Level::Error, &["does not answer there: Connection refused"]),
            (Some(true), open(Err("no greeting")), Level::Error, &["does not greet: no greeting"]),
            (
                Some(true),
                open(Ok("220 other.example ESMTP Exim")),
                Level::Error,
                &["greets with other words", "Exim", "ss -ltnp 'sport = :25'"],
            ),
            (Some(false), closed(), Level::Error, &["does not listen there", "systemctl restart postrider"]),
            (Some(false), ours(), Level::Error, &["where another program listens"]),
            (None, ours(), Level::Error, &["another program listens on 192.0.2.1:25", "ss -ltnp"]),
        ] {
            says(&judge(&facts(listening, visit)), level, words);
        }
        assert_eq!(judge(&facts(None, closed())), []);
    }

    #[test]
    fn all_addresses_are_visited_on_loopback() {
        for (address, visited) in
            [("0.0.0.0:25", "127.0.0.1:25"), ("[::]:25", "[::1]:25"), ("192.0.2.1:25", "192.0.2.1:25")]
        {
            assert_eq!(reachable(address.parse().unwrap()), visited.parse().unwrap());
        }
    }

    #[tokio::test]
    async fn tls_is_asked_for_in_the_words_of_each_protocol() {
        for (service, replies, result) in [
            ("smtp", "250-mx.example.org\r\n250 STARTTLS\r\n220 go\r\n", Ok(())),
            (
                "submission",
                "250 mx.example.org\r\n502 no\r\n",
                Err("STARTTLS was refused: 502 no".to_owned()),
            ),
            ("imap", "* CAPABILITY IMAP4rev1\r\na OK go\r\n", Ok(())),
            ("pop3", "+OK go\r\n", Ok(())),
            ("pop3", "-ERR no\r\n", Err("STARTTLS was refused: -ERR no".to_owned())),
            ("imap", "", Err("closed without a word".to_owned())),
        ] {
            let (mut ours, mut theirs) = tokio::io::duplex(4096);
            theirs.write_all(replies.as_bytes()).await.unwrap();
            theirs.shutdown().await.unwrap();
            assert_eq!(ask_for_tls(&mut ours, service, WITHIN).await, result, "{service}");
        }
    }
}
