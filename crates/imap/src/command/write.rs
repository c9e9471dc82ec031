//! Commands as octets: the inverse of parsing.

use super::{
    Command, Create, DateKind, EntryKind, Event, EventGroup, Fetch, FetchItem, Field, GetMetadata, List,
    Mailboxes, Notify, Request, Returns, RightsChange, SearchKey, Section, SectionText, Select, SetAcl,
    SetMetadata, Slice, SortKey, Store, StoreChange, ThreadAlgorithm, When,
};
use crate::text::{Side, Text, dotted};

impl Request {
    /// The octets of the command with its last CRLF. Literals are written as not synchronising ones (RFC 7888). `utf8`: names of
    /// mailboxes and quoted strings are UTF-8.
    pub fn to_octets(&self, utf8: bool) -> Vec<u8> {
        let mut out = Text::new(Side::Client, utf8);
        out.show(&self.tag);
        out.sp();
        command(&mut out, &self.command);
        out.raw("\r\n");
        out.octets
    }
}

fn command(out: &mut Text, command: &Command) {
    match command {
        Command::Capability => out.raw("CAPABILITY"),
        Command::Noop => out.raw("NOOP"),
        Command::Logout => out.raw("LOGOUT"),
        Command::StartTls => out.raw("STARTTLS"),
        Command::Namespace => out.raw("NAMESPACE"),
        Command::Idle => out.raw("IDLE"),
        Command::Check => out.raw("CHECK"),
        Command::Close => out.raw("CLOSE"),
        Command::Unselect => out.raw("UNSELECT"),
        Command::Compress => out.raw("COMPRESS DEFLATE"),
        Command::Expunge(None) => out.raw("EXPUNGE"),
        Command::Expunge(Some(set)) => out.show(format_args!("UID EXPUNGE {set}")),
        Command::Fetch(it) => fetch(out, it),
        Command::Store(it) => store(out, it),
        Command::Copy(it) => copy(out, "COPY", it),
        Command::Move(it) => copy(out, "MOVE", it),
        Command::Search(_) | Command::Sort(_) | Command::Thread(_) => search(out, command),
        Command::Id(fields) => {
            out.raw("ID ");
            out.id(fields.as_ref());
        }
        Command::Authenticate { mechanism, initial } => {
            out.show(format_args!("AUTHENTICATE {mechanism}"));
            match initial.as_ref().map(super::Response::expose) {
                Some([]) => out.raw(" ="),
                Some(octets) => out.show(format_args!(" {}", sasl::base64::encode(octets))),
                None => {}
            }
        }
        Command::Login { user, password } => {
            strings(out, "LOGIN", [user, password.expose()]);
        }
        Command::Enable(capabilities) => {
            out.raw("ENABLE ");
            out.spaced(capabilities, |out, capability| out.raw(capability));
        }
        Command::Notify(it) => notify(out, it),
        other => of_mailboxes(out, other),
    }
}

fn of_mailboxes(out: &mut Text, command: &Command) {
    let named = |out: &mut Text, verb: &str, mailbox| {
        out.raw(verb);
        out.sp();
        out.mailbox(mailbox);
    };
    match command {
        Command::Select(it) => select(out, it),
        Command::Create(it) => create(out, it),
        Command::Delete(mailbox) => named(out, "DELETE", mailbox),
        Command::Rename { from, to } => {
            named(out, "RENAME", from);
            named(out, "", to);
        }
        Command::Subscribe(mailbox) => named(out, "SUBSCRIBE", mailbox),
        Command::Unsubscribe(mailbox) => named(out, "UNSUBSCRIBE", mailbox),
        Command::List(it) => list(out, it),
        Command::Lsub { reference, pattern } => {
            out.raw("LSUB ");
            out.name(reference);
            out.sp();
            out.pattern(pattern);
        }
        Command::Status { mailbox, items } => {
            named(out, "STATUS", mailbox);
            out.sp();
            out.list(items, |out, item| out.raw(item.name()));
        }
        Command::GetQuota(root) => strings(out, "GETQUOTA", [&**root]),
        Command::GetQuotaRoot(mailbox) => named(out, "GETQUOTAROOT", mailbox),
        Command::SetQuota(it) => {
            strings(out, "SETQUOTA", [&*it.root]);
            out.sp();
            out.list(&it.limits, |out, (resource, limit)| out.show(format_args!("{resource} {limit}")));
        }
        Command::SetAcl(it) => set_acl(out, it),
        Command::DeleteAcl { mailbox, identifier } => {
            named(out, "DELETEACL", mailbox);
            strings(out, "", [&**identifier]);
        }
        Command::GetAcl(mailbox) => named(out, "GETACL", mailbox),
        Command::ListRights { mailbox, identifier } => {
            named(out, "LISTRIGHTS", mailbox);
            strings(out, "", [&**identifier]);
        }
        Command::MyRights(mailbox) => named(out, "MYRIGHTS", mailbox),
        Command::GetMetadata(it) => get_metadata(out, it),
        Command::SetMetadata(it) => set_metadata(out, it),
        _ => {}
    }
}

