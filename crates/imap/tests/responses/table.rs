//! Each response, and how it is written.

use imap::{
    DateTime, Flag, Mailbox, ObjectId, SequenceSet, Tag,
    command::{Page, Section, SectionText, SpecialUse, StatusItem},
    response::{
        Attribute, BodyStructure, Code, Content, ContentName, Dialect, Disposition, ESearch, Envelope,
        Extension, FetchValue, Fetched, Found, ListEntry, Media, MetadataEntry, NamespaceEntry, Outgoing,
        Part, QuotaResource, Response, RightsEntry, Status, StatusKind, StatusValue, Stream, challenge,
        continuation,
    },
};

fn octets(response: &Response, utf8: bool) -> String {
    let parts = response.write(Dialect { utf8 });
    let [Outgoing::Octets(octets)] = &*parts else { panic!("{parts:?}") };
    String::from_utf8(octets.clone()).unwrap().strip_suffix("\r\n").unwrap().to_owned()
}

fn written(pairs: Vec<(Response, &str)>) {
    for (response, text) in pairs {
        assert_eq!(octets(&response, false), text);
    }
}

fn id(text: &str) -> ObjectId {
    ObjectId::new(text).unwrap()
}

fn mailbox(name: &str) -> Mailbox {
    Mailbox::new(name).unwrap()
}

fn fetched(values: Vec<FetchValue>) -> Response {
    Response::Fetch(Box::new(Fetched { number: 7, values }))
}

fn coded(code: Code) -> Response {
    Response::Status(Status::ok("x").with(code))
}

/// RFC 9051 §7.1.
#[test]
fn a_status_says_how_it_went() {
    let tag = Tag::new("a1").unwrap();
    assert_eq!(Status::no("Not so").answer_to(&tag, Dialect::default()), b"a1 NO Not so\r\n");
    // No text can break the line, or look like a code, or be missing.
    assert_eq!(Status::ok("[x] a\r\nb\0\u{e4}").answer_to(&tag, Dialect::default()), b"a1 OK (x] a??b??\r\n");
    assert_eq!(Status::ok("\u{e4}\n").answer_to(&tag, Dialect { utf8: true }), "a1 OK ä?\r\n".as_bytes());
    assert_eq!(
        Status::ok("").with(Code::Alert).answer_to(&tag, Dialect::default()),
        b"a1 OK [ALERT] Done\r\n"
    );
    assert_eq!(continuation("Go on"), b"+ Go on\r\n");
    assert_eq!(challenge(b"abc"), b"+ YWJj\r\n");
    let preauth = Status { kind: StatusKind::PreAuth, code: None, text: "hi".into() };
    written(vec![
        (Response::Status(Status::bye("Bye")), "* BYE Bye"),
        (Response::Status(Status::bad("x")), "* BAD x"),
        (Response::Status(preauth), "* PREAUTH hi"),
        (coded(Code::AppendUid { validity: 1, uids: SequenceSet::of([3, 4]) }), "* OK [APPENDUID 1 3:4] x"),
        (
            coded(Code::CopyUid { validity: 1, from: SequenceSet::of([3, 5]), to: SequenceSet::of([8, 9]) }),
            "* OK [COPYUID 1 3,5 8:9] x",
        ),
        (coded(Code::BadCharset(vec![])), "* OK [BADCHARSET] x"),
        (coded(Code::BadCharset(vec!["UTF-8".into(), "a b".into()])), "* OK [BADCHARSET (UTF-8 \"a b\")] x"),
        (coded(Code::BadEvent(vec!["FlagChange".into()])), "* OK [BADEVENT (FlagChange)] x"),
        (coded(Code::Capability(vec!["IMAP4rev2".into()])), "* OK [CAPABILITY IMAP4rev2] x"),
        (coded(Code::HighestModSeq(9)), "* OK [HIGHESTMODSEQ 9] x"),
        (coded(Code::MailboxId(id("F1"))), "* OK [MAILBOXID (F1)] x"),
        (coded(Code::MetadataLongEntries(9)), "* OK [METADATA LONGENTRIES 9] x"),
        (coded(Code::MetadataMaxSize(9)), "* OK [METADATA MAXSIZE 9] x"),
        (coded(Code::Modified(SequenceSet::of([7, 9]))), "* OK [MODIFIED 7,9] x"),
        (
            coded(Code::PermanentFlags { flags: vec![Flag::Seen], new: true }),
            "* OK [PERMANENTFLAGS (\\Seen \\*)] x",
        ),
        (coded(Code::UidNext(4)), "* OK [UIDNEXT 4] x"),
        (coded(Code::Unseen(2)), "* OK [UNSEEN 2] x"),
        (coded(Code::UidValidity(4)), "* OK [UIDVALIDITY 4] x"),
        (coded(Code::ReadWrite), "* OK [READ-WRITE] x"),
    ]);
}

