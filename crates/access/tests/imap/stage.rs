//! The world of the dialogues: two accounts, their mailboxes in a temporary directory, and a clock that stands.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use access::{Config, imap::Imap};
use directory::{AccountConfig, Authenticator, Directory, DomainConfig, Secret};
use mail::Timestamp;
use mailstore::{Content, Flags, Import, KnownBy, Mailstore, NewMessage, SCHEMA};
use net::{Shutdown, TlsMode};
use store::Store;
use tempfile::TempDir;
use testkit::{clock::FakeClock, dialogue::World};
use tokio::io::{DuplexStream, duplex};

/// 2026-11-30 00:00:00 UTC.
const NOW: u64 = 1_796_000_400_000 - 1_796_000_400_000 % 86_400_000;

pub(crate) struct Stage {
    imap: Imap,
    mailstore: Mailstore,
    logins: Authenticator,
    clock: Arc<FakeClock>,
    client: IpAddr,
    directory: TempDir,
}

/// Who may log in; `disabled`: anna may not any more.
fn people(disabled: bool) -> Arc<Directory> {
    let domain = DomainConfig { name: "example.org".into(), catch_all: None, subaddress: None };
    let account = |login: &str, disabled| AccountConfig {
        login: login.into(),
        password: Some(Secret::new("secret")),
        disabled,
        ..AccountConfig::default()
    };
    let accounts = vec![account("anna@example.org", disabled), account("bob@example.org", false)];
    let people = directory::Config { domains: vec![domain], accounts, ..directory::Config::default() };
    Arc::new(Directory::new(people).unwrap())
}

impl Stage {
    pub(crate) fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let (mailstore, _) = Mailstore::open(&temporary.path().join("mailboxes.db")).unwrap();
        let clock = Arc::new(FakeClock::new(Timestamp::from_millis(NOW)));
        let logins = Authenticator::new(people(false), b"secret");
        let imap = Imap::new(config(), mailstore.clone(), logins.clone(), clock.clone());
        Self { imap, mailstore, logins, clock, client: [127, 0, 0, 1].into(), directory: temporary }
    }

    async fn file(&self, mailbox: &str, flags: &str, text: &str) -> Result<(), String> {
        let shown = |error: mailstore::MailstoreError| error.to_string();
        let now = i64::try_from(NOW).unwrap();
        let account = self.mailstore.account("anna@example.org", now).await.map_err(shown)?;
        let mailbox = self.mailstore.mailbox(account, mailbox).map_err(shown)?.ok_or("no such mailbox")?;
        let flags = flags.split(',').filter_map(Flags::parse).fold(Flags::none(), Flags::with);
        let content = Content::new(text.replace("\\r\\n", "\r\n").into_bytes());
        let message = NewMessage { content, flags, keywords: Vec::new(), internal_date: now };
        self.mailstore.append(mailbox.id, vec![message], now).await.map_err(shown)?;
        Ok(())
    }
}

impl Stage {
    async fn folders(&self, count: usize) -> Result<(), String> {
        let shown = |error: mailstore::MailstoreError| error.to_string();
        let now = i64::try_from(NOW).unwrap();
        let account = self.mailstore.account("anna@example.org", now).await.map_err(shown)?;
        let import = |number| Import {
            folder: format!("folders/{number}"),
            source: Vec::new(),
            known_by: KnownBy::Nothing,
            head: Vec::new(),
            message: NewMessage {
                content: Content::new(b"Subject: x\r\n\r\nx\r\n".to_vec()),
                flags: Flags::none(),
                keywords: Vec::new(),
                internal_date: now,
            },
        };
        // All in one commit.
        let imported = self.mailstore.import(account, (0..count).map(import).collect(), now).await;
        imported.map(drop).map_err(shown)
    }
}

