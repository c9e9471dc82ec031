//! The keys that mail is signed with, and the wish for new ones.

use axum::{Json, extract::State as Shared};

use crate::{
    Problem, api,
    query::{self, Body},
    routes::{Answer, Control},
};

pub(crate) async fn list(Shared(control): Shared<Control>) -> Json<api::Signing> {
    Json((control.signing)())
}

pub(crate) async fn rotate(
    Shared(control): Shared<Control>,
    body: Body<api::Rotate>,
) -> Answer<api::Signing> {
    let api::Rotate { domain } = query::body(body)?;
    (control.rotate)(domain.trim()).map_err(Problem::not_found)?;
    tracing::info!(station = "admin", domain = domain.trim(), "new keys are asked for");
    Ok(Json((control.signing)()))
}

/// Domains whose mail cannot be signed as it should be.
pub(crate) fn unsigned(signing: api::Signing) -> Vec<api::Unsigned> {
    let trouble = |api::SigningDomain { domain, trouble, held, .. }| {
        trouble.map(|why| api::Unsigned { domain, why, held })
    };
    signing.domains.into_iter().filter_map(trouble).collect()
}
