//! The one way by which all parts ask the DNS.

use std::{future::Future, net::IpAddr, pin::Pin};

use crate::{Answer, DnsError, Mx};

/// A future on the heap, so that [`Resolve`] can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Asks the DNS. Names are absolute, with or without the final dot, in any case; U-labels are looked up as A-labels.
///
/// Every implementation follows CNAMEs, a bounded number of them, and bounds the number of records it returns. An
/// answer has at least one record: an empty one is [`DnsError::NoRecords`].
pub trait Resolve: Send + Sync {
    /// MX records, unsorted; see [`crate::is_null_mx`].
    fn mx<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Mx>>, DnsError>>;

    /// A and AAAA records together, without duplicates. If one type fails temporarily the other is enough: a broken
    /// AAAA must not stop mail to a host that has an A.
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<IpAddr>>, DnsError>>;

    /// TXT records, the strings of each joined (RFC 7208 §3.3); octets, for nobody promises UTF-8.
    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Vec<u8>>>, DnsError>>;

    /// The names of an address, not confirmed: whoever trusts one looks its addresses up (RFC 1912 §2.1).
    fn ptr(&self, address: IpAddr) -> BoxFuture<'_, Result<Answer<Vec<Box<str>>>, DnsError>>;
}
