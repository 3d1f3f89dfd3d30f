//! The words in which scenario tests are written: stop, start, cut, send, expect.
//!
//! A station is named by its party, `BBB`, or in full, `BBB/cert`. Everything here panics when it
//! cannot be done or when an invariant breaks: it is called by tests only, and the panic's words
//! are the failure.

use std::sync::Arc;

use cbm_proto::event::{Act, Topic};
use cbm_proto::id::{MsgId, PartyCode, StationName};
use cbm_proto::keys::StationKeys;
use cbm_proto::receipt::State;
use cbm_proto::station::{Addressee, Speaks, Station};
use cbm_proto::terms::{Level, Outcome, Reason};
use cbm_proto::time::SECOND;

use super::{Event, Machine, World, Written};
use crate::disk::Image;
use crate::foes::Foe;
use crate::invariants;
use crate::network::Ix;
use crate::options::Options;

/// Longest that anything expected may take, virtual milliseconds.
const PATIENCE: u64 = 600 * SECOND;

fn must<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}

/// A party's code from its text.
#[must_use]
pub fn party(code: &str) -> PartyCode {
    must(PartyCode::new(code))
}

impl World {
    /// Parties `AAA`, `BBB`, … of one station each, up, linked each with each, on calm lines.
    #[must_use]
    pub fn calm(parties: usize) -> Self {
        Self::begun(Options::calm(7, parties, 0))
    }

    /// A world of these options, its stations up and speaking. With `CBM_VERBOSE` in the
    /// environment it prints what happens.
    #[must_use]
    pub fn begun(options: Options) -> Self {
        let mut world = must(Self::new(options));
        world.faults = false;
        world.verbose = std::env::var_os("CBM_VERBOSE").is_some();
        let speak = |w: &Self| w.machines.iter().all(|m| m.station().is_some_and(speaks));
        world.until("all stations speak", speak);
        world.pass(10 * SECOND);
        world
    }

    /// The machine of a station.
    #[must_use]
    pub fn at(&self, name: &str) -> Ix {
        let full = StationName::parse(name).ok();
        let fits = |m: &Machine| match &full {
            Some(full) => m.name == *full,
            None => m.name.party().as_str() == name,
        };
        match self.machines.iter().position(fits) {
            Some(ix) => ix,
            None => panic!("no station is called {name}"),
        }
    }

    /// A running station.
    #[must_use]
    pub fn station(&self, name: &str) -> &Station {
        match self.machines[self.at(name)].station() {
            Some(station) => station,
            None => panic!("{name} is off"),
        }
    }

    /// The keys of a station, for whoever stole them.
    #[must_use]
    pub fn stolen_keys(&self, name: &str) -> Arc<StationKeys> {
        match self.founded.keys(self.machines[self.at(name)].station) {
            Some(keys) => keys,
            None => panic!("{name} has no keys"),
        }
    }

    /// The station of a machine, turned: no invariant holds for it from here on.
    #[must_use]
    pub fn foe(&mut self, ix: Ix) -> Foe {
        let (name, station) = (self.machines[ix].name.clone(), self.machines[ix].station);
        self.forgers.insert(station);
        Foe::new(&name, self.stolen_keys(&name.to_string()), self.founded.directory())
    }

    /// The gossip topic of all STATE parties.
    #[must_use]
    pub fn everybody(&self) -> Topic {
        match self.founded.directory().group("all") {
            Some(group) => Topic::Lane(group.lane),
            None => panic!("there is no group of all"),
        }
    }

    /// Lets time pass.
    pub fn pass(&mut self, ms: u64) {
        must(self.run_until(self.now() + ms));
    }

