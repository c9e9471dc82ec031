//! PLAIN (RFC 4616): who logs in, as whom, and the password, in one message.

use crate::Password;

/// What the message says, the client's words as they came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PlainMessage {
    /// As whom it wants to act; none if as itself.
    pub(crate) authzid: Option<Box<str>>,
    pub(crate) authcid: Box<str>,
    pub(crate) password: Password,
}

impl PlainMessage {
    /// None: not the grammar.
    ///
    /// ```text
    /// message = [authzid] UTF8NUL authcid UTF8NUL passwd
    /// authcid = 1*SAFE
    /// passwd  = 1*SAFE
    /// ```
    pub(crate) fn parse(message: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(message).ok()?;
        let mut parts = text.split('\0');
        let (authzid, authcid, password) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || authcid.is_empty() || password.is_empty() {
            return None;
        }
        Some(Self {
            authzid: (!authzid.is_empty()).then(|| authzid.into()),
            authcid: authcid.into(),
            password: Password::new(password),
        })
    }

    pub(crate) fn to_octets(&self) -> Vec<u8> {
        let authzid = self.authzid.as_deref().unwrap_or_default();
        [authzid, "\0", &self.authcid, "\0", self.password.expose()].concat().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard() {
        let tim = PlainMessage::parse(b"\0tim\0tanstaaftanstaaf").unwrap();
        assert_eq!(
            (tim.authzid.as_deref(), &*tim.authcid, tim.password.expose()),
            (None, "tim", "tanstaaftanstaaf")
        );
        let kurt = PlainMessage::parse(b"Ursel\0Kurt\0xipj3plmq").unwrap();
        assert_eq!((kurt.authzid.as_deref(), &*kurt.authcid), (Some("Ursel"), "Kurt"));
        assert_eq!(kurt.to_octets(), b"Ursel\0Kurt\0xipj3plmq");
    }

    #[test]
    fn what_is_not_the_grammar_is_refused() {
        for wrong in
            [&b""[..], b"\0", b"\0a", b"\0a\0", b"\0\0b", b"a\0b", b"\0a\0b\0", b"\0a\0b\0c", b"\0\xff\0b"]
        {
            assert_eq!(PlainMessage::parse(wrong), None, "{wrong:?}");
        }
    }
}
