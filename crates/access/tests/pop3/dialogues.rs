//! POP3 over the mailstore: the dialogues of `tests/dialogues/pop3`, with a mailbox that others change meanwhile.
//!
//! `given: message SUBJECT` and `given: gone NUMBER` change anna's INBOX, `given: disabled` her account, `given: failed TIMES` says that she
//! failed to log in. `then: messages A B` says which subjects are there.

use std::{fs, io, net::IpAddr, path::Path, sync::Arc};

use access::{Config, pop3::Pop3};
use directory::{AccountConfig, Attempt, Authenticator, Directory, DomainConfig, Scope, Secret};
use disk::Clock as _;
use mailstore::{Content, Delivery, MailboxId, Mailstore, UidSet};
use net::{Shutdown, ShutdownSwitch, TlsMode};
use tempfile::TempDir;
use testkit::{
    clock::FakeClock,
    dialogue::{World, play_file},
};
use tokio::io::{DuplexStream, duplex};

const ANNA: &str = "anna@example.org";

struct Post {
    _folder: TempDir,
    mailstore: Mailstore,
    logins: Authenticator,
    pop3: Pop3,
    clock: Arc<FakeClock>,
    shutdown: Shutdown,
    _switch: ShutdownSwitch,
    delivered: u8,
    /// Where clients are: who fails there is not banned but by the login.
    client: IpAddr,
}

fn directory(disabled: bool) -> Arc<Directory> {
    let anna = AccountConfig {
        login: ANNA.into(),
        password: Some(Secret::new("tiger lily")),
        disabled,
        ..AccountConfig::default()
    };
    let domain = DomainConfig { name: "example.org".into(), ..DomainConfig::default() };
    let config =
        directory::Config { domains: vec![domain], accounts: vec![anna], ..directory::Config::default() };
    Arc::new(Directory::new(config).unwrap())
}

impl Post {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (mailstore, _) = Mailstore::open(&folder.path().join("mailboxes.db")).unwrap();
        let logins = Authenticator::new(directory(false), b"secret");
        let clock = Arc::new(FakeClock::default());
        let config = Config { hostname: "mx.example.org".into(), login_in_clear: true, ..Config::default() };
        let pop3 = Pop3::new(config, mailstore.clone(), logins.clone(), clock.clone());
        let (switch, shutdown) = ShutdownSwitch::new();
        Self {
            _folder: folder,
            mailstore,
            logins,
            pop3,
            clock,
            shutdown,
            _switch: switch,
            delivered: 0,
            client: IpAddr::from([127, 0, 0, 1]),
        }
    }

    fn now(&self) -> i64 {
        i64::try_from(self.clock.now().as_millis()).unwrap()
    }

    async fn deliver(&mut self, subject: &str) {
        self.delivered += 1;
        let content = format!("Subject: {subject}\r\n\r\n.hello\r\n").into_bytes();
        let delivery = Delivery {
            account: ANNA.into(),
            folder: None,
            junk: false,
            key: vec![self.delivered],
            head: b"Return-Path: <a@b>\r\n".to_vec(),
            content: Content::new(content),
            now: self.now(),
        };
        for delivered in self.mailstore.deliver(vec![delivery]).await {
            delivered.unwrap();
        }
    }

    fn inbox(&self) -> MailboxId {
        let account = self.mailstore.find_account(ANNA).unwrap().unwrap();
        self.mailstore.mailbox(account, "INBOX").unwrap().unwrap().id
    }

    fn subjects(&self) -> Vec<String> {
        let inbox = self.inbox();
        let uids: UidSet =
            self.mailstore.view(inbox).unwrap().messages.iter().map(|message| message.uid).collect();
        let facts = self.mailstore.facts(inbox, &uids).unwrap();
        let read = |email| String::from_utf8(self.mailstore.read(email, 0, 1000).unwrap()).unwrap();
        let subject = |text: &str| {
            text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_default().to_owned()
        };
        facts.iter().map(|facts| subject(&read(facts.email))).collect()
    }

    async fn fail(&self, times: usize) {
        let attempt = Attempt {
            client: Some(self.client),
            shared: false,
            at: self.clock.now(),
            scope: Scope::Smtp,
            binding: None,
            certificate: None,
        };
        for _ in 0..times {
            let question = sasl::server::Question::Proof { login: ANNA.into(), acts_as: None, right: None };
            self.logins.authenticate(&attempt, question).await;
        }
    }
}

impl World for Post {
    type Stream = DuplexStream;

    async fn connect(&mut self, _client: usize) -> io::Result<DuplexStream> {
        let (ours, theirs) = duplex(64 * 1024);
        let (pop3, client, mut shutdown) = (self.pop3.clone(), self.client, self.shutdown.clone());
        tokio::spawn(async move { pop3.session(TlsMode::None, client, theirs, &mut shutdown).await });
        Ok(ours)
    }

    async fn given(&mut self, fact: &str) -> Result<(), String> {
        match fact.split_once(' ').unwrap_or((fact, "")) {
            ("message", subject) => self.deliver(subject).await,
            ("gone", number) => {
                let inbox = self.inbox();
                let at: usize = number.parse().map_err(|_| "no number")?;
                let view = self.mailstore.view(inbox).unwrap();
                let uid = view.messages.get(at - 1).ok_or("no such message")?.uid;
                self.mailstore.remove(inbox, UidSet::single(uid), self.now()).await.unwrap();
            }
            ("disabled", _) => self.logins.change(directory(true)),
            ("failed", times) => self.fail(times.parse().map_err(|_| "no number")?).await,
            _ => return Err("no such fact".into()),
        }
        Ok(())
    }

    async fn then(&mut self, fact: &str) -> Result<(), String> {
        let (word, rest) = fact.split_once(' ').unwrap_or((fact, ""));
        let found = self.subjects().join(" ");
        match word {
            "messages" if found == rest => Ok(()),
            "messages" => Err(format!("there are {found}")),
            _ => Err("no such check".into()),
        }
    }
}

#[tokio::test]
async fn dialogues_come_true() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues/pop3");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() > 4);
    for path in paths {
        if let Err(mismatch) = play_file(&path, &mut Post::new()).await {
            panic!("{}: {mismatch}", path.display());
        }
    }
}
