//! Reverse-paths that only we can have made: those of mail that is sent on (SRS, the Sender Rewriting Scheme), and our own ones that are signed.
//!
//! Mail that is sent on with its sender's reverse-path fails SPF at the next host, for that host is not the sender's. So it gets an address
//! of ours, in which the sender's is written with a day and a tag; a report that comes back to it is sent on to the sender. The form is that of
//! libsrs2, `Mail::SRS` and postsrsd, so that all who rewrite such an address again (SRS1) know what it is:
//!
//! ```text
//! SRS0=tag=day=domain=local@ours           the sender is local@domain
//! SRS1=tag=host==tag=day=domain=local@ours it came from SRS0=tag=day=domain=local@host
//! SRS0=tag=day=~=name@ours                 the sender is kept by that name, for it has no room in 64 octets
//! ```
//!
//! Tags are of HMAC-SHA256 with 40 bits, in base 32: some host may change the case of a local part. Nobody else can make one, or anybody could send
//! reports through us to whom he likes.

mod prvs;
mod tag;

use mail::{Address, Domain, LOCAL_PART_OCTETS_MAX, Timestamp};

use crate::DomainName;
use tag::{Keys, Purpose, from_two_letters, two_letters};

/// How long an address is believed unless it is said otherwise: five days in our queue, five in that of the next host, five for
/// the report on its way back, and some for a clock that is wrong. libsrs2 has the same.
pub const LIFETIME_DAYS: u16 = 21;

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;
/// Days are written with ten bits.
const DAYS: u64 = 1024;
/// A shorter tag is nobody's.
const TAG_LETTERS: usize = 8;
const NAME_LETTERS: usize = 16;
/// Stands where a domain would, and is none.
const KEPT: &str = "~";
/// Who writes an address may have any of these behind `SRS0`.
const SEPARATORS: [char; 3] = ['=', '+', '-'];

/// Makes and knows reverse-paths. Clones are the same.
#[derive(Debug, Clone)]
pub struct ReturnKeys {
    keys: Keys,
    days: u16,
}

/// A reverse-path for mail that is sent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewritten {
    /// The sender is written in it.
    Whole(Address),
    /// The sender is too long to be written in it, or has letters that others may not pass on: it has to be kept under `name`, in small letters.
    Kept {
        /// The reverse-path.
        address: Address,
        /// What to keep the sender under. The same sender always has the same.
        name: String,
    },
}

/// Who is behind a reverse-path that we made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restored {
    /// This address.
    Address(Address),
    /// The one that is kept under this name.
    Kept(String),
}

/// Why an address of ours is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Untrue {
    /// We did not make it.
    Forged,
    /// It was made too long ago.
    Expired,
}

