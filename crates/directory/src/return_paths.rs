//! Reverse-paths that we make: for mail that is sent on, and for mail of our own that is signed so. What has no room in an address is
//! kept in the store.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use mail::{Address, Domain, Timestamp};
use message_auth::srs::{Restored, ReturnKeys, Rewritten, Untrue};
use store::{Migration, Sql, Store, StoreError, Value};

/// Senders that have no room in an address, by the name that stands there in their place; `day` is the last on which one was needed.
pub(crate) const KEPT_SENDERS: Migration = Migration {
    name: "senders of mail that was sent on",
    sql: "
        CREATE TABLE kept_sender (name TEXT PRIMARY KEY, sender TEXT NOT NULL, day BIGINT NOT NULL);
        CREATE INDEX kept_sender_day ON kept_sender (day);",
};

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;
/// Days beyond the lifetime of an address for which its sender is kept: a clock may be wrong.
const SPARE_DAYS: i64 = 2;

/// Makes and knows reverse-paths. Clones are the same.
#[derive(Clone)]
pub struct ReturnPaths(Arc<Inner>);

struct Inner {
    current: RwLock<Current>,
    store: Option<Store>,
}

/// What may change while it is used.
#[derive(Clone)]
struct Current {
    keys: ReturnKeys,
    days: i64,
    signs: bool,
}

/// Why there is no reverse-path for mail that is sent on.
#[derive(Debug, thiserror::Error)]
pub enum NoReturnPath {
    /// No sender can be written into an address at this domain.
    #[error("no reverse-path can be made at the domain {0}")]
    Domain(Domain),
    /// The sender has to be kept, and that failed.
    #[error("its sender cannot be kept: {0}")]
    Store(#[from] StoreError),
}

/// Why nobody is found behind a reverse-path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unrestored {
    /// It is not ours, or nobody's any more.
    Untrue(Untrue),
    /// The store failed.
    Unsure,
}

impl ReturnPaths {
    /// By secrets, of which the first makes and all are believed, for so many days. Whether mail of our own is signed so too (`signs`). None without
    /// a secret. Without a store no sender can be kept.
    pub fn new<S: AsRef<[u8]>>(
        secrets: impl IntoIterator<Item = S>,
        days: u16,
        signs: bool,
        store: Option<Store>,
    ) -> Option<Self> {
        let current = Current::new(secrets, days, signs)?;
        Some(Self(Arc::new(Inner { current: RwLock::new(current), store })))
    }

    /// Takes up other settings; nothing changes without a secret.
    pub fn change<S: AsRef<[u8]>>(&self, secrets: impl IntoIterator<Item = S>, days: u16, signs: bool) {
        if let Some(new) = Current::new(secrets, days, signs) {
            *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        }
    }

    fn current(&self) -> Current {
        self.0.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The reverse-path at the domain `via`, which is ours, for mail of `sender` that is sent on. A sender that is kept for it is on stable storage then.
    ///
    /// # Errors
    /// See [`NoReturnPath`].
    pub async fn rewrite(
        &self,
        sender: &Address,
        via: &Domain,
        now: Timestamp,
    ) -> Result<Address, NoReturnPath> {
        let Current { keys, days, .. } = self.current();
        match keys.rewrite(sender, via, now).ok_or_else(|| NoReturnPath::Domain(via.clone()))? {
            Rewritten::Whole(address) => Ok(address),
            Rewritten::Kept { address, name } => {
                let store = self.0.store.as_ref().ok_or(StoreError::Closed)?;
                let (sender, day) = (sender.to_string(), day(now));
                store.write(move |sql| keep(sql, &name, &sender, day, day - days - SPARE_DAYS)).await?;
                Ok(address)
            }
        }
    }

    /// The sender behind a reverse-path. None: it has not the form of one.
    ///
    /// # Errors
    /// It is not believed, or its sender cannot be looked up.
    pub fn restore(&self, address: &Address, now: Timestamp) -> Option<Result<Address, Unrestored>> {
        let Current { keys, .. } = self.current();
        Some(match keys.restore(address, now)? {
            Ok(Restored::Address(sender)) => Ok(sender),
            Ok(Restored::Kept(name)) => self.kept(&name),
            Err(untrue) => Err(Unrestored::Untrue(untrue)),
        })
    }

    fn kept(&self, name: &str) -> Result<Address, Unrestored> {
        let Some(store) = &self.0.store else { return Err(Unrestored::Unsure) };
        let find = "SELECT sender FROM kept_sender WHERE name = ?1";
        let found = store.read(|sql| sql.query(find, &[Value::from(name)], |row| row.text(0)));
        let found = found.map_err(|error| {
            tracing::error!(station = "directory", %error, "the sender of mail that was sent on cannot be looked up");
            Unrestored::Unsure
        })?;
        let sender = found.first().and_then(|text| text.parse().ok());
        sender.ok_or(Unrestored::Untrue(Untrue::Expired))
    }

    /// The signed form of a reverse-path of our own; none if such are not signed, or it has no room for that.
    pub fn sign(&self, sender: &Address, now: Timestamp) -> Option<Address> {
        let Current { keys, signs, .. } = self.current();
        if signs { keys.sign(sender, now) } else { None }
    }

    /// The sender behind a signed reverse-path, also where none are signed any more. None: it is not signed.
    ///
    /// # Errors
    /// We did not sign it so, or too long ago.
    pub fn signed(&self, address: &Address, now: Timestamp) -> Option<Result<Address, Untrue>> {
        self.current().keys.signed(address, now)
    }
}

impl Current {
    fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>, days: u16, signs: bool) -> Option<Self> {
        Some(Self { keys: ReturnKeys::new(secrets, days)?, days: days.into(), signs })
    }
}

