//! Area `journal`: walking one segment (`docs/spec/journal.md`).
//!
//! Fields: `segment`; `newest` (`yes` or `no`); `found`: what the walk yields; `chain` at its end.

use cbm_proto::id::Digest;
use cbm_proto::journal::{End, Item, JournalError, Reader};
use cbm_proto::primitives::digest;

use crate::file::Vector;

pub(crate) fn check(vector: &Vector) -> Result<String, String> {
    let segment = vector.bytes("segment")?;
    let newest = vector.word("newest").ok_or("no field `newest`")? == "yes";
    let mut reader = match Reader::new(&segment, !newest) {
        Ok(reader) => reader,
        Err(error) => return Ok(word(&error).to_owned()),
    };
    let (mut found, mut damaged) = (Vec::new(), false);
    while let Some(item) = reader.next_item() {
        damaged |= matches!(item, Item::Spoiled { .. } | Item::Gap { .. });
        found.push(match item {
            Item::Kept { record, .. } => record.kind.code().to_string(),
            Item::Dropped { kind, .. } => format!("dropped:{}", kind.code()),
            Item::Run { records, .. } => format!("run:{records}"),
            Item::Spoiled { .. } => "spoiled".to_owned(),
            Item::Gap { .. } => "gap".to_owned(),
        });
    }
    if vector.word("found") != Some(&found.join(" ")) {
        return Err(format!("found `{}`", found.join(" ")));
    }
    if vector.bytes("chain")? != reader.chain().0 {
        return Err(format!("the chain is {}", reader.chain()));
    }
    Ok(match reader.end() {
        Some(End::Clean(_)) if damaged => "damaged",
        Some(End::Clean(_)) => "ok",
        Some(End::Torn(_)) => "torn",
        Some(End::Corrupt(_)) => "corrupt",
        None => return Err("the walk did not end".to_owned()),
    }
    .to_owned())
}

fn word(error: &JournalError) -> &'static str {
    match error {
        JournalError::Short(_) => "short",
        JournalError::NotASegment => "not_a_segment",
        JournalError::Version(_) => "newer_version",
        JournalError::TooLarge(_) => "too_large",
    }
}

const SIZE: usize = 1024;
const NAME: [u8; 32] = [0xc0; 32];

/// The page in a straight line: a segment in the making, every field of which can be wrong.
#[derive(Clone)]
struct Segment {
    bytes: Vec<u8>,
    chain: Digest,
    places: Vec<usize>,
}

impl Segment {
    fn new() -> Self {
        let mut bytes = b"cbmjrnl\n".to_vec();
        bytes.extend(1_u32.to_be_bytes());
        bytes.extend(u32::try_from(SIZE).unwrap().to_be_bytes());
        bytes.extend(42_u64.to_be_bytes());
        bytes.extend(NAME);
        bytes.extend([0; 4]);
        let sum = crc32c::crc32c(&bytes);
        bytes.extend(sum.to_be_bytes());
        Self { bytes, chain: Digest(NAME), places: Vec::new() }
    }

    /// Appends a record; `durable` is the index of the record up to which all was durable.
    fn put(mut self, kind: u8, content: &[u8], durable: usize) -> Self {
        self.places.push(self.bytes.len());
        let mark = u32::try_from(self.places[durable]).unwrap();
        let length = u32::try_from(content.len()).unwrap();
        let content_digest = digest("journal-record", &[content]);
        let mut head = length.to_be_bytes().to_vec();
        head.extend([kind, 1, 0, 0]);
        head.extend(mark.to_be_bytes());
        head.extend([kind; 16]);
        head.extend(content_digest.0);
        self.bytes.extend(&head);
        self.bytes.extend([0; 4]);
        self.bytes.extend(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(64), 0);
        self.sum_again(self.places.len() - 1);
        let pieces: [&[u8]; 4] = [&self.chain.0, &[kind], &length.to_be_bytes(), &content_digest.0];
        self.chain = digest("journal-chain", &pieces);
        self
    }

