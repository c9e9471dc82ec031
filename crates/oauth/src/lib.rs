//! Bearer tokens of identity providers (RFC 6750): whom one stands for, by the provider's own word; and those for an account of ours
//! elsewhere ([`Client`]).
//!
//! *Takes* tokens that clients show, the keys that a provider publishes (RFC 7517), and its answers about single tokens (RFC 7662).
//! *Hands on* the login that a good token names. *Never* knows who exists here, believes a token about how it is to be checked, or
//! takes a provider that cannot be reached for one that says no.

mod algorithm;
mod answers;
mod checker;
mod claims;
mod client;
mod config;
mod fetch;
mod introspection;
mod jwk;
mod jwt;
mod key_cache;
mod refusal;
#[cfg(test)]
mod tests;

pub use algorithm::Algorithm;
pub use checker::Checker;
pub use client::{Authorization, Client, DeviceCode, Post, Posted, Tokens, TokensError};
pub use config::{ClientSecret, Provider, Source};
pub use fetch::{Ask, Fetch, FetchError, HttpsFetch};
pub use refusal::Refusal;

/// The longest token that is looked at, in octets. Those that tell of many groups have some kilobytes.
pub const TOKEN_OCTETS_MAX: usize = 16 << 10;
