//! The node's loop around a station, phase by phase, with a crash possible before every effect.
//!
//! Order (`docs/architecture.md`): inputs are handled, verdicts performed, `settle` called once, records
//! appended and synced, and only then anything spoken. A failed append throws the station away and
//! restores it from the disk; a failed sync ends the process.

use std::collections::BTreeSet;
use std::mem::take;

use cbm_proto::event::{Effects, Input, Speak};
use cbm_proto::journal::Record;
use cbm_proto::limits::BATCH_INPUTS;
use cbm_proto::primitives::digest;

use super::World;
use crate::invariants::{self, Failure, Held};
use crate::network::Ix;
use crate::planted::Planted;

/// Burns down with each effect; at zero the machine loses its power.
struct Fuse(Option<u64>);

impl Fuse {
    const fn burns(&mut self) -> bool {
        match &mut self.0 {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }
}

/// What the disk made of a batch.
enum Stored {
    Durable,
    /// The machine lost its power.
    Crashed,
    /// An append failed.
    Failed,
}

/// How the disk fails in a batch.
enum DiskFault {
    Append(usize),
    Sync,
}

impl World {
    /// A run looks at what waits for it.
    pub(super) fn wake(&mut self, ix: Ix, number: u64) -> Held {
        let now = self.clocks(ix);
        let at = self.now;
        let Some(run) = &mut self.machines[ix].run else { return Ok(()) };
        if run.number != number || run.wakes != Some(at) {
            return Ok(());
        }
        run.wakes = None;
        let stalled = self.machines[ix].stalled_until;
        if stalled > at {
            self.nudge(ix, stalled);
            return Ok(());
        }
        let Some(run) = &mut self.machines[ix].run else { return Ok(()) };
        let count = run.waiting.len().min(BATCH_INPUTS);
        let mut inputs: Vec<Input> = run.waiting.drain(..count).collect();
        if run.station.deadline() <= now.mono {
            inputs.push(Input::Tick);
        }
        if !inputs.is_empty() {
            self.batch(ix, inputs, Effects::default())?;
        }
        self.rest(ix);
        Ok(())
    }

    /// Schedules the next look.
    pub(super) fn rest(&mut self, ix: Ix) {
        let pause = self.chance.network.between(1..=4);
        let Some(run) = &self.machines[ix].run else { return };
        let due = run.origin.saturating_add(run.station.deadline().0);
        let at = if run.waiting.is_empty() { due } else { self.now + pause };
        self.nudge(ix, at.max(self.now + 1));
    }

    /// Handles inputs and performs the effects; `effects` are those of the start, if any.
    pub(super) fn batch(&mut self, ix: Ix, inputs: Vec<Input>, mut effects: Effects) -> Held {
        let mut fuse = self.fuse(inputs.len());
        let heard: BTreeSet<_> = inputs
            .iter()
            .filter_map(|i| if let Input::Heard { token, .. } = i { Some(*token) } else { None })
            .collect();
        for input in inputs {
            self.note(ix, "input", describe(&input).as_bytes());
            self.seen.input(&input);
            self.look_ahead(ix, &input);
            effects.absorb(
                self.ask_station(ix, |station, now, entropy| station.handle(now, entropy, input)),
            );
        }
        let verdicts = take(&mut effects.verdicts);
        invariants::one_verdict_each(&heard, &verdicts)?;
        for (token, verdict) in verdicts {
            if fuse.burns() {
                return self.lose_power(ix);
            }
            self.forward(ix, token, verdict);
        }
        if fuse.burns() {
            return self.lose_power(ix);
        }
        let later = self.ask_station(ix, |station, now, entropy| station.settle(now, entropy));
        invariants::one_verdict_each(&BTreeSet::new(), &later.verdicts)?;
        effects.absorb(later);
        self.perform(ix, effects, &mut fuse)
    }

    fn perform(&mut self, ix: Ix, effects: Effects, fuse: &mut Fuse) -> Held {
        let early = self.options.planted == Some(Planted::ReceiptBeforeSync);
        let Effects { appends, speaks, .. } = effects;
        if early && !self.speak_all(ix, speaks.clone(), fuse)? {
            return Ok(());
        }
        match self.store(ix, appends, fuse) {
            Stored::Crashed => return self.lose_power(ix),
            Stored::Failed => {
                if self.options.planted != Some(Planted::FailedAppendIgnored) {
                    return self.throw_away(ix);
                }
            }
            Stored::Durable => {}
        }
        if !early {
            self.speak_all(ix, speaks, fuse)?;
        }
        Ok(())
    }

    /// False if the machine lost its power on the way.
    fn speak_all(&mut self, ix: Ix, speaks: Vec<Speak>, fuse: &mut Fuse) -> Result<bool, Failure> {
        for speak in speaks {
            if fuse.burns() {
                self.lose_power(ix)?;
                return Ok(false);
            }
            self.note(ix, "speak", format!("{speak:?}").as_bytes());
            self.seen.speak(&speak);
            invariants::may_speak(self, ix, &speak)?;
            self.speak(ix, speak)?;
        }
        Ok(true)
    }

