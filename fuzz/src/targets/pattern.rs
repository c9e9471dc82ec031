//! Patterns of operators: they match what their definition says, and what a wider one covers.
//!
//! Lines: a pattern, another one, and a text.

use directory::DomainPattern;
use mail::Domain;
use receive::{AddressPattern, Glob};
use spool::Pattern;

pub(crate) fn run(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (wide, narrow, text) = (line(), line(), line());
    globs(wide, narrow, text);
    domains(wide, narrow, text);
    queue(wide, text);
    if let (Ok(wide), Ok(narrow)) = (AddressPattern::parse(wide), AddressPattern::parse(narrow)) {
        let written = wide.to_string();
        assert_eq!(AddressPattern::parse(&written).as_ref(), Ok(&wide), "{written}");
        assert!(wide.covers(&wide) && AddressPattern::EVERY.covers(&narrow));
    }
}

fn globs(wide: &str, narrow: &str, text: &str) {
    // A glob gets its text in lower case, as it is itself.
    let text = text.to_lowercase();
    let (pattern, other) = (Glob::new(wide), Glob::new(narrow));
    assert_eq!(pattern.matches(&text), by_definition(&wide.to_lowercase(), &text), "{wide} {text}");
    assert_eq!(Glob::new(&pattern.to_string()), pattern);
    assert!(pattern.covers(&pattern));
    if pattern.covers(&other) && other.matches(&text) {
        assert!(pattern.matches(&text), "{wide} covers {narrow}, but {text} is only in the second");
    }
}

fn domains(wide: &str, narrow: &str, text: &str) {
    let (Ok(wide), Ok(narrow)) = (DomainPattern::parse(wide), DomainPattern::parse(narrow)) else { return };
    let written = wide.to_string();
    assert_eq!(DomainPattern::parse(&written).as_ref(), Ok(&wide), "{written}");
    let domain = Domain::parse(text).ok().and_then(directory::in_ascii);
    if let Some(domain) = domain
        && wide.covers(&narrow)
        && narrow.takes(&domain)
    {
        assert!(wide.takes(&domain), "{wide} covers {narrow}, but {domain} is only in the second");
    }
}

/// The patterns of `queue`: an address is its own pattern.
fn queue(pattern: &str, text: &str) {
    if let Ok(pattern) = Pattern::address(pattern) {
        let _ = pattern.matches(text);
    }
    if let Ok(domain) = Pattern::domain(pattern) {
        let _ = domain.matches(text);
    }
    if let Ok(address) = text.parse::<mail::Address>()
        && !text.contains('*')
    {
        let address = address.to_string();
        assert!(Pattern::address(&address).is_ok_and(|own| own.matches(&address)), "{address}");
    }
}

/// A star is any text: whether the pattern up to here and the text up to there match, for each pair.
fn by_definition(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut ends = vec![false; text.len() + 1];
    ends[0] = true;
    for letter in pattern.chars() {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            next[at] = match letter {
                '*' => ends[at] || at > 0 && next[at - 1],
                letter => at > 0 && ends[at - 1] && text[at - 1] == letter,
            };
        }
        ends = next;
    }
    ends[text.len()]
}
