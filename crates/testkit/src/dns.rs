//! Scripted DNS: zones as lines of text, and a log of what was asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use dns::{ADDRESSES_MAX, Answer, BoxFuture, CNAME_CHAIN_MAX, DnsError, MX_MAX, Mx, Resolve, Security, Tlsa};

const TTL: Duration = Duration::from_mins(5);

/// DNS that answers from a script, at once, and notes every question.
///
/// A line is `name TYPE value`, or `name OUTCOME` for every type, or `name TYPE OUTCOME` for one; ` #` begins a comment:
///
/// ```text
/// example.org     MX    10 mx.example.org
/// null.example    MX    0 .
/// mx.example.org  A     192.0.2.1
/// mx.example.org  AAAA  2001:db8::1
/// x.example       CNAME mx.example.org
/// example.org     TXT   "v=spf1 -all"
/// _25._tcp.mx.example.org TLSA 3 1 1 0123...
/// mx.example.org  INSECURE
/// mx.example.org  SLOW
/// 192.0.2.1       PTR   mx.example.org
/// broken.example  SERVFAIL
/// silent.example  MX    TIMEOUT
/// gone.example    NXDOMAIN
/// ```
///
/// A name that no line tells of does not exist, unless one below it does. `TIMEOUT` is the failure that comes after
/// a timeout, without the wait; `HANG` never answers. A name that is `SLOW` answers like others, but not at the first poll: as over a network, and too
/// late for who has no time left.
#[derive(Debug, Default)]
pub struct FakeDns {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    zones: BTreeMap<String, Vec<Line>>,
    queries: Vec<String>,
    secure: bool,
    /// Names for which nothing vouches, whatever the others are.
    insecure: BTreeSet<String>,
    slow: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    /// `None`: of every type.
    kind: Option<String>,
    says: Says,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Says {
    Record(String),
    Fails(Failure),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    NoSuchName,
    NoRecords,
    ServFail,
    Timeout,
    Hang,
}

/// What a lookup comes to; `Hang` has no end.
enum Outcome<T> {
    Done(Result<T, DnsError>),
    Hang,
}

impl FakeDns {
    /// Zones from a script.
    ///
    /// # Panics
    ///
    /// On a line that is none: a wrong test must not pass.
    pub fn new(script: &str) -> Self {
        let dns = Self::default();
        dns.set(script);
        dns
    }

    /// Replaces everything that is known of the names in `script`; other names stay as they are.
    ///
    /// # Panics
    ///
    /// On a line that is none.
    pub fn set(&self, script: &str) {
        let lines: Vec<_> = script.lines().filter_map(parse_line).collect();
        let mut state = self.state();
        for (name, _) in &lines {
            state.zones.remove(name);
        }
        for (name, line) in lines {
            if line.kind.as_deref() == Some("INSECURE") {
                state.insecure.insert(name);
                continue;
            }
            if line.kind.as_deref() == Some("SLOW") {
                state.slow.insert(name);
                continue;
            }
            state.zones.entry(name).or_default().push(line);
        }
    }

    /// From now on answers are [`Security::Secure`], or not.
    pub fn secure(&self, secure: bool) {
        self.state().secure = secure;
    }

    /// What was asked so far, in order: `example.org MX`. Addresses are asked for as `A`.
    pub fn queries(&self) -> Vec<String> {
        self.state().queries.clone()
    }

