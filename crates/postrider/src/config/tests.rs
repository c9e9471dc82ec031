//! What is said about wrong files, and that the reference tells the truth.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::PermissionsExt,
    path::Path,
};

use proptest::prelude::*;
use toml_span::Value;

use super::{Config, LoadError, Report, Signing, effective, load, parse};

const REFERENCE: &str = include_str!("../../../../docs/reference/configuration.md");
const FIRST_SERVER: &str = include_str!("../../../../docs/guides/first-server.md");
const SMALL: &str = "hostname = \"mail.example.org\"\n";

/// The rendered report about a text, with a path that is the same everywhere.
fn report(source: &str) -> String {
    let (_, problems, _) = parse(source, Path::new("/nowhere"));
    assert!(!problems.is_empty(), "nothing was found wrong with:\n{source}");
    Report { path: "postrider.toml".into(), source: source.to_owned(), problems }.render(false)
}

/// One report after the other, each under what it is about.
fn reports(cases: &[(&str, &str)], before: &str) -> String {
    let one =
        |(name, source): &(&str, &str)| format!("## {name}\n{}\n", report(&format!("{before}{source}")));
    cases.iter().map(one).collect::<Vec<_>>().join("\n")
}

/// Compares with what is kept for the calling test.
#[track_caller]
fn snapshot(text: &str) {
    let thread = std::thread::current();
    let name = thread.name().and_then(|name| name.rsplit("::").next()).unwrap().to_owned();
    insta::assert_snapshot!(name, text);
}

fn good(source: &str) -> Config {
    let (config, problems, _) = parse(source, Path::new("/etc/postrider"));
    assert_eq!(problems, [], "{source}");
    config.unwrap()
}

#[test]
fn text_that_is_no_toml_is_shown_where_it_breaks() {
    snapshot(&reports(
        &[
            ("no value", "hostname =\n"),
            ("no quotes", "hostname = mail.example.org\n"),
            ("no end of text", "hostname = \"mail.example.org\n"),
            ("key twice", "hostname = \"a.example\"\nhostname = \"b.example\"\n"),
            ("section twice", "hostname = \"a.example\"\n[dns]\n[log]\n[dns]\n"),
            (
                "single brackets",
                "hostname = \"a.example\"\n[domain]\nname = \"example.org\"\n[domain]\nname = \"example.net\"\n",
            ),
        ],
        "",
    ));
}

#[test]
fn the_top_of_the_file() {
    snapshot(&reports(
        &[
            ("empty", ""),
            ("hostname missing", "# nothing\n[dns]\n"),
            ("hostname not text", "hostname = 5\n"),
            ("hostname short", "hostname = \"localhost\"\n"),
            ("hostname with dot", "hostname = \"mail.example.org.\"\n"),
            ("hostname is an address", "hostname = \"192.0.2.1\"\n"),
            ("hostname not ASCII", "hostname = \"bücher.example\"\n"),
            ("data_dir empty", "hostname = \"mail.example.org\"\ndata_dir = \"\"\n"),
            ("unknown key", "hostnam = \"mail.example.org\"\n"),
            ("key of another section", "hostname = \"mail.example.org\"\nrecipients_max = 5\n"),
            ("unknown section", "hostname = \"mail.example.org\"\n[recieve]\n"),
            ("section is no section", "hostname = \"mail.example.org\"\ndns = \"127.0.0.1\"\n"),
            ("tls", "hostname = \"mail.example.org\"\n[[tls.certificate]]\nkey = \"key.pem\"\n"),
        ],
        "",
    ));
}

#[test]
fn mailboxes_have_ports_by_their_tls() {
    let services = "[tls.acme]\nagree_to_terms = true\n[deliver]\nlocal = \"mailstore\"\n\
                    [[listener]]\nservice = \"imap\"\n[[listener]]\nservice = \"imap\"\ntls = \"implicit\"\n[[listener]]\nservice = \"pop3\"\ntls = \"starttls\"\n[[listener]]\nservice = \"pop3\"\ntls = \"implicit\"\nproxy = \"none\"\n";
    let listeners = good(&format!("{SMALL}{services}")).listeners;
    let shown = listeners
        .iter()
        .map(|listener| (listener.service.name(), listener.tls.word(), listener.bind[0].port()));
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [
            ("imap", "starttls", 143),
            ("imap", "implicit", 993),
            ("pop3", "starttls", 110),
            ("pop3", "implicit", 995)
        ]
    );
}

#[test]
fn http_is_under_tls_where_there_is_a_certificate() {
    let shown = |more: &str| {
        let listener = &good(&format!("{SMALL}{more}[[listener]]\nservice = \"http\"\n")).listeners[0];
        (listener.tls.word(), listener.bind[0].port())
    };
    assert_eq!(shown(""), ("none", 80));
    assert_eq!(shown("[tls.acme]\nagree_to_terms = true\n"), ("implicit", 443));
}

#[test]
fn mistakes_about_policies_of_tls() {
    let policy = |rest: &str| format!("[[tls.policy]]\n{rest}");
    let digits = "ab".repeat(32);
    let cases = [
        ("nothing said", policy("")),
        ("mode misspelt", policy("domains = \"example.net\"\nmode = \"verfy\"\n")),
        ("mode of others", policy("domains = \"example.net\"\nmode = \"encrypt\"\n")),
        ("mode misspelt for all", "[deliver]\ntls = \"oportunistic\"\n".to_owned()),
        ("fingerprint for all", "[deliver]\ntls = \"fingerprint\"\n".to_owned()),
        ("no fingerprint", policy("domains = \"example.net\"\nmode = \"fingerprint\"\n")),
        (
            "no such fingerprint",
            policy("domains = \"example.net\"\nmode = \"fingerprint\"\nfingerprints = \"sha1:00\"\n"),
        ),
        (
            "fingerprint with another mode",
            policy(&format!(
                "domains = \"example.net\"\nmode = \"must\"\nfingerprints = \"sha256:{digits}\"\n"
            )),
        ),
        (
            "names with another mode",
            policy(
                "domains = \"example.net\"\nmode = \"must\"\nnames = \"a.example.net\"\nca_file = \"ca.pem\"\n",
            ),
        ),
        (
            "name with a star",
            policy("domains = \"example.net\"\nmode = \"verify\"\nnames = \"*.example.net\"\n"),
        ),
        ("key misspelt", policy("domains = \"example.net\"\nmode = \"verify\"\nname = \"a.example.net\"\n")),
        (
            "never holds",
            policy(
                "domains = \".example.net\"\nmode = \"must\"\n[[tls.policy]]\ndomains = \"a.example.net\"\nmode = \"none\"\n",
            ),
        ),
        (
            "no trust anchor",
            "[dns]\ntrust_anchors = [\"example.org. DS 1 13 2 00\", \". DNSKEY 257 3 8 &\"]\n".to_owned(),
        ),
        ("DNSSEC half on", "[dns]\ndnssec = \"yes\"\n".to_owned()),
    ];
    let cases: Vec<(&str, &str)> = cases.iter().map(|(name, source)| (*name, source.as_str())).collect();
    snapshot(&reports(&cases, SMALL));
}

