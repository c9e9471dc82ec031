//! The command line: what may be said, and the help that explains it.

mod backup;
mod ban;
mod dkim;
mod dns;
mod doctor;
mod ldap;
mod lists;
mod mailbox;
mod people;
mod queue;
mod quickstart;
mod relay;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

pub(crate) use backup::{BackupCommand, BackupCreate, BackupVerify, Restore};
pub(crate) use ban::BanCommand;
pub(crate) use dkim::{DkimCommand, DkimGenerate, KeyKind};
pub(crate) use dns::{DnsCommand, DnsRecords};
pub(crate) use doctor::{DnsCheck, DnsPublish, Doctor};
pub(crate) use ldap::{LdapCheck, LdapCommand};
pub(crate) use lists::{ListAdd, ListChange, ListCommand, MemberCommand, Members};
pub(crate) use mailbox::{
    ExportFormat, MailboxCommand, MailboxExport, MailboxImport, MailboxQuota, MailboxRemove, Most,
};
pub(crate) use people::{
    AccountAdd, AccountChange, AccountCommand, AccountNamed, AccountPassword, AccountSettings, AliasAdd,
    AliasCommand, AliasRemove, AppPasswordAdd, AppPasswordCommand, AppPasswordRevoke, DomainAdd,
    DomainCommand, DomainRemove, Listing, PasswordSource, SettingsFormat,
};
pub(crate) use queue::{
    QueueBounce, QueueChange, QueueCommand, QueueDestroy, QueueList, QueueShow, QueueStats, Selecting,
};
pub(crate) use quickstart::Quickstart;
pub(crate) use relay::{RelayCheck, RelayCommand, RelayList, RelayLogin, RelayTest};

