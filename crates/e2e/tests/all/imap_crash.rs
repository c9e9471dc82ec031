//! `kill -9` among changes by IMAP: what was answered with OK stands, and what was not is done or not, never by halves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    time::Duration,
};

use e2e::{ImapUser, eventually_true};
use mailstore::{AccountId, Flags, Mailstore, UidSet};

const ROUNDS: usize = 5;

/// Six sessions, each with messages of its own, all in the same mailboxes. Before each command a line tells what of the message may be
/// the case from there on, and behind its OK another one what must be: `may TOKEN STATE STATE` and `is TOKEN STATE`. A state is `gone`, or
/// the mailbox and whether it is flagged. `uid` lines tell what UIDs the server says it gave.
const CHANGES: &str = r#"
import itertools, threading
mark = sys.argv[5]
def say(*words):
    # One write, so that lines of threads never mix.
    os.write(1, (" ".join(words) + "\n").encode())
def code(imap, name):
    told = imap.response(name)[1][-1]
    return told.decode().split()
def session(number):
    imap = connect()
    own = f"Work-{mark}-{number}"
    say("may", own, "absent", "there")
    ok(imap.create(own))
    say("is", own, "there")
    ok(imap.select("INBOX"))
    for count in itertools.count():
        token = f"t-{mark}-{number}-{count}"
        text = f"Subject: {token}\r\n\r\n" + "0123456789abcdef\r\n" * (20000 if count % 9 == 4 else 50)
        say("may", token, "gone", "INBOX-")
        ok(imap.append("INBOX", None, None, text.encode()))
        say("is", token, "INBOX-")
        validity, uid = code(imap, "APPENDUID")
        say("uid", "INBOX", validity, uid, token)
        if count % 2:
            say("may", token, "INBOX-", "INBOX+")
            ok(imap.uid("STORE", uid, "+FLAGS", r"(\Flagged)"))
            say("is", token, "INBOX+")
        kind, sign = count % 5, "-+"[count % 2]
        if kind < 3:
            to = own if kind else "Archive"
            say("may", token, "INBOX" + sign, to + sign)
            ok(imap.uid("MOVE", uid, to))
            say("is", token, to + sign)
            validity, old, uid = code(imap, "COPYUID")
            say("uid", to, validity, uid, token)
        elif kind == 3:
            ok(imap.uid("STORE", uid, "+FLAGS.SILENT", r"(\Deleted)"))
            say("may", token, "INBOX" + sign, "gone")
            ok(imap.uid("EXPUNGE", uid))
            say("is", token, "gone")
# In one line, as everything.
threading.excepthook = lambda told: say("broken", repr(told.exc_value).replace("\n", " "))
threads = [threading.Thread(target=session, args=(number,)) for number in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"#;

/// What the sessions of all rounds said.
#[derive(Default)]
struct Journal {
    /// Of each message or mailbox, what may be the case.
    states: BTreeMap<String, BTreeSet<String>>,
    /// Of each mailbox and UID, whose it is.
    tokens: BTreeMap<(String, u32), String>,
    /// Of each mailbox and token, its UID.
    uids: BTreeMap<(String, String), u32>,
    /// Of each mailbox, its UIDVALIDITY.
    validities: BTreeMap<String, u32>,
}

/// Remembers what must never become something else.
fn once<K: Ord + Debug + Clone, V: PartialEq + Debug>(all: &mut BTreeMap<K, V>, key: K, value: V) {
    let before = all.get(&key);
    assert!(before.is_none_or(|before| *before == value), "{key:?} was {before:?} and is {value:?}");
    all.insert(key, value);
}

impl Journal {
    fn has_uid(&mut self, mailbox: &str, uid: u32, token: &str) {
        once(&mut self.tokens, (mailbox.to_owned(), uid), token.to_owned());
        once(&mut self.uids, (mailbox.to_owned(), token.to_owned()), uid);
    }

    fn read(&mut self, said: &str) {
        for line in said.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match *words.as_slice() {
                ["may" | "is", about, ref states @ ..] => {
                    let states = states.iter().map(|&state| state.to_owned()).collect();
                    self.states.insert(about.to_owned(), states);
                }
                ["uid", mailbox, validity, uid, token] => {
                    once(&mut self.validities, mailbox.to_owned(), validity.parse().unwrap());
                    self.has_uid(mailbox, uid.parse().unwrap(), token);
                }
                // The connection broke.
                _ => assert!(!line.contains("AssertionError"), "something was refused: {line}"),
            }
        }
    }

    /// Compares with what there is.
    fn compare(&mut self, mailstore: &Mailstore, account: AccountId) {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for mailbox in mailstore.mailboxes(account).unwrap() {
            once(&mut self.validities, mailbox.name.clone(), mailbox.uid_validity);
            if mailbox.name.starts_with("Work-") {
                found.insert(mailbox.name.clone(), vec!["there".to_owned()]);
            }
            for facts in mailstore.facts(mailbox.id, &UidSet::all()).unwrap() {
                let octets = mailstore.read(facts.email, 0, 100).unwrap();
                let text = String::from_utf8_lossy(&octets).into_owned();
                let token = text.lines().next().unwrap().strip_prefix("Subject: ").unwrap().to_owned();
                self.has_uid(&mailbox.name, facts.uid, &token);
                let head = format!("Subject: {token}\r\n\r\n").len();
                let body = facts.octets - u64::try_from(head).unwrap();
                assert!([900, 360_000].contains(&body), "{token} has {body} octets");
                let sign = if facts.flags.contains(Flags::FLAGGED) { '+' } else { '-' };
                found.entry(token).or_default().push(format!("{}{sign}", mailbox.name));
            }
        }
        for (about, may) in &self.states {
            let missing = if about.starts_with("Work-") { "absent" } else { "gone" };
            let is = found.remove(about).unwrap_or_else(|| vec![missing.to_owned()]);
            let one_of_them = matches!(is.as_slice(), [is] if may.contains(is));
            assert!(one_of_them, "{about} may be {may:?} and is {is:?}");
        }
        assert!(found.is_empty(), "nobody made these: {found:?}");
    }
}

#[test]
fn after_each_kill_every_change_that_was_answered_stands() {
    let mut user = ImapUser::new();
    let mut journal = Journal::default();
    for round in 0..ROUNDS {
        let log = format!("changes-{round}");
        let mut changes = user.start_python(CHANGES, &[&round.to_string()], &log);
        // By work done, not by time: different in each round.
        let enough = 60 + round * 37;
        let done = |said: &str| said.lines().filter(|line| line.starts_with("is ")).count();
        eventually_true("changes to be made", Duration::from_mins(1), || {
            assert!(changes.ended().is_none(), "{}", changes.printed());
            done(&changes.printed()) >= enough
        });
        user.kill();
        changes.wait(Duration::from_mins(1));
        journal.read(&changes.printed());
        // What is not there now must not come back, and the server itself has to come up with it.
        user.start();
    }
    user.stop();
    let mailstore = Mailstore::open(&user.house.data().join("mailboxes.db")).unwrap().0;
    assert_eq!(mailstore.verify().unwrap(), []);
    let account = mailstore.find_account(ImapUser::LOGIN).unwrap().expect("an account");
    journal.compare(&mailstore, account);
}