#[test]
fn mailboxes_are_told() {
    let entry = |attributes, name: Option<&str>| {
        Box::new(ListEntry {
            attributes,
            separator: Some('/'),
            mailbox: name.map(mailbox),
            child_info: false,
            old_name: None,
        })
    };
    let renamed = ListEntry {
        child_info: true,
        old_name: Some(mailbox("old")),
        separator: None,
        ..*entry(vec![Attribute::NonExistent], Some("a b"))
    };
    let space = |prefix: &str| NamespaceEntry { prefix: prefix.into(), separator: Some('\\') };
    written(vec![
        (Response::Capability(vec!["IMAP4rev1".into()]), "* CAPABILITY IMAP4rev1"),
        (Response::Enabled(vec![]), "* ENABLED"),
        (Response::Id(None), "* ID NIL"),
        (Response::Id(Some(vec![("name".into(), Some("x".into()))])), "* ID (\"name\" \"x\")"),
        (Response::Flags(vec![Flag::Seen, Flag::Keyword("x".into())]), "* FLAGS (\\Seen x)"),
        (Response::List(entry(vec![Attribute::NoSelect], None)), "* LIST (\\Noselect) \"/\" \"\""),
        (
            Response::List(entry(
                vec![Attribute::HasChildren, Attribute::Use(SpecialUse::Junk)],
                Some("Entw\u{fc}rfe"),
            )),
            "* LIST (\\HasChildren \\Junk) \"/\" Entw&APw-rfe",
        ),
        (
            Response::List(Box::new(renamed)),
            "* LIST (\\NonExistent) NIL \"a b\" (\"CHILDINFO\" (\"SUBSCRIBED\") \"OLDNAME\" (old))",
        ),
        (Response::Lsub(entry(vec![], Some("inbox"))), "* LSUB () \"/\" INBOX"),
        (
            Response::StatusOf {
                mailbox: mailbox("a"),
                values: vec![
                    StatusValue::Number(StatusItem::Messages, 3),
                    StatusValue::MailboxId(id("F1")),
                    StatusValue::AppendLimit(None),
                ],
            },
            "* STATUS a (MESSAGES 3 MAILBOXID (F1) APPENDLIMIT NIL)",
        ),
        (
            Response::Namespace {
                personal: vec![space("")],
                others: vec![],
                shared: vec![space("a"), space("\u{e4}")],
            },
            "* NAMESPACE ((\"\" \"\\\\\")) NIL ((\"a\" \"\\\\\")(\"&AOQ-\" \"\\\\\"))",
        ),
        (
            Response::Quota {
                root: "".into(),
                resources: vec![QuotaResource { name: "STORAGE".into(), usage: 10, limit: 512 }],
            },
            "* QUOTA \"\" (STORAGE 10 512)",
        ),
        (
            Response::QuotaRoot { mailbox: mailbox("a"), roots: vec!["".into(), "b".into()] },
            "* QUOTAROOT a \"\" b",
        ),
        (
            Response::Acl {
                mailbox: mailbox("a"),
                entries: vec![RightsEntry { identifier: "anna".into(), rights: "lr".into() }],
            },
            "* ACL a anna lr",
        ),
        (
            Response::ListRights {
                mailbox: mailbox("a"),
                identifier: "b".into(),
                required: "".into(),
                optional: vec!["l".into(), "r".into()],
            },
            "* LISTRIGHTS a b \"\" l r",
        ),
        (Response::MyRights { mailbox: mailbox("a"), rights: "lr".into() }, "* MYRIGHTS a lr"),
        (
            Response::Metadata {
                mailbox: None,
                values: vec![
                    MetadataEntry { name: "/shared/a".into(), value: Some((*b"x\0").into()) },
                    MetadataEntry { name: "/shared/b".into(), value: None },
                ],
            },
            "* METADATA \"\" (/shared/a ~{2}\r\nx\0 /shared/b NIL)",
        ),
        (
            Response::MetadataChanged { mailbox: Some(mailbox("a")), names: vec!["/shared/a".into()] },
            "* METADATA a /shared/a",
        ),
    ]);
    let umlaut = Response::MyRights { mailbox: mailbox("\u{e4}"), rights: "l".into() };
    assert_eq!(octets(&umlaut, true), "* MYRIGHTS \"\u{e4}\" l");
}

