//! Area `sync`: questions and answers over streams (`docs/spec/sync.md`).
//!
//! Fields: `test` is `ask` or `say`, `bytes` the message. Outcomes: `ok`, or `refused` for what
//! breaks the format, a bound, or is of a newer version. What is `ok` must encode to the same bytes.

use bytes::Bytes;
use cbm_proto::id::{Digest, EnvelopeId, FeedId, Incarnation, LaneId, StationId};
use cbm_proto::sync::{Ask, Custody, DaySets, Entry, Numbers, Offer, Say};
use cbm_proto::wire::{self, answer, request};

use crate::file::Vector;

pub(crate) fn check(vector: &Vector) -> Result<String, String> {
    let bytes = Bytes::from(vector.bytes("bytes")?);
    let again = match vector.word("test") {
        Some("ask") => Ask::decode(&bytes).map(|ask| ask.encode()),
        Some("say") => Say::decode(&bytes).map(|say| say.encode()),
        _ => return Err("no field `test`, or another than ask and say".into()),
    };
    Ok(match again {
        Ok(again) if again == bytes => "ok".into(),
        Ok(_) => "other_encoding".into(),
        Err(_) => "refused".into(),
    })
}

fn feed() -> FeedId {
    FeedId {
        author: StationId([0x0a; 16]),
        incarnation: Incarnation([0x1c; 16]),
        lane: LaneId([0x2b; 16]),
    }
}

fn entry(mark: u64, above: Vec<(u64, u64)>) -> Entry {
    let head = (mark > 0).then_some(EnvelopeId([0x3d; 32]));
    Entry { feed: feed(), mark, head, above, more: false, proven: false }
}

fn entries(entries: Vec<Entry>) -> Bytes {
    let carried = DaySets::from([(20_778, vec![EnvelopeId([0x4e; 32])])]);
    Say::Entries { entries, carried, more: false, echoes: Vec::new() }.encode()
}

fn want(from: u64, to: u64) -> Bytes {
    Ask::Want(vec![Numbers { feed: feed(), from, to }], vec![EnvelopeId([0x4e; 32])]).encode()
}

fn raw_ask(ask: request::Ask) -> Bytes {
    wire::encode(&wire::Request { ask: Some(ask) }).into()
}

fn raw_say(say: answer::Say) -> Bytes {
    wire::encode(&wire::Answer { say: Some(say) }).into()
}

fn offer(digests: usize, all: Option<Digest>) -> Bytes {
    let documents = vec![Bytes::from_static(b"document")];
    Ask::Offer(Offer { documents, digests: vec![Digest([0x6a; 32]); digests], all }).encode()
}

/// Name, outcome, note, which side reads it, bytes.
type Case = (&'static str, &'static str, &'static str, &'static str, Bytes);

fn good() -> Vec<Case> {
    let far = Ask::Want(vec![Numbers { feed: feed(), from: 1, to: 1_000_000_000_000_000 }], vec![]);
    vec![
        (
            "sync_ok_push",
            "ok",
            "an envelope to be taken",
            "ask",
            Ask::Push(Bytes::from_static(b"envelope")).encode(),
        ),
        (
            "sync_ok_heads",
            "ok",
            "an author asks for its own heads",
            "ask",
            Ask::Heads(StationId([0x0a; 16])).encode(),
        ),
        (
            "sync_ok_summary",
            "ok",
            "a digest over all entries",
            "ask",
            Ask::Summary(Digest([0x5f; 32])).encode(),
        ),
        ("sync_ok_want", "ok", "numbers of a feed, and a carried envelope", "ask", want(3, 9)),
        (
            "sync_ok_want_far",
            "ok",
            "a claim of 10^15 is well formed; what is asked is bounded",
            "ask",
            far.encode(),
        ),
        (
            "sync_ok_entries",
            "ok",
            "a mark, its head, two runs above it",
            "say",
            entries(vec![entry(2, vec![(4, 5), (7, 7)])]),
        ),
        (
            "sync_ok_offer",
            "ok",
            "a document, the digest of a large one, and a comparison",
            "ask",
            offer(1, Some(Digest([0x5f; 32]))),
        ),
        ("sync_ok_taken", "ok", "durable there", "say", Say::Taken(Custody::Stored).encode()),
    ]
}

