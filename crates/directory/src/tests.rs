//! Tables of what addresses stand for, and of what is refused.

use mail::Address;
use proptest::prelude::*;

use crate::{
    AccountConfig, AliasConfig, Config, Directory, DirectoryError, DomainConfig, Entry, Forwarded,
    ListConfig, Problem, Resolution,
};

fn domain(name: &str) -> DomainConfig {
    DomainConfig { name: name.into(), ..DomainConfig::default() }
}

fn account(login: &str) -> AccountConfig {
    AccountConfig { login: login.into(), ..AccountConfig::default() }
}

fn alias(address: &str, to: &[&str]) -> AliasConfig {
    AliasConfig { address: address.into(), to: to.iter().map(|to| (*to).into()).collect() }
}

fn config() -> Config {
    Config {
        domains: vec![
            domain("example.org"),
            DomainConfig {
                name: "Catch.example".into(),
                catch_all: Some("bob@example.org".into()),
                subaddress: Some("--".into()),
            },
            DomainConfig { name: "bücher.example".into(), catch_all: None, subaddress: Some(String::new()) },
        ],
        accounts: vec![
            AccountConfig {
                login: "Anna@example.org".into(),
                addresses: vec!["anna.b@example.org".into(), "carol+fixed@example.org".into()],
                ..AccountConfig::default()
            },
            account("bob@example.org"),
            account("carol@catch.example"),
            account("dan@bücher.example"),
        ],
        aliases: vec![
            alias("sales@example.org", &["anna@example.org", "bob+sales@example.org"]),
            alias("all@example.org", &["SALES@example.org", "carol@catch.example", "anna.b@example.org"]),
            alias("abuse@catch.example", &["anna@example.org"]),
        ],
        own_addresses: vec!["192.0.2.1".parse().unwrap()],
        ..Config::default()
    }
}

/// What an address stands for, on one line.
fn resolved(directory: &Directory, address: &str) -> String {
    match directory.resolve(&address.parse().unwrap()) {
        Resolution::NotLocal => "elsewhere".into(),
        Resolution::Unknown => "nobody".into(),
        Resolution::Unsure => "not known".into(),
        Resolution::Mailboxes(mailboxes) => {
            mailboxes.iter().map(Address::to_string).collect::<Vec<_>>().join(" ")
        }
        Resolution::Forwarded(Forwarded { by, mailboxes, elsewhere }) => {
            let words = |all: &[Address]| all.iter().map(Address::to_string).collect::<Vec<_>>().join(" ");
            format!("{} here; by {by} to {}", words(&mailboxes), words(&elsewhere))
        }
        Resolution::List(list) => format!("list {}", list.address()),
    }
}

#[test]
fn a_detail_is_what_had_to_be_left_out() {
    let directory = Directory::new(Config {
        domains: vec![DomainConfig { name: "example.org".into(), ..DomainConfig::default() }],
        accounts: ["anna@example.org", "b+c@example.org"]
            .map(|login| AccountConfig { login: login.into(), ..AccountConfig::default() })
            .into(),
        ..Config::default()
    })
    .unwrap();
    let detail = |address: &str| directory.detail(&address.parse().unwrap()).map(str::to_owned);
    assert_eq!(detail("anna+News@example.org").as_deref(), Some("News"));
    assert_eq!(detail("b+c@example.org"), None, "declared so");
    assert_eq!(detail("anna@example.org"), None);
    assert_eq!(detail("nobody+x@example.org"), None);
}

