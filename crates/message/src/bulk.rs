//! Mail that no person waits for: lists, newsletters, and what programs send by themselves.

use crate::HeaderSection;

impl HeaderSection<'_> {
    /// Whether it says that it is such mail: by a List field (RFC 2369 §3, RFC 2919 §3), by Precedence, which RFC 2076
    /// §3.9 knows and no standard defines, or by Auto-Submitted (RFC 3834 §5).
    pub fn is_bulk(&self) -> bool {
        self.fields().any(|field| {
            let value = || field.value().to_ascii_lowercase();
            match field.name().len() {
                10 if field.is("Precedence") => matches!(&value()[..], b"bulk" | b"list" | b"junk"),
                14 if field.is("Auto-Submitted") => {
                    // A comment or a parameter may follow the word.
                    value().split(|octet| b" \t;(".contains(octet)).next() != Some(b"no")
                }
                7 => field.is("List-Id"),
                9 => field.is("List-Post") || field.is("List-Help"),
                16 => field.is("List-Unsubscribe"),
                _ => false,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bulk_mail_says_so() {
        for (field, is_bulk) in [
            ("Subject: List-Id: Precedence: bulk", false),
            ("Precedence: Bulk", true),
            ("precedence : list", true),
            ("Precedence: junk", true),
            ("Precedence: first-class", false),
            ("List-Id: Lists <lists.example.org>", true),
            ("List-Post: NO", true),
            ("LIST-HELP: <mailto:help@example.org>", true),
            ("List-Unsubscribe: <https://example.org/u>", true),
            ("List-Of-Things: many", false),
            ("Auto-Submitted: auto-generated", true),
            ("Auto-Submitted: auto-replied (vacation)", true),
            ("Auto-Submitted: NO", false),
            ("Auto-Submitted: no (by hand)", false),
        ] {
            let content = format!("From: a@example.org\r\n{field}\r\n\r\nPrecedence: bulk\r\n");
            assert_eq!(HeaderSection::read(content.as_bytes()).is_bulk(), is_bulk, "{field}");
        }
    }
}
