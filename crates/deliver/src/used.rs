//! How much of what a peer allows in one session is used (RFC 9422 §3).

use mail::Domain;
use smtp::client::Limits;

/// Counted from the first transaction of a session on.
#[derive(Debug, Default)]
pub(crate) struct Used {
    /// Transactions begun.
    transactions: usize,
    /// Domains of recipients, kept where their number is limited.
    domains: Vec<Domain>,
}

impl Used {
    /// Divides recipients into those of the next transaction, at most `most`, and those that have to wait for another
    /// one. If there are none of the former, they have to wait for another session; that of a new one never is empty.
    pub(crate) fn divide<'a>(
        &self,
        limits: Limits,
        most: usize,
        recipients: impl IntoIterator<Item = (u32, &'a Domain)>,
    ) -> (Vec<u32>, Vec<u32>) {
        let most = match limits.recipients {
            _ if self.is_up(limits) => 0,
            Some(theirs) => most.min(theirs).max(1),
            None => most.max(1),
        };
        let mut domains: Vec<&Domain> = self.domains.iter().collect();
        let mut admits = |domain: &'a Domain| {
            let Some(most) = limits.recipient_domains else { return true };
            let known = domains.contains(&domain);
            if !known && domains.len() < most {
                domains.push(domain);
                return true;
            }
            known
        };
        let (mut now, mut later) = (Vec::new(), Vec::new());
        for (number, domain) in recipients {
            if now.len() < most && admits(domain) { &mut now } else { &mut later }.push(number);
        }
        (now, later)
    }

    /// Counts a transaction with recipients of these domains.
    pub(crate) fn begin<'a>(&mut self, limits: Limits, domains: impl IntoIterator<Item = &'a Domain>) {
        self.transactions += 1;
        for domain in domains.into_iter().filter(|_| limits.recipient_domains.is_some()) {
            if !self.domains.contains(domain) {
                self.domains.push(domain.clone());
            }
        }
    }

    /// Whether there is no other transaction in this session.
    pub(crate) fn is_up(&self, limits: Limits) -> bool {
        limits.transactions.is_some_and(|most| self.transactions >= most)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};

    use super::*;

    fn domain(name: &str) -> Domain {
        Domain::parse(name).unwrap()
    }

    #[test]
    fn recipients_are_divided_as_the_limits_say() {
        let (a, b, c) = (domain("a.example"), domain("b.example"), domain("c.example"));
        let recipients = [(0, &a), (1, &b), (2, &a), (3, &c), (4, &a)];
        let limits =
            |recipients, recipient_domains| Limits { recipients, recipient_domains, ..Limits::default() };
        for (limits, most, now, later) in [
            (limits(None, None), 9, vec![0, 1, 2, 3, 4], vec![]),
            (limits(None, None), 2, vec![0, 1], vec![2, 3, 4]),
            (limits(Some(3), None), 9, vec![0, 1, 2], vec![3, 4]),
            (limits(Some(3), None), 0, vec![0], vec![1, 2, 3, 4]),
            (limits(None, Some(1)), 9, vec![0, 2, 4], vec![1, 3]),
            (limits(None, Some(2)), 9, vec![0, 1, 2, 4], vec![3]),
            (limits(Some(2), Some(1)), 9, vec![0, 2], vec![1, 3, 4]),
        ] {
            assert_eq!(Used::default().divide(limits, most, recipients), (now, later), "{limits:?} {most}");
        }
    }

    #[test]
    fn transactions_and_domains_count_for_the_whole_session() {
        let (a, b) = (domain("a.example"), domain("B.example"));
        let limits = Limits { transactions: Some(2), recipient_domains: Some(1), ..Limits::default() };
        let mut used = Used::default();
        used.begin(limits, [&a, &a]);
        assert_eq!(used.divide(limits, 9, [(0, &b), (1, &a)]), (vec![1], vec![0]));
        assert_eq!(used.divide(limits, 9, [(0, &b)]), (vec![], vec![0]));
        used.begin(limits, [&a]);
        assert!(used.is_up(limits) && !used.is_up(Limits::default()));
        assert_eq!(used.divide(limits, 9, [(0, &a)]), (vec![], vec![0]));
    }

    proptest! {
        #[test]
        fn all_recipients_go_once_and_no_limit_is_passed(
            domains in vec("[a-d]", 1..40), most in 0..9_usize, transactions in option::of(1..4_usize),
            recipients in option::of(1..9_usize), recipient_domains in option::of(1..3_usize),
        ) {
            let limits = Limits { transactions, recipients, recipient_domains };
            let domains: Vec<Domain> = domains.iter().map(|name| domain(name)).collect();
            let all = || (0_u32..).take(domains.len());
            let (mut open, mut gone): (Vec<u32>, Vec<u32>) = (all().collect(), Vec::new());
            // A session each.
            while !open.is_empty() {
                let (mut used, mut begun, mut named) = (Used::default(), 0, Vec::new());
                loop {
                    let with_domain = open.iter().map(|number| (*number, &domains[*number as usize]));
                    let (now, later) = used.divide(limits, most, with_domain);
                    prop_assert!(begun > 0 || !now.is_empty(), "a new session takes nobody");
                    if now.is_empty() {
                        break;
                    }
                    let names: Vec<&Domain> = now.iter().map(|number| &domains[*number as usize]).collect();
                    prop_assert!(now.len() <= most.max(1) && recipients.is_none_or(|most| now.len() <= most));
                    used.begin(limits, names.iter().copied());
                    named.extend(names);
                    begun += 1;
                    gone.extend(now);
                    open = later;
                }
                named.sort();
                named.dedup();
                prop_assert!(transactions.is_none_or(|most| begun <= most));
                prop_assert!(recipient_domains.is_none_or(|most| named.len() <= most));
            }
            gone.sort_unstable();
            prop_assert_eq!(gone, all().collect::<Vec<u32>>());
        }
    }
}
