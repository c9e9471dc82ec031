//! The world of the dialogues: the real service with a real spool, on a disk that can be told to fail.

mod machine;
mod rules;
mod wire;

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use directory::{
    AccountConfig, AliasConfig, Attempt, Authenticator, Directory, DomainConfig, DomainPattern, Scope, Secret,
};
use disk::Clock;
use limits::{Kind, Limits, Rate};
use mail::{Body, Envelope, Notify, Recipient};
use net::{Acceptor, Certificates, Identity, Networks, Shutdown, ShutdownSwitch, TlsMode};
use receive::{Config, Entrance, Measure, NamedLimits, Receiver, Service, Verify};
use spool::ListFilter;
use testkit::{
    dialogue::{World, escape, matches},
    dns::FakeDns,
};

pub(crate) use machine::Machine;
pub(crate) use rules::rule;
pub(crate) use wire::{Memory, Sockets, Wire};

/// mx.example.org with the domain example.org, the mailboxes anna and bob, and clients at 192.0.2.1.
pub(crate) struct Stage<W> {
    machine: Machine,
    wire: W,
    config: Config,
    directory: directory::Config,
    service: Service,
    tls: TlsMode,
    proxy: bool,
    clients: HashMap<usize, IpAddr>,
    /// Made when the first client connects.
    receiver: Option<Receiver>,
    /// Failed logins of before that: from where, as whom, how often.
    failed: Vec<(IpAddr, String, usize)>,
    switch: ShutdownSwitch,
    shutdown: Shutdown,
    /// Whether the clock is ours to move.
    virtual_time: bool,
    /// The lines of the DNS, if there is one.
    zones: String,
    /// Who knows reverse-paths of ours, if anybody does.
    returns: Option<directory::ReturnPaths>,
    dns: Option<Arc<FakeDns>>,
}

impl<W: Wire> Stage<W> {
    pub(crate) fn new(wire: W, virtual_time: bool) -> Self {
        let (switch, shutdown) = ShutdownSwitch::new();
        let mut stage = Self {
            machine: Machine::new(),
            wire,
            config: Config { hostname: "mx.example.org".into(), ..Config::default() },
            directory: directory::Config {
                postmaster: Some("anna@example.org".into()),
                ..directory::Config::default()
            },
            service: Service::Smtp,
            tls: TlsMode::None,
            proxy: false,
            clients: HashMap::new(),
            receiver: None,
            failed: Vec::new(),
            switch,
            shutdown,
            virtual_time,
            zones: String::new(),
            returns: None,
            dns: None,
        };
        stage.domain("example.org", None);
        stage.mailbox("anna@example.org");
        stage.mailbox("bob@example.org");
        stage
    }

    fn domain(&mut self, name: &str, catch_all: Option<&str>) {
        let catch_all = catch_all.map(Into::into);
        self.directory.domains.push(DomainConfig { name: name.into(), catch_all, subaddress: None });
    }

    fn password(&mut self, login: &str, password: &str) -> Result<(), String> {
        let account = self.directory.accounts.iter_mut().find(|account| account.login == login);
        account.ok_or("no such account")?.password = Some(Secret::new(password));
        Ok(())
    }

    fn mailbox(&mut self, login: &str) {
        let account = AccountConfig { login: login.into(), ..AccountConfig::default() };
        self.directory.accounts.push(account);
    }

    fn alias(&mut self, address: &str, to: &str) {
        let to = to.split_whitespace().map(Into::into).collect();
        self.directory.aliases.push(AliasConfig { address: address.into(), to });
    }

    fn service(&mut self, name: &str) -> Result<(), String> {
        let services = [Service::Smtp, Service::Submission, Service::Lmtp, Service::Dev];
        self.service =
            services.into_iter().find(|service| service.name() == name).ok_or("no such service")?;
        if self.service == Service::Dev {
            self.directory.catch_everything = Some("anna@example.org".into());
        }
        Ok(())
    }

