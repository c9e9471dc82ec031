//! What a listener is for those who set up a mail client.

use std::net::SocketAddr;

use autoconfig::{Endpoint, Security, Service};

use crate::config::{Access, Config, Listener, Service as Spoken, Tls};

/// What clients are told of a listener. In clear is nothing for them, nor is what only a proxy may reach.
pub(crate) fn endpoint(spoken: Spoken, tls: Tls, proxy: bool, port: u16) -> Option<Endpoint> {
    let service = match spoken {
        Spoken::Mail(receive::Service::Submission) => Service::Submission,
        Spoken::Mailboxes(Access::Imap) => Service::Imap,
        Spoken::Mailboxes(Access::Pop3) => Service::Pop3,
        Spoken::Mail(_) | Spoken::Http => return None,
    };
    let security = match tls {
        Tls::None => return None,
        Tls::OnDemand => Security::StartTls,
        Tls::Implicit => Security::Implicit,
    };
    (!proxy && port != 0).then_some(Endpoint { service, security, port })
}

/// What clients are told of all listeners of a configuration.
pub(crate) fn endpoints(config: &Config) -> Vec<Endpoint> {
    let of = |Listener { service, tls, proxy, bind, .. }: &Listener| -> Vec<Endpoint> {
        let ports = bind.iter().map(SocketAddr::port);
        ports.filter_map(|port| endpoint(*service, *tls, *proxy, port)).collect()
    };
    config.listeners.iter().flat_map(of).collect()
}

/// The first port on which clients are served by HTTP under TLS.
pub(crate) fn https_port(config: &Config) -> Option<u16> {
    let is_https = |listener: &&Listener| {
        (listener.service, listener.tls) == (Spoken::Http, Tls::Implicit) && !listener.proxy
    };
    let ports = config.listeners.iter().filter(is_https).flat_map(|listener| &listener.bind);
    ports.map(SocketAddr::port).find(|port| *port != 0)
}
