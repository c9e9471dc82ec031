//! Logins whose passwords a directory elsewhere knows, and addresses that only it knows.

use std::sync::Arc;

use mail::Address;
use sasl::Password;

use super::{Attempt, Authenticator, Shown};
use crate::{Answered, Directory, Elsewhere, hashing::Lane};

impl Authenticator {
    /// Who asks directories elsewhere. Only the first call counts.
    pub fn ask_elsewhere(&self, elsewhere: Arc<dyn Elsewhere>) {
        // Set once, when all parts are there.
        let _ = self.0.elsewhere.set(elsewhere);
    }

    /// Asks a directory elsewhere for an address that nobody here is known to have. `Yes`: [`directory`](Self::directory) knows it now, or
    /// there is nothing to ask.
    pub async fn look_up(&self, address: &Address) -> Answered {
        let addresses = self.directory().to_ask(address);
        match self.0.elsewhere.get() {
            Some(elsewhere) if !addresses.is_empty() => elsewhere.find(&addresses).await,
            _ => Answered::Yes,
        }
    }

    /// Whether a password is the login's, wherever that is kept.
    pub(super) async fn password_anywhere(
        &self,
        attempt: &Attempt,
        login: &str,
        password: Password,
        lane: Lane,
    ) -> Shown {
        let directory = self.directory();
        let Some((elsewhere, address)) = self.elsewhere_of(&directory, login) else {
            return self.password(attempt, login, password, lane).await;
        };
        // Which logins of the domain are kept here must not show either.
        let pad = elsewhere.pad();
        let shown = if directory.is_own(&address) {
            self.password(attempt, login, password, lane).await
        } else if password.expose().is_empty() {
            // RFC 4513 §5.1.2: a server would take it for a client that says who it is and proves nothing, and say yes.
            Shown::Nothing
        } else {
            match elsewhere.check(&address, &password).await {
                Answered::Yes => Shown::Password,
                Answered::No => Shown::Nothing,
                Answered::Unreachable => Shown::Unreachable,
            }
        };
        if matches!(shown, Shown::Nothing) {
            pad.await;
        }
        shown
    }

    /// Who is to be asked about a login, and the address that it is.
    fn elsewhere_of(&self, directory: &Directory, login: &str) -> Option<(&Arc<dyn Elsewhere>, Address)> {
        let elsewhere = self.0.elsewhere.get().filter(|_| !self.0.anybody)?;
        let address = Address::parse(login).ok()?;
        directory.index.is_external(address.domain()).then_some((elsewhere, address))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use mail::Timestamp;
    use sasl::server::{Answer, Question};

    use super::*;
    use crate::{AccountConfig, Config, Pending, Person, Scope};

    /// Knows ben, if it answers.
    struct Fake {
        answers: bool,
        asked: Mutex<Vec<String>>,
        authenticator: Authenticator,
    }

    impl Fake {
        fn ben(&self) {
            let login = "ben@far.example".parse().unwrap();
            let ben = Person { login, addresses: Vec::new(), roles: Vec::new(), disabled: false };
            let directory = self.authenticator.directory();
            if let Some(external) = directory.external().with(0, ben) {
                self.authenticator.change(Arc::new(directory.with_external(Arc::new(external))));
            }
        }

        fn answer(&self, asked: &str, yes: bool) -> Answered {
            self.asked.lock().unwrap().push(asked.to_owned());
            match (self.answers, yes) {
                (false, _) => Answered::Unreachable,
                (true, false) => Answered::No,
                (true, true) => {
                    self.ben();
                    Answered::Yes
                }
            }
        }
    }

    impl Elsewhere for Fake {
        fn check<'a>(&'a self, login: &'a Address, password: &'a Password) -> Pending<'a, Answered> {
            let yes = login.local_part() == "ben" && password.expose() == "tiger";
            Box::pin(async move { self.answer(&login.to_string(), yes) })
        }

