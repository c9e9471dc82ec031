//! Responses that imap-codec knows too, made up.

use imap::{
    DateTime, Flag, Mailbox, SequenceSet,
    command::{Section, SectionText, StatusItem},
    response::{
        Address, Attribute, BodyStructure, Code, Content, ContentName, Disposition, Envelope, Extension,
        FetchValue, Fetched, ListEntry, Media, MetadataEntry, NString, NamespaceEntry, Parameters, Part,
        QuotaResource, Response, Status, StatusKind, StatusValue, ThreadEntry,
    },
};
use proptest::{collection::vec, option::of, prelude::*, sample::select};

fn octets() -> impl Strategy<Value = Box<[u8]>> {
    prop_oneof![
        3 => "[ -~]{0,12}".prop_map(|text| text.as_bytes().into()),
        1 => vec(1_u8.., 0..9).prop_map(Into::into),
        1 => Just((*b"NIL").into()),
    ]
}

fn nstring() -> impl Strategy<Value = NString> {
    of(octets())
}

fn mailbox() -> impl Strategy<Value = Mailbox> {
    prop_oneof!["[a-zA-Z0-9/. &\"\\\\%*(){}\\]~+-]{1,12}", "[a&äß台😀 -]{1,9}"]
        .prop_map(|name| Mailbox::new(&name).unwrap())
}

fn flags() -> impl Strategy<Value = Vec<Flag>> {
    let keyword = "[$a-zA-Z][a-zA-Z0-9-]{0,9}".prop_map(|name| Flag::Keyword(name.into()));
    vec(
        prop_oneof![
            select(vec![Flag::Answered, Flag::Deleted, Flag::Seen, Flag::Draft, Flag::Flagged]),
            keyword
        ],
        0..4,
    )
}

fn when() -> impl Strategy<Value = DateTime> {
    (0_i64..4_000_000_000, -720_i16..720).prop_map(|(seconds, zone)| DateTime::new(seconds, zone).unwrap())
}

fn addresses() -> impl Strategy<Value = Vec<Address>> {
    let address = (nstring(), nstring(), nstring(), nstring())
        .prop_map(|(name, route, mailbox, host)| Address { name, route, mailbox, host });
    vec(address, 0..3)
}

fn envelope() -> impl Strategy<Value = Envelope> {
    let people = (addresses(), addresses(), addresses(), addresses(), addresses(), addresses());
    (nstring(), nstring(), people, nstring(), nstring()).prop_map(
        |(date, subject, (from, sender, reply_to, to, cc, bcc), in_reply_to, message_id)| Envelope {
            date,
            subject,
            from,
            sender,
            reply_to,
            to,
            cc,
            bcc,
            in_reply_to,
            message_id,
        },
    )
}

fn parameters() -> impl Strategy<Value = Parameters> {
    vec((octets(), octets()), 0..3)
}

fn extension() -> impl Strategy<Value = Extension> {
    let disposition =
        (octets(), parameters()).prop_map(|(kind, parameters)| Disposition { kind, parameters });
    (of(disposition), vec(octets(), 0..3), nstring())
        .prop_map(|(disposition, languages, location)| Extension { disposition, languages, location })
}

fn part(media: impl Strategy<Value = Media>) -> impl Strategy<Value = BodyStructure> {
    (media, parameters(), nstring(), nstring(), octets(), 0_u64..9999, nstring(), extension()).prop_map(
        |(media, parameters, id, description, encoding, octets, md5, extension)| {
            BodyStructure::Part(Box::new(Part {
                media,
                parameters,
                id,
                description,
                encoding,
                octets,
                md5,
                extension,
            }))
        },
    )
}

fn structure() -> impl Strategy<Value = BodyStructure> {
    let text = ("PLAIN|HTML", 0_u64..999)
        .prop_map(|(subtype, lines)| Media::Text { subtype: subtype.as_bytes().into(), lines });
    let basic = ("IMAGE|APPLICATION", "PNG|X").prop_map(|(kind, subtype)| Media::Basic {
        kind: kind.as_bytes().into(),
        subtype: subtype.as_bytes().into(),
    });
    part(prop_oneof![text, basic]).prop_recursive(3, 8, 3, |inner| {
        let message = (envelope(), inner.clone(), 0_u64..99).prop_map(|(envelope, body, lines)| {
            Media::Message { global: false, envelope: Box::new(envelope), body, lines }
        });
        prop_oneof![
            part(message),
            (vec(inner, 1..3), parameters(), extension()).prop_map(|(parts, parameters, extension)| {
                BodyStructure::Multipart { parts, subtype: (*b"MIXED").into(), parameters, extension }
            }),
        ]
    })
}

fn value() -> impl Strategy<Value = FetchValue> {
    let names = vec("[A-Za-z-]{1,9}".prop_map(Box::from), 1..3);
    let text = prop_oneof![
        Just(SectionText::Header),
        Just(SectionText::Text),
        (any::<bool>(), names).prop_map(|(not, names)| SectionText::Fields { not, names }),
    ];
    let section = (vec(1_u32..99, 0..3), of(text))
        .prop_map(|(part, text)| ContentName::Section(Section { part, text }));
    let name = prop_oneof![3 => section, 1 => Just(ContentName::Rfc822), 1 => Just(ContentName::Rfc822Header), 1 => Just(ContentName::Rfc822Text)];
    let content = prop_oneof![4 => octets().prop_map(Content::Here), 1 => Just(Content::Nil)];
    prop_oneof![
        flags().prop_map(FetchValue::Flags),
        (1_u32..).prop_map(FetchValue::Uid),
        when().prop_map(FetchValue::InternalDate),
        (0_u64..u32::MAX.into()).prop_map(FetchValue::Size),
        envelope().prop_map(|envelope| FetchValue::Envelope(Box::new(envelope))),
        structure().prop_map(|structure| FetchValue::BodyStructure(Box::new(structure))),
        structure().prop_map(|structure| FetchValue::Body(Box::new(structure))),
        (1..=i64::MAX.unsigned_abs()).prop_map(FetchValue::ModSeq),
        (name, content).prop_map(|(name, content)| FetchValue::Content { name, origin: None, content }),
        (vec(1_u32..99, 1..3), any::<u32>())
            .prop_map(|(part, octets)| FetchValue::BinarySize { part, octets }),
    ]
}

