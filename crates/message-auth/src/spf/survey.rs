//! A whole record of SPF with all that it leads to, for its owner: every term is followed, not only as far as one client needs it.

use std::net::IpAddr;

use dns::{BoxFuture, DnsError, Resolve};

use super::{
    check::Problem,
    macros::Template,
    record::{Directive, Mechanism, Mistake, Prefixes, Qualifier, Record, is_in, is_spf},
};

/// Terms that are followed: more than five times what any receiver follows.
const TERMS_MAX: u32 = 60;
/// Networks that are kept.
const NETWORKS_MAX: usize = 1000;

/// A network that may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Allowed {
    /// Its first address, or one of it.
    pub address: IpAddr,
    /// Bits that are compared.
    pub bits: u8,
}

/// Something that makes the record void, and for which domain's record it is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The domain whose record has it.
    pub domain: Box<str>,
    /// What it is.
    pub problem: Problem,
}

/// What a record says to all clients together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// The domain's record, if it has just one.
    pub record: Option<Box<str>>,
    /// All records of SPF that the domain has.
    pub records: Vec<Box<str>>,
    /// What makes it void, at whatever depth. Limits on lookups are not here, see the numbers.
    pub troubles: Vec<Trouble>,
    /// Terms that ask the DNS, in all records together (RFC 7208 §4.6.4: ten at most).
    pub lookups: u32,
    /// Those of them that found nothing (RFC 7208 §4.6.4: two at most).
    pub void_lookups: u32,
    /// The terms of the domain's own record that ask the DNS, with all the lookups that each of them leads to.
    pub costs: Vec<(Box<str>, u32)>,
    /// Who may send.
    pub allowed: Vec<Allowed>,
    /// The domain whose record lets everybody send, by `+all`.
    pub everybody: Option<Box<str>>,
    /// What the record says in the end: the term with `all`, with those it redirects to. None: it has no end.
    pub end: Option<Box<str>>,
    /// Terms behind an `all`, which nobody reads.
    pub behind: Vec<Box<str>>,
    /// Terms by names of clients (`ptr`), which RFC 7208 §5.5 advises against.
    pub by_name: bool,
    /// Terms with macros or `exists`: whom they let send is not to be seen here.
    pub by_macro: bool,
}

impl Survey {
    /// How many addresses of IPv4 may send; networks within others count once.
    pub fn v4_addresses(&self) -> u64 {
        let v4 = |one: &&Allowed| one.address.is_ipv4();
        let widest = self.allowed.iter().filter(v4).filter(|one| !self.is_covered(one));
        widest.map(|one| 1_u64 << 32_u8.saturating_sub(one.bits)).fold(0, u64::saturating_add)
    }

    /// The widest network of IPv6, by its bits.
    pub fn v6_bits(&self) -> Option<u8> {
        self.allowed.iter().filter(|one| one.address.is_ipv6()).map(|one| one.bits).min()
    }

    /// Whether another network has all of this one. Of two that are the same the second one has not.
    fn is_covered(&self, one: &Allowed) -> bool {
        let wider = |other: &Allowed| other.bits < one.bits && is_in(one.address, other.address, other.bits);
        self.allowed.iter().any(wider)
    }
}

/// Follows all terms of the record of a domain. Time is for the caller to bound; the number of questions is bounded here.
pub async fn survey(domain: &str, resolver: &dyn Resolve) -> Survey {
    let mut walk = Walk { resolver, survey: Survey::default(), path: Vec::new() };
    walk.domain(&dns::normalise(domain), true, true).await;
    let mut survey = walk.survey;
    survey.allowed.sort_unstable();
    survey.allowed.dedup();
    survey
}

struct Walk<'a> {
    resolver: &'a dyn Resolve,
    survey: Survey,
    /// The domains whose records led here.
    path: Vec<Box<str>>,
}

