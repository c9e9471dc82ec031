//! Who may send what: pure decisions, without a session around them.

use std::net::IpAddr;

use directory::{Directory, Forwarded, List, Login, Resolution};
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
/// RFC 3461 §5.2.7.1 has a list refuse what it does not take; here in the session, so that nothing has to be told later to an address that may be
/// forged.
const NO_POSTER: Reply = Reply::fixed(550, (5, 7, 1), "This sender may not write to this list");
/// RFC 5321 §4.5.5: a report is for one.
const NO_REPORTS: Reply = Reply::fixed(550, (5, 7, 1), "A mailing list takes no reports");
/// Anybody can write the address of one of ours into MAIL.
const PROVE_IT: Reply =
    Reply::fixed(550, (5, 7, 1), "Log in to write to this list with an address of this server");
/// RFC 3463 §3.3: mailing list expansion problem.
const NO_MEMBERS: Reply = Reply::fixed(550, (5, 2, 4), "This list has no members");
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

    /// Whether who answers for its mail is checked: it is a stranger, and another server.
    pub(crate) fn is_verified(self) -> bool {
        self.service == Service::Smtp && !self.trusted && !self.authenticated
    }

    /// Whether it may say when its mail is to go: that is for submission alone (RFC 4865 §3).
    pub(crate) fn schedules(self) -> bool {
        matches!(self.service, Service::Submission | Service::Sendmail | Service::Dev)
    }

    /// What a recipient becomes: the mailboxes it stands for, or itself if we relay or it is a list.
    ///
    /// Anyone may write to what is local, but to a list only who may by its rules. Only who has logged in, and named networks, may write to the
    /// rest: that is the whole relay rule.
    pub(crate) fn recipient(
        self,
        directory: &Directory,
        path: &ForwardPath,
        sender: &ReversePath,
    ) -> Decision<Vec<Address>> {
        let address = addressee(directory, path);
        match directory.resolve(address) {
            Resolution::Mailboxes(mailboxes) => Decision::Accept(mailboxes),
            // The address itself stands for all who are elsewhere.
            Resolution::Forwarded(Forwarded { by, mut mailboxes, .. }) => {
                mailboxes.push(by);
                Decision::Accept(mailboxes)
            }
            Resolution::List(list) => self.post(directory, &list, sender),
            Resolution::NotLocal if self.relays() => Decision::Accept(vec![address.clone()]),
            Resolution::NotLocal => Decision::Reject(RELAY),
            Resolution::Unknown => Decision::Reject(UNKNOWN),
            Resolution::Unsure => Decision::Defer(UNSURE),
        }
    }

    /// Whether something may go to a list. The reverse-path decides and not the author: it is known before the content comes, so a refusal concerns
    /// nobody else (mail-rules 3), and it is what a login is held to. That of a stranger is only its word until its content has come and SPF and
    /// DMARC are known (`deciding.rs`); one of ours is believed where it is proven.
    fn post(self, directory: &Directory, list: &List, sender: &ReversePath) -> Decision<Vec<Address>> {
        let Some(address) = sender.address() else { return Decision::Reject(NO_REPORTS) };
        if !directory.may_post(list, sender) {
            return Decision::Reject(NO_POSTER);
        }
        if directory.is_ours(address) && !self.is_believed() {
            return Decision::Reject(PROVE_IT);
        }
        if list.members().is_empty() {
            return Decision::Reject(NO_MEMBERS);
        }
        Decision::Accept(vec![list.address().clone()])
    }

    /// Whether a sender of ours is taken for what it says: it has logged in, or comes from where we know who is.
    fn is_believed(self) -> bool {
        self.trusted
            || self.authenticated
            || matches!(self.service, Service::Sendmail | Service::Lmtp | Service::Dev)
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
    use directory::{AccountConfig, AliasConfig, Config, DomainConfig, ListConfig};

    use super::*;

    fn domain(name: &str, catch_all: Option<&str>) -> DomainConfig {
        DomainConfig { name: name.into(), catch_all: catch_all.map(Into::into), subaddress: None }
    }

    fn directory(catch_everything: Option<&str>) -> Directory {
        Directory::new(config(catch_everything)).unwrap()
    }

    fn config(catch_everything: Option<&str>) -> Config {
        Config {
            domains: vec![domain("example.org", None), domain("caught.example", Some("anna@example.org"))],
            accounts: ["anna@example.org", "bob@example.org"]
                .map(|login| AccountConfig { login: login.into(), ..AccountConfig::default() })
                .into(),
            aliases: vec![
                AliasConfig {
                    address: "team@example.org".into(),
                    to: vec!["anna@example.org".into(), "bob@example.org".into()],
                },
                AliasConfig {
                    address: "away@example.org".into(),
                    to: vec!["carol@elsewhere.example".into(), "bob@example.org".into()],
                },
            ],
            postmaster: Some("bob@example.org".into()),
            catch_everything: catch_everything.map(Into::into),
            ..Config::default()
        }
    }

    fn decided(service: Service, trusted: bool, path: &str) -> String {
        let directory = directory((service == Service::Dev).then_some("dev@example.org"));
        let path = match path {
            "postmaster" => ForwardPath::Postmaster,
            address => ForwardPath::Address(address.parse().unwrap()),
        };
        let sender = ReversePath::Address("carol@elsewhere.example".parse().unwrap());
        match (Origin { service, trusted, authenticated: false }).recipient(&directory, &path, &sender) {
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
            (Smtp, false, "away@example.org", "bob@example.org away@example.org"),
            (Smtp, false, "away+x@example.org", "bob+x@example.org away+x@example.org"),
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
        let null = ReversePath::Null;
        assert_eq!(origin.recipient(&directory(None), &elsewhere, &null), Decision::Reject(RELAY));
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
            let null = ReversePath::Null;
            assert_eq!(origin.recipient(&directory(None), &elsewhere, &null), decision, "{service}");
        }
    }

    #[test]
    fn the_table_of_who_writes_to_a_list() {
        use Service::{Dev, Lmtp, Sendmail, Smtp, Submission};
        let list = |name: &str, post: &str| ListConfig {
            address: format!("{name}@example.org"),
            members: vec!["anna@example.org".into(), "carol@elsewhere.example".into()],
            owners: vec!["bob@example.org".into()],
            post: Some(post.into()),
            title: None,
        };
        let mut config = config(None);
        config.lists = vec![list("talk", "members"), list("news", "owners"), list("open", "anyone")];
        let directory = Directory::new(config).unwrap();
        let (taken, refused) = ("taken", "550 5.7.1 This sender may not write to this list");
        let prove = "550 5.7.1 Log in to write to this list with an address of this server";
        let report = "550 5.7.1 A mailing list takes no reports";
        for (service, authenticated, sender, name, decision) in [
            (Smtp, false, "carol@elsewhere.example", "talk", taken),
            (Smtp, false, "CAROL@Elsewhere.example", "talk", taken),
            (Smtp, false, "carol+x@elsewhere.example", "talk", refused),
            (Smtp, false, "eve@elsewhere.example", "talk", refused),
            (Smtp, false, "eve@elsewhere.example", "open", taken),
            (Smtp, false, "carol@elsewhere.example", "news", refused),
            // One of ours has to show that it is.
            (Smtp, false, "anna@example.org", "talk", prove),
            (Smtp, false, "anna@example.org", "open", prove),
            (Submission, true, "anna@example.org", "talk", taken),
            (Submission, true, "Anna+lists@example.org", "talk", taken),
            (Submission, true, "anna@example.org", "news", refused),
            (Submission, true, "bob@example.org", "news", taken),
            (Submission, true, "bob@example.org", "talk", taken),
            (Lmtp, false, "anna@example.org", "talk", taken),
            (Sendmail, false, "anna@example.org", "talk", taken),
            (Dev, false, "anna@example.org", "talk", taken),
            // What comes back from a list must not go to it.
            (Smtp, false, "", "open", report),
            (Submission, true, "", "talk", report),
            (Smtp, true, "talk-bounces@example.org", "talk", refused),
            (Smtp, true, "open-bounces@example.org", "open", refused),
            (Smtp, true, "open@example.org", "open", refused),
        ] {
            let origin = Origin { service, trusted: false, authenticated };
            let path = ForwardPath::Address(format!("{name}@example.org").parse().unwrap());
            let from = if sender.is_empty() {
                ReversePath::Null
            } else {
                ReversePath::Address(sender.parse().unwrap())
            };
            let decided = match origin.recipient(&directory, &path, &from) {
                Decision::Accept(to) if to == [path_of(&path)] => taken.to_owned(),
                Decision::Accept(to) => format!("{to:?}"),
                Decision::Reject(reply) | Decision::Defer(reply) => reply.to_string(),
            };
            assert_eq!(decided, decision, "{service} {authenticated} <{sender}> {name}");
        }
        let bounces = ForwardPath::Address("talk-bounces@example.org".parse().unwrap());
        let stranger = Origin { service: Smtp, trusted: false, authenticated: false };
        let to = vec!["bob@example.org".parse().unwrap()];
        assert_eq!(stranger.recipient(&directory, &bounces, &ReversePath::Null), Decision::Accept(to));
    }

    fn path_of(path: &ForwardPath) -> Address {
        match path {
            ForwardPath::Address(address) => address.clone(),
            ForwardPath::Postmaster => panic!("no address"),
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
