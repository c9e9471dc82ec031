//! Who may send what: pure decisions, without a session around them.

use std::net::IpAddr;

use directory::{Directory, Login, Resolution};
use mail::{Address, Reply, ReversePath};
use smtp::{ForwardPath, server::Answer};

use crate::{Config, Service};

/// What is decided about a transaction, a recipient or a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<T> {
    /// Go on with this.
    Accept(T),
    /// Not so, not ever: 5yz.
    Reject(Reply),
    /// Not now: 4yz, the client keeps it and tries again.
    Defer(Reply),
}

impl<T> Decision<T> {
    /// As an answer to the protocol machine; what was accepted goes to `accepted`.
    pub(crate) fn answer(self, accepted: impl FnOnce(T)) -> Answer {
        match self {
            Self::Accept(value) => {
                accepted(value);
                Answer::Proceed
            }
            Self::Reject(reply) | Self::Defer(reply) => Answer::Refuse(reply),
        }
    }
}

/// Where a transaction comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) service: Service,
    /// A named network has the client.
    pub(crate) trusted: bool,
    /// The client has logged in.
    pub(crate) authenticated: bool,
}

/// The text of no refusal holds what the client sent: it could be made to read like something else elsewhere
/// (a cross-protocol attack reads our replies as HTML).
const NOT_SUBMITTER: Reply =
    Reply::fixed(550, (5, 7, 1), "Submission is for the networks of this server only");
/// RFC 4954 §6.
const LOGIN_FIRST: Reply = Reply::fixed(530, (5, 7, 0), "Authentication required");
/// RFC 4954 §6: 530. Its account was disabled or removed, or its app password revoked, since it logged in.
const NO_LONGER: Reply = Reply::fixed(530, (5, 7, 0), "Your login holds no more");
/// RFC 6409 §6.1 has 550 5.7.1 for this; 553 is what clients know as a fault of the sender's address (RFC 5321 §4.2.3).
const NOT_YOURS: Reply = Reply::fixed(553, (5, 7, 1), "Sender address is not one of this login");
const RELAY: Reply = Reply::fixed(550, (5, 7, 1), "Relaying denied");
/// A directory elsewhere knows, and does not say.
pub(crate) const UNSURE: Reply =
    Reply::fixed(451, (4, 3, 0), "It cannot be said now whether this mailbox exists");
const UNKNOWN: Reply = Reply::fixed(550, (5, 1, 1), "No such mailbox here");
const TOO_MANY: Reply = Reply::fixed(452, (4, 5, 3), "Too many recipients");

impl Origin {
    /// mail-rules 2: trust is judged on the address of the client alone, behind a proxy or not.
    pub(crate) fn new(config: &Config, service: Service, client: IpAddr) -> Self {
        Self { service, trusted: config.trusted_networks.contains(client), authenticated: false }
    }

    /// Whether this client may begin a transaction.
    ///
    /// `logins`: whether there is a way to log in. Where there is none a submission service says 550 5.7.1 (RFC 6409 §6.1): 530
    /// would send people looking for one.
    pub(crate) fn transaction(self, logins: bool) -> Decision<()> {
        match self.service {
            Service::Submission if self.trusted || self.authenticated => Decision::Accept(()),
            Service::Submission if logins => Decision::Reject(LOGIN_FIRST),
            Service::Submission => Decision::Reject(NOT_SUBMITTER),
            Service::Smtp | Service::Lmtp | Service::Sendmail | Service::Dev => Decision::Accept(()),
        }
    }

    /// Whether the content's bare CR and LF are repaired instead of refused.
    pub(crate) fn normalises(self) -> bool {
        self.trusted
            || self.authenticated
            || matches!(self.service, Service::Dev | Service::Lmtp | Service::Sendmail)
    }

    /// Whether missing Date and Message-ID fields are added.
    pub(crate) fn completes(self) -> bool {
        self.service.completes()
    }

    /// Whether what it sends is new, and this its first server: then the header section is judged, completed, and cleared of Bcc
    /// (RFC 6409 §3.1). In development that is so for who has logged in; to the others the same port is an MX.
    pub(crate) fn submits(self) -> bool {
        matches!(self.service, Service::Submission | Service::Sendmail)
            || self.service == Service::Dev && self.authenticated
    }