#[test]
fn addresses_stand_for_mailboxes() {
    let directory = Directory::new(config()).unwrap();
    for (address, stands_for) in [
        ("anna@example.org", "anna@example.org"),
        ("ANNA@Example.Org", "ANNA@example.org"),
        ("anna.b@example.org", "anna.b@example.org"),
        ("anna+news@example.org", "anna+news@example.org"),
        ("anna+a+b@example.org", "anna+a+b@example.org"),
        ("carol+fixed@example.org", "carol+fixed@example.org"),
        ("carol+other@example.org", "nobody"),
        ("+news@example.org", "nobody"),
        ("eve@example.org", "nobody"),
        ("anna@elsewhere.example", "elsewhere"),
        ("anna@sub.example.org", "elsewhere"),
        // aliases
        ("sales@example.org", "anna@example.org bob+sales@example.org"),
        ("Sales+fair@example.org", "anna+fair@example.org bob+sales@example.org"),
        ("all@example.org", "anna@example.org bob+sales@example.org carol@catch.example"),
        // another separator, and none
        ("carol--x@catch.example", "carol--x@catch.example"),
        ("carol+x@catch.example", "bob@example.org"),
        ("dan+x@bücher.example", "nobody"),
        // catch-all
        ("whoever@catch.example", "bob@example.org"),
        // the same domain in both forms
        ("dan@bücher.example", "dan@bücher.example"),
        ("dan@xn--bcher-kva.example", "dan@xn--bcher-kva.example"),
        // postmaster
        ("postmaster@example.org", "Anna@example.org"),
        ("PostMaster@catch.example", "Anna@example.org"),
        // an address of ours
        ("bob@[192.0.2.1]", "bob@[192.0.2.1]"),
        ("eve@[192.0.2.1]", "nobody"),
        ("postmaster@[192.0.2.1]", "Anna@example.org"),
        ("bob@[192.0.2.2]", "elsewhere"),
    ] {
        assert_eq!(resolved(&directory, address), stands_for, "{address}");
    }
}

#[test]
fn every_mailbox_has_its_account() {
    let directory = Directory::new(config()).unwrap();
    for (address, login) in [
        ("anna@example.org", Some("Anna@example.org")),
        ("carol+fixed@example.org", Some("Anna@example.org")),
        ("bob+x@EXAMPLE.org", Some("bob@example.org")),
        ("bob@[192.0.2.1]", Some("bob@example.org")),
        ("dan@xn--bcher-kva.example", Some("dan@bücher.example")),
        ("sales@example.org", None),
        ("eve@example.org", None),
    ] {
        let account = directory.account(&address.parse().unwrap());
        assert_eq!(account.map(|account| account.login().to_string()).as_deref(), login, "{address}");
    }
    assert!(directory.is_local(&mail::Domain::parse("EXAMPLE.org").unwrap()));
    assert!(!directory.is_local(&mail::Domain::parse("example.net").unwrap()));
    assert_eq!(directory.accounts().len(), 4);
    assert_eq!(directory.accounts()[0].directory_name(), "anna@example.org");
}

#[test]
fn a_declared_postmaster_outranks_the_first_account() {
    let mut config = config();
    config.postmaster = Some("sales@example.org".into());
    config.accounts.push(account("postmaster@catch.example"));
    let directory = Directory::new(config).unwrap();
    assert_eq!(directory.postmaster().to_string(), "sales@example.org");
    assert_eq!(resolved(&directory, "postmaster@example.org"), "anna@example.org bob+sales@example.org");
    assert_eq!(resolved(&directory, "postmaster@catch.example"), "postmaster@catch.example");
}

#[test]
fn aliases_and_catch_alls_may_lead_elsewhere() {
    let mut config = config();
    config.aliases.extend([
        alias("out@example.org", &["eve@gmail.example", "EVE@gmail.example", "dan@elsewhere.example"]),
        alias("both@example.org", &["bob@example.org", "out@example.org", "eve@gmail.example"]),
        alias("alone@example.org", &["bob@example.org"]),
    ]);
    config
        .domains
        .push(DomainConfig { catch_all: Some("eve@gmail.example".into()), ..domain("away.example") });
    config.domains.push(DomainConfig { catch_all: Some("out@example.org".into()), ..domain("far.example") });
    config.postmaster = Some("both@example.org".into());
    let directory = Directory::new(config).unwrap();
    let out = "eve@gmail.example dan@elsewhere.example";
    for (address, expected) in [
        ("out@example.org", format!(" here; by out@example.org to {out}")),
        ("OUT+x@example.org", format!(" here; by OUT+x@example.org to {out}")),
        ("both@example.org", format!("bob@example.org here; by both@example.org to {out}")),
        ("both+x@example.org", format!("bob+x@example.org here; by both+x@example.org to {out}")),
        ("who@away.example", " here; by who@away.example to eve@gmail.example".into()),
        ("who@far.example", format!(" here; by out@example.org to {out}")),
        ("postmaster@away.example", format!("bob@example.org here; by both@example.org to {out}")),
        ("eve@gmail.example", "elsewhere".into()),
    ] {
        assert_eq!(resolved(&directory, address), expected, "{address}");
        let Resolution::Forwarded(Forwarded { by, .. }) = directory.resolve(&address.parse().unwrap()) else {
            continue;
        };
        assert_eq!(resolved(&directory, &by.to_string()), expected, "{address}: it says the same of itself");
        assert!(directory.account(&by).is_none());
    }
}

