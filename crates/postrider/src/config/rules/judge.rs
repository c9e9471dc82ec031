//! Tells of rules that can take nothing: by themselves, by what this server is, or because of an earlier rule.

use directory::{Directory, DomainConfig, DomainPattern, Resolution};
use net::{Network, Networks};
use receive::{AddressPattern, Conditions, Rule, Service};
use toml_span::Span;

use super::Places;
use crate::config::{listeners::Listener, problem::Problem, value, value::Wrong, walk::Section};

/// What is known of this server when its rules are judged.
pub(in crate::config) struct Surroundings<'a> {
    /// Limits, and who may do what.
    pub receive: &'a receive::Config,
    /// Where it listens, and for what.
    pub listeners: &'a [Listener],
    /// Its own domains.
    pub domains: &'a [DomainConfig],
    /// Who exists here, unless what is said about that is wrong.
    pub directory: Option<&'a Directory>,
}

/// Knows the earlier rules.
pub(super) struct Judge<'a> {
    root: &'a Section<'a>,
    around: &'a Surroundings<'a>,
    names: Vec<(String, Span)>,
    earlier: Vec<(Rule, Span)>,
}

/// An entry of a list that takes nothing.
struct Dead<'a> {
    shown: String,
    why: String,
    span: Span,
    hint: &'a str,
}

impl<'a> Judge<'a> {
    pub(super) fn new(root: &'a Section<'a>, around: &'a Surroundings<'a>) -> Self {
        Self { root, around, names: Vec::new(), earlier: Vec::new() }
    }

    /// A name stands for one rule.
    pub(super) fn name(&mut self, name: &str, span: Span) {
        if let Some((_, first)) = self.names.iter().find(|(other, _)| other == name) {
            let problem = Problem::new(span.into(), format!("there are two rules called `{name}`"));
            self.add(problem.other((*first).into(), "first here").hint("give each a name of its own"));
        }
        self.names.push((name.to_owned(), span));
    }

    /// Judges a rule, which is behind all that were judged before.
    pub(super) fn rule(&mut self, rule: &Rule, places: &Places, span: Span) {
        self.unconditional(rule, span);
        let sound = self.contradictions(rule, places)
            & self.clients(&rule.when, places)
            & self.services(&rule.when, places)
            & self.results(rule, places)
            & self.recipients(rule, places)
            & self.doubles(&rule.when, places);
        if sound {
            self.shadowed(rule, places, span);
        }
        self.earlier.push((rule.clone(), span));
    }

    fn unconditional(&self, rule: &Rule, span: Span) {
        if rule.when.is_empty() {
            let message = format!("rule `{}` has no condition: it takes all mail", rule.name);
            self.wrong(span, message, "if that is meant, write senders = \"*\"");
        }
    }

    /// Conditions that no message meets.
    fn contradictions(&self, rule: &Rule, places: &Places) -> bool {
        let when = &rule.when;
        let mut sound = true;
        let mut tell = |span: Option<Span>, message: String, hint: &str| {
            sound = false;
            self.wrong(span.unwrap_or_default(), message, hint);
        };
        if let (Some(over), Some(under)) = (when.size_over, when.size_under)
            && under <= over.saturating_add(1)
        {
            let message =
                format!("rule `{}` takes nothing: no size is over the one and under the other", rule.name);
            tell(places.size_under, message, "size_over is the lower bound, size_under the upper one");
        }
        if when.size_under == Some(0) {
            tell(places.size_under, "no message has fewer than 0 octets".into(), "name a larger size");
        }
        let max = self.around.receive.message_size_max;
        if let Some(over) = when.size_over.filter(|over| *over >= max) {
            let message = format!(
                "nothing is over {}: `receive.message_size_max` is {}",
                value::show_size(over),
                value::show_size(max)
            );
            tell(places.size_over, message, "larger messages are refused without a rule");
        }
        let named = |name| !when.headers.is_empty() && when.headers.iter().all(|field| field.name == name);
        if !when.missing_headers.is_empty() && when.missing_headers.iter().all(|name| named(name.clone())) {
            let message = format!("rule `{}` takes nothing: a field cannot be there and missing", rule.name);
            tell(places.missing_headers.first().copied(), message, "make two rules of it");
        }
        sound
    }

    /// Services that nothing listens for.
    fn services(&self, when: &Conditions, places: &Places) -> bool {
        let listening = |service: Service| self.around.listeners.iter().any(|l| l.service == service.into());
        let dead = when.services.iter().zip(&places.services).filter(|(service, _)| !listening(**service));
        self.dead(dead.map(|(service, span)| Dead {
            shown: service.to_string(),
            why: format!("there is no listener for {service}"),
            span: *span,
            hint: "remove it, or add the listener",
        }))
    }

