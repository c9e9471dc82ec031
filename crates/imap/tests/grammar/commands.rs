//! Each command: how it may be written, how we write it, and what is refused.

use imap::{Command, CommandError, Grammar, GrammarLimits, Mailbox, Request};

const UTF8: Grammar = Grammar { utf8: true, limits: DEFAULT };
const DEFAULT: GrammarLimits = GrammarLimits {
    set_ranges_max: 10_000,
    list_items_max: 1000,
    search_nodes_max: 1000,
    search_depth_max: 32,
};

/// Reads a command and writes it again, without its tag and CRLF.
fn rewritten(text: &str) -> String {
    let octets = [b"a1 ", text.as_bytes()].concat();
    let request =
        Request::parse(&octets, Grammar::default()).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    assert_eq!(request.tag.as_str(), "a1");
    let written = request.to_octets(false);
    let again = Request::parse(written.strip_suffix(b"\r\n").unwrap(), Grammar::default());
    assert_eq!(again.as_ref(), Ok(&request), "{text}");
    String::from_utf8(written).unwrap().trim_start_matches("a1 ").trim_end().to_owned()
}

fn error(text: &str) -> CommandError {
    match Request::parse(&[b"a1 ", text.as_bytes()].concat(), Grammar::default()) {
        Err(rejected) => rejected.error,
        Ok(request) => panic!("{text}: {request:?}"),
    }
}

/// What stays as it is.
fn same(texts: &[&str]) {
    for text in texts {
        assert_eq!(rewritten(text), *text);
    }
}

fn becomes(pairs: &[(&str, &str)]) {
    for (text, written) in pairs {
        assert_eq!(rewritten(text), *written);
    }
}

fn wrong(texts: &[&str]) {
    for text in texts {
        assert_eq!(error(text), CommandError::Syntax, "{text}");
    }
}

/// RFC 9051 §9: the tag is any astring's characters but `+`; SP is exactly one space.
#[test]
fn a_command_begins_with_a_tag() {
    let tagged = |text: &str| {
        Request::parse(text.as_bytes(), Grammar::default())
            .map(|request| request.tag)
            .map_err(|rejected| (rejected.tag.map(|tag| tag.to_string()), rejected.error))
    };
    assert_eq!(tagged("A]b.1 noop").unwrap().as_str(), "A]b.1");
    for none in ["", " NOOP", "+ NOOP", "a+ NOOP", "* NOOP", "\"a\" NOOP", "ä NOOP", "a\tNOOP", "{3} NOOP"] {
        assert_eq!(tagged(none), Err((None, CommandError::Tag)), "{none}");
    }
    for unknown in
        ["a", "a ", "a  NOOP", "a FOO", "a UID", "a UID FOO 1", "a UID NOOP", "a NO\0OP", "a NOOPS"]
    {
        let (tag, error) = tagged(unknown).unwrap_err();
        assert_eq!(tag.as_deref(), Some("a"), "{unknown}");
        assert!(matches!(error, CommandError::Unknown | CommandError::Syntax), "{unknown}: {error:?}");
    }
}

#[test]
fn commands_without_arguments_take_none() {
    let all = [
        "CAPABILITY",
        "NOOP",
        "LOGOUT",
        "STARTTLS",
        "NAMESPACE",
        "IDLE",
        "CHECK",
        "CLOSE",
        "UNSELECT",
        "EXPUNGE",
    ];
    same(&all);
    for verb in all {
        becomes(&[(&verb.to_lowercase(), verb)]);
        wrong(&[&format!("{verb} "), &format!("{verb} x")]);
    }
}

