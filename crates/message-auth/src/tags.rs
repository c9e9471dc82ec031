//! Lists of tags, `name=value; name=value`: the form of DKIM's signatures and keys, of DMARC's records and of ARC's fields
//! (RFC 6376 §3.2).

/// Tags that are looked at in one list; real ones have a dozen.
const TAGS_MAX: usize = 64;

/// A list of tags, borrowed from the text it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tags<'a>(Vec<(&'a str, &'a str)>);

/// Why a text is no list of tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TagsError {
    /// Something between two semicolons is not `name=value`.
    Malformed,
    /// A name stands twice: then the list says nothing (RFC 6376 §3.2).
    Twice,
    /// More than 64.
    TooMany,
}

impl<'a> Tags<'a> {
    /// Reads a list. White space around names and values is no part of them, and a semicolon may stand at the end.
    ///
    /// # Errors
    /// See [`TagsError`].
    pub(crate) fn parse(text: &'a str) -> Result<Self, TagsError> {
        let mut tags: Vec<(&str, &str)> = Vec::new();
        let mut specs = text.split(';').peekable();
        while let Some(spec) = specs.next() {
            let spec = spec.trim_matches(is_white);
            if spec.is_empty() && specs.peek().is_none() {
                break;
            }
            let (name, value) = spec.split_once('=').ok_or(TagsError::Malformed)?;
            let (name, value) = (name.trim_matches(is_white), value.trim_matches(is_white));
            if !is_name(name) {
                return Err(TagsError::Malformed);
            }
            if tags.iter().any(|(known, _)| *known == name) {
                return Err(TagsError::Twice);
            }
            if tags.len() == TAGS_MAX {
                return Err(TagsError::TooMany);
            }
            tags.push((name, value));
        }
        Ok(Self(tags))
    }

    /// The value of a tag. Names are case-sensitive (RFC 6376 §3.2).
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// The first tag: versions have to stand there.
    pub(crate) fn first(&self) -> Option<(&'a str, &'a str)> {
        self.0.first().copied()
    }
}

/// RFC 6376 §3.2: `ALPHA *ALNUMPUNC`.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_')
}

/// What folding leaves, and what may stand around words.
pub(crate) fn is_white(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

/// The words of a list with colons between them, without the white space around them.
pub(crate) fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split(':').map(|word| word.trim_matches(is_white))
}

/// Decodes base64 in which white space may stand anywhere (RFC 6376 §2.10).
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let dense: Vec<u8> = text.bytes().filter(|octet| !is_white(char::from(*octet))).collect();
    base64::engine::general_purpose::STANDARD.decode(dense).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_with_white_space_around_them() {
        let tags = Tags::parse(" v = 1;\r\n\ta=rsa-sha256 ; b=a b=\r\n c; e=;").unwrap();
        assert_eq!(tags.first(), Some(("v", "1")));
        assert_eq!(tags.get("a"), Some("rsa-sha256"));
        assert_eq!(tags.get("b"), Some("a b=\r\n c"));
        assert_eq!(tags.get("e"), Some(""));
        assert_eq!(tags.get("A"), None);
        assert_eq!(Tags::parse("").unwrap(), Tags(vec![]));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for (text, error) in [
            ("v=1;;a=b", TagsError::Malformed),
            (";v=1", TagsError::Malformed),
            ("v", TagsError::Malformed),
            ("1v=1", TagsError::Malformed),
            ("=1", TagsError::Malformed),
            ("a-b=1", TagsError::Malformed),
            ("v=1; V=2; v=1", TagsError::Twice),
        ] {
            assert_eq!(Tags::parse(text), Err(error), "{text}");
        }
        let names: Vec<String> = (0..65).map(|number| format!("t{number}=")).collect();
        let many = names.join(";");
        assert_eq!(Tags::parse(&many), Err(TagsError::TooMany));
    }

    #[test]
    fn base64_may_be_folded() {
        assert_eq!(base64(" aGVs\r\n bG8= ").unwrap(), b"hello");
        assert_eq!(base64("aGVsbG8"), None);
        assert_eq!(base64("a*b="), None);
    }
}
