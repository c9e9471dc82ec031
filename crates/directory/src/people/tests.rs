//! People who come and go while a server runs.

use std::sync::Mutex as StdMutex;

use sasl::{
    Password,
    server::{Answer, Question},
};
use tempfile::TempDir;

use super::*;
use crate::{Attempt, Authenticator, Login, Resolution};

/// SHA-512 of `lion` by crypt(3), with the fewest rounds.
const LION: &str = "$6$rounds=1000$saltsalt$spQCvGSCwNyty0XRNutn3V6qh0Z8zQ21vaqGx/GxcLxXoHHD8px5SFn.wIeb1IQVDNNA5cgwFKIlCcPynNtzT1";

fn run<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(what)
}

fn declared() -> Config {
    Config {
        domains: vec![DomainConfig { name: "example.org".into(), ..DomainConfig::default() }],
        accounts: vec![AccountConfig { login: "postmaster@example.org".into(), ..AccountConfig::default() }],
        aliases: vec![AliasConfig {
            address: "info@example.org".into(),
            to: vec!["postmaster@example.org".into()],
        }],
        ..Config::default()
    }
}

/// A server's people, in a directory that outlives them.
struct Server {
    people: Arc<People>,
    authenticator: Authenticator,
    noticed: StdMutex<tokio::sync::mpsc::Receiver<Noticed>>,
}

impl Server {
    fn start(dir: &TempDir, declared: Config) -> Self {
        let (store, _) = Store::open(&dir.path().join("store.db"), &[SCHEMA]).unwrap();
        let (people, directory) = People::load(store, declared).unwrap();
        let authenticator = Authenticator::new(directory, b"secret");
        let (notices, noticed) = tokio::sync::mpsc::channel(16);
        authenticator.notify(notices);
        let changed = authenticator.clone();
        people.publish_to(Box::new(move |directory| changed.change(Arc::clone(directory))));
        Self { people: Arc::new(people), authenticator, noticed: StdMutex::new(noticed) }
    }

    fn add(&self, login: &str, password: impl Into<Option<NewPassword>>) -> Result<(), PeopleError> {
        let new = NewAccount { login: login.into(), password: password.into(), ..NewAccount::default() };
        run(self.people.add_account(new, 7))
    }

    fn log_in(&self, login: &str, password: &str) -> Option<Login> {
        let at = mail::Timestamp::from_millis(0);
        let attempt =
            Attempt { client: None, shared: false, at, scope: Scope::Smtp, binding: None, certificate: None };
        let question =
            Question::Password { login: login.into(), acts_as: None, password: Password::new(password) };
        let (answer, login) = run(self.authenticator.authenticate(&attempt, question));
        assert_eq!(answer == Answer::Granted, login.is_some());
        login
    }

    /// Does what is due after logins.
    fn heed(&self, now: i64) {
        let mut noticed = self.noticed.lock().unwrap();
        let mut all = Vec::new();
        while let Ok(one) = noticed.try_recv() {
            all.push(one);
        }
        let (give, mut take) = tokio::sync::mpsc::channel(16);
        for one in all {
            give.try_send(one).unwrap();
        }
        drop(give);
        run(self.people.heed(&mut take, || now));
    }

    fn account(&self, login: &str) -> Listed<AccountConfig> {
        let all = run(self.people.everyone()).accounts;
        all.into_iter().map(|(account, _)| account).find(|account| account.entry.login == login).unwrap()
    }

    fn resolves(&self, address: &str) -> bool {
        matches!(self.authenticator.directory().resolve(&address.parse().unwrap()), Resolution::Mailboxes(_))
    }
}

fn plain(text: &str) -> NewPassword {
    NewPassword::Plain(Secret::new(text))
}

fn hash(text: &str) -> NewPassword {
    NewPassword::Hash(Secret::new(text))
}

