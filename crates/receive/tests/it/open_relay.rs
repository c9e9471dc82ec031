//! Attempts to make an open relay of us, each a test by its name: whatever a stranger says, no message of its goes anywhere but to a mailbox here.

use std::net::IpAddr;

use net::{Networks, ShutdownSwitch};
use receive::{Config, Service};
use spool::ListFilter;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, duplex},
    runtime::Builder,
};

use crate::{
    listeners::receiver,
    stage::{Machine, acceptor},
};

const STRANGER: [u8; 4] = [192, 0, 2, 1];
const FRIEND: [u8; 4] = [10, 0, 0, 1];
/// What is sent where 354 invites to it; its header names somebody outside, which counts for nothing.
const CONTENT: &str = "To: dave@elsewhere.example\r\nBcc: dave@elsewhere.example\r\nResent-To: dave@elsewhere.example\r\n\
                       Apparently-To: dave@elsewhere.example\r\n\r\nx\r\n.\r\n";

/// What becomes of the last line that is said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// Refused for good.
    Refused,
    /// Taken, for a mailbox here alone.
    Here,
}

/// A reply, all its lines; none if the server has closed.
async fn reply<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut whole = String::new();
    loop {
        let mut line = String::new();
        while !line.ends_with("\r\n") {
            line.push(char::from(stream.read_u8().await.ok()?));
        }
        whole.push_str(&line);
        if line.as_bytes().get(3) == Some(&b' ') {
            return Some(whole);
        }
    }
}

/// Says the lines one after the other, and goes on whatever is answered: the reply to the last, and who is to get mail.
async fn attempt(client: IpAddr, lines: &[&str]) -> (Option<String>, Vec<String>) {
    let config = Config {
        trusted_networks: Networks::parse(["10.0.0.0/8", "::1"]).unwrap(),
        login_in_clear: true,
        ..Config::default()
    };
    let (receiver, machine) = receiver(config);
    let (mut ours, theirs) = duplex(16 * 1024);
    let (_switch, mut shutdown) = ShutdownSwitch::new();
    let entrance =
        receive::Entrance { service: Service::Smtp, tls: net::TlsMode::StartTls(acceptor()), proxy: false };
    let session = receiver.session(entrance, client, theirs, &mut shutdown);
    let talk = async {
        let mut last = reply(&mut ours).await;
        for line in lines {
            if ours.write_all(format!("{line}\r\n").as_bytes()).await.is_err() {
                return None;
            }
            last = reply(&mut ours).await;
            if last.as_ref().is_some_and(|reply| reply.starts_with("354 ")) {
                ours.write_all(CONTENT.as_bytes()).await.unwrap();
                last = reply(&mut ours).await;
            }
        }
        // A message that some recipient was accepted for is sent: it must not reach the others.
        ours.write_all(b"DATA\r\n").await.ok();
        if reply(&mut ours).await.is_some_and(|reply| reply.starts_with("354 ")) {
            ours.write_all(CONTENT.as_bytes()).await.unwrap();
            reply(&mut ours).await.unwrap();
        }
        drop(ours);
        last
    };
    let (ended, last) = tokio::join!(session, talk);
    let _ = ended;
    (last, recipients(&machine).await)
}

async fn recipients(machine: &Machine) -> Vec<String> {
    let mut all = Vec::new();
    for message in machine.spool.list(&ListFilter::default()) {
        let loaded = machine.spool.load(message.id).await.unwrap();
        all.extend(loaded.envelope.recipients.iter().map(|recipient| recipient.forward_path.to_string()));
    }
    all
}

fn tried(client: [u8; 4], lines: &[&str]) -> (Option<String>, Vec<String>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(attempt(client.into(), lines))
}

fn try_it(lines: &[&str], ends: Ends) {
    let (last, recipients) = tried(STRANGER, lines);
    let said = last.unwrap_or_default();
    match ends {
        Ends::Refused => assert!(said.starts_with('5'), "{lines:?}: {said}"),
        Ends::Here => assert!(said.starts_with("250"), "{lines:?}: {said}"),
    }
    assert_eq!(recipients.is_empty(), ends != Ends::Here, "{lines:?}: {recipients:?}");
    let here = |address: &String| {
        let (local, domain) = address.rsplit_once('@').unwrap();
        domain == "example.org" && (local == "anna" || local.starts_with("anna+"))
    };
    assert!(recipients.iter().all(here), "{lines:?}: {recipients:?}");
}

const EHLO: &str = "EHLO client.example.net";
const MAIL: &str = "MAIL FROM:<carol@sender.example>";
const OUT: &str = "RCPT TO:<dave@elsewhere.example>";