impl Stage {
    /// Does to the database what no program of ours does.
    async fn damage(&self, text: &str, structure: bool) -> Result<(), String> {
        let (path, text) = (self.directory.path().join("mailboxes.db"), text.to_owned());
        let opened = tokio::task::spawn_blocking(move || Store::open(&path, &[SCHEMA])).await.unwrap();
        let store = opened.map_err(|error| error.to_string())?.0;
        let damaged = store.write(move |sql| {
            let text = [text.as_str().into()];
            if structure {
                let update = "DELETE FROM structure WHERE content IN \
                              (SELECT id >> 20 FROM piece WHERE instr(octets, CAST(?1 AS BLOB)) > 0)";
                if sql.execute(update, &text)? == 0 {
                    return Ok(0);
                }
            }
            sql.execute("DELETE FROM piece WHERE instr(octets, CAST(?1 AS BLOB)) > 0", &text)
        });
        match damaged.await.map_err(|error: store::StoreError| error.to_string())? {
            0 => Err("nothing has that text".into()),
            _ => Ok(()),
        }
    }
}

/// In clear only where the client is at home.
fn config() -> Config {
    Config { hostname: "mx.example.org".into(), login_in_clear: true, ..Config::default() }
}

impl World for Stage {
    type Stream = DuplexStream;

    async fn connect(&mut self, _: usize) -> io::Result<DuplexStream> {
        let (near, far) = duplex(64 * 1024);
        let (imap, client) = (self.imap.clone(), self.client);
        tokio::spawn(async move {
            let _ = imap.session(TlsMode::None, client, far, &mut Shutdown::never()).await;
        });
        Ok(near)
    }

    async fn given(&mut self, fact: &str) -> Result<(), String> {
        match fact.split(' ').collect::<Vec<_>>()[..] {
            ["client", address] => self.client = address.parse().map_err(|_| "no address")?,
            // given: message MAILBOX FLAGS TEXT
            ["message", mailbox, flags, ..] => {
                let text = fact.splitn(4, ' ').nth(3).unwrap_or_default();
                self.file(mailbox, flags, text).await?;
            }
            // given: messages COUNT MAILBOX
            ["messages", count, mailbox] => {
                for number in 0..count.parse().map_err(|_| "no number")? {
                    let text = format!("Subject: number {number}\\r\\n\\r\\ntext {number}\\r\\n");
                    self.file(mailbox, "-", &text).await?;
                }
            }
            // given: folders COUNT, beside those of a new account
            ["folders", count] => self.folders(count.parse().map_err(|_| "no number")?).await?,
            // All that is there is in the index of texts, and nothing that comes later.
            ["indexed"] => {
                let (mailstore, file) = (self.mailstore.clone(), self.directory.path().join("text.db"));
                let indexed = tokio::task::spawn_blocking(move || {
                    mailstore.open_index(&file)?;
                    while mailstore.index_some()? {}
                    Ok(())
                });
                let indexed: Result<(), mailstore::MailstoreError> =
                    indexed.await.map_err(|error| error.to_string())?;
                indexed.map_err(|error| error.to_string())?;
            }
            // given: searches read OCTETS
            ["searches", "read", octets] => {
                let search_octets_max = octets.parse().map_err(|_| "no number")?;
                self.imap.change(Config { search_octets_max, ..config() });
            }
            // given: damaged TEXT: of messages that have it the octets are gone; given: damaged structure TEXT: of their structures too
            ["damaged", "structure", text] => self.damage(text, true).await?,
            ["damaged", text] => self.damage(text, false).await?,
            ["disabled"] => self.logins.change(people(true)),
            ["quota", octets] => {
                let octets = octets.parse().map_err(|_| "no number")?;
                let now = i64::try_from(NOW).unwrap();
                let account = self.mailstore.account("anna@example.org", now).await;
                let account = account.map_err(|error| error.to_string())?;
                let set = self.mailstore.set_quota(account, Some(octets), None).await;
                set.map_err(|error| error.to_string())?;
            }
            // given: largest OCTETS: for messages of sessions that begin from now on
            ["largest", octets] => {
                let message_octets_max = octets.parse().map_err(|_| "no number")?;
                self.imap.change(Config { message_octets_max, ..config() });
            }
            _ => return Err(format!("no such fact: {fact}")),
        }
        Ok(())
    }

    async fn later(&mut self, time: Duration) -> Result<(), String> {
        self.clock.advance(time);
        Ok(())
    }
}
