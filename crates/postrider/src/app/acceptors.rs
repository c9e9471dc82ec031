//! Who answers handshakes on which listener.

use net::{Acceptor, Certificates, ClientAuthorities, TlsChallenges, TlsMode};

use crate::{
    config::{ClientCertificates, Listener, Tls},
    failure::Failure,
};

/// Who answers handshakes, by what clients are asked.
pub(super) struct Acceptors<'a> {
    plain: Acceptor,
    /// Where clients may show a certificate, and where they must.
    asking: Option<(Acceptor, Acceptor)>,
    challenges: Option<&'a TlsChallenges>,
}

impl<'a> Acceptors<'a> {
    /// With these certificates. `challenges`: those of an authority that are answered by TLS.
    pub(super) fn new(
        certificates: &Certificates,
        clients: Option<&ClientAuthorities>,
        challenges: Option<&'a TlsChallenges>,
    ) -> Result<Self, Failure> {
        let plain = Acceptor::new(certificates, "smtp").map_err(Failure::new)?;
        let asking = |clients, required| {
            Acceptor::asking_clients(certificates, "smtp", clients, required).map_err(Failure::new)
        };
        let both = |clients| Ok::<_, Failure>((asking(clients, false)?, asking(clients, true)?));
        let asking = clients.map(both);
        Ok(Self { plain, asking: asking.transpose()?, challenges })
    }

    /// How connections of a listener are put under TLS.
    pub(super) fn mode(&self, listener: &Listener) -> TlsMode {
        let acceptor = match (listener.client_certificates, &self.asking) {
            (ClientCertificates::Requested, Some((requested, _))) => requested,
            (ClientCertificates::Required, Some((_, required))) => required,
            (ClientCertificates::None, _) | (_, None) => &self.plain,
        };
        match (listener.tls, self.challenges) {
            (Tls::None, _) => TlsMode::None,
            (Tls::OnDemand, _) => TlsMode::StartTls(acceptor.clone()),
            // RFC 8737 knows only connections that begin with TLS.
            (Tls::Implicit, Some(challenges)) => TlsMode::Implicit(acceptor.clone().answering(challenges)),
            (Tls::Implicit, None) => TlsMode::Implicit(acceptor.clone()),
        }
    }
}
