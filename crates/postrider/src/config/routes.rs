//! `[[route]]`: where mail for other places goes, and what is wrong with what is said about it. Relays are read behind them: `relays`.

use std::{cell::RefCell, ops::Range, path::Path};

use deliver::{Destination, Hosts, LocalDelivery, NamedHost, Pattern, Protocol, StaticRoute};
use mail::Domain;
use toml_span::{Span, Value};

use super::{
    listeners::Listener,
    next_hop::{Keeper, One, destination},
    problem::Problem,
    relays::{self, RelaySettings},
    value::Wrong,
    walk::Section,
};

/// Hosts beyond these help nobody: an attempt tries fewer addresses.
const HOSTS_MAX: usize = 10;

/// What is known of this server when its routes are judged.
pub(super) struct Surroundings<'a> {
    /// Its name.
    pub hostname: Option<&'a str>,
    /// Where it listens.
    pub listeners: &'a [Listener],
    /// Its own domains.
    pub domains: &'a [directory::DomainConfig],
    /// The port of hosts whose port nobody names.
    pub port: u16,
}

/// All routes, the relays, and who keeps our own mailboxes.
pub(super) fn read(
    root: &Section<'_>,
    around: &Surroundings<'_>,
    keepers: Vec<(Keeper, Span)>,
    dir: &Path,
    deliver: &mut deliver::Config,
) -> Vec<RelaySettings> {
    let mut judge = Judge { root, around, taken: Vec::new(), fallbacks: RefCell::default() };
    let sections = root.sections("route").into_iter();
    let routes: Vec<StaticRoute> = sections.filter_map(|section| judge.route(section)).collect();
    let relays = relays::read(&judge, dir);
    (deliver.routes, deliver.relays, deliver.local) = (routes, relays::opened(&relays), judge.local(keepers));
    relays
}

/// Knows what earlier routes take.
pub(super) struct Judge<'a> {
    pub(super) root: &'a Section<'a>,
    pub(super) around: &'a Surroundings<'a>,
    taken: Vec<(Pattern, Span)>,
    /// Relays that others fall back to.
    pub(super) fallbacks: RefCell<Vec<Fallback>>,
}

/// Whose relay, which one it falls back to, and where it says so.
pub(super) type Fallback = (Box<str>, Box<str>, Span);

