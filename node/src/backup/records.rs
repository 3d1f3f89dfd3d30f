//! What stands in a journal, record by record, as far as it may be shown: names and places, never
//! a content.

use std::{collections::VecDeque, path::Path};

use cbm_proto::{
    accord::{Directory, Document},
    envelope::{Envelope, Recipients},
    journal::{Record, RecordKind, msg_id_of},
};
use serde::{Deserialize, Serialize};

use crate::store::{
    Position, StoreError,
    inspect::{Until, inspect, kind_word},
};

/// One record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// `SEGMENT:OFFSET`.
    pub place: String,
    /// What it is.
    pub kind: String,
    /// Bytes of its content.
    pub bytes: u64,
    /// An envelope's id, or a document's digest.
    pub id: Option<String>,
    /// The letter that an own record is about.
    pub letter: Option<String>,
    /// Who made an envelope: the name, or the id of a station that no document names.
    pub author: Option<String>,
    /// Incarnation of its feed.
    pub incarnation: Option<String>,
    /// Lane of its feed.
    pub lane: Option<String>,
    /// Its number there.
    pub seq: Option<u64>,
    /// When its author says that it was made.
    pub made_at: Option<String>,
    /// Ids of the keys that signed.
    pub signed_by: Vec<String>,
    /// How many could be addressed: `nobody`, a number, or `the lane`.
    pub sealed_to: Option<String>,
    /// Length of its body, padding included.
    pub body: Option<u64>,
}

/// The last `count` records of the store in `data`, oldest first; only of `kind`, where that is
/// said.
///
/// # Errors
/// A file cannot be read, or is of a newer version.
pub fn last(
    data: &Path,
    until: Until,
    count: usize,
    kind: Option<&str>,
    directory: Option<&Directory>,
) -> Result<Vec<Row>, StoreError> {
    let mut rows: VecDeque<(Position, Record)> = VecDeque::new();
    inspect(data, until, &mut |place, record| {
        if kind.is_none_or(|kind| kind == kind_word(record.kind)) {
            rows.push_back((place, record));
            if rows.len() > count {
                rows.pop_front();
            }
        }
    })?;
    Ok(rows.iter().map(|(place, record)| row(*place, record, directory)).collect())
}

/// One record in words.
#[must_use]
pub fn row(place: Position, record: &Record, directory: Option<&Directory>) -> Row {
    let row = Row {
        place: place.to_string(),
        kind: kind_word(record.kind).to_owned(),
        bytes: record.bytes.len() as u64,
        letter: msg_id_of(record).map(|msg| msg.to_string()),
        ..Row::default()
    };
    match record.kind {
        RecordKind::Envelope => match Envelope::decode(record.bytes.clone()) {
            Ok(envelope) => of_envelope(row, &envelope, directory),
            Err(_) => row,
        },
        RecordKind::Document => {
            let digest = Document::decode(&record.bytes).ok().map(|d| d.digest().to_string());
            Row { id: digest, ..row }
        }
        _ => row,
    }
}

fn of_envelope(row: Row, envelope: &Envelope, directory: Option<&Directory>) -> Row {
    let header = envelope.header();
    let member = directory.and_then(|d| d.member(&header.author));
    let sealed_to = match header.recipients {
        Recipients::None => "nobody".to_owned(),
        Recipients::Stanzas(count) => format!("up to {count}"),
        Recipients::SenderKey(_) => "the lane".to_owned(),
    };
    Row {
        id: Some(envelope.id().to_string()),
        author: Some(member.map_or(header.author.to_string(), |m| m.name.to_string())),
        incarnation: Some(header.incarnation.to_string()),
        lane: Some(header.lane.to_string()),
        seq: Some(header.seq),
        made_at: Some(header.made_at.to_string()),
        signed_by: envelope.signed_by().map(|key| key.to_string()).collect(),
        sealed_to: Some(sealed_to),
        body: envelope.body().map(|body| body.len() as u64),
        ..row
    }
}
