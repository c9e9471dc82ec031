//! Logging in: the one place where it is decided, for every protocol.
//!
//! What an answer costs must not tell who exists: each question takes the time of one hash, whether there is such a login or not.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use aws_lc_rs::{hmac, rand};
use limits::{Ban, Caller, LoginLimits, Logins};
use mail::{Address, ClientCertificate, Timestamp};
use sasl::{
    Mechanism, Mechanisms, Password, ScramKeys,
    server::{Answer, Question, ScramFacts},
};
use tokio::sync::{mpsc, watch};

use crate::{
    Account, Checked, Directory, Elsewhere, Noticed, Scope, TokenError, Tokens,
    app_password::id_of,
    hashing::{Hashing, Lane},
    password::{Verifier, waste},
};

mod elsewhere;

const STATION: &str = "login";
/// Rounds of PBKDF2 in the keys that we make. Clients do them at each login, so not as many as a hash that only we compute.
pub const SCRAM_ITERATIONS: u32 = 10_000;
const SALT_OCTETS: usize = 16;
/// 24 characters of base 64.
const NONCE_OCTETS: usize = 18;

/// Who wants in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The client's address, unless it is local.
    pub client: Option<IpAddr>,
    /// Many people come from that address: it is not banned for what one of them does ([`Caller::shared`]).
    pub shared: bool,
    /// When.
    pub at: Timestamp,
    /// What it wants to do.
    pub scope: Scope,
    /// The `tls-exporter` of its TLS session (RFC 9266), if it has one.
    pub binding: Option<Box<[u8]>>,
    /// What it has shown to be in that session, to somebody who believes it.
    pub certificate: Option<ClientCertificate>,
}

impl Attempt {
    fn shown(&self) -> String {
        self.client.map_or_else(|| "local".to_owned(), |client| client.to_string())
    }
}

/// The login that a question names.
fn named(question: &Question) -> &str {
    match question {
        Question::Keys { login } | Question::Password { login, .. } | Question::Proof { login, .. } => login,
        Question::Token { login, .. } => login.as_deref().unwrap_or_default(),
        Question::External { acts_as } => acts_as.as_deref().unwrap_or_default(),
    }
}

/// Somebody who has logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    name: Box<str>,
    /// None: in development, where there are no accounts, and anybody may send as anybody.
    pub(crate) account: Option<Address>,
    /// The id of the app password that it came by.
    pub(crate) app: Option<Box<str>>,
}

impl Login {
    fn of(account: &Account) -> Self {
        Self { name: account.login().to_string().into(), account: Some(account.login().clone()), app: None }
    }

    /// Whether it is that of an account: in development it need not be.
    pub fn is_of_account(&self) -> bool {
        self.account.is_some()
    }

    /// The login, as the account is declared.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Keys for SCRAM that a client was given and has proved nothing with: dropped so, it is a failed login. Whoever asks for keys by
/// [`Authenticator::authenticate`] keeps it until a proof comes.
#[must_use]
pub struct Unproven {
    authenticator: Authenticator,
    client: Option<IpAddr>,
    shared: bool,
    login: Box<str>,
    at: Timestamp,
    settled: bool,
}

impl Unproven {
    /// A proof has come: that counts by itself.
    pub fn settle(mut self) {
        self.settled = true;
    }
}

impl Drop for Unproven {
    fn drop(&mut self) {
        if !self.settled {
            let Self { client, shared, login, at, .. } = self;
            let caller = Caller { client: *client, shared: *shared, login, at: *at };
            self.authenticator.0.logins.failed(&caller, &self.authenticator.limits());
        }
    }
}

/// Decides who may log in. Clones are the same.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    directory: watch::Sender<Arc<Directory>>,
    hashing: Hashing,
    /// Who has failed before.
    logins: Logins,
    limits: RwLock<LoginLimits>,
    /// Who judges tokens, if anybody does.
    tokens: RwLock<Option<Arc<dyn Tokens>>>,
    /// What the salts are made of that have to stay the same.
    secret: hmac::Key,
    anybody: bool,
    /// Who hears of what is worth keeping.
    notices: OnceLock<mpsc::Sender<Noticed>>,
    /// Who asks directories elsewhere.
    elsewhere: OnceLock<Arc<dyn Elsewhere>>,
}

