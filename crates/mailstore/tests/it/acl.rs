//! Who may do what with a mailbox.

use mailstore::{
    ACL_ENTRIES_MAX, AccountId, AclChange, FlagAction, FlagChange, Flags, FlagsAllowed, MailboxId,
    MailstoreError, Rights, UidSet,
};

use crate::support::{Fixture, NOW, set};

fn rights(letters: &str) -> Rights {
    Rights::parse(letters).unwrap()
}

impl Fixture {
    async fn bob(&self) -> AccountId {
        self.mailstore.account("bob@example.org", NOW).await.unwrap()
    }

    async fn grant(&self, mailbox: MailboxId, identifier: &str, letters: &str) {
        let change = AclChange::Replace(rights(letters));
        self.mailstore.change_acl(mailbox, identifier, change).await.unwrap();
    }

    fn may(&self, mailbox: MailboxId, account: AccountId) -> String {
        self.mailstore.rights(mailbox, account).unwrap().to_string()
    }

    fn seen_by(&self, account: AccountId) -> Vec<String> {
        let others = self.mailstore.visible(account).unwrap().into_iter();
        let named = |visible: mailstore::Visible| {
            visible.owner.map(|owner| format!("{owner}/{} {}", visible.mailbox.name, visible.rights))
        };
        others.filter_map(named).collect()
    }
}

#[tokio::test]
async fn what_is_granted_adds_up_and_what_is_taken_goes() {
    let fixture = Fixture::new();
    let (anna, bob, inbox) = (fixture.anna().await, fixture.bob().await, fixture.inbox().await);
    assert_eq!((fixture.may(inbox, anna), fixture.may(inbox, bob)), (Rights::LETTERS.into(), String::new()));
    fixture.grant(inbox, "anyone", "lr").await;
    fixture.grant(inbox, "authenticated", "p").await;
    fixture.grant(inbox, "bob@example.org", "wte").await;
    assert_eq!(fixture.may(inbox, bob), "lrwpte");
    fixture.grant(inbox, "-bob@example.org", "e").await;
    fixture.grant(inbox, "-anyone", "t").await;
    assert_eq!((fixture.may(inbox, bob), fixture.may(inbox, anna)), ("lrwp".into(), Rights::LETTERS.into()));
    let change = |change| fixture.mailstore.change_acl(inbox, "bob@example.org", change);
    change(AclChange::Add(rights("s"))).await.unwrap();
    change(AclChange::Remove(rights("w"))).await.unwrap();
    assert_eq!(fixture.may(inbox, bob), "lrsp");
    change(AclChange::Replace(Rights::none())).await.unwrap();
    let list = fixture.mailstore.acl(inbox).unwrap();
    let list: Vec<_> = list.iter().map(|entry| format!("{} {}", entry.identifier, entry.rights)).collect();
    let expected =
        ["anna@example.org lrswipkxtea", "-anyone t", "-bob@example.org e", "anyone lr", "authenticated p"];
    assert_eq!(list, expected);
    fixture.mailstore.delete_acl(inbox, "anyone").await.unwrap();
    assert_eq!(fixture.may(inbox, bob), "p");
    fixture.verify();
}

#[tokio::test]
async fn an_owner_can_take_rights_from_itself_but_not_all() {
    let fixture = Fixture::new();
    let (anna, inbox) = (fixture.anna().await, fixture.inbox().await);
    fixture.grant(inbox, "anna@example.org", "r").await;
    assert_eq!(fixture.may(inbox, anna), "lra");
    fixture.grant(inbox, "-anna@example.org", "lra").await;
    fixture.grant(inbox, "-anyone", "la").await;
    assert_eq!(fixture.may(inbox, anna), "la");
    let own = fixture.mailstore.visible(anna).unwrap().into_iter().find(|one| one.mailbox.id == inbox);
    assert_eq!(own.unwrap().rights, rights("la"));
    fixture.mailstore.delete_acl(inbox, "-anna@example.org").await.unwrap();
    fixture.mailstore.delete_acl(inbox, "anna@example.org").await.unwrap();
    assert_eq!(fixture.may(inbox, anna), Rights::LETTERS);
    let remove = AclChange::Remove(rights("xla"));
    fixture.mailstore.change_acl(inbox, "anna@example.org", remove).await.unwrap();
    assert_eq!(fixture.may(inbox, anna), "lrswipktea");
}

