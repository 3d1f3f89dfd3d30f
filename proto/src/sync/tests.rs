//! Tests of questions and answers: the wire and back, bounds, digests.

use super::*;

fn sample_feed() -> FeedId {
    FeedId { author: StationId([1; 16]), incarnation: Incarnation([2; 16]), lane: LaneId([3; 16]) }
}

#[test]
fn questions_and_answers_survive_the_wire() {
    let numbers = Numbers { feed: sample_feed(), from: 3, to: 9 };
    for ask in [
        Ask::Push(Bytes::from_static(b"envelope")),
        Ask::Heads(StationId([4; 16])),
        Ask::Summary(Digest([5; 32])),
        Ask::Want(vec![numbers], vec![EnvelopeId([6; 32])]),
        Ask::Documents(vec![Digest([7; 32])]),
        Ask::Offer(Offer {
            documents: vec![Bytes::from_static(b"document")],
            digests: vec![Digest([8; 32])],
            all: Some(Digest([9; 32])),
        }),
        Ask::Offer(Offer::default()),
    ] {
        assert_eq!(Ask::decode(&ask.encode()), Ok(ask));
    }
    let entry = Entry {
        feed: sample_feed(),
        mark: 2,
        head: Some(EnvelopeId([8; 32])),
        above: vec![(4, 5)],
        more: false,
        proven: true,
    };
    let carried = DaySets::from([(9, vec![EnvelopeId([9; 32])])]);
    for say in [
        Say::Taken(Custody::Stored),
        Say::Entries { entries: vec![entry], carried, more: true, echoes: Vec::new() },
        Say::Same,
        Say::Envelopes(vec![Bytes::from_static(b"e")], false),
        Say::Refused,
    ] {
        assert_eq!(Say::decode(&say.encode()), Ok(say));
    }
}

#[test]
fn what_breaks_the_format_is_refused() {
    let good = Entry {
        feed: sample_feed(),
        mark: 5,
        head: None,
        above: vec![],
        more: false,
        proven: false,
    };
    for above in [vec![(5, 6)], vec![(9, 8)], vec![(7, 8), (8, 9)]] {
        let bad = Entry { above, ..good.clone() };
        let say = Say::Entries {
            entries: vec![bad],
            carried: DaySets::new(),
            more: false,
            echoes: Vec::new(),
        };
        assert!(Say::decode(&say.encode()).is_err());
    }
    let none = Ask::Want(vec![Numbers { feed: sample_feed(), from: 0, to: 4 }], vec![]);
    assert!(Ask::decode(&none.encode()).is_err());
    let much = Offer { digests: vec![Digest([1; 32]); BATCH_COUNT + 1], ..Offer::default() };
    assert!(Ask::decode(&Ask::Offer(much).encode()).is_err());
    assert!(Ask::decode(&Bytes::new()).is_err());
    assert!(Say::decode(&Bytes::from_static(&[0xff; 9])).is_err());
}

#[test]
fn the_summary_differs_when_one_number_does() {
    let mut feeds = Feeds::default();
    feeds.at(sample_feed()).take(1, EnvelopeId([1; 32]), Digest([0; 32]));
    let before = entries(&feeds, |_| true);
    feeds.at(sample_feed()).take(2, EnvelopeId([2; 32]), Digest([1; 32]));
    let after = entries(&feeds, |_| true);
    let carried = DaySets::new();
    assert_ne!(summary_digest(&before, &carried), summary_digest(&after, &carried));
    assert_eq!(entries(&feeds, |_| false), vec![]);
}

#[test]
fn an_answer_fits_a_frame_and_every_feed_gets_its_turn() {
    let entry = |n: u64| {
        let mut feed = sample_feed();
        feed.incarnation.0[..8].copy_from_slice(&n.to_be_bytes());
        let above = (1..=RANGES_MAX as u64).map(|k| (u64::MAX - 2 * k, u64::MAX - 2 * k));
        let above = above.rev().collect();
        let head = Some(EnvelopeId([1; 32]));
        Entry { feed, mark: 1 << 60, head, above, more: true, proven: true }
    };
    let id = |n: u32| {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        EnvelopeId(id)
    };
    let carried = DaySets::from([(20_000, (0..65_536).map(id).collect())]);
    let mut entropy = crate::primitives::Entropy::new(&[1; 32]);
    let (mut feeds, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..40 {
        let draw = |most: u64| entropy.below(most);
        let say = excerpt((0..5_000).map(entry).collect(), carried.clone(), draw);
        assert!(say.encode().len() < FRAME_MAX);
        assert_eq!(Say::decode(&say.encode()), Ok(say.clone()));
        let Say::Entries { entries, carried, more: true, .. } = say else { panic!("not all fits") };
        feeds.extend(entries.into_iter().map(|entry| entry.feed));
        ids.extend(carried.into_values().flatten());
    }
    assert!(feeds.len() > 4_000 && ids.len() > 60_000, "{} {}", feeds.len(), ids.len());
}