impl Authenticator {
    /// For the accounts of a directory. `secret`: of 32 octets of chance, the same at each start; with it the salt that is shown
    /// for a login that nobody has is as stable as any other.
    pub fn new(directory: Arc<Directory>, secret: &[u8]) -> Self {
        Self::make(directory, secret, false)
    }

    /// For development: any login with any password is somebody's.
    pub fn for_anybody(directory: Arc<Directory>) -> Self {
        Self::make(directory, &[], true)
    }

    fn make(directory: Arc<Directory>, secret: &[u8], anybody: bool) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Self(Arc::new(Inner {
            directory: watch::Sender::new(directory),
            hashing: Hashing::default(),
            logins: Logins::default(),
            limits: RwLock::default(),
            tokens: RwLock::default(),
            secret,
            anybody,
            notices: OnceLock::new(),
            elsewhere: OnceLock::new(),
        }))
    }

    /// Takes up another directory: from the next question on it holds, in sessions under way too.
    pub fn change(&self, directory: Arc<Directory>) {
        self.0.directory.send_replace(directory);
    }

    /// Other limits of failures, from the next attempt on.
    pub fn limit(&self, limits: LoginLimits) {
        *self.0.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    fn limits(&self) -> LoginLimits {
        *self.0.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who judges bearer tokens, from the next one on. None: nobody, and they are not offered.
    pub fn judge_tokens_by(&self, tokens: Option<Arc<dyn Tokens>>) {
        *self.0.tokens.write().unwrap_or_else(PoisonError::into_inner) = tokens;
    }

    fn tokens(&self) -> Option<Arc<dyn Tokens>> {
        self.0.tokens.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a client has failed so often that it need not be greeted where it would log in.
    pub fn is_banned(&self, client: IpAddr, at: Timestamp) -> bool {
        self.0.logins.is_banned(client, at, &self.limits())
    }

    /// Everybody who cannot log in now for having failed, in no order.
    pub fn bans(&self, at: Timestamp) -> Vec<Ban> {
        self.0.logins.bans(at, &self.limits())
    }

    /// Forgets the failures of a client's address or of a login. How many entries that were.
    pub fn lift(&self, who: &str) -> usize {
        self.0.logins.lift(who)
    }

    /// Who hears which app passwords are used, and of which passwords more can be kept. Only the first call counts; what comes when the
    /// receiver is full is not heard.
    pub fn notify(&self, notices: mpsc::Sender<Noticed>) {
        // Set once, when all parts are there.
        let _ = self.0.notices.set(notices);
    }

    fn notice(&self, noticed: Noticed) {
        if let Some(notices) = self.0.notices.get() {
            // It comes again with the next login.
            let _ = notices.try_send(noticed);
        }
    }

    /// The directory that holds now.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.0.directory.borrow())
    }

    /// Who wants to hear that another directory was taken up. With people kept elsewhere there may be many in a second.
    pub fn watch(&self) -> watch::Receiver<Arc<Directory>> {
        self.0.directory.subscribe()
    }

    /// What may be offered to who wants in: nothing if nobody could log in. With channel binding where there is something to bind to; EXTERNAL to
    /// a client whose certificate is somebody's.
    ///
    /// mail-rules 7: SCRAM only if it works for everybody. A client takes the strongest mechanism for any login, and with a
    /// password of which no keys are kept it would only fail. A client takes a token only if it was told to, so that tokens are offered
    /// beside it, and an account that has nothing else does not count.
    pub fn mechanisms(&self, attempt: &Attempt) -> Mechanisms {
        let directory = self.directory();
        let mut mechanisms = Vec::new();
        if self.0.anybody || directory.has_logins() {
            mechanisms.extend([Mechanism::Plain, Mechanism::Login]);
        }
        if !self.0.anybody && directory.knows_scram() {
            mechanisms.push(Mechanism::ScramSha256);
            mechanisms.extend(attempt.binding.as_ref().map(|_| Mechanism::ScramSha256Plus));
        }
        if !self.0.anybody && self.tokens().is_some() && directory.accounts().iter().any(|a| !a.is_disabled())
        {
            mechanisms.extend([Mechanism::OAuthBearer, Mechanism::XOAuth2]);
        }
        if !self.0.anybody && attempt.certificate.as_ref().is_some_and(|shown| directory.knows(shown)) {
            mechanisms.push(Mechanism::External);
        }
        mechanisms.into_iter().collect()
    }

    /// The answer to a question of a mechanism, and who was granted entry by it.
    ///
    /// Who has failed too often is told to come again later, before anything is computed, and for all that it can see as if too many wanted
    /// in. Passwords of people elsewhere are asked about there.
    pub async fn authenticate(&self, attempt: &Attempt, question: Question) -> (Answer, Option<Login>) {
        let named: Box<str> = named(&question).into();
        let caller = Caller { client: attempt.client, shared: attempt.shared, login: &named, at: attempt.at };
        // A proof belongs to keys that were asked for and given.
        let is_begun = matches!(question, Question::Proof { .. });
        if let Some(ban) = self.closed(&caller).filter(|_| !is_begun) {
            let (client, login, scope) = (attempt.shown(), &*named, attempt.scope.name());
            let until = ban.until.to_string();
            tracing::info!(
                station = STATION,
                client,
                login,
                scope,
                until,
                "too many failed logins: not looked at"
            );
            return (Answer::Unavailable, None);
        }
        let answered = match question {
            Question::Keys { login } => return (self.keys(attempt, &login, self.lane(&caller)).await, None),
            Question::Password { login, acts_as, password } => {
                let lane = self.lane(&caller);
                let shown = self.password_anywhere(attempt, &login, password, lane).await;
                self.decide(login, acts_as.as_deref(), shown)
            }
            Question::Proof { login, acts_as, right } => {
                let shown = match right {
                    Some(id) if id.is_empty() => Shown::Password,
                    Some(id) if self.has_app_password(&login, &id, attempt.scope) => Shown::AppPassword(id),
                    Some(_) | None => Shown::Nothing,
                };
                self.decide(login, acts_as.as_deref(), shown)
            }
            Question::Token { login, token } => self.token(attempt, login, &token).await,
            Question::External { acts_as } => self.external(attempt, acts_as),
        };
        match &answered.answer {
            Ok(granted) => {
                let login = if named.is_empty() { granted.name() } else { &*named };
                self.0.logins.succeeded(&Caller { login, ..caller });
            }
            Err(Refused::Wrong | Refused::Token(_) | Refused::Disabled) => {
                self.0.logins.failed(&caller, &self.limits());
            }
            Err(Refused::Busy | Refused::Provider(_) | Refused::Unreachable) => {}
        }
        answered.told(attempt)
    }

    /// What stands open once a login's keys were given to a client.
    pub fn unproven(&self, attempt: &Attempt, login: &str) -> Unproven {
        let Attempt { client, shared, at, .. } = *attempt;
        Unproven { authenticator: self.clone(), client, shared, login: login.into(), at, settled: false }
    }

    fn closed(&self, caller: &Caller<'_>) -> Option<Ban> {
        if self.0.anybody { None } else { self.0.logins.admits(caller, &self.limits()).err() }
    }

    /// Who has logged in from there before does not wait behind a flood of those who have not.
    fn lane(&self, caller: &Caller<'_>) -> Lane {
        if self.0.logins.is_known(caller) { Lane::Known } else { Lane::Others }
    }

    /// Whether a password is the login's.
    async fn password(&self, attempt: &Attempt, login: &str, password: Password, lane: Lane) -> Shown {
        if self.0.anybody {
            return Shown::Password;
        }
        let directory = self.directory();
        let account = directory.by_login(login);
        let app = id_of(password.expose()).and_then(|id| account?.app_password(id));
        if let Some(app) = app.filter(|app| app.is(password.expose(), attempt.scope)) {
            return Shown::AppPassword(app.id.clone());
        }
        let verifier = account.and_then(Account::verifier).cloned();
        let renewal = account.filter(|account| account.is_worth_renewing()).and_then(|account| {
            let checked = verifier.clone().map(Checked);
            let login = account.login().to_string().into();
            checked.map(|checked| Noticed::Renewable { login, password: password.clone(), checked })
        });
        let check = move || {
            if !verifier.as_ref().is_some_and(Verifier::is_slow) {
                waste(password.expose());
            }
            verifier.is_some_and(|verifier| verifier.is(password.expose()))
        };
        match self.0.hashing.run(lane, check).await {
            Some(true) => {
                if let Some(renewal) = renewal {
                    self.notice(renewal);
                }
                Shown::Password
            }
            Some(false) => Shown::Nothing,
            None => Shown::Unknown,
        }
    }

    /// Whom a token lets in, and whether that is whom the client means.
    async fn token(&self, attempt: &Attempt, meant: Option<Box<str>>, token: &Password) -> Decided {
        let judged = match self.tokens() {
            Some(tokens) => tokens.login(token.expose(), attempt.at).await,
            None => Err(TokenError::Wrong("no tokens are taken here".into())),
        };
        let answer = match judged {
            Ok(name) => self.let_in_by_word(&name, meant.as_deref()),
            Err(TokenError::Wrong(why)) => Err(Refused::Token(why)),
            Err(TokenError::Unavailable(why)) => Err(Refused::Provider(why)),
        };
        Decided { login: meant.unwrap_or_default(), answer }
    }

    /// Whom a certificate lets in. One that names several accounts lets in whom the client means.
    fn external(&self, attempt: &Attempt, acts_as: Option<Box<str>>) -> Decided {
        let directory = self.directory();
        let shown = attempt.certificate.as_ref().filter(|_| !self.0.anybody);
        let mut holders = shown.map(|shown| directory.holders(shown)).unwrap_or_default();
        if let Some(meant) = acts_as.as_deref().map(|meant| directory.by_own_address(meant)) {
            holders.retain(|holder| meant.is_some_and(|meant| meant.login() == holder.login()));
        }
        let answer = match holders.as_slice() {
            [account] if account.is_disabled() => Err(Refused::Disabled),
            [account] => Ok(Login::of(account)),
            _ => Err(Refused::Wrong),
        };
        Decided { login: acts_as.unwrap_or_default(), answer }
    }

    /// The account that has an address, by the word of somebody who is believed; `meant` must be the same account.
    fn let_in_by_word(&self, address: &str, meant: Option<&str>) -> Result<Login, Refused> {
        let directory = self.directory();
        let account = directory.by_own_address(address);
        let shown = address.escape_debug();
        let account = account.ok_or_else(|| Refused::Token(format!("{shown} has no account here").into()))?;
        let meant = meant.map_or(Some(account), |other| directory.by_own_address(other));
        if meant.is_none_or(|meant| meant.login() != account.login()) {
            return Err(Refused::Token(format!("it is {shown}'s").into()));
        }
        if account.is_disabled() {
            return Err(Refused::Disabled);
        }
        Ok(Login::of(account))
    }

    /// The keys of a login; of one that nobody has, such that no proof fits and that are always the same.
    async fn keys(&self, attempt: &Attempt, login: &str, lane: Lane) -> Answer {
        let directory = self.directory();
        let account = directory.by_login(login);
        let kept = account.and_then(Account::scram).cloned();
        let others = account.map(|account| app_keys(account, attempt.scope)).unwrap_or_default();
        // Without a password the app passwords have a salt all the same.
        let salted = others.first().map(|(_, keys)| (keys.salt.to_vec(), keys.iterations));
        let known =
            account.and_then(Account::verifier).and_then(|verifier| verifier.password()).map(Password::new);
        let usual =
            || (self.chance_of("salt", login).into_iter().take(SALT_OCTETS).collect(), SCRAM_ITERATIONS);
        let (salt, iterations): (Vec<u8>, u32) = salted.unwrap_or_else(usual);
        let nobodys = Password::new(sasl::base64::encode(&self.chance_of("password", login)));
        let derive = move || {
            // Also for nothing, so that it takes the same time for all.
            let derived = ScramKeys::derive(known.unwrap_or(nobodys).expose(), &salt, iterations);
            kept.unwrap_or(derived)
        };
        let mut nonce = [0; NONCE_OCTETS];
        match (rand::fill(&mut nonce), self.0.hashing.run(lane, derive).await) {
            (Ok(()), Some(keys)) => Answer::Scram(Box::new(ScramFacts {
                others: others.into_iter().filter(|(_, other)| is_alike(&keys, other)).collect(),
                keys,
                nonce: sasl::base64::encode(&nonce).into(),
                binding: attempt.binding.clone(),
            })),
            _ => Answer::Unavailable,
        }
    }

    /// Whether an app password, whose keys were given, is still there.
    fn has_app_password(&self, login: &str, id: &str, scope: Scope) -> bool {
        let directory = self.directory();
        let app = directory.by_login(login).and_then(|account| account.app_password(id));
        app.is_some_and(|app| app.scopes.contains(&scope))
    }

    /// Octets that look like chance, and are always the same for a login.
    fn chance_of(&self, what: &str, login: &str) -> Vec<u8> {
        let text = [what, "\0", &login.to_lowercase()].concat();
        hmac::sign(&self.0.secret, text.as_bytes()).as_ref().to_vec()
    }

    /// Whether a login is let in by what it has shown to know.
    fn decide(&self, login: Box<str>, acts_as: Option<&str>, shown: Shown) -> Decided {
        let answer = match shown {
            Shown::Unknown => Err(Refused::Busy),
            Shown::Unreachable => Err(Refused::Unreachable),
            Shown::Nothing => Err(Refused::Wrong),
            _ if self.0.anybody => Ok(Login { name: login.clone(), account: None, app: None }),
            Shown::Password => self.let_in(&login, acts_as, None),
            Shown::AppPassword(id) => self.let_in(&login, acts_as, Some(id)),
        };
        Decided { login, answer }
    }

    /// Refused: there is no such login, it is disabled, or it wants to act as another.
    fn let_in(&self, login: &str, acts_as: Option<&str>, app: Option<Box<str>>) -> Result<Login, Refused> {
        let directory = self.directory();
        let account = directory.by_login(login).ok_or(Refused::Wrong)?;
        let acts_as = acts_as.map_or(Some(account), |other| directory.by_login(other));
        if acts_as.is_none_or(|other| other.login() != account.login()) {
            return Err(Refused::Wrong);
        }
        if account.is_disabled() {
            return Err(Refused::Disabled);
        }
        if let Some(id) = &app {
            self.notice(Noticed::Used { login: account.login().to_string().into(), id: id.clone() });
        }
        Ok(Login { app, ..Login::of(account) })
    }
}

/// The keys of the app passwords that are good for something, by their ids.
fn app_keys(account: &Account, scope: Scope) -> Vec<(Box<str>, ScramKeys)> {
    let good = account.app_passwords().iter().filter(|app| app.scopes.contains(&scope));
    good.filter_map(|app| Some((app.id.clone(), app.scram.clone()?))).collect()
}

/// Whether a client that knows the salt of the one can prove the other.
fn is_alike(one: &ScramKeys, other: &ScramKeys) -> bool {
    (&one.salt, one.iterations) == (&other.salt, other.iterations)
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authenticator")
    }
}