#[test]
fn in_development_everything_is_caught() {
    let config = Config {
        domains: vec![domain("example.org")],
        accounts: vec![account("anna@example.org")],
        aliases: vec![alias("team@example.org", &["anna@example.org", "x@elsewhere.example"])],
        catch_everything: Some("inbox@dev.localhost".into()),
        ..Config::default()
    };
    let directory = Directory::new(config).unwrap();
    for (address, stands_for, login) in [
        ("who@ever.example", "who@ever.example", "inbox@dev.localhost"),
        ("postmaster@ever.example", "postmaster@ever.example", "inbox@dev.localhost"),
        ("x@[192.0.2.7]", "x@[192.0.2.7]", "inbox@dev.localhost"),
        ("anna+x@example.org", "anna+x@example.org", "anna@example.org"),
        ("eve@example.org", "eve@example.org", "inbox@dev.localhost"),
        ("team@example.org", "anna@example.org x@elsewhere.example", "inbox@dev.localhost"),
        ("inbox@dev.localhost", "inbox@dev.localhost", "inbox@dev.localhost"),
    ] {
        assert_eq!(resolved(&directory, address), stands_for, "{address}");
        let account = directory.account(&address.parse().unwrap()).unwrap();
        assert_eq!(account.login().to_string(), login, "{address}");
    }
    assert!(directory.is_local(&mail::Domain::parse("any.example").unwrap()));
    let alone = Config { catch_everything: Some("inbox@dev.localhost".into()), ..Config::default() };
    assert_eq!(Directory::new(alone).unwrap().postmaster().to_string(), "inbox@dev.localhost");
    let declared = Config {
        domains: vec![domain("example.org")],
        accounts: vec![account("anna@example.org"), account("bob@example.org")],
        catch_everything: Some("BOB@example.org".into()),
        ..Config::default()
    };
    let directory = Directory::new(declared).unwrap();
    assert_eq!(directory.accounts().len(), 2);
    assert_eq!(directory.account(&"x@y.example".parse().unwrap()), directory.accounts().get(1));
}

fn errors(change: impl FnOnce(&mut Config)) -> Vec<String> {
    let mut config = config();
    change(&mut config);
    let errors = Directory::new(config).unwrap_err();
    assert!(errors.iter().all(|error| !error.hint().is_empty()));
    errors.iter().map(DirectoryError::to_string).collect()
}

#[test]
fn mistakes_are_told_with_their_place() {
    type Change = fn(&mut Config);
    let cases: [(Change, &str); 19] = [
        (
            |c| c.domains.push(domain("a..b")),
            "domain 4, name: `a..b` is not a domain name: empty domain or label",
        ),
        (
            |c| c.domains.push(domain("[192.0.2.1]")),
            "domain 4, name: `[192.0.2.1]` is not a domain name: invalid address literal",
        ),
        (
            |c| c.domains.push(domain("xn--bcher-kva.example")),
            "domain 4, name: `xn--bcher-kva.example` is already declared as domain 3",
        ),
        (
            |c| c.domains[0].subaddress = Some("@".into()),
            "domain 1, subaddress: `@` cannot separate a user from a detail",
        ),
        (
            |c| c.domains[0].catch_all = Some("eve@example.org".into()),
            "domain 1, catch_all: nobody has the address `eve@example.org`",
        ),
        (
            |c| c.domains[0].catch_all = Some("eve".into()),
            "domain 1, catch_all: `eve` is not an address: no @ in address",
        ),
        (
            |c| c.postmaster = Some("eve@example.net".into()),
            "postmaster, postmaster: `eve@example.net` is not an address of a local domain",
        ),
        (|c| c.accounts.push(account("eve")), "account 5, login: `eve` is not an address: no @ in address"),
        (
            |c| c.accounts.push(account("eve@example.net")),
            "account 5, login: the domain of `eve@example.net` is not declared",
        ),
        (
            |c| c.accounts.push(account("ANNA@example.org")),
            "account 5, login: `ANNA@example.org` is already declared as account 1",
        ),
        (
            |c| c.accounts[1].addresses.push("anna.b@example.org".into()),
            "account 2, addresses: `anna.b@example.org` is already declared as account 1",
        ),
        (
            |c| c.aliases.push(alias("anna@example.org", &["bob@example.org"])),
            "alias 4, address: `anna@example.org` is already declared as account 1",
        ),
        (
            |c| {
                let to: Vec<String> =
                    (0..=crate::ALIAS_ELSEWHERE_MAX).map(|n| format!("m{n}@elsewhere.example")).collect();
                c.aliases.push(AliasConfig { address: "x@example.org".into(), to });
            },
            "alias 4, to: the alias leads to more than 100 addresses elsewhere",
        ),
        (
            |c| c.aliases.push(alias("x@example.org", &["eve@example.org"])),
            "alias 4, to: nobody has the address `eve@example.org`",
        ),
        (|c| c.aliases.push(alias("x@example.org", &[])), "alias 4, to: the alias stands for nobody"),
        (
            |c| c.aliases.push(alias("x@example.org", &["x+a@example.org"])),
            "alias 4, to: the alias leads back to itself: x@example.org -> x@example.org",
        ),
        (
            |c| {
                c.aliases.push(alias("x@example.org", &["y@example.org"]));
                c.aliases.push(alias("y@example.org", &["anna@example.org", "z@example.org"]));
                c.aliases.push(alias("z@example.org", &["X@example.org"]));
            },
            "alias 6, to: the alias leads back to itself: \
             x@example.org -> y@example.org -> z@example.org -> x@example.org",
        ),
        (
            |c| c.postmaster = Some("root@example.org".into()),
            "postmaster, postmaster: nobody has the address `root@example.org`",
        ),
        (
            |c| {
                c.domains.truncate(1);
                (c.accounts, c.aliases) = (Vec::new(), Vec::new());
            },
            "postmaster, postmaster: mail to postmaster has no destination",
        ),
    ];
    for (change, message) in cases {
        assert_eq!(errors(change), [message]);
    }
}

