//! `[dns.update]`: a server that lets us change the DNS.

use std::{net::SocketAddr, path::Path, time::Duration};

use base64::prelude::{BASE64_STANDARD, Engine};
use dkim_keys::Update;
use dns_update::{Config, TsigKey};
use serde_json::{Value, json};

use super::{
    acme::{key_name, secret, together, zone},
    show::NOT_SHOWN,
    value::{self, show_duration},
    walk::Section,
};

const WAIT: Duration = Duration::from_secs(10);
const WAIT_MAX: Duration = Duration::from_hours(1);
const TTL: Duration = Duration::from_hours(1);
const TTL_MIN: Duration = Duration::from_secs(1);
const TTL_MAX: Duration = Duration::from_hours(24 * 7);

/// None: there is no such section, or something is wrong with it, which has been reported.
pub(super) fn read(dns: &Section<'_>, resolvers: &[SocketAddr], dir: &Path) -> Option<Update> {
    let section = dns.section("update");
    let server = section.parsed("server", value::dns_server);
    let zone = section.parsed("zone", zone);
    let key_name = section.parsed("key_name", key_name);
    let decode = |text: &str| BASE64_STANDARD.decode(text).ok();
    let key = secret(&section, "key", dir, &decode, "base64, as tsig-keygen and keymgr write it");
    let wait = section.duration("wait", Duration::ZERO..=WAIT_MAX).unwrap_or(WAIT);
    let ttl = section.duration("ttl", TTL_MIN..=TTL_MAX).unwrap_or(TTL);
    together(&section, "key_name", "key");
    if section.is_there() && section.get("server").is_none() {
        section.missing("server", "name the primary DNS server of our domains: server = \"192.0.2.53\"");
    }
    section.finish();
    let key = key_name.zip(key).map(|(name, secret)| TsigKey { name, secret });
    let server = Config { server: server?, zone, key, resolvers: resolvers.to_vec(), wait };
    Some(Update { server, ttl: u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX) })
}

/// The settings in effect.
pub(super) fn show(Update { server, ttl }: &Update) -> Vec<(&'static str, Value)> {
    let mut values = vec![("server", json!(server.server.to_string()))];
    values.extend(server.zone.as_ref().map(|zone| ("zone", json!(zone))));
    if let Some(TsigKey { name, .. }) = &server.key {
        values.extend([("key_name", json!(name)), ("key", json!(NOT_SHOWN))]);
    }
    values.push(("wait", json!(show_duration(server.wait))));
    values.push(("ttl", json!(show_duration(Duration::from_secs((*ttl).into())))));
    values
}
