//! What a client reads of a large mailbox, and how long that takes, warm and cold.

use super::client::{Client, Door};
use super::fill::Known;
use super::server::Running;
use crate::Failure;

/// One thing to ask for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    pub(super) name: &'static str,
    command: &'static str,
    /// So often in a round, for it is over at once.
    times: u32,
    /// It tells of every message.
    all: bool,
    /// Each time in a session that has just logged in, as a client begins.
    anew: bool,
    /// Looked at after a restart, with nothing in the page cache, too.
    pub(super) cold: bool,
}

const fn read(name: &'static str, command: &'static str) -> Read {
    Read { name, command, times: 1, all: false, anew: false, cold: false }
}

/// What the reading of a mailbox is made of; SELECT is first.
pub(super) const READS: [Read; 13] = [
    Read { times: 5, anew: true, cold: true, ..read("SELECT", "SELECT INBOX") },
    Read { times: 20, ..read("SELECT again", "SELECT INBOX") },
    Read { times: 20, ..read("SELECT, QRESYNC after absence", QRESYNC) },
    Read { all: true, ..read("FETCH flags", "FETCH 1:* (UID FLAGS)") },
    Read {
        all: true,
        cold: true,
        ..read("FETCH flags, envelope", "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)")
    },
    Read {
        all: true,
        ..read(
            "FETCH header fields",
            "FETCH 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID \
             References In-Reply-To Content-Type Reply-To)])",
        )
    },
    Read { all: true, ..read("FETCH structure", "FETCH 1:* (UID BODYSTRUCTURE)") },
    Read { all: true, cold: true, ..read("FETCH bodies", "FETCH 1:* (UID BODY.PEEK[])") },
    Read { times: 5, ..read("SEARCH flags", "SEARCH UNSEEN") },
    Read { cold: true, ..read("SEARCH subject", "SEARCH SUBJECT quarterly") },
    Read { ..read("SEARCH other header", "SEARCH HEADER List-Id nowhere") },
    Read { cold: true, ..read("SEARCH body", "SEARCH BODY zanzibarine") },
    Read { ..read("SEARCH text", "SEARCH TEXT zanzibarine") },
];
const QRESYNC: &str = "SELECT INBOX (QRESYNC ({validity} {modseq}))";

/// How long something took, and what the server used for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Figure {
    pub(super) wall_ns: u64,
    pub(super) cpu_ns: u64,
    /// What it found; of the others, nothing.
    pub(super) found: u64,
}

/// Sessions that read one mailbox.
pub(super) struct Reader {
    client: Client,
    /// Has QRESYNC on.
    resyncing: Client,
    door: Door,
    known: Known,
    messages: u64,
}

impl Reader {
    pub(super) fn open(door: &Door, known: Known, messages: u64) -> Result<Self, Failure> {
        let (mut client, mut resyncing) = (Client::open(door)?, Client::open(door)?);
        client.ask("SELECT INBOX")?;
        resyncing.ask("ENABLE QRESYNC")?;
        Ok(Self { client, resyncing, door: door.clone(), known, messages })
    }

    /// Asks once, or as often as it is worth.
    pub(super) fn measure(&mut self, read: &Read, server: &Running) -> Result<Figure, Failure> {
        self.times(read, server, read.times)
    }

    fn times(&mut self, read: &Read, server: &Running, times: u32) -> Result<Figure, Failure> {
        let is_resync = read.command == QRESYNC;
        let client = if is_resync { &mut self.resyncing } else { &mut self.client };
        let command = read
            .command
            .replace("{validity}", &self.known.uid_validity.to_string())
            .replace("{modseq}", &self.known.mod_seq.to_string());
        let (mut wall_ns, mut found) = (0, 0);
        let mut cpu_ns = 0;
        for _ in 0..times {
            let mut fresh = if read.anew { Some(Client::open(&self.door)?) } else { None };
            let cpu = server.cpu_ns();
            let told = fresh.as_mut().unwrap_or(client).ask(&command)?;
            cpu_ns += server.cpu_ns().saturating_sub(cpu);
            if read.all && told.fetched != self.messages {
                return Err(format!("{}: told of {} messages", read.name, told.fetched).into());
            }
            wall_ns += told.ns;
            found = told.found;
        }
        if is_resync {
            client.ask("UNSELECT")?;
        }
        Ok(Figure { wall_ns: wall_ns / u64::from(times), cpu_ns: cpu_ns / u64::from(times), found })
    }
}

/// Asks once of a server that has just been started, with an empty page cache. What the login reads is read before.
pub(super) fn cold(door: &Door, read: &Read, server: &Running, messages: u64) -> Result<Figure, Failure> {
    let mut client = Client::open(door)?;
    let select = read.command.starts_with("SELECT");
    if !select {
        client.ask("SELECT INBOX")?;
    }
    let cpu = server.cpu_ns();
    let told = client.ask(read.command)?;
    if read.all && told.fetched != messages {
        return Err(format!("{}: told of {} messages", read.name, told.fetched).into());
    }
    Ok(Figure { wall_ns: told.ns, cpu_ns: server.cpu_ns().saturating_sub(cpu), found: told.found })
}

/// Forgets all files that are not in use: only root may do so.
pub(super) fn drop_caches() -> Result<(), Failure> {
    rustix::fs::sync();
    let dropped = std::fs::write("/proc/sys/vm/drop_caches", "3");
    dropped.map_err(|error| {
        format!("the page cache cannot be emptied (only root may): {error}; leave it out by --warm").into()
    })
}
