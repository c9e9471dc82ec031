//! `postrider mailbox`: what accounts hold, and mail that is brought in and taken out.

mod export;
mod import;
mod import_remote;
mod upkeep;

use std::path::{Path, PathBuf};

use admin::api::{Done, Mailboxes, Most, Quota, QuotaChange};

use crate::{
    cli::{self, MailboxCommand, Place},
    client::{delete, encoded, get, post},
    config,
    failure::Failure,
    place,
    terminal::{self, clean, count, size_text},
};

pub(crate) fn run(command: &MailboxCommand, json: bool) -> Result<(), Failure> {
    match command {
        MailboxCommand::List(named) => {
            let socket = socket(&named.place)?;
            let all: Mailboxes = super::run(mailboxes(&socket, &named.login))?;
            if json { terminal::print_json(&all) } else { terminal::print(&text(&all)) }
        }
        MailboxCommand::Quota(wanted) => set_quota(wanted, json),
        MailboxCommand::Import(wanted) => {
            let socket = socket(&wanted.place)?;
            super::run(import::import(&socket, wanted, json))
        }
        MailboxCommand::Export(wanted) => {
            let socket = socket(&wanted.place)?;
            super::run(export::export(&socket, wanted, json))
        }
        MailboxCommand::Remove(wanted) => remove(wanted, json),
        MailboxCommand::Verify(wanted) => upkeep::verify(&wanted.place, json),
        MailboxCommand::Rebuild(wanted) => upkeep::rebuild(&wanted.place, json),
    }
}

fn set_quota(wanted: &cli::MailboxQuota, json: bool) -> Result<(), Failure> {
    let cli::MailboxQuota { login, octets, messages, place } = wanted;
    let most = |cli::Most(most): cli::Most| most.map_or(Most::None, Most::Most);
    let change = QuotaChange { octets: octets.map(most), messages: messages.map(most) };
    let (socket, path) = (socket(place)?, path(login, "/quota"));
    let all: Mailboxes = super::run(async { Ok(post(&socket, &path, &change).await?) })?;
    if json { terminal::print_json(&all.quota) } else { terminal::print(&quota_text(&all.quota)) }
}

fn remove(wanted: &cli::MailboxRemove, json: bool) -> Result<(), Failure> {
    let cli::MailboxRemove { login, yes, place } = wanted;
    let socket = socket(place)?;
    let all = super::run(mailboxes(&socket, login))?;
    let meant = meant_text(&all, login);
    if !yes && !terminal::confirm(&format!("remove {meant}?"), "say --yes if that is meant")? {
        return Err(Failure::new("nothing was changed"));
    }
    let done: Done = super::run(async { Ok(delete(&socket, &path(login, "")).await?) })?;
    if json { terminal::print_json(&done) } else { terminal::print(&format!("removed {meant}")) }
}

fn meant_text(all: &Mailboxes, login: &str) -> String {
    let mailboxes = match all.mailboxes.len() {
        1 => "1 mailbox".to_owned(),
        many => format!("{many} mailboxes"),
    };
    format!("{mailboxes} of {} with {}", clean(login), count(all.quota.messages, "message"))
}

fn socket(place: &Place) -> Result<PathBuf, Failure> {
    Ok(config::control_socket(&place::data_dir(place)?))
}

fn path(login: &str, more: &str) -> String {
    format!("/v1/accounts/{}/mailboxes{more}", encoded(login))
}

async fn mailboxes(socket: &Path, login: &str) -> Result<Mailboxes, Failure> {
    Ok(get(socket, &path(login, "")).await?)
}

fn text(all: &Mailboxes) -> String {
    if all.mailboxes.is_empty() {
        return "no mailboxes yet: they are made when mail comes, or somebody logs in to read it".to_owned();
    }
    let mut table = terminal::table(&["MAILBOX", "MESSAGES", "UNSEEN", "SIZE", "USE"]);
    for mailbox in &all.mailboxes {
        let special_use = mailbox.special_use.as_deref().unwrap_or_default().trim_start_matches('\\');
        table.add_row([
            clean(&mailbox.name),
            mailbox.messages.to_string(),
            mailbox.unseen.to_string(),
            size_text(mailbox.octets),
            clean(special_use),
        ]);
    }
    format!("{}\n{}", terminal::table_text(&table), quota_text(&all.quota))
}

fn quota_text(quota: &Quota) -> String {
    let Quota { octets, messages, octets_max, messages_max } = *quota;
    let most = |most: Option<String>| most.map(|most| format!(" of at most {most}")).unwrap_or_default();
    format!(
        "{}{}, {}{}",
        count(messages, "message"),
        most(messages_max.map(|most| most.to_string())),
        size_text(octets),
        most(octets_max.map(size_text))
    )
}

#[cfg(test)]
mod tests {
    use admin::api::Mailbox;

    use super::*;

    #[test]
    fn mailboxes_are_told_in_a_table() {
        let mailbox = |name: &str, special_use: Option<&str>| Mailbox {
            name: name.to_owned(),
            special_use: special_use.map(str::to_owned),
            messages: 12,
            unseen: 3,
            octets: 2048,
        };
        let quota = Quota { octets: 4096, messages: 24, octets_max: Some(1 << 31), messages_max: None };
        let all =
            Mailboxes { mailboxes: vec![mailbox("INBOX", None), mailbox("Sent", Some("\\Sent"))], quota };
        let text = text(&all);
        let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            words,
            [
                vec!["MAILBOX", "MESSAGES", "UNSEEN", "SIZE", "USE"],
                vec!["INBOX", "12", "3", "2.0", "KiB"],
                vec!["Sent", "12", "3", "2.0", "KiB", "Sent"],
                vec!["24", "messages,", "4.0", "KiB", "of", "at", "most", "2.0", "GiB"],
            ]
        );
    }
}
