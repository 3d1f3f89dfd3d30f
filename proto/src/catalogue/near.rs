//! The nearest known word to one that is not known: what a person probably meant.

/// The nearest of `known` within a third of its letters of difference; `None` if all are further.
#[must_use]
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let folded = fold(word);
    known
        .iter()
        .map(|candidate| (distance(&folded, &fold(candidate)), *candidate))
        .filter(|(far, candidate)| *far <= (candidate.len().max(3)) / 3)
        .min_by_key(|(far, _)| *far)
        .map(|(_, candidate)| candidate)
}

/// "did you mean" with the nearest, or the whole list if none is near.
pub(super) fn suggest(word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => "remove it".into(),
        None => format!("known are {}", known.join(", ")),
    }
}

fn fold(word: &str) -> Vec<char> {
    word.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).take(64).collect()
}

/// Levenshtein distance, one row at a time.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_nonsense_finds_none() {
        let known = ["incident-alert", "red-flag", "request", "response"];
        assert_eq!(nearest("incident_alrt", &known), Some("incident-alert"));
        assert_eq!(nearest("RED-FLAG", &known), Some("red-flag"));
        assert_eq!(nearest("reqest", &known), Some("request"));
        assert_eq!(nearest("banana", &known), None);
        assert!(suggest("banana", &known).contains("red-flag"));
    }
}
