//! The switch: takes each packet from the device it was sent on, and puts it, later or never, into
//! the one it is for.
//!
//! One thread reads each device, one delivers what is due. A packet passes its sender's access, the
//! line between the two places, and its receiver's access, in this order. Invariants: the draws of
//! a line depend on the seed, the line and the number of the packet on it alone; packets that wait
//! are bounded, and above the bound they are lost, as on any line. Called by `nets`.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    io,
    net::IpAddr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{Builder, JoinHandle},
    time::Instant,
};

use tun_rs::SyncDevice;

use super::{
    line::{Line, Pipe},
    nat::Nat,
    packet,
};
use crate::chance::Chance;

/// Packets under way, at most: 96 MiB of the largest.
const UNDER_WAY: usize = 65_536;
/// Largest packet of a device with its usual settings.
const PACKET: usize = 1_500;

/// What a line has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets sent.
    pub packets: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Of the packets: those that did not arrive.
    pub lost: u64,
}

struct Place {
    device: Arc<SyncDevice>,
    nat: Option<Nat>,
    up: Pipe,
    down: Pipe,
}

struct Route {
    line: Line,
    chance: Chance,
    count: Count,
}

/// A packet under way.
struct Flight {
    from: usize,
    to: usize,
    packet: Vec<u8>,
    /// It has passed the receiver's access.
    landed: bool,
}

#[derive(Default)]
struct State {
    seed: u64,
    places: Vec<Place>,
    by_address: BTreeMap<IpAddr, usize>,
    routes: BTreeMap<(usize, usize), Route>,
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    flights: BTreeMap<u64, Flight>,
    next: u64,
    unreachable: u64,
    stopped: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// See the module.
pub(super) struct Switch {
    shared: Arc<Shared>,
    clock: Option<JoinHandle<()>>,
}

impl Switch {
    pub(super) fn start(seed: u64) -> Self {
        let shared = Arc::new(Shared::default());
        shared.lock().seed = seed;
        let ours = shared.clone();
        let clock = Builder::new().name("switch".to_owned()).spawn(move || ours.deliver());
        Self { shared, clock: clock.ok() }
    }

    /// One more place; its number is the count of those before it.
    pub(super) fn join(
        &self,
        address: IpAddr,
        device: Arc<SyncDevice>,
        nat: Option<Nat>,
    ) -> io::Result<()> {
        let mut state = self.shared.lock();
        let place = state.places.len();
        let outside = nat.as_ref().map_or(address, |nat| nat.outside.into());
        state.by_address.insert(outside, place);
        let (up, down) = (Pipe::default(), Pipe::default());
        state.places.push(Place { device: device.clone(), nat, up, down });
        let ours = self.shared.clone();
        let reader = Builder::new().name(format!("place-{place}"));
        reader.spawn(move || ours.read(place, &device)).map(drop)
    }

    pub(super) fn line(&self, from: usize, to: usize, change: impl FnOnce(&mut Line)) {
        change(&mut self.shared.lock().route(from, to).line);
    }

    pub(super) fn access(&self, place: usize, up: Pipe, down: Pipe) {
        let place = &mut self.shared.lock().places[place];
        (place.up, place.down) = (up, down);
    }

    pub(super) fn count(&self, from: usize, to: usize) -> Count {
        self.shared.lock().route(from, to).count
    }

    pub(super) fn unreachable(&self) -> u64 {
        self.shared.lock().unreachable
    }

    pub(super) fn stop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
        if let Some(clock) = self.clock.take() {
            // It has nothing to tell.
            let _ = clock.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until the device is gone.
    fn read(&self, place: usize, device: &SyncDevice) {
        let mut buffer = [0; PACKET];
        while let Ok(length) = device.recv(&mut buffer) {
            let mut state = self.lock();
            state.take(place, buffer[..length].to_vec(), Instant::now());
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Until told to stop.
    fn deliver(&self) {
        let mut state = self.lock();
        while !state.stopped {
            let now = Instant::now();
            let landed = state.land(now);
            if !landed.is_empty() {
                drop(state);
                for (device, packet) in landed {
                    // The place may be gone, or its queue full: then the packet is lost.
                    let _ = device.send(&packet);
                }
                state = self.lock();
                continue;
            }
            state = match state.due.peek() {
                Some(Reverse((at, _))) => {
                    let wait = at.saturating_duration_since(now);
                    let waited = self.changed.wait_timeout(state, wait);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl State {
    fn route(&mut self, from: usize, to: usize) -> &mut Route {
        let seed = self.seed;
        self.routes.entry((from, to)).or_insert_with(|| Route {
            line: Line::default(),
            chance: Chance::new(seed, &format!("line {from} to {to}")),
            count: Count::default(),
        })
    }

    /// A packet leaves its place.
    fn take(&mut self, from: usize, mut packet: Vec<u8>, now: Instant) {
        let Some(ends) = packet::ends(&packet) else { return };
        let spoken = match &mut self.places[from].nat {
            Some(nat) => nat.outbound(&mut packet),
            None => true,
        };
        let to = self.by_address.get(&ends.to).copied().filter(|to| *to != from);
        let (true, Some(to)) = (spoken, to) else {
            self.unreachable += u64::from(ends.ports.is_some());
            return;
        };
        let room = self.flights.len() < UNDER_WAY;
        let sent = self.places[from].up.pass(now, packet.len()).filter(|_| room);
        let route = self.route(from, to);
        route.count.packets += 1;
        route.count.bytes += packet.len() as u64;
        let delay = route.line.pass(&mut route.chance);
        match (sent, delay) {
            (Some(sent), Some(delay)) => {
                self.fly(sent + delay, Flight { from, to, packet, landed: false });
            }
            _ => route.count.lost += 1,
        }
    }

    fn fly(&mut self, at: Instant, flight: Flight) {
        self.next += 1;
        self.due.push(Reverse((at, self.next)));
        self.flights.insert(self.next, flight);
    }

    /// What has arrived by now; what only came to its receiver's access waits there.
    fn land(&mut self, now: Instant) -> Vec<(Arc<SyncDevice>, Vec<u8>)> {
        let mut landed = Vec::new();
        while let Some(Reverse((at, number))) = self.due.peek().copied()
            && at <= now
        {
            self.due.pop();
            let Some(mut flight) = self.flights.remove(&number) else { continue };
            let place = &mut self.places[flight.to];
            if flight.landed {
                landed.push((place.device.clone(), flight.packet));
                continue;
            }
            if place.nat.as_mut().is_some_and(|nat| !nat.inbound(&mut flight.packet)) {
                self.unreachable += 1;
                continue;
            }
            match place.down.pass(at, flight.packet.len()) {
                Some(at) => self.fly(at, Flight { landed: true, ..flight }),
                None => self.route(flight.from, flight.to).count.lost += 1,
            }
        }
        landed
    }
}
