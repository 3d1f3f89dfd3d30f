//! The README's tour and the chapters of the handbook, typed: every command runs, in order, in one
//! shell and in a folder of its own, and what the page shows is compared with what was said.
//!
//! How a page is written so that it can be played: `docs/handbook/README.md`. A page that tells
//! something which does not work, or shows what is not said, fails here with its line. One page:
//! `CBM_PAGE=02 cargo test -p cbm-node --test handbook`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "handbook/compare.rs"]
mod compare;
#[path = "handbook/page.rs"]
mod page;
#[path = "handbook/play.rs"]
mod play;

use page::Page;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The chapters, in the order of their names.
fn chapters() -> Vec<String> {
    let names = fs::read_dir(root().join("docs/handbook")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let chapter = |name: &String| name.ends_with(".md") && name != "README.md";
    let mut names: Vec<_> = names.filter(chapter).map(|n| format!("docs/handbook/{n}")).collect();
    names.sort();
    names
}

#[test]
fn every_page_works_as_typed() {
    let wanted = std::env::var("CBM_PAGE").unwrap_or_default();
    let mut names = chapters();
    assert!(!names.is_empty(), "the handbook has chapters");
    names.push("README.md".to_owned());
    names.retain(|name| name.contains(&wanted));
    let (todo, wrong) = (Mutex::new(names), Mutex::new(Vec::new()));
    // A page mostly waits: two at a time keep two cores busy without making each of them late.
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(name) = { todo.lock().unwrap().pop() } {
                    let page = Page::read(&name, &fs::read_to_string(root().join(&name)).unwrap());
                    match play::play(&page, &root()) {
                        Ok(took) => println!("{name}: held, {:.1} s", took.as_secs_f64()),
                        Err(words) => wrong.lock().unwrap().push(words),
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

#[test]
fn the_index_names_every_chapter() {
    let index = fs::read_to_string(root().join("docs/handbook/README.md")).unwrap();
    for chapter in chapters() {
        let name = chapter.rsplit('/').next().unwrap();
        assert!(
            index.contains(&format!("]({name})")),
            "docs/handbook/README.md: no link to {name}"
        );
    }
}
