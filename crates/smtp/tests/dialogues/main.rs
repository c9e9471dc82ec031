//! The machines in dialogue: with scripts, with attackers, with each other.

#[cfg(test)]
mod client;
#[cfg(test)]
mod client_attacks;
#[cfg(test)]
mod client_bad_servers;
#[cfg(test)]
mod client_chunking;
#[cfg(test)]
mod client_dsn;
#[cfg(test)]
mod client_lmtp;
#[cfg(test)]
mod client_login;
mod client_tls;
#[cfg(test)]
mod common;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod server_attacks;
#[cfg(test)]
mod server_attacks_bdat;
#[cfg(test)]
mod server_auth;
#[cfg(test)]
mod server_commands;
#[cfg(test)]
mod server_limits;
#[cfg(test)]
mod server_tls;
