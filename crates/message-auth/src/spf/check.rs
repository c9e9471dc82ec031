//! Whether a client may send for a domain: `check_host()` of RFC 7208 §4.

use std::{fmt, net::IpAddr};

use dns::{BoxFuture, DnsError, Resolve};

use super::{
    macros::{Template, Values},
    record::{Directive, Mechanism, Mistake, Prefixes, Qualifier, Record, is_in, is_spf},
};

/// Terms of one check that ask the DNS (RFC 7208 §4.6.4).
pub const LOOKUPS_MAX: u8 = 10;
/// Answers without any records that one check bears (RFC 7208 §4.6.4).
pub const VOID_LOOKUPS_MAX: u8 = 2;
/// Hosts of one `mx`, and names of one `ptr` (RFC 7208 §4.6.4).
const HOSTS_MAX: usize = 10;
/// Octets of somebody else's explanation that we would repeat.
const EXPLANATION_OCTETS_MAX: usize = 300;

/// What SPF says (RFC 7208 §2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpfResult {
    /// The domain says nothing, or is none.
    None,
    /// The domain does not want to say.
    Neutral,
    /// The client may send for it.
    Pass,
    /// The client may not.
    Fail,
    /// It probably may not.
    SoftFail,
    /// The DNS did not answer.
    TempError,
    /// The record cannot be understood.
    PermError,
}

impl fmt::Display for SpfResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Neutral => "neutral",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        })
    }
}

/// Who sends, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The client. An address of IPv4 within IPv6 counts as IPv4: the caller has taken it out.
    pub client: IpAddr,
    /// What it called itself.
    pub helo: &'a str,
    /// The local part of the reverse-path; none: `postmaster` (RFC 7208 §4.3).
    pub local_part: Option<&'a str>,
    /// The domain that is checked: that of the reverse-path, or the client's own name.
    pub domain: &'a str,
    /// Our own name, for explanations.
    pub receiver: &'a str,
    /// Seconds since 1970, for explanations.
    pub now: u64,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The result.
    pub result: SpfResult,
    /// The term of the record that decided, if one did.
    pub mechanism: Option<Box<str>>,
    /// Why it could not be said: of a `temperror` or `permerror`.
    pub problem: Option<Problem>,
    /// What the domain itself says about a `fail`.
    pub explanation: Option<Box<str>>,
    /// Terms that asked the DNS.
    pub lookups: u8,
    /// Answers that had no records.
    pub void_lookups: u8,
}

/// Why a check came to no end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The DNS did not answer; why.
    Dns(Box<str>),
    /// A term with a mistake.
    Mistake(Box<str>),
    /// A domain has more than one record.
    Several(Box<str>),
    /// A record leads to a domain that has none.
    NoRecord(Box<str>),
    /// More than ten terms ask the DNS.
    TooManyLookups,
    /// More than two answers had no records.
    TooManyVoid,
    /// A domain has more mail hosts than are looked at.
    TooManyHosts(Box<str>),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(why) => f.write_str(why),
            Self::Mistake(term) => write!(f, "a mistake in {term:?}"),
            Self::Several(domain) => write!(f, "{domain} has several records"),
            Self::NoRecord(domain) => write!(f, "{domain} has no record"),
            Self::TooManyLookups => write!(f, "more than {LOOKUPS_MAX} lookups"),
            Self::TooManyVoid => write!(f, "more than {VOID_LOOKUPS_MAX} lookups without an answer"),
            Self::TooManyHosts(domain) => write!(f, "{domain} has more than {HOSTS_MAX} mail hosts"),
        }
    }
}

impl Problem {
    fn result(&self) -> SpfResult {
        if matches!(self, Self::Dns(_)) { SpfResult::TempError } else { SpfResult::PermError }
    }
}

/// Checks. Time is for the caller to bound.
pub async fn check(query: Query<'_>, resolver: &dyn Resolve) -> Verdict {
    let domain = dns::normalise(query.domain);
    let mut check = Check { query, resolver, lookups: 0, void_lookups: 0, validated: None };
    let found = if is_checkable(&domain) { check.host(&domain, true).await } else { Ok(Found::nothing()) };
    let (result, mechanism, explanation, problem) = match found {
        Ok(Found { result, mechanism, explanation }) => (result, mechanism, explanation, None),
        Err(problem) => (problem.result(), None, None, Some(problem)),
    };
    let Check { lookups, void_lookups, .. } = check;
    Verdict { result, mechanism, problem, explanation, lookups, void_lookups }
}

/// RFC 7208 §4.3: no empty label, none too long, and more than one of them.
fn is_checkable(domain: &str) -> bool {
    let labels = domain.split('.');
    domain.len() <= 253
        && labels.clone().count() > 1
        && labels.into_iter().all(|label| (1..=63).contains(&label.len()))
}

