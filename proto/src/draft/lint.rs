//! The lint of texts: what has been misread before is not sent again (`docs/message-types.md`).

use super::{Draft, header::original_of};
use crate::{
    catalogue::{Problem, TypeInfo, catalogue},
    limits::URGENT_WORDS_MAX,
    terms::{Precedence, Status},
};

/// An exercise's subject begins with these words and ends with the last of them.
const BANNER: [&str; 3] = ["EXERCISE"; 3];

pub(super) fn check(draft: &Draft, info: &TypeInfo, problems: &mut Vec<Problem>) {
    let mut texts = catalogue().originals(info, &draft.body);
    texts.extend([&draft.header.0.subject, &draft.header.0.remarks].map(|t| original_of(t).into()));
    check_drill(&texts, problems);
    check_banner(draft, problems);
    let words: usize = texts.iter().map(|text| text.split_whitespace().count()).sum();
    if words > URGENT_WORDS_MAX && draft.header.precedence() >= Precedence::Immediate {
        problems.push(Problem {
            path: String::new(),
            cause: format!(
                "{words} words of text at {}, at most {URGENT_WORDS_MAX}",
                draft.header.precedence()
            ),
            remedy: "shorten the texts, attach the details, or lower the precedence".into(),
        });
    }
}

/// Hawaii, 2018: the drill's text said "exercise" and "this is not a drill", and was believed.
fn check_drill(texts: &[String], problems: &mut Vec<Problem>) {
    let says = |text: &String| {
        let words: Vec<String> = text
            .to_lowercase()
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        words.windows(3).any(|three| three == ["not", "a", "drill"])
    };
    if texts.iter().any(says) {
        problems.push(Problem {
            path: String::new(),
            cause: "a text says \"not a drill\", which exercises have said too".into(),
            remedy: "leave it out: the status of the letter says what it is".into(),
        });
    }
}

fn check_banner(draft: &Draft, problems: &mut Vec<Problem>) {
    let words: Vec<&str> = draft.header.subject().split_whitespace().collect();
    let begins = words.starts_with(&BANNER);
    let exercise = draft.header.status() == Some(Status::Exercise);
    if exercise && !(begins && words.len() > BANNER.len() && words.last() == BANNER.last()) {
        problems.push(Problem {
            path: "subject".into(),
            cause: "the subject of an exercise has no banner".into(),
            remedy: "write it as \"EXERCISE EXERCISE EXERCISE … EXERCISE\"".into(),
        });
    } else if begins && !exercise {
        problems.push(Problem {
            path: "subject".into(),
            cause: "the subject says EXERCISE and the status does not".into(),
            remedy: "send it with --status EXERCISE, or take the banner away".into(),
        });
    }
}
