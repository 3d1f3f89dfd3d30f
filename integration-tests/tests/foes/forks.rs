//! An author that writes twice: proven by whoever sees both sides, and known to everybody.

use cbm_integration_tests::foes::Foe;
use cbm_integration_tests::network::Ix;
use cbm_integration_tests::options::{Options, Shape};
use cbm_integration_tests::world::World;
use cbm_proto::accord::Directory;
use cbm_proto::envelope::{Envelope, Verdict};
use cbm_proto::event::Notice;
use cbm_proto::id::{Digest, MsgId};
use cbm_proto::primitives::{Entropy, SignSecret};
use cbm_proto::proof::{Proof, ProofError};
use cbm_proto::seal::{self, Frame};
use cbm_proto::sync::{Ask, Custody, Say};
use cbm_proto::time::SECOND;

use crate::forge::{foe, hear};
use crate::hall::Hall;
use crate::letter_of_a_puppet;

/// A hall in which BBB is a puppet, and two statements of it under number 1.
fn two_sides() -> (Hall, Foe, [Envelope; 2]) {
    let (hall, _) = letter_of_a_puppet();
    let (foe, at) = (foe(&hall, "BBB/mfa"), hall.now().wall);
    let sides = [b"one", b"two"].map(|body| foe.statement(&foe.frame(at), body));
    (hall, foe, sides)
}

fn proofs(hall: &Hall, name: &str) -> Vec<Proof> {
    hall.station(name).proofs().cloned().collect()
}

#[test]
fn whoever_sees_both_sides_holds_a_small_proof_that_anybody_verifies() {
    let (mut hall, foe, sides) = two_sides();
    for side in &sides {
        assert_eq!(hear(&mut hall, "AAA/mfa", "CCC/mfa", side), Verdict::Accept);
    }
    let held = proofs(&hall, "AAA/mfa");
    assert_eq!(held.len(), 1);
    assert_eq!(proofs(&hall, "CCC/mfa"), held, "it was passed on to one who saw neither");
    hall.restart("AAA/mfa");
    assert_eq!(proofs(&hall, "AAA/mfa"), held, "also after a restart");
    let told = hall.told.iter().filter(|(_, n)| *n == Notice::Forked(foe.id)).count();
    assert_eq!(told, 2, "people are told once at each");
    // Off line: from the documents alone, by somebody who never saw the traffic.
    let mut directory = Directory::new(&hall.documents_with_accord()[0]).unwrap();
    directory.admit_all(hall.documents_with_accord().iter().map(|d| &d[..]));
    let bytes = held[0].encode();
    assert!(bytes.len() < 4_096, "{}", bytes.len());
    assert_eq!(Proof::decode(&bytes).unwrap().check(&directory), Ok(()));
    let nobody = Directory::new(&hall.documents_with_accord()[0]).unwrap();
    assert!(held[0].check(&nobody).is_err(), "without the author's keys it proves nothing");
}

#[test]
fn a_wrong_predecessor_is_proven_whichever_came_first() {
    for order in [[0, 1], [1, 0]] {
        let (mut hall, foe, sides) = two_sides();
        let at = hall.now().wall;
        let denies = foe.statement(&foe.after(&sides[1], at), b"after the other");
        let both = [&sides[0], &denies];
        for n in order {
            assert_eq!(hear(&mut hall, "AAA/mfa", "CCC/mfa", both[n]), Verdict::Accept);
        }
        let held = proofs(&hall, "AAA/mfa");
        assert_eq!(held[0].ids(), [sides[0].id(), denies.id()], "{order:?}");
        assert_eq!(proofs(&hall, "CCC/mfa"), held);
    }
}

#[test]
fn a_second_header_without_its_body_or_over_the_rate_is_proven_all_the_same() {
    let (mut hall, foe, _) = two_sides();
    let at = hall.now().wall;
    let large = [1, 2].map(|n| foe.statement(&foe.frame(at), &[n; 60_000]));
    hear(&mut hall, "AAA/mfa", "CCC/mfa", &large[0]);
    let headless = large[1].for_gossip();
    assert!(headless.len() < 1_000);
    hall.hear("AAA/mfa", "CCC/mfa", headless);
    assert_eq!(proofs(&hall, "AAA/mfa").len(), 1, "a header is enough");

    let (mut hall, foe, sides) = two_sides();
    hear(&mut hall, "AAA/mfa", "CCC/mfa", &sides[0]);
    for envelope in foe.chain(Some(&sides[0]), b"more", 200, at) {
        hear(&mut hall, "AAA/mfa", "CCC/mfa", &envelope);
    }
    assert_eq!(hear(&mut hall, "AAA/mfa", "CCC/mfa", &sides[1]), Verdict::Ignore);
    assert_eq!(proofs(&hall, "AAA/mfa").len(), 1, "a flood hides no fork");
}

