//! A mailing list with members behind Postfix, one of which sends everything back to the list.

use e2e::Postfix;

use super::{Ours, SOON};

#[test]
fn a_member_behind_postfix_that_sends_it_back_makes_no_circle() {
    let list = "[[list]]\naddress = \"talk@here.test\"\nowners = [\"ben@here.test\"]\npost = \"anyone\"\n\
                members = [\"x@peer.test\", \"back@peer.test\"]\n";
    let ours = Ours::routing("peer.test", "", list);
    let back = "virtual_alias_maps = inline:{ { back@peer.test = talk@here.test } }\n";
    let postfix = Postfix::start(&ours.net, 1, ours.port, &format!("{}{back}", ours.relayhost()));
    ours.takes(
        "<anna@here.test>",
        &["<talk@here.test>"],
        "From: anna@here.test\r\nSubject: x\r\n\r\nthe body\r\n",
    );
    let copy = postfix.maildir().wait_for("the body", SOON);
    assert_eq!(copy.field("Return-Path").as_deref(), Some("<talk-bounces@here.test>"), "{}", copy.text());
    assert_eq!(copy.field("List-Id").as_deref(), Some("<talk.here.test>"));
    // Its bounces are for the owner, and for nobody else.
    let bounce = ours.house.maildir("ben@here.test").wait_for("This sender may not write to this list", SOON);
    assert_eq!(bounce.field("Return-Path").as_deref(), Some("<>"));
    ours.house.wait_for_empty_queue(SOON);
    assert_eq!(postfix.maildir().messages().len(), 1);
    assert!(ours.house.maildir("anna@here.test").messages().is_empty());
}
