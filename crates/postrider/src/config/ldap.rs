//! `[[ldap]]`: directories elsewhere that know who exists.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use directory::in_ascii;
use ldap::{Anchors, Attributes, Config, Filter, Scope, Secret, Server, Template, Tls};
use mail::Domain;
use serde_json::{Value, json};
use toml_span::Span;

use super::{
    acme::anchors,
    problem::Problem,
    secret,
    sections::path,
    show::NOT_SHOWN,
    value::{Wrong, show_duration},
    walk::Section,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);
const CONNECTIONS: u32 = 8;
const CONNECTIONS_MAX: u32 = 1000;
const SCOPES: &[(&str, Scope)] = &[("subtree", Scope::Subtree), ("one", Scope::OneLevel)];
const TLS: &[(&str, Tls)] = &[("starttls", Tls::StartTls), ("none", Tls::None)];

/// A directory, and what stands in the file about it that nobody else needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ldap {
    /// Where it is, and how people stand in it.
    pub settings: Config,
    /// Where the anchors of trust are, and where the configuration says so.
    ca_file: Option<(PathBuf, Range<usize>)>,
}

/// Reads all of them.
pub(super) fn read(root: &Section<'_>, dir: &Path) -> Vec<Ldap> {
    let mut served: Vec<Domain> = Vec::new();
    root.sections("ldap").into_iter().filter_map(|section| one(section, dir, &mut served)).collect()
}

fn one(section: Section<'_>, dir: &Path, served: &mut Vec<Domain>) -> Option<Ldap> {
    let servers = servers(&section);
    let ca_file = section.parsed("ca_file", |text| path(text, dir));
    let ca_span = section.get("ca_file").map_or(section.span(), |value| value.span);
    let bind = bind(&section, dir);
    let base =
        needed(&section, "base", "say below which entry people are: base = \"ou=people,dc=example,dc=org\"");
    let domains = domains(&section, served);
    let filter = |key| section.parsed(key, filter);
    let (people, login_filter, address_filter) =
        (filter("filter"), filter("login_filter"), filter("address_filter"));
    for (key, filter) in [("login_filter", &login_filter), ("address_filter", &address_filter)] {
        let constant = filter.as_ref().filter(|filter| !filter.has_placeholder());
        if let Some(value) = section.get(key).filter(|_| constant.is_some()) {
            let wrong = Wrong::new(format!("`{key}` finds the same entries for everybody"));
            section.wrong(
                value.span,
                wrong.hint("put the name in: {address}, {user} or {domain}, as in (mail={address})"),
            );
        }
    }
    let user_dn = section.parsed("user_dn", |text| {
        let hint = "write it as in \"uid={user},ou=people,dc=example,dc=org\"";
        Template::parse(text)
            .map_err(|error| Wrong::new(format!("`user_dn` names nobody: {error}")).hint(hint))
    });
    let attributes = attributes(&section);
    let wait = |key, least, most, usual| section.duration(key, least..=most).unwrap_or(usual);
    let settings = Config {
        servers: servers?,
        // Until they are read.
        anchors: Anchors::System,
        bind: bind?,
        base: base?,
        scope: section.choice("scope", SCOPES).unwrap_or(Scope::Subtree),
        domains: domains?,
        filter: people.or_else(|| Filter::parse("(objectClass=inetOrgPerson)").ok())?,
        login_filter,
        address_filter,
        user_dn,
        attributes,
        connect_timeout: wait("connect_timeout", SECOND, MINUTE, 5 * SECOND),
        timeout: wait("timeout", SECOND, 5 * MINUTE, 10 * SECOND),
        refresh: wait("refresh", SECOND, DAY, 10 * MINUTE),
        outage_max: wait("outage_max", MINUTE, 366 * DAY, 7 * DAY),
        connections_max: usize::try_from(
            section.integer("connections_max", 1..=CONNECTIONS_MAX).unwrap_or(CONNECTIONS),
        )
        .unwrap_or(1),
    };
    section.finish();
    let ca_file = ca_file.map(|file| (file, ca_span.into()));
    Some(Ldap { settings, ca_file })
}

