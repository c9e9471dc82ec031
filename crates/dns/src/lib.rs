//! What mail asks of the DNS: record types, answers that say how far they may be trusted, and the trait to ask by.
//!
//! *Takes* names. *Hands on* records, or why there are none: no such name, no such records, or no answer for now.
//! *Never* opens a socket: crate `net` has the real resolver, crate `testkit` the scripted one.

mod answer;
mod lookup;
mod mx;
mod name;
mod resolve;
mod tlsa;

pub use answer::{Answer, DnsError, Security};
pub use lookup::{Lookup, RECORDS_MAX, Record, RecordType};
pub use mx::{Mx, is_null_mx};
pub use name::{is_special, normalise, reverse_name};
pub use resolve::{BoxFuture, Resolve};
pub use tlsa::{DANE_EE, DANE_TA, Tlsa, tlsa_name, usable_tlsa};

/// The most MX records of one answer that are looked at; what goes beyond is an attack or a mistake (RFC 5321 §5.1
/// asks for at least two to be tried).
pub const MX_MAX: usize = 100;
/// The most addresses of one host that are looked at.
pub const ADDRESSES_MAX: usize = 32;
/// The most TXT records of one name that are looked at.
pub const TXT_MAX: usize = 100;
/// The most TLSA records of one name that are looked at.
pub const TLSA_MAX: usize = 50;
/// The most names of one address that are looked at (RFC 7208 §4.6.4 stops at ten too).
pub const PTR_MAX: usize = 10;
/// The longest chain of CNAME records that is followed (RFC 1034 §3.6.2 sets no number).
pub const CNAME_CHAIN_MAX: usize = 8;
