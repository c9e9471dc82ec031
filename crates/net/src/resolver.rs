//! The real [`dns::Resolve`]: asks recursive name servers, keeps answers, and bounds everything.
//!
//! Who asks where mail goes, or which certificates a host may show, gets answers that DNSSEC was asked about: validated here, by trust
//! anchors, and not on the word of a name server. Texts, addresses and names of addresses are not: nobody makes use of that.

use std::{net::IpAddr, net::SocketAddr, sync::Arc, time::Duration};

use dns::{
    ADDRESSES_MAX, Answer, BoxFuture, DnsError, MX_MAX, Mx, PTR_MAX, Resolve, Security, TLSA_MAX, TXT_MAX,
    Tlsa,
};
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    lookup::Lookup,
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::{
        dnssec::{Proof, TrustAnchors},
        rr::{Name, RData, Record, RecordType},
    },
    system_conf::read_system_conf,
};
use tokio::time::{Instant, timeout};

use self::{dnssec::Validation, failure::Failure};

mod dnssec;
mod failure;
mod keeping;
mod records;
#[cfg(test)]
mod responder;
#[cfg(test)]
mod tests;

pub use dnssec::TrustAnchor;

/// How to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Recursive name servers; none: those of the system's `/etc/resolv.conf`. Each is asked by UDP, and by TCP where
    /// an answer was truncated (RFC 7766 §5).
    pub servers: Vec<SocketAddr>,
    /// How long one server gets for one try.
    pub timeout: Duration,
    /// How often to ask again when no server answered.
    pub retries: usize,
    /// How long a lookup may take with all its tries and CNAMEs.
    pub deadline: Duration,
    /// An answer is not kept longer than this, whatever its TTL (RFC 1035 §7.3 lets a resolver set a bound).
    pub ttl_max: Duration,
    /// That there is no answer is not kept longer than this (RFC 2308 §5 advises one to three hours).
    pub negative_ttl_max: Duration,
    /// How many answers are kept. None of more than 4 KiB is.
    pub cache_entries_max: u64,
    /// Whether the case of letters in questions is random and answers must repeat it (draft-vixie-dnsext-dns0x20).
    /// Answers that do not are asked for again by TCP.
    pub random_case: bool,
    /// Whether answers are validated (RFC 4035).
    pub dnssec: bool,
    /// The keys from which validation begins; none: those of the root.
    pub trust_anchors: Vec<TrustAnchor>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            timeout: Duration::from_secs(5),
            retries: 2,
            deadline: Duration::from_secs(30),
            ttl_max: Duration::from_hours(24),
            negative_ttl_max: Duration::from_hours(1),
            cache_entries_max: 32 * 1024,
            random_case: true,
            dnssec: false,
            trust_anchors: Vec::new(),
        }
    }
}

