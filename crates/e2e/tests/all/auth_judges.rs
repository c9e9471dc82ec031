//! Other programs that check DKIM, SPF, DMARC and ARC, beside our library on the same messages and the same DNS:
//! `docs/design/message-auth.md` has each difference that is left, and why.
#![expect(clippy::panic, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod arc;
mod dkim;
mod dmarc;
mod judge;
mod opendkim;
mod oracle;
mod rspamd;
mod spf;
mod srs;
