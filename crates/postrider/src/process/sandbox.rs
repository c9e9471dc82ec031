//! Shut in: files by Landlock, system calls by seccomp, as far as the kernel has them. The log says what it lacks; the server runs all the same.

use std::{collections::BTreeMap, path::PathBuf};

use landlock::{
    ABI, Access, AccessFs, RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, path_beneath_rules,
};
use nix::libc;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};

/// The newest rights over files that we know to give up. An older kernel gives up those that it knows.
const FILES: ABI = ABI::V5;

/// What the system is made of and what it says of itself, for resolver, runtime, TLS and clock. Not all of `/etc`.
const SYSTEM: [&str; 16] = [
    "/usr",
    "/lib",
    "/lib64",
    "/proc",
    "/sys",
    "/dev/urandom",
    "/run/systemd/resolve",
    "/etc/resolv.conf",
    "/etc/hosts",
    // Whose files the maildrop holds. It has no passwords.
    "/etc/passwd",
    "/etc/nsswitch.conf",
    "/etc/localtime",
    "/etc/machine-id",
    "/var/lib/dbus/machine-id",
    "/etc/ssl",
    "/etc/pki",
];

/// System calls that a mail server has no use for, and who has broken into one has. A list of what is forbidden and not of what is allowed:
/// it cannot break with the next version of a library.
const FORBIDDEN: &[libc::c_long] = &[
    // Other programs and other processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Other views of the system.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    // The kernel itself.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_vhangup,
    // Large and young parts of it, from which others have broken out.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_personality,
];

/// What of the file system stays.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// To be read, with all below.
    pub(super) read: Vec<PathBuf>,
    /// To be changed, with all below.
    pub(super) write: Vec<PathBuf>,
}

/// Enters. What cannot be is told in the log.
pub(super) fn enter(paths: &Paths) {
    if let Err(error) = rustix::thread::set_no_new_privs(true) {
        tracing::warn!(%error, "no_new_privs cannot be set");
    }
    match shut_files(paths) {
        Ok(RestrictionStatus { ruleset: RulesetStatus::FullyEnforced, .. }) => {
            tracing::info!("sandbox: files by Landlock");
        }
        Ok(RestrictionStatus { ruleset: RulesetStatus::PartiallyEnforced, .. }) => {
            tracing::info!("sandbox: files by Landlock, as far as this kernel has it");
        }
        Ok(_) => {
            tracing::warn!("sandbox: this kernel has no Landlock, so all files of the user can be reached");
        }
        Err(error) => tracing::warn!(%error, "sandbox: no Landlock, so all files of the user can be reached"),
    }
    match shut_calls() {
        Ok(()) => tracing::info!(forbidden = FORBIDDEN.len(), "sandbox: system calls by seccomp"),
        Err(error) => tracing::warn!(error, "sandbox: no seccomp, so all system calls can be made"),
    }
}

/// Paths that are not there need no rule. To execute a file is allowed nowhere.
fn shut_files(paths: &Paths) -> Result<RestrictionStatus, RulesetError> {
    let all = AccessFs::from_all(FILES);
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let system = SYSTEM.iter().map(PathBuf::from);
    Ruleset::default()
        .handle_access(all)?
        .create()?
        .add_rules(path_beneath_rules(system.chain(paths.read.iter().cloned()), read))?
        .add_rules(path_beneath_rules(["/dev/null"], read | AccessFs::WriteFile))?
        .add_rules(path_beneath_rules(&paths.write, all & !AccessFs::Execute))?
        .restrict_self()
}

fn shut_calls() -> Result<(), String> {
    let rules: BTreeMap<i64, _> = FORBIDDEN.iter().map(|call| (*call, Vec::new())).collect();
    let arch: TargetArch =
        std::env::consts::ARCH.try_into().map_err(|_| "it is not known on this architecture".to_owned())?;
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, arch);
    let program: BpfProgram = filter.and_then(TryInto::try_into).map_err(|error| error.to_string())?;
    apply_filter(&program).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;

    /// In a thread of its own, which ends: the rest of the process stays free.
    fn inside<T: Send + 'static>(paths: Paths, work: impl FnOnce() -> T + Send + 'static) -> T {
        let thread = std::thread::spawn(move || {
            enter(&paths);
            work()
        });
        thread.join().unwrap()
    }

    #[test]
    fn what_was_named_can_be_reached_and_nothing_else() {
        let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(other.path().join("secret"), "x").unwrap();
        fs::write(own.path().join("here"), "x").unwrap();
        let paths = Paths { read: Vec::new(), write: vec![own.path().to_owned()] };
        let (here, secret) = (own.path().to_owned(), other.path().join("secret"));
        inside(paths, move || {
            fs::write(here.join("new"), "x").unwrap();
            fs::rename(here.join("new"), here.join("renamed")).unwrap();
            assert_eq!(fs::read_to_string(here.join("here")).unwrap(), "x");
            for closed in [secret.as_path(), "/etc/shadow".as_ref(), "/etc/group".as_ref()] {
                let error = fs::read(closed).unwrap_err();
                assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied, "{}", closed.display());
            }
            assert!(fs::write(secret.with_file_name("more"), "x").is_err());
            assert!(fs::read_to_string("/proc/thread-self/status").unwrap().contains("\nNoNewPrivs:\t1\n"));
        });
        assert_eq!(fs::read(other.path().join("secret")).unwrap(), b"x", "out here all is as it was");
    }

    #[test]
    fn no_program_can_be_started_and_the_kernel_is_left_alone() {
        inside(Paths::default(), || {
            let error = Command::new("/usr/bin/true").spawn().unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
            assert!(rustix::system::sethostname(b"x").is_err());
            let thread = std::thread::spawn(|| std::thread::spawn(|| 7).join().unwrap());
            assert_eq!(thread.join().unwrap(), 7, "threads are needed");
            assert!(std::net::TcpListener::bind("127.0.0.1:0").is_ok());
        });
    }
}