#[test]
fn signatures_that_stand_beside_the_right_one_do_not_spoil_the_proof() {
    let (mut hall, foe, sides) = two_sides();
    let bytes = sides[1].bytes();
    let at = 7 + sides[1].header_bytes().len();
    // A signature by a key that sorts before the author's: junk, and nobody's.
    let junk = [&[0; 16][..], &[1, 0, 64], &[9; 64]].concat();
    let decorated = [&bytes[..at], &[2][..], &junk[..], &bytes[at + 1..]].concat();
    hear(&mut hall, "AAA/mfa", "CCC/mfa", &sides[0]);
    assert_eq!(hall.hear("AAA/mfa", "CCC/mfa", decorated.into()), Verdict::Accept);
    let held = proofs(&hall, "AAA/mfa");
    assert_eq!(held[0].check(hall.station("AAA/mfa").directory()), Ok(()));
    assert_eq!(held[0].feed().author, foe.id);
}

#[test]
fn a_fork_between_two_is_proven_there_and_shown_to_nobody_else() {
    let (mut hall, foe, _) = two_sides();
    let at = hall.now().wall;
    let foe = foe.beside(&hall.keys("AAA/mfa"));
    for body in [b"one", b"two"] {
        hear(&mut hall, "AAA/mfa", "BBB/mfa", &foe.statement(&foe.frame(at), body));
    }
    let held = proofs(&hall, "AAA/mfa");
    assert_eq!(held.len(), 1);
    assert_eq!(proofs(&hall, "CCC/mfa"), [], "who talks to whom is secret, too");
    let say = hall.ask("CCC/mfa", "AAA/mfa", &Ask::Proof(Box::new(held[0].clone())));
    assert_eq!(say, Say::Taken(Custody::Deferred));
    assert_eq!(proofs(&hall, "CCC/mfa"), []);
}

#[test]
fn a_forged_proof_accuses_nobody() {
    let (mut hall, foe, _) = two_sides();
    let at = hall.now().wall;
    let forger = SignSecret::from_seed(&Entropy::new(&[8; 32]).bytes());
    let frame = Frame { author: hall.id("CCC/mfa"), ..foe.frame(at) };
    let sides = [b"one", b"two"].map(|body| seal::statement(&frame, body, &forger).unwrap());
    let [one, two] = sides.map(|side| side.bare(&forger.public().id()).unwrap());
    let forged = Proof::of(one, two).unwrap();
    let say = hall.ask("AAA/mfa", "BBB/mfa", &Ask::Proof(Box::new(forged.clone())));
    assert_eq!(say, Say::Taken(Custody::Deferred), "a key whose certificate is not here");
    // The same with the key named as the victim's: the signatures are then wrong.
    let named = hall.keys("CCC/mfa").sign.public().id();
    let mut wire = forged.to_wire();
    for bytes in [&mut wire.first, &mut wire.second] {
        let mut changed = bytes.to_vec();
        let at = changed.len() - 64 - 3 - 16;
        changed[at..at + 16].copy_from_slice(&named.0);
        *bytes = changed.into();
    }
    let forged = Proof::from_wire(&wire).unwrap();
    let say = hall.ask("AAA/mfa", "BBB/mfa", &Ask::Proof(Box::new(forged)));
    assert_eq!(say, Say::Taken(Custody::Refused));
    let honest = hall.envelopes("CCC/mfa")[0].clone();
    let bare = honest.bare(&honest.signed_by().next().unwrap()).unwrap();
    assert_eq!(Proof::of(bare.clone(), bare), Err(ProofError::NoContradiction));
    assert_eq!(proofs(&hall, "AAA/mfa"), []);
    assert_eq!(crate::incidents(&hall, "AAA/mfa"), []);
}

