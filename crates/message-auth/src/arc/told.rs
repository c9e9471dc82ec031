//! What an ARC-Authentication-Results says (RFC 8617 §4.1.1, RFC 8601 §2.2).

use crate::{author::DomainName, told::outside};

/// Whether it says that DMARC had passed for this author. Of results that say so for somebody else, or for nobody, nothing follows.
pub(super) fn dmarc_passed(results: &str, author: &DomainName) -> bool {
    // The first are the instance and who says so.
    outside(&results.to_ascii_lowercase()).iter().skip(2).any(|part| {
        // White space may stand on both sides of an equals sign.
        let words =
            part.split_whitespace().collect::<Vec<_>>().join(" ").replace(" =", "=").replace("= ", "=");
        let mut words = words.split(' ');
        let passed = words.next().is_some_and(|first| matches!(first, "dmarc=pass" | "dmarc/1=pass"));
        passed
            && words.any(|word| {
                let from = word.strip_prefix("header.from=").and_then(DomainName::parse);
                from.as_ref() == Some(author)
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pass_of_dmarc_for_the_same_author_counts() {
        let author = DomainName::parse("author.example").unwrap();
        for (results, passed) in [
            ("i=1; mx.list.example; dmarc=pass header.from=author.example", true),
            (
                "i=1; mx.list.example; spf=fail; DMARC=Pass (p=reject; dis=none) header.from=Author.Example.",
                true,
            ),
            (
                "i=1; mx.list.example; dmarc = pass policy.dmarc=reject header.from=author.example; dkim=none",
                true,
            ),
            ("i=1; mx.list.example; dmarc=pass", false),
            ("i=1; mx.list.example; dmarc=pass header.from=other.example", false),
            ("i=1; mx.list.example; dmarc=fail header.from=author.example", false),
            ("i=1; mx.list.example; dmarc=fail (; dmarc=pass header.from=author.example)", false),
            ("i=1; mx.list.example; dmarc=passed header.from=author.example", false),
            ("i=1; mx.list.example; spf=pass reason=\"; dmarc=pass header.from=author.example\"", false),
            ("i=1; mx.list.example; spf=pass reason=\"; dmarc=pass header.from=author.example;\"", false),
            ("i=1; mx.list.example; spf=pass reason=\"\\\"; dmarc=pass header.from=author.example;\"", false),
            ("i=1; mx.list.example; spf=pass (\\); dmarc=pass header.from=author.example;", false),
            ("i=1; mx.list.example; dkim=pass header.d=author.example", false),
            ("dmarc=pass header.from=author.example", false),
            ("", false),
        ] {
            assert_eq!(dmarc_passed(results, &author), passed, "{results}");
        }
    }
}
