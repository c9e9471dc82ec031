//! Mail exchangers (RFC 1035 §3.3.9) and the null MX (RFC 7505).

/// One MX record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mx {
    /// Lower is tried first (RFC 5321 §5.1).
    pub preference: u16,
    /// The host, in lower case and without a final dot; empty for the root, `.`.
    pub exchange: Box<str>,
}

impl Mx {
    /// A record; the name is brought into its usual form.
    pub fn new(preference: u16, exchange: &str) -> Self {
        Self { preference, exchange: crate::normalise(exchange).into() }
    }

    /// Whether the host is the root: no host at all.
    pub fn is_root(&self) -> bool {
        self.exchange.is_empty()
    }
}

/// Whether these records say that the domain takes no mail (RFC 7505 §3).
///
/// A null MX stands alone. Beside real exchangers, which the RFC forbids, the root is no reason to lose mail: such
/// a set is none, and [`Mx::is_root`] tells the route which record to leave out.
pub fn is_null_mx(records: &[Mx]) -> bool {
    !records.is_empty() && records.iter().all(Mx::is_root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_mx_stands_alone() {
        for (records, null) in [
            (vec![], false),
            (vec![Mx::new(0, ".")], true),
            (vec![Mx::new(10, "")], true),
            (vec![Mx::new(0, "."), Mx::new(10, "MX.example.org.")], false),
            (vec![Mx::new(0, "localhost")], false),
        ] {
            assert_eq!(is_null_mx(&records), null, "{records:?}");
        }
    }

    #[test]
    fn records_sort_by_preference_first() {
        assert!(Mx::new(5, "z.example") < Mx::new(10, "a.example"));
    }
}
