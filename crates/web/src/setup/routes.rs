//! The places and what is answered there.

use autoconfig::Asked as Discovering;
use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::{
    ClientSetup,
    answers::{AN_HOUR, NEVER, PROFILE, XML, document, elsewhere, file, nothing},
    asked::Asked,
};
use crate::InClear;

pub(super) const AUTODISCOVER: &str = "/autodiscover/autodiscover.xml";
/// Octets of what Autodiscover is asked by: an address and a schema in an envelope of some 400 octets.
const ASKED_OCTETS_MAX: usize = 8 * 1024;

/// All the places.
pub fn router(setup: ClientSetup) -> Router {
    Router::new()
        .route("/mail/config-v1.1.xml", get(thunderbird))
        .route("/.well-known/autoconfig/mail/config-v1.1.xml", get(thunderbird))
        // RFC 8615 §3: a name below /.well-known/ would have to be registered, and no client looks for one.
        .route("/mail/apple.mobileconfig", get(apple))
        .route(AUTODISCOVER, get(redirected).post(autodiscover))
        .layer(DefaultBodyLimit::max(ASKED_OCTETS_MAX))
        .with_state(setup)
}

async fn thunderbird(
    State(setup): State<ClientSetup>,
    Query(asked): Query<Asked>,
    fields: HeaderMap,
) -> Response {
    let settings = asked.domains(&fields).iter().find_map(|domain| setup.settings(domain));
    settings.map_or_else(nothing, |settings| document(XML, AN_HOUR, autoconfig::thunderbird(&settings)))
}

async fn apple(State(setup): State<ClientSetup>, Query(asked): Query<Asked>) -> Response {
    let Some(address) = asked.address() else {
        return (StatusCode::BAD_REQUEST, "say whose profile: ?emailaddress=anna@example.org\n")
            .into_response();
    };
    let settings = setup.settings(address.domain());
    let profile = settings.and_then(|settings| autoconfig::apple_profile(&settings, &address));
    let name = format!("{}.mobileconfig", address.domain());
    profile.map_or_else(nothing, |profile| file(PROFILE, NEVER, &name, profile))
}

async fn autodiscover(State(setup): State<ClientSetup>, body: String) -> Response {
    match autoconfig::autodiscover_request(&body) {
        Discovering::Settings(address) => setup.settings(address.domain()).map_or_else(nothing, |settings| {
            document(XML, NEVER, autoconfig::autodiscover(&settings, &address))
        }),
        // The protocol has errors of its own, within an answer that HTTP has nothing to say against.
        Discovering::Unknown => document(XML, NEVER, autoconfig::autodiscover_error()),
    }
}

/// A client of Microsoft's that has found nothing under TLS asks in clear by GET where to ask, and goes where it is sent.
async fn redirected(
    State(setup): State<ClientSetup>,
    Extension(InClear(in_clear)): Extension<InClear>,
) -> Response {
    match setup.autodiscover_url().filter(|_| in_clear) {
        Some(url) => elsewhere(&url),
        None => (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")]).into_response(),
    }
}