#[test]
fn certificates_by_acme() {
    let agreed = |rest: &str| format!("[tls.acme]\nagree_to_terms = true\n{rest}");
    let cases = [
        ("nobody agreed", "[tls.acme]\nnames = [\"mail.example.org\"]\n".to_owned()),
        ("somebody disagreed", "[tls.acme]\nagree_to_terms = false\n".to_owned()),
        ("agreement in words", "[tls.acme]\nagree_to_terms = \"yes\"\n".to_owned()),
        ("no directory", agreed("directory = \"lets-encrypt\"\n")),
        ("directory in clear", agreed("directory = \"http://ca.example/dir\"\n")),
        ("contact as a URL", agreed("contact = [\"mailto:me@example.org\"]\n")),
        ("no name", agreed("names = []\n")),
        ("name of no host", agreed("names = [\"localhost\", \"192.0.2.1\", \"bücher.example\"]\n")),
        ("wildcard without DNS", agreed("names = [\"*.example.org\"]\n")),
        ("challenge misspelt", agreed("challenge = \"http\"\n")),
        ("DNS without server", agreed("challenge = \"dns-01\"\n")),
        (
            "half a key",
            agreed("challenge = \"dns-01\"\ndns_server = \"192.0.2.53\"\ndns_key_name = \"acme\"\n"),
        ),
        (
            "key of no form",
            agreed(
                "challenge = \"dns-01\"\ndns_server = \"192.0.2.53\"\ndns_key_name = \"a b\"\ndns_key = \"&&\"\ndns_wait = \"2h\"\n",
            ),
        ),
        ("half an account", agreed("eab_key = \"AAAA\"\n")),
        ("profile of several words", agreed("profile = \"a b\"\n")),
        ("answers nowhere", agreed("bind = []\n")),
        (
            "port taken",
            agreed("bind = [\"0.0.0.0:25\"]\n[[listener]]\nservice = \"smtp\"\nbind = [\"192.0.2.1:25\"]\n"),
        ),
        ("port of HTTP taken", agreed("[[listener]]\nservice = \"smtp\"\nbind = [\"192.0.2.1:80\"]\n")),
        ("unknown key", agreed("name = \"mail.example.org\"\n")),
    ];
    let cases: Vec<(&str, &str)> = cases.iter().map(|(name, source)| (*name, source.as_str())).collect();
    snapshot(&reports(&cases, SMALL));
}

#[test]
fn acme_has_defaults_that_suit_a_mail_server() {
    let acme = |more: &str| {
        let config = good(&format!("{SMALL}[tls.acme]\nagree_to_terms = true\n{more}"));
        let bind = &config.acme.as_ref().unwrap().settings.bind;
        let bind: Vec<String> = bind.iter().map(ToString::to_string).collect();
        (config, bind)
    };
    let (config, bind) = acme("");
    let settings = config.acme.unwrap().settings;
    assert_eq!(
        (settings.names, bind),
        (vec!["mail.example.org".into()], vec!["0.0.0.0:80".into(), "[::]:80".into()])
    );
    assert_eq!(settings.dir, Path::new("/var/lib/postrider/acme"));
    assert_eq!(config.listeners[0].tls, super::Tls::OnDemand);
    let by_tls = "challenge = \"tls-alpn-01\"\n";
    assert_eq!(acme(by_tls).1, ["0.0.0.0:443", "[::]:443"]);
    // A listener that begins with TLS there answers by itself.
    let there = "[[listener]]\nservice = \"submission\"\nbind = [\"0.0.0.0:443\"]\ntls = \"implicit\"\n";
    assert_eq!(acme(&format!("{by_tls}{there}")).1, [""; 0]);
    let elsewhere = there.replace("443", "465");
    assert_eq!(acme(&format!("{by_tls}{elsewhere}")).1.len(), 2);
    assert_eq!(acme(&format!("{by_tls}bind = []\n{elsewhere}")).1, [""; 0]);
    // And so does one for HTTP in clear, where that is asked for.
    let web = "[[listener]]\nservice = \"http\"\ntls = \"none\"\nbind = [\"0.0.0.0:80\"]\n";
    assert_eq!(acme(web).1, [""; 0]);
    assert_eq!(acme(&web.replace(":80", ":8080")).1, ["0.0.0.0:80", "[::]:80"]);
    assert_eq!(acme(&format!("bind = []\n{}", web.replace(":80", ":8080"))).1, [""; 0]);
    let https = "[[listener]]\nservice = \"http\"\n";
    assert_eq!(acme(https).1.len(), 2);
    assert_eq!(acme(&format!("{by_tls}{https}")).1, [""; 0]);
    // Our own name comes first.
    let names = "names = [\"imap.example.org\", \"Mail.example.org\", \"*.example.org\"]\nchallenge = \"dns-01\"\ndns_server = \"::1\"\n";
    let settings = acme(names).0.acme.unwrap().settings;
    assert_eq!(settings.names, ["mail.example.org", "imap.example.org", "*.example.org"]);
}

#[test]
fn who_is_believed_is_read_when_the_file_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("postrider.toml");
    fs::write(&file, format!("{SMALL}[tls.acme]\nagree_to_terms = true\nca_file = \"ca.pem\"\n")).unwrap();
    let load = |text: Option<&str>| {
        if let Some(text) = text {
            fs::write(dir.path().join("ca.pem"), text).unwrap();
        }
        load(&file).map_err(|error| match error {
            LoadError::Wrong(report) => report.render(false),
            LoadError::Read { source, .. } => source.to_string(),
        })
    };
    assert!(load(None).unwrap_err().contains("ca.pem: no such file"));
    assert!(load(Some("hello")).unwrap_err().contains("there is no certificate in it"));
    let made = rcgen::generate_simple_self_signed(vec!["ca.example".to_owned()]).unwrap();
    let config = load(Some(&made.cert.pem())).unwrap();
    assert!(matches!(config.acme.unwrap().settings.anchors, net::Anchors::Pem(_)));
}

#[test]
fn listeners() {
    snapshot(&reports(
        &[
            ("single brackets", "[listener]\nservice = \"smtp\"\n"),
            ("service missing", "[[listener]]\nbind = [\"0.0.0.0:25\"]\n"),
            ("service misspelt", "[[listener]]\nservice = \"submision\"\n"),
            ("service of later", "[[listener]]\nservice = \"managesieve\"\n"),
            ("mailboxes without a certificate", "[[listener]]\nservice = \"pop3\"\n"),
            ("mailboxes in clear", "[[listener]]\nservice = \"pop3\"\ntls = \"none\"\n"),
            (
                "mailboxes elsewhere",
                "[deliver]\nlocal = \"maildir\"\n[[listener]]\nservice = \"pop3\"\ntls = \"implicit\"\n",
            ),
            ("mailboxes misspelt", "[[listener]]\nservice = \"pop\"\n"),
            ("service unknown", "[[listener]]\nservice = \"gopher\"\n"),
            ("http by STARTTLS", "[[listener]]\nservice = \"http\"\ntls = \"starttls\"\n"),
            (
                "certificates of who asks by http",
                "[[listener]]\nservice = \"http\"\nclient_certificates = \"requested\"\n",
            ),
            ("tls without a certificate", "[[listener]]\nservice = \"smtp\"\ntls = \"starttls\"\n"),
            ("tls of no kind", "[[listener]]\nservice = \"smtp\"\ntls = \"ssl\"\n"),
            ("tls unknown", "[[listener]]\nservice = \"smtp\"\ntls = true\n"),
            ("lmtp for nobody", "[[listener]]\nservice = \"lmtp\"\n"),
            (
                "lmtp on port 25",
                "[receive]\nlmtp_networks = [\"::1\"]\n[[listener]]\nservice = \"lmtp\"\nbind = [\"[::1]:25\"]\n",
            ),
            ("bind no list", "[[listener]]\nservice = \"smtp\"\nbind = \"0.0.0.0:25\"\n"),
            ("bind empty", "[[listener]]\nservice = \"smtp\"\nbind = []\n"),
            ("bind not text", "[[listener]]\nservice = \"smtp\"\nbind = [25]\n"),
            ("bind without port", "[[listener]]\nservice = \"smtp\"\nbind = [\"192.0.2.1\", \"::1\"]\n"),
            ("bind by name", "[[listener]]\nservice = \"smtp\"\nbind = [\"localhost:25\"]\n"),
            ("port too high", "[[listener]]\nservice = \"smtp\"\nbind = [\"0.0.0.0:65536\"]\n"),
            (
                "same address",
                "[[listener]]\nservice = \"smtp\"\nbind = [\"192.0.2.1:25\", \"192.0.2.1:25\"]\n",
            ),
            (
                "any and one",
                "[[listener]]\nservice = \"smtp\"\nbind = [\"0.0.0.0:25\"]\n\n[[listener]]\nservice = \"submission\"\nbind = [\"127.0.0.1:25\"]\n",
            ),
            ("defaults", "[[listener]]\nservice = \"smtp\"\n\n[[listener]]\nservice = \"smtp\"\n"),
        ],
        SMALL,
    ));
}

