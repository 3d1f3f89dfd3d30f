//! Mistakes of those who sign: accords, stations, keys taken back, groups.

use std::{fs, path::PathBuf};

use cbm_integration_tests::processes::{Lab, run, words};

use crate::page::Page;

/// Two states, and the card of a third that is in no accord.
struct Table {
    lab: Lab,
    folder: PathBuf,
}

impl Table {
    fn new() -> Self {
        let lab = Lab::new(2);
        let folder = lab.station("AAA").parent().unwrap().parent().unwrap().to_owned();
        let table = Self { lab, folder };
        table.done(&["keygen", "authority", "--party", "CCC", "--out", &table.at("ccc")]);
        table
    }

    fn at(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn documents(&self) -> String {
        self.at("lab/documents")
    }

    fn authority(&self, code: &str) -> String {
        self.at(&format!("lab/authorities/{code}"))
    }

    /// A step that works, and is not on the page.
    fn done(&self, args: &[&str]) {
        let output = run(args);
        assert!(output.status.success(), "{args:?}: {}", words(&output));
    }

    /// The next version, with CCC in it.
    fn draw_up(&self, out: &str) {
        let card = self.at("ccc/authority.toml");
        let (documents, out) = (self.documents(), self.at(out));
        let who = ["--admit", &card, "--role", "STATE", "--name", "Casteria"];
        let update = ["accord", "update", "--documents", &documents, "--out", &out];
        self.done(&[&update[..], &who[..]].concat());
    }
}

#[test]
fn accords_that_cannot_be_drawn_up() {
    let table = Table::new();
    let (documents, out) = (table.documents(), table.at("next.cbm"));
    let update = ["accord", "update", "--documents", &documents, "--out", &out];
    let mut page = Page::new("accord-update", "A next version that cannot be", &table.lab);
    page.say("Nothing would change:");
    assert_eq!(page.cbm(&update), 1);
    page.say("A card without its role and name:");
    let card = table.at("ccc/authority.toml");
    assert_eq!(page.cbm(&[&update[..], &["--admit", &card]].concat()), 2);
    page.say("No such role:");
    let king = ["--admit", &card, "--role", "KING", "--name", "Casteria"];
    assert_eq!(page.cbm(&[&update[..], &king].concat()), 1);
    page.say("A party that is not there leaves:");
    assert_eq!(page.cbm(&[&update[..], &["--remove", "ZZZ"]].concat()), 1);
    page.say("More signatures than there are states:");
    assert_eq!(page.cbm(&[&update[..], &["--threshold", "3"]].concat()), 1);
    page.say("No card:");
    let none = table.at("none.toml");
    assert_eq!(page.cbm(&[&update[..], &["--rekey", &none]].concat()), 1);
    page.done();
}

#[test]
fn signatures_that_do_not_count() {
    let table = Table::new();
    table.draw_up("next.cbm");
    let (next, documents) = (table.at("next.cbm"), table.documents());
    let mut page = Page::new("accord-sign", "Signatures on an accord", &table.lab);
    let sign = |file: &str, keys: &str, more: &[&str]| {
        let args = ["accord", "sign", file, "--authority", keys].map(str::to_owned);
        [&args[..], &more.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()].concat()
    };
    let mut cbm =
        |args: Vec<String>| page.cbm(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let inside: [&str; 2] = ["--documents", &documents];
    // By whom the version before does not know; without the version before; of a folder of others.
    assert_eq!(cbm(sign(&next, &table.at("ccc"), &inside)), 1);
    assert_eq!(cbm(sign(&next, &table.authority("AAA"), &[])), 1);
    assert_eq!(cbm(sign(&next, &table.authority("AAA"), &["--before", &next])), 1);
    let other = Table::new();
    assert_eq!(cbm(sign(&next, &table.authority("ZZZ"), &inside)), 1);
    let certificate = table.at("lab/documents/0001.cbm");
    assert_eq!(cbm(sign(&certificate, &table.authority("AAA"), &inside)), 1);
    fs::write(table.at("letter.cbm"), "Dear colleagues").unwrap();
    assert_eq!(cbm(sign(&table.at("letter.cbm"), &table.authority("AAA"), &inside)), 1);
    page.mask(&other.folder.display().to_string(), "OTHER");
    page.say("The documents are those of another network:");
    let foreign = sign(&next, &table.authority("AAA"), &["--documents", &other.documents()]);
    assert_eq!(page.cbm(&foreign.iter().map(String::as_str).collect::<Vec<_>>()), 1);
    page.say("Two copies that are not copies:");
    let first = table.at("lab/documents/0000.cbm");
    let joined = table.at("joined.cbm");
    let merge = ["accord", "merge", &next, &first, "--out", &joined, "--documents", &documents];
    assert_eq!(page.cbm(&merge), 1);
    page.done();
}

#[test]
fn documents_that_no_node_believes() {
    let table = Table::new();
    table.draw_up("next.cbm");
    let node = table.lab.start("AAA");
    let mut page = Page::new("publish", "Documents that no node believes", &table.lab);
    page.say("Too few signatures:");
    assert_eq!(page.ask(&node, &["accord", "publish", &table.at("next.cbm")]), 1);
    page.say("Another network's:");
    let other = Table::new();
    fs::copy(other.at("lab/documents/0001.cbm"), table.at("foreign.cbm")).unwrap();
    assert_eq!(page.ask(&node, &["accord", "publish", &table.at("foreign.cbm")]), 1);
    page.say("No document:");
    let letter = table.lab.file("letter.cbm", "Dear colleagues");
    assert_eq!(page.ask(&node, &["accord", "publish", &letter]), 1);
    assert_eq!(page.ask(&node, &["accord", "publish", &table.at("nothing.cbm")]), 1);
    page.done();
}

#[test]
fn keys_that_are_not_taken_back() {
    let table = Table::new();
    let (documents, own) = (table.documents(), table.authority("AAA"));
    let mut page = Page::new("revoke", "Keys that are not taken back", &table.lab);
    let mut revoke = |keys: &str, more: &[&str]| {
        let args = ["accord", "revoke", "--documents", &documents, "--authority", keys];
        page.cbm(&[&args[..], more].concat())
    };
    assert_eq!(revoke(&own, &["--station", "AAA/mfa"]), 2);
    let nothing = "--nothing-stands";
    assert_eq!(revoke(&own, &["--station", "BBB/mfa", nothing]), 1);
    assert_eq!(revoke(&own, &["--station", "AAA/cert", nothing]), 1);
    assert_eq!(revoke(&own, &["--station", "AAA/mfa", "--serial", "2", nothing]), 1);
    assert_eq!(revoke(&own, &["--station", "AAA/mfa", "--key", "12", nothing]), 2);
    let zeros = "0".repeat(32);
    assert_eq!(revoke(&own, &["--authority-key", &zeros, nothing]), 1);
    let letter = table.lab.file("heads.json", "{\"seq\": 1}");
    assert_eq!(revoke(&own, &["--station", "AAA/mfa", "--stands-by", &letter]), 1);
    assert_eq!(revoke(&table.at("ccc"), &["--station", "AAA/mfa", nothing]), 1);
    page.say("Nobody vouches for a card that is not in the accord:");
    let card = table.at("ccc/authority.toml");
    let attest = ["accord", "attest", "--documents", &documents, "--authority", &own];
    let how = |how| [&attest[..], &["--card", &card, "--method", how]].concat();
    assert_eq!(page.cbm(&how("in-person")), 1);
    assert_eq!(page.cbm(&how("telepathy")), 2);
    page.done();
}

#[test]
fn groups_that_do_not_count() {
    let table = Table::new();
    let (documents, file) = (table.documents(), table.at("coast.cbm"));
    let mut page = Page::new("charter", "Groups that do not count", &table.lab);
    let new = |members: &str| {
        let args = ["charter", "new", "--documents", &documents, "--out", &file, "--name", "coast"];
        [&args.map(str::to_owned)[..], &["--members".to_owned(), members.to_owned()]].concat()
    };
    let mut cbm =
        |args: Vec<String>| page.cbm(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(cbm(new("AAA,CCC")), 1);
    assert_eq!(cbm(new("AAA")), 1);
    table.done(&new("AAA,BBB").iter().map(String::as_str).collect::<Vec<_>>());
    let stranger = ["charter", "sign", &file, "--documents", &documents, "--authority"];
    assert_eq!(page.cbm(&[&stranger[..], &[&table.at("ccc")]].concat()), 1);
    let change = table.at("next.cbm");
    let update = ["charter", "update", "--documents", &documents, "--out", &change];
    assert_eq!(page.cbm(&[&update[..], &["--name", "coast", "--add", "CCC"]].concat()), 1);
    page.done();
}

#[test]
fn a_recipient_that_is_in_another_group() {
    let lab = Lab::new(3);
    let folder = lab.station("AAA").parent().unwrap().parent().unwrap().to_owned();
    let at = |name: &str| folder.join(name).display().to_string();
    let done = |args: &[&str]| {
        let output = run(args);
        assert!(output.status.success(), "{args:?}: {}", words(&output));
    };
    let (documents, file) = (at("lab/documents"), at("coast.cbm"));
    let inside = ["--documents", &documents];
    let new = ["charter", "new", "--out", &file, "--name", "coast", "--members", "AAA,BBB"];
    done(&[&new[..], &inside].concat());
    for party in ["AAA", "BBB"] {
        let keys = at(&format!("lab/authorities/{party}"));
        done(&[&["charter", "sign", &file, "--authority", &keys][..], &inside].concat());
    }
    let (a, c) = (lab.start("AAA"), lab.start("CCC"));
    let _ = a.text(&["accord", "publish", &file]);
    let letter = lab.letter("operator-note", |_| {});
    let send = ["send", "operator-note", "--group", "coast", "--file", &letter];
    let mut page = Page::new("recipient-elsewhere", "A recipient that is in another group", &lab);
    page.say("The group coast is that of AAA and BBB; AAA writes:");
    assert_eq!(page.ask(&a, &[&send[..], &["--to", "CCC"]].concat()), 2);
    assert_eq!(page.ask(&a, &[&send[..], &["--to", "BBB", "--info", "CCC"]].concat()), 2);
    page.say("CCC, who is not in it, writes:");
    assert_eq!(page.ask(&c, &[&send[..], &["--to", "BBB"]].concat()), 2);
    page.done();
}