#[test]
fn all_mistakes_are_told_at_once_in_order() {
    let mut config = config();
    config.aliases.push(alias("nobody", &["a", "b"]));
    config.accounts.push(account("x"));
    config.domains.push(domain(""));
    let errors = Directory::new(config).unwrap_err();
    let entries: Vec<_> = errors.iter().map(|error| error.entry).collect();
    assert_eq!(
        entries,
        [Entry::Domain(3), Entry::Account(4), Entry::Alias(3), Entry::Alias(3), Entry::Alias(3)]
    );
}

#[test]
fn chains_and_crowds_of_aliases_are_bounded() {
    let chain = |length: usize| {
        let mut config = config();
        for place in 0..length {
            let next = if place + 1 == length {
                "anna@example.org".into()
            } else {
                format!("a{}@example.org", place + 1)
            };
            config.aliases.push(alias(&format!("a{place}@example.org"), &[&next]));
        }
        Directory::new(config)
    };
    assert_eq!(resolved(&chain(crate::ALIAS_DEPTH_MAX).unwrap(), "a0@example.org"), "anna@example.org");
    let too_long = chain(crate::ALIAS_DEPTH_MAX + 1).unwrap_err();
    assert_eq!(too_long.iter().map(|error| &error.problem).collect::<Vec<_>>(), [&Problem::TooDeep]);
    assert!(chain(5000).is_err());

    let crowd = |size: usize| {
        let mut config = config();
        let to: Vec<_> = (0..size).map(|place| format!("anna+{place}@example.org")).collect();
        config.aliases.push(AliasConfig { address: "crowd@example.org".into(), to });
        Directory::new(config)
    };
    assert!(crowd(crate::ALIAS_MAILBOXES_MAX).is_ok());
    assert_eq!(crowd(crate::ALIAS_MAILBOXES_MAX + 1).unwrap_err()[0].problem, Problem::TooManyMailboxes);
}

#[test]
fn many_ways_to_the_same_mailboxes_are_worked_out_once() {
    // Two targets on each of 30 levels: 2^30 ways.
    let mut config = config();
    for level in 0..30 {
        let next = format!("l{}@example.org", level + 1);
        let to = if level == 29 { vec!["anna@example.org"] } else { vec![next.as_str(), next.as_str()] };
        config.aliases.push(alias(&format!("l{level}@example.org"), &to));
    }
    assert_eq!(resolved(&Directory::new(config).unwrap(), "l0@example.org"), "anna@example.org");
}