#[test]
fn who_a_client_is() {
    same(&[
        "LOGIN anna tiger",
        "LOGIN \"anna b\" \"\\\"\\\\\"",
        "AUTHENTICATE PLAIN",
        "AUTHENTICATE PLAIN =",
        "AUTHENTICATE SCRAM-SHA-256 AGFubmEAdGlnZXI=",
        "ENABLE CONDSTORE UTF8=ACCEPT",
        "ID NIL",
        "ID ()",
        "ID (\"name\" \"x\" \"version\" NIL)",
        "COMPRESS DEFLATE",
    ]);
    becomes(&[
        ("LOGIN {4}\r\nanna {5+}\r\ntiger", "LOGIN anna tiger"),
        ("LOGIN anna \"t\u{e4}\"", "LOGIN anna {3+}\r\nt\u{e4}"),
        ("login NIL \"\"", "LOGIN \"NIL\" \"\""),
    ]);
    wrong(&[
        "LOGIN anna",
        "LOGIN anna tiger ",
        "LOGIN anna  tiger",
        "LOGIN (anna) tiger",
        "LOGIN anna \"tiger",
        "LOGIN anna \"t\\iger\"",
        "LOGIN anna {3}\r\na\0b",
        "LOGIN anna t\"",
        "LOGIN anna t\u{e4}",
        "LOGIN anna ~{3}\r\nabc",
        "LOGIN anna {{3}\r\nabc",
        "LOGIN anna {+3}\r\nabc",
        "LOGIN anna {3++}\r\nabc",
        "AUTHENTICATE",
        "AUTHENTICATE ",
        "AUTHENTICATE PLAIN = ",
        "ENABLE",
        "ENABLE ",
        "ENABLE (x)",
        "ID",
        "ID (\"name\")",
        "ID (name x)",
        "ID (\"a\" \"b\"  \"c\" \"d\")",
        "COMPRESS GZIP",
    ]);
    for text in
        ["AUTHENTICATE PLAIN ", "AUTHENTICATE PLAIN A", "AUTHENTICATE PLAIN ==", "AUTHENTICATE PLAIN AA"]
    {
        assert_eq!(error(text), CommandError::Base64, "{text}");
    }
    assert_eq!(error("LOGIN anna {5}\r\nabc"), CommandError::Incomplete);
    let fields = (0..31).map(|n| format!("\"{n}\" NIL")).collect::<Vec<_>>().join(" ");
    assert_eq!(error(&format!("ID ({fields})")), CommandError::TooComplex);
    // What proves who a client is must not come into a log.
    let shown = format!("{:?}", Request::parse(b"a LOGIN anna tiger", Grammar::default()));
    assert!(!shown.contains("tiger"), "{shown}");
    let shown = format!("{:?}", Request::parse(b"a AUTHENTICATE PLAIN AGEAdGlnZXI=", Grammar::default()));
    assert!(!shown.contains("tiger") && !shown.contains("116"), "{shown}");
}

/// RFC 9051 §6.3.2, RFC 7162 §3.2.5.
#[test]
fn a_mailbox_is_opened() {
    same(&[
        "SELECT INBOX",
        "EXAMINE Drafts (CONDSTORE)",
        "SELECT INBOX (QRESYNC (67890007 20050715194045000))",
        "SELECT INBOX (QRESYNC (67890007 20050715194045000 41,43:211,214:541))",
        "SELECT INBOX (QRESYNC (1 2 1:5 (1,3 10,12)))",
        "SELECT INBOX (CONDSTORE QRESYNC (1 2 (1,3 10,12)))",
        "SELECT Entw&APw-rfe",
    ]);
    becomes(&[("select iNboX", "SELECT INBOX"), ("SELECT {7+}\r\na(b) c\u{20}", "SELECT \"a(b) c \"")]);
    wrong(&[
        "SELECT",
        "SELECT a b",
        "SELECT INBOX ()",
        "SELECT INBOX (FOO)",
        "SELECT INBOX (CONDSTORE CONDSTORE)",
        "SELECT INBOX (QRESYNC)",
        "SELECT INBOX (QRESYNC (0 1))",
        "SELECT INBOX (QRESYNC (1 0))",
        "SELECT INBOX (QRESYNC (1 1 1:*))",
        "SELECT INBOX (QRESYNC (1 9223372036854775808))",
        "SELECT INBOX (QRESYNC (1 2 1:5 (1,3 10)))",
    ]);
    for name in ["a&b", "&AGE-", "\"\"", "\"a\u{7f}\"", "\"\u{e4}\"", "{3}\r\na\nb"] {
        assert_eq!(error(&format!("SELECT {name}")), CommandError::MailboxName, "{name}");
    }
}

