//! How a session with a host must be protected, and how it was.

use std::{fmt, sync::Arc};

use events::{Certificate, Tls};
use mail::{Domain, Timestamp, TlsFacts};
use mta_sts::{Mode, Policy};
use net::{Connector, Fingerprint, HostConnector, Roots, Shown, Unproven};

use crate::{dane::Dane, static_route::Pattern};

/// What the operator asks of sessions with the hosts of a domain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum TlsPolicy {
    /// In clear, whatever the host offers.
    None,
    /// Under TLS where the host offers STARTTLS, with any certificate; in clear if it says no, or if the handshake fails (RFC 7435).
    #[default]
    Opportunistic,
    /// Under TLS, with any certificate: who only listens hears nothing.
    Must,
    /// Under TLS, with a certificate by which an authority vouches for the host.
    Verify(Verify),
    /// Under TLS, with one of these certificates or keys.
    Fingerprint(Arc<[Fingerprint]>),
}

/// By what the certificate of a host is verified.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Verify {
    /// Names that it may be for, `.example.net` for all below that one; none: the name of the host, which is the word of a DNS that anybody on the
    /// way may have forged where nobody signs it.
    pub names: Arc<[Box<str>]>,
    /// Who is believed; none: [`crate::Config::roots`].
    pub roots: Option<Roots>,
}

/// What is asked of some domains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsRule {
    /// The domains whose MX are asked for, and the hosts that a route or the relay names.
    pub domains: Vec<Pattern>,
    /// What holds for them.
    pub policy: TlsPolicy,
}

/// What holds for whom.
#[derive(Debug, Clone, Default)]
pub(crate) struct TlsRules {
    /// The first that takes a domain holds.
    pub(crate) rules: Vec<TlsRule>,
    /// For all others.
    pub(crate) usual: TlsPolicy,
    /// Who is believed where nothing else is said.
    pub(crate) roots: Option<Roots>,
}

/// What is asked of sessions with one host (mail-rules 19): a part of the key by which sessions are shared (mail-rules 18).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Demand {
    /// To be in clear.
    Clear,
    /// See [`TlsPolicy::Opportunistic`].
    Opportunistic,
    /// TLS with anybody.
    Must,
    /// TLS, and an authority that vouches for one of the names.
    Verify { names: Arc<[Box<str>]>, roots: Option<Roots> },
    /// TLS with one of these certificates.
    Fingerprint(Arc<[Fingerprint]>),
    /// TLS, with a certificate that the DNS tells of.
    Dane(Arc<Dane>),
    /// TLS with anybody: the DNS tells of certificates, and nothing of it can be used (mail-rules 19).
    DaneUnusable,
    /// TLS, and an authority that vouches for its name, as the domain wants it (MTA-STS).
    Sts { host: Box<str>, roots: Option<Roots> },
    /// As [`Self::Opportunistic`]; what the domain may ask for later is tried and told (MTA-STS in testing).
    StsTesting {
        host: Box<str>,
        roots: Option<Roots>,
        /// Whether the domain's policy knows the host.
        listed: bool,
    },
    /// Nothing may be sent: what is asked could not be found out, or the domain does not have the host.
    Forbidden {
        /// By what.
        policy: &'static str,
        /// Why.
        why: Box<str>,
    },
}

impl TlsRules {
    /// What holds for the hosts of this domain, or for a host of this name that we chose ourselves.
    pub(crate) fn of(&self, domain: &Domain) -> &TlsPolicy {
        let takes = |rule: &&TlsRule| rule.domains.iter().any(|pattern| pattern.takes(domain));
        self.rules.iter().find(takes).map_or(&self.usual, |rule| &rule.policy)
    }

    /// Whether a domain may ask for more than a policy does, by DANE or MTA-STS: where the operator names somebody to believe, it is not asked.
    pub(crate) fn heeds_domain(policy: &TlsPolicy) -> bool {
        matches!(policy, TlsPolicy::Opportunistic | TlsPolicy::Must)
    }

