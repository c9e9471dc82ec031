//! What a listener is for those who set up a mail client.

use autoconfig::{Endpoint, Security, Service};

use crate::config::{Access, Service as Spoken, Tls};

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
