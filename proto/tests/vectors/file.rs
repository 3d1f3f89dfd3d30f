//! The text form of a vector.

use cbm_proto::id::{hex, unhex};

const WIDTH: usize = 96;

/// One vector: the outcome it expects, why it exists, and its fields in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vector {
    pub(crate) expect: String,
    pub(crate) note: String,
    fields: Vec<(String, String)>,
}

impl Vector {
    pub(crate) fn new(expect: &str, note: &str) -> Self {
        Self { expect: expect.to_owned(), note: note.to_owned(), fields: Vec::new() }
    }

    /// Adds a field of bytes.
    pub(crate) fn with(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.with_word(name, &hex(bytes.as_ref()))
    }

    /// Adds a field that is a word or a number.
    pub(crate) fn with_word(mut self, name: &str, word: &str) -> Self {
        self.fields.push((name.to_owned(), word.to_owned()));
        self
    }

    /// A field as it stands; `None` if it is not there.
    pub(crate) fn word(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// A field of bytes.
    pub(crate) fn bytes(&self, name: &str) -> Result<Vec<u8>, String> {
        let word = self.word(name).ok_or_else(|| format!("no field `{name}`"))?;
        unhex(word).ok_or_else(|| format!("`{name}` is not hex"))
    }

    /// A field of exactly `N` bytes.
    pub(crate) fn array<const N: usize>(&self, name: &str) -> Result<[u8; N], String> {
        let bytes = self.bytes(name)?;
        bytes.try_into().map_err(|_| format!("`{name}` does not have {N} bytes"))
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut lines: Vec<(String, String)> = Vec::new();
        for line in text.lines() {
            if let Some(more) = line.strip_prefix(' ') {
                let last = lines.last_mut().ok_or("begins with a continuation")?;
                // Hex goes on without a gap, a note with one.
                if last.0 == "note" {
                    last.1.push(' ');
                }
                last.1.push_str(more.trim());
                continue;
            }
            let (name, value) = line.split_once(':').ok_or("a line without a colon")?;
            lines.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut fields = lines.into_iter();
        let mut head = |name: &str| match fields.next() {
            Some((found, value)) if found == name && !value.is_empty() => Ok(value),
            _ => Err(format!("`{name}:` is missing")),
        };
        let (expect, note) = (head("expect")?, head("note")?);
        Ok(Self { expect, note, fields: fields.collect() })
    }

    pub(crate) fn to_text(&self) -> String {
        let mut out = format!("expect: {}\nnote: {}\n", self.expect, self.note);
        for (name, value) in &self.fields {
            if name.len() + 2 + value.len() <= WIDTH {
                out.push_str(&format!("{name}: {value}\n"));
                continue;
            }
            out.push_str(&format!("{name}:\n"));
            for line in value.as_bytes().chunks(WIDTH) {
                out.push_str(&format!(" {}\n", String::from_utf8_lossy(line)));
            }
        }
        out
    }
}
