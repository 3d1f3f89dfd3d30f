//! The rules that a draft must pass before it is taken.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{Attachment, Draft, DraftError, lint};
use crate::{
    catalogue::{Problem, TypeInfo, catalogue, is_file_name, is_media_type},
    limits::{ATTACHMENT_COUNT_MAX, ATTACHMENTS_MAX, EVIDENCE_MAX},
    terms::{Action, Precedence, Status},
};

impl Draft {
    /// Checks the draft against its type and the rules of release. Form comes first, then the two
    /// persons: a draft that fails here with [`DraftError::TwoPersons`] is otherwise good.
    ///
    /// # Errors
    /// Each [`DraftError`]; for the form, everything that is wrong at once.
    pub fn check(&self) -> Result<(), DraftError> {
        let info = self.info()?;
        if info.made_by_node {
            return Err(DraftError::MadeByNode(info.name.clone()));
        }
        let mut problems = catalogue().check_header(&self.header.0);
        problems.extend(catalogue().check_body(info, &self.body).err().into_iter().flatten());
        self.check_status(info, &mut problems);
        self.check_parties(&mut problems);
        self.check_refs(&mut problems);
        self.check_files(info, &mut problems);
        lint::check(self, info, &mut problems);
        if !problems.is_empty() {
            return Err(DraftError::Fields(problems));
        }
        self.check_release(info)
    }

    fn check_status(&self, info: &TypeInfo, problems: &mut Vec<Problem>) {
        let Some(status) = self.header.status() else { return };
        if !info.statuses.contains(&status) {
            let known: Vec<&str> = info.statuses.iter().map(|status| status.word()).collect();
            problems.push(Problem {
                path: "status".into(),
                cause: format!("a letter of type `{}` cannot be {status}", info.name),
                remedy: format!("it may be {}", known.join(", ")),
            });
        }
        let named = !self.header.0.exercise_id.is_empty();
        if status == Status::Exercise && !named {
            problems.push(Problem {
                path: "exercise_id".into(),
                cause: "an EXERCISE letter names no exercise".into(),
                remedy: "say which exercise it belongs to".into(),
            });
        } else if status != Status::Exercise && named {
            problems.push(Problem {
                path: "exercise_id".into(),
                cause: format!("a letter of status {status} refers to an exercise"),
                remedy: "leave it out, or send with --status EXERCISE".into(),
            });
        }
    }

    fn check_parties(&self, problems: &mut Vec<Problem>) {
        let header = &self.header.0;
        if header.to_action.is_empty() && header.group.is_empty() {
            problems.push(Problem {
                path: "to_action".into(),
                cause: "nobody is addressed".into(),
                remedy: "name parties with --to, or a group with --group".into(),
            });
        }
        let mut seen = BTreeSet::new();
        for (path, codes) in [("to_action", &header.to_action), ("to_info", &header.to_info)] {
            for code in codes.iter().filter(|code| !seen.insert(code.as_str())) {
                problems.push(Problem {
                    path: path.into(),
                    cause: format!("{code} is named twice"),
                    remedy: "name each party once, for action or for information".into(),
                });
            }
        }
    }

    fn check_refs(&self, problems: &mut Vec<Problem>) {
        let action = self.header.action();
        let refers = matches!(action, Action::Update | Action::Correction | Action::Cancel);
        if refers && self.header.0.refs.is_empty() {
            problems.push(Problem {
                path: "refs".into(),
                cause: format!("{action} refers to no letter"),
                remedy: "name the letter that it changes, with its relation".into(),
            });
        }
    }

    fn check_files(&self, info: &TypeInfo, problems: &mut Vec<Problem>) {
        let mut say = |path: String, cause: String, remedy: &str| {
            problems.push(Problem { path, cause, remedy: remedy.into() });
        };
        let inside = self.attachments.iter().filter_map(Attachment::inside);
        let sum: usize = inside.map(Bytes::len).sum();
        if self.attachments.len() > ATTACHMENT_COUNT_MAX {
            let cause = format!("{} files, at most {ATTACHMENT_COUNT_MAX}", self.attachments.len());
            say("attachments".into(), cause, "send the others with another letter");
        }
        if sum > ATTACHMENTS_MAX {
            let cause = format!("{sum} bytes in sum, at most {ATTACHMENTS_MAX}");
            say("attachments".into(), cause, "leave files out, or let them travel apart");
        }
        let mut seen = BTreeSet::new();
        for (i, file) in self.attachments.iter().enumerate() {
            let path = format!("attachments[{i}]");
            if file.content.evidence().is_some_and(|apart| apart.size > EVIDENCE_MAX) {
                let cause = format!("it has more than {EVIDENCE_MAX} bytes");
                say(path.clone(), cause, "cut it into several files");
            }
            if !is_file_name(&file.name) {
                let cause = "its name is not a plain file name".to_owned();
                say(
                    path.clone(),
                    cause,
                    "rename it: no path, no leading dot, no / \\ : * ? \" < > |",
                );
            }
            if !is_media_type(&file.media_type) {
                let cause = "its media type is not type/subtype".to_owned();
                say(path.clone(), cause, "write it as application/json");
            }
            // Names that differ in case only would overwrite one another on some systems.
            if !seen.insert(file.name.to_lowercase()) {
                say(path, "another file has this name".into(), "rename one of them");
            }
        }
        let names: Vec<&str> = self.attachments.iter().map(|file| file.name.as_str()).collect();
        problems.extend(catalogue().missing_attachments(info, &self.body, &names));
    }

    /// FLASH, and types that ask for it: two different persons, or an emergency with its reason.
    fn check_release(&self, info: &TypeInfo) -> Result<(), DraftError> {
        let flash = self.header.precedence() == Precedence::Flash;
        if !info.two_person && !flash {
            return Ok(());
        }
        let release = self.header.0.release.clone().unwrap_or_default();
        if !release.emergency.trim().is_empty() {
            return Ok(());
        }
        let (drafter, releaser) = (same(&release.drafted_by), same(&release.released_by));
        let cause = match () {
            () if drafter.is_empty() && releaser.is_empty() => "neither is named",
            () if drafter.is_empty() => "who drafted it is not named",
            () if releaser.is_empty() => "who released it is not named",
            () if drafter == releaser => "both names are the same",
            () => return Ok(()),
        };
        let what = if info.two_person {
            format!("A letter of type `{}`", info.name)
        } else {
            "A letter at FLASH".to_owned()
        };
        Err(DraftError::TwoPersons { what, cause })
    }
}

/// A name without case and spacing: "A. Tamm" and "a.  tamm" are one person.
fn same(name: &str) -> String {
    name.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}
