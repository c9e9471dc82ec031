//! A segment of the index: what some emails say, each text as the numbers of its runs, and for each run the texts that have it.
//!
//! An email has two texts, its header and its body, and each consists of units that nothing is found across: a field, a part, a name. All
//! that is here comes from a file: what cannot be is `None`.

use std::collections::HashMap;

use memchr::{memchr, memchr_iter};

use super::runs::{SPACE, is_gap, runs};

/// Before, between and behind the terms of a dictionary: no octet of UTF-8.
pub(super) const BORDER: u8 = 0xff;
/// In a text, where a unit ends; in postings, where those of a term do. No other number has this octet.
const END: u8 = 0;

/// A segment as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Segment {
    /// For each email, ascending: what is added to the identifier before, and how many octets of `texts` its header and its body take.
    pub(crate) emails: Vec<u8>,
    /// The terms, those that are most often first, with borders around each.
    pub(crate) terms: Vec<u8>,
    /// For each term the texts that have it.
    pub(crate) postings: Vec<u8>,
    /// The texts: numbers of terms from 1, without the single spaces between words; `END` behind each unit.
    pub(crate) texts: Vec<u8>,
}

/// An email of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) email: i64,
    pub(crate) header: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Segment {
    /// Its emails, ascending.
    pub(crate) fn emails(&self) -> Option<Vec<i64>> {
        Some(self.lengths()?.into_iter().map(|(email, ..)| email).collect())
    }

    /// Its emails with their texts.
    pub(crate) fn entries(&self) -> Option<Vec<Entry<'_>>> {
        let mut rest = self.texts.as_slice();
        let mut cut = |octets: usize| {
            let (text, behind) = rest.split_at_checked(octets)?;
            rest = behind;
            Some(text)
        };
        let lengths = self.lengths()?.into_iter();
        let entries: Option<Vec<_>> = lengths
            .map(|(email, header, body)| Some(Entry { email, header: cut(header)?, body: cut(body)? }))
            .collect();
        entries.filter(|_| rest.is_empty())
    }

    fn lengths(&self) -> Option<Vec<(i64, usize, usize)>> {
        let (mut rest, mut all, mut email) = (self.emails.as_slice(), Vec::new(), 0_i64);
        while !rest.is_empty() {
            email = email.checked_add(i64::try_from(take(&mut rest)?).ok()?)?;
            let mut octets = || usize::try_from(take(&mut rest)?).ok();
            all.push((email, octets()?, octets()?));
        }
        Some(all)
    }

    /// Its terms, by their numbers.
    pub(crate) fn terms(&self) -> impl Iterator<Item = &[u8]> {
        let inside = self.terms.get(1..).unwrap_or_default();
        let mut from = 0;
        memchr_iter(BORDER, inside).filter_map(move |end| {
            let term = inside.get(from..end);
            from = end + 1;
            term
        })
    }

    /// How many octets it takes.
    pub(crate) fn octets(&self) -> usize {
        self.emails.len() + self.terms.len() + self.postings.len() + self.texts.len()
    }
}

/// The numbers of a text: 0 ends a unit. It ends where no number stands.
pub(super) fn numbers(text: &[u8]) -> impl Iterator<Item = usize> {
    let mut octets = text.iter();
    std::iter::from_fn(move || {
        let (mut number, mut shift) = (0_usize, 0);
        loop {
            let octet = *octets.next()?;
            number |= usize::from(octet & 0x7f).checked_shl(shift)?;
            if octet & 0x80 == 0 {
                return Some(number);
            }
            shift += 7;
        }
    })
}

/// The texts that a term has, each as twice the place of its email, and one more for its body. `rest` begins with its postings.
pub(super) fn posted(rest: &mut &[u8], mut each: impl FnMut(usize)) -> Option<()> {
    let mut next = 0_usize;
    loop {
        match usize::try_from(take(rest)?).ok()? {
            0 => return Some(()),
            step => {
                next = next.checked_add(step)?;
                each(next - 1);
            }
        }
    }
}

