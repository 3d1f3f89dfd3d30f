//! What peers ask of a station and answer to it, and documents from anywhere; drawn from the input.

use bytes::Bytes;
use cbm_proto::accord::{Method, Role};
use cbm_proto::feeds::Run;
use cbm_proto::id::{Digest, EnvelopeId, FeedId, Incarnation, LaneId};
use cbm_proto::keys::StationKeys;
use cbm_proto::primitives::Entropy;
use cbm_proto::sync::{Ask, Custody, DaySets, Echo, Entry, Numbers, Offer, Say};

use super::foe::{Foe, Sight, one};
use crate::fuzz::input::Input;
use crate::fuzz::world::world;

/// A feed of anybody on the lane of all, in one of the incarnations that there are.
fn feed(input: &mut Input<'_>, sight: &Sight<'_>) -> FeedId {
    let author = input.below(4);
    let own = sight.incarnation.filter(|_| author == 0);
    let incarnation = own.unwrap_or(Incarnation([1 + input.below(4) as u8; 16]));
    let lane = if input.byte() == 1 { LaneId([1; 16]) } else { world().lane() };
    FeedId { author: world().id(author), incarnation, lane }
}

fn number(input: &mut Input<'_>) -> u64 {
    match input.below(8) {
        0 => u64::MAX - input.number::<1>(),
        1 => input.number::<7>(),
        _ => input.number::<1>(),
    }
}

fn envelope(input: &mut Input<'_>, foe: &Foe, sight: &Sight<'_>) -> EnvelopeId {
    let all = if input.byte() & 1 == 0 { &foe.made[..] } else { sight.said };
    let found = one(input, all).cloned();
    let found = found.and_then(|bytes| cbm_proto::envelope::Envelope::decode(bytes).ok());
    found.map_or(EnvelopeId([input.byte(); 32]), |envelope| envelope.id())
}

fn digest(input: &mut Input<'_>) -> Digest {
    let held = world().directory.documents();
    let at = input.below(32);
    held.keys().nth(at).copied().unwrap_or(Digest([at as u8; 32]))
}

/// A question of a peer.
pub(super) fn ask(input: &mut Input<'_>, foe: &mut Foe, sight: &Sight<'_>) -> Bytes {
    let few = |input: &mut Input<'_>| 0..input.below(5);
    let ask = match input.below(9) {
        0 => Ask::Push(foe.message(input, sight)),
        1 => Ask::Heads(world().id(input.below(4))),
        2 => Ask::HeadsOf(world().id(input.below(4)), foe.message(input, sight)),
        3 => Ask::Summary(Digest([input.byte(); 32])),
        4 => {
            let run = |input: &mut Input<'_>| {
                let from = number(input).max(1);
                Numbers { feed: feed(input, sight), from, to: from.max(number(input)) }
            };
            let numbers = few(input).map(|_| run(input)).collect();
            Ask::Want(numbers, few(input).map(|_| envelope(input, foe, sight)).collect())
        }
        5 => Ask::Documents(few(input).map(|_| digest(input)).collect()),
        6 | 7 => Ask::Offer(Offer {
            documents: few(input).map(|_| document(input)).collect(),
            digests: few(input).map(|_| digest(input)).collect(),
            all: (input.byte() & 1 == 0).then_some(Digest([5; 32])),
        }),
        _ => return Bytes::copy_from_slice(input.piece()),
    };
    ask.encode()
}

/// An answer of a peer.
pub(super) fn say(input: &mut Input<'_>, foe: &mut Foe, sight: &Sight<'_>) -> Option<Bytes> {
    let few = |input: &mut Input<'_>| 0..input.below(5);
    let say = match input.below(9) {
        0 => Say::Taken([Custody::Stored, Custody::Deferred, Custody::Refused][input.below(3)]),
        1 | 2 => entries(input, foe, sight),
        3 => Say::Same,
        4 | 5 => Say::Envelopes(
            few(input).map(|_| foe.message(input, sight)).collect(),
            input.byte() & 1 == 0,
        ),
        6 => Say::Documents(few(input).map(|_| document(input)).collect()),
        7 => Say::Refused,
        _ if input.byte() & 1 == 0 => return None,
        _ => return Some(Bytes::copy_from_slice(input.piece())),
    };
    Some(say.encode())
}

fn entries(input: &mut Input<'_>, foe: &mut Foe, sight: &Sight<'_>) -> Say {
    let mut entries = Vec::new();
    for _ in 0..input.below(5) {
        let (feed, mark) = (feed(input, sight), number(input));
        let head = (input.byte() & 1 == 0).then(|| envelope(input, foe, sight));
        let mut above: Vec<Run> = Vec::new();
        let mut last = mark;
        for _ in 0..input.below(4) {
            let Some(from) = last.checked_add(2 + number(input) / 2) else { break };
            let to = from.saturating_add(number(input) / 2);
            above.push((from, to));
            last = to;
        }
        entries.push(Entry { feed, mark, head, above, more: input.byte() & 1 == 0, proven: false });
    }
    let mut carried = DaySets::new();
    for _ in 0..input.below(4) {
        let day = sight.now.0 / cbm_proto::time::DAY - input.below(5) as u64;
        carried.entry(day).or_default().push(envelope(input, foe, sight));
    }
    let mut echoes = Vec::new();
    for _ in 0..input.below(3) {
        echoes.push(Echo { beacon: foe.message(input, sight), age: number(input) });
    }
    Say::Entries { entries, carried, more: input.byte() & 1 == 0, echoes }
}

/// A document that is really signed: founded, later, or bytes of anybody.
pub(super) fn document(input: &mut Input<'_>) -> Bytes {
    let world = world();
    let founded = &world.founded;
    let at = input.below(4);
    let (name, party) = (&world.stations[at].0, world.party(at));
    let moment = cbm_proto::time::Timestamp(1_799_000_000_000 + input.number::<2>());
    let keys = || StationKeys::generate(&mut Entropy::new(&[0x60 + at as u8; 32]));
    let two = [party.clone(), world.party((at + 1) % 3).clone()];
    let made = match input.below(8) {
        0 => return founded.documents[input.below(founded.documents.len())].clone(),
        1 => founded.certify(name, 1 + input.number::<1>(), &keys(), moment),
        2 => {
            let signs = world.keys(at);
            let key =
                if input.byte() & 1 == 0 { signs.sign.public().id() } else { signs.epoch.id() };
            founded.revoke(name, key, Vec::new(), moment)
        }
        3 => founded.charter("Few", &two[..1 + input.below(2)], None, moment),
        4 => founded.attest(party, world.party((at + 1) % 4), Method::Voice, moment),
        5 => {
            let state = |code: &cbm_proto::id::PartyCode| (code.clone(), Role::State);
            let parties: Vec<_> =
                (0..3 - input.below(2)).map(|at| state(world.party(at))).collect();
            let before = (1, world.directory.accord_digest());
            let signers: Vec<_> =
                (0..3 - input.below(3)).map(|at| world.party(at).clone()).collect();
            founded.accord_after(
                before,
                &format!("Accord {}", input.below(4)),
                &parties,
                1,
                &signers,
            )
        }
        6 => {
            let key = founded.authorities[party].sign.public().id();
            founded.revoke_authority(party, key, &[], moment)
        }
        _ => return Bytes::copy_from_slice(input.piece()),
    };
    made.map_or_else(|_| Bytes::new(), |document| document.bytes().clone())
}
