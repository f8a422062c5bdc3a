//! A fleet of processes under calls, event by event in the order of time.

mod asking;
mod happenings;

use crate::costs::{Costs, Draw};
use crate::process::{Job, Process};
use crate::shared::Dice;
use crate::tally::Tally;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Nanoseconds.
pub type Moment = u64;

pub const fn seconds(seconds: f64) -> Moment {
    (seconds * 1e9) as Moment
}

fn micros(micros: f64) -> Moment {
    (micros * 1e3) as Moment
}

/// Places for questions of other processes, in so many times those for calls (`server::admission`).
const SHARD_SHARE: usize = 8;
/// Time until the others know that a process is there, or went in order (`io::shards`), and until the row of one that
/// went without a word is taken away (`docs/decisions/0015`).
const LOOK_EVERY: f64 = 1.0;
const REAPED_AFTER: f64 = 15.0;
/// Time until whoever sends calls notices that a process is gone, and then sends again what it has not answered. Assumed.
const NOTICED_AFTER: f64 = 1.0;

/// What happens to processes.
#[derive(Clone, Copy)]
pub enum Happening {
    /// Ends without a word; its machine says so to whoever asks.
    Killed(usize),
    /// Nothing comes from its machine any more.
    Silent(usize),
    /// Ends in order: takes no new calls at first, then goes.
    Drains(usize),
    Leaves(usize),
    /// Serves again.
    Back(usize),
    /// Takes so many times as long for everything.
    Slow(usize, f64),
    /// Calls come so many times as often.
    Rate(f64),
    /// A part of the calls goes to one process, whatever the balancer would do.
    Favours(usize, f64),
}

#[derive(Clone)]
pub struct Plan {
    pub shards: u32,
    /// Processes of each shard.
    pub processes: usize,
    pub cores: usize,
    pub signals: usize,
    pub calls_a_second: f64,
    /// Counted from and to.
    pub window: [f64; 2],
    pub costs: Costs,
    pub happenings: Vec<(f64, Happening)>,
    pub hedge_after: f64,
    pub answer_time_max: f64,
    pub in_flight_calls: usize,
    pub seed: u64,
}

/// A call of a caller: its place, and which of those that had the place it is.
pub type Id = (u32, u32);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrives,
    Begins(Id),
    Done { process: usize, life: u32, job: Job },
    Reaches { id: Id, asking: usize, place: usize },
    Told { id: Id, asking: usize, place: usize, ok: bool },
    Hedges { id: Id, asking: usize },
    GivesUp { id: Id, asking: usize },
    Over(Id),
    Happens(usize),
    Listed { process: usize, life: u32, there: bool },
    Balanced { process: usize, life: u32, there: bool },
    CutOff { process: usize, life: u32 },
}

/// One process that was asked.
struct Question {
    process: usize,
    since: Moment,
    open: bool,
}

/// Asking one other shard, as `io::shards` does.
#[derive(Default)]
struct Asking {
    next: Vec<usize>,
    again: Option<usize>,
    asked: Vec<Question>,
    done: bool,
}

#[derive(Default)]
struct Call {
    life: u32,
    is_open: bool,
    home: usize,
    came: Moment,
    counts: bool,
    askings: Vec<Asking>,
    waiting: usize,
    missing: bool,
}

pub struct Fleet {
    plan: Plan,
    draw: Draw,
    now: Moment,
    events: BinaryHeap<Reverse<(Moment, u64, Event)>>,
    number: u64,
    processes: Vec<Process>,
    /// Of each process, what it knows of each other.
    asked: Vec<Vec<u32>>,
    failed: Vec<Vec<Option<Moment>>>,
    /// Of each process, whose turn it is in each shard, and its questions and those of them that were hedged.
    turns: Vec<Vec<usize>>,
    questions: Vec<[u64; 2]>,
    calls: Vec<Call>,
    free: Vec<u32>,
    rate: f64,
    favour: Option<(usize, f64)>,
    pub tally: Tally,
}

