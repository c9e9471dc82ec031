//! `[[rule]]`: what becomes of mail that meets conditions, and what is wrong with what is said about it.

mod judge;
mod reply;

use directory::DomainPattern;
use mail::{AddressError, Reply};
use receive::{Action, AddressPattern, Conditions, FieldName, FieldPattern, ResultWord, Rule, Service};
use toml_span::{Span, Value};

use judge::Judge;
pub(super) use judge::Surroundings;

use super::{
    listeners,
    value::{self, Wrong},
    walk::Section,
};

const NAME_OCTETS_MAX: usize = 64;
/// Larger messages are refused whatever the rules say: `receive.message_size_max` ends there.
const SIZE_MAX: u64 = 1 << 40;
const ACTIONS: &[(&str, Word)] = &[
    ("accept", Word::Accept),
    ("reject", Word::Reject),
    ("defer", Word::Defer),
    ("drop", Word::Drop),
    ("hold", Word::Hold),
    ("junk", Word::Junk),
];
/// What the checks find.
const RESULT_KEYS: [&str; 6] = ["spf", "dkim", "dmarc", "arc", "iprev", "author_domains"];
const ADDRESS_FORMS: &str = "write \"anna@example.net\", \"news-*@example.net\", \"example.net\", \".example.net\" for all below it, or \"*\"";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Accept,
    Reject,
    Defer,
    Drop,
    Hold,
    Junk,
}

/// The lists of a rule's conditions with the places of their entries.
#[derive(Debug, Default)]
struct Places {
    clients: Vec<Span>,
    services: Vec<Span>,
    helo: Vec<Span>,
    senders: Vec<Span>,
    recipients: Vec<Span>,
    size_over: Option<Span>,
    size_under: Option<Span>,
    headers: Vec<Span>,
    missing_headers: Vec<Span>,
    /// Of a condition on what the checks find.
    results: Option<Span>,
}

/// All rules, in order.
pub(super) fn read(root: &Section<'_>, around: &Surroundings<'_>) -> Vec<Rule> {
    let mut judge = Judge::new(root, around);
    root.sections("rule").into_iter().filter_map(|section| one(section, &mut judge)).collect()
}

fn one(section: Section<'_>, judge: &mut Judge<'_>) -> Option<Rule> {
    let span = section.span();
    if section.get("name").is_none() {
        section.missing("name", "events and the log speak of it by a name: name = \"no-newsletters\"");
    }
    let name = section.parsed("name", name);
    if let Some(name) = &name {
        judge.name(name, section.get("name").map_or(span, |value| value.span));
    }
    let (when, places) = conditions(&section);
    let action = action(&section, when.as_ref());
    let whole = none_is_empty(&section) & section.knows_all();
    section.finish();
    let rule = Rule { name: name?.into(), when: when?, action: action? };
    if whole {
        judge.rule(&rule, &places, span);
    }
    Some(rule)
}

/// What is said under each key. None: some of it is wrong, so that what remains would be about other mail.
fn conditions(section: &Section<'_>) -> (Option<Conditions>, Places) {
    let (clients, client_places) = list(section, "clients", client);
    let (services, service_places) = list(section, "services", service);
    let (helo, helo_places) = list(section, "helo", helo);
    let (senders, sender_places) = list(section, "senders", sender);
    let (recipients, recipient_places) = list(section, "recipients", recipient);
    let (headers, header_places) = list(section, "headers", field);
    let (missing_headers, missing_places) = list(section, "missing_headers", field_name);
    let (size_over, over_place) = size(section, "size_over");
    let (size_under, under_place) = size(section, "size_under");
    let [spf, dkim, dmarc, arc, iprev] = ["spf", "dkim", "dmarc", "arc", "iprev"]
        .map(|key| (key, list(section, key, |text| result(key, text)).0));
    let (author_domains, _) = list(section, "author_domains", author_domain);
    let results = RESULT_KEYS.iter().find_map(|key| section.get(key)).map(|value| value.span);
    let places = Places {
        clients: client_places,
        services: service_places,
        helo: helo_places,
        senders: sender_places,
        recipients: recipient_places,
        size_over: over_place,
        size_under: under_place,
        headers: header_places,
        missing_headers: missing_places,
        results,
    };
    let all = || {
        Some(Conditions {
            clients: clients?,
            services: services?,
            helo: helo?,
            senders: senders?,
            recipients: recipients?,
            size_over: size_over.ok()?,
            size_under: size_under.ok()?,
            headers: headers?,
            missing_headers: missing_headers?,
            spf: spf.1?,
            dkim: dkim.1?,
            dmarc: dmarc.1?,
            arc: arc.1?,
            iprev: iprev.1?,
            author_domains: author_domains?,
        })
    };
    (all(), places)
}

