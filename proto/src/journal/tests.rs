//! The format against itself: what was written is read, what was torn or spoilt is named.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;

const SIZE: u32 = 16 * 1024;

fn head() -> SegmentHeader {
    SegmentHeader { size: SIZE, first: 7, chain: Digest([9; 32]) }
}

fn record(n: usize) -> Record {
    let kind = RecordKind::from_code(u8::try_from(n % 9 + 1).unwrap()).unwrap();
    let fill = u8::try_from(n % 251).unwrap();
    Record { kind, salt: [fill; 16], bytes: Bytes::from(vec![fill ^ 0x5a; n * 37 % 500]) }
}

/// A segment of `batches` batches of three records; returns it with the offsets of the records.
fn segment(batches: usize) -> (Vec<u8>, Vec<u32>) {
    let mut writer = Writer::new(&head());
    let (mut out, mut places) = (head().encode().to_vec(), Vec::new());
    for n in 0..batches * 3 {
        // A batch was durable before the next one was written.
        let durable = places.get(n / 3 * 3).copied().unwrap_or(writer.offset());
        let durable = if n % 3 == 0 { writer.offset() } else { durable };
        places.push(writer.offset());
        writer.encode(&record(n), durable, &mut out).unwrap();
    }
    places.push(writer.offset());
    out.resize(SIZE as usize, 0);
    (out, places)
}

fn walk(bytes: &[u8], whole: bool) -> (Vec<Item>, End, Digest) {
    let mut reader = Reader::new(bytes, whole).unwrap();
    let items = std::iter::from_fn(|| reader.next_item()).collect();
    (items, reader.end().unwrap(), reader.chain())
}

fn kept(items: &[Item]) -> Vec<Record> {
    let record = |item: &Item| match item {
        Item::Kept { record, .. } => Some(record.clone()),
        _ => None,
    };
    items.iter().filter_map(record).collect()
}

#[test]
fn what_was_written_is_read_in_order() {
    let (bytes, places) = segment(4);
    let (items, end, chain) = walk(&bytes, false);
    assert_eq!(kept(&items), (0..12).map(record).collect::<Vec<_>>());
    assert_eq!(end, End::Clean(places[12]));
    let again = kept(&items).iter().fold(head().chain, |chain, r| {
        let length = u32::try_from(r.bytes.len()).unwrap();
        chain_next(&chain, r.kind, length, &content_digest(&r.bytes))
    });
    assert_eq!(chain, again);
    let fifth = &bytes[places[5] as usize..];
    assert_eq!(read_at(fifth, &head().chain), Some(record(5)));
    assert_eq!(read_at(fifth, &Digest([8; 32])), None, "a record of another journal");
}

#[test]
fn a_reader_hands_over_to_a_writer() {
    let (mut bytes, places) = segment(2);
    let mut reader = Reader::new(&bytes, false).unwrap();
    while reader.next_item().is_some() {}
    let mut writer = reader.into_writer();
    assert_eq!((writer.offset(), writer.index()), (places[6], 7 + 6));
    let mut out = Vec::new();
    writer.encode(&record(6), places[6], &mut out).unwrap();
    bytes[places[6] as usize..][..out.len()].copy_from_slice(&out);
    let (items, _, chain) = walk(&bytes, false);
    assert_eq!(kept(&items), (0..7).map(record).collect::<Vec<_>>());
    assert_eq!(chain, writer.chain());
}

#[test]
fn a_torn_tail_is_cut_where_it_begins() {
    let (bytes, places) = segment(3);
    for (lost, at) in places.iter().enumerate().skip(6).take(3) {
        for spoil in [8, HEADER_LEN] {
            let mut torn = bytes.clone();
            torn[(at + spoil) as usize] ^= 1;
            let (items, end, _) = walk(&torn, false);
            assert_eq!((kept(&items).len(), end), (lost, End::Torn(*at)));
        }
    }
}

#[test]
fn damage_to_what_was_acknowledged_is_stepped_over_and_named() {
    let (bytes, places) = segment(3);
    let mut spoilt = bytes.clone();
    spoilt[places[4] as usize + 64] ^= 0x80;
    let (items, end, chain) = walk(&spoilt, false);
    assert_eq!(items[4], Item::Spoiled { offset: places[4] });
    assert_eq!((kept(&items).len(), end), (8, End::Clean(places[9])));
    assert_eq!(chain, walk(&bytes, false).2, "the chain needs headers only");

    let mut holed = bytes;
    holed[places[2] as usize..places[4] as usize].fill(0);
    let (items, end, _) = walk(&holed, false);
    assert_eq!(items[2], Item::Gap { offset: places[2], until: places[4] });
    assert_eq!((kept(&items).len(), end), (7, End::Clean(places[9])));
}

