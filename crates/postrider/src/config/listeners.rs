//! `[[listener]]`: what listens where.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use receive::Service as Mail;
use toml_span::Span;

use super::{
    problem::Problem,
    service::{Access, Service},
    value::{self, Wrong},
    walk::{Section, nearest},
};

/// A service on some addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listener {
    /// What is spoken there.
    pub service: Service,
    /// Addresses and ports; port 0 lets the kernel choose.
    pub bind: Vec<SocketAddr>,
    /// How its connections are put under TLS.
    pub tls: Tls,
    /// Whether a proxy says first who the client is.
    pub proxy: bool,
    /// Whether clients are asked for a certificate.
    pub client_certificates: ClientCertificates,
    /// Nobody named the addresses, so on a machine without IPv6 those are left out.
    pub v6_optional: bool,
}

/// How the connections of a listener are put under TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Not at all.
    None,
    /// When the client asks for it by STARTTLS.
    OnDemand,
    /// Before a word of the protocol.
    Implicit,
}

impl Tls {
    const ALL: [Self; 3] = [Self::None, Self::OnDemand, Self::Implicit];

    /// Its word in the file.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::OnDemand => "starttls",
            Self::Implicit => "implicit",
        }
    }
}

/// Whether clients are asked for a certificate under TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientCertificates {
    /// No.
    None,
    /// Who has one may show it.
    Requested,
    /// Who has none is not served.
    Required,
}

impl ClientCertificates {
    const ALL: [Self; 3] = [Self::None, Self::Requested, Self::Required];

    /// Its word in the file.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Requested => "requested",
            Self::Required => "required",
        }
    }
}

/// What listeners are judged by, beside the file's own sections for them.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact by itself")]
pub(super) struct Surroundings {
    /// Whether any network may speak LMTP.
    pub lmtp_clients: bool,
    /// Whether any network is one of proxies.
    pub proxies: bool,
    /// Whether there are certificates.
    pub certificates: bool,
    /// Whether anybody certifies clients.
    pub clients: bool,
    /// Whether the mailboxes are here, in the mailstore.
    pub mailboxes: bool,
}

const LATER: [&str; 1] = ["managesieve"];
const SERVICES: &str = "there is \"smtp\", \"submission\", \"lmtp\", \"imap\", \"pop3\", \"http\"";

/// All listeners; without any, SMTP on port 25 of all addresses.
pub(super) fn read(root: &Section<'_>, around: &Surroundings) -> Vec<Listener> {
    let sections = root.sections("listener");
    if sections.is_empty() {
        let service = Service::Mail(Mail::Smtp);
        let tls = default_tls(service, around);
        let (bind, client_certificates) = (default_bind(service, tls), ClientCertificates::None);
        return vec![Listener { service, bind, tls, proxy: false, client_certificates, v6_optional: true }];
    }
    let mut taken = Vec::new();
    sections.into_iter().filter_map(|section| one(section, around, &mut taken)).collect()
}

/// All addresses; for LMTP those of this machine, for it is not meant for strangers.
fn default_bind(service: Service, tls: Tls) -> Vec<SocketAddr> {
    let everywhere = |port| vec![(Ipv4Addr::UNSPECIFIED, port).into(), (Ipv6Addr::UNSPECIFIED, port).into()];
    match service {
        Service::Mail(Mail::Lmtp) => vec![(Ipv4Addr::LOCALHOST, 24).into(), (Ipv6Addr::LOCALHOST, 24).into()],
        // RFC 8314 §3.2, §3.3.
        Service::Mail(Mail::Submission) => everywhere(if tls == Tls::Implicit { 465 } else { 587 }),
        Service::Mail(Mail::Smtp | Mail::Sendmail | Mail::Dev) => everywhere(25),
        Service::Mailboxes(Access::Imap) => everywhere(if tls == Tls::Implicit { 993 } else { 143 }),
        Service::Mailboxes(Access::Pop3) => everywhere(if tls == Tls::Implicit { 995 } else { 110 }),
        // RFC 9110 §4.2.
        Service::Http => everywhere(if tls == Tls::Implicit { 443 } else { 80 }),
    }
}

/// Where there is a certificate it is used. LMTP is spoken between servers that know each other, mostly on one machine.
fn default_tls(service: Service, around: &Surroundings) -> Tls {
    match service {
        _ if !around.certificates => Tls::None,
        Service::Mail(Mail::Lmtp) => Tls::None,
        Service::Http => Tls::Implicit,
        Service::Mail(_) | Service::Mailboxes(_) => Tls::OnDemand,
    }
}

