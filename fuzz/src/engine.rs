//! The fuzzer: libFuzzer around the target that the environment names. `cargo xtask fuzz` builds and runs it.
#![no_main]
#![allow(clippy::panic, reason = "whoever runs it reads its panic")]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let Some(target) = fuzz::by_name(&name) else { panic!("FUZZ_TARGET names no target: `{name}`") };
    (target.run)(octets);
});
