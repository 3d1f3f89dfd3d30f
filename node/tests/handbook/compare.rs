//! Whether what was said is what the page shows.
//!
//! `...` stands for any text within a line, alone on a line for any number of lines. What differs
//! each time by its nature is compared by its form alone: ids and keys in hex, times, fingerprints
//! in words. So a page can show real values and stays true.

/// The list of which fingerprints in words are made.
const WORDS: &str = include_str!("../../../proto/src/keys/words.rs");
/// So many hex digits in a row are an id or a key.
const HEX_LEAST: usize = 16;
/// So many groups of four hex digits, or words of the list, in a row are a fingerprint.
const GROUP_LEAST: usize = 4;

/// Compares whole outputs, blank lines at the end left aside.
pub(crate) fn same(shown: &[String], said: &[String]) -> bool {
    let shown: Vec<String> = trimmed(shown).iter().map(|line| mask(line)).collect();
    let said: Vec<String> = trimmed(said).iter().map(|line| mask(line)).collect();
    lines(&shown, &said)
}

fn trimmed(lines: &[String]) -> &[String] {
    let end = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |at| at + 1);
    &lines[..end]
}

fn lines(shown: &[String], said: &[String]) -> bool {
    let Some((first, rest)) = shown.split_first() else { return said.is_empty() };
    if first.trim() == "..." {
        return (0..=said.len()).any(|skipped| lines(rest, &said[skipped..]));
    }
    said.split_first().is_some_and(|(line, more)| matches(first, line) && lines(rest, more))
}

fn matches(pattern: &str, line: &str) -> bool {
    let Some((head, tail)) = pattern.split_once("...") else { return pattern == line };
    let Some(rest) = line.strip_prefix(head) else { return false };
    let ends = (0..=rest.len()).filter(|at| rest.is_char_boundary(*at));
    ends.into_iter().any(|at| matches(tail, &rest[at..]))
}

/// The line with everything by its form that differs each time.
fn mask(line: &str) -> String {
    let mut tokens: Vec<String> = line.trim_end().split(' ').map(token).collect();
    let quad = |token: &str| token.len() == 4 && token.bytes().all(|b| b.is_ascii_hexdigit());
    let word = |token: &str| !token.is_empty() && WORDS.contains(&format!("\"{token}\""));
    group(&mut tokens, quad, "xxxx");
    group(&mut tokens, word, "word");
    tokens.join(" ")
}

fn group(tokens: &mut [String], belongs: impl Fn(&str) -> bool, form: &str) {
    let mut at = 0;
    while at < tokens.len() {
        let run = tokens[at..].iter().take_while(|token| belongs(token)).count();
        if run >= GROUP_LEAST {
            tokens[at..at + run].fill(form.to_owned());
        }
        at += run.max(1);
    }
}

/// One word of a line; ids may stand inside of it, between signs.
fn token(text: &str) -> String {
    let digits_out = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "d");
    let bare = digits_out(text.trim_matches(['"', ',', '(', ')', ';']));
    if bare.starts_with("dddd-dd-ddTdd:dd:dd") {
        return "TIME".to_owned();
    }
    if ["dd-dd", "dd:dd:ddZ", "dd:dd:dd"].contains(&bare.as_str()) {
        return digits_out(text);
    }
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let run = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let (name, more) = rest.split_at(run.max(rest.chars().next().unwrap().len_utf8()));
        let id = run >= HEX_LEAST && name.bytes().all(|b| b.is_ascii_hexdigit());
        out += &if id { "x".repeat(run) } else { name.to_owned() };
        rest = more;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::same;

    fn held(shown: &str, said: &str) -> bool {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        same(&lines(shown), &lines(said))
    }

    #[test]
    fn what_differs_is_found() {
        assert!(held("a\nb", "a\nb\n\n"));
        assert!(!held("a", "a\nb"), "a line too many");
        assert!(!held("a\nb", "a"), "a line too few");
        assert!(!held("level L1", "level L2"));
        assert!(!held("", "said something"));
        assert!(!held("29de1229723f4ab4 L1", "29de1229723f4ab46 L1"), "an id of another length");
    }

    #[test]
    fn dots_stand_for_anything() {
        assert!(held("a\n...\nd", "a\nb\nc\nd"));
        assert!(held("a\n...", "a"));
        assert!(!held("a\n...\nd", "a\nb"));
        assert!(held("took ... ms, ... letters", "took 12 ms, 3 letters"));
        assert!(!held("took ... ms", "took 12 s"));
    }

    #[test]
    fn ids_times_and_fingerprints_count_by_their_form() {
        let (one, two) = ("29de1229723f4ab46f1611b4cfb32a40", "00de1229723f4ab46f1611b4cfb32aff");
        assert!(held(&format!("{{\"id\":\"{one}\"}}"), &format!("{{\"id\":\"{two}\"}}")));
        assert!(held("at 11-22 01:17:31Z L1", "at 12-01 23:00:00Z L1"));
        assert!(held("at 2026-11-22T00:30:01.123Z", "at 2027-01-01T00:00:00Z"));
        assert!(held("a1b2 c3d4 e5f6 a7b8", "0000 1111 2222 3333"));
        assert!(!held("a1b2 c3d4 e5f6", "0000 1111 2222"), "too short for a fingerprint");
    }
}
