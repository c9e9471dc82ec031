//! Reverse-paths of our own that are signed (`prvs=`, as in draft-levine-smtp-batv-01 §3): a report that is sent to one is of mail that we sent.

use mail::{Address, Timestamp};

use super::{ReturnKeys, Untrue, day, tag::Purpose};

/// `prvs=KDDDSSSSSS=local`: K is a digit for the key (always 0: all secrets are tried), D the day of its end, S six digits of the tag.
const PREFIX: &str = "prvs=";
const DAYS: u64 = 1000;
const DIGITS: usize = 6;

impl ReturnKeys {
    /// The reverse-path for mail of this sender; none where its local part has no room for a tag or is signed already.
    pub fn sign(&self, sender: &Address, now: Timestamp) -> Option<Address> {
        if is_signed(sender) {
            return None;
        }
        let until = (day(now) + u64::from(self.days)) % DAYS;
        let head = format!("0{until:03}");
        let tag = self.keys.hex(Purpose::Prvs, &vouched(&head, sender), DIGITS).to_ascii_lowercase();
        let local = format!("{PREFIX}{head}{tag}={}", sender.local_part());
        Address::new(&local, sender.domain().clone()).ok()
    }

    /// The sender behind a signed reverse-path. None: it is not signed.
    ///
    /// # Errors
    /// Nobody here signed it so, or its time is over.
    pub fn signed(&self, address: &Address, now: Timestamp) -> Option<Result<Address, Untrue>> {
        let (head, tag, local) = parts(address)?;
        let sender = Address::new(local, address.domain().clone()).ok()?;
        if !self.keys.believes_hex(Purpose::Prvs, &vouched(head, &sender), tag) {
            return Some(Err(Untrue::Forged));
        }
        let until: u64 = head.get(1..).and_then(|days| days.parse().ok()).unwrap_or_default();
        let left = (until + DAYS - day(now) % DAYS) % DAYS;
        Some(if left <= u64::from(self.days) { Ok(sender) } else { Err(Untrue::Expired) })
    }
}

/// Whether an address has the form of a signed one.
fn is_signed(address: &Address) -> bool {
    parts(address).is_some()
}

fn vouched(head: &str, sender: &Address) -> String {
    format!("{head}{sender}")
}

/// The key and the day, the tag, and the local part behind.
fn parts(address: &Address) -> Option<(&str, &str, &str)> {
    let local = address.local_part();
    let (prefix, rest) = local.split_at_checked(PREFIX.len())?;
    let (signature, local) = rest.split_once('=')?;
    let (head, tag) = signature.split_at_checked(4)?;
    let is_it = prefix.eq_ignore_ascii_case(PREFIX)
        && head.bytes().all(|octet| octet.is_ascii_digit())
        && tag.len() == DIGITS
        && tag.bytes().all(|octet| octet.is_ascii_hexdigit())
        && !local.is_empty();
    is_it.then_some((head, tag, local))
}
