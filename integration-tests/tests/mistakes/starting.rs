//! Mistakes of the operator: the configuration, and a node that must not start.

use std::{
    fs,
    net::{TcpListener, UdpSocket},
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use cbm_integration_tests::processes::{Lab, cbm};

use crate::page::Page;

/// Changes a station's configuration.
fn rewrite(lab: &Lab, party: &str, change: impl FnOnce(String) -> String) {
    let path = lab.station(party).join("cbm.toml");
    let text = change(fs::read_to_string(&path).unwrap());
    fs::write(path, text).unwrap();
}

#[test]
fn configurations_that_cannot_be_used() {
    let lab = Lab::new(2);
    let node = lab.node("AAA");
    let good = fs::read_to_string(node.config()).unwrap();
    let with = |change: &dyn Fn(&str) -> String| fs::write(node.config(), change(&good)).unwrap();

    let mut page = Page::new("config-unknown-key", "A configuration with an unknown key", &lab);
    with(&|text| text.replace("[paths]\n", "[paths]\ndate = \"x\"\n"));
    assert_eq!(page.ask(&node, &["run"]), 2);
    assert_eq!(page.ask(&node, &["inbox"]), 2);
    page.done();

    let mut page = Page::new("config-wrong-type", "A configuration with a wrong type", &lab);
    with(&|text| text.replace("[mesh]\n", "[mesh]\nredial_min_ms = \"soon\"\n"));
    assert_eq!(page.ask(&node, &["run"]), 2);
    page.done();

    let mut page = Page::new("config-many", "A configuration with many mistakes", &lab);
    with(&|text| {
        text.replace("[paths]\n", "[paths]\ndate = \"x\"\n")
            .replace("[mesh]\n", "[mesh]\nredial_min_ms = \"soon\"\nlinks = [\"bbb\"]\n")
            .replace("AAA/mfa", "aaa/mfa")
            + "\n[log]\nformat = \"xml\"\nlevel = \"cbm_node=loud\"\n"
    });
    assert_eq!(page.ask(&node, &["run"]), 2);
    page.mask("root", "USER");
    let mut check = Command::new(cbm());
    check.args(["config", "check", "--config"]).arg(node.config());
    check.env("CBM__LOG__LEVLE", "info").stdin(Stdio::null());
    assert_eq!(page.run("CBM__LOG__LEVLE=info ", &mut check), 2);
    page.done();

    let mut page = Page::new("config-not-toml", "A configuration that is no TOML", &lab);
    with(&|text| text.replace("[mesh]", "[mesh"));
    assert_eq!(page.ask(&node, &["run"]), 2);
    fs::write(node.config(), "").unwrap();
    assert_eq!(page.ask(&node, &["config", "check"]), 2);
    page.done();

    let mut page = Page::new("config-missing", "A configuration that is not there", &lab);
    assert_eq!(page.cbm(&["run", "--config", "nowhere.toml"]), 2);
    assert_eq!(page.cbm(&["inbox", "--config", "/"]), 2);
    page.done();
}

#[test]
fn ports_folders_and_sockets_that_somebody_else_has() {
    let lab = Lab::new(3);
    let mut page = Page::new("port-in-use", "A port that somebody else has", &lab);
    let taken = UdpSocket::bind(("127.0.0.1", lab.port)).unwrap();
    assert_eq!(page.ask(&lab.node("AAA"), &["run"]), 1);
    drop(taken);
    let taken = TcpListener::bind(("127.0.0.1", lab.port)).unwrap();
    assert_eq!(page.ask(&lab.node("AAA"), &["run"]), 1);
    drop(taken);
    page.done();

    let _first = lab.start("AAA");
    let mut page = Page::new("folder-held", "A data folder that another process holds", &lab);
    assert_eq!(page.ask(&lab.node("AAA"), &["run"]), 1);
    page.done();

    let mut page = Page::new("socket-taken", "A socket on which another node answers", &lab);
    rewrite(&lab, "BBB", |text| text.replace("cbm.sock", "../AAA-mfa/cbm.sock"));
    assert_eq!(page.ask(&lab.node("BBB"), &["run"]), 1);
    page.done();

    let mut page = Page::new("folder-of-another", "A data folder of another station", &lab);
    let mut first = lab.start("CCC");
    first.stop();
    rewrite(&lab, "BBB", |text| {
        let text = text.replace("../AAA-mfa/cbm.sock", "cbm.sock");
        text.replace("\"data\"", "\"../CCC-mfa/data\"")
    });
    assert_eq!(page.ask(&lab.node("BBB"), &["run"]), 1);
    page.done();
}

#[test]
fn keys_that_must_not_be_used() {
    let lab = Lab::new(2);
    let node = lab.node("AAA");
    let key = lab.station("AAA").join("keys/sign.key");
    let mode = |mode: u32| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();

    let mut page = Page::new("key-readable", "A key file that others can read", &lab);
    mode(0o644);
    assert_eq!(page.ask(&node, &["run"]), 1);
    mode(0o600);
    let folder = lab.station("AAA").join("keys");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(page.ask(&node, &["run"]), 1);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    page.done();

    let mut page = Page::new("keys-of-another", "Keys that are not this station's", &lab);
    rewrite(&lab, "AAA", |text| text.replace("\"keys\"", "\"../BBB-mfa/keys\""));
    assert_eq!(page.ask(&node, &["run"]), 1);
    rewrite(&lab, "AAA", |text| text.replace("../BBB-mfa/keys", "nowhere"));
    assert_eq!(page.ask(&node, &["run"]), 1);
    page.done();
}

#[test]
fn an_environment_that_would_betray_the_links() {
    let lab = Lab::new(2);
    let mut page = Page::new("sslkeylogfile", "SSLKEYLOGFILE is set", &lab);
    let mut spied = Command::new(cbm());
    spied.args(["run", "--config"]).arg(lab.node("AAA").config());
    spied.env("SSLKEYLOGFILE", "/dev/null").stdin(Stdio::null());
    assert_eq!(page.run("SSLKEYLOGFILE=/dev/null ", &mut spied), 1);
    page.done();
}

#[test]
fn documents_that_do_not_fit() {
    let lab = Lab::new(2);
    let other = Lab::new(2);
    let node = lab.node("AAA");
    let documents = lab.station("AAA").parent().unwrap().join("documents");
    let mut page = Page::new("documents", "Documents that do not fit", &lab);
    page.mask(&other.port.to_string(), "PORT9");

    page.say("No version 1 of an accord:");
    rewrite(&lab, "AAA", |text| text.replace("../documents", "."));
    assert_eq!(page.ask(&node, &["run"]), 1);
    rewrite(&lab, "AAA", |text| text.replace("\".\"", "\"../documents\""));

    page.say("Two networks in one folder:");
    let strange = other.station("AAA").parent().unwrap().join("documents/0000.cbm");
    fs::copy(strange, documents.join("9999.cbm")).unwrap();
    assert_eq!(page.ask(&node, &["run"]), 1);
    fs::remove_file(documents.join("9999.cbm")).unwrap();

    page.say("A station without a certificate:");
    rewrite(&lab, "AAA", |text| text.replace("AAA/mfa", "AAA/cert"));
    assert_eq!(page.ask(&node, &["run"]), 1);
    page.done();
}