/// A list and the places of its entries; none if an entry is wrong.
fn list<T>(
    section: &Section<'_>,
    key: &'static str,
    parse: impl Fn(&str) -> Result<T, Wrong>,
) -> (Option<Vec<T>>, Vec<Span>) {
    let Some(value) = section.get(key) else { return (Some(Vec::new()), Vec::new()) };
    let given = value.as_array().map_or(1, Vec::len);
    let (items, places): (Vec<T>, Vec<Span>) =
        section.one_or_more(key, parse).unwrap_or_default().into_iter().unzip();
    ((items.len() == given).then_some(items), places)
}

/// A size and its place; an error if it is there and wrong.
fn size(section: &Section<'_>, key: &'static str) -> (Result<Option<u64>, ()>, Option<Span>) {
    let Some(value) = section.get(key) else { return (Ok(None), None) };
    let size = section.size(key, &(0..=SIZE_MAX));
    (size.map(Some).ok_or(()), Some(value.span))
}

/// An empty list could be meant as "nobody" or as "whoever": it is a mistake. Whether there was none.
fn none_is_empty(section: &Section<'_>) -> bool {
    let lists = ["clients", "services", "helo", "senders", "recipients", "headers", "missing_headers"];
    let mut whole = true;
    for key in lists.iter().chain(&RESULT_KEYS) {
        if let Some(value) = section.get(key).filter(|value| value.as_array().is_some_and(Vec::is_empty)) {
            let wrong = Wrong::new(format!("`{key}` is empty: the rule would take nothing"));
            section.wrong(value.span, wrong.hint("name at least one, or leave the key out"));
            whole = false;
        }
    }
    whole
}

fn action(section: &Section<'_>, when: Option<&Conditions>) -> Option<Action> {
    if section.get("action").is_none() {
        let hint = "say what becomes of the mail: action = \"accept\", \"reject\", \"defer\", \"drop\", \"hold\" or \"junk\"";
        section.missing("action", hint);
    }
    let word = section.choice("action", ACTIONS);
    let given = section.get("reply");
    let at_rcpt = when.is_some_and(|when| !when.ask_content());
    let reply = |class: u8, default: Reply| {
        if given.is_none() {
            return Some(default);
        }
        section.parsed("reply", |text| reply::parse(text, class, at_rcpt))
    };
    match word? {
        Word::Reject => reply(5, reply::REJECTED).map(Action::Reject),
        Word::Defer => reply(4, reply::DEFERRED).map(Action::Defer),
        taken => {
            if let Some(value) = given {
                no_reply(section, value);
            }
            Some(match taken {
                Word::Drop => Action::Drop,
                Word::Hold => Action::Hold,
                Word::Junk => Action::Junk,
                _ => Action::Accept,
            })
        }
    }
}

fn no_reply(section: &Section<'_>, value: &Value<'_>) {
    let wrong = Wrong::new("`reply` belongs to a rule that rejects or defers");
    section
        .wrong(value.span, wrong.hint("to the client, mail that is held or dropped is taken: leave it out"));
}

/// The results that a check can have (RFC 8601 §2.7).
fn result(key: &str, text: &str) -> Result<ResultWord, Wrong> {
    use ResultWord::{Fail, Neutral, None, Pass, PermError, Policy, SoftFail, TempError};
    let possible: &[ResultWord] = match key {
        "spf" => &[Pass, Fail, SoftFail, Neutral, None, TempError, PermError],
        "dkim" => &[Pass, Fail, Neutral, Policy, None, TempError, PermError],
        "arc" => &[Pass, Fail, None],
        "iprev" => &[Pass, Fail, TempError, PermError],
        _ => &[Pass, Fail, None, TempError, PermError],
    };
    ResultWord::parse(text).filter(|word| possible.contains(word)).ok_or_else(|| {
        let words: Vec<String> = possible.iter().map(|word| format!("\"{word}\"")).collect();
        Wrong::new(format!("`{text}` is no result of `{key}`")).hint(format!("there is {}", words.join(", ")))
    })
}