    /// What a policy of the domain asks of a host (RFC 8461 §4, §5), where the operator's asks for no more.
    pub(crate) fn demand_by(&self, policy: &Policy, asked: &TlsPolicy, host: &str) -> Demand {
        let listed = policy.takes(host);
        match policy.mode {
            Mode::Enforce if listed => Demand::Sts { host: host.into(), roots: self.roots.clone() },
            Mode::Enforce => {
                let why = format!("{host} is not a host of the domain by its policy (MTA-STS)");
                Demand::Forbidden { policy: STS, why: why.into() }
            }
            Mode::Testing if *asked == TlsPolicy::Opportunistic => {
                Demand::StsTesting { host: host.into(), roots: self.roots.clone(), listed }
            }
            Mode::Testing | Mode::None => self.demand(asked, host),
        }
    }

    /// What that asks of a host.
    pub(crate) fn demand(&self, policy: &TlsPolicy, host: &str) -> Demand {
        match policy {
            TlsPolicy::None => Demand::Clear,
            TlsPolicy::Opportunistic => Demand::Opportunistic,
            TlsPolicy::Must => Demand::Must,
            TlsPolicy::Verify(Verify { names, roots }) => Demand::Verify {
                names: if names.is_empty() { [host.into()].into() } else { Arc::clone(names) },
                roots: roots.as_ref().or(self.roots.as_ref()).cloned(),
            },
            TlsPolicy::Fingerprint(known) => Demand::Fingerprint(Arc::clone(known)),
        }
    }
}

impl Demand {
    /// Whether a host is spoken to in clear with which TLS does not work.
    pub(crate) fn allows_clear(&self) -> bool {
        matches!(self, Self::Clear | Self::Opportunistic | Self::StsTesting { .. })
    }

    /// What the host is asked for by (SNI).
    pub(crate) fn asks_for<'a>(&'a self, host: &'a str) -> &'a str {
        match self {
            Self::Dane(dane) => &dane.base,
            _ => host,
        }
    }

    /// By what hands are shaken; none: not at all.
    pub(crate) fn connector<'a>(&self, tls: &'a HostConnector) -> Option<&'a Connector> {
        match self {
            Self::Clear | Self::Forbidden { .. } => None,
            Self::Opportunistic | Self::Must | Self::DaneUnusable => Some(tls.anybody()),
            Self::Verify { .. }
            | Self::Fingerprint(_)
            | Self::Dane(_)
            | Self::Sts { .. }
            | Self::StsTesting { .. } => Some(tls.proving()),
        }
    }

    /// Judges what a host showed: whether it was verified, or what is told of a host that may go on all the same.
    ///
    /// # Errors
    /// It is not who it has to be: nothing may be sent.
    pub(crate) fn judge(&self, shown: &Shown, now: Timestamp) -> Result<Verdict, Unproven> {
        let certified = |roots: Option<&Roots>, names: &[Box<str>]| {
            shown.is_certified(roots.ok_or(Unproven::NoRoots)?, names, now)
        };
        let proven = match self {
            Self::Clear | Self::Opportunistic | Self::Must | Self::DaneUnusable | Self::Forbidden { .. } => {
                return Ok(Verdict::Anybody);
            }
            Self::StsTesting { host, roots, listed } => {
                return Ok(match certified(roots.as_ref(), std::slice::from_ref(host)) {
                    Ok(()) if *listed => Verdict::Proven,
                    Ok(()) => Verdict::Doubtful("it is not a host of the domain by its policy".to_owned()),
                    Err(unproven) => Verdict::Doubtful(unproven.to_string()),
                });
            }
            Self::Sts { host, roots } => certified(roots.as_ref(), std::slice::from_ref(host)),
            Self::Verify { names, roots } => certified(roots.as_ref(), names),
            Self::Fingerprint(known) => shown.is_one_of(known),
            Self::Dane(dane) => shown.is_in(&dane.records, &dane.names, now),
        };
        proven.map(|()| Verdict::Proven)
    }

    /// What it is called in events.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Clear => "none",
            Self::Opportunistic => "opportunistic",
            Self::Must => "must",
            Self::Verify { .. } => "verify",
            Self::Fingerprint(_) => "fingerprint",
            Self::Dane(_) => "dane",
            Self::DaneUnusable => "dane-unusable",
            Self::Sts { .. } => STS,
            Self::StsTesting { .. } => "mta-sts-testing",
            Self::Forbidden { policy, .. } => policy,
        }
    }
}