#[test]
fn what_was_found_is_told() {
    let found = ESearch {
        tag: Tag::new("a1").unwrap(),
        uid: true,
        min: Some(1),
        max: Some(9),
        all: Some(Found::Ordered(vec![9, 1, 2])),
        count: Some(3),
        mod_seq: Some(5),
        page: None,
    };
    let page = Page { from: 1, to: 2, backwards: true };
    let nothing = ESearch {
        uid: false,
        min: None,
        max: None,
        all: Some(Found::Set(SequenceSet::default())),
        count: Some(0),
        mod_seq: None,
        page: Some((page, Found::Set(SequenceSet::default()))),
        ..found.clone()
    };
    let paged = ESearch { page: Some((page, Found::Set(SequenceSet::of([3, 4])))), ..nothing.clone() };
    written(vec![
        (Response::Search(vec![2, 84], None), "* SEARCH 2 84"),
        (Response::Search(vec![], Some(3)), "* SEARCH"),
        (Response::Sort(vec![5, 3], Some(9)), "* SORT 5 3 (MODSEQ 9)"),
        (
            Response::ESearch(Box::new(found)),
            "* ESEARCH (TAG \"a1\") UID MIN 1 MAX 9 COUNT 3 MODSEQ 5 ALL 9,1:2",
        ),
        (Response::ESearch(Box::new(nothing)), "* ESEARCH (TAG \"a1\") COUNT 0 PARTIAL (-1:-2 NIL)"),
        (Response::ESearch(Box::new(paged)), "* ESEARCH (TAG \"a1\") COUNT 0 PARTIAL (-1:-2 3:4)"),
        (Response::Exists(23), "* 23 EXISTS"),
        (Response::Recent(0), "* 0 RECENT"),
        (Response::Expunge(4), "* 4 EXPUNGE"),
        (Response::Vanished { earlier: true, uids: SequenceSet::of([1, 2]) }, "* VANISHED (EARLIER) 1:2"),
        (Response::Vanished { earlier: false, uids: SequenceSet::of([5]) }, "* VANISHED 5"),
    ]);
}