proptest! {
    #[test]
    fn no_declaration_and_no_address_panics(
        texts in prop::collection::vec("[a-c@+.\\[\\]\"]{0,8}|[a-c][@][a-c]|\\PC{0,8}", 12),
        address in "[a-c]{1,2}[+]?[a-c]{0,2}@[a-c]",
        dev in any::<bool>(),
    ) {
        let config = Config {
            domains: vec![
                domain("a"),
                DomainConfig { name: texts[0].clone(), catch_all: Some(texts[1].clone()), subaddress: Some(texts[2].clone()) },
            ],
            accounts: vec![account("a@a"), account(&texts[3])],
            aliases: vec![
                alias(&texts[4], &[&texts[5], &texts[6]]),
                alias(&texts[7], &[&texts[8]]),
                alias("b@a", &[&texts[9], "a@a"]),
            ],
            lists: vec![list(&texts[8], &[&texts[5], &texts[9]]), list("c@a", &[&texts[6], "a@a"])],
            postmaster: Some(texts[10].clone()),
            catch_everything: dev.then(|| texts[11].clone()),
            implied: None,
            external: Vec::new(),
            own_addresses: Vec::new(),
        };
        let simple = Config { domains: vec![domain("a")], accounts: vec![account("a@a")], ..Config::default() };
        for directory in [Directory::new(config), Directory::new(simple)].into_iter().flatten() {
            if let Resolution::Mailboxes(mailboxes) = directory.resolve(&address.parse().unwrap()) {
                prop_assert!(!mailboxes.is_empty());
                prop_assert!(mailboxes.iter().all(|mailbox| directory.account(mailbox).is_some()));
            }
            if let Resolution::Forwarded(Forwarded { by, mailboxes, elsewhere }) = directory.resolve(&address.parse().unwrap()) {
                prop_assert!(!elsewhere.is_empty() && elsewhere.iter().all(|to| !directory.is_local(to.domain())));
                prop_assert!(mailboxes.iter().all(|mailbox| directory.account(mailbox).is_some()));
                let again = Resolution::Forwarded(Forwarded { by: by.clone(), mailboxes, elsewhere });
                prop_assert_eq!(directory.resolve(&by), again);
            }
        }
    }
}

fn list(address: &str, members: &[&str]) -> ListConfig {
    let members = members.iter().map(|member| (*member).into()).collect();
    ListConfig { address: address.into(), members, ..ListConfig::default() }
}

#[test]
fn a_list_is_its_members_and_what_is_around_it_is_its_owners() {
    let mut config = config();
    config.lists = vec![
        ListConfig {
            title: Some("Talk".into()),
            owners: vec!["sales@example.org".into()],
            ..list(
                "Talk@Example.org",
                &["anna@example.org", "eve@elsewhere.example", "EVE@elsewhere.example"],
            )
        },
        list("dev@bücher.example", &["whoever@catch.example"]),
    ];
    let directory = Directory::new(config).unwrap();
    let Resolution::List(talk) = directory.resolve(&"TALK@example.org".parse().unwrap()) else {
        panic!("no list")
    };
    assert_eq!(talk.id(), "talk.example.org");
    assert_eq!(talk.members().len(), 2, "each once");
    assert_eq!(talk.bounces().to_string(), "Talk-bounces@example.org");
    let owners = "anna@example.org bob+sales@example.org";
    for (address, stands_for) in [
        ("talk-bounces@example.org", owners),
        ("Talk-Request@example.org", owners),
        ("talk-owner@example.org", owners),
        ("talk-bounces+x@example.org", "anna+x@example.org bob+sales@example.org"),
        ("talk+x@example.org", "nobody"),
        // Without owners of its own.
        ("dev-owner@xn--bcher-kva.example", "Anna@example.org"),
    ] {
        assert_eq!(resolved(&directory, address), stands_for, "{address}");
    }
    let Resolution::List(dev) = directory.resolve(&"dev@bücher.example".parse().unwrap()) else {
        panic!("no list")
    };
    assert_eq!(dev.id(), "dev.xn--bcher-kva.example");
    assert_eq!(dev.address().to_string(), "dev@xn--bcher-kva.example");
}