        fn find<'a>(&'a self, addresses: &'a [Address]) -> Pending<'a, Answered> {
            let yes = addresses.iter().any(|address| address.local_part() == "ben");
            Box::pin(async move { self.answer(&addresses[0].to_string(), yes) })
        }

        fn pad(&self) -> Pending<'static, ()> {
            Box::pin(async {})
        }
    }

    fn authenticator(answers: bool) -> (Authenticator, Arc<Fake>) {
        let own = AccountConfig {
            login: "own@far.example".into(),
            password: Some(crate::Secret::new("bear")),
            ..AccountConfig::default()
        };
        let config =
            Config { accounts: vec![own], external: vec![vec!["far.example".into()]], ..Config::default() };
        let authenticator = Authenticator::new(Arc::new(Directory::new(config).unwrap()), b"secret");
        let fake = Arc::new(Fake { answers, asked: Mutex::default(), authenticator: authenticator.clone() });
        authenticator.ask_elsewhere(fake.clone());
        (authenticator, fake)
    }

    fn attempt() -> Attempt {
        let (at, scope, binding) = (Timestamp::from_millis(0), Scope::Smtp, Some([7].into()));
        Attempt { client: None, shared: false, at, scope, binding, certificate: None }
    }

    async fn log_in(authenticator: &Authenticator, login: &str, password: &str) -> Answer {
        let question =
            Question::Password { login: login.into(), acts_as: None, password: Password::new(password) };
        authenticator.authenticate(&attempt(), question).await.0
    }

    #[tokio::test]
    async fn a_password_is_asked_for_where_its_login_is_kept() {
        let (authenticator, fake) = authenticator(true);
        assert_eq!(log_in(&authenticator, "ben@far.example", "tiger").await, Answer::Granted);
        assert_eq!(log_in(&authenticator, "ben@far.example", "lion").await, Answer::Denied);
        assert_eq!(log_in(&authenticator, "who@far.example", "tiger").await, Answer::Denied);
        assert_eq!(fake.asked.lock().unwrap().len(), 3);
        assert_eq!(log_in(&authenticator, "own@far.example", "bear").await, Answer::Granted);
        assert_eq!(log_in(&authenticator, "who@elsewhere.example", "bear").await, Answer::Denied);
        assert_eq!(fake.asked.lock().unwrap().len(), 3, "it was asked about others' logins");
    }

    #[tokio::test]
    async fn an_empty_password_is_never_passed_on() {
        let (authenticator, fake) = authenticator(true);
        assert_eq!(log_in(&authenticator, "ben@far.example", "").await, Answer::Denied);
        assert!(fake.asked.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_cannot_be_asked_about_may_come_again_and_has_not_failed() {
        let (authenticator, _) = authenticator(false);
        for _ in 0..100 {
            assert_eq!(log_in(&authenticator, "ben@far.example", "lion").await, Answer::Unavailable);
        }
        assert!(authenticator.bans(Timestamp::from_millis(0)).is_empty());
        let plain = [sasl::Mechanism::Plain, sasl::Mechanism::Login];
        assert_eq!(authenticator.mechanisms(&attempt()), plain.into_iter().collect(), "mail-rules 7");
    }

    #[tokio::test]
    async fn an_address_is_asked_for_until_it_is_known() {
        let (authenticator, fake) = authenticator(true);
        let look_up = |text: &'static str| {
            let authenticator = authenticator.clone();
            async move { authenticator.look_up(&text.parse().unwrap()).await }
        };
        assert_eq!(look_up("ben@far.example").await, Answered::Yes);
        assert_eq!(look_up("ben+news@far.example").await, Answered::Yes);
        assert_eq!(look_up("own@far.example").await, Answered::Yes);
        assert_eq!(look_up("postmaster@far.example").await, Answered::Yes);
        assert_eq!(look_up("anna@example.net").await, Answered::Yes);
        assert_eq!(*fake.asked.lock().unwrap(), ["ben@far.example"]);
        assert_eq!(look_up("who@far.example").await, Answered::No);
    }
}
