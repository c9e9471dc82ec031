//! The program: the library with the allocator of its choice.

use std::process::ExitCode;

/// Frees and takes memory across threads cheaply, and gives back what a burst of large messages took.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    postrider::main()
}