#[test]
fn for_one_who_knows_how_far_it_was_durable_the_last_batch_is_not_torn() {
    let (bytes, places) = segment(3);
    let known = |bytes: &[u8]| {
        let mut reader = Reader::new(bytes, false).unwrap();
        reader.known_durable(places[9]);
        let items: Vec<Item> = std::iter::from_fn(|| reader.next_item()).collect();
        (items, reader.end().unwrap())
    };
    let mut spoilt = bytes.clone();
    spoilt[places[7] as usize + 64] ^= 1;
    let (items, end) = known(&spoilt);
    assert_eq!(items[7], Item::Spoiled { offset: places[7] });
    assert_eq!((kept(&items).len(), end), (8, End::Clean(places[9])));
    let mut zeroed = bytes;
    zeroed[places[8] as usize..].fill(0);
    assert_eq!(known(&zeroed).1, End::Corrupt(places[8]));
}

#[test]
fn in_a_closed_segment_nothing_may_be_torn() {
    let (mut bytes, places) = segment(3);
    bytes[places[8] as usize + 30] ^= 1;
    assert_eq!(walk(&bytes, false).1, End::Torn(places[8]));
    assert_eq!(walk(&bytes, true).1, End::Corrupt(places[8]));
}

#[test]
fn bytes_chosen_by_a_correspondent_do_not_pass_for_a_record() {
    // An envelope's body that holds a whole valid-looking record of a journal it cannot know.
    let mut foreign = Vec::new();
    let guess = SegmentHeader { chain: Digest([0; 32]), ..head() };
    Writer::new(&guess).encode(&record(1), HEADER_LEN, &mut foreign).unwrap();
    let bait = Record { bytes: foreign.into(), ..record(0) };
    let mut out = head().encode().to_vec();
    Writer::new(&head()).encode(&bait, HEADER_LEN, &mut out).unwrap();
    out[70] ^= 1;
    let (items, end, _) = walk(&out, true);
    assert_eq!((items.len(), end), (0, End::Corrupt(HEADER_LEN)));
}

#[test]
fn headers_that_break_a_rule_are_refused() {
    let good = head().encode();
    let sealed = |edit: &dyn Fn(&mut [u8])| {
        let mut bytes = good;
        edit(&mut bytes);
        let sum = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&sum.to_be_bytes());
        SegmentHeader::parse(&bytes)
    };
    assert_eq!(SegmentHeader::parse(&good), Ok(head()));
    assert_eq!(SegmentHeader::parse(&good[..63]), Err(JournalError::Short(63)));
    assert_eq!(sealed(&|b| b[0] = 0), Err(JournalError::NotASegment));
    assert_eq!(sealed(&|b| b[11] = 3), Err(JournalError::Version(3)));
    assert_eq!(sealed(&|b| b[15] = 1), Err(JournalError::NotASegment));
    assert_eq!(sealed(&|b| b[59] = 1), Err(JournalError::NotASegment));
    let mut flipped = good;
    flipped[30] ^= 1;
    assert_eq!(SegmentHeader::parse(&flipped), Err(JournalError::NotASegment));
}

#[test]
fn a_record_above_the_bound_is_not_written() {
    let big = Record { bytes: vec![0; RECORD_MAX + 1].into(), ..record(0) };
    let (mut writer, mut out) = (Writer::new(&head()), Vec::new());
    let refused = writer.encode(&big, HEADER_LEN, &mut out);
    assert_eq!(refused, Err(JournalError::TooLarge(RECORD_MAX + 1)));
    assert_eq!((out.len(), writer.offset(), writer.index()), (0, HEADER_LEN, 7));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens to a segment, the walk ends, and yields only records that were written.
    #[test]
    fn no_damage_makes_up_a_record(
        at in 64..SIZE as usize, len in 1..4096_usize, fill in any::<u8>(), whole in any::<bool>()
    ) {
        let (mut bytes, _) = segment(5);
        let end = (at + len).min(bytes.len());
        bytes[at..end].fill(fill);
        let (items, _, _) = walk(&bytes, whole);
        let written: Vec<_> = (0..15).map(record).collect();
        prop_assert!(kept(&items).iter().all(|r| written.contains(r)));
    }

    /// Losing any set of sectors written since the last sync loses nothing acknowledged.
    #[test]
    fn what_was_acknowledged_survives_any_torn_tail(keep in any::<u64>()) {
        let (mut bytes, places) = segment(5);
        for sector in 0..SIZE as usize / 512 {
            let start = (sector * 512).max(places[12] as usize);
            if keep >> (sector % 64) & 1 == 0 && start < (sector + 1) * 512 {
                bytes[start..(sector + 1) * 512].fill(0);
            }
        }
        let (items, end, _) = walk(&bytes, false);
        prop_assert!(!matches!(end, End::Corrupt(_)));
        let found = kept(&items);
        prop_assert!(found.len() >= 12);
        prop_assert_eq!(&found[..], &(0..found.len()).map(record).collect::<Vec<_>>()[..]);
    }
}
