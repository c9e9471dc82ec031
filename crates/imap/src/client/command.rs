//! Commands as a client writes them.

/// A word of a command.
#[derive(Debug, Clone, Copy)]
pub enum Word<'a> {
    /// Of the grammar itself: it goes as it is.
    Raw(&'a str),
    /// A string of any octets.
    String(&'a [u8]),
}

/// A command in parts: behind each but the last the server has to ask for more, with `+` (RFC 9051 §4.3). In quotes goes what can be, so that mostly there is
/// one.
pub fn command(tag: &str, words: &[Word<'_>]) -> Vec<Vec<u8>> {
    let (mut parts, mut part) = (Vec::new(), tag.as_bytes().to_vec());
    for word in words {
        part.push(b' ');
        match word {
            Word::Raw(text) => part.extend_from_slice(text.as_bytes()),
            Word::String(octets) if is_quotable(octets) => quote(octets, &mut part),
            Word::String(octets) => {
                part.extend_from_slice(format!("{{{}}}\r\n", octets.len()).as_bytes());
                parts.push(std::mem::replace(&mut part, octets.to_vec()));
            }
        }
    }
    part.extend_from_slice(b"\r\n");
    parts.push(part);
    parts
}

fn is_quotable(octets: &[u8]) -> bool {
    octets.iter().all(|octet| matches!(octet, b' '..=b'~'))
}

fn quote(octets: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for octet in octets {
        if matches!(octet, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*octet);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_stand_in_quotes_waits_for_the_server() {
        let login = |password: &str| {
            let parts = command(
                "a1",
                &[Word::Raw("LOGIN"), Word::String(b"anna"), Word::String(password.as_bytes())],
            );
            parts.into_iter().map(|part| String::from_utf8(part).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(login("ti\"g\\er"), ["a1 LOGIN \"anna\" \"ti\\\"g\\\\er\"\r\n"]);
        assert_eq!(login("tigér"), ["a1 LOGIN \"anna\" {6}\r\n", "tigér\r\n"]);
        assert_eq!(login("a\r\nb"), ["a1 LOGIN \"anna\" {4}\r\n", "a\r\nb\r\n"]);
        assert_eq!(login(""), ["a1 LOGIN \"anna\" \"\"\r\n"]);
    }
}
