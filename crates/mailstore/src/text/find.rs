//! What has a text, by a segment alone: exactly what has it, so that no message is read.

use memchr::{memchr_iter, memmem};

use super::{
    runs::{SPACE, is_gap, runs},
    segment::{BORDER, Segment, gaps, numbers, pass_over, posted, put, terms_with},
};

/// A text of more runs is not looked for here: each is a bit, and one more is needed.
const RUNS_MAX: usize = 63;
/// In so many ways runs may be written at most to be looked for as octets.
const WAYS_MAX: usize = 24;

/// A text that is looked for, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<String>);

/// Where a text was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// The place of the email among those of the segment.
    pub(crate) place: usize,
    pub(crate) in_header: bool,
    pub(crate) in_body: bool,
}

impl Pattern {
    /// None: it is empty, or has too many runs.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let runs: Vec<String> = runs(text).take(RUNS_MAX + 1).map(str::to_owned).collect();
        (1..=RUNS_MAX).contains(&runs.len()).then_some(Self(runs))
    }

    /// Whether it needs the texts of a segment: a part of one word does not.
    pub(crate) fn reads_texts(&self) -> bool {
        !matches!(self.0.as_slice(), [word] if !is_gap(word.as_bytes()))
    }

    /// The emails of a segment that have it. None: this is no segment.
    pub(crate) fn find(&self, segment: &Segment) -> Option<Vec<Found>> {
        let emails = segment.emails()?.len();
        let mut texts = Texts::none(emails * 2);
        match self.0.as_slice() {
            [word] if !is_gap(word.as_bytes()) => having(segment, word.as_bytes(), &mut texts, |_| ())?,
            runs => in_order(runs, segment, &mut texts)?,
        }
        let found = (0..emails).map(|place| Found {
            place,
            in_header: texts.has(2 * place),
            in_body: texts.has(2 * place + 1),
        });
        Some(found.filter(|found| found.in_header || found.in_body).collect())
    }
}

/// Adds the texts with terms that have a pattern.
fn having(segment: &Segment, pattern: &[u8], texts: &mut Texts, mut each: impl FnMut(usize)) -> Option<()> {
    let (mut rest, mut next) = (segment.postings.as_slice(), Some(0));
    terms_with(&segment.terms, pattern, |term| {
        each(term);
        next = next.and_then(|before| {
            pass_over(&mut rest, term.checked_sub(before)?)?;
            posted(&mut rest, |text| texts.add(text))?;
            term.checked_add(1)
        });
    });
    next.map(|_| ())
}

/// Adds the texts that have these runs one behind the other.
fn in_order(runs: &[String], segment: &Segment, texts: &mut Texts) -> Option<()> {
    let last = runs.len() - 1;
    let count = memchr_iter(BORDER, &segment.terms).count();
    let mut places = Vec::with_capacity(runs.len());
    let mut candidates: Option<Texts> = None;
    for (place, run) in runs.iter().enumerate() {
        // The first run may be the end of a longer one, the last one the beginning.
        let (begins, ends) = (place > 0, place < last);
        let border = |is: bool| if is { &[BORDER][..] } else { &[] };
        let pattern = [border(begins), run.as_bytes(), border(ends)].concat();
        let mut place = Place { terms: Vec::new(), space: matches(SPACE, run, begins, ends) };
        let mut having_it = Texts(vec![0; texts.0.len()]);
        having(segment, &pattern, &mut having_it, |term| place.terms.push(term))?;
        // A single space is written nowhere.
        if !place.space {
            match &mut candidates {
                Some(all) => all.keep(&having_it),
                None => candidates = Some(having_it),
            }
        }
        places.push(place);
    }
    if candidates.as_ref().is_some_and(Texts::is_empty) {
        return Some(());
    }
    if let Some(patterns) = written(&places) {
        return patterns.iter().try_for_each(|pattern| having_octets(segment, pattern, texts));
    }
    let automaton = Automaton::of(&places, segment, count);
    for (place, entry) in segment.entries()?.iter().enumerate() {
        for (text, octets) in [(2 * place, entry.header), (2 * place + 1, entry.body)] {
            if candidates.as_ref().is_none_or(|candidates| candidates.has(text)) && automaton.accepts(octets)
            {
                texts.add(text);
            }
        }
    }
    Some(())
}

/// What may stand in the place of a run.
struct Place {
    terms: Vec<usize>,
    /// The space that is not written.
    space: bool,
}

