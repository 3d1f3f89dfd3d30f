//! Machines go on and off: restore from the disk, loss of power, a station thrown away.

use std::collections::{BTreeMap, VecDeque};

use cbm_proto::event::Input;
use cbm_proto::id::{EnvelopeId, FeedId};
use cbm_proto::journal::Record;
use cbm_proto::primitives::digest;
use cbm_proto::station::{Fault, Setup, Station};

use super::{Event, Run, World};
use crate::invariants::{Failure, Held};
use crate::network::Ix;
use crate::planted::Planted;

/// How long the other end of a link may believe in it after a machine went off, milliseconds.
const BELIEF: u64 = 6_000;

impl World {
    /// Switches a machine on, unless it runs or is held off.
    pub(super) fn start(&mut self, ix: Ix) -> Held {
        let machine = &self.machines[ix];
        if machine.run.is_some() || machine.held {
            return Ok(());
        }
        if machine.rests_until > self.now {
            self.schedule(machine.rests_until, Event::Start(ix));
            return Ok(());
        }
        let station = self.restored(ix)?;
        let head_start = self.chance.network.below(5_000).min(self.now);
        let machine = &mut self.machines[ix];
        machine.runs += 1;
        machine.run = Some(Run {
            number: machine.runs,
            topics: station.topics(),
            station,
            origin: self.now - head_start,
            waiting: VecDeque::new(),
            wakes: None,
            heard: BTreeMap::new(),
            questions: BTreeMap::new(),
            asking: BTreeMap::new(),
            seen: BTreeMap::new(),
            tokens: machine.runs << 32,
        });
        if self.machines[ix].rolled_back {
            let machines = &self.machines;
            let others = || machines.iter().enumerate().filter(|(other, _)| *other != ix);
            let held = |id: &EnvelopeId| others().any(|(_, m)| m.disk.envelope(id).is_some());
            self.spoken.forget(machines[ix].station, held);
            self.note_who_holds_more(ix);
        }
        self.note(ix, "start", &[]);
        let effects = self.ask_station(ix, |station, now, entropy| station.start(now, entropy));
        self.batch(ix, Vec::new(), effects)?;
        self.rest(ix);
        self.write_eagerly(ix);
        for (a, b) in self.network.planned() {
            if a == ix || b == ix {
                let delay = self.chance.network.between(1..=500);
                self.after(delay, Event::Connect(a, b));
            }
        }
        Ok(())
    }

    /// A station as the disk has it.
    pub(crate) fn restored(&self, ix: Ix) -> Result<Station, Failure> {
        let machine = &self.machines[ix];
        let setup = self.setup_of(ix)?;
        let records = machine.disk.records();
        let all = self.replay(ix, Station::new(setup.clone()), records)?;
        // As if a snapshot had been made somewhere on the way: drawn, and from no stream of chance.
        let drawn =
            digest("sim-snapshot", &[machine.name.to_string().as_bytes(), &all.dump(&setup)]).0;
        let drawn = u64::from_be_bytes(std::array::from_fn(|at| drawn[at]));
        let (before, after) = records.split_at((drawn % (records.len() as u64 + 1)) as usize);
        let half = self.replay(ix, Station::new(setup.clone()), before)?.dump(&setup);
        let resumed = Station::from_dump(setup.clone(), &half).map_err(|error| {
            Failure::crash(format!("{}: its snapshot is refused: {error}", machine.name))
        })?;
        let resumed = self.replay(ix, resumed, after)?;
        if resumed.dump(&setup) == all.dump(&setup) {
            return Ok(resumed);
        }
        let (at, of) = (before.len(), records.len());
        let name = &machine.name;
        Err(Failure::crash(format!("{name} is another one from a snapshot at {at} of {of}")))
    }

    /// What a machine's station is made of now.
    ///
    /// # Errors
    /// It has no keys: [`Failure::Crash`].
    pub fn setup_of(&self, ix: Ix) -> Result<Setup, Failure> {
        let machine = &self.machines[ix];
        self.founded.setup(machine.station, machine.moved, machine.restored, &machine.disk)
    }

    /// A station that was given these records.
    fn replay(&self, ix: Ix, mut station: Station, records: &[Record]) -> Result<Station, Failure> {
        match self.options.planted {
            _ if self.liar == Some(ix) => station.plant(Fault::Liar),
            Some(Planted::Station(fault)) => station.plant(fault),
            _ => {}
        }
        for record in records {
            station.restore(record).map_err(|error| {
                let name = &self.machines[ix].name;
                Failure::crash(format!("{name} does not restore: {error}"))
            })?;
        }
        Ok(station)
    }

