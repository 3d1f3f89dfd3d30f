//! The shapes of the local API: what travels as JSON between the node and whoever asks it.
//!
//! Keys are snake_case, times RFC 3339 in UTC, identifiers hex; other systems rely on the names
//! here. Requests refuse unknown keys: own input with anything unknown is an error
//! (`docs/cli.md`). Read and written by both ends of the API.

use std::collections::BTreeMap;

use cbm_proto::terms::Level;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A notification to send. `letter` is the JSON that `cbm template TYPE` prints an example of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendRequest {
    /// Name of the type, as `cbm types` lists it.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Parties that owe an answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// Parties that get a copy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub info: Vec<String>,
    /// The group it travels in; the group of all states when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Overrides the type's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precedence: Option<String>,
    /// ACTUAL when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What is said: subject, marking, body.
    pub letter: Value,
    /// Files that go with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<AttachmentIn>,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drafted_by: Option<String>,
    /// Who released it; another person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_by: Option<String>,
    /// Why one person alone released it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency: Option<String>,
    /// Of an answer alone: the office's own signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<SignedIn>,
}

/// What of a letter an office signs (`docs/spec/letter.md`), beside what it states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementView {
    /// The letter.
    pub id: String,
    /// Digest of the header of the envelope that brought it.
    pub digest: String,
    /// Root over its content.
    pub content_root: String,
    /// The office that the caller acts for.
    pub office: String,
}

/// An office's signature over what an act states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedIn {
    /// The time that was signed, and will be stated.
    pub at: String,
    /// Id of the key.
    pub key: String,
    /// Ed25519, 64 bytes in hex.
    pub signature: String,
}

/// A file that goes with a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachmentIn {
    /// Its name, without folders.
    pub name: String,
    /// Its media type; what the name suggests when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Its content in base64; or `evidence`, for what was given to `/v1/evidence` before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// What `/v1/evidence` answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceView>,
}

/// A large file that the node holds sealed, for a letter to name. Whoever has it can open it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceView {
    /// Names the sealed pieces.
    pub root: String,
    /// Opens them.
    pub key: String,
    /// Bytes of all pieces.
    pub sealed: u64,
    /// Bytes of the file.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// The letter was taken: it is durable here, and will be delivered or reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Its name, inside the letter, whatever envelope carries it.
    pub id: String,
}

/// How far a letter came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// The letter.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its precedence.
    pub precedence: String,
    /// Each station that was addressed.
    pub addressees: Vec<AddresseeView>,
}

impl StatusView {
    /// Whether every party that owes an answer (or, when none does, every party) has one station
    /// at this level or above.
    #[must_use]
    pub fn reached(&self, level: Level) -> bool {
        let owing = self.addressees.iter().any(|a| !a.info);
        let counted = self.addressees.iter().filter(|a| !owing || !a.info);
        let mut parties: BTreeMap<&str, bool> = BTreeMap::new();
        for addressee in counted {
            let there = addressee.level.as_deref().and_then(Level::from_word) >= Some(level);
            *parties.entry(&addressee.party).or_default() |= there;
        }
        !parties.is_empty() && parties.values().all(|there| *there)
    }
}

/// How far a letter came at one station.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddresseeView {
    /// The party.
    pub party: String,
    /// The station, in full.
    pub station: String,
    /// Only a copy: owes no answer.
    pub info: bool,
    /// One of five words: `not_reached`, `reached_unattended`, `seen_unanswered`, `declined`,
    /// `answered`.
    pub state: String,
    /// `L0` to `L6`, or nothing yet.
    pub level: Option<String>,
    /// What the office said it will do.
    pub outcome: Option<String>,
    /// Who said so, where it was an office; null: the station by itself.
    #[serde(default)]
    pub stated: Option<StatedView>,
    /// When that level was reached there.
    pub at: Option<String>,
    /// By which way it was confirmed.
    pub path: Option<String>,
    /// When the next level is due.
    pub due_at: Option<String>,
    /// That time has passed.
    pub overdue: bool,
    /// Why nothing comes, when it is known.
    pub cause: Option<String>,
    /// How well the person behind the party's keys is known here, as in the directory.
    #[serde(default)]
    pub trust: String,
}

