//! What a message says of its way once it is sent on: fields of ours before the content as it came.

use std::io::Write;

use mail::Address;

use crate::{Field, HeaderSection, write_delivered_to};

/// Appends what is put before a message that an address of ours sends on: Delivered-To, by which it is known should it come back (RFC 9228), and X-Forwarded-For,
/// with who it was for. X-Forwarded-To only where one address gets it: nobody learns of another.
pub fn write_forwarded(out: &mut Vec<u8>, by: &Address, to: Option<&Address>) {
    write_delivered_to(out, by);
    // Writing to a Vec cannot fail, and no address can hold a control.
    let _ = write!(out, "X-Forwarded-For: {by}\r\n");
    if let Some(to) = to {
        let _ = write!(out, "X-Forwarded-To: {to}\r\n");
    }
}

impl<'a> HeaderSection<'a> {
    /// The first field of a message that we pass on as it came in, behind those that we put before it: it is ours too, Authentication-Results or Received.
    pub fn first_as_it_came(&self) -> Option<Field<'a>> {
        self.fields().find(|field| !is_put_before(field))
    }
}

/// Whether [`write_forwarded`] or [`crate::ListFields`] writes such fields.
fn is_put_before(field: &Field<'_>) -> bool {
    let name = field.name();
    let is_of_lists = name.get(..5).is_some_and(|begin| begin.eq_ignore_ascii_case(b"List-"));
    is_of_lists
        || ["Delivered-To", "X-Forwarded-For", "X-Forwarded-To", "Precedence"].iter().any(|own| field.is(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_target_is_named_and_several_are_not() {
        let (by, to) = ("sales@example.org".parse().unwrap(), "eve@x.example".parse().unwrap());
        let mut out = Vec::new();
        write_forwarded(&mut out, &by, Some(&to));
        let expected = "Delivered-To: sales@example.org\r\nX-Forwarded-For: sales@example.org\r\nX-Forwarded-To: eve@x.example\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let mut out = Vec::new();
        write_forwarded(&mut out, &by, None);
        assert!(!String::from_utf8(out).unwrap().contains("eve"));
    }

    #[test]
    fn what_came_begins_behind_what_was_put_before_it() {
        let first = |content: &str| {
            let field = HeaderSection::read(content.as_bytes()).first_as_it_came();
            field.map(|field| String::from_utf8_lossy(field.name()).into_owned())
        };
        let own = "Delivered-To: a@b\r\nX-Forwarded-For: a@b\r\nlist-id: <x.y>\r\nPrecedence: list\r\n";
        assert_eq!(first(&format!("{own}Received: x\r\nList-Id: <z>\r\n\r\n")).as_deref(), Some("Received"));
        assert_eq!(first("Authentication-Results: x\r\n\r\n").as_deref(), Some("Authentication-Results"));
        assert_eq!(first(&format!("{own}\r\nReceived: in the body")), None);
    }
}
