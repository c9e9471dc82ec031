//! What tests share: a dialogue runner, a clock to set, scripted DNS, a disk that fails, and second opinions on what was read.
//!
//! *Takes* scripts and faults. *Hands on* what a machine, a network or a peer would do.
//! *Never* is part of the program: only tests depend on it.

pub mod by_the_book;
pub mod clock;
pub mod dialogue;
pub mod disk;
pub mod dns;
pub mod second_opinion;
