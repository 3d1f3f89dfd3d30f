//! Real nodes on damaged folders: what a turned bit took comes back from the others; a file that is not
//! what it was stops the node with words, or takes nothing away.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use cbm_integration_tests::processes::{Node, PATIENCE, poll, run, words};
use serde_json::Value;

use super::*;

/// What each letter of the inbox says.
fn letters(node: &Node) -> BTreeMap<String, Value> {
    let rows = node.json(&["inbox"]);
    let id = |row: &Value| row["id"].as_str().unwrap().to_owned();
    let body = |id: &String| node.json(&["show", id]).remove(0)["subject"].clone();
    rows.iter().map(id).map(|id| (id.clone(), body(&id))).collect()
}

fn readable(node: &Node, ids: impl Iterator<Item = String>) -> BTreeMap<String, Value> {
    let show = |id: String| {
        let shown = node.ask(&["show", &id, "--json"]);
        let shown: Value = serde_json::from_slice(&shown.stdout).ok()?;
        Some((id, shown["subject"].clone()))
    };
    ids.filter_map(show).collect()
}

/// The station's files, to be damaged and put back.
struct Folder {
    path: PathBuf,
    saved: BTreeMap<PathBuf, Vec<u8>>,
}

impl Folder {
    fn keep(path: &Path) -> Self {
        let mut saved = BTreeMap::new();
        let mut open = vec![path.to_owned()];
        while let Some(next) = open.pop() {
            for entry in fs::read_dir(&next).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => open.push(path),
                    false => drop(saved.insert(path.clone(), fs::read(&path).unwrap())),
                }
            }
        }
        Self { path: path.to_owned(), saved }
    }

    fn put_back(&self) {
        let _ = fs::remove_dir_all(self.path.join("index.aside"));
        for (path, bytes) in &self.saved {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
}

/// Turns a bit so many bytes behind the beginning of the record at this place.
fn turn(data: &Path, place: &str, behind: usize) {
    let (segment, offset) = place.split_once(':').unwrap();
    let path = data.join("journal").join(format!("{segment:0>8}.seg"));
    let mut bytes = fs::read(&path).unwrap();
    bytes[offset.parse::<usize>().unwrap() + behind] ^= 0x10;
    fs::write(&path, bytes).unwrap();
}

#[test]
fn what_a_turned_bit_took_comes_back_from_the_others() {
    let lab = content::correspondence(7);
    let (mut a, mut b) = (lab.node("AAA"), lab.node("BBB"));
    b.start();
    let before = letters(&b);
    assert_eq!(b.stop().code(), Some(0));
    let rows = b.json(&["journal", "list", "--last", "1000"]);
    let place = |row: &Value| row["place"].as_str().unwrap().to_owned();
    let of = |kind: &str| rows.iter().filter(|r| r["kind"] == kind).map(place).collect::<Vec<_>>();
    let heard =
        rows.iter().filter(|row| row["author"] == "AAA/mfa" && row["bytes"].as_u64() > Some(900));
    let heard: Vec<_> = heard.map(place).collect();
    let data = lab.station("BBB").join("data");
    // A head, two contents, of envelopes and of what was opened: at least three letters suffer.
    let struck =
        [(&heard[0], 30), (&heard[1], 700), (&of("opened")[1], 80), (&of("opened")[3], 20)];
    for (place, behind) in struck {
        turn(&data, place, behind);
    }
    let verified = b.ask(&["journal", "verify"]);
    assert_eq!(verified.status.code(), Some(1), "{}", words(&verified));
    a.start();
    b.start();
    for (place, _) in struck {
        assert!(b.log().contains(&format!("journal damaged at {place}")), "{place}: {}", b.log());
    }
    let back = || (readable(&b, before.keys().cloned()) == before).then_some(());
    assert!(poll(PATIENCE, back).is_some(), "{before:#?}\n{:#?}\n{}", letters(&b), b.log());
    assert_eq!(letters(&b), before, "each once, and no other");
    b.await_link("AAA", true);
    let file = lab.letter("operator-note", |_| {});
    let id = b.text(&["send", "operator-note", "--to", "AAA", "--file", &file]);
    b.await_status(&id, "AAA", |status| status["level"] == "L2");
    assert!(!a.log().contains("signed two headers"), "a number was given twice: {}", a.log());
}

/// Starts the node on a damaged folder: it refuses in words, or shows what it showed, or says what is gone.
fn start_and_judge(node: &mut Node, before: &BTreeMap<String, Value>, place: &str) -> &'static str {
    let log = node.log().len();
    let ready = node.launch().recv_timeout(PATIENCE).is_ok_and(|line| line.contains("ready"));
    let said = || node.log()[log..].to_owned();
    if !ready {
        let code = node.ended().code();
        let said = node.log()[log..].to_owned();
        assert_eq!(code, Some(1), "{place}: {said}");
        assert!(said.contains("cause:") && said.contains("remedy:"), "{place}: {said}");
        assert!(!said.contains("panicked"), "{place}: {said}");
        return "refused";
    }
    let after = readable(node, before.keys().cloned());
    let gone = said().contains("journal damaged at");
    let named = gone || said().contains("a document of the folder is not believed refused=/");
    assert!(after.iter().all(|(id, text)| before.get(id) == Some(text)), "{place}: {after:#?}");
    assert!(after.len() == before.len() || gone, "{place}: {} letters; {}", after.len(), said());
    let mended = said().contains("index made again") || said().contains("a new incarnation");
    assert_eq!(node.stop().code(), Some(0), "{place}: {}", node.log());
    match (named, mended) {
        (true, _) => "named",
        (false, true) => "mended",
        (false, false) => "untouched",
    }
}

