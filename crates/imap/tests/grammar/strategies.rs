//! Commands of all kinds, made up.

use imap::{
    Command, Date, Flag, Mailbox, ObjectId, Request, Sequence, SequenceSet, Tag,
    command::{
        Copy, Create, DateKind, EntryKind, Event, EventGroup, Fetch, FetchItem, Field, GetMetadata, List,
        ListReturn, Mailboxes, Notify, Page, Qresync, Response, Returns, RightsChange, Search, SearchKey,
        Section, SectionText, Select, SetAcl, SetMetadata, SetQuota, Slice, Sort, SortCriterion, SortKey,
        SpecialUse, StatusItem, Store, StoreChange, Thread, ThreadAlgorithm, When,
    },
};
use proptest::{collection::vec, option::of, prelude::*, sample::select};
use sasl::Password;

pub(crate) fn mailbox() -> impl Strategy<Value = Mailbox> {
    prop_oneof![
        Just(Mailbox::inbox()),
        "[a-zA-Z0-9/. &\"\\\\%*(){}\\]~+-]{1,12}".prop_map(|name| Mailbox::new(&name).unwrap()),
        "[a&äß台😀 -]{1,9}".prop_map(|name| Mailbox::new(&name).unwrap()),
    ]
}

fn set() -> impl Strategy<Value = SequenceSet> {
    let range = (1_u32.., 0_u32..50).prop_map(|(from, more)| from..=from.saturating_add(more));
    (vec(range, 1..5), of(prop_oneof![Just(0), 1_u32..])).prop_map(|(ranges, star)| {
        let set = SequenceSet::from_ranges(ranges);
        star.map_or(set.clone(), |from| set.and_to_last(from))
    })
}

fn known() -> impl Strategy<Value = SequenceSet> {
    vec(1_u32.., 1..5).prop_map(SequenceSet::of)
}

fn sequence() -> impl Strategy<Value = Sequence> {
    prop_oneof![5 => set().prop_map(Sequence::Set), 1 => Just(Sequence::Saved)]
}

pub(crate) fn flag() -> impl Strategy<Value = Flag> {
    prop_oneof![
        select(vec![Flag::Answered, Flag::Flagged, Flag::Deleted, Flag::Seen, Flag::Draft]),
        "[$a-zA-Z][a-zA-Z0-9-]{0,9}".prop_map(|name| Flag::Keyword(name.into())),
    ]
}

fn text() -> impl Strategy<Value = Box<str>> {
    prop_oneof!["[ -~]{0,12}", "[a\"\\\\ä\\r\\n台]{0,9}", Just("NIL".to_owned())].prop_map(Into::into)
}

fn octets() -> impl Strategy<Value = Box<[u8]>> {
    prop_oneof![
        3 => text().prop_map(|text| text.as_bytes().into()),
        1 => vec(1_u8.., 0..9).prop_map(Into::into),
    ]
}

fn mod_seq() -> impl Strategy<Value = u64> {
    1..=i64::MAX.unsigned_abs()
}

fn part(least: usize) -> impl Strategy<Value = Vec<u32>> {
    vec(1_u32..300, least..4)
}

fn slice() -> impl Strategy<Value = Option<Slice>> {
    of((0_u64..99_999, mod_seq()).prop_map(|(first, octets)| Slice { first, octets }))
}

fn section() -> impl Strategy<Value = Section> {
    let names = vec("[A-Za-z-]{1,9}|[ -~]{1,5}".prop_map(Box::from), 1..4);
    let text = prop_oneof![
        Just(SectionText::Header),
        Just(SectionText::Text),
        (any::<bool>(), names).prop_map(|(not, names)| SectionText::Fields { not, names }),
    ];
    prop_oneof![
        (part(0), of(text)).prop_map(|(part, text)| Section { part, text }),
        part(1).prop_map(|part| Section { part, text: Some(SectionText::Mime) }),
    ]
}

pub(crate) fn item() -> impl Strategy<Value = FetchItem> {
    let plain = vec![
        FetchItem::Envelope,
        FetchItem::Flags,
        FetchItem::InternalDate,
        FetchItem::Size,
        FetchItem::Body,
        FetchItem::BodyStructure,
        FetchItem::Uid,
        FetchItem::Rfc822,
        FetchItem::Rfc822Header,
        FetchItem::Rfc822Text,
        FetchItem::ModSeq,
        FetchItem::EmailId,
        FetchItem::ThreadId,
        FetchItem::SaveDate,
        FetchItem::Preview { lazy: false },
        FetchItem::Preview { lazy: true },
    ];
    prop_oneof![
        3 => select(plain),
        2 => (section(), any::<bool>(), slice()).prop_map(|(section, peek, slice)| FetchItem::Section { section, peek, slice }),
        1 => (part(0), any::<bool>(), slice()).prop_map(|(part, peek, slice)| FetchItem::Binary { part, peek, slice }),
        1 => part(0).prop_map(FetchItem::BinarySize),
    ]
}