    fn store(&mut self, ix: Ix, appends: Vec<Record>, fuse: &mut Fuse) -> Stored {
        if appends.is_empty() {
            return Stored::Durable;
        }
        let fault = self.disk_fault(appends.len());
        let torn = self.torn(appends.len());
        for (count, record) in appends.into_iter().enumerate() {
            if fuse.burns() || torn == Some(count) {
                return Stored::Crashed;
            }
            if matches!(fault, Some(DiskFault::Append(at)) if at == count) {
                return Stored::Failed;
            }
            self.note(ix, "append", &record.bytes);
            self.seen.one("record", &record.kind);
            self.machines[ix].disk.append(record);
        }
        if matches!(fault, Some(DiskFault::Sync))
            && self.options.planted == Some(Planted::FailedSyncIgnored)
        {
            return Stored::Durable;
        }
        if fuse.burns() || matches!(fault, Some(DiskFault::Sync)) {
            return Stored::Crashed;
        }
        let at = self.now;
        let machine = &mut self.machines[ix];
        machine.disk.sync(at);
        machine.moved = false;
        if fuse.burns() { Stored::Crashed } else { Stored::Durable }
    }

    /// In a crowd all hear each beacon, and to verify it sixty times would be all that the world does:
    /// what one station found good the others are told, as the node tells what other cores found.
    fn look_ahead(&mut self, ix: Ix, input: &Input) {
        let (Input::Heard { bytes, .. }, true) = (input, self.is_crowd()) else { return };
        let Some(run) = &mut self.machines[ix].run else { return };
        let message = digest("sim-signed", &[bytes]);
        let known = self.proven.get(&message).copied();
        if let Some(signed) = known.or_else(|| run.station.signed_well(bytes)) {
            self.proven.insert(message, signed);
            run.station.note_verified(vec![signed]);
        }
    }

    /// One call into the station with the time and fresh entropy; nothing if the machine is off.
    pub(super) fn ask_station(
        &mut self,
        ix: Ix,
        call: impl FnOnce(&mut cbm_proto::station::Station, cbm_proto::time::Now, &[u8; 32]) -> Effects,
    ) -> Effects {
        let now = self.clocks(ix);
        let entropy = self.chance.entropy.seed();
        match &mut self.machines[ix].run {
            Some(run) => call(&mut run.station, now, &entropy),
            None => Effects::default(),
        }
    }

    fn fuse(&mut self, inputs: usize) -> Fuse {
        let misfortune = &mut self.chance.misfortune;
        let lit = self.faults && misfortune.happens(self.options.crash);
        Fuse(lit.then(|| misfortune.below(6 + 6 * inputs as u64)))
    }

    /// Before which of several records the power fails, if it does.
    fn torn(&mut self, appends: usize) -> Option<usize> {
        let per_mille = self.options.swarm.torn;
        let tears = per_mille > 0 && appends > 1 && self.faults;
        let misfortune = &mut self.chance.misfortune;
        (tears && misfortune.happens(per_mille)).then(|| 1 + misfortune.index(appends - 1))
    }

    fn disk_fault(&mut self, appends: usize) -> Option<DiskFault> {
        let misfortune = &mut self.chance.misfortune;
        if !self.faults || !misfortune.happens(self.options.storage) {
            return None;
        }
        let at = misfortune.index(appends + 1);
        Some(if at == appends { DiskFault::Sync } else { DiskFault::Append(at) })
    }
}

/// An input in words, for the trace: kinds and digests, no contents.
fn describe(input: &Input) -> String {
    let short = |bytes: &[u8]| format!("{:?}", digest("sim-input", &[bytes]));
    match input {
        Input::Submit { .. } => "submit".to_owned(),
        Input::Act { msg, .. } => format!("act on {msg:?}"),
        Input::Heard { from, bytes, .. } => format!("heard {} from {from:?}", short(bytes)),
        Input::Linked { peer } => format!("linked {peer:?}"),
        Input::Unlinked { peer } => format!("unlinked {peer:?}"),
        Input::Asked { peer, bytes, .. } => format!("asked {} by {peer:?}", short(bytes)),
        Input::Answered { peer, id, answer: None } => format!("no answer of {peer:?} to {id:?}"),
        Input::Answered { peer, id, answer: Some(bytes) } => {
            format!("{peer:?} answered {id:?} with {}", short(bytes))
        }
        Input::Checked { checked, .. } => format!("a check of {}", checked.party),
        Input::Strangers { refused } => format!("{refused} strangers"),
        Input::Recalled { msg, about, envelope } => {
            format!("recalled {msg:?} {} {}", about.len(), envelope.is_some())
        }
        Input::Documents { documents, .. } => format!("{} documents", documents.len()),
        Input::Tick => "tick".to_owned(),
    }
}