/// Why there is no resolver.
#[derive(Debug, thiserror::Error)]
pub enum ResolverError {
    /// No servers were configured, and the system names none.
    #[error("cannot read name servers from /etc/resolv.conf: {0}")]
    System(#[source] NetError),
    /// The resolver could not be made.
    #[error("cannot make a DNS resolver: {0}")]
    Build(#[source] NetError),
}

impl ResolverError {
    /// What the operator can do.
    pub fn hint(&self) -> &'static str {
        "name a resolver in the configuration: [dns] servers = [\"127.0.0.1:53\"]"
    }
}

/// Asks recursive name servers. Cheap to clone; all clones share one cache.
#[derive(Clone)]
pub struct Resolver {
    inner: TokioResolver,
    validation: Option<Arc<Validation>>,
    deadline: Duration,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Resolver {
    /// A resolver. Opens no socket yet; asks within the runtime of whoever asks it.
    pub fn new(config: &Config) -> Result<Self, ResolverError> {
        let servers = if config.servers.is_empty() {
            let (system, _) = read_system_conf().map_err(ResolverError::System)?;
            system.name_servers().to_vec()
        } else {
            config.servers.iter().map(name_server).collect()
        };
        let inner = made_of(servers.clone(), config, None)?;
        let validation = config.dnssec.then(|| Validation::new(config, servers, &config.trust_anchors));
        let validation = validation.map(Arc::new);
        Ok(Self { inner, validation, deadline: config.deadline })
    }

    /// Forgets all answers.
    pub fn forget(&self) {
        self.inner.clear_cache();
        self.validation.iter().for_each(|validation| validation.forget());
    }

    /// Who validates answers about a name, if somebody does.
    async fn validating(&self, name: &Name) -> Option<TokioResolver> {
        match &self.validation {
            Some(validation) => validation.validating(name).await,
            None => None,
        }
    }

    /// As [`ask`](Self::ask), and says whether DNSSEC vouches for the answer.
    async fn ask_validated<T: PartialEq>(
        &self,
        name: &str,
        kind: RecordType,
        max: usize,
        pick: impl Fn(&RData) -> Option<T>,
    ) -> Result<Answer<Vec<T>>, DnsError> {
        let Some(validating) = self.validating(&absolute(name)?).await else {
            return self.ask(name, kind, max, pick).await;
        };
        let lookup = self.look_up(&validating, absolute(name)?, kind).await?;
        let answer = picked(&lookup, max, pick)?;
        let security = security(lookup.answers(), kind)?;
        Ok(Answer { security, ..answer })
    }

    async fn look_up(
        &self,
        client: &TokioResolver,
        name: Name,
        kind: RecordType,
    ) -> Result<Lookup, DnsError> {
        let Ok(answer) = timeout(self.deadline, client.lookup(name.clone(), kind)).await else {
            return Err(DnsError::temporary(format!("{kind} timeout")));
        };
        keeping::forget_if_large(client, &name, kind, &answer);
        match answer {
            Ok(lookup) => Ok(lookup),
            Err(error) => Err(self.judge(client, &error).await),
        }
    }

    async fn vouched(&self, host: &str) -> Result<Answer<Vec<Box<str>>>, DnsError> {
        let name = absolute(host)?;
        let Some(validating) = self.validating(&name).await else { return Err(DnsError::NoRecords) };
        let mut lookup = self.look_up(&validating, name.clone(), RecordType::A).await;
        if matches!(lookup, Err(DnsError::NoRecords)) {
            lookup = self.look_up(&validating, name, RecordType::AAAA).await;
        }
        let lookup = lookup?;
        let records = dnssec::vouched(host, lookup.answers()).unwrap_or_default();
        if records.is_empty() {
            return Err(DnsError::NoRecords);
        }
        Ok(Answer { records, security: Security::Secure, ttl: ttl(&lookup) })
    }

    /// Asks for records of one type and keeps what `pick` takes of them, each once, at most `max`.
    async fn ask<T: PartialEq>(
        &self,
        name: &str,
        kind: RecordType,
        max: usize,
        pick: impl Fn(&RData) -> Option<T>,
    ) -> Result<Answer<Vec<T>>, DnsError> {
        let lookup = self.look_up(&self.inner, absolute(name)?, kind).await?;
        picked(&lookup, max, pick)
    }

    async fn judge(&self, client: &TokioResolver, error: &NetError) -> DnsError {
        match Failure::of(error) {
            Failure::Clear(error) => error,
            // The library reports an endless or too long chain of CNAMEs as "no records", and such an answer has no
            // SOA. Mail must not bounce for it: ask whether the name it stopped at is one more CNAME.
            Failure::PerhapsCname(name) => {
                match timeout(self.deadline, client.lookup(name, RecordType::CNAME)).await {
                    Ok(Ok(_)) => DnsError::temporary("CNAME chain too long"),
                    Ok(Err(error)) => match Failure::of(&error) {
                        Failure::Clear(error @ DnsError::Temporary(_)) => error,
                        _ => DnsError::NoRecords,
                    },
                    Err(_) => DnsError::temporary("CNAME timeout"),
                }
            }
        }
    }

    async fn addresses_v4(&self, name: &str) -> Result<Answer<Vec<IpAddr>>, DnsError> {
        let v4 = |data: &RData| match data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            _ => None,
        };
        self.ask(name, RecordType::A, ADDRESSES_MAX, v4).await
    }

