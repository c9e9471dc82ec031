//! THREAD (RFC 5256 §3): messages put together by subject, or by who answers whom.

use std::collections::HashMap;

use imap::response::ThreadEntry;

/// References of a message that are looked at.
const REFERENCES_MAX: usize = 64;
/// How deep answers to answers are shown as such. What is deeper begins a thread of its own.
const DEPTH_MAX: usize = 500;

/// What is known of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) id: Option<Box<[u8]>>,
    /// The oldest first.
    pub(super) references: Vec<Box<[u8]>>,
    /// The base subject, without regard to case.
    pub(super) subject: String,
    pub(super) is_reply: bool,
    pub(super) sent: i64,
}

/// The references that are looked at: the first, and the last ones. Strangers write them, and a message may have some ten thousand.
pub(super) fn looked_at(mut references: Vec<Box<[u8]>>) -> Vec<Box<[u8]>> {
    let beyond = references.len().saturating_sub(REFERENCES_MAX);
    if beyond > 0 {
        references.drain(1..=beyond);
        references.shrink_to_fit();
    }
    references
}

/// A message, or only the place of one, with what answers it.
#[derive(Debug, Clone, Default)]
struct Node {
    letter: Option<usize>,
    parent: Option<usize>,
    children: Vec<usize>,
}

/// Trees of messages.
#[derive(Debug, Default)]
pub(super) struct Threads {
    nodes: Vec<Node>,
    roots: Vec<usize>,
}

/// As THREAD tells them. `told`: the number of a letter.
pub(super) fn entries(threads: &Threads, told: impl Fn(usize) -> Option<u32>) -> Vec<ThreadEntry> {
    let mut entries = Vec::new();
    let mut stack: Vec<(usize, u32)> = threads.roots.iter().rev().map(|root| (*root, 0)).collect();
    while let Some((at, depth)) = stack.pop() {
        let Some(node) = threads.nodes.get(at) else { continue };
        entries.push(ThreadEntry { depth, number: node.letter.and_then(&told) });
        stack.extend(node.children.iter().rev().map(|child| (*child, depth + 1)));
    }
    entries
}

/// RFC 5256 §3, ORDEREDSUBJECT: all of a subject answer the first of them.
pub(super) fn by_subject(letters: &[Letter]) -> Threads {
    let mut order: Vec<usize> = (0..letters.len()).collect();
    let letter = |at: &usize| letters.get(*at);
    order.sort_by_key(|at| letter(at).map(|letter| (letter.subject.as_str(), letter.sent, *at)));
    let mut threads = Threads::default();
    let mut last: Option<(&str, usize)> = None;
    for at in order {
        let node = threads.add(Some(at));
        let subject = letter(&at).map_or("", |letter| letter.subject.as_str());
        match last {
            Some((before, root)) if before == subject => threads.put(root, node),
            _ => {
                threads.roots.push(node);
                last = Some((subject, node));
            }
        }
    }
    threads.sort(letters);
    threads
}

/// RFC 5256 §3, REFERENCES.
pub(super) fn by_references(letters: &[Letter]) -> Threads {
    let mut threads = Threads::default();
    threads.link(letters);
    threads.roots = (0..threads.nodes.len()).filter(|at| threads.parent(*at).is_none()).collect();
    threads.prune();
    threads.sort(letters);
    threads.gather(letters);
    threads.sort(letters);
    threads
}

impl Threads {
    fn add(&mut self, letter: Option<usize>) -> usize {
        self.nodes.push(Node { letter, ..Node::default() });
        self.nodes.len() - 1
    }

    fn parent(&self, at: usize) -> Option<usize> {
        self.nodes.get(at).and_then(|node| node.parent)
    }

    fn letter(&self, at: usize) -> Option<usize> {
        self.nodes.get(at).and_then(|node| node.letter)
    }

    fn children(&self, at: usize) -> &[usize] {
        self.nodes.get(at).map_or(&[], |node| &node.children)
    }

    fn take_children(&mut self, at: usize) -> Vec<usize> {
        self.nodes.get_mut(at).map(|node| std::mem::take(&mut node.children)).unwrap_or_default()
    }

    /// Says that one belongs below another, and below no other.
    fn set_parent(&mut self, parent: usize, child: usize) {
        if let Some(node) = self.nodes.get_mut(child) {
            node.parent = Some(parent);
        }
    }

    /// Puts one that is below nothing below another.
    fn put(&mut self, parent: usize, child: usize) {
        self.set_parent(parent, child);
        if let Some(node) = self.nodes.get_mut(parent) {
            node.children.push(child);
        }
    }

    /// Whether one can come below another: not if it stands above it, nor where it would be too deep.
    fn may_hold(&self, parent: usize, child: usize) -> bool {
        let mut at = parent;
        for _ in 0..DEPTH_MAX {
            if at == child {
                return false;
            }
            match self.parent(at) {
                Some(above) => at = above,
                None => return true,
            }
        }
        false
    }

