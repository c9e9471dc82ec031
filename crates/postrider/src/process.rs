//! What the process is to the system: whose it is, what it may do, and what a service manager gave it and hears from it.
//!
//! All that changes a right of the process happens here, before there is a second thread: the kernel keeps rights for each thread.

mod activation;
mod notify;
mod privileges;
mod sandbox;
mod sockets;

use std::path::{Path, PathBuf};

use deliver::LocalDelivery;
use disk::{Disk, OsDisk};

use crate::{
    app,
    config::{self, Config},
    failure::Failure,
};

pub(crate) use notify::{ready, reloading, stopping};
pub(crate) use sockets::{Sockets, bind};

/// Binds what needs a right that is given up then, becomes the user that is configured, and shuts itself in. With a single thread only.
///
/// `file`: the configuration, which is read again at a reload.
pub(crate) fn confine(config: &Config, file: &Path) -> Result<Option<Sockets>, Failure> {
    let inherited = activation::inherited()?;
    let user = privileges::wanted(&config.process)?;
    let early = user.is_some() || !inherited.is_empty();
    let sockets = early.then(|| sockets::bind_beside(inherited, config)).transpose()?;
    let dirs = directories(config);
    for dir in &dirs {
        make(dir, dir == &config.data_dir, user.as_ref())?;
    }
    if let Some(user) = &user {
        privileges::become_user(user)?;
    }
    if config.process.sandbox {
        sandbox::enter(&sandbox::Paths { read: readable(config, file), write: dirs });
    } else {
        tracing::warn!("process.sandbox is off: the server may do whatever its user may");
    }
    Ok(sockets)
}

/// Where the server writes.
fn directories(config: &Config) -> Vec<PathBuf> {
    let maildir =
        (config.deliver.local == LocalDelivery::Maildir).then(|| config.deliver.maildir_root.clone());
    [config.data_dir.clone()].into_iter().chain(maildir).collect()
}

/// The files that the operator wrote, each once: the configuration file first.
pub(crate) fn written_by_operator(config: &Config, file: &Path) -> Vec<PathBuf> {
    let certificates = config.certificates.iter().flat_map(|files| [files.certificate.as_path(), &files.key]);
    let secrets = config.secret_files.iter().map(PathBuf::as_path);
    let authority = config.acme.as_ref().and_then(config::Acme::ca_file);
    let providers = config.oauth.iter().filter_map(config::OAuth::ca_file);
    let relays = config.relays.iter().filter_map(config::RelaySettings::ca_file);
    let directories = config.ldap.iter().filter_map(config::Ldap::ca_file);
    let clients = config.clients.iter().flat_map(config::Clients::files);
    let files = [file]
        .into_iter()
        .chain(certificates)
        .chain(secrets)
        .chain(authority)
        .chain(providers)
        .chain(clients)
        .chain(relays)
        .chain(directories)
        .chain(config.tls_policies.files());
    let mut all: Vec<PathBuf> = Vec::new();
    for path in files {
        if !all.iter().any(|known| known == path) {
            all.push(path.to_owned());
        }
    }
    all
}

/// Where it reads what the operator wrote, behind symbolic links too: certificates are renewed by making links anew.
fn readable(config: &Config, file: &Path) -> Vec<PathBuf> {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    written_by_operator(config, file)
        .into_iter()
        .flat_map(|path| [real(&path), Some(path)])
        .flatten()
        .filter_map(|path| path.parent().map(Path::to_owned))
        .collect()
}

/// Makes a directory, or finds it, and sees that the user can have it: better told now than by the first message.
fn make(dir: &Path, is_data: bool, user: Option<&privileges::User>) -> Result<(), Failure> {
    let is_new = !dir.exists();
    let failed =
        |error| if is_data { app::data_dir_failure(dir, &error) } else { app::maildir_failure(dir, &error) };
    OsDisk.create_dir_all(dir).map_err(failed)?;
    match user {
        Some(user) if is_new => user.own(dir).map_err(failed),
        Some(user) => user.check_owner(dir),
        None => Ok(()),
    }
}
