//! Asking the other shards, step by step as `io::shards` does it, with the very choice of whom to ask, again and for how long.

use super::{Asking, Event, Fleet, Id, Moment, Question, SHARD_SHARE, seconds};
use crate::process::Job;
use bulwark::core::shard::Shard;
use bulwark::core::shard::choice::{Standing, may_hedge, order, patience, slow_after};
use std::time::Duration;

impl Fleet {
    /// Asks one process of each other shard.
    pub(super) fn asks_all(&mut self, id: Id) {
        let home = self.calls[id.0 as usize].home;
        let number = (home / self.plan.processes) as u32 + 1;
        let own = Shard::new(number, self.plan.shards).expect("one of them");
        self.calls[id.0 as usize].askings.clear();
        self.calls[id.0 as usize].waiting = self.plan.shards as usize - 1;
        for (asking, shard) in own.others().enumerate() {
            let first = (shard.number() as usize - 1) * self.plan.processes;
            let peers: Vec<usize> = (first..first + self.plan.processes)
                .filter(|process| self.processes[*process].listed)
                .collect();
            let failed = |at: Moment| Duration::from_nanos(self.now - at);
            let standing = |process: &usize| Standing {
                asked: self.asked[home][*process],
                failed: self.failed[home][*process].map(failed),
            };
            let standings: Vec<Standing> = peers.iter().map(standing).collect();
            let turn = self.turns[home][shard.number() as usize];
            self.turns[home][shard.number() as usize] += 1;
            let wait = patience(&standings, Duration::from_secs_f64(self.plan.answer_time_max));
            let mut next: Vec<usize> =
                order(&standings, turn).into_iter().map(|place| peers[place]).collect();
            let again = next.first().copied().filter(|_| next.len() == 1);
            next.reverse();
            let new = Asking { next, again, ..Asking::default() };
            self.calls[id.0 as usize].askings.push(new);
            if self.asks_next(id, asking, false) {
                self.at(self.now + self.slow_after(), Event::Hedges { id, asking });
                self.at(self.now + seconds(wait.as_secs_f64()), Event::GivesUp { id, asking });
            } else {
                self.ends(id, asking, true);
            }
        }
        self.at(self.now + seconds(self.plan.answer_time_max), Event::Over(id));
    }

    fn slow_after(&self) -> Moment {
        let hedge_after = Duration::from_secs_f64(self.plan.hedge_after);
        seconds(slow_after(hedge_after, self.plan.signals).as_secs_f64())
    }

    /// Asks the next of those that keep the shard; says whether there was one.
    fn asks_next(&mut self, id: Id, asking: usize, may_repeat: bool) -> bool {
        let (now, call) = (self.now, &mut self.calls[id.0 as usize]);
        let (home, counts, state) = (call.home, call.counts, &mut call.askings[asking]);
        let next = state.next.pop();
        let next = next.or_else(|| state.again.take().filter(|_| may_repeat));
        let Some(process) = next else { return false };
        let place = state.asked.len();
        state.asked.push(Question { process, since: now, open: true });
        self.asked[home][process] += 1;
        self.questions[home][0] += 1;
        self.tally.asked += u64::from(counts);
        let way = self.pass();
        self.after(way, Event::Reaches { id, asking, place });
        true
    }

    fn is_open(&self, id: Id, asking: usize, place: usize) -> bool {
        let call = &self.calls[id.0 as usize];
        let is_now = call.is_open && call.life == id.1 && self.processes[call.home].up;
        is_now && call.askings[asking].asked[place].open
    }

    /// A question comes to the process that is asked.
    pub(super) fn reaches(&mut self, id: Id, asking: usize, place: usize) {
        if !self.is_open(id, asking, place) {
            return;
        }
        let asked = self.calls[id.0 as usize].askings[asking].asked[place].process;
        let process = &mut self.processes[asked];
        if process.up && process.questions < self.plan.in_flight_calls.saturating_mul(SHARD_SHARE) {
            process.questions += 1;
            self.push(asked, Job::Looks { id, asking, place });
        } else if !process.silent {
            let way = self.pass();
            self.after(way, Event::Told { id, asking, place, ok: false });
        }
    }