    /// Step 1: who answers whom.
    fn link(&mut self, letters: &[Letter]) {
        let mut known: HashMap<&[u8], usize> = HashMap::new();
        for (at, letter) in letters.iter().enumerate() {
            let named = letter.id.as_deref().and_then(|id| known.get(id).copied());
            let own = match named {
                // A place that others have named.
                Some(place) if self.letter(place).is_none() => {
                    if let Some(node) = self.nodes.get_mut(place) {
                        node.letter = Some(at);
                    }
                    place
                }
                // RFC 5256 §3: who has the id of another is one by itself.
                Some(_) => self.add(Some(at)),
                None => {
                    let own = self.add(Some(at));
                    letter.id.as_deref().map(|id| known.insert(id, own));
                    own
                }
            };
            let mut above = None;
            for id in &letter.references {
                let referred = known.get(&**id).copied();
                let referred = referred.unwrap_or_else(|| self.add(None));
                known.insert(id, referred);
                if let Some(above) = above
                    && self.parent(referred).is_none()
                    && self.may_hold(above, referred)
                {
                    self.set_parent(above, referred);
                }
                above = Some(referred);
            }
            // What it says of itself counts more than what others say of it.
            if let Some(above) = above.filter(|above| self.may_hold(*above, own)) {
                self.set_parent(above, own);
            }
        }
        // Only now it is certain below what each is.
        for child in 0..self.nodes.len() {
            if let Some(parent) = self.parent(child) {
                self.put(parent, child);
            }
        }
    }

    /// Step 3: places without a message go; what was below comes in their stead.
    fn prune(&mut self) {
        // From the leaves: those that were made last may be above others, so that order is by depth.
        let mut order = Vec::new();
        let mut stack = self.roots.clone();
        while let Some(at) = stack.pop() {
            order.push(at);
            stack.extend_from_slice(self.children(at));
        }
        for at in order.into_iter().rev() {
            let mut kept = Vec::new();
            for child in self.take_children(at) {
                if self.letter(child).is_some() {
                    kept.push(child);
                } else {
                    kept.extend(self.take_children(child));
                }
            }
            for child in &kept {
                if let Some(node) = self.nodes.get_mut(*child) {
                    node.parent = Some(at);
                }
            }
            if let Some(node) = self.nodes.get_mut(at) {
                node.children = kept;
            }
        }
        let mut roots = Vec::new();
        for root in std::mem::take(&mut self.roots) {
            match (self.letter(root), self.children(root)) {
                (None, []) => {}
                (None, [only]) => {
                    let only = *only;
                    if let Some(node) = self.nodes.get_mut(only) {
                        node.parent = None;
                    }
                    roots.push(only);
                }
                _ => roots.push(root),
            }
        }
        self.roots = roots;
    }

