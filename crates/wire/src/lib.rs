//! What the machines of all line protocols do with octets before these mean anything.
//!
//! *Takes* octets as a peer sends them. *Hands on* those that are not used yet, and where a line ends. *Never* knows a protocol.

mod input;

pub use input::Input;
