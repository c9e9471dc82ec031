//! What somebody may do with a mailbox (RFC 4314 §2.1).

use std::fmt;

use crate::Flags;

/// Rights to a mailbox, each with its letter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rights(u16);

impl Rights {
    /// `l`: to see that it is there.
    pub const LOOKUP: Self = Self(1);
    /// `r`: to read it.
    pub const READ: Self = Self(1 << 1);
    /// `s`: to set and clear `\Seen`.
    pub const SEEN: Self = Self(1 << 2);
    /// `w`: to set and clear all flags but `\Seen` and `\Deleted`.
    pub const WRITE: Self = Self(1 << 3);
    /// `i`: to put messages into it.
    pub const INSERT: Self = Self(1 << 4);
    /// `p`: to send mail to its own address. Kept, and asked for by nothing.
    pub const POST: Self = Self(1 << 5);
    /// `k`: to make mailboxes below it.
    pub const CREATE: Self = Self(1 << 6);
    /// `x`: to delete it.
    pub const DELETE: Self = Self(1 << 7);
    /// `t`: to set and clear `\Deleted`.
    pub const DELETE_MESSAGES: Self = Self(1 << 8);
    /// `e`: to expunge what is deleted.
    pub const EXPUNGE: Self = Self(1 << 9);
    /// `a`: to read and change who may do what.
    pub const ADMINISTER: Self = Self(1 << 10);

    /// The letters, in the order in which they are written.
    pub const LETTERS: &'static str = "lrswipkxtea";

    /// None.
    pub fn none() -> Self {
        Self(0)
    }

    /// All.
    pub fn all() -> Self {
        Self((1 << Self::LETTERS.len()) - 1)
    }

    /// What the owner of a mailbox always has, so that it can take back the rest.
    pub fn of_owner() -> Self {
        Self::LOOKUP.with(Self::ADMINISTER)
    }

    /// Those of these letters; `c` and `d` stand for what they stood for in RFC 2086 (RFC 4314 §2.1.1). `None`: one of them is no right.
    pub fn parse(letters: &str) -> Option<Self> {
        letters.chars().try_fold(Self::none(), |rights, letter| {
            Some(rights.with(match letter {
                'c' => Self::virtual_create(),
                'd' => Self::virtual_delete(),
                letter => Self(1 << Self::LETTERS.find(letter)?),
            }))
        })
    }

    fn virtual_create() -> Self {
        Self::CREATE.with(Self::DELETE)
    }

    fn virtual_delete() -> Self {
        Self::DELETE_MESSAGES.with(Self::EXPUNGE)
    }

    /// Whether all of these are among them.
    pub fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether one of these is among them.
    pub fn has_any(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// These and others.
    #[must_use]
    pub const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// These but not others.
    #[must_use]
    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// As they are told to clients: with `c` and `d` where what they stand for is there, in part at least (RFC 4314 §2.1.1).
    pub fn told(self) -> String {
        let mut letters = self.to_string();
        for (letter, members) in [('c', Self::virtual_create()), ('d', Self::virtual_delete())] {
            if self.has_any(members) {
                letters.push(letter);
            }
        }
        letters
    }

    /// Which flags may be set and cleared with them (RFC 4314 §4).
    pub fn flags(self) -> FlagsAllowed {
        let write = Flags::ANSWERED.with(Flags::FLAGGED).with(Flags::DRAFT);
        let flags =
            [(Self::SEEN, Flags::SEEN), (Self::DELETE_MESSAGES, Flags::DELETED), (Self::WRITE, write)];
        let flags = flags.into_iter().filter(|(right, _)| self.contains(*right));
        FlagsAllowed {
            flags: flags.fold(Flags::none(), |all, (_, flags)| all.with(flags)),
            keywords: self.contains(Self::WRITE),
        }
    }
}

/// The letters of those that there are, without `c` and `d`.
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let there = Self::LETTERS.chars().enumerate().filter(|(bit, _)| self.0 >> bit & 1 == 1);
        there.map(|(_, letter)| letter).collect::<String>().fmt(f)
    }
}

/// Which flags somebody may set and clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlagsAllowed {
    /// These.
    pub flags: Flags,
    /// And any keyword.
    pub keywords: bool,
}

impl FlagsAllowed {
    /// All.
    pub fn all() -> Self {
        Rights::all().flags()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.flags.is_empty() && !self.keywords
    }

    /// Flags without those that may not be set.
    pub fn kept(self, flags: Flags) -> Flags {
        flags.without(FlagsAllowed::all().flags.without(self.flags))
    }

    /// The bits of keywords, or none.
    pub(crate) fn kept_keywords(self, bits: u64) -> u64 {
        if self.keywords { bits } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_letters() {
        for (given, kept, told) in [
            ("", "", ""),
            ("lr", "lr", "lr"),
            ("rl", "lr", "lr"),
            ("cd", "kxte", "kxtecd"),
            ("x", "x", "xc"),
            ("et", "te", "ted"),
            ("aetxkpiwsrl", "lrswipkxtea", "lrswipkxteacd"),
        ] {
            let rights = Rights::parse(given).unwrap();
            assert_eq!((rights.to_string().as_str(), rights.told().as_str()), (kept, told));
        }
        for wrong in ["q", "L", "l r", "0"] {
            assert_eq!(Rights::parse(wrong), None);
        }
        assert_eq!(Rights::parse(Rights::LETTERS), Some(Rights::all()));
    }

    #[test]
    fn each_flag_has_its_right() {
        let flags = |letters| Rights::parse(letters).unwrap().flags();
        assert_eq!(flags("lrs"), FlagsAllowed { flags: Flags::SEEN, keywords: false });
        assert_eq!(flags("t").flags, Flags::DELETED);
        assert!(flags("w").keywords && !flags("w").flags.contains(Flags::SEEN));
        assert!(flags("lrikxea").is_empty());
        assert_eq!(FlagsAllowed::all().kept(Flags::DRAFT), Flags::DRAFT);
        assert_eq!(flags("s").kept(Flags::SEEN.with(Flags::DRAFT)), Flags::SEEN);
    }
}