#[test]
fn limits_and_deadlines() {
    snapshot(&reports(
        &[
            ("unknown key", "[receive]\nmessage_size_maximum = \"50MiB\"\n"),
            ("far from any key", "[log]\ncolour = true\n"),
            ("size is a number", "[receive]\nmessage_size_max = 52428800\n"),
            ("size without unit", "[receive]\nmessage_size_max = \"50\"\n"),
            ("size too small", "[receive]\nmessage_size_max = \"1KiB\"\n"),
            ("size overflows", "[receive]\nmessage_size_max = \"99999999999999TiB\"\n"),
            ("number is text", "[receive]\nrecipients_max = \"many\"\n"),
            ("number is a fraction", "[receive]\nrecipients_max = 1.5\n"),
            ("number too small", "[receive]\nrecipients_max = 10\n"),
            ("number negative", "[receive]\nerrors_max = -1\n"),
            ("number huge", "[receive]\nsessions_max = 9223372036854775807\n"),
            ("number beyond TOML", "[receive]\nsessions_max = 9223372036854775808\n"),
            ("duration is a number", "[receive]\nidle_timeout = 300\n"),
            ("duration without unit", "[receive]\nidle_timeout = \"300\"\n"),
            ("duration too long", "[receive]\ncontent_timeout = \"2h\"\n"),
            ("duration overflows", "[queue]\nexpire = \"99999999999999999w\"\n"),
            (
                "network",
                "[receive]\ntrusted_networks = [\"10.0.0.0/8\", \"192.0.2.1/24\", \"nonsense\", \"10.0.0.0/33\"]\n",
            ),
            ("open relay", "[receive]\ntrusted_networks = [\"0.0.0.0/0\", \"::/0\"]\n"),
            ("retry empty", "[queue]\nretry = []\n"),
            ("retry wrong", "[queue]\nretry = [\"1m\", \"soon\", 5, \"0s\"]\n"),
            ("delay notice", "[queue]\ndelay_notice = \"30s\"\n"),
            ("delay notice in other words", "[queue]\ndelay_notice = \"off\"\n"),
            ("delay notice as a number", "[queue]\ndelay_notice = 0\n"),
            ("port", "[deliver]\nport = 0\n"),
            ("mailboxes nowhere", "[deliver]\nlocal = \"dovecot\"\n"),
            ("mailboxes of no list", "[deliver]\nlocal = []\n"),
            ("mailboxes by SMTP", "[deliver]\nlocal = \"smtp:store.example.org\"\n"),
            ("mailboxes in two places", "[deliver]\nlocal = [\"maildir\", \"lmtp:192.0.2.1:24\"]\n"),
            ("mailboxes in two ways", "[deliver]\nlocal = [\"maildir\", \"mailstore\"]\n"),
            ("mailboxes at home", "[deliver]\nlocal = \"lmtp:127.0.0.1:25\"\n"),
            (
                "mailboxes in a circle",
                "[receive]\nlmtp_networks = [\"::1\"]\n[[listener]]\nservice = \"lmtp\"\nbind = [\"[::1]:24\"]\n[deliver]\nlocal = \"lmtp:[::1]:24\"\n",
            ),
            ("a Maildir beside the mailstore", "[deliver]\nmaildir = \"/srv/mail\"\nlocal = \"mailstore\"\n"),
            (
                "a Maildir for nothing",
                "[deliver]\nmaildir = \"/srv/mail\"\nlocal = \"lmtp:unix:/run/dovecot/lmtp\"\n",
            ),
            ("private addresses", "[deliver]\nprivate_addresses = \"alow\"\n"),
            ("DNS server", "[dns]\nservers = [\"dns.example.org\"]\n"),
            ("a measure that is none", "[verify]\nspf_fail = \"quarantine\"\n"),
            ("everybody is trusted", "[verify]\ntrusted_sealers = \"*\"\n"),
            (
                "a sealer is no domain",
                "[verify]\ntrusted_sealers = [\"lists.example.net\", \"joe@example.net\"]\n",
            ),
            ("waits too long", "[verify]\ndefer_max = \"2h\"\n"),
            ("log", "[log]\nformat = \"xml\"\nlevel = \"inof\"\n"),
        ],
        SMALL,
    ));
}

#[test]
fn routes() {
    const ROUTE: &str = "[[route]]\ndomains = ";
    let to = |to: &str| format!("{ROUTE}\"example.net\"\nto = {to}\n");
    let cases = [
        ("nothing said", "[[route]]\n".to_owned()),
        ("empty lists", "[[route]]\ndomains = []\nto = []\n".to_owned()),
        ("key misspelt", "[[route]]\ndomain = \"example.net\"\nto = \"mx\"\n".to_owned()),
        ("domain wrong", format!("{ROUTE}[\"*.example.net\", \"a b\", 5]\nto = \"mx\"\n")),
        ("no protocol", to("\"mail.example.net:25\"")),
        ("protocol unknown", to("\"uucp:mail.example.net\"")),
        ("a URL", to("\"smtp://mail.example.net\"")),
        ("brackets of Postfix", to("\"smtp:[mail.example.net]:25\"")),
        ("IPv6 without brackets", to("\"smtp:2001:db8::1\"")),
        ("port wrong", to("\"smtp:mail.example.net:smtp\"")),
        ("port zero", to("\"smtp:mail.example.net:0\"")),
        ("address wrong", to("\"smtp:192.0.2.256\"")),
        ("LMTP without port", to("\"lmtp:mail.example.net\"")),
        ("LMTP on the port of SMTP", to("\"lmtp:mail.example.net:25\"")),
        ("socket of half a path", to("\"lmtp:unix:run/lmtp\"")),
        ("socket with a way up", to("\"lmtp:unix:/run/../lmtp\"")),
        ("socket too long", to(&format!("\"lmtp:unix:/{}\"", "x".repeat(107)))),
        ("socket of SMTP", to("\"smtp:unix:/run/smtp\"")),
        ("two protocols", to("[\"lmtp:mail.example.net:24\", \"smtp:mail.example.net\"]")),
        (
            "our own LMTP",
            format!(
                "[receive]\nlmtp_networks = [\"127.0.0.1\"]\n[[listener]]\nservice = \"lmtp\"\nbind = [\"0.0.0.0:24\"]\n{}",
                to("\"lmtp:127.0.0.1:24\"")
            ),
        ),
        ("MX of nothing", to("\"mx:\"")),
        ("MX and hosts", to("[\"mx\", \"smtp:mail.example.net\"]")),
        ("host twice", to("[\"smtp:mail.example.net\", \"smtp:mail.example.net\"]")),
        ("our own name", to("\"smtp:mail.example.org\"")),
        (
            "our own address",
            format!(
                "[[listener]]\nservice = \"smtp\"\nbind = [\"192.0.2.1:2525\"]\n{}",
                to("\"smtp:192.0.2.1:2525\"")
            ),
        ),
        ("loopback, where we listen", to("\"smtp:127.0.0.1\"")),
        ("domain twice", format!("{}{}", to("\"mx:example.com\""), to("\"mx\""))),
        ("domain twice in one", format!("{ROUTE}[\"example.net\", \"Example.net\"]\nto = \"mx\"\n")),
        (
            "covered by a wider one",
            format!("{ROUTE}\".example.net\"\nto = \"mx\"\n{ROUTE}\"a.example.net\"\nto = \"mx\"\n"),
        ),
        ("behind all", format!("{ROUTE}\"*\"\nto = \"mx\"\n{}", to("\"mx:example.com\""))),
        (
            "domain of ours",
            format!("[[domain]]\nname = \"example.org\"\n{ROUTE}\"example.org\"\nto = \"mx:example.com\"\n"),
        ),
        ("our own name as a domain", format!("{ROUTE}\"mail.example.org\"\nto = \"mx\"\n")),
    ];
    let cases: Vec<(&str, &str)> = cases.iter().map(|(name, source)| (*name, source.as_str())).collect();
    snapshot(&reports(&cases, SMALL));
}