impl Ldap {
    /// The file of the authorities that are believed, if it is not those of the system.
    pub(crate) fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_ref().map(|(file, _)| file.as_path())
    }

    /// Reads who is believed to be the authority of the server's certificate.
    pub(super) fn open(&mut self) -> Option<Problem> {
        let (file, span) = self.ca_file.as_ref()?;
        match anchors(file) {
            Ok(anchors) => {
                self.settings.anchors = anchors;
                None
            }
            Err(wrong) => {
                let problem = Problem::new(span.clone(), wrong.message);
                Some(Problem { hint: wrong.hint, ..problem })
            }
        }
    }
}

fn needed(section: &Section<'_>, key: &'static str, hint: &str) -> Option<String> {
    if section.get(key).is_none() {
        section.missing(key, hint);
    }
    section.string(key).map(|(text, _)| text.to_owned())
}

fn servers(section: &Section<'_>) -> Option<Vec<Server>> {
    let hint = "name the server: url = \"ldaps://ldap.example.org\"";
    let Some(value) = section.get("url") else {
        section.missing("url", hint);
        return None;
    };
    let parse = |text: &str| {
        Server::parse(text).map_err(|error| {
            Wrong::new(format!("`{text}`: {error}"))
                .hint("write it as in \"ldaps://ldap.example.org\" or \"ldap://192.0.2.1:389\"")
        })
    };
    let mut found = section.one_or_more("url", parse)?;
    if found.is_empty() && value.as_array().is_some_and(Vec::is_empty) {
        section.wrong(value.span, Wrong::new("`url` is empty").hint(hint));
    }
    let tls = section.choice("tls", TLS);
    for (server, span) in &mut found {
        match tls {
            Some(_) if server.tls == Tls::Implicit => {
                let wrong = Wrong::new(format!("{server} begins with TLS, and `tls` is for ldap://"));
                section.wrong(*span, wrong.hint("remove `tls`, or write ldap://"));
            }
            Some(tls) => server.tls = tls,
            None => {}
        }
        if server.tls == Tls::None && !server.is_loopback() {
            let problem =
                Problem::warning((*span).into(), format!("all passwords of people go to {server} in clear"));
            section.findings.add(
                problem
                    .hint("whoever is on the way reads them: remove `tls` for StartTLS, or write ldaps://"),
            );
        }
    }
    let servers: Vec<Server> = found.into_iter().map(|(server, _)| server).collect();
    (!servers.is_empty()).then_some(servers)
}

/// As whom we search, if as anybody. `None`: one of the two is missing or wrong.
#[expect(clippy::option_option, reason = "nobody, and nothing that could be used, are two things")]
fn bind(section: &Section<'_>, dir: &Path) -> Option<Option<(String, Secret)>> {
    let dn = section.string("bind_dn").map(|(text, _)| text.to_owned());
    let password = secret::read(section, "password", dir).map(|secret| Secret::new(secret.expose()));
    match (section.get("bind_dn"), section.get("password")) {
        (None, None) => return Some(None),
        (Some(_), Some(_)) => {}
        (Some(_), None) => {
            section.missing("password", "`bind_dn` needs it: password = { file = \"ldap.password\" }");
        }
        (None, Some(_)) => section
            .missing("bind_dn", "say whose `password` that is: bind_dn = \"cn=postrider,dc=example,dc=org\""),
    }
    Some(Some((dn.filter(|dn| !dn.is_empty())?, password?)))
}

/// The domains that a directory serves, each of them by one directory alone.
fn domains(section: &Section<'_>, served: &mut Vec<Domain>) -> Option<Vec<Domain>> {
    let hint = "say whose people are there: domains = [\"example.org\"]";
    let Some(value) = section.get("domains") else {
        section.missing("domains", hint);
        return None;
    };
    let found: Vec<(Domain, Span)> = section.parsed_list("domains", domain)?;
    if value.as_array().is_some_and(Vec::is_empty) {
        section.wrong(value.span, Wrong::new("`domains` is empty").hint(hint));
    }
    for (domain, span) in &found {
        if served.contains(domain) {
            let wrong = Wrong::new(format!("{domain} is served by two directories"));
            section.wrong(*span, wrong.hint("name it once"));
        }
        served.push(domain.clone());
    }
    let domains: Vec<Domain> = found.into_iter().map(|(domain, _)| domain).collect();
    (!domains.is_empty()).then_some(domains)
}

