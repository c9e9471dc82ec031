//! The program under test: the `postrider` binary of the same profile, built once.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// The binary beside the running test's folder (`target/debug/deps/..` -> `target/debug/postrider`). It is built if
/// it is missing; `scripts/test` builds it first, and after a change `cargo build -p postrider` must be run by hand.
pub fn binary() -> PathBuf {
    let test = env::current_exe().expect("the path of the test");
    let profile = test.ancestors().nth(2).expect("a test lies in target/PROFILE/deps");
    let binary = profile.join("postrider");
    if !binary.exists() {
        build();
    }
    assert!(binary.exists(), "{} is missing: run `cargo build -p postrider`", binary.display());
    binary
}

fn build() {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo).args(["build", "--locked", "--package", "postrider"]).status();
    assert!(built.expect("cargo").success(), "postrider does not build");
}
