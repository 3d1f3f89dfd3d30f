//! Letting go of records while the power goes: each is whole or let go, and its header stays.

use std::collections::BTreeSet;

use bytes::Bytes;
use cbm_proto::{envelope::Envelope, journal::RecordKind};

use super::*;

/// A store that lets go of bodies between its appends.
struct Life<'a> {
    load: &'a Load,
    /// Numbers of envelopes (by record) that were begun to be let go of.
    going: BTreeSet<u64>,
    have: u64,
}

impl Life<'_> {
    fn bare(&self, n: u64) -> Record {
        let bytes = self.load.envelope(n / 3 + 1, 0).unwrap().without_body();
        Record { kind: RecordKind::Envelope, salt: [2; 16], bytes }
    }

    /// Panics unless the records are the load's first ones, but for bodies that were let go.
    fn look(&self, store: &DiskStore) -> (u64, Vec<(u64, Position)>) {
        let (mut next, mut whole) = (0, Vec::new());
        let each = &mut |place: Position, record: Record| {
            if record.kind == RecordKind::Envelope && !has_body(&record.bytes) {
                assert!(self.going.iter().any(|n| self.bare(*n).bytes == record.bytes));
                return ControlFlow::Continue(());
            }
            while self.going.contains(&next) && self.load.record(next).unwrap() != record {
                next += 1;
            }
            assert!(record == self.load.record(next).unwrap(), "record {next} is another one");
            if record.kind == RecordKind::Envelope {
                whole.push((next, place));
            }
            next += 1;
            ControlFlow::Continue(())
        };
        store.scan(Position::START, each).unwrap();
        (next, whole)
    }

    /// Looks, and goes on behind what is there: returns how many records that is.
    fn go_on(&mut self, store: &DiskStore, owed: u64) -> u64 {
        let (mut have, _) = self.look(store);
        // What was let go after the cut, of what was not yet written at it, was never there.
        self.going.retain(|n| *n < have.max(owed));
        while self.going.contains(&have) {
            have += 1;
        }
        self.have = have;
        have
    }

    /// Each envelope is found by its name, whole unless it was let go.
    fn names(&self, store: &DiskStore, owed: u64) {
        for n in (0..owed).step_by(3) {
            let envelope = self.load.envelope(n / 3 + 1, 0).unwrap();
            let found = store.envelope(&envelope.id()).unwrap().unwrap();
            let bare = self.going.contains(&n) && found == envelope.without_body();
            assert!(bare || found == *envelope.bytes(), "envelope {n}");
        }
    }

    fn until_the_power_goes(&mut self, drive: Drive, plan: Plan) -> (Drive, u64) {
        let mount = Mount::new(drive).unwrap();
        let acknowledged = mount.drive().acknowledged();
        mount.drive().plan(plan);
        let mut store = open(&mount).unwrap();
        let (_, mut whole) = self.look(&store);
        acknowledged.store(self.have, Ordering::SeqCst);
        for step in 0.. {
            if let Some(after) = mount.drive().taken() {
                return after;
            }
            let batch = dice(plan.seed, step) % 12 + 1;
            let numbers: Vec<u64> = (self.have..self.have + batch).collect();
            let records: Vec<_> = numbers.iter().map(|n| self.load.record(*n).unwrap()).collect();
            let places = store.append(&records).unwrap();
            store.sync().unwrap();
            self.have += batch;
            acknowledged.store(self.have, Ordering::SeqCst);
            whole.extend(numbers.into_iter().zip(places).filter(|(n, _)| n % 3 == 0));
            if step % 3 == 2 {
                let (go, stay): (Vec<_>, Vec<_>) =
                    whole.into_iter().partition(|(n, _)| !dice(plan.seed, *n).is_multiple_of(3));
                self.let_go(&mut store, &go);
                whole = stay;
            }
        }
        unreachable!("every plan's instant comes")
    }

    fn let_go(&mut self, store: &mut DiskStore, go: &[(u64, Position)]) {
        self.going.extend(go.iter().map(|(n, _)| n));
        let places: Vec<_> = go.iter().map(|(_, place)| *place).collect();
        let instead: Vec<_> = go.iter().map(|(n, _)| self.bare(*n)).collect();
        assert_eq!(store.let_go(&places, &instead).unwrap().records, go.len() as u64);
    }
}

fn has_body(bytes: &Bytes) -> bool {
    Envelope::decode(bytes.clone()).unwrap().has_body()
}

#[test]
fn what_is_let_go_when_the_power_goes_is_whole_or_has_its_header() {
    if skipped() {
        return;
    }
    let mut let_go = 0;
    for seed in 0..seeds() {
        let load = Load::new(seed);
        let (mut drive, mut owed) = (Drive::default(), 0);
        let mut life = Life { load: &load, going: BTreeSet::new(), have: 0 };
        for number in 0..3 {
            let plan = drawn(seed, number, 220);
            let (after, acknowledged) = life.until_the_power_goes(drive, plan);
            let mount = Mount::new(after.clone()).unwrap();
            let store = open(&mount).unwrap();
            owed = owed.max(acknowledged);
            let found = life.go_on(&store, owed);
            assert!(found >= owed, "seed {seed} life {number} {plan:?}: {found} of {owed}");
            life.names(&store, owed);
            assert!(!store.take_reports().iter().any(Report::is_loss), "seed {seed} {plan:?}");
            let_go += life.going.len();
            drive = after;
        }
    }
    assert!(let_go as u64 > seeds() * 10, "{let_go} bodies were let go");
}