    /// An answer, or that there is none, comes to the process that asked.
    pub(super) fn told(&mut self, id: Id, asking: usize, place: usize, ok: bool) {
        if !self.is_open(id, asking, place) {
            return;
        }
        if ok {
            let home = self.calls[id.0 as usize].home;
            return self.push(home, Job::Hears { id, asking, place });
        }
        let now = self.now;
        let process = self.closes(id, asking, place);
        let call = &self.calls[id.0 as usize];
        // One that has no place for a question is there.
        if !self.processes[process].up {
            self.failed[call.home][process] = Some(now);
        }
        self.tally.failed += u64::from(call.counts);
        let others = call.askings[asking].asked.iter().any(|question| question.open);
        if !self.asks_next(id, asking, true) && !others {
            self.ends(id, asking, true);
        }
    }

    fn closes(&mut self, id: Id, asking: usize, place: usize) -> usize {
        let call = &mut self.calls[id.0 as usize];
        let question = &mut call.askings[asking].asked[place];
        question.open = false;
        self.asked[call.home][question.process] -= 1;
        question.process
    }

    /// The answer is read; who else was asked is given up.
    pub(super) fn answered(&mut self, id: Id, asking: usize, place: usize) {
        if !self.is_open(id, asking, place) {
            return;
        }
        let process = self.closes(id, asking, place);
        let home = self.calls[id.0 as usize].home;
        self.failed[home][process] = None;
        self.ends(id, asking, false);
    }

    fn is_asking(&self, id: Id, asking: usize) -> bool {
        let call = &self.calls[id.0 as usize];
        let is_now = call.is_open && call.life == id.1 && self.processes[call.home].up;
        is_now && !call.askings[asking].done
    }

    pub(super) fn hedges(&mut self, id: Id, asking: usize) {
        if !self.is_asking(id, asking) {
            return;
        }
        let (home, counts) = (self.calls[id.0 as usize].home, self.calls[id.0 as usize].counts);
        let [asked, hedged] = self.questions[home];
        if may_hedge(asked, hedged) && self.asks_next(id, asking, false) {
            self.questions[home][1] += 1;
            self.tally.hedged += u64::from(counts);
        }
    }

    /// Those that keep a shard are not waited for any longer.
    pub(super) fn gives_up(&mut self, id: Id, asking: usize) {
        if self.is_asking(id, asking) {
            self.ends(id, asking, true);
        }
    }

    /// There is no more time to ask.
    pub(super) fn over(&mut self, id: Id) {
        let call = &self.calls[id.0 as usize];
        if !call.is_open || call.life != id.1 || !self.processes[call.home].up {
            return;
        }
        for asking in 0..call.askings.len() {
            if !self.calls[id.0 as usize].askings[asking].done {
                self.ends(id, asking, true);
            }
        }
    }

    /// Nothing more is waited for from a shard; after the last of them it is decided.
    fn ends(&mut self, id: Id, asking: usize, missing: bool) {
        let slow_after = self.slow_after();
        let count = self.calls[id.0 as usize].askings[asking].asked.len();
        for place in 0..count {
            let question = &self.calls[id.0 as usize].askings[asking].asked[place];
            let (open, since) = (question.open, question.since);
            if open {
                let process = self.closes(id, asking, place);
                if self.now - since >= slow_after {
                    let home = self.calls[id.0 as usize].home;
                    self.failed[home][process] = Some(self.now);
                }
            }
        }
        let call = &mut self.calls[id.0 as usize];
        call.askings[asking].done = true;
        call.missing |= missing;
        call.waiting -= 1;
        if call.waiting == 0 {
            let home = call.home;
            self.push(home, Job::Decides(id));
        }
    }
}