    /// Forgets what was asked so far.
    pub fn forget_queries(&self) {
        self.state().queries.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask<T>(
        &self,
        name: &str,
        kinds: &'static [&'static str],
        parse: impl Fn(&str, &str) -> T,
    ) -> Result<Answer<Vec<T>>, DnsError> {
        let (outcome, security, slow) = {
            let mut state = self.state();
            let name = dns::normalise(name);
            state.queries.push(format!("{name} {}", kinds.first().copied().unwrap_or_default()));
            (state.look_up(&name, kinds), state.security(&name), state.slow.contains(&name))
        };
        if slow {
            tokio::task::yield_now().await;
        }
        let found = match outcome {
            Outcome::Hang => std::future::pending().await,
            Outcome::Done(result) => result?,
        };
        let records = found.iter().map(|(kind, value)| parse(kind, value)).collect();
        Ok(Answer { records, security, ttl: TTL })
    }
}

impl State {
    fn look_up(&self, name: &str, kinds: &[&str]) -> Outcome<Vec<(String, String)>> {
        let mut name = name.to_owned();
        for _ in 0..=CNAME_CHAIN_MAX {
            let Some(lines) = self.zones.get(&name) else { return Outcome::Done(Err(self.nobody(&name))) };
            if let Some(target) = lines.iter().find_map(Line::cname) {
                name = target;
                continue;
            }
            return answer(lines, kinds);
        }
        Outcome::Done(Err(DnsError::temporary("CNAME chain too long")))
    }

    fn security(&self, name: &str) -> Security {
        if self.secure && !self.insecure.contains(name) { Security::Secure } else { Security::Insecure }
    }

    /// The names that a host has one behind the other, as long as they are vouched for.
    fn vouched(&self, host: &str) -> Vec<String> {
        let (mut names, mut name) = (Vec::new(), host.to_owned());
        while self.security(&name) == Security::Secure && names.len() <= CNAME_CHAIN_MAX {
            names.push(name.clone());
            let alias = self.zones.get(&name).and_then(|lines| lines.iter().find_map(Line::cname));
            let Some(target) = alias else { return names };
            name = target;
        }
        // The way breaks off: only the first one counts.
        names.truncate(1);
        names
    }

    /// RFC 8020: a name with something below it exists.
    fn nobody(&self, name: &str) -> DnsError {
        let below = format!(".{name}");
        let exists = self.zones.keys().any(|other| other.ends_with(&below));
        if exists { DnsError::NoRecords } else { DnsError::NoSuchName }
    }
}

impl Line {
    fn cname(&self) -> Option<String> {
        match (&self.kind, &self.says) {
            (Some(kind), Says::Record(target)) if kind == "CNAME" => Some(dns::normalise(target)),
            _ => None,
        }
    }

    fn is_for(&self, kinds: &[&str]) -> bool {
        self.kind.as_ref().is_none_or(|kind| kinds.contains(&kind.as_str()))
    }
}

/// Records outweigh failures, as with the real resolver: an A is enough when the AAAA fails.
fn answer(lines: &[Line], kinds: &[&str]) -> Outcome<Vec<(String, String)>> {
    let about: Vec<_> = lines.iter().filter(|line| line.is_for(kinds)).collect();
    let mut seen = BTreeSet::new();
    let records: Vec<_> = about
        .iter()
        .filter_map(|line| match (&line.kind, &line.says) {
            (Some(kind), Says::Record(value)) => Some((kind.clone(), value.clone())),
            _ => None,
        })
        .filter(|record| seen.insert(record.clone()))
        .take(if kinds.contains(&"A") || kinds.contains(&"AAAA") { ADDRESSES_MAX } else { MX_MAX })
        .collect();
    if !records.is_empty() {
        return Outcome::Done(Ok(records));
    }
    let failure = about.iter().find_map(|line| match line.says {
        Says::Fails(failure) => Some(failure),
        Says::Record(_) => None,
    });
    Outcome::Done(Err(match failure {
        Some(Failure::Hang) => return Outcome::Hang,
        Some(Failure::NoSuchName) => DnsError::NoSuchName,
        Some(Failure::NoRecords) | None => DnsError::NoRecords,
        Some(Failure::ServFail) => DnsError::temporary("SERVFAIL"),
        Some(Failure::Timeout) => DnsError::temporary("timeout"),
    }))
}

impl Resolve for FakeDns {
    fn mx<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Mx>>, DnsError>> {
        Box::pin(self.ask(name, &["MX"], |_, value| parse_mx(value)))
    }

    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<IpAddr>>, DnsError>> {
        Box::pin(self.ask(name, &["A", "AAAA"], |_, value| parse_address(value)))
    }

