//! `postrider list`: mailing lists. The server judges and keeps; here it is asked, and shown.

use admin::api::{Done, List, ListChange, Lists, NewList};

use super::people::{at, kept, told};
use crate::{
    cli::{self, ListCommand, MemberCommand, Place},
    client::{delete, encoded, get, post},
    failure::Failure,
    terminal::{self, clean, count},
};

pub(crate) fn run(command: &ListCommand, json: bool) -> Result<(), Failure> {
    match command {
        ListCommand::Add(cli::ListAdd { address, title, post: who, owner, member, place }) => {
            let new = NewList {
                address: address.clone(),
                title: title.clone(),
                owners: owner.clone(),
                members: member.clone(),
                post: who.clone(),
            };
            let list: List = at(place, async |socket| Ok(post(&socket, "/v1/lists", &new).await?))?;
            told(&list, &format!("list {} added, with {}", clean(address), members(&list)), json)
        }
        ListCommand::List(listing) => {
            let all: Lists = at(&listing.place, async |socket| Ok(get(&socket, "/v1/lists").await?))?;
            if json { terminal::print_json(&all) } else { terminal::print(&lists_text(&all.lists)) }
        }
        ListCommand::Show(named) => {
            let path = path(&named.address, "");
            let list: List = at(&named.place, async |socket| Ok(get(&socket, &path).await?))?;
            if json { terminal::print_json(&list) } else { terminal::print(&list_text(&list)) }
        }
        ListCommand::Change(cli::ListChange { address, title, post, add_owner, remove_owner, place }) => {
            let wanted = ListChange {
                title: title.clone(),
                post: post.clone(),
                add_owners: add_owner.clone(),
                remove_owners: remove_owner.clone(),
                ..ListChange::default()
            };
            if wanted == ListChange::default() {
                return Err(Failure::usage("nothing to change").hint("say what, such as --title TEXT"));
            }
            let list = change(address, &wanted, place)?;
            if json { terminal::print_json(&list) } else { terminal::print(&list_text(&list)) }
        }
        ListCommand::Member(MemberCommand::Add(cli::Members { list, member, place })) => {
            let wanted = ListChange { add_members: member.clone(), ..ListChange::default() };
            let list = change(list, &wanted, place)?;
            told(&list, &format!("list {} has {}", clean(&list.address), members(&list)), json)
        }
        ListCommand::Member(MemberCommand::Remove(cli::Members { list, member, place })) => {
            let wanted = ListChange { remove_members: member.clone(), ..ListChange::default() };
            let list = change(list, &wanted, place)?;
            told(&list, &format!("list {} has {}", clean(&list.address), members(&list)), json)
        }
        ListCommand::Remove(named) => {
            let path = path(&named.address, "");
            let done: Done = at(&named.place, async |socket| Ok(delete(&socket, &path).await?))?;
            told(&done, &format!("list {} removed", clean(&named.address)), json)
        }
    }
}

fn change(list: &str, wanted: &ListChange, place: &Place) -> Result<List, Failure> {
    let path = path(list, "/change");
    at(place, async |socket| Ok(post(&socket, &path, wanted).await?))
}

fn path(list: &str, more: &str) -> String {
    format!("/v1/lists/{}{more}", encoded(list))
}

fn members(list: &List) -> String {
    count(list.members.len() as u64, "member")
}

fn lists_text(lists: &[List]) -> String {
    let mut table = terminal::table(&["LIST", "TITLE", "MEMBERS", "WRITTEN BY", "KEPT IN"]);
    for list in lists {
        let title = list.title.as_deref().map(clean).unwrap_or_default();
        let kept = kept(list.source, list.left_out.as_deref());
        table.add_row([clean(&list.address), title, list.members.len().to_string(), clean(&list.post), kept]);
    }
    format!("{}\n{}", terminal::table_text(&table), count(lists.len() as u64, "list"))
}

fn list_text(list: &List) -> String {
    let owners =
        if list.owners.is_empty() { "the postmaster".to_owned() } else { clean(&list.owners.join(", ")) };
    let mut lines = vec![format!("list           {}", clean(&list.address))];
    lines.extend(list.title.as_deref().map(|title| format!("title          {}", clean(title))));
    lines.push(format!("owners         {owners}"));
    lines.push(format!("written by     {}", clean(&list.post)));
    lines.push(format!("kept in        {}", kept(list.source, list.left_out.as_deref())));
    lines.push(format!("members        {}", list.members.len()));
    lines.extend(list.members.iter().map(|member| format!("  {}", clean(member))));
    lines.join("\n")
}