    /// Conditions on what is not checked.
    fn results(&self, rule: &Rule, places: &Places) -> bool {
        let Some(span) = places.results else { return true };
        let services = &rule.when.services;
        let (message, hint) = if !self.around.receive.verify.checks {
            (
                "nothing is checked, for `verify.checks` is \"off\"",
                "leave the condition out, or have mail checked",
            )
        } else if !services.is_empty() && !services.contains(&Service::Smtp) {
            (
                "only what other servers bring is checked",
                "add \"smtp\" to `services`, or leave the condition out",
            )
        } else {
            return true;
        };
        self.wrong(span, format!("rule `{}` takes nothing: {message}", rule.name), hint);
        false
    }

    /// Clients that are turned away before a rule is asked.
    fn clients(&self, when: &Conditions, places: &Places) -> bool {
        let all = || {
            self.around.listeners.iter().filter_map(|listener| match listener.service {
                crate::config::Service::Mail(service) => Some(service),
                crate::config::Service::Mailboxes(_) | crate::config::Service::Http => None,
            })
        };
        let services: Vec<Service> =
            if when.services.is_empty() { all().collect() } else { when.services.clone() };
        let receive = self.around.receive;
        let may = |network: &Network| {
            services.iter().any(|service| match service {
                Service::Smtp | Service::Sendmail | Service::Dev => true,
                Service::Submission => meet(network, &receive.trusted_networks),
                Service::Lmtp => meet(network, &receive.lmtp_networks),
            })
        };
        let dead = when.clients.iter().zip(&places.clients).filter(|(network, _)| !may(network));
        self.dead(dead.map(|(network, span)| Dead {
            shown: network.to_string(),
            why: "its clients may use none of the services".into(),
            span: *span,
            hint: "submission is for `receive.trusted_networks`, LMTP for `receive.lmtp_networks`",
        }))
    }

    /// Recipients that nobody may send to, and postmaster, whom no rule may cut off.
    fn recipients(&self, rule: &Rule, places: &Places) -> bool {
        let relays = !self.around.receive.trusted_networks.is_empty();
        let ours = |pattern: &AddressPattern| {
            let own = |domain: &DomainConfig| DomainPattern::parse(&domain.name);
            self.around.domains.iter().filter_map(|domain| own(domain).ok()).any(|own| match own {
                DomainPattern::Domain(own) => pattern.is_about(&own),
                DomainPattern::Below(_) | DomainPattern::Every => false,
            })
        };
        let entries = || rule.when.recipients.iter().zip(&places.recipients);
        let elsewhere = entries().filter(|(pattern, _)| !relays && !ours(pattern));
        let nobody = self.dead(elsewhere.map(|(pattern, span)| Dead {
            shown: pattern.to_string(),
            why: "mail for others is refused, since `receive.trusted_networks` names nobody".into(),
            span: *span,
            hint: "name a domain of yours: a rule gives no right to relay",
        }));
        let nobody_there = |pattern: &AddressPattern| {
            let resolved = pattern.sole().zip(self.around.directory).map(|(who, all)| all.resolve(&who));
            rule.action.refusal().is_none() && resolved == Some(Resolution::Unknown)
        };
        let unknown = entries().filter(|(pattern, _)| nobody_there(pattern));
        let somebody = self.dead(unknown.map(|(pattern, span)| Dead {
            shown: pattern.to_string(),
            why: "there is no such mailbox here".into(),
            span: *span,
            hint: "mail for it is refused without a rule; a rule makes no mailbox",
        }));
        let spared = entries().filter(|(pattern, _)| {
            rule.action.spares_postmaster() && pattern.is_postmaster() && ours(pattern)
        });
        nobody
            & somebody
            & self.dead(spared.map(|(pattern, span)| Dead {
                shown: pattern.to_string(),
                why: format!("no rule may {} mail to postmaster", rule.action.name()),
                span: *span,
                hint: "RFC 5321 wants somebody to read it; a rule may hold it",
            }))
    }

