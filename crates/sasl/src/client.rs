//! The client's side of an exchange: for the relays that ask for a password, and for tests.

use crate::{
    CHANNEL_BINDING, ITERATIONS_MIN, Mechanism, Password, ScramError, bearer,
    plain::PlainMessage,
    saslprep,
    scram::{self, ServerFirst, client_proof, escape, proof_of, verifier_of},
};

/// Who logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The login.
    pub login: Box<str>,
    /// Its password; with OAUTHBEARER and XOAUTH2 its token.
    pub password: Password,
}

/// One exchange of PLAIN, LOGIN, SCRAM, OAUTHBEARER or XOAUTH2.
#[derive(Debug)]
pub struct Exchange {
    credentials: Credentials,
    state: State,
}

#[derive(Debug)]
enum State {
    Plain,
    LoginName,
    LoginPassword,
    OAuthBearer,
    XOAuth2,
    /// The token is with the server. If it answers, it says what is wrong with it, and `answer` ends that (RFC 7628 §3.2.3).
    BearerSent {
        answer: &'static [u8],
    },
    /// `binding`: the `tls-exporter` of the session, for a mechanism that binds.
    Scram {
        nonce: Box<str>,
        binding: Option<Box<[u8]>>,
    },
    ScramChallenged {
        nonce: Box<str>,
        header: String,
        bare: String,
        binding: Option<Box<[u8]>>,
    },
    /// The server has to prove itself with this.
    ScramSigned([u8; scram::KEY_OCTETS]),
    Done,
    /// Nothing more may be said.
    Failed,
}

/// Why the exchange is to be cancelled.
pub type Error = ScramError;

impl Exchange {
    /// Begins. `nonce`: new and not to be guessed, for SCRAM; `binding`: the `tls-exporter` of the session, for SCRAM-SHA-256-PLUS.
    /// None: the client's side of that mechanism is not known here, or lacks what it needs.
    pub fn new(
        mechanism: Mechanism,
        credentials: Credentials,
        nonce: &str,
        binding: Option<&[u8]>,
    ) -> Option<Self> {
        let state = match mechanism {
            Mechanism::Plain => State::Plain,
            Mechanism::Login => State::LoginName,
            Mechanism::ScramSha256 => State::Scram { nonce: nonce.into(), binding: None },
            Mechanism::ScramSha256Plus => {
                State::Scram { nonce: nonce.into(), binding: Some(binding?.into()) }
            }
            Mechanism::OAuthBearer => State::OAuthBearer,
            Mechanism::XOAuth2 => State::XOAuth2,
            Mechanism::External => return None,
        };
        Some(Self { credentials, state })
    }

    /// The initial response, for a mechanism in which the client speaks first.
    ///
    /// # Errors
    /// Login or password hold what may not be in one.
    pub fn initial(&mut self) -> Result<Option<Vec<u8>>, Error> {
        match self.state {
            State::LoginName => Ok(None),
            _ => self.respond(&[]).map(Some),
        }
    }

    /// The response to a challenge.
    ///
    /// # Errors
    /// The server does not do its part: the exchange is to be cancelled.
    pub fn respond(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Error> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Plain => self.plain(),
            State::LoginName => {
                self.state = State::LoginPassword;
                Ok(self.prepared_login()?.into_bytes())
            }
            State::LoginPassword => {
                self.state = State::Done;
                Ok(self.prepared_password()?.into_bytes())
            }
            State::OAuthBearer => {
                self.state = State::BearerSent { answer: b"\x01" };
                Ok(bearer::oauthbearer(&self.credentials.login, &self.credentials.password))
            }
            State::XOAuth2 => {
                self.state = State::BearerSent { answer: b"" };
                Ok(bearer::xoauth2(&self.credentials.login, &self.credentials.password))
            }
            State::BearerSent { answer } => Ok(answer.to_vec()),
            State::Scram { nonce, binding } => self.scram_first(nonce, binding),
            State::ScramChallenged { nonce, header, bare, binding } => {
                self.scram_final(&nonce, &header, &bare, binding.as_deref(), challenge)
            }
            State::ScramSigned(expected) => match verifier_of(challenge) {
                Some(signature) if scram::same(&signature, &expected) => {
                    self.state = State::Done;
                    Ok(Vec::new())
                }
                _ => Err(ScramError::Server),
            },
            State::Done | State::Failed => Err(ScramError::Syntax),
        }
    }

    /// Whether the server's word that all is well may be believed: with SCRAM it has to have proved itself before.
    pub fn may_succeed(&self) -> bool {
        matches!(self.state, State::Done | State::BearerSent { .. })
    }

    fn plain(&mut self) -> Result<Vec<u8>, Error> {
        let (authcid, password) = (self.prepared_login()?.into(), Password::new(self.prepared_password()?));
        self.state = State::Done;
        Ok(PlainMessage { authzid: None, authcid, password }.to_octets())
    }

    fn scram_first(&mut self, nonce: Box<str>, binding: Option<Box<[u8]>>) -> Result<Vec<u8>, Error> {
        let header = if binding.is_some() { format!("p={CHANNEL_BINDING},,") } else { "n,,".to_owned() };
        let bare = format!("n={},r={nonce}", escape(&self.prepared_login()?));
        let message = format!("{header}{bare}").into_bytes();
        self.state = State::ScramChallenged { nonce, header, bare, binding };
        Ok(message)
    }

    fn scram_final(
        &mut self,
        nonce: &str,
        header: &str,
        bare: &str,
        binding: Option<&[u8]>,
        challenge: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let first = ServerFirst::parse(challenge)?;
        // RFC 5802 §5.1: ours, and something of the server's behind it.
        if first.nonce.strip_prefix(nonce).is_none_or(str::is_empty) {
            return Err(ScramError::Nonce);
        }
        if first.iterations < ITERATIONS_MIN {
            return Err(ScramError::Iterations);
        }
        let input = [header.as_bytes(), binding.unwrap_or_default()].concat();
        let without_proof = format!("c={},r={}", crate::base64::encode(&input), first.nonce);
        let challenge = std::str::from_utf8(challenge).map_err(|_| ScramError::Syntax)?;
        let auth_message = [bare, challenge, &without_proof].join(",");
        let password = self.prepared_password()?;
        let (proof, expected) =
            client_proof(&password, &first.salt, first.iterations, auth_message.as_bytes());
        self.state = State::ScramSigned(expected);
        Ok(format!("{without_proof}{}", proof_of(&proof)).into_bytes())
    }

    fn prepared_login(&self) -> Result<String, Error> {
        prepared(&self.credentials.login)
    }

    fn prepared_password(&self) -> Result<String, Error> {
        prepared(self.credentials.password.expose())
    }
}

fn prepared(text: &str) -> Result<String, Error> {
    match saslprep(text) {
        Ok(text) if !text.is_empty() => Ok(text.into_owned()),
        _ => Err(ScramError::Name),
    }
}
