//! The library mail-auth beside ours, on the same DNS: SPF, DKIM, ARC, and DMARC by RFC 9989, which no other judge knows.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use e2e::{Loopback, Nameserver};
use mail_auth::{
    AuthenticatedMessage, DkimResult, DmarcResult, MessageAuthenticator, SpfResult,
    dmarc::verify::DmarcParameters,
    hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts},
    spf::verify::SpfParameters,
};
use tokio::runtime::{Builder, Runtime};

use super::spf::{self, HELO};

const HERE: &str = "mx.here.test";

/// The library, and the name server that it asks.
pub(crate) struct Oracle {
    pub(crate) dns: Nameserver,
    library: MessageAuthenticator,
    runtime: Runtime,
    _net: Loopback,
}

/// What it says of a message, in the words of RFC 8601.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) spf: &'static str,
    /// Of each signature.
    pub(crate) dkim: Vec<&'static str>,
    pub(crate) arc: &'static str,
    pub(crate) dmarc: &'static str,
    /// What the author's domain asks for.
    pub(crate) policy: &'static str,
}

impl Oracle {
    pub(crate) fn new() -> Self {
        let net = Loopback::claim();
        let dns = Nameserver::start(&net, "");
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let library = runtime.block_on(async { library(dns.address()) });
        Self { dns, library, runtime, _net: net }
    }

    /// SPF of a reverse-path.
    pub(crate) fn spf(&self, client: &str, sender: &str) -> &'static str {
        let client: IpAddr = client.parse().expect("an address");
        let parameters = SpfParameters::verify_mail_from(client, HELO, HERE, sender);
        self.runtime.block_on(async { spf_word(self.library.verify_spf(parameters).await.result()) })
    }

    /// All checks of a message.
    pub(crate) fn judge(&self, message: &[u8], client: &str, sender: &str) -> Told {
        let client: IpAddr = client.parse().expect("an address");
        let read = AuthenticatedMessage::parse(message).expect("a message");
        self.runtime.block_on(async {
            let library = &self.library;
            let spf = library.verify_spf(SpfParameters::verify_mail_from(client, HELO, HERE, sender)).await;
            let dkim = library.verify_dkim(&read).await;
            let arc = library.verify_arc(&read).await;
            let domain = sender.rsplit_once('@').map_or(HELO, |(_, domain)| domain);
            let dmarc = library.verify_dmarc(DmarcParameters::new(&read, &dkim, domain, &spf)).await;
            Told {
                spf: spf_word(spf.result()),
                dkim: dkim.iter().map(|output| dkim_word(output.result())).collect(),
                arc: dkim_word(arc.result()),
                dmarc: dmarc_word(&dmarc.result()),
                policy: policy_word(dmarc.policy()),
            }
        })
    }
}

/// It keeps nothing: the next case has another DNS.
fn library(address: SocketAddr) -> MessageAuthenticator {
    let at = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = vec![at(ConnectionConfig::udp()), at(ConnectionConfig::tcp())];
    let server = NameServerConfig::new(address.ip(), true, connections);
    let mut options = ResolverOpts::default();
    options.cache_size = 0;
    options.timeout = Duration::from_secs(1);
    options.attempts = 0;
    options.ndots = 0;
    MessageAuthenticator::new(ResolverConfig::from_parts(None, Vec::new(), vec![server]), options)
        .expect("a resolver")
}

fn spf_word(result: SpfResult) -> &'static str {
    match result {
        SpfResult::Pass => "pass",
        SpfResult::Fail => "fail",
        SpfResult::SoftFail => "softfail",
        SpfResult::Neutral => "neutral",
        SpfResult::TempError => "temperror",
        SpfResult::PermError => "permerror",
        SpfResult::None => "none",
    }
}

fn dkim_word(result: &DkimResult) -> &'static str {
    match result {
        DkimResult::Pass => "pass",
        DkimResult::Neutral(_) => "neutral",
        DkimResult::Fail(_) => "fail",
        DkimResult::PermError(_) => "permerror",
        DkimResult::TempError(_) => "temperror",
        DkimResult::None => "none",
    }
}

fn dmarc_word(result: &DmarcResult) -> &'static str {
    match result {
        DmarcResult::Pass => "pass",
        DmarcResult::Fail(_) => "fail",
        DmarcResult::PermError(_) => "permerror",
        DmarcResult::TempError(_) => "temperror",
        DmarcResult::None => "none",
    }
}

fn policy_word(policy: mail_auth::dmarc::Policy) -> &'static str {
    match policy {
        mail_auth::dmarc::Policy::Reject => "reject",
        mail_auth::dmarc::Policy::Quarantine => "quarantine",
        _ => "none",
    }
}

fn by_mail_auth(cases: &[spf::Case]) -> Vec<Vec<spf::Said>> {
    let oracle = Oracle::new();
    let judged = cases.iter().map(|case| {
        oracle.dns.set(&case.zone);
        spf::beside(case, |client| oracle.spf(client, &case.sender).to_owned())
    });
    judged.collect()
}

#[test]
fn mail_auth_agrees_on_each_clause_of_spf_but_where_it_is_argued() {
    let cases = spf::by_hand();
    spf::agree_but_where_it_is_said("mail-auth", &cases, by_mail_auth(&cases));
}

/// Terms of the table by rule on which it differs, and why we do as we do.
const DIFFERS: &[(&str, &str)] = &[
    ("ptr:org", "RFC 7208 §7.1: a name has two labels at least"),
    ("ip6:2001:db8::/0", "it takes clients of IPv4 for ones of IPv6"),
    ("ip6:::ffff:192.0.2.1", "it takes clients of IPv4 for ones of IPv6"),
    ("include:two.example.org", "RFC 7208 §4.5: of several records none counts"),
    ("redirect=two.example.org", "RFC 7208 §4.5: of several records none counts"),
    ("exists:%{p}.is.example.org", "it leaves the last dot of the client's name in"),
    ("exists:v6.example.org", "RFC 7208 §5.7: it asks for A"),
    ("new=", "RFC 7208 §12: a macro-string may be empty"),
];

#[test]
fn mail_auth_agrees_on_every_term_of_spf_with_every_qualifier_for_every_client() {
    let known = |case: &spf::Case| DIFFERS.iter().any(|(term, _)| case.title.contains(term));
    let (differ, alike): (Vec<_>, Vec<_>) = spf::by_rule().into_iter().partition(known);
    spf::agree_but_where_it_is_said("mail-auth", &alike, by_mail_auth(&alike));
    // What is listed and gone fails too.
    let said = by_mail_auth(&differ);
    for (term, why) in DIFFERS {
        let mut of = differ.iter().zip(&said).filter(|(case, _)| case.title.contains(term));
        let differs = of.any(|(_, said)| said.iter().any(|(_, ours, theirs)| ours != theirs));
        assert!(differs, "{term}: {why}");
    }
}
