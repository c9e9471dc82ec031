//! Mailboxes read by the programs that people have: Python's imaplib and curl.

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
