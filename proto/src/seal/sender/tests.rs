//! Which letters a sender key opens, and that it opens each once.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::envelope::stanzas_digest;
use crate::id::{Digest, LaneId, NetworkId, StationId};
use crate::part::Part;
use crate::primitives::{Entropy, EpochSecret, SignSecret};
use crate::seal::{Frame, PairSecret, Recipient, SealError, open, seal_and_hand_out, seal_under};

const NETWORK: NetworkId = NetworkId([1; 32]);
const HAND_OUT: u64 = 7;

fn frame(seq: u64) -> Frame {
    Frame { seq, ..crate::seal::tests::frame() }
}

fn parts(text: &str) -> Vec<Part> {
    vec![Part { salt: [1; 16], kind: 1, bytes: Bytes::copy_from_slice(text.as_bytes()) }]
}

struct Author {
    epoch: EpochSecret,
    sign: SignSecret,
    key: SenderKey,
    entropy: Entropy,
}

/// An author that has handed out its key, and a reader that has it.
fn two() -> (Author, SenderKey) {
    let [a, b] = [1, 2].map(|n| EpochSecret::from_seed(&[n; 32]));
    let sign = SignSecret::from_seed(&[1; 32]);
    let pair = PairSecret::new(&a, b.public(), &NETWORK);
    let to = [Recipient { epoch: b.public(), pair: &pair }];
    let mut entropy = Entropy::new(&[6; 32]);
    let (status, text) = (Status::Exercise, parts("first"));
    let (first, key) =
        seal_and_hand_out(&frame(HAND_OUT), status, &text, &a, &to, &sign, &mut entropy).unwrap();
    let pair = PairSecret::new(&b, a.public(), &NETWORK);
    let opened = open(&first, &b, a.public(), &pair).unwrap().unwrap();
    assert!(opened.hands_out && opened.status == Status::Exercise && opened.key == key);
    let theirs = SenderKey::handed_out(first.header(), &opened.key);
    let key = SenderKey::handed_out(first.header(), &key);
    assert_eq!(theirs.id(), key.id());
    (Author { epoch: a, sign, key, entropy }, theirs)
}

impl Author {
    fn letter(&mut self, seq: u64, text: &str) -> Result<Envelope, SealError> {
        let (key, sign) = (&mut self.key, &self.sign);
        let (status, text, epoch) = (Status::Actual, parts(text), self.epoch.id());
        seal_under(&frame(seq), status, &text, epoch, key, sign, &mut self.entropy).map(|s| s.0)
    }

    /// The same, signed again after a change.
    fn resign(&self, letter: &Envelope, piece: &[u8], change: impl Fn(&mut Header)) -> Envelope {
        let mut header = *letter.header();
        header.stanzas = stanzas_digest(piece);
        change(&mut header);
        Envelope::assemble(&header, &self.sign, Some(piece), letter.body().unwrap()).unwrap()
    }
}

#[test]
fn one_piece_of_49_bytes_stands_in_place_of_stanzas_and_opens_once() {
    let (mut author, mut reader) = two();
    let letter = author.letter(8, "text").unwrap();
    assert_eq!(letter.stanzas().map(<[u8]>::len), Some(49));
    let opened = open_under(&letter, &mut reader).unwrap().unwrap();
    assert_eq!((opened.status, opened.parts), (Status::Actual, parts("text")));
    assert!(open_under(&letter, &mut reader).unwrap().is_none(), "its link is forgotten");
}

#[test]
fn a_number_is_sealed_once_and_only_within_reach() {
    let (mut author, mut reader) = two();
    let too_far = HAND_OUT + SENDER_KEY_LETTERS + 1;
    for seq in [HAND_OUT, 1, too_far] {
        assert_eq!(author.letter(seq, "text").unwrap_err(), SealError::SenderKey(seq));
    }
    author.letter(9, "text").unwrap();
    for seq in [9, 8] {
        assert_eq!(author.letter(seq, "another").unwrap_err(), SealError::SenderKey(seq));
    }
    let last = author.letter(too_far - 1, "last").unwrap();
    assert!(open_under(&last, &mut reader).unwrap().is_some());
}

