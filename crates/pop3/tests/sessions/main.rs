//! The machine in sessions: as dialogues, and for any input.

#[cfg(test)]
mod dialogues;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod talk;