#[test]
fn what_is_added_holds_at_once_and_after_another_start() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir, declared());
    assert!(!server.resolves("anna@example.net"));
    let domain = DomainConfig { name: "Example.NET".into(), ..DomainConfig::default() };
    run(server.people.add_domain(domain)).unwrap();
    let new = NewAccount {
        login: "Anna@Example.net".into(),
        addresses: vec!["a.b@example.org".into()],
        roles: vec!["send-as-domain".into()],
        password: Some(plain("tiger")),
    };
    run(server.people.add_account(new, 7)).unwrap();
    let alias = AliasConfig { address: "Sales@example.net".into(), to: vec!["anna+s@example.net".into()] };
    run(server.people.add_alias(alias)).unwrap();
    for server in [&server, &Server::start(&dir, declared())] {
        assert!(server.resolves("anna@example.net") && server.resolves("A.B@example.org"));
        assert!(server.resolves("sales@example.net") && server.resolves("info@example.org"));
        assert!(server.log_in("anna@example.net", "tiger").is_some());
        assert!(server.log_in("anna@example.net", "lion").is_none());
        let account = server.account("anna@example.net");
        assert_eq!(
            (account.kept, account.entry.addresses),
            (Kept::InStore, vec!["a.b@example.org".to_owned()])
        );
        assert!(account.entry.password.unwrap().expose().starts_with("$argon2id$"));
        assert!(account.entry.scram.is_some());
    }
    // Only what is needed by nothing can be removed.
    let error = run(server.people.remove_domain("example.net")).unwrap_err();
    assert!(matches!(&error, PeopleError::Needed { .. }), "{error}");
    let error = run(server.people.remove_account("anna@example.net")).unwrap_err();
    assert_eq!(error.to_string(), "`anna@example.net` is needed by the alias `sales@example.net`");
    run(server.people.remove_alias("SALES@example.net")).unwrap();
    run(server.people.remove_account("ANNA@example.net")).unwrap();
    run(server.people.remove_domain("example.net")).unwrap();
    assert!(!server.resolves("anna@example.net") && server.log_in("anna@example.net", "tiger").is_none());
    assert_eq!(run(Server::start(&dir, declared()).people.everyone()).accounts.len(), 1);
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir, declared());
    server.add("anna@example.org", None).unwrap();
    for (login, password, expected) in [
        ("anna@example.org", None, "`anna@example.org` is taken by the account `anna@example.org`"),
        (
            "Postmaster@example.org",
            None,
            "`postmaster@example.org` is taken by the account `postmaster@example.org`",
        ),
        ("info@example.org", None, "`info@example.org` is taken by an alias"),
        ("bob@example.net", None, "the domain of `bob@example.net` is not declared"),
        ("bob", None, "`bob` is not an address"),
        ("bob@example.org", Some(plain("")), "the password is empty"),
        (
            "bob@example.org",
            Some(plain("a\u{7}")),
            "this password cannot be used: it has a character that no password may have",
        ),
        (
            "bob@example.org",
            Some(hash("tiger")),
            "this password cannot be used: it is a hash of a kind that is not known here",
        ),
        (
            "bob@example.org",
            Some(hash("{PLAIN}tiger")),
            "this password cannot be used: it is a hash of a kind",
        ),
        ("bob@example.org", Some(hash("$6$x")), "this password cannot be used: it begins like a hash"),
    ] {
        let error = server.add(login, password).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{login}: {error}");
    }
    let alias = |address: &str, to: &str| AliasConfig { address: address.into(), to: vec![to.into()] };
    let error = run(server.people.add_alias(alias("all@example.org", "who@example.org"))).unwrap_err();
    assert_eq!(error.to_string(), "nobody has the address `who@example.org`");
    let error = run(server.people.set_disabled("postmaster@example.org", true)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the account `postmaster@example.org` is declared in the configuration file"
    );
    let error = run(server.people.set_disabled("who@example.org", true)).unwrap_err();
    assert_eq!(error.to_string(), "there is no account `who@example.org`");
    assert_eq!(run(server.people.everyone()), run(Server::start(&dir, declared()).people.everyone()));
}