    /// Whether it may say when its mail is to go: that is for submission alone (RFC 4865 §3).
    pub(crate) fn schedules(self) -> bool {
        matches!(self.service, Service::Submission | Service::Sendmail | Service::Dev)
    }

    /// What a recipient becomes: the mailboxes it stands for, or itself if we relay.
    ///
    /// Anyone may write to what is local. Only who has logged in, and named networks, may write to the rest: that is the whole
    /// relay rule.
    pub(crate) fn recipient(self, directory: &Directory, path: &ForwardPath) -> Decision<Vec<Address>> {
        let address = addressee(directory, path);
        match directory.resolve(address) {
            Resolution::Mailboxes(mailboxes) => Decision::Accept(mailboxes),
            Resolution::NotLocal if self.relays() => Decision::Accept(vec![address.clone()]),
            Resolution::NotLocal => Decision::Reject(RELAY),
            Resolution::Unknown => Decision::Reject(UNKNOWN),
            Resolution::Unsure => Decision::Defer(UNSURE),
        }
    }

    fn relays(self) -> bool {
        self.service == Service::Sendmail
            || (self.trusted || self.authenticated) && !matches!(self.service, Service::Dev | Service::Lmtp)
    }
}

/// Whether somebody who has logged in may still send, and use this reverse-path. The null one is for reports, which programs of people
/// send too.
pub(crate) fn sender(directory: &Directory, login: Option<&Login>, path: &ReversePath) -> Decision<()> {
    match (login, path.address()) {
        (Some(login), _) if !directory.holds(login) => Decision::Reject(NO_LONGER),
        (Some(login), Some(address)) if !directory.may_send_as(login, address) => Decision::Reject(NOT_YOURS),
        _ => Decision::Accept(()),
    }
}

/// Who is meant. RFC 5321 §4.5.1: postmaster without a domain is the postmaster here.
pub(crate) fn addressee<'a>(directory: &'a Directory, path: &'a ForwardPath) -> &'a Address {
    match path {
        ForwardPath::Postmaster => directory.postmaster(),
        ForwardPath::Address(address) => address,
    }
}

/// Whether so many addresses more fit beside those that a transaction already has: aliases can turn one into many.
pub(crate) fn room_for(more: usize, beside: usize, max: usize) -> Decision<()> {
    if beside.saturating_add(more) > max && beside > 0 {
        Decision::Defer(TOO_MANY)
    } else {
        Decision::Accept(())
    }
}

#[cfg(test)]
mod tests {
    use directory::{AccountConfig, AliasConfig, Config, DomainConfig};

    use super::*;

    fn domain(name: &str, catch_all: Option<&str>) -> DomainConfig {
        DomainConfig { name: name.into(), catch_all: catch_all.map(Into::into), subaddress: None }
    }

    fn directory(catch_everything: Option<&str>) -> Directory {
        Directory::new(Config {
            domains: vec![domain("example.org", None), domain("caught.example", Some("anna@example.org"))],
            accounts: ["anna@example.org", "bob@example.org"]
                .map(|login| AccountConfig { login: login.into(), ..AccountConfig::default() })
                .into(),
            aliases: vec![AliasConfig {
                address: "team@example.org".into(),
                to: vec!["anna@example.org".into(), "bob@example.org".into()],
            }],
            postmaster: Some("bob@example.org".into()),
            catch_everything: catch_everything.map(Into::into),
            ..Config::default()
        })
        .unwrap()
    }

    fn decided(service: Service, trusted: bool, path: &str) -> String {
        let directory = directory((service == Service::Dev).then_some("dev@example.org"));
        let path = match path {
            "postmaster" => ForwardPath::Postmaster,
            address => ForwardPath::Address(address.parse().unwrap()),
        };
        match (Origin { service, trusted, authenticated: false }).recipient(&directory, &path) {
            Decision::Accept(to) => to.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            Decision::Reject(reply) | Decision::Defer(reply) => reply.to_string(),
        }
    }