/// A mail server: takes mail over SMTP, keeps it safe, delivers it, and says what became of it.
///
/// `postrider dev` starts a server for development on this machine in one step. `postrider serve` runs the real one from a configuration
/// file. The other commands look into a server and control it, from the same machine.
///
/// Exit codes: 0 all well, 1 failed, 2 wrong usage or wrong configuration.
#[derive(Debug, Parser)]
#[command(
    name = "postrider",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    /// Print JSON instead of text and tables
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a server for development: every mail is caught, nothing leaves this machine
    ///
    /// Takes mail from anybody to any address on port 2525 of loopback, and keeps it in one mailbox, which IMAP (port 2143, under TLS 2993) and
    /// POP3 (2110, 2995) show to whoever logs in, with any user and password. DNS is never asked and no other host is ever spoken to, so a test
    /// cannot send mail to the world by accident. Stop it with Ctrl-C; the mail stays.
    Dev(Dev),
    /// Make a server for the domain of an address: configuration, keys, first account, and the DNS records to publish
    ///
    /// Run it as root (or name places of your own), publish the records that it prints on standard output, start the server, and ask `postrider doctor` whether
    /// all is well. It asks nobody outside, and writes over no file: where there is a configuration already, it prints the records again and changes nothing.
    Quickstart(Box<Quickstart>),
    /// Run the server that a configuration file describes
    ///
    /// Stays in the foreground and logs to standard error, as a service manager wants it. SIGTERM or SIGINT stops it gracefully: no new
    /// sessions, running ones end at their next command; a second signal stops it at once. Neither loses mail that was accepted.
    Serve(ConfigFile),
    /// Check, show or reload a configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at the domains whose mail ends here, and change them
    ///
    /// Needs a running server. Those of the configuration file are shown too, and changed there.
    #[command(subcommand)]
    Domain(DomainCommand),
    /// Look at accounts and change them
    ///
    /// Needs a running server, in which each change holds at once. Accounts of the configuration file are shown too, and changed there.
    #[command(subcommand)]
    Account(Box<AccountCommand>),
    /// Look at aliases and change them
    ///
    /// Needs a running server. Those of the configuration file are shown too, and changed there.
    #[command(subcommand)]
    Alias(AliasCommand),
    /// Look at mailing lists and change them
    ///
    /// Needs a running server. Those of the configuration file are shown too, and changed there.
    #[command(subcommand)]
    List(ListCommand),
    /// Look at the mailboxes of accounts, bring mail in and take it out
    ///
    /// Where mailboxes are kept here: `deliver.local = "mailstore"`. Needs a running server; who reads mail at the same time sees what changes.
    #[command(subcommand)]
    Mailbox(MailboxCommand),
    /// Try the directories elsewhere that know who exists
    #[command(subcommand)]
    Ldap(LdapCommand),
    /// Make keys for signatures (DKIM), and print the records that publish them
    #[command(subcommand)]
    Dkim(DkimCommand),
    /// Look at the relays that mail for other places goes through, and try them
    ///
    /// Those of a configuration file. What is tried is tried from here, by the settings of the file, and beside the queue.
    #[command(subcommand)]
    Relay(RelayCommand),
    /// Tell which records the DNS should have for this server and its domains
    #[command(subcommand)]
    Dns(DnsCommand),
    /// Look at all that makes mail arrive, and say what is amiss and what to do about it
    ///
    /// The running server, its ports and certificates, the resolver, the addresses that mail leaves from, what the DNS has for each domain, clock, disk and
    /// files. Changes nothing. Exit code 0 if there is nothing worse than advice, else 1.
    Doctor(Doctor),
    /// Look at the queue and change it
    ///
    /// Needs a running server, which is found by its configuration or directory. What is meant is said by queue ids and marks of recipients: all
    /// that is given has to be true of a recipient; of an option given twice, one value. Without any, a change needs --all.
    #[command(subcommand)]
    Queue(Box<QueueCommand>),
    /// See who cannot log in for having failed too often, and let them
    ///
    /// Needs a running server. Failures are counted by the client, an IPv4 address or a /64 of IPv6, and by the login that it names; bans end by
    /// themselves, and with the server.
    #[command(subcommand)]
    Ban(BanCommand),
    /// Search and follow what happens to all messages
    ///
    /// All that is given has to be true of an event; of an option given twice, one value. With --json each event is a line as it stands in the
    /// event log. Without --follow it works without a running server too.
    Events(Events),
    /// Tell what became of a message, station by station, in the peer's own words
    ///
    /// Works without a running server too: then it reads the event log in the data directory.
    Trace(Trace),
    /// Send the message on standard input, as `sendmail` does
    ///
    /// Also done by this program under the names `sendmail`, `mailq` and `newaliases`. The message goes into the server's maildrop, whether it runs
    /// or not. Options are those of Sendmail: -t -i -f -F -N -R -V -bs -bp -bv -q and those that say nothing to us. `-O QueueDirectory=DIR` or
    /// `-C FILE` names the server. Exit codes are those of sysexits(3): 0 left for the server, 64 wrong usage, 65 a message that cannot be
    /// sent, 75 try again, 77 not your address.
    Sendmail(Sendmail),
    /// Tell how the server is: what listens, what waits, and how its certificate fares
    ///
    /// Needs a running server. Fails if somebody should look: mail is not taken because the disk failed, or the certificate is not renewed.
    Status(Status),
    /// Look after the files that hold mail in transit
    #[command(subcommand)]
    Spool(SpoolCommand),
    /// Look after the database of domains, accounts, aliases and lists
    #[command(subcommand)]
    Store(StoreCommand),
    /// Make backups and check them
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Restore a backup into an empty data directory, or what is missing of one account into the running server
    ///
    /// Without --account: with the server stopped. All is as it was when the backup was made, but mailboxes get another UIDVALIDITY, so that no client takes
    /// new messages for old ones. With --account: messages and mailboxes that the account had then and has not now come back; what is there stays as it is.
    Restore(Restore),
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Keep mail and state in this directory [default: postrider/dev in the user's state directory]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Listen on this address and port instead of port 2525 of loopback; may be given several times, and port 0 takes any free port
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Vec<SocketAddr>,
    /// Listen for submission with a login and STARTTLS here instead of on port 2587 of loopback
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub submission: Vec<SocketAddr>,
    /// Listen for submission with a login under TLS from the first octet here instead of on port 2465 of loopback
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub submissions: Vec<SocketAddr>,
    /// Listen for IMAP, in clear or with STARTTLS, here instead of on port 2143 of loopback
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub imap: Vec<SocketAddr>,
    /// Listen for IMAP under TLS from the first octet here instead of on port 2993 of loopback
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub imaps: Vec<SocketAddr>,
    /// Listen for POP3, in clear or with STLS, here instead of on port 2110 of loopback
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub pop3: Vec<SocketAddr>,
    /// Listen for POP3 under TLS from the first octet here instead of on port 2995 of loopback
    ///
    /// Once any address is named, for whatever service, only those named are listened on.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub pop3s: Vec<SocketAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file
    #[arg(long, short, value_name = "FILE", default_value = crate::config::DEFAULT_FILE)]
    pub config: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Report every mistake in a configuration file, or what it would do
    Check(ConfigFile),
    /// Print all settings in effect, defaults included; secrets are left out
    Show(ConfigFile),
    /// Let the running server take up its changed configuration file
    ///
    /// The file is checked in full first: with a mistake in it, all of the old configuration stays in force. Sessions and attempts under way are
    /// not disturbed. What needs a restart is told by name. SIGHUP does the same, and tells the log.
    Reload(ConfigReload),
}

