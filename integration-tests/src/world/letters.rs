//! Letters that simulated people write: every type, status, precedence, with and without files.
//!
//! Each carries its number in its subject, so that it is known again wherever it appears, and text
//! and files that follow from number and seed, so that a change of one byte shows.

use bytes::Bytes;
use cbm_proto::catalogue::catalogue;
use cbm_proto::draft::{Attachment, Draft, SendOptions, original};
use cbm_proto::id::PartyCode;
use cbm_proto::letter::Letter;
use cbm_proto::primitives::digest;
use cbm_proto::terms::{Precedence, Status};
use cbm_proto::time::{HOUR, Timestamp};
use serde_json::{Value, json};

use super::{BEGINNING, World};
use crate::chance::Chance;
use crate::invariants::Failure;
use crate::network::Ix;

const BANNER: &str = "EXERCISE EXERCISE EXERCISE";

/// What a person wants to send.
#[derive(Clone, Debug)]
pub struct Written {
    /// Name of the type.
    pub kind: &'static str,
    /// Name of the group on whose lane it goes; none: everybody's.
    pub group: Option<String>,
    /// Parties that owe an answer.
    pub to: Vec<PartyCode>,
    /// Parties that get a copy.
    pub info: Vec<PartyCode>,
    /// Its precedence.
    pub precedence: Precedence,
    /// Its status.
    pub status: Status,
    /// When it expires, if earlier than others do.
    pub expires_at: Option<Timestamp>,
    /// Words of remarks, each of 40 characters.
    pub words: usize,
    /// Size of the file that comes with it, bytes; none for 0.
    pub file: usize,
}

impl Written {
    /// An operator's note, as plain as it gets.
    #[must_use]
    pub const fn note(to: Vec<PartyCode>) -> Self {
        Self {
            kind: "operator-note",
            group: None,
            to,
            info: Vec::new(),
            precedence: Precedence::Routine,
            status: Status::Actual,
            expires_at: None,
            words: 3,
            file: 0,
        }
    }

    /// The draft, and its text as it must appear where it arrives.
    ///
    /// # Errors
    /// The catalogue refuses it.
    pub fn draft(&self, number: usize, seed: u64) -> Result<(Draft, String), Failure> {
        let wrong = |error: String| Failure::crash(format!("letter {number} is no draft: {error}"));
        let info = catalogue().find(self.kind).map_err(|e| wrong(e.to_string()))?;
        let mut json = catalogue().template(info);
        let mut chance = Chance::new(seed, &format!("letter {number}"));
        let word =
            |chance: &mut Chance| chance.seed()[..20].iter().map(|b| format!("{b:02x}")).collect();
        let words: Vec<String> = (0..self.words.max(1)).map(|_| word(&mut chance)).collect();
        let remarks = words.join(" ");
        let subject = match self.status {
            Status::Exercise => format!("{BANNER} Letter {number} EXERCISE"),
            _ => format!("Letter {number}"),
        };
        json["subject"] = texts(&subject);
        if let Some(at) = self.expires_at {
            json["expires_at"] = json!(at.to_string());
        }
        json["remarks"] = texts(&remarks);
        if self.status == Status::Exercise {
            json["exercise_id"] = json!("EX-1");
        } else if let Some(object) = json.as_object_mut() {
            object.remove("exercise_id");
        }
        let file: Vec<u8> = (0..self.file.div_ceil(32)).flat_map(|_| chance.seed()).collect();
        let attachments = (self.file > 0).then(|| Attachment::new("file.bin", Bytes::from(file)));
        let text = appears(&remarks, attachments.as_slice());
        let options = SendOptions {
            group: self.group.clone(),
            to: self.to.clone(),
            info: self.info.clone(),
            precedence: Some(self.precedence),
            status: Some(self.status),
            drafted_by: Some("A. Writer".to_owned()),
            released_by: Some("B. Releaser".to_owned()),
            attachments: attachments.into_iter().collect(),
            ..SendOptions::default()
        };
        let draft = Draft::from_json(self.kind, &json.to_string(), options)
            .and_then(|draft| draft.check().map(|()| draft));
        draft.map(|draft| (draft, text)).map_err(|e| wrong(e.to_string()))
    }

    /// The number and the text of a letter that arrived; `None` if no `draft` made it.
    #[must_use]
    pub fn read(letter: &Letter) -> Option<(usize, String)> {
        let number = letter.header.subject().split("Letter ").nth(1)?;
        let number = number.split(' ').next()?.parse().ok()?;
        let json = letter.to_json();
        let remarks = json["remarks"][0]["text"].as_str()?;
        Some((number, appears(remarks, &letter.attachments)))
    }
}

fn texts(text: &str) -> Value {
    let text = original("en", text);
    json!([{"bcp47": text.bcp47, "text": text.text, "kind": "ORIGINAL"}])
}

fn appears(remarks: &str, files: &[Attachment]) -> String {
    let inside = files.iter().filter_map(Attachment::inside);
    let files: Vec<String> = inside.map(|b| digest("sim-file", &[b]).to_string()).collect();
    format!("{remarks} {}", files.join(" "))
}

/// A letter as chance has it, from this machine to others.
pub(super) fn draw(world: &mut World, author: Ix) -> Written {
    let own = world.machines[author].name.party().clone();
    let (mut parties, groups) = (world.state_parties(), world.groups_of(&own));
    let (hurried, soon) = (world.options.swarm.hurried, Timestamp(BEGINNING + world.now + HOUR));
    let chance = world.people();
    let group = (!groups.is_empty() && chance.happens(500)).then(|| chance.index(groups.len()));
    let group = group.map(|at| groups[at].clone());
    parties
        .retain(|party| *party != own && group.as_ref().is_none_or(|g| g.members.contains(party)));
    let order = chance.order(parties.len());
    let mut chosen: Vec<PartyCode> = order.into_iter().map(|at| parties[at].clone()).collect();
    chosen.truncate(1 + chance.index(parties.len()));
    let info = chosen.split_off(1 + chance.index(chosen.len()));
    let kinds = ["operator-note", "incident-alert", "red-flag", "request"];
    let kind = kinds[chance.index(kinds.len())];
    let statuses = catalogue().by_name(kind).map_or(&[][..], |info| &info.statuses);
    let status = statuses.get(chance.index(statuses.len())).copied().unwrap_or(Status::Actual);
    let precedence = Precedence::ALL[chance.index(Precedence::ALL.len())];
    let large = chance.happens(150);
    let expires_at = chance.happens(hurried).then_some(soon);
    Written {
        kind,
        expires_at,
        group: group.map(|group| group.name),
        to: chosen,
        info,
        precedence,
        status,
        words: if large { 80 } else { chance.index(20) },
        file: if large { chance.index(60_000) } else { 0 },
    }
}
