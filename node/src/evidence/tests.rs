//! Files come, stop anywhere, and go on; shares are kept; nothing unchecked is given.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cbm_proto::{
    evidence::{Opener, PIECE},
    limits::EVIDENCE_ANSWER_MAX,
};

use super::*;

const MIB: u64 = 1024 * 1024;
const ROOM: Quota = Quota { total: 64 * MIB, author: 8 * MIB };

fn file(size: usize) -> Vec<u8> {
    (0..size).map(|n| n.wrapping_mul(31).to_le_bytes()[1]).collect()
}

fn sealed(shelf: &Shelf, plain: &[u8]) -> Evidence {
    let mut intake = shelf.intake([9; 32]).unwrap();
    for run in plain.chunks(70_001) {
        intake.push(run).unwrap();
    }
    let evidence = intake.finish().unwrap();
    shelf.keep(&evidence.root).unwrap();
    evidence
}

fn about(evidence: &Evidence) -> About {
    About { wish: Wish::Wanted, author: "AAA".into(), ..About::own(evidence.sealed) }
}

fn asked(shelf: &Shelf, root: Digest, section: Section, from: u64) -> Vec<u8> {
    let question = Question { root, section, from, length: EVIDENCE_ANSWER_MAX as u32 };
    shelf.stretch(&question).unwrap().unwrap().to_vec()
}

/// Everything that `from` has, up to so many pieces.
fn fetch(from: &Shelf, to: &Shelf, root: Digest, most: u64) {
    let mut coming = to.resume(&root).unwrap();
    if !coming.has_list() {
        coming.take_list(asked(from, root, Section::List, 0)).unwrap();
    }
    for _ in 0..most {
        let length = coming.next_piece();
        if length == 0 {
            break;
        }
        let bytes = asked(from, root, Section::Pieces, coming.have());
        assert!(coming.take(&bytes[..length]).unwrap());
    }
    if coming.next_piece() == 0 {
        coming.finish().unwrap();
    }
    to.came(&root, coming.have());
}

fn read(shelf: &Shelf, evidence: &Evidence) -> Vec<u8> {
    let mut sealed = Vec::new();
    io::Read::read_to_end(&mut shelf.whole(evidence).unwrap().unwrap(), &mut sealed).unwrap();
    let mut opener = Opener::new(evidence).unwrap();
    sealed.chunks(PIECE).flat_map(|piece| opener.next(piece).unwrap()).collect()
}

#[test]
fn a_file_goes_from_shelf_to_shelf_and_on_to_a_third_while_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = |name: &str| Shelf::open(&folder.path().join(name), ROOM).unwrap();
    let (a, b, c) = (shelf("a"), shelf("b"), shelf("c"));
    let plain = file(700_000);
    let evidence = sealed(&a, &plain);
    b.want(&evidence.root, about(&evidence), false).unwrap();
    c.want(&evidence.root, about(&evidence), false).unwrap();
    fetch(&a, &b, evidence.root, 4);
    assert!(b.whole(&evidence).unwrap().is_none());
    assert_eq!(
        b.state(&evidence.root),
        Some(State::Coming { have: 4 * PIECE as u64, cause: None })
    );
    fetch(&b, &c, evidence.root, 3);
    let behind = Question {
        root: evidence.root,
        section: Section::Pieces,
        from: 4 * PIECE as u64,
        length: 1,
    };
    assert_eq!(b.stretch(&behind).unwrap(), None, "what is not here is not given");
    fetch(&a, &c, evidence.root, 99);
    assert_eq!(read(&c, &evidence), plain);
    assert_eq!(c.state(&evidence.root), Some(State::Here));
}

