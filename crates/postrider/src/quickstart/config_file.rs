//! The configuration as text.

use std::{fmt::Write as _, path::Path};

use serde_json::json;

use super::Plan;
use crate::{
    config::{self, Config, DATA_DIR, Report},
    failure::Failure,
    terminal,
};

const HEAD: &str = "# Made by `postrider quickstart`. What it does is told by `postrider config check`, what else there is by docs/reference/configuration.md.\n";

const LISTENERS: &str = "
# Without addresses a service listens on all of this machine.
[[listener]]                        # other servers bring mail: port 25
service = \"smtp\"

[[listener]]                        # mail clients send, by TLS from the start: port 465
service = \"submission\"
tls = \"implicit\"

[[listener]]                        # the same by STARTTLS: port 587
service = \"submission\"

[[listener]]                        # mail clients read: port 993
service = \"imap\"
tls = \"implicit\"

[[listener]]                        # settings for mail clients, and the policy below: port 443
service = \"http\"
tls = \"implicit\"

[[listener]]                        # the authority of certificates looks here: port 80
service = \"http\"
tls = \"none\"
";

const SIGNING: &str = "
[signing]                           # keys for signatures are made and followed by others; `postrider dkim status` says what to publish
";

/// The file. Strings and lists of strings are written as JSON has them, which TOML reads.
pub(super) fn text(plan: &Plan) -> String {
    let Plan { login, domain, host, .. } = plan;
    let mut text = HEAD.to_owned();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "hostname = {}", json!(host));
    if !plan.addresses.is_empty() {
        let _ = writeln!(text, "public_addresses = {}", json!(plan.addresses));
    }
    if plan.data_dir != Path::new(DATA_DIR) {
        let _ = writeln!(text, "data_dir = {}", json!(plan.data_dir));
    }
    let _ = writeln!(text, "postmaster = {}", json!(login.to_string()));
    text.push_str(LISTENERS);
    tls(plan, &mut text);
    text.push_str("\n[mta_sts]                           # senders are told to report when TLS fails; \"enforce\" once no report tells of that\nmode = \"testing\"\n");
    let _ = writeln!(
        text,
        "\n[[domain]]                          # accounts and aliases: `postrider account add`, `postrider alias add`\nname = {}",
        json!(domain.as_str())
    );
    text.push_str(SIGNING);
    let _ = writeln!(text, "keep = {}", json!([domain.as_str()]));
    if let Some(owner) = &plan.owner {
        let _ = writeln!(
            text,
            "\n[process]                           # whom the server becomes once it has its ports\nuser = {}",
            json!(owner.name)
        );
    }
    text
}

fn tls(plan: &Plan, text: &mut String) {
    let _ = writeln!(text, "\n[tls.acme]                          # certificates, renewed in time");
    text.push_str("agree_to_terms = true\n");
    if let Some(directory) = &plan.acme_directory {
        let _ = writeln!(text, "directory = {}", json!(directory));
    }
    if let Some(file) = &plan.acme_ca {
        let _ = writeln!(text, "ca_file = {}", json!(file));
    }
    if plan.login.to_string().is_ascii() {
        let _ = writeln!(text, "contact = {}", json!([plan.login.to_string()]));
    }
    let _ = writeln!(text, "names = {}", json!(plan.names()));
    if plan.dnssec {
        text.push_str("reuse_key = \"on\"                    # its TLSA record holds over renewals\n");
    }
}

/// What the text says, before there is a file of it.
pub(super) fn checked(plan: &Plan, text: &str) -> Result<Config, Failure> {
    let (config, problems, _) = config::parse(text, plan.config.parent().unwrap_or(Path::new("/")));
    let report = Report { path: plan.config.clone(), source: text.to_owned(), problems };
    match config {
        Some(config) if !report.has_errors() => Ok(config),
        _ => Err(Failure::report(report.render(terminal::colours_on_stderr()), true)),
    }
}
