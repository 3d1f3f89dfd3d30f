//! The tree as `tidy` sees it: every file that could be committed, by its path from the root.
//!
//! Walks the folders instead of asking git, so that it works in an unpacked archive as well. Build
//! output and hidden folders other than `.ci` are passed over.

use std::{fs, path::PathBuf};

use crate::text::Source;

/// The repository's root.
pub(crate) struct Tree {
    root: PathBuf,
}

/// Ends of names of files that are read as text.
const TEXT: [&str; 9] = ["rs", "toml", "md", "proto", "service", "conf", "yml", "sh", "py"];

impl Tree {
    /// The tree that this test was compiled from.
    pub(crate) fn here() -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf();
        Self { root }
    }

    /// One file's text.
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// Whether there is something at `path`.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// All Rust files, in order of their paths.
    pub(crate) fn rust(&self) -> Vec<Source> {
        self.all().into_iter().filter(|s| s.path.ends_with(".rs")).collect()
    }

    /// All text files, in order of their paths.
    pub(crate) fn all(&self) -> Vec<Source> {
        let mut out = Vec::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                if path.is_dir() {
                    let skipped = name == "target" || (name.starts_with('.') && name != ".ci");
                    if !skipped {
                        folders.push(path);
                    }
                    continue;
                }
                let end = name.rsplit_once('.').map_or("", |(_, end)| end);
                if TEXT.contains(&end) || folder.ends_with(".ci") {
                    let relative = path.strip_prefix(&self.root).unwrap().to_str().unwrap();
                    out.push(Source::new(relative, fs::read_to_string(&path).unwrap()));
                }
            }
        }
        out.sort_by(|a, b| a.path.cmp(&b.path));
        assert!(out.len() > 10, "the walk found the tree");
        out
    }
}

/// Fails with the list, one a line.
pub(crate) fn assert_none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

/// Compares `1.2.3` with three numbers; what follows a `-` or `+` is ignored.
pub(crate) fn version_at_least(version: &str, least: [u64; 3]) -> bool {
    let core = version.split(['-', '+']).next().unwrap();
    let numbers: Vec<u64> = core.split('.').map(|n| n.parse().unwrap()).collect();
    numbers.as_slice() >= least.as_slice()
}

#[test]
fn versions_compare_as_numbers() {
    assert!(version_at_least("0.14.1", [0, 13, 10]));
    assert!(version_at_least("0.13.10", [0, 13, 10]));
    assert!(!version_at_least("0.13.9", [0, 13, 10]));
    assert!(!version_at_least("0.9.14", [0, 13, 10]));
}
