//! Misfortunes of the first phase, drawn before it begins, and the healing after it.

use super::{BEGINNING, Event, World};
use crate::disk::Image;
use crate::invariants::Held;
use crate::network::Ix;
use crate::options::Weather;
use crate::watch;
use cbm_proto::time::{MINUTE, SECOND, Timestamp};

/// Something bad that happens at its time.
#[derive(Clone, Debug)]
pub(super) enum Misfortune {
    /// The power of a machine fails between two effects.
    PowerCut(Ix),
    /// A machine stops, and its disk silently goes back in time while it is off.
    RollBack(Ix),
    /// A machine is restored from an old backup while it is off, and knows it.
    Restore(Ix),
    /// A machine stops, and comes back with an empty data folder and its first keys.
    Vanish(Ix),
    /// A party certifies new keys of a station, which takes them some time later.
    NewKeys(Ix),
    /// A machine does nothing for this many milliseconds; its links stay.
    Stall(Ix, u64),
    /// A machine's clock jumps by this many milliseconds.
    Jump(Ix, i64),
    /// The parties agree on another version of the accord.
    NewAccord(Ix),
    /// A machine is off for this many milliseconds.
    Rest(Ix, u64),
    /// A machine stops, its disk goes back to what it was at this time, and it stops once more.
    GoBack(Ix, u64),
    /// Cables are cut, and mended after this many milliseconds.
    Cut(Vec<(Ix, Ix)>, u64),
    /// They are whole again.
    Mend(Vec<(Ix, Ix)>),
}

impl World {
    /// Draws what people and misfortune will do in the first phase.
    pub fn draw_fate(&mut self) {
        self.draw_people();
        self.draw_misfortunes();
    }

    /// Draws the misfortunes of the first phase.
    fn draw_misfortunes(&mut self) {
        let machines = self.machines.len();
        for _ in 0..self.options.cuts {
            let (a, b) =
                (self.chance.misfortune.index(machines), self.chance.misfortune.index(machines));
            let lasts = self.chance.misfortune.between(SECOND..=90 * SECOND);
            self.draw_time(Misfortune::Cut(vec![(a, b)], lasts));
        }
        for _ in 0..self.options.partitions {
            let order = self.chance.misfortune.order(machines);
            let (left, right) = order.split_at(1 + self.chance.misfortune.index(machines - 1));
            let cables = left.iter().flat_map(|a| right.iter().map(|b| (*a, *b))).collect();
            let lasts = self.chance.misfortune.between(5 * SECOND..=90 * SECOND);
            if self.options.swarm.apart > 0 {
                let at = self.chance.misfortune.between(5 * SECOND..=MINUTE);
                let lasts = self.options.swarm.apart;
                self.schedule(at, Event::Misfortune(Misfortune::Cut(cables, lasts)));
            } else {
                self.draw_time(Misfortune::Cut(cables, lasts));
            }
        }
        if self.options.crash > 0 {
            for _ in 0..self.chance.misfortune.below(4) {
                let ix = self.chance.misfortune.index(machines);
                self.draw_time(Misfortune::PowerCut(ix));
            }
        }
        for _ in 0..self.options.rollbacks {
            let ix = self.chance.misfortune.index(machines);
            self.draw_time(Misfortune::RollBack(ix));
        }
        for _ in 0..self.options.backups {
            let ix = self.chance.misfortune.index(machines);
            self.draw_time(Misfortune::Restore(ix));
        }
        for _ in 0..self.options.rotations {
            let ix = self.chance.misfortune.index(machines);
            self.draw_time(Misfortune::NewKeys(ix));
        }
        self.draw_swarm();
    }

    fn draw_swarm(&mut self) {
        let (swarm, machines) = (self.options.swarm, self.machines.len());
        for _ in 0..swarm.stalls {
            let ix = self.chance.misfortune.index(machines);
            let lasts = self.chance.misfortune.between(3 * SECOND..=2 * MINUTE);
            self.draw_time(Misfortune::Stall(ix, lasts));
        }
        for _ in 0..swarm.jumps {
            let ix = self.chance.misfortune.index(machines);
            let far = self.chance.misfortune.between(SECOND..=swarm.jump);
            let far = i64::try_from(far).unwrap_or(0);
            let jump = if self.chance.misfortune.happens(500) { far } else { -far };
            self.draw_time(Misfortune::Jump(ix, jump));
        }
        for _ in 0..swarm.accords {
            let ix = self.chance.misfortune.index(machines);
            self.draw_time(Misfortune::NewAccord(ix));
        }
        for _ in 0..swarm.vanished {
            let ix = self.chance.misfortune.index(machines);
            self.draw_time(Misfortune::Vanish(ix));
        }
        for _ in 0..swarm.slow {
            let ix = self.chance.misfortune.index(machines);
            self.machines[ix].slow = self.chance.misfortune.between(1..=swarm.slowness);
        }
        self.draw_groups();
        self.draw_scene();
        if swarm.liar {
            let states: usize = self.options.stations.iter().sum();
            self.liar = Some(self.chance.misfortune.index(states));
        }
    }

    fn draw_time(&mut self, misfortune: Misfortune) {
        let at = self.chance.misfortune.between(5 * SECOND..=self.options.safety);
        self.schedule(at, Event::Misfortune(misfortune));
    }

