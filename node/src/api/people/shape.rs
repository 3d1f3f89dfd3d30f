//! The shapes of the directory's routes (`docs/cli.md`). Conventions as in `api/shape.rs`.

use serde::{Deserialize, Serialize};

/// One party: who it is, how well it is known, how it is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyView {
    /// Its code.
    pub party: String,
    /// What people call it.
    pub name: String,
    /// Its role in the accord.
    pub role: String,
    /// It is our own party.
    pub me: bool,
    /// `checked_in_person`, `region_and_convener`, `convener`, `unverified`, or `own`.
    pub trust: String,
    /// The comparison of fingerprints by our own people that still holds.
    pub check: Option<CheckedView>,
    /// The last comparison did not agree.
    pub disagreed: bool,
    /// `FRESH`, `AGING`, `STALE`, `UNVERIFIED` or `WITHDRAWN`.
    pub freshness: String,
    /// When it last confirmed its contact data, or answered a check.
    pub confirmed_at: Option<String>,
    /// What it says of its line, while that is not simply open.
    pub service: Option<ServiceView>,
    /// Groups that both belong to.
    pub groups: Vec<String>,
    /// Attempts to pass for it within thirty days.
    pub incidents: u64,
    /// Its newest communications check.
    pub last_check: Option<LastCheckView>,
    /// Its stations.
    pub stations: Vec<StationView>,
    /// Entries of contacts that it sent.
    pub entries: Vec<EntryView>,
}

/// One station of a party.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationView {
    /// `PARTY/station`.
    pub station: String,
    /// A connection stands.
    pub linked: bool,
    /// Its newest beacon was heard so many milliseconds ago.
    pub beacon_age_ms: Option<u64>,
    /// Where it is reached.
    pub addresses: Vec<String>,
    /// Who answers there.
    pub offices: Vec<OfficeView>,
    /// Keys that its offices sign with, as its party certified them.
    #[serde(default)]
    pub office_keys: Vec<OfficeKeyView>,
    /// When it last said so.
    pub contact_at: Option<String>,
    /// When its certificate ends; null: open.
    pub certificate_ends: Option<String>,
    /// That has passed.
    pub certificate_expired: bool,
}

/// A key that an office of a station signs with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfficeKeyView {
    /// Short code of the office.
    pub office: String,
    /// Id of the key.
    pub key: String,
    /// Its party took it back.
    pub revoked: bool,
}

/// One office of a station.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfficeView {
    /// Short code.
    pub code: String,
    /// What people call it.
    pub title: String,
    /// Languages it answers in, BCP 47.
    pub languages: Vec<String>,
    /// When it answers, in words.
    pub hours: String,
    /// At any hour.
    pub always: bool,
}

/// An entry of a contact, from the newest letter about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryView {
    /// The sender's name for it.
    pub entry_id: String,
    /// What the letter does to it: ANNOUNCE, UPDATE, REATTEST, SUSPEND, WITHDRAW.
    pub op: String,
    /// What kind of contact.
    pub role: String,
    /// The office.
    pub office: String,
    /// Telephone, mail and the like, in the order to try them.
    pub channels: Vec<String>,
    /// Languages.
    pub languages: Vec<String>,
    /// Until when it holds.
    pub valid_until: Option<String>,
    /// When the letter was made.
    pub said_at: String,
    /// The letter.
    pub id: String,
}

/// A comparison of fingerprints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedView {
    /// IN_PERSON, BY_VOICE or READ_BACK.
    pub method: String,
    /// Who compared.
    pub by: String,
    /// When.
    pub at: String,
}

/// How the newest communications check of a party went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastCheckView {
    /// The letter.
    pub id: String,
    /// When it was sent.
    pub sent_at: String,
    /// `line_dead`, `nobody_at_desk`, `answered` or `declined`.
    pub verdict: String,
    /// The time for an answer is over.
    pub over: bool,
}

/// What a party says of its line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceView {
    /// PLANNED_OUTAGE, OUTAGE or CHANNEL_SUSPENDED.
    pub kind: String,
    /// From when.
    pub from: String,
    /// Until when; null: until further notice.
    pub until: Option<String>,
    /// A decision of the state, no fault of the machine.
    pub political: bool,
    /// Why, as far as it is said.
    pub reason: Option<String>,
    /// Other ways to reach the office.
    pub alt_channels: Vec<String>,
    /// In one line, for people.
    pub words: String,
    /// The letter that says so.
    pub id: String,
}

