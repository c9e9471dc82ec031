//! What a server allows in one session (RFC 9422 §3).

/// The limits that a server announced; none where it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// MAILMAX: transactions of a session.
    pub transactions: Option<usize>,
    /// RCPTMAX: RCPT commands of a transaction.
    pub recipients: Option<usize>,
    /// RCPTDOMAINMAX: different domains in the RCPT commands of a session.
    pub recipient_domains: Option<usize>,
}

impl Limits {
    /// Takes in one word behind LIMITS. Of two values the lower one holds; what is unknown or malformed is passed over.
    ///
    /// ```text
    /// limit = name "=" value        ; value = %x31-39 0*5DIGIT for all three
    /// ```
    pub(super) fn read(&mut self, word: &str) {
        let Some((name, value)) = word.split_once('=') else { return };
        let digits = (1..=6).contains(&value.len()) && value.bytes().all(|octet| octet.is_ascii_digit());
        let Some(value) = value.parse::<usize>().ok().filter(|value| digits && *value > 0) else { return };
        let limit = match name.to_ascii_uppercase().as_str() {
            "MAILMAX" => &mut self.transactions,
            "RCPTMAX" => &mut self.recipients,
            "RCPTDOMAINMAX" => &mut self.recipient_domains,
            _ => return,
        };
        *limit = Some(limit.map_or(value, |other| other.min(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_can_be_meant_are_limits() {
        let read = |words: &str| {
            let mut limits = Limits::default();
            words.split(' ').for_each(|word| limits.read(word));
            (limits.transactions, limits.recipients, limits.recipient_domains)
        };
        for (words, limits) in [
            ("MAILMAX=1 RCPTMAX=100 RCPTDOMAINMAX=999999", (Some(1), Some(100), Some(999_999))),
            ("mailmax=20", (Some(20), None, None)),
            ("RCPTMAX=5 RCPTMAX=3 RCPTMAX=9", (None, Some(3), None)),
            ("MAILMAX=0 RCPTMAX=+5 RCPTDOMAINMAX=1000000", (None, None, None)),
            ("MAILMAX RCPTMAX= RCPTDOMAINMAX=-1 OTHER=1 =1", (None, None, None)),
            ("MAILMAX=x RCPTMAX=7", (None, Some(7), None)),
        ] {
            assert_eq!(read(words), limits, "{words}");
        }
    }
}