#[test]
fn what_a_crash_left_is_checked_and_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = |name: &str| Shelf::open(&folder.path().join(name), ROOM).unwrap();
    let (a, b) = (shelf("a"), shelf("b"));
    let plain = file(900_000);
    let evidence = sealed(&a, &plain);
    b.want(&evidence.root, about(&evidence), false).unwrap();
    fetch(&a, &b, evidence.root, 6);
    drop(b);
    // Torn in the sixth piece, and the fourth one lost a bit.
    let part = folder.path().join("b").join(evidence.root.to_string()).join("part");
    let mut bytes = fs::read(&part).unwrap();
    bytes.truncate(5 * PIECE + 100);
    bytes[3 * PIECE + 5] ^= 1;
    fs::write(&part, &bytes).unwrap();
    let b = shelf("b");
    assert_eq!(b.coming(), [evidence.root]);
    let question = Question { root: evidence.root, section: Section::Pieces, from: 0, length: 1 };
    assert_eq!(b.stretch(&question).unwrap(), None, "unchecked, so not given");
    assert_eq!(b.resume(&evidence.root).unwrap().have(), 3 * PIECE as u64);
    fetch(&a, &b, evidence.root, 99);
    assert_eq!(read(&b, &evidence), plain);
    drop(b);
    assert_eq!(shelf("b").state(&evidence.root), Some(State::Here));
}

#[test]
fn a_piece_or_a_list_that_is_not_the_authors_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = |name: &str| Shelf::open(&folder.path().join(name), ROOM).unwrap();
    let (a, b) = (shelf("a"), shelf("b"));
    let evidence = sealed(&a, &file(200_000));
    b.want(&evidence.root, about(&evidence), false).unwrap();
    let mut coming = b.resume(&evidence.root).unwrap();
    let mut list = asked(&a, evidence.root, Section::List, 0);
    list[0] ^= 1;
    assert!(coming.take_list(list.clone()).is_err());
    list[0] ^= 1;
    coming.take_list(list).unwrap();
    let mut piece = asked(&a, evidence.root, Section::Pieces, 0)[..PIECE].to_vec();
    piece[9] ^= 1;
    assert!(!coming.take(&piece).unwrap());
    assert_eq!(coming.have(), 0);
    piece[9] ^= 1;
    assert!(coming.take(&piece).unwrap());
}

#[test]
fn an_author_has_a_share_and_what_is_asked_for_comes_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(folder.path(), ROOM).unwrap();
    let one = |author: &str, mib| About {
        wish: Wish::Wanted,
        author: author.into(),
        ..About::own(mib * MIB)
    };
    let want = |n, about, asked| shelf.want(&Digest([n; 32]), about, asked);
    let coming = State::Coming { have: 0, cause: None };
    assert_eq!(want(1, one("AAA", 6), false).unwrap(), coming);
    assert_eq!(want(2, one("AAA", 3), false).unwrap(), State::HeldBack);
    assert_eq!(want(3, one("BBB", 3), false).unwrap(), coming, "another author's share");
    assert_eq!(want(2, one("AAA", 3), false).unwrap(), State::HeldBack);
    assert_eq!(shelf.coming().len(), 2);
    assert_eq!(want(2, one("AAA", 3), true).unwrap(), coming, "somebody asked");
    assert!(matches!(want(4, one("CCC", 60), true), Err(ShelfError::Full(_))));
    drop(shelf);
    let again = Shelf::open(folder.path(), ROOM).unwrap();
    assert_eq!(again.coming().len(), 3);
}

#[test]
fn what_no_letter_names_is_gone_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(folder.path(), ROOM).unwrap();
    let kept = sealed(&shelf, b"kept");
    let mut intake = shelf.intake([1; 32]).unwrap();
    intake.push(b"no letter").unwrap();
    let unnamed = intake.finish().unwrap();
    drop(shelf.intake([2; 32]).unwrap());
    assert!(matches!(shelf.keep(&Digest([0; 32])), Err(ShelfError::Unknown)));
    drop(shelf);
    let shelf = Shelf::open(folder.path(), ROOM).unwrap();
    assert_eq!(shelf.state(&kept.root), Some(State::Here));
    assert_eq!(shelf.state(&unnamed.root), None);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_without_room_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let quota = Quota { total: 100_000, author: 1 };
    let shelf = Shelf::open(folder.path(), quota).unwrap();
    let mut intake = shelf.intake([1; 32]).unwrap();
    let full = intake.push(&file(200_000));
    assert!(matches!(full, Err(ShelfError::Full(100_000))), "{full:?}");
    drop(intake);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