/// Passes over the postings of so many terms.
pub(super) fn pass_over(rest: &mut &[u8], terms: usize) -> Option<()> {
    if let Some(last) = terms.checked_sub(1) {
        let end = memchr_iter(END, rest).nth(last)?;
        *rest = rest.get(end + 1..)?;
    }
    Some(())
}

/// Takes a number of as many octets as it needs: seven bits in each, the lowest first.
fn take(octets: &mut &[u8]) -> Option<u64> {
    let (first, mut rest) = octets.split_first()?;
    let mut number = u64::from(first & 0x7f);
    let (mut more, mut shift) = (first & 0x80 != 0, 7_u32);
    while more {
        let (next, behind) = rest.split_first()?;
        number |= u64::from(next & 0x7f).checked_shl(shift).filter(|_| shift < 63)?;
        (rest, more, shift) = (behind, next & 0x80 != 0, shift + 7);
    }
    *octets = rest;
    Some(number)
}

pub(super) fn put(octets: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return octets.push(low & 0x7f);
        }
        octets.push(low | 0x80);
    }
}

/// Makes a segment. Its memory is what the numbers of all runs take, and the terms.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    numbers: HashMap<Box<str>, u32>,
    /// Of each text; 0 ends a unit.
    texts: Vec<u32>,
    /// For each email, where its header, its body, and what follows begin in `texts`.
    emails: Vec<(i64, usize, usize, usize)>,
}

impl Builder {
    /// Adds an email: the units of its header and of its body, folded.
    pub(crate) fn add(&mut self, email: i64, header: &[String], body: &[String]) {
        let start = self.texts.len();
        for unit in header {
            self.unit(unit);
        }
        let middle = self.texts.len();
        for unit in body {
            self.unit(unit);
        }
        self.emails.push((email, start, middle, self.texts.len()));
    }

    /// Adds what is in another segment, but for the emails that are not to be kept.
    pub(crate) fn merge(&mut self, segment: &Segment, mut keeps: impl FnMut(i64) -> bool) -> Option<()> {
        let terms: Option<Vec<u32>> =
            segment.terms().map(|term| Some(self.number(std::str::from_utf8(term).ok()?))).collect();
        let terms = terms?;
        let translated = |number: usize| match number.checked_sub(1) {
            Some(term) => terms.get(term).copied(),
            None => Some(0),
        };
        for Entry { email, header, body } in segment.entries()? {
            if !keeps(email) {
                continue;
            }
            let start = self.texts.len();
            for number in numbers(header) {
                self.texts.push(translated(number)?);
            }
            let middle = self.texts.len();
            for number in numbers(body) {
                self.texts.push(translated(number)?);
            }
            self.emails.push((email, start, middle, self.texts.len()));
        }
        Some(())
    }