/// In whose name a level was stated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatedView {
    /// The office.
    pub office: String,
    /// The person who stood in it, as the station says.
    pub officer: String,
    /// `valid`: the office itself signed it. `none`: the station says so for it. `not_valid`: there
    /// is a signature that shows nothing, and the station says so.
    pub signature: String,
    /// The key that signed; null without a signature that counts.
    pub key: Option<String>,
    /// Why a signature is not valid.
    pub cause: Option<String>,
}

/// One letter in the inbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxRow {
    /// The letter.
    pub id: String,
    /// The station that wrote it.
    pub from: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its precedence.
    pub precedence: String,
    /// Real, exercise, test or service traffic.
    pub status: String,
    /// Its subject; null for one that this version cannot read.
    pub subject: Option<String>,
    /// When it was here.
    pub received_at: String,
    /// The highest level that we confirmed.
    pub level: Option<String>,
    /// Made by a newer version: shown as far as it is understood.
    pub newer: bool,
    /// The key that signed it was revoked, and its party does not stand by this letter.
    pub key_revoked: bool,
    /// How well the person behind its author's keys is known here, as in the directory.
    #[serde(default)]
    pub trust: String,
    /// Attempts to pass for its author's party within thirty days.
    #[serde(default)]
    pub incidents: u64,
}

/// A human received it; perhaps with an outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AckRequest {
    /// What the office will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Words beside the fixed ones.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The office's own signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<SignedIn>,
}

/// The office declines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclineRequest {
    /// Why, from the list.
    pub reason: String,
    /// Words beside it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The office's own signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<SignedIn>,
}

/// Signed documents to be believed and spread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentsRequest {
    /// Each as it travels, in base64; their order does not matter.
    pub documents: Vec<String>,
}

/// What became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentsView {
    /// Those that are believed.
    pub admitted: Vec<BelievedView>,
    /// Those that are not.
    pub refused: Vec<UnbelievedView>,
}

/// A document that is believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BelievedView {
    /// Its place in the request, from 0.
    pub number: usize,
    /// Accord, certificate, contact record and so on.
    pub kind: String,
    /// Its identity, in hex.
    pub digest: String,
    /// `new`, `known` (the very document was held) or `superseded` (a newer one of its kind is held).
    pub news: String,
}

/// A document that is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnbelievedView {
    /// Its place in the request, from 0.
    pub number: usize,
    /// What it is; `unreadable` where that cannot be told.
    pub kind: String,
    /// Why, and what to do.
    pub cause: String,
}

/// A document that the station holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldDocument {
    /// What it is.
    pub kind: String,
    /// Its identity, in hex.
    pub digest: String,
    /// As it travels, in base64.
    pub document: String,
}

/// One station of the accord.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerView {
    /// Its name.
    pub station: String,
    /// Its party's role.
    pub role: String,
    /// This station itself.
    pub me: bool,
    /// A connection stands.
    pub linked: bool,
    /// What it runs over.
    pub transport: Option<String>,
    /// The operator holds the link down.
    pub held: bool,
    /// Its newest beacon was heard so many milliseconds ago, by whatever way.
    pub beacon_age_ms: Option<u64>,
    /// Where it can be reached.
    pub addresses: Vec<String>,
    /// What its party says of the line, while that is not simply open.
    #[serde(default)]
    pub service: Option<String>,
    /// Why there is no use of the link, where it is known.
    pub cause: Option<String>,
}

/// The backup that the station's folder was restored from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredView {
    /// When it was made.
    pub made_at: String,
    /// The newest time in an envelope of it.
    pub newest_at: String,
    /// When it was restored.
    pub restored_at: String,
    /// Records in it.
    pub records: u64,
    /// Letters received that are in it; null where they were not counted.
    pub received: Option<u64>,
    /// Letters sent, likewise.
    pub sent: Option<u64>,
}

