//! One order, from the names to the certificate (RFC 8555 §7.4).

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, Error, Identifier, NewOrder, Order, OrderStatus,
    RetryPolicy,
};
use mail::Timestamp;
use net::Identity;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use crate::{
    config::Config,
    failure::Failure,
    solver::{Opened, Solver},
};

/// How long the authority may take to look at our answers, and to sign.
const PATIENCE: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(300)).backoff(1.6).timeout(Duration::from_mins(4));

/// A certificate with those that lead to its root, and its key behind them.
pub(crate) struct Obtained {
    pub(crate) pem: String,
    pub(crate) identity: Identity,
}

/// Obtains a certificate for a key. What it opens it notes in `opened`, for its caller to close.
pub(crate) async fn obtain(
    config: &Config,
    key: &KeyPair,
    account: &Account,
    solver: &Solver,
    replaces: Option<CertificateIdentifier<'static>>,
    opened: &mut Opened,
    now: impl Fn() -> Timestamp,
) -> Result<Obtained, Failure> {
    let mut order = place(config, account, replaces).await?;
    prepare(&mut order, solver, opened).await?;
    solver.publish(opened).await?;
    let asked = set_ready(&mut order, solver).await?;
    let polled = match order.poll_ready(&PATIENCE).await {
        Ok(OrderStatus::Invalid) => Err(Failure::new("the authority does not say why")),
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::from(error)),
    };
    if let Err(failure) = polled {
        let reasons = if asked { reasons(&mut order).await } else { None };
        return Err(reasons.unwrap_or(failure).when(&format!("proof by {}", config.method.word())));
    }
    let request = request(&config.names, key).map_err(|error| Failure::new(error.to_string()))?;
    order.finalize_csr(&request).await?;
    let chain = order.poll_certificate(&PATIENCE).await?;
    judged(config, &chain, &key.serialize_pem(), now())
}

/// Says that the new certificate replaces the old one, if the authority wants to know. One that does not take that gets the
/// order without it (RFC 9773 §5).
async fn place(
    config: &Config,
    account: &Account,
    replaces: Option<CertificateIdentifier<'static>>,
) -> Result<Order, Failure> {
    let identifiers: Vec<Identifier> = config.names.iter().cloned().map(Identifier::Dns).collect();
    let order = || {
        let order = NewOrder::new(&identifiers);
        config.profile.iter().fold(order, |order, profile| order.profile(profile))
    };
    if let Some(replaces) = replaces {
        match account.new_order(&order().replaces(replaces)).await {
            Ok(order) => return Ok(order),
            Err(Error::Unsupported(_)) => {}
            Err(error) => {
                let failure = Failure::from(error);
                if failure.is_limited() || failure.kind.is_none() {
                    return Err(failure);
                }
                tracing::info!(
                    station = "tls/acme",
                    "ordered without naming the certificate that is replaced: {}",
                    failure.text
                );
            }
        }
    }
    Ok(account.new_order(&order()).await?)
}

/// Prepares the answers to all challenges that are open.
async fn prepare(order: &mut Order, solver: &Solver, opened: &mut Opened) -> Result<(), Failure> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        let Some(host) = pending(authorization.status, authorization.identifier().identifier)? else {
            continue;
        };
        let challenge = authorization.challenge(solver.kind());
        let challenge = challenge.ok_or_else(|| {
            Failure::new(format!(
                "the authority offers no {:?} for {host}: choose another `challenge`",
                solver.kind()
            ))
        })?;
        if !is_token(&challenge.token) {
            return Err(Failure::new("the authority's token is none"));
        }
        solver.open(opened, &host, &challenge.token, &challenge.key_authorization())?;
    }
    Ok(())
}

/// The host of an authorization that waits for proof; none if it has been given.
fn pending(status: AuthorizationStatus, identifier: &Identifier) -> Result<Option<String>, Failure> {
    match (status, identifier) {
        (AuthorizationStatus::Valid, _) => Ok(None),
        (AuthorizationStatus::Pending, Identifier::Dns(host)) => Ok(Some(host.to_ascii_lowercase())),
        (status, _) => Err(Failure::new(format!("an authorization of the authority is {status:?}"))),
    }
}