/// Each once, as parsing has them.
fn items(least: usize) -> impl Strategy<Value = Vec<FetchItem>> {
    vec(item(), least..5).prop_map(|items| {
        let mut once: Vec<FetchItem> = Vec::new();
        for item in items {
            if !once.contains(&item) {
                once.push(item);
            }
        }
        once
    })
}

fn page() -> impl Strategy<Value = Page> {
    (1_u32.., 1_u32.., any::<bool>()).prop_map(|(from, to, backwards)| Page { from, to, backwards })
}

fn fetch() -> impl Strategy<Value = Command> {
    (any::<bool>(), sequence(), items(1), of(mod_seq()), any::<bool>(), of(page())).prop_map(
        |(uid, set, items, changed_since, vanished, page)| {
            let vanished = vanished && uid && changed_since.is_some();
            let page = page.filter(|_| uid);
            Command::Fetch(Box::new(Fetch { uid, set, items, changed_since, vanished, page }))
        },
    )
}

fn store() -> impl Strategy<Value = Command> {
    let change = select(vec![StoreChange::Replace, StoreChange::Add, StoreChange::Remove]);
    (any::<bool>(), sequence(), of(0..=i64::MAX.unsigned_abs()), change, any::<bool>(), vec(flag(), 0..4))
        .prop_map(|(uid, set, unchanged_since, change, silent, flags)| {
            Command::Store(Box::new(Store { uid, set, unchanged_since, change, silent, flags }))
        })
}

pub(crate) fn date() -> impl Strategy<Value = Date> {
    (-700_000_i64..2_900_000).prop_map(|days| Date::from_days(days).unwrap())
}

fn key() -> impl Strategy<Value = SearchKey> {
    let kind = select(vec![DateKind::Internal, DateKind::Sent, DateKind::Saved]);
    let when = select(vec![When::Before, When::On, When::Since]);
    let field = select(vec![Field::Bcc, Field::Cc, Field::From, Field::Subject, Field::To]);
    let entry = (flag(), select(vec![EntryKind::Private, EntryKind::Shared, EntryKind::All]));
    let leaf = prop_oneof![
        Just(SearchKey::All),
        flag().prop_map(SearchKey::Has),
        Just(SearchKey::Has(Flag::Recent)),
        sequence().prop_map(SearchKey::Numbers),
        sequence().prop_map(SearchKey::Uids),
        (field, octets()).prop_map(|(field, text)| SearchKey::Field(field, text)),
        (text(), octets()).prop_map(|(name, text)| SearchKey::Header(name, text)),
        octets().prop_map(SearchKey::Body),
        octets().prop_map(SearchKey::Text),
        (kind, when, date()).prop_map(|(kind, when, date)| SearchKey::Date(kind, when, date)),
        (0..=i64::MAX.unsigned_abs()).prop_map(SearchKey::Larger),
        any::<u32>().prop_map(|octets| SearchKey::Smaller(octets.into())),
        (1_u32..).prop_map(SearchKey::Older),
        (1_u32..).prop_map(SearchKey::Younger),
        (of(entry), 0..=i64::MAX.unsigned_abs())
            .prop_map(|(entry, value)| SearchKey::ModSeq { entry, value }),
        "[A-Za-z0-9_-]{1,20}".prop_map(|id| SearchKey::EmailId(ObjectId::new(&id).unwrap())),
        "[A-Za-z0-9_-]{1,20}".prop_map(|id| SearchKey::ThreadId(ObjectId::new(&id).unwrap())),
        Just(SearchKey::SaveDateSupported),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|key| SearchKey::Not(Box::new(key))),
            (inner.clone(), inner.clone())
                .prop_map(|(one, other)| SearchKey::Or(Box::new(one), Box::new(other))),
            vec(inner, 2..4).prop_map(SearchKey::And),
        ]
    })
}

fn returns() -> impl Strategy<Value = Returns> {
    (any::<[bool; 5]>(), of(page())).prop_map(|([min, max, all, count, save], page)| {
        let mut returns = Returns { min, max, all: all && page.is_none(), count, save, page };
        returns.all |= returns == Returns::default();
        returns
    })
}

fn search() -> impl Strategy<Value = Command> {
    let charset = select(vec!["UTF-8", "US-ASCII", "ISO 8859"]).prop_map(Box::<str>::from);
    (any::<bool>(), of(returns()), of(charset), key()).prop_map(|(uid, returns, charset, key)| {
        Command::Search(Box::new(Search { uid, returns, charset, key }))
    })
}

