//! OAUTHBEARER (RFC 7628) and XOAUTH2: a bearer token, with whom it is for.

use crate::Password;

/// What the message says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BearerMessage {
    /// Whose account it is for, if the client says so.
    pub(crate) user: Option<Box<str>>,
    pub(crate) token: Password,
}

const SEPARATOR: char = '\u{1}';

/// ```text
/// client-resp = (gs2-header kvsep *kvpair kvsep) / kvsep
/// kvpair      = key "=" value kvsep
/// ```
///
/// `auth` holds `Bearer` and the token (RFC 6750 §2.1); unknown keys are ignored. `host` and `port` are checked by nobody: they
/// matter for token types with a keyed digest of the request, which are refused here. None: not the grammar, or no such token.
pub(crate) fn parse_oauthbearer(message: &[u8]) -> Option<BearerMessage> {
    let text = std::str::from_utf8(message).ok()?;
    let (header, pairs) = text.split_once(SEPARATOR)?;
    let (flag, rest) = header.split_once(',')?;
    // RFC 7628 §3: no channel binding is defined for it.
    let authzid = rest.strip_suffix(',').filter(|_| matches!(flag, "n" | "y"))?;
    let user = match authzid.strip_prefix("a=") {
        Some(name) => Some(crate::scram::unescape(name)?),
        None if authzid.is_empty() => None,
        None => return None,
    };
    Some(BearerMessage { user, token: token(pairs)? })
}

/// What a client says with OAUTHBEARER. `host` and `port` are for tokens with a digest of the request, and left out.
pub(crate) fn oauthbearer(user: &str, token: &Password) -> Vec<u8> {
    format!("n,a={},\u{1}auth=Bearer {}\u{1}\u{1}", crate::scram::escape(user), token.expose()).into_bytes()
}

/// The same in the older form.
pub(crate) fn xoauth2(user: &str, token: &Password) -> Vec<u8> {
    format!("user={user}\u{1}auth=Bearer {}\u{1}\u{1}", token.expose()).into_bytes()
}

/// `user=anna@example.org ^A auth=Bearer TOKEN ^A ^A`. None: not like this.
pub(crate) fn parse_xoauth2(message: &[u8]) -> Option<BearerMessage> {
    let text = std::str::from_utf8(message).ok()?;
    let user = text.split(SEPARATOR).find_map(|pair| pair.strip_prefix("user="))?;
    Some(BearerMessage { user: (!user.is_empty()).then(|| user.into()), token: token(text)? })
}

/// The value of `auth`, which there is once, in pairs that end in an empty one.
fn token(pairs: &str) -> Option<Password> {
    let pairs = pairs.strip_suffix(SEPARATOR)?.strip_suffix(SEPARATOR)?;
    let mut found = pairs.split(SEPARATOR).filter_map(|pair| pair.strip_prefix("auth="));
    let value = found.next().filter(|_| found.next().is_none())?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_matches(' ');
    // RFC 6750 §2.1: b64token.
    let of_token = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~+/=".contains(&octet);
    let good = scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty() && token.bytes().all(of_token);
    good.then(|| Password::new(token))
}

/// What a client is told whose token is not taken (RFC 7628 §3.2.2); it answers, and is refused then.
pub(crate) const INVALID_TOKEN: &[u8] = b"{\"status\":\"invalid_token\"}";
/// The same for XOAUTH2, with the code of HTTP.
pub(crate) const INVALID_TOKEN_XOAUTH2: &[u8] = b"{\"status\":\"401\",\"schemes\":\"bearer\"}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard() {
        let message = b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01";
        let read = parse_oauthbearer(message).unwrap();
        assert_eq!(read.user.as_deref(), Some("user@example.com"));
        assert_eq!(read.token.expose(), "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
        let nobody = parse_oauthbearer(b"n,,\x01auth=bearer abc\x01\x01").unwrap();
        assert_eq!((nobody.user, nobody.token.expose()), (None, "abc"));
    }

    #[test]
    fn the_older_form() {
        let read = parse_xoauth2(b"user=anna@example.org\x01auth=Bearer ya29.abc\x01\x01").unwrap();
        assert_eq!((read.user.as_deref(), read.token.expose()), (Some("anna@example.org"), "ya29.abc"));
    }

    #[test]
    fn what_a_client_says_is_read_as_it_was_meant() {
        let (user, token) = ("o=hara,anna@example.org", Password::new("ya29.abc"));
        for read in [
            parse_oauthbearer(&oauthbearer(user, &token)).unwrap(),
            parse_xoauth2(&xoauth2(user, &token)).unwrap(),
        ] {
            assert_eq!((read.user.as_deref(), &read.token), (Some(user), &token));
        }
    }

    #[test]
    fn what_is_unclear_is_refused() {
        for wrong in [
            &b""[..],
            b"\x01",
            b"n,,\x01\x01",
            b"n,,\x01auth=Bearer abc\x01",
            b"n,,auth=Bearer abc\x01\x01",
            b"p=tls-exporter,,\x01auth=Bearer abc\x01\x01",
            b"n,a=a=b,\x01auth=Bearer abc\x01\x01",
            b"n,b=c,\x01auth=Bearer abc\x01\x01",
            b"n,,\x01auth=Bearer abc\x01auth=Bearer abd\x01\x01",
            b"n,,\x01auth=Basic abc\x01\x01",
            b"n,,\x01auth=Bearer \x01\x01",
            b"n,,\x01auth=Bearer a b\x01\x01",
            b"n,,\x01auth=Bearer \xc3\xa9\x01\x01",
        ] {
            assert_eq!(parse_oauthbearer(wrong), None, "{wrong:?}");
        }
        for wrong in [&b"auth=Bearer abc\x01\x01"[..], b"user=a\x01\x01", b"user=a\x01auth=Bearer abc"] {
            assert_eq!(parse_xoauth2(wrong), None, "{wrong:?}");
        }
    }
}
