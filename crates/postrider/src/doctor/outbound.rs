//! Whether mail can leave: by connecting to a host that the operator has named, and to no other.

use std::{net::SocketAddr, time::Duration};

use dns::{DnsError, Resolve};
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

use super::{
    finding::Finding,
    zone::{Asking, unanswered},
};

const CHECK: &str = "outbound";
/// To connect, and to be greeted.
const WITHIN: Duration = Duration::from_secs(8);
/// Addresses that are tried.
const ADDRESSES_MAX: usize = 4;

/// What is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What became of each address, or why it has none.
    pub tried: Result<Vec<Tried>, DnsError>,
}

/// An address, and why it is of no use, if it is not.
pub(super) type Tried = (SocketAddr, Result<(), String>);

/// Tries. Nothing is said: a server of mail greets first.
pub(super) async fn gather(asking: &Asking, host: &str, port: u16) -> Facts {
    let addresses = match host.parse() {
        Ok(address) => Ok(vec![address]),
        Err(_) => asking.resolver.addresses(host).await.map(|answer| answer.records),
    };
    let tried = match addresses {
        Ok(addresses) => {
            let mut tried = Vec::new();
            for address in addresses.into_iter().take(ADDRESSES_MAX) {
                let address = SocketAddr::new(address, port);
                let greeted = timeout(WITHIN, greeting(address)).await;
                tried.push((address, greeted.unwrap_or_else(|_| Err("no answer".to_owned()))));
            }
            Ok(tried)
        }
        Err(error) => Err(error),
    };
    Facts { host: host.to_owned(), port, tried }
}

async fn greeting(address: SocketAddr) -> Result<(), String> {
    let mut stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let mut first = [0; 3];
    stream.read_exact(&mut first).await.map_err(|_| "closed without a word".to_owned())?;
    if first == *b"220" { Ok(()) } else { Err("greets as no server of mail that takes some".to_owned()) }
}

/// Judges.
pub(super) fn judge(Facts { host, port, tried }: &Facts) -> Finding {
    let tried = match tried {
        Ok(tried) => tried,
        Err(error) => return unanswered(CHECK, &format!("the addresses of {host}"), error),
    };
    if let Some((address, _)) = tried.iter().find(|(_, result)| result.is_ok()) {
        return Finding::ok(CHECK, format!("mail can leave: {host} greets on {address}"));
    }
    let why: Vec<String> = tried
        .iter()
        .filter_map(|(address, result)| Some(format!("{address}: {}", result.as_ref().err()?)))
        .collect();
    let text = format!("no mail can leave to {host}: {}", why.join(", "));
    Finding::error(CHECK, text).todo(format!(
        "try another host; if none answers, ask your provider to open port {port} outwards, or send through a relay ([relay])"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Level, finding::tests::says};

    #[test]
    fn one_address_is_enough() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let with = |tried| Facts { host: "mx.example.net".into(), port: 25, tried };
        let bad = || (address("[2001:db8::1]:25"), Err("no answer".to_owned()));
        says(
            &[judge(&with(Ok(vec![bad(), (address("192.0.2.1:25"), Ok(()))])))],
            Level::Ok,
            &["greets on 192.0.2.1:25"],
        );
        says(
            &[judge(&with(Ok(vec![bad()])))],
            Level::Error,
            &["[2001:db8::1]:25: no answer", "open port 25 outwards"],
        );
        says(&[judge(&with(Err(DnsError::NoSuchName)))], Level::Unknown, &["addresses of mx.example.net"]);
    }
}