fn sort() -> impl Strategy<Value = Command> {
    let by = select(vec![
        SortKey::Arrival,
        SortKey::Cc,
        SortKey::Date,
        SortKey::DisplayFrom,
        SortKey::DisplayTo,
        SortKey::From,
        SortKey::Size,
        SortKey::Subject,
        SortKey::To,
    ]);
    let criterion = (any::<bool>(), by).prop_map(|(reverse, key)| SortCriterion { reverse, key });
    (any::<bool>(), of(returns()), vec(criterion, 1..4), key()).prop_map(|(uid, returns, criteria, key)| {
        Command::Sort(Box::new(Sort { uid, returns, criteria, charset: "UTF-8".into(), key }))
    })
}

fn thread() -> impl Strategy<Value = Command> {
    let algorithm = select(vec![ThreadAlgorithm::OrderedSubject, ThreadAlgorithm::References]);
    (any::<bool>(), algorithm, key()).prop_map(|(uid, algorithm, key)| {
        Command::Thread(Box::new(Thread { uid, algorithm, charset: "UTF-8".into(), key }))
    })
}

fn opened() -> impl Strategy<Value = Command> {
    let known =
        (1_u32.., mod_seq(), of(known()), of(known())).prop_map(|(uid_validity, mod_seq, uids, matched)| {
            let matched = matched.map(|set| (set.clone(), set));
            Qresync { uid_validity, mod_seq, known_uids: uids, matched }
        });
    (mailbox(), any::<bool>(), any::<bool>(), of(known)).prop_map(
        |(mailbox, read_only, condstore, qresync)| {
            Command::Select(Box::new(Select { mailbox, read_only, condstore, qresync }))
        },
    )
}

fn status_items() -> impl Strategy<Value = Vec<StatusItem>> {
    let all = vec![
        StatusItem::Messages,
        StatusItem::Recent,
        StatusItem::UidNext,
        StatusItem::UidValidity,
        StatusItem::Unseen,
        StatusItem::Size,
        StatusItem::Deleted,
        StatusItem::DeletedStorage,
        StatusItem::HighestModSeq,
        StatusItem::MailboxId,
        StatusItem::AppendLimit,
    ];
    vec(select(all), 1..5)
}

fn list() -> impl Strategy<Value = Command> {
    let pattern = prop_oneof!["[a-zA-Z*%/&\"ä ]{0,9}", Just("*".to_owned())].prop_map(Box::<str>::from);
    let returns = (any::<[bool; 4]>(), of(status_items())).prop_map(
        |([subscribed, children, special_use, my_rights], status)| ListReturn {
            subscribed,
            children,
            special_use,
            my_rights,
            status,
        },
    );
    (any::<[bool; 4]>(), pattern.clone(), vec(pattern, 1..4), returns).prop_map(
        |([subscribed, remote, recursive, special_use], reference, patterns, returns)| {
            let recursive = recursive && (subscribed || special_use);
            let extended =
                subscribed || remote || special_use || patterns.len() > 1 || returns != ListReturn::default();
            Command::List(Box::new(List {
                subscribed,
                remote,
                recursive,
                special_use,
                reference,
                patterns,
                extended,
                returns,
            }))
        },
    )
}

fn made() -> impl Strategy<Value = Command> {
    let uses =
        vec(select(vec![SpecialUse::Sent, SpecialUse::Junk, SpecialUse::All, SpecialUse::Important]), 0..3);
    (mailbox(), uses).prop_map(|(mailbox, special_use)| Command::Create(Create { mailbox, special_use }))
}

fn entry() -> impl Strategy<Value = Box<str>> {
    "/(private|shared)(/[a-z0-9. -]{1,8}){1,3}".prop_map(Into::into)
}

fn access() -> impl Strategy<Value = Command> {
    let change = select(vec![RightsChange::Replace, RightsChange::Add, RightsChange::Remove]);
    let set_acl =
        (mailbox(), text(), change, "[a-z0-9]{0,9}").prop_map(|(mailbox, identifier, change, rights)| {
            Command::SetAcl(Box::new(SetAcl { mailbox, identifier, change, rights: rights.into() }))
        });
    let limits = vec(("STORAGE|MESSAGE|X-FOO".prop_map(Box::from), 0..=i64::MAX.unsigned_abs()), 0..3);
    let depth = select(vec![Some(0), Some(1), None]);
    let get = (of(mailbox()), of(any::<u32>()), depth, vec(entry(), 1..4)).prop_map(
        |(mailbox, octets_max, depth, entries)| {
            Command::GetMetadata(Box::new(GetMetadata { mailbox, octets_max, depth, entries }))
        },
    );
    let value = prop_oneof![octets(), vec(any::<u8>(), 0..9).prop_map(Into::into)];
    let set = (of(mailbox()), vec((entry(), of(value)), 1..4))
        .prop_map(|(mailbox, entries)| Command::SetMetadata(Box::new(SetMetadata { mailbox, entries })));
    prop_oneof![
        set_acl,
        get,
        set,
        text().prop_map(Command::GetQuota),
        mailbox().prop_map(Command::GetQuotaRoot),
        (text(), limits).prop_map(|(root, limits)| Command::SetQuota(SetQuota { root, limits })),
        (mailbox(), text()).prop_map(|(mailbox, identifier)| Command::DeleteAcl { mailbox, identifier }),
        (mailbox(), text()).prop_map(|(mailbox, identifier)| Command::ListRights { mailbox, identifier }),
        mailbox().prop_map(Command::GetAcl),
        mailbox().prop_map(Command::MyRights),
    ]
}

