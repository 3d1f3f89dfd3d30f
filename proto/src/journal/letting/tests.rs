//! Whatever part of a plan a power cut leaves, the segment reads, and its chain is the same.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::journal::{End, Item, Reader, Record, Writer};

const SIZE: u32 = 32 * 1024;

fn head() -> SegmentHeader {
    SegmentHeader { size: SIZE, first: 7, chain: Digest([9; 32]) }
}

/// Mostly envelopes, in between others.
fn record(n: usize) -> Record {
    let code = if n % 5 == 3 { 3 } else { 1 };
    let fill = u8::try_from(n % 251).unwrap();
    let bytes = Bytes::from(vec![fill ^ 0x5a; n * 37 % 700]);
    Record { kind: RecordKind::from_code(code).unwrap(), salt: [fill; 16], bytes }
}

fn segment(records: usize) -> (Vec<u8>, Vec<u32>) {
    let mut writer = Writer::new(&head());
    let (mut out, mut places) = (head().encode().to_vec(), Vec::new());
    for n in 0..records {
        places.push(writer.offset());
        writer.encode(&record(n), writer.offset(), &mut out).unwrap();
    }
    out.resize(SIZE as usize, 0);
    (out, places)
}

fn letting(bytes: &[u8]) -> Letting {
    let read = |at: u32| Ok::<_, ()>(bytes[at as usize..][..64].try_into().unwrap());
    Letting::read(head(), SIZE, read).unwrap()
}

fn walk(bytes: &[u8], whole: bool) -> (Vec<Item>, End, (Digest, u64)) {
    let mut reader = Reader::new(bytes, whole).unwrap();
    let items = std::iter::from_fn(|| reader.next_item()).collect();
    (items, reader.end().unwrap(), (reader.chain(), reader.index()))
}

fn carry_out(bytes: &mut [u8], plan: &Plan, headers: u64, holes: u64) {
    for (n, (at, head)) in plan.headers.iter().enumerate() {
        if headers >> (n % 64) & 1 == 1 {
            bytes[*at as usize..][..64].copy_from_slice(head);
        }
    }
    for (n, (from, to)) in plan.holes.iter().enumerate() {
        if holes >> (n % 64) & 1 == 1 {
            bytes[*from as usize..*to as usize].fill(0);
        }
    }
}

fn kept(items: &[Item]) -> Vec<Record> {
    let kept = items.iter().filter_map(|item| match item {
        Item::Kept { record, .. } => Some(record.clone()),
        _ => None,
    });
    kept.collect()
}

#[test]
fn envelopes_in_a_row_become_one_run_and_others_keep_their_headers() {
    let (mut bytes, places) = segment(12);
    let before = walk(&bytes, false);
    // 0 1 2 |3 own| 4 5 6 7 |8 own| 9 10 11
    let go = [1, 2, 3, 5].map(|n| places[n]).into();
    let plan = letting(&bytes).plan(&go);
    assert_eq!((plan.records, plan.headers.len(), plan.has_runs()), (4, 3, true));
    carry_out(&mut bytes, &plan, u64::MAX, u64::MAX);
    let (items, end, chain) = walk(&bytes, false);
    assert_eq!(items[1], Item::Run { offset: places[1], records: 2, until: places[3] });
    let own = matches!(items[2], Item::Dropped { kind: RecordKind::Sent, .. });
    assert!(own, "{:?}", items[2]);
    assert_eq!((end, chain), (before.1, before.2));
    let letting = letting(&bytes);
    assert_eq!(letting.at(places[0]), Standing::Kept);
    assert_eq!([1, 2, 3, 5].map(|n| letting.at(places[n])), [Standing::Dropped; 4]);
    assert_eq!(letting.at(places[4] + 64), Standing::Nothing);
}

#[test]
fn runs_grow_together_and_nothing_is_written_twice() {
    let (mut bytes, places) = segment(8);
    let all: Vec<_> = [0, 2, 1, 4, 5, 7, 6].map(|n| places[n]).into();
    for at in &all {
        let plan = letting(&bytes).plan(&[*at].into());
        assert_eq!(plan.records, 1);
        carry_out(&mut bytes, &plan, u64::MAX, u64::MAX);
    }
    let (items, ..) = walk(&bytes, true);
    assert_eq!(items.len(), 3, "a run, an own record, a run: {items:?}");
    assert_eq!(items[2], Item::Run { offset: places[4], records: 4, until: letting(&bytes).end() });
    let again = letting(&bytes).plan(&all.into_iter().collect());
    assert_eq!((again.records, again.headers.len()), (0, 0));
    assert_eq!(again.holes.len(), 2, "a hole that a power cut kept from being is made again");
}

#[test]
fn nothing_is_planned_behind_a_header_that_cannot_be_read() {
    let (mut bytes, places) = segment(8);
    bytes[places[4] as usize + 30] ^= 1;
    let plan = letting(&bytes).plan(&places.iter().copied().collect());
    assert_eq!(plan.records, 4);
    assert!(plan.headers.iter().all(|(at, _)| *at < places[4]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Before the sync any of the headers may be new, and no hole is made; after it all are, and
    /// any of the holes may be made. Then more is let go.
    #[test]
    fn a_power_cut_in_a_plan_leaves_each_record_whole_or_let_go(
        rounds in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 1..4),
        newest in any::<bool>(),
    ) {
        let (mut bytes, places) = segment(40);
        let (_, end, chain) = walk(&bytes, !newest);
        let mut gone = BTreeSet::new();
        for (which, headers, holes) in rounds {
            let chosen = |n: &usize| which >> (n % 64) & 1 == 1;
            let fresh: BTreeSet<usize> = (0..40).filter(chosen).collect();
            let go = fresh.iter().map(|n| places[*n]).collect();
            let plan = letting(&bytes).plan(&go);
            let mut torn = bytes.clone();
            carry_out(&mut torn, &plan, headers, 0);
            let (items, torn_end, torn_chain) = walk(&torn, !newest);
            prop_assert_eq!((torn_end, torn_chain), (end, chain));
            let stays: Vec<Record> =
                (0..40).filter(|n| !gone.contains(n) && !fresh.contains(n)).map(record).collect();
            let found = kept(&items);
            prop_assert!(stays.iter().all(|r| found.contains(r)));
            carry_out(&mut bytes, &plan, u64::MAX, holes);
            gone.extend(fresh);
            let (items, now_end, now_chain) = walk(&bytes, !newest);
            prop_assert_eq!((now_end, now_chain), (end, chain));
            prop_assert_eq!(kept(&items), stays);
        }
    }
}