    fn limit(&mut self, name: &str, value: &str) -> Result<(), String> {
        let value: u32 = value.parse().map_err(|_| "no number")?;
        let size = usize::try_from(value).map_err(|_| "too large")?;
        match name {
            "message_size_max" => self.config.message_size_max = value.into(),
            "recipients_max" => self.config.recipients_max = size,
            "errors_max" => self.config.errors_max = value,
            "sessions_per_address_max" => self.config.sessions_per_address_max = size,
            "transactions_max" => self.config.transactions_max = value,
            "received_max" => self.config.received_max = size,
            "recipients_per_hour" => self.config.quotas.recipients_per_hour = value,
            "messages_per_day" => self.config.quotas.messages_per_day = value,
            "flood_recipients" => self.config.quotas.flood_recipients = value,
            _ => return Err("no such limit".into()),
        }
        Ok(())
    }

    async fn receiver(&mut self) -> Receiver {
        if let Some(receiver) = &self.receiver {
            return receiver.clone();
        }
        let (config, directory, machine, service) =
            (&self.config, &self.directory, &self.machine, self.service);
        let directory = Arc::new(Directory::new(directory.clone()).expect("a good directory"));
        let logins = match service {
            Service::Dev => Authenticator::for_anybody(Arc::clone(&directory)),
            _ => logins(&directory),
        };
        let (spool, clock) = (machine.spool.clone(), machine.clock.clone());
        let receiver = Receiver::new(config.clone(), spool, directory, logins.clone(), clock);
        let receiver = match &self.dns {
            Some(dns) => receiver.verifying_by(Arc::clone(dns) as Arc<dyn dns::Resolve>),
            None => receiver,
        };
        let receiver = match self.returns.clone() {
            Some(returns) => receiver.returning_by(returns),
            None => receiver,
        };
        self.fail(&logins).await;
        self.receiver = Some(receiver.clone());
        receiver
    }

    /// Makes the failures true that are given.
    async fn fail(&mut self, logins: &Authenticator) {
        for (client, login, times) in std::mem::take(&mut self.failed) {
            let at = self.machine.clock.now();
            let shared = client.is_loopback();
            let attempt = Attempt {
                client: Some(client),
                shared,
                at,
                scope: Scope::Smtp,
                binding: None,
                certificate: None,
            };
            for _ in 0..times {
                let login = login.as_str().into();
                let question = sasl::server::Question::Proof { login, acts_as: None, right: None };
                logins.authenticate(&attempt, question).await;
            }
        }
    }

    /// The content of the youngest message, or of the youngest report, as lines, escaped.
    async fn lines(&self, report: bool) -> Result<Vec<String>, String> {
        let content = self.machine.content(report).await?;
        Ok(content
            .split(|octet| *octet == b'\n')
            .map(|l| escape(l.strip_suffix(b"\r").unwrap_or(l)))
            .collect())
    }
}

