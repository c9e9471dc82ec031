//! The messages of SCRAM (RFC 5802 §7): attributes with commas between.

use super::{ITERATIONS_MAX, KEY_OCTETS, Key, ScramError};
use crate::base64;

/// ```text
/// gs2-header     = gs2-cbind-flag "," [ authzid ] ","
/// gs2-cbind-flag = ("p=" cb-name) / "n" / "y"
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gs2Header {
    pub(crate) binding: Binding,
    pub(crate) authzid: Option<Box<str>>,
    /// As it was sent: its octets are part of what is proved.
    pub(crate) text: Box<str>,
}

/// What the client says of channel binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Binding {
    /// `n`: it has none.
    None,
    /// `y`: it has, and believes that the server has not.
    NotOffered,
    /// `p=`: this one.
    Kind(Box<str>),
}

/// `client-first-message = gs2-header [reserved-mext ","] username "," nonce ["," extensions]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientFirst {
    pub(crate) header: Gs2Header,
    pub(crate) name: Box<str>,
    pub(crate) nonce: Box<str>,
    /// All behind the header.
    pub(crate) bare: Box<str>,
}

impl ClientFirst {
    pub(crate) fn parse(message: &[u8]) -> Result<Self, ScramError> {
        let text = std::str::from_utf8(message).map_err(|_| ScramError::Syntax)?;
        let (header, bare) = Gs2Header::split(text).ok_or(ScramError::Syntax)?;
        let mut attributes = bare.split(',');
        let first = attributes.next().unwrap_or_default();
        if first.starts_with("m=") {
            return Err(ScramError::Extension);
        }
        let name = first.strip_prefix("n=").and_then(unescape).ok_or(ScramError::Syntax)?;
        let nonce =
            attributes.next().and_then(|nonce| nonce.strip_prefix("r=")).filter(|nonce| is_nonce(nonce));
        let nonce = nonce.ok_or(ScramError::Syntax)?;
        if !attributes.all(is_attribute) {
            return Err(ScramError::Syntax);
        }
        Ok(Self { header, name, nonce: nonce.into(), bare: bare.into() })
    }
}

impl Gs2Header {
    /// The header, and what follows it.
    fn split(text: &str) -> Option<(Self, &str)> {
        let (flag, rest) = text.split_once(',')?;
        let (authzid, bare) = rest.split_once(',')?;
        let binding = match flag {
            "n" => Binding::None,
            "y" => Binding::NotOffered,
            other => Binding::Kind(other.strip_prefix("p=").filter(|name| is_binding_name(name))?.into()),
        };
        let authzid = match authzid.strip_prefix("a=") {
            Some(name) => Some(unescape(name)?),
            None if authzid.is_empty() => None,
            None => return None,
        };
        let header = text.get(..text.len() - bare.len())?;
        Some((Self { binding, authzid, text: header.into() }, bare))
    }

    /// `cbind-input = gs2-header [ cbind-data ]`
    pub(crate) fn binding_input(&self, data: &[u8]) -> Vec<u8> {
        [self.text.as_bytes(), data].concat()
    }
}

/// `server-first-message = [reserved-mext ","] nonce "," salt "," iteration-count ["," extensions]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerFirst {
    pub(crate) nonce: Box<str>,
    pub(crate) salt: Vec<u8>,
    pub(crate) iterations: u32,
}

impl ServerFirst {
    pub(crate) fn to_text(&self) -> String {
        format!("r={},s={},i={}", self.nonce, base64::encode(&self.salt), self.iterations)
    }

    pub(crate) fn parse(message: &[u8]) -> Result<Self, ScramError> {
        let text = std::str::from_utf8(message).map_err(|_| ScramError::Syntax)?;
        if text.starts_with("m=") {
            return Err(ScramError::Extension);
        }
        let mut attributes = text.split(',');
        let mut next = |name| attributes.next().and_then(|attribute| attribute.strip_prefix(name));
        let nonce = next("r=").filter(|nonce| is_nonce(nonce)).ok_or(ScramError::Syntax)?;
        let salt = next("s=").and_then(|salt| base64::decode(salt.as_bytes())).ok_or(ScramError::Syntax)?;
        let iterations = next("i=").and_then(|count| count.parse().ok()).ok_or(ScramError::Syntax)?;
        if iterations > ITERATIONS_MAX {
            return Err(ScramError::Iterations);
        }
        Ok(Self { nonce: nonce.into(), salt, iterations })
    }
}

/// `client-final-message = channel-binding "," nonce ["," extensions] "," proof`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientFinal {
    pub(crate) binding_input: Vec<u8>,
    pub(crate) nonce: Box<str>,
    pub(crate) proof: Key,
    /// All before the proof.
    pub(crate) without_proof: Box<str>,
}

impl ClientFinal {
    pub(crate) fn parse(message: &[u8]) -> Result<Self, ScramError> {
        Self::read(message).ok_or(ScramError::Syntax)
    }

    fn read(message: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(message).ok()?;
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let proof: Key = base64::decode(proof.as_bytes())?.try_into().ok()?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next()?.strip_prefix("c=")?;
        let nonce = attributes.next()?.strip_prefix("r=").filter(|nonce| is_nonce(nonce))?;
        attributes.all(is_attribute).then_some(Self {
            binding_input: base64::decode(binding.as_bytes())?,
            nonce: nonce.into(),
            proof,
            without_proof: without_proof.into(),
        })
    }
}

