//! `[[oauth]]`: identity providers whose tokens let somebody in.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use net::{Anchors, HttpsTarget};
use oauth::{Algorithm, ClientSecret, Provider, Source};
use serde_json::{Value, json};

use super::{
    acme::{anchors, word},
    problem::Problem,
    secret,
    sections::path,
    show::NOT_SHOWN,
    value::Wrong,
    walk::Section,
};

/// The claim that names the login, unless the file says otherwise: of a signed token (`OpenID` Connect Core §5.1), and of an answer
/// (RFC 7662 §2.2).
const LOGIN_CLAIMS: (&str, &str) = ("email", "username");
/// What belongs to the one way to have a provider's word, and to the other.
const BY_KEYS: [&str; 1] = ["algorithms"];
const BY_ASKING: [&str; 2] = ["client_id", "client_secret"];

/// A provider, and what stands in the file about it that nobody else needs.
#[derive(Debug, Clone)]
pub(crate) struct OAuth {
    /// The provider.
    pub provider: Provider,
    /// Where the anchors of trust are, and where the configuration says so.
    ca_file: Option<(PathBuf, Range<usize>)>,
}

/// Where it stands does not matter.
impl PartialEq for OAuth {
    fn eq(&self, other: &Self) -> bool {
        self.provider == other.provider && self.ca_file() == other.ca_file()
    }
}

impl OAuth {
    /// Where the anchors of trust are, if not with the system.
    pub(crate) fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_ref().map(|(file, _)| file.as_path())
    }

    /// Reads who is believed to be the provider.
    pub(super) fn open(&mut self) -> Option<Problem> {
        let (file, span) = self.ca_file.as_ref()?;
        match anchors(file) {
            Ok(anchors) => {
                self.provider.anchors = anchors;
                None
            }
            Err(wrong) => {
                let problem = Problem::new(span.clone(), wrong.message);
                Some(Problem { hint: wrong.hint, ..problem })
            }
        }
    }
}

/// All of `[[oauth]]`.
pub(super) fn read(root: &Section<'_>, dir: &Path) -> Vec<OAuth> {
    let mut all: Vec<OAuth> = Vec::new();
    for section in root.sections("oauth") {
        let issuer = section.get("issuer").map(|value| value.span);
        let findings = section.findings;
        let Some(one) = one(section, dir) else { continue };
        if let (true, Some(span)) =
            (all.iter().any(|other| other.provider.issuer == one.provider.issuer), issuer)
        {
            let problem = Problem::new(span.into(), "this issuer has a section already".to_owned());
            findings.add(problem.hint("its tokens are judged by one section; `audience` may name several"));
        }
        all.push(one);
    }
    all
}

fn one(section: Section<'_>, dir: &Path) -> Option<OAuth> {
    needed(&section, "issuer", "say what its tokens have as `iss`: issuer = \"https://id.example.org\"");
    let issuer = section.parsed("issuer", word);
    let audience = section.one_or_more("audience", word);
    let hint = "say what a token must allow: scopes = [\"mail\"]; an empty list asks for nothing";
    needed(&section, "scopes", hint);
    let scopes = section.one_or_more("scopes", word);
    let source = source(&section, dir);
    let usual = match &source {
        Some(Source::Introspection { .. }) => LOGIN_CLAIMS.1,
        Some(Source::Keys { .. }) | None => LOGIN_CLAIMS.0,
    };
    if let (Some(Source::Keys { .. }), None) = (&source, section.get("audience")) {
        // RFC 8725 §3.9: else a token for any service of the provider would do.
        section.missing("audience", "say what its tokens for this server have as `aud`: audience = \"mail\"");
    }
    not_empty(&section, "audience", audience.as_ref().map(Vec::len));
    let login_claim = section.parsed("login_claim", word);
    let ca_file = section.parsed("ca_file", |text| path(text, dir));
    let ca_span = section.get("ca_file").map_or(section.span(), |value| value.span);
    section.finish();
    let texts = |list: Vec<(String, _)>| list.into_iter().map(|(text, _)| text.into()).collect();
    let provider = Provider {
        issuer: issuer?.into(),
        audience: audience.map(texts).unwrap_or_default(),
        scopes: texts(scopes?),
        login_claim: login_claim.map_or_else(|| usual.into(), Into::into),
        source: source?,
        // Until they are read.
        anchors: Anchors::System,
    };
    Some(OAuth { provider, ca_file: ca_file.map(|file| (file, ca_span.into())) })
}