#[test]
fn letters_are_shown_though_their_authors_certificate_is_damaged() {
    let lab = content::correspondence(4);
    let mut node = lab.node("BBB");
    node.start();
    let before = letters(&node);
    assert!(!before.is_empty());
    node.stop();
    let documents = Folder::keep(Path::new(&lab.file("x", "").replace("/x", "/lab/documents")));
    let mut judged = Vec::new();
    for (path, bytes) in &documents.saved {
        let mut bytes = bytes.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
        judged.push(start_and_judge(&mut node, &before, &path.display().to_string()));
        documents.put_back();
    }
    // Without the accord or its own certificate it does not start.
    let count = |word| judged.iter().filter(|judged| **judged == word).count();
    assert_eq!((count("refused"), count("named")), (2, judged.len() - 2), "{judged:?}");
}

#[test]
fn a_real_node_on_a_damaged_folder_refuses_or_says_what_is_gone() {
    let (flips, seed) = size();
    let lab = content::correspondence(5);
    let mut node = lab.node("BBB");
    node.start();
    let before = letters(&node);
    node.stop();
    let station = lab.station("BBB");
    let folders = [station.join("data"), lab.file("x", "").replace("/x", "/lab/documents").into()];
    let folders = folders.map(|path| Folder::keep(&path));
    let mut chance = Chance::new(seed, "flips-nodes");
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for turn in 0..flips.div_ceil(10) {
        let folder = &folders[usize::from(turn % 4 == 3)];
        let files: Vec<_> = folder.saved.iter().filter(|(_, bytes)| !bytes.is_empty()).collect();
        let (path, bytes) = files[chance.index(files.len())];
        let used = bytes.iter().rposition(|b| *b != 0).map_or(1, |last| last + 1);
        let (at, bit) = (chance.index(used), chance.below(8));
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << bit;
        fs::write(path, bytes).unwrap();
        let place = format!("bit {bit} of byte {at} of {}", path.display());
        println!("{place}");
        *sums.entry(start_and_judge(&mut node, &before, &place)).or_default() += 1;
        folder.put_back();
    }
    println!("{sums:?}");
}

#[test]
fn a_damaged_note_of_a_restore_is_refused_with_its_name() {
    let lab = cbm_integration_tests::processes::Lab::new(2);
    let mut node = lab.start("BBB");
    let vault = lab.station("BBB").with_file_name("vault");
    let path = |name: &str| vault.join(name).to_str().unwrap().to_owned();
    assert!(run(&["keygen", "backup", "--out", vault.to_str().unwrap()]).status.success());
    let (out, to) = (path("b.age"), path("backup.recipient"));
    let _ = node.text(&["backup", "--out", &out, "--recipient-file", &to]);
    node.stop();
    let keys = lab.station("BBB").join("keys");
    let (identity, into) = (path("backup.identity"), path("into"));
    let args = ["restore", &out, "--identity", &identity, "--into", &into, "--keys"];
    let done = run(&[&args[..], &[keys.to_str().unwrap()]].concat());
    assert!(done.status.success(), "{}", words(&done));
    let note = vault.join("into/data/restored");
    let mut bytes = fs::read(&note).unwrap();
    // One digit of a time.
    let digit = bytes.iter().rposition(u8::is_ascii_digit).unwrap();
    bytes[digit] ^= 1;
    fs::write(&note, bytes).unwrap();
    let started = run(&["run", "--config", vault.join("into/cbm.toml").to_str().unwrap()]);
    assert_eq!(started.status.code(), Some(1), "{}", words(&started));
    let said = words(&started);
    assert!(said.contains(note.to_str().unwrap()) && said.contains("is damaged"), "{said}");
}
