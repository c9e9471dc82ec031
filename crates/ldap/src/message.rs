//! Messages of LDAP (RFC 4511 §4), those of a client that binds and searches.

use std::fmt;

use mail::Address;

use crate::{
    ber::{
        BOOLEAN, ENUMERATED, INTEGER, Malformed, OCTETS, Reader, SEQUENCE, SET, put, put_number, put_within,
    },
    filter::Node,
};

/// RFC 4511 §4.14.
const STARTTLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
/// RFC 2696.
const PAGED: &[u8] = b"1.2.840.113556.1.4.319";
const CONTROLS: u8 = 0xA0;

pub(crate) const SUCCESS: u32 = 0;
pub(crate) const SIZE_LIMIT: u32 = 4;
pub(crate) const REFERRAL: u32 = 10;
const CONFIDENTIALITY: u32 = 13;
pub(crate) const NO_SUCH_OBJECT: u32 = 32;
const INVALID_CREDENTIALS: u32 = 49;
const INSUFFICIENT_RIGHTS: u32 = 50;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request<'a> {
    /// A simple bind (RFC 4513 §5.1). Both empty: as nobody.
    Bind {
        dn: &'a str,
        password: &'a str,
    },
    StartTls,
    Search(Search<'a>),
    Unbind,
}

/// A search.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search<'a> {
    pub(crate) base: &'a str,
    /// 0 the object, 1 one level, 2 the subtree.
    pub(crate) scope: u32,
    pub(crate) filter: &'a Node,
    /// Whose names are put in the filter.
    pub(crate) address: Option<&'a Address>,
    pub(crate) attributes: &'a [String],
    /// 0: any number.
    pub(crate) size_max: u32,
    /// In seconds.
    pub(crate) time_max: u32,
    /// How many at once, and what the server gave with the page before (RFC 2696).
    pub(crate) page: Option<(u32, &'a [u8])>,
}

impl Request<'_> {
    /// The message.
    pub(crate) fn write(&self, id: u32) -> Vec<u8> {
        let mut out = Vec::new();
        put_within(&mut out, SEQUENCE, |out| {
            put_number(out, INTEGER, id);
            match self {
                Self::Bind { dn, password } => put_within(out, 0x60, |out| {
                    put_number(out, INTEGER, 3);
                    put(out, OCTETS, dn.as_bytes());
                    put(out, 0x80, password.as_bytes());
                }),
                Self::StartTls => put_within(out, 0x77, |out| put(out, 0x80, STARTTLS)),
                Self::Unbind => put(out, 0x42, &[]),
                Self::Search(search) => search.write(out),
            }
        });
        out
    }
}

impl Search<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        put_within(out, 0x63, |out| {
            put(out, OCTETS, self.base.as_bytes());
            put_number(out, ENUMERATED, self.scope);
            // derefAliases: never.
            put_number(out, ENUMERATED, 0);
            put_number(out, INTEGER, self.size_max);
            put_number(out, INTEGER, self.time_max);
            put(out, BOOLEAN, &[0]);
            self.filter.write(out, self.address);
            put_within(out, SEQUENCE, |out| {
                for attribute in self.attributes {
                    put(out, OCTETS, attribute.as_bytes());
                }
            });
        });
        if let Some((size, cookie)) = self.page {
            put_within(out, CONTROLS, |out| {
                put_within(out, SEQUENCE, |out| {
                    put(out, OCTETS, PAGED);
                    let mut value = Vec::new();
                    put_within(&mut value, SEQUENCE, |out| {
                        put_number(out, INTEGER, size);
                        put(out, OCTETS, cookie);
                    });
                    put(out, OCTETS, &value);
                });
            });
        }
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Response {
    /// To a bind, to StartTLS, or at the end of a search; with the cookie for the next page, if there is one.
    Done(Outcome, Option<Vec<u8>>),
    Entry(Entry),
    /// Somewhere else there is more (RFC 4511 §4.5.3).
    Reference,
    /// What nobody asked for: the server will close (RFC 4511 §4.4.1).
    Notice(Outcome),
}

/// How an operation ended (RFC 4511 §4.1.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The result code.
    pub code: u32,
    /// What the server says about it.
    pub message: String,
}

