//! Signatures of ours (RFC 6376 §5): which fields they cover, how they are written, and the keys that make them.

use std::fmt;

use aws_lc_rs::{
    digest::Digest,
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256},
};
use message::{Field, HeaderSection};

use crate::tags::base64;

use super::{
    canon::Form,
    digest::{self, BodyDigest},
    key::{BadKey, PublicKey},
    signature::Algorithm,
};

/// Signed as often as they are there and once more, so that none can be added (mail-rules 17).
const SEALED: [&str; 11] = [
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "In-Reply-To",
    "References",
];

/// Signed if they are there. A mailing list that adds its own does not break the signature.
const COVERED: [&str; 12] = [
    "Reply-To",
    "List-Id",
    "List-Help",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
    "Feedback-ID",
    "Content-ID",
    "Content-Description",
];

/// Octets of a line of ours, where words allow (RFC 5322 §2.1.1).
const LINE_OCTETS: usize = 76;

/// A private key. Its octets are nowhere to be seen.
pub enum SigningKey {
    /// For `rsa-sha256`.
    Rsa(Box<KeyPair>),
    /// For `ed25519-sha256` (RFC 8463).
    Ed25519(Box<Ed25519KeyPair>),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.algorithm().name())
    }
}

/// A key could not be made, read or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyError;

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a private key for DKIM: PKCS #8 of RSA (1024 bits at least) or Ed25519 is")
    }
}

impl std::error::Error for KeyError {}

/// Why a record in the DNS does not publish a key of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WrongRecord {
    /// There is none.
    Missing,
    /// It publishes another key.
    OtherKey,
    /// It is of no use to anybody.
    Bad(BadKey),
}

impl fmt::Display for WrongRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "there is no record",
            Self::OtherKey => "the record publishes another key: its p= does not fit the private key",
            Self::Bad(BadKey::Malformed) => "what is there is no key record",
            Self::Bad(BadKey::Revoked) => "the record takes the key back: its p= is empty",
            Self::Bad(BadKey::Kind) => "the record is of another kind of key (k=)",
            Self::Bad(BadKey::Purpose) => "the record is not for mail, or not for SHA-256 (s=, h=)",
            Self::Bad(BadKey::Short) => "the record's key is too short",
        })
    }
}

impl std::error::Error for WrongRecord {}