    /// Whether there is no email in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.emails.is_empty()
    }

    fn unit(&mut self, unit: &str) {
        let (mut first, mut runs) = (true, runs(unit).peekable());
        while let Some(run) = runs.next() {
            let between_words = run == SPACE && !first && runs.peek().is_some();
            if !between_words {
                let number = self.number(run);
                self.texts.push(number);
            }
            first = false;
        }
        self.texts.push(0);
    }

    fn number(&mut self, term: &str) -> u32 {
        if let Some(number) = self.numbers.get(term) {
            return *number;
        }
        // 2^32 terms would not fit into memory.
        let number = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX - 1) + 1;
        self.numbers.insert(term.into(), number);
        number
    }

    /// The segment.
    pub(crate) fn finish(mut self) -> Segment {
        self.emails.sort_unstable();
        self.emails.dedup_by_key(|(email, ..)| *email);
        // Some terms may not be used any more, so numbers are greater than ranks.
        let mut ranks = vec![0_u32; self.numbers.len() + 1];
        let ranked = self.ranked();
        let mut segment = Segment { terms: vec![BORDER], ..Segment::default() };
        for (rank, (_, term, number)) in (1..).zip(&ranked) {
            if let Some(place) = ranks.get_mut(index(*number)) {
                *place = rank;
            }
            segment.terms.extend_from_slice(term.as_bytes());
            segment.terms.push(BORDER);
        }
        let mut postings = Postings::of(ranked.len());
        let mut before = 0;
        for (place, (email, start, middle, end)) in self.emails.iter().enumerate() {
            let mut text = |from: usize, to: usize, number: usize| {
                let length = segment.texts.len();
                for run in self.texts.get(from..to).unwrap_or_default() {
                    let rank = ranks.get(index(*run)).copied().unwrap_or_default();
                    put(&mut segment.texts, u64::from(rank));
                    postings.post(index(rank), number);
                }
                octets(segment.texts.len() - length)
            };
            let (header, body) = (text(*start, *middle, 2 * place), text(*middle, *end, 2 * place + 1));
            put(&mut segment.emails, email.abs_diff(before));
            put(&mut segment.emails, header);
            put(&mut segment.emails, body);
            before = *email;
        }
        segment.postings = postings.finish();
        segment
    }

    /// All terms that are used, the most frequent first, with their numbers.
    fn ranked(&mut self) -> Vec<(u32, Box<str>, u32)> {
        let mut used = vec![0_u32; self.numbers.len() + 1];
        for (_, start, _, end) in &self.emails {
            for run in self.texts.get(*start..*end).unwrap_or_default() {
                if let Some(count) = used.get_mut(index(*run)) {
                    *count = count.saturating_add(1);
                }
            }
        }
        let count = |number: u32| used.get(index(number)).copied().unwrap_or_default();
        let terms = std::mem::take(&mut self.numbers).into_iter();
        let mut ranked: Vec<_> = terms.map(|(term, number)| (count(number), term, number)).collect();
        ranked.retain(|(count, ..)| *count > 0);
        ranked.sort_unstable_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
        ranked
    }
}

/// The texts of each term, while they are found.
struct Postings(Vec<(usize, Vec<u8>)>);

impl Postings {
    fn of(terms: usize) -> Self {
        Self(vec![(0, Vec::new()); terms])
    }

    fn post(&mut self, rank: usize, text: usize) {
        let Some((next, list)) = rank.checked_sub(1).and_then(|term| self.0.get_mut(term)) else { return };
        // 0 is the end, so what is written is one more than the step.
        if *next <= text {
            put(list, octets(text + 1 - *next));
            *next = text + 1;
        }
    }

    fn finish(self) -> Vec<u8> {
        let mut all = Vec::new();
        for (_, list) in self.0 {
            all.extend_from_slice(&list);
            all.push(END);
        }
        all
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn octets(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// The terms that have a pattern, each once, by their numbers from 0. A pattern may begin or end with [`BORDER`].
pub(super) fn terms_with(terms: &[u8], pattern: &[u8], mut each: impl FnMut(usize)) {
    let finder = memchr::memmem::Finder::new(pattern);
    let (mut from, mut borders) = (0, 0);
    while let Some(found) = terms.get(from..).and_then(|rest| finder.find(rest)) {
        let at = from + found;
        borders += memchr_iter(BORDER, terms.get(from..=at).unwrap_or_default()).count();
        let Some(term) = borders.checked_sub(1) else { return };
        each(term);
        let Some(end) = terms.get(at + 1..).and_then(|rest| memchr(BORDER, rest)) else { return };
        from = at + 1 + end;
    }
}

/// Which terms are gaps.
pub(super) fn gaps(terms: &[u8], mut each: impl FnMut(usize)) {
    for (term, border) in memchr_iter(BORDER, terms).enumerate() {
        if is_gap(terms.get(border + 1..).unwrap_or_default()) {
            each(term);
        }
    }
}