#[derive(Debug, Args)]
pub(crate) struct ConfigReload {
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Go on with what happens from now on; only that, unless --since is given
    #[arg(long, short)]
    pub follow: bool,
    /// Only of this message or its report
    #[arg(long, value_name = "QUEUE-ID")]
    pub id: Vec<String>,
    /// Only with this recipient: anna@example.org, @example.org, or a pattern with *
    #[arg(long, value_name = "ADDRESS")]
    pub to: Vec<String>,
    /// Only with this reverse-path; not all events have one
    #[arg(long, value_name = "ADDRESS")]
    pub from: Vec<String>,
    /// Only of this kind, such as bounced
    #[arg(long, value_name = "KIND", value_parser = events::Kind::ALL.map(events::Kind::word))]
    pub kind: Vec<String>,
    /// Only since then: an age such as 1h, or a time in UTC such as 2026-11-23T18:00
    #[arg(long, value_name = "AGE|TIME")]
    pub since: Option<String>,
    #[command(flatten)]
    pub place: Place,
}

/// What `status` looks at.
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// A queue id, an address (of sender or recipient) or a Message-ID
    #[arg(value_name = "QUEUE-ID|ADDRESS|MESSAGE-ID")]
    pub what: String,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Sendmail {
    /// Options of Sendmail, and recipients
    #[arg(value_name = "OPTION|ADDRESS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SpoolCommand {
    /// Check every record of a spool against its checksum; changes nothing
    ///
    /// With the server stopped, or on a copy. Says what is whole and what damage costs, message by message. Exit code 1 if mail that was
    /// promised is damaged.
    Verify(SpoolVerify),
    /// Set aside what is damaged, so that the rest goes on
    ///
    /// With the server stopped. Damaged segments and what is left of damaged messages are kept in `damaged` in the spool; whole messages stay in
    /// the queue; a message whose content is damaged is given up at the next start, with a report to its sender.
    Repair(SpoolRepair),
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Bring the tables up to date, as the start of a server does
    ///
    /// With the server stopped. All steps are made in one transaction; a database that a newer program has used is refused and left as it is.
    Migrate(StoreMigrate),
}

#[derive(Debug, Args)]
pub(crate) struct StoreMigrate {
    /// Try it and take it back: say which steps there are, or which of them fails
    ///
    /// The server may run; if there are steps, its changes wait for as long as they take.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct SpoolRepair {
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub spool: SpoolVerify,
}

#[derive(Debug, Args)]
pub(crate) struct SpoolVerify {
    /// The data directory of the server, or the spool's own directory
    #[arg(value_name = "DIR", conflicts_with_all = ["config", "dir"])]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub place: Place,
}

/// Which server is meant.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which server")]
pub(crate) struct Place {
    /// The server with this configuration file [default: /etc/postrider/postrider.toml, else the dev server in its default directory]
    #[arg(long, short, value_name = "FILE", conflicts_with = "dir")]
    pub config: Option<PathBuf>,
    /// The server with this data directory, such as the --dir of `postrider dev`
    #[arg(long, visible_alias = "data-dir", value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::{Command as Clap, CommandFactory};

    use super::*;

    const REFERENCE: &str = include_str!("../../../docs/reference/cli.md");

    /// All commands that do something, with their full names.
    fn leaves() -> Vec<(String, Clap)> {
        fn walk(command: &Clap, name: String, found: &mut Vec<(String, Clap)>) {
            let subcommands: Vec<&Clap> =
                command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
            if subcommands.is_empty() {
                found.push((name, command.clone()));
            } else {
                for sub in subcommands {
                    walk(sub, format!("{name} {}", sub.get_name()), found);
                }
            }
        }
        let mut found = Vec::new();
        walk(&Cli::command(), "postrider".to_owned(), &mut found);
        found
    }