impl Walk<'_> {
    /// `top`: it is the domain's own record, or what that redirects to. `allows`: whom it lets send may send.
    fn domain<'b>(&'b mut self, domain: &'b str, top: bool, allows: bool) -> BoxFuture<'b, ()> {
        Box::pin(async move {
            if self.path.iter().any(|before| **before == *domain) {
                // It would go on until the limit stops it.
                self.survey.lookups = TERMS_MAX;
                return self.trouble(domain, Problem::TooManyLookups);
            }
            let own = self.path.is_empty();
            let Some(record) = self.record(domain, own).await else { return };
            self.path.push(domain.into());
            self.terms(domain, &record, top, allows).await;
            self.path.pop();
        })
    }

    /// The record of a domain. None: there is none to follow, which has been told if it is a mistake.
    async fn record(&mut self, domain: &str, own: bool) -> Option<Record> {
        let found = match self.resolver.txt(domain).await {
            Ok(answer) => answer.records,
            Err(DnsError::NoSuchName | DnsError::NoRecords) => Vec::new(),
            Err(DnsError::Temporary(why)) => {
                self.trouble(domain, Problem::Dns(why));
                return None;
            }
        };
        let text = |txt: &Vec<u8>| -> Box<str> { String::from_utf8_lossy(txt).into() };
        let records: Vec<&Vec<u8>> = found.iter().filter(|txt| is_spf(txt)).collect();
        if own {
            self.survey.records = records.iter().map(|txt| text(txt)).collect();
        }
        match records.as_slice() {
            [] if own => None,
            [] => {
                self.trouble(domain, Problem::NoRecord(domain.into()));
                None
            }
            [one] => {
                if own {
                    self.survey.record = Some(text(one));
                }
                let parsed = Record::parse(one);
                parsed.map_err(|Mistake(term)| self.trouble(domain, Problem::Mistake(term))).ok()
            }
            _ => {
                self.trouble(domain, Problem::Several(domain.into()));
                None
            }
        }
    }

    async fn terms(&mut self, domain: &str, record: &Record, top: bool, allows: bool) {
        let own = self.path.len() == 1;
        let mut ended = false;
        for directive in &record.directives {
            if ended {
                if top {
                    self.survey.behind.push(directive.text.clone());
                }
                continue;
            }
            let before = self.survey.lookups;
            ended = self.term(domain, directive, top, allows).await;
            if own && self.survey.lookups > before {
                self.survey.costs.push((directive.text.clone(), self.survey.lookups - before));
            }
        }
        let Some(redirect) = &record.redirect else { return };
        if ended {
            if top {
                self.survey.behind.push("redirect=".into());
            }
            return;
        }
        let before = self.survey.lookups;
        if self.counts() {
            match redirect.plain().map(dns::normalise) {
                Some(target) => self.domain(&target, top, allows).await,
                None => self.survey.by_macro = true,
            }
        }
        if own {
            self.survey.costs.push(("redirect=".into(), self.survey.lookups - before));
        }
    }

    /// Whether the record ends here.
    async fn term(&mut self, domain: &str, directive: &Directive, top: bool, allows: bool) -> bool {
        let allows = allows && directive.qualifier == Qualifier::Pass;
        match &directive.mechanism {
            Mechanism::All => {
                if allows && self.survey.everybody.is_none() {
                    self.survey.everybody = Some(domain.into());
                }
                if top {
                    self.survey.end = Some(directive.text.clone());
                }
                return true;
            }
            Mechanism::Network(address, bits) => self.allow(allows, *address, *bits),
            mechanism if self.counts() => self.asking(domain, mechanism, allows).await,
            _ => {}
        }
        false
    }

    async fn asking(&mut self, domain: &str, mechanism: &Mechanism, allows: bool) {
        match mechanism {
            Mechanism::Include(target) => match target.plain().map(dns::normalise) {
                Some(target) => self.domain(&target, false, allows).await,
                None => self.survey.by_macro = true,
            },
            Mechanism::A(target, prefixes) => {
                let Some(host) = self.target(target.as_ref(), domain) else { return };
                if !self.host(domain, &host, *prefixes, allows).await {
                    self.survey.void_lookups += 1;
                }
            }
            Mechanism::Mx(target, prefixes) => {
                let Some(target) = self.target(target.as_ref(), domain) else { return };
                self.mail_hosts(domain, &target, *prefixes, allows).await;
            }
            Mechanism::Ptr(_) => self.survey.by_name = true,
            Mechanism::Exists(_) => self.survey.by_macro = true,
            Mechanism::All | Mechanism::Network(..) => {}
        }
    }

    async fn mail_hosts(&mut self, domain: &str, target: &str, prefixes: Prefixes, allows: bool) {
        match self.resolver.mx(target).await {
            Ok(answer) => {
                if answer.records.len() > 10 {
                    return self.trouble(domain, Problem::TooManyHosts(target.into()));
                }
                for host in &answer.records {
                    self.host(domain, &host.exchange, prefixes, allows).await;
                }
            }
            Err(DnsError::Temporary(why)) => self.trouble(domain, Problem::Dns(why)),
            Err(_) => self.survey.void_lookups += 1,
        }
    }

    /// Whether it has addresses, or nobody knows.
    async fn host(&mut self, domain: &str, host: &str, prefixes: Prefixes, allows: bool) -> bool {
        match self.resolver.addresses(host).await {
            Ok(answer) => {
                for address in answer.records {
                    let bits = if address.is_ipv4() { prefixes.v4 } else { prefixes.v6 };
                    self.allow(allows, address, bits);
                }
                true
            }
            Err(DnsError::Temporary(why)) => {
                self.trouble(domain, Problem::Dns(why));
                true
            }
            Err(_) => false,
        }
    }

    /// The name that is meant, if it is the same for all clients.
    fn target(&mut self, target: Option<&Template>, domain: &str) -> Option<String> {
        let Some(template) = target else { return Some(domain.to_owned()) };
        let name = template.plain().map(dns::normalise);
        self.survey.by_macro |= name.is_none();
        name
    }

    fn allow(&mut self, allows: bool, address: IpAddr, bits: u8) {
        if allows && self.survey.allowed.len() < NETWORKS_MAX {
            self.survey.allowed.push(Allowed { address, bits });
        }
    }

    /// Counts a term that asks. Whether it may.
    fn counts(&mut self) -> bool {
        self.survey.lookups += 1;
        self.survey.lookups < TERMS_MAX
    }

    fn trouble(&mut self, domain: &str, problem: Problem) {
        let trouble = Trouble { domain: domain.into(), problem };
        if !self.survey.troubles.contains(&trouble) {
            self.survey.troubles.push(trouble);
        }
    }
}

