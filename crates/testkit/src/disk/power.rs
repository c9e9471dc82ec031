//! Whether a simulated disk has power, and when it loses it.

use std::io;

/// Told that the power went.
type Told = Box<dyn FnOnce() + Send>;

/// The power of a disk.
#[derive(Default)]
pub(super) struct Power {
    is_off: bool,
    /// Changes so far.
    changes: u64,
    /// The change at which it goes.
    cut: Option<(u64, Told)>,
}

/// What a change met.
#[must_use]
pub(super) enum Strike {
    /// Power.
    Lit,
    /// The end of it: the change is on its way, and nobody hears more of it.
    Dark,
}

impl Strike {
    pub(super) fn survived(self) -> io::Result<()> {
        match self {
            Self::Lit => Ok(()),
            Self::Dark => Err(gone()),
        }
    }
}

impl Power {
    pub(super) fn on(&mut self) {
        self.is_off = false;
        self.cut = None;
    }

    pub(super) fn off(&mut self) {
        self.is_off = true;
    }

    pub(super) fn cut_at(&mut self, nth: u64, told: Told) {
        self.cut = Some((self.changes + nth, told));
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn check(&self) -> io::Result<()> {
        if self.is_off { Err(gone()) } else { Ok(()) }
    }

    /// Counts a change.
    pub(super) fn strike(&mut self) -> io::Result<Strike> {
        self.check()?;
        self.changes += 1;
        let Some((_, told)) = self.cut.take_if(|(at, _)| *at <= self.changes) else { return Ok(Strike::Lit) };
        self.is_off = true;
        told();
        Ok(Strike::Dark)
    }
}

fn gone() -> io::Error {
    io::Error::other("the simulated disk has no power")
}
