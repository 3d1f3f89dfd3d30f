//! Rows of bytes of any length, close to each other.
//!
//! Level 1, a room of [`super`]. What is let go leaves its bytes behind; the owner puts the rest on a new
//! shelf when they are the greater part.

/// Things of one page; a power of two.
const PAGE: u32 = 256;

/// Pages, all full but the last.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    pages: Vec<Page>,
    held: u32,
    gone: u32,
}

#[derive(Clone, Debug, Default)]
struct Page {
    bytes: Vec<u8>,
    /// Where each thing ends.
    ends: Vec<u32>,
}

impl Shelf {
    /// Gives the place.
    pub(super) fn put(&mut self, bytes: &[u8]) -> u32 {
        let full = |page: &Page| page.ends.len() >= PAGE as usize;
        if self.pages.last().is_none_or(full) {
            if let Some(page) = self.pages.last_mut() {
                page.bytes.shrink_to_fit();
                page.ends.shrink_to_fit();
            }
            self.pages.push(Page::default());
        }
        let number = (self.pages.len() as u32 - 1) * PAGE;
        let Some(page) = self.pages.last_mut() else { return number };
        page.bytes.extend_from_slice(bytes);
        page.ends.push(page.bytes.len() as u32);
        self.held += 1;
        number + page.ends.len() as u32 - 1
    }

    /// What stands at this place.
    pub(super) fn get(&self, place: u32) -> Option<&[u8]> {
        let (page, at) = (self.pages.get((place / PAGE) as usize)?, (place % PAGE) as usize);
        let begin = at.checked_sub(1).map_or(Some(&0), |before| page.ends.get(before))?;
        page.bytes.get(*begin as usize..*page.ends.get(at)? as usize)
    }

    /// What stands there is not wanted any more.
    pub(super) const fn let_go(&mut self, _place: u32) {
        self.held -= 1;
        self.gone += 1;
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.pages.iter().map(|page| page.bytes.len()).sum()
    }

    /// Whether it is time for a new shelf.
    pub(super) const fn is_mostly_gone(&self) -> bool {
        self.gone > self.held + PAGE
    }
}