#[test]
fn rules() {
    let rule = |more: &str| format!("[[rule]]\nname = \"one\"\n{more}");
    let reply = |action: &str, reply: &str| {
        rule(&format!("action = \"{action}\"\nsenders = \"*\"\nreply = \"{reply}\"\n"))
    };
    let hold = |more: &str| rule(&format!("action = \"hold\"\n{more}"));
    let two = |first: &str, second: &str| {
        format!("[[rule]]\nname = \"one\"\n{first}[[rule]]\nname = \"two\"\n{second}")
    };
    let cases = [
        ("nothing said", "[[rule]]\n".to_owned()),
        ("no condition", hold("")),
        ("name wrong", "[[rule]]\nname = \"no spam\"\naction = \"hold\"\nsenders = \"*\"\n".into()),
        (
            "name twice",
            two(
                "action = \"hold\"\nsenders = \"a.example\"\n",
                "action = \"drop\"\nsenders = \"b.example\"\n",
            )
            .replace("two", "one"),
        ),
        ("action misspelt", rule("action = \"rejct\"\nsenders = \"*\"\n")),
        ("key misspelt", hold("sender = \"example.net\"\n")),
        (
            "values wrong",
            hold(
                "clients = [\"192.0.2.1/24\", \"net\"]\nservices = \"smpt\"\nhelo = \"a b\"\nsenders = [\"@example.net\", \"*.example.net\"]\nrecipients = \"<>\"\nsize_over = 10\nheaders = [\"Subject\", \"a b: c\"]\nmissing_headers = \"Date:\"\n",
            ),
        ),
        ("empty lists", hold("clients = []\nsenders = []\nheaders = []\n")),
        ("reply where mail is taken", reply("drop", "250 2.0.0 Ok")),
        ("reply of another class", reply("reject", "450 4.7.1 Later")),
        ("enhanced code of another class", reply("defer", "450 5.7.1 Later")),
        ("reply without code", reply("reject", "Go away")),
        ("reply without text", reply("reject", "550 5.7.1")),
        ("reply that closes", reply("defer", "421 4.7.0 Bye")),
        ("reply of something else", reply("reject", "503 5.5.1 Bad sequence")),
        ("reply that is read as 452", reply("reject", "552 5.2.2 Full")),
        ("two lines", reply("reject", "550 5.7.1 No\\r\\n250 2.0.0 Ok")),
        ("sizes that exclude each other", hold("size_over = \"1MiB\"\nsize_under = \"1MiB\"\n")),
        ("size over all", hold("size_over = \"50MiB\"\n")),
        ("size under none", hold("size_under = \"0B\"\n")),
        ("there and missing", hold("headers = \"Date: *\"\nmissing_headers = \"date\"\n")),
        ("service without listener", hold("services = [\"smtp\", \"lmtp\"]\n")),
        ("service that takes no mail", hold("services = [\"pop3\"]\n")),
        (
            "clients that may not submit",
            format!(
                "[[listener]]\nservice = \"submission\"\n[receive]\ntrusted_networks = [\"192.0.2.0/24\"]\n{}",
                hold("clients = [\"192.0.2.7\", \"198.51.100.0/24\"]\n")
            ),
        ),
        ("recipients of others", hold("recipients = [\"mail.example.org\", \"anna@example.net\"]\n")),
        (
            "recipients that are not there",
            hold("recipients = [\"postmaster@mail.example.org\", \"nobody@mail.example.org\"]\n"),
        ),
        ("postmaster", rule("action = \"drop\"\nrecipients = \"postmaster@mail.example.org\"\n")),
        ("named twice", hold("senders = [\"Example.net\", \"example.net\"]\n")),
        (
            "one within the other",
            hold("clients = [\"192.0.2.7\", \"192.0.2.0/24\"]\nsenders = [\"*\", \"<>\"]\n"),
        ),
        (
            "contradiction",
            two(
                "action = \"hold\"\nsenders = [\"a.example\", \"b.example\"]\n",
                "action = \"drop\"\nsenders = [\"b.example\", \"a.example\"]\n",
            ),
        ),
        (
            "the same again",
            two("action = \"hold\"\nsize_over = \"1MiB\"\n", "action = \"hold\"\nsize_over = \"1MiB\"\n"),
        ),
        (
            "shadowed",
            two(
                "action = \"hold\"\nsenders = \".example\"\n",
                "action = \"accept\"\nsenders = \"a.example\"\nsize_under = \"1MiB\"\n",
            ),
        ),
        (
            "an entry shadowed",
            two(
                "action = \"hold\"\nclients = \"192.0.2.0/24\"\n",
                "action = \"drop\"\nclients = [\"192.0.2.7\", \"198.51.100.0/24\"]\n",
            ),
        ),
        (
            "behind all",
            two(
                "action = \"reject\"\nsenders = \"*\"\n",
                "action = \"accept\"\nrecipients = \"mail.example.org\"\n",
            ),
        ),
    ];
    let cases: Vec<(&str, &str)> = cases.iter().map(|(name, source)| (*name, source.as_str())).collect();
    snapshot(&reports(&cases, SMALL));
}

#[test]
fn rules_about_what_was_found() {
    let hold = |more: &str| format!("[[rule]]\nname = \"one\"\naction = \"hold\"\n{more}");
    let cases = [
        ("result of another check", hold("dmarc = \"softfail\"\n")),
        ("result misspelt", hold("spf = [\"pass\", \"failed\"]\n")),
        ("author as an address", hold("author_domains = \"joe@example.net\"\n")),
        ("results of nothing", hold("spf = []\n")),
        ("what is not checked", format!("[verify]\nchecks = \"off\"\n{}", hold("dmarc = \"fail\"\n"))),
        ("what nobody checks", hold("dmarc = \"fail\"\nservices = \"submission\"\n")),
    ];
    let cases: Vec<(&str, &str)> = cases.iter().map(|(name, source)| (*name, source.as_str())).collect();
    snapshot(&reports(&cases, SMALL));
}

#[test]
fn rules_that_overlap_in_part_are_an_order_and_no_mistake() {
    let config = good(&format!(
        "{SMALL}[[rule]]\nname = \"friend\"\naction = \"accept\"\nsenders = \"anna@example.net\"\n\
         [[rule]]\nname = \"large\"\naction = \"reject\"\nreply = \"552 5.3.4 Too large for us\"\nsize_over = \"1MiB\"\n\
         [[rule]]\nname = \"net\"\naction = \"defer\"\nsenders = \"example.net\"\n\
         [[rule]]\nname = \"post\"\naction = \"hold\"\nrecipients = \"postmaster@mail.example.org\"\n\
         [[rule]]\nname = \"all\"\naction = \"reject\"\nsenders = \"*\"\n"
    ));
    let replies: Vec<String> = config
        .receive
        .rules
        .iter()
        .filter_map(|rule| rule.action.refusal())
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        replies,
        [
            "552 5.3.4 Too large for us",
            "451 4.7.1 Not taken now by the rules of this server; try again later",
            "550 5.7.1 Refused by the rules of this server",
        ]
    );
}