    /// Who holds more of a station's own feeds than its disk, which went back: it must not go on in
    /// that incarnation.
    fn note_who_holds_more(&mut self, ix: Ix) {
        let station = self.machines[ix].station;
        let ours = self.machines[ix].disk.ends(station);
        for (other, machine) in self.machines.iter().enumerate() {
            let more = |(feed, last): &(FeedId, u64)| ours.get(feed).is_none_or(|end| end < last);
            let everybodys = |feed: &FeedId| self.founded.lane(&feed.lane);
            let ends = machine.disk.ends(station).into_iter();
            for (feed, _) in ends.filter(|(feed, _)| other != ix && everybodys(feed)).filter(more) {
                self.spoken.holds_more(feed, other);
            }
        }
    }

    /// A station's party certifies new keys, and hands them in at the station; it takes them later.
    pub(super) fn certify_new_keys(&mut self, ix: Ix) {
        if self.machines[ix].run.is_none() {
            return;
        }
        let (name, seed) = (self.machines[ix].name.clone(), self.chance.entropy.seed());
        if let Some(certificate) = self.founded.next_generation(&name, seed) {
            self.publish(ix, vec![certificate]);
            let pause = self.chance.misfortune.between(10..=20_000);
            self.after(pause, Event::TakeKeys(ix));
        }
    }

    /// The station is restored with the keys of its certificate, in the same process, with its voice.
    pub(super) fn take_keys(&mut self, ix: Ix) -> Held {
        if self.machines[ix].run.is_none() {
            return Ok(());
        }
        self.note(ix, "takes new keys", &[]);
        let fresh = self.restored(ix)?;
        let peers: Vec<_> = self.network.neighbours(ix);
        let Some(run) = &mut self.machines[ix].run else { return Ok(()) };
        let before = std::mem::replace(&mut run.station, fresh);
        run.station.resume(before.hand_over());
        run.topics = run.station.topics();
        let effects = self.ask_station(ix, |station, now, entropy| station.start(now, entropy));
        self.batch(ix, Vec::new(), effects)?;
        for (peer, _) in peers {
            let peer = self.machines[peer].station;
            self.give(ix, Input::Linked { peer });
        }
        self.rest(ix);
        Ok(())
    }

    /// The machine is off at once; of what was not durable a part is left. It comes back later.
    pub(super) fn lose_power(&mut self, ix: Ix) -> Held {
        let away = self.chance.misfortune.between(100..=self.options.away);
        self.power_off(ix);
        self.after(away, Event::Start(ix));
        Ok(())
    }

    /// Off until somebody starts it.
    pub(super) fn power_off(&mut self, ix: Ix) {
        if self.machines[ix].run.take().is_none() {
            return;
        }
        let kept = self.chance.misfortune.index(self.machines[ix].disk.unsynced() + 1);
        self.machines[ix].disk.crash(kept);
        self.watch.off(ix, &self.machines[ix].disk, false);
        self.note(ix, "off", &[]);
        for (at, link) in self.network.off(ix) {
            let delay = self.chance.network.below(BELIEF);
            self.after(delay, Event::Notice { at, peer: ix, link });
        }
    }

    /// The disk refused an append, which leaves nothing behind: the station is built anew from what
    /// the disk has, in the same process, with the same links.
    pub(super) fn throw_away(&mut self, ix: Ix) -> Held {
        self.note(ix, "thrown away", &[]);
        self.machines[ix].disk.crash(0);
        let station = self.restored(ix)?;
        let peers: Vec<_> = self.network.neighbours(ix);
        let Some(run) = &mut self.machines[ix].run else { return Ok(()) };
        run.station = station;
        run.topics = run.station.topics();
        run.heard.clear();
        run.questions.clear();
        run.asking.clear();
        run.wakes = None;
        let lost = |input: &Input| {
            !matches!(input, Input::Linked { .. } | Input::Unlinked { .. } | Input::Answered { .. })
        };
        run.waiting.retain(lost);
        let effects = self.ask_station(ix, |station, now, entropy| station.start(now, entropy));
        // The same disk that just failed may fail again; that is another batch.
        self.batch(ix, Vec::new(), effects)?;
        for (peer, _) in peers {
            let peer = self.machines[peer].station;
            self.give(ix, Input::Linked { peer });
        }
        self.rest(ix);
        Ok(())
    }
}