    /// The message that a node stands for: its own, or the first below it.
    fn first<'a>(&self, at: usize, letters: &'a [Letter]) -> Option<&'a Letter> {
        let own = self.letter(at).or_else(|| self.letter(*self.children(at).first()?));
        letters.get(own?)
    }

    /// Step 5: roots of the same subject come together.
    fn gather(&mut self, letters: &[Letter]) {
        let mut table: HashMap<&str, usize> = HashMap::new();
        for root in &self.roots {
            let Some(letter) = self.first(*root, letters).filter(|letter| !letter.subject.is_empty()) else {
                continue;
            };
            table
                .entry(&letter.subject)
                .and_modify(|known| {
                    let was = self.first(*known, letters);
                    let emptier = self.letter(*root).is_none() && self.letter(*known).is_some();
                    let older = was.is_some_and(|was| was.is_reply) && !letter.is_reply;
                    if emptier || older && self.letter(*known).is_some() {
                        *known = *root;
                    }
                })
                .or_insert(*root);
        }
        let mut moved = vec![false; self.nodes.len()];
        for root in self.roots.clone() {
            let Some(letter) = self.first(root, letters).filter(|letter| !letter.subject.is_empty()) else {
                continue;
            };
            let Some(known) = table.get(&*letter.subject).copied().filter(|known| *known != root) else {
                continue;
            };
            let known_is_reply = self.first(known, letters).is_some_and(|known| known.is_reply);
            match (self.letter(known), self.letter(root)) {
                (None, None) => {
                    for child in self.take_children(root) {
                        self.put(known, child);
                    }
                }
                (None, Some(_)) => self.put(known, root),
                (Some(_), _) if letter.is_reply && !known_is_reply => self.put(known, root),
                _ => {
                    let both = self.add(None);
                    self.put(both, known);
                    self.put(both, root);
                    if let Some(known) = moved.get_mut(known) {
                        *known = true;
                    }
                    self.roots.push(both);
                    table.insert(&letter.subject, both);
                }
            }
            if let Some(root) = moved.get_mut(root) {
                *root = true;
            }
        }
        self.roots.retain(|root| !moved.get(*root).copied().unwrap_or(false));
    }

    /// Steps 4 and 6: by when they were sent, then as they stand in the mailbox.
    fn sort(&mut self, letters: &[Letter]) {
        let places: Vec<usize> = (0..self.nodes.len()).collect();
        // Those below first: a place without a message stands where its first one does. Such places are at the root only.
        for at in &places {
            let mut children = self.take_children(*at);
            children.sort_by_key(|child| self.rank(*child, letters));
            if let Some(node) = self.nodes.get_mut(*at) {
                node.children = children;
            }
        }
        let mut roots = std::mem::take(&mut self.roots);
        roots.sort_by_key(|root| self.rank(*root, letters));
        self.roots = roots;
    }

    fn rank(&self, at: usize, letters: &[Letter]) -> (i64, usize) {
        let own = self.letter(at).or_else(|| self.letter(*self.children(at).first()?));
        let own = own.unwrap_or(usize::MAX);
        (letters.get(own).map_or(i64::MAX, |letter| letter.sent), own)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn letter(id: &str, references: &[&str], subject: &str, sent: i64) -> Letter {
        let id_of = |id: &&str| Box::from(id.as_bytes());
        let base = subject.strip_prefix("Re: ").unwrap_or(subject);
        Letter {
            id: Some(id_of(&id)),
            references: references.iter().map(id_of).collect(),
            subject: base.to_owned(),
            is_reply: base != subject,
            sent,
        }
    }

    /// `1 (2 3)`: three levels; `.` for a place without a message.
    fn shown(threads: &Threads) -> String {
        let entries = entries(threads, |at| u32::try_from(at + 1).ok());
        let show = |entry: &ThreadEntry| {
            let number = entry.number.map_or(".".to_owned(), |number| number.to_string());
            format!("{}{number}", "-".repeat(entry.depth as usize))
        };
        entries.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn answers_stand_below_what_they_answer() {
        let letters = [
            letter("a", &[], "x", 1),
            letter("c", &["a", "b"], "Re: x", 3),
            letter("b", &["a"], "Re: x", 2),
            letter("z", &["lost"], "other", 5),
            letter("y", &["lost"], "another", 4),
            letter("q", &[], "single", 0),
        ];
        assert_eq!(shown(&by_references(&letters)), "6 1 -3 --2 . -5 -4");
    }

    #[test]
    fn of_many_references_the_first_and_the_last_are_looked_at() {
        let ids = |numbers: Vec<usize>| numbers.iter().map(|id| id.to_string().into_bytes().into()).collect();
        let kept: Vec<Box<[u8]>> = ids([0].into_iter().chain(937..1000).collect());
        assert_eq!(looked_at(ids((0..1000).collect())), kept);
        for few in [0, 1, REFERENCES_MAX] {
            assert_eq!(looked_at(ids((0..few).collect())).len(), few);
        }
    }

    #[test]
    fn loops_and_doubles_do_no_harm() {
        let letters = [
            letter("a", &["b"], "", 1),
            letter("b", &["a"], "", 2),
            letter("a", &["a"], "", 3),
            letter("c", &["c"], "", 4),
        ];
        assert_eq!(shown(&by_references(&letters)), "2 -1 --3 4");
    }

    #[test]
    fn roots_of_the_same_subject_come_together() {
        let letters = [
            letter("a", &[], "x", 1),
            letter("b", &[], "Re: x", 2),
            letter("c", &[], "y", 3),
            letter("d", &[], "y", 4),
            letter("e", &[], "", 5),
            letter("f", &[], "", 6),
        ];
        assert_eq!(shown(&by_references(&letters)), "1 -2 . -3 -4 5 6");
        assert_eq!(shown(&by_subject(&letters)), "1 -2 3 -4 5 -6");
    }

    proptest! {
        #[test]
        fn every_letter_is_told_once(
            made in prop::collection::vec((0_u8..12, prop::collection::vec(0_u8..12, 0..5), 0_u8..4, any::<bool>(), 0_i64..9), 0..25)
        ) {
            let letters: Vec<Letter> = made
                .iter()
                .map(|(id, references, subject, is_reply, sent)| Letter {
                    id: Some(Box::from([*id])),
                    references: references.iter().map(|id| Box::from([*id])).collect(),
                    subject: if *subject == 0 { String::new() } else { subject.to_string() },
                    is_reply: *is_reply,
                    sent: *sent,
                })
                .collect();
            for threads in [by_references(&letters), by_subject(&letters)] {
                let entries = entries(&threads, |at| u32::try_from(at + 1).ok());
                let mut told: Vec<u32> = entries.iter().filter_map(|entry| entry.number).collect();
                told.sort_unstable();
                prop_assert_eq!(told, (1..=u32::try_from(letters.len()).unwrap()).collect::<Vec<_>>());
                let mut depth = 0;
                for entry in &entries {
                    prop_assert!(entry.depth <= depth, "{:?}", entries);
                    depth = entry.depth + 1;
                }
            }
        }
    }
}
