//! The words that two officers read to one another over another channel (`docs/spec/letter.md`).
//!
//! The asker's letter carries a fresh code. From it and from the authority keys that each side
//! holds of both, both derive eight words: four that the answerer says, four that the asker says
//! back. Whoever stands between them with other keys derives other words; an answer tells nothing
//! about the next, since its code is new.
//!
//! Invariants: words depend on every key of both sides, on who asks whom, and on the network; what
//! was heard is compared by its first three letters, which name a word.

use std::collections::BTreeSet;

use crate::id::{KeyId, NetworkId, PartyCode};
use crate::keys::{word_of, words_of};
use crate::primitives::{Entropy, digest};

/// Drawn anew for each identity check: six words, 48 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub [u8; 6]);

impl Code {
    /// A fresh one.
    #[must_use]
    pub fn draw(entropy: &mut Entropy) -> Self {
        Self(entropy.bytes())
    }

    /// Its words.
    #[must_use]
    pub fn words(&self) -> String {
        words_of(&self.0)
    }

    /// Reads [`Code::words`]; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: Option<Vec<u8>> = text.split_whitespace().map(word_of).collect();
        bytes?.try_into().ok().map(Self)
    }
}

/// One side of an identity check, as the other side's documents, or one's own, show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// The party.
    pub party: PartyCode,
    /// Its authority keys.
    pub keys: BTreeSet<KeyId>,
}

/// What is read aloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBack {
    /// Said by whoever was asked.
    pub answer: String,
    /// Said back by whoever asked.
    pub confirm: String,
}

/// The words for one code between two sides.
#[must_use]
pub fn read_back(network: &NetworkId, code: &Code, asker: &Side, answerer: &Side) -> ReadBack {
    let (asks, answers) = (side(asker), side(answerer));
    let hash = digest("identity-check", &[network.as_bytes(), &code.0, &asks, &answers]);
    let (answer, rest) = hash.0.split_at(4);
    ReadBack { answer: words_of(answer), confirm: words_of(&rest[..4]) }
}

/// Length before each, so that it can be read in one way only.
fn side(side: &Side) -> Vec<u8> {
    let code = side.party.as_str().as_bytes();
    // A code has at most 16 characters, a party at most a few keys.
    let mut out = vec![u8::try_from(code.len()).unwrap_or(u8::MAX)];
    out.extend_from_slice(code);
    out.push(u8::try_from(side.keys.len()).unwrap_or(u8::MAX));
    side.keys.iter().for_each(|key| out.extend_from_slice(key.as_bytes()));
    out
}

/// Whether what was heard is what should have been said; half-heard words count by their first
/// three letters.
#[must_use]
pub fn same_words(heard: &str, said: &str) -> bool {
    let read = |text: &str| text.split_whitespace().map(word_of).collect::<Option<Vec<u8>>>();
    let heard = read(heard);
    heard.as_ref().is_some_and(|words| !words.is_empty()) && heard == read(said)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(party: &str, key: u8) -> Side {
        Side { party: PartyCode::new(party).unwrap(), keys: [KeyId([key; 16])].into() }
    }

    #[test]
    fn a_code_is_read_back_by_its_words() {
        let code = Code([0, 1, 255, 7, 7, 9]);
        assert_eq!(Code::parse(&code.words()), Some(code));
        assert_eq!(Code::parse(&format!(" {} ", code.words().to_uppercase())), Some(code));
        assert_eq!(Code::parse("acorn active"), None);
        assert_eq!(Code::parse("acorn active zebra anchor anchor nonsense"), None);
    }

    #[test]
    fn both_sides_derive_the_same_words_and_anybody_else_others() {
        let (network, code) = (NetworkId([3; 32]), Code([1; 6]));
        let said = read_back(&network, &code, &of("AAA", 1), &of("BBB", 2));
        assert_eq!(said, read_back(&network, &code, &of("AAA", 1), &of("BBB", 2)));
        assert_ne!(said.answer, said.confirm);
        for other in [
            read_back(&network, &code, &of("AAA", 1), &of("BBB", 9)),
            read_back(&network, &code, &of("AAA", 9), &of("BBB", 2)),
            read_back(&network, &code, &of("BBB", 2), &of("AAA", 1)),
            read_back(&network, &Code([2; 6]), &of("AAA", 1), &of("BBB", 2)),
            read_back(&NetworkId([4; 32]), &code, &of("AAA", 1), &of("BBB", 2)),
        ] {
            assert_ne!(other.answer, said.answer);
            assert_ne!(other.confirm, said.confirm);
        }
    }

    #[test]
    fn the_worked_example_of_the_page_holds() {
        let code = Code::parse("acorn beacon candle delta eagle falcon").unwrap();
        let said = read_back(&NetworkId([0; 32]), &code, &of("AAA", 0xaa), &of("BBB", 0xbb));
        assert_eq!(said.answer, "mineral furnace engine lilac");
        assert_eq!(said.confirm, "pebble jasmine november guitar");
    }

    #[test]
    fn half_heard_words_count_by_three_letters_and_no_fewer() {
        assert!(same_words("ACO active", "acorn active"));
        assert!(same_words("acornn act", "acorn active"));
        assert!(!same_words("ac active", "acorn active"));
        assert!(!same_words("acorn", "acorn active"));
        assert!(!same_words("", ""), "nothing heard is no answer");
    }
}
