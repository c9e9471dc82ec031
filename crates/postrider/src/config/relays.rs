//! `[relay]` and `[[relay]]`: who takes mail for other places, by the name of a provider or by hand.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use deliver::{
    Account, Hosts, NamedHost, Pattern, Proof, Protocol, Relay, RelayLimits, RelayTokens, SenderPattern,
    TlsPolicy, Verify,
};
use disk::{OsDisk, SystemClock};
use mail::Address;
use net::{Anchors, HttpsTarget};
use oauth::{Client, ClientSecret, HttpsFetch};
use sasl::Password;
use serde_json::{Value, json};
use toml_span::Span;

use super::{
    acme::anchors,
    next_hop::relay_host,
    presets::{PRESETS, Preset, Senders, preset},
    problem::Problem,
    routes::{Judge, pattern},
    secret,
    sections::path,
    show::NOT_SHOWN,
    value::Wrong,
    walk::{Section, nearest},
};
use crate::relay_tokens::Keeper;

/// The ports of submission (RFC 6409 §3.1, RFC 8314 §3.3).
const SUBMISSION: u16 = 587;
const SUBMISSIONS: u16 = 465;

/// How sessions with a relay are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RelayTls {
    /// From the first octet, verified.
    Implicit,
    /// By STARTTLS, verified.
    StartTls,
    /// As with other hosts.
    AsOthers,
}

impl RelayTls {
    const WORDS: &[(&'static str, Self)] =
        &[("implicit", Self::Implicit), ("starttls", Self::StartTls), ("opportunistic", Self::AsOthers)];

    pub(crate) fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, tls)| *tls == self).map_or("", |(word, _)| word)
    }
}

/// A relay, and what stands in the file about it that nobody else needs.
#[derive(Debug, Clone)]
pub(crate) struct RelaySettings {
    /// The relay, as long as its authorities are not read.
    relay: Relay,
    /// Who it is.
    pub(crate) preset: Option<&'static Preset>,
    /// How sessions are protected.
    pub(crate) tls: RelayTls,
    /// Where the anchors of trust are, if not with the system, and where the configuration says so.
    ca_file: Option<PathBuf>,
    ca_span: Range<usize>,
    /// As whom we log in.
    login: Option<String>,
    /// Where tokens for that are had.
    tokens: Option<TokenSettings>,
    /// Who keeps them.
    keeper: Option<Arc<Keeper>>,
}

/// Where tokens for an account are had.
#[derive(Clone, PartialEq, Eq)]
struct TokenSettings {
    client_id: String,
    client_secret: Option<ClientSecret>,
    authorize_url: Option<String>,
    token_url: String,
    device_url: Option<String>,
    scopes: Vec<String>,
}

impl std::fmt::Debug for TokenSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenSettings").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl RelaySettings {
    /// The relay, as long as its authorities are not read.
    pub(crate) fn relay(&self) -> &Relay {
        &self.relay
    }

    /// The file of the authorities that are believed, if it is not those of the system.
    pub(crate) fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// Who keeps the tokens for the account, if it has some.
    pub(crate) fn keeper(&self) -> Option<Arc<Keeper>> {
        self.keeper.clone()
    }

    /// Reads who is believed to be the relay, and where its tokens are.
    pub(super) fn open(&mut self, data_dir: &Path) -> Option<Problem> {
        if self.tls == RelayTls::AsOthers {
            return None;
        }
        let wrong = |wrong: Wrong| {
            let problem = Problem::new(self.ca_span.clone(), wrong.message);
            Some(Problem { hint: wrong.hint, ..problem })
        };
        let found = match &self.ca_file {
            Some(file) => anchors(file),
            None => Ok(Anchors::System),
        };
        let opened = found.map(|anchors| (anchors.roots(), anchors));
        let roots = match opened {
            Ok((Ok(roots), anchors)) => {
                self.open_tokens(&anchors, data_dir);
                roots
            }
            Ok((Err(error), _)) => {
                return wrong(Wrong::new(format!("no relay can be verified: {error}")).hint(
                    "install the authorities of the system (on Debian the package ca-certificates), or name a file by `ca_file`",
                ));
            }
            Err(problem) => return wrong(problem),
        };
        self.relay.tls = Some(TlsPolicy::Verify(Verify { roots: Some(roots), ..Verify::default() }));
        None
    }

    /// With the same authorities: whom the relay is believed by, its tokens are.
    fn open_tokens(&mut self, anchors: &Anchors, data_dir: &Path) {
        let (Some(tokens), Some(login)) = (&self.tokens, &self.login) else { return };
        // That there are authorities was seen a moment ago.
        let Ok(post) = HttpsFetch::new(anchors) else { return };
        let client = Client {
            id: tokens.client_id.as_str().into(),
            secret: tokens.client_secret.clone(),
            scope: tokens.scopes.join(" ").into(),
            authorize_url: tokens.authorize_url.as_deref().map(Into::into),
            token_url: tokens.token_url.as_str().into(),
            device_url: tokens.device_url.as_deref().map(Into::into),
            post: Arc::new(post),
        };
        let keeper =
            Keeper::new(client, (&self.relay.name, login), data_dir, Arc::new(OsDisk), Arc::new(SystemClock));
        let keeper = Arc::new(keeper);
        let proof = Proof::Tokens(Arc::clone(&keeper) as Arc<dyn RelayTokens>);
        self.relay.account = Some(Account { login: login.as_str().into(), proof });
        self.keeper = Some(keeper);
    }
}