fn one(section: Section<'_>, around: &Surroundings, taken: &mut Vec<(SocketAddr, Span)>) -> Option<Listener> {
    if section.get("service").is_none() {
        section.missing(
            "service",
            "say what is spoken there: service = \"smtp\", \"submission\", \"lmtp\", \"imap\", \"pop3\" or \"http\"",
        );
    }
    let service = section.parsed("service", service);
    let tls = section.parsed("tls", tls);
    if let Some(wanted @ (Tls::OnDemand | Tls::Implicit)) = tls
        && !around.certificates
        && let Some(value) = section.get("tls")
    {
        let wrong = Wrong::new(format!("tls = \"{}\" needs a certificate, and there is none", wanted.word()));
        let hint = "name its files in [[tls.certificate]], or have one obtained by [tls.acme]";
        section.wrong(value.span, wrong.hint(hint));
    }
    if let (Some(Service::Http), Some(Tls::OnDemand), Some(value)) = (service, tls, section.get("tls")) {
        let wrong = Wrong::new("a client of HTTP cannot ask for TLS by STARTTLS");
        section
            .wrong(value.span, wrong.hint("https:// is tls = \"implicit\", and http:// is tls = \"none\""));
    }
    if let Some(service @ Service::Mailboxes(_)) = service {
        check_mailboxes(&section, service, tls, around);
    }
    let proxy = proxy(&section, around.proxies);
    let client_certificates = client_certificates(&section, service, around);
    let bind = section.parsed_list("bind", value::socket_address);
    if bind.as_ref().is_some_and(Vec::is_empty)
        && let Some(value) = section.get("bind")
        && value.as_array().is_some_and(Vec::is_empty)
    {
        let wrong = Wrong::new("`bind` is empty: nothing would listen");
        section
            .wrong(value.span, wrong.hint("name an address and port, or leave `bind` out for all addresses"));
    }
    if service == Some(Service::Mail(Mail::Lmtp)) {
        check_lmtp(&section, around.lmtp_clients, bind.as_deref().unwrap_or_default());
    }
    for (address, span) in bind.iter().flatten() {
        clash(&section, taken, *address, *span);
        taken.push((*address, *span));
    }
    let bind = bind.map(|list| list.into_iter().map(|(address, _)| address).collect());
    let v6_optional = section.get("bind").is_none();
    let tls = tls.or_else(|| service.map(|service| default_tls(service, around))).unwrap_or(Tls::None);
    let bind = bind
        .unwrap_or_else(|| service.map(|service| absent(&section, service, tls, taken)).unwrap_or_default());
    section.finish();
    let service = service?;
    let client_certificates = if tls == Tls::None { ClientCertificates::None } else { client_certificates };
    Some(Listener { service, bind, tls, proxy, client_certificates, v6_optional })
}

/// Where somebody certifies clients they are asked where they would log in, and nowhere else: on port 25 other servers may have
/// certificates of their own.
fn client_certificates(
    section: &Section<'_>,
    service: Option<Service>,
    around: &Surroundings,
) -> ClientCertificates {
    let words = ClientCertificates::ALL.map(|choice| (choice.word(), choice));
    let chosen = section.choice("client_certificates", &words);
    let logs_in = service.is_some_and(Service::knows_people);
    if let (Some(ClientCertificates::Requested | ClientCertificates::Required), Some(value)) =
        (chosen, section.get("client_certificates"))
    {
        if !logs_in {
            let wrong = Wrong::new(
                "only on listeners with service = \"submission\", \"imap\" or \"pop3\" clients are asked for a certificate",
            );
            section.wrong(value.span, wrong.hint("remove it: other servers would be hindered"));
        } else if !around.clients {
            let wrong = Wrong::new("nobody certifies clients: there is no `client_ca` in [tls]");
            section.wrong(value.span, wrong.hint("name the authority: client_ca = \"clients.pem\""));
        }
    }
    let usual =
        if logs_in && around.clients { ClientCertificates::Requested } else { ClientCertificates::None };
    chosen.unwrap_or(usual)
}

/// Whether it is for proxies. Then somebody must be one.
fn proxy(section: &Section<'_>, proxies: bool) -> bool {
    let proxy = section.choice("proxy", &[("none", false), ("required", true)]).unwrap_or(false);
    if let (true, false, Some(value)) = (proxy, proxies, section.get("proxy")) {
        let wrong = Wrong::new("nobody may use this listener: `receive.proxy_networks` names no proxy");
        section.wrong(value.span, wrong.hint("name the proxies, such as proxy_networks = [\"192.0.2.25\"]"));
    }
    proxy
}

