//! Which name servers hand signatures on, and the resolver that validates by those (mail-rules 20).

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hickory_resolver::{
    TokioResolver,
    config::NameServerConfig,
    net::NetError,
    proto::{
        dnssec::{Algorithm, Proof, PublicKeyBuf, TrustAnchors},
        rr::{Name, RecordType},
    },
};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{Config, absolute, made_of};

/// How often servers are asked again that hand signatures on.
const AGAIN: Duration = Duration::from_hours(1);
/// The same while none does.
const AGAIN_SOON: Duration = Duration::from_mins(2);
/// The same while none answers at all; lookups wait for it then, for who keeps us from asking must not have us go without.
const AGAIN_AT_ONCE: Duration = Duration::from_secs(5);
/// How long the servers may take to show it.
const PROBE_WITHIN: Duration = Duration::from_secs(5);

/// A key that is believed without a signature: that of the root, or of a zone of the operator's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustAnchor {
    zone: String,
    algorithm: u8,
    key: Vec<u8>,
}

impl TrustAnchor {
    /// Reads a DNSKEY record as a zone file has it: `example.org. DNSKEY 257 3 13 KEY`, with or without a TTL and `IN`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (zone, rest) = text.trim().split_once(char::is_whitespace).ok_or("there is one word only")?;
        let mut words = rest.split_ascii_whitespace();
        let kind =
            words.by_ref().find(|word| !word.eq_ignore_ascii_case("IN") && word.parse::<u32>().is_err());
        if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("DNSKEY")) {
            return Err("it is no DNSKEY record");
        }
        let mut number = || words.next().and_then(|word| word.parse::<u16>().ok());
        let (flags, protocol, algorithm) = (number(), number(), number());
        // RFC 4034 §2.1: the bit of zone keys, and a protocol that is always 3.
        if flags.is_none_or(|flags| flags & 256 == 0) || protocol != Some(3) {
            return Err("it is no key of a zone");
        }
        let algorithm =
            algorithm.and_then(|number| u8::try_from(number).ok()).ok_or("it has no algorithm")?;
        if !Algorithm::from_u8(algorithm).is_supported() {
            return Err("its algorithm is not known here");
        }
        let key = STANDARD.decode(words.collect::<String>()).map_err(|_| "its key is not base64")?;
        if key.is_empty() {
            return Err("it has no key");
        }
        Name::from_ascii(zone).map_err(|_| "its name is none")?;
        Ok(Self { zone: dns::normalise(zone), algorithm, key })
    }
}

impl std::fmt::Display for TrustAnchor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { zone, algorithm, key } = self;
        write!(f, "{zone}. DNSKEY 257 3 {algorithm} {}", STANDARD.encode(key))
    }
}

/// Who validates, and by which servers.
pub(super) struct Validation {
    config: Config,
    servers: Vec<NameServerConfig>,
    anchors: Arc<TrustAnchors>,
    /// The zones of the anchors. What is below none of them is not vouched for by anybody.
    zones: Vec<Name>,
    state: Mutex<State>,
    /// Held by who asks the servers.
    probing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    validating: Option<TokioResolver>,
    /// When the servers were asked last.
    asked: Option<Instant>,
    /// None of them answered.
    silent: bool,
    /// Those that do not hand signatures on, as was told last.
    told: Vec<SocketAddr>,
}

/// What a server does with signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    HandsOn,
    Strips,
    Silent,
}

impl Validation {
    pub(super) fn new(config: &Config, servers: Vec<NameServerConfig>, given: &[TrustAnchor]) -> Self {
        let mut anchors = if given.is_empty() { TrustAnchors::default() } else { TrustAnchors::empty() };
        let mut zones = Vec::new();
        for TrustAnchor { zone, algorithm, key } in given {
            let mut name = Name::from_ascii(zone).unwrap_or_else(|_| Name::root()).to_lowercase();
            name.set_fqdn(true);
            let key = PublicKeyBuf::new(key.clone(), Algorithm::from_u8(*algorithm));
            anchors.insert_with_name(&key, (&name).into());
            if !zones.contains(&name) {
                zones.push(name);
            }
        }
        if zones.is_empty() {
            zones.push(Name::root());
        }
        Self {
            config: config.clone(),
            servers,
            anchors: Arc::new(anchors),
            zones,
            state: Mutex::default(),
            probing: tokio::sync::Mutex::default(),
        }
    }