/// RFC 9051 §5.1: in a session with UTF-8, an ampersand is an ampersand.
#[test]
fn names_are_what_the_session_has() {
    let name = |text: &str, grammar| match Request::parse(text.as_bytes(), grammar).map(|it| it.command) {
        Ok(Command::Delete(mailbox)) => Ok(mailbox),
        Err(rejected) => Err(rejected.error),
        other => panic!("{other:?}"),
    };
    let drafts = Mailbox::new("Entw\u{fc}rfe").unwrap();
    assert_eq!(name("a DELETE Entw&APw-rfe", Grammar::default()), Ok(drafts.clone()));
    assert_eq!(name("a DELETE \"Entw\u{fc}rfe\"", UTF8), Ok(drafts));
    assert_eq!(name("a DELETE Entw&APw-rfe", UTF8), Ok(Mailbox::new("Entw&APw-rfe").unwrap()));
    assert_eq!(name("a DELETE \"Entw\u{fc}rfe\"", Grammar::default()), Err(CommandError::MailboxName));
    let written = Request::parse("a DELETE \"\u{fc}\"".as_bytes(), UTF8).unwrap().to_octets(true);
    assert_eq!(written, "a DELETE \"\u{fc}\"\r\n".as_bytes());
}

#[test]
fn mailboxes_are_made_and_named() {
    same(&[
        "CREATE a/b",
        "CREATE a (USE (\\Sent \\Drafts))",
        "DELETE a",
        "RENAME a b",
        "SUBSCRIBE a",
        "UNSUBSCRIBE INBOX",
        "LSUB \"\" *",
        "LSUB #news. comp.%",
        "STATUS a (MESSAGES UIDNEXT UIDVALIDITY UNSEEN SIZE DELETED)",
        "STATUS a (RECENT DELETED-STORAGE HIGHESTMODSEQ MAILBOXID APPENDLIMIT)",
    ]);
    becomes(&[("CREATE a (USE ())", "CREATE a"), ("rename a Inbox", "RENAME a INBOX")]);
    wrong(&[
        "CREATE",
        "CREATE a ()",
        "CREATE a (USE)",
        "CREATE a (USE (\\Sent) USE (\\Sent))",
        "RENAME a",
        "LSUB \"\"",
        "STATUS a ()",
        "STATUS a MESSAGES",
        "STATUS a (FOO)",
        "STATUS a (MESSAGES  SIZE)",
    ]);
    assert_eq!(error("CREATE a (USE (\\Foo))"), CommandError::UseAttribute);
}

/// RFC 9051 §6.3.9, RFC 5258 §6.
#[test]
fn mailboxes_are_listed() {
    same(&[
        "LIST \"\" %",
        "LIST \"\" \"\"",
        "LIST ~/Mail/ %",
        "LIST (SUBSCRIBED REMOTE RECURSIVEMATCH) \"\" *",
        "LIST (SPECIAL-USE) \"\" *",
        "LIST () \"\" (INBOX Drafts Sent/%)",
        "LIST () \"\" % RETURN (SUBSCRIBED CHILDREN SPECIAL-USE MYRIGHTS STATUS (MESSAGES))",
    ]);
    becomes(&[
        ("LIST \"\" % RETURN ()", "LIST () \"\" %"),
        ("LIST \"\" (%)", "LIST () \"\" %"),
        ("LIST \"\" \"a b%\"", "LIST \"\" \"a b%\""),
    ]);
    wrong(&[
        "LIST",
        "LIST \"\"",
        "LIST \"\" ()",
        "LIST (FOO) \"\" *",
        "LIST (RECURSIVEMATCH) \"\" *",
        "LIST (RECURSIVEMATCH REMOTE) \"\" *",
        "LIST \"\" % RETURN",
        "LIST \"\" % RETURN (FOO)",
        "LIST \"\" % RETURN (STATUS)",
        "LIST \"\" % RETURN (STATUS ())",
        "LIST \"\" %RETURN (CHILDREN)",
    ]);
    assert_eq!(error("LIST \"\" a&b"), CommandError::MailboxName);
}