#[test]
fn what_is_proven_closes_no_line() {
    let (mut hall, foe, sides) = two_sides();
    for side in &sides {
        hear(&mut hall, "AAA/mfa", "CCC/mfa", side);
    }
    let (at, to) = (hall.now().wall, hall.keys("AAA/mfa"));
    let letter = foe.note(&["AAA"], MsgId([7; 16]), at);
    let later = foe.sealed(&foe.after(&sides[0], at), &[&to], &letter);
    assert_eq!(hear(&mut hall, "AAA/mfa", "CCC/mfa", &later), Verdict::Accept);
    assert_eq!(hall.inbox("AAA/mfa"), [MsgId([7; 16])]);
    assert!(hall.station("AAA/mfa").inbox().all(|letter| letter.forked), "and it is marked");
}

/// A row of 50 honest stations and one foe, whose machine is off: a test speaks in its name.
fn fifty_and_a_foe() -> (World, Foe) {
    let mut world = World::begun(Options { shape: Shape::Ring, ..Options::calm(11, 51, 0) });
    let foe = world.foe(FOE);
    let name = world.machines[FOE].name.to_string();
    world.stop(&name);
    (world, foe)
}

const FOE: Ix = 50;

/// How many honest stations hold a proof against the foe that checks.
fn knowing(world: &World, foe: &Foe) -> usize {
    let honest = world.machines.iter().filter_map(|machine| machine.station());
    let holds = |station: &&cbm_proto::station::Station| {
        let mut against = station.proofs().filter(|proof| proof.feed() == foe.feed());
        against
            .any(|proof| proof.encode().len() < 4_096 && proof.check(station.directory()).is_ok())
    };
    honest.filter(holds).count()
}

/// Virtual milliseconds until all fifty hold it.
fn time_until_all_know(world: &mut World, foe: &Foe) -> u64 {
    let begin = world.now();
    while knowing(world, foe) < 50 {
        assert!(world.now() - begin <= 5 * SECOND, "{} of 50 know", knowing(world, foe));
        world.pass(50);
    }
    world.now() - begin
}

fn sides(world: &World, foe: &Foe) -> [Envelope; 2] {
    let at = world.clocks(0).wall;
    [b"one", b"two"].map(|body| foe.statement(&foe.frame(at), body))
}

#[test]
fn all_of_fifty_know_within_five_seconds_that_one_wrote_twice() {
    let (mut world, foe) = fifty_and_a_foe();
    let [one, two] = sides(&world, &foe);
    world.whisper(FOE, 3, one.bytes().clone());
    world.whisper(FOE, 40, two.bytes().clone());
    let took = time_until_all_know(&mut world, &foe);
    println!("both sides in gossip: all know after {took} ms");
    // Kept: a machine that loses its power knows it still.
    world.stop("DDD");
    world.restart("DDD");
    world.pass(SECOND);
    assert_eq!(knowing(&world, &foe), 50);
}

#[test]
fn two_halves_that_saw_one_side_each_all_know_within_five_seconds_of_meeting() {
    let (mut world, foe) = fifty_and_a_foe();
    let (left, right) = (world.machines[24].name.to_string(), world.machines[25].name.to_string());
    world.cut(&left, &right);
    let [one, two] = sides(&world, &foe);
    world.whisper(FOE, 3, one.bytes().clone());
    world.whisper(FOE, 40, two.bytes().clone());
    world.pass(30 * SECOND);
    assert_eq!(knowing(&world, &foe), 0, "no half can know");
    world.network.mend_all();
    while !world.network.linked(24, 25) {
        world.pass(10);
    }
    let took = time_until_all_know(&mut world, &foe);
    println!("two halves meet: all know after {took} ms");
}

#[test]
fn a_fork_handed_to_each_in_private_is_known_to_all_within_five_seconds() {
    let (mut world, foe) = fifty_and_a_foe();
    let sides = sides(&world, &foe);
    for ix in 0..50 {
        world.push_as(FOE, ix, sides[ix % 2].bytes().clone());
    }
    let took = time_until_all_know(&mut world, &foe);
    println!("handed to each in private: all know after {took} ms");
    let held = |ix: usize| world.machines[ix].station().unwrap().feeds().get(&foe.feed()).unwrap();
    assert_eq!(held(0).mark(), 1);
    assert_ne!(Digest(held(0).head().unwrap().0), Digest(held(1).head().unwrap().0));
}
