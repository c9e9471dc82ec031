//! From root to a user without rights: for good, and before there is a second thread.

use std::{
    io,
    os::unix::fs::{MetadataExt, chown},
    path::Path,
};

use nix::unistd::{Gid, Group, Uid, geteuid, setgid, setgroups, setuid};
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};

use crate::{config::Process, failure::Failure};

/// Whom to become.
#[derive(Debug)]
pub(super) struct User {
    name: String,
    uid: Uid,
    gid: Gid,
}

impl User {
    /// Gives it a path.
    pub(super) fn own(&self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.uid.as_raw()), Some(self.gid.as_raw()))
    }

    /// Whether it owns a path that was there before.
    pub(super) fn check_owner(&self, path: &Path) -> Result<(), Failure> {
        let owner = std::fs::metadata(path).map(|metadata| metadata.uid());
        match owner {
            Ok(owner) if owner != self.uid.as_raw() => {
                let (path, name) = (path.display(), &self.name);
                let failure =
                    Failure::new(format!("{path} does not belong to {name}, as whom the server is to run"));
                Err(failure.hint(format!("chown -R {name}: {path}, once nothing else uses it")))
            }
            _ => Ok(()),
        }
    }
}

/// Whom to become; nobody if that is who we are, or if none is named.
pub(super) fn wanted(process: &Process) -> Result<Option<User>, Failure> {
    let is_root = geteuid().is_root();
    let Some(name) = &process.user else {
        if is_root {
            tracing::warn!("running as root: name a user without rights as process.user");
        }
        return Ok(None);
    };
    let unknown = |what: &str, name: &str| {
        Failure::new(format!("there is no {what} {name}"))
            .hint("make it, such as by `useradd --system`, or name another in [process]")
    };
    let found = nix::unistd::User::from_name(name).ok().flatten().ok_or_else(|| unknown("user", name))?;
    let gid = match &process.group {
        None => found.gid,
        Some(group) => Group::from_name(group).ok().flatten().ok_or_else(|| unknown("group", group))?.gid,
    };
    if geteuid() == found.uid {
        return Ok(None);
    }
    if !is_root {
        let failure = Failure::new(format!("cannot become the user {name}: not started as root"));
        return Err(failure.hint(format!("start it as root or as {name}, or take `user` out of [process]")));
    }
    Ok(Some(User { name: name.clone(), uid: found.uid, gid }))
}

/// Becomes that user with that group alone, and gives up all capabilities, those of programs it might start included.
pub(super) fn become_user(user: &User) -> Result<(), Failure> {
    empty_bounding_set();
    let done = setgroups(&[]).and_then(|()| setgid(user.gid)).and_then(|()| setuid(user.uid));
    done.map_err(|error| Failure::new(format!("cannot become the user {}: {error}", user.name)))?;
    // If this works, something above did not do what it says.
    if !user.uid.is_root() && setuid(Uid::from_raw(0)).is_ok() {
        return Err(Failure::new("root could be become again; not going on"));
    }
    tracing::info!(user = user.name, uid = user.uid.as_raw(), gid = user.gid.as_raw(), "gave up root");
    Ok(())
}

/// A capability that the kernel does not know cannot be removed, and need not be.
fn empty_bounding_set() {
    for capability in CapabilitySet::all().iter() {
        let _ = remove_capability_from_bounding_set(capability);
    }
}