#[test]
fn the_configuration_comes_first() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir, declared());
    for login in ["anna@example.org", "bob@example.org", "carol@example.org"] {
        server.add(login, plain("tiger")).unwrap();
    }
    let mut other = declared();
    let account = |login: &str| AccountConfig { login: login.into(), ..AccountConfig::default() };
    other.accounts.push(AccountConfig { password: Some(Secret::new("lion")), ..account("Anna@example.org") });
    other
        .aliases
        .push(AliasConfig { address: "bob@example.org".into(), to: vec!["anna@example.org".into()] });
    let started = Server::start(&dir, other.clone());
    let changed = server.authenticator.clone();
    server.people.redeclare(other, |directory| changed.change(Arc::clone(directory))).unwrap();
    for server in [&server, &started] {
        assert!(server.log_in("anna@example.org", "lion").is_some(), "the file's password counts");
        assert!(server.log_in("anna@example.org", "tiger").is_none());
        assert!(server.log_in("bob@example.org", "tiger").is_none(), "it is an alias now");
        assert!(server.log_in("carol@example.org", "tiger").is_some());
        let bob = server.account("bob@example.org");
        assert!(bob.left_out.is_some_and(|why| why.contains("already declared")));
        // What does not hold is in the way of nothing, and can be removed.
        run(server.people.set_disabled("carol@example.org", true)).unwrap();
        run(server.people.set_disabled("carol@example.org", false)).unwrap();
    }
    run(server.people.remove_account("bob@example.org")).unwrap();
    let changed = server.authenticator.clone();
    server.people.redeclare(declared(), |directory| changed.change(Arc::clone(directory))).unwrap();
    assert!(server.log_in("anna@example.org", "tiger").is_some(), "the store's is there again");
    assert!(!server.resolves("bob@example.org"));
}

#[test]
fn a_domain_that_the_configuration_loses_leaves_its_people_in_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir, declared());
    (0..50).for_each(|n| server.add(&format!("user{n}@example.org"), None).unwrap());
    let mut other = declared();
    other.domains = vec![DomainConfig { name: "example.net".into(), ..DomainConfig::default() }];
    other.accounts =
        vec![AccountConfig { login: "postmaster@example.net".into(), ..AccountConfig::default() }];
    other.aliases = Vec::new();
    let other = Server::start(&dir, other);
    let everyone = run(other.people.everyone());
    assert_eq!(everyone.accounts.iter().filter(|(account, _)| account.left_out.is_some()).count(), 50);
    let domain = DomainConfig { name: "example.org".into(), ..DomainConfig::default() };
    run(other.people.add_domain(domain)).unwrap();
    assert!(other.resolves("user7@example.org"), "with the domain they hold again");
}

#[test]
fn the_postmaster_that_nobody_declared_makes_room_for_one_in_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let implied = || Config { implied: Some("postmaster@example.org".into()), ..declared() };
    let server = Server::start(&dir, implied());
    server.add("anna@example.org", None).unwrap();
    assert_eq!(server.authenticator.directory().postmaster().to_string(), "postmaster@example.org");
    server.add("postmaster@example.org", plain("tiger")).unwrap();
    for server in [&server, &Server::start(&dir, implied())] {
        assert!(server.log_in("postmaster@example.org", "tiger").is_some());
        assert_eq!(server.authenticator.directory().postmaster().to_string(), "postmaster@example.org");
        assert_eq!(server.account("postmaster@example.org").kept, Kept::InStore);
    }
}

#[test]
fn a_disabled_account_is_heard_no_more_and_still_gets_mail() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir, declared());
    server.add("anna@example.org", plain("tiger")).unwrap();
    let (app, words) =
        run(server.people.add_app_password("anna@example.org", "phone", vec![Scope::Smtp], 1)).unwrap();
    let sessions = [
        server.log_in("anna@example.org", "tiger").unwrap(),
        server.log_in("anna@example.org", &words).unwrap(),
    ];
    let holds = |login: &Login| server.authenticator.directory().holds(login);
    assert!(sessions.iter().all(holds));
    run(server.people.set_disabled("anna@example.org", true)).unwrap();
    for server in [&server, &Server::start(&dir, declared())] {
        assert!(!sessions.iter().any(|login| server.authenticator.directory().holds(login)));
        assert!(server.log_in("anna@example.org", "tiger").is_none());
        assert!(server.log_in("anna@example.org", &words).is_none());
        assert!(server.resolves("anna@example.org"));
    }
    run(server.people.set_disabled("anna@example.org", false)).unwrap();
    assert!(sessions.iter().all(holds) && server.log_in("anna@example.org", "tiger").is_some());
    run(server.people.remove_app_password("anna@example.org", &app.id)).unwrap();
    assert!(server.log_in("anna@example.org", &words).is_none());
    let [password, by_app] = &sessions;
    assert!(holds(password) && !holds(by_app), "who came by the app password is heard no more");
    let error = run(server.people.remove_app_password("anna@example.org", &app.id)).unwrap_err();
    assert!(matches!(error, PeopleError::Unknown { what: "app password", .. }), "{error}");
}