/// A verb and strings behind it, each after a space.
fn strings<'a>(out: &mut Text, verb: &str, strings: impl IntoIterator<Item = &'a str>) {
    out.raw(verb);
    for text in strings {
        out.sp();
        out.astring(text.as_bytes());
    }
}

fn select(out: &mut Text, select: &Select) {
    out.raw(if select.read_only { "EXAMINE " } else { "SELECT " });
    out.mailbox(&select.mailbox);
    let mut parameters = Vec::new();
    if select.condstore {
        parameters.push("CONDSTORE".to_owned());
    }
    if let Some(known) = &select.qresync {
        let uids = known.known_uids.as_ref().map(|uids| format!(" {uids}")).unwrap_or_default();
        let matched = known.matched.as_ref().map(|(numbers, uids)| format!(" ({numbers} {uids})"));
        let matched = matched.unwrap_or_default();
        parameters.push(format!("QRESYNC ({} {}{uids}{matched})", known.uid_validity, known.mod_seq));
    }
    if !parameters.is_empty() {
        out.sp();
        out.list(parameters, |out, parameter| out.raw(&parameter));
    }
}

fn create(out: &mut Text, create: &Create) {
    out.raw("CREATE ");
    out.mailbox(&create.mailbox);
    if !create.special_use.is_empty() {
        out.raw(" (USE ");
        out.list(&create.special_use, Text::show);
        out.raw(")");
    }
}