/// Those of a configuration for delivery.
pub(super) fn opened(all: &[RelaySettings]) -> Vec<Arc<Relay>> {
    all.iter().map(|settings| Arc::new(settings.relay.clone())).collect()
}

/// `[relay]`, or all of `[[relay]]`.
pub(super) fn read(judge: &Judge<'_>, dir: &Path) -> Vec<RelaySettings> {
    let several = judge.root.get("relay").is_some_and(|value| value.as_array().is_some());
    let sections = if several {
        judge.root.sections("relay")
    } else {
        let section = judge.root.section("relay");
        section.is_there().then_some(section).into_iter().collect()
    };
    let mut all: Vec<(RelaySettings, Span)> = Vec::new();
    for section in sections {
        let span = section.get("name").map_or(section.span(), |value| value.span);
        let Some(one) = one(judge, section, dir) else { continue };
        if let Some((_, first)) = all.iter().find(|(other, _)| other.relay.name == one.relay.name) {
            let problem = Problem::new(span.into(), format!("there is a relay `{}` already", one.relay.name));
            judge.add(problem.other((*first).into(), "here").hint("give each a `name` of its own"));
            continue;
        }
        if let Some((_, first)) = all.iter().find(|(other, _)| takes_all_of(&other.relay, &one.relay)) {
            let message =
                format!("the relay `{}` takes nothing: one before it takes all of its mail", one.relay.name);
            let problem = Problem::new(span.into(), message).other((*first).into(), "taken here");
            judge.add(problem.hint("say whose mail goes to which: recipients = [\"example.net\"]"));
        }
        all.push((one, span));
    }
    for (of, to, span) in judge.fallbacks.take() {
        let wrong = if of == to {
            Wrong::new(format!("the relay `{of}` cannot fall back to itself"))
        } else if all.iter().any(|(one, _)| one.relay.name == to) {
            continue;
        } else {
            let names: Vec<&str> = all.iter().map(|(one, _)| &*one.relay.name).collect();
            Wrong::new(format!("there is no relay `{to}`")).hint(format!("there is {}", names.join(", ")))
        };
        judge.root.wrong(span, wrong);
    }
    all.into_iter().map(|(one, _)| one).collect()
}

/// Whose mail: an address, a domain, or `<>` for reports.
fn sender(text: &str) -> Result<SenderPattern, Wrong> {
    match text {
        "<>" => Ok(SenderPattern::Null),
        text if text.contains('@') => Address::parse(text).map(SenderPattern::Address).map_err(|_| {
            Wrong::new(format!("`{}` is not an address", text.escape_default()))
                .hint("write \"anna@example.org\", a domain such as \"example.org\", or \"<>\" for reports")
        }),
        text => pattern(text).map(SenderPattern::Domain),
    }
}