/// The runs as they are written, if they can be in few ways.
fn written(places: &[Place]) -> Option<Vec<Vec<u8>>> {
    let (first, last) = (places.first()?, places.last()?);
    // What stands at the ends would have to be looked at, to know whether a space is there.
    if first.space || last.space || places.len() < 2 {
        return None;
    }
    let mut patterns = vec![Vec::new()];
    for place in places {
        let terms: &[usize] = if place.space { &[] } else { &place.terms };
        if terms.is_empty() && !place.space || patterns.len().checked_mul(terms.len())? > WAYS_MAX {
            return None;
        }
        if let [_, ..] = terms {
            let one = |pattern: &Vec<u8>, term: &usize| {
                let mut longer = pattern.clone();
                put(&mut longer, u64::try_from(*term).unwrap_or(u64::MAX - 1) + 1);
                longer
            };
            patterns = patterns
                .iter()
                .flat_map(|pattern| terms.iter().map(move |term| one(pattern, term)))
                .collect();
        }
    }
    Some(patterns)
}

/// Adds the texts in which octets stand, beginning where a number begins.
fn having_octets(segment: &Segment, pattern: &[u8], texts: &mut Texts) -> Option<()> {
    let finder = memmem::Finder::new(pattern);
    let entries = segment.entries()?;
    let mut ends = entries
        .iter()
        .enumerate()
        .flat_map(|(place, entry)| [(2 * place, entry.header.len()), (2 * place + 1, entry.body.len())]);
    let (mut from, mut text, mut end) = (0, 0, 0);
    while let Some(found) = segment.texts.get(from..).and_then(|rest| finder.find(rest)) {
        let at = from + found;
        let within = at
            .checked_sub(1)
            .and_then(|before| segment.texts.get(before))
            .is_some_and(|octet| octet & 0x80 != 0);
        if within {
            from = at + 1;
            continue;
        }
        while end <= at {
            let (next, octets) = ends.next()?;
            (text, end) = (next, end + octets);
        }
        texts.add(text);
        // One is enough.
        from = end;
    }
    Some(())
}

fn matches(term: &str, run: &str, begins: bool, ends: bool) -> bool {
    match (begins, ends) {
        (true, true) => term == run,
        (true, false) => term.starts_with(run),
        (false, true) => term.ends_with(run),
        (false, false) => term.contains(run),
    }
}

/// Shift-and: a bit for each run of the pattern up to which the last runs of the text agree with it.
struct Automaton {
    /// For each term the places that it may stand in, and whether it is a gap.
    masks: Vec<u64>,
    space: u64,
    goal: u64,
}

impl Automaton {
    const GAP: u64 = 1 << RUNS_MAX;

    fn of(places: &[Place], segment: &Segment, terms: usize) -> Self {
        let (mut masks, mut space) = (vec![0_u64; terms], 0);
        gaps(&segment.terms, |term| {
            if let Some(mask) = masks.get_mut(term) {
                *mask |= Self::GAP;
            }
        });
        for (bit, place) in places.iter().enumerate() {
            space |= u64::from(place.space) << bit;
            for term in &place.terms {
                if let Some(mask) = masks.get_mut(*term) {
                    *mask |= 1 << bit;
                }
            }
        }
        Self { masks, space, goal: 1 << (places.len() - 1) }
    }

    fn accepts(&self, text: &[u8]) -> bool {
        let (mut state, mut word) = (0_u64, false);
        for number in numbers(text) {
            let Some(term) = number.checked_sub(1) else {
                (state, word) = (0, false);
                continue;
            };
            let mask = self.masks.get(term).copied().unwrap_or(0);
            let gap = mask & Self::GAP != 0;
            if word && !gap {
                state = ((state << 1) | 1) & self.space;
                if state & self.goal != 0 {
                    return true;
                }
            }
            state = ((state << 1) | 1) & mask & !Self::GAP;
            if state & self.goal != 0 {
                return true;
            }
            word = !gap;
        }
        false
    }
}

/// Some of the texts of a segment.
#[derive(Debug, Clone)]
struct Texts(Vec<u64>);

impl Texts {
    fn none(texts: usize) -> Self {
        Self(vec![0; texts.div_ceil(64)])
    }

    fn add(&mut self, text: usize) {
        if let Some(bits) = self.0.get_mut(text / 64) {
            *bits |= 1 << (text % 64);
        }
    }

    fn has(&self, text: usize) -> bool {
        self.0.get(text / 64).is_some_and(|bits| bits & (1 << (text % 64)) != 0)
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|bits| *bits == 0)
    }

    fn keep(&mut self, others: &Self) {
        self.0.iter_mut().zip(&others.0).for_each(|(bits, others)| *bits &= others);
    }
}