impl SigningKey {
    /// A new key: RSA of 2048 bits, or Ed25519.
    ///
    /// # Errors
    /// The machine has no randomness.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        match algorithm {
            Algorithm::RsaSha256 => {
                KeyPair::generate(KeySize::Rsa2048).map(|key| Self::Rsa(Box::new(key))).map_err(|_| KeyError)
            }
            Algorithm::Ed25519Sha256 => {
                Ed25519KeyPair::generate().map(|key| Self::Ed25519(Box::new(key))).map_err(|_| KeyError)
            }
        }
    }

    /// Reads a key in DER: PKCS #8 (RFC 5208), or for RSA the older PKCS #1 too.
    ///
    /// # Errors
    /// It is none, or of another kind, or too short to be believed (RFC 8301 §3.2).
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(key) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Ok(Self::Ed25519(Box::new(key)));
        }
        let key = KeyPair::from_pkcs8(der).or_else(|_| KeyPair::from_der(der)).map_err(|_| KeyError)?;
        if key.public_modulus_len() * 8 < 1024 {
            return Err(KeyError);
        }
        Ok(Self::Rsa(Box::new(key)))
    }

    /// Reads a key in PEM: `-----BEGIN PRIVATE KEY-----`, or `-----BEGIN RSA PRIVATE KEY-----`.
    ///
    /// # Errors
    /// As [`SigningKey::from_der`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let (_, rest) = pem.split_once("-----BEGIN ").ok_or(KeyError)?;
        let (label, rest) = rest.split_once("-----").ok_or(KeyError)?;
        let (body, _) = rest.split_once("-----END ").ok_or(KeyError)?;
        let known = matches!(label, "PRIVATE KEY" | "RSA PRIVATE KEY");
        Self::from_der(&base64(body).filter(|_| known).ok_or(KeyError)?)
    }

    /// The private key in PEM (RFC 7468 §10), to be kept where nobody reads it.
    ///
    /// # Errors
    /// It cannot be written so.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
        let text = encoded(&self.to_pkcs8()?);
        for line in text.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        Ok(pem)
    }

    /// The private key in PKCS #8, to be kept where nobody reads it.
    ///
    /// # Errors
    /// It cannot be written so.
    pub fn to_pkcs8(&self) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::Rsa(key) => {
                AsDer::<Pkcs8V1Der<'_>>::as_der(&**key).map(|der| der.as_ref().to_vec()).map_err(|_| KeyError)
            }
            Self::Ed25519(key) => key.to_pkcs8v1().map(|der| der.as_ref().to_vec()).map_err(|_| KeyError),
        }
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa(_) => Algorithm::RsaSha256,
            Self::Ed25519(_) => Algorithm::Ed25519Sha256,
        }
    }

    /// The record that publishes it (RFC 6376 §3.6.1), without the quotes of a zone file.
    ///
    /// # Errors
    /// The public part cannot be written.
    pub fn record(&self) -> Result<String, KeyError> {
        let (kind, public) = match self {
            Self::Rsa(key) => {
                let der: PublicKeyX509Der<'_> = key.public_key().as_der().map_err(|_| KeyError)?;
                ("rsa", encoded(der.as_ref()))
            }
            Self::Ed25519(key) => ("ed25519", encoded(key.public_key().as_ref())),
        };
        Ok(format!("v=DKIM1; k={kind}; h=sha256; s=email; p={public}"))
    }

    /// Whether signatures of ours will be found good by who asks the DNS and gets these texts: see [`is_published`].
    ///
    /// # Errors
    /// See [`WrongRecord`].
    pub fn is_published_by(&self, texts: &[Vec<u8>]) -> Result<(), WrongRecord> {
        let own = self.record().map_err(|_| WrongRecord::OtherKey)?;
        is_published(own.as_bytes(), texts)
    }

    pub(crate) fn sign(&self, header: &[u8]) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), header, &mut signature)
                    .map_err(|_| KeyError)?;
                Ok(signature)
            }
            // RFC 8463 §3: what is signed is the digest.
            Self::Ed25519(key) => {
                let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, header);
                Ok(key.try_sign(digest.as_ref()).map_err(|_| KeyError)?.as_ref().to_vec())
            }
        }
    }
}

/// Whether signatures by the key of a record will be found good by who asks the DNS and gets these texts: all that stand at its name. Other
/// texts there do no harm, for receivers pass them over; of several key records each has to fit, for a receiver takes any (RFC 6376 §3.6.2.2).
///
/// # Errors
/// See [`WrongRecord`].
pub fn is_published(record: &[u8], texts: &[impl AsRef<[u8]>]) -> Result<(), WrongRecord> {
    let own = PublicKey::parse(record).map_err(|_| WrongRecord::OtherKey)?;
    let (mut found, mut malformed) = (false, false);
    for text in texts {
        match PublicKey::parse(text.as_ref()) {
            Ok(key) if (key.kind, &key.octets) == (own.kind, &own.octets) => found = true,
            Ok(_) => return Err(WrongRecord::OtherKey),
            Err(BadKey::Malformed) => malformed = true,
            Err(bad) => return Err(WrongRecord::Bad(bad)),
        }
    }
    match (found, malformed) {
        (true, _) => Ok(()),
        (false, true) => Err(WrongRecord::Bad(BadKey::Malformed)),
        (false, false) => Err(WrongRecord::Missing),
    }
}

fn encoded(octets: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(octets)
}

/// The digest of a body for signatures of ours, as it comes. One serves all signatures of a message.
pub struct SignedBody(BodyDigest);

impl Default for SignedBody {
    fn default() -> Self {
        Self(BodyDigest::new(Form::Relaxed, None))
    }
}

impl SignedBody {
    /// Octets of the body, behind the empty line.
    pub fn push(&mut self, octets: &[u8]) {
        self.0.push(octets);
    }

