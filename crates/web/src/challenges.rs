//! HTTP-01 (RFC 8555 §8.3) on the same port as the rest: what an authority asks for to see that a name is ours.

use std::sync::Arc;

use axum::{
    Router,
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

/// The answer to the challenge of a token, while it is open.
pub type Answers = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Where challenges are answered.
pub fn router(answers: Answers) -> Router {
    let answer = move |Path(token): Path<String>| {
        let answer = answers(&token);
        async move { answer.map_or_else(|| StatusCode::NOT_FOUND.into_response(), found) }
    };
    Router::new().route("/.well-known/acme-challenge/{token}", get(answer))
}

fn found(answer: String) -> Response {
    let fields = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, "no-store")];
    (fields, answer).into_response()
}