/// An entry, as far as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Entry {
    pub(crate) dn: String,
    pub(crate) attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Entry {
    /// The values of an attribute, whatever its options (RFC 4512 §2.5.2).
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let base = |name: &str| name.split(';').next().unwrap_or_default().to_ascii_lowercase();
        let wanted = base(name);
        let of = self.attributes.iter().filter(move |(name, _)| base(name) == wanted);
        of.flat_map(|(_, values)| values).map(Vec::as_slice)
    }
}

/// Reads a message: to which request, and what.
pub(crate) fn read(octets: &[u8]) -> Result<(u32, Response), Malformed> {
    let mut message = Reader::new(octets).within(SEQUENCE)?;
    let id = message.number(INTEGER)?;
    let (tag, content) = message.element()?;
    let mut content = Reader::new(content);
    let response = match tag {
        0x61 | 0x65 | 0x78 => {
            let outcome = outcome(&mut content)?;
            match id {
                0 => Response::Notice(outcome),
                _ => Response::Done(outcome, cookie(message)?),
            }
        }
        0x64 => Response::Entry(entry(&mut content)?),
        0x73 => Response::Reference,
        _ => return Err(Malformed),
    };
    Ok((id, response))
}

fn outcome(content: &mut Reader<'_>) -> Result<Outcome, Malformed> {
    let code = content.number(ENUMERATED)?;
    let _matched = content.text()?;
    Ok(Outcome { code, message: content.text()? })
}

fn entry(content: &mut Reader<'_>) -> Result<Entry, Malformed> {
    let dn = content.text()?;
    let (mut list, mut attributes) = (content.within(SEQUENCE)?, Vec::new());
    while !list.is_empty() {
        let mut attribute = list.within(SEQUENCE)?;
        let (name, mut set) = (attribute.text()?, attribute.within(SET)?);
        let mut values = Vec::new();
        while !set.is_empty() {
            values.push(set.expect(OCTETS)?.to_vec());
        }
        attributes.push((name, values));
    }
    Ok(Entry { dn, attributes })
}

/// The cookie of the control for pages; none on the last page. Active Directory has sent elements there that are no controls.
fn cookie(mut message: Reader<'_>) -> Result<Option<Vec<u8>>, Malformed> {
    if message.peek() != Some(CONTROLS) {
        return Ok(None);
    }
    let mut controls = message.within(CONTROLS)?;
    while !controls.is_empty() {
        let mut control = controls.within(SEQUENCE)?;
        if control.expect(OCTETS)? != PAGED {
            continue;
        }
        if control.peek() == Some(BOOLEAN) {
            control.expect(BOOLEAN)?;
        }
        let mut value = Reader::new(control.expect(OCTETS)?).within(SEQUENCE)?;
        value.expect(INTEGER)?;
        return Ok(Some(value.expect(OCTETS)?.to_vec()).filter(|cookie| !cookie.is_empty()));
    }
    Ok(None)
}

impl Outcome {
    pub(crate) fn is_success(&self) -> bool {
        self.code == SUCCESS
    }

    /// Whether a bind failed because of who wants in, and not because of anything that passes.
    pub(crate) fn is_denial(&self) -> bool {
        // constraintViolation (a locked account), noSuchObject, invalidDNSyntax, inappropriateAuthentication, invalidCredentials,
        // insufficientAccessRights, unwillingToPerform (an account that may not).
        matches!(self.code, 19 | NO_SUCH_OBJECT | 34 | 48 | INVALID_CREDENTIALS | INSUFFICIENT_RIGHTS | 53)
    }