    fn addresses_of<'a>(
        &'a self,
        name: &'a str,
        v4: bool,
    ) -> BoxFuture<'a, Result<Answer<Vec<IpAddr>>, DnsError>> {
        let kinds: &'static [&'static str] = if v4 { &["A"] } else { &["AAAA"] };
        Box::pin(self.ask(name, kinds, |_, value| parse_address(value)))
    }

    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Vec<u8>>>, DnsError>> {
        Box::pin(self.ask(name, &["TXT"], |_, value| value.trim_matches('"').as_bytes().to_vec()))
    }

    fn vouched_names<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Box<str>>>, DnsError>> {
        Box::pin(async move {
            if !self.state().secure {
                return Err(DnsError::NoRecords);
            }
            self.ask(host, &["A", "AAAA"], |_, _| ()).await?;
            let mut names = self.state().vouched(&dns::normalise(host));
            let (first, last) = (names.first().cloned(), names.pop());
            let mut records: Vec<Box<str>> = last.into_iter().chain(first).map(Into::into).collect();
            records.dedup();
            if records.is_empty() {
                return Err(DnsError::NoRecords);
            }
            Ok(Answer { records, security: Security::Secure, ttl: TTL })
        })
    }

    fn tlsa<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Tlsa>>, DnsError>> {
        Box::pin(self.ask(name, &["TLSA"], |_, value| parse_tlsa(value)))
    }

    fn ptr(&self, address: IpAddr) -> BoxFuture<'_, Result<Answer<Vec<Box<str>>>, DnsError>> {
        Box::pin(async move {
            self.ask(&dns::reverse_name(address), &["PTR"], |_, value| dns::normalise(value).into()).await
        })
    }
}

fn parse_tlsa(value: &str) -> Tlsa {
    let record = Tlsa::parse(value);
    assert!(record.is_some(), "no TLSA record: {value}");
    record.unwrap_or(Tlsa { usage: 0, selector: 0, matching: 0, data: Box::default() })
}

fn parse_line(line: &str) -> Option<(String, Line)> {
    let line = line.split(" #").next().unwrap_or_default().trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (name, rest) = word(line);
    let (kind, value) = word(rest);
    let name = match name.parse::<IpAddr>() {
        Ok(address) => dns::reverse_name(address),
        Err(_) => dns::normalise(name),
    };
    let line = match (failure(kind), failure(value)) {
        (Some(failure), _) if value.is_empty() => Line { kind: None, says: Says::Fails(failure) },
        (None, Some(failure)) => Line { kind: Some(kind.to_owned()), says: Says::Fails(failure) },
        _ => Line { kind: Some(kind.to_owned()), says: Says::Record(value.to_owned()) },
    };
    check(&line);
    Some((name, line))
}

/// A mistake in a script is found where it stands, not where it is asked for.
fn check(line: &Line) {
    let kind = line.kind.as_deref();
    match (kind, &line.says) {
        (Some("MX"), Says::Record(value)) => drop(parse_mx(value)),
        (Some("A"), Says::Record(value)) => assert!(parse_address(value).is_ipv4(), "no A: {value}"),
        (Some("AAAA"), Says::Record(value)) => assert!(parse_address(value).is_ipv6(), "no AAAA: {value}"),
        (Some("TLSA"), Says::Record(value)) => drop(parse_tlsa(value)),
        (Some("INSECURE" | "SLOW"), Says::Record(value)) => {
            assert!(value.is_empty(), "a word too many: {value}");
        }
        (Some("CNAME" | "TXT" | "PTR"), Says::Record(value)) => assert!(!value.is_empty(), "no value"),
        (None | Some("MX" | "A" | "AAAA" | "TXT" | "PTR" | "TLSA"), Says::Fails(_)) => {}
        (kind, _) => assert!(kind.is_none(), "no record of this type in a script: {line:?}"),
    }
}

fn word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim())
}

fn failure(text: &str) -> Option<Failure> {
    Some(match text {
        "NXDOMAIN" => Failure::NoSuchName,
        "NODATA" => Failure::NoRecords,
        "SERVFAIL" => Failure::ServFail,
        "TIMEOUT" => Failure::Timeout,
        "HANG" => Failure::Hang,
        _ => return None,
    })
}

