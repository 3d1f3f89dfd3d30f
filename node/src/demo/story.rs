//! The story of the hotline, act by act.

use std::collections::BTreeSet;
use std::time::Duration;

use cbm_proto::primitives::Entropy;
use cbm_proto::terms::Level;
use serde_json::{Value, json};

use super::foes;
use super::ledger::Ledger;
use super::stage::{Stage, holds_word};
use crate::api::failure::Failure;
use crate::api::shape::{InboxRow, SendRequest, StatusView};

/// The indicators that go with the incident alert, made for this project.
const STIX: &[u8] = include_bytes!("../../assets/demo.stix2.json");
/// Letters of the burst in which a node is killed.
const BURST: usize = 24;
/// How long anything in the story may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(40);
/// Words that only letters hold; the observer must not have them anywhere.
const PLANTED: [&str; 3] = ["kingfisher-7731", "substation-north-4", "amber-lantern-90"];

type Told = Result<(), Failure>;

/// Tells it all.
pub(super) async fn tell(stage: &mut Stage, ledger: &mut Ledger, chance: &mut Entropy) -> Told {
    contacts(stage, ledger).await?;
    incident(stage, ledger).await?;
    red_flag(stage, ledger).await?;
    decline(stage, ledger).await?;
    cut_link(stage, ledger).await?;
    killed(stage, ledger, chance).await?;
    foes::stranger(stage, ledger).await?;
    foes::forger(stage, ledger).await?;
    observer(stage, ledger).await
}

/// A letter of a type, from its template, with a subject and a few fields of the body replaced.
fn letter(type_name: &str, to: &[&str], subject: &str, body: &[(&str, Value)]) -> SendRequest {
    let catalogue = cbm_proto::catalogue::catalogue();
    let mut json = catalogue.find(type_name).map_or_else(|_| json!({}), |i| catalogue.template(i));
    json["subject"] = text(subject);
    for (field, value) in body {
        json["body"][*field] = value.clone();
    }
    SendRequest {
        type_name: type_name.to_owned(),
        to: to.iter().map(|party| (*party).to_owned()).collect(),
        letter: without_recipients(json),
        ..SendRequest::default()
    }
}

fn without_recipients(mut json: Value) -> Value {
    if let Some(fields) = json.as_object_mut() {
        fields.retain(|name, _| !matches!(name.as_str(), "to_action" | "to_info" | "release"));
    }
    json
}

fn text(words: &str) -> Value {
    json!([{ "bcp47": "en", "text": words, "kind": "ORIGINAL" }])
}

async fn contacts(stage: &Stage, ledger: &mut Ledger) -> Told {
    ledger.chapter("1. Contacts are announced");
    let mut all = true;
    for (from, others) in
        [("AAA", ["BBB", "CCC"]), ("BBB", ["AAA", "CCC"]), ("CCC", ["AAA", "BBB"])]
    {
        let subject = format!("Point of contact of {}", stage.story_name(from));
        let id = stage.send(from, &letter("contact-entry", &others, &subject, &[])).await?;
        let status = stage.wait(from, &id, Level::L2, PATIENCE).await?;
        all &= status.reached(Level::L2);
        ledger
            .say(&format!("{} announced its duty desk to the two others", stage.story_name(from)));
    }
    ledger.point("each state's contact entry is in both others' inboxes", all);
    Ok(())
}

async fn incident(stage: &Stage, ledger: &mut Ledger) -> Told {
    ledger.chapter("2. An incident alert with indicators goes to two states");
    let mut alert = letter(
        "incident-alert",
        &["BBB", "CCC"],
        &format!("Intrusion at {}", PLANTED[1]),
        &[("actions_taken", text(&format!("{} isolated", PLANTED[1])))],
    );
    alert.attachments.push(super::stage::attachment("indicators.stix2.json", STIX));
    let id = stage.send("AAA", &alert).await?;
    ledger.say(&format!("{} sent it with {} bytes of STIX", stage.story_name("AAA"), STIX.len()));
    let status = stage.wait("AAA", &id, Level::L1, PATIENCE).await?;
    tell_status(ledger, &status);
    let wanted = cbm_proto::primitives::sha256(&[STIX]);
    let mut same = true;
    for at in ["BBB", "CCC"] {
        stage.wait_inbox(ledger, at, &id).await?;
        let bytes = stage.attachment_of(at, &id).await?;
        same &= cbm_proto::primitives::sha256(&[&bytes]) == wanted;
    }
    ledger.point("the alert is durable at both addressees, each said so, signed", {
        status.reached(Level::L1)
    });
    ledger.point("the attachment arrived at both with the sha256 that was sent", same);
    Ok(())
}

fn tell_status(ledger: &Ledger, status: &StatusView) {
    for one in &status.addressees {
        let level = one.level.as_deref().unwrap_or("--");
        let path = one.path.as_deref().unwrap_or("?");
        ledger.say(&format!("{}: {level} {} ({path})", one.station, one.state));
    }
}

