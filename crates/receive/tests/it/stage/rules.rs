//! Rules in the words of a dialogue: `NAME ACTION KEY=ENTRY,ENTRY KEY=...`, as in the configuration.

use directory::DomainPattern;
use mail::Reply;
use receive::{Action, AddressPattern, Conditions, FieldName, FieldPattern, ResultWord, Rule, Service};

pub(crate) fn rule(text: &str) -> Result<Rule, String> {
    let mut words = text.split(' ');
    let name = words.next().ok_or("no name")?.into();
    let action = match words.next() {
        Some("accept") => Action::Accept,
        Some("reject") => Action::Reject(Reply::fixed(550, (5, 7, 1), "Refused by a rule")),
        Some("defer") => Action::Defer(Reply::fixed(451, (4, 7, 1), "Deferred by a rule")),
        Some("drop") => Action::Drop,
        Some("hold") => Action::Hold,
        Some("junk") => Action::Junk,
        _ => return Err("no action".into()),
    };
    let mut when = Conditions::default();
    for word in words {
        let (key, value) = word.split_once('=').ok_or("no value")?;
        condition(&mut when, key, value)?;
    }
    Ok(Rule { name, when, action })
}

fn condition(when: &mut Conditions, key: &str, value: &str) -> Result<(), String> {
    match key {
        "clients" => when.clients = list(value, |text| text.parse().ok())?,
        "services" => when.services = list(value, service)?,
        "helo" => when.helo = list(value, |text| DomainPattern::parse(text).ok())?,
        "senders" => when.senders = list(value, |text| AddressPattern::parse(text).ok())?,
        "recipients" => when.recipients = list(value, |text| AddressPattern::parse(text).ok())?,
        "headers" => when.headers = list(value, FieldPattern::parse)?,
        "missing_headers" => when.missing_headers = list(value, FieldName::parse)?,
        "spf" => when.spf = list(value, ResultWord::parse)?,
        "dkim" => when.dkim = list(value, ResultWord::parse)?,
        "dmarc" => when.dmarc = list(value, ResultWord::parse)?,
        "arc" => when.arc = list(value, ResultWord::parse)?,
        "iprev" => when.iprev = list(value, ResultWord::parse)?,
        "author_domains" => when.author_domains = list(value, |text| DomainPattern::parse(text).ok())?,
        "size_over" => when.size_over = Some(value.parse().map_err(|_| "no size")?),
        "size_under" => when.size_under = Some(value.parse().map_err(|_| "no size")?),
        _ => return Err(format!("no condition: {key}")),
    }
    Ok(())
}

fn list<T>(value: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, String> {
    value.split(',').map(|text| parse(text).ok_or_else(|| format!("what is {text}?"))).collect()
}

fn service(name: &str) -> Option<Service> {
    [Service::Smtp, Service::Submission, Service::Lmtp].into_iter().find(|service| service.name() == name)
}