#[tokio::test]
async fn others_see_what_they_may_see_wherever_it_goes() {
    let fixture = Fixture::new();
    let (anna, bob) = (fixture.anna().await, fixture.bob().await);
    let team = fixture.mailstore.create(anna, "Team", None, NOW).await.unwrap().id;
    let below = fixture.mailstore.create(anna, "Team/Below", None, NOW).await.unwrap().id;
    fixture.grant(team, "bob@example.org", "lr").await;
    fixture.grant(below, "bob@example.org", "r").await;
    assert_eq!(fixture.seen_by(bob), ["anna@example.org/Team lr"]);
    // What is made below has the rights of the nearest above; what was there keeps its own.
    fixture.mailstore.create(anna, "Team/Not/New", None, NOW).await.unwrap();
    fixture.mailstore.rename(anna, "Team", "Group", NOW).await.unwrap();
    assert_eq!(fixture.seen_by(bob), ["anna@example.org/Group lr", "anna@example.org/Group/Not/New lr"]);
    let mut watch = fixture.mailstore.watch_sharing();
    fixture.mailstore.delete(anna, "Group", NOW).await.unwrap();
    let made = fixture.mailstore.create(anna, "Group", None, NOW).await.unwrap().id;
    assert_eq!(
        fixture.seen_by(bob),
        ["anna@example.org/Group/Not/New lr"],
        "nothing is left of the former one"
    );
    assert!(!watch.has_changed());
    fixture.grant(made, "anyone", "l").await;
    assert!(watch.has_changed());
    fixture.mailstore.remove_account(bob, NOW).await.unwrap();
    let bob = fixture.bob().await;
    assert_eq!(
        fixture.seen_by(bob),
        ["anna@example.org/Group l"],
        "another of the same name has nothing of it"
    );
    fixture.mailstore.remove_account(anna, NOW).await.unwrap();
    assert_eq!(fixture.seen_by(bob), [""; 0]);
    fixture.verify();
}

#[tokio::test]
async fn a_list_has_its_bounds() {
    let fixture = Fixture::new();
    let inbox = fixture.inbox().await;
    for number in 0..ACL_ENTRIES_MAX {
        fixture.grant(inbox, &format!("{number}@example.org"), "l").await;
    }
    let one_more = fixture.mailstore.change_acl(inbox, "more@example.org", AclChange::Add(rights("l"))).await;
    assert!(matches!(one_more, Err(MailstoreError::TooMany(_))));
    fixture.grant(inbox, "7@example.org", "lr").await;
}

#[tokio::test]
async fn only_flags_that_may_be_set_come_along() {
    let fixture = Fixture::new();
    let (anna, bob, inbox) = (fixture.anna().await, fixture.bob().await, fixture.inbox().await);
    let all = Flags::SEEN.with(Flags::DELETED).with(Flags::DRAFT);
    let change = |action, flags, keywords: &[&str]| FlagChange {
        action,
        flags,
        keywords: keywords.iter().map(|name| String::from(*name)).collect(),
        unchanged_since: None,
    };
    for text in ["one", "two"] {
        fixture.append(inbox, text).await;
    }
    let add = change(FlagAction::Add, all, &["Work"]);
    fixture.mailstore.store_flags(inbox, UidSet::all(), add).await.unwrap();
    let to = fixture.mailbox(bob, "Archive").id;
    let allowed = rights("is").flags();
    fixture.mailstore.copy_with(inbox, set([1]), to, allowed, NOW).await.unwrap();
    fixture.mailstore.move_with(inbox, set([2]), to, rights("iw").flags(), NOW).await.unwrap();
    let states = fixture.mailstore.view(to).unwrap().messages;
    assert_eq!((states[0].flags, states[0].keywords), (Flags::SEEN, 0));
    assert_eq!((states[1].flags, states[1].keywords), (Flags::DRAFT, 1));
    let replace = change(FlagAction::ReplaceAmong(rights("t").flags()), Flags::SEEN, &["Home"]);
    fixture.mailstore.store_flags(inbox, set([1]), replace).await.unwrap();
    let state = fixture.mailstore.view(inbox).unwrap().messages[0];
    assert_eq!((state.flags, state.keywords), (Flags::SEEN.with(Flags::DRAFT), 1));
    let replace = change(FlagAction::ReplaceAmong(FlagsAllowed::all()), Flags::FLAGGED, &[]);
    fixture.mailstore.store_flags(inbox, set([1]), replace).await.unwrap();
    let state = fixture.mailstore.view(inbox).unwrap().messages[0];
    assert_eq!((state.flags, state.keywords), (Flags::FLAGGED, 0));
    assert_eq!(fixture.mailstore.quota(bob).unwrap().messages, 2, "they count with the one who has them");
    fixture.mailstore.remove_account(anna, NOW).await.unwrap();
    assert_eq!(fixture.octets(to, 2), b"two", "what another has stays");
    fixture.verify();
}