#[test]
fn who_is_on_a_list_is_known_by_each_of_its_addresses() {
    let mut config = config();
    config.aliases.push(alias("chef@example.org", &["bob@example.org"]));
    let of_owners = |address: &str| ListConfig {
        owners: vec!["bob@example.org".into()],
        post: Some("owners".into()),
        ..list(address, &["anna@example.org"])
    };
    config.lists = vec![
        list("talk@example.org", &["anna.b@example.org", "eve@elsewhere.example"]),
        list("team@example.org", &["all@example.org"]),
        of_owners("news@example.org"),
    ];
    let directory = Directory::new(config).unwrap();
    for (name, sender, may) in [
        ("talk", "anna@example.org", true),
        ("talk", "Anna+x@example.org", true),
        ("talk", "anna.b@example.org", true),
        ("talk", "eve@ELSEWHERE.example", true),
        ("talk", "carol@catch.example", false),
        // The postmaster, who is Anna, owns it.
        ("team", "carol@catch.example", true),
        ("team", "bob@example.org", true),
        ("team", "dan@bücher.example", false),
        ("news", "bob@example.org", true),
        ("news", "chef@example.org", true),
        ("news", "sales@example.org", false),
        ("news", "anna@example.org", false),
        ("talk", "talk@example.org", false),
        ("talk", "talk-owner@example.org", false),
    ] {
        let Resolution::List(list) = directory.resolve(&format!("{name}@example.org").parse().unwrap())
        else {
            panic!("no list")
        };
        let sender = mail::ReversePath::Address(sender.parse().unwrap());
        assert_eq!(directory.may_post(&list, &sender), may, "{name} {sender}");
        assert!(!directory.may_post(&list, &mail::ReversePath::Null));
    }
}

#[test]
fn mistakes_in_lists_are_told() {
    let mistaken = |make: &dyn Fn(&mut Config)| {
        let mut config = config();
        make(&mut config);
        Directory::new(config).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let lists = |lists: Vec<ListConfig>| mistaken(&move |config| config.lists = lists.clone());
    let many: Vec<String> =
        (0..=crate::LIST_MEMBERS_MAX).map(|n| format!("m{n}@elsewhere.example")).collect();
    for (given, told) in [
        (
            lists(vec![list("anna@example.org", &[])]),
            "list 1, address: `anna@example.org` is already declared as account 1",
        ),
        (
            lists(vec![list("t@example.org", &[]), list("t-owner@example.org", &[])]),
            "list 2, address: `t-owner@example.org` is already declared as list 1",
        ),
        (
            lists(vec![list("t@elsewhere.example", &[])]),
            "list 1, address: the domain of `t@elsewhere.example` is not declared",
        ),
        (
            lists(vec![list("\"a b\"@example.org", &[])]),
            "list 1, address: `\"a b\"@example.org` cannot be the address of a list",
        ),
        (
            lists(vec![list("t@example.org", &["x@example.org"])]),
            "list 1, members: nobody has the address `x@example.org`",
        ),
        (
            lists(vec![list("t@example.org", &["u@example.org"]), list("u@example.org", &[])]),
            "list 1, members: `u@example.org` is a mailing list",
        ),
        (
            lists(vec![ListConfig { members: many, ..list("t@example.org", &[]) }]),
            "list 1, members: the list has more than 5000 members",
        ),
        (
            lists(vec![ListConfig {
                owners: vec!["x@elsewhere.example".into()],
                ..list("t@example.org", &[])
            }]),
            "list 1, owners: `x@elsewhere.example` is not an address of a local domain",
        ),
        (
            lists(vec![ListConfig {
                owners: vec!["t-bounces@example.org".into()],
                ..list("t@example.org", &[])
            }]),
            "list 1, owners: the alias leads back to itself: t-bounces@example.org -> t-bounces@example.org",
        ),
        (
            lists(vec![ListConfig { post: Some("all".into()), ..list("t@example.org", &[]) }]),
            "list 1, post: `all` does not say who may write to the list",
        ),
        (
            lists(vec![ListConfig { title: Some("a\r\nBcc: b".into()), ..list("t@example.org", &[]) }]),
            "list 1, title: the title has control characters or is too long",
        ),
        (
            mistaken(&|config| {
                config.lists = vec![list("t@example.org", &[])];
                config.aliases.push(alias("x@example.org", &["t@example.org"]));
            }),
            "alias 4, to: `t@example.org` is a mailing list",
        ),
        (
            mistaken(&|config| {
                config.lists = vec![list("t@example.org", &[])];
                config.postmaster = Some("t@example.org".into());
            }),
            "postmaster, postmaster: `t@example.org` is a mailing list",
        ),
        (
            mistaken(&|config| {
                config.lists = vec![list("t@example.org", &[])];
                config.domains[1].catch_all = Some("t@example.org".into());
            }),
            "domain 2, catch_all: `t@example.org` is a mailing list",
        ),
    ] {
        assert!(given.iter().any(|given| given == told), "{told}: {given:?}");
    }
}
