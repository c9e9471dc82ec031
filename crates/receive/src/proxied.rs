//! XCLIENT: from here on the session is that of the client behind a proxy.

use std::net::{IpAddr, Ipv4Addr};

use mail::Via;
use net::{Refused, unmapped};
use smtp::{ClientProtocol, Told, Xclient, server::Answer};

use crate::{
    Service,
    policy::Origin,
    receiver::too_many,
    reception::{Reception, STATION},
};

/// The address of a client that even its proxy does not know. No network has it.
pub(crate) const NOBODY_KNOWS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

impl Reception {
    /// Takes a proxy's word for who its client is, and judges that one as if it had connected itself.
    ///
    /// mail-rules 2: the right to say so is no right to relay. Trust, limits and counts are those of the client's address.
    pub(crate) fn proxied(&mut self, told: Xclient) -> Answer {
        let proxy = self.shown();
        if let Some(address) = told.address {
            let address = address.known().map_or(NOBODY_KNOWS, unmapped);
            if let Err(refused) = self.counts_as(address) {
                tracing::info!(station = STATION, proxy, client = %address, limit = ?refused, "over the session limit");
                return Answer::RefuseAndClose(too_many(&self.shared.config.hostname, refused));
            }
            self.meter.pass_to(address);
            self.origin = Origin::new(&self.shared.config, self.origin.service, address);
            self.client.address = Some(address);
            self.client.name = None;
        }
        if let Some(name) = told.name {
            self.client.name = name.known();
        }
        self.client.hello = told.hello.and_then(Told::known);
        self.client.via = match (self.origin.service, told.protocol) {
            (Service::Lmtp, _) | (_, Some(ClientProtocol::Lmtp)) => Via::Lmtp,
            (_, Some(ClientProtocol::Smtp)) => Via::Smtp,
            (_, Some(ClientProtocol::Esmtp) | None) => Via::Esmtp,
        };
        self.forget_login();
        (self.recipients_accepted, self.recipients_refused) = (0, 0);
        tracing::info!(station = STATION, proxy, client = %self.shown(), "client behind a proxy");
        self.connected()
    }

    fn counts_as(&mut self, address: IpAddr) -> Result<(), Refused> {
        if let Some(permit) = &mut self.permit {
            return permit.pass_to(address);
        }
        self.permit = Some(self.shared.admission.admit(address)?);
        Ok(())
    }
}