/// Whether nothing is left for another.
fn takes_all_of(earlier: &Relay, later: &Relay) -> bool {
    let covered = |pattern: &Pattern| earlier.recipients.iter().any(|earlier| earlier.covers(pattern));
    let recipients =
        earlier.recipients.is_empty() || !later.recipients.is_empty() && later.recipients.iter().all(covered);
    recipients && (earlier.senders.is_empty() || earlier.senders == later.senders)
}

fn one(judge: &Judge<'_>, section: Section<'_>, dir: &Path) -> Option<RelaySettings> {
    let named = section.parsed("preset", known_preset);
    let name = section.parsed("name", relay_name);
    let tls = section.choice("tls", RelayTls::WORDS);
    let login = section.parsed("login", login);
    let tokens = tokens(&section, dir, named);
    let password = password(&section, dir, named);
    let logs_in = ["login", "password", "client_id"].into_iter().any(|key| section.get(key).is_some());
    let tls = protection(&section, named, tls, logs_in);
    let port = section.integer("port", 1..=65_535).and_then(|port| u16::try_from(port).ok());
    let port = port.or_else(|| usual_port(named, tls, logs_in));
    let host = host(judge, &section, named, port);
    let recipients = section.one_or_more("recipients", pattern);
    not_empty(&section, "recipients", recipients.as_ref().map(Vec::len));
    let limits = limits(&section, named);
    let senders = section.one_or_more("senders", sender);
    not_empty(&section, "senders", senders.as_ref().map(Vec::len));
    let fallback = section.one_or_more("fallback", relay_name).unwrap_or_default();
    let ca_file = section.parsed("ca_file", |text| path(text, dir));
    let ca_span = section.get("ca_file").map_or(section.span(), |value| value.span);
    if let (Some(value), RelayTls::AsOthers) = (section.get("ca_file"), tls) {
        let wrong = Wrong::new("`ca_file` is for a relay that is verified");
        section.wrong(value.span, wrong.hint("add tls = \"implicit\" or tls = \"starttls\""));
    }
    judge.relay_has_mail(&section);
    if let (Some(preset), Some(login), true) = (named, &login, section.get("senders").is_none()) {
        others_mail(judge, &section, preset, login);
    }
    section.finish();
    let host = host?;
    let account = login.as_ref().zip(password).map(|(login, password)| {
        let proof = Proof::Password(password);
        Account { login: login.as_str().into(), proof }
    });
    let name = name.unwrap_or_else(|| named.map_or_else(|| "relay".into(), |preset| preset.name.into()));
    let hosts = Hosts { protocol: Protocol::Smtp, hosts: vec![host] };
    let relay = Relay {
        implicit_tls: tls == RelayTls::Implicit,
        tls: (tls != RelayTls::AsOthers).then(|| TlsPolicy::Verify(Verify::default())),
        account,
        limits,
        senders: senders.into_iter().flatten().map(|(sender, _)| sender).collect(),
        fallback: fallback.iter().map(|(name, _)| name.clone()).collect(),
        recipients: recipients.into_iter().flatten().map(|(pattern, _)| pattern).collect(),
        ..Relay::of(&name, hosts)
    };
    let ca_span = ca_span.into();
    judge.fallbacks.borrow_mut().extend(fallback.into_iter().map(|(to, span)| (name.clone(), to, span)));
    Some(RelaySettings { relay, preset: named, tls, ca_file, ca_span, login, tokens, keeper: None })
}