/// What a record says, if there was no problem.
struct Found {
    result: SpfResult,
    mechanism: Option<Box<str>>,
    explanation: Option<Box<str>>,
}

impl Found {
    fn nothing() -> Self {
        Self { result: SpfResult::None, mechanism: None, explanation: None }
    }
}

struct Check<'a> {
    query: Query<'a>,
    resolver: &'a dyn Resolve,
    lookups: u8,
    void_lookups: u8,
    /// The names of the client that lead back to it, once they were looked for.
    validated: Option<Vec<Box<str>>>,
}

impl Check<'_> {
    /// `check_host()`. `explains`: a `fail` is explained, which an included record's never is (RFC 7208 §6.2).
    fn host<'b>(&'b mut self, domain: &'b str, explains: bool) -> BoxFuture<'b, Result<Found, Problem>> {
        Box::pin(async move {
            let Some(record) = self.record(domain).await? else { return Ok(Found::nothing()) };
            for directive in &record.directives {
                if self.matches(domain, &directive.mechanism).await? {
                    return Ok(self.decided(domain, &record, directive, explains).await);
                }
            }
            let Some(redirect) = &record.redirect else {
                return Ok(Found { result: SpfResult::Neutral, mechanism: None, explanation: None });
            };
            self.count()?;
            let target = self.name(redirect, domain).await;
            match self.host(&target, explains).await? {
                Found { result: SpfResult::None, .. } => Err(Problem::NoRecord(target.into())),
                found => Ok(found),
            }
        })
    }

    /// The one record of a domain (RFC 7208 §4.4, §4.5).
    async fn record(&mut self, domain: &str) -> Result<Option<Record>, Problem> {
        if !is_checkable(domain) {
            return Ok(None);
        }
        let records = match self.resolver.txt(domain).await {
            Ok(answer) => answer.records,
            Err(DnsError::NoSuchName | DnsError::NoRecords) => return Ok(None),
            Err(DnsError::Temporary(why)) => return Err(Problem::Dns(why)),
        };
        let mut own = records.iter().filter(|txt| is_spf(txt));
        let Some(txt) = own.next() else { return Ok(None) };
        if own.next().is_some() {
            return Err(Problem::Several(domain.into()));
        }
        Record::parse(txt).map(Some).map_err(|Mistake(term)| Problem::Mistake(term))
    }

    async fn decided(
        &mut self,
        domain: &str,
        record: &Record,
        directive: &Directive,
        explains: bool,
    ) -> Found {
        let result = match directive.qualifier {
            Qualifier::Pass => SpfResult::Pass,
            Qualifier::Fail => SpfResult::Fail,
            Qualifier::SoftFail => SpfResult::SoftFail,
            Qualifier::Neutral => SpfResult::Neutral,
        };
        let explanation = match &record.explanation {
            Some(target) if explains && result == SpfResult::Fail => self.explained(domain, target).await,
            _ => None,
        };
        Found { result, mechanism: Some(directive.text.clone()), explanation }
    }

    /// RFC 7208 §6.2: whatever is wrong with an explanation, the result stays.
    async fn explained(&mut self, domain: &str, target: &Template) -> Option<Box<str>> {
        let name = self.name(target, domain).await;
        let records = self.resolver.txt(&name).await.ok()?.records;
        let [text] = records.as_slice() else { return None };
        let template = Template::explanation(std::str::from_utf8(text).ok()?)?;
        let validated = self.validated_if(&template, domain).await;
        let text = template.expand(&self.values(domain, &validated));
        let plain = text.bytes().all(|octet| matches!(octet, b' '..=b'~'));
        plain.then(|| text.chars().take(EXPLANATION_OCTETS_MAX).collect())
    }

    async fn matches(&mut self, domain: &str, mechanism: &Mechanism) -> Result<bool, Problem> {
        match mechanism {
            Mechanism::All => return Ok(true),
            Mechanism::Network(network, bits) => return Ok(is_in(self.query.client, *network, *bits)),
            _ => self.count()?,
        }
        match mechanism {
            Mechanism::Include(target) => {
                let target = self.name(target, domain).await;
                match self.host(&target, false).await?.result {
                    SpfResult::Pass => Ok(true),
                    SpfResult::None => Err(Problem::NoRecord(target.into())),
                    _ => Ok(false),
                }
            }
            Mechanism::A(target, prefixes) => {
                let target = self.target(target.as_ref(), domain).await;
                let addresses = self.addresses(&target).await?;
                if addresses.is_empty() {
                    self.count_void()?;
                }
                Ok(self.is_among(&addresses, *prefixes))
            }
            Mechanism::Mx(target, prefixes) => {
                let target = self.target(target.as_ref(), domain).await;
                self.matches_mx(&target, *prefixes).await
            }
            Mechanism::Ptr(target) => {
                let target = self.target(target.as_ref(), domain).await;
                let Some(names) = self.names().await else {
                    self.count_void()?;
                    return Ok(false);
                };
                Ok(names.iter().any(|name| is_within(name, &target)))
            }
            Mechanism::Exists(target) => {
                let target = self.name(target, domain).await;
                // RFC 7208 §5.7: only A records count, whatever the client's address is.
                let exists = !self.addresses_of(&target, true).await?.is_empty();
                if !exists {
                    self.count_void()?;
                }
                Ok(exists)
            }
            Mechanism::All | Mechanism::Network(..) => Ok(false),
        }
    }

    async fn matches_mx(&mut self, target: &str, prefixes: Prefixes) -> Result<bool, Problem> {
        let hosts = match self.resolver.mx(target).await {
            Ok(answer) => answer.records,
            Err(DnsError::NoSuchName | DnsError::NoRecords) => {
                self.count_void()?;
                return Ok(false);
            }
            Err(DnsError::Temporary(why)) => return Err(Problem::Dns(why)),
        };
        if hosts.len() > HOSTS_MAX {
            return Err(Problem::TooManyHosts(target.into()));
        }
        for host in &hosts {
            let addresses = self.addresses(&host.exchange).await?;
            if self.is_among(&addresses, prefixes) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_among(&self, addresses: &[IpAddr], prefixes: Prefixes) -> bool {
        let bits = if self.query.client.is_ipv4() { prefixes.v4 } else { prefixes.v6 };
        addresses.iter().any(|address| is_in(self.query.client, *address, bits))
    }

    /// Addresses of the client's kind.
    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Problem> {
        self.addresses_of(name, self.query.client.is_ipv4()).await
    }

    async fn addresses_of(&self, name: &str, v4: bool) -> Result<Vec<IpAddr>, Problem> {
        if !is_checkable(name) {
            return Ok(Vec::new());
        }
        match self.resolver.addresses_of(name, v4).await {
            Ok(answer) => Ok(answer.records),
            Err(DnsError::NoSuchName | DnsError::NoRecords) => Ok(Vec::new()),
            Err(DnsError::Temporary(why)) => Err(Problem::Dns(why)),
        }
    }

    /// Names of the client that lead back to it (RFC 7208 §5.5); `None`: it has no name at all. Failures are as if none led back.
    async fn names(&self) -> Option<Vec<Box<str>>> {
        let answer = match self.resolver.ptr(self.query.client).await {
            Ok(answer) => answer,
            Err(DnsError::NoSuchName | DnsError::NoRecords) => return None,
            Err(DnsError::Temporary(_)) => return Some(Vec::new()),
        };
        let mut names = Vec::new();
        for name in answer.records.iter().take(HOSTS_MAX) {
            if self.addresses(name).await.is_ok_and(|addresses| addresses.contains(&self.query.client)) {
                names.push(dns::normalise(name).into());
            }
        }
        Some(names)
    }

    async fn target(&mut self, target: Option<&Template>, domain: &str) -> String {
        match target {
            Some(template) => self.name(template, domain).await,
            None => domain.to_owned(),
        }
    }

    async fn name(&mut self, template: &Template, domain: &str) -> String {
        let validated = self.validated_if(template, domain).await;
        template.name(&self.values(domain, &validated))
    }

    /// RFC 7208 §7.3: the domain itself first, then a subdomain of it, then any name, else `unknown`.
    async fn validated_if(&mut self, template: &Template, domain: &str) -> Box<str> {
        if !template.wants_validated() {
            return "unknown".into();
        }
        if self.validated.is_none() {
            self.validated = Some(self.names().await.unwrap_or_default());
        }
        // The domain is the one at hand, which an include or a redirect changes.
        let names = self.validated.as_deref().unwrap_or_default();
        let own = names.iter().find(|name| ***name == *domain);
        let best = own.or_else(|| names.iter().find(|name| is_within(name, domain))).or(names.first());
        best.cloned().unwrap_or_else(|| "unknown".into())
    }

    fn values<'b>(&'b self, domain: &'b str, validated: &'b str) -> Values<'b> {
        Values {
            client: self.query.client,
            helo: self.query.helo,
            local_part: self.query.local_part.filter(|part| !part.is_empty()).unwrap_or("postmaster"),
            sender_domain: self.query.domain,
            domain,
            validated,
            receiver: self.query.receiver,
            time: self.query.now,
        }
    }

    fn count(&mut self) -> Result<(), Problem> {
        if self.lookups == LOOKUPS_MAX {
            return Err(Problem::TooManyLookups);
        }
        self.lookups += 1;
        Ok(())
    }

    fn count_void(&mut self) -> Result<(), Problem> {
        self.void_lookups += 1;
        if self.void_lookups > VOID_LOOKUPS_MAX { Err(Problem::TooManyVoid) } else { Ok(()) }
    }
}

/// Whether a name is a domain or below it.
fn is_within(name: &str, domain: &str) -> bool {
    crate::dkim::is_within(name, domain)
}
