//! DKIM: who answers for a message (RFC 6376, RFC 8301, RFC 8463).

mod canon;
mod digest;
mod key;
mod published;
mod sign;
mod signature;
mod verify;

pub(crate) use canon::{Form, push_field};
pub(crate) use digest::{BodyDigest, of_header, push_own};
pub(crate) use signature::{Kind, Signature, is_within};
pub(crate) use verify::{Claim, is_body};

pub use key::BadKey;
pub use published::PublishedKey;
pub use sign::{BodyHash, KeyError, SignedBody, Signer, SigningKey, WrongRecord, is_published};
pub use signature::{Algorithm, Unusable};
pub use verify::{DkimResult, Outcome, Reason, SIGNATURES_MAX, Verifier};
