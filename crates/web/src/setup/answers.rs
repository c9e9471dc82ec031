//! Answers with their types, and how long they may be kept.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// What Autodiscover and Mozilla's format are served as.
pub(super) const XML: &str = "text/xml; charset=utf-8";
/// What a profile has to be for a device to take it up.
pub(super) const PROFILE: &str = "application/x-apple-aspen-config";
/// It is the same for a whole domain, and changes when the operator changes a listener.
pub(super) const AN_HOUR: &str = "public, max-age=3600";
/// The address is in it.
pub(super) const NEVER: &str = "no-store";

/// A document.
pub(super) fn document(kind: &'static str, keep: &'static str, text: String) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep)], text).into_response()
}

/// A document that is to be saved under a name.
pub(super) fn file(kind: &'static str, keep: &'static str, name: &str, text: String) -> Response {
    let mut response = document(kind, keep, text);
    // Names of domains beyond ASCII have no place in the field: then the browser makes one up.
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
        && name.is_ascii()
    {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// To another place.
pub(super) fn elsewhere(url: &str) -> Response {
    let fields: [(HeaderName, &str); 2] = [(header::LOCATION, url), (header::CACHE_CONTROL, NEVER)];
    (StatusCode::FOUND, fields).into_response()
}

/// There is nothing, whoever asks: a domain that is not ours, and one for which there is nothing to tell, look the same.
pub(super) fn nothing() -> Response {
    (StatusCode::NOT_FOUND, [(header::CACHE_CONTROL, NEVER)], "there is nothing here about that domain\n")
        .into_response()
}