impl ReturnKeys {
    /// With these secrets, of which the first makes tags and all are believed; for so many days, 500 at most. None without a secret.
    pub fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>, days: u16) -> Option<Self> {
        Keys::new(secrets).map(|keys| Self { keys, days: days.min(500) })
    }

    /// The reverse-path at the domain `via`, which is ours, for mail of `sender` that is sent on. None if such an address has no room at all.
    pub fn rewrite(&self, sender: &Address, via: &Domain, now: Timestamp) -> Option<Rewritten> {
        let via =
            via.name().and_then(DomainName::parse).and_then(|name| Domain::parse(name.as_str()).ok())?;
        if let Some(local) = self.whole(sender, now) {
            return Address::new(&local, via).ok().map(Rewritten::Whole);
        }
        let name = self.keys.base32(Purpose::Kept, &sender.to_string(), NAME_LETTERS);
        let address = Address::new(&self.srs0(KEPT, &name, now), via).ok()?;
        Some(Rewritten::Kept { address, name: name.to_ascii_lowercase() })
    }

    /// The local part with all of the sender in it, if there is room.
    fn whole(&self, sender: &Address, now: Timestamp) -> Option<String> {
        let (local, host) = (sender.local_part(), DomainName::parse(sender.domain().name()?)?);
        // A quoted local part does not stay what it is behind a prefix.
        if !local.is_ascii() || sender.to_string().starts_with('"') {
            return None;
        }
        let rewritten = match Form::of(local) {
            Some(Form::Srs0(behind)) => self.srs1(host.as_str(), behind),
            Some(Form::Srs1(behind)) => match opaque(behind) {
                Some((host, behind)) => self.srs1(host.as_str(), behind),
                None => self.srs0(host.as_str(), local, now),
            },
            None => self.srs0(host.as_str(), local, now),
        };
        (rewritten.len() <= LOCAL_PART_OCTETS_MAX).then_some(rewritten)
    }

    fn srs0(&self, host: &str, local: &str, now: Timestamp) -> String {
        let today = u16::try_from(day(now) % DAYS).unwrap_or_default();
        let vouched = format!("{}={host}={local}", two_letters(today));
        let tag = self.keys.base32(Purpose::Srs0, &vouched, TAG_LETTERS);
        format!("SRS0={tag}={vouched}")
    }

    fn srs1(&self, host: &str, behind: &str) -> String {
        let vouched = format!("{host}={behind}");
        let tag = self.keys.base32(Purpose::Srs1, &vouched, TAG_LETTERS);
        format!("SRS1={tag}={vouched}")
    }

    /// Who is behind an address at a domain of ours. None: it has not the form of one that was rewritten.
    ///
    /// # Errors
    /// We did not make it, or too long ago.
    pub fn restore(&self, address: &Address, now: Timestamp) -> Option<Result<Restored, Untrue>> {
        Some(match Form::of(address.local_part())? {
            Form::Srs0(behind) => self.of_srs0(behind, now),
            Form::Srs1(behind) => self.of_srs1(behind).ok_or(Untrue::Forged),
        })
    }

    fn of_srs0(&self, behind: &str, now: Timestamp) -> Result<Restored, Untrue> {
        let (tag, vouched) = behind.get(1..).and_then(|rest| rest.split_once('=')).ok_or(Untrue::Forged)?;
        if tag.len() != TAG_LETTERS || !self.keys.believes_base32(Purpose::Srs0, vouched, tag) {
            return Err(Untrue::Forged);
        }
        let mut parts = vouched.splitn(3, '=');
        let (Some(then), Some(host), Some(local)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Untrue::Forged);
        };
        let then = from_two_letters(then).ok_or(Untrue::Forged)?;
        // A clock may be a day behind that of the host that made it.
        let age = (day(now) + 1 + DAYS - u64::from(then)) % DAYS;
        if age > u64::from(self.days) + 1 {
            return Err(Untrue::Expired);
        }
        if host == KEPT {
            return Ok(Restored::Kept(local.to_ascii_lowercase()));
        }
        Address::parse(&format!("{local}@{host}")).map(Restored::Address).map_err(|_| Untrue::Forged)
    }

    /// It has no day: the one before us judges how old it is.
    fn of_srs1(&self, behind: &str) -> Option<Restored> {
        let (tag, vouched) = behind.get(1..)?.split_once('=')?;
        if tag.len() != TAG_LETTERS || !self.keys.believes_base32(Purpose::Srs1, vouched, tag) {
            return None;
        }
        let (host, behind) = vouched.split_once('=')?;
        Address::parse(&format!("SRS0{behind}@{host}")).ok().map(Restored::Address)
    }
}

/// Whether a local part has the form of one that was rewritten, here or elsewhere.
pub fn is_rewritten(local: &str) -> bool {
    Form::of(local).is_some()
}

/// A rewritten local part: what stands behind `SRS0` or `SRS1`, with the separator.
enum Form<'a> {
    Srs0(&'a str),
    Srs1(&'a str),
}

impl<'a> Form<'a> {
    fn of(local: &'a str) -> Option<Self> {
        let (begin, behind) = local.split_at_checked(4)?;
        if !behind.starts_with(SEPARATORS) {
            return None;
        }
        if begin.eq_ignore_ascii_case("SRS0") {
            Some(Self::Srs0(behind))
        } else if begin.eq_ignore_ascii_case("SRS1") {
            Some(Self::Srs1(behind))
        } else {
            None
        }
    }
}

/// The host of the first who rewrote an address, and what that one wrote: whoever rewrites it again leaves out who did so between.
fn opaque(behind: &str) -> Option<(DomainName, &str)> {
    let (_, rest) = behind.get(1..)?.split_once('=')?;
    let (host, behind) = rest.split_once('=')?;
    DomainName::parse(host).filter(|_| behind.starts_with(SEPARATORS)).map(|host| (host, behind))
}

/// Days since 1970.
fn day(now: Timestamp) -> u64 {
    now.as_millis() / DAY_MILLIS
}