/// The addresses of a listener that names none.
fn absent(
    section: &Section<'_>,
    service: Service,
    tls: Tls,
    taken: &mut Vec<(SocketAddr, Span)>,
) -> Vec<SocketAddr> {
    let bind = default_bind(service, tls);
    for address in &bind {
        clash(section, taken, *address, section.span());
        taken.push((*address, section.span()));
    }
    bind
}

/// mail-rules 7: nobody logs in in clear, so without TLS such a listener would serve nobody.
fn check_mailboxes(section: &Section<'_>, service: Service, tls: Option<Tls>, around: &Surroundings) {
    let key = if tls == Some(Tls::None) { "tls" } else { "service" };
    let clear =
        tls == Some(Tls::None) || tls.is_none() && section.get("tls").is_none() && !around.certificates;
    if let (true, Some(value)) = (clear, section.get(key)) {
        let wrong = Wrong::new(format!(
            "nobody could log in on this {service} listener: passwords are not taken in clear"
        ));
        let hint = "name a certificate in [[tls.certificate]], or have one obtained by [tls.acme]; then `tls` may be \"starttls\" or \"implicit\"";
        section.wrong(value.span, wrong.hint(hint));
    }
    if let (false, Some(value)) = (around.mailboxes, section.get("service")) {
        let wrong = Wrong::new(format!("there are no mailboxes here that {service} could show"));
        section.wrong(value.span, wrong.hint("keep them here: [deliver] local = \"mailstore\""));
    }
}

/// RFC 2033 §5: never on port 25, where other servers expect SMTP. And somebody must be able to use it.
fn check_lmtp(section: &Section<'_>, lmtp_clients: bool, bind: &[(SocketAddr, Span)]) {
    for (_, span) in bind.iter().filter(|(address, _)| address.port() == 25) {
        let wrong = Wrong::new("LMTP must not listen on port 25: other servers expect SMTP there");
        section.wrong(*span, wrong.hint("port 24 is usual"));
    }
    if !lmtp_clients {
        let wrong = Wrong::new("nobody may use this LMTP listener: `receive.lmtp_networks` names no network");
        let hint = "name the servers that hand mail over, such as lmtp_networks = [\"127.0.0.1\", \"::1\"]";
        section.wrong(section.get("service").map_or(section.span(), |value| value.span), wrong.hint(hint));
    }
}

fn clash(section: &Section<'_>, taken: &[(SocketAddr, Span)], address: SocketAddr, span: Span) {
    if let Some((other, earlier)) = taken.iter().find(|(other, _)| clashes(*other, address)) {
        let problem = Problem::new(span.into(), format!("{address} is taken: {other} listens there already"));
        let problem = problem.other((*earlier).into(), "taken here");
        section.findings.add(problem.hint("give each listener its own port or address"));
    }
}

/// Two sockets that the kernel would not let us have both. An IPv6 socket takes no IPv4 clients here.
pub(super) fn clashes(a: SocketAddr, b: SocketAddr) -> bool {
    let wild = |ip: IpAddr| ip.is_unspecified();
    a.port() == b.port()
        && a.port() != 0
        && a.is_ipv4() == b.is_ipv4()
        && (a.ip() == b.ip() || wild(a.ip()) || wild(b.ip()))
}

/// One of the services there are.
pub(super) fn service(text: &str) -> Result<Service, Wrong> {
    match Service::ALL.into_iter().find(|service| service.name() == text) {
        _ if LATER.contains(&text) => {
            Err(Wrong::new(format!("service `{text}` is not available yet in this version")).hint(SERVICES))
        }
        Some(service) => Ok(service),
        None => {
            let near = nearest(text, Service::ALL.map(Service::name).into_iter().chain(LATER));
            let near = near.map(|near| format!("did you mean \"{near}\"? ")).unwrap_or_default();
            Err(Wrong::new(format!("`{text}` is not a service")).hint(format!("{near}{SERVICES}")))
        }
    }
}

fn tls(text: &str) -> Result<Tls, Wrong> {
    Tls::ALL.into_iter().find(|tls| tls.word() == text).ok_or_else(|| {
        Wrong::new(format!("`{text}` is not a value of `tls`"))
            .hint("there is \"none\", \"starttls\" and \"implicit\"")
    })
}