/// By what they share.
impl PartialEq for ReturnPaths {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ReturnPaths {}

/// Without the secrets.
impl fmt::Debug for ReturnPaths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReturnPaths(..)")
    }
}

/// Keeps a sender, and forgets those whom nobody can name any more.
fn keep(sql: &Sql<'_>, name: &str, sender: &str, day: i64, forgotten: i64) -> Result<(), StoreError> {
    let put = "INSERT INTO kept_sender (name, sender, day) VALUES (?1, ?2, ?3)
        ON CONFLICT (name) DO UPDATE SET day = excluded.day WHERE excluded.day > kept_sender.day";
    sql.execute(put, &[name.into(), sender.into(), day.into()])?;
    sql.execute("DELETE FROM kept_sender WHERE day < ?1", &[forgotten.into()])?;
    Ok(())
}

fn day(now: Timestamp) -> i64 {
    i64::try_from(now.as_millis() / DAY_MILLIS).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: u64 = 21;

    fn on(day: u64) -> Timestamp {
        Timestamp::from_millis(day * DAY_MILLIS)
    }

    #[tokio::test]
    async fn a_sender_without_room_is_found_until_its_address_ends() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(&dir.path().join("db"), &[crate::SCHEMA]).unwrap();
        let paths = ReturnPaths::new(["secret"], 21, false, Some(store.clone())).unwrap();
        let via = Domain::parse("example.net").unwrap();
        let sender: Address = format!("{}@lists.example.org", "x".repeat(60)).parse().unwrap();
        let made = paths.rewrite(&sender, &via, on(1000)).await.unwrap();
        assert!(!made.to_string().contains("lists"), "{made}");
        assert_eq!(paths.rewrite(&sender, &via, on(1000)).await.unwrap(), made, "twice is once");
        assert_eq!(paths.restore(&made, on(1000 + LIFE)), Some(Ok(sender.clone())));
        let expired = Some(Err(Unrestored::Untrue(Untrue::Expired)));
        assert_eq!(paths.restore(&made, on(1001 + LIFE)), expired);
        // Others are kept without end of the first, and then it is forgotten.
        let other: Address = format!("{}@lists.example.org", "y".repeat(60)).parse().unwrap();
        paths.rewrite(&other, &via, on(1002 + LIFE)).await.unwrap();
        assert_eq!(paths.restore(&made, on(1000)), Some(Ok(sender.clone())));
        paths.rewrite(&other, &via, on(1003 + LIFE)).await.unwrap();
        assert_eq!(paths.restore(&made, on(1000)), expired);
        store.close();
        assert!(matches!(paths.rewrite(&sender, &via, on(1000)).await, Err(NoReturnPath::Store(_))));
    }

    #[test]
    fn signing_can_be_turned_off_and_secrets_changed() {
        let paths = ReturnPaths::new(["old"], 21, true, None).unwrap();
        let sender: Address = "anna@example.org".parse().unwrap();
        let signed = paths.sign(&sender, on(1000)).unwrap();
        paths.change(["new", "old"], 21, false);
        assert_eq!(paths.sign(&sender, on(1000)), None);
        assert_eq!(paths.signed(&signed, on(1001)), Some(Ok(sender.clone())));
        paths.change(["new"], 21, true);
        assert_eq!(paths.signed(&signed, on(1001)), Some(Err(Untrue::Forged)));
        paths.change::<&str>([], 21, true);
        assert!(paths.sign(&sender, on(1000)).is_some(), "without a secret nothing changes");
    }
}
