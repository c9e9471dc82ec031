//! Replays the corpora and all that the fuzzer ever found, on the stable toolchain and without it.

#[path = "../src/seeds.rs"]
mod seeds;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use fuzz::TARGETS;

/// What is kept of the corpora, all together.
const CORPORA_OCTETS_MAX: u64 = 1 << 20;

fn path(kind: &str, target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(kind).join(format!("{target}.txt"))
}

/// The inputs in a file, none if it is not there; nothing if a line of it is no input.
fn inputs(kind: &str, target: &str) -> Option<Vec<Vec<u8>>> {
    seeds::parse(&fs::read_to_string(path(kind, target)).unwrap_or_default())
}

#[test]
fn all_that_is_kept_holds() {
    let mut failed = Vec::new();
    for target in TARGETS {
        let corpus = inputs("corpus", target.name).expect(target.name);
        let finds = inputs("finds", target.name).expect(target.name);
        assert!(!corpus.is_empty(), "no corpus for {}", target.name);
        for input in corpus.iter().chain(&finds) {
            if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
                failed.push(format!("{}: {}", target.name, seeds::line(input)));
            }
        }
    }
    assert!(failed.is_empty(), "{} fail:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn nothing_and_the_smallest_inputs_hold() {
    for target in TARGETS {
        (target.run)(b"");
        (0..=u8::MAX).for_each(|octet| (target.run)(&[octet]));
    }
}

#[test]
fn each_file_is_that_of_a_target_and_the_corpora_are_small() {
    let mut octets = 0;
    for kind in ["corpus", "finds"] {
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(kind)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(fuzz::by_name(name).is_some(), "{} is of no target", path.display());
            octets += fs::metadata(&path).unwrap().len();
        }
    }
    assert!(octets <= CORPORA_OCTETS_MAX, "{octets} octets: `cargo xtask fuzz --minimise`");
}
