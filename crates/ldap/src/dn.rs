//! Distinguished names (RFC 4514) that are made of a login.

use std::fmt::{self, Write};

use mail::Address;

/// A distinguished name with `{user}`, `{domain}` or `{address}` in it: `uid={user},ou=people,dc=example,dc=org`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Box<str>);

/// Why a text is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// Nothing is put in: all people would have one name.
    #[error("none of {{user}}, {{domain}} and {{address}} stands in it")]
    Constant,
    /// A brace that belongs to no name of ours.
    #[error("in braces stands what is none of {{user}}, {{domain}} and {{address}}")]
    Placeholder,
}

const NAMES: [&str; 3] = ["{user}", "{domain}", "{address}"];

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, BadTemplate> {
        if !NAMES.iter().any(|name| text.contains(name)) {
            return Err(BadTemplate::Constant);
        }
        let without = NAMES.iter().fold(text.to_owned(), |text, name| text.replace(name, ""));
        if without.contains(['{', '}']) { Err(BadTemplate::Placeholder) } else { Ok(Self(text.into())) }
    }

    /// The name of whoever has this login.
    pub(crate) fn fill(&self, login: &Address) -> String {
        let (mut name, mut rest) = (String::new(), &*self.0);
        // Piece by piece: what was put in may look like a name to put in.
        while let Some((before, from)) = rest.find('{').and_then(|at| rest.split_at_checked(at)) {
            name.push_str(before);
            let Some(word) = NAMES.iter().find(|word| from.starts_with(**word)) else { break };
            match *word {
                "{user}" => name.push_str(&escaped(login.local_part())),
                "{domain}" => name.push_str(&escaped(&login.domain().to_string())),
                _ => name.push_str(&escaped(&login.to_string())),
            }
            rest = from.get(word.len()..).unwrap_or_default();
        }
        name.push_str(rest);
        name
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value in a distinguished name: all that could mean something else is escaped, as two digits (RFC 4514 §2.4).
fn escaped(value: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_.@".contains(c);
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if plain(c) {
            text.push(c);
        } else {
            let mut octets = [0; 4];
            for octet in c.encode_utf8(&mut octets).bytes() {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\{octet:02X}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_a_value_whatever_it_holds() {
        let template = Template::parse("uid={user},ou={domain},dc=example").unwrap();
        let name = |login: &str| template.fill(&login.parse().unwrap());
        assert_eq!(name("anna@b.example"), "uid=anna,ou=b.example,dc=example");
        assert_eq!(
            name("\"x,ou=admins+{domain}\"@b.example"),
            "uid=x\\2Cou\\3Dadmins\\2B\\7Bdomain\\7D,ou=b.example,dc=example"
        );
        assert_eq!(name("\" #\"@b.example"), "uid=\\20\\23,ou=b.example,dc=example");
    }

    #[test]
    fn what_is_no_template_is_told() {
        assert_eq!(Template::parse("uid=anna"), Err(BadTemplate::Constant));
        assert_eq!(Template::parse("uid={user},ou={what}"), Err(BadTemplate::Placeholder));
    }
}
