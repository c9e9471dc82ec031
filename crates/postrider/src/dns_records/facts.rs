//! What is known beside the configuration: addresses, and keys.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use disk::OsDisk;
use dkim_keys::{Role, kept_keys};
use message_auth::DomainName;
use receive::Service as Mail;

use crate::{
    app,
    config::{self, Config, Service},
};

/// The name and the text of a record with a key for signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DkimRecord {
    /// Whose mail is signed by it.
    pub domain: DomainName,
    /// Where it is published, without the final dot.
    pub name: String,
    /// What it says.
    pub text: String,
    /// What the key is there for, of one that the server keeps itself; none: somebody else keeps it, and mail is signed by it.
    pub kept: Option<Role>,
}

/// What records are made of, beside the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    /// By which addresses others reach this host, and from which it sends.
    pub addresses: Vec<IpAddr>,
    /// The keys that mail is signed with, those that are about to be, and those whose records are still needed or are to go.
    pub dkim: Vec<DkimRecord>,
    /// SHA-256 of the public keys that the host shows under TLS and keeps when it renews its certificate, and of those to come.
    pub tls_keys: Vec<[u8; 32]>,
}

impl Facts {
    /// Finds out, as far as it concerns the host and these domains. Reads keys and asks the kernel for addresses; asks nobody outside.
    ///
    /// # Errors
    /// In words: a key cannot be used.
    pub(crate) fn of(config: &Config, domains: &[DomainName]) -> Result<Self, String> {
        let dkim = dkim(config, domains)?;
        Ok(Self { addresses: addresses(config), dkim, tls_keys: tls_keys(config)? })
    }
}

/// Those that the configuration names, else those where mail is taken: an address of a listener, or all that this machine has.
fn addresses(config: &Config) -> Vec<IpAddr> {
    if !config.public_addresses.is_empty() {
        return config.public_addresses.clone();
    }
    let takes_mail = |service| matches!(service, Service::Mail(Mail::Smtp));
    let listeners =
        config.listeners.iter().filter(|listener| takes_mail(listener.service) && !listener.proxy);
    let mut found: Vec<IpAddr> = Vec::new();
    for ip in listeners.flat_map(|listener| &listener.bind).map(SocketAddr::ip) {
        if ip.is_unspecified() {
            found.extend(of_this_machine().into_iter().filter(|own| own.is_ipv4() == ip.is_ipv4()));
        } else if deliver::is_public(ip) {
            found.push(ip);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The addresses of the interfaces of this machine that anybody on the Internet could reach.
pub(crate) fn of_this_machine() -> Vec<IpAddr> {
    app::lasting_addresses().into_iter().filter(|address| deliver::is_public(*address)).collect()
}

/// Those of the configuration file, and those that the server keeps itself.
fn dkim(config: &Config, domains: &[DomainName]) -> Result<Vec<DkimRecord>, String> {
    let mut all = Vec::new();
    for domain in domains {
        for dkim in config.dkim.iter().filter(|dkim| dkim.domain == *domain) {
            let (name, text) = dkim.record()?;
            all.push(DkimRecord { domain: domain.clone(), name, text, kept: None });
        }
        if !config.signing.keeps(domain) {
            continue;
        }
        let kept = kept_keys(&config::keys_dir(&config.data_dir), Arc::new(OsDisk), domain);
        let kept = kept.map_err(|error| error.to_string())?;
        all.extend(kept.into_iter().map(|key| DkimRecord {
            domain: domain.clone(),
            name: key.name,
            text: key.text,
            kept: Some(key.role),
        }));
    }
    Ok(all)
}

/// Where an authority's certificates are for one key: that key, that of the certificate that is shown still, and the one that is to follow.
fn tls_keys(config: &Config) -> Result<Vec<[u8; 32]>, String> {
    match config.acme.as_ref().filter(|acme| acme.settings.reuse_key) {
        Some(acme) => acme::key_digests(&acme.settings.dir, &OsDisk).map_err(|error| error.to_string()),
        None => Ok(Vec::new()),
    }
}
