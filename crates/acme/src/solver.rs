//! Opens challenges as the operator chose, and closes them again.

use dns_update::Server;
use instant_acme::{ChallengeType, KeyAuthorization};
use net::TlsChallenges;

use crate::{
    dns::{self, Record},
    failure::Failure,
    http::HttpChallenges,
    tls,
};

/// How challenges are answered.
#[derive(Clone)]
pub(crate) enum Solver {
    Http(HttpChallenges),
    Tls(TlsChallenges),
    Dns(Server),
}

/// What is open, so that it can be closed.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    tokens: Vec<String>,
    hosts: Vec<String>,
    records: Vec<Record>,
}

impl Solver {
    /// The kind of challenge that it answers.
    pub(crate) fn kind(&self) -> ChallengeType {
        match self {
            Self::Http(_) => ChallengeType::Http01,
            Self::Tls(_) => ChallengeType::TlsAlpn01,
            Self::Dns(_) => ChallengeType::Dns01,
        }
    }

    /// Prepares the answer to one challenge for a host.
    pub(crate) fn open(
        &self,
        opened: &mut Opened,
        host: &str,
        token: &str,
        answer: &KeyAuthorization,
    ) -> Result<(), Failure> {
        match self {
            Self::Http(challenges) => {
                challenges.open(token, answer.as_str());
                opened.tokens.push(token.to_owned());
            }
            Self::Tls(challenges) => {
                tls::open(challenges, host, answer.digest().as_ref())?;
                opened.hosts.push(host.to_owned());
            }
            Self::Dns(_) => opened.records.push(Record { host: host.to_owned(), value: answer.dns_value() }),
        }
        Ok(())
    }

    /// Lets everybody see what was prepared.
    pub(crate) async fn publish(&self, opened: &Opened) -> Result<(), Failure> {
        match self {
            Self::Dns(server) if !opened.records.is_empty() => dns::add(server, &opened.records).await,
            _ => Ok(()),
        }
    }

    /// Takes it all away again. What stays does no harm: an answer holds for one question.
    pub(crate) async fn close(&self, opened: &Opened) {
        match self {
            Self::Http(challenges) => opened.tokens.iter().for_each(|token| challenges.close(token)),
            Self::Tls(challenges) => opened.hosts.iter().for_each(|host| challenges.close(host)),
            Self::Dns(server) => {
                if !opened.records.is_empty()
                    && let Err(failure) = dns::remove(server, &opened.records).await
                {
                    tracing::warn!(station = "tls/acme", "records of the challenge stay: {}", failure.text);
                }
            }
        }
    }
}