#[test]
fn messages_are_told() {
    let when = DateTime::new(837_596_665, -420).unwrap();
    let content = |name, origin, content: &[u8]| FetchValue::Content {
        name,
        origin,
        content: Content::Here(content.into()),
    };
    let fields = Section {
        part: vec![1, 2],
        text: Some(SectionText::Fields { not: true, names: vec!["A".into(), "b c".into()] }),
    };
    written(vec![
        (
            fetched(vec![
                FetchValue::Flags(vec![Flag::Seen]),
                FetchValue::Uid(12),
                FetchValue::InternalDate(when),
                FetchValue::Size(44827),
                FetchValue::ModSeq(5),
                FetchValue::EmailId(id("M1")),
                FetchValue::ThreadId(None),
                FetchValue::Preview(Some("Hi".into())),
                FetchValue::SaveDate(Some(when)),
            ]),
            "* 7 FETCH (FLAGS (\\Seen) UID 12 INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 44827 MODSEQ (5) \
             EMAILID (M1) THREADID NIL PREVIEW \"Hi\" SAVEDATE \"17-Jul-1996 02:44:25 -0700\")",
        ),
        (
            fetched(vec![
                FetchValue::ThreadId(Some(id("T1"))),
                FetchValue::Preview(None),
                FetchValue::SaveDate(None),
            ]),
            "* 7 FETCH (THREADID (T1) PREVIEW NIL SAVEDATE NIL)",
        ),
        (
            fetched(vec![content(ContentName::Section(fields), Some(5), b"x\r\n")]),
            "* 7 FETCH (BODY[1.2.HEADER.FIELDS.NOT (A \"b c\")]<5> {3}\r\nx\r\n)",
        ),
        (
            fetched(vec![
                content(ContentName::Binary(vec![1]), None, b"a\0"),
                content(ContentName::Rfc822Text, None, b""),
                FetchValue::BinarySize { part: vec![2, 1], octets: 9 },
                FetchValue::Content {
                    name: ContentName::Binary(vec![]),
                    origin: None,
                    content: Content::Nil,
                },
            ]),
            "* 7 FETCH (BINARY[1] ~{2}\r\na\0 RFC822.TEXT {0}\r\n BINARY.SIZE[2.1] 9 BINARY[] NIL)",
        ),
    ]);
}

/// No literal but a literal8 holds a NUL, and what is streamed is announced with its size.
#[test]
fn contents_are_literals() {
    let nul = FetchValue::Content {
        name: ContentName::Rfc822,
        origin: None,
        content: Content::Here((*b"a\0b").into()),
    };
    let parts = fetched(vec![nul]).write(Dialect::default());
    assert_eq!(parts, [Outgoing::Octets(b"* 7 FETCH (RFC822 {3}\r\na\x80b)\r\n".to_vec())]);
    let stream = |name, binary| {
        let content = Content::Stream(Stream { reference: 5, octets: 99, binary });
        FetchValue::Content { name, origin: None, content }
    };
    let values = vec![
        stream(ContentName::Rfc822, true),
        stream(ContentName::Binary(vec![1]), true),
        FetchValue::Uid(3),
    ];
    let expected = [
        Outgoing::Octets(b"* 7 FETCH (RFC822 {99}\r\n".to_vec()),
        Outgoing::Stream(Stream { reference: 5, octets: 99, binary: false }),
        Outgoing::Octets(b" BINARY[1] ~{99}\r\n".to_vec()),
        Outgoing::Stream(Stream { reference: 5, octets: 99, binary: true }),
        Outgoing::Octets(b" UID 3)\r\n".to_vec()),
    ];
    assert_eq!(fetched(values).write(Dialect::default()), expected);
}