/// RFC 8555 §8.3: base64url, and nothing else.
fn is_token(token: &str) -> bool {
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
    (1..=256).contains(&token.len()) && token.bytes().all(fits)
}

/// Asks the authority to look. Whether there was anything to look at.
async fn set_ready(order: &mut Order, solver: &Solver) -> Result<bool, Failure> {
    let mut asked = false;
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        if let Some(mut challenge) = authorization.challenge(solver.kind()) {
            challenge.set_ready().await?;
            asked = true;
        }
    }
    Ok(asked)
}

/// What the authority saw when it looked.
async fn reasons(order: &mut Order) -> Option<Failure> {
    let mut failures: Vec<Failure> = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.ok()?;
        let state = authorization.refresh().await.ok()?;
        let host = state.identifier().to_string();
        let errors = state.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
        failures.extend(errors.map(|problem| Failure::from(problem).when(&host)));
    }
    let text = failures.iter().map(|failure| failure.text.as_str()).collect::<Vec<_>>().join("; ");
    let first = failures.into_iter().next()?;
    Some(Failure { text: crate::failure::line(&text), ..first })
}

/// A request for a certificate, as DER.
fn request(names: &[String], key: &KeyPair) -> Result<Vec<u8>, rcgen::Error> {
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(key)?.der().to_vec())
}

/// Whether what came is what was asked for: it will be all that clients see.
fn judged(config: &Config, chain: &str, key: &str, now: Timestamp) -> Result<Obtained, Failure> {
    let wrong = |what: String| Failure::new(format!("the authority's certificate is of no use: {what}"));
    let identity =
        Identity::from_pem(chain.as_bytes(), key.as_bytes()).map_err(|error| wrong(error.to_string()))?;
    if let Some(name) =
        config.names.iter().find(|name| !identity.names().iter().any(|other| **other == ***name))
    {
        return Err(wrong(format!("it is not for {name}")));
    }
    if identity.not_after() <= now {
        return Err(wrong(format!("it expired at {}", identity.not_after())));
    }
    Ok(Obtained { pem: format!("{}\n{key}", chain.trim_end()), identity })
}

#[cfg(test)]
mod tests {
    use net::Anchors;

    use super::*;
    use crate::config::Method;

    fn config(names: &[&str]) -> Config {
        Config {
            dir: "/nowhere".into(),
            directory: "https://ca.example/".into(),
            anchors: Anchors::System,
            contact: Vec::new(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            method: Method::Http,
            bind: Vec::new(),
            external_account: None,
            profile: None,
            reuse_key: false,
        }
    }

    #[test]
    fn a_certificate_is_looked_at_before_it_is_shown() {
        let now = Timestamp::from_millis(1_795_456_934_000);
        let names = ["mx.example.org".into(), "*.example.org".into()];
        let pem = crate::self_signed::pem(&names, now, &KeyPair::generate().unwrap()).unwrap();
        let (chain, key) = pem.split_at(pem.find("-----BEGIN PRIVATE").unwrap());
        let judge = |names: &[&str], key: &str, now| {
            judged(&config(names), chain, key, now).map_err(|wrong| wrong.text)
        };
        let obtained = judge(&["mx.example.org", "*.example.org"], key, now).unwrap();
        assert!(Identity::from_pem(obtained.pem.as_bytes(), obtained.pem.as_bytes()).is_ok());
        // A wildcard covers it, and yet it is not what was asked for.
        assert!(judge(&["a.example.org"], key, now).err().unwrap().contains("not for a.example.org"));
        let other = KeyPair::generate().unwrap().serialize_pem();
        assert!(judge(&["mx.example.org"], &other, now).err().unwrap().contains("key"));
        let later = now.after(Duration::from_hours(24 * 100));
        assert!(judge(&["mx.example.org"], key, later).err().unwrap().contains("expired"));
        assert!(judged(&config(&["a.example"]), "hello", key, now).is_err());
    }

    #[test]
    fn a_token_is_a_word() {
        assert!(is_token("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"));
        for token in ["", "a/b", "..", "a b", "a\r\nb", &"a".repeat(257)] {
            assert!(!is_token(token), "{token}");
        }
    }
}
