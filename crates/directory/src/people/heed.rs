//! What logins show that is worth keeping: which app passwords are used, and passwords of which more can be kept.

use sasl::Password;
use tokio::sync::mpsc;

use super::{Change, People, PeopleError, STATION, State, Verifier, hashed, salt_of_apps};
use crate::{AccountConfig, hashing::Lane};

/// An app password's last use is written down to so many milliseconds: a program that polls every minute must not cost a commit each time.
const USED_EVERY: i64 = 10 * 60 * 1000;

/// Something that a login has shown.
#[derive(Debug)]
pub enum Noticed {
    /// An app password has let somebody in.
    Used {
        /// Whose it is, as the account is declared.
        login: Box<str>,
        /// Which.
        id: Box<str>,
    },
    /// A password was good, and of it something stronger can be kept than there is.
    Renewable {
        /// Whose it is, as the account is declared.
        login: Box<str>,
        /// The password.
        password: Password,
        /// What it was checked against.
        checked: Checked,
    },
}

/// What a password was checked against.
#[derive(Debug)]
pub struct Checked(pub(crate) Verifier);

impl People {
    /// Keeps what logins show, until nobody can tell anything more. `now`: milliseconds since 1970.
    pub async fn heed(&self, noticed: &mut mpsc::Receiver<Noticed>, now: impl Fn() -> i64) {
        while let Some(noticed) = noticed.recv().await {
            let (login, kept) = match noticed {
                Noticed::Used { login, id } => {
                    let kept = self.used(&login, &id, now()).await;
                    (login, kept)
                }
                Noticed::Renewable { login, password, checked } => {
                    let kept = self.renew(&login, password, &checked.0).await;
                    (login, kept)
                }
            };
            if let Err(error) = kept {
                tracing::warn!(station = STATION, %login, %error, "what a login has shown was not kept");
            }
        }
    }

    async fn used(&self, login: &str, id: &str, now: i64) -> Result<(), PeopleError> {
        let mut state = self.state.lock().await;
        let Some(account) = state.stored_account(login) else { return Ok(()) };
        let app = account.app_passwords.iter().find(|app| *app.id == *id);
        let is_news = |last: Option<i64>| last.is_none_or(|last| now.saturating_sub(last) >= USED_EVERY);
        if !app.is_some_and(|app| is_news(app.last_used)) {
            return Ok(());
        }
        let change = Change::UseAppPassword(account.login.clone(), id.to_owned(), now);
        let kept = change.clone();
        self.store.write(move |sql| kept.write(sql)).await?;
        // Nothing is decided by it, so the directory stays as it is.
        change.apply(&mut state.stored).map_err(|(what, name)| PeopleError::Unknown { what, name })
    }

    /// Puts a hash of today and keys for SCRAM in the place of what was kept, unless the password was changed meanwhile.
    async fn renew(&self, login: &str, password: Password, checked: &Verifier) -> Result<(), PeopleError> {
        if !self.state.lock().await.is_kept(login, checked) {
            return Ok(());
        }
        let salt = self.state.lock().await.stored_account(login).and_then(salt_of_apps);
        let made = self.hashing.run(Lane::Others, move || hashed(password.expose(), salt)).await;
        let (kept, keys) = made.unwrap_or(Err(PeopleError::NotHashed))?;
        let mut state = self.state.lock().await;
        let Some(account) = state.stored_account(login).filter(|_| state.is_kept(login, checked)) else {
            return Ok(());
        };
        let change = Change::SetPassword(account.login.clone(), kept, keys);
        self.change_in(&mut state, change).await
    }
}

impl State {
    pub(super) fn stored_account(&self, login: &str) -> Option<&AccountConfig> {
        let mut accounts = self.stored.accounts.iter().map(|stored| &stored.account);
        accounts.find(|account| account.login == login)
    }

    /// Whether this is what is kept of the password of a login.
    fn is_kept(&self, login: &str, checked: &Verifier) -> bool {
        let kept = self.stored_account(login).and_then(|account| account.password.as_ref());
        kept.is_some_and(|kept| Verifier::parse(kept.expose()).is_ok_and(|kept| kept == *checked))
    }
}