    /// Writes the checksum of a record's head anew, after a change to it.
    fn sum_again(&mut self, record: usize) {
        let at = self.places[record];
        let sum = crc32c::crc32c(&[&NAME[..], &self.bytes[at..at + 60]].concat());
        self.bytes[at + 60..at + 64].copy_from_slice(&sum.to_be_bytes());
    }

    fn changed(mut self, record: usize, at: usize, to: u8) -> Self {
        self.bytes[self.places[record] + at] = to;
        self
    }

    fn vector(mut self, expect: &str, note: &str, found: &str) -> Vector {
        self.bytes.resize(SIZE, 0);
        Vector::new(expect, note)
            .with_word("newest", "yes")
            .with_word("found", found)
            .with("chain", self.chain.0)
            .with("segment", &self.bytes)
    }
}

/// Two batches: records 0 and 1, then 2 and 3.
fn four() -> Segment {
    let segment = Segment::new().put(1, b"an envelope", 0).put(2, b"a document", 0);
    segment.put(3, &[7; 90], 2).put(7, &[0; 16], 2)
}

/// The chain behind the first `n` records of [`four`].
fn chain_of(n: usize) -> Digest {
    let all: [(u8, &[u8]); 4] =
        [(1, b"an envelope"), (2, b"a document"), (3, &[7; 90]), (7, &[0; 16])];
    all[..n].iter().fold(Segment::new(), |segment, (kind, c)| segment.put(*kind, c, 0)).chain
}

pub(crate) fn make() -> Vec<(&'static str, Vector)> {
    [good(), torn(), damaged(), heads()].concat()
}

fn good() -> Vec<(&'static str, Vector)> {
    let empty = Segment::new().vector("ok", "no record yet", "");
    let whole = four().vector("ok", "two batches of two records", "1 2 3 7");
    let bare = Segment::new().put(8, b"", 0).vector("ok", "a record without content", "8");
    let future = Segment::new().put(200, b"?", 0).put(8, b"!", 0);
    let future = future.vector("ok", "a kind of a newer version is kept and chained", "200 8");
    let mut dropped = four().changed(0, 5, 2).changed(0, 64, 0xff);
    dropped.sum_again(0);
    let dropped = dropped.vector("ok", "a dropped content: the chain stands", "dropped:1 2 3 7");
    let before = Segment::new().put(8, b"a note", 0);
    let mut run = before.clone().put(1, b"an envelope", 0).put(1, &[3; 100], 0);
    let until = u32::try_from(run.bytes.len()).unwrap();
    let at = u32::try_from(run.places[1]).unwrap();
    let mut head = (until - at - 64).to_be_bytes().to_vec();
    head.extend([1, 3, 0, 0]);
    head.extend(until.to_be_bytes());
    head.extend(2_u64.to_be_bytes());
    head.extend([0; 8]);
    head.extend(run.chain.0);
    run.bytes[at as usize..at as usize + 60].copy_from_slice(&head);
    run.bytes[at as usize + 64..].fill(0xff);
    run.sum_again(1);
    let run = run.put(2, b"a document", 3);
    let run = run.vector("ok", "two envelopes in a run: the chain stands", "8 run:2 2");
    let full = Segment::new().put(1, &[1; SIZE - 128], 0);
    let full = full.vector("ok", "a record that ends where the file ends", "1");
    vec![
        ("journal_ok_empty", empty),
        ("journal_ok_two_batches", whole),
        ("journal_ok_no_content", bare),
        ("journal_ok_dropped", dropped),
        ("journal_ok_run", run),
        ("journal_ok_full", full),
        ("journal_future_kind", future),
    ]
}