    fn dead<'d>(&self, entries: impl Iterator<Item = Dead<'d>>) -> bool {
        let mut none = true;
        for Dead { shown, why, span, hint } in entries {
            none = false;
            self.wrong(span, format!("`{shown}` takes nothing: {why}"), hint);
        }
        none
    }

    /// Entries of a list that another entry of it takes.
    fn doubles(&self, when: &Conditions, places: &Places) -> bool {
        self.double(&when.clients, &places.clients, Network::covers)
            & self.double(&when.services, &places.services, |a, b| a == b)
            & self.double(&when.helo, &places.helo, DomainPattern::covers)
            & self.double(&when.senders, &places.senders, AddressPattern::covers)
            & self.double(&when.recipients, &places.recipients, AddressPattern::covers)
            & self.double(&when.headers, &places.headers, receive::FieldPattern::covers)
            & self.double(&when.missing_headers, &places.missing_headers, |a, b| a == b)
    }

    fn double<T: ToString>(&self, items: &[T], spans: &[Span], covers: impl Fn(&T, &T) -> bool) -> bool {
        let mut none = true;
        for (at, (item, span)) in items.iter().zip(spans).enumerate() {
            // Of two that are the same, the second one is the mistake.
            let by = items.iter().zip(spans).enumerate().find(|(other, (wide, _))| {
                *other != at && covers(wide, item) && !(covers(item, wide) && *other > at)
            });
            if let Some((_, (wide, place))) = by {
                none = false;
                let (item, wide) = (item.to_string(), wide.to_string());
                let message = if item == wide {
                    format!("`{item}` is named twice")
                } else {
                    format!("`{item}` adds nothing: `{wide}` takes it already")
                };
                let problem = Problem::new((*span).into(), message).other((*place).into(), "named here");
                self.add(problem.hint("keep one of them"));
            }
        }
        none
    }

    /// A rule, or an entry of one of its lists, that leaves nothing to decide because an earlier rule takes it all.
    fn shadowed(&self, rule: &Rule, places: &Places, span: Span) {
        if let Some((earlier, place)) = self.earlier.iter().find(|(earlier, _)| earlier.covers(rule)) {
            let same = rule.covers(earlier);
            let message = match (same, earlier.action == rule.action) {
                (true, false) => format!(
                    "rules `{}` and `{}` contradict each other: for the same mail the one says {}, the other {}",
                    earlier.name,
                    rule.name,
                    earlier.action.name(),
                    rule.action.name()
                ),
                _ => format!(
                    "rule `{}` decides nothing: rule `{}` before it takes all that it would take",
                    rule.name, earlier.name
                ),
            };
            let hint = if same {
                "keep one of them".to_owned()
            } else {
                format!("the first rule that matches holds: put this one before `{}`", earlier.name)
            };
            self.add(Problem::new(span.into(), message).other((*place).into(), "taken here").hint(hint));
            return;
        }
        for (shown, place, when) in singled(&rule.when, places) {
            if let Some((earlier, taken)) = self.earlier.iter().find(|(other, _)| other.covers_when(&when)) {
                let message =
                    format!("`{shown}` decides nothing here: rule `{}` before it takes it all", earlier.name);
                let hint = "the first rule that matches holds: remove it here, or turn the rules round";
                self.add(Problem::new(place.into(), message).other((*taken).into(), "taken here").hint(hint));
            }
        }
    }

    fn wrong(&self, span: Span, message: impl Into<String>, hint: &str) {
        self.root.wrong(span, Wrong::new(message).hint(hint));
    }

    fn add(&self, problem: Problem) {
        self.root.findings.add(problem);
    }
}

fn meet(network: &Network, networks: &Networks) -> bool {
    networks.iter().any(|other| other.covers(network) || network.covers(other))
}

/// For every entry of a list with several: the conditions with that entry alone in its list.
fn singled(when: &Conditions, places: &Places) -> Vec<(String, Span, Conditions)> {
    let mut all = Vec::new();
    each(&when.clients, &places.clients, |one| Conditions { clients: one, ..when.clone() }, &mut all);
    each(&when.services, &places.services, |one| Conditions { services: one, ..when.clone() }, &mut all);
    each(&when.helo, &places.helo, |one| Conditions { helo: one, ..when.clone() }, &mut all);
    each(&when.senders, &places.senders, |one| Conditions { senders: one, ..when.clone() }, &mut all);
    each(
        &when.recipients,
        &places.recipients,
        |one| Conditions { recipients: one, ..when.clone() },
        &mut all,
    );
    each(&when.headers, &places.headers, |one| Conditions { headers: one, ..when.clone() }, &mut all);
    let missing = |one| Conditions { missing_headers: one, ..when.clone() };
    each(&when.missing_headers, &places.missing_headers, missing, &mut all);
    all
}

fn each<T: Clone + ToString>(
    items: &[T],
    spans: &[Span],
    alone: impl Fn(Vec<T>) -> Conditions,
    all: &mut Vec<(String, Span, Conditions)>,
) {
    if items.len() > 1 {
        let one = |(item, span): (&T, &Span)| (item.to_string(), *span, alone(vec![item.clone()]));
        all.extend(items.iter().zip(spans).map(one));
    }
}