    /// Lets time pass until something holds.
    pub fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = self.now() + PATIENCE;
        while !holds(self) {
            assert!(self.now() < end, "still not so after {PATIENCE} ms: {what}");
            self.pass(50);
        }
    }

    /// Sends an operator's note; returns its id once `send` has returned.
    pub fn send(&mut self, from: &str, to: &[&str]) -> MsgId {
        self.send_letter(from, Written::note(to.iter().map(|code| party(code)).collect()))
    }

    /// Sends a letter; returns its id once `send` has returned.
    pub fn send_letter(&mut self, from: &str, written: Written) -> MsgId {
        let ix = self.at(from);
        let Some(number) = must(self.submit(ix, written)) else { panic!("{from} is off") };
        self.until("send returns", |world| {
            world.model.letters()[number].promised || !world.model.denied().is_empty()
        });
        match self.model.letters()[number].msg {
            Some(msg) => msg,
            None => panic!("send was denied: {:?}", self.model.denied()),
        }
    }

    /// Switches a station off; it stays off.
    pub fn stop(&mut self, name: &str) {
        let ix = self.at(name);
        self.machines[ix].held = true;
        self.power_off(ix);
    }

    /// Switches it on.
    pub fn restart(&mut self, name: &str) {
        let ix = self.at(name);
        self.machines[ix].held = false;
        must(self.start(ix));
    }

    /// Switches it off, and on again with the disk as it was at `time`.
    pub fn go_back(&mut self, name: &str, time: u64) {
        let ix = self.at(name);
        let images = self.machines[ix].disk.images();
        let image: Image = match images.iter().rfind(|image| image.at < time) {
            Some(image) => *image,
            None => panic!("{name} had written nothing at {time}"),
        };
        self.roll_back(ix, image, false);
        let back = self.machines[ix].rests_until + 1;
        self.pass(back.saturating_sub(self.now()));
    }

    /// Restores it from a backup that was made at `time`; it knows that it was.
    pub fn restore_backup(&mut self, name: &str, time: u64) {
        let ix = self.at(name);
        let images = self.machines[ix].disk.images();
        let image: Image = match images.iter().rfind(|image| image.at < time) {
            Some(image) => *image,
            None => panic!("{name} had written nothing at {time}"),
        };
        self.bring_back(ix, image);
        let back = self.machines[ix].rests_until + 1;
        self.pass(back.saturating_sub(self.now()));
    }

    /// Starts a copy of a station's machine, beside it.
    pub fn clone_machine(&mut self, name: &str) -> Ix {
        let ix = self.at(name);
        let machine = &self.machines[ix];
        let copy = Machine {
            name: machine.name.clone(),
            station: machine.station,
            watches: machine.watches,
            disk: machine.disk.copy(),
            run: None,
            moved: true,
            skew: 0,
            stalled_until: 0,
            slow: 0,
            runs: 1_000,
            held: false,
            rests_until: 0,
            rolled_back: false,
            restored: None,
        };
        self.cloned.insert(copy.station);
        self.machines.push(copy);
        let new = self.machines.len() - 1;
        for other in (0..new).filter(|other| *other != ix) {
            self.network.plan(other, new);
        }
        self.schedule(self.now(), Event::Start(new));
        new
    }

    /// Cuts the cable between two stations and lets both notice.
    pub fn cut(&mut self, a: &str, b: &str) {
        self.cut_cables(&[(self.at(a), self.at(b))]);
        self.pass(7 * SECOND);
    }

    /// Cuts every cable between two sets of stations and lets all notice.
    pub fn partition(&mut self, left: &[&str], right: &[&str]) {
        let cables: Vec<(Ix, Ix)> =
            left.iter().flat_map(|a| right.iter().map(|b| (self.at(a), self.at(b)))).collect();
        self.cut_cables(&cables);
        self.pass(7 * SECOND);
    }

    /// Mends all cables and lets everyone link again.
    pub fn mend(&mut self) {
        self.network.mend_all();
        self.pass(7 * SECOND);
    }

    /// How a letter stands at one addressee, as its sender sees it.
    #[must_use]
    pub fn progress(&self, from: &str, msg: MsgId, at: &str) -> Addressee {
        let ix = self.at(from);
        let id = self.machines[self.at(at)].station;
        let status = self.station(from).status(self.clocks(ix), &msg);
        let found = status.and_then(|s| s.addressees.into_iter().find(|a| a.id == id));
        match found {
            Some(addressee) => addressee,
            None => panic!("{at} is no addressee of {msg:?}"),
        }
    }

    /// Waits until the sender knows of a level at an addressee.
    pub fn expect_level(&mut self, from: &str, msg: MsgId, at: &str, level: Level) {
        self.until(&format!("{at} reaches {level}"), |world| {
            world.progress(from, msg, at).level >= Some(level)
        });
    }

    /// The state that the sender sees.
    #[must_use]
    pub fn state(&self, from: &str, msg: MsgId, at: &str) -> State {
        self.progress(from, msg, at).state
    }

    /// How often a letter stands in an inbox.
    #[must_use]
    pub fn copies(&self, name: &str, msg: MsgId) -> usize {
        self.station(name).inbox().filter(|letter| letter.msg == msg).count()
    }

    /// An officer acknowledges.
    pub fn acknowledge(&mut self, name: &str, msg: MsgId, outcome: Option<Outcome>) {
        self.act(self.at(name), msg, Act::Ack { outcome, text: String::new() });
    }

    /// An officer declines.
    pub fn decline(&mut self, name: &str, msg: MsgId) {
        let act = Act::Decline { reason: Reason::NoReasonGiven, text: String::new() };
        self.act(self.at(name), msg, act);
    }

    /// Holds every invariant against the world as it stands.
    pub fn check(&mut self) {
        must(invariants::all(self));
    }
}

fn speaks(station: &Station) -> bool {
    station.speaks() == Speaks::Yes
}