#[test]
fn the_relay() {
    snapshot(&reports(
        &[
            ("no host", "[relay]\n"),
            ("host wrong", "[relay]\nhost = \"smtp example.net\"\n"),
            ("port in the host", "[relay]\nhost = \"smtp.example.net:587\"\n"),
            ("port wrong", "[relay]\nhost = \"smtp.example.net\"\nport = 0\n"),
            ("ourselves", "[relay]\nhost = \"mail.example.org\"\n"),
            ("preset without credentials", "[relay]\npreset = \"gmail\"\n"),
            ("unknown preset", "[relay]\npreset = \"gmial\"\nlogin = \"me@gmail.com\"\npassword = \"x\"\n"),
            ("a preset that nothing is near to", "[relay]\npreset = \"example\"\n"),
            (
                "a preset with hosts for regions",
                "[relay]\npreset = \"ses\"\nlogin = \"AKIA\"\npassword = \"x\"\n",
            ),
            ("no password", "[relay]\nhost = \"smtp.example.net\"\nlogin = \"anna\"\n"),
            ("no login", "[relay]\nhost = \"smtp.example.net\"\npassword = \"x\"\n"),
            (
                "no passwords there",
                "[relay]\npreset = \"outlook\"\nlogin = \"me@outlook.com\"\npassword = \"x\"\n",
            ),
            (
                "a login in clear",
                "[relay]\nhost = \"smtp.example.net\"\ntls = \"opportunistic\"\nlogin = \"anna\"\npassword = \"x\"\n",
            ),
            (
                "login of two lines",
                "[relay]\nhost = \"smtp.example.net\"\nlogin = \"a\\nb\"\npassword = \"x\"\n",
            ),
            ("whom to believe in clear", "[relay]\nhost = \"smtp.example.net\"\nca_file = \"ca.pem\"\n"),
            ("tls wrong", "[relay]\nhost = \"smtp.example.net\"\ntls = \"ssl\"\n"),
            (
                "two ways",
                "[relay]\npreset = \"gmail\"\nlogin = \"me@gmail.com\"\npassword = \"x\"\nclient_id = \"y\"\n",
            ),
            (
                "no tokens known",
                "[relay]\nhost = \"smtp.example.net\"\nlogin = \"anna\"\nclient_id = \"y\"\n",
            ),
            (
                "tokens in clear",
                "[relay]\npreset = \"gmail\"\nlogin = \"a\"\nclient_id = \"y\"\ntoken_url = \"http://id.example\"\n",
            ),
            ("no client", "[relay]\npreset = \"outlook\"\nlogin = \"me@outlook.com\"\nscopes = \"x\"\n"),
            (
                "others' mail through a personal account",
                "[relay]\npreset = \"gmail\"\nlogin = \"me@gmail.com\"\npassword = \"x\"\n[[domain]]\nname = \"example.org\"\n[[list]]\naddress = \"l@example.org\"\n",
            ),
            (
                "mail that the service takes",
                "[relay]\npreset = \"postmark\"\nlogin = \"x\"\npassword = \"x\"\n[[domain]]\nname = \"example.org\"\n[oops]\n",
            ),
            ("senders wrong", "[relay]\nhost = \"smtp.example.net\"\nsenders = [\"a@\", \"a b\"]\n"),
            (
                "fall-backs wrong",
                "[[relay]]\nname = \"a\"\nhost = \"a.example.net\"\nsenders = \"<>\"\nfallback = [\"a\", \"c\"]\n[[relay]]\nname = \"b\"\nhost = \"b.example.net\"\n",
            ),
            ("for nobody", "[relay]\nhost = \"smtp.example.net\"\nrecipients = []\n"),
            ("name wrong", "[relay]\nhost = \"smtp.example.net\"\nname = \"a b\"\n"),
            (
                "two of one name",
                "[[relay]]\nhost = \"a.example.net\"\nrecipients = \"example.com\"\n[[relay]]\nhost = \"b.example.net\"\n",
            ),
            (
                "one behind one for all",
                "[[relay]]\nname = \"a\"\nhost = \"a.example.net\"\n[[relay]]\nname = \"b\"\nhost = \"b.example.net\"\nrecipients = \"example.com\"\n",
            ),
            (
                "beside a route for all",
                "[[route]]\ndomains = \"*\"\nto = \"smtp:a.example.net\"\n[relay]\nhost = \"smtp.example.net\"\n",
            ),
        ],
        SMALL,
    ));
}

#[test]
fn relays_by_name_and_by_hand() {
    const LOGIN: &str = "login = \"me@example.net\"\npassword = \"x\"\nsenders = \"me@example.net\"\n";
    for (text, host, implicit, verified) in [
        ("preset = \"gmail\"\n", "smtp.gmail.com:465", true, true),
        ("preset = \"gmail\"\nport = 587\n", "smtp.gmail.com:587", false, true),
        ("preset = \"gmail\"\ntls = \"starttls\"\n", "smtp.gmail.com:587", false, true),
        ("preset = \"gmail\"\nport = 4465\n", "smtp.gmail.com:4465", true, true),
        ("preset = \"icloud\"\n", "smtp.mail.me.com:587", false, true),
        ("preset = \"ses\"\nhost = \"email-smtp.x.example\"\n", "email-smtp.x.example:465", true, true),
        ("host = \"smtp.example.net\"\n", "smtp.example.net:587", false, true),
        ("host = \"smtp.example.net\"\nport = 465\n", "smtp.example.net:465", true, true),
        ("host = \"smtp.example.net\"\ntls = \"implicit\"\n", "smtp.example.net:465", true, true),
    ] {
        let config = good(&format!("{SMALL}[relay]\n{text}{LOGIN}"));
        let relay = &config.deliver.relays[0];
        assert_eq!(relay.hosts.hosts[0].to_string(), host, "{text}");
        assert_eq!((relay.implicit_tls, relay.tls.is_some()), (implicit, verified), "{text}");
        assert!(relay.account.is_some());
    }
    let config = good(&format!("{SMALL}[relay]\nhost = \"smtp.example.net\"\n"));
    let relay = &config.deliver.relays[0];
    assert_eq!(
        (relay.hosts.hosts[0].to_string(), relay.tls.is_none()),
        ("smtp.example.net".to_owned(), true)
    );
    let several = "[[relay]]\nname = \"a\"\nhost = \"a.example.net\"\nrecipients = \"example.com\"\n[[relay]]\nhost = \"b.example.net\"\n";
    let config = good(&format!("{SMALL}{several}"));
    let names: Vec<&str> = config.deliver.relays.iter().map(|relay| &*relay.name).collect();
    assert_eq!(names, ["a", "relay"]);
}

#[test]
fn another_port_of_this_machine_is_another_server() {
    let routed = |to: &str| good(&format!("{SMALL}[[route]]\ndomains = \"*\"\nto = \"{to}\"\n"));
    for to in [
        "smtp:127.0.0.1:10025",
        "smtp:mail.example.org:10025",
        "smtp:[::1]:26",
        "lmtp:127.0.0.1:24",
        "lmtp:[::1]:24",
        "lmtp:mail.example.org:24",
        "lmtp:unix:/run/dovecot/lmtp",
    ] {
        assert_eq!(routed(to).deliver.routes[0].to.texts(), [to]);
    }
}

#[test]
fn mailboxes_are_kept_here_or_in_a_store() {
    let kept = |local: &str| good(&format!("{SMALL}[deliver]\nlocal = {local}\n")).deliver.local;
    assert_eq!(kept("\"maildir\""), deliver::LocalDelivery::Maildir);
    assert_eq!(kept("\"mailstore\""), deliver::LocalDelivery::Mailstore);
    let shown = effective(&good(&format!("{SMALL}[deliver]\nlocal = \"mailstore\"\n"))).toml();
    assert_eq!(good(&shown).deliver.local, deliver::LocalDelivery::Mailstore, "{shown}");
    for (local, texts) in [
        ("\"lmtp:unix:/run/dovecot/lmtp\"", &["lmtp:unix:/run/dovecot/lmtp"][..]),
        ("[\"lmtp:[::1]:24\", \"lmtp:b.example.org:24\"]", &["lmtp:[::1]:24", "lmtp:b.example.org:24"]),
    ] {
        let deliver::LocalDelivery::Store(store) = kept(local) else { panic!("{local}") };
        assert_eq!(store.texts(), texts);
        let shown = effective(&good(&format!("{SMALL}[deliver]\nlocal = {local}\n"))).toml();
        assert_eq!(good(&shown).deliver.local, deliver::LocalDelivery::Store(store), "{shown}");
    }
}

