//! What a reply says, without what differs from one recipient to the next: so that replies can be counted.

use mail::Reply;

/// Longer texts are cut.
const CHARS_MAX: usize = 120;

/// Codes and words of a reply; what has a digit or an `@` in it (addresses, ids, times, hosts) becomes `…`.
pub(crate) fn gist(reply: &Reply) -> String {
    let shown = reply.to_string();
    // The codes stand first, and have digits.
    let codes = 1 + usize::from(reply.enhanced().is_some());
    let mut words: Vec<&str> = Vec::new();
    for (place, word) in shown.split_whitespace().enumerate() {
        let differs = place >= codes && word.chars().any(|c| c.is_ascii_digit() || c == '@');
        let word = if differs { "…" } else { word };
        if word != "…" || words.last() != Some(&"…") {
            words.push(word);
        }
    }
    let text = words.join(" ");
    match text.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default().trim_end()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use mail::EnhancedStatus;

    use super::*;

    #[test]
    fn replies_that_say_the_same_are_the_same() {
        let reply = |text: &str| Reply::new(450, EnhancedStatus::new(4, 7, 1), text.to_owned());
        let one = gist(&reply("<anna@example.org>: greylisted, id=8f3 1234, try in 300 seconds"));
        let other = gist(&reply("<bob@example.org>: greylisted, id=77a 99, try in 20 seconds"));
        assert_eq!(one, "450 4.7.1 … greylisted, … try in … seconds");
        assert_eq!(one, other);
        assert_eq!(gist(&Reply::plain(421, "Busy\nreally")), "421 Busy really");
        assert_eq!(gist(&reply(&"long ".repeat(100))).chars().count(), CHARS_MAX);
    }
}
