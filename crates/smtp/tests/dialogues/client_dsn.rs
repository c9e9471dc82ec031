//! The client's side of DSN: what the sender asked of reports goes on to servers that offer it, and to no others.

use mail::{Notify, OriginalRecipient, Ret};
use smtp::{
    Protocol,
    client::{Phase, Session, Step, Transaction},
};

use crate::client::{ESMTP, GREETING, outcome, speak_at_every_split, transaction};

const DSN: &str = "250-mx.example.org\r\n250-PIPELINING\r\n250-SMTPUTF8\r\n250 DSN\r\n";

fn asking() -> Transaction {
    let mut asking = transaction(&["a@example.org", "b@example.org", "c@example.org"]);
    asking.mail.ret = Some(Ret::Headers);
    asking.mail.envid = Some("QQ=314 a+b".into());
    let never = Notify { success: false, failure: false, delay: false, given: true };
    asking.recipients[0].notify = Notify { success: true, delay: true, ..never };
    asking.recipients[0].orcpt = OriginalRecipient::from_parameter("rfc822;Carol+2B1@Example.ORG");
    asking.recipients[1].notify = never;
    asking.recipients[1].orcpt = Some(OriginalRecipient::of("\u{3b4}@example.org"));
    asking
}

fn said(transaction: Transaction, ehlo: &str) -> String {
    let group = "250 Ok\r\n250 Ok\r\n250 Ok\r\n250 Ok\r\n354 Go\r\n";
    let says = [GREETING, ehlo, group, "250 Queued\r\n", "221 Bye\r\n"];
    let (out, steps) = speak_at_every_split(Protocol::Smtp, &[transaction], &says);
    assert_eq!(outcome(&steps[0]), [(Phase::DataFinal, 250); 3]);
    out.split("DATA").next().unwrap().replace("EHLO client.example.net\r\n", "")
}

#[test]
fn what_the_sender_asked_goes_on_as_it_was_said() {
    // RFC 3461 §5.2.1: the same values, ORCPT in the same case, and nothing that was not said.
    assert_eq!(
        said(asking(), DSN),
        "MAIL FROM:<anna@example.net> RET=HDRS ENVID=QQ+3D314+20a+2Bb\r\n\
         RCPT TO:<a@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Carol+2B1@Example.ORG\r\n\
         RCPT TO:<b@example.org> NOTIFY=NEVER ORCPT=utf-8;\\x{3B4}@example.org\r\n\
         RCPT TO:<c@example.org>\r\n"
    );
}

#[test]
fn a_server_without_dsn_hears_nothing_of_it() {
    // RFC 3461 §5.2.2.
    let plain = transaction(&["a@example.org", "b@example.org", "c@example.org"]);
    assert_eq!(said(asking(), ESMTP), said(plain, ESMTP));
}

#[test]
fn a_server_that_refuses_the_parameters_may_be_treated_as_one_without_dsn() {
    let mut session = Session::new(Protocol::Smtp, "c".to_owned());
    session.receive(GREETING.as_bytes());
    session.step();
    session.receive(DSN.as_bytes());
    assert_eq!(session.step(), Step::Ready);
    assert!(session.capabilities().dsn);
    session.forgo_dsn();
    session.begin(asking());
    let out = String::from_utf8(std::mem::take(session.output())).unwrap();
    assert!(!out.contains("RET=") && !out.contains("NOTIFY=") && !out.contains("ORCPT="), "{out}");
    assert!(!session.capabilities().dsn);
}