/// RFC 9051 §7.5.2.
#[test]
fn structures_are_nested() {
    let part = |media| Part {
        media,
        parameters: vec![((*b"CHARSET").into(), (*b"UTF-8").into())],
        id: None,
        description: None,
        encoding: (*b"7BIT").into(),
        octets: u64::MAX,
        md5: None,
        extension: Extension::default(),
    };
    let text = BodyStructure::Part(Box::new(part(Media::Text { subtype: (*b"PLAIN").into(), lines: 3 })));
    let image = Media::Basic { kind: (*b"IMAGE").into(), subtype: (*b"PNG").into() };
    let disposition = Disposition { kind: (*b"ATTACHMENT").into(), parameters: vec![] };
    let extension = Extension {
        disposition: Some(disposition),
        languages: vec![(*b"de").into(), (*b"en").into()],
        location: None,
    };
    let image = BodyStructure::Part(Box::new(Part { extension, parameters: vec![], ..part(image) }));
    let mixed = BodyStructure::Multipart {
        parts: vec![text.clone(), image],
        subtype: (*b"MIXED").into(),
        parameters: vec![],
        extension: Extension::default(),
    };
    let empty = BodyStructure::Multipart {
        parts: vec![],
        subtype: (*b"MIXED").into(),
        parameters: vec![],
        extension: Extension::default(),
    };
    let envelope = Envelope {
        subject: Some("\u{e4}".as_bytes().into()),
        from: vec![imap::response::Address {
            mailbox: Some((*b"anna").into()),
            host: Some((*b"example.net").into()),
            ..Default::default()
        }],
        ..Envelope::default()
    };
    let message =
        Media::Message { global: false, envelope: Box::new(envelope.clone()), body: text.clone(), lines: 9 };
    let message = BodyStructure::Part(Box::new(Part { parameters: vec![], octets: 5, ..part(message) }));
    let plain = "\"TEXT\" \"PLAIN\" (\"CHARSET\" \"UTF-8\") NIL NIL \"7BIT\" 4294967295 3";
    let shown = "(NIL {2}\r\nä ((NIL NIL \"anna\" \"example.net\")) NIL NIL NIL NIL NIL NIL NIL)";
    written(vec![
        (fetched(vec![FetchValue::Body(Box::new(text.clone()))]), &format!("* 7 FETCH (BODY ({plain}))")),
        (
            fetched(vec![FetchValue::BodyStructure(Box::new(text))]),
            &format!("* 7 FETCH (BODYSTRUCTURE ({plain} NIL NIL NIL NIL))"),
        ),
        (
            fetched(vec![FetchValue::BodyStructure(Box::new(mixed.clone()))]),
            &format!(
                "* 7 FETCH (BODYSTRUCTURE (({plain} NIL NIL NIL NIL)(\"IMAGE\" \"PNG\" NIL NIL NIL \"7BIT\" 4294967295 NIL \
                 (\"ATTACHMENT\" NIL) (\"de\" \"en\") NIL) \"MIXED\" NIL NIL NIL NIL))"
            ),
        ),
        (
            fetched(vec![FetchValue::Body(Box::new(mixed))]),
            &format!(
                "* 7 FETCH (BODY (({plain})(\"IMAGE\" \"PNG\" NIL NIL NIL \"7BIT\" 4294967295) \"MIXED\"))"
            ),
        ),
        (
            fetched(vec![FetchValue::Body(Box::new(empty))]),
            "* 7 FETCH (BODY ((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0) \"MIXED\"))",
        ),
        (
            fetched(vec![FetchValue::Body(Box::new(message))]),
            &format!("* 7 FETCH (BODY (\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 5 {shown} ({plain}) 9))"),
        ),
        (fetched(vec![FetchValue::Envelope(Box::new(envelope))]), &format!("* 7 FETCH (ENVELOPE {shown})")),
    ]);
}

/// What has no form is not said, and a name that would break the line neither.
#[test]
fn what_cannot_be_read_is_not_written() {
    let bad = || {
        vec![
            Flag::Keyword("a b".into()),
            Flag::Seen,
            Flag::Keyword("".into()),
            Flag::Extension("x\r\ny".into()),
        ]
    };
    let limits = |name: &str| QuotaResource { name: name.into(), usage: 1, limit: 2 };
    written(vec![
        (Response::Flags(bad()), "* FLAGS (\\Seen)"),
        (fetched(vec![FetchValue::Flags(bad())]), "* 7 FETCH (FLAGS (\\Seen))"),
        (coded(Code::PermanentFlags { flags: bad(), new: false }), "* OK [PERMANENTFLAGS (\\Seen)] x"),
        (coded(Code::Modified(SequenceSet::default())), "* OK x"),
        (coded(Code::AppendUid { validity: 1, uids: SequenceSet::default() }), "* OK x"),
        (
            Response::Quota { root: "a\r\n".into(), resources: vec![limits("A B"), limits("C")] },
            "* QUOTA {3}\r\na\r\n (C 1 2)",
        ),
    ]);
    for nothing in [
        fetched(Vec::new()),
        Response::Vanished { earlier: false, uids: SequenceSet::default() },
        Response::Metadata { mailbox: None, values: Vec::new() },
    ] {
        assert_eq!(nothing.write(Dialect::default()), []);
    }
    for wrong in ["", "a b", "a.b", "\u{e4}", &"x".repeat(256)] {
        assert_eq!(ObjectId::new(wrong), None);
    }
}