    /// Who validates answers about this name; none: nobody can, so that nothing about it is secure.
    pub(super) async fn validating(self: &Arc<Self>, name: &Name) -> Option<TokioResolver> {
        if !self.zones.iter().any(|zone| zone.zone_of(name)) {
            return None;
        }
        let (age, does) = self.age();
        match age {
            None => self.probe_unless_done(None).await,
            Some(age) if does == Server::Silent && age >= AGAIN_AT_ONCE => {
                let before = self.state().asked;
                self.probe_unless_done(before).await;
            }
            Some(age) if age >= (if does == Server::HandsOn { AGAIN } else { AGAIN_SOON }) => {
                // What is known serves meanwhile.
                if let Ok(free) = self.probing.try_lock() {
                    drop(free);
                    let this = Arc::clone(self);
                    let before = self.state().asked;
                    tokio::spawn(async move { this.probe_unless_done(before).await });
                }
            }
            Some(_) => {}
        }
        self.state().validating.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long ago the servers were asked, and what the best of them did.
    fn age(&self) -> (Option<Duration>, Server) {
        let state = self.state();
        let does = match state.validating {
            _ if state.silent => Server::Silent,
            Some(_) => Server::HandsOn,
            None => Server::Strips,
        };
        (state.asked.map(|asked| asked.elapsed()), does)
    }

    /// Forgets what was validated.
    pub(super) fn forget(&self) {
        if let Some(validating) = &self.state().validating {
            validating.clear_cache();
        }
    }

    /// Asks all servers, unless somebody else has done so since `before`.
    async fn probe_unless_done(self: &Arc<Self>, before: Option<Instant>) {
        let _only = self.probing.lock().await;
        if self.state().asked != before {
            return;
        }
        let mut asked = JoinSet::new();
        for server in self.servers.iter().cloned() {
            let this = Arc::clone(self);
            asked.spawn(async move {
                let does = this.probe(&server).await;
                (server, does)
            });
        }
        let mut found = asked.join_all().await;
        found.sort_by_key(|(server, _)| address(server));
        let good: Vec<NameServerConfig> = found
            .iter()
            .filter(|(_, does)| *does == Server::HandsOn)
            .map(|(server, _)| server.clone())
            .collect();
        let strip = |does: Server| -> Vec<SocketAddr> {
            let those = found.iter().filter(|(_, found)| *found == does);
            those.map(|(server, _)| address(server)).collect()
        };
        let strips = strip(Server::Strips);
        let mut state = self.state();
        if state.told != strips || state.asked.is_none() {
            for server in &strips {
                tracing::warn!(station = "dns", %server,
                    "this name server does not hand DNSSEC signatures on: it is not asked where they count");
            }
        }
        let none = good.is_empty();
        let had = state.validating.is_some();
        let silent = none && strips.is_empty();
        // Who says nothing for a moment does not say that nothing is signed: it is asked as before, and mail waits until it answers.
        let kept = silent && had;
        if kept && !state.silent {
            tracing::warn!(
                station = "dns",
                "no name server answers; hosts that DNSSEC may vouch for get no mail meanwhile"
            );
        }
        if none && !kept && (had || state.asked.is_none()) {
            tracing::warn!(
                station = "dns",
                silent = strip(Server::Silent).len(),
                "NO DANE: no name server hands DNSSEC signatures on, so no host is vouched for by the DNS, and mail goes less securely than others ask for. Name a validating resolver in [dns] servers"
            );
        } else if !none && !had {
            tracing::info!(station = "dns", servers = good.len(), "DNSSEC is validated");
        }
        let same = had && state.told == strips;
        state.silent = silent;
        state.told = strips;
        state.asked = Some(Instant::now());
        if none && !kept {
            state.validating = None;
        } else if !none && !same {
            state.validating = made_of(good, &self.config, Some(&self.anchors)).ok();
        }
    }

    /// Asks a server for what is signed by the anchors.
    async fn probe(&self, server: &NameServerConfig) -> Server {
        let zones = self.zones.clone();
        let Ok(alone) = made_of(vec![server.clone()], &self.config, Some(&self.anchors)) else {
            return Server::Silent;
        };
        let asked = async {
            let mut does = Server::Silent;
            for zone in zones {
                match alone.lookup(zone, RecordType::SOA).await {
                    Ok(lookup) if lookup.answers().iter().any(|record| record.proof == Proof::Secure) => {
                        does = Server::HandsOn;
                    }
                    Ok(_) => return Server::Strips,
                    Err(error) if is_bogus(&error) => return Server::Strips,
                    Err(_) => {}
                }
            }
            does
        };
        timeout(PROBE_WITHIN, asked).await.unwrap_or(Server::Silent)
    }
}

fn is_bogus(error: &NetError) -> bool {
    use hickory_resolver::net::DnsError;
    matches!(error, NetError::Dns(DnsError::DnssecBogus | DnsError::Nsec { .. }))
}

fn address(server: &NameServerConfig) -> SocketAddr {
    let port = server.connections.first().map_or(53, |connection| connection.port);
    SocketAddr::new(server.ip, port)
}

/// The name behind all aliases, as far as DNSSEC vouches for the way there, and the one asked for: see [`dns::Resolve::vouched_names`].
pub(super) fn vouched(asked: &str, answers: &[hickory_resolver::proto::rr::Record]) -> Option<Vec<Box<str>>> {
    use hickory_resolver::proto::rr::RData;
    let first = absolute(asked).ok()?;
    let mut name = first.clone();
    let mut secure = true;
    let mut first_secure = None;
    for _ in 0..=dns::CNAME_CHAIN_MAX {
        let of = answers.iter().filter(|record| record.name == name);
        let here = of
            .clone()
            .find(|record| matches!(record.data, RData::CNAME(_) | RData::A(_) | RData::AAAA(_)))?;
        secure &= here.proof == Proof::Secure;
        first_secure.get_or_insert(secure);
        match &here.data {
            RData::CNAME(target) => name = target.0.to_lowercase(),
            _ => break,
        }
    }
    if first_secure != Some(true) {
        return Some(Vec::new());
    }
    let text = |name: &Name| -> Box<str> { dns::normalise(&name.to_ascii()).into() };
    let mut names: Vec<Box<str>> = Vec::new();
    if secure {
        names.push(text(&name));
    }
    if !names.contains(&text(&first)) {
        names.push(text(&first));
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use tokio::net::UdpSocket;

    use super::*;

    /// A server that never says anything, and who asks it.
    async fn silence() -> (UdpSocket, Arc<Validation>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let servers = vec![super::super::name_server(&socket.local_addr().unwrap())];
        let config =
            Config { timeout: Duration::from_millis(20), retries: 0, dnssec: true, ..Config::default() };
        (socket, Arc::new(Validation::new(&config, servers, &[])))
    }

    #[tokio::test]
    async fn servers_that_fall_silent_are_not_taken_for_such_as_strip_signatures() {
        let (_socket, validation) = silence().await;
        let name = absolute("example.org").unwrap();
        assert!(validation.validating(&name).await.is_none(), "it was never seen to hand signatures on");
        let resolver =
            made_of(validation.servers.clone(), &validation.config, Some(&validation.anchors)).unwrap();
        {
            let mut state = validation.state();
            (state.validating, state.silent) = (Some(resolver), false);
        }
        let before = validation.state().asked;
        validation.probe_unless_done(before).await;
        assert!(validation.state().silent && validation.validating(&name).await.is_some());
    }
}