fn list(out: &mut Text, list: &List) {
    let chosen = |options: &[(bool, &'static str)]| -> Vec<&'static str> {
        options.iter().filter(|(chosen, _)| *chosen).map(|(_, word)| *word).collect()
    };
    out.raw("LIST ");
    let selected = chosen(&[
        (list.subscribed, "SUBSCRIBED"),
        (list.remote, "REMOTE"),
        (list.recursive, "RECURSIVEMATCH"),
        (list.special_use, "SPECIAL-USE"),
    ]);
    let several = list.patterns.len() > 1;
    if list.extended {
        out.list(selected, Text::raw);
        out.sp();
    }
    out.name(&list.reference);
    out.sp();
    match list.patterns.first() {
        Some(pattern) if !several => out.pattern(pattern),
        _ => out.list(&list.patterns, |out, pattern| out.pattern(pattern)),
    }
    let returns = &list.returns;
    let mut returned = chosen(&[
        (returns.subscribed, "SUBSCRIBED"),
        (returns.children, "CHILDREN"),
        (returns.special_use, "SPECIAL-USE"),
        (returns.my_rights, "MYRIGHTS"),
    ]);
    returned.extend(returns.status.as_ref().map(|_| "STATUS"));
    if !returned.is_empty() {
        out.raw(" RETURN ");
        out.list(returned, |out, word| {
            out.raw(word);
            if let (Some(items), "STATUS") = (&returns.status, word) {
                out.sp();
                out.list(items, |out, item| out.raw(item.name()));
            }
        });
    }
}

fn set_acl(out: &mut Text, set: &SetAcl) {
    out.raw("SETACL ");
    out.mailbox(&set.mailbox);
    let sign = match set.change {
        RightsChange::Replace => "",
        RightsChange::Add => "+",
        RightsChange::Remove => "-",
    };
    strings(out, "", [&*set.identifier, &format!("{sign}{}", set.rights)]);
}

fn get_metadata(out: &mut Text, get: &GetMetadata) {
    out.raw("GETMETADATA ");
    let depth = match get.depth {
        Some(0) => None,
        Some(depth) => Some(format!("DEPTH {depth}")),
        None => Some("DEPTH infinity".to_owned()),
    };
    let size = get.octets_max.map(|octets| format!("MAXSIZE {octets}"));
    if depth.is_some() || size.is_some() {
        out.list(size.into_iter().chain(depth), |out, option| out.raw(&option));
        out.sp();
    }
    out.name(get.mailbox.as_ref().map_or("", |mailbox| mailbox.as_str()));
    out.sp();
    out.list(&get.entries, |out, entry| out.astring(entry.as_bytes()));
}

fn set_metadata(out: &mut Text, set: &SetMetadata) {
    out.raw("SETMETADATA ");
    out.name(set.mailbox.as_ref().map_or("", |mailbox| mailbox.as_str()));
    out.sp();
    out.list(&set.entries, |out, (entry, value)| {
        out.astring(entry.as_bytes());
        out.sp();
        out.nstring8(value.as_deref());
    });
}

fn notify(out: &mut Text, notify: &Notify) {
    out.raw("NOTIFY ");
    let Notify::Set { status, groups } = notify else { return out.raw("NONE") };
    out.raw(if *status { "SET STATUS " } else { "SET " });
    out.spaced(groups, event_group);
}

fn event_group(out: &mut Text, group: &EventGroup) {
    let named = |out: &mut Text, word, mailboxes| {
        out.raw(word);
        out.list(mailboxes, Text::mailbox);
    };
    out.raw("(");
    match &group.mailboxes {
        Mailboxes::Selected => out.raw("SELECTED"),
        Mailboxes::SelectedDelayed => out.raw("SELECTED-DELAYED"),
        Mailboxes::Inboxes => out.raw("INBOXES"),
        Mailboxes::Personal => out.raw("PERSONAL"),
        Mailboxes::Subscribed => out.raw("SUBSCRIBED"),
        Mailboxes::Subtree(mailboxes) => named(out, "SUBTREE ", mailboxes),
        Mailboxes::Named(mailboxes) => named(out, "MAILBOXES ", mailboxes),
    }
    if group.events.is_empty() {
        out.raw(" NONE)");
        return;
    }
    out.sp();
    out.list(&group.events, |out, event| match event {
        Event::MessageNew(items) => {
            out.raw("MessageNew");
            if !items.is_empty() {
                out.sp();
                out.list(items, item);
            }
        }
        Event::MessageExpunge => out.raw("MessageExpunge"),
        Event::FlagChange => out.raw("FlagChange"),
        Event::AnnotationChange => out.raw("AnnotationChange"),
        Event::MailboxName => out.raw("MailboxName"),
        Event::SubscriptionChange => out.raw("SubscriptionChange"),
        Event::MailboxMetadataChange => out.raw("MailboxMetadataChange"),
        Event::ServerMetadataChange => out.raw("ServerMetadataChange"),
        Event::Unknown(word) => out.raw(word),
    });
    out.raw(")");
}

fn uid_verb(out: &mut Text, uid: bool, verb: &str) {
    out.raw(if uid { "UID " } else { "" });
    out.raw(verb);
    out.sp();
}

fn copy(out: &mut Text, verb: &str, copy: &super::Copy) {
    uid_verb(out, copy.uid, verb);
    out.show(&copy.set);
    out.sp();
    out.mailbox(&copy.mailbox);
}

fn store(out: &mut Text, store: &Store) {
    uid_verb(out, store.uid, "STORE");
    out.show(&store.set);
    if let Some(mod_seq) = store.unchanged_since {
        out.show(format_args!(" (UNCHANGEDSINCE {mod_seq})"));
    }
    out.raw(match store.change {
        StoreChange::Replace => " FLAGS",
        StoreChange::Add => " +FLAGS",
        StoreChange::Remove => " -FLAGS",
    });
    out.raw(if store.silent { ".SILENT " } else { " " });
    out.flags(&store.flags);
}

fn fetch(out: &mut Text, fetch: &Fetch) {
    uid_verb(out, fetch.uid, "FETCH");
    out.show(&fetch.set);
    out.sp();
    out.list(&fetch.items, item);
    let mut modifiers = Vec::new();
    modifiers.extend(fetch.changed_since.map(|since| format!("CHANGEDSINCE {since}")));
    modifiers.extend(fetch.vanished.then(|| "VANISHED".to_owned()));
    modifiers.extend(fetch.page.as_ref().map(|of| format!("PARTIAL {of}")));
    if !modifiers.is_empty() {
        out.sp();
        out.list(modifiers, |out, modifier| out.raw(&modifier));
    }
}

fn item(out: &mut Text, item: &FetchItem) {
    let peeked = |name, peek: bool| if peek { format!("{name}.PEEK") } else { String::from(name) };
    match item {
        FetchItem::Section { section: of, peek, slice } => {
            out.raw(&peeked("BODY", *peek));
            section(out, of);
            out.raw(&slice.as_ref().map(sliced).unwrap_or_default());
        }
        FetchItem::Binary { part, peek, slice } => {
            out.show(format_args!("{}[{}]", peeked("BINARY", *peek), dotted(part)));
            out.raw(&slice.as_ref().map(sliced).unwrap_or_default());
        }
        FetchItem::BinarySize(part) => out.show(format_args!("BINARY.SIZE[{}]", dotted(part))),
        FetchItem::Preview { lazy: true } => out.raw("PREVIEW (LAZY)"),
        plain => out.raw(plain.name()),
    }
}

fn sliced(slice: &Slice) -> String {
    format!("<{}.{}>", slice.first, slice.octets)
}

/// `[section-spec]` with its brackets.
pub(crate) fn section(out: &mut Text, section: &Section) {
    out.show(format_args!("[{}", dotted(&section.part)));
    if let Some(text) = &section.text {
        out.raw(if section.part.is_empty() { "" } else { "." });
        match text {
            SectionText::Header => out.raw("HEADER"),
            SectionText::Text => out.raw("TEXT"),
            SectionText::Mime => out.raw("MIME"),
            SectionText::Fields { not, names } => {
                out.raw(if *not { "HEADER.FIELDS.NOT " } else { "HEADER.FIELDS " });
                out.list(names, |out, name| out.astring(name.as_bytes()));
            }
        }
    }
    out.raw("]");
}

fn search(out: &mut Text, command: &Command) {
    match command {
        Command::Search(search) => {
            out.raw(if search.uid { "UID SEARCH" } else { "SEARCH" });
            returns(out, search.returns.as_ref());
            if let Some(charset) = &search.charset {
                strings(out, " CHARSET", [&**charset]);
            }
            out.sp();
            program(out, &search.key);
        }
        Command::Sort(sort) => {
            out.raw(if sort.uid { "UID SORT" } else { "SORT" });
            returns(out, sort.returns.as_ref());
            out.sp();
            out.list(&sort.criteria, |out, criterion| {
                out.raw(if criterion.reverse { "REVERSE " } else { "" });
                out.raw(sort_key(criterion.key));
            });
            strings(out, "", [&*sort.charset]);
            out.sp();
            program(out, &sort.key);
        }
        Command::Thread(thread) => {
            uid_verb(out, thread.uid, "THREAD");
            out.raw(match thread.algorithm {
                ThreadAlgorithm::OrderedSubject => "ORDEREDSUBJECT",
                ThreadAlgorithm::References => "REFERENCES",
            });
            strings(out, "", [&*thread.charset]);
            out.sp();
            program(out, &thread.key);
        }
        _ => {}
    }
}

fn sort_key(key: SortKey) -> &'static str {
    match key {
        SortKey::Arrival => "ARRIVAL",
        SortKey::Cc => "CC",
        SortKey::Date => "DATE",
        SortKey::DisplayFrom => "DISPLAYFROM",
        SortKey::DisplayTo => "DISPLAYTO",
        SortKey::From => "FROM",
        SortKey::Size => "SIZE",
        SortKey::Subject => "SUBJECT",
        SortKey::To => "TO",
    }
}

fn returns(out: &mut Text, returns: Option<&Returns>) {
    let Some(returns) = returns else { return };
    let flags = [
        (returns.min, "MIN"),
        (returns.max, "MAX"),
        (returns.all, "ALL"),
        (returns.count, "COUNT"),
        (returns.save, "SAVE"),
    ];
    let words = flags.into_iter().filter(|(chosen, _)| *chosen).map(|(_, word)| word.to_owned());
    let of_page = returns.page.as_ref().map(|of| format!("PARTIAL {of}"));
    out.raw(" RETURN ");
    out.list(words.chain(of_page), |out, word| out.raw(&word));
}

/// The outermost keys stand without parentheses.
fn program(out: &mut Text, program: &SearchKey) {
    match program {
        SearchKey::And(keys) => out.spaced(keys, key),
        other => key(out, other),
    }
}

fn key(out: &mut Text, wanted: &SearchKey) {
    let text = |out: &mut Text, word: &str, text: &[u8]| {
        out.raw(word);
        out.sp();
        out.astring(text);
    };
    match wanted {
        SearchKey::All => out.raw("ALL"),
        SearchKey::Has(crate::Flag::Keyword(name)) => out.show(format_args!("KEYWORD {name}")),
        SearchKey::Has(flag) => out.raw(&flag.name().to_ascii_uppercase()),
        SearchKey::Numbers(set) => out.show(set),
        SearchKey::Uids(set) => out.show(format_args!("UID {set}")),
        SearchKey::Field(field, value) => text(out, field_name(*field), value),
        SearchKey::Header(name, value) => {
            text(out, "HEADER", name.as_bytes());
            text(out, "", value);
        }
        SearchKey::Body(value) => text(out, "BODY", value),
        SearchKey::Text(value) => text(out, "TEXT", value),
        SearchKey::Date(kind, when, date) => dated(out, *kind, *when, *date),
        SearchKey::Larger(octets) => out.show(format_args!("LARGER {octets}")),
        SearchKey::Smaller(octets) => out.show(format_args!("SMALLER {octets}")),
        SearchKey::Older(seconds) => out.show(format_args!("OLDER {seconds}")),
        SearchKey::Younger(seconds) => out.show(format_args!("YOUNGER {seconds}")),
        SearchKey::ModSeq { entry, value } => {
            out.raw("MODSEQ ");
            if let Some((flag, kind)) = entry {
                // RFC 7162 §7: nothing but a quoted string.
                out.quoted(format!("/flags/{flag}").as_bytes());
                out.raw(match kind {
                    EntryKind::Private => " priv ",
                    EntryKind::Shared => " shared ",
                    EntryKind::All => " all ",
                });
            }
            out.show(value);
        }
        SearchKey::EmailId(id) => out.show(format_args!("EMAILID {id}")),
        SearchKey::ThreadId(id) => out.show(format_args!("THREADID {id}")),
        SearchKey::SaveDateSupported => out.raw("SAVEDATESUPPORTED"),
        SearchKey::Not(inner) => {
            out.raw("NOT ");
            key(out, inner);
        }
        SearchKey::Or(one, other) => {
            out.raw("OR ");
            key(out, one);
            out.sp();
            key(out, other);
        }
        SearchKey::And(keys) => out.list(keys, key),
    }
}

fn field_name(field: Field) -> &'static str {
    match field {
        Field::Bcc => "BCC",
        Field::Cc => "CC",
        Field::From => "FROM",
        Field::Subject => "SUBJECT",
        Field::To => "TO",
    }
}

fn dated(out: &mut Text, kind: DateKind, when: When, date: crate::Date) {
    let prefix = match kind {
        DateKind::Internal => "",
        DateKind::Sent => "SENT",
        DateKind::Saved => "SAVED",
    };
    let word = match when {
        When::Before => "BEFORE",
        When::On => "ON",
        When::Since => "SINCE",
    };
    out.show(format_args!("{prefix}{word} {date}"));
}