/// Tells of mail that the provider will not take as it is: that of our own domains, and of lists.
fn others_mail(judge: &Judge<'_>, section: &Section<'_>, preset: &Preset, login: &str) {
    let rule = match preset.senders {
        Senders::Own => "refuses mail of other addresses",
        Senders::Rewritten => "writes that address into the From of all mail",
        Senders::Verified => return,
    };
    let title = preset.title;
    let domain = login.rsplit_once('@').map(|(_, domain)| domain);
    let other = judge.around.domains.iter().find(|own| Some(&*own.name) != domain);
    if let Some(other) = other {
        let message =
            format!("mail of {} goes through the account {login} too, and {title} {rule}", other.name);
        let hint = format!(
            "say whose mail the relay takes: senders = [\"{login}\", \"<>\"]; or use a service that lets you show that the domain is yours, such as preset = \"postmark\""
        );
        judge.add(Problem::warning(section.span().into(), message).hint(hint));
    }
    if let Some(lists) = judge.root.get("list") {
        let message =
            format!("mail of lists goes through the account {login}, and {title} forbids mail in bulk");
        let hint = format!("say whose mail the relay takes: senders = [\"{login}\", \"<>\"]");
        judge.add(
            Problem::warning(section.span().into(), message).other(lists.span.into(), "a list").hint(hint),
        );
    }
}

/// Those of the file, else those of the provider.
fn limits(section: &Section<'_>, preset: Option<&Preset>) -> RelayLimits {
    let per_day = section.integer("recipients_per_day_max", 1..=1_000_000_000);
    let per_message = section.integer("recipients_per_message_max", 1..=100_000);
    let per_message = per_message.or_else(|| preset.and_then(|preset| preset.recipients_per_message));
    RelayLimits {
        recipients_per_day: per_day.or_else(|| preset.and_then(|preset| preset.recipients_per_day)),
        recipients_per_message: per_message.and_then(|most| usize::try_from(most).ok()),
    }
}

/// Where tokens are had: of the file, else of the provider.
fn tokens(section: &Section<'_>, dir: &Path, preset: Option<&Preset>) -> Option<TokenSettings> {
    let known = preset.and_then(|preset| preset.tokens);
    let client_id = section.parsed("client_id", login);
    let client_secret = secret::read(section, "client_secret", dir);
    let authorize_url = section.parsed("authorize_url", https_url);
    let token_url = section.parsed("token_url", https_url);
    let device_url = section.parsed("device_url", https_url);
    let scopes = section.one_or_more("scopes", login);
    if section.get("client_id").is_none() {
        for key in ["client_secret", "authorize_url", "token_url", "device_url", "scopes"] {
            if let Some(value) = section.get(key) {
                let wrong = Wrong::new(format!("`{key}` is for tokens, and there is no `client_id`"));
                section.wrong(
                    value.span,
                    wrong.hint("add the client_id that the provider gave your application"),
                );
            }
        }
        return None;
    }
    let own = |known: Option<&str>| known.map(str::to_owned);
    let token_url = token_url.or_else(|| own(known.map(|known| known.token_url)));
    if token_url.is_none() && section.get("token_url").is_none() {
        let hint = "say where tokens are given: token_url = \"https://id.example.net/token\", and authorize_url or device_url";
        section.missing("token_url", hint);
    }
    let scopes = scopes.map(|all| all.into_iter().map(|(scope, _)| scope).collect());
    let usual = || known.map(|known| known.scopes.iter().map(|scope| (*scope).to_owned()).collect());
    Some(TokenSettings {
        client_id: client_id?,
        client_secret: client_secret.map(|secret| ClientSecret::new(secret.expose())),
        authorize_url: authorize_url.or_else(|| own(known.map(|known| known.authorize_url))),
        token_url: token_url?,
        device_url: device_url.or_else(|| own(known.and_then(|known| known.device_url))),
        scopes: scopes.or_else(usual).unwrap_or_default(),
    })
}

fn https_url(text: &str) -> Result<String, Wrong> {
    HttpsTarget::is_url(text).then(|| text.to_owned()).ok_or_else(|| {
        Wrong::new(format!("`{}` is no URL that can be asked", text.escape_default()))
            .hint("it begins with https://")
    })
}

/// A provider that is known here.
fn known_preset(text: &str) -> Result<&'static Preset, Wrong> {
    preset(text).ok_or_else(|| {
        let names = || PRESETS.iter().map(|preset| preset.name);
        let all: Vec<&str> = names().collect();
        let near = nearest(&text.to_ascii_lowercase(), names());
        let near = near.map(|near| format!("did you mean \"{near}\"? ")).unwrap_or_default();
        Wrong::new(format!("`{}` is no provider that is known here", text.escape_default())).hint(format!(
            "{near}there is {}; others go by hand: host = \"smtp.example.net\"",
            all.join(", ")
        ))
    })
}

