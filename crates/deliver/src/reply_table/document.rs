//! The page of the documentation about the table: made from the table, so that it cannot tell otherwise.

use std::{fmt::Write, fs, path::PathBuf};

use super::{Action, CHOSEN, Phase, Row, Scope, TABLE, What, decide};
use mail::ReplyClass;

const PHASES: [(Phase, &str); 10] = [
    (Phase::Greeting, "greeting"),
    (Phase::Hello, "EHLO, HELO"),
    (Phase::StartTls, "STARTTLS"),
    (Phase::Auth, "AUTH"),
    (Phase::Mail, "MAIL"),
    (Phase::Rcpt, "RCPT"),
    (Phase::DataInit, "DATA, BDAT"),
    (Phase::DataBlock, "amid content"),
    (Phase::DataFinal, "end of data"),
    (Phase::Quit, "QUIT"),
];

/// What may come, as the columns of the overview.
const COMES: [(What, &str); 7] = [
    (What::Code(421), "421"),
    (What::Code(450), "other 4yz"),
    (What::Code(552), "552"),
    (What::Code(550), "other 5yz"),
    (What::Garbled, "no reply at all"),
    (What::Closed, "the end of the connection"),
    (What::Silence, "silence"),
];

const BAD_PEERS: &str = "crates/deliver/tests/it/bad_peers.rs";
const LOGINS: &str = "crates/deliver/tests/it/relay_logins.rs";
const HERE: &str = "crates/deliver/src/reply_table.rs";

/// The tests that show a row, in the order of [`TABLE`]: file and names.
const SHOWN: &[(&str, &[&str])] = &[
    (BAD_PEERS, &["banner_421", "ehlo_421"]),
    (BAD_PEERS, &["banner_554", "banner_521"]),
    (BAD_PEERS, &["banner_450"]),
    (BAD_PEERS, &["ehlo_502_and_helo_550", "ehlo_550_and_helo_250"]),
    (BAD_PEERS, &["ehlo_450"]),
    (LOGINS, &["a_login_that_is_not_taken_now_waits"]),
    (LOGINS, &["a_login_that_is_refused_holds_all_mail_and_bounces_none"]),
    (LOGINS, &["a_relay_without_a_login_gets_no_mail"]),
    (BAD_PEERS, &["mail_421", "rcpt_421_at_the_second", "data_421", "dot_421"]),
    (BAD_PEERS, &["mail_450"]),
    (BAD_PEERS, &["mail_550", "lying_about_size"]),
    (BAD_PEERS, &["rcpt_552_to_one"]),
    (BAD_PEERS, &["rcpt_450_to_one", "rcpt_450_to_all"]),
    (BAD_PEERS, &["rcpt_550_to_one", "rcpt_550_to_all", "half_of_the_recipients_refused"]),
    (BAD_PEERS, &["data_451"]),
    (BAD_PEERS, &["data_554", "data_554_and_one_refused"]),
    (BAD_PEERS, &["refused_before_the_end_of_content"]),
    (BAD_PEERS, &["dot_250_and_gone"]),
    (BAD_PEERS, &["dot_452", "chunk_452"]),
    (BAD_PEERS, &["dot_554", "dot_554_and_gone", "chunk_554"]),
    (BAD_PEERS, &["silence_after_the_dot", "silence_at_the_chunk", "slow_reply_to_the_dot"]),
    (BAD_PEERS, &["cut_after_the_dot", "cut_at_the_chunk", "endless_reply_to_the_dot"]),
    (BAD_PEERS, &["cut_in_the_content", "a_peer_that_stops_reading_amid_content"]),
    (BAD_PEERS, &["quit_unanswered"]),
    (BAD_PEERS, &["endless_banner", "banner_of_a_web_server", "line_of_64_kib_in_ehlo", "mail_354"]),
    (BAD_PEERS, &["cut_at_the_banner", "cut_at_rcpt", "cut_at_data"]),
    (
        BAD_PEERS,
        &[
            "silence_at_the_banner",
            "silence_at_ehlo",
            "silence_at_mail",
            "silence_at_rcpt",
            "silence_at_data",
        ],
    ),
    (HERE, &["every_row_of_the_table_decides_its_case"]),
];

/// The same for [`CHOSEN`].
const CHOSEN_SHOWN: &[(&str, &[&str])] = &[
    (BAD_PEERS, &["relay_530"]),
    (BAD_PEERS, &["relay_534"]),
    (BAD_PEERS, &["relay_535"]),
    (BAD_PEERS, &["relay_538"]),
    (BAD_PEERS, &["relay_550_that_wants_a_login"]),
    (BAD_PEERS, &["relay_that_has_too_much", "relay_that_has_too_much_at_the_dot"]),
];

/// Behind QUIT no mail is open.
const NOTHING: &str = "nothing";

const HEAD: &str = "# What a reply means

What Postrider does when another server answers, or does not. This page is made from the table in the code
([`reply_table.rs`](../../crates/deliver/src/reply_table.rs)): a test fails when they differ, and
`UPDATE_REFERENCE=1 cargo test -p deliver reply_table` writes it anew.