/// As it stands in the name of a lane: who asks for different things of a host does not rest with others.
impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clear => f.write_str("in clear"),
            Self::Opportunistic => f.write_str("over TLS where offered"),
            Self::Must => f.write_str("over TLS"),
            Self::Verify { names, .. } => write!(f, "over TLS as {}", names.join("|")),
            Self::Fingerprint(known) => {
                f.write_str("over TLS by fingerprint")?;
                known.iter().try_for_each(|known| write!(f, " {known}"))
            }
            Self::Dane(_) => f.write_str("by DANE"),
            Self::DaneUnusable => f.write_str("over TLS for DANE"),
            Self::Sts { .. } => f.write_str("by MTA-STS"),
            Self::StsTesting { .. } => f.write_str("over TLS where offered, MTA-STS in testing"),
            Self::Forbidden { policy, .. } => write!(f, "not at all by {policy}"),
        }
    }
}

/// What a host showed itself to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nobody asked.
    Anybody,
    /// Who it has to be.
    Proven,
    /// Not who it should be, for this reason, and nobody insists.
    Doubtful(String),
}

const STS: &str = "mta-sts";
/// Whether a host has TLSA records could not be found out.
pub(crate) const DANE_UNKNOWN: &str = "dane-unknown";

/// How a session is protected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Protection {
    /// Not at all, or there is no session yet.
    #[default]
    Clear,
    /// By TLS, with anybody.
    Unverified(Under),
    /// By TLS, with the host that it has to be.
    Verified(Under),
    /// TLS with the host did not work: there is no session, or one in clear.
    Failed {
        /// What was asked.
        policy: &'static str,
        /// Why.
        why: Box<str>,
        /// The session that the host was not good enough for.
        met: Option<Under>,
    },
}

/// A session under TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Under {
    /// What was asked.
    pub(crate) policy: &'static str,
    /// What was agreed on.
    pub(crate) facts: TlsFacts,
    /// The certificate that the host showed.
    pub(crate) certificate: Option<Certificate>,
    /// What is wrong with it that does not matter yet.
    pub(crate) doubt: Option<String>,
}

impl Under {
    pub(crate) fn new(demand: &Demand, facts: TlsFacts, shown: &Shown) -> Self {
        let certificate =
            shown.fingerprint().map(|fingerprint| Certificate { fingerprint, names: shown.names() });
        Self { policy: demand.word(), facts, certificate, doubt: None }
    }

    fn told(&self) -> Tls {
        let Self { policy, facts, certificate, doubt } = self;
        Tls {
            policy: Some((*policy).to_owned()),
            certificate: certificate.clone(),
            failure: doubt.clone(),
            ..Tls::from(facts)
        }
    }
}

impl Protection {
    /// Whether nobody on the way can listen.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Self::Unverified(_) | Self::Verified(_))
    }

    /// Whether what was asked of TLS did not come about.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }

    /// For the event log.
    pub(crate) fn told(&self) -> Option<Tls> {
        match self {
            Self::Clear => None,
            Self::Unverified(under) => Some(Tls { verified: Some(false), ..under.told() }),
            Self::Verified(under) => Some(Tls { verified: Some(true), ..under.told() }),
            Self::Failed { policy, why, met } => {
                let verified = met.as_ref().map(|_| false);
                let met = met.as_ref().map(Under::told).unwrap_or_default();
                let (policy, failure) = (Some((*policy).to_owned()), Some(why.to_string()));
                Some(Tls { policy, failure, verified, ..met })
            }
        }
    }
}