fn relay_name(text: &str) -> Result<Box<str>, Wrong> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=40).contains(&text.len()) && text.chars().all(good) && !text.starts_with(['-', '.']) {
        return Ok(text.into());
    }
    Err(Wrong::new(format!("`{}` is no name for a relay", text.escape_default()))
        .hint("letters, digits, `-`, `_` and `.`, at most 40, such as \"gmail-work\""))
}

/// mail-rules 19: with credentials never in clear, and never with anybody.
fn protection(
    section: &Section<'_>,
    preset: Option<&Preset>,
    tls: Option<RelayTls>,
    logs_in: bool,
) -> RelayTls {
    if let (Some(RelayTls::AsOthers), Some(value)) = (tls, section.get("tls"))
        && (logs_in || preset.is_some())
    {
        let wrong = Wrong::new("a login is never said in clear, nor to anybody who says to be the relay");
        section.wrong(
            value.span,
            wrong.hint("write tls = \"implicit\" (port 465) or tls = \"starttls\" (port 587)"),
        );
    }
    let by_port = match section.get("port").and_then(toml_span::Value::as_integer) {
        Some(465) => Some(RelayTls::Implicit),
        Some(587 | 25 | 2525) => Some(RelayTls::StartTls),
        _ => None,
    };
    tls.unwrap_or_else(|| match preset {
        Some(preset) => {
            by_port.unwrap_or(if preset.implicit_tls { RelayTls::Implicit } else { RelayTls::StartTls })
        }
        None if logs_in => by_port.unwrap_or(RelayTls::StartTls),
        None => RelayTls::AsOthers,
    })
}

fn usual_port(preset: Option<&Preset>, tls: RelayTls, logs_in: bool) -> Option<u16> {
    match (preset, tls) {
        (Some(preset), tls) if preset.implicit_tls == (tls == RelayTls::Implicit) => Some(preset.port),
        (_, RelayTls::Implicit) => Some(SUBMISSIONS),
        (None, RelayTls::StartTls) if !logs_in => None,
        (_, RelayTls::StartTls) => Some(SUBMISSION),
        (_, RelayTls::AsOthers) => None,
    }
}

/// The host of the file, else that of the preset.
fn host(
    judge: &Judge<'_>,
    section: &Section<'_>,
    preset: Option<&Preset>,
    port: Option<u16>,
) -> Option<NamedHost> {
    if let Some((text, span)) = section.string("host") {
        let named = section.report(span, relay_host(text, port))?;
        judge.not_to_ourselves(&named, span);
        return Some(named);
    }
    if section.get("host").is_some() {
        return None;
    }
    match preset {
        Some(Preset { host: Some(host), .. }) => Some(NamedHost::Name((*host).into(), port)),
        Some(Preset { title, .. }) => {
            let hint = format!(
                "{title} has a host for each region: host = \"email-smtp.eu-central-1.amazonaws.com\""
            );
            section.missing("host", &hint);
            None
        }
        None => {
            // A preset that is unknown is told already.
            if section.get("preset").is_none() {
                section.missing(
                    "host",
                    "name the server that takes all mail for other places: host = \"smtp.example.net\"; or a provider: preset = \"gmail\"",
                );
            }
            None
        }
    }
}