    async fn addresses_v6(&self, name: &str) -> Result<Answer<Vec<IpAddr>>, DnsError> {
        let v6 = |data: &RData| match data {
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        };
        self.ask(name, RecordType::AAAA, ADDRESSES_MAX, v6).await
    }

    async fn both_addresses(&self, name: &str) -> Result<Answer<Vec<IpAddr>>, DnsError> {
        let (v4, v6) = (self.addresses_v4(name), self.addresses_v6(name));
        match tokio::join!(v4, v6) {
            (Ok(v4), Ok(v6)) => Ok(together(v4, v6)),
            // One broken type must not stop mail to a host that has the other.
            (Ok(answer), Err(_)) | (Err(_), Ok(answer)) => Ok(answer),
            // Of two failures the temporary one outweighs: the other type might exist.
            (Err(v4), Err(v6)) => Err(if v6.is_temporary() { v6 } else { v4 }),
        }
    }
}

impl Resolve for Resolver {
    fn mx<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Mx>>, DnsError>> {
        Box::pin(self.ask_validated(name, RecordType::MX, MX_MAX, |data| match data {
            RData::MX(mx) => Some(Mx::new(mx.preference, &mx.exchange.to_ascii())),
            _ => None,
        }))
    }

    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<IpAddr>>, DnsError>> {
        Box::pin(self.both_addresses(name))
    }

    fn addresses_of<'a>(
        &'a self,
        name: &'a str,
        v4: bool,
    ) -> BoxFuture<'a, Result<Answer<Vec<IpAddr>>, DnsError>> {
        if v4 { Box::pin(self.addresses_v4(name)) } else { Box::pin(self.addresses_v6(name)) }
    }

    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Vec<u8>>>, DnsError>> {
        Box::pin(self.ask(name, RecordType::TXT, TXT_MAX, |data| match data {
            RData::TXT(txt) => Some(txt.txt_data.concat()),
            _ => None,
        }))
    }

    fn vouched_names<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Box<str>>>, DnsError>> {
        Box::pin(self.vouched(host))
    }

    fn tlsa<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Tlsa>>, DnsError>> {
        Box::pin(self.ask_validated(name, RecordType::TLSA, TLSA_MAX, |data| match data {
            RData::TLSA(tlsa) => Some(Tlsa {
                usage: tlsa.cert_usage.into(),
                selector: tlsa.selector.into(),
                matching: tlsa.matching.into(),
                data: tlsa.cert_data.as_slice().into(),
            }),
            _ => None,
        }))
    }

    fn ptr(&self, address: IpAddr) -> BoxFuture<'_, Result<Answer<Vec<Box<str>>>, DnsError>> {
        Box::pin(async move {
            let name = dns::reverse_name(address);
            self.ask(&name, RecordType::PTR, PTR_MAX, |data| match data {
                RData::PTR(name) => Some(dns::normalise(&name.0.to_ascii()).into()),
                _ => None,
            })
            .await
        })
    }
}

/// A client of these servers, that validates if there are anchors.
fn made_of(
    servers: Vec<NameServerConfig>,
    config: &Config,
    anchors: Option<&Arc<TrustAnchors>>,
) -> Result<TokioResolver, ResolverError> {
    // Without a domain and a search list: names are absolute, and `mx` never means `mx.our-site.example`.
    let servers = ResolverConfig::from_parts(None, Vec::new(), servers);
    let mut builder = TokioResolver::builder_with_config(servers, TokioRuntimeProvider::default());
    set_options(builder.options_mut(), config);
    if let Some(anchors) = anchors {
        builder = builder.with_trust_anchor(Arc::clone(anchors));
    }
    builder.build().map_err(ResolverError::Build)
}