impl Fleet {
    /// What becomes of a plan.
    pub fn run(plan: &Plan) -> Tally {
        let count = plan.shards as usize * plan.processes;
        let processes = (0..count).map(|_| Process::new(plan.cores)).collect();
        let mut fleet = Self {
            draw: Draw(Dice(plan.seed)),
            now: 0,
            events: BinaryHeap::new(),
            number: 0,
            processes,
            asked: vec![vec![0; count]; count],
            failed: vec![vec![None; count]; count],
            turns: vec![vec![0; plan.shards as usize + 1]; count],
            questions: vec![[0; 2]; count],
            calls: Vec::new(),
            free: Vec::new(),
            rate: 1.0,
            favour: None,
            tally: Tally::default(),
            plan: plan.clone(),
        };
        for place in 0..plan.happenings.len() {
            fleet.at(seconds(plan.happenings[place].0), Event::Happens(place));
        }
        fleet.at(0, Event::Arrives);
        while let Some(Reverse((time, _, event))) = fleet.events.pop() {
            fleet.now = time;
            fleet.on(event);
        }
        let [from, to] = plan.window;
        let share =
            |process: &Process| process.busy as f64 / ((to - from) * 1e9 * plan.cores as f64);
        fleet.tally.busy = fleet.processes.iter().map(share).collect();
        let all = fleet.tally.waits.len() as u64 + fleet.tally.refused;
        assert_eq!(all, fleet.tally.arrived, "every call is answered or refused, once");
        assert!(fleet.asked.iter().flatten().all(|asked| *asked == 0), "no question is left open");
        fleet.tally
    }

    fn at(&mut self, time: Moment, event: Event) {
        self.number += 1;
        self.events.push(Reverse((time, self.number, event)));
    }

    fn after(&mut self, span: f64, event: Event) {
        self.at(self.now + micros(span), event);
    }

    fn pass(&mut self) -> f64 {
        self.plan.costs.pass(&mut self.draw)
    }

    fn counts(&self) -> bool {
        let [from, to] = self.plan.window;
        (seconds(from)..seconds(to)).contains(&self.now)
    }