/// With a certificate of its own.
pub(crate) fn acceptor() -> Acceptor {
    let made = rcgen::generate_simple_self_signed(["mx.example.org".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    Acceptor::new(&Certificates::new(&[identity]), "smtp").unwrap()
}

impl<W: Wire> World for Stage<W> {
    type Stream = W::Stream;

    async fn connect(&mut self, client: usize) -> std::io::Result<W::Stream> {
        let address = self.clients.get(&client).copied().unwrap_or(IpAddr::from([192, 0, 2, 1]));
        let receiver = self.receiver().await;
        let entrance = Entrance { service: self.service, tls: self.tls.clone(), proxy: self.proxy };
        self.wire.connect(&receiver, entrance, address, &self.shutdown).await
    }

    async fn given(&mut self, fact: &str) -> Result<(), String> {
        match fact.split(' ').collect::<Vec<_>>()[..] {
            ["domain", name] => self.domain(name, None),
            ["domain", name, "catch-all", to] => self.domain(name, Some(to)),
            // In a directory that says nothing.
            ["domain", name, "elsewhere"] => self.directory.external.push(vec![name.to_owned()]),
            ["mailbox", login] => self.mailbox(login),
            ["alias", address, "to", ..] => {
                self.alias(address, fact.split_once(" to ").map(|(_, to)| to).unwrap_or_default());
            }
            ["list", address, "for", post, "of", ..] => {
                let members = fact.split_once(" of ").map(|(_, of)| of).unwrap_or_default();
                self.directory.lists.push(directory::ListConfig {
                    address: address.into(),
                    post: Some(post.into()),
                    owners: vec!["bob@example.org".into()],
                    members: members.split(' ').filter(|name| *name != "nobody").map(Into::into).collect(),
                    title: None,
                });
            }
            ["password", login, password] => self.password(login, password)?,
            ["role", login, role] => {
                let account = self.directory.accounts.iter_mut().find(|account| account.login == login);
                account.ok_or("no such account")?.roles.push(role.into());
            }
            ["failed", times, "as", login, "from", client] => {
                let times = times.parse().map_err(|_| "no number")?;
                let client = client.parse().map_err(|_| "no address")?;
                self.failed.push((client, login.to_owned(), times));
            }
            ["disabled", login] => {
                let account = self.directory.accounts.iter_mut().find(|account| account.login == login);
                account.ok_or("no such account")?.disabled = true;
            }
            ["return", "paths", "signed"] => {
                self.returns = directory::ReturnPaths::new(["a secret"], 21, true, None);
            }
            ["checks", "off"] => self.config.verify.checks = false,
            ["verify", key, value] => verify(&mut self.config.verify, key, value)?,
            ["login", "in", "clear"] => self.config.login_in_clear = true,
            ["trusted", network] => add(&mut self.config.trusted_networks, network)?,
            ["lmtp", "from", network] => add(&mut self.config.lmtp_networks, network)?,
            ["proxy", "from", network] => {
                self.proxy = true;
                add(&mut self.config.proxy_networks, network)?;
            }
            ["xclient", "from", network] => add(&mut self.config.xclient_networks, network)?,
            ["etrn", "from", network] => add(&mut self.config.etrn_networks, network)?,
            ["rate", kind, rate] => self.config.rates = rated(self.config.rates, kind, rate)?,
            ["limit", "for", network, kind, rate] => {
                let networks = Networks::parse([network]).map_err(|error| error.to_string())?;
                let limits = rated(self.config.rates.with_sessions(99), kind, rate)?;
                self.config.named_limits.push(NamedLimits { networks, limits });
            }
            ["greet", "delay", seconds] => {
                let seconds = seconds.parse().map_err(|_| "no number")?;
                self.config.greet_delay = Duration::from_secs(seconds);
            }
            ["client", number, "at", address] => {
                let number = number.parse().map_err(|_| "no number")?;
                self.clients.insert(number, address.parse().map_err(|_| "no address")?);
            }
            ["service", name] => self.service(name)?,
            ["starttls"] => self.tls = TlsMode::StartTls(acceptor()),
            ["rule", ..] => {
                let (_, text) = fact.split_once(' ').unwrap_or_default();
                self.config.rules.push(rule(text)?);
            }
            ["limit", name, value] => self.limit(name, value)?,
            ["deferred", domain] => self.machine.deferred(domain).await?,
            ["shutdown"] => self.switch.press(),
            _ => return Err(format!("no fact: {fact}")),
        }
        // Who exists may change between the lines too.
        if let Some(receiver) = &self.receiver {
            let directory = Directory::new(self.directory.clone()).map_err(|errors| format!("{errors:?}"))?;
            receiver.change_directory(Arc::new(directory));
        }
        Ok(())
    }

    /// Another line of the DNS, which there is from the first on.
    async fn dns(&mut self, record: &str) -> Result<(), String> {
        self.zones.extend([record, "\n"]);
        self.dns.get_or_insert_default().set(&self.zones);
        Ok(())
    }

    async fn disk(&mut self, fault: &str) -> Result<(), String> {
        self.machine.fault(fault)
    }

    async fn later(&mut self, time: Duration) -> Result<(), String> {
        if !self.virtual_time {
            return Err("real time cannot be moved".into());
        }
        self.machine.clock.advance(time);
        tokio::time::advance(time).await;
        Ok(())
    }

    async fn then(&mut self, fact: &str) -> Result<(), String> {
        let (what, expected) = fact.split_once(' ').unwrap_or((fact, ""));
        let wrong = |found: &str| Err(format!("expected `{fact}`, found {found}"));
        match (what, expected) {
            (number, "message" | "messages") => {
                let messages = self.machine.spool.list(&ListFilter::default()).len();
                if messages.to_string() == number { Ok(()) } else { wrong(&messages.to_string()) }
            }
            ("reverse-path", path) => {
                let found = self.machine.envelope().await?.reverse_path.to_string();
                if found == path { Ok(()) } else { wrong(&found) }
            }
            ("recipients", addresses) => {
                let envelope = self.machine.envelope().await?;
                let found: Vec<_> = envelope.recipients.iter().map(|r| r.forward_path.to_string()).collect();
                if found.join(" ") == addresses { Ok(()) } else { wrong(&found.join(" ")) }
            }
            ("held", addresses) => {
                let envelope = self.machine.envelope().await?;
                let held = envelope.recipients.iter().filter(|recipient| recipient.held);
                let found: Vec<_> = held.map(|recipient| recipient.forward_path.to_string()).collect();
                if found.join(" ") == addresses { Ok(()) } else { wrong(&found.join(" ")) }
            }
            ("junk", addresses) => {
                let envelope = self.machine.envelope().await?;
                let junk = envelope.recipients.iter().filter(|recipient| recipient.junk);
                let found: Vec<_> = junk.map(|recipient| recipient.forward_path.to_string()).collect();
                if found.join(" ") == addresses { Ok(()) } else { wrong(&found.join(" ")) }
            }
            ("reason", words) => {
                let envelope = self.machine.envelope().await?;
                let replies =
                    envelope.recipients.iter().filter_map(|recipient| recipient.last_reply.as_ref());
                let found: Vec<_> = replies.map(ToString::to_string).collect();
                if found.iter().any(|reply| reply.contains(words)) {
                    Ok(())
                } else {
                    wrong(&found.join("; "))
                }
            }
            ("envid" | "ret" | "notify" | "orcpt", value) => {
                let envelope = self.machine.envelope().await?;
                let found = asked(&envelope, what);
                if found == value { Ok(()) } else { wrong(&found) }
            }
            ("may-bounce", expected) => {
                let found = if self.machine.envelope().await?.may_bounce { "yes" } else { "no" };
                if found == expected { Ok(()) } else { wrong(found) }
            }
            ("account", login) => {
                let found = self.machine.envelope().await?.account.as_deref().unwrap_or("-").to_owned();
                if found == login { Ok(()) } else { wrong(&found) }
            }
            ("due", domains) => {
                let found = self.machine.due();
                if found == domains { Ok(()) } else { wrong(&found) }
            }
            ("body", expected) => {
                let found = match self.machine.envelope().await?.body {
                    Body::SevenBit => "7bit",
                    Body::EightBitMime => "8bit",
                    Body::BinaryMime => "binary",
                };
                if found == expected { Ok(()) } else { wrong(found) }
            }
            ("line" | "report", pattern) => {
                let lines = self.lines(what == "report").await?;
                if lines.iter().any(|line| matches(pattern, line)) {
                    Ok(())
                } else {
                    wrong(&lines.join("\n"))
                }
            }
            ("no", line) => {
                let pattern = line.strip_prefix("line ").ok_or("no what?")?;
                let lines = self.lines(false).await?;
                if lines.iter().any(|line| matches(pattern, line)) {
                    wrong(&lines.join("\n"))
                } else {
                    Ok(())
                }
            }
            ("size", over) => {
                let least: usize =
                    over.strip_prefix("over ").and_then(|n| n.parse().ok()).ok_or("no size")?;
                let size = self.machine.content(false).await?.len();
                if size > least { Ok(()) } else { wrong(&size.to_string()) }
            }
            ("event", expected) => self.machine.event(expected),
            _ => Err(format!("no check: {fact}")),
        }
    }
}

/// A setting of `[verify]`.
fn verify(verify: &mut Verify, key: &str, value: &str) -> Result<(), String> {
    if key == "trusted_sealers" {
        verify.trusted_sealers.push(DomainPattern::parse(value).map_err(|error| error.to_string())?);
        return Ok(());
    }
    let (_, measure) = Measure::WORDS.iter().find(|(word, _)| *word == value).ok_or("no such measure")?;
    let setting = match key {
        "spf_fail" => &mut verify.spf_fail,
        "dkim_fail" => &mut verify.dkim_fail,
        "iprev_fail" => &mut verify.iprev_fail,
        "no_author" => &mut verify.no_author,
        "dmarc_none" => &mut verify.dmarc_none,
        "dmarc_quarantine" => &mut verify.dmarc_quarantine,
        "dmarc_reject" => &mut verify.dmarc_reject,
        "dmarc_forged" => &mut verify.dmarc_forged,
        _ => return Err("no such setting".into()),
    };
    *setting = *measure;
    Ok(())
}

/// Those who can log in by a directory.
pub(crate) fn logins(directory: &Arc<Directory>) -> Authenticator {
    Authenticator::new(Arc::clone(directory), b"secret")
}

/// What the client asked for by DSN parameters, in the words of a dialogue; `-` where it said nothing.
fn asked(envelope: &Envelope, what: &str) -> String {
    let orcpt =
        |r: &Recipient| r.orcpt.as_ref().map_or("-".into(), |orcpt| escape(orcpt.to_string().as_bytes()));
    match what {
        "envid" => envelope.envid.as_deref().unwrap_or("-").to_owned(),
        "ret" => envelope.ret.map_or("-".into(), |ret| format!("{ret:?}").to_lowercase()),
        "notify" => envelope.recipients.iter().map(|r| notify_words(r.notify)).collect::<Vec<_>>().join(" "),
        _ => envelope.recipients.iter().map(orcpt).collect::<Vec<_>>().join(" "),
    }
}

fn notify_words(Notify { success, failure, delay, given }: Notify) -> String {
    let words = [(success, "success"), (failure, "failure"), (delay, "delay")];
    let wanted: Vec<_> = words.into_iter().filter_map(|(wanted, word)| wanted.then_some(word)).collect();
    match (given, &wanted[..]) {
        (false, _) => "-".into(),
        (true, []) => "never".into(),
        (true, words) => words.join(","),
    }
}

/// `KIND N/m`, or `none`.
fn rated(limits: Limits, kind: &str, rate: &str) -> Result<Limits, String> {
    let kinds = [
        ("connections", Kind::Connections),
        ("messages", Kind::Messages),
        ("recipients", Kind::Recipients),
        ("errors", Kind::Errors),
        ("commands", Kind::Commands),
        ("octets", Kind::Octets),
    ];
    let (_, kind) = kinds.into_iter().find(|(word, _)| *word == kind).ok_or("no such kind")?;
    let count = rate.strip_suffix("/m").map(|count| count.parse().map_err(|_| "no number")).transpose()?;
    Ok(limits.with(kind, count.map(|count| Rate { count, per: Duration::from_mins(1) })))
}

fn add(networks: &mut Networks, network: &str) -> Result<(), String> {
    let more = Networks::parse([network]).map_err(|error| error.to_string())?;
    *networks = networks.iter().chain(more.iter()).copied().collect();
    Ok(())
}