async fn red_flag(stage: &Stage, ledger: &mut Ledger) -> Told {
    ledger.chapter("3. A red flag at FLASH: two persons, then a human receives it");
    let subject = format!("Tool found near {}", PLANTED[0]);
    let mut flag = letter("red-flag", &["AAA"], &subject, &[]);
    flag.precedence = Some("FLASH".to_owned());
    let alone = stage.send("BBB", &flag).await;
    let refused = alone.as_ref().is_err_and(|failure| failure.code.exit() == 3);
    if let Err(failure) = &alone {
        ledger.say(&format!("one person alone: {}", failure.cause));
    }
    ledger.point("a red flag by one person alone is refused by policy", refused);
    flag.drafted_by = Some("Ana Drafter".to_owned());
    flag.released_by = Some("Ben Releaser".to_owned());
    let id = stage.send("BBB", &flag).await?;
    stage.wait_inbox(ledger, "AAA", &id).await?;
    let mut climbed = Vec::new();
    for (level, act) in [(Level::L2, None), (Level::L3, Some("show")), (Level::L4, Some("ack"))] {
        if let Some(act) = act {
            stage.act("AAA", &id, act, &json!({})).await?;
        }
        let status = stage.wait("BBB", &id, level, PATIENCE).await?;
        tell_status(ledger, &status);
        climbed.push(status.reached(level));
    }
    ledger.say(&format!("L4 says: \"{}\"", cbm_proto::receipt::fixed_text("en")));
    ledger.point("the sender saw L2, L3 and L4 as the officer looked and received", {
        climbed == [true, true, true]
    });
    Ok(())
}

async fn decline(stage: &Stage, ledger: &mut Ledger) -> Told {
    ledger.chapter("4. A request is declined, openly");
    let id = stage.send("CCC", &letter("request", &["BBB"], "Assistance asked", &[])).await?;
    stage.wait_inbox(ledger, "BBB", &id).await?;
    let why = json!({ "reason": "NO_MANDATE", "text": "Another ministry decides." });
    stage.act("BBB", &id, "decline", &why).await?;
    let status = stage.wait("CCC", &id, Level::L5, PATIENCE).await?;
    tell_status(ledger, &status);
    let declined = status.addressees.iter().all(|one| one.state == "declined");
    ledger.point("a refusal is told from silence: declined, with its reason", declined);
    Ok(())
}

async fn cut_link(stage: &Stage, ledger: &mut Ledger) -> Told {
    ledger.chapter("5. A direct link is cut; the letter goes round through the third");
    for (at, other) in [("AAA", "CCC"), ("CCC", "AAA")] {
        stage.hold(at, other, true).await?;
    }
    stage.wait_unlinked(ledger, "AAA", "CCC").await?;
    ledger.say("the link between AAA and CCC is held down on both sides");
    let note = letter("operator-note", &["CCC"], "Are you there?", &[]);
    let id = stage.send("AAA", &note).await?;
    let status = stage.wait("AAA", &id, Level::L1, PATIENCE).await?;
    tell_status(ledger, &status);
    let linked = stage.is_linked("AAA", "CCC").await?;
    ledger.point("a letter and its receipt passed through a state that cannot read them", {
        status.reached(Level::L1) && !linked
    });
    for (at, other) in [("AAA", "CCC"), ("CCC", "AAA")] {
        stage.hold(at, other, false).await?;
    }
    stage.wait_linked(ledger, "AAA", "CCC").await
}

async fn killed(stage: &mut Stage, ledger: &mut Ledger, chance: &mut Entropy) -> Told {
    ledger.chapter("6. A node is killed in the middle of a burst and started again");
    let at = 4 + usize::try_from(chance.below(BURST as u64 - 8)).unwrap_or(0);
    let before = inbox_ids(stage, "CCC").await?.len();
    let mut sent = BTreeSet::new();
    for n in 0..BURST {
        if n == at {
            stage.kill("CCC").await;
            ledger.say(&format!("kill -9 of CCC after {n} of {BURST} letters were sent to it"));
        }
        let subject = format!("Burst {n}");
        let note = letter("operator-note", &["CCC"], &subject, &[]);
        sent.insert(stage.send("AAA", &note).await?);
    }
    stage.start(ledger, "CCC").await?;
    ledger.say("CCC is started again on the same disk");
    let mut reached = true;
    for id in &sent {
        reached &= stage.wait("AAA", id, Level::L1, PATIENCE).await?.reached(Level::L1);
    }
    let rows = inbox_ids(stage, "CCC").await?;
    let unique: BTreeSet<&String> = rows.iter().collect();
    let arrived = sent.iter().all(|id| unique.contains(id));
    ledger.say(&format!("{} letters in its inbox, {} before the burst", rows.len(), before));
    ledger.point("nothing lost: every letter of the burst arrived and is confirmed", {
        reached && arrived
    });
    ledger.point("nothing doubled: each stands in the inbox exactly once", {
        rows.len() == unique.len() && rows.len() == before + BURST
    });
    Ok(())
}

async fn inbox_ids(stage: &Stage, at: &str) -> Result<Vec<String>, Failure> {
    let rows: Vec<InboxRow> = stage.inbox(at).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

async fn observer(stage: &mut Stage, ledger: &mut Ledger) -> Told {
    ledger.chapter("9. The observer watches the lines and holds nothing");
    let linked = stage.linked_count("OB1").await?;
    ledger.say(&format!("it is linked with {linked} stations and hears their beacons"));
    let note = letter("operator-note", &["AAA"], PLANTED[2], &[]);
    let refused = stage.send("OB1", &note).await.is_err();
    let empty = stage.inbox("OB1").await?.is_empty();
    stage.kill("OB1").await;
    let envelopes = stage.envelopes_kept("OB1")?;
    ledger.say(&format!("its journal holds {envelopes} envelopes"));
    let mut words: Vec<&str> = PLANTED.to_vec();
    words.push("indicators.stix2.json");
    let found = holds_word(&stage.data_folder("OB1"), &words);
    let reader_has = !stage.inbox("AAA").await?.is_empty();
    ledger
        .point("the observer was linked, and its folder holds no envelope and no planted word", {
            linked > 0 && found.is_none() && envelopes == 0 && reader_has
        });
    ledger.point("the observer cannot send letters, and its inbox is empty", refused && empty);
    Ok(())
}
