//! How many sockets and files the process may have open: all that the system lets it.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit of open files, and what it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptors {
    /// As the process was started.
    pub before: u64,
    /// From now on.
    pub now: u64,
}

/// Raises the soft limit of open files to the hard one. The soft one is low (1,024 in most places) for the sake of programs that use
/// select(2), which fails beyond; here nobody does.
///
/// # Errors
/// The system does not let us: the limit stays as it was.
pub fn raise_descriptors() -> io::Result<Descriptors> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // Only where the hard limit is none as well is there none.
    let before = current.unwrap_or(u64::MAX);
    let now = maximum.unwrap_or(u64::MAX);
    if before < now {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    }
    Ok(Descriptors { before, now })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process of its own in nextest; elsewhere no other test minds more room.
    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let low = current.unwrap_or(1024).min(512);
        setrlimit(Resource::Nofile, Rlimit { current: Some(low), maximum }).unwrap();
        let raised = raise_descriptors().unwrap();
        assert_eq!(raised, Descriptors { before: low, now: maximum.unwrap_or(u64::MAX) });
        assert_eq!(getrlimit(Resource::Nofile).current, maximum);
        assert_eq!(raise_descriptors().unwrap().before, raised.now, "there is nothing left to do");
    }
}
