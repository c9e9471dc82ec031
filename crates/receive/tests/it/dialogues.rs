//! The dialogues of `tests/dialogues/`, each in memory under a clock of its own and again over sockets.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::mpsc,
};

use crate::stage::{Memory, Sockets, Stage};
use testkit::dialogue::{Dialogue, play_file};
use tokio::runtime::Builder;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues")
}

fn file(name: &str) -> PathBuf {
    directory().join(name).with_extension("txt")
}

/// The paused clock of the runtime would jump on whenever the runtime has nothing to do, as while a thread of the spool works.
/// It does not while a blocking task runs: then only `later:` moves it.
fn in_memory(name: &str) {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let (done, wait) = mpsc::channel::<()>();
    runtime.spawn_blocking(move || wait.recv());
    let played = runtime.block_on(async { play_file(&file(name), &mut Stage::new(Memory, true)).await });
    drop(done);
    assert!(played.is_ok(), "{name}, {}", played.unwrap_err());
}

fn over_sockets(name: &str) {
    if std::env::var_os("UPDATE_DIALOGUES").is_some() {
        return;
    }
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let played =
        runtime.block_on(async { play_file(&file(name), &mut Stage::new(Sockets::default(), false)).await });
    assert!(played.is_ok(), "{name}, {}", played.unwrap_err());
}

/// Where a dialogue moves the clock, or asks for it in a comment, it is for memory only.
fn only_in_memory(name: &str) -> bool {
    let text = std::fs::read_to_string(file(name)).unwrap();
    Dialogue::parse(&text).is_ok_and(|dialogue| dialogue.needs_time()) || text.contains("# memory only")
}