- **Deferred** mail stays in the queue and is tried again (RFC 5321 §4.5.4.1); **bounced** mail is given up, and its sender gets a report.
- **Next host** means that the next MX gets the mail at once; if there is none, it is deferred. Nothing is ever bounced for what a host says of
  itself.
- A recipient that was refused before the connection broke keeps that refusal; the others share the fate of the connection.
";

fn document() -> String {
    let mut text = HEAD.to_owned();
    text.push_str("\n## Phase and reply\n\n");
    overview(&mut text);
    text.push_str("\n## Row by row\n\nThe first row that fits holds.\n\n");
    rows(&mut text, TABLE, SHOWN);
    text.push_str(
        "\n## At hosts that you chose\n\nThe relay, and hosts that a route names, know us. What they have against us is no judgement of the message, so \
         these rows come\nbefore the table there. \"No login\" is a 5yz reply that says in words that a login is missed, or by its status (5.7.8, 5.7.9, 5.7.11,\n5.7.13). \"Too much\" is a reply that says so in words (\"too many messages\", \"rate limit\") or by its status (X.4.5).\n\n",
    );
    rows(&mut text, CHOSEN, CHOSEN_SHOWN);
    text
}

fn overview(text: &mut String) {
    let columns = COMES.map(|(_, name)| name).join(" | ");
    let _ = writeln!(text, "| | {columns} |\n|---|{}", "---|".repeat(COMES.len()));
    for (phase, name) in PHASES {
        let cells = COMES.map(|(what, _)| cell(phase, decide(phase, what))).join(" | ");
        let _ = writeln!(text, "| {name} | {cells} |");
    }
}

/// What is done, and for whom if not for all that are open.
fn cell(phase: Phase, row: &Row) -> String {
    if phase == Phase::Quit {
        return NOTHING.into();
    }
    let slows = if row.slows { ", site slows" } else { "" };
    match row.scope {
        Scope::Recipient => format!("{}, this recipient", action(row.action)),
        Scope::Message | Scope::Connection | Scope::Account => format!("{}{slows}", action(row.action)),
    }
}

fn rows(text: &mut String, table: &[Row], shown: &[(&str, &[&str])]) {
    text.push_str("| phase | what comes | whom it concerns | what happens | the site slows | why | shown by |\n|---|---|---|---|---|---|---|\n");
    for (row, (file, names)) in table.iter().zip(shown) {
        let phases: Vec<&str> =
            PHASES.iter().filter(|(phase, _)| row.phases.contains(phase)).map(|(_, name)| *name).collect();
        let phases = if phases.is_empty() { "any".to_owned() } else { phases.join("; ") };
        let tests: Vec<String> = names.iter().map(|name| format!("[`{name}`](../../{file})")).collect();
        let _ = writeln!(
            text,
            "| {phases} | {} | {} | {} | {} | {} | {} |",
            comes(row.what),
            concerns(row.scope),
            if row.phases == [Phase::Quit] { NOTHING } else { action(row.action) },
            if row.slows { "yes" } else { "" },
            row.why,
            tests.join(", ")
        );
    }
}

fn comes(what: What) -> String {
    match what {
        What::Code(code) => code.to_string(),
        What::Class(ReplyClass::Completion) => "2yz".into(),
        What::Class(ReplyClass::Intermediate) => "3yz".into(),
        What::Class(ReplyClass::Transient) => "4yz".into(),
        What::Class(ReplyClass::Permanent) => "5yz".into(),
        What::Garbled => "what is no reply, or was not asked for".into(),
        What::Closed => "the end of the connection".into(),
        What::Silence => "nothing in time".into(),
        What::Unfit => "no login that could be used".into(),
        What::NoLogin => "\"no login\"".into(),
        What::TooMuch => "\"too much\"".into(),
        What::Any => "anything else".into(),
    }
}

fn concerns(scope: Scope) -> &'static str {
    match scope {
        Scope::Recipient => "this recipient",
        Scope::Message => "the recipients that were not refused",
        Scope::Connection => "the connection, and who is open on it",
        Scope::Account => "our account: all mail to this host rests",
    }
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Deliver => "delivered",
        Action::Defer => "deferred",
        Action::Bounce => "bounced",
        Action::NextHost => "next host",
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_reply_table_of_the_documentation_is_that_of_the_code() {
    let path = root().join("docs/reference/reply-table.md");
    let made = document();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == made,
        "docs/reference/reply-table.md is out of date: run this test with UPDATE_REFERENCE=1"
    );
}

#[test]
fn every_row_is_shown_by_a_test_that_exists() {
    assert_eq!((SHOWN.len(), CHOSEN_SHOWN.len()), (TABLE.len(), CHOSEN.len()), "a row without a test");
    for (file, names) in SHOWN.iter().chain(CHOSEN_SHOWN) {
        assert!(!names.is_empty());
        let text = fs::read_to_string(root().join(file)).unwrap();
        for name in *names {
            let there = text.contains(&format!("fn {name}(")) || text.contains(&format!("    {name}:"));
            assert!(there, "{file} has no test {name}");
        }
    }
}