fn needed(section: &Section<'_>, key: &'static str, hint: &str) {
    if section.get(key).is_none() {
        section.missing(key, hint);
    }
}

fn not_empty(section: &Section<'_>, key: &'static str, count: Option<usize>) {
    if let (Some(0), Some(value)) = (count, section.get(key))
        && value.as_array().is_some_and(Vec::is_empty)
    {
        section.wrong(value.span, Wrong::new(format!("`{key}` is empty: no token would do")));
    }
}

/// By keys that are published, or by asking. One of them it has to be.
fn source(section: &Section<'_>, dir: &Path) -> Option<Source> {
    let keys = section.parsed("jwks_url", url);
    let asked = section.parsed("introspection_url", url);
    let algorithms = section.parsed_list("algorithms", algorithm);
    not_empty(section, "algorithms", algorithms.as_ref().map(Vec::len));
    let client_id = section.parsed("client_id", word);
    let client_secret = secret::read(section, "client_secret", dir);
    match (section.get("jwks_url"), section.get("introspection_url")) {
        (None, None) => {
            let hint =
                "name the URL of its keys, or an `introspection_url` where it is asked about each token";
            section.missing("jwks_url", hint);
            None
        }
        (Some(_), Some(value)) => {
            let wrong =
                Wrong::new("`jwks_url` and `introspection_url` are two ways to judge the same tokens");
            section.wrong(value.span, wrong.hint("keep `jwks_url` if its tokens are JWTs"));
            None
        }
        (Some(_), None) => {
            unused(section, &BY_ASKING, "introspection_url");
            let algorithms = algorithms.map(|all| all.into_iter().map(|(algorithm, _)| algorithm).collect());
            let algorithms = algorithms.unwrap_or_else(|| Algorithm::ALL.to_vec());
            Some(Source::Keys { url: keys?.into(), algorithms })
        }
        (None, Some(_)) => {
            unused(section, &BY_KEYS, "jwks_url");
            needed(section, "client_id", "name whom the provider knows this server as");
            needed(section, "client_secret", "say what proves it: client_secret = { file = \"idp.secret\" }");
            let client_secret = ClientSecret::new(client_secret?.expose());
            Some(Source::Introspection { url: asked?.into(), client_id: client_id?.into(), client_secret })
        }
    }
}

fn unused(section: &Section<'_>, keys: &[&'static str], owner: &str) {
    for key in keys {
        if let Some(value) = section.get(key) {
            section.wrong(value.span, Wrong::new(format!("`{key}` belongs to `{owner}`")).hint("remove it"));
        }
    }
}

fn url(text: &str) -> Result<String, Wrong> {
    HttpsTarget::is_url(text).then(|| text.to_owned()).ok_or_else(|| {
        Wrong::new(format!("`{}` is no URL that can be asked", text.escape_default()))
            .hint("it begins with https://: whoever answers in clear lets anybody in")
    })
}

fn algorithm(text: &str) -> Result<Algorithm, Wrong> {
    Algorithm::parse(text).ok_or_else(|| {
        let wrong = Wrong::new(format!("`{}` is not a value of `algorithms`", text.escape_default()));
        wrong.hint("there is \"RS256\", \"PS256\", \"ES256\", \"EdDSA\": signatures by public keys alone")
    })
}

/// The settings in effect.
pub(super) fn show(oauth: &OAuth) -> Vec<(&'static str, Value)> {
    let Provider { issuer, audience, scopes, login_claim, source, .. } = &oauth.provider;
    let mut values = vec![("issuer", json!(issuer))];
    values.extend((!audience.is_empty()).then(|| ("audience", json!(audience))));
    values.extend([("scopes", json!(scopes)), ("login_claim", json!(login_claim))]);
    match source {
        Source::Keys { url, algorithms } => {
            let names: Vec<&str> = algorithms.iter().map(|algorithm| algorithm.name()).collect();
            values.extend([("jwks_url", json!(url)), ("algorithms", json!(names))]);
        }
        Source::Introspection { url, client_id, .. } => {
            values.extend([("introspection_url", json!(url)), ("client_id", json!(client_id))]);
            values.push(("client_secret", json!(NOT_SHOWN)));
        }
    }
    values.extend(oauth.ca_file().map(|file| ("ca_file", json!(file.display().to_string()))));
    values
}
