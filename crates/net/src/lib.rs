//! Sockets: listeners and their limits, TLS, and the driver that joins any protocol machine to a stream.
//!
//! *Takes* addresses to listen on, certificates, state machines without I/O, and policies that answer their questions.
//! *Hands on* octets in both directions, within deadlines, and answers of the DNS.
//! *Never* knows a protocol or decides about mail: what is refused over a limit, and how, comes in as an argument.

mod acknowledging;
mod admission;
mod complaint;
mod deflate;
mod descriptors;
mod drive;
mod https;
mod listen;
mod networks;
mod patience;
pub mod proxy;
pub mod resolver;
mod shutdown;
mod tls;

pub use acknowledging::Acknowledging;
pub use admission::{Admission, ClientLimits, Meter, Permit, Refused};
pub use complaint::Complaint;
pub use descriptors::{Descriptors, raise_descriptors};
pub use drive::{Policy, Protocol, Step, drive};
pub use https::{Got, Https, HttpsBounds, HttpsError, HttpsTarget};
pub use listen::{Accepted, Bound, ListenError, bind, unmapped};
pub use networks::{Network, NetworkError, Networks};
pub use patience::Pace;
pub use shutdown::{Shutdown, ShutdownSwitch};
pub use tls::{
    Acceptor, Anchors, AnchorsError, CertificateId, Certificates, Channel, ClientAuthorities,
    ClientAuthoritiesError, Connector, Fingerprint, HandshakeError, HostConnector, Identity, IdentityError,
    Roots, Shown, TlsChallenges, TlsError, TlsMode, Unproven,
};
