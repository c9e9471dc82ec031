//! The service that speaks HTTP to strangers: what mail clients ask for to set themselves up, and what an authority of certificates asks for.
//!
//! *Takes* sockets, how to put connections under TLS, and a [`Router`](axum::Router) of what is served: [`setup`], [`challenges`] and
//! [`mta_sts`] make one each, and whoever serves more over HTTP merges its own. *Hands on* requests within limits of size, time and number.
//! *Never* knows who exists, only which domains are ours, and asks nobody for a password.

pub mod challenges;
mod config;
mod connection;
mod linger;
pub mod mta_sts;
mod service;
pub mod setup;

pub use config::{Config, Entrance};
pub use connection::InClear;
pub use service::Web;