    #[test]
    fn the_table_of_recipients() {
        use Service::{Dev, Lmtp, Smtp, Submission};
        let (relay, unknown) = ("550 5.7.1 Relaying denied", "550 5.1.1 No such mailbox here");
        for (service, trusted, path, decision) in [
            (Smtp, false, "anna@example.org", "anna@example.org"),
            (Smtp, false, "anna+news@example.org", "anna+news@example.org"),
            (Smtp, false, "team@example.org", "anna@example.org bob@example.org"),
            (Smtp, false, "nobody@example.org", unknown),
            (Smtp, true, "nobody@example.org", unknown),
            (Smtp, false, "who@caught.example", "anna@example.org"),
            (Smtp, false, "postmaster", "bob@example.org"),
            (Smtp, false, "PostMaster@example.org", "bob@example.org"),
            (Smtp, false, "postmaster@caught.example", "bob@example.org"),
            (Smtp, false, "carol@elsewhere.example", relay),
            (Smtp, false, "carol@sub.example.org", relay),
            (Smtp, false, "postmaster@elsewhere.example", relay),
            (Smtp, false, "\"anna@elsewhere.example\"@example.org", unknown),
            (Smtp, false, "carol%elsewhere.example@example.org", unknown),
            (Smtp, false, "elsewhere.example!carol@example.org", unknown),
            (Smtp, false, "carol@[127.0.0.1]", relay),
            (Smtp, true, "carol@elsewhere.example", "carol@elsewhere.example"),
            (Submission, true, "carol@elsewhere.example", "carol@elsewhere.example"),
            (Submission, false, "carol@elsewhere.example", relay),
            (Dev, true, "carol@elsewhere.example", "carol@elsewhere.example"),
            (Lmtp, false, "anna@example.org", "anna@example.org"),
            (Lmtp, true, "carol@elsewhere.example", relay),
        ] {
            assert_eq!(decided(service, trusted, path), decision, "{service} {trusted} {path}");
        }
    }

    #[test]
    fn dev_never_relays_even_for_a_named_network() {
        let elsewhere = ForwardPath::Address("carol@elsewhere.example".parse().unwrap());
        let origin = Origin { service: Service::Dev, trusted: true, authenticated: false };
        assert_eq!(origin.recipient(&directory(None), &elsewhere), Decision::Reject(RELAY));
    }

    #[test]
    fn submission_is_for_named_networks_and_for_who_has_logged_in() {
        for (service, trusted, may) in [
            (Service::Smtp, false, true),
            (Service::Dev, false, true),
            (Service::Submission, true, true),
            (Service::Submission, false, false),
        ] {
            let origin = Origin { service, trusted, authenticated: false };
            assert_eq!(origin.transaction(true) == Decision::Accept(()), may, "{service} {trusted}");
            assert_eq!(origin.transaction(false) == Decision::Accept(()), may, "{service} {trusted}");
        }
        let stranger = Origin { service: Service::Submission, trusted: false, authenticated: false };
        assert_eq!(stranger.transaction(true), Decision::Reject(LOGIN_FIRST));
        assert_eq!(stranger.transaction(false), Decision::Reject(NOT_SUBMITTER), "there is no way to log in");
        assert_eq!(Origin { authenticated: true, ..stranger }.transaction(true), Decision::Accept(()));
    }

    #[test]
    fn who_has_logged_in_may_relay_but_not_in_development() {
        let elsewhere = ForwardPath::Address("carol@elsewhere.example".parse().unwrap());
        for (service, decision) in [
            (Service::Submission, Decision::Accept(vec!["carol@elsewhere.example".parse().unwrap()])),
            (Service::Dev, Decision::Reject(RELAY)),
        ] {
            let origin = Origin { service, trusted: false, authenticated: true };
            assert_eq!(origin.recipient(&directory(None), &elsewhere), decision, "{service}");
        }
    }

    #[test]
    fn an_alias_may_fill_a_transaction_but_not_overflow_it() {
        assert_eq!(
            room_for(50, 0, 10),
            Decision::Accept(()),
            "alone it is always taken, or it never could be"
        );
        assert_eq!(room_for(5, 5, 10), Decision::Accept(()));
        assert_eq!(room_for(6, 5, 10), Decision::Defer(TOO_MANY));
    }
}
