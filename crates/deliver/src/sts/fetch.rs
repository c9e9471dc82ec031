//! The way to the host of a policy; tests put a script at its other end.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use dns::BoxFuture;
use net::{Connector, Https, HttpsBounds, Roots};

/// RFC 8461 §3.3 suggests a minute; mail waits meanwhile.
const BOUNDS: HttpsBounds =
    HttpsBounds { within: Duration::from_mins(1), body_octets_max: mta_sts::POLICY_OCTETS_MAX };
const PORT: u16 = 443;

/// Fetches policies.
pub(crate) trait Fetch: Send + Sync {
    /// What is at a URL whose host has these addresses and has to prove its name to these authorities.
    ///
    /// # Errors
    /// It cannot be had, or is no text.
    fn fetch<'a>(
        &'a self,
        url: &'a str,
        addresses: Vec<IpAddr>,
        roots: &'a Roots,
    ) -> BoxFuture<'a, Result<Vec<u8>, String>>;
}

/// By HTTPS.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HttpsFetch;

impl Fetch for HttpsFetch {
    fn fetch<'a>(
        &'a self,
        url: &'a str,
        addresses: Vec<IpAddr>,
        roots: &'a Roots,
    ) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        Box::pin(async move {
            let connector = Connector::verifying_by(roots, "http/1.1").map_err(|error| error.to_string())?;
            let at: Vec<SocketAddr> = addresses.into_iter().map(|address| (address, PORT).into()).collect();
            let got = Https::new(connector).get(url, &at, BOUNDS).await.map_err(|error| error.text())?;
            // RFC 8461 §3.3: a redirect is an error, as is all else.
            if got.status != 200 {
                return Err(format!("{url} answered {}", got.status));
            }
            let kind = got.content_type.unwrap_or_default();
            if !mta_sts::is_plain_text(&kind) {
                return Err(format!("{url} is no text/plain, but `{kind}`"));
            }
            Ok(got.body.to_vec())
        })
    }
}
