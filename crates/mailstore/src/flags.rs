//! Flags that every mailbox has, and keywords, which each has of its own.

use store::{Sql, StoreError, Value};

use crate::{MailboxId, MailstoreError};

/// The most keywords of a mailbox: each is a bit.
pub const KEYWORDS_MAX: usize = 64;
/// The longest keyword in octets.
const KEYWORD_OCTETS_MAX: usize = 255;

/// System flags (RFC 9051 §2.3.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// `\Seen`
    pub const SEEN: Self = Self(1);
    /// `\Answered`
    pub const ANSWERED: Self = Self(2);
    /// `\Flagged`
    pub const FLAGGED: Self = Self(4);
    /// `\Deleted`
    pub const DELETED: Self = Self(8);
    /// `\Draft`
    pub const DRAFT: Self = Self(16);

    const NAMES: [(Self, &'static str); 5] = [
        (Self::ANSWERED, "\\Answered"),
        (Self::FLAGGED, "\\Flagged"),
        (Self::DELETED, "\\Deleted"),
        (Self::SEEN, "\\Seen"),
        (Self::DRAFT, "\\Draft"),
    ];

    /// None.
    pub fn none() -> Self {
        Self(0)
    }

    /// Whether all of these are set.
    pub fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// These and others.
    #[must_use]
    pub fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// These but not others.
    #[must_use]
    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether none is set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The spelling of each that is set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, name)| name)
    }

    /// The flag of a spelling in any case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES
            .into_iter()
            .find(|(_, spelling)| spelling.eq_ignore_ascii_case(name))
            .map(|(flag, _)| flag)
    }

    pub(crate) fn to_value(self) -> Value {
        Value::Integer(self.0.into())
    }

    pub(crate) fn from_bits(bits: i64) -> Self {
        Self(u8::try_from(bits & 31).unwrap_or(0))
    }
}

/// The keywords of a mailbox, each with its bit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keywords {
    names: Vec<Option<String>>,
    /// Bits that no message had when somebody looked: their names make room for others.
    unused: u64,
    /// Bits that were asked for within this change, and may not be on any message yet.
    given: u64,
}

impl Keywords {
    pub(crate) fn load(sql: &Sql<'_>, mailbox: MailboxId) -> Result<Self, StoreError> {
        let mut names = Vec::new();
        sql.query(
            "SELECT bit, name FROM keyword WHERE mailbox = ?1 ORDER BY bit",
            &[mailbox.into()],
            |row| {
                let bit = usize::try_from(row.integer(0)?).map_err(|_| StoreError::Column(0))?;
                if bit >= KEYWORDS_MAX {
                    return Err(StoreError::Column(0));
                }
                names.resize(bit, None);
                names.push(Some(row.text(1)?));
                Ok(())
            },
        )?;
        Ok(Self { names, unused: 0, given: 0 })
    }

    /// The same, where these are all bits that messages have.
    pub(crate) fn used_by_messages(self, used: u64) -> Self {
        Self { unused: !used, ..self }
    }

    /// The names of these bits, in the order of the bits.
    pub fn names(&self, bits: u64) -> impl Iterator<Item = &str> {
        self.names
            .iter()
            .enumerate()
            .filter(move |(bit, _)| bits >> bit & 1 == 1)
            .filter_map(|(_, name)| name.as_deref())
    }

    /// All names.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.names(u64::MAX)
    }

    /// The bit of a keyword, in any case.
    pub fn bit(&self, name: &str) -> Option<u64> {
        let same =
            |other: &Option<String>| other.as_ref().is_some_and(|other| other.eq_ignore_ascii_case(name));
        self.names.iter().position(same).map(|bit| 1 << bit)
    }

    /// Whether no further one can be had, as far as is known: not before one of these is on no message any more.
    pub fn is_full(&self) -> bool {
        self.free().is_none() && self.unused == 0
    }

    /// A bit without a name.
    fn free(&self) -> Option<usize> {
        let next = Some(self.names.len()).filter(|next| *next < KEYWORDS_MAX);
        self.names.iter().position(Option::is_none).or(next)
    }

    /// The bits of those of them that there are.
    pub(crate) fn known(&self, names: &[String]) -> u64 {
        names.iter().filter_map(|name| self.bit(name)).fold(0, |bits, bit| bits | bit)
    }

    /// The bits of all of them; a name that is new gets one.
    pub(crate) fn made(
        &mut self,
        sql: &Sql<'_>,
        mailbox: MailboxId,
        names: &[String],
    ) -> Result<u64, MailstoreError> {
        let mut bits = self.known(names);
        self.given |= bits;
        for name in names {
            bits |= match self.bit(name) {
                Some(bit) => bit,
                None => self.make(sql, mailbox, name)?,
            };
            self.given |= bits;
        }
        Ok(bits)
    }

    fn make(&mut self, sql: &Sql<'_>, mailbox: MailboxId, name: &str) -> Result<u64, MailstoreError> {
        if name.is_empty() || name.len() > KEYWORD_OCTETS_MAX {
            return Err(MailstoreError::KeywordsFull);
        }
        let bit = match self.free() {
            Some(bit) => bit,
            None => self.reclaim(sql, mailbox)?,
        };
        let number = i64::try_from(bit).map_err(|_| MailstoreError::KeywordsFull)?;
        let insert = "INSERT INTO keyword (mailbox, bit, name) VALUES (?1, ?2, ?3)";
        sql.execute(insert, &[mailbox.into(), number.into(), name.into()])?;
        match self.names.get_mut(bit) {
            Some(free) => *free = Some(name.to_owned()),
            None => self.names.push(Some(name.to_owned())),
        }
        Ok(1 << bit)
    }

    /// Gives up a keyword that no message has any more. Who still knows the bit by its old name is told the new one with the messages that have it:
    /// they changed since.
    fn reclaim(&mut self, sql: &Sql<'_>, mailbox: MailboxId) -> Result<usize, MailstoreError> {
        let select = "SELECT DISTINCT keywords FROM message WHERE mailbox = ?1 AND keywords <> 0";
        let used = sql.query(select, &[mailbox.into()], |row| Ok(row.integer(0)?.cast_unsigned()))?;
        let used = used.into_iter().fold(self.given, |all, bits| all | bits);
        let number = used.trailing_ones();
        let bit = usize::try_from(number).ok().filter(|bit| *bit < KEYWORDS_MAX);
        let bit = bit.ok_or(MailstoreError::KeywordsFull)?;
        let delete = "DELETE FROM keyword WHERE mailbox = ?1 AND bit = ?2";
        sql.execute(delete, &[mailbox.into(), i64::from(number).into()])?;
        Ok(bit)
    }
}
