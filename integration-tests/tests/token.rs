//! Keys of authorities and of offices in a PKCS#11 token: `SoftHSM` stands in for a real one.
//!
//! Needs `softhsm2` (Debian). Without it one line says so and nothing is proven; where
//! `CBM_REQUIRE_ROOT_TESTS=1` it must be there.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use cbm_integration_tests::processes::{Lab, cbm, words};
use serde_json::Value;

const MODULES: [&str; 2] =
    ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"];

/// A folder with a fresh token in it.
struct Desk {
    folder: tempfile::TempDir,
    module: &'static str,
}

impl Desk {
    fn new() -> Option<Self> {
        let Some(module) = MODULES.into_iter().find(|path| Path::new(path).exists()) else {
            let must = std::env::var_os("CBM_REQUIRE_ROOT_TESTS").is_some_and(|v| v == "1");
            assert!(!must, "CBM_REQUIRE_ROOT_TESTS is set, and softhsm2 is not installed");
            eprintln!("SKIPPED: no token to sign with; install softhsm2");
            return None;
        };
        let desk = Self { folder: tempfile::tempdir().unwrap(), module };
        fs::create_dir(desk.at("tokens")).unwrap();
        let tokens = desk.at("tokens").display().to_string();
        fs::write(desk.at("softhsm2.conf"), format!("directories.tokendir = {tokens}\n")).unwrap();
        let made = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", "Our HSM"])
            .args(["--pin", "271828", "--so-pin", "314159"])
            .env("SOFTHSM2_CONF", desk.at("softhsm2.conf"))
            .output()
            .expect("softhsm2-util comes with the library");
        assert!(made.status.success(), "{}", words(&made));
        desk.secret("pin", "271828\n");
        Some(desk)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn secret(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).unwrap();
        fs::set_permissions(self.at(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn uri(&self, object: &str, pin: &str) -> String {
        let (module, pin) = (self.module, self.at(pin).display().to_string());
        format!("pkcs11:token=Our%20HSM;object={object}?module-path={module}&pin-source={pin}")
    }

    fn cbm(&self, args: &[&str]) -> Output {
        Command::new(cbm())
            .args(args)
            .current_dir(self.folder.path())
            .env("SOFTHSM2_CONF", self.at("softhsm2.conf"))
            .output()
            .unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.cbm(args);
        assert!(output.status.success(), "{args:?}: {}", words(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn refused(&self, args: &[&str]) -> String {
        let output = self.cbm(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", words(&output));
        String::from_utf8(output.stderr).unwrap()
    }
}

const DESCRIPTION: &str = "name = \"Line\"\n\
    [[parties]]\nname = \"Estonia\"\nrole = \"STATE\"\ncard = \"est/authority.toml\"\n\
    [[parties]]\nname = \"Latvia\"\nrole = \"STATE\"\ncard = \"lva/authority.toml\"\n";

#[test]
fn a_token_signs_an_accord_and_certifies_a_station() {
    let Some(desk) = Desk::new() else { return };
    let uri = desk.uri("est", "pin");
    let keygen = ["keygen", "authority", "--party", "EST", "--token", &uri, "--json"];
    let made = desk.json(&[&keygen[..], &["--out", "est"]].concat());
    assert_eq!(made["made_in_token"], true);
    let in_folder = |name: &str| desk.at("est").join(name).exists();
    assert!(in_folder("authority-dsa.key") && !in_folder("authority.key"));
    // The same token once more: the key is taken over, not made again.
    let again = desk.json(&[&keygen[..], &["--out", "again"]].concat());
    assert_eq!(again["made_in_token"], false);
    let key = |card: &str| {
        let text = fs::read_to_string(desk.at(card)).unwrap();
        text.lines().find(|line| line.starts_with("ed25519")).unwrap().to_owned()
    };
    assert_eq!(key("est/authority.toml"), key("again/authority.toml"));

    desk.json(&["keygen", "authority", "--party", "LVA", "--out", "lva", "--json"]);
    desk.json(&["keygen", "station", "--station", "EST/mfa", "--out", "mfa", "--json"]);
    fs::write(desk.at("accord.toml"), DESCRIPTION).unwrap();
    fs::create_dir(desk.at("documents")).unwrap();
    let accord = "documents/accord.cbm";
    desk.json(&["accord", "--json", "new", "--description", "accord.toml", "--out", accord]);
    let sign = |authority: &str| {
        desk.json(&["accord", "--json", "sign", accord, "--authority", authority])
    };
    sign("lva");
    let signed = sign(&uri);
    assert_eq!(signed["signed_by"], serde_json::json!(["EST", "LVA"]));
    assert_eq!(signed["complete"], true);
    let certify = ["accord", "--json", "certify", "--accord", accord, "--card", "mfa/station.toml"];
    let rest = ["--authority", &uri, "--out", "documents"];
    desk.json(&[&certify[..], &rest[..]].concat());
    // Our own reader believes both.
    let verified = desk.json(&["accord", "--json", "verify", "documents"]);
    assert_eq!(verified["stations"][0]["station"], "EST/mfa", "{verified}");
    assert_eq!(verified["refused"], serde_json::json!([]));
}

#[test]
fn what_the_token_does_not_do_is_told_and_nothing_is_signed() {
    let Some(desk) = Desk::new() else { return };
    let keygen = |uri: &str, out: &str| {
        desk.cbm(&["keygen", "authority", "--party", "EST", "--token", uri, "--out", out])
    };
    assert!(keygen(&desk.uri("est", "pin"), "est").status.success());
    desk.json(&["keygen", "authority", "--party", "LVA", "--out", "lva", "--json"]);
    fs::write(desk.at("accord.toml"), DESCRIPTION).unwrap();
    desk.json(&["accord", "--json", "new", "--description", "accord.toml", "--out", "a.cbm"]);
    let before = fs::read(desk.at("a.cbm")).unwrap();
    let sign = |uri: &str| desk.refused(&["accord", "sign", "a.cbm", "--authority", uri]);

    desk.secret("wrong", "000000\n");
    let text = sign(&desk.uri("est", "wrong"));
    assert!(text.contains("not its PIN") && !text.contains("000000"), "{text}");
    assert!(sign(&desk.uri("fin", "pin")).contains("no such Ed25519 key"));
    let elsewhere = desk.uri("est", "pin").replace("Our%20HSM", "Another");
    assert!(sign(&elsewhere).contains("no such token"));
    let text = sign(&format!("{}&pin-value=271828", desk.uri("est", "pin")));
    assert!(text.contains("pin-source") && !text.contains("271828"), "{text}");
    fs::set_permissions(desk.at("pin"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(sign(&desk.uri("est", "pin")).contains("chmod 600"));
    assert_eq!(fs::read(desk.at("a.cbm")).unwrap(), before);
}

/// A certificate for BBB's station with the office's key, made before the stations start.
fn certify(desk: &Desk, lab: &Lab, card: &str) {
    let home = lab.station("AAA").parent().unwrap().to_owned();
    let at = |name: &str| home.join(name).display().to_string();
    let (documents, authority) = (at("documents"), at("authorities/BBB"));
    let certify = ["accord", "--json", "certify", "--documents", &documents];
    let rest = ["--station", "BBB/mfa", "--office", card, "--authority", &authority];
    let made = desk.json(&[&certify[..], &rest[..]].concat());
    assert!(made["offices"][0].as_str().unwrap().ends_with(" duty"), "{made}");
}

#[test]
fn an_office_signs_with_its_token_and_the_sender_sees_it() {
    let Some(desk) = Desk::new() else { return };
    let uri = desk.uri("duty", "pin");
    let made = desk.json(&["keygen", "office", "--token", &uri, "--out", "duty", "--json"]);
    assert_eq!(made["made_in_token"], true);
    let held: Vec<_> = fs::read_dir(desk.at("duty")).unwrap().collect();
    assert_eq!(held.len(), 1, "the card alone");
    let lab = Lab::new(2);
    certify(&desk, &lab, "duty=duty/office.toml");
    let (a, b) = (lab.start("AAA"), lab.start("BBB"));
    let file = lab.letter("request", |_| {});
    let send = ["send", "request", "--to", "BBB", "--file", &file];
    let send = || a.text(&[&send[..], &["--wait", "L1", "--timeout", "45s"]].concat());
    let config = b.config().display().to_string();
    let sign = |args: &[&str]| {
        let args = [args, &["--office-key", &uri, "--config", &config]].concat();
        let output = desk.cbm(&args);
        assert!(output.status.success(), "{args:?}: {}", words(&output));
    };

    let (one, two, three) = (send(), send(), send());
    sign(&["ack", &one]);
    let status = a.await_status(&one, "BBB", |status| status["level"] == "L4");
    assert_eq!(status["stated"]["signature"], "valid", "{status}");
    assert_eq!(status["stated"]["office"], "duty");
    assert!(a.text(&["status", &one]).contains("signature of its office duty"));

    sign(&["decline", &two, "--reason", "POLITICAL", "--text", "not by us"]);
    let status = a.await_status(&two, "BBB", |status| status["state"] == "declined");
    assert_eq!(status["stated"]["signature"], "valid", "{status}");

    // Without the token the station speaks for the office, until the office signs.
    let _ = b.text(&["ack", &three]);
    let status = a.await_status(&three, "BBB", |status| status["level"] == "L4");
    assert_eq!(status["stated"]["signature"], "none", "{status}");
    assert!(a.text(&["status", &three]).contains("not signed by the office"));
    let answer = lab.letter("response", |_| {});
    sign(&["reply", &three, "--file", &answer]);
    let signed = |s: &Value| s["level"] == "L6" && s["stated"]["signature"] == "valid";
    a.await_status(&three, "BBB", signed);
    assert!(a.text(&["directory", "BBB"]).contains("signs"), "the key stands in the directory");
}
