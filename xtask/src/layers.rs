//! The layers of the workspace as a table: who may depend on whom, and who may use what from outside.

/// What one crate of ours may depend on.
pub(crate) struct Layer {
    /// The crate.
    pub(crate) name: &'static str,
    /// The crates of ours that its code may use.
    pub(crate) ours: &'static [&'static str],
    /// The crates of others that its code may use; `None`: all but what `RESERVED` keeps for others.
    pub(crate) others: Option<&'static [&'static str]>,
}

/// Below the services: everything a service may use.
const BELOW_SERVICES: &[&str] = &[
    "mail",
    "message",
    "message-auth",
    "sasl",
    "smtp",
    "imap",
    "pop3",
    "dns",
    "mta-sts",
    "limits",
    "disk",
    "spool",
    "events",
    "store",
    "mailstore",
    "directory",
    "net",
];

/// The services. They meet in the crates below and never depend on each other.
pub(crate) const SERVICES: &[&str] = &["receive", "deliver", "access", "admin", "web"];

/// What only tests and benches are made of: never a dependency of the program.
pub(crate) const TESTS_ONLY: &[&str] =
    &["testkit", "faultfs", "peers", "sim", "e2e", "bench", "counts", "fuzz", "xtask"];

const fn layer(name: &'static str, ours: &'static [&'static str]) -> Layer {
    Layer { name, ours, others: None }
}

/// A protocol or a vocabulary: no runtime, sockets, files, clocks or randomness.
const fn sans_io(
    name: &'static str,
    ours: &'static [&'static str],
    others: &'static [&'static str],
) -> Layer {
    Layer { name, ours, others: Some(others) }
}

/// One row per crate. A crate without a row may depend on nothing: add the row with the crate.
pub(crate) const LAYERS: &[Layer] = &[
    sans_io("mail", &[], &[]),
    // Tables of charsets and of characters: text of others is read as UTF-8 and compared, pure functions of its octets.
    sans_io("message", &["mail"], &["memchr", "encoding_rs", "icu_normalizer"]),
    // Digests and signatures: pure functions of their arguments, but that a new key is random.
    sans_io("message-auth", &["mail", "message", "dns"], &["aws-lc-rs", "base64", "idna", "memchr"]),
    // HMAC and PBKDF2 for SCRAM, normal forms for names: pure functions of their arguments.
    sans_io("sasl", &[], &["aws-lc-rs", "base64", "icu_normalizer", "icu_properties"]),
    sans_io("wire", &[], &["memchr"]),
    sans_io("smtp", &["mail", "sasl", "wire"], &["memchr"]),
    sans_io("imap", &["mail", "message", "sasl", "wire"], &["memchr"]),
    sans_io("pop3", &["mail", "message", "sasl", "wire"], &["memchr"]),
    sans_io("dns", &[], &[]),
    sans_io("mta-sts", &[], &[]),
    sans_io("autoconfig", &["mail"], &["quick-xml"]),
    sans_io("limits", &["mail"], &[]),
    layer("disk", &["mail"]),
    layer("events", &["mail", "disk"]),
    layer("spool", &["mail", "disk", "events"]),
    layer("store", &["mail", "disk"]),
    layer("mailstore", &["mail", "message", "store"]),
    layer("directory", &["mail", "message-auth", "sasl", "limits", "store"]),
    layer("net", &["mail", "dns", "limits"]),
    layer("dns-update", &["disk"]),
    layer("acme", &["mail", "disk", "dns-update", "net"]),
    // Keys for signatures: asks the DNS what is published, and changes it where it may.
    layer("dkim-keys", &["mail", "message-auth", "dns", "disk", "dns-update", "net"]),
    layer("oauth", &["mail", "net"]),
    // Asks directories elsewhere who exists; `directory` has the trait by which it is asked in turn.
    layer("ldap", &["mail", "sasl", "directory", "net"]),
    layer("receive", BELOW_SERVICES),
    layer("deliver", BELOW_SERVICES),
    layer("access", BELOW_SERVICES),
    layer("admin", BELOW_SERVICES),
    layer("web", &["mail", "autoconfig", "limits", "directory", "net"]),
    layer("testkit", BELOW_SERVICES),
    layer(
        "sim",
        &[
            "mail",
            "dns",
            "limits",
            "disk",
            "events",
            "spool",
            "directory",
            "net",
            "receive",
            "deliver",
            "testkit",
        ],
    ),
    layer("faultfs", &[]),
    layer("peers", &[]),
    // It looks into mailboxes as the program left them, tells structures as IMAP does, and hears judges on signatures.
    layer("e2e", &["mail", "message", "message-auth", "imap", "mailstore", "testkit", "faultfs", "peers"]),
    layer("counts", BELOW_SERVICES),
    layer("bench", &["mail", "sasl", "disk", "events", "spool", "faultfs", "peers"]),
    layer(
        "fuzz",
        &[
            "mail",
            "message",
            "message-auth",
            "mta-sts",
            "dns",
            "sasl",
            "smtp",
            "imap",
            "pop3",
            "disk",
            "events",
            "spool",
            "directory",
            "net",
            "receive",
            "deliver",
            "admin",
            "autoconfig",
            "postrider",
            "testkit",
        ],
    ),
    layer("xtask", &[]),
];

