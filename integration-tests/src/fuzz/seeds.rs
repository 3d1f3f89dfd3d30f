//! What the corpus in the tree begins with: the vectors of `docs/spec`, and things of a founded world.
//!
//! A mutation of something sound reaches further than any bytes of chance. The corpus is written from
//! here by `CBM_WRITE=1 cargo test -p cbm-integration-tests --test fuzz_corpus`; inputs that once
//! failed lie beside it under other names and stay.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use cbm_node::api::people::shape::{CheckRequest, CheckedRequest, HeardRequest, NoticeRequest};
use cbm_node::api::shape::{
    AckRequest, AttachmentIn, DeclineRequest, DocumentsRequest, SendRequest,
};
use cbm_node::ceremony::card;
use cbm_proto::accord::Document;
use cbm_proto::catalogue::catalogue;
use cbm_proto::draft::{Draft, SendOptions};
use cbm_proto::evidence::{Answer, Question, Section};
use cbm_proto::id::{Digest, unhex};
use cbm_proto::wire::{self, own::What};
use serde::Serialize;

use super::documents;
use super::files::folder;
use super::input::piece;
use super::world::world;
use crate::chance::Chance;

/// Longest seed, bytes: mutations of long ones are slow and find no more.
const LONGEST: usize = 6 * 1024;
/// What the seeds of one target have together, bytes.
const MOST: usize = 44 * 1024;

/// One seed.
pub struct Seed {
    /// Target.
    pub target: &'static str,
    /// File name.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

/// All of them; `vectors` is the folder of that name.
#[must_use]
pub fn all(vectors: &Path) -> Vec<Seed> {
    let mut seeds = from_vectors(vectors);
    seeds.extend(founded());
    seeds.extend(of_evidence());
    seeds.extend(drafts());
    seeds.extend(requests());
    seeds.extend(files());
    seeds.extend(own(&seeds));
    seeds.extend(programs());
    seeds.extend(disk(&seeds));
    let mut room: BTreeMap<&str, usize> = BTreeMap::new();
    seeds.retain(|seed| {
        let used = room.entry(seed.target).or_default();
        let fits = seed.bytes.len() <= LONGEST && *used + seed.bytes.len() <= MOST;
        *used += if fits { seed.bytes.len() } else { 0 };
        fits
    });
    seeds
}

fn seed(target: &'static str, name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Seed {
    Seed { target, name: name.into(), bytes: bytes.into() }
}

/// Questions for evidence, and answers.
fn of_evidence() -> Vec<Seed> {
    let question = |section, from, length| {
        Question { root: Digest([7; 32]), section, from, length }.encode().to_vec()
    };
    let given = Answer::Bytes(Bytes::from_static(b"sealed bytes"));
    let asked = [("list", Section::List, 0, 32), ("pieces", Section::Pieces, 65_552, 262_144)];
    let asked = asked.map(|(name, section, from, length)| (name, question(section, from, length)));
    let said = [("nothing", Answer::Nothing), ("later", Answer::Later), ("given", given)];
    let said = said.map(|(name, answer)| (name, answer.encode().to_vec()));
    asked.into_iter().chain(said).map(|(name, bytes)| seed("evidence", name, bytes)).collect()
}

/// Fields of a vector by name; hex goes on in lines that begin with a space.
fn fields(text: &str) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut last = String::new();
    for line in text.lines() {
        match (line.strip_prefix(' '), line.split_once(':')) {
            (Some(more), _) => out.entry(last.clone()).or_insert_with(String::new).push_str(more),
            (None, Some((name, value))) => {
                name.clone_into(&mut last);
                out.insert(last.clone(), value.trim().to_owned());
            }
            (None, None) => {}
        }
    }
    out
}

fn from_vectors(folder: &Path) -> Vec<Seed> {
    let files = fs::read_dir(folder).expect("the folder of vectors");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let mut out = Vec::new();
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a vector");
        let fields = fields(&text);
        let bytes = |field: &str| unhex(fields.get(field)?).filter(|bytes| !bytes.is_empty());
        for (field, target) in [("envelope", "envelope"), ("document", "document")] {
            out.extend(bytes(field).map(|bytes| seed(target, &name, bytes)));
        }
        match fields.get("test").map(String::as_str) {
            Some("ask") => out.extend(bytes("bytes").map(|bytes| seed("ask", &name, bytes))),
            Some("say") => out.extend(bytes("bytes").map(|bytes| seed("say", &name, bytes))),
            Some("parts") => out.extend(of_parts(&name, &bytes)),
            _ => {}
        }
        out.extend(bytes("segment").map(|it| seed("journal", &name, [&[0][..], &it].concat())));
    }
    out
}