    /// The call, where it still is the one that is meant.
    fn call(&mut self, id: Id) -> Option<&mut Call> {
        let call = &mut self.calls[id.0 as usize];
        (call.is_open && call.life == id.1).then_some(call)
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Arrives => self.arrives(),
            Event::Begins(id) => self.begins(id),
            Event::Done { process, life, job } => {
                if self.processes[process].life == life {
                    self.processes[process].ends();
                    self.done(process, job);
                    self.start(process);
                }
            }
            Event::Reaches { id, asking, place } => self.reaches(id, asking, place),
            Event::Told { id, asking, place, ok } => self.told(id, asking, place, ok),
            Event::Hedges { id, asking } => self.hedges(id, asking),
            Event::GivesUp { id, asking } => self.gives_up(id, asking),
            Event::Over(id) => self.over(id),
            Event::Happens(place) => self.happens(self.plan.happenings[place].1),
            Event::Listed { process, life, there } => {
                let known = &mut self.processes[process];
                known.listed = if known.life == life { there } else { known.listed };
            }
            Event::Balanced { process, life, there } => {
                let known = &mut self.processes[process];
                known.balanced = if known.life == life { there } else { known.balanced };
            }
            Event::CutOff { process, life } => {
                if self.processes[process].life == life {
                    self.send_again(process);
                }
            }
        }
    }

    fn arrives(&mut self) {
        let end = seconds(self.plan.window[1]);
        let gap = self.draw.exponential(1e6 / (self.plan.calls_a_second * self.rate));
        if self.now < end {
            self.after(gap, Event::Arrives);
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.calls.push(Call::default());
            self.calls.len() as u32 - 1
        });
        let (now, counts) = (self.now, self.counts());
        let call = &mut self.calls[place as usize];
        call.life += 1;
        (call.is_open, call.came, call.counts, call.missing) = (true, now, counts, false);
        let id = (place, call.life);
        self.tally.arrived += u64::from(counts);
        self.send(id, 0.0);
    }

    /// A caller's call goes to a process that the balancer thinks is there.
    fn send(&mut self, id: Id, wait: f64) {
        let there = |process: &Process| process.balanced;
        let known: Vec<usize> =
            (0..self.processes.len()).filter(|place| there(&self.processes[*place])).collect();
        let home = match self.favour {
            Some((process, part)) if self.draw.part() < part => process,
            _ => known[self.draw.below(known.len())],
        };
        self.calls[id.0 as usize].home = home;
        let way = self.pass();
        self.after(wait + way, Event::Begins(id));
    }

    fn begins(&mut self, id: Id) {
        let Some(call) = self.call(id) else { return };
        let home = call.home;
        let process = &mut self.processes[home];
        if !process.up {
            // Refused at once where the machine is there, and noticed late where it is not.
            let late = if process.silent { NOTICED_AFTER * 1e6 } else { 0.0 };
            return self.again(id, late);
        }
        if process.calls >= self.plan.in_flight_calls {
            let counts = self.calls[id.0 as usize].counts;
            self.tally.refused += u64::from(counts);
            return self.close(id);
        }
        process.calls += 1;
        if self.plan.shards == 1 {
            return self.push(home, Job::Decides(id));
        }
        self.push(home, Job::Reads(id));
    }

    /// The caller sends the call again.
    fn again(&mut self, id: Id, late: f64) {
        let Some(call) = self.call(id) else { return };
        call.life += 1;
        let (id, counts) = ((id.0, call.life), call.counts);
        self.tally.again += u64::from(counts);
        let wait = late + self.pass();
        self.send(id, wait);
    }

    fn close(&mut self, id: Id) {
        self.calls[id.0 as usize].is_open = false;
        self.free.push(id.0);
    }

    fn push(&mut self, process: usize, job: Job) {
        self.processes[process].queue.push_back(job);
        self.start(process);
    }

    /// Puts free processors to work.
    fn start(&mut self, process: usize) {
        while self.processes[process].is_free() {
            let Some(job) = self.processes[process].queue.pop_front() else { return };
            let (costs, signals) = (self.plan.costs, self.plan.signals);
            let (shards, draw) = (self.plan.shards, &mut self.draw);
            let end = costs.end + costs.end_signal * signals as f64;
            // An end of a question is half sending and half reading.
            let cost = match job {
                Job::Reads(_) => {
                    let others = f64::from(shards - 1);
                    costs.work(draw, costs.call / 2.0 + others * end / 2.0)
                }
                Job::Looks { id, asking, place } => {
                    let call = &self.calls[id.0 as usize];
                    // Who asked has gone away: what waits for its turn is not begun.
                    if call.life != id.1 || !call.askings[asking].asked[place].open {
                        self.processes[process].questions -= 1;
                        continue;
                    }
                    costs.work(draw, end) + costs.searches(draw, signals)
                }
                Job::Hears { .. } => costs.work(draw, end / 2.0),
                Job::Decides(_) => {
                    let call = if shards == 1 { costs.call } else { costs.call / 2.0 };
                    costs.work(draw, call + costs.decide * signals as f64)
                        + costs.searches(draw, signals)
                }
            };
            let cost = micros(cost * self.processes[process].slow);
            let [from, to] = self.plan.window.map(seconds);
            let end = self.now + cost;
            let busy = end.min(to).saturating_sub(self.now.max(from));
            let life = self.processes[process].begins(busy);
            self.at(end, Event::Done { process, life, job });
        }
    }

    fn done(&mut self, process: usize, job: Job) {
        match job {
            Job::Reads(id) => self.asks_all(id),
            Job::Looks { id, asking, place } => {
                self.processes[process].questions -= 1;
                let way = self.pass();
                self.after(way, Event::Told { id, asking, place, ok: true });
            }
            Job::Hears { id, asking, place } => self.answered(id, asking, place),
            Job::Decides(id) => {
                self.processes[process].calls -= 1;
                let wait = (self.now - self.calls[id.0 as usize].came) as f64 / 1e3 + self.pass();
                let call = &self.calls[id.0 as usize];
                if call.counts {
                    self.tally.missing += u64::from(call.missing);
                    self.tally.waits.push(wait);
                }
                self.close(id);
            }
        }
    }
}
