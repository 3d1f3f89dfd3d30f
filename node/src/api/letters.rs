//! Letters read back: the envelope from the store, opened again with what the archive keeps.

use std::borrow::Cow;

use cbm_proto::{draft::Attachment, id::MsgId, inbox::Received, letter::Letter};
use serde_json::{Value, json};

use super::{
    command::Desk,
    evidence,
    failure::{Code, Failure},
    people, view,
};
use crate::evidence::Shelf;

/// The notification as JSON, with what this station knows about it beside: `id`, `from`,
/// `received_at`, `level`, `outcome`, `trust`, `incidents` (all but the first two null for one of our
/// own), `identity_check` where it is one, and `key_revoked`: the key that signed it was revoked, and
/// its party does not stand by this letter.
pub(super) async fn json(desk: &Desk, shelf: &Shelf, msg: MsgId) -> Result<Value, Failure> {
    let letter = open(desk, msg).await?;
    let mut json = letter.to_json();
    let body = json!({"body": json["body"]});
    let known = desk
        .look(move |station, now| {
            let received = station.received(&msg).map(Cow::into_owned);
            let author = received.as_ref().map_or_else(|| station.me(), |r| r.author);
            let sender = received.as_ref().map(|r| Sender {
                trust: station.trust(&r.party).word(),
                incidents: people::attempts(station, now.wall, &r.party),
                read_aloud: people::read_aloud(station, &r.party, &body),
            });
            let revoked = received.as_ref().is_some_and(|r| station.key_revoked(r));
            (view::name(station.directory(), &author), received, sender, revoked)
        })
        .await?;
    let (from, received, sender, revoked): (_, Option<Received>, Option<Sender>, bool) = known;
    evidence::states(shelf, &letter, received.is_some(), &mut json["attachments"]);
    json["id"] = msg.to_string().into();
    json["from"] = from.into();
    json["key_revoked"] = revoked.into();
    json["received_at"] = received.as_ref().map(|r| r.received_at.to_string()).into();
    json["level"] = received.as_ref().and_then(|r| r.level).map(|l| l.word()).into();
    json["outcome"] = received.as_ref().and_then(|r| r.outcome).map(|o| o.word()).into();
    json["trust"] = sender.as_ref().map(|sender| sender.trust).into();
    json["incidents"] = sender.as_ref().map(|sender| sender.incidents).into();
    if let Some(words) = sender.and_then(|sender| sender.read_aloud) {
        json["identity_check"] = words;
    }
    Ok(json)
}

/// What is known of whoever wrote a letter to us.
struct Sender {
    trust: &'static str,
    incidents: u64,
    /// The words of an identity check.
    read_aloud: Option<Value>,
}

/// One attachment, by its place in the letter, from 0, with what is known of the letter.
pub(super) async fn attachment(
    desk: &Desk,
    msg: MsgId,
    number: usize,
) -> Result<(Letter, Attachment), Failure> {
    let letter = open(desk, msg).await?;
    let found = letter.attachments.get(number).cloned();
    let count = letter.attachments.len();
    found.map(|found| (letter, found)).ok_or_else(|| {
        Failure::new(
            Code::NotFound,
            "there is no such attachment",
            format!("the letter has {count} of them, counted from 0"),
            "`cbm show ID` lists them",
        )
    })
}

/// The subject alone.
pub(super) async fn subject(desk: &Desk, msg: MsgId) -> Result<Option<String>, Failure> {
    let letter = open(desk, msg).await?;
    let subject = letter.header.subject();
    Ok((!subject.is_empty()).then(|| subject.to_owned()))
}

/// A letter that was sent or received here.
///
/// # Errors
/// There is none of this name, it cannot be read, or the node is stopping.
pub async fn open(desk: &Desk, msg: MsgId) -> Result<Letter, Failure> {
    let id = desk.look(move |station, _| station.envelope_of(&msg)).await?;
    let id = id.ok_or_else(|| {
        Failure::new(
            Code::NotFound,
            "there is no such letter",
            format!("this station neither received nor sent {msg}"),
            "`cbm inbox` lists what was received",
        )
    })?;
    let stored = desk.stored(msg, id).await?;
    let envelope = stored.envelope.ok_or_else(|| {
        Failure::new(
            Code::Storage,
            "the letter could not be read",
            "the store does not hold its envelope",
            "look at the node's log for damage of the journal",
        )
    })?;
    let about = stored.about;
    let opened = desk.look(move |station, _| station.reopen(&about, envelope)).await?;
    opened.map_err(|e| {
        let otherwise = "look at the node's log; the envelope is kept";
        Failure::told(Code::Failed, "the letter could not be opened", e, otherwise)
    })
}
