//! Tests of the gate: graphs that it must refuse.

use serde_json::json;

use super::*;
use crate::layers::{LAYERS, RESERVED};

fn ours(name: &str, depends: Vec<Dependency>) -> Package {
    Package {
        name: name.into(),
        licence: Some("Apache-2.0 OR MIT".into()),
        ours: true,
        depends,
        ..Package::default()
    }
}

fn theirs(name: &str, licence: &str) -> Package {
    Package {
        name: name.into(),
        version: "1.0.0".into(),
        licence: Some(licence.into()),
        source: Some(format!("{INDEX}index")),
        ..Package::default()
    }
}

fn on(name: &str) -> Dependency {
    Dependency { name: name.into(), dev: false, ours: layer_of(name).is_some() || name == ROOT }
}

fn in_tests_on(name: &str) -> Dependency {
    Dependency { dev: true, ..on(name) }
}

fn objections(package: Package) -> Vec<String> {
    judge(&[package]).into_iter().map(|finding| finding.to_string()).collect()
}

#[test]
fn the_layers_of_the_design_are_accepted() {
    assert_eq!(objections(ours("spool", vec![on("mail"), on("disk"), on("events"), on("tokio")])), [""; 0]);
    assert_eq!(objections(ours("receive", vec![on("smtp"), on("spool"), on("net")])), [""; 0]);
    assert_eq!(objections(ours("postrider", vec![on("receive"), on("deliver"), on("clap")])), [""; 0]);
    assert_eq!(objections(ours("smtp", vec![on("mail"), in_tests_on("testkit")])), [""; 0]);
}

#[test]
fn a_dependency_upwards_is_refused() {
    assert_eq!(objections(ours("mail", vec![on("message")])).len(), 1);
    assert_eq!(objections(ours("spool", vec![on("smtp")])).len(), 1);
    assert_eq!(objections(ours("net", vec![on("receive")])).len(), 1);
}

#[test]
fn a_service_must_not_know_another_service() {
    assert_eq!(objections(ours("receive", vec![on("deliver")])).len(), 1);
    assert_eq!(objections(ours("deliver", vec![in_tests_on("receive")])).len(), 1);
}

#[test]
fn the_program_must_not_be_built_from_test_crates() {
    assert_eq!(objections(ours("postrider", vec![on("testkit")])).len(), 1);
    assert_eq!(objections(ours("receive", vec![on("testkit")])).len(), 1);
}

#[test]
fn a_sans_io_crate_must_not_use_a_runtime() {
    assert_eq!(objections(ours("smtp", vec![on("tokio")])).len(), 1);
    assert_eq!(objections(ours("mail", vec![on("thiserror")])).len(), 1);
    assert_eq!(objections(ours("smtp", vec![on("memchr")])), [""; 0]);
}

#[test]
fn a_reserved_crate_is_refused_to_others() {
    assert_eq!(objections(ours("deliver", vec![on("hickory-resolver")])).len(), 1);
    assert_eq!(objections(ours("receive", vec![on("axum")])).len(), 1);
    assert_eq!(objections(ours("net", vec![on("hickory-resolver")])), [""; 0]);
}

#[test]
fn a_crate_without_a_row_is_refused() {
    let dependency = Dependency { name: "mail".into(), dev: false, ours: true };
    assert_eq!(objections(ours("common", vec![dependency])).len(), 1);
}

#[test]
fn a_copyleft_or_missing_licence_is_refused() {
    assert_eq!(objections(theirs("webdriver", "MPL-2.0")).len(), 1);
    assert_eq!(objections(theirs("sieve-rs", "AGPL-3.0-only")).len(), 1);
    assert_eq!(objections(Package { licence: None, ..theirs("nameless", "") }).len(), 1);
    assert_eq!(objections(theirs("r-efi", "MIT OR Apache-2.0 OR LGPL-2.1-or-later")), [""; 0]);
}

#[test]
fn a_second_tls_provider_is_refused() {
    assert_eq!(objections(theirs("ring", "Apache-2.0 AND ISC")).len(), 1);
    assert_eq!(objections(theirs("openssl-sys", "MIT")).len(), 1);
    let old = Package { version: "0.22.0".into(), ..theirs("rustls", "MIT") };
    assert_eq!(judge(&[theirs("rustls", "MIT"), old]).len(), 1);
}

#[test]
fn a_foreign_source_is_refused() {
    let package = Package { source: Some("git+https://example.org/fork".into()), ..theirs("hyper", "MIT") };
    assert_eq!(objections(package).len(), 1);
    assert_eq!(objections(Package { source: None, ..theirs("vendored", "MIT") }).len(), 1);
}

#[test]
fn only_what_is_built_is_judged() {
    let metadata = json!({
        "packages": [
            { "id": "a", "name": "mail", "version": "0.1.0", "license": "MIT", "dependencies": [] },
            { "id": "b", "name": "gpl", "version": "1.0.0", "license": "GPL-3.0-only", "dependencies": [], "source": format!("{INDEX}index") },
        ],
        "workspace_members": ["a"],
    });
    let judged = |built: &[&str]| {
        let built = built.iter().map(|name| (*name).to_owned()).collect();
        packages(&metadata, &built).map(|packages| judge(&packages).len())
    };
    assert_eq!(judged(&["mail 0.1.0"]), Ok(0));
    assert_eq!(judged(&["mail 0.1.0", "gpl 1.0.0"]), Ok(1));
    assert!(judged(&[]).is_err(), "a member that is not built means that the listing was misread");
}

#[test]
fn every_row_of_the_table_names_rows_that_exist() {
    for layer in LAYERS {
        for name in layer.ours {
            assert!(
                layer_of(name).is_some() || *name == ROOT,
                "{} may use {name}, which has no row",
                layer.name
            );
        }
    }
    for kept in RESERVED {
        for user in kept.users {
            assert!(layer_of(user).is_some() || *user == ROOT, "{} is kept for {user}", kept.name);
        }
    }
}