fn notify() -> impl Strategy<Value = Command> {
    let events = |selected: bool| {
        items(0).prop_flat_map(move |items| {
            let items = if selected { items } else { Vec::new() };
            let new = vec![Event::MessageNew(items), Event::MessageExpunge];
            let more = if selected {
                vec![Event::FlagChange]
            } else {
                vec![Event::MailboxName, Event::Unknown("Foo".into())]
            };
            select(vec![vec![], new.clone(), [new, more].concat()])
        })
    };
    let others = prop_oneof![
        Just(Mailboxes::Inboxes),
        Just(Mailboxes::Personal),
        Just(Mailboxes::Subscribed),
        vec(mailbox(), 1..3).prop_map(Mailboxes::Subtree),
        vec(mailbox(), 1..3).prop_map(Mailboxes::Named),
    ];
    let group = (others, events(false)).prop_map(|(mailboxes, events)| EventGroup { mailboxes, events });
    let selected = (select(vec![Mailboxes::Selected, Mailboxes::SelectedDelayed]), events(true))
        .prop_map(|(mailboxes, events)| EventGroup { mailboxes, events });
    let set = (any::<bool>(), of(selected), vec(group, 1..3)).prop_map(|(status, first, rest)| {
        let groups = first.into_iter().chain(rest).collect();
        Command::Notify(Notify::Set { status, groups })
    });
    prop_oneof![1 => Just(Command::Notify(Notify::None)), 5 => set]
}

fn plain() -> impl Strategy<Value = Command> {
    let id = vec((text(), of(text())), 0..4);
    prop_oneof![
        select(vec![
            Command::Capability,
            Command::Noop,
            Command::Logout,
            Command::StartTls,
            Command::Namespace,
            Command::Idle,
            Command::Check,
            Command::Close,
            Command::Unselect,
            Command::Expunge(None),
            Command::Compress,
            Command::Id(None),
        ]),
        id.prop_map(|fields| Command::Id(Some(fields))),
        (text(), text())
            .prop_map(|(user, password)| Command::Login { user, password: Password::new(password) }),
        ("[A-Z0-9-]{1,20}", of(vec(any::<u8>(), 0..20))).prop_map(|(mechanism, initial)| {
            Command::Authenticate { mechanism: mechanism.into(), initial: initial.map(Response::new) }
        }),
        vec("[A-Z0-9=-]{1,12}".prop_map(Box::from), 1..4).prop_map(Command::Enable),
        sequence().prop_map(|set| Command::Expunge(Some(set))),
        mailbox().prop_map(Command::Delete),
        mailbox().prop_map(Command::Subscribe),
        mailbox().prop_map(Command::Unsubscribe),
        (mailbox(), mailbox()).prop_map(|(from, to)| Command::Rename { from, to }),
        ("[a-z/&ä]{0,5}", "[a-z*%/&ä]{0,9}").prop_map(|(reference, pattern)| Command::Lsub {
            reference: reference.into(),
            pattern: pattern.into(),
        }),
        (mailbox(), status_items()).prop_map(|(mailbox, items)| Command::Status { mailbox, items }),
    ]
}

fn copy() -> impl Strategy<Value = Command> {
    (any::<[bool; 2]>(), sequence(), mailbox()).prop_map(|([uid, moves], set, mailbox)| {
        let copy = Box::new(Copy { uid, set, mailbox });
        if moves { Command::Move(copy) } else { Command::Copy(copy) }
    })
}

/// Any command.
pub(crate) fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        plain(),
        fetch(),
        store(),
        copy(),
        search(),
        sort(),
        thread(),
        opened(),
        list(),
        made(),
        access(),
        notify(),
    ]
}

/// Any command with a tag.
pub(crate) fn request() -> impl Strategy<Value = Request> {
    ("[A-Za-z0-9.\\]]{1,6}", command())
        .prop_map(|(tag, command)| Request { tag: Tag::new(&tag).unwrap(), command })
}
