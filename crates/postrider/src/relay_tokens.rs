//! Tokens for accounts at relays: kept in the data directory, and renewed before they are over, by one at a time.
//!
//! Each account has a directory of its own, `relays/NAME`, which is locked while tokens are renewed: the server and a command on the same
//! machine never use one refresh token twice, which many authorization servers take for theft.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError},
    time::Duration,
};

use deliver::{NoToken, RelayTokens};
use disk::{Clock, Disk};
use dns::BoxFuture;
use mail::Timestamp;
use oauth::{Client, Tokens, TokensError};
use sasl::Password;
use serde::{Deserialize, Serialize};
use tokio::{sync::Mutex, task::spawn_blocking, time::sleep};

/// A token is renewed so long before it is over: a session may be opened meanwhile.
const AHEAD: Duration = Duration::from_mins(5);
const FILE: &str = "tokens.json";
/// A file that is larger is not ours.
const OCTETS_MAX: usize = 256 << 10;
/// How long another process may take to renew them.
const LOCKED_MAX: u32 = 60;

/// What is kept of a grant. Times are milliseconds since the Unix epoch.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    version: u32,
    /// For whom and by which client: another account's are of no use.
    login: String,
    client_id: String,
    access: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh: Option<String>,
    expires_at: u64,
    /// The authorization server has said that the grant is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked: Option<String>,
}

/// Where the tokens of a relay are.
pub(crate) fn tokens_dir(data_dir: &Path, relay: &str) -> PathBuf {
    data_dir.join("relays").join(relay)
}

/// The tokens of one account.
pub(crate) struct Keeper {
    client: Client,
    login: Box<str>,
    relay: Box<str>,
    identity: Box<str>,
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    /// One renewal at a time.
    renewing: Mutex<()>,
    /// A token that the relay did not take.
    refused: StdMutex<Option<Box<str>>>,
    /// Tokens that could not be written, and the token in the file that they stand for: those in the file may be worth nothing any more.
    unwritten: StdMutex<Option<(String, Kept)>>,
}

impl Keeper {
    pub(crate) fn new(
        client: Client,
        (relay, login): (&str, &str),
        data_dir: &Path,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let identity = format!("{login} by {} at {} for {}", client.id, client.token_url, client.scope);
        Self {
            identity: identity.into(),
            client,
            login: login.into(),
            relay: relay.into(),
            dir: tokens_dir(data_dir, relay),
            disk,
            clock,
            renewing: Mutex::new(()),
            refused: StdMutex::default(),
            unwritten: StdMutex::default(),
        }
    }

    /// The authorization server.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Keeps what a login gave. Whoever renews the tokens before it is waited for, so as not to be overwritten by that.
    pub(crate) async fn keep(&self, tokens: &Tokens) -> io::Result<()> {
        let (disk, dir) = (Arc::clone(&self.disk), self.dir.clone());
        spawn_blocking(move || disk.create_dir_all(&dir)).await.map_err(io::Error::other)??;
        let _lock = self.lock().await.map_err(|error| io::Error::other(error.to_string()))?;
        let kept = self.kept(tokens, None);
        self.write(kept).await
    }

    fn kept(&self, tokens: &Tokens, before: Option<&Kept>) -> Kept {
        let refresh = tokens.refresh.as_deref().map(str::to_owned);
        Kept {
            version: 1,
            login: self.login.to_string(),
            client_id: self.client.id.to_string(),
            access: tokens.access.to_string(),
            // RFC 6749 §6: without a new one the old one stays.
            refresh: refresh.or_else(|| before?.refresh.clone()),
            expires_at: tokens.expires_at.as_millis(),
            revoked: None,
        }
    }

    async fn write(&self, kept: Kept) -> io::Result<()> {
        let (disk, dir) = (Arc::clone(&self.disk), self.dir.clone());
        let write = move || {
            disk.create_dir_all(&dir)?;
            let octets = serde_json::to_vec(&kept).map_err(io::Error::other)?;
            disk::replace_whole(&*disk, &dir.join(FILE), &octets)?;
            as_the_server(&dir)
        };
        spawn_blocking(write).await.map_err(io::Error::other)?
    }