    /// The long options that a section of the reference has in its table.
    fn documented(section: &str) -> BTreeSet<String> {
        let option = |line: &str| {
            line.strip_prefix("| `--").and_then(|rest| rest.split(['`', ' ']).next()).map(str::to_owned)
        };
        section.lines().filter_map(option).collect()
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_option_is_in_the_reference_and_nothing_else() {
        let mut sections: Vec<(&str, &str)> =
            REFERENCE.split("\n## `").skip(1).filter_map(|section| section.split_once("`\n")).collect();
        for (name, command) in leaves() {
            let place = sections.iter().position(|(heading, _)| *heading == name);
            let (_, section) =
                sections.remove(place.unwrap_or_else(|| panic!("`{name}` is not in the reference")));
            let known: BTreeSet<String> = command
                .get_arguments()
                .filter_map(|argument| argument.get_long())
                .filter(|long| !["help", "version", "json"].contains(long))
                .map(str::to_owned)
                .collect();
            assert_eq!(documented(section), known, "{name}");
        }
        assert!(sections.is_empty(), "the reference knows commands that do not exist: {sections:?}");
    }

    #[test]
    fn the_help_of_every_command() {
        let mut text = Cli::command().term_width(100).render_long_help().to_string();
        for (name, command) in leaves() {
            let mut command = command.term_width(100).bin_name(&name);
            text.extend(["\n\n--- ", &name, " ---\n", &command.render_long_help().to_string()]);
        }
        // What ends a line is nothing to see, and editors take it away.
        let text: Vec<&str> = text.lines().map(str::trim_end).collect();
        let text = text.join("\n");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn options_come_after_the_command_too() {
        for line in [
            "postrider status --json --dir d",
            "postrider ban list --json",
            "postrider ban lift 192.0.2.1 --dir d",
            "postrider queue list --json --config a.toml",
            "postrider --json queue list --dir d",
            "postrider queue list --data-dir d",
            "postrider queue retry --all",
            "postrider queue retry --domain example.org",
            "postrider queue retry 1 2 3",
            "postrider queue list 1 --to a@b --from <> --site c --older-than 1h30m --younger-than 2d --reason busy --state held --state active",
            "postrider queue hold --domain a.b --domain .c.d --dry-run",
            "postrider queue release --all",
            "postrider queue remove 1 2",
            "postrider queue remove --all --yes",
            "postrider queue stats --by site --limit 3 --state held",
            "postrider queue bounce --site a.b --text gone -y",
            "postrider events -f --kind bounced --kind expired --to a@b --from <> --id 1 --since 1h",
            "postrider spool verify d",
            "postrider domain add example.org --catch-all a@example.org --subaddress -",
            "postrider account add a@b --address c@b --role send-as-domain --password-file - --hash",
            "postrider account add a@b --no-password",
            "postrider account app-password add a@b --name phone --scope smtp --scope imap",
            "postrider account app-password revoke a@b abcdef --json",
            "postrider alias add a@b c@b d@b",
            "postrider list add a@b --title T --post owners --owner c@b --member d@b --member e@f",
            "postrider list member add a@b d@e f@g --dir d",
            "postrider list change a@b --title T --add-owner c@b",
            "postrider quickstart you@example.org",
            "postrider quickstart you@example.org --hostname mx.example.org --address 192.0.2.1 --address 2001:db8::1 --yes --dnssec",
            "postrider quickstart you@example.org --acme-directory https://ca.test/dir --acme-ca ca.pem --password-file - --json",
            "postrider dns records",
            "postrider dns records example.org --relative --config a.toml --json",
            "postrider store migrate --dry-run --dir d",
            "postrider mailbox list a@b --json",
            "postrider mailbox quota a@b --octets 2GiB --messages none",
            "postrider mailbox import a@b --from mail --folder Old/2024 --dir d",
            "postrider mailbox export a@b --to d --format maildir --dir e",
            "postrider mailbox remove a@b --yes",
            "postrider mailbox verify --dir d",
            "postrider mailbox rebuild --config a.toml",
            "postrider spool verify --config a.toml",
            "postrider dev --listen 127.0.0.1:0 --listen [::1]:0 --submission 127.0.0.1:0 --submissions [::1]:0",
        ] {
            Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "postrider",
            "postrider queue",
            "postrider queue retry 1 --all",
            "postrider queue hold --all --older-than 1h",
            "postrider queue hold --older-than soon",
            "postrider queue release --all --yes",
            "postrider queue retry --all --domain example.org",
            "postrider queue list --config a --dir b",
            "postrider queue list --state asleep",
            "postrider queue list --limit 0",
            "postrider spool verify d --dir e",
            "postrider account add a@b tiger",
            "postrider account add a@b --password tiger",
            "postrider account add a@b --no-password --hash",
            "postrider account add a@b --role king",
            "postrider account app-password add a@b --name phone",
            "postrider account app-password add a@b --name phone --scope ftp",
            "postrider alias add a@b",
            "postrider list add a@b --post nobody",
            "postrider list member remove a@b",
            "postrider dev --listen 2525",
            "postrider quickstart",
            "postrider quickstart you@example.org --address mail.example.org",
            "postrider quickstart you@example.org --acme-ca ca.pem",
            "postrider mailbox quota a@b",
            "postrider mailbox quota a@b --octets much",
            "postrider mailbox quota a@b --messages 1GiB",
            "postrider mailbox import a@b",
            "postrider mailbox remove",
            "postrider mailbox export a@b --to d",
            "postrider mailbox export a@b --to d --format pst",
            "postrider trace",
            "postrider ban lift",
            "postrider events --kind unknown",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