fn domain(text: &str) -> Result<Domain, Wrong> {
    let wrong =
        || Wrong::new(format!("`{text}` is not a domain name")).hint("write a name such as example.org");
    Domain::parse(text).ok().and_then(in_ascii).filter(|domain| domain.name().is_some()).ok_or_else(wrong)
}

fn filter(text: &str) -> Result<Filter, Wrong> {
    Filter::parse(text).map_err(|error| {
        Wrong::new(format!("`{text}` is no filter: {error}"))
            .hint("write it as in \"(&(objectClass=person)(mail={address}))\" (RFC 4515)")
    })
}

fn attributes(section: &Section<'_>) -> Attributes {
    let named = |key| section.parsed(key, attribute);
    let addresses = section.parsed_list("address_attributes", attribute);
    Attributes {
        login: named("login_attribute").unwrap_or_else(|| "mail".to_owned()),
        addresses: addresses
            .map_or_else(|| vec!["mail".to_owned()], |all| all.into_iter().map(|(name, _)| name).collect()),
        disabled: named("disabled_attribute"),
        roles: named("role_attribute"),
    }
}

fn attribute(text: &str) -> Result<String, Wrong> {
    if Filter::is_attribute(text) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(format!("`{text}` is not the name of an attribute")).hint("write one such as \"mail\""))
}