    fn name(&self) -> &'static str {
        match self.code {
            0 => "success",
            1 => "operationsError",
            2 => "protocolError",
            3 => "timeLimitExceeded",
            SIZE_LIMIT => "sizeLimitExceeded",
            7 => "authMethodNotSupported",
            8 => "strongerAuthRequired",
            REFERRAL => "referral",
            11 => "adminLimitExceeded",
            12 => "unavailableCriticalExtension",
            CONFIDENTIALITY => "confidentialityRequired",
            19 => "constraintViolation",
            NO_SUCH_OBJECT => "noSuchObject",
            34 => "invalidDNSyntax",
            48 => "inappropriateAuthentication",
            INVALID_CREDENTIALS => "invalidCredentials",
            INSUFFICIENT_RIGHTS => "insufficientAccessRights",
            51 => "busy",
            52 => "unavailable",
            53 => "unwillingToPerform",
            _ => "result code",
        }
    }

    pub(crate) fn hint(&self) -> &'static str {
        match self.code {
            SIZE_LIMIT | 11 => {
                "raise the server's limit for `bind_dn`, or choose a narrower `base` or `filter`"
            }
            8 | CONFIDENTIALITY => "the server wants TLS: use ldaps://, or leave `tls` out",
            REFERRAL => "referrals are not followed: name the server that has the entries",
            NO_SUCH_OBJECT => "is `base` right?",
            34 => "is `bind_dn` right? It is a DN such as \"cn=postrider,dc=example,dc=org\"",
            1 | 48 | INSUFFICIENT_RIGHTS => "may `bind_dn` search there? Without it nobody is bound",
            INVALID_CREDENTIALS => "are `bind_dn` and `password` right?",
            _ => "what does the server's log say?",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.code)?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message.escape_debug()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::filter::Filter;

    #[test]
    fn a_bind_and_its_answer() {
        let bind = Request::Bind { dn: "cn=a", password: "b" }.write(1);
        assert_eq!(bind, b"\x30\x11\x02\x01\x01\x60\x0c\x02\x01\x03\x04\x04cn=a\x80\x01b");
        let answer = b"\x30\x0f\x02\x01\x01\x61\x0a\x0a\x01\x31\x04\x00\x04\x03bad";
        let (id, response) = read(answer).unwrap();
        let outcome = Outcome { code: 49, message: "bad".into() };
        assert_eq!(outcome.to_string(), "invalidCredentials (49): bad");
        assert!(outcome.is_denial());
        assert_eq!((id, response), (1, Response::Done(outcome, None)));
    }

    #[test]
    fn a_search_by_pages_and_what_it_finds() {
        let filter = Filter::parse("(uid=*)").unwrap();
        let search = Search {
            base: "o=x",
            scope: 2,
            filter: filter.node(),
            address: None,
            attributes: &["mail".to_owned()],
            size_max: 0,
            time_max: 10,
            page: Some((500, b"c")),
        };
        let out = Request::Search(search).write(2);
        assert!(out.windows(9).any(|octets| octets == b"\x30\x07\x02\x02\x01\xf4\x04\x01c"), "{out:?}");
        let entry = b"\x30\x21\x02\x01\x02\x64\x1c\x04\x05uid=a\x30\x13\x30\x11\x04\x09mail;lang\x31\x04\x04\x02\xffb";
        let (_, response) = read(entry).unwrap();
        let Response::Entry(entry) = response else { panic!("{response:?}") };
        assert_eq!(entry.dn, "uid=a");
        assert_eq!(entry.values("MAIL").collect::<Vec<_>>(), [b"\xffb"]);
        assert_eq!(entry.values("cn").count(), 0);
        let mut done = Vec::new();
        put_within(&mut done, SEQUENCE, |out| {
            put_number(out, INTEGER, 2);
            put_within(out, 0x65, |out| {
                put_number(out, ENUMERATED, 0);
                put(out, OCTETS, b"");
                put(out, OCTETS, b"");
            });
            put_within(out, CONTROLS, |out| {
                put_within(out, SEQUENCE, |out| {
                    put(out, OCTETS, PAGED);
                    put(out, OCTETS, b"\x30\x06\x02\x01\x00\x04\x01d");
                });
            });
        });
        let (_, response) = read(&done).unwrap();
        let done = Outcome { code: 0, message: String::new() };
        assert_eq!(response, Response::Done(done, Some(b"d".to_vec())));
    }

    #[test]
    fn a_server_that_says_goodbye_is_understood() {
        let notice = b"\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00";
        assert!(matches!(read(notice), Ok((0, Response::Notice(Outcome { code: 52, .. })))));
        // As Active Directory has it, with the name of the notice where controls would be.
        let notice = b"\x30\x10\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00\x8a\x02ab";
        assert!(matches!(read(notice), Ok((0, Response::Notice(_)))));
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(octets in prop::collection::vec(any::<u8>(), 0..80), at in 0_usize..40, bit: u8) {
            let _ = read(&octets);
            let mut entry = b"\x30\x21\x02\x01\x02\x64\x1c\x04\x05uid=a\x30\x13\x30\x11\x04\x09mail;lang\x31\x04\x04\x02\xffb".to_vec();
            if let Some(octet) = entry.get_mut(at) {
                *octet ^= bit;
            }
            let _ = read(&entry);
        }
    }
}
