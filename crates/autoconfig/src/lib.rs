//! What a mail client asks for to set itself up, in the four forms that are asked for.
//!
//! *Takes* which services there are and whose mail it is about. *Hands on* documents: Thunderbird's (`thunderbird.rs`), Microsoft's
//! (`autodiscover.rs`), Apple's (`apple.rs`), and SRV records (`srv.rs`). *Never* knows whether there is such an account, so that asking
//! tells nobody who exists, and never names a service without TLS.

mod apple;
mod autodiscover;
mod settings;
mod srv;
mod thunderbird;
mod xml;

pub use apple::apple_profile;
pub use autodiscover::{Asked, autodiscover, autodiscover_error, autodiscover_request};
pub use settings::{Endpoint, Security, Service, Settings};
pub use srv::{SrvRecord, srv, srv_records};
pub use thunderbird::thunderbird;
