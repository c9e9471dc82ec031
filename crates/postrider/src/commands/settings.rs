//! `postrider account settings`: what a mail client has to be told.

use autoconfig::{Endpoint, Security, Service, Settings};
use mail::Address;
use serde_json::{Value, json};

use crate::{
    cli::{AccountSettings, SettingsFormat},
    client_settings,
    config::Config,
    failure::Failure,
    place, terminal,
};

pub(super) fn print(wanted: &AccountSettings, json: bool) -> Result<(), Failure> {
    let address = Address::parse(&wanted.address).map_err(|error| {
        Failure::usage(format!("`{}` is no address: {error}", wanted.address.escape_debug()))
    })?;
    let settings = of(&place::load(&wanted.file.config)?, &address);
    if settings.endpoints.is_empty() {
        return Err(Failure::new("there is no service that a mail client could use")
            .hint("add listeners for submission, imap or pop3, with `tls`"));
    }
    if json {
        return terminal::print_json(&as_json(&settings, &address));
    }
    let text = match wanted.format {
        SettingsFormat::Text => as_text(&settings, &address),
        SettingsFormat::Thunderbird => autoconfig::thunderbird(&settings),
        SettingsFormat::Outlook => autoconfig::autodiscover(&settings, &address),
        SettingsFormat::Apple => autoconfig::apple_profile(&settings, &address).ok_or_else(|| {
            Failure::new("a profile needs a service to read mail by and one to send it by")
                .hint("add listeners for imap and submission, with `tls`")
        })?,
        SettingsFormat::Dns => autoconfig::srv_records(&settings),
    };
    terminal::print(text.trim_end())
}

fn of(config: &Config, address: &Address) -> Settings {
    let endpoints = client_settings::endpoints(config);
    Settings::new(address.domain().clone(), &config.hostname, &address.domain().to_string(), endpoints)
}

const fn name(service: Service) -> &'static str {
    match service {
        Service::Imap => "IMAP",
        Service::Pop3 => "POP3",
        Service::Submission => "SMTP",
    }
}

const fn words(security: Security) -> &'static str {
    match security {
        Security::Implicit => "SSL/TLS",
        Security::StartTls => "STARTTLS",
    }
}

fn as_text(settings: &Settings, address: &Address) -> String {
    let mut table = terminal::table(&["", "SERVER", "PORT", "SECURITY"]);
    for Endpoint { service, security, port } in &settings.endpoints {
        table.add_row([name(*service), &settings.host, &port.to_string(), words(*security)]);
    }
    let login = "its password, or an app password; authentication \"normal password\"";
    format!("{}\n\nlogin     {address}\npassword  {login}", terminal::table_text(&table))
}

fn as_json(settings: &Settings, address: &Address) -> Value {
    let endpoint = |endpoint: &Endpoint| {
        json!({
            "service": name(endpoint.service).to_lowercase(),
            "host": settings.host,
            "port": endpoint.port,
            "security": match endpoint.security { Security::Implicit => "tls", Security::StartTls => "starttls" },
        })
    };
    let endpoints: Vec<Value> = settings.endpoints.iter().map(endpoint).collect();
    json!({ "login": address.to_string(), "services": endpoints })
}
