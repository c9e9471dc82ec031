//! What is served on each socket, and how.

use admin::api::Listener as Address;
use autoconfig::Endpoint;
use net::{Bound, TlsMode};

use super::acceptors::Acceptors;
use crate::{
    client_settings,
    config::{Access, Listener, Service, Tls},
};

/// How clients come to a service.
pub(super) struct Door {
    service: Service,
    tls: TlsMode,
    /// Whether a proxy says first who the client is.
    proxy: bool,
    bound: Bound,
}

/// Where mail comes in.
pub(super) type Entrances = Vec<(receive::Entrance, Bound)>;
/// Where HTTP is spoken.
pub(super) type WebDoors = Vec<(web::Entrance, Bound)>;
/// Where mailboxes are read.
pub(super) type AccessDoors = Vec<(Access, access::Entrance, Bound)>;

/// The doors of these sockets, each with the number of its listener.
pub(super) fn doors(
    listeners: &[Listener],
    sockets: Vec<(usize, Bound)>,
    acceptors: &Acceptors<'_>,
) -> Vec<Door> {
    let of = |(number, bound): (usize, Bound)| {
        let listener = listeners.get(number)?;
        Some(Door { service: listener.service, tls: acceptors.mode(listener), proxy: listener.proxy, bound })
    };
    sockets.into_iter().filter_map(of).collect()
}

/// The doors by who opens them.
pub(super) fn sorted(doors: Vec<Door>) -> (Entrances, AccessDoors, WebDoors) {
    let (mut mail, mut mailboxes, mut pages) = (Vec::new(), Vec::new(), Vec::new());
    for Door { service, tls, proxy, bound } in doors {
        match service {
            Service::Mail(service) => mail.push((receive::Entrance { service, tls, proxy }, bound)),
            Service::Mailboxes(access) => mailboxes.push((access, access::Entrance { tls, proxy }, bound)),
            Service::Http => pages.push((web::Entrance { tls, proxy }, bound)),
        }
    }
    (mail, mailboxes, pages)
}

impl Door {
    /// Where it is.
    pub(super) fn address(&self) -> std::net::SocketAddr {
        self.bound.address()
    }

    fn tls(&self) -> Tls {
        match &self.tls {
            TlsMode::None => Tls::None,
            TlsMode::StartTls(_) => Tls::OnDemand,
            TlsMode::Implicit(_) => Tls::Implicit,
        }
    }

    /// What mail clients are told of it.
    pub(super) fn endpoint(&self) -> Option<Endpoint> {
        client_settings::endpoint(self.service, self.tls(), self.proxy, self.address().port())
    }

    /// Its port, if what is served by HTTP is served there under TLS.
    pub(super) fn https_port(&self) -> Option<u16> {
        let is_https = self.service == Service::Http && self.tls() == Tls::Implicit && !self.proxy;
        is_https.then(|| self.address().port())
    }

    /// The same for the API and for people.
    pub(super) fn shown(&self) -> Address {
        let tls = self.tls();
        Address {
            service: self.service.name().to_owned(),
            address: self.bound.address().to_string(),
            tls: tls.word().to_owned(),
        }
    }
}