/// `,p=` and the proof, for the end of a client's last message.
pub(crate) fn proof_of(proof: &Key) -> String {
    format!(",p={}", base64::encode(proof))
}

/// `server-final-message = (server-error / verifier) ["," extensions]`
pub(crate) fn server_final(signature: &Key) -> Vec<u8> {
    format!("v={}", base64::encode(signature)).into_bytes()
}

/// The server's signature. None: it says that something is wrong, or nothing sensible.
pub(crate) fn verifier_of(message: &[u8]) -> Option<[u8; KEY_OCTETS]> {
    let verifier = message.strip_prefix(b"v=")?;
    let verifier = verifier.split(|octet| *octet == b',').next()?;
    base64::decode(verifier)?.try_into().ok()
}

/// `saslname = 1*(value-safe-char / "=2C" / "=3D")`, with commas and equals signs as themselves again.
pub(crate) fn unescape(name: &str) -> Option<Box<str>> {
    let mut parts = name.split('=');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (character, rest) = part
            .strip_prefix("2C")
            .map(|rest| (',', rest))
            .or(part.strip_prefix("3D").map(|rest| ('=', rest)))?;
        plain.push(character);
        plain.push_str(rest);
    }
    (!plain.is_empty() && !plain.contains('\0')).then(|| plain.into())
}

/// A name as it goes over the wire.
pub(crate) fn escape(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// `printable = %x21-2B / %x2D-7E`
fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| matches!(octet, 0x21..=0x2b | 0x2d..=0x7e))
}

/// `cb-name = 1*(ALPHA / DIGIT / "." / "-")`
fn is_binding_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-'))
}

/// `attr-val = ALPHA "=" value`: what is unknown is ignored, but has to be one.
fn is_attribute(text: &str) -> bool {
    let value =
        text.strip_prefix(|name: char| name.is_ascii_alphabetic()).and_then(|rest| rest.strip_prefix('='));
    value.is_some_and(|value| !value.is_empty() && !value.contains('\0'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_first_message_is_taken_apart() {
        let first = ClientFirst::parse(b"p=tls-exporter,a=boss,n=a=2Cb=3Dc,r=abc,x=later").unwrap();
        assert_eq!(first.header.binding, Binding::Kind("tls-exporter".into()));
        assert_eq!(first.header.authzid.as_deref(), Some("boss"));
        assert_eq!(&*first.header.text, "p=tls-exporter,a=boss,");
        assert_eq!((&*first.name, &*first.nonce), ("a,b=c", "abc"));
        assert_eq!(&*first.bare, "n=a=2Cb=3Dc,r=abc,x=later");
        let first = ClientFirst::parse(b"y,,n=u,r=r").unwrap();
        assert_eq!((first.header.binding, first.header.authzid), (Binding::NotOffered, None));
    }

    #[test]
    fn what_is_not_the_grammar_is_refused() {
        for wrong in [
            &b""[..],
            b"n",
            b"n,",
            b"n,,",
            b"n,,n=u",
            b"n,,r=r,n=u",
            b"n,,n=,r=r",
            b"n,,n=u,r=",
            b"n,,n=u,r=a b",
            b"n,,n=u,r=\xc3\xa9",
            b"n,,n=a=b,r=r",
            b"n,,n=a=2,r=r",
            b"n,,n=a\0b,r=r",
            b"n,,n=u,r=r,",
            b"n,,n=u,r=r,xx=1",
            b"n,b,n=u,r=r",
            b"n,a=,n=u,r=r",
            b"x,,n=u,r=r",
            b"p=,,n=u,r=r",
            b"p=tls exporter,,n=u,r=r",
            b"n,,n=\xff,r=r",
        ] {
            assert_eq!(ClientFirst::parse(wrong), Err(ScramError::Syntax), "{wrong:?}");
        }
        assert_eq!(ClientFirst::parse(b"n,,m=x,n=u,r=r"), Err(ScramError::Extension));
        for wrong in [
            &b""[..],
            b"c=biws,r=r",
            b"c=biws,r=r,p=",
            b"c=biws,r=r,p=AAAA",
            b"r=r,c=biws,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            b"c=bi,r=r,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            b"c=biws,r=r,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=,x=1",
        ] {
            assert_eq!(ClientFinal::parse(wrong), Err(ScramError::Syntax), "{wrong:?}");
        }
        for (wrong, why) in [
            (&b"r=r,s=AA==,i=x"[..], ScramError::Syntax),
            (b"s=AA==,r=r,i=4096", ScramError::Syntax),
            (b"m=x,r=r,s=AA==,i=4096", ScramError::Extension),
            (b"r=r,s=AA==,i=2000001", ScramError::Iterations),
        ] {
            assert_eq!(ServerFirst::parse(wrong), Err(why), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn a_name_survives_the_wire(name in "[^\0]{1,20}") {
            let escaped = escape(&name);
            prop_assert!(!escaped.contains(','));
            prop_assert_eq!(unescape(&escaped), Some(name.into()));
        }

        #[test]
        fn nothing_panics(octets in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = (ClientFirst::parse(&octets), ClientFinal::parse(&octets), ServerFirst::parse(&octets), verifier_of(&octets));
        }
    }
}