/// What was decided about an attempt.
struct Decided {
    login: Box<str>,
    answer: Result<Login, Refused>,
}

/// What a client has shown to know.
enum Shown {
    Password,
    /// By its id.
    AppPassword(Box<str>),
    Nothing,
    /// It could not be checked.
    Unknown,
    /// Nor could it, because a directory elsewhere does not answer.
    Unreachable,
}

enum Refused {
    Wrong,
    /// It was right, but nobody may log in to the account.
    Disabled,
    /// A token is no good here, for this reason.
    Token(Box<str>),
    /// It could not be checked: too many want in at once.
    Busy,
    /// It could not be checked: an identity provider does not do its part.
    Provider(Box<str>),
    /// It could not be checked: the directory that knows does not answer.
    Unreachable,
}

impl Decided {
    /// For the client and for the log.
    fn told(self, attempt: &Attempt) -> (Answer, Option<Login>) {
        let client = attempt.shown();
        let (login, scope) = (&*self.login, attempt.scope.name());
        match self.answer {
            Ok(granted) => {
                let login = granted.name();
                tracing::info!(station = STATION, client, login, scope, "logged in");
                (Answer::Granted, Some(granted))
            }
            Err(Refused::Wrong) => {
                tracing::info!(station = STATION, client, login, scope, "login refused");
                (Answer::Denied, None)
            }
            Err(Refused::Token(why)) => {
                tracing::info!(station = STATION, client, login, scope, %why, "login by a token refused");
                (Answer::Denied, None)
            }
            Err(Refused::Provider(why)) => {
                tracing::warn!(station = STATION, client, login, scope, %why, "a token cannot be checked");
                (Answer::Unavailable, None)
            }
            Err(Refused::Disabled) => {
                tracing::info!(
                    station = STATION,
                    client,
                    login,
                    scope,
                    "login refused: the account is disabled"
                );
                (Answer::Denied, None)
            }
            Err(Refused::Busy) => {
                tracing::warn!(
                    station = STATION,
                    client,
                    login,
                    scope,
                    "too many logins at once to check this one"
                );
                (Answer::Unavailable, None)
            }
            Err(Refused::Unreachable) => {
                tracing::warn!(
                    station = STATION,
                    client,
                    login,
                    scope,
                    "the directory that keeps this login does not answer"
                );
                (Answer::Unavailable, None)
            }
        }
    }
}

#[cfg(test)]
mod tests;