    pub(super) fn misfortune(&mut self, misfortune: Misfortune) -> Held {
        if !self.faults && !matches!(misfortune, Misfortune::Mend(_)) {
            return Ok(());
        }
        self.note(usize::MAX, &format!("{misfortune:?}"), &[]);
        match misfortune {
            Misfortune::PowerCut(ix) => {
                watch::remembers(self, ix)?;
                let away = self.chance.misfortune.between(100..=self.options.away);
                self.power_off(ix);
                self.after(away, Event::Start(ix));
            }
            Misfortune::RollBack(ix) => {
                if let Some(image) = self.draw_image(ix) {
                    let moved = self.chance.misfortune.happens(300);
                    self.roll_back(ix, image, moved);
                    self.cut_power_again(ix);
                }
            }
            Misfortune::Restore(ix) => {
                if let Some(image) = self.draw_image(ix) {
                    self.bring_back(ix, image);
                }
            }
            Misfortune::Vanish(ix) => self.vanish(ix),
            Misfortune::NewKeys(ix) => self.certify_new_keys(ix),
            Misfortune::Rest(ix, lasts) => self.rest_for(ix, lasts),
            Misfortune::GoBack(ix, time) => self.go_back_to(ix, time),
            Misfortune::Stall(ix, lasts) => self.machines[ix].stalled_until = self.now + lasts,
            Misfortune::Jump(ix, far) => self.machines[ix].skew += far,
            Misfortune::NewAccord(ix) => self.agree_anew(ix),
            Misfortune::Cut(cables, lasts) => {
                self.cut_cables(&cables);
                self.after(lasts, Event::Misfortune(Misfortune::Mend(cables)));
            }
            Misfortune::Mend(cables) => {
                for (a, b) in cables {
                    self.network.mend(a, b);
                }
            }
        }
        Ok(())
    }

    /// A state that a machine's disk goes back to; in some worlds rather one in which a draft waited.
    fn draw_image(&mut self, ix: Ix) -> Option<Image> {
        let disk = &self.machines[ix].disk;
        let waiting = if self.options.swarm.eager { disk.waiting_images() } else { Vec::new() };
        let images = if waiting.is_empty() { disk.images() } else { &waiting[..] };
        images.get(self.chance.misfortune.index(images.len())).copied()
    }

    /// In some worlds a machine whose disk went back loses its power again while it asks.
    fn cut_power_again(&mut self, ix: Ix) {
        if self.options.swarm.eager && self.chance.misfortune.happens(700) {
            let back = self.machines[ix].rests_until;
            let pause = self.chance.misfortune.between(200..=6_000);
            self.schedule(back + pause, Event::Misfortune(Misfortune::PowerCut(ix)));
        }
    }

    /// Cuts cables; whoever has a link over one notices within some seconds.
    pub(super) fn cut_cables(&mut self, cables: &[(Ix, Ix)]) {
        for (a, b) in cables.iter().filter(|(a, b)| a != b) {
            self.network.cut(*a, *b);
            for (at, peer) in [(*a, *b), (*b, *a)] {
                if let Some(link) = self.network.believes(at, peer) {
                    let delay = self.chance.network.below(6 * SECOND);
                    self.after(delay, Event::Notice { at, peer, link });
                }
            }
        }
    }

    /// The machine goes off, its disk back to this image, and comes on again when no packet that
    /// was sent before is still under way. `moved`: its file has another identity then.
    pub(super) fn roll_back(&mut self, ix: Ix, image: Image, moved: bool) {
        self.set_back(ix, image, self.options.longest_delay());
        self.machines[ix].moved |= moved;
    }

    /// The machine goes off, its disk back to this image, and comes on again after so long and up to
    /// half a minute.
    fn set_back(&mut self, ix: Ix, image: Image, rests: u64) {
        self.power_off(ix);
        let forgotten = self.machines[ix].disk.roll_back(image);
        self.watch.off(ix, &self.machines[ix].disk, true);
        self.note(ix, &format!("goes back to {} ms", image.at), &[]);
        self.spoken.holds_nothing(ix);
        self.model.forget(ix, &forgotten);
        let back = self.now + rests + self.chance.misfortune.below(30 * SECOND);
        let machine = &mut self.machines[ix];
        machine.rests_until = back;
        machine.rolled_back = true;
        self.schedule(back, Event::Start(ix));
    }

    /// The machine goes off, and comes on again soon with an empty data folder, its first keys, and
    /// the documents that it was founded with. Nothing of before needs to have arrived: it begins an
    /// incarnation whatever others hold.
    pub(super) fn vanish(&mut self, ix: Ix) {
        self.set_back(ix, Image { length: 0, at: 0 }, 0);
        let machine = &mut self.machines[ix];
        (machine.moved, machine.restored) = (false, None);
    }

    /// The machine goes off, and comes on again with a disk that was restored from a backup of this
    /// image, as `cbm restore` leaves it: another file, and the backup's time beside it.
    pub(super) fn bring_back(&mut self, ix: Ix, image: Image) {
        self.roll_back(ix, image, true);
        let machine = &mut self.machines[ix];
        let wall = (BEGINNING + image.at).saturating_add_signed(machine.skew);
        machine.restored = Some(Timestamp(wall));
    }

    /// Ends the first phase: from here on nothing is lost, cut or off, and officers work.
    ///
    /// # Errors
    /// An invariant that does not hold when the machines start.
    pub fn heal(&mut self) -> Held {
        self.note(usize::MAX, "heal", &[]);
        self.faults = false;
        self.weather = Weather { delay: self.weather.delay.min(50), ..Weather::default() };
        self.network.mend_all();
        for ix in 0..self.machines.len() {
            self.machines[ix].held = false;
            if self.machines[ix].stalled(self.now) {
                self.machines[ix].stalled_until = 0;
                self.nudge(ix, self.now);
            }
            self.machines[ix].slow = 0;
            // Clocks are set.
            let skew = i64::try_from(self.options.skew).unwrap_or(0);
            self.machines[ix].skew = self.machines[ix].skew.clamp(0, skew);
            self.schedule(self.now, Event::Start(ix));
        }
        self.hand_in_all_charters();
        Ok(())
    }
}
