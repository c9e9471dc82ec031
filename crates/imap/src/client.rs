//! The client's side: commands in the parts that a server has to agree to, and what it says, read within bounds.
//!
//! For a program that takes mail over from another server: of what RFC 9051 and RFC 3501 let a server say, it reads what that needs, and steps over the
//! rest. A server is a stranger: nothing that it says costs more memory than the bounds, and messages pass through in pieces.

mod command;
mod reader;
mod response;

pub use command::{Word, command};
pub use reader::{Broken, Event, RESPONSE_OCTETS_MAX, Reader};
pub use response::{Body, Code, Condition, Fetched, Listed, Namespace, Namespaces, Response, Status};
