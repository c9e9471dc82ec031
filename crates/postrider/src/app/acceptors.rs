//! Who answers handshakes on which listener.

use net::{Acceptor, Certificates, ClientAuthorities, TlsChallenges, TlsMode};

use crate::{
    config::{Access, ClientCertificates, Listener, Service, Tls},
    failure::Failure,
};

/// Who answers handshakes.
pub(super) struct Acceptors<'a> {
    mail: Asking,
    imap: Asking,
    pop3: Asking,
    http: Asking,
    challenges: Option<&'a TlsChallenges>,
}

/// Who answers handshakes for one protocol, by what clients are asked.
struct Asking {
    nothing: Acceptor,
    /// Where clients may show a certificate, and where they must.
    certificate: Option<(Acceptor, Acceptor)>,
}

impl Asking {
    fn new(
        certificates: &Certificates,
        clients: Option<&ClientAuthorities>,
        service: Service,
    ) -> Result<Self, Failure> {
        let protocol = service.protocol();
        let nothing = Acceptor::new(certificates, protocol).map_err(Failure::new)?;
        let asking = |clients, required| {
            Acceptor::asking_clients(certificates, protocol, clients, required).map_err(Failure::new)
        };
        let both = |clients| Ok::<_, Failure>((asking(clients, false)?, asking(clients, true)?));
        let certificate = clients.map(both);
        Ok(Self { nothing, certificate: certificate.transpose()? })
    }

    fn by(&self, asked: ClientCertificates) -> &Acceptor {
        match (asked, &self.certificate) {
            (ClientCertificates::Requested, Some((requested, _))) => requested,
            (ClientCertificates::Required, Some((_, required))) => required,
            (ClientCertificates::None, _) | (_, None) => &self.nothing,
        }
    }
}

impl<'a> Acceptors<'a> {
    /// With these certificates. `challenges`: those of an authority that are answered by TLS.
    pub(super) fn new(
        certificates: &Certificates,
        clients: Option<&ClientAuthorities>,
        challenges: Option<&'a TlsChallenges>,
    ) -> Result<Self, Failure> {
        let asking = |service: Service| Asking::new(certificates, clients, service);
        Ok(Self {
            mail: asking(receive::Service::Smtp.into())?,
            imap: asking(Access::Imap.into())?,
            pop3: asking(Access::Pop3.into())?,
            http: asking(Service::Http)?,
            challenges,
        })
    }

    /// How connections of a listener are put under TLS.
    pub(super) fn mode(&self, listener: &Listener) -> TlsMode {
        let asking = match listener.service {
            Service::Mail(_) => &self.mail,
            Service::Mailboxes(Access::Imap) => &self.imap,
            Service::Mailboxes(Access::Pop3) => &self.pop3,
            Service::Http => &self.http,
        };
        let acceptor = asking.by(listener.client_certificates);
        match (listener.tls, self.challenges) {
            (Tls::None, _) => TlsMode::None,
            (Tls::OnDemand, _) => TlsMode::StartTls(acceptor.clone()),
            // RFC 8737 knows only connections that begin with TLS.
            (Tls::Implicit, Some(challenges)) => TlsMode::Implicit(acceptor.clone().answering(challenges)),
            (Tls::Implicit, None) => TlsMode::Implicit(acceptor.clone()),
        }
    }
}