    /// Its end.
    pub fn finish(self) -> BodyHash {
        BodyHash(self.0.finish().digest)
    }
}

/// What is signed of a body.
#[derive(Debug, Clone, Copy)]
pub struct BodyHash(Digest);

/// Who signs, and by which key.
#[derive(Debug)]
pub struct Signer {
    /// `d=`.
    pub domain: Box<str>,
    /// `s=`.
    pub selector: Box<str>,
    /// The key whose public part stands there.
    pub key: SigningKey,
}

impl Signer {
    /// The DKIM-Signature field of a message, with the end of its last line, to be put before all others. `made` and `expires` in
    /// seconds since 1970. All of the body is signed, always.
    ///
    /// # Errors
    /// The key does not sign.
    pub fn sign(
        &self,
        section: &HeaderSection<'_>,
        body: &BodyHash,
        made: u64,
        expires: u64,
    ) -> Result<Vec<u8>, KeyError> {
        let fields: Vec<Field<'_>> = section.fields().collect();
        let head = format!("DKIM-Signature: v=1; {}; x={expires}", self.claims(made));
        self.signed(head, &fields, &names(&fields), body)
    }

    /// What any signature of ours says of itself.
    fn claims(&self, made: u64) -> String {
        let (algorithm, domain, selector) = (self.key.algorithm().name(), &self.domain, &self.selector);
        format!("a={algorithm}; c=relaxed/relaxed;\r\n\td={domain}; s={selector};\r\n\tt={made}")
    }

