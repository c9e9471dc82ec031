//! POP3: the policy of a session over the mailstore (docs/design/pop3.md).

mod machine;
mod maildrop;
mod policy;
mod service;
mod turns;

pub use service::Pop3;