/// A letter in parts, and what stands in it if it is one that a node writes.
fn of_parts(name: &str, field: &dyn Fn(&str) -> Option<Vec<u8>>) -> Vec<Seed> {
    let parts: Vec<Vec<u8>> = (0..).map_while(|at| field(&format!("part_{at}"))).collect();
    let framed = |part: &Vec<u8>| Some([&part[..1], &piece(part.get(1..)?)].concat());
    let whole: Vec<u8> = parts.iter().filter_map(framed).flatten().collect();
    let body =
        || parts.iter().filter(|p| p[0] == 2).flat_map(|p| p[1..].to_vec()).collect::<Vec<_>>();
    let target = match name.split('_').next() {
        Some("receipt") => "receipt",
        Some("resend") => "resend",
        _ => return vec![seed("letter", name, whole)],
    };
    vec![seed("letter", name, whole), seed(target, name, body())]
}

/// The founded documents, and words in their one form.
fn founded() -> Vec<Seed> {
    let world = world();
    let mut out = Vec::new();
    for (at, bytes) in world.founded.documents.iter().enumerate() {
        let document = Document::decode(bytes).expect("founded");
        let kind = document.kind().name().split(' ').next().unwrap_or_default();
        // Authorities sign what parties say, stations their contacts.
        let signers = if kind == "contact" { 0xf0 } else { 0x0f };
        let input = documents::as_input(&document, signers);
        out.extend(input.map(|input| seed("directory", format!("{kind}_{at}"), input)));
        out.push(seed("cards", format!("{kind}_{at}"), [&[3][..], bytes].concat()));
    }
    // Each of the founded ones changed in one place, signed by everybody.
    for base in 0..9 {
        let changed = [&[base % 6, 0xff, base << 1 | 1][..], &piece(&[0, 40 + base, 7])].concat();
        out.push(seed("directory", format!("changed_{base}"), changed));
    }
    for (at, text) in [
        "EST",
        "EST/mfa",
        "2027-03-01T06:00:00.250Z",
        "00112233445566778899aabbccddeeff",
        "1:64",
        "acorn beacon candle delta eagle falcon",
        "L4",
        "FLASH",
        "EXERCISE",
        "a.stix2.json",
    ]
    .iter()
    .enumerate()
    {
        out.push(seed("texts", format!("text_{at}"), *text));
    }
    for (at, length) in [0u32, 5, 64, 0x0010_0001].iter().enumerate() {
        let frame = [&length.to_be_bytes()[..], &[7; 64]].concat();
        out.push(seed("frame", format!("frame_{at}"), frame));
    }
    out
}

/// An example of each type, as JSON and as it is kept; one of them as a plaintext and a header.
fn drafts() -> Vec<Seed> {
    let mut out = Vec::new();
    for (at, info) in catalogue().types().iter().enumerate() {
        let json = catalogue().template(info).to_string();
        let input = [&[at as u8, 7][..], json.as_bytes()].concat();
        out.push(seed("draft_json", &info.name, input));
        let options = SendOptions { to: vec![world().party(0).clone()], ..SendOptions::default() };
        let Ok(draft) = Draft::from_json(&info.name, &json, options) else { continue };
        out.push(seed("draft_kept", &info.name, draft.to_bytes().to_vec()));
    }
    for (name, lengths) in [("one", &[5usize][..]), ("three", &[40, 0, 300]), ("long", &[3_000])] {
        let mut plain = (lengths.len() as u16).to_be_bytes().to_vec();
        for (kind, length) in (1u8..).zip(lengths) {
            plain.extend_from_slice(&[kind; 17]);
            plain.extend_from_slice(&(*length as u32).to_be_bytes());
            plain.extend(std::iter::repeat_n(b'x', *length));
        }
        out.push(seed("sealed", name, [&[1][..], &plain].concat()));
    }
    out
}