#[test]
fn an_app_password_tells_when_it_was_used() {
    const MINUTE: i64 = 60_000;
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir, declared());
    server.add("anna@example.org", None).unwrap();
    let (_, words) =
        run(server.people.add_app_password("anna@example.org", "phone", vec![Scope::Smtp], 1)).unwrap();
    let last_used =
        |server: &Server| server.account("anna@example.org").entry.app_passwords.first().unwrap().last_used;
    assert_eq!(last_used(&server), None);
    for (now, kept) in [(MINUTE, MINUTE), (5 * MINUTE, MINUTE), (12 * MINUTE, 12 * MINUTE)] {
        assert!(server.log_in("anna@example.org", &words).is_some());
        server.heed(now);
        assert_eq!(last_used(&server), Some(kept));
        assert_eq!(last_used(&Server::start(&dir, declared())), Some(kept));
    }
    for (name, scopes) in [("", vec![Scope::Smtp]), ("x", Vec::new()), ("a\nb", vec![Scope::Api])] {
        let error = run(server.people.add_app_password("anna@example.org", name, scopes, 1)).unwrap_err();
        assert!(matches!(error, PeopleError::Invalid(_)), "{error}");
    }
}

#[test]
fn a_hash_from_elsewhere_becomes_one_of_today_at_the_first_login() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir, declared());
    server.add("anna@example.org", hash(LION)).unwrap();
    let kept = |server: &Server| server.account("anna@example.org").entry;
    assert!(server.log_in("anna@example.org", "tiger").is_none());
    server.heed(1);
    assert_eq!(kept(&server).password.unwrap().expose(), LION, "a wrong password renews nothing");
    assert!(server.log_in("anna@example.org", "lion").is_some());
    server.heed(1);
    for server in [&server, &Server::start(&dir, declared())] {
        let AccountConfig { password, scram, .. } = kept(server);
        assert!(password.unwrap().expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(scram.is_some(), "and SCRAM works with it");
        assert!(offered(server).contains("SCRAM-SHA-256"));
        assert!(server.log_in("anna@example.org", "lion").is_some());
        assert!(server.noticed.lock().unwrap().try_recv().is_err(), "there is nothing more to renew");
    }
}

#[test]
fn a_password_that_was_changed_meanwhile_is_not_brought_back() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir, declared());
    server.add("anna@example.org", hash(LION)).unwrap();
    assert!(server.log_in("anna@example.org", "lion").is_some());
    run(server.people.set_password("anna@example.org", plain("tiger"))).unwrap();
    server.heed(1);
    assert!(server.log_in("anna@example.org", "lion").is_none());
    assert!(server.log_in("anna@example.org", "tiger").is_some());
}

/// A server shows one salt before it learns which password is meant: all keys of an account have the same.
#[test]
fn app_passwords_leave_scram_to_everybody() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir, declared());
    server.add("anna@example.org", plain("tiger")).unwrap();
    server.add("bob@example.org", None).unwrap();
    let make =
        |login: &str| run(server.people.add_app_password(login, "phone", vec![Scope::Smtp], 1)).unwrap();
    for login in ["anna@example.org", "bob@example.org"] {
        make(login);
        make(login);
        run(server.people.set_password(login, plain("lion"))).unwrap();
        make(login);
    }
    for server in [&server, &Server::start(&dir, declared())] {
        for login in ["anna@example.org", "bob@example.org"] {
            let AccountConfig { scram, app_passwords, .. } = server.account(login).entry;
            let own = scram.unwrap();
            let keys = app_passwords.iter().map(|app| app.scram.as_ref().unwrap());
            assert!(keys.clone().all(|keys| keys.salt == own.salt && keys.iterations == own.iterations));
            assert!(keys.clone().all(|keys| keys.stored_key != own.stored_key));
            assert_eq!(keys.count(), 3);
        }
        assert!(offered(server).contains("SCRAM-SHA-256"));
    }
    let [anna, bob] =
        ["anna@example.org", "bob@example.org"].map(|login| server.account(login).entry.scram.unwrap());
    assert_ne!(anna.salt, bob.salt);
}

fn offered(server: &Server) -> String {
    let (at, scope) = (mail::Timestamp::from_millis(0), Scope::Smtp);
    let anybody = Attempt { client: None, shared: false, at, scope, binding: None, certificate: None };
    server.authenticator.mechanisms(&anybody).to_string()
}