    /// A field that signs these fields and the body.
    fn signed(
        &self,
        head: String,
        fields: &[Field<'_>],
        names: &[&str],
        body: &BodyHash,
    ) -> Result<Vec<u8>, KeyError> {
        let mut field = head;
        push_claims(&mut field, names, body);
        let text = digest::of_fields(Form::Relaxed, fields, names);
        self.close(field, text)
    }

    /// Puts the signature at the end of a field, which is signed itself behind `text`.
    fn close(&self, mut field: String, mut text: Vec<u8>) -> Result<Vec<u8>, KeyError> {
        digest::push_own(Form::Relaxed, field.as_bytes(), &mut text);
        let proof = self.key.sign(&text)?;
        push_folded(&mut field, &encoded(&proof));
        field.push_str("\r\n");
        Ok(field.into_bytes())
    }

    /// The ARC-Message-Signature of a message that is passed on (RFC 8617 §4.1.2): signatures of others are covered too.
    pub(crate) fn sign_for_arc(
        &self,
        section: &HeaderSection<'_>,
        body: &BodyHash,
        instance: u8,
        made: u64,
    ) -> Result<Vec<u8>, KeyError> {
        let fields: Vec<Field<'_>> = section.fields().collect();
        let mut names = names(&fields);
        let signatures = fields.iter().filter(|field| field.is("DKIM-Signature")).count();
        names.extend(std::iter::repeat_n("DKIM-Signature", signatures));
        let head = format!("ARC-Message-Signature: i={instance}; {}", self.claims(made));
        self.signed(head, &fields, &names, body)
    }

    /// The ARC-Seal behind the fields of all sets, in their canonical form (RFC 8617 §5.1.1).
    pub(crate) fn seal(
        &self,
        sets: Vec<u8>,
        instance: u8,
        status: &str,
        made: u64,
    ) -> Result<Vec<u8>, KeyError> {
        let (algorithm, domain, selector) = (self.key.algorithm().name(), &self.domain, &self.selector);
        let field = format!(
            "ARC-Seal: i={instance}; a={algorithm}; cv={status};\r\n\td={domain}; s={selector};\r\n\tt={made};\r\n\tb="
        );
        self.close(field, sets)
    }
}

/// Which fields are signed, and the body.
fn push_claims(field: &mut String, names: &[&str], body: &BodyHash) {
    field.push_str(";\r\n\th=");
    for (number, name) in names.iter().enumerate() {
        let last_line = field.rsplit('\n').next().unwrap_or_default().len();
        if number > 0 {
            field.push(':');
            if last_line + 1 + name.len() > LINE_OCTETS {
                field.push_str("\r\n\t ");
            }
        }
        field.push_str(name);
    }
    field.push_str(";\r\n\tbh=");
    field.push_str(&encoded(body.0.as_ref()));
    field.push_str(";\r\n\tb=");
}

/// Which names are signed, and how often each.
fn names(fields: &[Field<'_>]) -> Vec<&'static str> {
    let count = |name: &str| fields.iter().filter(|field| field.is(name)).count();
    let sealed = SEALED.into_iter().flat_map(|name| std::iter::repeat_n(name, count(name) + 1));
    let covered = COVERED.into_iter().flat_map(|name| std::iter::repeat_n(name, count(name)));
    sealed.chain(covered).collect()
}

/// Base64 over as many lines as it takes.
fn push_folded(field: &mut String, mut text: &str) {
    let mut room = LINE_OCTETS - field.rsplit('\n').next().unwrap_or_default().len();
    while let Some((line, rest)) = text.split_at_checked(room) {
        field.push_str(line);
        field.push_str("\r\n\t ");
        (text, room) = (rest, LINE_OCTETS - 2);
    }
    field.push_str(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_and_read_again() {
        for algorithm in [Algorithm::RsaSha256, Algorithm::Ed25519Sha256] {
            let key = SigningKey::generate(algorithm).unwrap();
            let again = SigningKey::from_der(&key.to_pkcs8().unwrap()).unwrap();
            assert_eq!(again.algorithm(), algorithm);
            assert_eq!(again.record().unwrap(), key.record().unwrap());
            let again = SigningKey::from_pem(&key.to_pem().unwrap()).unwrap();
            assert_eq!(again.record().unwrap(), key.record().unwrap());
        }
        assert_eq!(SigningKey::from_der(b"nothing").err(), Some(KeyError));
        for pem in [
            "",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        ] {
            assert_eq!(SigningKey::from_pem(pem).err(), Some(KeyError), "{pem}");
        }
    }

    #[test]
    fn a_record_publishes_the_key_or_it_is_told_why_not() {
        let key = SigningKey::generate(Algorithm::Ed25519Sha256).unwrap();
        let other = SigningKey::generate(Algorithm::Ed25519Sha256).unwrap().record().unwrap();
        let own = key.record().unwrap();
        let judged = |texts: &[&str]| {
            let texts: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
            key.is_published_by(&texts)
        };
        assert_eq!(judged(&[&own]), Ok(()));
        assert_eq!(judged(&[&own.replace("h=sha256; s=email; ", "t=s; n=x; ")]), Ok(()));
        assert_eq!(judged(&["a note without tags", &own]), Ok(()));
        assert_eq!(judged(&[]), Err(WrongRecord::Missing));
        assert_eq!(judged(&[&other]), Err(WrongRecord::OtherKey));
        assert_eq!(judged(&[&own, &other]), Err(WrongRecord::OtherKey));
        assert_eq!(judged(&["v=DKIM1; k=ed25519; p="]), Err(WrongRecord::Bad(BadKey::Revoked)));
        assert_eq!(judged(&[&own.replace("s=email", "s=tlsrpt")]), Err(WrongRecord::Bad(BadKey::Purpose)));
        assert_eq!(judged(&[&own.replace("p=", "p=!")]), Err(WrongRecord::Bad(BadKey::Malformed)));
        assert_eq!(judged(&[&own.replace("k=ed25519", "k=rsa")]), Err(WrongRecord::OtherKey));
    }

    #[test]
    fn what_must_not_be_added_is_signed_once_more_than_it_is_there() {
        let section = HeaderSection::read(b"From: a@b\r\nReply-To: c\r\nList-Id: <d>\r\nSubject: x\r\n\r\n");
        let fields: Vec<Field<'_>> = section.fields().collect();
        let names = names(&fields);
        let count = |wanted: &str| names.iter().filter(|name| **name == wanted).count();
        assert_eq!((count("From"), count("Subject"), count("Cc")), (2, 2, 1));
        assert_eq!((count("Reply-To"), count("List-Id"), count("List-Post")), (1, 1, 0));
    }
}