/// What `pick` takes of an answer, each once, at most `max`.
fn picked<T: PartialEq>(
    lookup: &Lookup,
    max: usize,
    pick: impl Fn(&RData) -> Option<T>,
) -> Result<Answer<Vec<T>>, DnsError> {
    let mut records = Vec::new();
    for record in lookup.answers() {
        if let Some(picked) = pick(&record.data)
            && records.len() < max
            && !records.contains(&picked)
        {
            records.push(picked);
        }
    }
    if records.is_empty() {
        return Err(DnsError::NoRecords);
    }
    Ok(Answer { records, security: Security::Insecure, ttl: ttl(lookup) })
}

fn ttl(lookup: &Lookup) -> Duration {
    lookup.valid_until().saturating_duration_since(Instant::now().into_std())
}

/// What DNSSEC says of records of this type and of the aliases that led there.
fn security(answers: &[Record], kind: RecordType) -> Result<Security, DnsError> {
    let about = answers.iter().filter(|record| [kind, RecordType::CNAME].contains(&record.record_type()));
    let mut security = Security::Secure;
    for record in about {
        security = security.min(match record.proof {
            Proof::Secure => Security::Secure,
            Proof::Insecure => Security::Insecure,
            Proof::Bogus | Proof::Indeterminate => {
                return Err(DnsError::temporary("DNSSEC validation failed"));
            }
        });
    }
    Ok(security)
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connection = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = vec![connection(ConnectionConfig::udp()), connection(ConnectionConfig::tcp())];
    NameServerConfig::new(address.ip(), true, connections)
}

fn set_options(options: &mut ResolverOpts, config: &Config) {
    options.ndots = 0;
    options.timeout = config.timeout;
    options.attempts = config.retries;
    options.cache_size = config.cache_entries_max;
    options.positive_max_ttl = Some(config.ttl_max);
    options.negative_max_ttl = Some(config.negative_ttl_max);
    options.case_randomization = config.random_case;
    options.try_tcp_on_error = true;
    // Routes come from the DNS; who wants a host elsewhere writes a route.
    options.use_hosts_file = ResolveHosts::Never;
    // Many domains are asked for at once; the default of 32 would answer "busy".
    options.max_active_requests = 1024;
    // Fragmented answers can be forged: stay below every path's MTU and use TCP beyond (DNS flag day 2020).
    options.edns0 = true;
    options.edns_payload_len = 1232;
}

/// A name as it is asked for: A-labels, in lower case, from the root. What cannot be a name does not exist.
fn absolute(name: &str) -> Result<Name, DnsError> {
    let name = dns::normalise(name);
    // RFC 6761 §6.4, RFC 7686 §2: these must not leave the host. `localhost` is answered without asking, too.
    if name.is_empty() || (dns::is_special(&name) && !is_localhost(&name)) {
        return Err(DnsError::NoSuchName);
    }
    let parsed = if name.is_ascii() { Name::from_ascii(&name) } else { Name::from_utf8(&name) };
    let mut name = parsed.map_err(|_| DnsError::NoSuchName)?.to_lowercase();
    name.set_fqdn(true);
    Ok(name)
}

fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

fn together(mut v4: Answer<Vec<IpAddr>>, v6: Answer<Vec<IpAddr>>) -> Answer<Vec<IpAddr>> {
    // Half of the room is kept for the type that is asked for last.
    let kept = ADDRESSES_MAX.saturating_sub(v6.records.len()).max(ADDRESSES_MAX / 2);
    v4.records.truncate(kept);
    v4.records.extend(v6.records);
    v4.records.truncate(ADDRESSES_MAX);
    Answer { records: v4.records, security: v4.security.min(v6.security), ttl: v4.ttl.min(v6.ttl) }
}
