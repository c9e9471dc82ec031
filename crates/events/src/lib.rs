//! What happened to each message: the log of it, and its readers.
//!
//! *Takes* events from the spool, in the order of their commit. *Hands on* lines of JSON, to files that a program can
//! read without us, and to whoever listens now. *Never* stands in the way of mail: it writes behind, on a thread of
//! its own, and tells the spool how far it has come.

mod auth;
mod error;
mod event;
mod files;
mod flusher;
mod log;
mod reader;
mod scan;
mod writer;

pub use auth::{Arc, Auth, Dkim, Dmarc, Spf};
pub use error::EventsError;
pub use event::{Certificate, Event, Kind, Mx, Tls, VERSION, parse_time};
pub use flusher::Flusher;
pub use log::{Config, Log, Source, Subscriber};
pub use reader::{Order, Query, Reader};
pub use scan::Start;
