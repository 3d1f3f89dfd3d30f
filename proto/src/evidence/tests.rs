//! Sealed and opened again; everything that is not the author's is refused.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;

use super::*;
use crate::{draft::Evidence, envelope::CHUNK, id::Digest, primitives::sha256};

type Pieces = Vec<Vec<u8>>;

fn sealed(plain: &[u8], run: usize) -> (Evidence, List, Pieces) {
    let mut pieces = Pieces::new();
    let mut sink = |piece: &[u8]| -> Result<(), EvidenceError> {
        pieces.push(piece.to_vec());
        Ok(())
    };
    let mut sealer = Sealer::new([7; 32]);
    for run in plain.chunks(run) {
        sealer.push(run, &mut sink).unwrap();
    }
    let (evidence, list) = sealer.finish(&mut sink).unwrap();
    (evidence, list, pieces)
}

fn opened(evidence: &Evidence, pieces: &[Vec<u8>]) -> Result<Vec<u8>, EvidenceError> {
    let mut opener = Opener::new(evidence)?;
    let mut plain = Vec::new();
    for piece in pieces {
        plain.extend(opener.next(piece)?);
    }
    Ok(plain)
}

fn file(size: usize) -> Vec<u8> {
    (0..size).map(|n| n.wrapping_mul(31).to_le_bytes()[1]).collect()
}

#[test]
fn a_file_of_any_size_comes_back_and_its_runs_do_not_matter() {
    for size in [0, 1, 511, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 300_000] {
        let plain = file(size);
        let (evidence, list, pieces) = sealed(&plain, 10_007);
        let again = sealed(&plain, 65_536);
        assert_eq!((&list, &pieces), (&again.1, &again.2), "{size}");
        assert_eq!(evidence.sealed, sealed_size(size as u64).unwrap(), "{size}");
        assert_eq!(evidence.sealed, pieces.iter().map(|p| p.len() as u64).sum::<u64>());
        assert_eq!(evidence.sha256, sha256(&[&plain]));
        assert_eq!(opened(&evidence, &pieces).unwrap(), plain, "{size}");
        let read = List::read(&evidence.root, evidence.sealed, list.bytes().to_vec()).unwrap();
        for (number, piece) in pieces.iter().enumerate() {
            let place = place(evidence.sealed, number as u64);
            assert_eq!(place.end - place.start, piece.len() as u64);
            assert!(read.holds(number as u64, piece));
        }
    }
}

#[test]
fn no_piece_is_taken_that_is_changed_moved_or_cut() {
    let (evidence, list, pieces) = sealed(&file(200_000), 65_536);
    let mut changed = pieces[1].clone();
    changed[77] ^= 1;
    assert!(!list.holds(1, &changed));
    assert!(!list.holds(0, &pieces[1]), "moved");
    assert!(!list.holds(1, &pieces[1][1..]), "cut");
    assert!(!list.holds(pieces.len() as u64, &pieces[1]), "behind the end");
    assert!(!list.holds(u64::MAX, &pieces[1]));
    let swapped = [pieces[1].clone(), pieces[0].clone()];
    assert_eq!(opened(&evidence, &swapped), Err(EvidenceError::Piece));
    assert_eq!(opened(&evidence, &[changed]), Err(EvidenceError::Piece));
    let more = [&pieces[..], &pieces[..1]].concat();
    assert_eq!(opened(&evidence, &more), Err(EvidenceError::Piece));
    let other = Evidence { key: [8; 32].into(), ..evidence.clone() };
    assert_eq!(opened(&other, &pieces), Err(EvidenceError::Piece));
    let other = Evidence { sha256: [0; 32], ..evidence.clone() };
    assert_eq!(opened(&other, &pieces), Err(EvidenceError::File));
    let shorter = Evidence { size: evidence.size - 1, ..evidence };
    assert_eq!(opened(&shorter, &pieces), Err(EvidenceError::Piece), "padding is zero");
}

#[test]
fn a_list_is_held_to_its_root_and_size() {
    let (evidence, list, _) = sealed(&file(200_000), 65_536);
    let bytes = list.bytes().to_vec();
    let refused = |root: &Digest, sealed, bytes: Vec<u8>| {
        assert_eq!(List::read(root, sealed, bytes), Err(EvidenceError::List));
    };
    refused(&Digest([0; 32]), evidence.sealed, bytes.clone());
    refused(&evidence.root, evidence.sealed + 1, bytes.clone());
    refused(&evidence.root, evidence.sealed, bytes[..bytes.len() - 32].to_vec());
    refused(&evidence.root, evidence.sealed, [&bytes[..], &[0; 32]].concat());
    let mut changed = bytes;
    changed[40] ^= 1;
    refused(&evidence.root, evidence.sealed, changed);
}

#[test]
fn a_file_above_the_bound_is_refused_before_it_is_read_whole() {
    use crate::limits::EVIDENCE_MAX;
    let mut sealer = Sealer::new([7; 32]);
    sealer.size = EVIDENCE_MAX - 1;
    let mut sink = |_: &[u8]| Ok::<(), EvidenceError>(());
    sealer.push(&[1], &mut sink).unwrap();
    assert_eq!(sealer.push(&[1], &mut sink), Err(EvidenceError::TooLarge));
    assert_eq!(sealed_size(EVIDENCE_MAX + 1), Err(EvidenceError::TooLarge));
    assert_eq!(sealed_size(EVIDENCE_MAX).unwrap(), EVIDENCE_MAX + 16_384 * 16);
}

#[test]
fn questions_and_answers_have_one_form() {
    let root = Digest([3; 32]);
    let question = Question { root, section: Section::Pieces, from: 65_552, length: 4_096 };
    let bytes = question.encode();
    assert_eq!(Question::decode(&bytes), Some(question));
    for cut in 0..bytes.len() {
        assert_eq!(Question::decode(&bytes[..cut]), None);
    }
    assert_eq!(Question::decode(&[&bytes[..], &[0]].concat()), None);
    for length in [0, 262_145, u32::MAX] {
        assert_eq!(Question::decode(&Question { length, ..question }.encode()), None, "{length}");
    }
    let mut other = bytes.to_vec();
    other[32] = 3;
    assert_eq!(Question::decode(&other), None);
    let given = Answer::Bytes(Bytes::from_static(b"abc"));
    for answer in [Answer::Nothing, Answer::Later, given.clone()] {
        assert_eq!(Answer::decode(&answer.encode(), 3), Some(answer));
    }
    assert_eq!(Answer::decode(&given.encode(), 2), None, "more than was asked for");
    for bad in [&[][..], &[0, 0], &[1, 1], &[2], &[3]] {
        assert_eq!(Answer::decode(&Bytes::copy_from_slice(bad), 3), None);
    }
}

/// `docs/spec/evidence.md`; the values were made by another implementation.
#[test]
fn the_example_of_the_page_is_true() {
    let (evidence, list, pieces) = sealed(b"message", 7);
    let head = "84722065a70a0344c2847942082545afd37fd1c4eefe0a67b3dee27192763fdc";
    let digest = "88f8c25d5564739524aa723dfaf9299843e960f79bfae451a99bc633fab5a1ee";
    let root = "39866c8691b8c94a14bf125048f64eb6a08b82b60888d1a8cc903c20facd1b8a";
    assert_eq!((evidence.sealed, pieces.len()), (528, 1));
    assert_eq!(crate::id::hex(&pieces[0][..32]), head);
    assert_eq!(crate::id::hex(list.bytes()), digest);
    assert_eq!(evidence.root.to_string(), root);
}
