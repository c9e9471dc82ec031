//! Our two sides against those of rsasl.

use std::io::Cursor;

use rsasl::{
    callback::{Context, Request, SessionCallback, SessionData},
    mechanisms::scram::properties::ScramStoredPassword,
    prelude::{Mechname, SASLClient, SASLConfig, SASLServer, SessionError, State, Validation},
    property::AuthId,
    validate::{Validate, ValidationError},
};
use sasl::{
    Mechanism, Password, ScramKeys,
    client::{Credentials, Exchange as Client},
    server::{Exchange, Failure, Step},
};

use crate::policy::{LOGIN, PASSWORD, Policy};

/// What becomes of rsasl's client at our server.
fn their_client(mechanism: Mechanism, password: &str) -> Result<Step, SessionError> {
    let config = SASLConfig::with_credentials(None, LOGIN.to_owned(), password.to_owned()).unwrap();
    let name = Mechname::parse(mechanism.name().as_bytes()).unwrap();
    let mut client = SASLClient::new(config).start_suggested(&[name]).unwrap();
    let (policy, mut exchange) = (Policy::default(), Exchange::new(mechanism, false));
    let mut begun = !client.are_we_first();
    let mut step = if begun { exchange.begin(None) } else { Step::Challenge(Vec::new()) };
    while let Step::Challenge(challenge) = step {
        let mut out = Cursor::new(Vec::new());
        client.step(begun.then_some(&challenge), &mut out)?;
        let response = out.into_inner();
        let next = if begun { exchange.respond(&response) } else { exchange.begin(Some(&response)) };
        begun = true;
        step = policy.settle(&mut exchange, next);
    }
    Ok(step)
}

#[test]
fn their_client_gets_in_at_our_server_with_the_right_password_only() {
    for mechanism in [Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256] {
        assert_eq!(their_client(mechanism, PASSWORD).unwrap(), Step::Done, "{mechanism}");
        assert_eq!(their_client(mechanism, "tigre").unwrap(), Step::Failed(Failure::Denied), "{mechanism}");
    }
}

/// rsasl's server with the keys of ours.
struct Keys(ScramKeys);

impl SessionCallback for Keys {
    fn callback(
        &self,
        _: &SessionData,
        context: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        if context.get_ref::<AuthId>() == Some(LOGIN) {
            let ScramKeys { salt, iterations, stored_key, server_key } = &self.0;
            request.satisfy::<ScramStoredPassword<'_>>(&ScramStoredPassword::new(
                *iterations,
                salt,
                stored_key,
                server_key,
            ))?;
        }
        Ok(())
    }

    fn validate(
        &self,
        _: &SessionData,
        context: &Context<'_>,
        validate: &mut Validate<'_>,
    ) -> Result<(), ValidationError> {
        let login = context.get_ref::<AuthId>().unwrap_or_default().to_owned();
        validate.with::<WhoLoggedIn, _>(|| Ok(login)).map(|_| ())
    }
}

struct WhoLoggedIn;

impl Validation for WhoLoggedIn {
    type Value = String;
}

/// Whom rsasl's server lets in when our client comes.
fn our_client(password: &str) -> Option<String> {
    let config = SASLConfig::builder().with_defaults().with_callback(Keys(Policy::default().keys())).unwrap();
    let server = SASLServer::<WhoLoggedIn>::new(config);
    let mut server = server.start_suggested(Mechname::parse(b"SCRAM-SHA-256").unwrap()).unwrap();
    let credentials = Credentials { login: LOGIN.into(), password: Password::new(password) };
    let mut client =
        Client::new(Mechanism::ScramSha256, credentials, "fyko+d2lbbFgONRv9qkxdawL", None).unwrap();
    let mut response = client.initial().unwrap().unwrap();
    loop {
        let mut out = Cursor::new(Vec::new());
        let state = server.step(Some(&response), &mut out).ok()?;
        response = client.respond(out.get_ref()).ok()?;
        if let State::Finished(_) = state {
            assert!(client.may_succeed());
            return server.validation();
        }
    }
}

#[test]
fn our_client_gets_in_at_their_server_with_the_right_password_only() {
    assert_eq!(our_client(PASSWORD).as_deref(), Some(LOGIN));
    assert_eq!(our_client("tigre"), None);
}