#[test]
fn messages_are_fetched() {
    same(&[
        "FETCH 1 (FLAGS)",
        "UID FETCH 1:* (UID FLAGS)",
        "FETCH $ (ENVELOPE)",
        "FETCH 1 (BODY BODYSTRUCTURE INTERNALDATE RFC822.SIZE RFC822 RFC822.HEADER RFC822.TEXT)",
        "FETCH 1 (BODY[] BODY.PEEK[] BODY[TEXT] BODY[HEADER] BODY[1] BODY[1.2.3] BODY[1.MIME] BODY[2.HEADER])",
        "FETCH 1 (BODY.PEEK[HEADER.FIELDS (Date From)] BODY[3.HEADER.FIELDS.NOT (X)] BODY[]<0.1024>)",
        "FETCH 1 (BINARY[1] BINARY.PEEK[1.2]<5.10> BINARY.SIZE[1] BINARY[])",
        "FETCH 1 (MODSEQ EMAILID THREADID PREVIEW PREVIEW (LAZY) SAVEDATE)",
        "FETCH 1 (FLAGS) (CHANGEDSINCE 12345)",
        "UID FETCH 1:9 (FLAGS) (CHANGEDSINCE 1 VANISHED)",
        "UID FETCH 1:* (FLAGS) (PARTIAL -1:-50)",
    ]);
    becomes(&[
        ("FETCH 1 FAST", "FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE)"),
        ("FETCH 1 all", "FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"),
        ("FETCH 1 FULL", "FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY)"),
        ("FETCH 1 body[header.fields (\"a b\" {1}\r\nc)]", "FETCH 1 (BODY[HEADER.FIELDS (\"a b\" c)])"),
        ("FETCH 1 (FLAGS UID FLAGS)", "FETCH 1 (FLAGS UID)"),
    ]);
    wrong(&[
        "FETCH",
        "FETCH 1",
        "FETCH 1 ()",
        "FETCH 1 (ALL)",
        "FETCH 1 FOO",
        "FETCH 0 FLAGS",
        "FETCH 1 (FLAGS",
        "FETCH 1 BODY[",
        "FETCH 1 BODY[0]",
        "FETCH 1 BODY[1.]",
        "FETCH 1 BODY[.1]",
        "FETCH 1 BODY[MIME]",
        "FETCH 1 BODY[FOO]",
        "FETCH 1 BODY[HEADER.FIELDS]",
        "FETCH 1 BODY[HEADER.FIELDS ()]",
        "FETCH 1 BODY[]<0>",
        "FETCH 1 BODY[]<0.0>",
        "FETCH 1 BODY[]<1.2",
        "FETCH 1 BODY []",
        "FETCH 1 BINARY",
        "FETCH 1 BINARY[TEXT]",
        "FETCH 1 BODYSTRUCTURE[]",
        "FETCH 1 PREVIEW ()",
        "FETCH 1 FLAGS ()",
        "FETCH 1 FLAGS (CHANGEDSINCE 0)",
        "FETCH 1 FLAGS (FOO)",
        "FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
        "UID FETCH 1 FLAGS (VANISHED)",
        "FETCH 1 FLAGS (PARTIAL 1:2)",
    ]);
}

#[test]
fn messages_are_changed_and_copied() {
    same(&[
        "STORE 1 +FLAGS (\\Deleted)",
        "UID STORE 1:3 -FLAGS.SILENT (\\Seen $Forwarded)",
        "STORE $ FLAGS ()",
        "STORE 1 (UNCHANGEDSINCE 0) FLAGS.SILENT (\\Draft)",
        "COPY 2:4 MEETING",
        "UID COPY $ a",
        "MOVE 1 a",
        "UID MOVE 42:69 foo",
        "UID EXPUNGE 3000:3002",
        "UID EXPUNGE $",
    ]);
    becomes(&[
        ("STORE 1 FLAGS \\seen \\answered", "STORE 1 FLAGS (\\Seen \\Answered)"),
        ("STORE 1 +flags.silent Foo", "STORE 1 +FLAGS.SILENT (Foo)"),
    ]);
    wrong(&[
        "STORE 1",
        "STORE 1 FLAGS",
        "STORE 1 FLAG (\\Seen)",
        "STORE 1 + FLAGS (\\Seen)",
        "STORE 1 FLAGS (\\)",
        "STORE 1 FLAGS (\\*)",
        "STORE 1 () FLAGS (a)",
        "STORE 1 (UNCHANGEDSINCE 1 UNCHANGEDSINCE 1) FLAGS (a)",
        "STORE 1 FLAGS (\"a\")",
        "COPY 1",
        "MOVE a b",
        "EXPUNGE 1",
        "UID EXPUNGE",
    ]);
}

