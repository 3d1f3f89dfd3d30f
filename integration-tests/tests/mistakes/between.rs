//! What goes wrong between stations, and on the disk under one.

use std::{fs, path::PathBuf, process::Command};

use cbm_integration_tests::processes::{Lab, PATIENCE, poll, run, words};

use crate::page::{Page, lines};

fn root(lab: &Lab) -> PathBuf {
    lab.station("AAA").parent().unwrap().parent().unwrap().to_owned()
}

/// Must succeed.
fn cbm(args: &[&str]) {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {}", words(&output));
}

/// Two parties with one set of keys and two accords: each believes in its own.
fn two_networks(lab: &Lab) {
    let own = root(lab).join("own");
    let at = |name: &str| own.join(name).display().to_string();
    fs::create_dir(&own).unwrap();
    for party in ["AAA", "BBB"] {
        let (authority, keys) = (at(&format!("{party}-authority")), at(&format!("{party}-keys")));
        cbm(&["keygen", "authority", "--party", party, "--out", &authority]);
        cbm(&["keygen", "station", "--station", &format!("{party}/mfa"), "--out", &keys]);
    }
    let party = |code: &str| {
        format!(
            "[[parties]]\nname = \"{code}\"\nrole = \"STATE\"\n\
             card = \"{code}-authority/authority.toml\"\n"
        )
    };
    for network in ["AAA", "BBB"] {
        let text = format!("name = \"Accord of {network}\"\n{}{}", party("AAA"), party("BBB"));
        fs::write(own.join(format!("{network}.toml")), text).unwrap();
        let (folder, accord) = (at(network), at(&format!("{network}/accord.cbm")));
        fs::create_dir(&folder).unwrap();
        let description = at(&format!("{network}.toml"));
        cbm(&["accord", "new", "--description", &description, "--out", &accord]);
        for party in ["AAA", "BBB"] {
            cbm(&["accord", "sign", &accord, "--authority", &at(&format!("{party}-authority"))]);
        }
        for (number, party) in ["AAA", "BBB"].into_iter().enumerate() {
            let (authority, keys) = (format!("{party}-authority"), format!("{party}-keys"));
            let card = at(&format!("{keys}/station.toml"));
            let certify = ["accord", "certify", "--accord", &accord, "--card", &card];
            let by = ["--authority", &at(&authority), "--out", &folder];
            cbm(&[&certify[..], &by].concat());
            let port = usize::from(lab.port) + number;
            let address = format!("/ip4/127.0.0.1/udp/{port}/quic-v1");
            let announce = ["accord", "announce", "--documents", &folder, "--keys", &at(&keys)];
            let what = ["--station", &format!("{party}/mfa"), "--address", &address];
            cbm(&[&announce[..], &what].concat());
        }
        let config = lab.station(network).join("cbm.toml");
        let text = fs::read_to_string(&config).unwrap();
        let text = text.replace("\"keys\"", &format!("\"{}\"", at(&format!("{network}-keys"))));
        fs::write(&config, text.replace("\"../documents\"", &format!("{folder:?}"))).unwrap();
    }
}

#[test]
fn stations_of_two_networks_are_told_so() {
    let lab = Lab::new(2);
    two_networks(&lab);
    let (a, _b) = (lab.start("AAA"), lab.start("BBB"));
    let told = || {
        let output = a.ask(&["peers", "--json"]);
        String::from_utf8_lossy(&output.stdout).contains("another network").then_some(())
    };
    assert!(poll(PATIENCE, told).is_some(), "{}\n{}", words(&a.ask(&["peers"])), a.log());
    let mut page = Page::new("network-differs", "A network id that differs from the peers'", &lab);
    page.show("cbm peers --config FILE | grep BBB/mfa:", &lines(&a, &["peers"], "BBB/mfa:"));
    let doctor = lines(&a, &["doctor", "--json"], "\"peers\"");
    assert_eq!(page.show("cbm doctor --json --config FILE | grep peers", &doctor), 1);
    page.done();
    assert!(a.log().contains("another network's accord"), "{}", a.log());
}

#[test]
fn a_recipient_whose_line_rests_gets_the_letter_all_the_same() {
    let lab = Lab::new(2);
    let (a, b) = (lab.start("AAA"), lab.start("BBB"));
    a.await_link("BBB", true);
    let _ = b.text(&["notice", "suspended", "--political", "--reason", "Talks go another way."]);
    let told = || (!lines(&a, &["peers"], "suspended").stdout.is_empty()).then_some(());
    assert!(poll(PATIENCE, told).is_some(), "{}", words(&a.ask(&["peers"])));
    let file = lab.letter("operator-note", |_| {});
    let mut page =
        Page::new("recipient-suspended", "A recipient that has suspended its line openly", &lab);
    let send = ["send", "operator-note", "--to", "BBB", "--file", &file];
    assert_eq!(page.ask(&a, &[&send[..], &["--wait", "L1", "--timeout", "45s"]].concat()), 0);
    page.show("cbm peers --config FILE | grep suspended", &lines(&a, &["peers"], "suspended"));
    page.done();
}

#[test]
fn a_full_disk_is_told_and_the_node_goes_on_when_there_is_room() {
    let lab = Lab::new(2);
    let data = lab.station("AAA").join("data");
    fs::create_dir(&data).unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=36m,mode=0700", "cbm-test"])
        .arg(&data)
        .output();
    if !mount.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("CBM_REQUIRE_ROOT_TESTS").is_none(), "a disk cannot be mounted");
        println!("skipped: a small disk needs root to be mounted");
        return;
    }
    let _mounted = Mounted(data.clone());
    let (a, b) = (lab.start("AAA"), lab.start("BBB"));
    let file = lab.letter("operator-note", |_| {});
    let big = lab.file("big.txt", &"x".repeat(190 * 1024));
    let send = ["send", "operator-note", "--to", "BBB", "--file", &file, "--attach", &big];
    let id = a.text(&[&send[..], &["--wait", "L1", "--timeout", "45s"]].concat());
    let filler = data.join("filler");
    // What the disk still has is taken; the segment that is made already takes some letters more.
    let _ = fs::write(&filler, vec![0_u8; 36 * 1024 * 1024]);
    let mut taken = vec![id];
    let refused = poll(PATIENCE, || {
        let output = a.ask(&send);
        if output.status.success() {
            taken.push(String::from_utf8_lossy(&output.stdout).trim().to_owned());
            return None;
        }
        Some(output)
    });
    let refused = refused.expect("a disk that is full");
    let mut page = Page::new("disk-full", "A disk that is full", &lab);
    let typed = "cbm send operator-note --to BBB --file FILE --attach FILE --config FILE";
    assert_eq!(page.show(typed, &refused), 1);
    page.done();
    fs::remove_file(&filler).unwrap();
    let again = poll(PATIENCE, || Some(a.ask(&send)).filter(|output| output.status.success()));
    let again = again.expect("it goes on when there is room");
    taken.push(String::from_utf8_lossy(&again.stdout).trim().to_owned());
    for id in &taken {
        a.await_status(id, "BBB", |status| !status["level"].is_null());
    }
    assert_eq!(b.json(&["inbox"]).len(), taken.len(), "what was refused was not said either");
}

struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: a node that is being killed may still hold it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