macro_rules! dialogues {
    (both: $($both:ident)*; memory: $($memory:ident)*;) => {
        mod memory {
            $(#[test] fn $both() { super::in_memory(stringify!($both)); })*
            $(#[test] fn $memory() { super::in_memory(stringify!($memory)); })*
        }
        mod sockets {
            $(#[test] fn $both() { super::over_sockets(stringify!($both)); })*
        }
        #[test]
        fn every_file_is_listed_and_in_its_place() {
            let listed = BTreeSet::from([$(stringify!($both),)* $(stringify!($memory),)*].map(String::from));
            let stem = |entry: std::io::Result<std::fs::DirEntry>| {
                entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()
            };
            let files: BTreeSet<String> = std::fs::read_dir(directory()).unwrap().map(stem).collect();
            assert_eq!(listed, files);
            $(assert!(!only_in_memory(stringify!($both)), stringify!($both));)*
            $(assert!(only_in_memory(stringify!($memory)), stringify!($memory));)*
        }
    };
}

dialogues! {
    both:
        a_ban_is_for_logins_alone
        a_hundred_recipients
        a_message_is_accepted
        a_named_network_may_relay
        a_relay_adds_nothing_but_trace
        address_harvesting
        alias
        alias_elsewhere
        alias_elsewhere_of_a_forgery
        alias_expanded
        auth_in_clear
        bare_lf_in_commands
        bare_line_ends_from_a_named_network_are_repaired
        bdat
        bdat_0_last
        bdat_bare_line_ends
        bdat_bare_line_ends_from_a_named_network_are_repaired
        bdat_confusion_after_refused_recipients
        bdat_confusion_after_the_last_chunk
        bdat_confusion_of_lines
        bdat_confusion_of_sizes
        bdat_confusion_with_data
        bdat_confusion_without_transaction
        bdat_disk_full
        bdat_endless
        bdat_in_a_helo_session
        bdat_of_parts_of_lines
        bdat_pipelined
        bdat_smuggling
        bdat_too_large
        bdat_without_last
        binarymime
        binarymime_from_a_named_network
        binarymime_header_lines
        checks_are_told
        checks_not_of_named_networks
        checks_of_a_large_message
        checks_of_signatures
        checks_of_the_null_reverse_path
        checks_off
        client_closes_in_content
        client_closes_its_side_early
        crlf_injection
        dev_takes_any_login
        dev_takes_everything_and_relays_nothing
        disk_full
        disk_full_is_told_at_mail
        dsn_parameters
        ehlo
        ehlo_forgets_the_transaction
        eight_bit_mime
        eight_bit_without_a_word
        endless_command_line
        etrn
        etrn_by_strangers
        etrn_order_and_syntax
        etrn_when_the_spool_is_poisoned
        exim_cve_2017_16943
        exim_cve_2017_16944
        extensions_need_ehlo
        flood
        forged_reports
        helo
        http_to_smtp
        large_message
        lhlo_to_smtp
        lmtp
        lmtp_by_bdat
        lmtp_is_for_named_networks
        lmtp_never_relays
        lmtp_refused_at_the_end
        lmtp_without_recipients
        list
        login_by_two_messages
        login_holds_no_more
        login_is_forgotten_behind_a_proxy
        login_never_in_clear
        login_required
        login_uses_its_own_addresses
        mailbox_not_known_now
        long_command_line
        loopback_is_not_trusted
        nested_mail
        no_valid_recipients
        noop_help_vrfy_expn
        nul_and_controls_in_commands
        null_reverse_path
        octets_one_by_one
        order_of_commands
        pipelining
        pipelining_all_recipients_refused
        port_25_judges_no_form
        port_25_takes_no_schedule
        postmaster
        priority_only_by_right
        proxy_header_from_a_stranger
        proxy_protocol
        proxy_protocol_by_strangers
        proxy_protocol_gives_no_right
        proxy_protocol_session_limit
        quit_at_once
        quoted_local_part
        received_names_a_sole_recipient
        relay_attempts
        replies_never_repeat_input
        rset
        rules_an_alias_on_two_ways
        rules_an_exception_by_size
        rules_behind_a_proxy
        rules_by_bdat
        rules_by_client
        rules_by_content_for_some
        rules_by_header
        rules_by_helo
        rules_by_recipient
        rules_by_sender
        rules_by_size
        rules_drop_a_whole_message
        rules_drop_needs_the_disk_too
        rules_held_or_dropped_is_not_relayed_either
        rules_need_the_whole_header
        rules_never_open_relaying
        rules_of_relaying
        rules_over_lmtp
        rules_refused_recipients_are_counted
        rules_spare_postmaster
        rules_the_first_that_matches_holds
        shutdown
        size
        smtp_smuggling_cr_dot_cr
        smtp_smuggling_cr_dot_crlf
        smtp_smuggling_crcrlf_dot_crcrlf
        smtp_smuggling_crlf_dot_cr
        smtp_smuggling_crlf_dot_crcrlf
        smtp_smuggling_crlf_dot_lf
        smtp_smuggling_lf_dot_crlf
        smtp_smuggling_lf_dot_lf
        smtp_smuggling_lfcr_dot_lfcr
        smtp_smuggling_nul
        smtputf8
        smtputf8_by_lmtp
        source_route
        spool_poisoned
        starttls_injection
        starttls_injection_after_the_reply
        starttls_not_offered
        submission_adds_missing_fields
        submission_header_in_pieces
        submission_is_by_its_author
        submission_is_for_named_networks
        submission_keeps_fields_that_are_there
        submission_refuses_bad_form
        submission_removes_bcc
        syntax_errors
        tls_handshake_to_smtp
        too_many_errors
        too_many_hops
        too_many_hops_in_a_large_header
        too_many_recipients
        too_many_transactions
        transparency
        two_clients_at_once
        unauthorised_pipelining
        unknown_mailbox
        who_exists_changes
        xclient
        xclient_for_nobody_known
        xclient_is_judged_by_the_client
        xclient_over_lmtp
        xclient_session_limit
        xclient_syntax
        xclient_with_the_clients_greeting
        verify_refuses_what_is_forged
        verify_measures_can_be_set;
    memory:
        checks_of_a_silent_dns
        checks_of_spf
        early_talker
        etrn_not_too_often
        greet_delay
        password_guessing
        quota
        rate_of_commands
        rate_of_errors
        rate_of_messages
        rate_of_octets
        rate_of_recipients
        slow_content
        slowloris_commands
        submission_says_when
        timeout_before_the_first_command
        timeout_in_commands
        timeout_in_content
        verify_follows_the_wish_of_the_author
        verify_spares_postmaster_and_abuse
        verify_rules_make_exceptions
        verify_puts_off_only_what_depends_on_the_answer
        verify_refuses_nothing_for_a_silent_dns
        verify_asks_for_the_policy_beside_slow_keys
        verify_members_of_a_list_are_no_word_of_strangers;
}
