//! Mutations on stable Rust: what libFuzzer does without looking at the program.
//!
//! Blind, so it finds less in a minute than libFuzzer does; but it needs no nightly compiler, and it
//! runs in the gate. Same seed, same inputs. Called by `tests/fuzz_corpus.rs`.

use crate::chance::Chance;

/// Longest input that a mutation makes, bytes.
const LONGEST: usize = 16 * 1024;
/// Values at which lengths and counts go wrong.
const EDGES: [u8; 10] = [0, 1, 2, 0x0a, 0x12, 0x7f, 0x80, 0xfe, 0xff, 0x40];

/// A child of `seed`, which may take a piece of `other`.
#[must_use]
pub fn child(chance: &mut Chance, seed: &[u8], other: &[u8]) -> Vec<u8> {
    let mut out = seed.to_vec();
    for _ in 0..=chance.below(5) {
        change(chance, &mut out, other);
    }
    out.truncate(LONGEST);
    out
}

fn change(chance: &mut Chance, out: &mut Vec<u8>, other: &[u8]) {
    let at = chance.index(out.len());
    match chance.below(9) {
        0 if !out.is_empty() => out[at] ^= 1 << chance.below(8),
        1 if !out.is_empty() => out[at] = EDGES[chance.index(EDGES.len())],
        2 if !out.is_empty() => {
            let step = u8::try_from(chance.below(9)).unwrap_or(0);
            out[at] = out[at].wrapping_add(step).wrapping_sub(4);
        }
        3 => out.insert(at, chance.seed()[0]),
        4 => out.truncate(at),
        5 if !out.is_empty() => {
            let end = at + 1 + chance.index((out.len() - at).min(64));
            out.drain(at..end.min(out.len()));
        }
        6 if !out.is_empty() => {
            let end = (at + 1 + chance.index(64)).min(out.len());
            let again = out[at..end].to_vec();
            out.splice(at..at, again);
        }
        7 if !other.is_empty() => {
            let from = chance.index(other.len());
            let until = (from + 1 + chance.index(256)).min(other.len());
            let end = (at + chance.index(256)).min(out.len());
            out.splice(at..end.max(at), other[from..until].iter().copied());
        }
        _ => {
            let end = (at + 4).min(out.len());
            let fill = EDGES[chance.index(EDGES.len())];
            out[at..end].fill(fill);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_children_and_they_differ() {
        let children = |seed| {
            let mut chance = Chance::new(seed, "mutate");
            (0..200).map(|_| child(&mut chance, b"a seed of some length", b"other")).collect()
        };
        let (one, again): (Vec<Vec<u8>>, Vec<Vec<u8>>) = (children(1), children(1));
        assert_eq!(one, again);
        let different: std::collections::BTreeSet<_> = one.iter().collect();
        assert!(different.len() > 150, "{} of 200 differ", different.len());
        let mut chance = Chance::new(2, "mutate");
        (0..1_000).for_each(|_| drop(child(&mut chance, b"", b"")));
    }
}