/// What shows that the login is ours: a password, or tokens. Both or none of login and that; with a preset both.
fn password(section: &Section<'_>, dir: &Path, preset: Option<&Preset>) -> Option<Password> {
    let password = secret::read(section, "password", dir);
    let (has_login, by_token) = (section.get("login").is_some(), section.get("client_id").is_some());
    let has_proof = by_token || section.get("password").is_some();
    let wants = |what: &str| match preset {
        Some(Preset { title, credentials, .. }) => format!("{what}; {title} wants {credentials}"),
        None => what.to_owned(),
    };
    let proof = match preset {
        Some(Preset { passwords: false, .. }) => "client_id = \"...\"",
        _ => "password = { file = \"relay.password\" }",
    };
    match (has_login, has_proof) {
        (false, false) if preset.is_some() => {
            section.missing("login", &wants(&format!("add login = \"anna@example.net\" and {proof}")));
        }
        (true, false) => {
            let key = if proof.starts_with("client") { "client_id" } else { "password" };
            section.missing(key, &wants(&format!("add {proof}")));
        }
        (false, true) => section.missing("login", &wants("add login = \"anna@example.net\"")),
        _ => {}
    }
    if let Some(value) = section.get("password") {
        match preset {
            _ if by_token => {
                let wrong = Wrong::new("`password` and `client_id` are two ways to log in");
                section.wrong(value.span, wrong.hint("keep one of them"));
            }
            Some(Preset { title, passwords: false, .. }) => {
                let wrong = Wrong::new(format!("{title} takes no passwords"));
                let hint = "give it tokens: client_id, then `postrider relay login`; docs/guides/relays.md shows how";
                section.wrong(value.span, wrong.hint(hint));
            }
            _ => {}
        }
    }
    Some(Password::new(password?.expose()))
}

/// What a login may be made of: it goes into a line of its own, or between NULs.
fn login(text: &str) -> Result<String, Wrong> {
    if text.is_empty() || text.len() > 256 || text.chars().any(char::is_control) {
        return Err(Wrong::new("this is no login")
            .hint("write it as the relay knows it, such as \"anna@example.net\""));
    }
    Ok(text.to_owned())
}

fn not_empty(section: &Section<'_>, key: &'static str, count: Option<usize>) {
    if let (Some(0), Some(value)) = (count, section.get(key))
        && value.as_array().is_some_and(Vec::is_empty)
    {
        section.wrong(value.span, Wrong::new(format!("`{key}` is empty: the relay would take nothing")));
    }
}

/// The settings in effect.
pub(super) fn show(settings: &RelaySettings) -> Vec<(&'static str, Value)> {
    let RelaySettings { relay, preset, tls, ca_file, login, tokens, .. } = settings;
    let (host, port) = match relay.hosts.hosts.first() {
        Some(NamedHost::Name(name, port)) => (name.to_string(), *port),
        Some(NamedHost::Address(address, port)) => (address.to_string(), *port),
        Some(NamedHost::Unix(_)) | None => return Vec::new(),
    };
    let mut values = vec![("name", json!(relay.name))];
    values.extend(preset.map(|preset| ("preset", json!(preset.name))));
    values.push(("host", json!(host)));
    values.extend(port.map(|port| ("port", json!(port))));
    values.push(("tls", json!(tls.word())));
    values.extend(ca_file.as_ref().map(|file| ("ca_file", json!(file.display().to_string()))));
    values.extend(login.as_ref().map(|login| ("login", json!(login))));
    values
        .extend(relay.account.as_ref().filter(|_| tokens.is_none()).map(|_| ("password", json!(NOT_SHOWN))));
    if let Some(tokens) = tokens {
        values.push(("client_id", json!(tokens.client_id)));
        values.extend(tokens.client_secret.as_ref().map(|_| ("client_secret", json!(NOT_SHOWN))));
        values.extend(tokens.authorize_url.as_ref().map(|url| ("authorize_url", json!(url))));
        values.push(("token_url", json!(tokens.token_url)));
        values.extend(tokens.device_url.as_ref().map(|url| ("device_url", json!(url))));
        values.push(("scopes", json!(tokens.scopes)));
    }
    values.extend(relay.limits.recipients_per_day.map(|most| ("recipients_per_day_max", json!(most))));
    values
        .extend(relay.limits.recipients_per_message.map(|most| ("recipients_per_message_max", json!(most))));
    if !relay.recipients.is_empty() {
        let texts: Vec<String> = relay.recipients.iter().map(ToString::to_string).collect();
        values.push(("recipients", json!(texts)));
    }
    if !relay.senders.is_empty() {
        let texts: Vec<String> = relay.senders.iter().map(ToString::to_string).collect();
        values.push(("senders", json!(texts)));
    }
    if !relay.fallback.is_empty() {
        values.push(("fallback", json!(relay.fallback)));
    }
    values
}