fn author_domain(text: &str) -> Result<DomainPattern, Wrong> {
    DomainPattern::parse(text).map_err(|error| {
        Wrong::new(format!("`{text}` is no domain that an author could have: {error}"))
            .hint("write \"example.net\", \".example.net\" for all below it, or \"*\"")
    })
}

fn name(text: &str) -> Result<String, Wrong> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !text.is_empty() && text.len() <= NAME_OCTETS_MAX && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new("this is no name of a rule").hint(format!(
        "write letters, digits and - _ . such as \"no-newsletters\"; at most {NAME_OCTETS_MAX}"
    )))
}

fn client(text: &str) -> Result<net::Network, Wrong> {
    text.parse().map_err(|error: net::NetworkError| Wrong::new(error.to_string()))
}

fn service(text: &str) -> Result<Service, Wrong> {
    match listeners::service(text)? {
        super::Service::Mail(service) => Ok(service),
        service @ (super::Service::Mailboxes(_) | super::Service::Http) => {
            let wrong = Wrong::new(format!("no mail comes in by `{service}`"));
            Err(wrong.hint("there is \"smtp\", \"submission\", \"lmtp\""))
        }
    }
}

fn helo(text: &str) -> Result<DomainPattern, Wrong> {
    DomainPattern::parse(text).map_err(|error| {
        Wrong::new(format!("`{text}` is no name that a client could have: {error}"))
            .hint("write \"mail.example.net\", \".example.net\" for all below it, \"[192.0.2.1]\", or \"*\"")
    })
}

fn sender(text: &str) -> Result<AddressPattern, Wrong> {
    address(text).map_err(|error| {
        Wrong::new(format!("`{text}` is not a sender: {error}"))
            .hint(format!("{ADDRESS_FORMS}; \"<>\" is the sender of reports"))
    })
}

fn recipient(text: &str) -> Result<AddressPattern, Wrong> {
    match address(text) {
        Ok(AddressPattern::Null) => {
            Err(Wrong::new("`<>` is no recipient").hint("it is a sender: that of reports"))
        }
        Ok(pattern) => Ok(pattern),
        Err(error) => Err(Wrong::new(format!("`{text}` is not a recipient: {error}")).hint(ADDRESS_FORMS)),
    }
}

fn address(text: &str) -> Result<AddressPattern, AddressError> {
    AddressPattern::parse(text)
}

fn field(text: &str) -> Result<FieldPattern, Wrong> {
    FieldPattern::parse(text).ok_or_else(|| {
        Wrong::new(format!("`{text}` is not a header field"))
            .hint("write the name, a colon and the text, with * for any text, such as \"Subject: *lottery*\"")
    })
}

fn field_name(text: &str) -> Result<FieldName, Wrong> {
    FieldName::parse(text).ok_or_else(|| {
        Wrong::new(format!("`{text}` is not the name of a header field"))
            .hint("write the name alone, such as \"Message-ID\"")
    })
}

/// As a rule is shown: its keys in the order of the reference.
pub(super) fn show(rule: &Rule) -> Vec<(&'static str, serde_json::Value)> {
    use serde_json::json;
    fn texts<T: ToString>(key: &'static str, items: &[T]) -> Option<(&'static str, serde_json::Value)> {
        let texts: Vec<String> = items.iter().map(ToString::to_string).collect();
        (!texts.is_empty()).then(|| (key, json!(texts)))
    }
    let size = |key, size: Option<u64>| size.map(|size| (key, json!(value::show_size(size))));
    let when = &rule.when;
    let conditions = [
        texts("clients", &when.clients),
        texts("services", &when.services),
        texts("helo", &when.helo),
        texts("senders", &when.senders),
        texts("recipients", &when.recipients),
        size("size_over", when.size_over),
        size("size_under", when.size_under),
        texts("headers", &when.headers),
        texts("missing_headers", &when.missing_headers),
        texts("spf", &when.spf),
        texts("dkim", &when.dkim),
        texts("dmarc", &when.dmarc),
        texts("arc", &when.arc),
        texts("iprev", &when.iprev),
        texts("author_domains", &when.author_domains),
    ];
    let reply = rule.action.refusal().map(|reply| ("reply", json!(reply.to_string())));
    let first = [("name", json!(rule.name)), ("action", json!(rule.action.name()))];
    first.into_iter().chain(reply).chain(conditions.into_iter().flatten()).collect()
}
