//! One page a mistake: the commands as typed, what they print on both ways out, and how they end.
//!
//! A page lies in `integration-tests/mistakes/NAME.md` and is compared word by word; what changes
//! from run to run (folders, ports, ids, times) is masked. A mistake whose words changed on purpose
//! is written anew with the command that the failure names; the review is then the diff.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use cbm_integration_tests::processes::{Lab, Node, cbm};

/// What writes the pages anew.
const ANEW: &str = "CBM_WRITE=1 cargo test -p cbm-integration-tests --test mistakes";
/// Where they lie.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/mistakes");

/// A page that is being made.
pub(crate) struct Page {
    name: &'static str,
    text: String,
    masks: Vec<(String, String)>,
}

impl Page {
    /// Begins one about things in a lab.
    pub(crate) fn new(name: &'static str, title: &str, lab: &Lab) -> Self {
        let folder = lab.station("AAA").parent().unwrap().parent().unwrap().to_owned();
        let mut page = Self { name, text: format!("# {title}\n"), masks: Vec::new() };
        page.mask(&folder.display().to_string(), "LAB");
        for number in 0..4 {
            page.mask(&(lab.port + number).to_string(), &format!("PORT{number}"));
        }
        page
    }

    /// From now on shows `text` as `mask`.
    pub(crate) fn mask(&mut self, text: &str, mask: &str) {
        self.masks.push((text.to_owned(), mask.to_owned()));
    }

    /// Words for the reader, between commands.
    pub(crate) fn say(&mut self, words: &str) {
        self.text.push_str(&format!("\n{words}\n"));
    }

    /// Asks a node, as a person would.
    pub(crate) fn ask(&mut self, node: &Node, args: &[&str]) -> i32 {
        let config = node.config().display().to_string();
        self.cbm(&[args, &["--config", &config]].concat())
    }

    /// Runs `cbm`.
    pub(crate) fn cbm(&mut self, args: &[&str]) -> i32 {
        let mut command = Command::new(cbm());
        command.args(args).stdin(Stdio::null());
        self.run("", &mut command)
    }

    /// Runs a command that is `cbm` with something around it: shown behind `before`.
    pub(crate) fn run(&mut self, before: &str, command: &mut Command) -> i32 {
        let args: Vec<String> =
            command.get_args().map(|arg| quoted(&arg.to_string_lossy())).collect();
        let output = command.output().unwrap();
        self.show(&format!("{before}cbm {}", args.join(" ")), &output)
    }

    /// Asks a node over its socket without `cbm`, as another program would.
    pub(crate) fn post(&mut self, node: &Node, route: &str, body: &str) {
        let mut stream = UnixStream::connect(node.config().with_file_name("cbm.sock")).unwrap();
        write!(
            stream,
            "POST {route} HTTP/1.1\r\nhost: cbm\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, said) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.lines().next().unwrap();
        let block = format!("\n```text\nPOST {route}\n{body}\n--- {status}\n{said}\n```\n");
        self.text.push_str(&self.masked(&block));
    }

    /// Writes down what a command did. Every failure has its words.
    pub(crate) fn show(&mut self, typed: &str, output: &Output) -> i32 {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (said, told) = (text(&output.stdout), text(&output.stderr));
        let code = output.status.code().unwrap();
        assert!(!told.contains("panicked"), "{typed}\n{told}");
        let control = |c: char| c.is_control() && c != '\n';
        assert!(!told.contains(control) && !said.contains(control), "{typed}\n{said}{told}");
        if code != 0 {
            let ours = told.contains("\n  cause:  ") && told.contains("\n  remedy: ");
            let usage = told.contains("Usage: ") || told.contains("error: ");
            assert!(ours || usage, "no cause and remedy: {typed}\n{told}");
        }
        let part = |name: &str, text: &str| match text.trim_end() {
            "" => String::new(),
            text => format!("--- {name}\n{text}\n"),
        };
        let block = format!(
            "\n```text\n$ {typed}\n{}{}--- exit {code}\n```\n",
            part("stdout", &said),
            part("stderr", &told),
        );
        self.text.push_str(&self.masked(&block));
        code
    }

    fn masked(&self, text: &str) -> String {
        let text = text.replace(&cbm().display().to_string(), "cbm");
        let text = self.masks.iter().fold(text, |text, (from, to)| text.replace(from, to));
        times(&ids(&text))
    }

    /// Compares with what is kept, or writes it anew.
    pub(crate) fn done(self) {
        let path = Path::new(FOLDER).join(format!("{}.md", self.name));
        if std::env::var_os("CBM_WRITE").is_some() {
            fs::create_dir_all(FOLDER).unwrap();
            fs::write(&path, &self.text).unwrap();
            return;
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == self.text,
            "{} says\n{kept}\nand the program now\n{}\nIf that is meant: {ANEW}",
            path.display(),
            self.text
        );
    }
}

/// Every page that is kept.
pub(crate) fn kept() -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(FOLDER).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    all
}

fn quoted(arg: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=,./:@{}".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) { arg.to_owned() } else { format!("'{arg}'") }
}

/// Ids of letters and digests: 32 hex digits or more, but the ones of no letter.
fn ids(text: &str) -> String {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(hex) {
        out.push_str(&rest[..start]);
        let tail = &rest[start..];
        let end = tail.find(|c| !hex(c)).unwrap_or(tail.len());
        let (word, after) = tail.split_at(end);
        let id = word.len() >= 32 && word.chars().any(|c| c != '0');
        out.push_str(if id { "ID" } else { word });
        rest = after;
    }
    out + rest
}

/// `2026-11-22T00:30:01.123Z` and `11-22 00:30:01Z`.
fn times(text: &str) -> String {
    let shapes = ["0000-00-00T00:00:00.000000Z", "0000-00-00T00:00:00.000Z", "00-00 00:00:00Z"];
    let mut out = String::new();
    let mut rest = text;
    'next: while let Some(first) = rest.chars().next() {
        for shape in shapes {
            if rest.get(..shape.len()).is_some_and(|head| fits(head, shape)) {
                out.push_str("TIME");
                rest = &rest[shape.len()..];
                continue 'next;
            }
        }
        out.push(first);
        rest = &rest[first.len_utf8()..];
    }
    out
}

fn fits(text: &str, shape: &str) -> bool {
    let same = |(c, s): (char, char)| if s == '0' { c.is_ascii_digit() } else { c == s };
    text.chars().zip(shape.chars()).all(same)
}

/// Lines of what a command says that hold this word; the exit code as it was.
pub(crate) fn lines(node: &Node, args: &[&str], word: &str) -> Output {
    let mut output = node.ask(args);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let kept: Vec<&str> = text.lines().filter(|line| line.contains(word)).collect();
    output.stdout = kept.join("\n").into_bytes();
    output
}