    async fn read(&self) -> Result<Kept, NoToken> {
        let (disk, file) = (Arc::clone(&self.disk), self.dir.join(FILE));
        let read = spawn_blocking(move || disk::read_whole(&*disk, &file, OCTETS_MAX)).await;
        let nobody = || {
            let how = format!("nobody has logged in yet: postrider relay login {}", self.relay);
            NoToken::Revoked(how)
        };
        let unreadable = |why: String| NoToken::Unavailable(format!("the tokens cannot be read: {why}"));
        let octets = match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(nobody()),
            Err(error) => return Err(unreadable(error.to_string())),
        };
        let kept: Kept = serde_json::from_slice(&octets).map_err(|error| unreadable(error.to_string()))?;
        if kept.version != 1 {
            return Err(unreadable("a later version has written them".to_owned()));
        }
        if kept.login != *self.login || kept.client_id != *self.client.id {
            return Err(nobody());
        }
        match &*self.unwritten() {
            Some((before, newer)) if *before == kept.access => Ok(newer.clone()),
            _ => Ok(kept),
        }
    }

    fn unwritten(&self) -> MutexGuard<'_, Option<(String, Kept)>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token that is kept, if it is good for a while; whether it is good at all.
    fn good(&self, kept: &Kept, ahead: Duration) -> Option<Password> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let is_refused = refused.as_deref() == Some(&*kept.access);
        let lasts = Timestamp::from_millis(kept.expires_at) > self.clock.now().after(ahead);
        (lasts && !is_refused && kept.revoked.is_none()).then(|| Password::new(&*kept.access))
    }

    async fn give(&self) -> Result<Password, NoToken> {
        let kept = self.read().await?;
        if let Some(token) = self.good(&kept, AHEAD) {
            return Ok(token);
        }
        let _one = self.renewing.lock().await;
        let _lock = self.lock().await?;
        // Somebody else may have renewed them meanwhile.
        let kept = self.read().await?;
        if let Some(token) = self.good(&kept, AHEAD) {
            return Ok(token);
        }
        self.renew(kept).await
    }

    async fn renew(&self, kept: Kept) -> Result<Password, NoToken> {
        let how = || format!("postrider relay login {}", self.relay);
        if let Some(why) = &kept.revoked {
            return Err(NoToken::Revoked(format!("{why}; {}", how())));
        }
        let Some(refresh) = kept.refresh.as_deref() else {
            return Err(NoToken::Revoked(format!(
                "the token is over, and there is none to renew it by: {}",
                how()
            )));
        };
        match self.client.refresh(refresh, self.clock.now()).await {
            Ok(tokens) => {
                let new = self.kept(&tokens, Some(&kept));
                if let Err(error) = self.write(new.clone()).await {
                    // A refresh token that was used may be worth nothing any more, so this is told loudly.
                    tracing::error!(station = "deliver/relay", relay = &*self.relay, %error,
                        "new tokens cannot be written: they are held in memory, and a restart would need a new login");
                    let mut unwritten = self.unwritten();
                    let in_file = unwritten.take().map_or(kept.access, |(in_file, _)| in_file);
                    *unwritten = Some((in_file, new));
                } else {
                    *self.unwritten() = None;
                }
                Ok(Password::new(tokens.access))
            }
            Err(error @ TokensError::Revoked(_)) => {
                let why = error.to_string();
                let marked = Kept { revoked: Some(why.clone()), ..kept };
                if let Err(error) = self.write(marked).await {
                    tracing::warn!(station = "deliver/relay", relay = &*self.relay, %error, "that a grant is over cannot be written");
                }
                Err(NoToken::Revoked(format!("{why}; {}", how())))
            }
            // One that is nearly over is better than none.
            Err(error) => {
                self.good(&kept, Duration::ZERO).ok_or_else(|| NoToken::Unavailable(error.to_string()))
            }
        }
    }

    async fn lock(&self) -> Result<Box<dyn disk::Lock>, NoToken> {
        for _ in 0..LOCKED_MAX {
            match self.disk.lock(&self.dir) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    sleep(Duration::from_millis(500)).await;
                }
                locked => {
                    return locked
                        .map_err(|error| NoToken::Unavailable(format!("{}: {error}", self.dir.display())));
                }
            }
        }
        Err(NoToken::Unavailable("another process has been renewing the tokens for too long".to_owned()))
    }
}

