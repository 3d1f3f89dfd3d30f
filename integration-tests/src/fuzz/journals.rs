//! What lies on the disk: segments of the journal, and records of the station's own doings.

use bytes::Bytes;
use cbm_node::store::inspect::Walk;
use cbm_proto::journal::{
    ALIGN, End, HEADER_LEN, Item, MAGIC, Reader, Record, RecordKind, SegmentHeader, VERSION,
    content_digest, index_keys, next_offset, read_at,
};
use cbm_proto::limits::RECORD_MAX;
use cbm_proto::own;
use cbm_proto::primitives::aead_seal;
use cbm_proto::time::{Mono, Now, Timestamp};

use super::input::Input;
use super::world::world;

/// The walk over a segment ends, yields only records whose digest holds, in order and within the file;
/// where it ends cleanly or torn, a writer goes on and what it wrote is found.
pub(super) fn journal(data: &[u8]) {
    let mut input = Input::new(data);
    let how = input.byte();
    let mut segment = input.rest().to_vec();
    if how & 1 != 0 {
        restore_checksums(&mut segment);
    }
    let _ = Walk::default().segment(1, &segment, how & 2 != 0, &mut |_, _| {});
    let Ok(mut reader) = Reader::new(&segment, how & 2 != 0) else { return };
    let (mut last, mut count) = (0, 0);
    while let Some(item) = reader.next_item() {
        let (offset, until) = extent(&item);
        assert!(offset >= last && until > offset && offset % ALIGN == 0, "{item:?}");
        assert!(
            segment.len() >= offset as usize + HEADER_LEN as usize
                || matches!(item, Item::Gap { .. })
        );
        if let Item::Kept { record, .. } = &item {
            assert!(record.bytes.len() <= RECORD_MAX);
            let found = read_at(&segment[offset as usize..], &reader.header().chain);
            assert_eq!(found.as_ref(), Some(record), "found by its place");
            let _ = index_keys(record);
        }
        last = until;
        count += 1;
        assert!(count <= segment.len() / ALIGN as usize + 1, "no end");
    }
    let end = reader.end().expect("the walk is over");
    assert!(end.offset() >= last.min(end.offset()));
    if !matches!(end, End::Corrupt(_)) {
        goes_on(&segment, reader);
    }
}

fn extent(item: &Item) -> (u32, u32) {
    match item {
        Item::Kept { offset, record } => (*offset, next_offset(*offset, record.bytes.len() as u32)),
        Item::Dropped { offset, length, .. } => (*offset, next_offset(*offset, *length)),
        Item::Run { offset, until, .. } => (*offset, *until),
        Item::Spoiled { offset } => (*offset, *offset + ALIGN),
        Item::Gap { offset, until } => (*offset, *until),
    }
}

/// The tail is cut off, one more record is written, and the walk finds it where it was written.
fn goes_on(segment: &[u8], reader: Reader<'_>) {
    let size = reader.header().size;
    let mut writer = reader.into_writer();
    let at = writer.offset();
    let mut file = segment[..segment.len().min(at as usize)].to_vec();
    file.resize(at as usize, 0);
    let bytes = Bytes::from_static(b"one more");
    let record = Record { kind: RecordKind::Note, salt: [1; 16], bytes };
    let mut tail = Vec::new();
    writer.encode(&record, at.max(HEADER_LEN), &mut tail).expect("a short record");
    file.extend_from_slice(&tail);
    if file.len() > size as usize {
        return;
    }
    let mut reader = Reader::new(&file, false).expect("the same head");
    let mut newest = None;
    while let Some(item) = reader.next_item() {
        newest = Some(item);
    }
    assert_eq!(newest, Some(Item::Kept { offset: at, record }), "what was written is found");
    assert_eq!(reader.end(), Some(End::Clean(writer.offset())));
    assert_eq!(reader.chain(), writer.chain());
}

/// Makes the checksums fit what is there, so that the rules behind them are reached.
fn restore_checksums(segment: &mut [u8]) {
    let length = segment.len() as u32;
    let Some(head) = segment.first_chunk_mut::<{ HEADER_LEN as usize }>() else { return };
    head[..8].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_be_bytes());
    head[12..16].copy_from_slice(&length.next_multiple_of(ALIGN).to_be_bytes());
    head[56..60].fill(0);
    let sum = crc32c::crc32c(&head[..60]);
    head[60..].copy_from_slice(&sum.to_be_bytes());
    let Ok(SegmentHeader { chain, .. }) = SegmentHeader::parse(segment) else { return };
    let mut at = HEADER_LEN;
    while at + HEADER_LEN <= length {
        let (start, end) = (at as usize, (at + HEADER_LEN) as usize);
        let count = u32::from_be_bytes([0, 1, 2, 3].map(|n| segment[start + n]));
        let content = segment.get(end..end.saturating_add(count as usize)).map(content_digest);
        let head = &mut segment[start..end];
        if head.iter().all(|byte| *byte == 0) {
            return;
        }
        // An odd salt keeps its digest, so that spoiled contents are seen too.
        if let Some(content) = content.filter(|_| head[12] & 1 == 0) {
            head[28..60].copy_from_slice(&content.0);
        }
        let sum = crc32c::crc32c_append(crc32c::crc32c(&chain.0), &head[..60]);
        head[60..].copy_from_slice(&sum.to_be_bytes());
        let next = count.checked_add(at + HEADER_LEN).filter(|next| *next < length);
        let Some(next) = next else { return };
        at = next.next_multiple_of(ALIGN).max(at + ALIGN);
    }
}

/// Own records, under the right key, whatever they say: a station restores them or says that it cannot,
/// and one that restored them starts, settles and ticks.
pub(super) fn own(data: &[u8]) {
    let mut input = Input::new(data);
    let world = world();
    let mut station = world.station(0);
    for _ in 0..8 {
        if input.is_empty() {
            break;
        }
        let kind = RecordKind::from_code(3 + input.byte() % 5).expect("a kind");
        let prefix = if input.byte() & 1 == 0 { [0; 16] } else { [0x4d; 16] };
        let record = sealed(&world.keys(0).archive, kind, prefix, input.piece());
        assert!(own::open(&[1; 32], &record).is_err(), "under another key");
        if station.restore(&record).is_err() {
            return;
        }
    }
    let now = |ms: u64| Now { wall: Timestamp(1_800_000_000_000 + ms), mono: Mono(1_000 + ms) };
    station.start(now(0), &[1; 32]);
    station.settle(now(0), &[2; 32]);
    for ms in [500, 40_000, 120_000] {
        station.handle(now(ms), &[3; 32], cbm_proto::event::Input::Tick);
        station.settle(now(ms), &[4; 32]);
    }
}

/// `docs/spec/journal.md`: id, then the blob under the archive key.
pub(super) fn sealed(key: &[u8; 32], kind: RecordKind, prefix: [u8; 16], plain: &[u8]) -> Record {
    let aad = [b"cbm/1/own\0", &[kind.code()][..], &prefix].concat();
    let blob = aead_seal(key, [5; 24], &aad, plain);
    Record { kind, salt: [6; 16], bytes: Bytes::from([&prefix[..], &blob].concat()) }
}
