//! `kill -9` while texts are indexed: SEARCH finds all, whether a message is in the index, half in it, or not.

use std::{fs, time::Duration};

use e2e::{ImapUser, eventually_true};
use mailstore::{Mailstore, SearchedText};
use message::mime::folded;

const ROUNDS: usize = 4;
const EACH: usize = 400;

/// Appends messages with texts that are looked for later, in few commands.
const FILL: &str = r#"
round, count = int(sys.argv[5]), int(sys.argv[6])
imap = connect()
filler = " ".join(f"word{n} & co," for n in range(300))
for number in range(round * count, (round + 1) * count):
    text = f"Subject: letter {number}\r\n\r\nDear Anna, this is n{number}o.\r\n{filler} token{number * 7919}\r\n"
    ok(imap.append("INBOX", None, None, text.encode()))
"#;

/// Looks for them.
const SEARCH: &str = r#"
total = int(sys.argv[5])
imap = connect()
ok(imap.select("INBOX"))
def found(*keys):
    return [int(number) for number in ok(imap.search(None, *keys))[0].split()]
everything = list(range(1, total + 1))
assert found("BODY", '"anna, THIS"') == everything
assert found("TEXT", "letter") == everything
assert found("BODY", "letter") == []
assert found("NOT", "BODY", '"word7 & co"') == []
for number in range(0, total, 97):
    assert found("BODY", f"n{number}o") == [number + 1], number
    assert found("TEXT", f'"Subject: letter {number}"') == [n + 1 for n in range(total) if str(n).startswith(str(number))], number
"#;

#[test]
fn after_each_kill_search_finds_all() {
    let mut user = ImapUser::new();
    let log = user.house.data().join("text.db-wal");
    for round in 0..ROUNDS {
        user.python(FILL, &[&round.to_string(), &EACH.to_string()]);
        // By work done, not by time: some of it is in the index, more in each round.
        let enough = 100_000 * u64::try_from(round + 1).unwrap();
        eventually_true("texts to be indexed", Duration::from_mins(1), || {
            fs::metadata(&log).is_ok_and(|log| log.len() >= enough)
        });
        user.kill();
        user.start();
        user.python(SEARCH, &[&((round + 1) * EACH).to_string()]);
    }
    let verified = user.house.command(&["mailbox", "verify"]);
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
    user.stop();
    // Once all is indexed, nothing of it is missing.
    let mailstore = Mailstore::open(&user.house.data().join("mailboxes.db")).unwrap().0;
    mailstore.open_index(&user.house.data().join("text.db")).unwrap();
    while mailstore.index_some().unwrap() {}
    assert_eq!(mailstore.verify().unwrap(), []);
    let account = mailstore.find_account(ImapUser::LOGIN).unwrap().expect("an account");
    let inbox = mailstore.mailbox(account, "INBOX").unwrap().expect("an inbox").id;
    let sought = SearchedText { text: folded("Dear Anna, this"), in_header: false };
    let found = mailstore.search_texts(inbox, &[sought]).unwrap();
    assert_eq!(found.indexed.len(), u64::try_from(ROUNDS * EACH).unwrap());
    assert_eq!(found.having, [Some(found.indexed.clone())]);
}
