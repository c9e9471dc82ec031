//! The listening sockets: bound by us, or by a service manager before us.

use std::net::SocketAddr;

use net::Bound;

use super::activation::Inherited;
use crate::{
    config::{Config, Listener},
    failure::Failure,
};

/// All that are listened on.
pub(crate) struct Sockets {
    /// For mail and mailboxes, each with the number of its listener in the configuration.
    pub mail: Vec<(usize, Bound)>,
    /// For the challenges of an authority.
    pub acme: Vec<Bound>,
}

/// The name of sockets for challenges, where others are named after services.
const ACME: &str = "acme";

/// Binds all that is configured.
pub(crate) fn bind(config: &Config) -> Result<Sockets, Failure> {
    bind_beside(Vec::new(), config)
}

/// Binds all that is configured but what is there already. A socket of the service manager belongs to the listener that has its address, else to the
/// one whose service is its name, in the place of addresses that nobody named.
pub(super) fn bind_beside(inherited: Vec<Inherited>, config: &Config) -> Result<Sockets, Failure> {
    let acme = config.acme.as_ref();
    let is_acme = |socket: &Inherited| {
        acme.is_some_and(|acme| socket.name == ACME || acme.settings.bind.contains(&socket.address))
    };
    let (for_acme, for_mail): (Vec<_>, Vec<_>) = inherited.into_iter().partition(is_acme);
    let mut all = Sockets { mail: mail(&config.listeners, for_mail)?, acme: Vec::new() };
    for socket in for_acme {
        all.acme.push(taken(socket)?);
    }
    if let Some(acme) = acme {
        let given = all.acme.iter().map(Bound::address).collect::<Vec<_>>();
        all.acme.extend(missing(&acme.settings.bind, acme.v6_optional, &given)?);
    }
    Ok(all)
}

fn mail(listeners: &[Listener], inherited: Vec<Inherited>) -> Result<Vec<(usize, Bound)>, Failure> {
    let mut all = Vec::new();
    for socket in inherited {
        let number = owner(listeners, &socket).ok_or_else(|| no_owner(&socket))?;
        all.push((number, taken(socket)?));
    }
    for (number, listener) in listeners.iter().enumerate() {
        let own = all.iter().filter(|(owner, _)| *owner == number);
        let given: Vec<SocketAddr> = own.map(|(_, bound): &(usize, Bound)| bound.address()).collect();
        let bound = missing(&listener.bind, listener.v6_optional, &given)?;
        all.extend(bound.into_iter().map(|bound| (number, bound)));
    }
    all.sort_by_key(|(number, _)| *number);
    Ok(all)
}

fn taken(socket: Inherited) -> Result<Bound, Failure> {
    tracing::info!(address = %socket.address, name = socket.name, "socket of the service manager");
    Bound::inherited(socket.listener)
        .map_err(|error| Failure::new(format!("cannot use the service manager's socket: {error}")))
}

/// Binds the addresses that are not there yet. `unnamed`: nobody named them, so those that the service manager did hold in their place.
fn missing(addresses: &[SocketAddr], unnamed: bool, given: &[SocketAddr]) -> Result<Vec<Bound>, Failure> {
    let mut all = Vec::new();
    if unnamed && !given.is_empty() {
        return Ok(all);
    }
    for address in addresses.iter().filter(|address| !given.contains(address)) {
        match net::bind(&[*address]) {
            Ok(bound) => all.extend(bound),
            Err(error) if unnamed && address.is_ipv6() && without_v6(&error) => {
                tracing::info!(%address, "this machine has no IPv6; not listening there");
            }
            Err(error) => return Err(crate::app::listen_failure(&error)),
        }
    }
    Ok(all)
}

fn owner(listeners: &[Listener], socket: &Inherited) -> Option<usize> {
    let by_address = listeners.iter().position(|listener| listener.bind.contains(&socket.address));
    let by_name = || {
        let mut named = listeners.iter().enumerate().filter(|(_, l)| l.service.name() == socket.name);
        named.next().map(|(number, _)| number).filter(|_| named.next().is_none())
    };
    by_address.or_else(by_name)
}

fn no_owner(socket: &Inherited) -> Failure {
    let Inherited { address, name, .. } = socket;
    Failure::new(format!("the service manager's socket {address} (`{name}`) belongs to no listener")).hint(
        "name its address in the `bind` of a [[listener]], or set FileDescriptorName= in its unit to the service: smtp, submission, lmtp, imap, pop3, http or acme",
    )
}

/// Whether it failed because there is no IPv6 on this machine, not because something is in the way.
fn without_v6(error: &net::ListenError) -> bool {
    matches!(error, net::ListenError::NotOurs { .. } | net::ListenError::Other { .. })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use receive::Service;

    use super::*;
    use crate::config::{ClientCertificates, Tls};

    fn listener(service: Service, bind: &[SocketAddr], v6_optional: bool) -> Listener {
        let client_certificates = ClientCertificates::None;
        let bind = bind.to_vec();
        Listener {
            service: service.into(),
            bind,
            tls: Tls::None,
            proxy: false,
            client_certificates,
            v6_optional,
        }
    }

    fn inherited(name: &str) -> Inherited {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        Inherited { listener, address, name: name.to_owned() }
    }

    #[test]
    fn a_socket_belongs_to_the_listener_with_its_address_and_else_to_that_of_its_name() {
        let (by_address, by_name) = (inherited("smtp"), inherited("submission"));
        let addresses = [by_name.address, by_address.address];
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let listeners = [
            listener(Service::Submission, &[any], true),
            listener(Service::Lmtp, &[by_address.address, any], false),
        ];
        let sockets = mail(&listeners, vec![by_address, by_name]).unwrap();
        let numbers: Vec<usize> = sockets.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [0, 1, 1], "the other address of the second is bound by us");
        assert_eq!([sockets[0].1.address(), sockets[1].1.address()], addresses);
    }

    #[test]
    fn a_socket_of_nobody_is_a_mistake() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let two = [listener(Service::Smtp, &[any], false), listener(Service::Smtp, &[any], false)];
        for name in ["smtp", "unknown"] {
            let text = mail(&two, vec![inherited(name)]).unwrap_err().text(false);
            assert!(
                text.contains("belongs to no listener") && text.contains("FileDescriptorName="),
                "{text}"
            );
        }
    }
}
