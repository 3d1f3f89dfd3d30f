//! Short texts that people and other programs write: names, times, ids, words read aloud.

use cbm_node::store::Position;
use cbm_proto::draft::media_type_of;
use cbm_proto::id::{Digest, MsgId, PartyCode, StationName, hex, unhex};
use cbm_proto::keys::word_of;
use cbm_proto::outbox::Path;
use cbm_proto::people::{Code, same_words};
use cbm_proto::terms::{Level, Outcome, Precedence, Reason, Status};
use cbm_proto::time::Timestamp;

/// What is read is read again as the same from how it is written.
pub(super) fn texts(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(party) = PartyCode::new(text) {
        assert_eq!(PartyCode::new(party.as_str()).as_ref(), Ok(&party));
    }
    if let Ok(station) = StationName::parse(text) {
        assert_eq!(StationName::parse(&station.to_string()), Ok(station));
    }
    if let Some(at) = Timestamp::parse(text) {
        assert_eq!(Timestamp::parse(&at.to_string()), Some(at), "{text}");
    }
    if let Some(id) = MsgId::from_hex(text) {
        assert_eq!(MsgId::from_hex(&id.to_string()), Some(id));
    }
    if let Some(digest) = Digest::from_hex(text) {
        assert_eq!(Digest::from_hex(&hex(&digest.0)), Some(digest));
    }
    if let Some(bytes) = unhex(text) {
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
    }
    if let Ok(place) = text.parse::<Position>() {
        assert_eq!(place.to_string().parse(), Ok(place));
    }
    if let Some(code) = Code::parse(text) {
        assert_eq!(Code::parse(&code.words()), Some(code));
        assert!(same_words(text, &code.words()), "the words of a code are its words");
    }
    words(text);
}

fn words(text: &str) {
    let _ = (Path::parse(text), word_of(text), media_type_of(text));
    if let Some(level) = Level::from_word(text) {
        assert_eq!(Level::from_word(&level.to_string()), Some(level));
    }
    if let Some(status) = Status::from_word(text) {
        assert_eq!(Status::from_word(&status.to_string()), Some(status));
    }
    if let Some(precedence) = Precedence::from_word(text) {
        assert_eq!(Precedence::from_word(&precedence.to_string()), Some(precedence));
    }
    if let Some(outcome) = Outcome::from_word(text) {
        assert_eq!(Outcome::from_word(&outcome.to_string()), Some(outcome));
    }
    if let Some(reason) = Reason::from_word(text) {
        assert_eq!(Reason::from_word(&reason.to_string()), Some(reason));
    }
}
