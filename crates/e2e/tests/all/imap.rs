//! Mailboxes read by the programs that people have: Python's imaplib and curl.

use std::fs;

use e2e::{ImapUser, run};

#[test]
fn imaplib_of_python_reads_and_changes() {
    let user = ImapUser::new();
    let program = r#"
one, two = connect(), connect()
text = b"From: a@here.test\r\nSubject: number %d\r\n\r\nhello %d\r\n"
for number in range(20):
    ok(one.append("INBOX", r"(\Flagged)" if number % 2 else None, None, text % (number, number)))
assert ok(one.select("INBOX")) == [b"20"]
ok(two.select("INBOX"))
assert ok(one.search(None, "FLAGGED", "SUBJECT", '"number 1"')) == [b"2 12 14 16 18 20"], one.search(None, "FLAGGED", "SUBJECT", '"number 1"')
assert ok(one.search(None, "BODY", '"hello 7"')) == [b"8"]
fetched = ok(one.fetch("3", "(UID FLAGS BODY.PEEK[] ENVELOPE BODYSTRUCTURE)"))
assert fetched[0][1] == text % (2, 2), fetched
ok(one.store("1:10", "+FLAGS", r"(\Deleted)"))
assert len(ok(one.expunge())) == 10
assert ok(two.fetch("1:*", "(UID)")) != [None]
ok(two.noop())
assert len(ok(two.fetch("1:*", "(UID)"))) == 10
ok(one.create("Projects/One"))
ok(one.copy("1:5", "Projects/One"))
assert b"(MESSAGES 5)" in ok(one.status("Projects/One", "(MESSAGES)"))[0]
ok(one.delete("Projects/One"))
large = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 4 * 40000
ok(one.append("INBOX", None, None, large))
ok(one.select("INBOX"))
assert ok(one.fetch("11", "(RFC822)"))[0][1] == large
one.logout()
"#;
    user.python(program, &[]);
}

/// As large as no client can have meant it: parts are told up to a bound, and the last of them has all that follows.
#[test]
fn a_message_of_a_hundred_thousand_parts_is_delivered_listed_and_fetched() {
    let user = ImapUser::new();
    let parts: Vec<String> = (1..=100_000).map(|number| format!("--b\r\n\r\n{number}\r\n")).collect();
    let header = "Subject: many\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";
    let content = format!("{header}{}--b--\r\n", parts.concat());
    let (code, reply) = user.server().client().mail("a@far.test", &[ImapUser::LOGIN], &content).unwrap();
    assert_eq!(code, 250, "{reply}");
    user.house.wait_for_trace(&e2e::queue_id(&reply), "delivered");
    let file = user.house.path().join("content");
    fs::write(&file, &content).unwrap();
    let program = r#"
imap = connect()
imaplib._MAXLINE = 10 ** 7
content = open(sys.argv[5], "rb").read()
assert ok(imap.select("INBOX")) == [b"1"]
whole = ok(imap.fetch("1", "(RFC822.SIZE BODY.PEEK[])"))[0]
assert whole[1].endswith(content) and b"RFC822.SIZE %d " % len(whole[1]) in whole[0], whole[0]
listed = ok(imap.fetch("1", "(ENVELOPE BODYSTRUCTURE)"))[0]
assert b'"many"' in listed
parts = len(re.findall(rb'\("text" "plain"', listed, re.I))
def part(number):
    return ok(imap.fetch("1", "(BODY.PEEK[%d])" % number))[0][1]
assert part(1) == b"1" and part(parts - 1) == b"%d" % (parts - 1)
last = part(parts)
assert last.startswith(b"%d\r\n--b\r\n" % parts) and b"\r\n100000" in last[-20:], last[-20:]
assert ok(imap.search(None, "SUBJECT", "many", "BODY", '"99999"')) == [b"1"]
print(parts)
"#;
    let parts: u32 = user.python(program, &[&file.display().to_string()]).trim().parse().unwrap();
    // docs/design/mime.md: the whole is one of the 10,000.
    assert_eq!(parts, 9_999);
}

/// RFC 3502: what all take together is no message, and has no bound but the quota. Here it is more than a session holds in memory.
#[test]
fn many_messages_in_one_command_are_all_there() {
    let user = ImapUser::new();
    let program = r#"
imap = connect()
messages = [b"Subject: %d\r\n\r\n" % number + (b"%d " % number).ljust(62, b"x") * 15000 + b"\r\n" for number in range(20)]
append_all(imap, b"INBOX", [(b"", octets) for octets in messages])
assert ok(imap.select("INBOX")) == [b"20"]
for number, octets in enumerate(messages):
    assert ok(imap.fetch(str(number + 1), "(BODY.PEEK[])"))[0][1] == octets, number
"#;
    user.python(program, &[]);
    assert_eq!(user.house.command(&["mailbox", "verify"]).code, 0);
}

#[test]
fn imaplib_of_python_shares_a_mailbox() {
    let user = ImapUser::new();
    let program = r#"
other = sys.argv[5]
carol, dave = connect(), connect(other)
shared = "Users/%s/Team" % login
ok(carol.create("Team"))
ok(carol.append("Team", None, None, b"Subject: shared\r\n\r\nx\r\n"))
assert dave.select(shared)[0] == "NO" and dave.getacl(shared)[0] == "NO"
ok(carol.setacl("Team", other, "lrsi"))
assert ok(carol.getacl("Team"))[0].split()[1:] == [login.encode(), b"lrswipkxteacd", other.encode(), b"lrsi"], carol.getacl("Team")
assert ok(dave.myrights(shared))[0].split()[1] == b"lrsi"
assert any(shared.encode() in line for line in ok(dave.list()))
assert ok(dave.select(shared)) == [b"1"]
assert dave.store("1", "+FLAGS", r"(\Flagged)")[0] == "NO"
ok(dave.store("1", "+FLAGS", r"(\Seen)"))
ok(dave.append(shared, None, None, b"Subject: by the other\r\n\r\nx\r\n"))
assert dave.expunge()[0] == "NO"
ok(carol.select("Team"))
assert b"\\Seen" in ok(carol.fetch("1", "(FLAGS)"))[0] and b"\\Seen" not in ok(carol.fetch("2", "(FLAGS)"))[0]
ok(carol.deleteacl("Team", other))
try:
    answer = dave.noop()
    assert answer[0] != "OK", answer
except imaplib.IMAP4.abort:
    pass
dave = connect(other)
assert dave.select(shared)[0] == "NO" and not any(b"Users" in line for line in ok(dave.list()))
"#;
    user.python(program, &[ImapUser::OTHER]);
}

#[test]
fn curl_lists_and_fetches() {
    let user = ImapUser::new();
    user.python("ok(connect().append('INBOX', None, None, b'Subject: by curl\\r\\n\\r\\nx\\r\\n'))\n", &[]);
    let (ca, port) = (user.ca(), user.port("implicit"));
    let resolve = format!("mx.here.test:{port}:127.0.0.1");
    let login = format!("{}:{}", ImapUser::LOGIN, ImapUser::PASSWORD);
    let curl = |path: &str| {
        let url = format!("imaps://mx.here.test:{port}/{path}");
        let arguments =
            ["--silent", "--show-error", "--cacert", &ca, "--resolve", &resolve, "--user", &login, &url];
        run("curl", &arguments, b"")
    };
    let listed = curl("");
    for name in ["INBOX", "Drafts", "Sent", "Junk", "Trash", "Archive"] {
        assert!(listed.contains(name), "{listed}");
    }
    assert_eq!(curl("INBOX;MAILINDEX=1").replace("\r\n", "\n"), "Subject: by curl\n\nx\n");
}
