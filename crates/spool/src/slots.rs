//! Places with numbers that are used again, in pages: to grow moves nothing, for others wait while it grows.

/// Places of a page. A page of messages takes 120 KiB: allocators waste little of their own pages on pieces of that size, and an eighth on
/// those of half a mebibyte.
const PAGE: usize = 1024;

/// Numbered places.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    pages: Vec<Vec<Option<T>>>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// Puts a value into a place, and says into which.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if let Some(slot) = self.free.pop()
            && let Some(place) = self.place(slot)
        {
            *place = Some(value);
            return slot;
        }
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        let slot = self.end();
        if let Some(page) = self.pages.last_mut() {
            page.push(Some(value));
        }
        u32::try_from(slot).unwrap_or(u32::MAX)
    }

    /// Takes the value out of a place, which is used again.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<T> {
        let value = self.place(slot)?.take()?;
        self.free.push(slot);
        Some(value)
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        let slot = slot as usize;
        self.pages.get(slot / PAGE)?.get(slot % PAGE)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.place(slot)?.as_mut()
    }

    /// All values with their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let places = (0..).zip(self.pages.iter().flatten());
        places.filter_map(|(slot, value)| Some((slot, value.as_ref()?)))
    }

    /// The values of some places from one on, and the place to go on with.
    pub(crate) fn some(&self, from: usize, max: usize) -> (impl Iterator<Item = &T>, Option<usize>) {
        let end = (from + max).min(self.end());
        let values = (from..end).filter_map(|slot| self.pages.get(slot / PAGE)?.get(slot % PAGE)?.as_ref());
        (values, (end < self.end()).then_some(end))
    }

    fn place(&mut self, slot: u32) -> Option<&mut Option<T>> {
        let slot = slot as usize;
        self.pages.get_mut(slot / PAGE)?.get_mut(slot % PAGE)
    }

    /// Behind the last place.
    fn end(&self) -> usize {
        self.pages.last().map_or(0, |page| (self.pages.len() - 1) * PAGE + page.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbered_over_pages_and_used_again() {
        let mut slots = Slots::default();
        let count = 2 * PAGE + 7;
        for number in 0..count {
            assert_eq!(slots.insert(number) as usize, number);
        }
        assert_eq!(slots.remove(2000), Some(2000));
        assert_eq!(slots.get(2000), None);
        assert_eq!(slots.remove(2000), None);
        assert_eq!(slots.iter().count(), count - 1);
        assert_eq!(slots.insert(1), 2000);
        *slots.get_mut(2000).unwrap() = 2;
        assert_eq!(slots.iter().nth(2000), Some((2000, &2)));
        let (some, next) = slots.some(PAGE - 2, 4);
        assert_eq!(some.copied().collect::<Vec<_>>(), [PAGE - 2, PAGE - 1, PAGE, PAGE + 1]);
        assert_eq!(next, Some(PAGE + 2));
        assert_eq!(slots.some(count - 1, 4).1, None);
    }
}