#[test]
fn what_was_passed_over_opens_until_the_mark_has_passed_it_too() {
    let (mut author, mut reader) = two();
    let [eight, nine, ten] = [8, 9, 10].map(|seq| author.letter(seq, "text").unwrap());
    assert!(open_under(&ten, &mut reader).unwrap().is_some());
    reader.forget(8);
    assert!(open_under(&eight, &mut reader).unwrap().is_none());
    assert!(open_under(&nine, &mut reader).unwrap().is_some());
}

#[test]
fn a_piece_belongs_to_its_header_and_body_alone() {
    let (mut author, mut reader) = two();
    let letter = author.letter(8, "text").unwrap();
    let piece = letter.stanzas().unwrap().to_vec();
    let mut bad = piece.clone();
    bad[32] ^= 1;
    let wrong = [
        author.resign(&letter, &bad, |_| {}),
        author.resign(&letter, &piece, |h| (h.seq, h.prev) = (9, Digest([1; 32]))),
        author.resign(&letter, &piece, |h| h.author = StationId([9; 16])),
        author.resign(&letter, &piece, |h| h.fkc[0] ^= 1),
        author.resign(&letter, &piece, |h| h.lane = LaneId([9; 16])),
    ];
    for letter in &wrong {
        assert!(open_under(letter, &mut reader).unwrap().is_none());
    }
    let other =
        author.resign(&letter, &piece, |h| h.recipients = Recipients::SenderKey(KeyId([9; 16])));
    assert!(open_under(&other, &mut reader).unwrap().is_none());
    assert!(open_under(&letter, &mut reader).unwrap().is_some(), "trying has changed nothing");
}

#[test]
fn another_content_root_is_refused_as_with_stanzas() {
    let (mut author, mut reader) = two();
    let letter = author.letter(8, "text").unwrap();
    let piece = letter.stanzas().unwrap().to_vec();
    let wrong = author.resign(&letter, &piece, |h| h.root = Digest([9; 32]));
    assert_eq!(open_under(&wrong, &mut reader).unwrap_err(), OpenError::ContentRoot);
}

#[test]
fn a_letter_that_does_not_hand_out_says_so() {
    let [a, b] = [1, 2].map(|n| EpochSecret::from_seed(&[n; 32]));
    let (sign, pair) = (SignSecret::from_seed(&[1; 32]), PairSecret::new(&a, b.public(), &NETWORK));
    let to = [Recipient { epoch: b.public(), pair: &pair }];
    let (frame, mut entropy) = (frame(HAND_OUT), Entropy::new(&[6; 32]));
    let (letter, _) =
        crate::seal::seal(&frame, Status::Actual, &parts("x"), &a, &to, &sign, &mut entropy)
            .unwrap();
    let pair = PairSecret::new(&b, a.public(), &NETWORK);
    assert!(!open(&letter, &b, a.public(), &pair).unwrap().unwrap().hands_out);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever comes in whatever order, and however often: each letter opens exactly once.
    #[test]
    fn letters_open_once_in_any_order(
        gaps in proptest::collection::vec(1_u64..40, 1..12),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 1..60),
    ) {
        let (mut author, mut reader) = two();
        let mut seq = HAND_OUT;
        let letters: Vec<Envelope> = gaps
            .iter()
            .map(|gap| {
                seq += gap;
                author.letter(seq, "text").unwrap()
            })
            .collect();
        let mut opened = std::collections::BTreeSet::new();
        for letter in order.iter().map(|index| index.get(&letters)) {
            let opens = open_under(letter, &mut reader).unwrap().is_some();
            prop_assert_eq!(opens, opened.insert(letter.header().seq));
        }
    }

    #[test]
    fn no_piece_makes_it_panic(piece in proptest::collection::vec(any::<u8>(), 49)) {
        let (mut author, mut reader) = two();
        let letter = author.letter(8, "text").unwrap();
        let wrong = author.resign(&letter, &piece, |_| {});
        prop_assert!(open_under(&wrong, &mut reader).unwrap().is_none());
    }
}