#[cfg(test)]
mod tests {
    use testkit::dns::FakeDns;

    use super::*;

    fn surveyed(script: &str) -> Survey {
        let dns = FakeDns::new(script);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(survey("example.org", &dns))
    }

    #[test]
    fn all_lookups_are_counted_with_the_terms_that_cost_them() {
        let survey = surveyed(
            "example.org TXT \"v=spf1 mx a:one.example include:inc.example ip4:192.0.2.0/24 -all\"\n\
             example.org MX 10 mx.example.org\n\
             mx.example.org A 198.51.100.1\n\
             one.example A 198.51.100.2\n\
             inc.example TXT \"v=spf1 a mx:none.example include:deep.example ~all\"\n\
             inc.example A 203.0.113.1\n\
             deep.example TXT \"v=spf1 ip4:203.0.113.0/24 ip6:2001:db8::/32 -all\"",
        );
        assert_eq!((survey.lookups, survey.void_lookups), (6, 1));
        assert_eq!(
            survey.costs,
            [("mx".into(), 1), ("a:one.example".into(), 1), ("include:inc.example".into(), 4)]
        );
        assert_eq!(survey.end.as_deref(), Some("-all"));
        assert_eq!((survey.v4_addresses(), survey.v6_bits()), (256 + 256 + 2, Some(32)));
        assert_eq!(survey.troubles, []);
    }

    #[test]
    fn what_makes_a_record_void_is_told_with_its_domain() {
        for (script, domain, problem) in [
            (
                "example.org TXT \"v=spf1 ip4:192.0.2.300 -all\"",
                "example.org",
                Problem::Mistake("ip4:192.0.2.300".into()),
            ),
            (
                "example.org TXT \"v=spf1 -all\"\nexample.org TXT \"v=spf1 +all\"",
                "example.org",
                Problem::Several("example.org".into()),
            ),
            (
                "example.org TXT \"v=spf1 include:a.example -all\"",
                "a.example",
                Problem::NoRecord("a.example".into()),
            ),
            (
                "example.org TXT \"v=spf1 include:a.example -all\"\na.example TXT \"v=spf1 foo\"",
                "a.example",
                Problem::Mistake("foo".into()),
            ),
            ("example.org TXT \"v=spf1 include:example.org -all\"", "example.org", Problem::TooManyLookups),
            ("example.org SERVFAIL", "example.org", Problem::Dns("SERVFAIL".into())),
        ] {
            let survey = surveyed(script);
            assert_eq!(survey.troubles, [Trouble { domain: domain.into(), problem }], "{script}");
        }
        assert_eq!(surveyed("example.org TXT \"v=spf1 include:example.org\"").lookups, TERMS_MAX);
    }

    #[test]
    fn who_may_send_is_told() {
        let everybody = |record: &str| {
            surveyed(&format!(
                "example.org TXT \"{record}\"\na.example TXT \"v=spf1 +all\"\nb.example TXT \"v=spf1 -all\""
            ))
            .everybody
        };
        for (record, whose) in [
            ("v=spf1 +all", Some("example.org")),
            ("v=spf1 all", Some("example.org")),
            ("v=spf1 ?all", None),
            ("v=spf1 include:a.example -all", Some("a.example")),
            ("v=spf1 -include:a.example -all", None),
            ("v=spf1 redirect=a.example", Some("a.example")),
            ("v=spf1 -all redirect=a.example", None),
            ("v=spf1 include:b.example -all", None),
        ] {
            assert_eq!(everybody(record).as_deref(), whose, "{record}");
        }
        let survey =
            surveyed("example.org TXT \"v=spf1 ip4:10.0.0.0/8 ip4:10.1.0.0/16 -all mx redirect=a.example\"");
        assert_eq!(survey.v4_addresses(), 1 << 24);
        assert_eq!(survey.behind, ["mx".into(), "redirect=".into()]);
        let survey = surveyed("example.org TXT \"v=spf1 ptr exists:%{i}.example.org a:%{d} redirect=%{d}\"");
        assert!(survey.by_name && survey.by_macro && survey.end.is_none());
    }
}
