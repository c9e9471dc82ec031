//! Mailing lists as resources. The crate `directory` judges all changes; they hold before the answer goes out.

use axum::{
    Json, Router,
    extract::State as Shared,
    routing::{get, post},
};
use directory::{ListChange, ListConfig, Listed, PeopleError, Posters};

use crate::{
    Control, Problem, api,
    people::{Segment, change, refusal, segment, source},
    query::{self, Body},
    routes::Answer,
};

pub(crate) fn router() -> Router<Control> {
    Router::new()
        .route("/v1/lists", get(lists).post(add))
        .route("/v1/lists/{address}", get(list).delete(remove))
        .route("/v1/lists/{address}/change", post(change_list))
}

async fn lists(Shared(control): Shared<Control>) -> Json<api::Lists> {
    let lists = control.people.everyone().await.lists;
    Json(api::Lists { lists: lists.into_iter().map(shown).collect() })
}

async fn list(Shared(control): Shared<Control>, address: Segment) -> Answer<api::List> {
    found(&control, &segment(address)?).await.map(Json)
}

/// One list, by any spelling of its address.
async fn found(control: &Control, address: &str) -> Result<api::List, Problem> {
    let meant = directory::spelling(address);
    let lists = control.people.everyone().await.lists;
    let found = lists.into_iter().find(|list| directory::spelling(&list.entry.address) == meant);
    let missing = || refusal(&PeopleError::Unknown { what: "list", name: address.to_owned() });
    found.map(shown).ok_or_else(missing)
}

async fn add(Shared(control): Shared<Control>, body: Body<api::NewList>) -> Answer<api::List> {
    let api::NewList { address, title, owners, members, post } = query::body(body)?;
    let new = ListConfig { address: address.clone(), title, owners, members, post };
    change(&control, |people| async move { people.add_list(new).await }).await?;
    found(&control, &address).await.map(Json)
}

async fn remove(Shared(control): Shared<Control>, address: Segment) -> Answer<api::Done> {
    let name = segment(address)?;
    let meant = name.clone();
    let done = change(&control, |people| async move { people.remove_list(&meant).await });
    done.await.map(|()| Json(api::Done { name }))
}

async fn change_list(
    Shared(control): Shared<Control>,
    address: Segment,
    body: Body<api::ListChange>,
) -> Answer<api::List> {
    let (address, wanted) = (segment(address)?, query::body(body)?);
    let api::ListChange { title, post, add_members, remove_members, add_owners, remove_owners } = wanted;
    let wanted = ListChange { title, post, add_members, remove_members, add_owners, remove_owners };
    let meant = address.clone();
    change(&control, |people| async move { people.change_list(&meant, wanted).await }).await?;
    found(&control, &address).await.map(Json)
}

fn shown(Listed { entry, kept, left_out }: Listed<ListConfig>) -> api::List {
    let ListConfig { address, title, owners, members, post } = entry;
    let post = post.unwrap_or_else(|| Posters::default().name().to_owned());
    api::List { address, title, owners, members, post, source: source(kept), left_out }
}