fn torn() -> Vec<(&'static str, Vector)> {
    let with_chain = |mut segment: Segment, n| {
        segment.chain = chain_of(n);
        segment
    };
    let content = with_chain(four().changed(3, 70, 9), 3);
    let content = content.vector("torn", "the last content, never acknowledged", "1 2 3");
    let head = with_chain(four().changed(3, 30, 9), 3);
    let head = head.vector("torn", "the last head, never acknowledged", "1 2 3");
    let hole = with_chain(four().changed(2, 3, 9), 2);
    let hole = hole.vector("torn", "a hole with a sound record behind, both unacknowledged", "1 2");
    let mut long = with_chain(four().changed(3, 1, 1), 3);
    long.sum_again(3);
    let long = long.vector("torn", "a length beyond the file", "1 2 3");
    let mut kind = with_chain(four().changed(3, 4, 0), 3);
    kind.sum_again(3);
    let kind = kind.vector("torn", "kind 0", "1 2 3");
    let mut state = with_chain(four().changed(3, 5, 4), 3);
    state.sum_again(3);
    let state = state.vector("torn", "state 4", "1 2 3");
    let mut mark = with_chain(four().changed(3, 10, 4), 3);
    mark.sum_again(3);
    let mark = mark.vector("torn", "a durable mark beyond the record itself", "1 2 3");
    let mut foreign = with_chain(four(), 3);
    let at = foreign.places[3];
    let sum = crc32c::crc32c(&foreign.bytes[at..at + 60]);
    foreign.bytes[at + 60..at + 64].copy_from_slice(&sum.to_be_bytes());
    let foreign = foreign.vector("torn", "a checksum without the segment's key", "1 2 3");
    vec![
        ("journal_torn_content", content),
        ("journal_torn_head", head),
        ("journal_torn_hole", hole),
        ("journal_torn_length", long),
        ("journal_torn_kind_zero", kind),
        ("journal_torn_state", state),
        ("journal_torn_mark", mark),
        ("journal_torn_unkeyed", foreign),
    ]
}

fn damaged() -> Vec<(&'static str, Vector)> {
    let spoiled = four().changed(1, 65, 0);
    let spoiled =
        spoiled.vector("damaged", "an acknowledged content: the chain stands", "1 spoiled 3 7");
    let mut gap = four().changed(0, 0, 9);
    gap.chain = [(2, &b"a document"[..]), (3, &[7; 90]), (7, &[0; 16])]
        .iter()
        .fold(Segment::new(), |segment, (kind, content)| segment.put(*kind, content, 0))
        .chain;
    let gap = gap.vector("damaged", "an acknowledged head: the chain is broken", "gap 2 3 7");
    let mut closed = four().changed(3, 30, 9);
    closed.chain = chain_of(3);
    closed.bytes.resize(SIZE, 0);
    let closed = Vector::new("corrupt", "the same as a torn head, but a later segment exists")
        .with_word("newest", "no")
        .with_word("found", "1 2 3")
        .with("chain", closed.chain.0)
        .with("segment", &closed.bytes);
    vec![
        ("journal_spoiled_content", spoiled),
        ("journal_gap", gap),
        ("journal_corrupt_end", closed),
    ]
}

fn heads() -> Vec<(&'static str, Vector)> {
    let head = |expect: &str, note: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Segment::new().bytes;
        change(&mut bytes);
        if bytes.len() == 64 {
            let sum = crc32c::crc32c(&bytes[..60]);
            bytes[60..].copy_from_slice(&sum.to_be_bytes());
        }
        Vector::new(expect, note).with_word("newest", "yes").with("segment", &bytes)
    };
    let mut flipped = Segment::new().bytes;
    flipped[40] ^= 1;
    let flipped = Vector::new("not_a_segment", "a flipped bit of the chain")
        .with_word("newest", "yes")
        .with("segment", &flipped);
    let not = "not_a_segment";
    vec![
        ("journal_head_short", head("short", "63 bytes", &|b| b.truncate(63))),
        ("journal_head_magic", head(not, "another magic", &|b| b[7] = 0)),
        ("journal_head_size", head(not, "a size that is no multiple of 64", &|b| b[15] = 8)),
        ("journal_head_zeros", head(not, "reserved bytes in use", &|b| b[58] = 1)),
        ("journal_head_bit", flipped),
        ("journal_future_version", head("newer_version", "version 3: leave alone", &|b| b[11] = 3)),
    ]
}