/// The settings in effect.
pub(super) fn show(Ldap { settings, ca_file }: &Ldap) -> Vec<(&'static str, Value)> {
    let Config { servers, bind, base, scope, domains, filter, attributes, .. } = settings;
    let texts = |texts: &mut dyn Iterator<Item = String>| json!(texts.collect::<Vec<String>>());
    let mut values = vec![("url", texts(&mut servers.iter().map(ToString::to_string)))];
    let word = TLS.iter().find(|(_, tls)| servers.iter().any(|server| server.tls == *tls));
    values.extend(word.map(|(word, _)| ("tls", json!(word))));
    values.extend(ca_file.as_ref().map(|(file, _)| ("ca_file", json!(file.display().to_string()))));
    if let Some((dn, _)) = bind {
        values.extend([("bind_dn", json!(dn)), ("password", json!(NOT_SHOWN))]);
    }
    values.push(("base", json!(base)));
    let word = SCOPES.iter().find(|(_, other)| other == scope).map(|(word, _)| *word);
    values.push(("scope", json!(word)));
    values.push(("domains", texts(&mut domains.iter().map(ToString::to_string))));
    values.push(("filter", json!(filter.to_string())));
    let filters = [("login_filter", &settings.login_filter), ("address_filter", &settings.address_filter)];
    values.extend(
        filters.into_iter().filter_map(|(key, filter)| Some((key, json!(filter.as_ref()?.to_string())))),
    );
    values.extend(settings.user_dn.as_ref().map(|template| ("user_dn", json!(template.to_string()))));
    values.push(("login_attribute", json!(attributes.login)));
    values.push(("address_attributes", json!(attributes.addresses)));
    values.extend(attributes.disabled.as_ref().map(|name| ("disabled_attribute", json!(name))));
    values.extend(attributes.roles.as_ref().map(|name| ("role_attribute", json!(name))));
    values.extend([
        ("connect_timeout", json!(show_duration(settings.connect_timeout))),
        ("timeout", json!(show_duration(settings.timeout))),
        ("refresh", json!(show_duration(settings.refresh))),
        ("outage_max", json!(show_duration(settings.outage_max))),
        ("connections_max", json!(settings.connections_max)),
    ]);
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Severity, parse};

    const LEAST: &str =
        "url = \"ldaps://ldap.example.org\"\nbase = \"dc=example\"\ndomains = [\"example.org\"]\n";

    /// What is said about a section: how bad it is, what is wrong, and what to do.
    fn said(section: &str) -> Vec<String> {
        let file = format!("hostname = \"mx.example.org\"\n[[ldap]]\n{section}");
        let (_, problems, _) = parse(&file, Path::new("/"));
        let word = |problem: &Problem| if problem.severity == Severity::Error { "error" } else { "warning" };
        let hint = |problem: &Problem| problem.hint.clone().unwrap_or_default();
        problems.iter().map(|one| format!("{}: {}; {}", word(one), one.message, hint(one))).collect()
    }

    #[test]
    fn three_lines_are_enough() {
        assert_eq!(said(LEAST), [""; 0]);
        let file = format!("hostname = \"mx.example.org\"\n[[ldap]]\n{LEAST}");
        let config = parse(&file, Path::new("/")).0.unwrap();
        let Config { servers, bind, filter, attributes, .. } = &config.ldap[0].settings;
        assert_eq!(servers[0].to_string(), "ldaps://ldap.example.org:636");
        assert_eq!((bind, filter.to_string().as_str()), (&None, "(objectClass=inetOrgPerson)"));
        assert_eq!(
            (attributes.login.as_str(), attributes.addresses.as_slice()),
            ("mail", &["mail".to_owned()][..])
        );
        assert_eq!(config.directory.external, [["example.org"]]);
    }

    #[test]
    fn mistakes_are_told() {
        for (section, wrong) in [
            ("", "error: [ldap] needs `url`"),
            ("", "error: [ldap] needs `base`"),
            ("", "error: [ldap] needs `domains`"),
            ("url = \"ldap.example.org\"\n", "begins neither with ldap:// nor with ldaps://"),
            ("url = []\n", "error: `url` is empty"),
            ("domains = []\n", "error: `domains` is empty"),
            ("domains = [\"no domain\"]\n", "error: `no domain` is not a domain name"),
            ("bind_dn = \"cn=a\"\n", "error: [ldap] needs `password`; `bind_dn` needs it"),
            ("password = \"a\"\n", "error: [ldap] needs `bind_dn`"),
            ("filter = \"(mail=*\"\n", "error: `(mail=*` is no filter: its parentheses do not match"),
            (
                "address_filter = \"(mail=*)\"\n",
                "error: `address_filter` finds the same entries for everybody",
            ),
            ("user_dn = \"uid=anna\"\n", "error: `user_dn` names nobody"),
            ("login_attribute = \"e mail\"\n", "error: `e mail` is not the name of an attribute"),
            ("url = \"ldaps://a\"\ntls = \"none\"\n", "begins with TLS, and `tls` is for ldap://"),
            (
                "url = \"ldap://a\"\ntls = \"none\"\n",
                "warning: all passwords of people go to ldap://a:389 in clear",
            ),
            ("url = \"ldap://a\"\ntls = \"off\"\n", "error: `off` is not a value of `tls`"),
            (&format!("{LEAST}refresh = \"1ms\"\n"), "error: `refresh` is out of range"),
        ] {
            assert!(said(section).iter().any(|said| said.contains(wrong)), "{wrong}: {:?}", said(section));
        }
        let clear =
            "url = \"ldap://127.0.0.1\"\ntls = \"none\"\nbase = \"dc=a\"\ndomains = [\"a.example\"]\n";
        assert_eq!(said(clear), [""; 0], "it does not leave this machine");
        let twice = format!("{LEAST}[[ldap]]\n{LEAST}");
        assert!(said(&twice)[0].contains("example.org is served by two directories"));
    }

    #[test]
    fn aliases_may_lead_to_people_elsewhere_and_its_password_is_not_shown() {
        let file = format!(
            "hostname = \"mx.example.org\"\n[[ldap]]\n{LEAST}bind_dn = \"cn=a\"\npassword = \"not to be seen\"\n\
             [[domain]]\nname = \"example.net\"\ncatch_all = \"anna@example.org\"\n\
             [[alias]]\naddress = \"info@example.net\"\nto = [\"anna@example.org\"]\n"
        );
        let (config, problems, _) = parse(&file, Path::new("/"));
        assert_eq!(problems, []);
        let config = config.unwrap();
        let shown = crate::config::effective(&config).toml();
        assert!(shown.contains("bind_dn = \"cn=a\"") && !shown.contains("not to be seen"), "{shown}");
        assert!(!format!("{config:?}").contains("not to be seen"));
    }
}
