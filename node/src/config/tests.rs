//! Layers, paths, and each mistake with its words.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use std::fs;

const MINIMAL: &str =
    "[station]\nname = \"AAA/mfa\"\n[mesh]\nlisten = [\"/ip4/127.0.0.1/tcp/1\"]\n";

fn load(
    text: &str,
    environment: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cbm.toml");
    fs::write(&file, text).unwrap();
    let pairs = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Config::load(&file, pairs, flags).map_err(|error| error.to_string())
}

#[test]
fn the_smallest_file_has_defaults_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cbm.toml");
    fs::write(&file, MINIMAL).unwrap();
    let config = Config::load(&file, [], &[]).unwrap();
    assert_eq!(config.keys, folder.path().join("keys"));
    assert_eq!(config.socket, folder.path().join("cbm.sock"));
    assert_eq!((config.links, config.log_format), (None, LogFormat::Text));
    assert_eq!(config.redial_min, Duration::from_millis(500));
}

#[test]
fn the_environment_outranks_the_file_and_a_flag_outranks_both() {
    let text = format!("{MINIMAL}[log]\nlevel = \"warn\"\n");
    let environment = [
        ("CBM__LOG__LEVEL", "debug"),
        ("CBM__MESH__LISTEN", "/ip4/127.0.0.1/tcp/2,/ip4/127.0.0.1/udp/2/quic-v1"),
        ("CBM__MESH__REDIAL_MIN_MS", "700"),
        ("CBM__OFFICERS__ANNA__OFFICER", "Anna A."),
        ("CBM__OFFICERS__ANNA__OFFICE", "duty"),
        ("PATH", "/bin"),
    ];
    assert_eq!(load(&text, &[], &[]).unwrap().log_level, "warn");
    let config = load(&text, &environment, &[]).unwrap();
    assert_eq!(config.log_level, "debug");
    assert_eq!(config.listen.len(), 2);
    assert_eq!(config.redial_min, Duration::from_millis(700));
    assert_eq!(config.officers["anna"].office, "duty");
    let config = load(&text, &environment, &[("log.level", "trace")]).unwrap();
    assert_eq!(config.log_level, "trace");
}

#[test]
fn users_keep_their_spelling_and_links_are_stations() {
    let text = format!(
        "{MINIMAL}links = [\"BBB/mfa\", \"CCC/cert\"]\n\
         [officers.Anna-B]\nofficer = \"Anna B.\"\noffice = \"duty\"\n"
    );
    let config = load(&text, &[], &[]).unwrap();
    assert!(config.officers.contains_key("Anna-B"));
    assert!(config.links.unwrap().contains(&StationName::parse("BBB/mfa").unwrap()));
}

#[test]
fn each_mistake_is_told_with_its_place() {
    let with = |extra: &str| format!("{MINIMAL}{extra}");
    let long = "x".repeat(120);
    for (text, words) in [
        (with("[paths]\ndate = \"x\"\n"), "unknown field `date`"),
        (with("[meshes]\n"), "unknown field `meshes`"),
        ("[mesh]\nlisten = []\n".to_owned(), "station.name: missing"),
        (with("redial_min_ms = \"soon\"\n"), "invalid type"),
        (with("redial_min_ms = 5\n"), "50 <= redial_min_ms"),
        (with("[log\n"), "cbm.toml:5: this is not TOML"),
        (with("[log]\nformat = \"xml\"\n"), "log.format: text or json"),
        (MINIMAL.replace("AAA/mfa", "aaa/mfa"), "station.name: `aaa` is not a party code"),
        (MINIMAL.replace("/ip4/127.0.0.1/tcp/1", "127.0.0.1:1"), "mesh.listen: at most 16"),
        (with("links = [\"AAA/mfa\"]\n"), "no link to itself"),
        (with(&format!("[paths]\nsocket = \"/tmp/{long}\"\n")), "choose a shorter path"),
        (with("[officers.anna]\nofficer = \"\"\noffice = \"x\"\n"), "1 to 128 characters"),
    ] {
        let error = load(&text, &[], &[]).unwrap_err();
        assert!(error.contains(words), "{text}\n-> {error}");
    }
    let error = load(MINIMAL, &[("CBM__LOG__LEVLE", "x")], &[]).unwrap_err();
    assert!(error.contains("levle"), "{error}");
    let nowhere = Config::load(Path::new("/nowhere/cbm.toml"), [], &[]).unwrap_err();
    assert!(nowhere.to_string().contains("/nowhere/cbm.toml"));
}

#[test]
fn every_mistake_is_named_and_what_holds_says_where_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cbm.toml");
    let text = format!(
        "{MINIMAL}redial_min_ms = \"soon\"\n[paths]\ndate = \"x\"\nkeys = \"k\"\n[log]\nformat = \"xml\"\n\
         [mash]\n[officers.anna]\nofficer = \"A\"\n"
    );
    fs::write(&file, text).unwrap();
    let environment = [("CBM__LOG__LEVEL", "debug"), ("CBM__LOG__LEVLE", "x")];
    let environment = environment.map(|(k, v)| (k.to_owned(), v.to_owned()));
    let examined = examine(&file, environment.clone(), &[]).unwrap();
    assert_eq!(examined.config.unwrap().keys, folder.path().join("k"), "still to be looked at");
    let told: Vec<String> = examined.problems.iter().map(ToString::to_string).collect();
    let wanted = [
        "cbm.toml:5: mesh.redial_min_ms: invalid type",
        "cbm.toml:7: paths.date: unknown field `date`",
        "cbm.toml:11: mash: unknown field `mash`",
        "CBM__LOG__LEVLE: log.levle: unknown field `levle`",
        "cbm.toml:10: log.format: text or json",
        "cbm.toml:13: officers.anna: officer and office have 1 to 128 characters",
    ];
    assert_eq!(told.len(), wanted.len(), "{told:#?}");
    for words in wanted {
        assert!(told.iter().any(|t| t.contains(words)), "{words}\n{told:#?}");
    }
    let from = |key: &str| examined.settings.iter().find(|s| s.key == key).unwrap().clone();
    assert_eq!(from("paths.keys").source, Source::Line(8));
    assert_eq!(from("paths.data").source, Source::Default);
    assert_eq!(from("log.level").source, Source::Environment("CBM__LOG__LEVEL".to_owned()));
    assert_eq!(from("mesh.listen").value, "[\"/ip4/127.0.0.1/tcp/1\"]");
    let error = Config::load(&file, environment, &[]).unwrap_err().to_string();
    assert!(error.contains("(5 more: `cbm config check` names them all)"), "{error}");
}

#[test]
fn paths_are_relative_to_the_file_and_read_plainly() {
    let text = format!("{MINIMAL}[paths]\ndata = \"./../d/data\"\nkeys = \"/etc/cbm/keys\"\n");
    let config = load(&text, &[], &[]).unwrap();
    let base = config.file.parent().unwrap().parent().unwrap();
    assert_eq!(config.data, base.join("d/data"));
    assert_eq!(config.keys, Path::new("/etc/cbm/keys"));
}

#[test]
fn the_example_that_is_shipped_can_be_used() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/examples/cbm.toml");
    let config = Config::load(Path::new(example), [], &[]).unwrap();
    assert_eq!(config.station.to_string(), "EST/mfa");
    assert!(!config.officers.is_empty());
}
