//! `postrider ban`: who cannot log in for having failed, and the end of it.

use std::path::Path;

use admin::api::{Ban, Bans, Lift, Lifted};

use crate::{
    cli::BanCommand,
    client::{get, post},
    config,
    failure::Failure,
    place,
    terminal::{self, clean, count},
};

pub(crate) fn run(command: &BanCommand, json: bool) -> Result<(), Failure> {
    let place = match command {
        BanCommand::List(list) => &list.place,
        BanCommand::Lift(lift) => &lift.place,
    };
    let socket = config::control_socket(&place::data_dir(place)?);
    super::run(async {
        match command {
            BanCommand::List(_) => list(&socket, json).await,
            BanCommand::Lift(wanted) => lift(&socket, &wanted.who, json).await,
        }
    })
}

async fn list(socket: &Path, json: bool) -> Result<(), Failure> {
    let bans: Bans = get(socket, "/v1/bans").await?;
    if json {
        return terminal::print_json(&bans);
    }
    if bans.bans.is_empty() {
        return terminal::print("everybody may log in who can");
    }
    let mut table = terminal::table(&["CLIENT", "LOGIN", "FAILURES", "UNTIL"]);
    for Ban { client, login, failures, until } in &bans.bans {
        let shown = |text: &Option<String>| clean(text.as_deref().unwrap_or("any"));
        table.add_row([shown(client), shown(login), failures.to_string(), until.clone()]);
    }
    terminal::print(&terminal::table_text(&table))
}

async fn lift(socket: &Path, who: &str, json: bool) -> Result<(), Failure> {
    let lifted: Lifted = post(socket, "/v1/bans/lift", &Lift { who: who.to_owned() }).await?;
    if json {
        terminal::print_json(&lifted)?;
    }
    if lifted.lifted == 0 {
        let failure = Failure::new(format!("nothing is held against {}", clean(who)));
        return Err(failure.hint("`postrider ban list` shows who cannot log in"));
    }
    if json { Ok(()) } else { terminal::print(&format!("forgotten: {}", count(lifted.lifted, "entry"))) }
}