/// An attempt to pass for somebody else: the count of one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentView {
    /// STRANGER, DOCUMENT, SIGNATURE, OTHER_KEY, OTHER_NAME, REVOKED_KEY, CLONE, FORK, MISMATCH,
    /// SCOPE.
    pub cause: String,
    /// In words.
    pub words: String,
    /// In whose name; null for a stranger.
    pub about: Option<String>,
    /// The station that handed it to us.
    pub via: Option<String>,
    /// How often that day.
    pub count: u64,
    /// First time.
    pub first_at: String,
    /// Last time.
    pub last_at: String,
}

/// The fingerprints of a party's authority keys, for reading aloud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FingerprintView {
    /// The party.
    pub party: String,
    /// What people call it.
    pub name: String,
    /// One for each authority key.
    pub fingerprints: Vec<ReadAloud>,
}

/// One fingerprint, as it is read aloud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadAloud {
    /// Eight groups of four digits.
    pub hex: String,
    /// Two lines of four words, which the other officer reads.
    pub they_read: Vec<String>,
    /// Two lines of four words, which you read.
    pub you_read: Vec<String>,
}

/// An officer compared fingerprints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckedRequest {
    /// IN_PERSON or BY_VOICE.
    pub method: String,
    /// Who compared.
    pub by: String,
    /// They did not agree.
    #[serde(default)]
    pub differs: bool,
}

/// An identity check was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedView {
    /// The letter.
    pub id: String,
    /// The words that it carries.
    pub code: String,
    /// Until when an answer counts.
    pub holds_until: String,
}

/// What the other officer said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeardRequest {
    /// The words.
    pub words: String,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardView {
    /// The letter that asked.
    pub id: String,
    /// They are the words that the party's keys make.
    pub agrees: bool,
    /// What to say back; null when they do not agree.
    pub say_back: Option<String>,
    /// Further tries for this letter.
    pub tries_left: usize,
}

/// A communications check to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    /// Whom; all states when empty.
    #[serde(default)]
    pub parties: Vec<String>,
    /// LINK, NODE, HUMAN, HUMAN_OFF_HOURS, ALT_CHANNEL or TRANSLATION; HUMAN when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// They were told that it would come.
    #[serde(default)]
    pub announced: bool,
    /// Until when an answer counts.
    pub respond_by: String,
}

/// A communications check and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckView {
    /// The letter.
    pub id: String,
    /// When it was sent.
    pub sent_at: String,
    /// Until when an answer counts.
    pub respond_by: String,
    /// That has passed.
    pub over: bool,
    /// Each station that was asked.
    pub stations: Vec<CheckRow>,
}

/// One station that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRow {
    /// The party.
    pub party: String,
    /// The station.
    pub station: String,
    /// `line_dead`, `nobody_at_desk`, `answered`, `declined`; `pending` within 30 s of sending.
    pub verdict: String,
    /// `L0` to `L6`, or null.
    pub level: Option<String>,
    /// When that level was reached, by the other side's clock.
    pub at: Option<String>,
    /// Milliseconds from sending to that.
    pub took_ms: Option<u64>,
    /// It came after the time for it.
    pub late: bool,
    /// The office that answered, where it says so.
    pub answered_by: Option<String>,
    /// It confirmed its contact data.
    pub contact_data_confirmed: bool,
    /// What it says is wrong in them.
    pub corrections: Option<String>,
    /// Why nothing comes, where the party said so beforehand.
    pub cause: Option<String>,
}

/// An officer answers a communications check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerRequest {
    /// What is wrong in the contact data that others hold; confirmed when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrections: Option<String>,
}

/// A notice about our own line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeRequest {
    /// PLANNED_OUTAGE, OUTAGE, RESTORED, PATH_CHANGE, CHANNEL_SUSPENDED or CHANNEL_REOPENED.
    pub kind: String,
    /// From when.
    pub from: String,
    /// Until when; until further notice when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// A decision of the state, no fault of the machine.
    #[serde(default)]
    pub political: bool,
    /// What it concerns, if not everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whom to tell; all states when empty.
    #[serde(default)]
    pub to: Vec<String>,
}