fn requests() -> Vec<Seed> {
    fn one(which: u8, name: &str, body: &impl Serialize) -> Seed {
        let json = serde_json::to_vec(body).expect("a shape");
        seed("requests", name, [&[which][..], &json].concat())
    }
    let send = SendRequest {
        type_name: "operator-note".into(),
        to: vec!["AAA".into()],
        info: vec!["CCC".into()],
        group: Some("all".into()),
        precedence: Some("FLASH".into()),
        status: Some("EXERCISE".into()),
        letter: catalogue()
            .by_name("operator-note")
            .map(|t| catalogue().template(t))
            .unwrap_or_default(),
        attachments: vec![AttachmentIn {
            name: "a.txt".into(),
            media_type: None,
            base64: Some("aGVsbG8=".into()),
            evidence: None,
        }],
        drafted_by: Some("A".into()),
        released_by: Some("B".into()),
        emergency: None,
        signed: None,
    };
    let outcome =
        AckRequest { outcome: Some("ACCEPTED".into()), text: "noted".into(), signed: None };
    let decline = DeclineRequest { reason: "NOT_OURS".into(), text: String::new(), signed: None };
    let checked = CheckedRequest { method: "IN_PERSON".into(), by: "A".into(), differs: false };
    let notice = NoticeRequest {
        kind: "OUTAGE".into(),
        from: "2027-03-01T06:00:00Z".into(),
        to: vec!["AAA".into()],
        ..NoticeRequest::default()
    };
    let check = CheckRequest { parties: vec!["AAA".into()], ..CheckRequest::default() };
    vec![
        one(0, "send", &send),
        one(1, "ack", &outcome),
        one(2, "decline", &decline),
        one(3, "documents", &DocumentsRequest { documents: vec!["aGVsbG8=".into()] }),
        one(4, "checked", &checked),
        one(5, "heard", &HeardRequest { words: "acorn beacon candle delta".into() }),
        one(6, "notice", &notice),
        one(6, "check", &check),
    ]
}

/// Settings, keys, cards and the beginning of an archive, as the program writes them.
fn files() -> Vec<Seed> {
    let settings = "[station]\nname = \"AAA/mfa\"\n[paths]\ndata = \"data\"\nkeys = \"keys\"\n\
        [mesh]\nlisten = [\"/ip4/127.0.0.1/tcp/4001\"]\nlinks = [\"BBB/mfa\"]\nredial_min_ms = 100\n\
        [officers.1000]\nofficer = \"A\"\noffice = \"duty\"\n[log]\nlevel = \"info\"\n";
    let key = format!("cbm/1 sign {}\n", "5a".repeat(32));
    let archive: &[u8] = b"\0cbmback\n\0\0\0\x01\x01\0\x0fconfig/cbm.toml\
        \0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\x08a = \"b\"\n";
    let manifest = br#"{"format":1,"program":"cbm","station":"AAA/mfa","network":"","made_at":"",
        "newest":0,"journal":{"name":"","records":0,"end":"","chain":"","sound":false},"received":null,
        "sent":null,"files":[]}"#;
    let ended =
        [b"\0cbmback\n\0\0\0\x01\x02", &(manifest.len() as u32).to_be_bytes()[..], manifest];
    let mut out = vec![
        seed("config", "settings", settings),
        seed("config", "empty", ""),
        seed("backup", "one_file", archive),
        seed("backup", "manifest", ended.concat()),
        seed("backup", "sealed", &b"\x01age-encryption.org/v1\n-> X25519 x\n"[..]),
    ];
    for (how, which) in [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (2, 0), (3, 0)] {
        let input = [&[how, which][..], key.as_bytes()].concat();
        out.push(seed("key_files", format!("key_{how}_{which}"), input));
    }
    let (folder, world) = (folder(), world());
    let path = folder.path().join("card");
    let authority = world.founded.authorities[world.party(0)].public();
    card::write_authority(&path, world.party(0), &authority).expect("a card");
    let read = || fs::read(&path).expect("a card");
    out.push(seed("cards", "authority", [&[0][..], &read()].concat()));
    card::write_station(&path, &world.stations[0].0, &world.keys(0).public()).expect("a card");
    out.push(seed("cards", "station", [&[1][..], &read()].concat()));
    let head = br#"{"incarnation":"00112233445566778899aabbccddeeff",
        "lane":"00112233445566778899aabbccddeeff","seq":3,"header":""}"#;
    out.push(seed("cards", "heads", [&[2][..], head].concat()));
    out
}

