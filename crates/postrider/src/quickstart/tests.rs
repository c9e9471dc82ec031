//! What is refused before anything is written, and what is written.

use clap::Parser;

use super::*;
use crate::cli::{Cli, Command};

fn wanted(words: &str) -> Quickstart {
    let cli = Cli::try_parse_from(format!("postrider quickstart {words}").split_whitespace()).unwrap();
    match cli.command {
        Command::Quickstart(wanted) => *wanted,
        other => panic!("{other:?}"),
    }
}

/// As whoever runs the tests, who is a user that exists.
fn here(words: &str) -> Quickstart {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap();
    let user = if user.uid.is_root() { format!("--user {}", user.name) } else { String::new() };
    wanted(&format!("{words} --address 192.0.2.1 {user}"))
}

fn refused(words: &str) -> String {
    plan::plan(&here(words)).err().unwrap_or_else(|| panic!("{words}")).text(false)
}

#[test]
fn what_cannot_be_a_server_is_refused_with_a_hint() {
    let cases = [
        "you",
        "you@localhost",
        "you@[192.0.2.1]",
        "you@exa_mple..org",
        "you@example.org --hostname example.org",
        "you@example.org --hostname mail",
        "you@example.org --hostname 192.0.2.1",
        "you@example.org --address 0.0.0.0",
        "you@example.org --acme-directory http://ca.test/",
    ];
    let text: Vec<String> = cases.iter().map(|words| format!("## {words}\n{}\n", refused(words))).collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn a_user_that_does_not_exist_is_not_run_as() {
    let failure =
        plan::plan(&wanted("you@example.org --address 192.0.2.1 --user no-such-user")).err().unwrap();
    let text = failure.text(false);
    assert!(text.contains("no-such-user") && text.contains("hint: "), "{text}");
}

#[test]
fn names_beyond_ascii_are_kept_as_the_dns_has_them() {
    let plan = plan::plan(&here("you@b\u{fc}cher.example")).unwrap();
    assert_eq!(plan.login.to_string(), "you@xn--bcher-kva.example");
    assert_eq!(plan.host, "mail.xn--bcher-kva.example");
    let plan = plan::plan(&here("you@example.org --hostname m\u{fc}hle.example.net")).unwrap();
    assert_eq!(plan.host, "xn--mhle-0ra.example.net");
}

#[test]
fn a_private_address_is_told_of() {
    let plan = plan::plan(&here("you@example.org --address 10.0.0.1")).unwrap();
    assert!(plan.notes[0].contains("10.0.0.1 is a private address"), "{:?}", plan.notes);
}

#[test]
fn the_file_means_what_it_should() {
    let mut plan = plan::plan(&here("You@Example.org --config /etc/postrider/postrider.toml")).unwrap();
    plan.owner = None;
    let text = config_file::text(&plan);
    let config = config_file::checked(&plan, &text).unwrap();
    assert_eq!(config.hostname, "mail.example.org");
    assert_eq!(config.directory.postmaster.as_deref(), Some("You@example.org"));
    assert_eq!(dns_records::domains(&config), [plan.domain.clone()]);
    assert!(config.warnings.problems.is_empty());
    let ports: Vec<u16> =
        config.listeners.iter().filter_map(|listener| Some(listener.bind.first()?.port())).collect();
    assert_eq!(ports, [25, 465, 587, 993, 443, 80]);
    insta::assert_snapshot!(text);
}

#[test]
fn all_is_made_once_and_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name);
    let words = format!(
        "you@example.org --yes --dnssec --config {} --data-dir {}",
        place("etc/postrider.toml").display(),
        place("state").display()
    );
    run(&here(&words), false).unwrap();
    let before = std::fs::read_to_string(place("etc/postrider.toml")).unwrap();
    let config = place::load(&place("etc/postrider.toml")).unwrap();
    let domains = dns_records::domains(&config);
    let facts = Facts::of(&config, &domains).unwrap();
    assert_eq!((facts.dkim.len(), facts.tls_keys.len()), (2, 1));
    let store =
        store::Store::open(&crate::config::store_file(&place("state")), &crate::schemas::ALL).unwrap().0;
    let (_, directory) = directory::People::load(store.clone(), config.directory.clone()).unwrap();
    assert_eq!(directory.postmaster().to_string(), "you@example.org");
    assert_eq!(directory.accounts().len(), 1);
    store.close();
    run(&here(&words), true).unwrap();
    assert_eq!(std::fs::read_to_string(place("etc/postrider.toml")).unwrap(), before);
    // As if it had been cut off before its end: the keys and the account stay.
    std::fs::remove_file(place("etc/postrider.toml")).unwrap();
    run(&here(&words), false).unwrap();
    assert_eq!(Facts::of(&place::load(&place("etc/postrider.toml")).unwrap(), &domains).unwrap(), facts);
    let other = run(&here(&words.replace("you@example.org", "you@example.net")), false).err().unwrap();
    assert!(other.text(false).contains("example.net is not in it"), "{}", other.text(false));
}

#[test]
fn a_link_of_the_servers_user_gives_it_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut plan = plan::plan(&here("you@example.org")).unwrap();
    plan.data_dir = dir.path().join("state");
    plan.owner = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap();
    std::fs::create_dir(&plan.data_dir).unwrap();
    // Whoever follows it finds nothing to give.
    std::os::unix::fs::symlink("nowhere", plan.data_dir.join("link")).unwrap();
    assert!(files::hand_over(&plan).is_ok());
}