/// RFC 9051 §6.4.4.
#[test]
fn messages_are_searched() {
    same(&[
        "SEARCH ALL",
        "SEARCH FLAGGED SINCE 1-Feb-1994 NOT FROM Smith",
        "UID SEARCH RETURN (MIN COUNT) 1:* DELETED",
        "SEARCH RETURN (SAVE) UID 1,3,4:*",
        "SEARCH RETURN (PARTIAL 1:500) ALL",
        "SEARCH RETURN (COUNT PARTIAL -1:-5) ALL",
        "SEARCH OR SEEN (ANSWERED TO x) $",
        "SEARCH HEADER List-Id \"\" BODY a TEXT b CC c BCC d SUBJECT e",
        "SEARCH LARGER 100 SMALLER 4294967296 OLDER 60 YOUNGER 1",
        "SEARCH KEYWORD $Junk DRAFT RECENT",
        "SEARCH BEFORE 1-Jan-2020 ON 1-Jan-2020 SENTBEFORE 1-Jan-2020 SENTON 1-Jan-2020 SENTSINCE 1-Jan-2020",
        "SEARCH SAVEDBEFORE 1-Jan-2020 SAVEDON 1-Jan-2020 SAVEDSINCE 1-Jan-2020 SAVEDATESUPPORTED",
        "SEARCH MODSEQ \"/flags/\\\\Draft\" all 620162338",
        "SEARCH MODSEQ 0",
        "SEARCH EMAILID M6d99 THREADID T_-x",
        "SEARCH CHARSET UTF-8 TEXT {2+}\r\n\u{e4}",
    ]);
    becomes(&[
        ("SEARCH UNSEEN", "SEARCH NOT SEEN"),
        ("SEARCH NEW", "SEARCH RECENT NOT SEEN"),
        ("SEARCH (NEW) OLD", "SEARCH (RECENT NOT SEEN) NOT RECENT"),
        ("SEARCH (ALL)", "SEARCH ALL"),
        ("SEARCH ((ALL SEEN))", "SEARCH ALL SEEN"),
        ("SEARCH RETURN () ALL", "SEARCH RETURN (ALL) ALL"),
        ("SEARCH SINCE \"01-feb-1994\" UNKEYWORD x", "SEARCH SINCE 1-Feb-1994 NOT KEYWORD x"),
    ]);
    wrong(&[
        "SEARCH",
        "SEARCH ",
        "SEARCH ()",
        "SEARCH ALL ",
        "SEARCH FOO",
        "SEARCH NOT",
        "SEARCH OR ALL",
        "SEARCH (ALL",
        "SEARCH RETURN ALL",
        "SEARCH RETURN (FOO) ALL",
        "SEARCH RETURN (ALL PARTIAL 1:2) ALL",
        "SEARCH RETURN (PARTIAL 0:2) ALL",
        "SEARCH RETURN (PARTIAL 1:-2) ALL",
        "SEARCH CHARSET UTF-8",
        "SEARCH FROM",
        "SEARCH SINCE 1994",
        "SEARCH KEYWORD \\Seen",
        "SEARCH OLDER 0",
        "SEARCH MODSEQ \"/x/y\" all 1",
        "SEARCH MODSEQ \"/flags/a b\" all 1",
        "SEARCH EMAILID a.b",
        "SEARCH RETURN (MIN)ALL",
    ]);
    same(&[
        "SORT (SUBJECT REVERSE DATE) UTF-8 ALL",
        "UID SORT RETURN (COUNT) (ARRIVAL CC FROM SIZE TO) US-ASCII UID 1:9",
    ]);
    same(&[
        "SORT (DISPLAYFROM DISPLAYTO) UTF-8 NOT SEEN",
        "THREAD REFERENCES UTF-8 ALL",
        "UID THREAD ORDEREDSUBJECT US-ASCII TEXT x",
    ]);
    wrong(&[
        "SORT UTF-8 ALL",
        "SORT () UTF-8 ALL",
        "SORT (FOO) UTF-8 ALL",
        "SORT (DATE) UTF-8",
        "THREAD FOO UTF-8 ALL",
    ]);
}

/// RFC 7162 §7: the name of an entry is quoted, however long.
#[test]
fn an_entry_is_quoted() {
    let text = format!("SEARCH MODSEQ \"/flags/{}\" shared 1", "x".repeat(2000));
    assert_eq!(rewritten(&text), text);
}

/// A program costs, so it has a budget.
#[test]
fn a_search_has_bounds() {
    for text in [
        format!("SEARCH {}", ["ALL"; 1001].join(" ")),
        format!("SEARCH {}ALL", "NOT ".repeat(32)),
        format!("SEARCH {}ALL{}", "(".repeat(32), ")".repeat(32)),
        format!("SEARCH {}ALL{}", "OR ".repeat(20_000), " ALL".repeat(20_000)),
        format!("SEARCH {}", "(".repeat(50_000)),
    ] {
        assert_eq!(error(&text), CommandError::TooComplex, "{}", &text[..40]);
    }
    rewritten(&format!("SEARCH {}", ["ALL"; 1000].join(" ")));
    rewritten(&format!("SEARCH {}ALL{}", "(".repeat(31), ")".repeat(31)));
}

