//! The grammar of commands: by tables, for any input, and beside imap-codec.

#[cfg(test)]
mod commands;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod strategies;
