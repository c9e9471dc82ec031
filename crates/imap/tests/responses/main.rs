//! What the server says: by tables, and beside imap-codec.

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod strategies;
#[cfg(test)]
mod table;