/// What was lost with a disk, and what came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreView {
    /// This station's name.
    pub station: String,
    /// The backup; null where the loss was noticed in another way.
    pub backup: Option<RestoredView>,
    /// Letters made or stored here since then were asked for; null: nothing was ever lost.
    pub since: Option<String>,
    /// Stations that were asked, or will be.
    pub asked: usize,
    /// Of them, those that have answered.
    pub answered: usize,
    /// Letters that were not on the disk.
    pub lost: usize,
    /// Of them, those that are in the inbox again.
    pub back: usize,
    /// Of them, those that their authors do not have any more.
    pub not_available: usize,
    /// Envelopes of our own that others hold and of which this disk knows nothing.
    pub own_unknown: usize,
    /// Each station that was asked.
    pub correspondents: Vec<CorrespondentView>,
}

/// What one station said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorrespondentView {
    /// Its name.
    pub station: String,
    /// Whether it answered.
    pub answered: bool,
    /// Letters of it that were not on the disk.
    pub lost: usize,
    /// Of them, those that are in the inbox again.
    pub back: usize,
    /// Of them, those that it does not have any more.
    pub not_available: usize,
}

/// How far the journal of the running node is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalView {
    /// Everything before this place, `SEGMENT:OFFSET`, survives a power cut and stays as it is.
    pub durable: String,
    /// Letters that were received, of those that stand before it.
    pub received: u64,
    /// Letters that were sent, likewise.
    pub sent: u64,
}

/// How the node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// This station's name.
    pub station: String,
    /// `yes`, `asking` (its own past is being asked for), `clone` (silent for good) or `revoked` (its
    /// party has revoked the key that it signs with: silent until it has another).
    pub speaks: String,
    /// Stations of the accord, this one not counted.
    pub peers: usize,
    /// Of them, linked now.
    pub linked: usize,
    /// The disk takes what is written; while it does not, nothing is sent.
    pub storing: bool,
    /// Strangers refused since the start.
    pub strangers_refused: u64,
    /// This machine's clock is not believed: nothing expires, nothing is called late.
    pub clock_in_doubt: bool,
    /// Parties whose clocks were heard in the last minutes.
    pub clocks_heard: usize,
    /// The median of theirs minus this machine's, milliseconds.
    pub clock_offset_ms: i64,
    /// The version of the accord that this station goes by.
    pub accord_version: u32,
    /// The highest version that another station goes by.
    pub accord_heard: u32,
    /// Documents that contradict each other, in words.
    pub conflicts: Vec<String>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn addressee(party: &str, info: bool, level: Option<&str>) -> AddresseeView {
        AddresseeView {
            party: party.to_owned(),
            station: format!("{party}/mfa"),
            info,
            state: "not_reached".to_owned(),
            level: level.map(str::to_owned),
            outcome: None,
            stated: None,
            at: None,
            path: None,
            due_at: None,
            overdue: false,
            cause: None,
            trust: String::new(),
        }
    }

    fn status(addressees: Vec<AddresseeView>) -> StatusView {
        let word = String::new;
        StatusView { id: word(), type_name: word(), precedence: word(), addressees }
    }

    #[test]
    fn a_level_is_reached_when_one_station_of_each_owing_party_is_there() {
        let one = |level| addressee("BBB", false, level);
        let copy = addressee("CCC", true, None);
        assert!(!status(vec![one(None), copy.clone()]).reached(Level::L1));
        assert!(status(vec![one(Some("L1")), one(None), copy.clone()]).reached(Level::L1));
        assert!(!status(vec![one(Some("L1")), one(Some("L3"))]).reached(Level::L4));
        assert!(!status(vec![copy]).reached(Level::L1), "a copy counts when nobody owes");
        assert!(!status(vec![]).reached(Level::L0));
    }

    #[test]
    fn a_request_with_an_unknown_key_is_refused() {
        let good = r#"{"type":"operator-note","to":["BBB"],"letter":{}}"#;
        assert!(serde_json::from_str::<SendRequest>(good).is_ok());
        let bad = r#"{"type":"operator-note","to":["BBB"],"letter":{},"urgent":true}"#;
        assert!(serde_json::from_str::<SendRequest>(bad).is_err());
    }
}