fn bad_questions() -> Vec<Case> {
    let short = || Bytes::from_static(&[1; 15]);
    let want_many = Ask::Want(Vec::new(), vec![EnvelopeId([0x4e; 32]); 257]).encode();
    vec![
        ("sync_want_zero", "refused", "numbers begin at 1", "ask", want(0, 4)),
        ("sync_want_backwards", "refused", "a run ends before it begins", "ask", want(5, 4)),
        ("sync_want_many", "refused", "257 envelopes in one question", "ask", want_many),
        (
            "sync_short_author",
            "refused",
            "an identifier of 15 bytes",
            "ask",
            raw_ask(request::Ask::Heads(wire::Heads { author: short(), ..Default::default() })),
        ),
        (
            "sync_short_digest",
            "refused",
            "a digest of 15 bytes",
            "ask",
            raw_ask(request::Ask::Summary(wire::Summary { digest: short() })),
        ),
        (
            "sync_short_document_digest",
            "refused",
            "a digest of 15 bytes",
            "ask",
            raw_ask(request::Ask::Documents(wire::Documents { digests: vec![short()] })),
        ),
        ("sync_offer_many", "refused", "257 digests in one offer", "ask", offer(257, None)),
        (
            "sync_offer_short_all",
            "refused",
            "a digest of 15 bytes",
            "ask",
            raw_ask(request::Ask::Offer(wire::Offer { all: short(), ..Default::default() })),
        ),
        ("sync_empty_ask", "refused", "no question", "ask", Bytes::new()),
    ]
}

fn bad_answers() -> Vec<Case> {
    let many_runs = (0..65).map(|n| (10 + 2 * n, 10 + 2 * n)).collect();
    let envelopes = vec![Bytes::from_static(b"e"); 257];
    vec![
        (
            "sync_runs_touch_mark",
            "refused",
            "a run that the mark covers already",
            "say",
            entries(vec![entry(5, vec![(5, 6)])]),
        ),
        (
            "sync_runs_out_of_order",
            "refused",
            "runs must ascend",
            "say",
            entries(vec![entry(2, vec![(7, 8), (4, 5)])]),
        ),
        (
            "sync_runs_too_many",
            "refused",
            "65 runs in one entry",
            "say",
            entries(vec![entry(2, many_runs)]),
        ),
        (
            "sync_envelopes_many",
            "refused",
            "257 envelopes in one answer",
            "say",
            Say::Envelopes(envelopes, false).encode(),
        ),
    ]
}

fn from_the_future() -> Vec<Case> {
    vec![
        (
            "sync_future_ask",
            "refused",
            "a question of a newer version: field 99",
            "ask",
            Bytes::from_static(&[0x9a, 0x06, 0x01, 0x00]),
        ),
        (
            "sync_future_say",
            "refused",
            "an answer of a newer version: field 99",
            "say",
            Bytes::from_static(&[0x9a, 0x06, 0x01, 0x00]),
        ),
        (
            "sync_future_custody",
            "other_encoding",
            "custody 9 is read as deferred",
            "say",
            raw_say(answer::Say::Taken(wire::Taken { custody: 9 })),
        ),
    ]
}

pub(crate) fn make() -> Vec<(&'static str, Vector)> {
    let cases = [good(), bad_questions(), bad_answers(), from_the_future()].into_iter().flatten();
    cases
        .map(|(name, expect, note, test, bytes)| {
            (name, Vector::new(expect, note).with_word("test", test).with("bytes", &bytes))
        })
        .collect()
}