#[test]
fn addresses_and_roles_change() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir, declared());
    server.add("anna@example.org", plain("tiger")).unwrap();
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let more = Rights {
        add_addresses: texts(&["a@example.org", "B@example.org", "a@example.org"]),
        add_roles: texts(&["send-as-domain"]),
        ..Rights::default()
    };
    run(server.people.change_rights("Anna@example.org", &more)).unwrap_err();
    let more = Rights { add_addresses: texts(&["a@example.org", "B@example.org"]), ..more };
    run(server.people.change_rights("Anna@example.org", &more)).unwrap();
    assert!(server.resolves("a@example.org") && server.resolves("b@example.org"));
    let less = Rights {
        remove_addresses: texts(&["A@example.org", "none@example.org"]),
        remove_roles: texts(&["send-as-domain"]),
        ..Rights::default()
    };
    run(server.people.change_rights("anna@example.org", &less)).unwrap();
    for server in [&server, &Server::start(&dir, declared())] {
        let AccountConfig { addresses, roles, .. } = server.account("anna@example.org").entry;
        assert_eq!((addresses, roles), (texts(&["b@example.org"]), Vec::new()));
    }
    let bad = Rights { add_roles: texts(&["king"]), ..Rights::default() };
    let error = run(server.people.change_rights("anna@example.org", &bad)).unwrap_err();
    assert_eq!(error.to_string(), "there is no role `king`");
}

#[test]
fn the_secret_of_logins_stays_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let first = Server::start(&dir, declared()).people.login_secret(&[1; 32]).unwrap();
    let second = Server::start(&dir, declared()).people.login_secret(&[2; 32]).unwrap();
    assert_eq!((first, second), (vec![1; 32], vec![1; 32]));
}

fn list_of(server: &Server, address: &str) -> ListConfig {
    let lists = run(server.people.everyone()).lists;
    lists.into_iter().map(|list| list.entry).find(|list| list.address == address).unwrap()
}

#[test]
fn lists_are_kept_and_changed() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir, declared());
    server.add("anna@example.org", None).unwrap();
    let members = vec!["Anna@example.org".into(), "eve@elsewhere.example".into(), "anna@example.org".into()];
    let new = ListConfig { address: "Talk@Example.org".into(), members, ..ListConfig::default() };
    run(server.people.add_list(new.clone())).unwrap();
    assert!(matches!(run(server.people.add_list(new)), Err(PeopleError::Taken { .. })));
    let change = ListChange {
        title: Some("Talk".into()),
        post: Some("owners".into()),
        add_members: vec!["bob@elsewhere.example".into(), "eve@elsewhere.example".into()],
        remove_members: vec!["ANNA@example.org".into(), "nobody@elsewhere.example".into()],
        add_owners: vec!["anna@example.org".into()],
        ..ListChange::default()
    };
    run(server.people.change_list("TALK@example.org", change)).unwrap();
    for server in [&server, &Server::start(&dir, declared())] {
        let kept = list_of(server, "talk@example.org");
        assert_eq!(kept.members, ["eve@elsewhere.example", "bob@elsewhere.example"]);
        assert_eq!(
            (&kept.owners[..], kept.title.as_deref()),
            (&["anna@example.org".to_owned()][..], Some("Talk"))
        );
        assert_eq!(kept.post.as_deref(), Some("owners"));
        assert!(server.resolves("talk-owner@example.org"));
    }
    assert!(matches!(run(server.people.remove_account("anna@example.org")), Err(PeopleError::Needed { .. })));
    let nobody = ListChange { add_members: vec!["x@example.org".into()], ..ListChange::default() };
    assert!(matches!(run(server.people.change_list("talk@example.org", nobody)), Err(PeopleError::Wrong(_))));
    assert_eq!(list_of(&server, "talk@example.org").members.len(), 2);
    run(server.people.remove_list("talk@example.org")).unwrap();
    assert!(matches!(run(server.people.remove_list("talk@example.org")), Err(PeopleError::Unknown { .. })));
    run(server.people.remove_account("anna@example.org")).unwrap();
    let again = ListConfig { address: "talk@example.org".into(), ..ListConfig::default() };
    run(server.people.add_list(again)).unwrap();
    assert!(list_of(&server, "talk@example.org").members.is_empty(), "its rows went with it");
}