macro_rules! attempts {
    ($($name:ident: [$($line:expr),*] $ends:ident;)*) => {
        $(#[test] fn $name() { try_it(&[$($line),*], Ends::$ends); })*
    };
}

/// Whatever is refused to strangers must be so for who they are: the same lines work for a named network.
#[test]
fn a_named_network_can_relay_so_these_tests_can_fail() {
    let (last, recipients) = tried(FRIEND, &[EHLO, MAIL, OUT]);
    assert!(last.unwrap().starts_with("250 "));
    assert_eq!(recipients, ["dave@elsewhere.example"]);
}

// Recipients that look like something else.
attempts! {
    recipient_outside: [EHLO, MAIL, OUT] Refused;
    recipient_outside_after_helo: ["HELO client.example.net", MAIL, OUT] Refused;
    percent_hack: [EHLO, MAIL, "RCPT TO:<dave%elsewhere.example@example.org>"] Refused;
    percent_hack_twice: [EHLO, MAIL, "RCPT TO:<dave%elsewhere.example%example.org@example.org>"] Refused;
    percent_hack_at_our_host: [EHLO, MAIL, "RCPT TO:<dave%elsewhere.example@mx.example.org>"] Refused;
    percent_hack_at_our_address: [EHLO, MAIL, "RCPT TO:<dave%elsewhere.example@[127.0.0.1]>"] Refused;
    percent_hack_quoted: [EHLO, MAIL, "RCPT TO:<\"dave%elsewhere.example\"@example.org>"] Refused;
    percent_hack_on_a_mailbox: [EHLO, MAIL, "RCPT TO:<anna%elsewhere.example@example.org>"] Refused;
    percent_hack_in_a_detail: [EHLO, MAIL, "RCPT TO:<anna+dave%elsewhere.example@example.org>"] Here;
    bang_path: [EHLO, MAIL, "RCPT TO:<elsewhere.example!dave@example.org>"] Refused;
    bang_path_of_two: [EHLO, MAIL, "RCPT TO:<example.org!elsewhere.example!dave@example.org>"] Refused;
    bang_path_alone: [EHLO, MAIL, "RCPT TO:<elsewhere.example!dave>"] Refused;
    bang_path_with_percent: [EHLO, MAIL, "RCPT TO:<elsewhere.example!dave%b.example@example.org>"] Refused;
    bang_path_at_our_host: [EHLO, MAIL, "RCPT TO:<elsewhere.example!dave@mx.example.org>"] Refused;
    x400_address: [EHLO, MAIL, "RCPT TO:</S=dave/O=elsewhere.example/@example.org>"] Refused;
    quoted_address: [EHLO, MAIL, "RCPT TO:<\"dave@elsewhere.example\"@example.org>"] Refused;
    quoted_address_alone: [EHLO, MAIL, "RCPT TO:<\"dave@elsewhere.example\">"] Refused;
    quoted_address_with_escape: [EHLO, MAIL, "RCPT TO:<\"dave\\@elsewhere.example\"@example.org>"] Refused;
    quoted_address_in_brackets: [EHLO, MAIL, "RCPT TO:<\"<dave@elsewhere.example>\"@example.org>"] Refused;
    quoted_end_of_path: [EHLO, MAIL, "RCPT TO:<\"x>,<dave@elsewhere.example\"@example.org>"] Refused;
    source_route: [EHLO, MAIL, "RCPT TO:<@example.org:dave@elsewhere.example>"] Refused;
    source_route_of_two: [EHLO, MAIL, "RCPT TO:<@example.org,@b.example:dave@elsewhere.example>"] Refused;
    source_route_by_our_host: [EHLO, MAIL, "RCPT TO:<@mx.example.org:dave@elsewhere.example>"] Refused;
    source_route_by_our_address: [EHLO, MAIL, "RCPT TO:<@[127.0.0.1]:dave@elsewhere.example>"] Refused;
    source_route_with_percent: [EHLO, MAIL, "RCPT TO:<@elsewhere.example:dave%elsewhere.example@example.org>"] Refused;
    source_route_that_ends_here: [EHLO, MAIL, "RCPT TO:<@elsewhere.example:anna@example.org>"] Here;
    two_at_signs: [EHLO, MAIL, "RCPT TO:<dave@elsewhere.example@example.org>"] Refused;
    two_at_signs_ours_first: [EHLO, MAIL, "RCPT TO:<anna@example.org@elsewhere.example>"] Refused;
    two_paths: [EHLO, MAIL, "RCPT TO:<anna@example.org>,<dave@elsewhere.example>"] Refused;
    two_paths_with_a_space: [EHLO, MAIL, "RCPT TO:<anna@example.org> <dave@elsewhere.example>"] Refused;
    path_without_brackets: [EHLO, MAIL, "RCPT TO:dave@elsewhere.example"] Refused;
    path_behind_a_space: [EHLO, MAIL, "RCPT TO: <dave@elsewhere.example>"] Refused;
    comment_that_names_us: [EHLO, MAIL, "RCPT TO:<dave@elsewhere.example(example.org)>"] Refused;
    recipient_in_capitals: [EHLO, MAIL, "RCPT TO:<DAVE@ELSEWHERE.EXAMPLE>"] Refused;
    recipient_without_domain: [EHLO, MAIL, "RCPT TO:<dave>"] Refused;
    recipient_with_a_port: [EHLO, MAIL, "RCPT TO:<dave@elsewhere.example:25@example.org>"] Refused;
    postmaster_outside: [EHLO, MAIL, "RCPT TO:<postmaster@elsewhere.example>"] Refused;
    original_recipient_outside: [EHLO, MAIL, "RCPT TO:<anna@example.org> ORCPT=rfc822;dave@elsewhere.example"] Here;
}

/// Domains that are nearly ours, or that may mean this host.
mod domains {
    use super::*;

    attempts! {
        our_host: [EHLO, MAIL, "RCPT TO:<dave@mx.example.org>"] Refused;
        below_our_domain: [EHLO, MAIL, "RCPT TO:<dave@sub.example.org>"] Refused;
        above_our_domain: [EHLO, MAIL, "RCPT TO:<dave@org>"] Refused;
        domain_that_ends_as_ours: [EHLO, MAIL, "RCPT TO:<dave@notexample.org>"] Refused;
        domain_that_begins_as_ours: [EHLO, MAIL, "RCPT TO:<dave@example.org.elsewhere.example>"] Refused;
        trailing_dot_of_ours: [EHLO, MAIL, "RCPT TO:<dave@example.org.>"] Refused;
        trailing_dot_of_another: [EHLO, MAIL, "RCPT TO:<dave@elsewhere.example.>"] Refused;
        two_trailing_dots: [EHLO, MAIL, "RCPT TO:<dave@example.org..>"] Refused;
        leading_dot: [EHLO, MAIL, "RCPT TO:<dave@.elsewhere.example>"] Refused;
        localhost: [EHLO, MAIL, "RCPT TO:<dave@localhost>"] Refused;
        localhost_with_domain: [EHLO, MAIL, "RCPT TO:<dave@localhost.localdomain>"] Refused;
        loopback_literal: [EHLO, MAIL, "RCPT TO:<dave@[127.0.0.1]>"] Refused;
        loopback_literal_of_ipv6: [EHLO, MAIL, "RCPT TO:<dave@[IPv6:::1]>"] Refused;
        mapped_literal: [EHLO, MAIL, "RCPT TO:<dave@[IPv6:::ffff:127.0.0.1]>"] Refused;
        literal_of_another: [EHLO, MAIL, "RCPT TO:<dave@[203.0.113.9]>"] Refused;
        literal_of_a_named_network: [EHLO, MAIL, "RCPT TO:<dave@[10.0.0.1]>"] Refused;
        address_without_brackets: [EHLO, MAIL, "RCPT TO:<dave@127.0.0.1>"] Refused;
        address_as_one_number: [EHLO, MAIL, "RCPT TO:<dave@2130706433>"] Refused;
        cyrillic_look_alike: [EHLO, "MAIL FROM:<carol@sender.example> SMTPUTF8", "RCPT TO:<anna@ex\u{430}mple.org>"] Refused;
        fullwidth_look_alike: [EHLO, "MAIL FROM:<carol@sender.example> SMTPUTF8", "RCPT TO:<dave@\u{ff45}lsewhere.example>"] Refused;
        a_label_look_alike: [EHLO, MAIL, "RCPT TO:<anna@xn--exmple-4nf.org>"] Refused;
        ideographic_full_stop: [EHLO, "MAIL FROM:<carol@sender.example> SMTPUTF8", "RCPT TO:<dave@elsewhere\u{3002}example>"] Refused;
        fullwidth_at_sign: [EHLO, "MAIL FROM:<carol@sender.example> SMTPUTF8", "RCPT TO:<dave\u{ff20}elsewhere.example@example.org>"] Refused;
        zero_width_space: [EHLO, "MAIL FROM:<carol@sender.example> SMTPUTF8", "RCPT TO:<dave@elsewhere\u{200b}.example>"] Refused;
    }
}

/// Clients that say they are somebody who may.
mod pretenders {
    use super::*;

    attempts! {
        null_sender: [EHLO, "MAIL FROM:<>", OUT] Refused;
        sender_is_a_mailbox_here: [EHLO, "MAIL FROM:<anna@example.org>", OUT] Refused;
        sender_is_our_postmaster: [EHLO, "MAIL FROM:<postmaster@example.org>", OUT] Refused;
        sender_is_our_host: [EHLO, "MAIL FROM:<root@mx.example.org>", OUT] Refused;
        sender_is_localhost: [EHLO, "MAIL FROM:<root@localhost>", OUT] Refused;
        sender_is_a_loopback_literal: [EHLO, "MAIL FROM:<root@[127.0.0.1]>", OUT] Refused;
        sender_is_a_literal_of_a_named_network: [EHLO, "MAIL FROM:<root@[10.0.0.1]>", OUT] Refused;
        sender_is_the_recipient: [EHLO, "MAIL FROM:<dave@elsewhere.example>", OUT] Refused;
        sender_by_source_route: [EHLO, "MAIL FROM:<@example.org:anna@example.org>", OUT] Refused;
        sender_without_domain: [EHLO, "MAIL FROM:<anna>", OUT] Refused;
        helo_is_our_host: ["HELO mx.example.org", MAIL, OUT] Refused;
        helo_is_our_domain: ["HELO example.org", "MAIL FROM:<anna@example.org>", OUT] Refused;
        helo_is_localhost: ["HELO localhost", MAIL, OUT] Refused;
        helo_is_a_loopback_literal: ["HELO [127.0.0.1]", MAIL, OUT] Refused;
        helo_is_a_literal_of_a_named_network: ["EHLO [10.0.0.1]", MAIL, OUT] Refused;
        helo_again: [EHLO, MAIL, "EHLO mx.example.org", MAIL, OUT] Refused;
        lhlo: ["LHLO mx.example.org", EHLO, MAIL, OUT] Refused;
        xclient_of_a_named_network: [EHLO, "XCLIENT ADDR=10.0.0.1", MAIL, OUT] Refused;
        xclient_of_loopback: [EHLO, "XCLIENT ADDR=IPV6:::1 NAME=localhost", MAIL, OUT] Refused;
        xclient_with_a_login: [EHLO, "XCLIENT LOGIN=anna@example.org", MAIL, OUT] Refused;
        xforward: [EHLO, "XFORWARD ADDR=10.0.0.1", MAIL, OUT] Refused;
        proxy_header: ["PROXY TCP4 10.0.0.1 192.0.2.2 4000 25", EHLO, MAIL, OUT] Refused;
        proxy_header_of_version_2: ["\r\n\0\r\nQUIT\n!\u{11}", EHLO, MAIL, OUT] Refused;
        forged_auth_parameter: [EHLO, "MAIL FROM:<anna@example.org> AUTH=anna@example.org", OUT] Refused;
        empty_auth_parameter: [EHLO, "MAIL FROM:<anna@example.org> AUTH=<>", OUT] Refused;
        auth_in_clear: [EHLO, "AUTH PLAIN AGFubmFAZXhhbXBsZS5vcmcAdGlnZXI=", MAIL, OUT] Refused;
        auth_by_external: [EHLO, "AUTH EXTERNAL =", MAIL, OUT] Refused;
        auth_by_anonymous: [EHLO, "AUTH ANONYMOUS eA==", MAIL, OUT] Refused;
        etrn_for_another: [EHLO, "ETRN elsewhere.example", MAIL, OUT] Refused;
        verified_before: [EHLO, "VRFY dave@elsewhere.example", MAIL, OUT] Refused;
        turn: [EHLO, "TURN", MAIL, OUT] Refused;
        send_instead_of_mail: [EHLO, "SEND FROM:<carol@sender.example>", OUT] Refused;
    }
}

/// Recipients outside beside one here.
mod mixtures {
    use super::*;

    const IN: &str = "RCPT TO:<anna@example.org>";

    attempts! {
        behind_one_of_ours: [EHLO, MAIL, OUT, IN] Here;
        before_one_of_ours: [EHLO, MAIL, IN, OUT, IN] Here;
        outside_in_the_header_alone: [EHLO, MAIL, IN, "DATA"] Here;
        outside_in_the_next_transaction: [EHLO, MAIL, IN, "DATA", MAIL, OUT, IN] Here;
        outside_after_a_reset: [EHLO, MAIL, IN, "RSET", MAIL, OUT] Refused;
        data_for_nobody: [EHLO, MAIL, OUT, "DATA"] Refused;
        bdat_for_nobody: [EHLO, MAIL, OUT, "BDAT 0 LAST"] Refused;
        bcc_parameter: [EHLO, MAIL, "RCPT TO:<anna@example.org> BCC=<dave@elsewhere.example>"] Refused;
        notify_outside: [EHLO, "MAIL FROM:<dave@elsewhere.example> RET=FULL", "RCPT TO:<nobody@example.org> NOTIFY=SUCCESS"] Refused;
    }
}