#[test]
fn quota_rights_and_annotations() {
    same(&[
        "GETQUOTA \"\"",
        "GETQUOTA #user/alice",
        "GETQUOTAROOT INBOX",
        "SETQUOTA \"\" (STORAGE 512 MESSAGE 10)",
        "SETQUOTA a ()",
        "SETACL INBOX bert lrswipkxtea",
        "SETACL INBOX bert +cda",
        "SETACL INBOX -bert -x",
        "SETACL INBOX bert \"\"",
        "DELETEACL a bert",
        "GETACL a",
        "LISTRIGHTS a bert",
        "MYRIGHTS a",
        "GETMETADATA \"\" (/shared/comment)",
        "GETMETADATA (MAXSIZE 1024 DEPTH 1) INBOX (/private/a /shared/b)",
        "GETMETADATA (DEPTH infinity) INBOX (/private/a)",
        "SETMETADATA INBOX (/private/comment \"My new comment\" /shared/x NIL)",
    ]);
    becomes(&[
        ("GETMETADATA INBOX /private/comment", "GETMETADATA INBOX (/private/comment)"),
        ("GETMETADATA INBOX (MAXSIZE 9) (/private/a)", "GETMETADATA (MAXSIZE 9) INBOX (/private/a)"),
        ("GETMETADATA (DEPTH 0) INBOX /private/a", "GETMETADATA INBOX (/private/a)"),
        ("SETMETADATA \"\" (/shared/a ~{1+}\r\nx)", "SETMETADATA \"\" (/shared/a \"x\")"),
        ("SETMETADATA \"\" (/shared/a ~{3}\r\na\0b)", "SETMETADATA \"\" (/shared/a ~{3+}\r\na\0b)"),
    ]);
    wrong(&[
        "GETQUOTA",
        "SETQUOTA a (STORAGE)",
        "SETQUOTA a (STORAGE -1)",
        "SETACL a b",
        "SETACL a b LR",
        "SETACL a b l+r",
        "GETMETADATA INBOX",
        "GETMETADATA INBOX ()",
        "GETMETADATA INBOX comment",
        "GETMETADATA INBOX /a/*",
        "GETMETADATA INBOX /a//b",
        "GETMETADATA INBOX /a/",
        "GETMETADATA (DEPTH 2) INBOX /a",
        "SETMETADATA INBOX ()",
        "SETMETADATA INBOX (/a)",
        "SETMETADATA INBOX (/a x)",
    ]);
}

/// RFC 5465 §8.
#[test]
fn a_client_says_of_what_it_wants_to_hear() {
    same(&[
        "NOTIFY NONE",
        "NOTIFY SET (PERSONAL (MessageNew MessageExpunge FlagChange))",
        "NOTIFY SET STATUS (SELECTED (MessageNew (UID BODY.PEEK[HEADER.FIELDS (From)]) MessageExpunge)) (INBOXES NONE)",
        "NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge)) (SUBTREE (INBOX a) (MailboxName SubscriptionChange))",
        "NOTIFY SET (MAILBOXES (a) (MailboxMetadataChange ServerMetadataChange)) (SUBSCRIBED (MessageFoo))",
    ]);
    becomes(&[("NOTIFY SET (SUBTREE a (MailboxName))", "NOTIFY SET (SUBTREE (a) (MailboxName))")]);
    wrong(&[
        "NOTIFY",
        "NOTIFY SET",
        "NOTIFY SET STATUS",
        "NOTIFY SET ()",
        "NOTIFY SET (FOO NONE)",
        "NOTIFY SET (PERSONAL)",
        "NOTIFY SET (PERSONAL ())",
        "NOTIFY SET (PERSONAL (MessageNew))",
        "NOTIFY SET (PERSONAL (FlagChange))",
        "NOTIFY SET (SELECTED (MailboxName))",
        "NOTIFY SET (PERSONAL (MessageNew (UID) MessageExpunge))",
        "NOTIFY SET (SELECTED NONE) (SELECTED-DELAYED NONE)",
    ]);
}