#[test]
fn domains_accounts_and_aliases() {
    const DOMAIN: &str = "hostname = \"mail.example.org\"\n[[domain]]\nname = \"example.org\"\n";
    snapshot(&reports(
        &[
            ("domain without name", "[[domain]]\nsubaddress = \"-\"\n"),
            ("domain wrong", "[[domain]]\nname = \"exa mple.org\"\n"),
            ("domain twice", "[[domain]]\nname = \"Example.org\"\n"),
            ("separator wrong", "subaddress = \"@\"\n"),
            ("catch-all for nobody", "catch_all = \"bob@example.org\"\n"),
            ("login missing", "[[account]]\naddresses = [\"anna@example.org\"]\n"),
            ("login wrong", "[[account]]\nlogin = \"anna\"\n"),
            ("domain not declared", "[[account]]\nlogin = \"anna@example.net\"\n"),
            (
                "address twice",
                "[[account]]\nlogin = \"anna@example.org\"\naddresses = [\"bob@example.org\"]\n[[account]]\nlogin = \"bob@example.org\"\n",
            ),
            ("alias without target", "[[alias]]\naddress = \"info@example.org\"\n"),
            ("list without an address", "[[list]]\nmembers = []\n"),
            (
                "list of mistakes",
                "[[list]]\naddress = \"talk@example.org\"\ntitle = \"Talk\"\nowners = [\"eve@example.net\"]\nmembers = [\"eve@example.net\", \"nobody@example.org\"]\npost = \"all\"\n\
                 [[list]]\naddress = \"talk-owner@example.org\"\nmembers = [\"talk@example.org\"]\n",
            ),
            ("alias for nobody", "[[alias]]\naddress = \"info@example.org\"\nto = []\n"),
            (
                "alias to nobody",
                "[[account]]\nlogin = \"anna@example.org\"\n[[alias]]\naddress = \"info@example.org\"\nto = [\"anna@example.org\", \"ana@example.org\"]\n",
            ),
            (
                "reverse-paths",
                "[return_path]\nold_secrets = [\"short\", 7]\nlifetime = \"1d\"\nsign = \"maybe\"\n",
            ),
            (
                "alias loop",
                "[[alias]]\naddress = \"a@example.org\"\nto = [\"b@example.org\"]\n[[alias]]\naddress = \"b@example.org\"\nto = [\"a@example.org\"]\n",
            ),
            (
                "app password of no use",
                "[[account]]\nlogin = \"anna@example.org\"\n[[account.app_password]]\nname = \"\"\npassword = \"tiger\"\nscopes = [\"ftp\"]\n",
            ),
            (
                "app password for nothing",
                "[[account]]\nlogin = \"anna@example.org\"\n[[account.app_password]]\nname = \"phone\"\npassword = \"tiger\"\nscopes = []\n[[account.app_password]]\n",
            ),
            (
                "app password of another, and twice the same",
                "[[account]]\nlogin = \"anna@example.org\"\n\
                 [[account.app_password]]\nname = \"phone\"\npassword = \"pr-abcdef-0123456789abcdefghjkmnpq\"\nscopes = [\"imap\"]\n\
                 [[account.app_password]]\nname = \"tablet\"\npassword = \"pr-abcdef-0123456789abcdefghjkmnpq\"\nscopes = [\"imap\"]\n\
                 [[account.app_password]]\nname = \"laptop\"\npassword = \"pr-h3k9vd:3fS2BIYgaLKwACFS3dddimeFLOtPJ6kdydLSY4sf+yU=:SCRAM-SHA-256$4096:WQj1SIyYVEPma3SH+jBkYQ==$2nRE+BlMdTaKDDvp5u5RKc6RwryceOs3fqe7xl+9zSk=:w8aot44+WxEBi/Ww8sh4SZwviIYbXxd77c1QVprQewQ=\"\nscopes = [\"imap\"]\n",
            ),
            ("secret of the wrong kind", "[[account]]\nlogin = \"anna@example.org\"\npassword = 5\n"),
            ("secret empty", "[[account]]\nlogin = \"anna@example.org\"\npassword = \"\"\n"),
            (
                "secret file missing",
                "[[account]]\nlogin = \"anna@example.org\"\npassword = { file = \"anna.password\" }\n",
            ),
            (
                "secret without an end",
                "[[account]]\nlogin = \"anna@example.org\"\npassword = { file = \"/dev/zero\" }\n",
            ),
            (
                "secret not in the environment",
                "[[account]]\nlogin = \"anna@example.org\"\npassword = { env = \"POSTRIDER_NO_SUCH_VARIABLE\" }\n",
            ),
            (
                "secret from nowhere",
                "[[account]]\nlogin = \"anna@example.org\"\npassword = { vault = \"x\" }\n",
            ),
            (
                "secret from two places",
                "[[account]]\nlogin = \"anna@example.org\"\npassword = { file = \"a\", env = \"B\" }\n",
            ),
            ("hash that is none", "[[account]]\nlogin = \"anna@example.org\"\npassword = \"$6$salt$hash\"\n"),
            ("hash nobody knows", "[[account]]\nlogin = \"anna@example.org\"\npassword = \"{MD5}abc\"\n"),
            (
                "no role",
                "[[account]]\nlogin = \"anna@example.org\"\nroles = [\"send-as-domain\", \"boss\"]\n",
            ),
        ],
        DOMAIN,
    ));
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once() {
    snapshot(&report(
        "hostname = \"localhost\"\n\n[receive]\nmesage_size_max = \"50MiB\"\nrecipients_max = 0\nidle_timeout = \"soon\"\n\n\
         [[listener]]\nservice = \"smpt\"\nbind = [\"0.0.0.0\"]\n\n[log]\nlevel = 3\n",
    ));
}

#[test]
fn a_secret_comes_from_its_file_without_the_line_end() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("postrider.toml");
    let source = format!(
        "{SMALL}[[domain]]\nname = \"example.org\"\n[[account]]\nlogin = \"anna@example.org\"\npassword = {{ file = \"anna.password\" }}\n"
    );
    fs::write(&file, source).unwrap();
    let secret = dir.path().join("anna.password");
    fs::write(&secret, "correct horse\n").unwrap();
    mode(&secret, 0o640);
    let config = load(&file).unwrap();
    let password = config.directory.accounts[0].password.as_ref().unwrap();
    assert_eq!(password.expose(), "correct horse");
    assert!(!effective(&config).toml().contains("horse"));
    fs::write(&secret, "two\nlines\n").unwrap();
    assert!(matches!(load(&file), Err(LoadError::Wrong(_))));
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_password_that_all_users_can_read_is_a_mistake() {
    let dir = tempfile::tempdir().unwrap();
    let (file, secret) = (dir.path().join("postrider.toml"), dir.path().join("anna.password"));
    let hash = directory::hash_password("correct horse").unwrap().unwrap();
    for (written, kept, modes, wrong) in [
        ("\"correct horse\"".to_owned(), "", (0o640, 0o600), None),
        ("\"correct horse\"".to_owned(), "", (0o644, 0o600), Some("the secret in this file")),
        (format!("\"{hash}\""), "", (0o644, 0o644), None),
        ("{ file = \"anna.password\" }".to_owned(), "correct horse\n", (0o644, 0o600), None),
        ("{ file = \"anna.password\" }".to_owned(), "correct horse\n", (0o644, 0o604), Some("anna.password")),
        ("{ file = \"anna.password\" }".to_owned(), &hash, (0o644, 0o644), None),
    ] {
        let account = format!("[[account]]\nlogin = \"anna@example.org\"\npassword = {written}\n");
        fs::write(&file, format!("{SMALL}[[domain]]\nname = \"example.org\"\n{account}")).unwrap();
        fs::write(&secret, kept).unwrap();
        mode(&file, modes.0);
        mode(&secret, modes.1);
        match (load(&file), wrong) {
            (Ok(_), None) => {}
            (Err(LoadError::Wrong(report)), Some(wrong)) => {
                let text = report.render(false);
                assert!(
                    text.contains("all users of this machine can read") && text.contains(wrong),
                    "{text}"
                );
                assert!(text.contains("chmod 600") && !text.contains("postrider.toml:1:"), "{text}");
            }
            (loaded, _) => panic!("{written} {modes:?}: {loaded:?}"),
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in
        [("missing.toml", None), ("latin1.toml", Some(&b"hostname = \"\xe9.example\""[..]))]
    {
        let file = dir.path().join(name);
        if let Some(content) = content {
            fs::write(&file, content).unwrap();
        }
        assert!(matches!(load(&file), Err(LoadError::Read { .. })), "{name}");
    }
    let endless = load(Path::new("/dev/zero"));
    assert!(
        matches!(endless, Err(LoadError::Read { source, .. }) if source.kind() == io::ErrorKind::FileTooLarge)
    );
    assert!(matches!(load(dir.path()), Err(LoadError::Read { .. })), "a directory");
}

#[test]
fn without_accounts_somebody_reads_postmasters_mail() {
    let config = good(SMALL);
    assert_eq!(config.directory.accounts[0].login, "postmaster@mail.example.org");
    let config = good(&format!("{SMALL}[[domain]]\nname = \"Mail.Example.org\"\n"));
    assert_eq!(config.directory.domains.len(), 1, "our own name is not declared twice");
}

#[test]
fn a_relative_path_starts_at_the_configuration_file() {
    let config =
        good("hostname = \"mail.example.org\"\ndata_dir = \"state\"\n[deliver]\nmaildir = \"/srv/mail\"\n");
    assert_eq!(config.data_dir, Path::new("/etc/postrider/state"));
    assert_eq!(config.deliver.maildir_root, Path::new("/srv/mail"));
}

#[test]
fn what_is_shown_is_read_as_the_same() {
    for source in [SMALL, &whole_file()] {
        let config = good(source);
        let shown = effective(&config).toml();
        // All but secrets, of which only a comment tells.
        let other = "password = \"pr-abcdef-0123456789abcdefghjkmnpq\"";
        let mut again = shown.replace("# password is set, and not shown", other);
        for key in ["dns_key", "eab_key", "client_secret", "key"] {
            again = again.replace(&format!("# {key} is set, and not shown"), &format!("{key} = \"AAAA\""));
        }
        assert_eq!(effective(&good(&again)).toml(), shown);
    }
    snapshot(&effective(&good(SMALL)).toml());
}

#[test]
fn mistakes_about_identity_providers() {
    let keys = "issuer = \"https://id.example.org\"\naudience = \"mail\"\nscopes = \"smtp\"\njwks_url = \"https://id.example.org/k\"\n";
    let twice = format!("[[oauth]]\n{keys}[[oauth]]\n{keys}");
    let both = format!("[[oauth]]\n{keys}introspection_url = \"https://id.example.org/i\"\n");
    let secret = format!("[[oauth]]\n{keys}client_secret = \"hush\"\n");
    let none = format!("[[oauth]]\n{keys}algorithms = [\"none\", \"HS256\"]\n");
    let empty = format!("[[oauth]]\n{}algorithms = []\n", keys.replace("\"mail\"", "[]"));
    let anybody = format!("[[oauth]]\n{}", keys.replace("audience = \"mail\"\n", ""));
    snapshot(&reports(
        &[
            ("nothing", "[[oauth]]\n"),
            ("for anybody", &anybody),
            (
                "in clear",
                "[[oauth]]\nissuer = \"a\"\nscopes = []\nintrospection_url = \"http://id.example.org/i\"\n",
            ),
            ("twice", &twice),
            ("two ways", &both),
            ("of the other way", &secret),
            ("no signatures", &none),
            ("nothing would do", &empty),
        ],
        SMALL,
    ));
}

#[test]
fn keys_for_signatures_that_are_kept() {
    snapshot(&reports(
        &[
            ("no domain", "[signing]\nkeep = [\"example\"]\n"),
            ("another word", "[signing]\nkeep = \"some\"\n"),
            ("no kind", "[signing]\nkeys = []\n"),
            ("another kind", "[signing]\nkeys = [\"dsa\"]\n"),
            ("no time", "[signing]\nrotate = \"sometimes\"\n"),
            ("no time at all", "[signing]\nrotate = \"0s\"\n"),
            ("too often", "[signing]\ninterval = \"0s\"\n"),
            ("neither", "[signing]\non_trouble = \"drop\"\n"),
            ("nobody to tell", "[dns.update]\nzone = \"example.org\"\n"),
            ("half a key", "[dns.update]\nserver = \"192.0.2.53\"\nkey_name = \"keys\"\n"),
        ],
        SMALL,
    ));
}

#[test]
fn no_key_follows_another_by_itself_where_nobody_looks_for_its_record() {
    let off = "[signing]\nkeep = \"all\"\nwatch = \"off\"\n";
    let update = "[dns.update]\nserver = \"192.0.2.53\"\n";
    let rotates = |text: &str| Signing::keys(&good(&format!("{SMALL}{text}"))).rotate.is_some();
    assert!(rotates("[signing]\nkeep = \"all\"\n"));
    assert!(!rotates(off));
    assert!(rotates(&format!("{off}{update}")) && rotates(&format!("{off}rotate = \"90d\"\n")));
}

#[test]
fn files_of_authorities_are_among_those_that_a_reload_reads_and_a_backup_has() {
    let relay = "[relay]\nhost = \"smtp.example.net\"\ntls = \"implicit\"\nca_file = \"relay.pem\"\n";
    let ldap = "[[ldap]]\nurl = \"ldaps://ldap.example.org\"\nbase = \"dc=example\"\ndomains = [\"example.org\"]\nca_file = \"ldap.pem\"\n";
    let config = good(&format!("{SMALL}{relay}{ldap}"));
    let files = crate::process::written_by_operator(&config, Path::new("/etc/postrider/postrider.toml"));
    for file in ["postrider.toml", "relay.pem", "ldap.pem"] {
        assert!(files.contains(&Path::new("/etc/postrider").join(file)), "{file}: {files:?}");
    }
}

#[test]
fn challenges_are_put_where_all_updates_go() {
    let update = "[dns.update]\nserver = \"192.0.2.53\"\nzone = \"example.org\"\nkey_name = \"k\"\nkey = \"c2VjcmV0\"\n";
    let acme = "[tls.acme]\nagree_to_terms = true\nchallenge = \"dns-01\"\n";
    let config = good(&format!("{SMALL}{update}{acme}"));
    let acme::Method::Dns(found) = config.acme.unwrap().settings.method else { panic!("another method") };
    assert_eq!(
        (found.server.to_string().as_str(), found.zone.as_deref()),
        ("192.0.2.53:53", Some("example.org"))
    );
    assert_eq!(found, config.signing.update.unwrap().server);
}

// --- the reference ---

/// The last example of the reference, which sets every key.
fn whole_file() -> String {
    let (_, last) = REFERENCE.rsplit_once("```toml\n").unwrap();
    last.split("```").next().unwrap().to_owned()
}

/// Each key with the text about it. A heading of the third level names the key.
fn documented() -> BTreeMap<String, String> {
    let part = |part: &str| {
        let (head, text) = part.split_once('\n')?;
        Some((head.strip_prefix('`')?.strip_suffix('`')?.to_owned(), text.replace('\n', " ")))
    };
    REFERENCE.split("\n### ").skip(1).filter_map(part).collect()
}

#[test]
fn every_example_of_the_reference_and_the_guide_is_right() {
    let examples = |text: &'static str| -> Vec<&str> {
        text.split("```toml\n").skip(1).map(|example| example.split("```").next().unwrap()).collect()
    };
    let (reference, guide) = (examples(REFERENCE), examples(FIRST_SERVER));
    assert!(reference.len() >= 2 && !guide.is_empty());
    for example in reference.into_iter().chain(guide) {
        good(example);
    }
}

#[test]
fn every_key_is_documented_and_every_documented_key_exists() {
    let (_, problems, known) = parse(&whole_file(), Path::new("/"));
    assert_eq!(problems, []);
    let sections = [
        "listener",
        "mta_sts",
        "dns",
        "dns.update",
        "receive",
        "limit",
        "verify",
        "quota",
        "rule",
        "login",
        "oauth",
        "dkim",
        "signing",
        "return_path",
        "queue",
        "deliver",
        "route",
        "relay",
        "ldap",
        "domain",
        "account",
        "account.app_password",
        "alias",
        "list",
        "sendmail",
        "process",
        "log",
        "doctor",
        "tls",
        "tls.certificate",
        "tls.policy",
        "tls.acme",
    ];
    let known: BTreeSet<String> = known.into_iter().filter(|key| !sections.contains(&key.as_str())).collect();
    let documented: BTreeSet<String> = documented().into_keys().collect();
    assert_eq!(documented, known);
    for section in sections.into_iter().filter(|section| *section != "tls") {
        assert!(
            REFERENCE.contains(&format!("\n## `[{section}]`\n"))
                || REFERENCE.contains(&format!("\n## `[[{section}]]`\n")),
            "{section}"
        );
    }
}

#[test]
fn the_last_example_sets_every_key() {
    fn has(value: &Value<'_>, path: &[&str]) -> bool {
        let Some((key, rest)) = path.split_first() else { return true };
        match value.as_array() {
            Some(sections) => sections.iter().any(|section| has(section, path)),
            None => value.as_table().and_then(|table| table.get(*key)).is_some_and(|found| has(found, rest)),
        }
    }
    let file = whole_file();
    let value = toml_span::parse(&file).unwrap();
    for key in documented().keys() {
        assert!(has(&value, &key.split('.').collect::<Vec<_>>()), "{key}");
    }
}

/// What stands in backticks behind "default" in the text about a key is in effect when the key is absent.
#[test]
fn every_documented_default_is_in_effect() {
    let source = format!(
        "{SMALL}[[listener]]\nservice = \"smtp\"\n[[domain]]\nname = \"example.org\"\n[[account]]\nlogin = \"anna@example.org\"\n\
         [[list]]\naddress = \"news@example.org\"\nmembers = [\"anna@example.org\"]\nowners = [\"anna@example.org\"]\n\
         [[ldap]]\nurl = \"ldap://ldap.example.net\"\nbase = \"dc=example\"\ndomains = [\"example.net\"]\n[mta_sts]\n"
    );
    let shown = effective(&good(&source)).json();
    let mut compared = 0;
    for (key, text) in documented() {
        let Some((_, default)) = text.split_once("default `") else { continue };
        let default = format!("x = {}", default.split('`').next().unwrap());
        let default = toml_span::parse(&default).unwrap_or_else(|error| panic!("{key}: {error}"));
        let (mut actual, mut list) = (&shown, &shown);
        for part in key.split('.') {
            list = actual.get(part).unwrap_or_else(|| panic!("{key} is not shown"));
            actual = list.get(0).unwrap_or(list);
        }
        let expected = json(default.pointer("/x").unwrap());
        assert_eq!(expected, *if expected.is_array() { list } else { actual }, "{key}");
        compared += 1;
    }
    assert!(compared >= 20, "only {compared} defaults were found");
}

fn json(value: &Value<'_>) -> serde_json::Value {
    if let Some(items) = value.as_array() {
        return items.iter().map(json).collect();
    }
    match (value.as_str(), value.as_integer()) {
        (Some(text), _) => text.into(),
        (_, Some(number)) => number.into(),
        _ => panic!("{value:?}"),
    }
}

// --- nothing panics ---

proptest! {
    #[test]
    fn no_file_panics(text in "([a-z_]{0,12}|\\[|\\]|=|\"|\\.|#|\n|\\{|\\}|-?[0-9]{0,25}|é|'){0,40}") {
        render(&text);
    }

    #[test]
    fn no_change_to_a_good_file_panics(at in 0_usize..4000, octets in 0_usize..40, put in "\\PC{0,3}|\n|\"|\\[|99999999999999999999") {
        let file = whole_file();
        let start = file.floor_char_boundary(at.min(file.len()));
        let end = file.ceil_char_boundary((start + octets).min(file.len()));
        render(&format!("{}{put}{}", &file[..start], &file[end..]));
    }
}

fn render(source: &str) {
    let (_, problems, _) = parse(source, Path::new("/nowhere"));
    let report = Report { path: "x".into(), source: source.to_owned(), problems };
    assert!(report.problems.iter().all(|problem| report.position(problem) >= (1, 1)));
    report.render(true);
}

#[test]
fn the_process() {
    snapshot(&reports(
        &[
            ("no name", "[process]\nuser = \"\"\n"),
            ("an option", "[process]\nuser = \"-root\"\n"),
            ("a group of nobody", "[process]\ngroup = \"mail\"\n"),
            ("another word", "[process]\nsandbox = \"yes\"\n"),
        ],
        SMALL,
    ));
}

#[test]
fn listeners_for_proxies() {
    snapshot(&reports(
        &[
            ("no proxies", "[[listener]]\nservice = \"smtp\"\nproxy = \"required\"\n"),
            ("another word", "[[listener]]\nservice = \"smtp\"\nproxy = \"yes\"\n"),
            ("everybody", "[receive]\nproxy_networks = [\"0.0.0.0/0\"]\n"),
        ],
        SMALL,
    ));
}

#[test]
fn rates_and_limits_of_networks() {
    snapshot(&reports(
        &[
            ("no time", "[receive]\nmessage_rate = \"600\"\n"),
            ("no number", "[receive]\nmessage_rate = \"/m\"\n"),
            ("nothing at all", "[receive]\nmessage_rate = \"0/m\"\n"),
            ("no such time", "[receive]\ncommand_rate = \"6/week\"\n"),
            ("no size", "[receive]\noctet_rate = \"6/m\"\n"),
            ("a prefix of nothing", "[receive]\nipv4_prefix = 0\n"),
            ("too long a delay", "[receive]\ngreet_delay = \"1m\"\n"),
            ("nobody", "[[limit]]\nmessage_rate = \"1/m\"\n"),
            ("nobody in the list", "[[limit]]\nnetworks = []\n"),
            ("no network", "[[limit]]\nnetworks = \"here\"\n"),
            ("a key of another section", "[[limit]]\nnetworks = \"192.0.2.1\"\nmemory_max = \"1GiB\"\n"),
        ],
        SMALL,
    ));
}

#[test]
fn a_limit_that_is_not_said_is_that_of_all() {
    let config = good(&format!(
        "{SMALL}[receive]\nmessage_rate = \"7/s\"\noctet_rate = \"1MiB/d\"\n[[limit]]\nnetworks = \"192.0.2.1\"\nerror_rate = \"none\"\n"
    ));
    let shown = effective(&config).toml();
    let (_, limit) = shown.split_once("[[limit]]").unwrap();
    for line in [
        "message_rate = \"7/s\"",
        "octet_rate = \"1MiB/d\"",
        "error_rate = \"none\"",
        "sessions_per_address_max = 100",
    ] {
        assert!(limit.contains(line), "{line}: {shown}");
    }
}
