//! A file's text, and the same text with comments and string contents blanked.
//!
//! Not a parser: enough of Rust's lexical rules to match braces and to find names in code, and
//! nothing more. Lengths and line ends are kept, so that offsets in both texts agree.

/// One text file.
pub(crate) struct Source {
    /// From the root of the repository.
    pub(crate) path: String,
    /// As it stands on disk.
    pub(crate) raw: String,
}

impl Source {
    /// Takes the text as read.
    pub(crate) fn new(path: &str, raw: String) -> Self {
        Self { path: path.to_owned(), raw }
    }

    /// Code only: comments and contents of literals are blanks.
    pub(crate) fn code(&self) -> String {
        blank(&self.raw)
    }

    /// Code only, without what is compiled for tests.
    pub(crate) fn product_code(&self) -> String {
        if self.path.ends_with("tests.rs") || self.path.contains("/tests/") {
            return String::new();
        }
        let mut code = self.code();
        while let Some(at) = code.find("#[cfg(test)]") {
            let item = code[at..].find(['{', ';']).map_or(code.len(), |n| at + n);
            let end = closing(&code, item).filter(|_| code[item..].starts_with('{'));
            let end = end.unwrap_or_else(|| (item + 1).min(code.len()));
            let blanks = code[at..end].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
            code = format!(
                "{}{}{}",
                &code[..at],
                String::from_iter::<Vec<char>>(blanks),
                &code[end..]
            );
        }
        code
    }
}

/// Replaces comments and contents of string and character literals by blanks.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => line_end(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => comment_end(bytes, at),
            b'r' if !named_before(bytes, at) => raw_end(bytes, at).unwrap_or(at),
            b'"' => string_end(bytes, at),
            b'\'' => char_end(bytes, at).unwrap_or(at),
            _ => at,
        };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(out).unwrap()
}

fn named_before(bytes: &[u8], at: usize) -> bool {
    at > 0
        && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
        && !(bytes[at - 1] == b'b' && (at < 2 || !bytes[at - 2].is_ascii_alphanumeric()))
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| at + n)
}

fn comment_end(bytes: &[u8], at: usize) -> usize {
    let mut depth = 0_u32;
    let mut i = at;
    while i < bytes.len() {
        if bytes[i..].starts_with(b"/*") {
            depth += 1;
            i += 2;
        } else if bytes[i..].starts_with(b"*/") {
            depth -= 1;
            i += 2;
            if depth == 0 {
                return i;
            }
        } else {
            i += 1;
        }
    }
    bytes.len()
}

fn raw_end(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes[at + 1..].iter().take_while(|b| **b == b'#').count();
    let open = at + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = [b'"'].into_iter().chain(std::iter::repeat_n(b'#', hashes)).collect();
    let n = bytes[open + 1..].windows(close.len()).position(|w| w == close)?;
    Some(open + 1 + n + close.len())
}

fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut i = at + 1;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 2,
            b'"' => return i + 1,
            _ => i += 1,
        }
    }
    bytes.len()
}

/// The end of a character literal, or nothing for a lifetime.
fn char_end(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at + 1) == Some(&b'\\') {
        let n = bytes[at + 3..].iter().position(|b| *b == b'\'')?;
        return Some(at + 3 + n + 1);
    }
    // One character of one to four bytes, then the closing mark.
    (2..=5).find(|n| bytes.get(at + n) == Some(&b'\'')).map(|n| at + n + 1).filter(|end| {
        std::str::from_utf8(&bytes[at + 1..end - 1]).is_ok_and(|s| s.chars().count() == 1)
    })
}

/// Name, line and length in lines of each function that has a body.
pub(crate) fn longest_functions(source: &Source) -> Vec<(String, usize, usize)> {
    let code = source.code();
    let mut out = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let starts_word = at == 0 || !is_name(code.as_bytes()[at - 1]);
        let name: String = code[at + 3..].chars().take_while(|c| is_name(*c as u8)).collect();
        if !starts_word || name.is_empty() {
            continue;
        }
        let Some(body) = code[at..].find(['{', ';']).map(|n| at + n) else { continue };
        if code.as_bytes()[body] == b';' && !code[at..body].contains('[') {
            continue;
        }
        let Some(end) = closing(&code, body) else { continue };
        let line = code[..at].matches('\n').count() + 1;
        out.push((name, line, code[at..end].lines().count()));
    }
    out
}

fn closing(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (n, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some(n + 1),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Whether the byte can stand inside a name.
pub(crate) const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[test]
fn comments_and_literals_are_blank_and_braces_stay() {
    let source = Source::new(
        "x.rs",
        "fn a() { let s = \"}{\"; /* } /* } */ */ let c = '}'; let l: &'static str = r#\"}\"#; }\n\
         // }\nfn b<'a>(x: &'a [u8; 4]) -> bool {\n    b'{' == x[0] && x[1] == b'\\''\n}\n"
            .to_owned(),
    );
    let code = source.code();
    assert_eq!(code.len(), source.raw.len());
    assert_eq!(code.matches('{').count(), 2);
    assert_eq!(code.matches('}').count(), 2);
    let functions = longest_functions(&source);
    assert_eq!(functions, [("a".to_owned(), 1, 1), ("b".to_owned(), 3, 3)]);
}
