//! Who cannot log in for having failed too often, and the end of it.

use axum::{Json, extract::State as Shared};
use limits::{Ban, Subject};

use crate::{
    api,
    query::{self, Body},
    routes::{Answer, Control},
};

pub(crate) async fn list(Shared(control): Shared<Control>) -> Json<api::Bans> {
    let mut bans = control.logins.bans(control.clock.now());
    bans.sort_by_key(|ban| std::cmp::Reverse(ban.until));
    Json(api::Bans { bans: bans.iter().map(shown).collect() })
}

pub(crate) async fn lift(Shared(control): Shared<Control>, body: Body<api::Lift>) -> Answer<api::Lifted> {
    let api::Lift { who } = query::body(body)?;
    let lifted = control.logins.lift(who.trim());
    tracing::info!(station = "admin", who = who.trim(), lifted, "failed logins forgotten");
    Ok(Json(api::Lifted { lifted: lifted as u64 }))
}

fn shown(ban: &Ban) -> api::Ban {
    let (client, login) = match &ban.subject {
        Subject::Client(place) => (Some(place.to_string()), None),
        Subject::Login(login) => (None, Some(login.to_string())),
        Subject::Pair(login, place) => (Some(place.to_string()), Some(login.to_string())),
    };
    api::Ban { client, login, failures: ban.failures, until: ban.until.to_string() }
}
