//! Other people's mail servers as peers, in both directions. They start as root only: `scripts/test` leaves these
//! tests out for others.

mod dovecot;
mod exim;
mod postfix;