impl RelayTokens for Keeper {
    fn token(&self) -> BoxFuture<'_, Result<Password, NoToken>> {
        Box::pin(self.give())
    }

    fn identity(&self) -> &str {
        &self.identity
    }

    fn refused(&self, token: &Password) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.expose().into());
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// What root writes for a server that is somebody else has to be readable for that one: the owner of the directory above. That one may have put a
/// link in a place of these: it is the link then that is given away, and not what it leads to.
fn as_the_server(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, lchown};
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let Some(data_dir) = dir.parent().and_then(Path::parent) else { return Ok(()) };
    let owner = std::fs::metadata(data_dir)?;
    let (user, group) = (Some(owner.uid()), Some(owner.gid()));
    let parent = dir.parent().map(Path::to_owned);
    for path in parent.into_iter().chain([dir.to_owned(), dir.join(FILE)]) {
        // The server's user may have put a link there to what is not its own.
        lchown(path, user, group)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use disk::OsDisk;
    use oauth::{Post, Posted};

    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    struct At(StdMutex<u64>);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(*self.0.lock().unwrap())
        }

        fn now_and_passed(&self) -> (Timestamp, Duration) {
            (self.now(), Duration::from_millis(*self.0.lock().unwrap()))
        }
    }

    /// Gives `new1`, `new2` and so on; or says that the grant is over.
    #[derive(Default)]
    struct Server {
        asked: AtomicUsize,
        revoked: std::sync::atomic::AtomicBool,
        down: std::sync::atomic::AtomicBool,
    }

    impl Post for Server {
        fn post<'a>(&'a self, _: &'a str, form: String) -> Posted<'a> {
            let number = 1 + self.asked.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                tokio::task::yield_now().await;
                assert!(form.contains("grant_type=refresh_token&refresh_token="), "{form}");
                if self.down.load(Ordering::SeqCst) {
                    return Ok((503, "busy".into()));
                }
                if self.revoked.load(Ordering::SeqCst) {
                    return Ok((400, r#"{"error":"invalid_grant"}"#.into()));
                }
                let answer = format!(
                    r#"{{"access_token":"new{number}","expires_in":3600,"refresh_token":"r{number}"}}"#
                );
                Ok((200, answer.into()))
            })
        }
    }

    struct World {
        dir: tempfile::TempDir,
        server: Arc<Server>,
        clock: Arc<At>,
    }

    impl World {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            Self { dir, server: Arc::default(), clock: Arc::new(At(StdMutex::new(NOW))) }
        }

        fn keeper(&self) -> Keeper {
            let client = Client {
                id: "id".into(),
                secret: None,
                scope: "mail".into(),
                authorize_url: None,
                token_url: "https://id.example/token".into(),
                device_url: None,
                post: Arc::clone(&self.server) as Arc<dyn Post>,
            };
            let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
            Keeper::new(client, ("gmail", "me@gmail.com"), self.dir.path(), Arc::new(OsDisk), clock)
        }

        async fn logged_in(&self) -> Keeper {
            let keeper = self.keeper();
            let expires_at = Timestamp::from_millis(NOW + 3_600_000);
            keeper
                .keep(&Tokens { access: "first".into(), refresh: Some("r0".into()), expires_at })
                .await
                .unwrap();
            keeper
        }

        fn later(&self, minutes: u64) {
            *self.clock.0.lock().unwrap() += minutes * 60_000;
        }
    }

    async fn token(keeper: &Keeper) -> String {
        keeper.token().await.unwrap().expose().to_owned()
    }

    #[tokio::test]
    async fn a_token_is_renewed_before_it_is_over_and_that_outlives_the_process() {
        let world = World::new();
        let keeper = world.logged_in().await;
        assert_eq!(
            (token(&keeper).await, world.server.asked.load(Ordering::SeqCst)),
            ("first".to_owned(), 0)
        );
        world.later(56);
        assert_eq!(token(&keeper).await, "new1");
        assert_eq!(token(&world.keeper()).await, "new1", "another process reads it");
        world.later(58);
        assert_eq!(token(&keeper).await, "new2");
        let file = tokens_dir(world.dir.path(), "gmail").join(FILE);
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        assert!(std::fs::read_to_string(&file).unwrap().contains("\"r2\""));
    }

    #[tokio::test]
    async fn many_who_need_one_renew_it_once() {
        let world = World::new();
        let keeper = Arc::new(world.logged_in().await);
        let other = Arc::new(world.keeper());
        world.later(70);
        let mut all = tokio::task::JoinSet::new();
        for number in 0..20 {
            let keeper = Arc::clone(if number % 2 == 0 { &keeper } else { &other });
            all.spawn(async move { token(&keeper).await });
        }
        assert!(all.join_all().await.iter().all(|token| token == "new1"));
        assert_eq!(world.server.asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_token_that_the_relay_refuses_is_renewed_though_it_looks_good() {
        let world = World::new();
        let keeper = world.logged_in().await;
        keeper.refused(&Password::new("first"));
        assert_eq!(token(&keeper).await, "new1");
    }

    #[tokio::test]
    async fn a_grant_that_is_over_is_asked_about_once_until_somebody_logs_in() {
        let world = World::new();
        let keeper = world.logged_in().await;
        world.later(70);
        world.server.revoked.store(true, Ordering::SeqCst);
        for _ in 0..3 {
            let Err(NoToken::Revoked(why)) = keeper.token().await else { panic!("it is over") };
            assert!(why.contains("invalid_grant") && why.contains("postrider relay login gmail"), "{why}");
        }
        assert_eq!(world.server.asked.load(Ordering::SeqCst), 1);
        world.server.revoked.store(false, Ordering::SeqCst);
        world.logged_in().await;
        world.later(0);
        assert_eq!(token(&keeper).await, "new2");
    }

    #[tokio::test]
    async fn a_server_that_is_down_ends_no_grant() {
        let world = World::new();
        let keeper = world.logged_in().await;
        world.server.down.store(true, Ordering::SeqCst);
        world.later(57);
        assert_eq!(token(&keeper).await, "first", "it is good for three minutes more");
        world.later(4);
        assert!(matches!(keeper.token().await, Err(NoToken::Unavailable(_))));
        world.server.down.store(false, Ordering::SeqCst);
        assert_eq!(token(&keeper).await, "new3");
    }

    #[tokio::test]
    async fn tokens_that_cannot_be_written_are_of_use_all_the_same() {
        let world = World::new();
        let keeper = world.logged_in().await;
        let file = tokens_dir(world.dir.path(), "gmail").join(FILE);
        let text = std::fs::read(&file).unwrap();
        // In the way of what is written first.
        let obstacle = file.with_file_name(format!("{FILE}.new"));
        std::fs::create_dir(&obstacle).unwrap();
        world.later(70);
        assert_eq!(token(&keeper).await, "new1");
        assert_eq!(std::fs::read(&file).unwrap(), text);
        assert_eq!((token(&keeper).await, world.server.asked.load(Ordering::SeqCst)), ("new1".to_owned(), 1));
        world.later(70);
        std::fs::remove_dir(&obstacle).unwrap();
        assert_eq!(token(&keeper).await, "new2");
        assert_eq!(token(&world.keeper()).await, "new2");
    }

    #[tokio::test]
    async fn a_login_waits_for_a_renewal_under_way() {
        let world = World::new();
        let keeper = world.logged_in().await;
        let renewing = OsDisk.lock(&tokens_dir(world.dir.path(), "gmail")).unwrap();
        let expires_at = Timestamp::from_millis(NOW + 3_600_000);
        let by_login = Tokens { access: "login".into(), refresh: Some("l".into()), expires_at };
        let mut login = std::pin::pin!(keeper.keep(&by_login));
        assert!(tokio::time::timeout(Duration::from_millis(300), &mut login).await.is_err());
        // What the renewal writes last is overwritten by the login, and not the other way round.
        let renewed = Tokens { access: "renewed".into(), refresh: None, expires_at };
        keeper.write(keeper.kept(&renewed, None)).await.unwrap();
        drop(renewing);
        login.await.unwrap();
        assert_eq!(token(&keeper).await, "login");
    }

    #[tokio::test]
    async fn nobody_has_logged_in_or_somebody_else_has() {
        let world = World::new();
        assert!(matches!(world.keeper().token().await, Err(NoToken::Revoked(_))));
        world.logged_in().await;
        let other = Keeper { login: "you@gmail.com".into(), ..world.keeper() };
        assert!(matches!(other.token().await, Err(NoToken::Revoked(_))));
    }
}