/// The composition root knows every part but those for tests.
pub(crate) const ROOT: &str = "postrider";

/// A crate of others that only some of ours may use.
pub(crate) struct Reserved {
    /// The crate, or with a trailing `*` all crates whose names begin so.
    pub(crate) name: &'static str,
    /// Who may use it.
    pub(crate) users: &'static [&'static str],
    /// The only modules of it that a user may name, where not all.
    pub(crate) limited: &'static [(&'static str, &'static str)],
    /// Why it is kept.
    pub(crate) reason: &'static str,
}

const RUNTIME: &[&str] = &[
    "spool",
    "store",
    "mailstore",
    "directory",
    "net",
    "dns-update",
    "acme",
    "dkim-keys",
    "oauth",
    "ldap",
    "receive",
    "deliver",
    "access",
    "admin",
    "web",
    "postrider",
    "testkit",
    "sim",
    "e2e",
    "bench",
    // It checks whole messages, with their deadlines.
    "fuzz",
];

/// Who may use what of the crates that would break a layer.
pub(crate) const RESERVED: &[Reserved] = &[
    Reserved {
        name: "tokio",
        users: RUNTIME,
        limited: &[
            ("spool", "tokio::sync"),
            ("store", "tokio::sync"),
            ("mailstore", "tokio::sync"),
            ("directory", "tokio::sync"),
            ("oauth", "tokio::sync"),
        ],
        reason: "a state crate may wait, but runs nothing and opens no sockets",
    },
    Reserved {
        name: "rustix",
        users: &["disk", "net", "deliver", "postrider", "bench", "e2e", "faultfs"],
        limited: &[],
        reason: "system calls are made in few places",
    },
    Reserved { name: "nix", users: &["postrider"], limited: &[], reason: "the program alone changes users" },
    Reserved { name: "landlock", users: &["postrider"], limited: &[], reason: "the program shuts itself in" },
    Reserved {
        name: "seccompiler",
        users: &["postrider"],
        limited: &[],
        reason: "the program shuts itself in",
    },
    Reserved {
        name: "socket2",
        users: &["net", "bench"],
        limited: &[],
        reason: "sockets are the business of `net`",
    },
    Reserved {
        name: "fuser",
        users: &["faultfs"],
        limited: &[],
        reason: "a file system is mounted by tests only",
    },
    Reserved { name: "hickory*", users: &["net"], limited: &[], reason: "others ask through `dns::Resolve`" },
    Reserved {
        name: "rustls*",
        users: &["net", "bench"],
        limited: &[],
        reason: "TLS ends in `net`; the bench is the other end",
    },
    Reserved { name: "tokio-rustls", users: &["net"], limited: &[], reason: "TLS ends in `net`" },
    Reserved {
        name: "rcgen",
        users: &["net", "acme", "receive", "postrider", "e2e", "bench"],
        limited: &[],
        reason: "certificates are asked for by `acme`, and made for development and tests",
    },
    Reserved { name: "rusqlite", users: &["store"], limited: &[], reason: "only `store` knows the engines" },
    Reserved {
        name: "tokio-postgres",
        users: &["store"],
        limited: &[],
        reason: "only `store` knows the engines",
    },
    Reserved {
        name: "axum",
        users: &["admin", "web"],
        limited: &[],
        reason: "HTTP is served by `admin` to the operator and by `web` to all others",
    },
    Reserved {
        name: "hyper*",
        users: &["admin", "web", "net", "acme", "oauth", "postrider"],
        limited: &[],
        reason: "HTTP is served by `admin` and `web` and asked by `net`; others name its requests",
    },
    Reserved {
        name: "clap",
        users: &["postrider", "bench"],
        limited: &[],
        reason: "only programs have arguments",
    },
    Reserved {
        name: "mimalloc",
        users: &["postrider", "bench", "counts"],
        limited: &[],
        reason: "the program chooses",
    },
];

/// Crates that must not be in what is built, with the reason.
pub(crate) const FORBIDDEN: &[(&str, &str)] = &[
    ("openssl", "one TLS provider: aws-lc-rs"),
    ("openssl-sys", "one TLS provider: aws-lc-rs"),
    ("native-tls", "one TLS provider: aws-lc-rs"),
    ("ring", "one TLS provider: aws-lc-rs"),
    ("boring", "one TLS provider: aws-lc-rs"),
    ("boring-sys", "one TLS provider: aws-lc-rs"),
    ("sqlx", "its SQLite cannot be linked beside rusqlite's"),
];

/// The row of a crate.
pub(crate) fn layer_of(name: &str) -> Option<&'static Layer> {
    LAYERS.iter().find(|layer| layer.name == name)
}

/// The reservation that covers a crate of others.
pub(crate) fn reserved(name: &str) -> Option<&'static Reserved> {
    RESERVED.iter().find(|kept| match kept.name.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => kept.name == name,
    })
}
