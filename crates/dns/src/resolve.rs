//! The one way by which all parts ask the DNS.

use std::{future::Future, net::IpAddr, pin::Pin};

use crate::{Answer, DnsError, Mx, Tlsa};

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

    /// Records of one kind alone: A for `v4`, else AAAA. Who needs that kind must not take it for missing where it was not answered, and does not
    /// care for the other (RFC 7208 §5).
    fn addresses_of<'a>(
        &'a self,
        name: &'a str,
        v4: bool,
    ) -> BoxFuture<'a, Result<Answer<Vec<IpAddr>>, DnsError>> {
        Box::pin(async move {
            let mut answer = self.addresses(name).await?;
            answer.records.retain(|address| address.is_ipv4() == v4);
            if answer.records.is_empty() { Err(DnsError::NoRecords) } else { Ok(answer) }
        })
    }

    /// TXT records, the strings of each joined (RFC 7208 §3.3); octets, for nobody promises UTF-8.
    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Vec<u8>>>, DnsError>>;

    /// The names under which DNSSEC vouches for a host, in the order in which its TLSA records are looked for (RFC 7672 §2.2.2): the one behind
    /// all its CNAMEs, if the way there and the address are secure, and the one that it has itself. None, [`DnsError::NoRecords`]: nothing
    /// vouches for it, or nobody validates here.
    fn vouched_names<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Box<str>>>, DnsError>> {
        let _ = host;
        Box::pin(async { Err(DnsError::NoRecords) })
    }

    /// TLSA records; see [`crate::tlsa_name`]. Of a name for which nothing vouches they mean nothing.
    fn tlsa<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Tlsa>>, DnsError>> {
        let _ = name;
        Box::pin(async { Err(DnsError::temporary("nobody looks for TLSA records here")) })
    }

    /// The names of an address, not confirmed: whoever trusts one looks its addresses up (RFC 1912 §2.1).
    fn ptr(&self, address: IpAddr) -> BoxFuture<'_, Result<Answer<Vec<Box<str>>>, DnsError>>;
}