impl Judge<'_> {
    fn route(&mut self, section: Section<'_>) -> Option<StaticRoute> {
        const DOMAINS: &str =
            "say whose mail it takes: domains = [\"example.net\", \".example.net\"], or \"*\" for all";
        const TO: &str = "say where the mail goes: to = \"smtp:mail.example.net\"";
        for (key, hint) in [("domains", DOMAINS), ("to", TO)] {
            let value = section.get(key);
            match value {
                None => section.missing(key, hint),
                Some(value) if value.as_array().is_some_and(Vec::is_empty) => {
                    section.wrong(value.span, Wrong::new(format!("`{key}` is empty")).hint(hint));
                }
                Some(_) => {}
            }
        }
        let domains = section.one_or_more("domains", pattern);
        for (pattern, span) in domains.iter().flatten() {
            self.takes(pattern, *span);
            self.taken.push((pattern.clone(), *span));
        }
        let to = section.one_or_more("to", destination).and_then(|to| self.destination(to));
        section.finish();
        let domains = domains?.into_iter().map(|(pattern, _)| pattern).collect();
        Some(StaticRoute { domains, to: to? })
    }

    /// Tells of a pattern that takes nothing, because somebody else does.
    fn takes(&self, pattern: &Pattern, span: Span) {
        if let Some((earlier, place)) = self.taken.iter().find(|(earlier, _)| earlier.covers(pattern)) {
            let hint = if earlier == pattern {
                "keep one of them".to_owned()
            } else {
                format!("the first route that takes a domain holds: put this one before that for `{earlier}`")
            };
            let message =
                format!("the route for `{pattern}` takes nothing: one for `{earlier}` comes before it");
            self.add(Problem::new(span.into(), message).other((*place).into(), "taken here").hint(hint));
        }
        if let Pattern::Domain(domain) = pattern
            && let Some(own) = self.around.domains.iter().find(|own| is_name(&own.name, domain))
        {
            let message = format!("the route for `{pattern}` takes nothing: mail for this domain ends here");
            let problem = Problem::new(span.into(), message)
                .hint("routes are for domains of others: remove the route, or the domain; a store for your own mailboxes is `local` in [deliver]");
            self.add(match self.declared(&own.name) {
                Some(place) => problem.other(place, "declared here"),
                None => problem,
            });
        }
    }

    /// Where a domain of ours is declared; our own name may be one without a word in the file.
    fn declared(&self, name: &str) -> Option<Range<usize>> {
        let sections = self.root.get("domain").and_then(Value::as_array).into_iter().flatten();
        let mut names = sections.filter_map(|section| section.as_table()?.get("name"));
        names.find(|value| value.as_str() == Some(name)).map(|value| value.span.into())
    }

    fn local(&self, keepers: Vec<(Keeper, Span)>) -> LocalDelivery {
        let several = keepers.len() > 1;
        let mut here = LocalDelivery::Mailstore;
        let mut stores = Vec::with_capacity(keepers.len());
        for (keeper, span) in keepers {
            match keeper {
                Keeper::Store(host) => stores.push((One::Host(Protocol::Lmtp, host), span)),
                Keeper::Maildir | Keeper::Mailstore if several => {
                    let message = "mailboxes are kept in one way here, or in a store elsewhere";
                    self.wrong(
                        span,
                        message,
                        "write one of \"maildir\" and \"mailstore\" alone, or leave it out",
                    );
                }
                Keeper::Maildir => here = LocalDelivery::Maildir,
                Keeper::Mailstore => {}
            }
        }
        match self.destination(stores) {
            Some(Destination::Hosts(hosts)) => LocalDelivery::Store(hosts),
            _ => here,
        }
    }

    /// What several texts say together.
    fn destination(&self, texts: Vec<(One, Span)>) -> Option<Destination> {
        let mut hosts: Vec<(NamedHost, Span)> = Vec::new();
        let mut spoken: Option<Protocol> = None;
        let several = texts.len() > 1;
        for (one, span) in texts {
            let (protocol, host) = match one {
                One::Destination(_) if several => {
                    self.wrong(
                        span,
                        "mail goes by MX or to hosts that are named, not both",
                        "write `mx` alone",
                    );
                    return None;
                }
                One::Destination(destination) => return Some(destination),
                One::Host(protocol, host) => (protocol, host),
            };
            if *spoken.get_or_insert(protocol) != protocol {
                self.wrong(span, "all hosts of a route speak the same protocol", "make two routes of it");
                return None;
            }
            if let Some((_, first)) = hosts.iter().find(|(other, _)| *other == host) {
                let problem = Problem::new(span.into(), format!("`{host}` is named twice"));
                self.add(problem.other((*first).into(), "first here").hint("keep one of them"));
                continue;
            }
            self.not_to_ourselves(&host, span);
            hosts.push((host, span));
        }
        if let Some((_, span)) = hosts.get(HOSTS_MAX) {
            let hint = "one name may have several addresses, and all of them are tried";
            self.wrong(*span, &format!("a route has at most {HOSTS_MAX} hosts"), hint);
        }
        let hosts: Vec<NamedHost> = hosts.into_iter().map(|(host, _)| host).collect();
        (!hosts.is_empty()).then(|| Destination::Hosts(Hosts { protocol: spoken.unwrap_or_default(), hosts }))
    }

    /// What can be seen without the DNS: our own name, and the sockets that we listen on.
    pub(super) fn not_to_ourselves(&self, host: &NamedHost, span: Span) {
        let sockets = || self.around.listeners.iter().flat_map(|listener| &listener.bind);
        let ours = match host {
            NamedHost::Name(name, port) => {
                let port = port.unwrap_or(self.around.port);
                self.around.hostname == Some(&**name) && sockets().any(|own| own.port() == port)
            }
            NamedHost::Address(address, port) => {
                let (port, address) = (port.unwrap_or(self.around.port), address.to_canonical());
                sockets().any(|own| {
                    let here = own.ip() == address || own.ip().is_unspecified() && address.is_loopback();
                    own.port() == port && here
                })
            }
            NamedHost::Unix(_) => false,
        };
        if ours {
            self.wrong(
                span,
                &format!("`{host}` is this server: its mail would go in a circle"),
                "name the server that mail goes on to, or another port, if a filter listens there",
            );
        }
    }

    /// Tells of a relay that gets nothing, because a route takes all mail.
    pub(super) fn relay_has_mail(&self, section: &Section<'_>) {
        if let Some((_, place)) = self.taken.iter().find(|(pattern, _)| *pattern == Pattern::Every) {
            let message = "[relay] takes nothing: the route for `*` takes all mail";
            let problem = Problem::new(section.span().into(), message).other((*place).into(), "taken here");
            self.add(problem.hint("remove one of the two"));
        }
    }

    fn wrong(&self, span: Span, message: &str, hint: &str) {
        self.root.wrong(span, Wrong::new(message).hint(hint));
    }

    pub(super) fn add(&self, problem: Problem) {
        self.root.findings.add(problem);
    }
}

fn is_name(own: &str, domain: &Domain) -> bool {
    // Read like the domain of a route, so that both spellings of a name beyond ASCII are one.
    Pattern::parse(own).is_ok_and(|own| own == Pattern::Domain(domain.clone()))
}

pub(super) fn pattern(text: &str) -> Result<Pattern, Wrong> {
    Pattern::parse(text).map_err(|error| {
        let wrong = Wrong::new(format!("`{text}` is not a domain: {error}"));
        match text.strip_prefix('*') {
            Some(rest) if rest.starts_with('.') => {
                wrong.hint(format!("for all domains below it write \"{rest}\""))
            }
            _ => wrong.hint(
                "write \"example.net\", \".example.net\" for all below it, or \"*\" for all that is left",
            ),
        }
    })
}
