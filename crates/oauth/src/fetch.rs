//! Asking a provider.

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use net::{Anchors, AnchorsError, Connector, Https, HttpsBounds};

use crate::client::{Post, Posted};

/// Sets of keys and answers have some kilobytes. A client waits for its reply meanwhile.
const BOUNDS: HttpsBounds = HttpsBounds { within: Duration::from_secs(10), body_octets_max: 256 << 10 };

/// A question to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// For a document.
    Get,
    /// With a form (RFC 7662 §2.1).
    Post {
        /// The form, as `application/x-www-form-urlencoded`.
        form: String,
        /// Who asks: the value of `Authorization`.
        authorization: String,
    },
}

/// Why there is no answer, in words for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchError(pub Box<str>);

/// How a provider is asked: by HTTPS, or by whatever a test has.
pub trait Fetch: Send + Sync {
    /// The content of a good answer (200).
    ///
    /// # Errors
    /// There is none, or another.
    fn fetch<'a>(
        &'a self,
        url: &'a str,
        ask: Ask,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send + 'a>>;
}

/// By HTTPS.
#[derive(Debug, Clone)]
pub struct HttpsFetch(Https);

impl HttpsFetch {
    /// Of a provider that proves itself to one of these.
    ///
    /// # Errors
    /// There are none that could be believed.
    pub fn new(anchors: &Anchors) -> Result<Self, AnchorsError> {
        Ok(Self(Https::new(Connector::verifying(anchors, "http/1.1")?)))
    }

    async fn ask(&self, url: &str, ask: Ask) -> Result<Bytes, FetchError> {
        let wrong = |text: String| FetchError(text.into());
        let request = match ask {
            Ask::Get => Request::get(url).header(ACCEPT, "application/json").body(Full::default()),
            Ask::Post { form, authorization } => Request::post(url)
                .header(ACCEPT, "application/json")
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(AUTHORIZATION, authorization)
                .body(Full::new(Bytes::from(form))),
        };
        let request = request.map_err(|error| wrong(error.to_string()))?;
        let answer = self.0.send(request, BOUNDS).await.map_err(|error| wrong(error.text()))?;
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            status => Err(wrong(format!("{url} answered {status}"))),
        }
    }
}

impl Post for HttpsFetch {
    fn post<'a>(&'a self, url: &'a str, form: String) -> Posted<'a> {
        Box::pin(async move {
            let request = Request::post(url)
                .header(ACCEPT, "application/json")
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Full::new(Bytes::from(form)));
            let request = request.map_err(|error| FetchError(error.to_string().into()))?;
            let answer = self.0.send(request, BOUNDS).await;
            let answer = answer.map_err(|error| FetchError(error.text().into()))?;
            Ok((answer.status().as_u16(), answer.into_body()))
        })
    }
}

impl Fetch for HttpsFetch {
    fn fetch<'a>(
        &'a self,
        url: &'a str,
        ask: Ask,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send + 'a>> {
        Box::pin(self.ask(url, ask))
    }
}
