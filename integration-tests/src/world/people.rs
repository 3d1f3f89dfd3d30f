//! People: they write letters, and look into the inbox from time to time and answer.

use cbm_proto::event::{Act, Denied, Input, Officer, Token};
use cbm_proto::id::MsgId;
use cbm_proto::terms::{Level, Outcome, Reason};
use cbm_proto::time::SECOND;

use super::{Event, World, Written, letters};
use crate::invariants::{Failure, Held};
use crate::model::{Decision, Letter};
use crate::network::Ix;

/// Letters of a world whose people write at each start.
const LETTERS_MAX: usize = 40;

impl World {
    /// Schedules what people do of their own accord.
    pub(super) fn draw_people(&mut self) {
        for _ in 0..self.options.letters {
            let at = self.chance.people.between(2 * SECOND..=self.options.safety);
            self.schedule(at, Event::Write);
        }
        self.officers = true;
        for ix in 0..self.machines.len() {
            if !self.machines[ix].watches {
                let at = self.chance.people.between(5 * SECOND..=20 * SECOND);
                self.schedule(at, Event::Officer(ix));
            }
        }
    }

    /// Somebody writes a letter, if the machine is on.
    pub(super) fn write(&mut self) -> Held {
        let states: usize = self.options.stations.iter().sum();
        let author = self.chance.people.index(states);
        self.write_at(author)
    }

    /// Somebody writes a letter at this machine, if it is on.
    pub(super) fn write_at(&mut self, author: Ix) -> Held {
        let written = letters::draw(self, author);
        self.submit(author, written).map(|_| ())
    }

    /// A machine is back: in some worlds its people write at once.
    pub(super) fn write_eagerly(&mut self, ix: Ix) {
        let some = self.faults && self.options.swarm.eager && !self.machines[ix].watches;
        if some && self.model.next() < LETTERS_MAX && self.chance.people.happens(500) {
            let pause = self.chance.people.between(20..=3 * SECOND);
            self.after(pause, Event::WriteAt(ix));
        }
    }

    pub(super) fn people(&mut self) -> &mut crate::chance::Chance {
        &mut self.chance.people
    }

    /// Gives a letter to a machine; returns its number, `None` if the machine is off.
    ///
    /// # Errors
    /// The catalogue refused the draft: the simulator itself is wrong.
    pub fn submit(&mut self, author: Ix, written: Written) -> Result<Option<usize>, Failure> {
        let number = self.model.next();
        let (draft, text) = written.draft(number, self.options.seed)?;
        let token = self.token(author);
        let Some(run) = &self.machines[author].run else { return Ok(None) };
        let letter = Letter {
            number,
            author,
            to: written.to,
            info: written.info,
            precedence: written.precedence,
            status: written.status,
            text,
            msg: None,
            promised: false,
            forgotten: false,
        };
        self.model.begin(letter, run.number, token);
        self.give(author, Input::Submit { token, draft: Box::new(draft) });
        Ok(Some(number))
    }

    /// A command returned to the person who gave it.
    pub(super) fn replied(&mut self, ix: Ix, token: Token, result: Result<MsgId, Denied>) -> Held {
        let run = self.machines[ix].run.as_ref().map_or(0, |run| run.number);
        self.model.returned((ix, run, token), result).map_err(|what| Failure::broken("I2", what))
    }

    /// An officer answers what lies in the inbox unanswered, and comes back later.
    pub(super) fn officer(&mut self, ix: Ix) {
        if !self.officers {
            return;
        }
        let inbox = self.machines[ix].station().into_iter().flat_map(|s| s.inbox());
        let open: Vec<MsgId> = inbox
            .filter(|letter| !letter.info && letter.level.is_none_or(|level| level < Level::L4))
            .map(|letter| letter.msg)
            .filter(|msg| !self.model.acted(ix, *msg))
            .collect();
        for msg in open {
            self.act(ix, msg, decided(&msg));
        }
        let pause = self.chance.people.between(5 * SECOND..=15 * SECOND);
        self.after(pause, Event::Officer(ix));
    }

    /// An officer does something with a letter.
    pub fn act(&mut self, ix: Ix, msg: MsgId, act: Act) {
        let by = Officer { name: "duty".to_owned(), office: "duty desk".to_owned() };
        let token = self.token(ix);
        let run = self.machines[ix].run.as_ref().map_or(0, |run| run.number);
        self.model.acts((ix, run, token), msg);
        self.give(ix, Input::Act { token, msg, act, by, signed: None });
    }
}

fn decided(msg: &MsgId) -> Act {
    let text = String::new();
    match Decision::of(msg) {
        Decision::Acknowledge => Act::Ack { outcome: None, text },
        Decision::Accept => Act::Ack { outcome: Some(Outcome::Accepted), text },
        Decision::Decline => Act::Decline { reason: Reason::NoReasonGiven, text },
    }
}