/// Segments whose checksums are made to fit, own records, headers: made of other seeds.
fn disk(seeds: &[Seed]) -> Vec<Seed> {
    let mut out = Vec::new();
    for journal in seeds.iter().filter(|seed| seed.target == "journal") {
        let bytes = [&[3][..], &journal.bytes[1..]].concat();
        out.push(seed("journal", format!("{}_fitted", journal.name), bytes));
    }
    for envelope in seeds.iter().filter(|seed| seed.target == "envelope") {
        let length =
            envelope.bytes.get(5..7).map(|b| usize::from(u16::from_be_bytes([b[0], b[1]])));
        let head = length.and_then(|length| envelope.bytes.get(7..7 + length));
        let parts = [piece(&[]), piece(b"open body")].concat();
        out.extend(head.map(|head| seed("header", &envelope.name, [piece(head), parts].concat())));
    }
    out
}

/// Programs for a station: any bytes are one.
fn programs() -> Vec<Seed> {
    let program = |at: u64| {
        let mut chance = Chance::new(at, "fuzz-program");
        let bytes: Vec<u8> = (0..32).flat_map(|_| chance.seed()).collect();
        seed("station", format!("program_{at}"), bytes)
    };
    (0..24).map(program).collect()
}

/// Own records, one of each that a restore makes something of, and some that belong together.
fn own(seeds: &[Seed]) -> Vec<Seed> {
    let begun = || {
        let incarnation = vec![1; 16].into();
        What::Incarnation(wire::OwnIncarnation { incarnation, at: 9, ..Default::default() })
    };
    let draft = seeds.iter().find(|seed| seed.target == "draft_kept");
    let draft = draft.map(|seed| seed.bytes.clone()).unwrap_or_default();
    let taken = wire::OwnTaken { msg_id: letter_id(), draft: draft.into(), at: 9 };
    let [sent, settled, resent] = own_sent();
    let [opened, regain, listed] = own_opened();
    let all = [
        ("sent", vec![(0, sent.clone())]),
        ("opened", vec![(1, opened.clone())]),
        ("settled", vec![(0, sent.clone()), (3, settled)]),
        ("resent", vec![(0, sent), (3, resent)]),
        ("listed", vec![(3, regain), (3, listed)]),
        ("taken", vec![(2, What::Taken(taken))]),
        ("begun", vec![(4, begun()), (1, opened)]),
        ("behind", vec![(4, begun()), (3, What::Behind(wire::OwnBehind { at: 5 }))]),
    ];
    let record = |(kind, what): (u8, What)| {
        let plain = wire::encode(&wire::Own { what: Some(what) });
        [&[kind, 1][..], &piece(&plain)].concat()
    };
    let input = |records: Vec<_>| records.into_iter().flat_map(record).collect::<Vec<u8>>();
    all.into_iter().map(|(name, records)| seed("own", name, input(records))).collect()
}

fn letter_id() -> Bytes {
    vec![0x4d; 16].into()
}

fn some_digest() -> Bytes {
    vec![0x1d; 32].into()
}

fn own_sent() -> [What; 3] {
    let world = world();
    let station = || Bytes::copy_from_slice(&world.id(1).0);
    let addressee = wire::Addressee { station: station(), ..Default::default() };
    let sent = wire::OwnSent {
        msg_id: letter_id(),
        envelope: some_digest(),
        status: 1,
        content_root: some_digest(),
        lane: world.lane().0.to_vec().into(),
        r#type: "operator-note".into(),
        precedence: 1,
        made_at: 1_799_999_000_000,
        expires_at: 1_900_000_000_000,
        addressees: vec![addressee],
        ..Default::default()
    };
    let settled = wire::OwnSettled {
        msg_id: letter_id(),
        station: station(),
        level: 2,
        at: 1_799_999_900_000,
        ..Default::default()
    };
    let resent = wire::OwnResent {
        msg_id: letter_id(),
        station: station(),
        envelope: some_digest(),
        content_root: some_digest(),
    };
    [What::Sent(sent), What::Settled(settled), What::Resent(resent)]
}

fn own_opened() -> [What; 3] {
    let author = || Bytes::copy_from_slice(&world().id(1).0);
    let opened = wire::OwnOpened {
        envelope: some_digest(),
        author: author(),
        opening: 1,
        msg_id: letter_id(),
        status: 1,
        content_root: some_digest(),
        r#type: "operator-note".into(),
        precedence: 1,
        received_at: 1_799_999_500_000,
        ..Default::default()
    };
    let (since, at) = (1_799_000_000_000, 1_799_999_000_000);
    let regain = wire::OwnRegain { since, at, ..Default::default() };
    let listed = wire::OwnListed {
        station: author(),
        available: vec![letter_id()],
        gone: vec![vec![0x4e; 16].into()],
        more: true,
    };
    [What::Opened(opened), What::Regain(regain), What::Listed(listed)]
}