fn status() -> impl Strategy<Value = Status> {
    let kind = select(vec![StatusKind::Ok, StatusKind::No, StatusKind::Bad, StatusKind::Bye]);
    let code = prop_oneof![
        select(vec![Code::Alert, Code::ReadOnly, Code::ReadWrite, Code::TryCreate, Code::Parse]),
        (1_u32..).prop_map(Code::UidNext),
        (1_u32..).prop_map(Code::Unseen),
        (1_u32..).prop_map(Code::UidValidity),
        (1_u64..99).prop_map(Code::HighestModSeq),
        (flags(), any::<bool>()).prop_map(|(flags, new)| Code::PermanentFlags { flags, new }),
        vec(1_u32..99, 1..5).prop_map(|uids| Code::AppendUid { validity: 5, uids: SequenceSet::of(uids) }),
    ];
    (kind, of(code), "[a-z \\[\\]ä\\r]{0,12}").prop_map(|(kind, code, text)| Status {
        kind,
        code,
        text: text.into(),
    })
}

fn list() -> impl Strategy<Value = Response> {
    let attributes =
        vec![Attribute::NoInferiors, Attribute::NoSelect, Attribute::Marked, Attribute::HasChildren];
    (vec(select(attributes), 0..3), of("[/.\\\\]"), mailbox(), any::<bool>()).prop_map(
        |(attributes, separator, mailbox, lsub)| {
            let separator = separator.and_then(|text| text.chars().next());
            let entry = Box::new(ListEntry {
                attributes,
                separator,
                mailbox: Some(mailbox),
                child_info: false,
                old_name: None,
            });
            if lsub { Response::Lsub(entry) } else { Response::List(entry) }
        },
    )
}

fn threads() -> impl Strategy<Value = Response> {
    vec((0_u32..4, 1_u32..99), 1..9).prop_map(|entries| {
        let mut depth_max = 0;
        let entries = entries.into_iter().map(|(depth, number)| {
            let depth = depth.min(depth_max);
            depth_max = depth + 1;
            ThreadEntry { depth, number: Some(number) }
        });
        Response::Thread(entries.collect())
    })
}

/// Any that imap-codec knows.
pub(crate) fn response() -> impl Strategy<Value = Response> {
    let items = vec![
        StatusItem::Messages,
        StatusItem::Recent,
        StatusItem::UidNext,
        StatusItem::UidValidity,
        StatusItem::Unseen,
    ];
    let values =
        vec((select(items), 1_u64..99).prop_map(|(item, value)| StatusValue::Number(item, value)), 0..4);
    let spaces = || {
        vec(
            ("[a-z#~/]{0,5}", of(Just('/')))
                .prop_map(|(prefix, separator)| NamespaceEntry { prefix: prefix.into(), separator }),
            0..3,
        )
    };
    let resource = (0_u64..999, 0_u64..999).prop_map(|(usage, limit)| QuotaResource {
        name: "STORAGE".into(),
        usage,
        limit,
    });
    let metadata = ("/(private|shared)/[a-z]{1,5}", of(octets()))
        .prop_map(|(name, value)| MetadataEntry { name: name.into(), value });
    prop_oneof![
        6 => (1_u32.., vec(value(), 1..4)).prop_map(|(number, values)| Response::Fetch(Box::new(Fetched { number, values }))),
        2 => status().prop_map(Response::Status),
        2 => list(),
        1 => threads(),
        1 => (mailbox(), values).prop_map(|(mailbox, values)| Response::StatusOf { mailbox, values }),
        1 => flags().prop_map(Response::Flags),
        1 => (vec(1_u32.., 0..5), of(1_u64..99)).prop_map(|(numbers, mod_seq)| Response::Search(numbers, mod_seq)),
        1 => (vec(1_u32.., 0..5), of(1_u64..99)).prop_map(|(numbers, mod_seq)| Response::Sort(numbers, mod_seq)),
        1 => any::<u32>().prop_map(Response::Exists),
        1 => any::<u32>().prop_map(Response::Recent),
        1 => (1_u32..).prop_map(Response::Expunge),
        1 => (any::<bool>(), vec(1_u32.., 1..5)).prop_map(|(earlier, uids)| Response::Vanished { earlier, uids: SequenceSet::of(uids) }),
        1 => (spaces(), spaces(), spaces()).prop_map(|(personal, others, shared)| Response::Namespace { personal, others, shared }),
        1 => ("[a-z ]{0,5}", vec(resource, 1..2)).prop_map(|(root, resources)| Response::Quota { root: root.into(), resources }),
        1 => (mailbox(), vec("[a-z ]{0,5}".prop_map(Box::from), 0..3)).prop_map(|(mailbox, roots)| Response::QuotaRoot { mailbox, roots }),
        1 => (of(mailbox()), vec(metadata, 1..3)).prop_map(|(mailbox, values)| Response::Metadata { mailbox, values }),
        1 => vec("[A-Z0-9=-]{1,12}".prop_map(Box::from), 1..4).prop_map(Response::Enabled),
        1 => Just(Response::Capability(vec!["IMAP4rev1".into(), "IDLE".into()])),
    ]
}