fn parse_mx(value: &str) -> Mx {
    let (preference, exchange) = word(value);
    let preference = preference.parse();
    assert!(preference.is_ok() && !exchange.is_empty(), "no MX: {value}");
    Mx::new(preference.unwrap_or_default(), exchange)
}

fn parse_address(value: &str) -> IpAddr {
    let address = value.parse();
    assert!(address.is_ok(), "no address: {value}");
    address.unwrap_or(IpAddr::from([0, 0, 0, 0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "
        example.org     MX 20 mx2.example.org     # comment
        Example.org.    MX 10 MX1.example.org.
        mx1.example.org A 192.0.2.1
        mx1.example.org A 192.0.2.1
        mx1.example.org AAAA 2001:db8::1
        a.example       CNAME b.example
        b.example       CNAME mx1.example.org
        loop.example    CNAME loop.example
        null.example    MX 0 .
        broken.example  SERVFAIL
        half.example    AAAA SERVFAIL
        half.example    A 192.0.2.2
        slow.example    MX TIMEOUT
        gone.example    NXDOMAIN
        text.example    TXT \"v=spf1 -all\"
        192.0.2.1       PTR mx1.example.org
        hang.example    HANG
        x.y.example     A 192.0.2.3
    ";

    #[tokio::test]
    async fn the_script_answers() {
        let dns = FakeDns::new(SCRIPT);
        let mx = dns.mx("EXAMPLE.org.").await.unwrap();
        assert_eq!(mx.records, [Mx::new(20, "mx2.example.org"), Mx::new(10, "mx1.example.org")]);
        assert_eq!(mx.security, Security::Insecure);
        let both: Vec<IpAddr> = vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        assert_eq!(dns.addresses("a.example").await.unwrap().records, both);
        assert_eq!(dns.addresses("half.example").await.unwrap().records.len(), 1);
        assert!(dns::is_null_mx(&dns.mx("null.example").await.unwrap().records));
        assert_eq!(dns.txt("text.example").await.unwrap().records, [b"v=spf1 -all"]);
        assert_eq!(dns.ptr("192.0.2.1".parse().unwrap()).await.unwrap().records, ["mx1.example.org".into()]);
        assert_eq!(dns.queries().first().map(String::as_str), Some("example.org MX"));
        assert_eq!(dns.queries().len(), 6);
    }

    #[tokio::test]
    async fn the_script_fails_as_told() {
        let dns = FakeDns::new(SCRIPT);
        for (name, error) in [
            ("broken.example", DnsError::temporary("SERVFAIL")),
            ("slow.example", DnsError::temporary("timeout")),
            ("gone.example", DnsError::NoSuchName),
            ("nowhere.example", DnsError::NoSuchName),
            ("y.example", DnsError::NoRecords),
            ("mx1.example.org", DnsError::NoRecords),
            ("loop.example", DnsError::temporary("CNAME chain too long")),
        ] {
            assert_eq!(dns.mx(name).await, Err(error), "{name}");
        }
        tokio::select! {
            biased;
            _ = dns.mx("hang.example") => panic!("answered"),
            () = std::future::ready(()) => {}
        }
    }

    #[tokio::test]
    async fn names_can_be_changed_while_it_runs() {
        let dns = FakeDns::new(SCRIPT);
        dns.secure(true);
        dns.set("broken.example MX 1 mx1.example.org");
        assert_eq!(dns.mx("broken.example").await.unwrap().security, Security::Secure);
        assert_eq!(dns.addresses("mx1.example.org").await.unwrap().records.len(), 2);
    }

    #[test]
    fn a_line_that_is_none_fails_the_test() {
        for line in
            ["x", "x MX", "x MX ten mx", "x A ::1", "x AAAA 192.0.2.1", "x NOTHING", "x SOA y", "x CNAME"]
        {
            assert!(std::panic::catch_unwind(|| FakeDns::new(line)).is_err(), "{line}");
        }
    }
}
