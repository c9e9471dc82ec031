//! Monotonic and CPU time in nanoseconds.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds since some fixed point, the same for every process of this machine.
pub(crate) fn monotonic_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// CPU nanoseconds that the calling thread has used.
pub(crate) fn thread_cpu_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::ThreadCPUTime))
}

/// CPU nanoseconds that this process has used, its threads that ended included.
pub(crate) fn process_cpu_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::ProcessCPUTime))
}

fn nanoseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_forward_and_work_costs_cpu() {
        let (wall, thread, process) = (monotonic_ns(), thread_cpu_ns(), process_cpu_ns());
        let mut sum = 0_u64;
        while thread_cpu_ns() < thread + 2_000_000 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(monotonic_ns() > wall);
        // The kernel adds up the threads a little later.
        assert!(process_cpu_ns() > process);
    }
}
